//! A UPS: its battery, what it is built for, what it says.

use crate::battery::Battery;
use ridethrough_model::{Millis, Milliwatts, SilenceKind};

/// A UPS on battery that carries more than it is built for switches off after so long.
const TRIPS_AFTER: Millis = Millis::from_secs(5);

/// A UPS.
#[derive(Clone, Debug)]
pub struct Ups {
    /// Its battery.
    pub battery: Battery,
    /// What it can carry: 100 % load.
    pub nominal: Milliwatts,
    /// Where it says LB by itself.
    pub runtime_low: Millis,
    /// Whether it switches off when it carries more than that on battery for a while.
    pub trips: bool,
    /// Since when it carries more than that on battery.
    pub over_since: Option<Millis>,
    /// Whether it tells its runtime and charge.
    pub states_runtime: bool,
    /// What it states of its runtime, in percent of the truth as it believes it.
    pub states_percent: u32,
    /// It says that its battery is low, whatever is so.
    pub says_low: bool,
    /// Mains at its input.
    pub has_mains: bool,
    /// Power at its output.
    pub has_output: bool,
    /// Another master ordered everybody down.
    pub is_forced: bool,
    /// Why nothing is heard of it, while nothing is.
    pub silence: Option<SilenceKind>,
}

impl Ups {
    /// On mains and talking.
    #[must_use]
    pub fn new(battery: Battery, nominal: Milliwatts) -> Self {
        Self {
            battery,
            nominal,
            runtime_low: Millis::from_secs(60),
            trips: false,
            over_since: None,
            states_runtime: true,
            states_percent: 100,
            says_low: false,
            has_mains: true,
            has_output: true,
            is_forced: false,
            silence: None,
        }
    }

    /// When its output ends, if it gives power from its battery and carries this much.
    pub(super) fn ends_at(&mut self, load: Milliwatts, at: Millis) -> Option<Millis> {
        if self.has_mains || !self.has_output {
            self.over_since = None;
            return None;
        }
        let is_over = self.trips && load > self.nominal;
        self.over_since = is_over.then(|| self.over_since.unwrap_or(at));
        let empty_at = at + self.battery.empty_in(load);
        Some(self.over_since.map_or(empty_at, |since| empty_at.min(since + TRIPS_AFTER)))
    }

    /// Whether it has carried too much for too long.
    pub(super) fn has_tripped(&self, at: Millis) -> bool {
        self.over_since.is_some_and(|since| at >= since + TRIPS_AFTER)
    }
}
