//! The time line of a problem: slots that may grow longer, on a ruler of equal ticks. Durations are ticks, moments are slots.

/// Slots of a plan. Short ones first, where a minute counts; longer ones later, where it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    tick: u32,
    begins: Vec<u32>,
    from: Vec<u16>,
    upto: Vec<u16>,
}

/// The most slots a plan may have.
const SLOTS_MAX: usize = 4_000;
/// The most ticks a plan may have.
const TICKS_MAX: u32 = 2_000_000;

impl Grid {
    /// So many slots of that many milliseconds.
    #[must_use]
    pub fn even(slots: usize, slot_ms: u32) -> Self {
        Self::new(slot_ms, &vec![1; slots])
    }
    /// Slots of so many ticks each. At least one slot; what is beyond the bounds is cut off.
    #[must_use]
    pub fn new(tick_ms: u32, slots: &[u32]) -> Self {
        let mut begins = vec![0_u32];
        for length in slots.iter().take(SLOTS_MAX) {
            let next = begins[begins.len() - 1].saturating_add((*length).max(1));
            if next > TICKS_MAX {
                break;
            }
            begins.push(next);
        }
        if begins.len() == 1 {
            begins.push(1);
        }
        let ticks = begins[begins.len() - 1];
        let mut from = Vec::with_capacity(ticks as usize + 1);
        let mut upto = Vec::with_capacity(ticks as usize + 1);
        let mut slot = 0_u16;
        for tick in 0..=ticks {
            if begins[usize::from(slot)] < tick {
                slot += 1;
            }
            from.push(slot);
            upto.push(if begins[usize::from(slot)] == tick { slot } else { slot - 1 });
        }
        Self { tick: tick_ms.max(1), begins, from, upto }
    }
    /// How many slots; also the moment at which the last one ends.
    #[must_use]
    pub fn slots(&self) -> u16 {
        self.from[self.from.len() - 1]
    }
    /// Milliseconds per tick.
    #[must_use]
    pub fn tick_ms(&self) -> u32 {
        self.tick
    }
    /// When a slot begins, in milliseconds from the beginning of the plan.
    #[must_use]
    pub fn begin_ms(&self, slot: u16) -> u64 {
        u64::from(self.begins[usize::from(slot.min(self.slots()))]) * u64::from(self.tick)
    }
    /// How long a slot is, in milliseconds.
    #[must_use]
    pub fn length_ms(&self, slot: u16) -> i64 {
        let slot = usize::from(slot);
        i64::from(self.begins[slot + 1] - self.begins[slot]) * i64::from(self.tick)
    }
    /// The first slot that begins so many ticks after that slot began, or later; the end of the plan at most.
    #[must_use]
    pub fn after(&self, slot: u16, ticks: u32) -> u16 {
        let at = self.begins[usize::from(slot)].saturating_add(ticks) as usize;
        self.from.get(at).copied().unwrap_or(self.slots())
    }
    /// Whether so many ticks from that slot on are over before the plan ends.
    #[must_use]
    pub fn ends(&self, slot: u16, ticks: u32) -> bool {
        self.begins[usize::from(slot)].saturating_add(ticks) < self.begins[self.begins.len() - 1]
    }
    /// The last slot from which so many ticks are over when that slot begins.
    #[must_use]
    pub fn latest(&self, slot: u16, ticks: u32) -> Option<u16> {
        let at = self.begins[usize::from(slot)].checked_sub(ticks)?;
        self.upto.get(at as usize).copied()
    }
    /// The slot that runs at that many milliseconds from the beginning.
    #[must_use]
    pub fn slot_at(&self, ms: u64) -> u16 {
        let tick = usize::try_from(ms / u64::from(self.tick)).unwrap_or(usize::MAX);
        self.upto.get(tick).copied().unwrap_or(self.slots())
    }
    /// A duration in ticks, rounded up.
    #[must_use]
    pub fn ticks(&self, ms: u64) -> u32 {
        u32::try_from(ms.div_ceil(u64::from(self.tick))).unwrap_or(u32::MAX)
    }
}
