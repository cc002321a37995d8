//! From the facts to the optimiser's problem and back: until when each VM that does not move is worth the battery it takes, and in which
//! order the others move.
//!
//! Only where the power is known: the UPS has a runtime table and says what it carries, and each host at risk on it has its idle power
//! said. Elsewhere the careful rules of the first version hold (decisions 0003 and 0004). It never moves a deadline: how much battery
//! there is follows from the moment at which the UPS is taken to be empty at its present load, margin and age already off.

mod draws;
mod facts;
mod words;
mod worth;

use crate::plan_outage::ActingHost;
use crate::schedule::{BATTERY, Effort, Problem, Solution, Warm, solve};
use crate::snapshot::Snapshot;
use facts::Asked;
use ridethrough_model::{Finding, Mono, VmId};
use std::collections::BTreeMap;

/// What the optimiser says of a site.
#[derive(Clone, Debug, Default)]
pub(crate) struct Optimum {
    kept: BTreeMap<VmId, Kept>,
    order: BTreeMap<VmId, u16>,
    pub(crate) findings: Vec<Finding>,
}

/// Until when a VM stays, and why no longer.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) until: Mono,
    pub(crate) why: String,
}

/// What is tried per plan: a plan is made anew with every fact, so a good one soon is better than the best one late.
const EFFORT: Effort = Effort { rounds: 18, targets: 7, alternatives: 12, leaders: 2, changes: 24 };
/// Larger sites get a plan as quick as an outage needs it.
const CLOSE_SEARCH_MAX: usize = 200;
/// The charge with which it is asked what would be otherwise.
const MORE_PERCENT: u64 = 5;

impl Optimum {
    /// Asks the optimiser about these hosts.
    pub(crate) fn of(snapshot: &Snapshot<'_>, hosts: &[ActingHost<'_>]) -> Self {
        let mut optimum = Self::default();
        let Some(asked) = Asked::of(snapshot, hosts, &mut optimum.findings) else { return optimum };
        if asked.problem.check().is_err() {
            return optimum;
        }
        let effort = if asked.vms.len() > CLOSE_SEARCH_MAX { Effort::QUICK } else { EFFORT };
        let solution = solve(&asked.problem, effort, &Warm::default());
        if !solution.fits {
            return optimum;
        }
        let richer = with_more(&asked.problem, &solution);
        for (v, vm) in asked.vms.iter().enumerate().filter(|(v, _)| asked.problem.vms[*v].fixed.is_none()) {
            match solution.draft.moved[v] {
                Some(moved) => {
                    optimum.order.insert((*vm).clone(), moved.start);
                }
                None => {
                    let until = snapshot.now + asked.ahead(solution.draft.stop[v]);
                    let why = words::why(&asked, &solution, &richer, v);
                    optimum.kept.insert((*vm).clone(), Kept { until, why });
                }
            }
        }
        optimum
    }
    /// Until when that VM stays, if the optimiser was asked about it.
    pub(crate) fn kept(&self, vm: &VmId) -> Option<&Kept> {
        self.kept.get(vm)
    }
    /// When its move comes in the row; whoever is not to move comes last.
    pub(crate) fn order(&self, vm: &VmId) -> u16 {
        self.order.get(vm).copied().unwrap_or(u16::MAX)
    }
}

/// The same with a little more charge in every battery, going on from the plan.
fn with_more(problem: &Problem, solution: &Solution) -> Solution {
    let mut richer = problem.clone();
    for source in &mut richer.sources {
        source.budget = source.budget.saturating_add(BATTERY / 100 * MORE_PERCENT.cast_signed()).min(BATTERY);
    }
    solve(&richer, Effort::QUICK, &Warm { prices: solution.prices.clone(), draft: Some(solution.draft.clone()) })
}
