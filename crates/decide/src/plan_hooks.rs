//! Hooks of tiers and hosts, at their place in a plan that is drafted otherwise. They wait; what waits for them does so softly: a
//! last safe moment passes them by, a low battery or a forced shutdown does not wait at all.
//!
//! A hook is called once for each time its tier or host goes down or comes back. What the run remembers of that is in `run`.

use crate::feed::HostRisk;
use crate::plan::{Need, Step};
use crate::plan_back::is_past_latest;
use crate::plan_outage::ActingHost;
use crate::run::{ActionPhase, Side};
use crate::snapshot::{Snapshot, Want};
use ridethrough_model::{Hook, HookMoment, HookOf, HostId, Millis, Op, TierName, Topology, VmId};

/// Given to a hook beyond its own limit until it counts as overrun: its end has to be told.
const TOLD_MAX: Millis = Millis::from_secs(2);

/// How long that hook may take, if there is one.
pub(crate) fn time_of(topology: &Topology, hook: &Hook) -> Option<Millis> {
    topology.hooks.get(hook).map(|limit| *limit + TOLD_MAX)
}

/// How long the hook before the stop of that tier or host may take; nothing where there is none.
pub(crate) fn time_before_stop(topology: &Topology, of: HookOf) -> Millis {
    time_of(topology, &of.at(HookMoment::BeforeStop)).unwrap_or_default()
}

/// Drafts all that are to be called, and has what they belong to wait for them.
pub(crate) fn draft(snapshot: &Snapshot<'_>, hosts: &[ActingHost<'_>], steps: &mut Vec<Step>) {
    if snapshot.topology.hooks.is_empty() {
        return;
    }
    for rank in 0..=snapshot.policy.tiers.len() {
        let tier = snapshot.policy.tier(rank).name;
        before_tier_stops(snapshot, hosts, (rank, &tier), steps);
        after_tier_stopped(snapshot, hosts, (rank, &tier), steps);
        before_tier_starts(snapshot, (rank, &tier), steps);
        after_tier_started(snapshot, (rank, &tier), steps);
    }
    for id in snapshot.topology.hosts.keys() {
        around_stop_of_host(snapshot, hosts, id, steps);
        around_start_of_host(snapshot, id, steps);
    }
}

/// A step for that hook, if it is configured and not called yet.
fn step(snapshot: &Snapshot<'_>, of: &HookOf, moment: HookMoment, text: &str) -> Option<Step> {
    let hook = of.at(moment);
    let budget = time_of(snapshot.topology, &hook)?;
    let is_called = snapshot.hooks_called.contains(&hook);
    let op = Op::CallHook { hook };
    let is_open = |phase: &ActionPhase| !matches!(phase, ActionPhase::Done | ActionPhase::Dropped(_));
    if is_called && !snapshot.known.get(&op).is_some_and(|known| is_open(known.phase)) {
        return None;
    }
    Some(Step::new(op, snapshot.now, budget, "hooks", format!("{text} It holds nothing up for longer than {budget}.")))
}

fn settled(of: &HookOf, moment: HookMoment) -> Need {
    Need::Settled(Op::CallHook { hook: of.at(moment) })
}

fn is_of_tier(step: &Step, rank: usize, is_kind: fn(&Op) -> bool) -> bool {
    step.rank == Some(rank) && is_kind(&step.op)
}

fn is_start(op: &Op) -> bool {
    matches!(op, Op::StartVm { .. })
}

fn before_tier_stops(snapshot: &Snapshot<'_>, hosts: &[ActingHost<'_>], (rank, tier): (usize, &TierName), steps: &mut Vec<Step>) {
    let of = HookOf::Tier(tier.clone());
    let Some(budget) = time_of(snapshot.topology, &of.at(HookMoment::BeforeStop)) else { return };
    let is_stop = |step: &&mut Step| is_of_tier(step, rank, Op::is_clean_stop);
    let is_hurried = |step: &Step| hosts.iter().any(|host| Some(host.id) == step.op.host() && host.is_emergency);
    let stops: Vec<&Step> = steps.iter().filter(|step| is_of_tier(step, rank, Op::is_clean_stop)).collect();
    let (Some(from), last_safe) =
        (stops.iter().map(|stop| stop.not_before).min(), stops.iter().filter_map(|stop| stop.last_safe).min())
    else {
        return;
    };
    let mut drafted = step(snapshot, &of, HookMoment::BeforeStop, "The first VM of the tier is about to be shut down.");
    if let Some(step) = &mut drafted {
        step.tier = Some(tier.clone());
        step.rank = Some(rank);
        step.upses = stops.iter().flat_map(|stop| stop.upses.iter().cloned()).collect();
        step.observe_only = stops.iter().all(|stop| stop.observe_only);
        step.not_before = from - budget;
        step.last_safe = last_safe.map(|at| at - budget);
        step.needs = vec![Need::StopDue { rank }];
    }
    for stop in steps.iter_mut().filter(is_stop) {
        if !is_hurried(stop) {
            stop.needs.push(settled(&of, HookMoment::BeforeStop));
        }
    }
    steps.extend(drafted);
}

