//! One discharge as it goes: what was drawn so far, what is left by table and health, and what it teaches when it ends.

use super::trip::{Look, Trip, Watch};
use super::{Estimator, SEEN_END, SEEN_LOW, STATED_CHARGE, cold};
use crate::battery::{self, FULL, Profile, RuntimeTable, Wells};
use crate::fixed::{ln_ratio, mul_div};
use ridethrough_model::{ForecastError, Millis, Milliwatts, Mono, Ppm};

/// Stretches of load kept; the oldest are then taken together.
const STRETCHES_MAX: usize = 64;
/// A load that differs by less goes on as it was.
const SAME_LOAD: u64 = 2;
/// A discharge teaches nothing before it has taken so much, in parts of [`FULL`].
const TEACHES_MIN: u64 = FULL / 20;
/// The UPS's charge teaches nothing before it has fallen so far.
const CHARGE_FALL_MIN: u32 = 100_000;
/// Between these a health is looked for, in ppm.
const HEALTH_LOW: u32 = 50_000;
const HEALTH_HIGH: u32 = 1_200_000;
/// What the UPS states is looked at once the discharge has settled.
const SETTLED: Millis = Millis::from_secs(30);

/// How long something lasts from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// To be shown.
    pub median: Millis,
    /// To be planned with.
    pub lower: Millis,
}

/// How a discharge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The output went off: the battery was empty.
    Empty,
    /// The UPS said low battery.
    Low,
    /// Mains came back.
    Mains,
}

/// A discharge under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discharge {
    at: Mono,
    /// What was missing from full when it began.
    missing: u64,
    charge_first: Option<Ppm>,
    charge: Option<Ppm>,
    load: Milliwatts,
    load_max: Milliwatts,
    stretches: Vec<(Millis, Milliwatts)>,
    /// Health when it began: what the forecast was made with.
    health: (Ppm, Ppm),
    /// What the UPS stated when it had settled: after how long, in which band, and what.
    stated: Option<(Millis, u8, Millis)>,
    temperature_mc: Option<i32>,
    watch: Watch,
    is_low_noted: bool,
}

impl Discharge {
    /// It begins with a battery that is full but for `missing` parts.
    #[must_use]
    pub fn begin(at: Mono, missing: u64, load: Milliwatts, estimator: &Estimator, temperature_mc: Option<i32>) -> Self {
        Self {
            at,
            missing: missing.min(FULL),
            charge_first: None,
            charge: None,
            load,
            load_max: load,
            stretches: Vec::new(),
            health: (estimator.median(temperature_mc), estimator.lower(temperature_mc)),
            stated: None,
            temperature_mc,
            watch: Watch::default(),
            is_low_noted: false,
        }
    }

    /// Time passes at the load last seen, or, where nobody has said a load, at the greatest seen.
    pub fn advance(&mut self, now: Mono, is_heard: bool) {
        let passed = now.since(self.at);
        let load = if is_heard { self.load } else { self.load_max };
        self.at = self.at.max(now);
        if passed > Millis::ZERO {
            self.push(passed, load);
        }
    }

    fn push(&mut self, time: Millis, load: Milliwatts) {
        if let Some((last, same)) = self.stretches.last_mut()
            && same.0.abs_diff(load.0) <= same.0 / 100 * SAME_LOAD
        {
            let whole = *last + time;
            *same = Milliwatts(mul_div(same.0, last.0, whole.0) + mul_div(load.0, time.0, whole.0));
            *last = whole;
            return;
        }
        if self.stretches.len() >= STRETCHES_MAX {
            // Two become one at the greater load: nothing is made to look lighter than it was.
            let (time, load) = self.stretches.remove(0);
            if let Some(next) = self.stretches.first_mut() {
                *next = (next.0 + time, next.1.max(load));
            }
        }
        self.stretches.push((time, load));
    }

    /// A look at it: the load since the last one was about this one. Returns a wire that it has tripped.
    pub fn look(
        &mut self,
        now: Mono,
        load: Milliwatts,
        charge: Option<Ppm>,
        voltage_mv: Option<u32>,
        table: &RuntimeTable,
    ) -> Option<Trip> {
        // What was drawn since the last look is at least what is drawn now or was then.
        self.load = self.load.max(load);
        self.advance(now, true);
        self.load = load;
        self.load_max = self.load_max.max(load);
        self.charge_first = self.charge_first.or(charge);
        self.charge = charge.or(self.charge);
        let taken = self.taken(&table.aged(self.health.0));
        self.watch.look(Look { at: now, charge, voltage_mv, load, taken })
    }

