//! From a problem to its plan. How long it may search is counted in rounds, never measured: the same problem, the same plan.

use super::fill::{cheapest, filled};
use super::improve::improved;
use super::load::{Draft, Load};
use super::moves::{Base, best_base};
use super::permute::alternatives;
use super::price::{Priced, Search, priced};
use super::problem::Problem;
use super::renamed::Renamed;
use super::shape::Shape;

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Rounds of the search for prices.
    pub rounds: u32,
    /// Prices that whole groups are led towards.
    pub targets: usize,
    /// Other sets and orders of moves that are worked out.
    pub alternatives: usize,
    /// Of those, how many are improved upon.
    pub leaders: usize,
    /// Changes tried when improving.
    pub changes: usize,
}

impl Effort {
    /// What an outage has time for at any size.
    pub const QUICK: Self = Self { rounds: 18, targets: 2, alternatives: 0, leaders: 1, changes: 0 };
    /// A plan a moment after another one.
    pub const AGAIN: Self = Self { rounds: 8, targets: 1, alternatives: 0, leaders: 1, changes: 0 };
    /// A small site, or one with time: less than a second.
    pub const THOROUGH: Self = Self { rounds: 22, targets: 7, alternatives: 160, leaders: 6, changes: 400 };
    /// What is right for a site of that size.
    #[must_use]
    pub fn for_size(vms: usize) -> Self {
        match vms {
            0..=40 => Self::THOROUGH,
            41..=200 => Self { alternatives: 24, leaders: 3, changes: 60, ..Self::THOROUGH },
            201..=1_000 => Self { alternatives: 0, leaders: 1, changes: 10, ..Self::THOROUGH },
            _ => Self::QUICK,
        }
    }
}

/// What is known from a plan made a moment ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warm {
    /// Its prices.
    pub prices: Vec<u64>,
    /// Its decisions, for the same hosts, VMs and receivers. What still fits of them is never given up for something worse.
    pub draft: Option<Draft>,
}

/// A plan, and what it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// What is decided.
    pub draft: Draft,
    /// What follows.
    pub load: Load,
    /// Whether it fits the batteries. If not, it is to stop everything at once.
    pub fits: bool,
    /// Weight of the first tier's VMs that are saved.
    pub saved: u64,
    /// What it is worth.
    pub value: u64,
    /// The price of energy of each battery: worth per drain, times 2^48.
    pub prices: Vec<u64>,
}

impl Solution {
    fn key(&self) -> (bool, u64, u64) {
        (self.fits, self.saved, self.value)
    }
}

/// Solves a problem that [`Problem::check`] has passed.
#[must_use]
pub fn solve(problem: &Problem, effort: Effort, warm: &Warm) -> Solution {
    let renamed = Renamed::new(problem);
    renamed.original(in_order(&renamed.problem, effort, &renamed.warm(warm)))
}

fn in_order(problem: &Problem, effort: Effort, warm: &Warm) -> Solution {
    let mut shape = Shape::new(problem);
    if problem.hold_firm && problem.hold > 0 {
        shape.grant_hold();
    }
    let base = best_base(&shape);
    if !base.load.fits(&shape) {
        // What was decided a moment ago may still do where nothing new is found.
        let earlier = warm.draft.as_ref().filter(|_| !warm.prices.is_empty());
        let kept = earlier.and_then(|draft| kept(&shape, draft, &cheapest(&shape), &warm.prices));
        return kept.filter(|kept| kept.fits).unwrap_or_else(|| emergency(&shape));
    }
    shape.grant_wishes(&base.draft);
    let base = Base::new(&shape, base.order);
    let order = cheapest(&shape);
    let caps = vec![problem.grid.slots(); problem.hosts.len() * problem.tiers];
    let prices = (!warm.prices.is_empty()).then_some(warm.prices.as_slice());
    let mut bases = vec![base];
    if effort.alternatives > 0 {
        let more = alternatives(&shape, &bases[0], effort.alternatives);
        bases.extend(more);
    }
    let search = Search { rounds: effort.rounds, warm: prices, caps: &caps };
    let mut found: Vec<(Priced, usize)> = Vec::with_capacity(bases.len());
    for (i, base) in bases.iter().enumerate() {
        let start = priced(&shape, &base.draft, &base.load, search);
        found.push((filled(&shape, start, &order, effort.targets, &caps), i));
    }
    found.sort_by_key(|(priced, i)| (std::cmp::Reverse(priced.value), *i));
    found.truncate(effort.leaders.max(1));
    if effort.changes > 0 {
        for (priced, i) in &mut found {
            improved(&shape, &bases[*i], priced, &order, effort);
        }
        found.sort_by_key(|(priced, i)| (std::cmp::Reverse(priced.value), *i));
    }
    let best = found.swap_remove(0).0;
    let best = finish(&shape, best);
    match warm.draft.as_ref().and_then(|draft| kept(&shape, draft, &order, &best.prices)) {
        Some(kept) if kept.key() > best.key() => kept,
        _ => best,
    }
}

fn finish(shape: &Shape<'_>, priced: Priced) -> Solution {
    let load = shape.load(&priced.draft);
    debug_assert_eq!(load, priced.load);
    let saved = shape.saved(&priced.draft);
    Solution {
        fits: load.fits(shape),
        saved,
        value: shape.value(&priced.draft),
        draft: priced.draft,
        load,
        prices: priced.prices,
    }
}

/// An earlier plan, with what the batteries have gained since.
fn kept(shape: &Shape<'_>, draft: &Draft, order: &[u32], prices: &[u64]) -> Option<Solution> {
    let problem = shape.problem;
    let is_same = draft.moved.len() == problem.vms.len()
        && draft.stop.len() == problem.vms.len()
        && draft.stop.iter().all(|stop| *stop < problem.grid.slots())
        && super::improve::is_allowed(shape, draft);
    if !is_same {
        return None;
    }
    let load = shape.load(draft);
    if !load.fits(shape) {
        return None;
    }
    let caps = vec![problem.grid.slots(); problem.hosts.len() * problem.tiers];
    let value = shape.value(draft);
    let start = Priced { draft: draft.clone(), load, value, prices: prices.to_vec() };
    Some(finish(shape, filled(shape, start, order, 2, &caps)))
}

/// Nothing fits: everything stops at once, those that need others first, and nothing is moved.
fn emergency(shape: &Shape<'_>) -> Solution {
    let draft = shape.stop_all();
    let load = shape.load(&draft);
    Solution { fits: false, saved: 0, value: shape.value(&draft), prices: vec![0; shape.problem.sources.len()], draft, load }
}

/// The last slot until which everything can stay as it is now with a clean stop of everything still possible; `None`: even at once
/// it is not.
#[must_use]
pub fn last_safe(problem: &Problem) -> Option<u16> {
    let mut shape = Shape::new(problem);
    let mut fits = |slot: u16| {
        shape.set_floors(&[], slot);
        let draft = shape.stop_all();
        shape.load(&draft).fits(&shape)
    };
    if !fits(0) {
        return None;
    }
    let (mut low, mut high) = (0, problem.grid.slots());
    while low + 1 < high {
        let middle = u16::midpoint(low, high);
        if fits(middle) { low = middle } else { high = middle }
    }
    Some(low)
}
