//! Moves: receivers by best fit, lanes one after the other, and the largest set with which stopping everybody else still fits.

use super::load::{Draft, Load, Move};
use super::shape::Shape;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Receivers looked at for one VM before the best so far is taken.
const TRIES_MAX: usize = 8;

/// Schedules moves in that order, as far as there is room; who finds none stays.
pub(super) fn scheduled(shape: &Shape<'_>, order: &[usize]) -> Draft {
    let mut yard = Yard::new(shape);
    let mut draft = shape.stop_all();
    let mut done: BTreeSet<u32> = BTreeSet::new();
    for v in order {
        match shape.problem.vms[*v].together {
            None => {
                if let Some(moved) = yard.enter(shape, *v, None) {
                    draft.moved[*v] = Some(moved);
                }
            }
            Some(family) if done.insert(family) => yard.enter_family(shape, family, order, &mut draft),
            Some(_) => {}
        }
    }
    draft
}

/// Free room and lanes while moves are placed.
#[derive(Clone)]
struct Yard {
    memory: Vec<u64>,
    cpus: Vec<u64>,
    power: Vec<u64>,
    by_memory: BTreeSet<(u64, usize)>,
    lanes_in: Vec<Vec<u16>>,
    lanes_out: BTreeMap<usize, Vec<u16>>,
    apart: BTreeSet<(u32, usize)>,
}

impl Yard {
    fn new(shape: &Shape<'_>) -> Self {
        let receivers = &shape.problem.receivers;
        Self {
            memory: receivers.iter().map(|receiver| receiver.memory).collect(),
            cpus: receivers.iter().map(|receiver| receiver.cpus).collect(),
            power: receivers.iter().map(|receiver| receiver.power).collect(),
            by_memory: receivers.iter().enumerate().map(|(r, receiver)| (receiver.memory, r)).collect(),
            lanes_in: receivers.iter().map(|receiver| receiver.lanes.clone()).collect(),
            lanes_out: BTreeMap::new(),
            apart: BTreeSet::new(),
        }
    }
    fn enter(&mut self, shape: &Shape<'_>, v: usize, only: Option<usize>) -> Option<Move> {
        let vm = &shape.problem.vms[v];
        let duration = vm.moving?;
        let host = &shape.problem.hosts[vm.host];
        let out = self.lanes_out.entry(vm.host).or_insert_with(|| vec![0; usize::from(host.lanes)]);
        let (out_lane, out_from) = earliest(out)?;
        let mut best: Option<(u16, usize, usize)> = None;
        for (tries, (_, r)) in self.by_memory.range((vm.memory, 0)..).enumerate() {
            let is_open = only.is_none_or(|only| only == *r);
            let has_room = self.cpus[*r] >= u64::from(vm.cpus) && self.power[*r] >= vm.power;
            if !is_open || !has_room || vm.apart.is_some_and(|apart| self.apart.contains(&(apart, *r))) {
                continue;
            }
            let Some((lane, from)) = earliest(&self.lanes_in[*r]) else { continue };
            let start = from.max(out_from);
            if best.is_none_or(|(at, ..)| start < at) {
                best = Some((start, *r, lane));
            }
            if start == out_from || tries >= TRIES_MAX {
                break;
            }
        }
        let (start, r, lane) = best?;
        if !shape.problem.grid.ends(start, duration) {
            return None;
        }
        let end = shape.problem.grid.after(start, duration);
        self.by_memory.remove(&(self.memory[r], r));
        self.memory[r] -= vm.memory;
        self.cpus[r] -= u64::from(vm.cpus);
        self.power[r] -= vm.power;
        self.by_memory.insert((self.memory[r], r));
        self.lanes_in[r][lane] = end;
        if let Some(lanes) = self.lanes_out.get_mut(&vm.host) {
            lanes[out_lane] = end;
        }
        if let Some(apart) = vm.apart {
            self.apart.insert((apart, r));
        }
        Some(Move { to: r as u16, start, end })
    }
    /// All of a family or none, to one receiver.
    fn enter_family(&mut self, shape: &Shape<'_>, family: u32, order: &[usize], draft: &mut Draft) {
        let problem = shape.problem;
        let is_kin = |v: &usize| problem.vms[*v].together == Some(family);
        let kin: Vec<usize> = order.iter().copied().filter(is_kin).collect();
        let all = problem.vms.iter().enumerate().filter(|(v, vm)| is_kin(v) && vm.fixed.is_none()).count();
        if kin.len() < all {
            return;
        }
        for r in 0..problem.receivers.len() {
            let mut trial = self.clone();
            let moves: Vec<Move> = kin.iter().map_while(|v| trial.enter(shape, *v, Some(r))).collect();
            if moves.len() == kin.len() {
                *self = trial;
                for (v, moved) in kin.iter().zip(moves) {
                    draft.moved[*v] = Some(moved);
                }
                return;
            }
        }
    }
}

