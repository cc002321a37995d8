//! Live migration from daemon to daemon. It goes on when we die; whoever comes next finds it by the job on the source and the
//! waiting half on the target.

use super::desk::Standing;
use super::domain;
use super::map::{DomainState, JobKind, move_detail};
use super::power::{failure, not_there};
use super::procedure::{
    AbortJob, Domain, GetJob, GetXml, JOB_COMPLETED_KEEP, Migrate, SetMaxDowntime, StartPostCopy, migrate_flags,
    migrate_parameters,
};
use super::task::{Task, TaskKind};
use super::wire::Uuid;
use super::{Host, Libvirt, Presence, declined};
use ridethrough_driver::{Error, FailureKind, Result};
use ridethrough_model::{HostId, Observed, Progress, Started};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const MOVE: &str = "move VM";
const FINISH: &str = "finish the move of a VM";
const ABORT: &str = "stop the move of a VM";
const POLL: &str = "poll the move of a VM";
const OBSERVE: &str = "observe the move of a VM";

/// The longest move there can be. Whoever planned it stops it much earlier.
const MOVE_CALL_MAX: Duration = Duration::from_secs(24 * 3600);

impl Libvirt {
    pub(super) async fn start_move(&self, task: &Task, from: &HostId, to: &HostId, deadline: Instant) -> Result<Started> {
        let (source, target) = (self.host(from, MOVE)?, self.host(to, MOVE)?);
        let desk = self.desks.of(task.uuid);
        let _turn = desk.turn(MOVE, deadline).await?;
        if desk.is_under_way(task) {
            return Ok(Started::Task(task.to_ref()));
        }
        if let Some(other) = desk.under_way() {
            return Err(declined(FailureKind::Busy, MOVE, format!("{} has not ended", other.words())));
        }
        let there = match self.to_move(task, (source, target), deadline).await? {
            ToMove::Ready(there) => there,
            ToMove::Settled(started) => return Ok(started),
        };
        let Some(destination) = target.config.peer_uri() else {
            let message = format!("other hosts cannot reach {to} at {}: give it a migrate_uri", target.config.uri);
            return Err(declined(FailureKind::Config, MOVE, message));
        };
        let Ok(place) = Arc::clone(&source.moves).try_acquire_owned() else {
            return Err(declined(FailureKind::Busy, MOVE, format!("{from} has as many moves under way as it takes")));
        };
        let connection = self.own_connection(source, MOVE, deadline).await?;
        if let Some(milliseconds) = self.convergence.max_downtime_ms {
            let request = SetMaxDowntime { domain: &there.domain, milliseconds };
            let set = connection.call(&request, deadline).await;
            set.map_err(|error| error.into_error(MOVE).with("host", from).no_effect())?;
        }
        let disks = if self.copy_disks { self.disks_to_copy(source, &there.domain, deadline).await? } else { Vec::new() };
        let flags = migrate_flags(self.convergence.auto_converge, self.convergence.post_copy, !disks.is_empty());
        let parameters = migrate_parameters(self.bandwidth_mib_s, target.config.migrate_address.as_deref(), &disks);
        let (from, to) = (from.clone(), to.clone());
        let request = async move {
            let request = Migrate { domain: &there.domain, destination: &destination, parameters: &parameters, flags };
            let answer = connection.call(&request, Instant::now() + MOVE_CALL_MAX).await;
            answer.map_err(|error| error.into_error(MOVE).with("from", from).with("to", to))
        };
        self.send(&desk, task, deadline, place, request).await
    }

    /// The disks that have to go along.
    async fn disks_to_copy(&self, source: &Host, domain: &Domain, deadline: Instant) -> Result<Vec<String>> {
        let xml = source.call(&GetXml { domain }, &self.workers, deadline).await;
        let xml = xml.map_err(|error| error.into_error(MOVE).with("host", &source.id).no_effect())?;
        let definition = domain::read(&xml, &self.shared_paths, true);
        let definition = definition.map_err(|error| declined(FailureKind::Protocol, MOVE, format!("its definition: {error}")))?;
        Ok(definition.copied_disks.into_iter().map(|(disk, _)| disk).collect())
    }

