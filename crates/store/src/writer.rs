//! The queue of records on their way to the disk, and the work of emptying it: groups, failures, fencing. One writer at a time
//! runs it: a thread for a file, the caller itself for memory. Knows nothing of SQLite.
//!
//! A group is what waits when the disk is free, at most [`GROUP_MAX`] records of whole appends. The writer does not wait for a
//! group to fill: under load the commit under way is the wait, and a single record is durable as soon as the disk allows.

use crate::error::{Error, ErrorKind};
use crate::row::Row;
use ridethrough_model::{Mono, RunId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Records in one commit, unless a single append is larger: that one is a commit of its own.
pub const GROUP_MAX: usize = 64;
/// Records that may wait for the disk: the facts of a long outage of a thousand VMs.
pub const QUEUE_MAX: usize = 65_536;
/// How long the writer waits after a failed commit before it tries again.
pub const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// How long dropping a journal waits for the disk before it leaves the writer's thread to itself.
pub const DROP_WAIT_MAX: Duration = Duration::from_secs(2);

/// What the writer reports.
#[derive(Clone, Debug)]
pub enum Committed {
    /// All records of that run up to and including `seq` survive a crash and a loss of power.
    Durable {
        /// Which run.
        run: RunId,
        /// Its last durable record.
        seq: u64,
    },
    /// Commits have begun to fail, or fail for another reason than before. Said once; the next `Durable` says it is over.
    /// With `StaleEpoch` it is never over.
    Failed {
        /// Why.
        error: Error,
    },
}

/// What waits for the disk.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    /// Records taken and not yet durable.
    pub records: usize,
    /// The time within the oldest of them; how long ago that is tells a stall. `None`: nothing waits.
    pub oldest: Option<Mono>,
    /// Why the last commit failed. `None` while commits work or hang.
    pub failing: Option<Error>,
}

/// Where rows go. The seam between the queue and the disk.
pub(crate) trait Medium: Send {
    /// Writes all rows or none, durably, if the caller's epoch still holds and the rows continue their runs.
    fn commit(&mut self, rows: &[&Row]) -> Result<(), Error>;
    /// False while a commit would hang; only a medium without a thread of its own may say so.
    fn is_responsive(&self) -> bool {
        true
    }
}

/// The part of a journal that its callers and its writer share. The lock is never held over a commit.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
}

#[derive(Debug)]
struct State {
    /// Whole appends, oldest first. Those of a commit under way stay here until they are durable.
    waiting: VecDeque<Arc<Vec<Row>>>,
    /// The sum of their records.
    records: usize,
    /// The last sequence number taken, for each run.
    taken: BTreeMap<u64, u64>,
    /// The last durable one.
    durable: BTreeMap<u64, u64>,
    failing: Option<Error>,
    is_closing: bool,
    has_ended: bool,
}

