//! Bringing back what ran before: a plan like any other. Hosts are woken, guests started tier by tier, VMs go home.
//!
//! A tier starts only when a second outage could be survived with it running (rule 4); unknown charge does not count as enough.
//! After `return_latest` of stable mains the rest starts all the same, with an alarm.

use crate::evidence::HostVerdict;
use crate::feed::{HostRisk, timing_of};
use crate::place::{Lanes, Room, move_time_max};
use crate::plan::{Need, Step};
use crate::plan_finish;
use crate::plan_hooks::time_before_stop;
use crate::plan_outage::FORCE_LEAD;
use crate::plan_suspend::suspend_time;
use crate::snapshot::{Snapshot, Want};
use crate::{plan_guards, plan_loads};
use ridethrough_model::entry::Home;
use ridethrough_model::{Finding, HookOf, HostId, Millis, Op, PlanReport, Ppm, UpsId, VmId, VmPower};
use std::collections::{BTreeMap, BTreeSet};

/// How long starting a VM may take.
const START_BUDGET: Millis = Millis::from_secs(120);
/// Every start before this one: more than any tier's rank.
const AFTER_ALL_STARTS: usize = usize::MAX;

/// Drafts what can be brought back now; what cannot yet is said in the report.
pub(crate) fn draft(snapshot: &Snapshot<'_>, steps: &mut Vec<Step>, report: &mut PlanReport) {
    if !snapshot.wants.values().any(|want| matches!(want, Want::Return { .. })) {
        return;
    }
    let mut hosts: BTreeSet<&HostId> = snapshot.hosts_down.iter().collect();
    hosts.extend(snapshot.homes.values().map(|home| &home.host));
    hosts.extend(snapshot.homes.keys().filter_map(|id| snapshot.vm(id)).map(|vm| &vm.host));
    let mut openings: BTreeMap<&HostId, Opening> = BTreeMap::new();
    for host in hosts {
        let opening = opening(snapshot, host, report);
        if let Some(opening) = opening {
            wake(snapshot, host, &opening, steps, report);
            openings.insert(host, opening);
        }
    }
    plan_loads::draft_back(snapshot, |ups, needed| ups_survives(snapshot, ups, needed), steps, report);
    start_vms(snapshot, &openings, steps, report);
    move_home(snapshot, &openings, steps, report);
    put_back_autostart(snapshot, &openings, steps, report);
}

/// How far a host may be brought back.
struct Opening {
    /// The least important rank that may run there; `None`: not even the first.
    rank_max: Option<usize>,
    /// What the next rank waits for.
    waits: Option<String>,
    /// Mains has been stable for so long that charge is no longer waited for.
    is_latest: bool,
    upses: BTreeSet<UpsId>,
    /// None of its domains is armed: what would be done is only said.
    observe_only: bool,
}

impl Opening {
    fn allows(&self, rank: usize) -> bool {
        self.is_latest || self.rank_max.is_some_and(|max| rank <= max)
    }
    /// The loads it waits for. After `return_latest` it is brought back without them: an alarm has told by then.
    fn ready_needs(&self, snapshot: &Snapshot<'_>, host: &HostId) -> Vec<Need> {
        if self.is_latest { Vec::new() } else { plan_loads::ready_needs(snapshot, host) }
    }
}

