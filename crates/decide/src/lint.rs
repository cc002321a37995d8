//! Checks a plan from outside: shares no code with the planner, knows only the rules. An error here keeps a domain from being
//! armed.

use crate::feed::HostRisk;
use crate::snapshot::{Snapshot, Want};
use ridethrough_model::plan::Gate;
use ridethrough_model::{Action, Bytes, Finding, Hook, HookMoment, HookOf, HostId, Millis, Op, Plan, VmId};
use std::collections::{BTreeMap, BTreeSet};

/// Everything wrong with a plan, given the facts it was made from.
#[must_use]
pub fn lint(plan: &Plan, snapshot: &Snapshot<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    covers_every_vm(plan, snapshot, &mut findings);
    targets_keep_power(plan, snapshot, &mut findings);
    targets_have_room(plan, snapshot, &mut findings);
    tiers_are_in_order(plan, snapshot, &mut findings);
    hosts_are_empty_first(plan, snapshot, &mut findings);
    force_is_last(plan, snapshot, &mut findings);
    savings_fit(plan, snapshot, &mut findings);
    loads_outlive_hosts(plan, snapshot, &mut findings);
    hooks_hold_nobody_up(plan, &mut findings);
    guards_are_disarmed_first(plan, snapshot, &mut findings);
    findings
}

const TELL_US: &str = "This is a fault of the planner: report it with the plan, and do not arm.";

fn error(subject: String, message: String) -> Finding {
    Finding::error("RT0421", subject, message, TELL_US)
}

fn is_saved(snapshot: &Snapshot<'_>, host: &HostId) -> bool {
    match snapshot.host_risk(host) {
        HostRisk::AtRisk { upses, .. } => {
            let mut domains = snapshot.domains_of(&upses).peekable();
            domains.peek().is_some() && domains.all(|domain| matches!(snapshot.wants.get(domain), Some(Want::Save { .. })))
        }
        _ => false,
    }
}

fn covers_every_vm(plan: &Plan, snapshot: &Snapshot<'_>, findings: &mut Vec<Finding>) {
    let handled: BTreeSet<&VmId> = plan
        .actions
        .values()
        .filter(|action| matches!(action.op, Op::ShutDownVm { .. } | Op::SuspendVm { .. } | Op::MoveVm { .. }))
        .filter_map(|action| action.op.vm())
        .collect();
    for vm in snapshot.vms().filter(|vm| vm.power.is_active() && is_saved(snapshot, &vm.host)) {
        // The controller's own goes down with its host, if it cannot move.
        let is_own = snapshot.own.is_vm(&vm.id) && snapshot.own.is_host(&vm.host);
        if !is_own && !handled.contains(&vm.id) {
            findings.push(error(
                format!("VM {}", vm.name),
                format!("It runs on {}, whose power ends, and nothing is planned for it.", vm.host),
            ));
        }
    }
}

fn targets_keep_power(plan: &Plan, snapshot: &Snapshot<'_>, findings: &mut Vec<Finding>) {
    for action in plan.actions.values() {
        let (Op::MoveVm { vm, to: target, .. } | Op::StartVm { vm, host: target }) = &action.op else { continue };
        if snapshot.host_risk(target) != HostRisk::Safe {
            let name = snapshot.vm_name(vm);
            findings.push(error(format!("VM {name}"), format!("It would go to {target}, whose power is not known to be good.")));
        }
    }
}

fn targets_have_room(plan: &Plan, snapshot: &Snapshot<'_>, findings: &mut Vec<Finding>) {
    let mut arriving: BTreeMap<&HostId, Bytes> = BTreeMap::new();
    for action in plan.actions.values() {
        if let Op::MoveVm { vm, to, .. } = &action.op {
            let memory = snapshot.vm(vm).map_or(Bytes::ZERO, |vm| vm.memory);
            let sum = arriving.entry(to).or_default();
            *sum = *sum + memory;
        }
    }
    for (host, arriving) in arriving {
        let total = snapshot.inventories.values().find_map(|inventory| inventory.hosts.get(host)).and_then(|info| info.memory);
        let used: Bytes = snapshot.vms().filter(|vm| vm.host == *host && vm.power.is_active()).map(|vm| vm.memory).sum();
        if total.is_none_or(|total| used + arriving > total) {
            findings
                .push(error(format!("host {host}"), format!("{arriving} would arrive there beside {used} in use: too much.")));
        }
    }
}