impl Queue {
    pub(crate) fn new(durable: BTreeMap<u64, u64>) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                records: 0,
                taken: durable.clone(),
                durable,
                failing: None,
                is_closing: false,
                has_ended: false,
            }),
            wake: Condvar::new(),
            done: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so many more records could be taken.
    pub(crate) fn admits(&self, count: usize) -> Result<(), Error> {
        self.lock().admits(count)
    }

    /// Takes an append whole or not at all.
    pub(crate) fn push(&self, rows: Vec<Row>) -> Result<(), Error> {
        let mut state = self.lock();
        state.admits(rows.len())?;
        let mut taken: BTreeMap<u64, u64> = BTreeMap::new();
        for row in &rows {
            let last = taken.get(&row.run).or_else(|| state.taken.get(&row.run)).copied().unwrap_or(0);
            if row.seq != last + 1 {
                return Err(Error::new(ErrorKind::Refused, "append")
                    .with("run", row.run)
                    .with("expected seq", last + 1)
                    .with("got", row.seq));
            }
            taken.insert(row.run, row.seq);
        }
        state.taken.append(&mut taken);
        state.records += rows.len();
        state.waiting.push_back(Arc::new(rows));
        drop(state);
        self.wake.notify_all();
        Ok(())
    }

    pub(crate) fn pending(&self) -> Pending {
        let state = self.lock();
        Pending {
            records: state.records,
            oldest: state.waiting.front().and_then(|rows| rows.first()).map(|row| Mono(row.mono_ms)),
            failing: state.failing.clone(),
        }
    }

    pub(crate) fn durable(&self, run: RunId) -> u64 {
        self.lock().durable.get(&run.0).copied().unwrap_or(0)
    }

    /// Asks the writer to end once everything is written, or at its next failure; waits so long for it. True when it ended.
    pub(crate) fn close(&self, wait_max: Duration) -> bool {
        let mut state = self.lock();
        state.is_closing = true;
        self.wake.notify_all();
        state = self.done.wait_timeout_while(state, wait_max, |state| !state.has_ended).unwrap_or_else(PoisonError::into_inner).0;
        state.has_ended
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.lock().is_closing
    }

    pub(crate) fn end(&self) {
        self.lock().has_ended = true;
        self.done.notify_all();
    }

    fn group(&self) -> Vec<Arc<Vec<Row>>> {
        let state = self.lock();
        let mut group: Vec<Arc<Vec<Row>>> = Vec::new();
        let mut records = 0;
        for append in &state.waiting {
            records += append.len();
            if !group.is_empty() && records > GROUP_MAX {
                break;
            }
            group.push(Arc::clone(append));
        }
        group
    }

    fn wait_for_work(&self) {
        let state = self.lock();
        drop(
            self.wake
                .wait_while(state, |state| state.waiting.is_empty() && !state.is_closing)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    fn wait_to_retry(&self) {
        let state = self.lock();
        drop(self.wake.wait_timeout_while(state, RETRY_PAUSE, |state| !state.is_closing).unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn admits(&self, count: usize) -> Result<(), Error> {
        let fenced = self.failing.as_ref().filter(|e| is_final(e));
        if let Some(error) = fenced {
            return Err(error.clone());
        }
        if self.is_closing || self.has_ended {
            return Err(Error::new(ErrorKind::Closed, "append"));
        }
        if self.records + count > QUEUE_MAX {
            return Err(Error::new(ErrorKind::Full, "append").with("waiting", self.records).with("refused", count));
        }
        Ok(())
    }
}

/// A failure after which this journal never writes again: going on could mix two writers' records.
fn is_final(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::StaleEpoch { .. } | ErrorKind::Refused | ErrorKind::NewerFormat { .. })
}

/// What became of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing waits.
    Idle,
    /// A group became durable.
    Wrote,
    /// It did not, or hangs; everything still waits.
    Stuck,
    /// It did not and never will.
    Ended,
}

/// Whoever empties the queue.
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) medium: Box<dyn Medium>,
    pub(crate) report: Box<dyn Fn(Committed) + Send>,
}

impl Writer {
    /// Writes one group.
    pub(crate) fn step(&mut self) -> Step {
        let group = self.queue.group();
        if group.is_empty() {
            return Step::Idle;
        }
        if !self.medium.is_responsive() {
            return Step::Stuck;
        }
        let rows: Vec<&Row> = group.iter().flat_map(|append| append.iter()).collect();
        match self.medium.commit(&rows) {
            Ok(()) => {
                self.succeeded(group.len(), &rows);
                Step::Wrote
            }
            Err(error) if is_final(&error) => {
                self.failed(error);
                Step::Ended
            }
            Err(error) => {
                self.failed(error);
                Step::Stuck
            }
        }
    }

    fn succeeded(&self, appends: usize, rows: &[&Row]) {
        let mut last: BTreeMap<u64, u64> = rows.iter().map(|row| (row.run, row.seq)).collect();
        let reports: Vec<Committed> = last.iter().map(|(run, seq)| Committed::Durable { run: RunId(*run), seq: *seq }).collect();
        let mut state = self.queue.lock();
        state.waiting.drain(..appends);
        state.records -= rows.len();
        state.durable.append(&mut last);
        state.failing = None;
        drop(state);
        for report in reports {
            (self.report)(report);
        }
    }

    /// Notes a failure; says it when it is news.
    pub(crate) fn failed(&self, error: Error) {
        let mut state = self.queue.lock();
        let before = state.failing.replace(error.clone());
        drop(state);
        if before.is_none_or(|before| before.kind() != error.kind()) {
            (self.report)(Committed::Failed { error });
        }
    }

    /// The life of the writer's thread.
    pub(crate) fn run(mut self) {
        loop {
            match self.step() {
                Step::Wrote => {}
                Step::Ended => return,
                Step::Idle if self.queue.is_closing() => return,
                Step::Idle => self.queue.wait_for_work(),
                Step::Stuck if self.queue.is_closing() => return,
                Step::Stuck => self.queue.wait_to_retry(),
            }
        }
    }
}
