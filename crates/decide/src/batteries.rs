//! The batteries of a site: readings into discharges, discharges into what is learned, what is learned into what may be counted on.
//!
//! A battery is reckoned only where a runtime table is known and its load in watts is; otherwise the UPS's own figure counts, as
//! ever. Where both speak the shorter counts. What was learned goes into the site's log and comes back from there.

use crate::battery::{self, FULL, Profile, RuntimeTable, law};
use crate::estimate::{Discharge, Estimator, Forecast, Trip, discharge::End};
use crate::feed::SourceFacts;
use crate::fixed::mul_div;
use crate::site::Site;
use crate::source::{SourceKind, SourceState};
use ridethrough_model::topology::BatteryTopology;
use ridethrough_model::{
    BatteryState, Entry, Finding, Millis, Milliwatts, Mono, Now, Ppm, Reading, Record, Severity, StatusToken, UpsId,
};

/// An empty battery is full again after so long; while that has not passed, a higher charge is not believed.
const RECHARGE: Millis = Millis::from_secs(8 * 3600);
/// It ages in steps of so long.
const AGE_STEP: Millis = Millis::from_secs(3600);
/// No gap between two runs of the controller counts for more.
const GAP_MAX: Millis = Millis::from_secs(400 * 86_400);
/// A discharge found under way is taken to have drawn this much of the load seen now, in percent.
const UNSEEN_LOAD: u64 = 130;

/// What a plan may count on of a battery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatteryFacts {
    /// How long it lasts at which load, at the lower bound of its health. Parts are of [`battery::FULL`].
    pub table: RuntimeTable,
    /// The same at what is most likely.
    pub table_median: RuntimeTable,
    /// The parts that are left for certain: at the present load they last until its deadline, and not beyond.
    pub left: u64,
    /// The parts that are most likely left.
    pub left_median: u64,
    /// The load now.
    pub load: Milliwatts,
}

/// What a person sees of a battery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatteryView {
    /// The share of its table that it is believed to give.
    pub health: Ppm,
    /// The share that is planned with.
    pub health_lower: Ppm,
    /// How long it lasts at the present load, from now on, most likely and at least.
    pub lasts: Option<Forecast>,
    /// How far the last forecasts were off, at the median of them; `None` before the first end.
    pub forecast_error: Option<Ppm>,
    /// How often the bound that was planned with held, of how many.
    pub bound_held: (u32, u32),
    /// Discharges to the end that it learned from.
    pub ends_seen: u32,
    /// Why the forecast is pessimistic at present.
    pub tripped: Option<String>,
}

/// How long a battery is taken to last if mains were lost now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IfLost {
    /// So long, after the margin.
    pub(crate) lasts: Millis,
    /// The margin; none where the bound of what is reckoned stands for it.
    pub(crate) margin: Millis,
    /// Somebody knows: the UPS, or its table.
    pub(crate) is_known: bool,
}

/// One battery.
#[derive(Clone, Debug)]
pub(crate) struct Battery {
    table: Option<RuntimeTable>,
    nominal: Option<Milliwatts>,
    modules: Option<u32>,
    estimator: Estimator,
    discharge: Option<Discharge>,
    load: Option<Milliwatts>,
    charge: Option<Ppm>,
    /// The charge when the last discharge ended, and when that was.
    ended_with: Option<(Mono, Ppm)>,
    temperature_mc: Option<i32>,
    aged_at: Mono,
    tripped: Option<String>,
}

/// What a reading brought.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    learned: Option<(BatteryState, String)>,
    trip: Option<Trip>,
}

impl Battery {
    pub(crate) fn new(topology: &BatteryTopology, now: Mono) -> Self {
        let made = match topology.runtimes[..] {
            [] => None,
            [one, other] => law(one, other).ok(),
            _ => RuntimeTable::new(&topology.runtimes).ok(),
        };
        let mut estimator = Estimator::default();
        estimator.state.installed = topology.installed;
        Self {
            table: made.map(|(table, _)| table),
            nominal: topology.nominal,
            modules: topology.modules,
            estimator,
            discharge: None,
            load: None,
            charge: None,
            ended_with: None,
            temperature_mc: None,
            aged_at: now,
            tripped: None,
        }
    }

    /// Takes up what was learned, unless it is about a battery that has been replaced since.
    fn recall(&mut self, state: &BatteryState, age: Millis) {
        if self.estimator.state.installed.is_some() && state.installed != self.estimator.state.installed {
            return;
        }
        self.estimator.state = state.clone();
        self.estimator.age(age.min(GAP_MAX), None);
    }