fn opening(snapshot: &Snapshot<'_>, host: &HostId, report: &mut PlanReport) -> Option<Opening> {
    let topology = snapshot.topology.hosts.get(host)?;
    let upses: BTreeSet<UpsId> = topology.feeds.iter().map(|feed| feed.ups.clone()).collect();
    // What it stands on must be back too.
    let of_needs = snapshot.stoppable_needs(topology).flat_map(|(_, load)| &load.feeds).map(|feed| feed.ups.clone());
    let all: BTreeSet<UpsId> = upses.iter().cloned().chain(of_needs).collect();
    let wants: Vec<&Want> = snapshot.domains_of(&all).filter_map(|domain| snapshot.wants.get(domain)).collect();
    let stable_since = wants
        .iter()
        .filter_map(|want| if let Want::Return { stable_since } = want { Some(*stable_since) } else { None })
        .max()?;
    if wants.iter().any(|want| !matches!(want, Want::Return { .. })) || snapshot.host_risk(host) != HostRisk::Safe {
        report.waiting.push(format!("{host} waits for mains to be stable on all its feeds"));
        return None;
    }
    if snapshot.is_going_down(host) {
        report.waiting.push(format!("{host} is still shutting down; then it is woken"));
        return None;
    }
    let timing = upses.iter().map(|ups| timing_of(snapshot.topology, ups)).max_by_key(|timing| timing.return_latest)?;
    let is_latest = snapshot.now.since(stable_since) >= timing.return_latest;
    // A VM that was moved here and then stopped here is started here.
    let is_here = |(id, home): &(&VmId, &Home)| home.host == *host || snapshot.vm(id).is_some_and(|vm| vm.host == *host);
    let mut ranks: BTreeSet<usize> = snapshot.homes.iter().filter(is_here).map(|(_, home)| home.rank).collect();
    if ranks.is_empty() {
        ranks.insert(snapshot.policy.tiers.len());
    }
    let observe_only = !snapshot.domains_of(&upses).any(|domain| snapshot.armed.contains(domain));
    let mut opening = Opening { rank_max: None, waits: None, is_latest, upses, observe_only };
    for rank in ranks {
        match survives(snapshot, host, &opening.upses, rank) {
            Ok(()) => opening.rank_max = Some(rank),
            Err(reason) => {
                opening.waits = Some(reason);
                break;
            }
        }
    }
    Some(opening)
}

/// Whether a second outage could be survived with the tiers up to this rank running there. Every feed the host must have is
/// asked; the load is taken to grow back to what it was before anything was shed.
fn survives(snapshot: &Snapshot<'_>, host: &HostId, upses: &BTreeSet<UpsId>, rank: usize) -> Result<(), String> {
    let topology = snapshot.topology.hosts.get(host).ok_or_else(|| "the host is not configured".to_owned())?;
    let slowest = snapshot
        .homes
        .iter()
        .filter(|(_, home)| home.rank <= rank && shares_power(snapshot, home, upses))
        .map(|(id, home)| snapshot.vm(id).map_or_else(|| snapshot.policy.tier(home.rank), |vm| snapshot.policy.tier_of(vm)))
        .map(|tier| tier.stop_budget + time_before_stop(snapshot.topology, HookOf::Tier(tier.name)))
        .max()
        .unwrap_or(Millis::ZERO);
    let hook = time_before_stop(snapshot.topology, HookOf::Host(host.clone()));
    let needed = slowest + topology.shutdown_time + hook + FORCE_LEAD;
    let mut good = 0_u32;
    let mut reason = String::new();
    for ups in upses {
        match ups_survives(snapshot, ups, needed) {
            Ok(()) => good += 1,
            Err(why) => reason = why,
        }
    }
    if good >= topology.feeds_min.max(1) { Ok(()) } else { Err(reason) }
}

fn ups_survives(snapshot: &Snapshot<'_>, ups: &UpsId, needed: Millis) -> Result<(), String> {
    let timing = timing_of(snapshot.topology, ups);
    let Some(facts) = snapshot.charges.get(ups) else {
        return Err(format!("UPS {ups} has not been heard"));
    };
    let charge = facts.charge.unwrap_or_else(|| recharged(facts.on_mains_for, timing.recharge_time));
    if charge < timing.return_charge {
        let said =
            if facts.charge.is_some() { "is charged" } else { "does not say its charge; by its recharge time it is charged" };
        return Err(format!("UPS {ups} {said} to {charge}, {} is needed", timing.return_charge));
    }
    // A full battery of which nothing is known lasts for `runtime_assumed`.
    let unknown = || timing.runtime_assumed.scaled(u64::from(charge.0), 1_000_000);
    let runtime = facts.runtime.unwrap_or_else(unknown);
    let projected = match (facts.load, facts.load_before) {
        (Some(load), Some(before)) if before > load => runtime.scaled(u64::from(load.0.max(1)), u64::from(before.0)),
        (Some(_), Some(_)) => runtime,
        _ => runtime.scaled(1, 2),
    };
    let usable = projected - projected.scaled(u64::from(timing.margin.0), 1_000_000);
    if usable < needed {
        return Err(format!("UPS {ups} would last {usable} with everything running, a clean stop needs {needed}"));
    }
    Ok(())
}

