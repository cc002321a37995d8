//! What this process is doing to each VM. Operations on one VM begin one after the other; those on others do not wait for it.
//!
//! Nothing here outlives the process: what a new one needs to know is at the hosts and in the [`Task`].

use super::task::Task;
use super::wire::Uuid;
use ridethrough_driver::{Error, FailureKind, Result};
use ridethrough_model::Failure;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Beyond so many desks the idle ones are cleared away.
const DESKS_MAX: usize = 20_000;

/// The desks of all VMs that something was done to.
#[derive(Debug, Default)]
pub(super) struct Desks {
    desks: Mutex<BTreeMap<Uuid, Arc<Desk>>>,
}

/// One VM's.
#[derive(Debug)]
pub(super) struct Desk {
    turn: Arc<Semaphore>,
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Work {
    number: u64,
    latest: Option<(Task, Standing)>,
}

/// How far the latest request is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    UnderWay,
    Answered,
    Failed(Failure),
}

impl Desks {
    pub(super) fn of(&self, uuid: Uuid) -> Arc<Desk> {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        if desks.len() >= DESKS_MAX && !desks.contains_key(&uuid) {
            desks.retain(|_, desk| Arc::strong_count(desk) > 1 || desk.under_way().is_some());
        }
        let empty = || Arc::new(Desk { turn: Arc::new(Semaphore::new(1)), work: Mutex::default() });
        Arc::clone(desks.entry(uuid).or_insert_with(empty))
    }
}

impl Desk {
    /// The right to begin something with this VM, for as long as it is held.
    pub(super) async fn turn(&self, operation: &'static str, deadline: Instant) -> Result<OwnedSemaphorePermit> {
        let busy = || {
            let what = self.under_way().map_or_else(|| "another operation".to_owned(), |task| task.words());
            Error::new(FailureKind::Busy, operation, format!("{what} has not ended")).no_effect()
        };
        let turn = Arc::clone(&self.turn).acquire_owned();
        timeout_at(deadline, turn).await.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// Notes that a request is about to be sent. Its number is needed to end it.
    pub(super) fn begin(&self, task: Task) -> u64 {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.number += 1;
        work.latest = Some((task, Standing::UnderWay));
        work.number
    }

    /// Notes how a request ended, unless a later one has taken its place.
    pub(super) fn end(&self, number: u64, standing: Standing) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if work.number == number
            && let Some((_, latest)) = &mut work.latest
        {
            *latest = standing;
        }
    }

    /// What this process knows about a task; `None`: nothing.
    pub(super) fn standing(&self, task: &Task) -> Option<Standing> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.latest.as_ref().filter(|(latest, _)| latest == task).map(|(_, standing)| standing.clone())
    }

    pub(super) fn is_under_way(&self, task: &Task) -> bool {
        self.standing(task) == Some(Standing::UnderWay)
    }

    pub(super) fn under_way(&self) -> Option<Task> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.latest.as_ref().filter(|(_, standing)| *standing == Standing::UnderWay).map(|(task, _)| task.clone())
    }
}
