//! A proof of how good a plan is: a number that no plan of the problem can exceed, by weak duality.
//!
//! Energy has a price, moves have a price, and at these prices every host answers for itself. Whatever the prices, what comes out is
//! an upper bound; bad prices only make it loose. It leaves away what couples hosts (lanes, receivers, needs), and counts the
//! order of tiers by cutting the range of its thresholds into boxes. Nothing of the plan itself is taken for granted.

use super::answer::{Answer, Line, Terms, answer, lines};
use super::load::Load;
use super::problem::Problem;
use super::shape::Shape;
use super::solve::Solution;

/// How long the search for good prices may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rigour {
    /// Rounds over the whole problem.
    pub rounds: u32,
    /// Boxes of thresholds for each battery.
    pub boxes: usize,
}

impl Rigour {
    /// Seconds for the largest sites.
    pub const FULL: Self = Self { rounds: 60, boxes: 120 };
    /// A tenth of that.
    pub const QUICK: Self = Self { rounds: 24, boxes: 12 };
}

/// The worth that no plan exceeds. `solution` only says where to begin.
#[must_use]
pub fn certify(problem: &Problem, solution: &Solution, rigour: Rigour) -> u64 {
    let shape = Shape::new(problem);
    let moves_max = moves_max(problem);
    let most = problem.vms.iter().map(|vm| u64::from(vm.weight)).max().unwrap_or(0) * whole(&shape);
    let mut best = ceiling(&shape);
    let mut kept: Option<(State, u64)> = None;
    // The price of a move: none where all fit; else between nothing and all a VM is worth.
    let movers = problem.vms.iter().filter(|vm| vm.moving.is_some() && vm.fixed.is_none()).count() as u64;
    let tolls: Vec<u64> = if movers <= moves_max { vec![0] } else { (1..=9).map(|tenth| most / 10 * tenth).collect() };
    for toll in tolls {
        let mut state = State::new(&shape, solution);
        let total = state.search(&shape, &parts(problem), toll, &Window::open(problem), rigour.rounds);
        let total = total + i128::from(toll) * i128::from(moves_max);
        if total < best {
            best = total;
            kept = Some((state, toll));
        }
    }
    if let Some((state, toll)) = kept {
        let mut total = i128::from(toll) * i128::from(moves_max);
        for sources in parts(problem) {
            total += if sources.len() == 1 { boxed(&shape, &sources, &state, toll, rigour) } else { state.least(&sources) };
        }
        best = best.min(total);
    }
    u64::try_from(best.max(0)).unwrap_or(u64::MAX)
}

fn whole(shape: &Shape<'_>) -> u64 {
    shape.worth_until[shape.worth_until.len() - 1]
}

/// Everything runs to the end.
fn ceiling(shape: &Shape<'_>) -> i128 {
    let weights = shape.problem.vms.iter().filter(|vm| vm.fixed.is_none()).map(|vm| i128::from(vm.weight));
    weights.sum::<i128>() * i128::from(whole(shape))
}

/// No plan moves more VMs than that: the smallest of them fill all memory there is, all CPUs likewise.
fn moves_max(problem: &Problem) -> u64 {
    let largest = problem.receivers.iter().map(|receiver| receiver.memory).max().unwrap_or(0);
    let may = problem.vms.iter().filter(|vm| vm.moving.is_some() && vm.fixed.is_none() && vm.memory <= largest);
    let mut sizes: Vec<(u64, u64)> = may.map(|vm| (vm.memory, u64::from(vm.cpus))).collect();
    let count = |sizes: &[u64], room: u64| {
        let mut left = room;
        sizes.iter().take_while(|size| left.checked_sub(**size).map(|rest| left = rest).is_some()).count() as u64
    };
    sizes.sort_unstable();
    let memory: Vec<u64> = sizes.iter().map(|size| size.0).collect();
    let mut cpus: Vec<u64> = sizes.iter().map(|size| size.1).collect();
    cpus.sort_unstable();
    let room =
        |of: fn(&super::problem::Receiver) -> u64| problem.receivers.iter().fold(0_u64, |sum, r| sum.saturating_add(of(r)));
    let by_memory = count(&memory, room(|receiver| receiver.memory));
    let by_cpus = count(&cpus, room(|receiver| receiver.cpus));
    by_memory.min(by_cpus)
}

