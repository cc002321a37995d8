//! What every host answers to prices: until when it runs, and each VM on it. Exact for the prices, host by host.

use super::curve::Curve;
use super::shape::Shape;

/// A line below a battery's drain in each slot: slope (times 65,536) and what it is without load (times 65,536).
#[derive(Clone, Debug)]
pub(super) struct Line {
    slopes: Vec<i64>,
    intercepts: Vec<i128>,
}

/// Lines that touch the convex drains at these loads.
pub(super) fn lines(shape: &Shape<'_>, hulls: &[Curve], reference: &[Vec<u64>]) -> Vec<Line> {
    let of = |u: usize| {
        let top = reference[u].iter().max().copied().unwrap_or(0) / 50;
        let touch = |load: &u64| hulls[u].support((*load).max(top).max(1));
        let (slopes, intercepts) = reference[u].iter().map(touch).unzip();
        Line { slopes, intercepts }
    };
    (0..shape.problem.sources.len()).map(of).collect()
}

/// What is asked.
pub(super) struct Terms<'t, 'a> {
    pub(super) shape: &'t Shape<'a>,
    /// Worth per drain, times 2^48.
    pub(super) prices: &'t [u64],
    pub(super) lines: &'t [Line],
    /// Worth that a move costs.
    pub(super) toll: u64,
    /// Between which slots each tier stops.
    pub(super) tiers: &'t [(u16, u16)],
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) value: i128,
    /// Per battery asked about, per slot.
    pub(super) loads: Vec<Vec<u64>>,
}

/// Bits behind the point of a price of power.
const BITS: u32 = 20;
/// Worse than any worth.
const NEVER: i64 = i64::MIN / 4;

/// The best worth less energy that the hosts on these batteries can have. `None`: they cannot keep to these slots at all.
pub(super) fn answer(terms: &Terms<'_, '_>, sources: &[usize]) -> Option<Answer> {
    let problem = terms.shape.problem;
    let slots = usize::from(problem.grid.slots());
    let mut value = 0_i128;
    for u in sources {
        let source = &problem.sources[*u];
        let mut fixed = i128::from(source.budget) << 16;
        for t in 0..slots {
            let length = i128::from(problem.grid.length_ms(t as u16));
            let line = terms.lines[*u].intercepts[t] + i128::from(terms.lines[*u].slopes[t]) * i128::from(source.base);
            fixed -= line * length;
        }
        // Rounded towards more.
        value += (((fixed >> 16) * i128::from(terms.prices[*u])) >> 48) + i128::from(terms.prices[*u] >> 48) + 2;
    }
    let costs: Vec<Vec<i64>> = terms.shape.classes.iter().map(|feeds| cost_until(terms, feeds)).collect();
    let mut steps = vec![vec![0_i64; slots + 1]; problem.sources.len()];
    let mut room = vec![0_i64; slots];
    for (h, host) in problem.hosts.iter().enumerate() {
        if !host.feeds.iter().any(|feed| sources.contains(&feed.source)) {
            continue;
        }
        let cost = &costs[usize::from(terms.shape.class_of[h])];
        value += i128::from(of_host(terms, h, cost, &mut room, &mut steps)?);
    }
    let line = |u: &usize| {
        let mut power = problem.sources[*u].base.cast_signed();
        (0..slots)
            .map(|t| {
                power += steps[*u][t];
                power.max(0).unsigned_abs()
            })
            .collect()
    };
    Some(Answer { value, loads: sources.iter().map(line).collect() })
}

/// What a milliwatt costs a host fed that way until each slot. Rounded down.
fn cost_until(terms: &Terms<'_, '_>, feeds: &[super::problem::Feeding]) -> Vec<i64> {
    let grid = &terms.shape.problem.grid;
    let mut sum = 0_i64;
    let mut line = vec![0_i64];
    for t in 0..grid.slots() {
        for feed in feeds {
            let slope = i128::from(terms.lines[feed.source].slopes[usize::from(t)]) * i128::from(grid.length_ms(t));
            let price =
                ((slope * i128::from(terms.prices[feed.source])) >> (48 + 16 - BITS)) * i128::from(feed.share) / 1_000_000;
            sum = sum.saturating_add(i64::try_from(price).unwrap_or(i64::MAX >> 8)).min(i64::MAX >> 8);
        }
        line.push(sum);
    }
    line
}

fn cost(power: u64, until: i64) -> i64 {
    i64::try_from((i128::from(power) * i128::from(until)) >> BITS).unwrap_or(i64::MAX >> 8).min(i64::MAX >> 8)
}

