//! Draws problems: sites of any size for the clocks, small odd ones for the tests.

use crate::dice::Dice;
use ridethrough_decide::schedule::{BATTERY, Curve, Feeding, Grid, Host, Problem, Receiver, Source, Vm};

/// A battery after a power law.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// Seconds at the rated load.
    pub rated_s: f64,
    /// The rated load.
    pub rated_watts: f64,
    /// The power.
    pub k: f64,
}

impl Law {
    /// The share of the battery that a second at so many watts takes.
    #[must_use]
    pub fn drain(&self, watts: f64) -> f64 {
        if watts <= 0.0 { 0.0 } else { (watts / self.rated_watts).powf(self.k) / self.rated_s }
    }
    /// The same as the planner takes it.
    #[must_use]
    pub fn curve(&self, load_max: u64) -> Curve {
        Curve::sample(load_max, |load| (self.drain(load as f64 / 1000.0) / 1000.0 * BATTERY as f64).ceil() as i64)
    }
}

/// The share of outages that last longer than so many seconds: short ones are the rule, long ones the reason.
#[must_use]
pub fn survival(seconds: f64) -> f64 {
    const PARTS: [(f64, f64, f64); 6] =
        [(0.31, 0.1, 1.0), (0.27, 1.0, 5.0), (0.14, 5.0, 30.0), (0.17, 30.0, 120.0), (0.06, 120.0, 240.0), (0.05, 240.0, 600.0)];
    let minutes = seconds / 60.0;
    let mut left = 1.0;
    for (part, from, to) in PARTS {
        if minutes >= to {
            left -= part;
        } else {
            if minutes > from {
                left -= part * (minutes / from).ln() / (to / from).ln();
            }
            break;
        }
    }
    left.max(0.0)
}

/// Worth of each slot: the chance that it is needed, and the restart that is spared if power returns in it.
#[must_use]
pub fn worths(slots: usize, slot_s: f64, begun_s: f64, restart: f64) -> Vec<u32> {
    let known = survival(begun_s).max(1e-6);
    let at = |t: usize| survival(begun_s + t as f64 * slot_s) / known;
    (0..slots).map(|t| ((at(t) + restart * (at(t) - at(t + 1))) * 1e6) as u32).collect()
}

/// A site as large as a data centre's: hosts on several UPSes, and hosts with good power.
#[must_use]
pub fn site(failing: usize, good: usize, vms: usize, upses: usize, seed: u64) -> (Problem, Vec<Law>) {
    const SLOTS: usize = 128;
    let mut dice = Dice::new(seed);
    let ups_of = |h: usize| h * upses / failing;
    let hosts: Vec<Host> = (0..failing)
        .map(|h| Host {
            idle: dice.whole(110, 190) * 1000,
            shutdown: 3,
            feeds: vec![Feeding { source: ups_of(h), share: 1_000_000 }],
            off: None,
            lanes: 8,
            outlives: Vec::new(),
        })
        .collect();
    let list: Vec<Vm> = (0..vms).map(|v| site_vm(&mut dice, v, (failing, good, vms))).collect();
    let mut watts = vec![0_u64; upses];
    for (h, host) in hosts.iter().enumerate() {
        watts[ups_of(h)] += host.idle;
    }
    for vm in &list {
        watts[ups_of(vm.host)] += vm.power;
    }
    let laws: Vec<Law> = watts
        .iter()
        .map(|load| Law { rated_s: dice.between(8.0, 16.0) * 60.0, rated_watts: *load as f64 / 1000.0, k: 1.2 })
        .collect();
    let source = |(law, load): (&Law, &u64)| Source { curve: law.curve(*load + 1), budget: BATTERY / 100 * 85, base: 0 };
    let receivers = (0..good).map(|_| Receiver {
        memory: dice.whole(16, 160) * 1024,
        cpus: dice.whole(8, 64),
        power: u64::MAX >> 8,
        lanes: vec![0; 8],
    });
    let receivers = receivers.collect();
    let problem = Problem {
        grid: Grid::even(SLOTS, 30_000),
        worth: worths(SLOTS, 30.0, 0.0, 10.0),
        sources: laws.iter().zip(&watts).map(source).collect(),
        hosts,
        vms: list,
        receivers,
        tiers: 3,
        hold: 0,
        hold_firm: false,
        goals: vec![0; 3],
    };
    (problem, laws)
}

fn site_vm(dice: &mut Dice, v: usize, (failing, good, vms): (usize, usize, usize)) -> Vm {
    let memory = dice.pick(&[2_u64, 4, 4, 8, 8, 16, 16, 32, 64]);
    let tier = match dice.unit() {
        share if share < 0.25 => 0,
        share if share < 0.6 => 1,
        _ => 2,
    };
    let dirty = dice.between(0.02, 0.37);
    let seconds = memory as f64 / (1.1 / 8.0) / (1.0 - dirty) * 1.15;
    Vm {
        host: v % failing,
        tier,
        weight: [20, 4, 1][tier],
        power: dice.whole(3_000, 20_000),
        memory: memory * 1024,
        cpus: dice.whole(1, 8) as u32,
        stop: dice.whole(1, 5) as u32,
        moving: (tier == 0 && good > 0).then_some((seconds / 30.0).ceil().max(1.0) as u32),
        fixed: None,
        not_before: 0,
        apart: dice.chance(0.2).then_some(dice.whole(0, vms as u64 / 8) as u32),
        together: None,
        dependents: Vec::new(),
    }
}

