//! How long a full battery lasts at which load, from points that a vendor printed, a user measured or discharges taught.
//!
//! Kept as the rate of drain over the load. Between two points the rate lies on the line that joins them, which is never less than
//! a convex curve through them: the table is pessimistic there. A point that would make the curve bend the wrong way is raised
//! (the battery is taken to give less) and reported.

use super::FULL;
use crate::fixed::{mul_div, mul_div_up};
use ridethrough_model::{Millis, Milliwatts, Ppm};
use std::fmt;

/// A load and what it drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knot {
    /// The load.
    pub load: Milliwatts,
    /// Parts per millisecond.
    pub rate: u64,
}

/// The rate of drain over the load: rising, convex, from no load on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeTable {
    /// The first is at no load.
    knots: Vec<Knot>,
    /// The greatest load that a point was given for.
    top: Milliwatts,
}

/// Points a table may have.
pub const POINTS_MAX: usize = 64;
/// No UPS carries more.
pub const LOAD_MAX: Milliwatts = Milliwatts(100_000_000_000);
/// No runtime is longer: a load near nothing would last for ever.
pub const RUNTIME_MAX: Millis = Millis::from_secs(7 * 24 * 3600);
/// What the UPS draws itself: its share of the rate at the smallest given load.
const IDLE_SHARE: u64 = 10;
/// Beyond the greatest given load the rate rises this much faster than before it, in percent.
const BEYOND_PERCENT: u64 = 150;
/// A point that is raised by less is only rounded to whole minutes.
const ROUNDING: Ppm = Ppm(50_000);

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableFault {
    /// It has no points.
    Empty,
    /// It has more points than anybody prints.
    TooMany(usize),
    /// A load of nothing.
    NoLoad(usize),
    /// A load that no UPS carries.
    AbsurdLoad(usize, Milliwatts),
    /// A runtime of nothing.
    NoTime(usize, Milliwatts),
    /// A runtime that no battery has.
    AbsurdTime(usize, Millis),
    /// A load is there twice.
    Twice(usize, Milliwatts),
    /// It lasts longer at a greater load.
    Rises {
        /// Which point, counted as given.
        place: usize,
        /// The smaller load.
        low: Milliwatts,
        /// The greater load.
        high: Milliwatts,
    },
    /// The curve bends the wrong way there: less is counted on.
    Bends {
        /// At which load.
        load: Milliwatts,
        /// What is given.
        given: Millis,
        /// What is counted on.
        taken: Millis,
    },
}

impl TableFault {
    /// Whether the table cannot be used.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::Bends { .. })
    }

    /// The point it is about, from 0 as given.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        match self {
            Self::NoLoad(place)
            | Self::AbsurdLoad(place, _)
            | Self::NoTime(place, _)
            | Self::AbsurdTime(place, _)
            | Self::Twice(place, _)
            | Self::Rises { place, .. } => Some(*place),
            Self::Empty | Self::TooMany(_) | Self::Bends { .. } => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Empty => "Give at least one point, such as [\"500W\", \"22m\"].",
            Self::TooMany(_) => "A dozen points over the loads that occur are enough.",
            Self::NoLoad(_) | Self::NoTime(..) => "Leave the point out.",
            Self::AbsurdLoad(..) | Self::AbsurdTime(..) => "Look at the units.",
            Self::Twice(..) => "Keep the one with the shorter runtime.",
            Self::Rises { .. } => "Look at both points in the vendor's table: more load never lasts longer.",
            Self::Bends { .. } => "Look at the point and its neighbours in the vendor's table, or leave it: less is counted on.",
        }
    }
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the runtime table has no points"),
            Self::TooMany(count) => write!(f, "the runtime table has {count} points; {POINTS_MAX} are the most"),
            Self::NoLoad(place) => write!(f, "point {} of the runtime table is for no load at all", place + 1),
            Self::AbsurdLoad(place, load) => write!(f, "point {} of the runtime table is for {load}", place + 1),
            Self::NoTime(place, load) => write!(f, "point {} of the runtime table says that {load} lasts no time", place + 1),
            Self::AbsurdTime(place, time) => write!(f, "point {} of the runtime table says {time}", place + 1),
            Self::Twice(place, load) => {
                write!(f, "point {} of the runtime table is for {load}, which is there already", place + 1)
            }
            Self::Rises { low, high, .. } => write!(f, "the runtime table says that {high} lasts longer than {low}"),
            Self::Bends { load, given, taken } => {
                write!(f, "the runtime table's {given} at {load} does not go with its neighbours; {taken} is counted on")
            }
        }
    }
}

