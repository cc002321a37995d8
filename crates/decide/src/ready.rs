//! Whether what was brought back does its work: what is asked, what counts as an answer, and when it is waited for no longer.
//!
//! That a VM runs is its platform's word and ends its start. Where more is wanted (an agent, a port, a page), what comes after it
//! waits until that is seen or its time is over; the latter is said, and the return goes on.

use crate::input::Effect;
use crate::run::RunState;
use crate::site::Site;
use ridethrough_model::{Entry, Inventory, Millis, Mono, Now, Probe, Ready, Severity, Vm, VmId};
use std::collections::BTreeSet;

/// How often a VM is asked.
const PROBE_EVERY: Millis = Millis::from_secs(2);
/// A question unanswered for so long is asked again.
const PROBE_ANSWER_MAX: Millis = Millis::from_secs(20);

/// What is remembered of one VM that is waited for, only while this process lives.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    since: Mono,
    asked_at: Option<Mono>,
    next_at: Mono,
    /// What was seen instead of an answer.
    seen: String,
}

impl Site {
    fn known_vm(&self, id: &VmId) -> Option<&Vm> {
        self.inventories.get(&id.platform()).and_then(|inventory| inventory.vms.get(id))
    }

    /// VMs that were brought back in this run, or came back by themselves, and of which it is not known yet whether they do their work.
    pub(crate) fn unready(&self) -> BTreeSet<VmId> {
        let Some(run) = self.run.as_ref().filter(|_| self.config.policy.rules.iter().any(|rule| rule.ready.is_some())) else {
            return BTreeSet::new();
        };
        let came_by_itself = |id: &&VmId| self.known_vm(id).is_some_and(|vm| vm.power.is_active()) && !is_being_stopped(run, id);
        let candidates = run.awaited.iter().chain(run.stopped.iter().filter(came_by_itself));
        let is_open = |id: &&VmId| {
            let is_settled = run.ready.contains(*id) || run.not_ready.contains(*id) || run.left_off.contains_key(*id);
            !is_settled && self.known_vm(id).is_some_and(|vm| self.config.policy.ready_of(vm).is_some())
        };
        candidates.filter(is_open).cloned().collect()
    }

    /// Asks after those that are waited for, once a tick.
    pub(crate) fn tend_readiness(&mut self, now: &Now) {
        let unready = self.unready();
        self.waiting.retain(|vm, _| unready.contains(vm));
        for id in unready {
            let Some(ready) = self.known_vm(&id).and_then(|vm| self.config.policy.ready_of(vm)) else { continue };
            let fresh =
                Waiting { since: now.mono, asked_at: None, next_at: now.mono, seen: "nobody could be asked yet".to_owned() };
            let waited = now.mono.since(self.waiting.entry(id.clone()).or_insert(fresh).since);
            if waited >= ready.within {
                self.give_up_waiting(&id, &ready, now);
            } else {
                self.ask_whether_ready(&id, &ready, waited, now);
            }
        }
    }

    fn ask_whether_ready(&mut self, id: &VmId, ready: &Ready, waited: Millis, now: &Now) {
        let inventory = self.inventories.get(&id.platform());
        let is_up = inventory.is_some_and(|inventory| runs_within_reach(inventory, id));
        let has_agent = inventory.is_some_and(|inventory| inventory.agents.contains(id));
        let Some(waiting) = self.waiting.get_mut(id).filter(|_| is_up) else { return };
        if ready.probe == Probe::Agent {
            "its guest agent has not connected".clone_into(&mut waiting.seen);
            if has_agent {
                self.append(Entry::VmReady { vm: id.clone(), after: waited, how: ready.probe.to_string() }, now);
            }
            return;
        }
        let is_asked = waiting.asked_at.is_some_and(|at| now.mono.since(at) < PROBE_ANSWER_MAX);
        if !is_asked && now.mono >= waiting.next_at {
            waiting.asked_at = Some(now.mono);
            self.out.push(Effect::Probe { vm: id.clone(), probe: ready.probe.clone() });
        }
    }

    fn give_up_waiting(&mut self, id: &VmId, ready: &Ready, now: &Now) {
        let seen = self.waiting.remove(id).map(|waiting| waiting.seen).unwrap_or_default();
        let name = self.known_vm(id).map_or_else(|| id.to_string(), |vm| vm.name.clone());
        self.append(Entry::VmNotReady { vm: id.clone(), within: ready.within, reason: seen.clone() }, now);
        let text = format!(
            "VM {name} runs and is not ready {} after its start ({}: {seen}). What waits for it is started without it.",
            ready.within, ready.probe
        );
        self.notice_once(&format!("not ready {id}"), Severity::Warning, Some("RT0437"), text, now);
    }

    /// Takes an answer in. One to a question that is no longer open says nothing.
    pub(crate) fn take_probe_answer(&mut self, vm: &VmId, probe: &Probe, answer: Result<(), String>, now: &Now) {
        let is_open = self.unready().contains(vm);
        let wanted = self.known_vm(vm).and_then(|vm| self.config.policy.ready_of(vm));
        let Some(waiting) = self.waiting.get_mut(vm).filter(|_| wanted.is_some_and(|wanted| wanted.probe == *probe)) else {
            return;
        };
        waiting.asked_at = None;
        waiting.next_at = now.mono + PROBE_EVERY;
        let waited = now.mono.since(waiting.since);
        match answer {
            Ok(()) if is_open => {
                self.waiting.remove(vm);
                self.append(Entry::VmReady { vm: vm.clone(), after: waited, how: probe.to_string() }, now);
            }
            Ok(()) => {}
            Err(seen) => waiting.seen = seen,
        }
    }
}

fn is_being_stopped(run: &RunState, id: &VmId) -> bool {
    run.actions.values().any(|action| action.is_in_flight() && action.op.is_stop() && action.op.vm() == Some(id))
}

fn runs_within_reach(inventory: &Inventory, id: &VmId) -> bool {
    let vm = inventory.vms.get(id).filter(|vm| vm.power.is_active());
    vm.is_some_and(|vm| inventory.hosts.get(&vm.host).is_some_and(|host| host.connected))
}
