//! What a draft means: what each battery carries in each slot, when each host is off, what is drained.

use super::shape::Shape;

/// A move that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The receiver.
    pub to: u16,
    /// When it begins.
    pub start: u16,
    /// When the VM draws nothing any more where it was.
    pub end: u16,
}

/// A decision for every VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Who moves.
    pub moved: Vec<Option<Move>>,
    /// When the stop of everybody else begins.
    pub stop: Vec<u16>,
}

/// What follows from a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Per battery and slot: what it carries.
    pub at: Vec<Vec<u64>>,
    /// Per host: the slot from which on it is off.
    pub off: Vec<u16>,
    /// Per battery: what is drained in all.
    pub drain: Vec<i64>,
    /// Whether every host is off before the plan ends.
    pub ends: bool,
}

impl Load {
    /// Whether every battery lasts.
    #[must_use]
    pub(super) fn fits(&self, shape: &Shape<'_>) -> bool {
        self.ends && self.drain.iter().zip(&shape.problem.sources).all(|(drain, source)| *drain <= source.budget)
    }
}

/// When a VM stops drawing power where it is.
#[inline]
pub(super) fn end_of(shape: &Shape<'_>, draft: &Draft, v: usize) -> u16 {
    let vm = &shape.problem.vms[v];
    if let Some(fixed) = vm.fixed {
        return fixed;
    }
    match draft.moved[v] {
        Some(moved) => moved.end,
        None => shape.problem.grid.after(draft.stop[v], vm.stop),
    }
}

/// Works out a draft.
pub(super) fn load_of(shape: &Shape<'_>, draft: &Draft) -> Load {
    let problem = shape.problem;
    let slots = usize::from(problem.grid.slots());
    let width = slots + 1;
    let mut steps = vec![0_i64; width * problem.sources.len()];
    let mut off = vec![0_u16; problem.hosts.len()];
    for (v, vm) in problem.vms.iter().enumerate() {
        let end = end_of(shape, draft, v).min(slots as u16);
        if end == 0 {
            continue;
        }
        off[vm.host] = off[vm.host].max(end);
        put(shape, &mut steps, vm.host, vm.power, (0, end));
    }
    let mut ends = true;
    for h in &shape.host_order {
        let host = &problem.hosts[*h];
        let begins = host.outlives.iter().fold(off[*h], |at, other| at.max(off[*other]));
        off[*h] = host.off.unwrap_or_else(|| problem.grid.after(begins, host.shutdown));
        ends &= host.off.is_some() || usize::from(off[*h]) < slots;
        put(shape, &mut steps, *h, host.idle, (0, off[*h].min(slots as u16)));
    }
    let mut at = Vec::with_capacity(problem.sources.len());
    let mut drain = Vec::with_capacity(problem.sources.len());
    for (u, source) in problem.sources.iter().enumerate() {
        let mut power = i64::try_from(source.base).unwrap_or(i64::MAX);
        let mut line = Vec::with_capacity(slots);
        let mut sum = 0_i64;
        for t in 0..slots {
            power += steps[u * width + t];
            let load = power.max(0).unsigned_abs();
            line.push(load);
            sum = sum.saturating_add(source.curve.drain(load).saturating_mul(problem.grid.length_ms(t as u16)));
        }
        at.push(line);
        drain.push(sum);
    }
    Load { at, off, drain, ends }
}

/// Adds some power of a host's to what its batteries carry between two slots.
#[inline]
pub(super) fn put(shape: &Shape<'_>, steps: &mut [i64], host: usize, power: u64, (from, to): (u16, u16)) {
    let width = usize::from(shape.problem.grid.slots()) + 1;
    for feed in &shape.problem.hosts[host].feeds {
        let part = feed.of(power).cast_signed();
        let line = feed.source * width;
        steps[line + usize::from(from)] += part;
        steps[line + usize::from(to)] -= part;
    }
}