    /// What a move finds: a VM that can go, or one that is gone already or on its way.
    async fn to_move(&self, task: &Task, (source, target): (&Host, &Host), deadline: Instant) -> Result<ToMove> {
        let (from, to) = (&source.id, &target.id);
        let refuse = |kind, why: String| Err(declined(kind, MOVE, why));
        if from == to {
            return refuse(FailureKind::Config, format!("it cannot move from {from} to {to}"));
        }
        let (there, at_target) =
            tokio::join!(self.present(from, task.uuid, MOVE, deadline), self.present(to, task.uuid, MOVE, deadline));
        let (there, at_target) = (there?, at_target?.map_or(DomainState::Off, |there| there.state));
        let Some(there) = there.filter(|there| there.state.is_active()) else {
            return match at_target {
                DomainState::Running => Ok(ToMove::Settled(Started::AlreadyDone)),
                state if state.is_active() => refuse(FailureKind::Refused, format!("it is {} on {to}", state.words())),
                _ => refuse(FailureKind::Refused, format!("it does not run on {from}")),
            };
        };
        let is_taken_in = at_target == DomainState::Moving;
        if at_target.is_active() && !is_taken_in {
            return refuse(FailureKind::Refused, format!("it is on {to} too ({}): somebody must look", at_target.words()));
        }
        match self.job(source, &there.domain, MOVE, deadline).await? {
            Some(JobKind::MoveAway) if is_taken_in => return Ok(ToMove::Settled(Started::Task(task.to_ref()))),
            Some(job) => return refuse(FailureKind::Busy, job.words().to_owned()),
            None if is_taken_in => return refuse(FailureKind::Busy, format!("{to} still holds the rest of another move")),
            None => {}
        }
        match there.state {
            DomainState::Running => Ok(ToMove::Ready(there)),
            DomainState::Starting | DomainState::ShuttingDown | DomainState::Moving | DomainState::Saving => {
                refuse(FailureKind::Busy, format!("it is {}", there.state.words()))
            }
            state => refuse(FailureKind::Refused, format!("it is {} on {from}", state.words())),
        }
    }

    pub(super) async fn poll_move(&self, task: &Task, from: &HostId, to: &HostId, deadline: Instant) -> Result<Progress> {
        let desk = self.desks.of(task.uuid);
        // Noted before looking: an answer that comes while we look is taken up by the next poll.
        let standing = desk.standing(task);
        // The source first. Once it has let go of the VM, what the target says is final.
        let there = match self.present(from, task.uuid, POLL, deadline).await {
            Ok(there) => there,
            Err(error) => return self.poll_target_only(task.uuid, to, error, deadline).await,
        };
        let Some(there) = there.filter(|there| there.state.is_active()) else {
            return self.poll_after(task.uuid, from, to, deadline).await;
        };
        let source = self.host(from, POLL)?;
        let job = source.job(&there.domain, &self.workers, deadline).await;
        let job = job.map_err(|error| error.into_error(POLL).with("host", from).no_effect())?;
        Ok(match (job, standing) {
            (Some(job), _) if job.kind == JobKind::MoveAway => Progress::Running { done_ppm: job.done_ppm },
            (_, Some(Standing::UnderWay)) => Progress::Running { done_ppm: None },
            // It has left, the source has only to be tidied up.
            (_, Some(Standing::Answered)) => Progress::Running { done_ppm: None },
            (_, Some(Standing::Failed(failure))) => Progress::Failed(failure),
            (_, None) => {
                let message = format!("it ended without success, the VM is still on {from}");
                Progress::Failed(failure(FailureKind::Unreachable, message))
            }
        })
    }

