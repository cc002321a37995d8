//! How early each VM may stop at all: not before those that need it are down, not before less important ones of its battery, and
//! not before its tier's wish to run, as far as the battery allows.

use super::load::Draft;
use super::shape::Shape;

impl Shape<'_> {
    /// Sets the first slot of every stop from the wishes: one slot per tier, and one for all.
    pub(super) fn set_floors(&mut self, goals: &[u16], hold: u16) {
        let problem = self.problem;
        let wish = |v: usize| goals.get(problem.vms[v].tier).copied().unwrap_or(0).max(hold);
        for v in 0..problem.vms.len() {
            let vm = &problem.vms[v];
            self.floors[v] = if vm.fixed.is_some() { 0 } else { vm.not_before.max(wish(v).min(self.latest[v])) };
        }
        if self.floors.iter().all(|floor| *floor == 0) && self.needed.is_empty() {
            return;
        }
        // Two rounds at most: needs raise floors within a tier and across tiers, the order raises those above.
        for _ in 0..problem.tiers + 1 {
            let before = self.floors.clone();
            self.raise_for_needs();
            self.raise_for_order();
            if before == self.floors {
                break;
            }
        }
    }
    fn raise_for_needs(&mut self) {
        for v in &self.needed {
            let vm = &self.problem.vms[*v];
            let down = |user: &usize| {
                let other = &self.problem.vms[*user];
                other.fixed.unwrap_or_else(|| self.problem.grid.after(self.floors[*user], other.stop))
            };
            let down = vm.dependents.iter().map(down).max().unwrap_or(0);
            if vm.fixed.is_none() {
                self.floors[*v] = self.floors[*v].max(down);
            }
        }
    }
    fn raise_for_order(&mut self) {
        let mut least = vec![0_u16; self.problem.sources.len()];
        for tier in (0..self.problem.tiers).rev() {
            let mut own = least.clone();
            for h in 0..self.problem.hosts.len() {
                let feeds = &self.problem.hosts[h].feeds;
                let below = feeds.iter().map(|feed| least[feed.source]).max().unwrap_or(0);
                let g = h * self.problem.tiers + tier;
                for i in self.groups[g] as usize..self.groups[g + 1] as usize {
                    let v = self.members[i] as usize;
                    self.floors[v] = self.floors[v].max(below);
                    for feed in feeds {
                        own[feed.source] = own[feed.source].max(self.floors[v]);
                    }
                }
            }
            least = own;
        }
    }
    /// Raises the floors to what is wished, one wish after the other, each as far as the batteries allow with these moves.
    pub(super) fn grant_wishes(&mut self, moves: &Draft) {
        let problem = self.problem;
        let mut goals = vec![0_u16; problem.tiers];
        let hold = self.largest(moves, problem.hold, |hold| (vec![0; problem.tiers], hold));
        for tier in 0..problem.tiers {
            let wish = problem.goals.get(tier).copied().unwrap_or(0);
            if wish > hold {
                let granted = self.largest(moves, wish, |goal| {
                    let mut goals = goals.clone();
                    goals[tier] = goal;
                    (goals, hold)
                });
                goals[tier] = granted;
            }
        }
        self.set_floors(&goals, hold);
    }
    /// Raises the floors to what is to be held, as far as the batteries allow without any move.
    pub(super) fn grant_hold(&mut self) {
        let nobody = self.stop_all();
        let hold = self.largest(&nobody, self.problem.hold, |hold| (Vec::new(), hold));
        self.set_floors(&[], hold);
    }
    fn largest(&mut self, moves: &Draft, wish: u16, floors: impl Fn(u16) -> (Vec<u16>, u16)) -> u16 {
        let fits = |shape: &mut Self, slot: u16| {
            let (goals, hold) = floors(slot);
            shape.set_floors(&goals, hold);
            let draft = Draft { moved: moves.moved.clone(), stop: shape.floors.clone() };
            shape.load(&draft).fits(shape)
        };
        if wish == 0 || fits(self, wish) {
            return wish;
        }
        let (mut low, mut high) = (0, wish);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if fits(self, middle) { low = middle } else { high = middle }
        }
        low
    }
}