/// What an empty battery has been charged to by then. That it was emptied is the worst there can have been.
fn recharged(on_mains_for: Millis, recharge_time: Millis) -> Ppm {
    let share = Millis(1_000_000).scaled(on_mains_for.0, recharge_time.0.max(1)).0.min(1_000_000);
    Ppm(u32::try_from(share).unwrap_or(0))
}

fn shares_power(snapshot: &Snapshot<'_>, home: &Home, upses: &BTreeSet<UpsId>) -> bool {
    snapshot.topology.hosts.get(&home.host).is_some_and(|host| host.feeds.iter().any(|feed| upses.contains(&feed.ups)))
}

fn wake(snapshot: &Snapshot<'_>, host: &HostId, opening: &Opening, steps: &mut Vec<Step>, report: &mut PlanReport) {
    let Some(topology) = snapshot.topology.hosts.get(host) else { return };
    let op = Op::WakeHost { host: host.clone() };
    let is_begun = snapshot.known.get(&op).is_some_and(|known| known.is_in_flight);
    // A host that lost its power, or that nobody can tell anything of, is woken too: one that is on stays on.
    let is_down = snapshot.hosts_down.contains(host) || snapshot.hosts.get(host) != Some(&HostVerdict::On);
    if !is_begun && snapshot.is_ready(host) {
        return;
    }
    if !is_begun && !is_down {
        report.waiting.push(format!("{host} is on and its platform does not answer yet: what should run there is not known"));
        return;
    }
    if !topology.can_wake {
        report.waiting.push(format!("{host} cannot be woken from here: somebody must switch it on"));
        return;
    }
    if !is_begun && !opening.is_latest && opening.rank_max.is_none() {
        let reason = opening.waits.clone().unwrap_or_else(|| "its UPS".to_owned());
        report.waiting.push(format!("{host} stays off for now: {reason}"));
        return;
    }
    let text = format!("Mains is stable and a second outage could be survived; {host} went down in this outage.");
    let mut step = Step::new(op, snapshot.now, topology.boot_time, "return in order", text);
    step.upses.clone_from(&opening.upses);
    step.observe_only = opening.observe_only;
    step.needs_hard = opening.ready_needs(snapshot, host);
    steps.push(step);
}

fn start_vms(snapshot: &Snapshot<'_>, openings: &BTreeMap<&HostId, Opening>, steps: &mut Vec<Step>, report: &mut PlanReport) {
    let mut alarmed = BTreeSet::new();
    let mut room = Room::in_full(snapshot);
    for (id, home) in snapshot.homes {
        let Some(vm) = snapshot.vm(id) else { continue };
        let op = Op::StartVm { vm: id.clone(), host: vm.host.clone() };
        let is_begun = snapshot.known.get(&op).is_some_and(|known| known.is_in_flight);
        // On a host that is down everything waits for it; on one that is up it is known of each VM whether it is to come back.
        let is_host_down = snapshot.hosts_down.contains(&vm.host) && !snapshot.is_ready(&vm.host);
        let was_ours = snapshot.stopped.contains(id) || is_host_down;
        if snapshot.left_off.contains(id) {
            continue;
        }
        let is_stopping = snapshot.known.iter().any(|(op, known)| known.is_in_flight && op.is_stop() && op.vm() == Some(id));
        if is_stopping {
            report.waiting.push(format!("{} is still going down; then it is started again", home.name));
            continue;
        }
        if !is_begun && (vm.power.is_active() || !was_ours) {
            continue;
        }
        let Some(opening) = openings.get(&vm.host) else {
            report.waiting.push(format!("{} waits for {}", home.name, vm.host));
            continue;
        };
        if !is_begun && !opening.allows(home.rank) {
            let reason = opening.waits.clone().unwrap_or_default();
            report.waiting.push(format!("{} is not started yet: {reason}", home.name));
            continue;
        }
        if !is_begun && !room.holds(&vm.host, vm) {
            report.waiting.push(format!("{} waits until what was moved to {} has left", home.name, vm.host));
            continue;
        }
        room.take(&vm.host, vm);
        if opening.is_latest && opening.rank_max.is_none_or(|max| home.rank > max) && alarmed.insert(&vm.host) {
            report.findings.push(Finding::warning(
                "RT0403",
                format!("host {}", vm.host),
                format!(
                    "Its VMs are started although a second outage might not be survived: {}.",
                    opening.waits.clone().unwrap_or_default()
                ),
                "Mains has been stable for return_latest. Look at the battery.",
            ));
        }
        let tier = snapshot.policy.tier(home.rank);
        // An image is read back first.
        let reads = if vm.power == VmPower::Suspended { suspend_time(snapshot, vm) } else { None };
        let text = format!("{} ran before the outage.", home.name);
        let budget = START_BUDGET + reads.unwrap_or_default();
        let mut step = Step::new(op, snapshot.now, budget, "return in order", text);
        step.tier = Some(tier.name);
        step.rank = Some(home.rank);
        step.upses.clone_from(&opening.upses);
        step.observe_only = opening.observe_only;
        step.needs = vec![Need::HigherTiers { rank: home.rank }];
        step.needs_hard = vec![Need::HostReady(vm.host.clone())];
        step.needs_hard.extend(opening.ready_needs(snapshot, &vm.host));
        steps.push(step);
    }
}