    /// The source does not have it any more.
    async fn poll_after(&self, uuid: Uuid, from: &HostId, to: &HostId, deadline: Instant) -> Result<Progress> {
        let there = self.present(to, uuid, POLL, deadline).await?;
        Ok(match there.as_ref().map(|there| there.state) {
            Some(DomainState::Running) => self.arrived(to, there, deadline).await,
            Some(DomainState::Moving | DomainState::Starting) => Progress::Running { done_ppm: None },
            Some(state) => {
                let message = format!("it does not run on {from} any more, and is {} on {to}", state.words());
                Progress::Failed(failure(FailureKind::Refused, message))
            }
            None => {
                let message = format!("it does not run on {from} any more, and {to} does not have it");
                Progress::Failed(failure(FailureKind::Refused, message))
            }
        })
    }

    /// The source does not answer. A target that runs the VM has been given it; anything else says nothing.
    async fn poll_target_only(&self, uuid: Uuid, to: &HostId, error: Error, deadline: Instant) -> Result<Progress> {
        match self.present(to, uuid, POLL, deadline).await {
            Ok(Some(there)) if there.state == DomainState::Running => Ok(self.arrived(to, Some(there), deadline).await),
            _ => Err(error),
        }
    }

    /// Done, with what the target remembers of it. Downtime is counted there too, and survives our death.
    async fn arrived(&self, to: &HostId, there: Option<Presence>, deadline: Instant) -> Progress {
        let mut detail = None;
        if let (Some(there), Ok(target)) = (there, self.host(to, POLL)) {
            let request = GetJob { domain: &there.domain, flags: JOB_COMPLETED_KEEP };
            let statistics = target.call(&request, &self.workers, deadline).await;
            detail = statistics.ok().as_ref().and_then(move_detail);
        }
        Progress::Done { detail }
    }

    pub(super) async fn observe_move(&self, task: &Task, from: &HostId, to: &HostId, deadline: Instant) -> Result<Observed> {
        let there = self.present(from, task.uuid, OBSERVE, deadline).await?.filter(|there| there.state.is_active());
        let at_target = self.present(to, task.uuid, OBSERVE, deadline).await?.map(|there| there.state);
        let is_under_way = self.desks.of(task.uuid).is_under_way(task);
        let in_transition = Ok(Observed::InTransition(task.to_ref()));
        match (there, at_target) {
            (None, Some(DomainState::Running)) => Ok(Observed::Done),
            (None, Some(DomainState::Moving | DomainState::Starting)) => in_transition,
            (None, Some(_)) => Ok(Observed::NotDone),
            (None, None) => self.gone_or_not_done(task.uuid, to, deadline).await,
            (Some(_), _) if is_under_way => in_transition,
            // At the target it shows only after the two daemons have shaken hands.
            (Some(there), _) => {
                let job = self.job(self.host(from, OBSERVE)?, &there.domain, OBSERVE, deadline).await?;
                if job == Some(JobKind::MoveAway) { in_transition } else { Ok(Observed::NotDone) }
            }
        }
    }

    /// A move that goes on as it began was not told to finish, or the order was lost: giving it again does no harm.
    pub(super) async fn observe_finish(&self, task: &Task, from: &HostId, to: &HostId, deadline: Instant) -> Result<Observed> {
        let there = self.present(from, task.uuid, OBSERVE, deadline).await?;
        match there.map(|there| there.state).filter(|state| state.is_active()) {
            Some(DomainState::Leaving) => Ok(Observed::InTransition(task.to_ref())),
            Some(_) => Ok(Observed::NotDone),
            None => self.observe_move(&task.as_move(from, to), from, to, deadline).await,
        }
    }

