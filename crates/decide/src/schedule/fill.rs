//! What a price leaves over of a battery is given away: to whole groups of a host and tier first, then to single VMs. Stops only
//! ever become later here, and never beyond what fits.

use super::load::{Draft, Load, end_of};
use super::price::{Priced, ratios, stay};
use super::shape::Shape;
use std::cmp::Reverse;

/// A draft on its way to the rim of its batteries.
#[derive(Debug)]
pub(super) struct Filler<'s, 'a> {
    shape: &'s Shape<'a>,
    pub(super) draft: Draft,
    pub(super) load: Load,
    caps: &'s [u16],
    extra: Extra,
}

/// Power added to a load, as differences per battery.
#[derive(Debug)]
struct Extra {
    steps: Vec<Vec<i64>>,
    touched: Vec<usize>,
    from: u16,
    to: u16,
    off: Vec<(usize, u16)>,
}

impl Extra {
    fn clear(&mut self) {
        for u in self.touched.drain(..) {
            for step in &mut self.steps[u][usize::from(self.from)..=usize::from(self.to)] {
                *step = 0;
            }
        }
        self.from = u16::MAX;
        self.to = 0;
        self.off.clear();
    }
    fn put(&mut self, shape: &Shape<'_>, host: usize, power: u64, from: u16, to: u16) {
        let to = to.min(shape.problem.grid.slots());
        if from >= to {
            return;
        }
        for feed in &shape.problem.hosts[host].feeds {
            let part = feed.of(power).cast_signed();
            if !self.touched.contains(&feed.source) {
                self.touched.push(feed.source);
            }
            self.steps[feed.source][usize::from(from)] += part;
            self.steps[feed.source][usize::from(to)] -= part;
        }
        self.from = self.from.min(from);
        self.to = self.to.max(to);
    }
}

