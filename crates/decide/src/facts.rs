//! The facts of a site at one moment: what plans and views are made from. Decides nothing.

use crate::domain::{DomainPhase, DomainState};
use crate::feed::{SourceFacts, timing_of};
use crate::plan_outage::must_act_at;
use crate::plant::Plant;
use crate::run::RunState;
use crate::site::Site;
use crate::snapshot::{Known, NONE, Snapshot, Want};
use crate::source::{SourceKind, SourceState};
use ridethrough_model::{DomainId, DomainMode, Mono, PlanCause, UpsId};
use std::collections::BTreeMap;

impl Site {
    /// The facts as they are now.
    pub(crate) fn snapshot(&self, now: Mono, cause: PlanCause) -> Snapshot<'_> {
        let run = self.run.as_ref();
        let mut sources = self.all_source_facts(now);
        self.end_with_partners(&mut sources, now);
        let battery = |(id, facts): (&UpsId, &SourceFacts)| Some((id.clone(), self.battery_facts(id, facts, now)?));
        Snapshot {
            now,
            topology: &self.config.topology,
            policy: &self.config.policy,
            batteries: sources.iter().filter_map(battery).collect(),
            sources,
            charges: self.sources.iter().filter_map(|(id, source)| self.charge_facts(id, source, now)).collect(),
            watts: self.sources.iter().filter_map(|(id, source)| self.watts_of(id, source)).collect(),
            inventories: &self.inventories,
            own: self.own_place(),
            needs: &self.needs,
            hosts: self.verdicts(now),
            loads: self.load_verdicts(now),
            wants: self.domains.iter().filter_map(|(id, state)| Some((id.clone(), want(state, now)?))).collect(),
            armed: self.modes.iter().filter(|(_, mode)| **mode == DomainMode::Armed).map(|(id, _)| id.clone()).collect(),
            maintenance: self.maintenance.keys().cloned().collect(),
            known: run.map(Known::of_run).unwrap_or_default(),
            homes: run.map_or(&NONE.homes, |run| &run.homes),
            stopped: run.map_or(&NONE.stopped, |run| &run.stopped),
            left_off: run.map(|run| run.left_off.keys().cloned().collect()).unwrap_or_default(),
            moved_by_others: run.map(|run| self.moved_by_others(run)).unwrap_or_default(),
            moved: run.map_or(&NONE.moved, |run| &run.moved),
            hosts_down: run.map_or(&NONE.hosts_down, |run| &run.hosts_down),
            loads_down: run.map_or(&NONE.loads_down, |run| &run.loads_down),
            hooks_called: run.map_or(&NONE.hooks_called, |run| &run.hooks_called),
            sides: run.map_or(&NONE.sides, |run| &run.sides),
            guards: run.map_or(&NONE.guards, |run| &run.guards),
            guard_disarms: run.map(RunState::guard_disarms).unwrap_or_default(),
            parent: run.and_then(|run| run.plan.as_ref()).map(|plan| plan.id),
            cause,
        }
    }

    /// What each UPS says of itself.
    pub(crate) fn all_source_facts(&self, now: Mono) -> BTreeMap<UpsId, SourceFacts> {
        self.sources.iter().map(|(id, state)| (id.clone(), self.source_facts(id, state, now))).collect()
    }

    fn source_facts(&self, id: &UpsId, state: &SourceState, now: Mono) -> SourceFacts {
        let mut facts = SourceFacts::of(state, &timing_of(&self.config.topology, id), now);
        if facts.kind == SourceKind::SilentOnMains && self.is_planted(Plant::PresumedIsGood) {
            facts.kind = SourceKind::Online;
        }
        facts
    }

    /// The last moment at which that domain must begin to act; `None` while nothing in it is at risk.
    pub(crate) fn must_act(&self, domain: &DomainId, now: Mono) -> Option<Mono> {
        let upses = &self.config.topology.domains.get(domain)?.upses;
        if self.is_planted(Plant::RideThroughToTheEnd) {
            return None;
        }
        must_act_at(&self.snapshot(now, PlanCause::Standing), upses)
    }
}

fn want(state: &DomainState, now: Mono) -> Option<Want> {
    match state.phase {
        DomainPhase::Online => None,
        DomainPhase::OnBattery => Some(Want::Nothing),
        DomainPhase::Acting => {
            Some(Want::Save { since: state.acting_since.unwrap_or(now), on_battery_since: now - state.on_battery_for(now) })
        }
        DomainPhase::Returning => {
            let stable_since = state.mains_since.filter(|_| state.is_stable);
            Some(stable_since.map_or(Want::Nothing, |stable_since| Want::Return { stable_since }))
        }
    }
}