    /// The table of the modules that work.
    fn table_of(&self, reading: &Reading) -> Option<RuntimeTable> {
        let table = self.table.as_ref()?;
        let bad = reading.battery.packs_bad.filter(|bad| *bad > 0);
        let of = self.modules.or(reading.battery.packs);
        Some(match (bad, of) {
            (Some(bad), Some(of)) => table.with_modules(of.saturating_sub(bad).max(1), of),
            _ => table.clone(),
        })
    }

    /// What it carries in watts. A UPS that states no watts under a load does not know.
    fn watts(&self, reading: &Reading) -> Option<Milliwatts> {
        let nominal = self.nominal.or(reading.realpower_nominal);
        let by_share = nominal.zip(reading.load).map(|(nominal, load)| nominal.scaled(u64::from(load.0), 1_000_000));
        let is_loaded = reading.load.is_none_or(|load| load.0 > 0);
        reading.realpower.filter(|power| power.0 > 0 || !is_loaded).or(by_share)
    }

    /// Charge as it may be believed: what the UPS says, and no more than it can have been charged since the last discharge.
    fn believed_charge(&self, stated: Option<Ppm>, now: Mono) -> Option<Ppm> {
        let charged = self.ended_with.map(|(at, charge)| {
            let gained = mul_div(now.since(at).0, 1_000_000, RECHARGE.0);
            Ppm(u32::try_from((u64::from(charge.0) + gained).min(1_000_000)).unwrap_or(1_000_000))
        });
        match (stated, charged) {
            (Some(stated), Some(charged)) => Some(stated.min(charged)),
            (one, other) => one.or(other),
        }
    }

    /// Takes a reading in, before the UPS's own state does.
    fn hear(&mut self, reading: &Reading, source: &SourceState) -> Heard {
        let now = reading.observed_at;
        self.temperature_mc = reading.battery.temperature_mc.or(self.temperature_mc);
        let load = self.watts(reading);
        self.load = load.or(self.load);
        self.charge = reading.charge;
        let Some(table) = self.table_of(reading) else { return Heard::default() };
        let is_drained =
            reading.status.has(&StatusToken::Ob) || reading.status.has(&StatusToken::Off) && self.discharge.is_some();
        if !is_drained {
            return self.end(End::Mains, &table, now);
        }
        let Some(load) = load.or(self.load) else { return Heard::default() };
        if self.discharge.is_none() {
            self.begin(reading, source, load);
        }
        let Some(discharge) = &mut self.discharge else { return Heard::default() };
        let trip = discharge.look(now, load, reading.charge, reading.battery.voltage_mv, &table);
        if let Some(runtime) = reading.runtime {
            discharge.hear_stated(runtime, &table, &mut self.estimator);
        }
        if let Some(trip) = trip {
            self.tripped = Some(trip.words());
        }
        let mut heard = if reading.status.has(&StatusToken::Off) {
            self.end(End::Empty, &table, now)
        } else if source.kind == SourceKind::LowBattery {
            self.teach(End::Low, &table)
        } else {
            Heard::default()
        };
        heard.trip = trip;
        heard
    }

    fn begin(&mut self, reading: &Reading, source: &SourceState, load: Milliwatts) {
        let now = reading.observed_at;
        let charge = self.believed_charge(reading.charge, now);
        let missing = charge.map_or(0, |charge| FULL - mul_div(FULL, u64::from(charge.0.min(1_000_000)), 1_000_000));
        let mut discharge = Discharge::begin(now, missing, load, &self.estimator, self.temperature_mc);
        // It was under way before we looked, and nobody says what is left: what it drew is not known, so it drew much.
        if let (None, Some(since)) = (reading.charge, source.on_battery_since) {
            let more = Milliwatts(mul_div(load.0, UNSEEN_LOAD, 100));
            discharge = Discharge::begin(since, missing, more, &self.estimator, self.temperature_mc);
            discharge.advance(now, true);
        }
        self.discharge = Some(discharge);
        self.tripped = None;
    }

    fn teach(&mut self, end: End, table: &RuntimeTable) -> Heard {
        let Some(discharge) = &mut self.discharge else { return Heard::default() };
        let Some(words) = discharge.teach(end, table, &mut self.estimator) else { return Heard::default() };
        let left = discharge.left(table, self.estimator.lower(self.temperature_mc));
        self.estimator.state.charge = Some(Ppm(u32::try_from(mul_div(left, 1_000_000, FULL)).unwrap_or_default()));
        Heard { learned: Some((self.estimator.state.clone(), words)), trip: None }
    }

    fn end(&mut self, end: End, table: &RuntimeTable, now: Mono) -> Heard {
        let Some(discharge) = &self.discharge else { return Heard::default() };
        let left = discharge.left(table, self.estimator.lower(self.temperature_mc));
        let charge = Ppm(u32::try_from(mul_div(left, 1_000_000, FULL)).unwrap_or_default());
        let heard = self.teach(end, table);
        self.ended_with = Some((now, charge));
        self.discharge = None;
        self.tripped = None;
        heard
    }

