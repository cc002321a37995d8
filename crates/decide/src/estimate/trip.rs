//! Trip wires: what shows in the middle of a discharge that the battery gives less than was forecast. Each makes the forecast
//! pessimistic at once, for the rest of that discharge.

use crate::battery::FULL;
use crate::fixed::mul_div;
use ridethrough_model::{Millis, Milliwatts, Mono, Ppm};
use std::collections::VecDeque;

/// The drain is measured over so long.
const WINDOW: Millis = Millis::from_secs(60);
/// A charge that falls this much faster than forecast trips, in percent.
const FASTER_PERCENT: u64 = 130;
/// Charge is told in whole percent: less than this says nothing.
const FALL_MIN: u32 = 30_000;
/// The voltage falls this much faster than in the first minutes of the discharge: the knee.
const KNEE_TIMES: u64 = 3;
/// Voltages are told in tenths of a volt: a slower fall says nothing.
const KNEE_MIN_MV: u64 = 600;
/// What is left at the knee, at most.
const KNEE_LEFT: u64 = FULL / 10;
/// Before this the voltage still settles.
const SETTLES: Millis = Millis::from_secs(60);
/// Looks kept: one a second, and some.
const LOOKS_MAX: usize = 180;

/// Which wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trip {
    /// Its charge falls faster than forecast: so many percent of it.
    Faster(u64),
    /// Its voltage has begun to fall steeply.
    Knee,
}

impl Trip {
    /// In words for a person.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Faster(percent) => format!("its charge falls at {percent} % of the forecast"),
            Self::Knee => "its voltage has begun to fall steeply".to_owned(),
        }
    }
}

/// One look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) at: Mono,
    pub(super) charge: Option<Ppm>,
    pub(super) voltage_mv: Option<u32>,
    pub(super) load: Milliwatts,
    /// What was forecast to be taken by now, in parts.
    pub(super) taken: u64,
}

/// The looks of the last minute and what they showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    looks: VecDeque<Look>,
    began: Option<Mono>,
    /// How fast the voltage fell after it had settled, in microvolts per second.
    settled_fall: Option<u64>,
    /// The drain as measured is this much of the forecast, in percent; 100 where it is not more.
    faster: Option<u64>,
    has_knee: bool,
    /// The charge last told, where a wire has tripped on it.
    charge: Option<Ppm>,
}

impl Watch {
    pub(super) fn look(&mut self, look: Look) -> Option<Trip> {
        self.began.get_or_insert(look.at);
        if look.charge.is_some() {
            self.charge = look.charge;
        }
        while self.looks.len() >= LOOKS_MAX || self.looks.get(1).is_some_and(|second| look.at.since(second.at) >= WINDOW) {
            self.looks.pop_front();
        }
        let first = self.looks.front().copied().filter(|first| look.at.since(first.at) >= WINDOW);
        self.looks.push_back(look);
        let first = first?;
        self.faster(first, look).or_else(|| self.knee(first, look))
    }

    fn faster(&mut self, first: Look, look: Look) -> Option<Trip> {
        let fallen = first.charge?.0.saturating_sub(look.charge?.0);
        let forecast = mul_div(look.taken.saturating_sub(first.taken), 1_000_000, FULL);
        let percent = mul_div(u64::from(fallen), 100, forecast.max(1));
        if fallen < FALL_MIN || percent < FASTER_PERCENT || self.faster.is_some_and(|known| percent <= known + 10) {
            return None;
        }
        self.faster = Some(percent);
        Some(Trip::Faster(percent))
    }

    fn knee(&mut self, first: Look, look: Look) -> Option<Trip> {
        let (before, after) = (first.voltage_mv?, look.voltage_mv?);
        let fall = u64::from(before.saturating_sub(after));
        let per_second = mul_div(fall, 1_000_000, look.at.since(first.at).0);
        if self.began.is_some_and(|began| first.at.since(began) < SETTLES) {
            return None;
        }
        // A load that rose pulls the voltage down by itself.
        if look.load > first.load {
            return None;
        }
        let settled = *self.settled_fall.get_or_insert(per_second.max(1));
        if self.has_knee || fall < KNEE_MIN_MV || per_second < settled.saturating_mul(KNEE_TIMES) {
            return None;
        }
        self.has_knee = true;
        Some(Trip::Knee)
    }

    pub(super) fn has_tripped(&self) -> bool {
        self.has_knee || self.faster.is_some()
    }

    /// What may be taken to be left, where `left` is what the forecast says.
    pub(super) fn at_most(&self, left: u64) -> u64 {
        let mut left = left;
        if let Some(percent) = self.faster {
            left = mul_div(left, 100, percent);
            if let Some(charge) = self.charge {
                left = left.min(mul_div(mul_div(FULL, u64::from(charge.0), 1_000_000), 100, percent));
            }
        }
        if self.has_knee { left.min(KNEE_LEFT) } else { left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(of: impl Fn(u64) -> (u32, u32)) -> Vec<(u64, Trip)> {
        let mut watch = Watch::default();
        let look = |at: u64| {
            let (charge, voltage) = of(at);
            // A forecast of 1000 s.
            let taken = FULL / 1000 * at;
            Look { at: Mono(at * 1000), charge: Some(Ppm(charge)), voltage_mv: Some(voltage), load: Milliwatts(500_000), taken }
        };
        (0..600).filter_map(|at| Some((at, watch.look(look(at))?))).collect()
    }

    #[test]
    fn a_charge_that_falls_faster_than_forecast_trips_after_a_minute_and_one_that_does_not_never() {
        let charge =
            |per_mille: u64| move |at: u64| (u32::try_from(1_000_000 - (at * per_mille).min(1_000_000)).unwrap(), 50_000);
        assert_eq!(watch(charge(1000)), []);
        assert_eq!(watch(charge(1250)), []);
        let tripped = watch(charge(1500));
        assert_eq!(tripped.first().map(|(at, _)| *at), Some(60));
        assert!(tripped.len() <= 2, "it is said once, and again only if it gets worse: {tripped:?}");
    }

    #[test]
    fn the_knee_of_the_voltage_trips_and_a_steady_fall_does_not() {
        let steady = |at: u64| (900_000, u32::try_from(50_000 - at * 10).unwrap());
        assert_eq!(watch(steady), []);
        let knee = |at: u64| (900_000, u32::try_from(50_000 - at * 5 - at.saturating_sub(400) * 30).unwrap());
        let tripped = watch(knee);
        assert!(matches!(tripped[..], [(at, Trip::Knee)] if (410..470).contains(&at)), "{tripped:?}");
    }
}
