//! From facts to a plan: what to save now and what to bring back now, in one plan per site. Decides nothing by itself: it joins
//! what `plan_outage`, `plan_hosts` and `plan_back` draft, and gives every step its number.
//!
//! A step that means the same as one of an earlier plan keeps that number, so what is in flight is carried on and never begun
//! twice.

use crate::own_place::own_host_goes_last;
use crate::run::ActionPhase;
use crate::snapshot::{Snapshot, Want};
use crate::{needs, plan_back, plan_guards, plan_hooks, plan_hosts, plan_loads, plan_outage};
use ridethrough_model::plan::Gate;
use ridethrough_model::{Action, ActionId, HostId, Ids, LoadId, Millis, Mono, Op, Plan, PlanReport, TierName, UpsId, VmId, Why};
use std::collections::{BTreeMap, BTreeSet};

/// What must hold before a step, while steps have no numbers yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Settled(Op),
    LowerTiers { ups: UpsId, rank: usize },
    HigherTiers { rank: usize },
    HostEmpty(HostId),
    HostReady(HostId),
    HostOff(HostId),
    LoadReady(LoadId),
    StopDue { rank: usize },
    StartDue { rank: usize },
    TierStopped { rank: usize },
    VmReady(VmId),
}

/// A step without a number.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) tier: Option<TierName>,
    pub(crate) rank: Option<usize>,
    pub(crate) upses: BTreeSet<UpsId>,
    pub(crate) needs: Vec<Need>,
    pub(crate) needs_hard: Vec<Need>,
    pub(crate) not_before: Mono,
    pub(crate) last_safe: Option<Mono>,
    pub(crate) budget: Millis,
    pub(crate) observe_only: bool,
    pub(crate) rule: &'static str,
    pub(crate) text: String,
}

impl Step {
    /// A step that may begin at once and needs nothing.
    pub(crate) fn new(op: Op, not_before: Mono, budget: Millis, rule: &'static str, text: String) -> Self {
        Self {
            op,
            tier: None,
            rank: None,
            upses: BTreeSet::new(),
            needs: Vec::new(),
            needs_hard: Vec::new(),
            not_before,
            last_safe: None,
            budget,
            observe_only: false,
            rule,
            text,
        }
    }
}

/// How often a step may be tried.
const ATTEMPTS_MAX: u32 = 3;

/// Makes the plan for these facts. The same facts and ids give the same plan.
pub fn plan(snapshot: &Snapshot<'_>, ids: &mut Ids) -> (Plan, PlanReport) {
    let mut report = PlanReport { fits: true, ..PlanReport::default() };
    let mut steps = Vec::new();
    let at_risk = plan_outage::acting_hosts(snapshot);
    for host in &at_risk {
        report.host_deadlines.insert(host.id.clone(), host.ends_at);
    }
    plan_outage::draft(snapshot, &at_risk, &mut steps, &mut report);
    plan_hosts::draft(snapshot, &at_risk, &mut steps);
    let loads = plan_loads::acting_loads(snapshot);
    plan_loads::draft(snapshot, &loads, &mut steps, &mut report);
    plan_guards::draft(snapshot, &at_risk, &mut steps, &mut report);
    plan_back::draft(snapshot, &mut steps, &mut report);
    needs::order(snapshot, &mut steps);
    own_host_goes_last(snapshot, &mut steps);
    plan_guards::draft_back(snapshot, &mut steps, &mut report);
    plan_hooks::draft(snapshot, &at_risk, &mut steps);
    let of_loads = loads.iter().flat_map(|load| load.upses.iter());
    let upses: BTreeSet<&UpsId> = at_risk.iter().flat_map(|host| host.upses.iter()).chain(of_loads).collect();
    let plan = Plan {
        id: ids.plan(),
        parent: snapshot.parent,
        cause: snapshot.cause.clone(),
        made_at: snapshot.now,
        deadlines: snapshot
            .sources
            .iter()
            .filter(|(id, _)| upses.contains(id))
            .filter_map(|(id, source)| source.deadline.map(|deadline| (id.clone(), deadline)))
            .collect(),
        domains: snapshot.wants.iter().filter(|(_, want)| **want != Want::Nothing).map(|(id, _)| id.clone()).collect(),
        emergency: at_risk.iter().any(|host| host.is_emergency),
        actions: number(snapshot, steps, ids),
    };
    (plan, report)
}

