//! Guards in a plan: disarmed before the first step they could undo, put back when everything in their reach is back.
//!
//! A step waits for a guard at most for its attempts, never beyond its own last safe moment, and not at all in an emergency: a
//! platform that cannot be disarmed costs a restart here and there, a shutdown that did not happen costs the data.

use crate::feed::HostRisk;
use crate::guards::covers;
use crate::plan::{Need, Step};
use crate::plan_back::is_past_latest;
use crate::plan_outage::{ABORT_LEAD, ActingHost};
use crate::snapshot::{Snapshot, Want};
use ridethrough_model::{Finding, GuardId, GuardState, GuardedStep, HostId, Millis, Op, PlanReport, UpsId};
use std::collections::BTreeSet;

/// How long setting a guard may take before what waits for it goes on.
const BUDGET: Millis = Millis::from_secs(15);
/// How often a guard is disarmed again between two changes of the mains, where something sets it back.
const DISARMS_MAX: u32 = 3;
/// Every start before this one: more than any tier's rank.
const AFTER_ALL_STARTS: usize = usize::MAX;

/// What kind of step it is for a guard, and on which hosts.
fn guarded(op: &Op) -> Option<(GuardedStep, [Option<&HostId>; 2])> {
    match op {
        Op::MoveVm { from, to, .. } => Some((GuardedStep::MoveVm, [Some(from), Some(to)])),
        Op::ShutDownHost { host } => Some((GuardedStep::ShutDownHost, [Some(host), None])),
        // Power is cut at the deadline only: there is nothing left to wait with.
        Op::PowerOffVm { .. } => None,
        op if op.is_stop() => Some((GuardedStep::StopVm, [op.host(), None])),
        _ => None,
    }
}

fn waits_for(guard: &GuardState, op: &Op) -> bool {
    guarded(op).is_some_and(|(kind, hosts)| guard.before.contains(&kind) && hosts.iter().any(|host| covers(guard, *host)))
}

/// Drafts the disarming of every guard that could undo a step drafted so far, and lets those steps wait for it.
pub(crate) fn draft(snapshot: &Snapshot<'_>, hosts: &[ActingHost<'_>], steps: &mut Vec<Step>, report: &mut PlanReport) {
    for (id, guard) in snapshot.inventories.values().flat_map(|inventory| &inventory.guards) {
        let waiting: Vec<usize> = (0..steps.len()).filter(|at| waits_for(guard, &steps[*at].op)).collect();
        let restore = Op::RestoreGuard { guard: id.clone(), value: guard.value.clone(), disarmed: guard.disarmed.clone() };
        let restoring = snapshot.known.iter().find(|(op, known)| {
            known.is_in_flight
                && matches!((op, &restore), (Op::RestoreGuard { guard: a, .. }, Op::RestoreGuard { guard: b, .. }) if a == b)
        });
        if waiting.is_empty() || !guard.is_armed() && restoring.is_none() {
            continue;
        }
        if guard.is_armed() && snapshot.guard_disarms.get(id).is_some_and(|count| *count > DISARMS_MAX) {
            report.findings.push(Finding::warning(
                "RT0460",
                guard.name.clone(),
                format!(
                    "Something has set it back to {} again and again; it is left so, and may undo steps of this run.",
                    guard.value
                ),
                "Find what sets it (a person, a management tool) and stop that for the time of an outage.",
            ));
            continue;
        }
        let value = match restoring {
            Some((Op::RestoreGuard { value, .. }, _)) => value.clone(),
            _ => guard.value.clone(),
        };
        let op = Op::DisarmGuard { guard: id.clone(), value, disarmed: guard.disarmed.clone() };
        let begin = |at: &usize| hosts.iter().find(|host| Some(host.id) == steps[*at].op.host()).map(|host| host.since);
        let since = waiting.iter().filter_map(begin).min();
        let text = format!("It {} while hosts are emptied; it is put back at the end.", guard.kind.words());
        let mut step = Step::new(op.clone(), since.unwrap_or(snapshot.now), BUDGET, "automation is disarmed first", text);
        step.observe_only = waiting.iter().all(|at| steps[*at].observe_only);
        step.needs_hard = restoring.iter().map(|(op, _)| Need::Settled((*op).clone())).collect();
        for at in waiting {
            let host = steps[at].op.host().and_then(|host| hosts.iter().find(|acting| acting.id == host));
            let Some(host) = host.filter(|host| !host.is_emergency) else { continue };
            gate(snapshot, host, &mut steps[at], &op);
        }
        steps.push(step);
    }
}

/// Lets a step wait. A move has no last safe moment of its own: it must begin while it can still end before its clean stop.
fn gate(snapshot: &Snapshot<'_>, host: &ActingHost<'_>, step: &mut Step, disarm: &Op) {
    step.needs.push(Need::Settled(disarm.clone()));
    if let (Op::MoveVm { .. }, Some(rank), None) = (&step.op, step.rank, step.last_safe) {
        let begin = host.last_safe(&snapshot.policy.tier(rank)) - step.budget - ABORT_LEAD;
        step.last_safe = Some(begin.max(step.not_before.min(snapshot.now)));
    }
}

