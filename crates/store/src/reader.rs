//! Reading the journal back: for recovery, for views, for tools. Read-only; never waits for the writer.

use crate::error::{Error, ErrorKind};
use crate::file;
use crate::row::{Marks, Row};
use ridethrough_model::entry::RunEnd;
use ridethrough_model::{Entry, Ids, Now, Record, RunId};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// How a run ended, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnded {
    /// When.
    pub at: Now,
    /// How.
    pub end: RunEnd,
}

/// One run in a list of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// Which.
    pub run: RunId,
    /// The number of its incident.
    pub incident: u64,
    /// The time of its first record; `wall` is for people.
    pub opened: Now,
    /// `None` while it is open.
    pub ended: Option<RunEnded>,
    /// How many records it has; also the sequence number of the last.
    pub records: u64,
}

/// Where rows come from. The seam between reading and the disk.
pub(crate) trait Rows: Send {
    /// The rows of a run after a sequence number, in order.
    fn rows(&self, run: u64, after: u64, limit: usize) -> Result<Vec<Row>, Error>;
    /// The row that ended the run.
    fn end_of(&self, run: u64) -> Result<Option<Row>, Error>;
    /// Every run with its last sequence number.
    fn last_seqs(&self) -> Result<BTreeMap<u64, u64>, Error>;
    /// The largest ids given.
    fn marks(&self) -> Result<Marks, Error>;
    /// Whether the medium itself is sound.
    fn check(&self) -> Result<(), Error>;
}

/// Reads a journal: whole appends, one consistent state for each call. After a commit that failed it may show records that are
/// not yet reported durable; it never shows less than what was.
pub struct Reader {
    rows: Box<dyn Rows>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    pub(crate) fn new(rows: Box<dyn Rows>) -> Self {
        Self { rows }
    }

    /// Opens a journal file for reading only, also while a controller writes to it, as the user who owns it.
    ///
    /// # Errors
    /// `Open`: no such file, no right, or of an older format that no controller of this version has opened yet. `Foreign`,
    /// `NewerFormat`, `Corrupt`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self::new(Box::new(file::open_rows(path)?)))
    }

    /// All records of a run in order; none for a run that is not there.
    ///
    /// # Errors
    /// `NewerFormat`, `Unreadable`, `Corrupt`, `Read`. A record that cannot be read is never skipped.
    pub fn read_run(&self, run: RunId) -> Result<Vec<Record>, Error> {
        self.records_after(run, 0, usize::MAX)
    }

    /// The records of a run after `seq`, at most `limit`, in order.
    ///
    /// # Errors
    /// As [`Self::read_run`]; also `Corrupt` where one is missing.
    pub fn records_after(&self, run: RunId, seq: u64, limit: usize) -> Result<Vec<Record>, Error> {
        let Some(first) = seq.checked_add(1) else {
            return Ok(Vec::new());
        };
        let rows = self.rows.rows(run.0, seq, limit)?;
        for (row, expected) in rows.iter().zip(first..) {
            if row.seq != expected {
                return Err(Error::new(ErrorKind::Corrupt, "read the journal").with("run", run).with("missing seq", expected));
            }
        }
        rows.iter().map(Row::decode).collect()
    }

    /// Every run, oldest first. The site's log, run 0, is not a run in this sense.
    ///
    /// # Errors
    /// As [`Self::read_run`], for the first record of each run and the one that ended it.
    pub fn runs(&self) -> Result<Vec<RunSummary>, Error> {
        let mut runs = Vec::new();
        for (run, records) in self.rows.last_seqs()? {
            if RunId(run) != RunId::SITE {
                runs.extend(self.summary(RunId(run), records)?);
            }
        }
        Ok(runs)
    }

    fn summary(&self, run: RunId, records: u64) -> Result<Option<RunSummary>, Error> {
        let Some(first) = self.records_after(run, 0, 1)?.pop() else {
            return Ok(None);
        };
        let last = match self.rows.end_of(run.0)? {
            Some(row) => Some(row.decode()?),
            None => None,
        };
        let ended = last.and_then(|record| match record.entry {
            Entry::RunEnded { end } => Some(RunEnded { at: record.at, end }),
            _ => None,
        });
        Ok(Some(RunSummary { run, incident: first.incident, opened: first.at, ended, records }))
    }

    /// The latest run that has not ended: what a starting controller takes up again.
    ///
    /// # Errors
    /// As [`Self::read_run`].
    pub fn last_open_run(&self) -> Result<Option<RunId>, Error> {
        for run in self.rows.last_seqs()?.into_keys().rev() {
            if RunId(run) != RunId::SITE && self.rows.end_of(run)?.is_none() {
                return Ok(Some(RunId(run)));
            }
        }
        Ok(None)
    }

    /// The last sequence number of a run; 0 if it has none.
    ///
    /// # Errors
    /// `Corrupt`, `Read`.
    pub fn last_seq(&self, run: RunId) -> Result<u64, Error> {
        Ok(self.rows.last_seqs()?.get(&run.0).copied().unwrap_or(0))
    }

    /// Counters that continue after every id in the journal.
    ///
    /// # Errors
    /// `Corrupt`, `Read`.
    pub fn ids(&self) -> Result<Ids, Error> {
        let marks = self.rows.marks()?;
        let last = self.rows.last_seqs()?.into_keys().next_back();
        Ok(Ids { run_next: last.unwrap_or(0) + 1, plan_next: marks.plan + 1, action_next: marks.action + 1 })
    }

    /// Reads everything there is and counts it: for `check` and backups. Takes its time on a journal of years.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<u64, Error> {
        const PAGE: usize = 1000;
        self.rows.check()?;
        let mut count = 0;
        for (run, last) in self.rows.last_seqs()? {
            let mut seq = 0;
            while seq < last {
                let page = self.records_after(RunId(run), seq, PAGE)?;
                let Some(end) = page.last() else { break };
                seq = end.seq;
                count += page.len() as u64;
            }
        }
        Ok(count)
    }
}