/// One host's best answer, with its load added to `steps`.
fn of_host(terms: &Terms<'_, '_>, h: usize, costs: &[i64], room: &mut [i64], steps: &mut [Vec<i64>]) -> Option<i64> {
    let problem = terms.shape.problem;
    let host = &problem.hosts[h];
    let slots = problem.grid.slots();
    let mut put = |power: u64, until: u16| {
        for feed in &host.feeds {
            let part = feed.of(power).cast_signed();
            steps[feed.source][0] += part;
            steps[feed.source][usize::from(until.min(slots))] -= part;
        }
    };
    let mut value = 0_i64;
    let mut from = 0;
    for vm in terms.shape.fixed(h) {
        let end = vm.fixed.unwrap_or(0).min(slots);
        value -= cost(vm.power, costs[usize::from(end)]);
        from = from.max(end);
        put(vm.power, end);
    }
    if let Some(off) = host.off {
        put(host.idle, off);
        return Some(value - cost(host.idle, costs[usize::from(off.min(slots))]));
    }
    room.fill(0);
    for tier in 0..problem.tiers {
        for v in terms.shape.group(h, tier) {
            from = from.max(of_vm(terms, *v as usize, costs, room)?);
        }
    }
    let until = |end: u16| problem.grid.after(end, host.shutdown);
    let ends = (from..slots).take_while(|end| until(*end) < slots);
    let worth = |end: u16| room[usize::from(end)] - cost(host.idle, costs[usize::from(until(end))]);
    let end = ends.max_by_key(|end| (worth(*end), std::cmp::Reverse(*end)))?;
    put(host.idle, until(end));
    for tier in 0..problem.tiers {
        for v in terms.shape.group(h, tier) {
            let vm = &problem.vms[*v as usize];
            put(vm.power, choice(terms, *v as usize, costs, end));
        }
    }
    Some(value + worth(end))
}

/// The worth of a VM that stops in that slot.
#[inline]
fn stopped(terms: &Terms<'_, '_>, v: usize, costs: &[i64], slot: u16, end: u16) -> i64 {
    let vm = &terms.shape.problem.vms[v];
    let worth = terms.shape.worth_until[usize::from(slot)] * u64::from(vm.weight);
    worth.cast_signed() - cost(vm.power, costs[usize::from(end)])
}

/// When its move would be over if it began at once, and what that is worth.
fn moved(terms: &Terms<'_, '_>, v: usize, costs: &[i64]) -> Option<(u16, i64)> {
    let problem = terms.shape.problem;
    let vm = &problem.vms[v];
    let duration = vm.moving.filter(|_| !problem.receivers.is_empty())?;
    if !problem.grid.ends(0, duration) {
        return None;
    }
    let end = problem.grid.after(0, duration);
    let whole = terms.shape.worth_until[terms.shape.worth_until.len() - 1] * u64::from(vm.weight);
    Some((end, whole.cast_signed() - terms.toll.cast_signed() - cost(vm.power, costs[usize::from(end)])))
}

/// Adds to `room[end]` the best that a VM can do if its host needs it no longer than `end`. Returns the first end possible.
fn of_vm(terms: &Terms<'_, '_>, v: usize, costs: &[i64], room: &mut [i64]) -> Option<u16> {
    let vm = &terms.shape.problem.vms[v];
    let grid = &terms.shape.problem.grid;
    let (low, high) = terms.tiers[vm.tier];
    let low = low.max(vm.not_before);
    let moving = moved(terms, v, costs);
    let mut best = NEVER;
    let mut slot = low;
    let mut first = None;
    for end in 0..grid.slots() {
        while slot <= high && slot < grid.slots() && grid.after(slot, vm.stop) <= end {
            best = best.max(stopped(terms, v, costs, slot, grid.after(slot, vm.stop)));
            slot += 1;
        }
        if let Some((at, worth)) = moving
            && at <= end
        {
            best = best.max(worth);
        }
        if best > NEVER {
            first = first.or(Some(end));
            room[usize::from(end)] += best;
        }
    }
    first
}

/// When it stops drawing power, if its host ends then.
fn choice(terms: &Terms<'_, '_>, v: usize, costs: &[i64], end: u16) -> u16 {
    let vm = &terms.shape.problem.vms[v];
    let grid = &terms.shape.problem.grid;
    let (low, high) = terms.tiers[vm.tier];
    let (mut best, mut at) = (NEVER, 0);
    for slot in low.max(vm.not_before)..=high.min(grid.slots() - 1) {
        let over = grid.after(slot, vm.stop);
        if over > end {
            break;
        }
        let worth = stopped(terms, v, costs, slot, over);
        if worth > best {
            (best, at) = (worth, over);
        }
    }
    match moved(terms, v, costs) {
        Some((over, worth)) if over <= end && worth > best => over,
        _ => at,
    }
}