/// Batteries that share hosts.
fn parts(problem: &Problem) -> Vec<Vec<usize>> {
    let mut root: Vec<usize> = (0..problem.sources.len()).collect();
    let find = |root: &[usize], mut u: usize| {
        while root[u] != u {
            u = root[u];
        }
        u
    };
    for host in &problem.hosts {
        for pair in host.feeds.windows(2) {
            let (a, b) = (find(&root, pair[0].source), find(&root, pair[1].source));
            root[a.max(b)] = a.min(b);
        }
    }
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); root.len()];
    for u in 0..root.len() {
        parts[find(&root, u)].push(u);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Between which slots VMs of each tier stop.
#[derive(Clone, Debug)]
struct Window {
    /// Per threshold between a tier and the next: its lowest and highest slot.
    thresholds: Vec<(u16, u16)>,
}

impl Window {
    fn open(problem: &Problem) -> Self {
        Self { thresholds: vec![(0, problem.grid.slots()); problem.tiers - 1] }
    }
    /// The slots between which each tier stops.
    fn tiers(&self, slots: u16) -> Vec<(u16, u16)> {
        let tiers = self.thresholds.len() + 1;
        let low = |tier: usize| self.thresholds.get(tier).map_or(0, |threshold| threshold.0);
        let high = |tier: usize| if tier == 0 { slots } else { self.thresholds[tier - 1].1 };
        (0..tiers).map(|tier| (low(tier), high(tier))).collect()
    }
    /// Cut in two at its widest place.
    fn halves(&self) -> Option<[Self; 2]> {
        let (widest, (low, high)) =
            self.thresholds.iter().copied().enumerate().max_by_key(|(i, (low, high))| (high - low, std::cmp::Reverse(*i)))?;
        if low == high {
            return None;
        }
        // Early slots matter more.
        let middle = low + (high - low) / if low == 0 && high > 8 { 4 } else { 2 };
        let mut below = self.clone();
        below.thresholds[widest] = (low, middle);
        let mut above = self.clone();
        above.thresholds[widest] = (middle + 1, high);
        Some([below, above])
    }
    /// The same without what the order of thresholds rules out; `None`: nothing is left.
    fn tightened(mut self) -> Option<Self> {
        for i in 1..self.thresholds.len() {
            self.thresholds[i].1 = self.thresholds[i].1.min(self.thresholds[i - 1].1);
        }
        for i in (1..self.thresholds.len()).rev() {
            self.thresholds[i - 1].0 = self.thresholds[i - 1].0.max(self.thresholds[i].0);
        }
        self.thresholds.iter().all(|(low, high)| low <= high).then_some(self)
    }
}

/// Prices and loads on their way to a good bound.
#[derive(Clone, Debug)]
struct State {
    reference: Vec<Vec<u64>>,
    prices: Vec<u64>,
    least: Vec<i128>,
    parts: Vec<Vec<usize>>,
}

impl State {
    fn new(shape: &Shape<'_>, solution: &Solution) -> Self {
        let Load { at, .. } = &solution.load;
        let prices = solution.prices.iter().map(|price| (*price).clamp(1, u64::MAX >> 16)).collect();
        let count = shape.problem.sources.len();
        Self { reference: at.clone(), prices, least: vec![i128::MAX; count], parts: Vec::new() }
    }
    fn least(&self, sources: &[usize]) -> i128 {
        self.parts.iter().position(|part| part == sources).map_or(i128::MAX, |i| self.least[i])
    }
    /// Searches prices for these parts; returns the sum of the least bounds of each.
    fn search(&mut self, shape: &Shape<'_>, parts: &[Vec<usize>], toll: u64, window: &Window, rounds: u32) -> i128 {
        self.parts = parts.to_vec();
        self.least = vec![i128::MAX; parts.len()];
        let tiers = window.tiers(shape.problem.grid.slots());
        let hulls: Vec<_> = shape.problem.sources.iter().map(|source| source.curve.convex().0).collect();
        for round in 0..rounds {
            let supports: Vec<Line> = lines(shape, &hulls, &self.reference);
            for (i, sources) in parts.iter().enumerate() {
                let terms = Terms { shape, prices: &self.prices, lines: &supports, toll, tiers: &tiers };
                let Some(found) = answer(&terms, sources) else {
                    self.least[i] = i128::MIN / 4;
                    continue;
                };
                self.least[i] = self.least[i].min(found.value);
                self.learn(shape, sources, &found, round);
            }
        }
        self.least.iter().sum()
    }
    /// Loads follow the answer, prices follow the loads.
    fn learn(&mut self, shape: &Shape<'_>, sources: &[usize], found: &Answer, round: u32) {
        for (i, u) in sources.iter().enumerate() {
            let source = &shape.problem.sources[*u];
            let mut drain = 0_i128;
            for (t, load) in self.reference[*u].iter_mut().enumerate() {
                let step = u128::from(round) + 3;
                let mixed = (u128::from(*load) * (step - 2) + u128::from(found.loads[i][t]) * 2) / step;
                *load = u64::try_from(mixed).unwrap_or(u64::MAX);
                drain += i128::from(source.curve.drain(*load)) * i128::from(shape.problem.grid.length_ms(t as u16));
            }
            let ratio = (drain * 1024 / i128::from(source.budget.max(1))).clamp(256, 4096);
            let calm = i128::from(8 + round);
            let price = i128::from(self.prices[*u]) * (calm * 1024 + 8 * (ratio - 1024)).max(calm * 256) / (calm * 1024);
            self.prices[*u] = u64::try_from(price).unwrap_or(u64::MAX).clamp(1, u64::MAX >> 16);
        }
    }
}

/// The bound of one battery with the order of tiers counted: the largest over boxes of thresholds, the loosest box cut again and again.
fn boxed(shape: &Shape<'_>, sources: &[usize], start: &State, toll: u64, rigour: Rigour) -> i128 {
    let all = [sources.to_vec()];
    let mut open: Vec<(i128, Window, State)> = vec![(start.least(sources), Window::open(shape.problem), start.clone())];
    for _ in 0..rigour.boxes {
        let Some((i, _)) = open.iter().enumerate().max_by_key(|(i, (bound, ..))| (*bound, std::cmp::Reverse(*i))) else { break };
        let Some(halves) = open[i].1.halves() else { break };
        let (bound, _, state) = open.swap_remove(i);
        for half in halves.into_iter().filter_map(Window::tightened) {
            let mut state = state.clone();
            let found = state.search(shape, &all, toll, &half, 8).min(bound);
            if found > i128::MIN / 8 {
                open.push((found, half, state));
            }
        }
    }
    open.into_iter().map(|(bound, ..)| bound).max().unwrap_or(i128::MIN / 4)
}
