//! From the journal's thread to the loop: what became durable, and what failed. Nothing is lost and nothing waits: the marks of
//! one run replace each other, as the later one says more.

use ridethrough_decide::Input;
use ridethrough_model::RunId;
use ridethrough_store::{Committed, OnCommit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// What the journal reported and the loop has not read yet. Bounded by the number of runs under way.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    failed: Option<String>,
    durable: BTreeMap<RunId, u64>,
}

impl Marks {
    /// What the journal calls.
    pub(crate) fn reporter(self: &Arc<Self>) -> OnCommit {
        let marks = Arc::clone(self);
        Box::new(move |committed| match committed {
            Committed::Durable { run, seq } => marks.durable(run, seq),
            Committed::Failed { error } => marks.failed(error.in_full()),
        })
    }

    fn durable(&self, run: RunId, seq: u64) {
        let mut state = self.lock();
        state.failed = None;
        let mark = state.durable.entry(run).or_default();
        *mark = seq.max(*mark);
        drop(state);
        self.arrived.notify_one();
    }

    pub(crate) fn failed(&self, reason: String) {
        self.lock().failed = Some(reason);
        self.arrived.notify_one();
    }

    /// The next report. Safe to cancel. For one reader.
    pub(crate) async fn next(&self) -> Input {
        loop {
            if let Some(report) = self.try_next() {
                return report;
            }
            self.arrived.notified().await;
        }
    }

    fn try_next(&self) -> Option<Input> {
        let mut state = self.lock();
        if let Some((run, seq)) = state.durable.pop_first() {
            return Some(Input::Durable { run, seq });
        }
        state.failed.take().map(|reason| Input::JournalFailed { reason })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
