//! How far operations are, and what is true of them now. A task that vSphere does not know any more is judged by what is there.

use super::Vsphere;
use super::collect::{self, TaskState};
use super::fault::{declined, failure, task_failure};
use super::ops::{Doing, There, doing};
use super::site::Seen;
use super::task::{Task, TaskKind};
use ridethrough_driver::{FailureKind, Result};
use ridethrough_model::{HostId, Observed, Progress, VmPower};
use tokio::time::Instant;

const POLL: &str = "poll VM";
const OBSERVE: &str = "observe VM";
/// Percent in ppm.
const PERCENT: u32 = 10_000;

impl Vsphere {
    pub(super) async fn progress(&self, task: &Task, deadline: Instant) -> Result<Progress> {
        let there = self.find(&task.vm, task.kind.host(), POLL, deadline).await?;
        let Some(there) = there else {
            return Ok(match task.kind {
                TaskKind::ShutDown { .. } | TaskKind::PowerOff { .. } | TaskKind::Suspend { .. } => {
                    Progress::Done { detail: None }
                }
                _ => Progress::Failed(failure(FailureKind::NotFound, "vSphere does not know the VM any more")),
            });
        };
        // The task first: a state seen before its end proves nothing after it.
        if let Some(remote) = task.remote() {
            let found = collect::task(&there.site.endpoint, &remote, deadline).await;
            match found.map_err(|error| self.with_place(error.into_error(POLL).no_effect(), there.site))?.map(|info| info.state) {
                Some(TaskState::Running(percent)) => {
                    return Ok(Progress::Running { done_ppm: percent.map(|percent| percent.min(100) * PERCENT) });
                }
                Some(TaskState::Failed(fault)) => return self.failed(task, &there, Some(task_failure(&fault)), deadline).await,
                // Done or not known any more: what is there counts, and it is looked at after that.
                Some(TaskState::Done) | None => {}
            }
        }
        self.failed(task, &there, None, deadline).await
    }

    /// What the state of things says, where no task is under way; `why` is the task's own reason, if it failed.
    async fn failed(
        &self,
        task: &Task,
        there: &There<'_>,
        why: Option<ridethrough_model::Failure>,
        deadline: Instant,
    ) -> Result<Progress> {
        match self.stands(task, there.site.see(&task.vm, deadline).await, there, deadline).await? {
            Observed::Done => Ok(Progress::Done { detail: None }),
            Observed::InTransition(_) => Ok(Progress::Running { done_ppm: None }),
            Observed::Gone => Ok(Progress::Failed(failure(FailureKind::NotFound, "vSphere does not know the VM any more"))),
            Observed::NotDone => Ok(match (why, &task.kind) {
                (Some(why), _) => Progress::Failed(why),
                // A guest takes its time, and no task tells.
                (None, TaskKind::ShutDown { host }) if there.seen.is_at(host) => Progress::Running { done_ppm: None },
                (None, _) => {
                    let message =
                        format!("nothing is under way, and it is {} on {}", words(there.seen.power), there.seen.place());
                    Progress::Failed(failure(FailureKind::Unreachable, message))
                }
            }),
        }
    }

    pub(super) async fn observed(&self, task: &Task, deadline: Instant) -> Result<Observed> {
        let Some(there) = self.find(&task.vm, task.kind.host(), OBSERVE, deadline).await? else { return Ok(Observed::Gone) };
        let seen = there.seen.clone();
        self.stands(task, Ok(Some(seen)), &there, deadline).await
    }

    async fn stands(
        &self,
        task: &Task,
        seen: Result<Option<Seen>, super::fault::CallError>,
        there: &There<'_>,
        deadline: Instant,
    ) -> Result<Observed> {
        let seen = seen.map_err(|error| self.with_place(error.into_error(OBSERVE).no_effect(), there.site))?;
        let Some(seen) = seen else { return Ok(Observed::Gone) };
        let there = There { site: there.site, seen };
        if let TaskKind::Autostart { host, enabled } = &task.kind {
            let is_on = self.autostart(&there, host, deadline).await?;
            return Ok(if is_on == *enabled { Observed::Done } else { Observed::NotDone });
        }
        let Some(is_done) = settled(&task.kind, &there.seen) else {
            let message = "vSphere does not know what it is doing: its host or storage is not reached";
            return Err(self
                .with_place(declined(FailureKind::Unreachable, OBSERVE, message), there.site)
                .with("VM", &there.seen.name));
        };
        let wanted = match task.kind {
            TaskKind::ShutDown { .. } | TaskKind::PowerOff { .. } | TaskKind::Suspend { .. } => Doing::Stop,
            TaskKind::Start { .. } => Doing::Start,
            TaskKind::Move { .. } | TaskKind::Abort { .. } => Doing::Move,
            TaskKind::Autostart { .. } => Doing::Other,
        };
        // A VM that is still being moved has not been kept where it was.
        let is_move = wanted == Doing::Move;
        if is_done && !is_move {
            return Ok(Observed::Done);
        }
        let running = self.running(&there, OBSERVE, deadline).await?;
        match running.iter().find(|one| doing(one) == wanted) {
            Some(one) => Ok(Observed::InTransition(task.at(&one.task))),
            None => Ok(if is_done { Observed::Done } else { Observed::NotDone }),
        }
    }
}

/// Whether the wanted state holds; `None` where nobody knows.
fn settled(kind: &TaskKind, seen: &Seen) -> Option<bool> {
    let runs_on = |host: &HostId| seen.power == VmPower::Running && seen.is_at(host);
    match (kind, seen.power) {
        (_, VmPower::Unknown) => None,
        (TaskKind::ShutDown { .. } | TaskKind::PowerOff { .. } | TaskKind::Suspend { .. }, power) => Some(!power.is_active()),
        (TaskKind::Start { host }, _) => Some(runs_on(host)),
        (TaskKind::Move { to, .. }, _) => Some(runs_on(to)),
        (TaskKind::Abort { from, .. }, _) => Some(seen.is_at(from)),
        (TaskKind::Autostart { .. }, _) => Some(false),
    }
}

fn words(power: VmPower) -> &'static str {
    match power {
        VmPower::Running => "running",
        VmPower::Paused => "paused",
        VmPower::Off => "off",
        VmPower::Suspended => "suspended",
        VmPower::Crashed => "crashed",
        VmPower::Unknown => "not known",
    }
}
