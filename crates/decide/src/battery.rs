//! What a battery gives: how long at which load, and what a load that changes takes out of it.
//!
//! A full battery is [`FULL`] parts. A load drains it at a rate: [`RuntimeTable::rate`] parts per millisecond, convex in the load,
//! so that shedding is never worse than it looks and half the load lasts at least twice as long. What is drained is the integral
//! over the load ([`drained`]); [`kibam`] knows in addition that a battery recovers a little under a light load, and gives less
//! under one that grows. Where the two differ the shorter counts. Nothing here knows about margins: they are `estimate`'s.
//! Begin reading in [`table`].

pub mod group;
pub mod kibam;
pub mod law;
pub mod share;
pub mod table;

pub use group::group;
pub use kibam::Wells;
pub use law::law;
pub use share::{HostDraw, loads_of, share_ppm};
pub use table::{Knot, RuntimeTable, TableFault};

use ridethrough_model::{Millis, Milliwatts};

/// A full battery, in parts.
pub const FULL: u64 = 1_000_000_000_000_000;

/// A load from now on that changes at known moments: each power holds for that long, the last one for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile(pub Vec<(Millis, Milliwatts)>);

impl Profile {
    /// One load for ever.
    #[must_use]
    pub fn constant(load: Milliwatts) -> Self {
        Self(vec![(Millis(u64::MAX), load)])
    }

    /// Its pieces, the last one without end.
    pub fn pieces(&self) -> impl Iterator<Item = (Millis, Milliwatts)> + '_ {
        let last = self.0.len().saturating_sub(1);
        self.0.iter().enumerate().map(move |(place, (time, load))| (if place == last { Millis(u64::MAX) } else { *time }, *load))
    }
}

/// The parts that this load takes out of a battery until `end`; more than [`FULL`] where it does not last that long.
#[must_use]
pub fn drained(table: &RuntimeTable, profile: &Profile, end: Millis) -> u64 {
    let mut left = end;
    let mut parts: u64 = 0;
    for (time, load) in profile.pieces() {
        let time = time.min(left);
        parts = parts.saturating_add(table.drain(load, time));
        left = left - time;
        if left == Millis::ZERO {
            break;
        }
    }
    parts
}

/// How long `parts` last under this load; `None` where it never ends them.
#[must_use]
pub fn lasts(table: &RuntimeTable, parts: u64, profile: &Profile) -> Option<Millis> {
    let mut left = parts;
    let mut passed = Millis::ZERO;
    for (time, load) in profile.pieces() {
        let rate = table.rate(load);
        let whole = left.checked_div(rate).map_or(Millis(u64::MAX), Millis);
        if whole < time {
            return Some(passed + whole);
        }
        left = left.saturating_sub(table.drain(load, time));
        passed = passed + time;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watts(watts: u64) -> Milliwatts {
        Milliwatts(watts * 1000)
    }

    #[test]
    fn shedding_in_the_middle_buys_what_the_table_says() {
        let (table, _) =
            RuntimeTable::new(&[(watts(500), Millis::from_secs(1800)), (watts(1000), Millis::from_secs(600))]).unwrap();
        let shed = Profile(vec![(Millis::from_secs(300), watts(1000)), (Millis(0), watts(500))]);
        let lasts = lasts(&table, FULL, &shed).unwrap();
        assert_eq!((lasts + Millis(1)).as_secs(), 300 + 900, "half is gone after 300 s, and half of 1800 s is left");
        let whole = drained(&table, &shed, lasts);
        assert!(FULL - whole < FULL / 1_000_000, "{whole} parts of {FULL}");
    }

    #[test]
    fn nothing_lasts_for_ever_but_no_load_at_a_table_without_idle_drain() {
        let (table, _) = RuntimeTable::new(&[(watts(500), Millis::from_secs(1800))]).unwrap();
        assert!(lasts(&table, FULL, &Profile::constant(watts(0))).is_some(), "the UPS itself draws");
        assert_eq!(lasts(&table, 0, &Profile::constant(watts(500))), Some(Millis::ZERO));
        assert_eq!(lasts(&table, FULL, &Profile::default()), None, "no load is told");
    }
}