impl RuntimeTable {
    /// From points in any order. Beside the table comes what was wrong and could be borne.
    ///
    /// # Errors
    /// Everything that is wrong, where the table cannot be used.
    pub fn new(points: &[(Milliwatts, Millis)]) -> Result<(Self, Vec<TableFault>), Vec<TableFault>> {
        let faults = check(points);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut sorted = points.to_vec();
        sorted.sort_unstable();
        let given: Vec<Knot> = sorted.iter().map(|(load, time)| Knot { load: *load, rate: FULL.div_ceil(time.0) }).collect();
        let knots = convex(given.clone());
        let bends = sorted.iter().zip(&given).zip(&knots).filter(|((_, given), taken)| {
            taken.rate > given.rate.saturating_add(mul_div(given.rate, u64::from(ROUNDING.0), 1_000_000))
        });
        let faults = bends
            .map(|(((load, time), _), taken)| TableFault::Bends {
                load: *load,
                given: *time,
                taken: Millis(FULL / taken.rate.max(1)),
            })
            .collect();
        Ok((Self::of_knots(knots), faults))
    }

    /// From convex knots above no load; adds what lies below the first and beyond the last.
    pub(super) fn of_knots(mut knots: Vec<Knot>) -> Self {
        let (first, last) = (knots[0], knots[knots.len() - 1]);
        let top = last.load;
        // Below: the inverse of the load, and what the UPS draws itself. Never steeper than the first piece, so it stays convex.
        knots.insert(0, Knot { load: Milliwatts::ZERO, rate: (first.rate / IDLE_SHARE).max(FULL / RUNTIME_MAX.0) });
        let before = knots[knots.len() - 2];
        let as_before = mul_div_up(last.rate.saturating_sub(before.rate), last.load.0, (last.load - before.load).0);
        let rise = mul_div_up(as_before.max(last.rate), BEYOND_PERCENT, 100);
        knots.push(Knot { load: Milliwatts(last.load.0.saturating_mul(2)), rate: last.rate.saturating_add(rise) });
        let knots = convex(knots);
        Self { knots, top }
    }

    /// The points the rate runs between in straight lines; beyond the last it goes on as before it.
    #[must_use]
    pub fn knots(&self) -> &[Knot] {
        &self.knots
    }

    /// The greatest load that a point was given for. Beyond it the table is a guess.
    #[must_use]
    pub fn top(&self) -> Milliwatts {
        self.top
    }

    fn piece(&self, load: Milliwatts) -> (Knot, Knot) {
        let place = self.knots.partition_point(|knot| knot.load <= load).clamp(1, self.knots.len() - 1);
        (self.knots[place - 1], self.knots[place])
    }

    /// Parts per millisecond at that load, rounded up.
    #[must_use]
    pub fn rate(&self, load: Milliwatts) -> u64 {
        let (low, high) = self.piece(load);
        low.rate.saturating_add(mul_div_up(high.rate - low.rate, (load - low.load).0, (high.load - low.load).0.max(1)))
    }

    /// How much the rate rises with each kilowatt more at that load: the price of a kilowatt.
    #[must_use]
    pub fn slope_per_kilowatt(&self, load: Milliwatts) -> u64 {
        let (low, high) = self.piece(load);
        mul_div(high.rate - low.rate, 1_000_000, (high.load - low.load).0.max(1))
    }

    /// The parts that a load takes in that time.
    #[must_use]
    pub fn drain(&self, load: Milliwatts, time: Millis) -> u64 {
        self.rate(load).saturating_mul(time.0)
    }

    /// How long a full battery lasts at that load.
    #[must_use]
    pub fn lasts(&self, load: Milliwatts) -> Millis {
        Millis(FULL / self.rate(load).max(1))
    }

    /// How long what is left of it lasts.
    #[must_use]
    pub fn left_lasts(&self, parts: u64, load: Milliwatts) -> Millis {
        Millis(parts / self.rate(load).max(1))
    }

    /// The greatest load at which those parts last that long; `None` where not even no load does.
    #[must_use]
    pub fn load_for(&self, parts: u64, time: Millis) -> Option<Milliwatts> {
        let rate = parts / time.0.max(1);
        if rate < self.knots[0].rate {
            return None;
        }
        let place = self.knots.partition_point(|knot| knot.rate <= rate).clamp(1, self.knots.len() - 1);
        let (low, high) = (self.knots[place - 1], self.knots[place]);
        let more = mul_div(rate - low.rate, (high.load - low.load).0, (high.rate - low.rate).max(1));
        Some(Milliwatts(low.load.0.saturating_add(more)))
    }

