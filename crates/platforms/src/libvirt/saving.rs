//! Saving a VM's memory to its host's disk (libvirt's managed save). It goes on when we die; whoever comes next finds it by the job on
//! the VM, and its end by the image. Starting such a VM reads the image back.

use super::desk::Standing;
use super::map::{DomainState, JobKind};
use super::power::{ToStop, failure, not_there, place_for_change};
use super::procedure::{AbortJob, ManagedSave};
use super::task::{Task, TaskKind};
use super::{Libvirt, declined};
use ridethrough_driver::{FailureKind, Result};
use ridethrough_model::{HostId, Observed, Progress, Started};
use std::time::Duration;
use tokio::time::Instant;

const SAVE: &str = "save VM to disk";
const ABORT: &str = "stop the saving of a VM";
const POLL: &str = "poll the saving of a VM";
const OBSERVE: &str = "observe the saving of a VM";

/// The longest saving there can be. Whoever planned it stops it much earlier.
const SAVE_CALL_MAX: Duration = Duration::from_secs(24 * 3600);

impl Libvirt {
    pub(super) async fn suspend(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Started> {
        let host = self.host(id, SAVE)?;
        let desk = self.desks.of(task.uuid);
        // Given back as soon as it is under way: it may have to be stopped.
        let _turn = desk.turn(SAVE, deadline).await?;
        if desk.is_under_way(task) {
            return Ok(Started::Task(task.to_ref()));
        }
        let refuse = |kind, why: String| Err(declined(kind, SAVE, why).with("host", id));
        if let Some(other) = desk.under_way() {
            return refuse(FailureKind::Busy, format!("{} has not ended", other.words()));
        }
        let there = match self.to_stop(task, id, SAVE, deadline).await? {
            ToStop::Running(there) => there,
            ToStop::Settled(started) => return Ok(started),
        };
        match self.job(host, &there.domain, SAVE, deadline).await? {
            Some(JobKind::Saving) => return Ok(Started::Task(task.to_ref())),
            Some(job) => return refuse(FailureKind::Busy, job.words().to_owned()),
            None => {}
        }
        // At its beginning and end no job is told of.
        if there.state == DomainState::Saving {
            return Ok(Started::Task(task.to_ref()));
        }
        if !matches!(there.state, DomainState::Running | DomainState::Paused) {
            return refuse(FailureKind::Busy, format!("it is {}", there.state.words()));
        }
        let place = place_for_change(host, SAVE, deadline).await?;
        let connection = self.own_connection(host, SAVE, deadline).await?;
        let id = id.clone();
        let request = async move {
            let answer = connection.call(&ManagedSave { domain: &there.domain }, Instant::now() + SAVE_CALL_MAX).await;
            answer.map_err(|error| error.into_error(SAVE).with("host", id))
        };
        self.send(&desk, task, deadline, place, request).await
    }

    pub(super) async fn poll_suspend(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Progress> {
        // Noted before looking: an answer that comes while we look is taken up by the next poll.
        let standing = self.desks.of(task.uuid).standing(task);
        let Some(there) = self.present(id, task.uuid, POLL, deadline).await? else {
            return Ok(match self.gone_or_not_done(task.uuid, id, deadline).await? {
                Observed::Gone => Progress::Failed(failure(FailureKind::NotFound, "no host knows it any more".to_owned())),
                _ => Progress::Failed(failure(FailureKind::Refused, format!("it is not on {id} any more"))),
            });
        };
        if !there.state.is_active() {
            let detail =
                (there.state != DomainState::Saved).then(|| format!("it was {} before, nothing was saved", there.state.words()));
            return Ok(Progress::Done { detail });
        }
        let host = self.host(id, POLL)?;
        let job = host.job(&there.domain, &self.workers, deadline).await;
        let job = job.map_err(|error| error.into_error(POLL).with("host", id).no_effect())?;
        Ok(match (job, standing) {
            (Some(job), _) if job.kind == JobKind::Saving => Progress::Running { done_ppm: job.done_ppm },
            (_, Some(Standing::UnderWay)) => Progress::Running { done_ppm: None },
            // At its beginning and end no job is told of.
            _ if there.state == DomainState::Saving => Progress::Running { done_ppm: None },
            (_, Some(Standing::Failed(failure))) => Progress::Failed(failure),
            (_, Some(Standing::Answered)) => Progress::Failed(failure(
                FailureKind::Refused,
                format!("it was saved, and is {} on {id} again", there.state.words()),
            )),
            (_, None) => {
                let message = format!("it ended without success, the VM is {} on {id}", there.state.words());
                Progress::Failed(failure(FailureKind::Unreachable, message))
            }
        })
    }

    pub(super) async fn observe_suspend(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Observed> {
        let Some(there) = self.present(id, task.uuid, OBSERVE, deadline).await? else {
            return self.gone_or_not_done(task.uuid, id, deadline).await;
        };
        if !there.state.is_active() {
            let is_elsewhere = self.elsewhere(task.uuid, id, deadline).await.active.is_some();
            return Ok(if is_elsewhere { Observed::NotDone } else { Observed::Done });
        }
        let is_saving = there.state == DomainState::Saving
            || self.desks.of(task.uuid).is_under_way(task)
            || self.job(self.host(id, OBSERVE)?, &there.domain, OBSERVE, deadline).await? == Some(JobKind::Saving);
        Ok(if is_saving { Observed::InTransition(task.to_ref()) } else { Observed::NotDone })
    }

    pub(super) async fn abort_suspend(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Started> {
        let host = self.host(id, ABORT)?;
        let refuse = |kind, why: String| Err(declined(kind, ABORT, why));
        let Some(there) = self.present(id, task.uuid, ABORT, deadline).await? else { return Err(not_there(id, ABORT)) };
        if !there.state.is_active() {
            return refuse(FailureKind::Refused, format!("too late, it is {} on {id}", there.state.words()));
        }
        let of_saving = Task { uuid: task.uuid, kind: TaskKind::Suspend { host: id.clone() } };
        match self.job(host, &there.domain, ABORT, deadline).await? {
            Some(JobKind::Saving) => {}
            Some(job) => return refuse(FailureKind::Refused, format!("it is not being saved; {}", job.words())),
            None if there.state == DomainState::Saving || self.desks.of(task.uuid).is_under_way(&of_saving) => {
                return refuse(FailureKind::Busy, "the saving is just beginning or ending".to_owned());
            }
            None => return Ok(Started::AlreadyDone),
        }
        let answer = host.call(&AbortJob { domain: &there.domain }, &self.workers, deadline).await;
        answer.map_err(|error| error.into_error(ABORT).with("host", id))?;
        Ok(Started::Task(task.to_ref()))
    }

    pub(super) async fn poll_abort_suspend(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Progress> {
        Ok(match self.observe_abort_suspend(task, id, deadline).await? {
            Observed::Done => Progress::Done { detail: None },
            Observed::InTransition(_) => Progress::Running { done_ppm: None },
            Observed::NotDone | Observed::Gone => {
                Progress::Failed(failure(FailureKind::Refused, "too late, it is saved or off".to_owned()))
            }
        })
    }

    pub(super) async fn observe_abort_suspend(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Observed> {
        let Some(there) = self.present(id, task.uuid, ABORT, deadline).await? else {
            return self.gone_or_not_done(task.uuid, id, deadline).await;
        };
        if !there.state.is_active() {
            return Ok(Observed::NotDone);
        }
        let of_saving = Task { uuid: task.uuid, kind: TaskKind::Suspend { host: id.clone() } };
        let is_saving = there.state == DomainState::Saving
            || self.desks.of(task.uuid).is_under_way(&of_saving)
            || self.job(self.host(id, ABORT)?, &there.domain, ABORT, deadline).await? == Some(JobKind::Saving);
        Ok(if is_saving { Observed::InTransition(task.to_ref()) } else { Observed::Done })
    }
}