fn number(snapshot: &Snapshot<'_>, steps: Vec<Step>, ids: &mut Ids) -> BTreeMap<ActionId, Action> {
    let mut numbers: BTreeMap<Op, ActionId> = BTreeMap::new();
    for step in &steps {
        let earlier =
            snapshot.known.get(&step.op).filter(|known| !matches!(known.phase, ActionPhase::Done | ActionPhase::Dropped(_)));
        let id = earlier.map_or_else(|| ids.action(), |known| known.action);
        numbers.insert(step.op.clone(), id);
    }
    let gate = |need: Need| match need {
        Need::Settled(op) => {
            let id = numbers.get(&op).copied().or_else(|| snapshot.known.get(&op).map(|known| known.action));
            id.map(Gate::Settled)
        }
        Need::LowerTiers { ups, rank } => Some(Gate::LowerTiers { ups, rank }),
        Need::HigherTiers { rank } => Some(Gate::HigherTiers { rank }),
        Need::HostEmpty(host) => Some(Gate::HostEmpty(host)),
        Need::HostReady(host) => Some(Gate::HostReady(host)),
        Need::HostOff(host) => Some(Gate::HostOff(host)),
        Need::LoadReady(load) => Some(Gate::LoadReady(load)),
        Need::StopDue { rank } => Some(Gate::StopDue { rank }),
        Need::StartDue { rank } => Some(Gate::StartDue { rank }),
        Need::TierStopped { rank } => Some(Gate::TierStopped { rank }),
        Need::VmReady(vm) => Some(Gate::VmReady(vm)),
    };
    steps
        .into_iter()
        .map(|step| {
            let id = numbers[&step.op];
            let action = Action {
                id,
                op: step.op,
                tier: step.tier,
                rank: step.rank,
                upses: step.upses,
                gates: step.needs.into_iter().filter_map(gate).collect(),
                gates_hard: step.needs_hard.into_iter().filter_map(gate).collect(),
                not_before: step.not_before,
                last_safe: step.last_safe,
                budget: step.budget,
                attempts_max: ATTEMPTS_MAX,
                observe_only: step.observe_only,
                why: Why { rule: step.rule.to_owned(), text: step.text },
            };
            (id, action)
        })
        .collect()
}

/// Whether a new plan says something else than the one in force, beyond small shifts of time. Steps of the old one that are
/// moot (done, or their VM is off already) are no difference.
pub(crate) fn differs(old: &Plan, new: &Plan, is_moot: impl Fn(&Action) -> bool) -> bool {
    if old.emergency != new.emergency || new.actions.keys().any(|id| !old.actions.contains_key(id)) {
        return true;
    }
    let made_at = new.made_at;
    old.actions.values().any(|old| match new.actions.get(&old.id) {
        None => !is_moot(old),
        Some(new) => {
            old.op != new.op
                || old.gates != new.gates
                || old.gates_hard != new.gates_hard
                || old.observe_only != new.observe_only
                || has_shifted(Some(old.not_before), Some(new.not_before), made_at)
                || has_shifted(old.last_safe, new.last_safe, made_at)
        }
    })
}

/// Earlier by more than this is news: acting too late loses data.
const EARLIER_MAX: Millis = Millis::from_secs(2);
/// Later by more than this is news: acting too early stops what could have run.
const LATER_MAX: Millis = Millis::from_secs(10);

/// A moment that has passed is now, however long ago it was: that a step waits for something else is no shift.
pub(crate) fn has_shifted(old: Option<Mono>, new: Option<Mono>, now: Mono) -> bool {
    match (old.map(|old| old.max(now)), new.map(|new| new.max(now))) {
        (Some(old), Some(new)) => old.since(new) > EARLIER_MAX || new.since(old) > LATER_MAX,
        (old, new) => old.is_some() != new.is_some(),
    }
}