    /// The same battery giving only that share.
    #[must_use]
    pub fn aged(&self, health: Ppm) -> Self {
        let health = u64::from(health.0.max(1));
        let age = |knot: &Knot| Knot { load: knot.load, rate: mul_div_up(knot.rate, 1_000_000, health) };
        Self { knots: self.knots.iter().map(age).collect(), top: self.top }
    }

    /// The same table for a battery of `now` equal modules instead of the `before` it is for: each carries its part of the load.
    #[must_use]
    pub fn with_modules(&self, now: u32, before: u32) -> Self {
        let (now, before) = (u64::from(now.max(1)), u64::from(before.max(1)));
        let scale = |knot: &Knot| Knot { load: knot.load.scaled(now, before), rate: knot.rate };
        Self { knots: self.knots.iter().map(scale).collect(), top: self.top.scaled(now, before) }
    }
}

/// Everything that keeps points from being a table.
fn check(points: &[(Milliwatts, Millis)]) -> Vec<TableFault> {
    let mut faults = Vec::new();
    if points.is_empty() {
        faults.push(TableFault::Empty);
    }
    if points.len() > POINTS_MAX {
        faults.push(TableFault::TooMany(points.len()));
        return faults;
    }
    for (place, (load, time)) in points.iter().enumerate() {
        if *load == Milliwatts::ZERO {
            faults.push(TableFault::NoLoad(place));
        } else if *load > LOAD_MAX {
            faults.push(TableFault::AbsurdLoad(place, *load));
        }
        if time.0 < 1000 {
            faults.push(TableFault::NoTime(place, *load));
        } else if *time > RUNTIME_MAX {
            faults.push(TableFault::AbsurdTime(place, *time));
        }
        if points[..place].iter().any(|(earlier, _)| earlier == load) {
            faults.push(TableFault::Twice(place, *load));
        }
    }
    let mut sorted: Vec<(Milliwatts, Millis, usize)> = points.iter().enumerate().map(|(i, (l, t))| (*l, *t, i)).collect();
    sorted.sort_unstable();
    for pair in sorted.windows(2).filter(|pair| pair[1].0 > pair[0].0 && pair[1].1 > pair[0].1) {
        faults.push(TableFault::Rises { place: pair[1].2, low: pair[0].0, high: pair[1].0 });
    }
    faults
}

/// Raises knots until every piece is at least as steep as the one before it. Of two ways, raising what follows a bend or what
/// comes before it, the one that takes less from the battery.
fn convex(knots: Vec<Knot>) -> Vec<Knot> {
    let (after, before) = (raise_after(knots.clone()), raise_before(knots.clone()));
    let worst = |raised: &[Knot]| {
        let share = |(given, raised): (&Knot, &Knot)| mul_div(raised.rate, 1_000_000, given.rate.max(1));
        knots.iter().zip(raised).map(share).max().unwrap_or_default()
    };
    if worst(&after) <= worst(&before) { after } else { before }
}

fn raise_after(mut knots: Vec<Knot>) -> Vec<Knot> {
    for place in 1..knots.len() {
        let at_least = match place {
            1 => knots[0].rate,
            _ => on_line(knots[place - 2], knots[place - 1], knots[place].load),
        };
        knots[place].rate = knots[place].rate.max(at_least);
    }
    knots
}

fn raise_before(mut knots: Vec<Knot>) -> Vec<Knot> {
    for place in (0..knots.len().saturating_sub(2)).rev() {
        let (near, far) = (knots[place + 1], knots[place + 2]);
        let down =
            mul_div(far.rate.saturating_sub(near.rate), (near.load - knots[place].load).0, (far.load - near.load).0.max(1));
        knots[place].rate = knots[place].rate.max(near.rate.saturating_sub(down));
    }
    raise_after(knots)
}

/// What the line through two knots says at a load beyond them, rounded up.
fn on_line(low: Knot, high: Knot, load: Milliwatts) -> u64 {
    let run = (high.load - low.load).0.max(1);
    high.rate.saturating_add(mul_div_up(high.rate.saturating_sub(low.rate), (load - high.load).0, run))
}

#[cfg(test)]
mod tests;