fn earliest(lanes: &[u16]) -> Option<(usize, u16)> {
    lanes.iter().enumerate().min_by_key(|(i, from)| (**from, *i)).map(|(i, from)| (i, *from))
}

/// Moves with everybody else stopped at once.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) order: Vec<usize>,
    pub(super) draft: Draft,
    pub(super) load: Load,
}

impl Base {
    pub(super) fn new(shape: &Shape<'_>, order: Vec<usize>) -> Self {
        let draft = scheduled(shape, &order);
        let load = shape.load(&draft);
        Self { order, draft, load }
    }
    /// More is better: it fits, it saves more of the first tier, it moves more, it drains less.
    pub(super) fn key(&self, shape: &Shape<'_>) -> (bool, u64, usize, Reverse<i128>) {
        let count = self.draft.moved.iter().filter(|moved| moved.is_some()).count();
        let drain = self.load.drain.iter().map(|drain| i128::from(*drain)).sum();
        (self.load.fits(shape), shape.saved(&self.draft), count, Reverse(drain))
    }
}

/// The best set found: several orders, and of each the longest beginning with which everything fits.
pub(super) fn best_base(shape: &Shape<'_>) -> Base {
    let stays = Base::new(shape, Vec::new());
    let mut best = stays.clone();
    for order in orders(shape) {
        if order.is_empty() {
            break;
        }
        let mut found = variants(shape, &order, order.len());
        if !found.load.fits(shape) && !stays.load.fits(shape) && order.len() <= SMALL {
            // Even with nobody moving it does not fit: then no beginning says anything about a longer or a shorter one.
            let Some(fitting) =
                (1..order.len()).rev().map(|count| variants(shape, &order, count)).find(|base| base.load.fits(shape))
            else {
                continue;
            };
            found = fitting;
        } else if !found.load.fits(shape) {
            let (mut low, mut high) = (0, order.len());
            while low + 1 < high {
                let middle = usize::midpoint(low, high);
                let trial = variants(shape, &order, middle);
                if trial.load.fits(shape) {
                    low = middle;
                    found = trial;
                } else {
                    high = middle;
                }
            }
            if low == 0 {
                continue;
            }
        }
        if found.key(shape) > best.key(shape) {
            best = found;
        }
    }
    best
}

/// Who may move, in the orders worth trying: by tier always, within it by time, by memory, by both for the power set free.
fn orders(shape: &Shape<'_>) -> Vec<Vec<usize>> {
    let vms = &shape.problem.vms;
    let may: Vec<usize> = (0..vms.len()).filter(|v| vms[*v].moving.is_some() && vms[*v].fixed.is_none()).collect();
    let mut orders = Vec::new();
    let is_small = shape.problem.hosts.len() <= SMALL;
    for kind in 0..if is_small { 3 } else { 2 } {
        let mut order = may.clone();
        order.sort_by_cached_key(|v| {
            let vm = &vms[*v];
            let time = u64::from(vm.moving.unwrap_or(0));
            let heavy = Reverse(u64::from(vm.weight));
            match kind {
                0 => (vm.tier, heavy, time, vm.memory, *v),
                1 => (vm.tier, heavy, vm.memory, time, *v),
                _ => (vm.tier, heavy, vm.memory.saturating_mul(time).saturating_mul(1 << 16) / vm.power.max(1), time, *v),
            }
        });
        orders.push(order);
    }
    orders
}

/// Sites up to so many hosts are searched more closely.
pub(super) const SMALL: usize = 64;

/// The first so many of an order: as they are, or some of the longest first, and then the hosts that are empty soonest.
fn variants(shape: &Shape<'_>, order: &[usize], count: usize) -> Base {
    let lanes = shape.problem.receivers.iter().map(|receiver| receiver.lanes.len()).max().unwrap_or(0);
    let mut heads: Vec<usize> = if count <= SMALL { (0..=(lanes + 1).min(count)).collect() } else { vec![0] };
    heads.push(count);
    let time = |v: usize| shape.problem.vms[v].moving.unwrap_or(0);
    let mut best: Option<Base> = None;
    let mut tries = vec![order[..count].to_vec()];
    for head in heads {
        let mut list = order[..count].to_vec();
        list.sort_by_key(|v| (shape.problem.vms[*v].tier, Reverse(time(*v)), *v));
        let mut rest = list.split_off(head.min(count));
        let mut total = vec![0_u64; shape.problem.hosts.len()];
        for v in &rest {
            total[shape.problem.vms[*v].host] += u64::from(time(*v));
        }
        for v in &list {
            total[shape.problem.vms[*v].host] = u64::MAX;
        }
        rest.sort_by_key(|v| {
            let vm = &shape.problem.vms[*v];
            (vm.tier, total[vm.host], vm.host, time(*v), *v)
        });
        list.extend(rest);
        tries.push(list);
    }
    for list in tries {
        let base = Base::new(shape, list);
        if best.as_ref().is_none_or(|best| base.key(shape) > best.key(shape)) {
            best = Some(base);
        }
    }
    best.unwrap_or_else(|| Base::new(shape, Vec::new()))
}