fn move_home(snapshot: &Snapshot<'_>, openings: &BTreeMap<&HostId, Opening>, steps: &mut Vec<Step>, report: &mut PlanReport) {
    let mut lanes = Lanes::new(snapshot);
    for id in snapshot.moved {
        let (Some(home), Some(vm)) = (snapshot.homes.get(id), snapshot.vm(id)) else { continue };
        plan_finish::draft_end_of_way_out(snapshot, vm, home, steps);
        if vm.host == home.host || !vm.power.is_active() || snapshot.moved_by_others.contains(id) {
            continue;
        }
        let is_saved_first =
            |step: &Step| step.op.vm() == Some(id) && (step.op.is_stop() || matches!(step.op, Op::MoveVm { .. }));
        if steps.iter().any(is_saved_first) {
            report
                .waiting
                .push(format!("{} must be saved from {} first; then it goes home to {}", home.name, vm.host, home.host));
            continue;
        }
        let op = Op::MoveVm { vm: id.clone(), from: vm.host.clone(), to: home.host.clone() };
        if snapshot.move_in_flight(id).is_some_and(|(moving, _)| *moving != op) {
            report.waiting.push(format!("{} is still moving; then it goes home to {}", home.name, home.host));
            continue;
        }
        if snapshot.known.get(&op).is_some_and(|known| known.is_failed) {
            // It stays where it runs, and is named at the end. It must not hold a place in the queue.
            continue;
        }
        let is_begun = snapshot.known.get(&op).is_some_and(|known| known.is_in_flight);
        let Some(opening) = openings.get(&home.host).filter(|opening| is_begun || opening.allows(home.rank)) else {
            report.waiting.push(format!("{} goes home when {} is back with enough charge", home.name, home.host));
            continue;
        };
        let time = move_time_max(snapshot, vm);
        let budget = time + snapshot.policy.move_slack;
        if is_begun {
            plan_finish::draft_end_of_way_home(snapshot, vm, &op, opening.observe_only, budget, steps);
        }
        let waits = if is_begun { Vec::new() } else { lanes.enter(&op, snapshot.now, time).1 };
        let text = format!("{} is its home.", home.host);
        let mut step = Step::new(op, snapshot.now, budget, "VMs go home", text);
        step.tier = Some(snapshot.policy.tier(home.rank).name);
        step.upses.clone_from(&opening.upses);
        step.observe_only = opening.observe_only;
        step.needs = vec![Need::HigherTiers { rank: AFTER_ALL_STARTS }];
        step.needs_hard = waits.into_iter().map(Need::Settled).collect();
        step.needs_hard.push(Need::HostReady(home.host.clone()));
        steps.push(step);
    }
}

