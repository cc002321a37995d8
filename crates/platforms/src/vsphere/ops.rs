//! How operations on VMs begin: each looks first, refuses what makes no sense now, and asks vSphere once.

use super::Vsphere;
use super::collect::{self, TaskInfo};
use super::fault::{CallError, declined};
use super::site::{Seen, Site};
use super::soap::{self, Call, MoRef};
use super::task::Task;
use ridethrough_driver::{Error, FailureKind, Result};
use ridethrough_model::{HostId, Started, VmPower};
use tokio::time::Instant;

const SHUT_DOWN: &str = "shut down VM";
const POWER_OFF: &str = "power off VM";
const SUSPEND: &str = "save VM to disk";
const START: &str = "start VM";
const MOVE: &str = "move VM";
const ABORT: &str = "stop the move of a VM";
const AUTOSTART: &str = "switch autostart";

/// A VM at the place that answers for it.
pub(super) struct There<'a> {
    pub(super) site: &'a Site,
    pub(super) seen: Seen,
}

/// What a task is doing to a VM, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Start,
    Stop,
    Move,
    Other,
}

/// Tasks are known by `descriptionId`, such as `VirtualMachine.powerOn`; DRS's own moves are `Drm.ExecuteVMotionLRO`.
pub(super) fn doing(task: &TaskInfo) -> Doing {
    let what = task.what.to_lowercase();
    let has = |part: &str| what.contains(part);
    if has("poweron") || has("powermulti") {
        Doing::Start
    } else if has("poweroff") || has("shutdown") || has("suspend") || has("terminate") {
        Doing::Stop
    } else if has("relocate") || has("migrate") || has("vmotion") {
        Doing::Move
    } else {
        Doing::Other
    }
}

impl Vsphere {
    pub(super) async fn shut_down(&self, task: &Task, host: &HostId, deadline: Instant) -> Result<Started> {
        let there = match self.to_stop(task, host, SHUT_DOWN, deadline).await? {
            ToStop::Running(there) => there,
            ToStop::Settled(started) => return Ok(started),
        };
        if !there.seen.hears {
            let message = "its guest cannot be asked: VMware Tools do not run in it";
            return Err(self.at(declined(FailureKind::Refused, SHUT_DOWN, message), &there, host));
        }
        let call = Call::new(&there.seen.vm, "ShutdownGuest");
        match there.site.endpoint.ask(&call, deadline).await {
            // No task: what becomes of it, only its power shows.
            Ok(_) => Ok(Started::Task(task.to_ref())),
            // It went off in between.
            Err(error) if error.is("InvalidPowerState") => Ok(Started::Task(task.to_ref())),
            Err(error) => Err(self.at(error.into_error(SHUT_DOWN), &there, host)),
        }
    }

    pub(super) async fn power_off(&self, task: &Task, host: &HostId, deadline: Instant) -> Result<Started> {
        let there = match self.to_stop(task, host, POWER_OFF, deadline).await? {
            ToStop::Running(there) => there,
            ToStop::Settled(started) => return Ok(started),
        };
        self.begin(task, &there, &Call::new(&there.seen.vm, "PowerOffVM_Task"), POWER_OFF, deadline).await
    }

    pub(super) async fn suspend(&self, task: &Task, host: &HostId, deadline: Instant) -> Result<Started> {
        let there = match self.to_stop(task, host, SUSPEND, deadline).await? {
            ToStop::Running(there) => there,
            ToStop::Settled(started) => return Ok(started),
        };
        self.begin(task, &there, &Call::new(&there.seen.vm, "SuspendVM_Task"), SUSPEND, deadline).await
    }

