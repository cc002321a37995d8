//! One price of energy per battery. At a price, every group of VMs of a host and tier says by itself how long it is worth its power;
//! the right price is the lowest at which all of them together fit.

use super::improve::is_allowed;
use super::load::{Draft, Load, end_of};
use super::shape::Shape;

/// Worth per energy, for each way of being fed and each slot; never rising.
pub(super) type Ratios = Vec<Vec<u64>>;

/// Prices are worth per drain, times 2^48.
const PRICE_BITS: u32 = 48;
/// The highest price there is.
const PRICE_MAX: u64 = u64::MAX >> 8;

/// The lowest prices at which a draft fits, and that draft.
#[derive(Clone, Debug)]
pub(super) struct Priced {
    pub(super) draft: Draft,
    pub(super) load: Load,
    pub(super) value: u64,
    pub(super) prices: Vec<u64>,
}

/// How long the search for prices may be, and from where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'s> {
    /// Rounds of it.
    pub(super) rounds: u32,
    /// Prices that were right a moment ago.
    pub(super) warm: Option<&'s [u64]>,
    /// No group stops later than this.
    pub(super) caps: &'s [u16],
}

/// Finds prices for these moves. The moves with everybody else stopped as soon as allowed must fit.
pub(super) fn priced(shape: &Shape<'_>, base: &Draft, base_load: &Load, search: Search<'_>) -> Priced {
    let problem = shape.problem;
    let count = problem.sources.len();
    let mut reference = middle(shape, base, base_load);
    let mut low = vec![0_u64; count];
    let mut high = vec![PRICE_MAX; count];
    let mut price: Vec<u64> = (0..count).map(|u| first_guess(shape, u, &reference[u], search.warm)).collect();
    let mut best = Priced { value: shape.value(base), draft: base.clone(), load: base_load.clone(), prices: high.clone() };
    let mut draft = base.clone();
    for _ in 0..search.rounds {
        let ratios = ratios(shape, &price, &reference);
        stay(shape, &mut draft, &ratios, search.caps);
        let load = shape.load(&draft);
        let over: Vec<bool> = (0..count).map(|u| load.drain[u] > problem.sources[u].budget).collect();
        for u in 0..count {
            if over[u] {
                low[u] = low[u].max(price[u])
            } else {
                high[u] = high[u].min(price[u])
            }
            for (middle, now) in reference[u].iter_mut().zip(&load.at[u]) {
                *middle = u64::midpoint(*middle, *now);
            }
        }
        keep_better(shape, &mut best, &draft, load, &over);
        for u in 0..count {
            price[u] = between(low[u], high[u], price[u]);
        }
    }
    best.prices = high.iter().zip(&price).map(|(high, price)| if *high == PRICE_MAX { *price } else { *high }).collect();
    best
}

/// Keeps what fits, battery by battery: what is over on one battery stays as it was there.
fn keep_better(shape: &Shape<'_>, best: &mut Priced, draft: &Draft, load: Load, over: &[bool]) {
    if load.fits(shape) {
        let value = shape.value(draft);
        if value > best.value {
            *best = Priced { draft: draft.clone(), load, value, prices: Vec::new() };
        }
    } else if over.len() > 1 && over.contains(&false) {
        let mut mixed = draft.clone();
        for (v, vm) in shape.problem.vms.iter().enumerate() {
            if shape.problem.hosts[vm.host].feeds.iter().any(|feed| over[feed.source]) {
                mixed.stop[v] = best.draft.stop[v];
            }
        }
        let load = shape.load(&mixed);
        let value = shape.value(&mixed);
        if value > best.value && load.fits(shape) && is_allowed(shape, &mixed) {
            *best = Priced { draft: mixed, load, value, prices: Vec::new() };
        }
    }
}

fn first_guess(shape: &Shape<'_>, u: usize, reference: &[u64], warm: Option<&[u64]>) -> u64 {
    if let Some(warm) = warm.and_then(|prices| prices.get(u)).filter(|price| **price > 0 && **price < PRICE_MAX) {
        return *warm;
    }
    // What is worth of an average VM in the first slots is asked for its power.
    let problem = shape.problem;
    let (mut power, mut weight) = (1_u128, 1_u128);
    for vm in &problem.vms {
        if problem.hosts[vm.host].feeds.iter().any(|feed| feed.source == u) {
            power += u128::from(vm.power);
            weight += u128::from(vm.weight);
        }
    }
    let t = reference.len() / 8;
    let slope = u128::from(problem.sources[u].curve.slope(reference[t]).max(1).unsigned_abs());
    let length = u128::from(problem.grid.length_ms(t as u16).unsigned_abs());
    let worth = u128::from(problem.worth[t].max(1)) * weight;
    let price = (worth << (PRICE_BITS + 16)) / (power * slope * length).max(1);
    u64::try_from(price).unwrap_or(PRICE_MAX).clamp(1, PRICE_MAX)
}

fn between(low: u64, high: u64, last: u64) -> u64 {
    if high == PRICE_MAX {
        last.saturating_mul(3).min(PRICE_MAX)
    } else if low == 0 {
        (last / 3).max(1)
    } else if low >= high {
        high
    } else if high / 4 > low {
        (u128::from(low) * u128::from(high)).isqrt() as u64
    } else {
        u64::midpoint(low, high)
    }
}

