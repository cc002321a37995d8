//! A battery as physics, in integers: what is left falls at the rate 1/T(P), where T is a vendor's runtime table.
//!
//! T is convex, so half the load gives more than twice the time: shedding visibly buys time. What the UPS *states* uses the same
//! table with the health it believes in, which an aged battery no longer has.

use ridethrough_model::{Millis, Milliwatts, Ppm};

/// A full battery, in parts: fine enough that a millisecond of a day-long discharge still counts.
const FULL: u64 = 1_000_000_000_000;
/// No runtime is longer: a load near zero would last for ever.
const RUNTIME_MAX: Millis = Millis::from_secs(24 * 3600);

/// How long a full battery lasts at which power. Powers rise, times fall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeTable(Vec<(Milliwatts, Millis)>);

impl RuntimeTable {
    /// From watts and seconds, powers rising.
    #[must_use]
    pub fn new(points: &[(u64, u64)]) -> Self {
        assert!(points.len() >= 2, "a table needs two points");
        assert!(points.windows(2).all(|p| p[0].0 < p[1].0 && p[0].1 > p[1].1), "powers rise, times fall");
        Self(points.iter().map(|(watts, secs)| (Milliwatts(watts * 1000), Millis::from_secs(*secs))).collect())
    }

    /// How long it lasts at that power: between two points on the line that joins them, beyond them as the inverse.
    #[must_use]
    pub fn lasts(&self, load: Milliwatts) -> Millis {
        let load = load.max(Milliwatts(1000));
        let (first, last) = (self.0[0], self.0[self.0.len() - 1]);
        if load <= first.0 {
            return first.1.scaled(first.0.0, load.0).min(RUNTIME_MAX);
        }
        if load >= last.0 {
            return last.1.scaled(last.0.0, load.0).max(Millis(1));
        }
        let place = self.0.partition_point(|(power, _)| *power <= load);
        let ((low, longer), (high, shorter)) = (self.0[place - 1], self.0[place]);
        longer - (longer - shorter).scaled((load - low).0, (high - low).0)
    }
}

/// One battery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Battery {
    table: RuntimeTable,
    /// The share of the table it really gives.
    health: Ppm,
    /// The share its UPS believes it gives.
    health_stated: Ppm,
    /// From empty to full.
    recharge: Millis,
    /// Of [`FULL`].
    level: u64,
}

impl Battery {
    /// A full, healthy one.
    #[must_use]
    pub fn full(table: RuntimeTable, recharge: Millis) -> Self {
        Self { table, health: Ppm::FULL, health_stated: Ppm::FULL, recharge: recharge.max(Millis(1)), level: FULL }
    }

    /// The same, really giving only that share of its table while the UPS goes on stating the table.
    #[must_use]
    pub fn aged(mut self, health: Ppm) -> Self {
        self.health = health.max(Ppm(1));
        self
    }

    /// The same, charged to that much.
    #[must_use]
    pub fn charged(mut self, charge: Ppm) -> Self {
        self.level = scaled(FULL, u64::from(charge.0.min(1_000_000)), 1_000_000);
        self
    }

    fn lasts_full(&self, load: Milliwatts, health: Ppm) -> u64 {
        self.table.lasts(load).scaled(u64::from(health.0), 1_000_000).0.max(1)
    }

    /// Gives that power for that long.
    pub fn drain(&mut self, load: Milliwatts, time: Millis) {
        let lasts = self.lasts_full(load, self.health);
        self.level = self.level.saturating_sub(scaled_up(FULL, time.0, lasts));
    }

    /// Is charged for that long.
    pub fn charge_for(&mut self, time: Millis) {
        self.level = self.level.saturating_add(scaled(FULL, time.0, self.recharge.0)).min(FULL);
    }

    /// The moment it will be empty at that power, from now; at least a millisecond unless it is.
    #[must_use]
    pub fn empty_in(&self, load: Milliwatts) -> Millis {
        if self.level == 0 { Millis::ZERO } else { Millis(self.left(load, self.health).0.max(1)) }
    }

    fn left(&self, load: Milliwatts, health: Ppm) -> Millis {
        Millis(scaled(self.lasts_full(load, health), self.level, FULL))
    }

    /// What its UPS says it lasts at that power.
    #[must_use]
    pub fn stated(&self, load: Milliwatts) -> Millis {
        self.left(load, self.health_stated)
    }

    /// How full it is.
    #[must_use]
    pub fn charge(&self) -> Ppm {
        Ppm(u32::try_from(scaled(1_000_000, self.level, FULL)).unwrap_or(1_000_000))
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.level == 0
    }
}

fn scaled(value: u64, numerator: u64, denominator: u64) -> u64 {
    let wide = u128::from(value) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(wide).unwrap_or(u64::MAX)
}

fn scaled_up(value: u64, numerator: u64, denominator: u64) -> u64 {
    let wide = (u128::from(value) * u128::from(numerator)).div_ceil(u128::from(denominator.max(1)));
    u64::try_from(wide).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn battery() -> Battery {
        Battery::full(RuntimeTable::new(&[(100, 3600), (500, 600), (1000, 240)]), Millis::from_secs(7200))
    }

    #[test]
    fn half_the_load_lasts_more_than_twice_as_long() {
        let at = |watts: u64| battery().empty_in(Milliwatts(watts * 1000));
        assert_eq!(at(1000), Millis::from_secs(240));
        assert_eq!(at(500), Millis::from_secs(600));
        assert_eq!(at(750), Millis::from_secs(420), "on the line between two points");
        assert_eq!(at(50), Millis::from_secs(7200), "below the table as the inverse");
        assert_eq!(at(2000), Millis::from_secs(120));
    }

    #[test]
    fn a_discharge_in_steps_ends_when_the_forecast_said() {
        let mut battery = battery();
        let load = Milliwatts(500_000);
        for _ in 0..5999 {
            battery.drain(load, Millis(100));
        }
        assert!(!battery.is_empty(), "{battery:?}");
        battery.drain(load, Millis(100));
        assert!(battery.is_empty(), "{battery:?}");
    }

    #[test]
    fn shedding_in_the_middle_buys_time_and_an_aged_battery_states_too_much() {
        let mut shed = battery();
        shed.drain(Milliwatts(1_000_000), Millis::from_secs(120));
        assert_eq!(shed.stated(Milliwatts(500_000)), Millis::from_secs(300), "half is left");
        let aged = battery().aged(Ppm::from_percent(50));
        assert_eq!(aged.stated(Milliwatts(500_000)), Millis::from_secs(600));
        assert_eq!(aged.empty_in(Milliwatts(500_000)), Millis::from_secs(300));
    }

    #[test]
    fn it_charges_to_full_and_not_beyond() {
        let mut battery = battery().charged(Ppm::from_percent(50));
        battery.charge_for(Millis::from_secs(1800));
        assert_eq!(battery.charge(), Ppm::from_percent(75));
        battery.charge_for(Millis::from_secs(7200));
        assert_eq!(battery.charge(), Ppm::FULL);
    }
}
