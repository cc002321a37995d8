//! The plan kept ready for the day (rule 9), and the answer to "what would happen now if ...".

use crate::batteries::IfLost;
use crate::lint::lint;
use crate::plan::plan;
use crate::site::Site;
use crate::snapshot::{Snapshot, Want};
use crate::source::SourceKind;
use ridethrough_model::{DomainId, Finding, Ids, Now, Plan, PlanCause, PlanReport, UpsId};
use std::collections::{BTreeMap, BTreeSet};

/// A plan made while the mains is good, with what its planner said and what the independent check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingPlan {
    /// The plan.
    pub plan: Plan,
    /// What the planner had to say.
    pub report: PlanReport,
    /// What is wrong with it.
    pub lint: Vec<Finding>,
}

impl Site {
    /// What would happen if these UPSes went on battery now and the ride-through were over.
    pub fn plan_if(&self, now: &Now, upses: &BTreeSet<UpsId>) -> (Plan, PlanReport, Vec<Finding>) {
        let standing = self.imagine(now, upses);
        (standing.plan, standing.report, standing.lint)
    }

    pub(crate) fn make_standing(&mut self, now: &Now) {
        let mut made: BTreeMap<DomainId, StandingPlan> = BTreeMap::new();
        for (id, domain) in &self.config.topology.domains {
            let hosts: Vec<_> = self.hosts_of(id).collect();
            let is_known = hosts.iter().all(|host| {
                let platform = self.config.topology.hosts.get(*host).and_then(|host| host.platform.as_ref());
                platform.is_none_or(|platform| self.inventories.contains_key(platform))
            });
            if is_known {
                made.insert(id.clone(), self.imagine(now, &domain.upses));
            }
        }
        self.standing = made;
    }

    fn imagine(&self, now: &Now, upses: &BTreeSet<UpsId>) -> StandingPlan {
        let mut snapshot = self.snapshot(now.mono, PlanCause::Standing);
        for ups in upses {
            let IfLost { lasts, margin, is_known } = self.lasts_if_lost(ups, now.mono);
            if let Some(source) = snapshot.sources.get_mut(ups).filter(|source| source.deadline.is_none()) {
                source.kind = SourceKind::OnBattery;
                source.is_stated = is_known;
                source.deadline = Some(now.mono + lasts);
                source.margin = margin;
            }
        }
        self.end_with_partners(&mut snapshot.sources, now.mono);
        let domains: Vec<DomainId> = snapshot.domains_of(upses).cloned().collect();
        for domain in domains {
            let move_after = snapshot.topology.domains.get(&domain).map_or_else(Default::default, |d| d.timing.move_after);
            let want = Want::Save { since: now.mono, on_battery_since: now.mono - move_after };
            snapshot.wants.insert(domain.clone(), want);
            snapshot.armed.insert(domain);
        }
        snapshot.parent = None;
        // In a run its steps keep their numbers: a new one must not get the number of one that is under way.
        let mut ids = if self.run.is_some() { self.ids.clone() } else { Ids::default() };
        let (plan, report) = plan(&snapshot, &mut ids);
        let lint = lint(&plan, &snapshot);
        StandingPlan { plan, report: self.with_facts(report, &snapshot, upses), lint }
    }

    /// Adds what the planner cannot see but a person must know before the day.
    fn with_facts(&self, mut report: PlanReport, snapshot: &Snapshot<'_>, upses: &BTreeSet<UpsId>) -> PlanReport {
        for ups in upses {
            if snapshot.sources.get(ups).is_some_and(|source| !source.is_stated) {
                let assumed = crate::feed::timing_of(snapshot.topology, ups).runtime_assumed;
                report.findings.push(Finding::warning(
                    "RT0419",
                    format!("UPS {ups}"),
                    format!("It does not say how long its battery lasts; {assumed} are assumed from the last moment on mains."),
                    "Set runtime_assumed of its domain to what you have measured, or connect a UPS that says it.",
                ));
            }
        }
        let unassigned: Vec<String> = snapshot
            .vms()
            .filter(|vm| vm.power.is_active() && snapshot.policy.rank_of(vm) >= snapshot.policy.tiers.len())
            .map(|vm| vm.name.clone())
            .collect();
        if !unassigned.is_empty() {
            let shown: Vec<&str> = unassigned.iter().take(5).map(String::as_str).collect();
            let more = unassigned.len().saturating_sub(shown.len());
            let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
            report.findings.push(Finding::warning(
                "RT0420",
                "tiers",
                format!("No tier matches {}{tail}: they are shut down first.", shown.join(", ")),
                "Add a tier that matches them, or a last one with name = \"*\".",
            ));
        }
        report
    }
}