    /// Time passes.
    fn pass(&mut self, now: Mono, is_heard: bool) {
        if now.since(self.aged_at) >= AGE_STEP {
            self.estimator.age(now.since(self.aged_at), self.temperature_mc);
            self.aged_at = now;
        }
        if let Some(discharge) = self.discharge.as_mut().filter(|_| !is_heard) {
            discharge.advance(now, false);
        }
    }

    /// How long it lasts at the present load, from now on; in peacetime: if mains were lost now. `None` where it is not reckoned.
    pub(crate) fn forecast(&self, reading: &Reading, now: Mono) -> Option<Forecast> {
        let table = self.table_of(reading)?;
        if let Some(discharge) = &self.discharge {
            return Some(discharge.forecast(&table, &self.estimator));
        }
        let charge = self.believed_charge(self.charge, now)?;
        let missing = FULL - mul_div(FULL, u64::from(charge.0.min(1_000_000)), 1_000_000);
        let fresh = Discharge::begin(now, missing, self.load?, &self.estimator, self.temperature_mc);
        Some(fresh.forecast(&table, &self.estimator))
    }

    /// What a plan may count on, where the battery ends at `deadline` at the latest.
    fn facts(&self, reading: &Reading, deadline: Mono, now: Mono) -> Option<BatteryFacts> {
        let (raw, load) = (self.table_of(reading)?, self.load?);
        let (lower, median) = (self.estimator.lower(self.temperature_mc), self.estimator.median(self.temperature_mc));
        let left = |health: Ppm| match &self.discharge {
            Some(discharge) => discharge.left(&raw, health),
            None => self.believed_charge(self.charge, now).map_or(0, |charge| mul_div(FULL, u64::from(charge.0), 1_000_000)),
        };
        let (table, table_median) = (raw.aged(lower), raw.aged(median));
        // Whoever says less is believed: at the present load it ends with its deadline.
        let until_deadline = table.drain(load, deadline.since(now));
        Some(BatteryFacts { left: left(lower).min(until_deadline), left_median: left(median), load, table, table_median })
    }

    fn view(&self, reading: &Reading, now: Mono) -> Option<BatteryView> {
        self.table.as_ref()?;
        let state = &self.estimator.state;
        let mut off: Vec<u64> = state
            .errors
            .iter()
            .map(|error| mul_div(error.forecast.0.abs_diff(error.lasted.0), 1_000_000, error.lasted.0.max(1)))
            .collect();
        off.sort_unstable();
        let held = state.errors.iter().filter(|error| error.bound <= error.lasted).count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Some(BatteryView {
            health: self.estimator.median(self.temperature_mc),
            health_lower: self.estimator.lower(self.temperature_mc),
            lasts: self.forecast(reading, now),
            forecast_error: off.get(off.len() / 2).map(|off| Ppm(u32::try_from(*off).unwrap_or(u32::MAX))),
            bound_held: (count(held), count(state.errors.len())),
            ends_seen: state.ends_seen,
            tripped: self.tripped.clone(),
        })
    }
}

impl Site {
    /// What a reading says of its battery; first of all, so that the deadline made from it stands on it.
    pub(crate) fn hear_battery(&mut self, reading: &Reading, now: &Now) {
        let id = &reading.ups;
        let (Some(battery), Some(source)) = (self.batteries.get_mut(id), self.sources.get_mut(id)) else { return };
        if source.reading.as_ref().is_some_and(|last| last.observed_at > reading.observed_at) {
            return;
        }
        let heard = battery.hear(reading, source);
        let forecast = battery.discharge.as_ref().and_then(|_| battery.forecast(reading, reading.observed_at));
        source.reckon(forecast.map(|forecast| reading.observed_at + forecast.lower));
        if let Some((state, why)) = heard.learned {
            let entry = Entry::BatteryLearned { ups: id.clone(), state: Box::new(state), why };
            self.append_site(entry, now);
        }
        if let Some(trip) = heard.trip {
            self.want_plan(&format!("the battery of UPS {id} gives less than forecast"));
            let text =
                format!("The battery of UPS {id} gives less than forecast: {}. The plan is made anew with less.", trip.words());
            self.notice(Severity::Alarm, Some("RT0470"), text, now);
        }
    }

    /// Batteries age, and one that says nothing drains as at its worst.
    pub(crate) fn pass_batteries(&mut self, now: Mono) {
        for (id, battery) in &mut self.batteries {
            let Some(source) = self.sources.get_mut(id) else { continue };
            let is_heard = !matches!(source.kind, SourceKind::SilentOnBattery | SourceKind::SilentOnMains);
            battery.pass(now, is_heard);
            if let (false, Some(reading), true) = (is_heard, &source.reading, battery.discharge.is_some()) {
                let sooner = battery.forecast(reading, now).map(|forecast| now + forecast.lower);
                let known = source.reckoned();
                source.reckon(sooner.into_iter().chain(known).min());
            }
        }
    }