impl<'s, 'a> Filler<'s, 'a> {
    pub(super) fn new(shape: &'s Shape<'a>, draft: Draft, load: Load, caps: &'s [u16]) -> Self {
        let slots = usize::from(shape.problem.grid.slots());
        let steps = vec![vec![0; slots + 1]; shape.problem.sources.len()];
        let extra = Extra { steps, touched: Vec::new(), from: u16::MAX, to: 0, off: Vec::new() };
        Self { shape, draft, load, caps, extra }
    }
    /// The latest slot for this VM's stop that order, needs and caps allow.
    fn limit(&self, v: usize, order: u16) -> u16 {
        let vm = &self.shape.problem.vms[v];
        let cap = self.caps[vm.host * self.shape.problem.tiers + vm.tier];
        let mut limit = order.min(cap).min(self.shape.latest[v]);
        for provider in &self.shape.needs[v] {
            if self.draft.moved[*provider].is_none() && self.shape.problem.vms[*provider].fixed.is_none() {
                let begins = self.draft.stop[*provider];
                limit = limit.min(self.shape.problem.grid.latest(begins, vm.stop).unwrap_or(0));
            }
        }
        limit
    }
    /// What it costs each touched battery to let these VMs run until their targets, none beyond that slot. Leaves the difference in
    /// `extra`.
    fn price(&mut self, group: &[(usize, u16)], until: u16) -> bool {
        let shape = self.shape;
        self.extra.clear();
        let Some((first, _)) = group.first() else { return true };
        let host = shape.problem.vms[*first].host;
        let mut last = 0;
        for (v, target) in group {
            let stop = (*target).min(until);
            if stop > self.draft.stop[*v] {
                let vm = &shape.problem.vms[*v];
                let end = shape.problem.grid.after(stop, vm.stop);
                self.extra.put(shape, host, vm.power, end_of(shape, &self.draft, *v), end);
                last = last.max(end);
            }
        }
        if last == 0 {
            return true;
        }
        let off = shape.problem.grid.after(last, shape.problem.hosts[host].shutdown);
        self.push_off(host, off);
        for later in &shape.later[host] {
            let begins = shape.problem.hosts[*later].outlives.iter().map(|other| self.off_of(*other)).max().unwrap_or(0);
            self.push_off(*later, shape.problem.grid.after(begins, shape.problem.hosts[*later].shutdown));
        }
        self.is_affordable()
    }
    fn off_of(&self, host: usize) -> u16 {
        let moved = self.extra.off.iter().find(|(other, _)| *other == host);
        moved.map_or(self.load.off[host], |(_, off)| *off)
    }
    fn push_off(&mut self, host: usize, off: u16) {
        let known = &self.shape.problem.hosts[host];
        if known.off.is_none() && off > self.load.off[host] {
            self.extra.put(self.shape, host, known.idle, self.load.off[host], off);
            self.extra.off.push((host, off));
        }
    }
    fn is_affordable(&self) -> bool {
        let problem = self.shape.problem;
        self.extra.touched.iter().all(|u| {
            let (mut power, mut cost) = (0_i64, 0_i64);
            let slack = problem.sources[*u].budget - self.load.drain[*u];
            for t in usize::from(self.extra.from)..usize::from(self.extra.to) {
                power += self.extra.steps[*u][t];
                if power != 0 {
                    let before = self.load.at[*u][t];
                    let curve = &problem.sources[*u].curve;
                    let rise = curve.drain(before.saturating_add_signed(power)) - curve.drain(before);
                    cost += rise * problem.grid.length_ms(t as u16);
                    if cost > slack {
                        return false;
                    }
                }
            }
            true
        })
    }
    /// Does what was priced last.
    fn apply(&mut self, group: &[(usize, u16)], until: u16) {
        let problem = self.shape.problem;
        for u in &self.extra.touched {
            let mut power = 0_i64;
            let curve = &problem.sources[*u].curve;
            for t in usize::from(self.extra.from)..usize::from(self.extra.to) {
                power += self.extra.steps[*u][t];
                let before = self.load.at[*u][t];
                let now = before.saturating_add_signed(power);
                self.load.at[*u][t] = now;
                self.load.drain[*u] += (curve.drain(now) - curve.drain(before)) * problem.grid.length_ms(t as u16);
            }
        }
        for (host, off) in &self.extra.off {
            self.load.off[*host] = *off;
        }
        for (v, target) in group {
            self.draft.stop[*v] = self.draft.stop[*v].max((*target).min(until));
        }
    }
    /// Lets these VMs run as far towards their targets as the batteries allow. Returns whether anything was gained.
    fn extend(&mut self, group: &[(usize, u16)]) -> bool {
        let Some(from) = group.iter().filter(|(v, target)| *target > self.draft.stop[*v]).map(|(v, _)| self.draft.stop[*v]).min()
        else {
            return false;
        };
        let (mut low, mut high) = (from, group.iter().map(|(_, target)| *target).max().unwrap_or(from));
        if self.price(group, high) {
            self.apply(group, high);
            return true;
        }
        while low + 1 < high {
            let middle = u16::midpoint(low, high);
            if self.price(group, middle) { low = middle } else { high = middle }
        }
        if low == from {
            return false;
        }
        self.price(group, low);
        self.apply(group, low);
        true
    }
    /// Per battery: when the first VM of a more important tier stops.
    fn order_limits(&self, tier: usize) -> Vec<u16> {
        let problem = self.shape.problem;
        let mut limits = vec![problem.grid.slots(); problem.sources.len()];
        for (v, vm) in problem.vms.iter().enumerate() {
            if vm.tier < tier && vm.fixed.is_none() && self.draft.moved[v].is_none() {
                for feed in &problem.hosts[vm.host].feeds {
                    limits[feed.source] = limits[feed.source].min(self.draft.stop[v]);
                }
            }
        }
        limits
    }
    fn order_limit(&self, limits: &[u16], host: usize) -> u16 {
        let feeds = &self.shape.problem.hosts[host].feeds;
        feeds.iter().map(|feed| limits[feed.source]).min().unwrap_or(self.shape.problem.grid.slots())
    }
    fn has_slack(&self, host: usize) -> bool {
        let sources = &self.shape.problem.sources;
        self.shape.problem.hosts[host].feeds.iter().all(|feed| self.load.drain[feed.source] < sources[feed.source].budget)
    }
    /// Whole groups towards the stops of a target, the densest first.
    pub(super) fn groups_towards(&mut self, target: &[u16], dense: &[Vec<usize>]) {
        for (tier, hosts) in dense.iter().enumerate() {
            let limits = self.order_limits(tier);
            for h in hosts.iter().filter(|h| !self.shape.group(**h, tier).is_empty()) {
                if !self.has_slack(*h) {
                    continue;
                }
                let order = self.order_limit(&limits, *h);
                let free = self.shape.group(*h, tier).iter().map(|v| *v as usize).filter(|v| self.draft.moved[*v].is_none());
                let group: Vec<(usize, u16)> = free.map(|v| (v, target[v].min(self.limit(v, order)))).collect();
                self.extend(&group);
            }
        }
    }
    /// Single VMs as far as possible, tier by tier, the cheapest first.
    pub(super) fn singles(&mut self, cheapest: &[u32]) {
        let mut at = 0;
        for tier in 0..self.shape.problem.tiers {
            let limits = self.order_limits(tier);
            while let Some(v) = cheapest.get(at).map(|v| *v as usize).filter(|v| self.shape.problem.vms[*v].tier == tier) {
                at += 1;
                let host = self.shape.problem.vms[v].host;
                if self.draft.moved[v].is_none() && self.has_slack(host) {
                    let limit = self.limit(v, self.order_limit(&limits, host));
                    self.extend(&[(v, limit)]);
                }
            }
        }
    }
}