    /// Has a move under way run its VM at the target now, its memory following.
    pub(super) async fn finish_move(&self, task: &Task, from: &HostId, to: &HostId, deadline: Instant) -> Result<Started> {
        let source = self.host(from, FINISH)?;
        let refuse = |kind, why: String| Err(declined(kind, FINISH, why));
        let Some(there) = self.present(from, task.uuid, FINISH, deadline).await?.filter(|there| there.state.is_active()) else {
            return match self.present(to, task.uuid, FINISH, deadline).await? {
                Some(there) if there.state == DomainState::Running => Ok(Started::AlreadyDone),
                _ => Err(not_there(from, FINISH)),
            };
        };
        if there.state == DomainState::Leaving {
            return Ok(Started::Task(task.to_ref()));
        }
        if self.job(source, &there.domain, FINISH, deadline).await? != Some(JobKind::MoveAway) {
            return refuse(FailureKind::Refused, format!("no move away from {from} is under way"));
        }
        let answer = source.call(&StartPostCopy { domain: &there.domain }, &self.workers, deadline).await;
        answer.map_err(|error| error.into_error(FINISH).with("host", from))?;
        Ok(Started::Task(task.to_ref()))
    }

    pub(super) async fn abort_move(&self, task: &Task, from: &HostId, to: &HostId, deadline: Instant) -> Result<Started> {
        let source = self.host(from, ABORT)?;
        let refuse = |kind, why: String| Err(declined(kind, ABORT, why));
        let Some(there) = self.present(from, task.uuid, ABORT, deadline).await?.filter(|there| there.state.is_active()) else {
            return match self.present(to, task.uuid, ABORT, deadline).await? {
                Some(there) if there.state.is_active() => {
                    refuse(FailureKind::Refused, format!("too late, it is on {to} already ({})", there.state.words()))
                }
                _ => Err(not_there(from, ABORT)),
            };
        };
        let of_move = Task { uuid: task.uuid, kind: TaskKind::Move { from: from.clone(), to: to.clone() } };
        match self.job(source, &there.domain, ABORT, deadline).await? {
            Some(JobKind::MoveAway) => {}
            Some(job) => return refuse(FailureKind::Refused, format!("no move is under way; {}", job.words())),
            None if self.desks.of(task.uuid).is_under_way(&of_move) => {
                return refuse(FailureKind::Busy, "the move is just beginning or ending".to_owned());
            }
            None => return Ok(Started::AlreadyDone),
        }
        let answer = source.call(&AbortJob { domain: &there.domain }, &self.workers, deadline).await;
        answer.map_err(|error| error.into_error(ABORT).with("host", from))?;
        Ok(Started::Task(task.to_ref()))
    }

    pub(super) async fn poll_abort(&self, uuid: Uuid, from: &HostId, to: &HostId, deadline: Instant) -> Result<Progress> {
        let task = Task { uuid, kind: TaskKind::Abort { from: from.clone(), to: to.clone() } };
        Ok(match self.observe_abort(&task, from, to, deadline).await? {
            Observed::Done => Progress::Done { detail: None },
            Observed::InTransition(_) => Progress::Running { done_ppm: None },
            Observed::NotDone | Observed::Gone => {
                let message = format!("too late, the VM is not on {from} any more");
                Progress::Failed(failure(FailureKind::Refused, message))
            }
        })
    }

    pub(super) async fn observe_abort(&self, task: &Task, from: &HostId, to: &HostId, deadline: Instant) -> Result<Observed> {
        let Some(there) = self.present(from, task.uuid, ABORT, deadline).await? else {
            return self.gone_or_not_done(task.uuid, from, deadline).await;
        };
        if !there.state.is_active() {
            return Ok(Observed::NotDone);
        }
        let of_move = Task { uuid: task.uuid, kind: TaskKind::Move { from: from.clone(), to: to.clone() } };
        let is_moving = self.desks.of(task.uuid).is_under_way(&of_move)
            || self.job(self.host(from, ABORT)?, &there.domain, ABORT, deadline).await? == Some(JobKind::MoveAway);
        Ok(if is_moving { Observed::InTransition(task.to_ref()) } else { Observed::Done })
    }
}

enum ToMove {
    Ready(Presence),
    Settled(Started),
}
