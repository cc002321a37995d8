//! Loads that are told to stop (storage, switches), at their place: after every host that needs them is proven off, before their own
//! UPS ends; and started again before those hosts.

use crate::evidence::HostVerdict;
use crate::feed::HostRisk;
use crate::plan::{Need, Step};
use crate::plan_outage::FORCE_LEAD;
use crate::run::ActionPhase;
use crate::snapshot::{Snapshot, Want};
use ridethrough_model::{Finding, HostId, HostTopology, LoadId, LoadTopology, Millis, Mono, Op, PlanReport, UpsId};
use std::collections::BTreeSet;

/// A load whose power ends and whose domains act.
#[derive(Clone, Debug)]
pub(crate) struct ActingLoad<'a> {
    id: &'a LoadId,
    topology: &'a LoadTopology,
    ends_at: Mono,
    pub(crate) upses: BTreeSet<UpsId>,
    since: Mono,
    observe_only: bool,
}

/// Every load that can be told to stop, whose power ends and all of whose domains act. Order: by name.
pub(crate) fn acting_loads<'a>(snapshot: &'a Snapshot<'_>) -> Vec<ActingLoad<'a>> {
    let mut acting = Vec::new();
    for (id, topology) in snapshot.topology.loads.iter().filter(|(_, load)| load.can_stop) {
        let HostRisk::AtRisk { ends_at, upses, .. } = snapshot.load_risk(topology) else { continue };
        let domains: Vec<_> = snapshot.domains_of(&upses).collect();
        let since = |domain: &&_| match snapshot.wants.get(*domain) {
            Some(Want::Save { since, .. }) => Some(*since),
            _ => None,
        };
        let saves: Vec<Mono> = domains.iter().filter_map(since).collect();
        if domains.is_empty() || saves.len() != domains.len() {
            continue;
        }
        let is_emergency = upses.iter().all(|ups| snapshot.sources.get(ups).is_some_and(|source| source.emergency));
        let in_maintenance = upses.iter().any(|ups| snapshot.maintenance.contains(ups));
        acting.push(ActingLoad {
            id,
            topology,
            ends_at,
            since: saves.into_iter().max().unwrap_or(snapshot.now),
            observe_only: domains.iter().any(|domain| !snapshot.armed.contains(*domain)) || (in_maintenance && !is_emergency),
            upses,
        });
    }
    acting
}

/// Drafts the stop of each: never before every host that needs it is proven off.
pub(crate) fn draft(snapshot: &Snapshot<'_>, loads: &[ActingLoad<'_>], steps: &mut Vec<Step>, report: &mut PlanReport) {
    for load in loads {
        let op = Op::StopLoad { load: load.id.clone() };
        let verdict = snapshot.loads.get(load.id).copied().unwrap_or_default();
        let is_done = snapshot.known.get(&op).is_some_and(|known| *known.phase == ActionPhase::Done);
        if verdict == HostVerdict::Off || is_done && verdict != HostVerdict::On {
            continue;
        }
        let users: Vec<(&HostId, &HostTopology)> = snapshot.hosts_needing(load.id).collect();
        let must_begin = load.ends_at - load.topology.stop_time;
        let (not_before, text) = if users.is_empty() {
            (must_begin, format!("{} runs to its last safe moment.", load.id))
        } else {
            let names: Vec<&str> = users.iter().map(|(id, _)| id.as_str()).collect();
            (load.since, format!("{} stops when nothing can use it any more: {} proven off.", load.id, names.join(", ")))
        };
        let unproven: Vec<&str> = users.iter().filter(|(_, host)| !host.can_prove_off).map(|(id, _)| id.as_str()).collect();
        if !unproven.is_empty() {
            report.findings.push(Finding::warning(
                "RT0433",
                format!("load {}", load.id),
                format!("It is never told to stop: nothing can prove that {} is off.", unproven.join(", ")),
                "Give that host a BMC (`power`), or take the load out of its `needs` if it does not need it.",
            ));
        }
        let mut step = Step::new(op, not_before, load.topology.stop_time, "storage outlives hosts", text);
        step.upses.clone_from(&load.upses);
        step.last_safe = Some(must_begin);
        step.observe_only = load.observe_only;
        step.needs_hard = users.into_iter().map(|(id, _)| Need::HostOff(id.clone())).collect();
        steps.push(step);
    }
}

/// The moment from which waiting one more tick would leave a load on these UPSes too little time to stop.
pub(crate) fn must_act_at(snapshot: &Snapshot<'_>, upses: &BTreeSet<UpsId>) -> Option<Mono> {
    let loads = snapshot.topology.loads.values().filter(|load| load.can_stop);
    let last = |load: &LoadTopology| match snapshot.load_risk(load) {
        HostRisk::AtRisk { ends_at, upses: by, .. } if !by.is_disjoint(upses) => Some(ends_at - load.stop_time),
        _ => None,
    };
    loads.filter_map(last).min()
}

