//! Shutting down, cutting power, starting, and what starts with the host.

use super::desk::Standing;
use super::map::{DomainState, JobKind};
use super::procedure::{Create, Destroy, Domain, GetAutostart, SHUTDOWN_ACPI, SHUTDOWN_AGENT, SetAutostart, ShutDown};
use super::task::Task;
use super::wire::Uuid;
use super::{Connection, Host, Libvirt, Presence, declined};
use ridethrough_driver::{Error, FailureKind, Result};
use ridethrough_model::{Failure, HostId, Observed, Progress, Started, TookEffect};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

const SHUT_DOWN: &str = "shut down VM";
const POWER_OFF: &str = "power off VM";
const START: &str = "start VM";
const AUTOSTART: &str = "switch autostart of VM";

/// libvirt gives the agent 5 s to show up and 60 s to bring the guest down.
const SHUTDOWN_CALL_MAX: Duration = Duration::from_secs(120);
/// Starting reads a saved memory image at worst; cutting power waits for QEMU to die.
const CHANGE_CALL_MAX: Duration = Duration::from_secs(600);

impl Libvirt {
    pub(super) async fn shut_down(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Started> {
        let host = self.host(id, SHUT_DOWN)?;
        let desk = self.desks.of(task.uuid);
        let _turn = desk.turn(SHUT_DOWN, deadline).await?;
        if desk.is_under_way(task) {
            return Ok(Started::Task(task.to_ref()));
        }
        let there = match self.to_stop(task, id, SHUT_DOWN, deadline).await? {
            ToStop::Running(there) => there,
            ToStop::Settled(started) => return Ok(started),
        };
        let refuse = |kind, why: &str| Err(declined(kind, SHUT_DOWN, why.to_owned()).with("host", id));
        match there.state {
            DomainState::Paused => return refuse(FailureKind::Refused, "it is paused, its guest cannot shut down"),
            DomainState::Starting => return refuse(FailureKind::Busy, "it is being started"),
            _ => {}
        }
        // A shutdown asked for during a job waits in the daemon for the job's end, and then may hit a VM that has moved.
        if let Some(job) = self.job(host, &there.domain, SHUT_DOWN, deadline).await? {
            return refuse(FailureKind::Busy, job.words());
        }
        // The agent's call lasts until the guest is off. Where too many wait already, the power button is pressed right away.
        let (place, flags) = match Arc::clone(&host.agent_calls).try_acquire_owned() {
            Ok(place) => (place, SHUTDOWN_AGENT | SHUTDOWN_ACPI),
            Err(_) => (place_for_change(host, SHUT_DOWN, deadline).await?, SHUTDOWN_ACPI),
        };
        let connection = self.own_connection(host, SHUT_DOWN, deadline).await?;
        let host_id = id.clone();
        let request = async move {
            let until = Instant::now() + SHUTDOWN_CALL_MAX;
            let answer = connection.call(&ShutDown { domain: &there.domain, flags }, until).await;
            answer.map_err(|error| error.into_error(SHUT_DOWN).with("host", host_id))
        };
        match self.send(&desk, task, deadline, place, request).await {
            // A guest that is off before its agent has answered: the daemon then presses the button of a VM that does not run.
            Err(error) if error.kind() == FailureKind::Refused && self.is_off(task, id, deadline).await => {
                Ok(Started::Task(task.to_ref()))
            }
            other => other,
        }
    }

    /// Whether it is there, and off. Not known is not off.
    async fn is_off(&self, task: &Task, id: &HostId, deadline: Instant) -> bool {
        let found = self.present(id, task.uuid, SHUT_DOWN, deadline).await;
        matches!(found, Ok(Some(there)) if there.state == DomainState::Off)
    }

    pub(super) async fn power_off(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Started> {
        let host = self.host(id, POWER_OFF)?;
        let desk = self.desks.of(task.uuid);
        if desk.is_under_way(task) {
            return Ok(Started::Task(task.to_ref()));
        }
        let turn = desk.turn(POWER_OFF, deadline).await?;
        let there = match self.to_stop(task, id, POWER_OFF, deadline).await? {
            ToStop::Running(there) => there,
            ToStop::Settled(started) => return Ok(started),
        };
        if there.state == DomainState::Moving
            && self.job(host, &there.domain, POWER_OFF, deadline).await? == Some(JobKind::MoveHere)
        {
            return Err(declined(FailureKind::Busy, POWER_OFF, JobKind::MoveHere.words()).with("host", id));
        }
        let place = place_for_change(host, POWER_OFF, deadline).await?;
        let connection = self.own_connection(host, POWER_OFF, deadline).await?;
        let id = id.clone();
        let request = async move {
            let answer = connection.call(&Destroy { domain: &there.domain }, Instant::now() + CHANGE_CALL_MAX).await;
            answer.map_err(|error| error.into_error(POWER_OFF).with("host", id))
        };
        self.send(&desk, task, deadline, (turn, place), request).await
    }

    /// What a stop finds: something to stop, or nothing to do.
    pub(super) async fn to_stop(&self, task: &Task, id: &HostId, operation: &'static str, deadline: Instant) -> Result<ToStop> {
        match self.present(id, task.uuid, operation, deadline).await? {
            Some(there) if there.state == DomainState::ShuttingDown => Ok(ToStop::Settled(Started::Task(task.to_ref()))),
            Some(there) if there.state.is_active() => Ok(ToStop::Running(there)),
            found => {
                let elsewhere = self.elsewhere(task.uuid, id, deadline).await;
                if let Some((other, state)) = elsewhere.active {
                    let message = format!("it is on {other} ({}), not on {id}", state.words());
                    return Err(declined(FailureKind::Refused, operation, message));
                }
                if found.is_some() || elsewhere.is_defined {
                    return Ok(ToStop::Settled(Started::AlreadyDone));
                }
                Err(not_there(id, operation))
            }
        }
    }

    pub(super) async fn poll_stop(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Progress> {
        const POLL: &str = "poll the stop of a VM";
        match self.present(id, task.uuid, POLL, deadline).await? {
            Some(there) if there.state.is_active() => Ok(match self.desks.of(task.uuid).standing(task) {
                Some(Standing::Failed(failure)) => Progress::Failed(failure),
                _ => Progress::Running { done_ppm: None },
            }),
            Some(_) => Ok(Progress::Done { detail: None }),
            // Without a definition it vanishes when it is off; but it may also have been moved away.
            None => {
                let elsewhere = self.elsewhere(task.uuid, id, deadline).await;
                if let Some((other, state)) = elsewhere.active {
                    let message = format!("it is on {other} now ({})", state.words());
                    return Ok(Progress::Failed(failure(FailureKind::Refused, message)));
                }
                if !elsewhere.unanswered.is_empty() {
                    let message = format!("it is not on {id} any more, and there is {}", elsewhere.unanswered_words());
                    return Err(declined(FailureKind::Unreachable, POLL, message));
                }
                Ok(Progress::Done { detail: None })
            }
        }
    }

    pub(super) async fn observe_stop(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Observed> {
        match self.present(id, task.uuid, "observe VM", deadline).await? {
            Some(there) if there.state.is_active() => {
                let is_going = there.state == DomainState::ShuttingDown || self.desks.of(task.uuid).is_under_way(task);
                Ok(if is_going { Observed::InTransition(task.to_ref()) } else { Observed::NotDone })
            }
            found => {
                let elsewhere = self.elsewhere(task.uuid, id, deadline).await;
                match (found, elsewhere) {
                    (_, other) if other.active.is_some() => Ok(Observed::NotDone),
                    (Some(_), _) => Ok(Observed::Done),
                    (None, other) if other.is_defined => Ok(Observed::Done),
                    (None, other) if !other.unanswered.is_empty() => Err(self.unseen(&other)),
                    (None, _) => Ok(Observed::Gone),
                }
            }
        }
    }

    pub(super) async fn start_vm(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Started> {
        let host = self.host(id, START)?;
        let desk = self.desks.of(task.uuid);
        if desk.is_under_way(task) {
            return Ok(Started::Task(task.to_ref()));
        }
        let turn = desk.turn(START, deadline).await?;
        let refuse = |kind, why: String| Err(declined(kind, START, why).with("host", id));
        if let Some(other) = desk.under_way() {
            return refuse(FailureKind::Busy, format!("{} has not ended", other.words()));
        }
        let (here, elsewhere) =
            tokio::join!(self.present(id, task.uuid, START, deadline), self.elsewhere(task.uuid, id, deadline));
        let here = here?;
        // Two instances of one VM destroy its disks: what another host runs or takes in is not started again.
        if let Some((other, state)) = elsewhere.active {
            return refuse(FailureKind::Refused, format!("it is on {other} already ({})", state.words()));
        }
        let Some(there) = here else { return Err(not_there(id, START)) };
        match there.state {
            DomainState::Running => return Ok(Started::AlreadyDone),
            DomainState::Starting => return Ok(Started::Task(task.to_ref())),
            DomainState::Moving | DomainState::ShuttingDown | DomainState::Saving | DomainState::Leaving => {
                return refuse(FailureKind::Busy, format!("it is {}", there.state.words()));
            }
            DomainState::Paused | DomainState::Unknown => {
                return refuse(FailureKind::Refused, format!("it is {}, not off", there.state.words()));
            }
            DomainState::Off | DomainState::Saved | DomainState::Crashed => {}
        }
        let place = place_for_change(host, START, deadline).await?;
        let connection = self.own_connection(host, START, deadline).await?;
        let id = id.clone();
        let request = async move {
            let answer = connection.call(&Create { domain: &there.domain }, Instant::now() + CHANGE_CALL_MAX).await;
            answer.map_err(|error| error.into_error(START).with("host", id))
        };
        self.send(&desk, task, deadline, (turn, place), request).await
    }

    pub(super) async fn poll_start(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Progress> {
        let desk = self.desks.of(task.uuid);
        let before = desk.standing(task);
        let found = self.present(id, task.uuid, "poll the start of a VM", deadline).await?;
        Ok(match (found.map(|there| there.state), before) {
            (Some(DomainState::Running), _) => Progress::Done { detail: None },
            (Some(DomainState::Starting), _) | (_, Some(Standing::UnderWay)) => Progress::Running { done_ppm: None },
            (_, Some(Standing::Failed(failure))) => Progress::Failed(failure),
            (None, _) => Progress::Failed(failure(FailureKind::NotFound, format!("{id} does not know it any more"))),
            (Some(DomainState::Off), None) => {
                let message = format!("it is off on {id}, and nothing is under way");
                Progress::Failed(failure(FailureKind::Unreachable, message))
            }
            (Some(state), _) => {
                let message = format!("it was started, but is {} on {id} now", state.words());
                Progress::Failed(failure(FailureKind::Refused, message))
            }
        })
    }

    pub(super) async fn observe_start(&self, task: &Task, id: &HostId, deadline: Instant) -> Result<Observed> {
        let is_under_way = self.desks.of(task.uuid).is_under_way(task);
        Ok(match self.present(id, task.uuid, "observe VM", deadline).await?.map(|there| there.state) {
            Some(DomainState::Running) => Observed::Done,
            Some(DomainState::Starting) => Observed::InTransition(task.to_ref()),
            _ if is_under_way => Observed::InTransition(task.to_ref()),
            Some(_) => Observed::NotDone,
            None => self.gone_or_not_done(task.uuid, id, deadline).await?,
        })
    }

    pub(super) async fn set_autostart(&self, task: &Task, id: &HostId, enabled: bool, deadline: Instant) -> Result<Started> {
        let host = self.host(id, AUTOSTART)?;
        let desk = self.desks.of(task.uuid);
        let _turn = desk.turn(AUTOSTART, deadline).await?;
        let Some(there) = self.present(id, task.uuid, AUTOSTART, deadline).await? else { return Err(not_there(id, AUTOSTART)) };
        if self.autostart(host, &there.domain, deadline).await? == enabled {
            return Ok(Started::AlreadyDone);
        }
        let request = SetAutostart { domain: &there.domain, enabled };
        let answer = host.call(&request, &self.workers, deadline).await;
        answer.map_err(|error| error.into_error(AUTOSTART).with("host", id))?;
        Ok(Started::Task(task.to_ref()))
    }

    pub(super) async fn poll_autostart(&self, uuid: Uuid, id: &HostId, enabled: bool, deadline: Instant) -> Result<Progress> {
        Ok(match self.observe_autostart(uuid, id, enabled, deadline).await? {
            Observed::Done => Progress::Done { detail: None },
            _ => Progress::Failed(failure(FailureKind::Unreachable, format!("its autostart on {id} is not as wanted"))),
        })
    }

    pub(super) async fn observe_autostart(&self, uuid: Uuid, id: &HostId, enabled: bool, deadline: Instant) -> Result<Observed> {
        let Some(there) = self.present(id, uuid, AUTOSTART, deadline).await? else {
            return self.gone_or_not_done(uuid, id, deadline).await;
        };
        let is_enabled = self.autostart(self.host(id, AUTOSTART)?, &there.domain, deadline).await?;
        Ok(if is_enabled == enabled { Observed::Done } else { Observed::NotDone })
    }

    async fn autostart(&self, host: &Host, domain: &Domain, deadline: Instant) -> Result<bool> {
        let answer = host.call(&GetAutostart { domain }, &self.workers, deadline).await;
        answer.map_err(|error| error.into_error(AUTOSTART).with("host", &host.id).no_effect())
    }

    /// What is under way on a VM, whoever began it.
    pub(super) async fn job(
        &self,
        host: &Host,
        domain: &Domain,
        operation: &'static str,
        deadline: Instant,
    ) -> Result<Option<JobKind>> {
        let job = host.job(domain, &self.workers, deadline).await;
        Ok(job.map_err(|error| error.into_error(operation).with("host", &host.id).no_effect())?.map(|job| job.kind))
    }

    pub(super) async fn own_connection(&self, host: &Host, operation: &'static str, deadline: Instant) -> Result<Connection> {
        let connection = host.dial(&self.workers, deadline).await;
        connection.map_err(|error| error.into_error(operation).with("host", &host.id).no_effect())
    }

    /// A VM that one host does not know: gone only if no host knows it.
    pub(super) async fn gone_or_not_done(&self, uuid: Uuid, but: &HostId, deadline: Instant) -> Result<Observed> {
        let elsewhere = self.elsewhere(uuid, but, deadline).await;
        if elsewhere.active.is_some() || elsewhere.is_defined {
            Ok(Observed::NotDone)
        } else if elsewhere.unanswered.is_empty() {
            Ok(Observed::Gone)
        } else {
            Err(self.unseen(&elsewhere))
        }
    }

    fn unseen(&self, elsewhere: &super::Elsewhere) -> Error {
        let message = format!("no host that answers knows it, and there is {}", elsewhere.unanswered_words());
        declined(FailureKind::Unreachable, "observe VM", message).with("platform", &self.platform)
    }
}

pub(super) enum ToStop {
    Running(Presence),
    Settled(Started),
}

pub(super) async fn place_for_change(host: &Host, operation: &'static str, deadline: Instant) -> Result<OwnedSemaphorePermit> {
    let busy =
        || declined(FailureKind::Busy, operation, "the host has enough to do with earlier requests").with("host", &host.id);
    let place = Arc::clone(&host.changes).acquire_owned();
    timeout_at(deadline, place).await.map_err(|_| busy())?.map_err(|_| busy())
}

pub(super) fn not_there(host: &HostId, operation: &'static str) -> Error {
    declined(FailureKind::NotFound, operation, format!("{host} knows no such VM"))
}

/// An end without the wanted state, of which nothing more can come.
pub(super) fn failure(kind: FailureKind, message: String) -> Failure {
    Failure { kind, took_effect: TookEffect::No, message }
}