fn put_back_autostart(
    snapshot: &Snapshot<'_>,
    openings: &BTreeMap<&HostId, Opening>,
    steps: &mut Vec<Step>,
    report: &mut PlanReport,
) {
    for (id, home) in snapshot.homes {
        let Some(vm) = snapshot.vm(id) else { continue };
        let is_due = home.autostart == Some(true) && vm.autostart == Some(false) && openings.contains_key(&home.host);
        let goes_home = snapshot.moved.contains(id) && vm.host != home.host && !snapshot.moved_by_others.contains(id);
        let is_busy = snapshot
            .known
            .iter()
            .any(|(op, known)| known.is_in_flight && op.vm() == Some(id) && !matches!(op, Op::SetAutostart { .. }));
        if is_due && is_busy {
            report.waiting.push(format!("the autostart of {} is put back when nothing else is done to it", home.name));
        }
        if !is_due || goes_home || is_busy {
            continue;
        }
        let op = Op::SetAutostart { vm: id.clone(), host: vm.host.clone(), enabled: true };
        let text = format!("{} started with its host before the outage.", home.name);
        let mut step = Step::new(op, snapshot.now, Millis::from_secs(30), "automation is put back", text);
        step.needs = vec![Need::HigherTiers { rank: AFTER_ALL_STARTS }];
        step.needs_hard = vec![Need::HostReady(vm.host.clone())];
        steps.push(step);
    }
}

/// What ran before and does not run now, for the report at the end.
pub(crate) fn missing(snapshot: &Snapshot<'_>) -> Vec<String> {
    let is_missing = |(id, home): (&VmId, &Home)| {
        let was_ours = snapshot.stopped.contains(id) || snapshot.hosts_down.contains(&home.host) || snapshot.moved.contains(id);
        let vm = snapshot.vm(id);
        let is_wished = snapshot.left_off.contains(id) || snapshot.moved_by_others.contains(id);
        let is_home = vm.is_some_and(|vm| vm.power.is_active() && vm.host == home.host);
        let is_paused = home.autostart == Some(true) && vm.is_some_and(|vm| vm.autostart == Some(false));
        if is_paused && (is_home || is_wished || !was_ours) {
            return Some(format!("the autostart of {} is still paused", home.name));
        }
        (was_ours && !is_home && !is_wished).then(|| match vm {
            Some(vm) if vm.power.is_active() => format!("{} runs on {} instead of {}", home.name, vm.host, home.host),
            _ => format!("{} does not run", home.name),
        })
    };
    let mut missing: Vec<String> = snapshot.homes.iter().filter_map(is_missing).collect();
    missing.extend(snapshot.hosts_down.iter().filter(|host| !snapshot.is_ready(host)).map(|host| format!("{host} is not back")));
    missing.extend(plan_loads::not_back(snapshot).map(|load| format!("load {load} is not back")));
    missing.extend(plan_guards::not_back(snapshot));
    missing
}

/// Whether mains has been stable for so long that nothing is waited for any more, on the slowest terms of all that comes back: a
/// host with a second feed waits as long as that one's domain says, too.
pub(crate) fn is_past_latest(snapshot: &Snapshot<'_>) -> bool {
    let mut stable_since = None;
    let mut latest = Millis::ZERO;
    for (domain, want) in &snapshot.wants {
        let Want::Return { stable_since: since } = want else { return false };
        stable_since = stable_since.max(Some(*since));
        let Some(domain) = snapshot.topology.domains.get(domain) else { continue };
        let feeds = snapshot.topology.hosts.values().map(|host| &host.feeds);
        let concerned = feeds.filter(|feeds| feeds.iter().any(|feed| domain.upses.contains(&feed.ups))).flatten();
        let terms = concerned.map(|feed| timing_of(snapshot.topology, &feed.ups).return_latest);
        latest = terms.chain([latest, domain.timing.return_latest]).max().unwrap_or(latest);
    }
    stable_since.is_none_or(|since| snapshot.now.since(since) >= latest)
}