fn tiers_are_in_order(plan: &Plan, snapshot: &Snapshot<'_>, findings: &mut Vec<Finding>) {
    let stops: Vec<&Action> = plan.actions.values().filter(|action| action.op.is_clean_stop()).collect();
    let is_emergency =
        |action: &Action| action.upses.iter().all(|ups| snapshot.sources.get(ups).is_some_and(|source| source.emergency));
    for action in stops.iter().filter(|action| !is_emergency(action)) {
        let waits = |ups, rank| action.gates.contains(&Gate::LowerTiers { ups, rank });
        let rank = action.rank.unwrap_or(usize::MAX);
        let has_lower = |ups: &_| stops.iter().any(|other| other.rank > Some(rank) && other.upses.contains(ups));
        if action.upses.iter().any(|ups| has_lower(ups) && !waits(ups.clone(), rank)) {
            let name = action.op.vm().map(|vm| snapshot.vm_name(vm)).unwrap_or_default();
            findings
                .push(error(format!("VM {name}"), "Its stop does not wait for the less important tiers of its UPS.".to_owned()));
        }
    }
}

fn hosts_are_empty_first(plan: &Plan, snapshot: &Snapshot<'_>, findings: &mut Vec<Finding>) {
    for action in plan.actions.values() {
        let Op::ShutDownHost { host } = &action.op else { continue };
        let carries_vms = snapshot.topology.hosts.get(host).is_some_and(|topology| topology.platform.is_some());
        let empty = Gate::HostEmpty(host.clone());
        if carries_vms && !action.gates.contains(&empty) && !action.gates_hard.contains(&empty) {
            findings.push(error(format!("host {host}"), "It would be shut down without being empty.".to_owned()));
        }
    }
}

fn loads_outlive_hosts(plan: &Plan, snapshot: &Snapshot<'_>, findings: &mut Vec<Finding>) {
    for action in plan.actions.values() {
        let Op::StopLoad { load } = &action.op else { continue };
        let needs_it = |(_, host): &(&HostId, &ridethrough_model::HostTopology)| host.needs.contains(load);
        for (host, _) in snapshot.topology.hosts.iter().filter(needs_it) {
            if !action.gates_hard.contains(&Gate::HostOff(host.clone())) {
                let message = format!("It would be told to stop while {host}, which needs it, may still run.");
                findings.push(error(format!("load {load}"), message));
            }
        }
    }
}

/// A hook is waited for only where a last safe moment passes it by; one about a host that is off is never called before.
fn hooks_hold_nobody_up(plan: &Plan, findings: &mut Vec<Finding>) {
    let hook = |gate: &Gate| match gate {
        Gate::Settled(id) | Gate::Done(id) => plan.actions.get(id).and_then(|other| other.op.hook()),
        _ => None,
    };
    for action in plan.actions.values() {
        let is_stop = action.op.is_clean_stop() || matches!(action.op, Op::ShutDownHost { .. });
        let waits = action.gates_hard.iter().find_map(hook);
        let waits = waits.or_else(|| action.gates.iter().find_map(hook).filter(|_| is_stop && action.last_safe.is_none()));
        if let Some(hook) = waits {
            findings.push(error(format!("hook {hook}"), format!("If it hangs, this is never done: {}.", action.op)));
        }
        if let Op::CallHook { hook: Hook { of: HookOf::Host(host), moment: HookMoment::AfterStop } } = &action.op
            && !action.gates_hard.contains(&Gate::HostOff(host.clone()))
        {
            findings.push(error(
                format!("host {host}"),
                "Its hook after the stop would be called while it may still run.".to_owned(),
            ));
        }
    }
}

