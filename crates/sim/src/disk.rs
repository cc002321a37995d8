//! The journal as a disk keeps it: what was synced survives a crash, the tail does not.

use ridethrough_model::{Millis, Record, RunId};
use std::collections::BTreeMap;

/// How the disk behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskState {
    /// It syncs.
    #[default]
    Works,
    /// A sync does not come back.
    Hangs,
    /// A sync fails, and says so.
    Fails,
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// How it behaves now.
    pub state: DiskState,
    /// What survives.
    pub durable: Vec<Record>,
    /// What was appended and not synced.
    pub tail: Vec<Record>,
    /// When each record of the tail and of the durable part was appended is in the record; when the last sync ended is here.
    pub synced_at: Millis,
}

/// What a new process finds.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Run 0.
    pub site_log: Vec<Record>,
    /// The last run, if it has not ended.
    pub open_run: Vec<Record>,
    /// The highest run number.
    pub runs_seen: u64,
    /// The highest incident number.
    pub incident_last: u64,
}

impl Disk {
    /// Everything appended so far becomes durable; returns the last record of each run.
    pub fn sync(&mut self, at: Millis) -> BTreeMap<RunId, u64> {
        let mut marks = BTreeMap::new();
        for record in std::mem::take(&mut self.tail) {
            marks.insert(record.run, record.seq);
            self.durable.push(record);
        }
        self.synced_at = at;
        marks
    }

    /// Power is cut to the process: the tail is gone.
    pub fn lose_tail(&mut self) {
        self.tail.clear();
    }

    /// What the journal tells a new process.
    #[must_use]
    pub fn find(&self) -> Found {
        let of_run = |run: RunId| self.durable.iter().filter(|record| record.run == run).cloned().collect::<Vec<_>>();
        let last = self.durable.iter().map(|record| record.run).max().unwrap_or(RunId::SITE);
        let has_ended = |records: &[Record]| records.iter().any(|r| r.entry.kind() == "run-ended");
        let run = if last == RunId::SITE { Vec::new() } else { of_run(last) };
        Found {
            site_log: of_run(RunId::SITE),
            open_run: if has_ended(&run) { Vec::new() } else { run },
            runs_seen: last.0,
            incident_last: self.durable.iter().map(|record| record.incident).max().unwrap_or(0),
        }
    }
}
