//! The site everybody sees first: two racks, a recovery rack, fifteen VMs with a job each. Plays an outage and counts what came
//! of it. What it looks like on a screen is in `cli`.

use crate::reality::{Doing, HostState};
use crate::world::{Moment, World};
use ridethrough_decide::Effect;
use ridethrough_model::entry::{Outcome, RunEnd};
use ridethrough_model::{ActionId, Entry, HostId, Millis, Op, Record, RunId, VmId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

mod site;

pub use site::{MAINS_LOST_AT, Scenario};
pub(crate) use site::{a_host, a_tier, setup};

/// No outage of the demo lasts longer, whatever happens.
const LASTS_MAX: Millis = Millis::from_secs(3 * 3600);
/// What is shown after everything is back.
const EPILOGUE: Millis = Millis::from_secs(8);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Which scenario.
    pub scenario: Scenario,
    /// Its seed.
    pub seed: u64,
    /// VMs that moved while they ran.
    pub vms_moved: usize,
    /// VMs that were shut down cleanly.
    pub vms_stopped: usize,
    /// VMs that were running when their power ended, or were powered off by force.
    pub vms_lost: usize,
    /// VMs in all.
    pub vms_total: usize,
    /// VMs that never stopped: moved, or left alone.
    pub vms_never_stopped: usize,
    /// Hosts that were shut down.
    pub hosts_stopped: usize,
    /// The smallest of all UPSes when mains returned, in seconds at the load of that moment.
    pub battery_left_s: u64,
    /// The same in percent of the battery's charge.
    pub battery_left_percent: u32,
    /// The smallest of all UPSes when mains was lost: what there would have been, had everything been left running.
    pub battery_at_first_s: u64,
    /// How long mains was away, in seconds.
    pub outage_s: u64,
    /// From mains lost until everything was back, in seconds.
    pub duration_s: u64,
    /// Facts written to the journal.
    pub events: usize,
    /// Whether everything runs where it ran before.
    pub is_everything_back: bool,
}

/// A demo being played.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The site and its controller.
    pub world: World,
    scenario: Scenario,
    seed: u64,
    before: BTreeMap<VmId, HostId>,
    ops: BTreeMap<(RunId, ActionId), Op>,
    moved: BTreeSet<VmId>,
    stopped: BTreeSet<VmId>,
    hosts_stopped: BTreeSet<HostId>,
    /// When a VM was first seen down, whoever did it.
    was_down: BTreeSet<VmId>,
    events: usize,
    battery_left: Option<(Millis, u32)>,
    battery_at_first: Millis,
    mains_back_at: Option<Millis>,
    ended_at: Option<Millis>,
    end: Option<RunEnd>,
}

