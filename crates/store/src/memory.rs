//! A journal without a disk, for tests and the simulator: the same queue and the same rows, no thread, so that the same calls
//! give the same reports in the same order. It outlives the [`Journal`](crate::Journal) on it, as a disk does, and has its faults.

use crate::error::{Error, ErrorKind};
use crate::reader::Rows;
use crate::row::{Marks, RUN_ENDED, Row};
use crate::writer::Medium;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is wrong with the memory's disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Every commit fails.
    Failing,
    /// Every commit hangs: nothing is reported, everything waits.
    Hanging,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Memory {
    shared: Arc<Mutex<Disk>>,
}

#[derive(Default)]
struct Disk {
    rows: BTreeMap<(u64, u64), Row>,
    marks: Marks,
    epoch: u64,
    fault: Fault,
    /// What the open journal does when a fault is over.
    resume: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = self.lock();
        f.debug_struct("Memory").field("records", &disk.rows.len()).field("fault", &disk.fault).finish_non_exhaustive()
    }
}

impl Memory {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on the disk has that fault. When it has none again, what waited is written before this returns, and reported.
    pub fn set_fault(&self, fault: Fault) {
        let mut disk = self.lock();
        disk.fault = fault;
        let resume = disk.resume.clone().filter(|_| fault == Fault::None);
        drop(disk);
        if let Some(resume) = resume {
            resume();
        }
    }

    /// Puts a record in as some other version of the program would have written it. For tests of what readers make of it.
    pub fn plant(&self, run: u64, seq: u64, kind: &str, version: u32, body: &str) {
        let row = Row {
            run,
            seq,
            incident: 0,
            epoch: 0,
            mono_ms: 0,
            boot_id: String::new(),
            wall: "2025-01-01T00:00:00Z".to_owned(),
            kind: kind.to_owned(),
            version,
            body: body.to_owned(),
            marks: Marks::default(),
        };
        self.lock().rows.insert((run, seq), row);
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn on_resume(&self, resume: Arc<dyn Fn() + Send + Sync>) {
        self.lock().resume = Some(resume);
    }

    pub(crate) fn claim(&self) -> MemoryMedium {
        let mut disk = self.lock();
        disk.epoch += 1;
        MemoryMedium { memory: self.clone(), epoch: disk.epoch }
    }
}

/// The writing side: one writer's epoch on the disk.
pub(crate) struct MemoryMedium {
    memory: Memory,
    pub(crate) epoch: u64,
}

impl Medium for MemoryMedium {
    fn is_responsive(&self) -> bool {
        self.memory.lock().fault != Fault::Hanging
    }

    fn commit(&mut self, rows: &[&Row]) -> Result<(), Error> {
        const OPERATION: &str = "write the journal";
        let mut disk = self.memory.lock();
        if disk.fault != Fault::None {
            return Err(Error::new(ErrorKind::Write, OPERATION).with("fault", "as told by the test"));
        }
        let (ours, holder) = (self.epoch, disk.epoch);
        if ours != holder {
            return Err(Error::new(ErrorKind::StaleEpoch { ours, holder }, OPERATION));
        }
        for row in rows {
            disk.marks.raise(row.marks);
            let before = disk.rows.insert((row.run, row.seq), (*row).clone());
            assert!(before.is_none(), "the queue gives each place out once");
        }
        Ok(())
    }
}

impl Rows for Memory {
    fn rows(&self, run: u64, after: u64, limit: usize) -> Result<Vec<Row>, Error> {
        let disk = self.lock();
        let rows = disk.rows.range((run, after.saturating_add(1))..=(run, u64::MAX));
        Ok(rows.take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn end_of(&self, run: u64) -> Result<Option<Row>, Error> {
        let disk = self.lock();
        let rows = disk.rows.range((run, 0)..=(run, u64::MAX));
        let last = rows.rev().find(|(_, row)| row.kind == RUN_ENDED);
        Ok(last.map(|(_, row)| row.clone()))
    }

    fn last_seqs(&self) -> Result<BTreeMap<u64, u64>, Error> {
        Ok(self.lock().rows.keys().copied().collect())
    }

    fn marks(&self) -> Result<Marks, Error> {
        Ok(self.lock().marks)
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
