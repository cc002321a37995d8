//! Other sets and orders of moves than the first found, when there are few enough to try them.

use super::moves::Base;
use super::shape::Shape;
use std::collections::BTreeSet;

/// Up to so many movers, every order of every set is tried.
const MOVERS_MAX: usize = 5;

/// Other schedules that save as much of the first tier as this one and fit: at most so many, those that drain least.
pub(super) fn alternatives(shape: &Shape<'_>, base: &Base, most: usize) -> Vec<Base> {
    let vms = &shape.problem.vms;
    let movers: Vec<usize> = (0..vms.len()).filter(|v| vms[*v].moving.is_some() && vms[*v].fixed.is_none()).collect();
    let orders = if movers.len() <= MOVERS_MAX { every_order(&movers) } else { neighbours(shape, base, &movers, most * 2) };
    let saved = shape.saved(&base.draft);
    let mut seen: BTreeSet<Vec<(usize, u16)>> = BTreeSet::new();
    seen.insert(ends(base));
    let mut found: Vec<Base> = Vec::new();
    for order in orders {
        let other = Base::new(shape, order);
        if other.load.fits(shape) && shape.saved(&other.draft) >= saved && seen.insert(ends(&other)) {
            found.push(other);
        }
    }
    found.sort_by_key(|base| base.load.drain.iter().map(|drain| i128::from(*drain)).sum::<i128>());
    found.truncate(most);
    found
}

fn ends(base: &Base) -> Vec<(usize, u16)> {
    let moved = base.draft.moved.iter().enumerate();
    moved.filter_map(|(v, moved)| moved.map(|moved| (v, moved.end))).collect()
}

/// Every order of every part of a small set.
fn every_order(movers: &[usize]) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    let mut at = 0;
    while at < all.len() {
        let longer: Vec<Vec<usize>> = movers
            .iter()
            .filter(|v| !all[at].contains(v))
            .map(|v| {
                let mut order = all[at].clone();
                order.push(*v);
                order
            })
            .collect();
        all.extend(longer);
        at += 1;
    }
    all
}

/// Orders one change away: one for another, one to the front, a whole host first.
fn neighbours(shape: &Shape<'_>, base: &Base, movers: &[usize], most: usize) -> Vec<Vec<usize>> {
    let moved: Vec<usize> = base.order.iter().copied().filter(|v| base.draft.moved[*v].is_some()).collect();
    let vms = &shape.problem.vms;
    let mut orders = Vec::new();
    for host in 0..shape.problem.hosts.len() {
        let mut order = moved.clone();
        order.sort_by_key(|v| vms[*v].host != host);
        orders.push(order);
        let mut order: Vec<usize> = movers.iter().copied().filter(|v| vms[*v].host == host).collect();
        order.extend(moved.iter().copied().filter(|v| vms[*v].host != host));
        order.truncate(moved.len());
        orders.push(order);
    }
    for i in 0..moved.len() {
        let mut order = moved.clone();
        order[..=i].rotate_right(1);
        orders.push(order);
    }
    let out: Vec<usize> = movers.iter().copied().filter(|v| base.draft.moved[*v].is_none()).collect();
    for i in 0..moved.len() {
        for other in &out {
            if vms[moved[i]].weight == vms[*other].weight {
                let mut order = moved.clone();
                order[i] = *other;
                orders.push(order);
            }
        }
    }
    // Spread over all kinds of change rather than the first ones only.
    let step = orders.len().div_ceil(most.max(1)).max(1);
    orders.into_iter().step_by(step).collect()
}