    /// What the journal says was learned.
    pub(crate) fn recall_battery(&mut self, ups: &UpsId, state: &BatteryState, record: &Record, now: &Now) {
        // The wall clock may have stepped: a gap is never negative and never long.
        let passed = now.wall.duration_since(record.at.wall).as_millis();
        let passed = Millis(u64::try_from(passed.max(0)).unwrap_or(u64::MAX));
        if let Some(battery) = self.batteries.get_mut(ups) {
            battery.recall(state, passed);
            battery.ended_with = state.charge.map(|charge| (now.mono - passed, charge)).filter(|_| passed < RECHARGE);
        }
    }

    /// What may be counted on of that battery, where it is reckoned.
    pub(crate) fn battery_facts(&self, id: &UpsId, facts: &SourceFacts, now: Mono) -> Option<BatteryFacts> {
        let (battery, reading) = (self.batteries.get(id)?, self.sources.get(id)?.reading.as_ref()?);
        let deadline = match facts.deadline {
            Some(deadline) => deadline,
            None => now + self.lasts_if_lost(id, now).lasts,
        };
        battery.facts(reading, deadline, now)
    }

    /// What was learned stays when the configuration changes, unless the battery is another one.
    pub(crate) fn keep_batteries(&mut self, old: &Self) {
        for (id, battery) in &mut self.batteries {
            if let Some(known) = old.batteries.get(id) {
                battery.recall(&known.estimator.state, Millis::ZERO);
                battery.ended_with = known.ended_with;
                battery.aged_at = known.aged_at;
            }
        }
    }

    /// How long that battery is taken to last if mains were lost now: what the UPS says less the margin, or what is reckoned,
    /// whichever is shorter.
    pub(crate) fn lasts_if_lost(&self, id: &UpsId, now: Mono) -> IfLost {
        let timing = crate::feed::timing_of(&self.config.topology, id);
        let reading = self.sources.get(id).and_then(|source| source.reading.as_ref());
        let less = |lasts: Millis| {
            let margin = lasts.scaled(u64::from(timing.margin.0), 1_000_000);
            (lasts - margin, margin)
        };
        let stated = reading.and_then(|reading| reading.runtime).map(less);
        let reckoned = reading.and_then(|reading| self.batteries.get(id)?.forecast(reading, now)).map(|forecast| forecast.lower);
        let known = stated.into_iter().chain(reckoned.map(|lasts| (lasts, Millis::ZERO))).min();
        let (lasts, margin) = known.unwrap_or_else(|| less(timing.runtime_assumed));
        IfLost { lasts, margin, is_known: known.is_some() }
    }

    pub(crate) fn battery_view(&self, id: &UpsId, now: Mono) -> Option<BatteryView> {
        self.batteries.get(id)?.view(self.sources.get(id)?.reading.as_ref()?, now)
    }

    /// What is odd about batteries in peacetime: a table of no use, health that has fallen far.
    pub(crate) fn battery_findings(&self, now: Mono) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (id, battery) in &self.batteries {
            let Some(reading) = self.sources.get(id).and_then(|source| source.reading.as_ref()) else { continue };
            let subject = format!("UPS {id}");
            if battery.table.is_some() && battery.load.is_none() {
                findings.push(Finding::warning(
                    "RT0471",
                    subject.clone(),
                    "It says its load neither in watts nor as a share of a power that is known: its runtime table is of no use.",
                    "Say `nominal_power` of this UPS, from its data sheet.",
                ));
            }
            let top = battery.table.as_ref().map(RuntimeTable::top);
            if let (Some(top), Some(load)) = (top, battery.load)
                && load > top
            {
                findings.push(Finding::warning(
                    "RT0471",
                    subject.clone(),
                    format!("It carries {load}; its runtime table ends at {top}: how long it lasts is a guess."),
                    "Add the points for greater loads from the vendor's table, or take load off it.",
                ));
            }
            let Some(view) = battery.view(reading, now) else { continue };
            if view.health < WEAK {
                findings.push(Finding::warning(
                    "RT0472",
                    subject,
                    format!("Its battery gives about {} of its runtime table, by what was seen of it.", view.health),
                    "Replace the battery, then write the day as `battery_installed`.",
                ));
            }
        }
        findings
    }
}

/// A battery that gives less is at its end.
const WEAK: Ppm = Ppm(700_000);

/// How long what is left lasts under a load that changes: for a plan that sheds.
impl BatteryFacts {
    /// From now on, by the lower bound.
    #[must_use]
    pub fn lasts(&self, profile: &Profile) -> Option<Millis> {
        battery::lasts(&self.table, self.left, profile)
    }
}
