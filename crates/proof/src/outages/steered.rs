//! Our planner in the loop: every slot a new plan from what is seen, and of it only what begins now. It also compares what drains with
//! what should have: a battery that gives less than it is taken for is believed at once, one that gives more slowly.

use super::world::{Conduct, Deed, Doing, Power, SLOT_S, View};
use crate::draw::worths;
use ridethrough_decide::schedule::{
    BATTERY, Curve, Effort, Feeding, Grid, Host, Problem, Receiver, Solution, Source, Vm, Warm, solve,
};

const SLOTS: usize = 90;
const MARGIN: f64 = 0.15;
/// What a restart costs, in slots.
const RESTART: f64 = 60.0;
const WEIGHTS: [u32; 3] = [20, 4, 1];
/// Rounds as on a small site, search as for many plans in a row.
const EFFORT: Effort = Effort { rounds: 16, targets: 7, alternatives: 12, leaders: 2, changes: 24 };

/// The planner with a ride-through of so many slots, moves held as well.
#[derive(Debug)]
pub struct Steered {
    ride: usize,
    forecast: f64,
    seen: f64,
    worse: f64,
}

impl Steered {
    /// Nothing is stopped or moved before that slot if that can wait.
    #[must_use]
    pub fn new(ride: usize) -> Self {
        Self { ride, forecast: 0.0, seen: 0.0, worse: 1.0 }
    }
    /// How much faster than thought the battery drains.
    fn learn(&mut self, view: &View<'_>) {
        if self.forecast > 0.01 && view.drained > self.seen {
            let ratio = view.drained / self.forecast;
            self.worse = if ratio > 1.0 { ratio } else { ratio.max(0.9) };
        }
        self.seen = view.drained;
    }
    fn problem(&self, view: &View<'_>) -> Problem {
        let outage = view.outage;
        let law = outage.thought();
        let top = (outage.rated_w * 1.3 * 1000.0) as u64;
        let drain = |load: u64| (law.drain(load as f64 / 1000.0) / 1000.0 * self.worse * BATTERY as f64).ceil() as i64;
        // What is drained by the time a reading is acted upon is not counted on.
        let stale = outage.stale as f64 * SLOT_S * law.drain(view.watts) * self.worse;
        let left = (1.0 - view.drained - stale - MARGIN).max(0.0);
        let ends = |since: usize, slots: usize| (since + slots).saturating_sub(view.now).max(1) as u16;
        let vms = outage.guests.iter().zip(view.guests).map(|(guest, doing)| Vm {
            host: guest.host,
            tier: guest.tier,
            weight: WEIGHTS[guest.tier],
            power: (guest.watts * 1000.0) as u64,
            memory: (guest.ram_gib * 1024.0) as u64,
            cpus: 0,
            stop: guest.stop_planned as u32,
            moving: (guest.tier == 0).then_some(guest.move_planned as u32),
            fixed: match doing {
                Doing::Runs => None,
                Doing::Stops(since) => Some(ends(*since, guest.stop_planned)),
                Doing::Moves(since) => Some(ends(*since, guest.move_planned)),
                Doing::Off(_) | Doing::Away | Doing::Cut(_) => Some(0),
            },
            not_before: 0,
            apart: None,
            together: None,
            dependents: Vec::new(),
        });
        let hosts = outage.servers.iter().zip(view.servers).map(|(server, power)| Host {
            idle: (server.idle_w * 1000.0) as u64,
            shutdown: server.down_planned as u32,
            feeds: vec![Feeding { source: 0, share: 1_000_000 }],
            off: match power {
                Power::On => None,
                Power::GoesDown(since) => Some(ends(*since, server.down_planned)),
                Power::Off => Some(0),
            },
            lanes: 16,
            outlives: Vec::new(),
        });
        let under_way = outage.guests.iter().zip(view.guests).filter_map(|(guest, doing)| match doing {
            Doing::Moves(since) => Some(ends(*since, guest.move_planned)),
            _ => None,
        });
        let mut lanes: Vec<u16> = under_way.collect();
        lanes.resize(2, 0);
        let free = (outage.receiver_gib - view.taken_gib).max(0.0);
        let mut vms: Vec<Vm> = vms.collect();
        let hosts: Vec<Host> = hosts.collect();
        for vm in &mut vms {
            if hosts[vm.host].off.is_some() {
                vm.fixed = vm.fixed.or(Some(0));
            }
        }
        Problem {
            grid: Grid::even(SLOTS, (SLOT_S * 1000.0) as u32),
            worth: worths(SLOTS, SLOT_S, view.now as f64 * SLOT_S, RESTART),
            sources: vec![Source { curve: Curve::sample(top, drain), budget: (left * BATTERY as f64) as i64, base: 0 }],
            hosts,
            vms,
            receivers: vec![Receiver { memory: (free * 1024.0) as u64, cpus: u64::MAX >> 8, power: u64::MAX >> 8, lanes }],
            tiers: 3,
            hold: self.ride.saturating_sub(view.now) as u16,
            hold_firm: true,
            goals: vec![0; 3],
        }
    }
    /// The plan, with moves held back as long as that saves no fewer.
    fn plan(&self, view: &View<'_>) -> Solution {
        let problem = self.problem(view);
        let now = solve(&problem, EFFORT, &Warm::default());
        if problem.hold == 0 {
            return now;
        }
        let mut held = problem.clone();
        for lane in &mut held.receivers[0].lanes {
            *lane = (*lane).max(problem.hold);
        }
        let later = solve(&held, EFFORT, &Warm::default());
        if later.fits && later.saved >= now.saved { later } else { now }
    }
}

impl Conduct for Steered {
    fn act(&mut self, view: &View<'_>) -> Vec<Deed> {
        self.learn(view);
        let plan = self.plan(view);
        let mut deeds = Vec::new();
        for v in (0..view.guests.len()).filter(|v| view.guests[*v] == Doing::Runs) {
            match plan.draft.moved[v] {
                Some(moved) if moved.start == 0 && plan.fits => deeds.push(Deed::Move(v)),
                None if plan.draft.stop[v] == 0 || !plan.fits => deeds.push(Deed::Stop(v)),
                _ => {}
            }
        }
        // A guest that does not go down in its time is powered off with its host, at the last safe moment.
        let law = view.outage.thought();
        let left = 1.0 - view.drained;
        for h in (0..view.servers.len()).filter(|h| view.servers[*h] == Power::On) {
            let here = || view.outage.guests.iter().zip(view.guests).filter(|(guest, _)| guest.host == h);
            let is_gone = |doing: &Doing| matches!(doing, Doing::Off(_) | Doing::Away | Doing::Cut(_));
            let is_late = |slots: usize, doing: &Doing| matches!(doing, Doing::Stops(since) if view.now - since > slots);
            let needed = law.drain(view.watts)
                * self.worse
                * SLOT_S
                * (view.outage.servers[h].down_planned + 1 + view.outage.stale) as f64;
            let is_last = left - MARGIN / 2.0 <= needed;
            if here().all(|(guest, doing)| is_gone(doing) || (is_last && is_late(guest.stop_planned, doing))) {
                deeds.push(Deed::Down(h));
            }
        }
        // What the load should have drained until the next reading.
        self.forecast += law.drain(view.watts) * SLOT_S;
        deeds
    }
}