    /// What the UPS states, for learning how far it is off. Only the first settled word of a discharge counts.
    pub fn hear_stated(&mut self, runtime: Millis, table: &RuntimeTable, estimator: &mut Estimator) {
        let passed = self.lasted();
        if self.stated.is_some() || passed < SETTLED || runtime == Millis::ZERO {
            return;
        }
        let band = band(self.load, table);
        self.stated = Some((passed, band, runtime));
        let left = FULL.saturating_sub(self.missing).saturating_sub(self.taken(table));
        let new = table.left_lasts(left, self.load);
        estimator.observe_stated(band, ln_ratio(runtime.0, new.0) - cold(self.temperature_mc));
    }

    /// How long it has lasted.
    #[must_use]
    pub fn lasted(&self) -> Millis {
        self.stretches.iter().map(|(time, _)| *time).sum()
    }

    /// The load last seen.
    #[must_use]
    pub fn load(&self) -> Milliwatts {
        self.load
    }

    fn taken(&self, table: &RuntimeTable) -> u64 {
        self.stretches.iter().map(|(time, load)| table.drain(*load, *time)).fold(0, u64::saturating_add)
    }

    /// What is left of a battery with that health, in parts of a full one of it.
    #[must_use]
    pub fn left(&self, table: &RuntimeTable, health: Ppm) -> u64 {
        let left = FULL.saturating_sub(self.missing).saturating_sub(self.taken(&table.aged(health)));
        self.watch.at_most(left)
    }

    /// How long it lasts from now on under that load: by the rate integral or by the wells, whichever is shorter.
    #[must_use]
    pub fn lasts(&self, table: &RuntimeTable, health: Ppm, profile: &Profile) -> Millis {
        let aged = table.aged(health);
        let left = self.left(table, health);
        let by_rate = battery::lasts(&aged, left, profile);
        let by_wells = self.wells(&aged).lasts(&aged, profile);
        by_rate.into_iter().chain(by_wells).min().unwrap_or(battery::table::RUNTIME_MAX)
    }

    /// How long it most likely lasts under that load: by the wells, unless a wire has tripped.
    #[must_use]
    pub fn likely(&self, table: &RuntimeTable, health: Ppm, profile: &Profile) -> Millis {
        let aged = table.aged(health);
        if self.watch.has_tripped() {
            return self.lasts(table, health, profile);
        }
        self.wells(&aged).lasts(&aged, profile).unwrap_or(battery::table::RUNTIME_MAX)
    }

    /// How long it lasts at the present load.
    #[must_use]
    pub fn forecast(&self, table: &RuntimeTable, estimator: &Estimator) -> Forecast {
        let profile = Profile::constant(self.load);
        let median = self.likely(table, estimator.median(self.temperature_mc), &profile);
        let lower = self.lasts(table, estimator.lower(self.temperature_mc), &profile);
        Forecast { median, lower: lower.min(median) }
    }

    /// Teaches what it can. Returns in words what was learned, or nothing.
    pub fn teach(&mut self, end: End, table: &RuntimeTable, estimator: &mut Estimator) -> Option<String> {
        let taken = self.taken(table);
        if self.is_low_noted || taken < TEACHES_MIN {
            return None;
        }
        let whole = FULL - self.missing;
        match end {
            End::Empty | End::Low => {
                self.is_low_noted = true;
                let kept = if end == End::Low { self.charge.unwrap_or(Ppm(0)) } else { Ppm(0) };
                let of = whole.saturating_sub(mul_div(FULL, u64::from(kept.0), 1_000_000)).max(TEACHES_MIN);
                self.note_error(table, of, estimator);
                self.teach_bias(table, taken, of, estimator);
                let variance = if end == End::Low { SEEN_LOW } else { SEEN_END };
                let given = match end {
                    End::Empty => mul_div(of, u64::from(self.health_by_wells(table).0), 1_000_000),
                    _ => taken,
                };
                estimator.observe_end(taken_warm(given, self.temperature_mc), of, variance);
                let words = if end == End::Low { "it said low battery" } else { "it was empty" };
                Some(format!("{words} after {}", self.lasted()))
            }
            End::Mains => {
                estimator.observe_at_least(taken_warm(taken, self.temperature_mc), whole.max(1));
                let fallen = self.charge_first.zip(self.charge).map(|(first, last)| first.0.saturating_sub(last.0));
                if let Some(fallen) = fallen.filter(|fallen| *fallen >= CHARGE_FALL_MIN) {
                    let of = mul_div(FULL, u64::from(fallen), 1_000_000);
                    estimator.observe(ln_ratio(taken_warm(taken, self.temperature_mc), of), STATED_CHARGE);
                }
                Some(format!("mains came back after {}", self.lasted()))
            }
        }
    }

    /// The health with which the wells are empty just now. They know what a battery recovers after load was shed; the rate integral
    /// would take that for health.
    fn health_by_wells(&self, table: &RuntimeTable) -> Ppm {
        let is_empty = |health: u32| {
            let aged = table.aged(Ppm(health));
            self.wells(&aged).is_empty()
        };
        let (mut low, mut high) = (HEALTH_LOW, HEALTH_HIGH);
        while high - low > 500 {
            let middle = low + (high - low) / 2;
            if is_empty(middle) { low = middle } else { high = middle }
        }
        Ppm(high)
    }