    /// What a stop finds: something to stop, or nothing to do.
    async fn to_stop(&self, task: &Task, host: &HostId, operation: &'static str, deadline: Instant) -> Result<ToStop<'_>> {
        let there = self.there(task, operation, deadline).await?;
        let seen = &there.seen;
        match seen.power {
            VmPower::Off | VmPower::Suspended | VmPower::Crashed => return Ok(ToStop::Settled(Started::AlreadyDone)),
            VmPower::Unknown => return Err(self.at(unknown(operation), &there, host)),
            VmPower::Running | VmPower::Paused => {}
        }
        if !seen.is_at(host) {
            let message = format!("it is on {}, not on {host}", seen.place());
            return Err(self.at(declined(FailureKind::Refused, operation, message), &there, host));
        }
        for running in self.running(&there, operation, deadline).await? {
            match doing(&running) {
                // A power-off may follow a shutdown or saving that hangs.
                Doing::Stop if operation != POWER_OFF || running.what.to_lowercase().contains("poweroff") => {
                    return Ok(ToStop::Settled(Started::Task(task.at(&running.task))));
                }
                Doing::Move => return Err(self.at(busy(operation, &running), &there, host)),
                _ => {}
            }
        }
        if let Some(question) = &seen.question
            && operation != POWER_OFF
        {
            let message = format!("it stands still until somebody answers: {question}");
            return Err(self.at(declined(FailureKind::Refused, operation, message), &there, host));
        }
        Ok(ToStop::Running(there))
    }

    pub(super) async fn start_vm(&self, task: &Task, host: &HostId, deadline: Instant) -> Result<Started> {
        let there = self.there(task, START, deadline).await?;
        let seen = &there.seen;
        match seen.power {
            VmPower::Running if seen.is_at(host) => return Ok(Started::AlreadyDone),
            VmPower::Running | VmPower::Paused => {
                let message = format!("it runs on {} already", seen.place());
                return Err(self.at(declined(FailureKind::Refused, START, message), &there, host));
            }
            VmPower::Unknown => return Err(self.at(unknown(START), &there, host)),
            VmPower::Off | VmPower::Suspended | VmPower::Crashed => {}
        }
        for running in self.running(&there, START, deadline).await? {
            match doing(&running) {
                Doing::Start => return Ok(Started::Task(task.at(&running.task))),
                Doing::Stop | Doing::Move => return Err(self.at(busy(START, &running), &there, host)),
                Doing::Other => {}
            }
        }
        let mut call = Call::new(&seen.vm, "PowerOnVM_Task");
        if !seen.is_at(host) || self.is_experimental {
            let at = self.host_at(&there, host, START, deadline).await?;
            self.end_maintenance(&there, host, &at, deadline).await?;
            if !seen.is_at(host) {
                call = call.reference("host", &at);
            }
        }
        self.begin(task, &there, &call, START, deadline).await
    }

    /// Takes a host out of the maintenance mode that we put it into; where somebody else did, it stays.
    async fn end_maintenance(&self, there: &There<'_>, host: &HostId, at: &MoRef, deadline: Instant) -> Result<()> {
        let endpoint = &there.site.endpoint;
        let failed = |error: CallError| self.at(error.into_error(START).no_effect(), there, host);
        let wanted: &[collect::Wanted] = &[("HostSystem", &["runtime.inMaintenanceMode"])];
        let state = collect::read_one(endpoint, at, wanted, deadline).await.map_err(failed)?;
        if !self.is_experimental || state.text("runtime.inMaintenanceMode") != Some("true") {
            return Ok(());
        }
        if !there.site.is_maintained_by_us(at, deadline).await.map_err(failed)? {
            let message = format!("{host} is in maintenance mode, and it was not us who put it there");
            return Err(self.at(declined(FailureKind::Refused, START, message), there, host));
        }
        let call = Call::new(at, "ExitMaintenanceMode_Task").text("timeout", "0");
        let task = endpoint.ask(&call, deadline).await.and_then(|answer| collect::begun(&answer));
        let ended = match task {
            Ok(task) => collect::wait(endpoint, &task, deadline).await.map_err(failed)?,
            // Out of it already, or on its way.
            Err(error) if error.is("InvalidState") || error.is("TaskInProgress") => None,
            Err(error) => return Err(failed(error)),
        };
        match ended {
            Some(true) => Ok(()),
            _ => Err(self.at(declined(FailureKind::Busy, START, format!("{host} is leaving maintenance mode")), there, host)),
        }
    }

    pub(super) async fn start_move(&self, task: &Task, from: &HostId, to: &HostId, deadline: Instant) -> Result<Started> {
        let there = self.there(task, MOVE, deadline).await?;
        let seen = &there.seen;
        if !there.site.endpoint.live(deadline).await.map_err(|error| error.into_error(MOVE).no_effect())?.is_vcenter() {
            let message = "vCenter does not answer, and without it nothing moves";
            return Err(self.at(declined(FailureKind::Unreachable, MOVE, message), &there, from));
        }
        match seen.power {
            VmPower::Running if seen.is_at(to) => return Ok(Started::AlreadyDone),
            VmPower::Running => {}
            VmPower::Unknown => return Err(self.at(unknown(MOVE), &there, from)),
            _ => return Err(self.at(declined(FailureKind::Refused, MOVE, "it does not run"), &there, from)),
        }
        if !seen.is_at(from) {
            let message = format!("it is on {}, not on {from}", seen.place());
            return Err(self.at(declined(FailureKind::Refused, MOVE, message), &there, from));
        }
        for running in self.running(&there, MOVE, deadline).await? {
            match doing(&running) {
                // Whoever began it: where it ends, the poll sees.
                Doing::Move => return Ok(Started::Task(task.at(&running.task))),
                Doing::Stop => return Err(self.at(busy(MOVE, &running), &there, from)),
                _ => {}
            }
        }
        let target = self.host_at(&there, to, MOVE, deadline).await?;
        let mut spec = String::from("<spec>");
        if let Some(pool) = self.other_pool(&there, &target, deadline).await? {
            soap::reference(&mut spec, "pool", &pool);
        }
        soap::reference(&mut spec, "host", &target);
        spec.push_str("</spec>");
        let call = Call::new(&seen.vm, "RelocateVM_Task").raw(&spec).text("priority", "highPriority");
        self.begin(task, &there, &call, MOVE, deadline).await
    }

    /// The pool it gets where the target is in another cluster, which has other pools: that cluster's own.
    async fn other_pool(&self, there: &There<'_>, target: &MoRef, deadline: Instant) -> Result<Option<MoRef>> {
        let endpoint = &there.site.endpoint;
        let failed = |error: CallError| error.into_error(MOVE).no_effect();
        let here = collect::read_one(endpoint, &there.seen.vm, &[("VirtualMachine", &["resourcePool"])], deadline).await;
        let host = collect::read_one(endpoint, target, &[("HostSystem", &["parent"])], deadline).await.map_err(failed)?;
        let Some(cluster) = host.reference("parent") else { return Ok(None) };
        let wanted: &[collect::Wanted] = &[("ComputeResource", &["resourcePool"])];
        let pools = collect::read_one(endpoint, &cluster, wanted, deadline).await.map_err(failed)?;
        let Some(pool) = here.map_err(failed)?.reference("resourcePool") else { return Ok(pools.reference("resourcePool")) };
        let owner = collect::read_one(endpoint, &pool, &[("ResourcePool", &["owner"])], deadline).await.map_err(failed)?;
        Ok(if owner.reference("owner").as_ref() == Some(&cluster) { None } else { pools.reference("resourcePool") })
    }

    pub(super) async fn abort_move(&self, task: &Task, from: &HostId, to: &HostId, deadline: Instant) -> Result<Started> {
        let there = self.there(task, ABORT, deadline).await?;
        let moves = self.running(&there, ABORT, deadline).await?.into_iter().filter(|one| doing(one) == Doing::Move);
        let mut cancelled = None;
        for running in moves {
            let answer = there.site.endpoint.ask(&Call::new(&running.task, "CancelTask"), deadline).await;
            answer.map_err(|error| self.at(error.into_error(ABORT), &there, from))?;
            cancelled = Some(running.task);
        }
        match cancelled {
            Some(remote) => Ok(Started::Task(task.at(&remote))),
            None if there.seen.is_at(from) => Ok(Started::AlreadyDone),
            None => {
                let message = format!("it is on {} already; it was going to {to}", there.seen.place());
                Err(self.at(declined(FailureKind::Refused, ABORT, message), &there, from))
            }
        }
    }

    pub(super) async fn set_autostart(&self, task: &Task, host: &HostId, enabled: bool, deadline: Instant) -> Result<Started> {
        let there = self.there(task, AUTOSTART, deadline).await?;
        if self.autostart(&there, host, deadline).await? == enabled {
            return Ok(Started::AlreadyDone);
        }
        let manager = self.autostart_of(&there, host, deadline).await?;
        let mut spec = String::from("<spec><powerInfo>");
        soap::reference(&mut spec, "key", &there.seen.vm);
        let action = if enabled { "powerOn" } else { "none" };
        spec.push_str(&format!(
            "<startOrder>-1</startOrder><startDelay>-1</startDelay><waitForHeartbeat>systemDefault</waitForHeartbeat>\
             <startAction>{action}</startAction><stopDelay>-1</stopDelay><stopAction>systemDefault</stopAction></powerInfo></spec>"
        ));
        let answer = there.site.endpoint.ask(&Call::new(&manager, "ReconfigureAutostart").raw(&spec), deadline).await;
        answer.map_err(|error| self.at(error.into_error(AUTOSTART), &there, host))?;
        Ok(Started::Task(task.to_ref()))
    }

    /// Whether it starts with its host.
    pub(super) async fn autostart(&self, there: &There<'_>, host: &HostId, deadline: Instant) -> Result<bool> {
        let at = self.host_at(there, host, AUTOSTART, deadline).await?;
        let wanted: &[collect::Wanted] = &[("HostSystem", &["config.autoStart"])];
        let object = collect::read_one(&there.site.endpoint, &at, wanted, deadline).await;
        let object = object.map_err(|error| self.at(error.into_error(AUTOSTART).no_effect(), there, host))?;
        Ok(object.get("config.autoStart").is_some_and(|config| {
            let is_it = |info: &super::xml::Element| {
                info.text_at(&["key"]) == Some(&there.seen.vm.id)
                    && info.text_at(&["startAction"]).is_some_and(|action| action.eq_ignore_ascii_case("powerOn"))
            };
            config.bool_at(&["defaults", "enabled"]) == Some(true) && config.all("powerInfo").any(is_it)
        }))
    }

    async fn autostart_of(&self, there: &There<'_>, host: &HostId, deadline: Instant) -> Result<MoRef> {
        let at = self.host_at(there, host, AUTOSTART, deadline).await?;
        let wanted: &[collect::Wanted] = &[("HostSystem", &["configManager.autoStartManager"])];
        let object = collect::read_one(&there.site.endpoint, &at, wanted, deadline).await;
        let object = object.map_err(|error| self.at(error.into_error(AUTOSTART).no_effect(), there, host))?;
        let missing = || self.at(declined(FailureKind::Unsupported, AUTOSTART, "its host has no autostart"), there, host);
        object.reference("configManager.autoStartManager").ok_or_else(missing)
    }

    /// Asks for a task. Once.
    async fn begin(
        &self,
        task: &Task,
        there: &There<'_>,
        call: &Call,
        operation: &'static str,
        deadline: Instant,
    ) -> Result<Started> {
        let answer = there.site.endpoint.ask(call, deadline).await.and_then(|answer| collect::begun(&answer));
        match answer {
            Ok(remote) => Ok(Started::Task(task.at(&remote))),
            Err(error) => Err(self.at(error.into_error(operation), there, task.kind.host())),
        }
    }

    /// What is under way on it. Reads only, so a failure has no effect.
    pub(super) async fn running(&self, there: &There<'_>, operation: &'static str, deadline: Instant) -> Result<Vec<TaskInfo>> {
        let found = there.site.running(&there.seen, deadline).await;
        found.map_err(|error| self.with_place(error.into_error(operation).no_effect(), there.site))
    }

    async fn host_at(&self, there: &There<'_>, host: &HostId, operation: &'static str, deadline: Instant) -> Result<MoRef> {
        let found = there.site.host(host, deadline).await;
        let found = found.map_err(|error| self.with_place(error.into_error(operation).no_effect(), there.site))?;
        found.ok_or_else(|| {
            let message = format!("vSphere knows no host {host}: is its `name` in the configuration the one in vCenter?");
            self.with_place(declined(FailureKind::NotFound, operation, message), there.site)
        })
    }

    fn at(&self, error: Error, there: &There<'_>, host: &HostId) -> Error {
        self.with_place(error.with("VM", &there.seen.name).with("host", host), there.site)
    }
}

enum ToStop<'a> {
    Running(There<'a>),
    Settled(Started),
}

fn unknown(operation: &'static str) -> Error {
    let message = "vSphere does not know what it is doing: its host or storage is not reached";
    declined(FailureKind::Unreachable, operation, message)
}

fn busy(operation: &'static str, task: &TaskInfo) -> Error {
    declined(FailureKind::Busy, operation, format!("vSphere is at something else with it: {}", task.what))
}
