//! Chance that can be repeated. The seed is printed; `RIDETHROUGH_SEED` brings it back.

use std::time::{SystemTime, UNIX_EPOCH};

/// A small generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Seed {
    state: u64,
    start: u64,
}

impl Seed {
    /// From `RIDETHROUGH_SEED`, or from the clock. Printed in either case.
    #[must_use]
    pub fn draw() -> Self {
        let given = std::env::var("RIDETHROUGH_SEED").ok().and_then(|text| text.parse().ok());
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.subsec_nanos().into());
        let start = given.unwrap_or_else(clock);
        println!("seed {start} (RIDETHROUGH_SEED={start} repeats it)");
        Self { state: start, start }
    }
    /// From a number, without a word.
    #[must_use]
    pub fn of(start: u64) -> Self {
        Self { state: start, start }
    }
    /// What was printed.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// A number from `low` up to but not including `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % high.saturating_sub(low).max(1)
    }
    /// One of these.
    ///
    /// # Panics
    /// If there are none.
    pub fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = usize::try_from(self.number() % of.len() as u64).expect("an index of a slice fits");
        &of[at]
    }
}