/// A small problem with everything odd in it: two feeds, needs, company, hosts that outlive others, VMs already leaving, wishes.
#[must_use]
pub fn odd(seed: u64) -> (Problem, Vec<Law>) {
    let mut dice = Dice::new(seed ^ 0x0DD);
    let upses = dice.whole(1, 3) as usize;
    let slots = dice.whole(20, 60) as usize;
    let lengths: Vec<u32> = (0..slots).map(|t| if t < slots / 2 { 1 } else { 3 }).collect();
    let grid = Grid::new(30_000, &lengths);
    let host_count = dice.whole(1, 5) as usize;
    let mut hosts: Vec<Host> = (0..host_count).map(|_| odd_host(&mut dice, upses)).collect();
    if host_count > 2 && dice.chance(0.4) {
        hosts[host_count - 1].outlives = vec![0, 1];
    }
    let tiers = dice.whole(1, 4) as usize;
    let vms: Vec<Vm> = (0..dice.whole(1, 14) as usize).map(|v| odd_vm(&mut dice, v, (host_count, tiers))).collect();
    let mut problem = Problem {
        worth: worths(slots, 30.0, 0.0, 10.0),
        grid,
        sources: Vec::new(),
        hosts,
        vms,
        receivers: (0..dice.whole(0, 2))
            .map(|_| Receiver {
                memory: dice.whole(0, 128) * 1024,
                cpus: dice.whole(4, 32),
                power: dice.whole(0, 400_000),
                lanes: vec![dice.whole(0, 3) as u16; dice.whole(1, 2) as usize],
            })
            .collect(),
        tiers,
        hold: dice.whole(0, 8) as u16,
        hold_firm: dice.chance(0.5),
        goals: (0..tiers).map(|_| dice.whole(0, 10) as u16).collect(),
    };
    for vm in &mut problem.vms {
        if problem.hosts[vm.host].off.is_some() {
            vm.fixed = vm.fixed.or(Some(2));
        }
    }
    relate(&mut dice, &mut problem);
    let mut laws = Vec::new();
    for u in 0..upses {
        let base = dice.whole(0, 50_000);
        let fed = |h: usize| problem.hosts[h].feeds.iter().find(|feed| feed.source == u).map_or(0, |feed| u64::from(feed.share));
        let hosts: u64 = (0..host_count).map(|h| problem.hosts[h].idle * fed(h) / 1_000_000).sum();
        let guests: u64 = problem.vms.iter().map(|vm| vm.power * fed(vm.host) / 1_000_000).sum();
        let load = base + hosts + guests + 1_000;
        let law = Law { rated_s: dice.between(200.0, 1500.0), rated_watts: load as f64 / 1000.0, k: dice.between(1.0, 1.4) };
        problem.sources.push(Source { curve: law.curve(load), budget: BATTERY / 100 * dice.whole(10, 90) as i64, base });
        laws.push(law);
    }
    (problem, laws)
}

fn odd_host(dice: &mut Dice, upses: usize) -> Host {
    let first = dice.whole(0, upses as u64 - 1) as usize;
    let mut feeds = vec![Feeding { source: first, share: 1_000_000 }];
    if upses > 1 && dice.chance(0.3) {
        let other = (first + 1) % upses;
        feeds = vec![Feeding { source: first.min(other), share: 400_000 }, Feeding { source: first.max(other), share: 600_000 }];
    }
    Host {
        idle: dice.whole(80_000, 200_000),
        shutdown: dice.whole(0, 4) as u32,
        feeds,
        off: dice.chance(0.05).then_some(3),
        lanes: dice.whole(1, 3) as u16,
        outlives: Vec::new(),
    }
}

fn odd_vm(dice: &mut Dice, v: usize, (hosts, tiers): (usize, usize)) -> Vm {
    let tier = dice.whole(0, tiers as u64 - 1) as usize;
    Vm {
        host: v % hosts,
        tier,
        weight: dice.whole(1, 30) as u32,
        power: dice.whole(5_000, 80_000),
        memory: dice.whole(1, 64) * 1024,
        cpus: dice.whole(1, 8) as u32,
        stop: dice.whole(0, 5) as u32,
        moving: (tier == 0 || dice.chance(0.2)).then_some(dice.whole(1, 8) as u32),
        fixed: dice.chance(0.1).then_some(dice.whole(0, 4) as u16),
        not_before: if dice.chance(0.1) { 2 } else { 0 },
        apart: dice.chance(0.3).then_some(dice.whole(0, 2) as u32),
        together: dice.chance(0.15).then_some(7),
        dependents: Vec::new(),
    }
}

/// A few needs, never in a circle, and never of something less important.
fn relate(dice: &mut Dice, problem: &mut Problem) {
    for provider in 0..problem.vms.len() {
        for user in provider + 1..problem.vms.len() {
            if dice.chance(0.05) && problem.vms[user].tier >= problem.vms[provider].tier {
                problem.vms[provider].dependents.push(user);
            }
        }
    }
}
