//! Answers from outside. An answer to an older attempt is ignored; an answer that leaves the effect open is followed by a look.

use crate::actions::RETRY_AFTER;
use crate::input::StepReply;
use crate::plant::Plant;
use crate::run::ActionPhase;
use crate::site::{Patch, Site};
use ridethrough_model::entry::Outcome;
use ridethrough_model::{
    ActionId, Entry, Failure, FailureKind, HostId, Mono, Now, Observed, Op, Progress, RunId, Severity, Started, TaskRef,
    TookEffect, VmId, VmPower,
};

impl Site {
    pub(crate) fn take_reply(&mut self, run: RunId, action: ActionId, attempt: u32, reply: StepReply, now: &Now) {
        let Some(state) = self.run.as_ref().filter(|open| open.id == run).and_then(|open| open.actions.get(&action)) else {
            return;
        };
        let is_old = state.attempts != attempt && !self.is_planted(Plant::ReplyOfOldAttempt);
        if !state.is_in_flight() || is_old {
            return;
        }
        let attempt = state.attempts;
        let is_host = matches!(state.op, Op::ShutDownHost { .. } | Op::WakeHost { .. });
        let has_task = matches!(state.phase, ActionPhase::Accepted(_));
        if state.op.hook().is_some() {
            self.take_hook_reply(action, attempt, reply, now);
            return;
        }
        if state.op.load().is_some() {
            self.take_load_reply(action, attempt, has_task, reply, now);
            return;
        }
        let is_failure = self.is_planted(Plant::LostReplyIsFailure);
        let live = self.live.entry(action).or_default();
        live.asked_at = None;
        match reply {
            StepReply::Started(Ok(Started::Task(task))) => {
                if !has_task {
                    self.append(Entry::Accepted { action, attempt, task }, now);
                }
            }
            StepReply::Started(Ok(Started::AlreadyDone)) if !is_host => self.finish(action, attempt, Outcome::AlreadyDone, now),
            StepReply::Started(Ok(Started::AlreadyDone)) => {
                self.append(Entry::Accepted { action, attempt, task: TaskRef("already".to_owned()) }, now);
            }
            StepReply::Started(Err(failure)) if failure.took_effect == TookEffect::No || is_host && !is_open(&failure) => {
                self.finish(action, attempt, Outcome::Failed(failure), now);
            }
            StepReply::Started(Err(failure)) if is_failure => {
                self.finish(action, attempt, Outcome::Failed(failure), now);
            }
            // It may have happened. A host is watched anyway; of a VM the platform is asked.
            StepReply::Started(Err(_)) if is_host => {}
            StepReply::Started(Err(_)) => live.is_ambiguous = true,
            StepReply::Polled(Ok(Progress::Running { done_ppm })) => live.done_ppm = done_ppm,
            StepReply::Polled(Ok(Progress::Done { detail })) => self.finish(action, attempt, Outcome::Done { detail }, now),
            StepReply::Polled(Ok(Progress::Failed(failure))) => self.finish(action, attempt, Outcome::Failed(failure), now),
            StepReply::Observed(Ok(Observed::Done)) => {
                let detail = Some("observed".to_owned());
                self.finish(action, attempt, Outcome::Done { detail }, now);
            }
            StepReply::Observed(Ok(Observed::InTransition(task))) => {
                live.is_ambiguous = false;
                if !has_task {
                    self.append(Entry::Accepted { action, attempt, task }, now);
                }
            }
            StepReply::Observed(Ok(Observed::NotDone)) => self.not_carried_out(action, attempt, "it was not carried out", now),
            StepReply::Observed(Ok(Observed::Gone)) => {
                let message = "it does not exist any more".to_owned();
                let failure = Failure { kind: FailureKind::NotFound, took_effect: TookEffect::No, message };
                self.finish(action, attempt, Outcome::Failed(failure), now);
            }
            StepReply::Polled(Err(_)) | StepReply::Observed(Err(_)) => {
                live.next_at = now.mono + ridethrough_model::Millis::from_secs(2)
            }
        }
    }

    pub(crate) fn not_carried_out(&mut self, action: ActionId, attempt: u32, why: &str, now: &Now) {
        let failure = Failure { kind: FailureKind::Unreachable, took_effect: TookEffect::No, message: why.to_owned() };
        self.finish(action, attempt, Outcome::Failed(failure), now);
    }