/// What the batteries carry half-way between stopping everybody at once and nobody.
fn middle(shape: &Shape<'_>, base: &Draft, base_load: &Load) -> Vec<Vec<u64>> {
    let full = Draft { moved: base.moved.clone(), stop: shape.latest.clone() };
    let full = shape.load(&full);
    let pair = |a: &Vec<u64>, b: &Vec<u64>| a.iter().zip(b).map(|(a, b)| u64::midpoint(*a, *b)).collect();
    full.at.iter().zip(&base_load.at).map(|(a, b)| pair(a, b)).collect()
}

/// Worth per energy at these prices and loads. Power per weight above it is not worth staying.
pub(super) fn ratios(shape: &Shape<'_>, prices: &[u64], reference: &[Vec<u64>]) -> Ratios {
    let problem = shape.problem;
    let slots = usize::from(problem.grid.slots());
    let mut energy = vec![vec![0_u128; slots]; problem.sources.len()];
    for (u, source) in problem.sources.iter().enumerate() {
        for t in 0..slots {
            let slope = source.curve.slope(reference[u][t]).max(0).unsigned_abs();
            let length = problem.grid.length_ms(t as u16).unsigned_abs();
            energy[u][t] = (u128::from(slope) * u128::from(length) * u128::from(prices[u])) >> 20;
        }
    }
    let of_class = |feeds: &Vec<super::problem::Feeding>| {
        let mut least = u64::MAX;
        let line = (0..slots).map(|t| {
            let price: u128 = feeds.iter().map(|feed| energy[feed.source][t] * u128::from(feed.share) / 1_000_000).sum();
            let worth = u128::from(problem.worth[t]) << (PRICE_BITS + 16 + 16 - 20);
            least = least.min(u64::try_from(worth / price.max(1)).unwrap_or(u64::MAX));
            least
        });
        line.collect()
    };
    shape.classes.iter().map(of_class).collect()
}

/// How long power per weight is worth it: the first slot in which it is not.
pub(super) fn worth_until(line: &[u64], power: u64, weight: u64) -> u16 {
    let ask = (u128::from(power) << 16) / u128::from(weight.max(1));
    let ask = u64::try_from(ask).unwrap_or(u64::MAX);
    line.partition_point(|ratio| *ratio >= ask) as u16
}

/// Sets the stops of everybody who does not move.
pub(super) fn stay(shape: &Shape<'_>, draft: &mut Draft, ratios: &Ratios, caps: &[u16]) {
    let problem = shape.problem;
    let slots = problem.grid.slots();
    let mut limit = vec![slots; problem.sources.len()];
    let mut carries = vec![false; problem.hosts.len()];
    let pinned = pinned(shape, draft);
    for tier in 0..problem.tiers {
        let mut least = limit.clone();
        for (h, host) in problem.hosts.iter().enumerate() {
            let group = shape.group(h, tier);
            if group.is_empty() {
                continue;
            }
            let line = &ratios[usize::from(shape.class_of[h])];
            let (mut power, mut weight) = (host.idle, 0_u64);
            for v in group {
                if draft.moved[*v as usize].is_none() {
                    power += problem.vms[*v as usize].power;
                    weight += u64::from(problem.vms[*v as usize].weight);
                }
            }
            let all = if carries[h] { slots } else { worth_until(line, power, weight) };
            carries[h] |= weight > 0;
            let cap = host.feeds.iter().fold(caps[h * problem.tiers + tier], |cap, feed| cap.min(limit[feed.source]));
            let mut first = slots;
            for v in group.iter().map(|v| *v as usize).filter(|v| draft.moved[*v].is_none()) {
                let vm = &problem.vms[v];
                let mut stop = all;
                if all < pinned[h] {
                    stop = stop.max(problem.grid.latest(pinned[h], vm.stop).unwrap_or(0));
                }
                stop = stop.min(cap).min(shape.latest[v]);
                if stop > 0 {
                    stop = stop.min(worth_until(&line[..usize::from(stop)], vm.power, u64::from(vm.weight)));
                }
                draft.stop[v] = stop.max(shape.floors[v]);
                first = first.min(draft.stop[v]);
            }
            for feed in &host.feeds {
                least[feed.source] = least[feed.source].min(first);
            }
        }
        heed_needs(shape, draft, tier, &mut least);
        limit = least;
    }
}

/// Whoever needs a VM is down before it stops.
fn heed_needs(shape: &Shape<'_>, draft: &mut Draft, tier: usize, least: &mut [u16]) {
    for provider in shape.needed.iter().rev() {
        if draft.moved[*provider].is_some() || shape.problem.vms[*provider].fixed.is_some() {
            continue;
        }
        let begins = draft.stop[*provider];
        for user in &shape.problem.vms[*provider].dependents {
            let vm = &shape.problem.vms[*user];
            if vm.tier != tier || vm.fixed.is_some() || draft.moved[*user].is_some() {
                continue;
            }
            let cap = shape.problem.grid.latest(begins, vm.stop).unwrap_or(0).max(shape.floors[*user]);
            draft.stop[*user] = draft.stop[*user].min(cap);
            for feed in &shape.problem.hosts[vm.host].feeds {
                least[feed.source] = least[feed.source].min(draft.stop[*user]);
            }
        }
    }
}

/// Per host: until when it is on for the sake of moves and of what is decided.
fn pinned(shape: &Shape<'_>, draft: &Draft) -> Vec<u16> {
    let mut pinned = vec![0_u16; shape.problem.hosts.len()];
    for (v, vm) in shape.problem.vms.iter().enumerate() {
        if vm.fixed.is_some() || draft.moved[v].is_some() {
            pinned[vm.host] = pinned[vm.host].max(end_of(shape, draft, v));
        }
    }
    pinned
}