fn after_tier_stopped(
    snapshot: &Snapshot<'_>,
    hosts: &[ActingHost<'_>],
    (rank, tier): (usize, &TierName),
    steps: &mut Vec<Step>,
) {
    let of = HookOf::Tier(tier.clone());
    let stops: Vec<&Step> = steps.iter().filter(|step| is_of_tier(step, rank, Op::is_clean_stop)).collect();
    let was_stopped = !hosts.is_empty() && snapshot.sides.get(&of) == Some(&Side::Down);
    if stops.is_empty() && !was_stopped {
        return;
    }
    let Some(mut step) = step(snapshot, &of, HookMoment::AfterStop, "Nothing of the tier is being stopped any more.") else {
        return;
    };
    step.tier = Some(tier.clone());
    step.rank = Some(rank);
    step.upses = stops.iter().flat_map(|stop| stop.upses.iter().cloned()).collect();
    let is_only_said = !stops.is_empty() && !was_stopped && stops.iter().all(|stop| stop.observe_only);
    // Whoever disarms in the middle wants nothing more done, and no more said to others.
    step.observe_only = is_only_said || hosts.iter().all(|host| host.observe_only);
    step.needs = vec![Need::TierStopped { rank }];
    steps.push(step);
}

fn before_tier_starts(snapshot: &Snapshot<'_>, (rank, tier): (usize, &TierName), steps: &mut Vec<Step>) {
    let of = HookOf::Tier(tier.clone());
    if !snapshot.topology.hooks.contains_key(&of.at(HookMoment::BeforeStart)) {
        return;
    }
    let mut observe_only = true;
    let mut is_any = false;
    for start in steps.iter_mut().filter(|step| is_of_tier(step, rank, is_start)) {
        is_any = true;
        observe_only &= start.observe_only;
        start.needs.push(settled(&of, HookMoment::BeforeStart));
    }
    let drafted = step(snapshot, &of, HookMoment::BeforeStart, "The first VM of the tier is about to be started.");
    let Some(mut step) = drafted.filter(|_| is_any) else { return };
    step.tier = Some(tier.clone());
    step.rank = Some(rank);
    step.observe_only = observe_only;
    step.needs = vec![Need::StartDue { rank }];
    steps.push(step);
}

/// Called too where its stop was announced and then nothing was stopped: whoever was told that it goes down is told that it is up.
fn after_tier_started(snapshot: &Snapshot<'_>, (rank, tier): (usize, &TierName), steps: &mut Vec<Step>) {
    let of = HookOf::Tier(tier.clone());
    if !is_returning(snapshot) {
        return;
    }
    let starts: Vec<&Step> = steps.iter().filter(|step| is_of_tier(step, rank, is_start)).collect();
    let is_drafted = |id: &VmId| starts.iter().any(|start| start.op.vm() == Some(id));
    let is_waiting = snapshot.homes.iter().any(|(id, home)| {
        let is_off = snapshot.vm(id).is_none_or(|vm| !vm.power.is_active());
        home.rank == rank && snapshot.stopped.contains(id) && is_off && !is_drafted(id)
    });
    let was_started = snapshot.sides.get(&of) == Some(&Side::Up);
    if starts.is_empty() && !was_started && !is_announced(snapshot, &of) || is_waiting && !is_past_latest(snapshot) {
        return;
    }
    let Some(mut step) = step(snapshot, &of, HookMoment::AfterStart, "Nothing of the tier is being started any more.") else {
        return;
    };
    step.tier = Some(tier.clone());
    step.rank = Some(rank);
    step.observe_only = !starts.is_empty() && !was_started && starts.iter().all(|start| start.observe_only);
    step.needs = vec![Need::HigherTiers { rank: rank + 1 }];
    steps.push(step);
}

fn around_stop_of_host(snapshot: &Snapshot<'_>, hosts: &[ActingHost<'_>], id: &HostId, steps: &mut Vec<Step>) {
    let of = HookOf::Host(id.clone());
    let Some(host) = hosts.iter().find(|host| host.id == id) else { return };
    let is_down = |step: &Step| matches!(&step.op, Op::ShutDownHost { host } if host == id);
    let before = step(snapshot, &of, HookMoment::BeforeStop, "The host is empty and about to be told to shut down.");
    let mut drafted = Vec::new();
    let budget = time_before_stop(snapshot.topology, of.clone());
    if let Some(down) = steps.iter_mut().find(|step| is_down(step)) {
        if let Some(mut step) = before {
            step.upses.clone_from(&down.upses);
            step.observe_only = down.observe_only;
            step.not_before = down.not_before - budget;
            step.last_safe = down.last_safe.map(|at| at - budget);
            step.needs.clone_from(&down.needs);
            step.needs_hard.clone_from(&down.needs_hard);
            drafted.push(step);
        }
        if budget > Millis::ZERO && !host.is_emergency {
            down.needs.push(settled(&of, HookMoment::BeforeStop));
        }
    }
    let goes_down = steps.iter().any(is_down) || snapshot.sides.get(&of) == Some(&Side::Down);
    let after = step(snapshot, &of, HookMoment::AfterStop, "The host is proven off.").filter(|_| goes_down);
    if let Some(mut step) = after {
        step.upses.clone_from(&host.upses);
        step.observe_only = host.observe_only;
        // What is done to a host that may still run is not for a hook to find out.
        step.needs_hard = vec![Need::HostOff(id.clone())];
        drafted.push(step);
    }
    steps.extend(drafted);
}