/// Drafts the start of every load that is down where mains is stable. `survives` says whether its UPS could carry a second outage
/// that takes so long to end cleanly.
pub(crate) fn draft_back(
    snapshot: &Snapshot<'_>,
    survives: impl Fn(&UpsId, Millis) -> Result<(), String>,
    steps: &mut Vec<Step>,
    report: &mut PlanReport,
) {
    for (id, topology) in snapshot.topology.loads.iter().filter(|(_, load)| load.can_stop) {
        let op = Op::StartLoad { load: id.clone() };
        let is_begun = snapshot.known.get(&op).is_some_and(|known| known.is_in_flight);
        if !is_begun && !is_down(snapshot, id) {
            continue;
        }
        let upses: BTreeSet<UpsId> = topology.feeds.iter().map(|feed| feed.ups.clone()).collect();
        let Some(is_latest) = is_latest(snapshot, &upses) else {
            report.waiting.push(format!("load {id} waits for mains to be stable"));
            continue;
        };
        if snapshot.is_load_stopping(id) {
            report.waiting.push(format!("load {id} is still stopping; then it is started"));
            continue;
        }
        if !topology.can_start {
            if snapshot.loads.get(id) != Some(&HostVerdict::On) && topology.can_see {
                report
                    .waiting
                    .push(format!("load {id} cannot be started from here: it comes by itself, or somebody must switch it on"));
            }
            continue;
        }
        let slowest = snapshot.hosts_needing(id).map(|(_, host)| host.shutdown_time).max().unwrap_or(Millis::ZERO);
        let needed = topology.stop_time + slowest + FORCE_LEAD;
        let answers: Vec<Result<(), String>> = upses.iter().map(|ups| survives(ups, needed)).collect();
        let why_not = if answers.iter().any(Result::is_ok) { None } else { answers.into_iter().find_map(Result::err) };
        if let Some(reason) = why_not.filter(|_| !is_begun && !is_latest) {
            report.waiting.push(format!("load {id} stays off for now: {reason}"));
            continue;
        }
        let text = format!("Mains is stable; {id} is started before the hosts that need it.");
        let mut step = Step::new(op, snapshot.now, topology.start_time, "storage before hosts", text);
        step.observe_only = !snapshot.domains_of(&upses).any(|domain| snapshot.armed.contains(domain));
        step.upses = upses;
        steps.push(step);
    }
}

/// Stopped by us; or not seen on, while a host that needs it is down too: then it has lost its power with it.
fn is_down(snapshot: &Snapshot<'_>, id: &LoadId) -> bool {
    let is_seen_on = snapshot.loads.get(id) == Some(&HostVerdict::On);
    let can_see = snapshot.topology.loads.get(id).is_some_and(|load| load.can_see);
    snapshot.loads_down.contains(id)
        || can_see && !is_seen_on && snapshot.hosts_needing(id).any(|(host, _)| snapshot.hosts_down.contains(host))
}

/// Whether mains has been stable there for so long that charge is no longer waited for. `None`: mains is not stable there.
fn is_latest(snapshot: &Snapshot<'_>, upses: &BTreeSet<UpsId>) -> Option<bool> {
    let mut is_latest = true;
    for domain in snapshot.domains_of(upses) {
        match snapshot.wants.get(domain) {
            Some(Want::Return { stable_since }) => {
                let latest = snapshot.topology.domains.get(domain).map_or(Millis::ZERO, |domain| domain.timing.return_latest);
                is_latest &= snapshot.now.since(*stable_since) >= latest;
            }
            // It was not away there.
            None => {}
            Some(_) => return None,
        }
    }
    Some(is_latest)
}

/// Loads that we stopped and that are not seen on again. Of one that nothing can see, nothing is said.
pub(crate) fn not_back<'a>(snapshot: &'a Snapshot<'_>) -> impl Iterator<Item = &'a LoadId> {
    let can_see = |load: &LoadId| snapshot.topology.loads.get(load).is_some_and(|load| load.can_see || load.can_start);
    let is_on = |load: &LoadId| snapshot.loads.get(load) == Some(&HostVerdict::On);
    snapshot.loads_down.iter().filter(move |load| can_see(load) && !is_on(load))
}

/// What a host must wait for before it is woken, or its VMs started: the loads it stands on.
pub(crate) fn ready_needs(snapshot: &Snapshot<'_>, host: &HostId) -> Vec<Need> {
    let Some(topology) = snapshot.topology.hosts.get(host) else { return Vec::new() };
    snapshot.stoppable_needs(topology).map(|(load, _)| Need::LoadReady(load.clone())).collect()
}