/// Only where size, rate and space are known, and one after the other they end in time.
fn savings_fit(plan: &Plan, snapshot: &Snapshot<'_>, findings: &mut Vec<Finding>) {
    let mut written: BTreeMap<&HostId, Bytes> = BTreeMap::new();
    for action in plan.actions.values() {
        let Op::SuspendVm { vm, host } = &action.op else { continue };
        let subject = format!("VM {}", snapshot.vm_name(vm));
        if snapshot.known.get(&action.op).is_some_and(|known| known.is_in_flight) {
            continue;
        }
        let room =
            snapshot.inventories.get(&vm.platform()).and_then(|inventory| inventory.hosts.get(host)).map(|info| info.suspend);
        let (Some(room), Some(known)) = (room, snapshot.vm(vm)) else { continue };
        let (Some(rate), Some(space)) = (room.rate, room.space) else {
            findings.push(error(subject, format!("It would be saved to disk, and rate or space on {host} is not known.")));
            continue;
        };
        let sum = written.entry(host).or_default();
        *sum = *sum + known.memory;
        if *sum > space {
            findings.push(error(subject, format!("It would be saved to disk on {host}, which has too little space for that.")));
            continue;
        }
        let HostRisk::AtRisk { ends_at, .. } = snapshot.host_risk(host) else { continue };
        let budget = snapshot.policy.tier_of(known).stop_budget;
        let takes = Millis(known.memory.0.saturating_mul(1000) / rate.0.max(1));
        if action.last_safe.is_none_or(|at| at + takes + budget > ends_at) {
            findings.push(error(subject, format!("Saving it to disk on {host} would leave no time to shut it down instead.")));
        }
    }
}

fn guards_are_disarmed_first(plan: &Plan, snapshot: &Snapshot<'_>, findings: &mut Vec<Finding>) {
    use ridethrough_model::GuardedStep::{MoveVm, ShutDownHost, StopVm};
    let guards = snapshot.inventories.values().flat_map(|inventory| &inventory.guards);
    for (id, guard) in guards.filter(|(_, guard)| guard.is_armed()) {
        let disarm = plan.actions.values().find(|action| matches!(&action.op, Op::DisarmGuard { guard, .. } if guard == id));
        for action in plan.actions.values() {
            let kind = match &action.op {
                op if op.is_clean_stop() => StopVm,
                Op::MoveVm { .. } => MoveVm,
                Op::ShutDownHost { .. } => ShutDownHost,
                _ => continue,
            };
            let is_covered = action.op.host().is_some_and(|host| guard.hosts.contains(host)) && guard.before.contains(&kind);
            let is_emergency = action.upses.iter().all(|ups| snapshot.sources.get(ups).is_some_and(|source| source.emergency));
            if !is_covered || is_emergency || !action.op.host().is_some_and(|host| is_saved(snapshot, host)) {
                continue;
            }
            if disarm.is_none_or(|disarm| !action.gates.contains(&Gate::Settled(disarm.id))) {
                findings.push(error(guard.name.clone(), format!("`{}` does not wait for it to be disarmed.", action.op)));
            }
        }
    }
}

fn force_is_last(plan: &Plan, snapshot: &Snapshot<'_>, findings: &mut Vec<Finding>) {
    for action in plan.actions.values() {
        let Op::PowerOffVm { vm, .. } = &action.op else { continue };
        let stop = plan.actions.values().find(|other| other.op.is_clean_stop() && other.op.vm() == Some(vm));
        let is_early = stop.and_then(|stop| stop.last_safe).is_none_or(|last_safe| action.not_before < last_safe);
        if is_early {
            let name = snapshot.vm_name(vm);
            findings.push(error(format!("VM {name}"), "It would be powered off without time for a clean stop.".to_owned()));
        }
    }
}