impl Demo {
    /// At its beginning.
    #[must_use]
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        let world = World::new(site::setup(scenario, seed), seed);
        let before = world.reality.vms.values().map(|vm| (vm.known.id.clone(), vm.known.host.clone())).collect();
        let mut demo = Self {
            world,
            scenario,
            seed,
            before,
            ops: BTreeMap::new(),
            moved: BTreeSet::new(),
            stopped: BTreeSet::new(),
            hosts_stopped: BTreeSet::new(),
            was_down: BTreeSet::new(),
            events: 0,
            battery_left: None,
            battery_at_first: Millis::ZERO,
            mains_back_at: None,
            ended_at: None,
            end: None,
        };
        demo.battery_at_first = demo.battery_left().0;
        demo
    }

    /// Plays until that moment, or the end; returns what was written down meanwhile.
    pub fn play_until(&mut self, until: Millis) -> Vec<(Millis, Record)> {
        let mut told = Vec::new();
        while !self.is_over() && self.world.next_at().is_some_and(|at| at <= until) {
            let Some(moment) = self.world.step() else { break };
            self.watch(&moment, &mut told);
        }
        if !self.is_over() {
            self.world.reality.advance(until.max(self.world.reality.at));
        }
        told
    }

    /// Whether everything is back, or nothing more will happen.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended_at.is_some_and(|at| self.at() >= at + EPILOGUE) || self.at() >= LASTS_MAX
    }

    /// What will be written down, and when it will be over: played once in secret.
    #[must_use]
    pub fn look_ahead(&self) -> (Vec<(Millis, Record)>, Millis) {
        let mut ahead = self.clone();
        let told = ahead.play_until(LASTS_MAX);
        (told, ahead.at())
    }

    /// When it will be over.
    #[must_use]
    pub fn ends_at(&self) -> Millis {
        self.look_ahead().1
    }

    /// What is played.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        self.scenario
    }

    /// The rank of that VM's tier; 0 is the most important.
    #[must_use]
    pub fn rank_of(&self, vm: &crate::reality::Vm) -> usize {
        self.world.config().policy.rank_of(&vm.known)
    }

    /// The moment, from the beginning.
    #[must_use]
    pub fn at(&self) -> Millis {
        self.world.reality.at
    }

    /// The moment mains came back, once it has.
    #[must_use]
    pub fn mains_back_at(&self) -> Option<Millis> {
        self.mains_back_at
    }

    /// How the run ended, once it has.
    #[must_use]
    pub fn end(&self) -> Option<&RunEnd> {
        self.end.as_ref()
    }

    fn watch(&mut self, moment: &Moment, told: &mut Vec<(Millis, Record)>) {
        for vm in self.world.reality.vms.values().filter(|vm| !vm.known.power.is_active()) {
            self.was_down.insert(vm.known.id.clone());
        }
        let has_mains = self.world.reality.upses.values().all(|ups| ups.has_mains);
        if has_mains && self.mains_back_at.is_none() && moment.at > MAINS_LOST_AT {
            self.mains_back_at = Some(moment.at);
            self.battery_left = Some(self.battery_left());
        }
        for effect in &moment.effects {
            if let Effect::Append(record) = effect {
                self.events += 1;
                self.note(moment.at, record);
                told.push((moment.at, record.clone()));
            }
        }
    }

    /// The smallest battery: how long at its load, and its charge in percent.
    #[must_use]
    pub fn battery_left(&self) -> (Millis, u32) {
        let mut reality = self.world.reality.clone();
        let drawn = reality.draw();
        let left = |(id, ups): (&_, &crate::reality::Ups)| {
            let load = drawn.get(id).copied().unwrap_or_default();
            (ups.battery.empty_in(load), ups.battery.charge().0 / 10_000)
        };
        self.world.reality.upses.iter().map(left).min().unwrap_or_default()
    }

    fn note(&mut self, at: Millis, record: &Record) {
        match &record.entry {
            Entry::Intended { action, op, .. } => {
                self.ops.insert((record.run, *action), op.clone());
            }
            Entry::Finished { action, outcome: Outcome::Done { .. } | Outcome::AlreadyDone, .. } => {
                match self.ops.get(&(record.run, *action)) {
                    Some(Op::MoveVm { vm, from, .. }) if self.before.get(vm) == Some(from) => {
                        self.moved.insert(vm.clone());
                    }
                    Some(Op::ShutDownVm { vm, .. }) => {
                        self.stopped.insert(vm.clone());
                    }
                    _ => {}
                }
            }
            Entry::HostProvenOff { host, .. } => {
                self.hosts_stopped.insert(host.clone());
            }
            Entry::RunEnded { end } => {
                self.ended_at = Some(at);
                self.end = Some(end.clone());
            }
            _ => {}
        }
    }

    fn is_everything_back(&self) -> bool {
        let vms = self.world.reality.vms.values().all(|vm| {
            vm.known.power.is_active() && vm.doing == Doing::Nothing && self.before.get(&vm.known.id) == Some(&vm.known.host)
        });
        vms && self.world.reality.hosts.values().all(|host| host.state == HostState::On)
    }

    /// What came of it so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let lost: BTreeSet<&VmId> = self.world.reality.losses.iter().map(|(_, vm, _)| vm).collect();
        let (left, percent) = self.battery_left.unwrap_or_else(|| self.battery_left());
        let until = self.ended_at.unwrap_or_else(|| self.at());
        Summary {
            scenario: self.scenario,
            seed: self.seed,
            vms_moved: self.moved.len(),
            vms_stopped: self.stopped.iter().filter(|vm| !lost.contains(vm)).count(),
            vms_lost: lost.len(),
            vms_total: self.before.len(),
            vms_never_stopped: self.before.keys().filter(|vm| !self.was_down.contains(*vm)).count(),
            hosts_stopped: self.hosts_stopped.len(),
            battery_left_s: left.as_secs(),
            battery_left_percent: percent,
            battery_at_first_s: self.battery_at_first.as_secs(),
            outage_s: (self.mains_back_at.unwrap_or_else(|| self.at()) - MAINS_LOST_AT).as_secs(),
            duration_s: (until - MAINS_LOST_AT).as_secs(),
            events: self.events,
            is_everything_back: self.is_everything_back(),
        }
    }
}

/// Plays it all at once.
#[must_use]
pub fn play(scenario: Scenario, seed: u64) -> Summary {
    let mut demo = Demo::new(scenario, seed);
    demo.play_until(LASTS_MAX);
    demo.summary()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_racks_fail_and_nothing_is_lost_and_everything_comes_back() {
        for seed in 1..=5 {
            let summary = play(Scenario::TwoRacks, seed);
            assert_eq!(summary.vms_lost, 0, "{summary:?}");
            assert!(summary.vms_moved > 0 && summary.vms_stopped > 0, "{summary:?}");
            assert!(summary.battery_left_s > 0 && summary.is_everything_back, "{summary:?}");
        }
    }

    #[test]
    fn the_same_seed_plays_the_same_and_another_one_differs() {
        let told = |seed| {
            let mut demo = Demo::new(Scenario::TwoRacks, seed);
            let told = demo.play_until(LASTS_MAX);
            serde_json::to_string(&(told, demo.summary())).expect("records always serialise")
        };
        assert!(told(7) == told(7), "the same seed must give the same bytes");
        assert!(told(7) != told(8));
    }

    #[test]
    fn a_short_outage_touches_nothing() {
        let summary = play(Scenario::Short, 1);
        assert_eq!((summary.vms_moved, summary.vms_stopped, summary.vms_lost), (0, 0, 0), "{summary:?}");
        assert!(summary.is_everything_back);
    }

    #[test]
    fn when_every_ups_is_on_battery_nothing_moves_and_all_stops_in_time() {
        let summary = play(Scenario::BothFail, 1);
        assert_eq!((summary.vms_moved, summary.vms_lost), (0, 0), "{summary:?}");
        assert!(summary.vms_stopped >= 14 && summary.is_everything_back, "{summary:?}");
    }

    #[test]
    fn a_battery_that_gives_half_of_what_it_says_loses_nothing_either() {
        let summary = play(Scenario::AgedBattery, 1);
        assert_eq!(summary.vms_lost, 0, "{summary:?}");
        assert!(summary.vms_moved > 0 && summary.is_everything_back, "{summary:?}");
    }
}
