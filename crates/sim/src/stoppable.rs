//! Loads that are no hosts and follow what they are told: storage that takes its time to go down and to come up.
//!
//! They draw nothing here: what a NAS takes is in the site's plain loads. What matters is when they are on.

use crate::reality::Reality;
use ridethrough_model::{Failure, FailureKind, HostPowerState, LoadId, Millis, Started, TaskRef, TookEffect};

/// One of them.
#[derive(Clone, Debug)]
pub struct Stoppable {
    /// It runs.
    pub is_on: bool,
    /// When that changes by what it was told.
    pub change: Option<(Millis, bool)>,
    /// How long it takes to go down.
    pub stop_takes: Millis,
    /// How long it takes to come up.
    pub start_takes: Millis,
    has_power: bool,
}

impl Stoppable {
    /// On.
    #[must_use]
    pub fn new(stop_takes: Millis, start_takes: Millis) -> Self {
        Self { is_on: true, change: None, stop_takes, start_takes, has_power: true }
    }
}

impl Reality {
    /// What has become of them by now.
    pub(crate) fn settle_stoppables(&mut self) {
        for (id, load) in &mut self.stoppables {
            let feeds = self.topology.loads.get(id).map(|load| &load.feeds);
            let has_power = feeds.into_iter().flatten().any(|feed| self.upses.get(&feed.ups).is_some_and(|ups| ups.has_output));
            if !has_power {
                (load.is_on, load.change, load.has_power) = (false, None, false);
                continue;
            }
            load.has_power = true;
            if let Some((at, is_on)) = load.change.filter(|(at, _)| *at <= self.at) {
                load.is_on = is_on;
                load.change = None;
                debug_assert!(at <= self.at);
            }
        }
    }

    pub(crate) fn stop_load(&mut self, id: &LoadId) -> Result<Started, Failure> {
        self.tell_load(id, false)
    }

    pub(crate) fn start_load(&mut self, id: &LoadId) -> Result<Started, Failure> {
        self.tell_load(id, true)
    }

    fn tell_load(&mut self, id: &LoadId, is_on: bool) -> Result<Started, Failure> {
        self.settle_stoppables();
        let at = self.at;
        let gone =
            Failure { kind: FailureKind::Unreachable, took_effect: TookEffect::No, message: format!("{id} does not answer") };
        let load = self.stoppables.get_mut(id).filter(|load| load.has_power).ok_or(gone)?;
        let takes = if is_on { load.start_takes } else { load.stop_takes };
        let is_under_way = load.change.is_some_and(|(_, wanted)| wanted == is_on);
        if !is_under_way {
            load.change = (load.is_on != is_on || load.change.is_some()).then_some((at + takes, is_on));
        }
        Ok(Started::Task(TaskRef("told".to_owned())))
    }

    /// What the means of a load say: name, whether its off is proof, state.
    pub(crate) fn load_words(&mut self, id: &LoadId) -> Vec<(&'static str, bool, HostPowerState)> {
        self.settle_stoppables();
        let (Some(load), Some(topology)) = (self.stoppables.get(id), self.topology.loads.get(id)) else { return Vec::new() };
        let proves = topology.can_prove_off;
        let state = match (load.has_power, load.is_on) {
            (true, true) => HostPowerState::On,
            (true, false) if proves => HostPowerState::Off,
            _ => HostPowerState::Unknown,
        };
        vec![(if proves { "probe" } else { "ping" }, proves, state)]
    }
}