    fn wells(&self, aged: &RuntimeTable) -> Wells {
        let full = Wells::rested(FULL - self.missing);
        self.stretches.iter().fold(full, |wells, (time, load)| wells.give(aged, *load, *time))
    }

    /// What had been forecast for the load that came, and how long it took.
    fn note_error(&self, table: &RuntimeTable, of: u64, estimator: &mut Estimator) {
        let profile = Profile(self.stretches.clone());
        let forecast = |health| battery::lasts(&table.aged(health), of, &profile).unwrap_or_default();
        let (median, lower) = self.health;
        estimator.note_error(ForecastError { forecast: forecast(median), bound: forecast(lower), lasted: self.lasted() });
    }

    fn teach_bias(&self, table: &RuntimeTable, taken: u64, of: u64, estimator: &mut Estimator) {
        let Some((at, band, stated)) = self.stated else { return };
        // How long it would have lasted from then on at the load of then, had it stayed: by what it turned out to hold.
        let (mut left, mut load) = (at, self.load);
        let mut before = 0_u64;
        for (time, stretch) in &self.stretches {
            let time = (*time).min(left);
            before = before.saturating_add(table.drain(*stretch, time));
            left = left - time;
            load = *stretch;
            if left == Millis::ZERO {
                break;
            }
        }
        let whole = mul_div(taken, FULL - self.missing, of.max(1));
        let actual = table.left_lasts(whole.saturating_sub(before), load);
        if actual > Millis::ZERO {
            estimator.learn_bias(band, ln_ratio(stated.0, actual.0));
        }
    }
}

/// What it would have given at 25 degrees.
fn taken_warm(taken: u64, temperature_mc: Option<i32>) -> u64 {
    crate::fixed::exp_times(taken, -cold(temperature_mc))
}

/// The band of load in which a UPS's own figure is off by about the same.
pub(crate) fn band(load: Milliwatts, table: &RuntimeTable) -> u8 {
    match mul_div(load.0, 100, table.top().0) {
        0..10 => 0,
        10..25 => 1,
        25..50 => 2,
        50..75 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watts(watts: u64) -> Milliwatts {
        Milliwatts(watts * 1000)
    }
    fn table() -> RuntimeTable {
        RuntimeTable::new(&[(500, 2400), (1000, 900), (1500, 480)].map(|(w, s)| (watts(w), Millis::from_secs(s)))).unwrap().0
    }
    fn second(at: u64) -> Mono {
        Mono(at * 1000)
    }

    #[test]
    fn shed_load_is_time_won_and_what_was_drawn_is_remembered() {
        let estimator = Estimator::default();
        let mut discharge = Discharge::begin(second(0), 0, watts(1000), &estimator, None);
        let before = discharge.forecast(&table(), &estimator);
        assert!(before.lower < before.median && before.median <= Millis::from_secs(901), "{before:?}");
        discharge.look(second(300), watts(1000), None, None, &table());
        discharge.look(second(301), watts(500), None, None, &table());
        let lasts = |discharge: &Discharge| discharge.lasts(&table(), Ppm::FULL, &Profile::constant(watts(500))).as_secs();
        let after = lasts(&discharge);
        assert!(discharge.forecast(&table(), &estimator).median.as_secs() >= after, "the wells recover");
        assert!((1560..=1600).contains(&after), "two thirds of 2400 s are left: {after}");
        discharge.advance(second(600), false);
        let silent = lasts(&discharge);
        assert!((740..=800).contains(&silent), "silent for 299 s: at the greatest load seen: {silent}");
    }

    #[test]
    fn an_end_earlier_than_forecast_teaches_health_and_its_error_is_kept() {
        let mut estimator = Estimator::default();
        let mut discharge = Discharge::begin(second(0), 0, watts(1000), &estimator, None);
        for at in 1..=630 {
            discharge.look(second(at), watts(1000), None, None, &table());
            discharge.hear_stated(Millis::from_secs(900 - at), &table(), &mut estimator);
        }
        assert!(discharge.teach(End::Empty, &table(), &mut estimator).is_some());
        assert!(discharge.teach(End::Empty, &table(), &mut estimator).is_none(), "once");
        let health = estimator.median(None).0 / 10_000;
        assert!((72..=78).contains(&health), "70 % seen, 100 % believed before: {health}");
        let error = estimator.state.errors[0];
        assert_eq!((error.forecast.as_secs(), error.lasted.as_secs()), (900, 630));
        assert!(estimator.state.biases[&3].ln > 0, "it had stated too much: {:?}", estimator.state.biases);
    }
}
