//! Dependencies between VMs: what is needed starts first and stops last. Works on drafted steps, whoever drafted them.

use crate::plan::{Need, Step};
use crate::plan_back::is_past_latest;
use crate::site::Site;
use crate::snapshot::Snapshot;
use ridethrough_model::{Finding, Millis, Needs, Op, Vm, VmId};
use std::collections::{BTreeMap, BTreeSet};

impl Site {
    /// Who needs whom, and whom that lifts to which tier, from what runs now.
    pub(crate) fn learn_needs(&mut self) {
        if self.config.policy.rules.iter().all(|rule| rule.needs.is_empty()) {
            self.needs = Needs::default();
            self.config.policy.lifted.clear();
            return;
        }
        let vms: Vec<&Vm> = self.inventories.values().flat_map(|inventory| inventory.vms.values()).collect();
        let needs = Needs::among(&self.config.policy, &vms);
        let lifted = needs.lifted(&self.config.policy, &vms);
        self.needs = needs;
        self.config.policy.lifted = lifted;
    }

    /// Circles in what people configured.
    pub(crate) fn needs_findings(&self) -> impl Iterator<Item = Finding> + '_ {
        self.needs.circles.iter().map(|(who, whom)| {
            Finding::warning(
                "RT0435",
                format!("VM {who}"),
                format!("It needs {whom}, which needs it: the order of the two is not kept."),
                "Take one of the two out of `needs`.",
            )
        })
    }
}

/// Puts the order of dependencies into the steps.
pub(crate) fn order(snapshot: &Snapshot<'_>, steps: &mut [Step]) {
    if snapshot.needs.of.is_empty() {
        return;
    }
    let stops: BTreeMap<VmId, (Op, Millis)> = steps
        .iter()
        .filter(|step| step.op.is_clean_stop())
        .filter_map(|step| Some((step.op.vm()?.clone(), (step.op.clone(), step.budget))))
        .collect();
    let mut users: BTreeMap<&VmId, BTreeSet<&VmId>> = BTreeMap::new();
    for (vm, needed) in &snapshot.needs.of {
        for needed in needed {
            users.entry(needed).or_default().insert(vm);
        }
    }
    let waits = !is_past_latest(snapshot);
    for step in steps {
        let Some(vm) = step.op.vm().cloned() else { continue };
        if matches!(step.op, Op::StartVm { .. }) && waits {
            step.needs_hard.extend(snapshot.needs.of.get(&vm).into_iter().flatten().cloned().map(Need::VmReady));
        } else if step.op.is_clean_stop() {
            let before = users.get(&vm).into_iter().flatten().filter_map(|user| stops.get(*user));
            step.needs.extend(before.map(|(op, _)| Need::Settled(op.clone())));
            // What it needs stops after it, and that takes its time too.
            let lead = lead(&snapshot.needs.of, &stops, &vm);
            step.last_safe = step.last_safe.map(|at| at - lead);
        }
    }
}

/// How long what that VM needs takes to stop after it, one after the other.
fn lead(needs: &BTreeMap<VmId, BTreeSet<VmId>>, stops: &BTreeMap<VmId, (Op, Millis)>, vm: &VmId) -> Millis {
    let needed = needs.get(vm).into_iter().flatten().filter_map(|needed| Some((needed, stops.get(needed)?.1)));
    needed.map(|(needed, budget)| budget + lead(needs, stops, needed)).max().unwrap_or(Millis::ZERO)
}