/// Hosts per tier: those first whose group is worth most for its power.
pub(super) fn densest(shape: &Shape<'_>, draft: &Draft) -> Vec<Vec<usize>> {
    let problem = shape.problem;
    let mut carries = vec![false; problem.hosts.len()];
    let mut dense = Vec::with_capacity(problem.tiers);
    for tier in 0..problem.tiers {
        let mut keyed: Vec<(Reverse<u64>, usize)> = Vec::new();
        for (h, host) in problem.hosts.iter().enumerate() {
            let stays = shape.group(h, tier).iter().map(|v| &problem.vms[*v as usize]);
            let (mut power, mut weight) = (if carries[h] { 0 } else { host.idle }, 0);
            for (vm, _) in stays.zip(shape.group(h, tier)).filter(|(_, v)| draft.moved[**v as usize].is_none()) {
                power += vm.power;
                weight += u64::from(vm.weight);
            }
            if weight > 0 {
                carries[h] = true;
                keyed.push((Reverse((weight << 30) / power.max(1)), h));
            }
        }
        keyed.sort_unstable();
        dense.push(keyed.into_iter().map(|(_, h)| h).collect());
    }
    dense
}

/// Free VMs by tier, the cheapest to keep first.
pub(super) fn cheapest(shape: &Shape<'_>) -> Vec<u32> {
    let vms = &shape.problem.vms;
    let mut order = shape.members.clone();
    order.sort_by_cached_key(|v| {
        let vm = &vms[*v as usize];
        (vm.tier, (vm.power << 16) / u64::from(vm.weight.max(1)), *v)
    });
    order
}

/// Prices tried for the stops that whole groups are led towards, in hundredths of the right one.
const TARGETS: [u64; 7] = [100, 90, 80, 65, 50, 35, 0];

/// Gives away what is left over. `order` is [`cheapest`]'s.
pub(super) fn filled(shape: &Shape<'_>, priced: Priced, order: &[u32], targets: usize, caps: &[u16]) -> Priced {
    let mut reference = priced.load.at.clone();
    for (line, source) in reference.iter_mut().zip(&shape.problem.sources) {
        let least = line.iter().max().copied().unwrap_or(0) / 20 + u64::from(source.base == 0);
        for load in line.iter_mut() {
            *load = (*load).max(least);
        }
    }
    let dense = densest(shape, &priced.draft);
    let picked: &[u64] = match targets {
        0 | 1 => &[65],
        2..7 => &[65, 0],
        _ => &TARGETS,
    };
    let mut best: Option<Priced> = None;
    for percent in picked {
        let prices: Vec<u64> = priced.prices.iter().map(|price| (price / 100).max(1) * percent).collect();
        let mut target = priced.draft.clone();
        stay(shape, &mut target, &ratios(shape, &prices, &reference), caps);
        let mut filler = Filler::new(shape, priced.draft.clone(), priced.load.clone(), caps);
        filler.groups_towards(&target.stop, &dense);
        filler.singles(order);
        let value = shape.value(&filler.draft);
        if best.as_ref().is_none_or(|best| value > best.value) {
            best = Some(Priced { draft: filler.draft, load: filler.load, value, prices: priced.prices.clone() });
        }
    }
    best.unwrap_or(priced)
}
