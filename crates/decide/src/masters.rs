//! Who else ends a UPS's power (rule 15): another master at low battery, a countdown of the UPS itself, an outlet that switches
//! itself off. From readings to moments; what follows from them is decided where batteries are.

use ridethrough_model::{Millis, Mono, Ppm, Reading};

/// What ends a UPS's power before its battery is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndedBy {
    /// Another master follows it, which may order everybody down when the UPS says that its battery is low.
    OtherMaster,
    /// Another master has ordered everybody down.
    ForcedShutdown,
    /// The UPS counts down to switching its output off.
    Countdown,
}

impl EndedBy {
    /// In words for a person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::OtherMaster => "another master may end it at low battery",
            Self::ForcedShutdown => "another master has ordered everybody down",
            Self::Countdown => "it counts down to switching its output off",
        }
    }
}

/// Where a UPS that tells neither of its low-battery limits is taken to say LB: before the end at the present load.
const LOW_ASSUMED: Millis = Millis::from_secs(120);
/// A countdown may run this much slower or faster than our clock, and be read this much late.
const COUNT_SLACK: Millis = Millis::from_secs(3);

/// When the UPS will say that its battery is low, at the earliest of what it tells: `runtime` before its end, or at a charge.
/// The charge is taken to fall evenly.
pub(crate) fn low_battery_at(reading: &Reading, runtime: Millis) -> Mono {
    let by_charge = reading.charge.zip(reading.limits.charge_low).map(|(now, low)| until_charge(runtime, now, low));
    let by_runtime = reading.runtime_low.map(|low| runtime - low);
    let left = match (by_charge, by_runtime) {
        (Some(one), Some(other)) => one.min(other),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => runtime - LOW_ASSUMED,
    };
    reading.observed_at + left
}

/// Time until the charge has fallen to `limit`, where all of it lasts `runtime` from now.
pub(crate) fn until_charge(runtime: Millis, charge: Ppm, limit: Ppm) -> Millis {
    if charge.0 == 0 {
        return Millis::ZERO;
    }
    runtime.scaled(u64::from(charge.0.saturating_sub(limit.0)), u64::from(charge.0))
}

/// Whether two looks at a timer show that it runs: it has fallen by about the time between them. One that stands still is a
/// setting, or a register nobody has set.
pub(crate) fn runs(before: (Mono, Millis), after: (Mono, Millis)) -> bool {
    let passed = after.0.since(before.0);
    let fallen = before.1 - after.1;
    after.1 < before.1 && fallen + COUNT_SLACK >= passed && fallen <= passed + COUNT_SLACK
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridethrough_model::UpsId;

    fn reading(charge: Option<u32>, charge_low: Option<u32>, runtime_low: Option<u64>) -> Reading {
        let mut reading = Reading::of_status(UpsId::new("a"), Mono(0), "OB");
        reading.charge = charge.map(Ppm::from_percent);
        reading.limits.charge_low = charge_low.map(Ppm::from_percent);
        reading.runtime_low = runtime_low.map(Millis::from_secs);
        reading
    }

    #[test]
    fn point_9_low_battery_comes_at_the_earlier_of_its_limits_and_is_assumed_without_any() {
        let at = |reading: &Reading| low_battery_at(reading, Millis::from_secs(1000)).0 / 1000;
        assert_eq!(at(&reading(None, None, Some(300))), 700);
        assert_eq!(at(&reading(Some(100), Some(20), None)), 800);
        assert_eq!(at(&reading(Some(50), Some(20), Some(300))), 600, "three fifths of the charge are left to use");
        assert_eq!(at(&reading(Some(10), Some(20), None)), 0, "it is low already");
        assert_eq!(at(&reading(None, None, None)), 880);
    }

    #[test]
    fn point_9_a_timer_runs_only_if_it_falls_with_the_clock() {
        let look = |at: u64, left: u64| (Mono(at * 1000), Millis::from_secs(left));
        assert!(runs(look(0, 60), look(5, 55)));
        assert!(runs(look(0, 60), look(1, 58)));
        assert!(!runs(look(0, 60), look(5, 60)), "a setting");
        assert!(!runs(look(0, 60), look(5, 20)), "a setting that was changed");
        assert!(!runs(look(0, 60), look(60, 50)), "nearly still");
        assert!(!runs(look(0, 20), look(5, 60)), "set anew");
    }
}