    /// Ends an attempt and remembers what it changed.
    pub(crate) fn finish(&mut self, action: ActionId, attempt: u32, outcome: Outcome, now: &Now) {
        let Some(op) = self.run.as_ref().and_then(|run| run.actions.get(&action)).map(|state| state.op.clone()) else { return };
        if matches!(outcome, Outcome::Done { .. } | Outcome::AlreadyDone) {
            self.remember(&op, now.mono);
        }
        let failed = matches!(outcome, Outcome::Failed(_));
        let words = if let Outcome::Failed(failure) = &outcome { failure.to_string() } else { String::new() };
        self.append(Entry::Finished { action, attempt, outcome }, now);
        let live = self.live.entry(action).or_default();
        live.asked_at = None;
        live.next_at = now.mono + RETRY_AFTER;
        let is_final = self.run.as_ref().and_then(|run| run.actions.get(&action)).is_some_and(|state| state.is_failed_for_good());
        if let Some(hook) = op.hook().filter(|_| failed && is_final) {
            self.note_hook_failed(hook, &format!("failed: {words}"), now);
        } else if failed && is_final {
            let text = format!("Failed for good: {}: {words}.", self.op_text(&op));
            self.notice_once(&format!("failed {action}"), Severity::Warning, Some("RT0411"), text, now);
        }
        // What is done was foreseen: the gates of the plan in force go by it, and the next tick looks at the plan anyway.
        if failed {
            self.want_plan("a step has failed");
        } else {
            "a step is done".clone_into(&mut self.plan_reason);
        }
    }

    fn remember(&mut self, op: &Op, now: Mono) {
        match op {
            Op::ShutDownVm { vm, host } | Op::PowerOffVm { vm, host } => {
                self.patch(vm, Patch::Power(VmPower::Off, host.clone()), now)
            }
            Op::SuspendVm { vm, host } => self.patch(vm, Patch::Power(VmPower::Suspended, host.clone()), now),
            Op::StartVm { vm, host } => self.patch(vm, Patch::Power(VmPower::Running, host.clone()), now),
            Op::MoveVm { vm, to, .. } | Op::FinishMove { vm, to, .. } => {
                self.patch(vm, Patch::Power(VmPower::Running, to.clone()), now)
            }
            Op::DisarmGuard { guard, disarmed, .. } => self.patch_guard(guard, disarmed, now),
            Op::RestoreGuard { guard, value, .. } => self.patch_guard(guard, value, now),
            Op::SetAutostart { vm, enabled, .. } => self.patch(vm, Patch::Autostart(*enabled), now),
            Op::AbortMove { .. }
            | Op::AbortSuspend { .. }
            | Op::ShutDownHost { .. }
            | Op::WakeHost { .. }
            | Op::StopLoad { .. }
            | Op::StartLoad { .. }
            | Op::CallHook { .. } => {}
        }
    }

    /// A host is proven off: so are its VMs, whatever was last heard of them.
    pub(crate) fn host_is_off(&mut self, host: &HostId, proof: String, now: &Now) {
        let on_it = |vm: &&ridethrough_model::Vm| vm.host == *host && vm.power.is_active();
        let mut vms: Vec<VmId> = self
            .inventories
            .values()
            .flat_map(|inventory| inventory.vms.values())
            .filter(on_it)
            .map(|vm| vm.id.clone())
            .collect();
        // They went off just before it: it was going down by then.
        let went_before = |id: &VmId| inventory_vm(self, id).is_some_and(|vm| vm.host == *host);
        vms.extend(self.off_since.keys().filter(|id| went_before(id)).cloned().collect::<Vec<_>>());
        let is_wished = |vm: &VmId| self.run.as_ref().is_some_and(|run| run.left_off.contains_key(vm));
        vms.extend(self.stopped_by_timer(host).filter(|vm| !vms.contains(vm) && !is_wished(vm)).collect::<Vec<_>>());
        for vm in &vms {
            self.patch(vm, Patch::Power(VmPower::Off, host.clone()), now.mono);
        }
        for inventory in self.inventories.values_mut() {
            if let Some(info) = inventory.hosts.get_mut(host) {
                info.connected = false;
            }
        }
        self.append(Entry::HostProvenOff { host: host.clone(), proof, vms }, now);
    }

    /// An operation in words, with names instead of ids.
    pub(crate) fn op_text(&self, op: &Op) -> String {
        let text = op.to_string();
        if let Some(guard) = op.guard() {
            return text.replace(guard.as_str(), &self.guard_name(guard));
        }
        let Some(vm) = op.vm() else { return text };
        let known = self.inventories.get(&vm.platform()).and_then(|inventory| inventory.vms.get(vm)).map(|vm| vm.name.clone());
        let name = known.or_else(|| self.run.as_ref().and_then(|run| run.homes.get(vm)).map(|home| home.name.clone()));
        name.map_or(text.clone(), |name| text.replace(vm.as_str(), &name))
    }
}

fn inventory_vm<'a>(site: &'a Site, id: &VmId) -> Option<&'a ridethrough_model::Vm> {
    site.inventories.get(&id.platform()).and_then(|inventory| inventory.vms.get(id))
}

/// Whether a failure leaves it open what happened.
fn is_open(failure: &Failure) -> bool {
    failure.took_effect == TookEffect::Possible
        && !matches!(failure.kind, FailureKind::Unauthorized | FailureKind::Unsupported | FailureKind::Config)
}
