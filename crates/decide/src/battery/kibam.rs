//! The kinetic battery model (Manwell and McGowan): two wells, of which only one gives directly. Under a heavy load the second does
//! not follow; under a light one it catches up. At a constant load it agrees with the table it is made from.
//!
//! It is the second opinion beside the rate integral: after a light load a heavy one gets less than the integral says.

use super::{FULL, Profile, RuntimeTable};
use crate::fixed::{NANO, exp_times};
use ridethrough_model::{Millis, Milliwatts};

/// The share of the well that gives directly, in nano: lead-acid.
const DIRECT: i128 = 400_000_000;
/// How fast the wells even out, in nano per second: `k' / (c (1 - c))` with `k' = 0.0012 / s`.
const EVENING: i128 = 5_000_000;
/// No forecast looks further.
const HORIZON: Millis = super::table::RUNTIME_MAX;

/// What is in the two wells, in parts of [`FULL`] together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wells {
    direct: i128,
    bound: i128,
}

impl Wells {
    /// Filled evenly to that many parts.
    #[must_use]
    pub fn rested(parts: u64) -> Self {
        let whole = i128::from(parts.min(FULL));
        let direct = whole * DIRECT / i128::from(NANO);
        Self { direct, bound: whole - direct }
    }

    /// What is left in both, in parts.
    #[must_use]
    pub fn left(self) -> u64 {
        u64::try_from((self.direct + self.bound).max(0)).unwrap_or_default()
    }

    /// Whether it gives nothing any more.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.direct <= 0
    }

    /// What is drawn per second at that load, so that a full battery lasts at it as long as the table says.
    fn current(table: &RuntimeTable, load: Milliwatts) -> i128 {
        let nano = i128::from(NANO);
        let time = i128::from(table.lasts(load).min(HORIZON).0.max(1));
        let kt = EVENING * time / 1000;
        let stays = nano - decay(kt);
        let below = (nano - DIRECT) * stays / nano + DIRECT * kt / nano;
        DIRECT * EVENING / nano * i128::from(FULL) / below.max(1)
    }

    /// The wells after giving that load for that long.
    #[must_use]
    pub fn give(self, table: &RuntimeTable, load: Milliwatts, time: Millis) -> Self {
        self.after(Self::current(table, load), time.min(HORIZON))
    }

    fn after(self, current: i128, time: Millis) -> Self {
        let nano = i128::from(NANO);
        let whole = self.direct + self.bound;
        let kt = EVENING * i128::from(time.0) / 1000;
        let decay = decay(kt);
        let evened = whole * DIRECT / nano - current * nano / EVENING;
        let fed = evened * (nano - decay) / nano - current * DIRECT / EVENING * (kt - nano + decay) / nano;
        let direct = self.direct * decay / nano + fed;
        let drawn = current * i128::from(time.0) / 1000;
        Self { direct, bound: whole - drawn - direct }
    }

    /// How long it gives that load from now on; `None` beyond any forecast.
    #[must_use]
    pub fn lasts(self, table: &RuntimeTable, profile: &Profile) -> Option<Millis> {
        let mut wells = self;
        let mut passed = Millis::ZERO;
        for (time, load) in profile.pieces() {
            let time = time.min(HORIZON - passed);
            let current = Self::current(table, load);
            let after = wells.after(current, time);
            if after.is_empty() {
                return Some(passed + wells.end_within(current, time));
            }
            wells = after;
            passed = passed + time;
            if passed >= HORIZON {
                return None;
            }
        }
        None
    }

    /// The moment it is empty, known to come within that time.
    fn end_within(self, current: i128, time: Millis) -> Millis {
        let (mut low, mut high) = (0, time.0);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.after(current, Millis(middle)).is_empty() {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Millis(low.saturating_sub(1))
    }
}

/// e^-kt in nano.
fn decay(kt: i128) -> i128 {
    i128::from(exp_times(NANO.unsigned_abs(), i64::try_from(-kt).unwrap_or(i64::MIN)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battery;

    fn watts(watts: u64) -> Milliwatts {
        Milliwatts(watts * 1000)
    }
    fn table() -> RuntimeTable {
        let points = [(500, 2400), (1000, 900), (1500, 480)];
        RuntimeTable::new(&points.map(|(w, s)| (watts(w), Millis::from_secs(s)))).unwrap().0
    }

    #[test]
    fn at_a_constant_load_it_agrees_with_the_table() {
        for load in [200, 500, 800, 1000, 1500, 1800] {
            let wells = Wells::rested(FULL).lasts(&table(), &Profile::constant(watts(load))).unwrap();
            let wanted = table().lasts(watts(load));
            assert!(wells.0.abs_diff(wanted.0) <= 1000 + wanted.0 / 1000, "{load} W: {wells}, the table says {wanted}");
        }
    }

    #[test]
    fn after_a_heavy_load_it_recovers_and_after_a_light_one_a_heavy_gets_less() {
        let profile = |first, then| Profile(vec![(Millis::from_secs(300), watts(first)), (Millis(0), watts(then))]);
        let both = |profile: &Profile| {
            let rate = battery::lasts(&table(), FULL, profile).unwrap();
            (Wells::rested(FULL).lasts(&table(), profile).unwrap(), rate)
        };
        let (wells, rate) = both(&profile(1500, 300));
        assert!(wells > rate, "shed: {wells} by the wells, {rate} by the rate integral");
        let (wells, rate) = both(&profile(300, 1500));
        assert!(wells < rate, "load arriving: {wells} by the wells, {rate} by the rate integral");
    }

    #[test]
    fn an_empty_one_gives_nothing() {
        assert_eq!(Wells::rested(0).lasts(&table(), &Profile::constant(watts(500))), Some(Millis::ZERO));
        assert!(Wells::rested(FULL).give(&table(), watts(1500), Millis::from_secs(9999)).is_empty());
    }
}
