//! The journal as its one writer holds it: take records, say when they are durable. The work is in `writer.rs`.

use crate::error::{AppendError, Error, ErrorKind};
use crate::file;
use crate::memory::Memory;
use crate::reader::Reader;
use crate::row::Row;
use crate::writer::{Committed, DROP_WAIT_MAX, Pending, Queue, Step, Writer};
use ridethrough_model::{Record, RunId};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Is told what became durable and what failed: on the writer's own thread, or, for [`Journal::in_memory`], within `append` and
/// [`Memory::set_fault`]. It must hand over and return: whatever it waits for, the journal waits for. It must not call the journal.
/// Should a report be lost on the way, [`Journal::durable`] knows.
pub type OnCommit = Box<dyn Fn(Committed) + Send>;

/// The journal, open for writing. Exactly one holds it at a time.
///
/// Dropping it writes what waits, for at most [`DROP_WAIT_MAX`]. A disk that hangs longer keeps the writer's thread, which is
/// left to itself and ends with the process; what waited is lost. [`Journal::close`] says so, dropping does not.
pub struct Journal {
    epoch: u64,
    queue: Arc<Queue>,
    disk: Disk,
}

enum Disk {
    File(PathBuf),
    Memory { memory: Memory, writer: Arc<Mutex<Writer>> },
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("epoch", &self.epoch)
            .field("pending", &self.queue.pending().records)
            .finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the journal, makes it if there is none, takes a new epoch and starts the writer's thread.
    ///
    /// A disk that is full or fails does not keep an existing journal from opening, as it must be read in an outage: `Failed` is
    /// reported at once, records wait, and until it works [`Self::durable`] names what can be read. The lock on `<path>.lock` is held until the journal is dropped.
    ///
    /// # Errors
    /// `Open`, `Foreign`, `Held`, `NewerFormat`, `Corrupt`. In none of these cases was anything in the file changed.
    pub fn open(path: &Path, on_commit: OnCommit) -> Result<Self, Error> {
        let opened = file::open(path)?;
        let queue = Arc::new(Queue::new(opened.last_seqs));
        let writer = Writer { queue: Arc::clone(&queue), medium: Box::new(opened.medium), report: on_commit };
        let ending = Ending(Arc::clone(&queue));
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                // Dropped last, also in a panic: the file is closed and unlocked when the journal says that it has ended.
                let _ending = ending;
                if let Some(error) = opened.failing {
                    writer.failed(error);
                }
                writer.run();
            })
            .map_err(|e| Error::new(ErrorKind::Open, "start the journal's thread").because(e))?;
        Ok(Self { epoch: opened.epoch, queue, disk: Disk::File(path.to_owned()) })
    }

    /// Opens a journal on a disk in memory. Everything is done within the calls; there is no thread.
    #[must_use]
    pub fn in_memory(memory: &Memory, on_commit: OnCommit) -> Self {
        use crate::reader::Rows as _;
        let medium = memory.claim();
        let epoch = medium.epoch;
        let last_seqs = memory.last_seqs().expect("memory is always readable");
        let queue = Arc::new(Queue::new(last_seqs));
        let writer = Arc::new(Mutex::new(Writer { queue: Arc::clone(&queue), medium: Box::new(medium), report: on_commit }));
        // Weak: the disk outlives its journals and must not keep them.
        let resumed = Arc::downgrade(&writer);
        memory.on_resume(Arc::new(move || {
            if let Some(writer) = resumed.upgrade() {
                write_all(&writer);
            }
        }));
        Self { epoch, queue, disk: Disk::Memory { memory: memory.clone(), writer } }
    }

    /// This writer's fencing number: one more than the one before. Every record appended carries it.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Takes records to be written, all in one transaction or, refused, none. Never waits for the disk.
    ///
    /// They become durable in the order of the calls; `Durable` says when.
    ///
    /// # Errors
    /// The records come back with: `Full`, too many wait; `Refused`, a run would have a gap or the epoch is not ours; `StaleEpoch`,
    /// a later controller holds the journal; `Closed`.
    pub fn append(&self, records: Vec<Record>) -> Result<(), AppendError> {
        match self.take(&records) {
            Ok(()) => {}
            Err(error) => return Err(AppendError { error, records }),
        }
        if let Disk::Memory { writer, .. } = &self.disk {
            write_all(writer);
        }
        Ok(())
    }

    fn take(&self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        self.queue.admits(records.len())?;
        if let Some(other) = records.iter().find(|record| record.epoch != self.epoch) {
            return Err(Error::new(ErrorKind::Refused, "append").with("our epoch", self.epoch).with("the record's", other.epoch));
        }
        let rows: Result<Vec<Row>, Error> = records.iter().map(Row::encode).collect();
        self.queue.push(rows?)
    }

    /// What waits for the disk, since when, and whether commits fail. A stall is a `pending().oldest` that grows old.
    #[must_use]
    pub fn pending(&self) -> Pending {
        self.queue.pending()
    }

    /// The last durable sequence number of a run; 0 if it has none.
    #[must_use]
    pub fn durable(&self, run: RunId) -> u64 {
        self.queue.durable(run)
    }

    /// A reader with a connection of its own.
    ///
    /// # Errors
    /// `Open` where the file cannot be opened a second time.
    pub fn reader(&self) -> Result<Reader, Error> {
        match &self.disk {
            Disk::File(path) => Reader::open(path),
            Disk::Memory { memory, .. } => Ok(Reader::new(Box::new(memory.clone()))),
        }
    }

    /// Writes what waits and ends, waiting so long for the disk.
    ///
    /// # Errors
    /// `Lost`: so many records were not written and are lost with this process.
    pub fn close(self, wait_max: Duration) -> Result<(), Error> {
        self.end(wait_max);
        let left = self.pending();
        if left.records == 0 {
            return Ok(());
        }
        let lost = Error::new(ErrorKind::Lost, "close the journal").with("lost", left.records);
        Err(match left.failing {
            Some(cause) => lost.because(cause),
            None => lost.with("disk", "did not answer in time"),
        })
    }

    fn end(&self, wait_max: Duration) {
        if let Disk::Memory { .. } = self.disk {
            self.queue.end();
        }
        if !self.queue.is_closing() {
            self.queue.close(wait_max);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.end(DROP_WAIT_MAX);
    }
}

fn write_all(writer: &Mutex<Writer>) {
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    while writer.step() == Step::Wrote {}
}

/// Says that the writer's thread has ended, however it did.
struct Ending(Arc<Queue>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}
