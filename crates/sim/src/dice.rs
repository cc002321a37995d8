//! Chance from a seed. The same seed throws the same numbers on every machine; nothing else in this crate is random.

use ridethrough_model::Millis;

/// A splitmix64 generator.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that always fall the same for one seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5157_1d3a_9e2b_4c11)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "a range has a beginning before its end");
        match (high - low).checked_add(1) {
            Some(span) => low + self.any() % span,
            None => self.any(),
        }
    }

    /// A length of time between two numbers of seconds, to the millisecond.
    pub fn secs(&mut self, low: u64, high: u64) -> Millis {
        Millis(self.between(low * 1000, high * 1000))
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.any() % 100 < chance
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let last = u64::try_from(of.len()).unwrap_or(u64::MAX).checked_sub(1).expect("there is something to pick from");
        &of[usize::try_from(self.between(0, last)).unwrap_or(0)]
    }

    /// Dice of their own, so that what one part draws does not shift what another draws.
    pub fn fork(&mut self) -> Self {
        Self(self.any())
    }
}