fn around_start_of_host(snapshot: &Snapshot<'_>, id: &HostId, steps: &mut Vec<Step>) {
    let of = HookOf::Host(id.clone());
    if !is_returning(snapshot) || snapshot.host_risk(id) != HostRisk::Safe {
        return;
    }
    let is_wake = |step: &Step| matches!(&step.op, Op::WakeHost { host } if host == id);
    let before = step(snapshot, &of, HookMoment::BeforeStart, "The host is about to be woken.");
    let has_before = snapshot.topology.hooks.contains_key(&of.at(HookMoment::BeforeStart));
    let wake = steps.iter_mut().find(|step| is_wake(step));
    let is_woken = wake.is_some() || snapshot.sides.get(&of) == Some(&Side::Up);
    let mut drafted = Vec::new();
    let mut observe_only = false;
    if let Some(wake) = wake {
        observe_only = wake.observe_only;
        if let Some(mut step) = before {
            step.observe_only = observe_only;
            step.needs_hard.clone_from(&wake.needs_hard);
            drafted.push(step);
        }
        if has_before {
            wake.needs.push(settled(&of, HookMoment::BeforeStart));
        }
    }
    let after = step(snapshot, &of, HookMoment::AfterStart, "The host is up; its VMs are started next.");
    if let Some(mut step) = after.filter(|_| is_woken || is_announced(snapshot, &of)) {
        step.observe_only = observe_only;
        step.needs_hard = vec![Need::HostReady(id.clone())];
        drafted.push(step);
    }
    if snapshot.topology.hooks.contains_key(&of.at(HookMoment::AfterStart)) {
        for start in steps.iter_mut().filter(|step| matches!(&step.op, Op::StartVm { host, .. } if host == id)) {
            start.needs.push(settled(&of, HookMoment::AfterStart));
        }
    }
    steps.extend(drafted);
}

fn is_returning(snapshot: &Snapshot<'_>) -> bool {
    snapshot.wants.values().any(|want| matches!(want, Want::Return { .. }))
}

/// Whether its stop was told to somebody, and its start not yet.
fn is_announced(snapshot: &Snapshot<'_>, of: &HookOf) -> bool {
    let was_called = |moment| snapshot.hooks_called.contains(&of.at(moment));
    was_called(HookMoment::BeforeStop) || was_called(HookMoment::AfterStop)
}
