//! A bounded search around a plan: one group is held back, and the battery it leaves is given to the others.

use super::fill::filled;
use super::load::Draft;
use super::moves::Base;
use super::price::{Priced, Search, priced};
use super::shape::Shape;
use super::solve::Effort;

/// Improves a plan with the same moves. Changes: no group later than a slot, for every group that stays and several slots.
pub(super) fn improved(shape: &Shape<'_>, base: &Base, best: &mut Priced, order: &[u32], effort: Effort) {
    let problem = shape.problem;
    let slots = problem.grid.slots();
    let mut caps = vec![slots; problem.hosts.len() * problem.tiers];
    let mut left = effort.changes;
    loop {
        let before = best.value;
        for g in 0..caps.len() {
            let now = stop_of(shape, &best.draft, g);
            let Some(now) = now else { continue };
            let own = caps[g];
            let mut kept = own;
            for cap in candidates(now, own, slots) {
                if left == 0 {
                    return;
                }
                left -= 1;
                caps[g] = cap;
                let search = Search { rounds: effort.rounds.min(12), warm: Some(&best.prices), caps: &caps };
                let start = priced(shape, &base.draft, &base.load, search);
                let trial = filled(shape, start, order, 2, &caps);
                if trial.value > best.value {
                    *best = trial;
                    kept = cap;
                }
            }
            caps[g] = kept;
        }
        if best.value == before {
            return;
        }
    }
}

/// When the last VM of a group stops; `None`: nobody of it stays.
fn stop_of(shape: &Shape<'_>, draft: &Draft, g: usize) -> Option<u16> {
    let group = shape.group(g / shape.problem.tiers, g % shape.problem.tiers);
    group.iter().map(|v| *v as usize).filter(|v| draft.moved[*v].is_none()).map(|v| draft.stop[v]).max()
}

fn candidates(now: u16, own: u16, slots: u16) -> Vec<u16> {
    let mut list: Vec<u16> = Vec::new();
    if own < slots {
        list.push(slots);
    }
    for step in [1, 2, 3, 5, 8, 13, 21, 34] {
        if step <= now {
            list.push(now - step);
        }
    }
    list.push(0);
    list.dedup();
    list
}

/// Whether a draft keeps the order, the floors, the needs and its bounds.
pub(super) fn is_allowed(shape: &Shape<'_>, draft: &Draft) -> bool {
    let problem = shape.problem;
    let mut first = vec![problem.grid.slots(); problem.sources.len()];
    for tier in 0..problem.tiers {
        let mut own = first.clone();
        for h in 0..problem.hosts.len() {
            for v in shape.group(h, tier).iter().map(|v| *v as usize).filter(|v| draft.moved[*v].is_none()) {
                let stop = draft.stop[v];
                if stop < shape.floors[v] || stop > shape.latest[v].max(shape.floors[v]) {
                    return false;
                }
                for feed in &problem.hosts[h].feeds {
                    if stop > first[feed.source] {
                        return false;
                    }
                    own[feed.source] = own[feed.source].min(stop);
                }
            }
        }
        first = own;
    }
    shape.needed.iter().all(|provider| {
        let begins = draft.stop[*provider];
        draft.moved[*provider].is_some()
            || problem.vms[*provider].fixed.is_some()
            || problem.vms[*provider].dependents.iter().all(|user| {
                let vm = &problem.vms[*user];
                let is_gone = vm.fixed.is_some() || draft.moved[*user].is_some();
                is_gone || problem.grid.after(draft.stop[*user], vm.stop) <= begins
            })
    })
}