/// Drafts the putting back of every guard that this run has disarmed: last, and only where mains is stable.
pub(crate) fn draft_back(snapshot: &Snapshot<'_>, steps: &mut Vec<Step>, report: &mut PlanReport) {
    if !snapshot.wants.values().any(|want| matches!(want, Want::Return { .. })) {
        return;
    }
    for (id, held) in snapshot.guards {
        let op = Op::RestoreGuard { guard: id.clone(), value: held.value.clone(), disarmed: held.disarmed.clone() };
        let known = snapshot.known.get(&op);
        if known.is_some_and(|known| known.is_failed) {
            continue;
        }
        let why_not = why_not_yet(snapshot, id, held, steps);
        if let Some(reason) = why_not.filter(|_| known.is_none_or(|known| !known.is_in_flight)) {
            report.waiting.push(format!("{} is put back last: {reason}", held.name));
            continue;
        }
        let is_disarmed = present(snapshot, id).is_some_and(|guard| guard.value == held.disarmed);
        if !is_disarmed && known.is_none_or(|known| !known.is_in_flight) {
            continue;
        }
        let text = format!("It was {} before the outage.", held.value);
        let mut step = Step::new(op, snapshot.now, BUDGET, "automation is put back last", text);
        step.needs = vec![Need::HigherTiers { rank: AFTER_ALL_STARTS }];
        let in_reach =
            steps.iter().filter(|step| !step.observe_only && brings_back(held, &step.op) && can_come(snapshot, step, steps));
        step.needs_hard = in_reach.map(|step| Need::Settled(step.op.clone())).collect();
        steps.push(step);
    }
}

fn present<'a>(snapshot: &'a Snapshot<'_>, id: &GuardId) -> Option<&'a GuardState> {
    snapshot.inventories.get(&id.platform()).and_then(|inventory| inventory.guards.get(id))
}

fn brings_back(guard: &GuardState, op: &Op) -> bool {
    match op {
        Op::WakeHost { host } | Op::StartVm { host, .. } => covers(guard, Some(host)),
        Op::MoveVm { from, to, .. } => covers(guard, Some(from)) || covers(guard, Some(to)),
        _ => false,
    }
}

/// Whether the host a step waits for is ready, or still being woken. One that does not come holds no guard up.
fn can_come(snapshot: &Snapshot<'_>, step: &Step, steps: &[Step]) -> bool {
    let is_woken = |host: &HostId| {
        let wake = Op::WakeHost { host: host.clone() };
        steps.iter().any(|step| step.op == wake) && snapshot.known.get(&wake).is_none_or(|known| !known.is_failed)
    };
    let mut waits = step.needs_hard.iter().filter_map(|need| if let Need::HostReady(host) = need { Some(host) } else { None });
    waits.all(|host| snapshot.is_ready(host) || is_woken(host))
}

fn why_not_yet(snapshot: &Snapshot<'_>, id: &GuardId, held: &GuardState, steps: &[Step]) -> Option<String> {
    if snapshot.wants.values().any(|want| matches!(want, Want::Save { .. })) {
        return Some("something is still being saved".to_owned());
    }
    for host in &held.hosts {
        let feeds = snapshot.topology.hosts.get(host).map(|topology| &topology.feeds);
        let upses: BTreeSet<UpsId> = feeds.into_iter().flatten().map(|feed| feed.ups.clone()).collect();
        let is_calm =
            snapshot.domains_of(&upses).all(|domain| matches!(snapshot.wants.get(domain), None | Some(Want::Return { .. })));
        if !is_calm || matches!(snapshot.host_risk(host), HostRisk::AtRisk { .. }) {
            return Some(format!("{host} waits for mains to be stable"));
        }
    }
    let is_busy = |(op, known): (&Op, &crate::snapshot::InFlight)| {
        known.is_in_flight && matches!(op, Op::DisarmGuard { guard, .. } if guard == id)
    };
    if snapshot.known.iter().any(is_busy) {
        return Some("it is still being disarmed".to_owned());
    }
    let answers = |inventory: &ridethrough_model::Inventory| inventory.hosts.values().any(|host| host.connected);
    if present(snapshot, id).is_none() || !snapshot.inventories.get(&id.platform()).is_some_and(answers) {
        return Some("its platform does not tell of it".to_owned());
    }
    if is_past_latest(snapshot) {
        return None;
    }
    let is_planned = |wanted: &dyn Fn(&Op) -> bool| steps.iter().any(|step| wanted(&step.op));
    let has_failed = |wanted: &dyn Fn(&Op) -> bool| snapshot.known.iter().any(|(op, known)| known.is_failed && wanted(op));
    let is_left = |wanted: &dyn Fn(&Op) -> bool| !is_planned(wanted) && !has_failed(wanted);
    for host in held.hosts.iter().filter(|host| snapshot.hosts_down.contains(*host) && !snapshot.is_ready(host)) {
        if is_left(&|op| matches!(op, Op::WakeHost { host: woken } if woken == host)) {
            return Some(format!("{host} is not back"));
        }
    }
    for (vm, home) in snapshot.homes {
        let Some(known) = snapshot.vm(vm) else { continue };
        if !covers(held, Some(&home.host)) && !covers(held, Some(&known.host)) {
            continue;
        }
        let is_away = snapshot.stopped.contains(vm) && !known.power.is_active();
        if is_away && is_left(&|op| matches!(op, Op::StartVm { vm: started, .. } if started == vm)) {
            return Some(format!("{} does not run yet", home.name));
        }
        let is_elsewhere = snapshot.moved.contains(vm) && known.power.is_active() && known.host != home.host;
        if is_elsewhere && is_left(&|op| matches!(op, Op::MoveVm { vm: moved, to, .. } if moved == vm && *to == home.host)) {
            return Some(format!("{} is not home yet", home.name));
        }
    }
    None
}

/// Guards that are still disarmed, for the report at the end.
pub(crate) fn not_back<'a>(snapshot: &'a Snapshot<'_>) -> impl Iterator<Item = String> + 'a {
    snapshot.guards.values().map(|held| format!("{} is still disarmed (it was {} before)", held.name, held.value))
}
