//! One UPS, folded from what it says and from its silence. Hysteresis lives here.
//!
//! On battery counts at once: the ride-through is the debounce. Low battery counts only while on battery, after two reads, and
//! never where the model's flag is known to lie. Silence is neither an outage nor health, and takes back no order.

use crate::masters::{self, EndedBy};
use ridethrough_model::{Millis, Mono, PowerEvent, Ppm, Reading, Silence, StatusToken, Timing, UpsId, UpsTopology};
use std::collections::{BTreeMap, BTreeSet};

/// What a UPS is doing, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// Never heard.
    Unknown,
    /// On mains.
    Online,
    /// On battery.
    OnBattery,
    /// On battery, and it says low.
    LowBattery,
    /// Another master ordered everybody down.
    Forced,
    /// The load hangs on raw mains.
    Bypass,
    /// Its output is off.
    Off,
    /// Silent, last seen on mains.
    SilentOnMains,
    /// Silent, last seen on battery: the last forecast counts.
    SilentOnBattery,
}

impl SourceKind {
    /// Whether power from it will end.
    #[must_use]
    pub fn is_on_battery(self) -> bool {
        matches!(self, Self::OnBattery | Self::LowBattery | Self::Forced | Self::SilentOnBattery)
    }
    /// In words for a person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "never heard",
            Self::Online => "on mains",
            Self::OnBattery => "on battery",
            Self::LowBattery => "battery low",
            Self::Forced => "forced shutdown",
            Self::Bypass => "on bypass",
            Self::Off => "output off",
            Self::SilentOnMains => "silent (last on mains)",
            Self::SilentOnBattery => "silent (last on battery)",
        }
    }
}

/// The state of one UPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// What it is doing.
    pub kind: SourceKind,
    /// The last reading.
    pub reading: Option<Reading>,
    /// When it was last heard; the start of our knowledge before that.
    pub heard_at: Mono,
    /// When it was last seen on mains.
    pub on_mains_at: Mono,
    /// Since when it is on battery without a break.
    pub on_battery_since: Option<Mono>,
    /// Since when it is on mains without a break.
    pub on_mains_since: Option<Mono>,
    /// When mains came back to it last.
    pub back_at: Option<Mono>,
    /// When it is taken to be empty, by its last word, without margin.
    pub empty_at: Option<Mono>,
    /// Whether `empty_at` is what it said (or assumed for want of a word).
    pub is_stated: bool,
    /// What ends it before its battery is empty.
    pub ended_by: Option<EndedBy>,
    /// When an outlet group that switches itself off is taken to do so.
    pub outlets_end: BTreeMap<u32, Mono>,
    /// When its battery is taken to be empty by its table and what was learned of it, at the lower bound.
    reckoned: Option<Mono>,
    /// Why it is silent.
    pub silence: Option<Silence>,
    /// Others that follow it and do not only obey, by address.
    pub masters: BTreeSet<String>,
    /// Everybody that followed it at the last look.
    followers: BTreeSet<String>,
    /// Low battery reads in a row.
    low_reads: u8,
    /// Readings in a row that said it carries too much.
    over_reads: u8,
    /// When the forced shutdown was first seen in this incident. Silence does not take it back.
    forced_at: Option<Mono>,
    /// Its shutdown timer as last read.
    timer: Option<(Mono, Millis)>,
    /// When its output goes off by a timer that was seen to run.
    off_at: Option<Mono>,
    /// The same of single outlet groups.
    outlet_timers: BTreeMap<u32, (Mono, Millis)>,
    outlets_off_at: BTreeMap<u32, Mono>,
}

/// A countdown that ended this long ago, with the UPS still giving power, was none.
const TIMER_OVERDUE: Millis = Millis::from_secs(10);
/// Reads in a row before a low battery is believed.
const LOW_READS_MIN: u8 = 2;
/// Reads in a row before an overload is: what starts up draws much for a moment.
const OVER_READS_MIN: u8 = 2;

impl SourceState {
    /// Nothing known yet.
    #[must_use]
    pub fn new(now: Mono) -> Self {
        Self {
            kind: SourceKind::Unknown,
            reading: None,
            heard_at: now,
            on_mains_at: now,
            on_battery_since: None,
            on_mains_since: None,
            back_at: None,
            empty_at: None,
            is_stated: false,
            ended_by: None,
            outlets_end: BTreeMap::new(),
            reckoned: None,
            silence: None,
            masters: BTreeSet::new(),
            followers: BTreeSet::new(),
            low_reads: 0,
            over_reads: 0,
            forced_at: None,
            timer: None,
            off_at: None,
            outlet_timers: BTreeMap::new(),
            outlets_off_at: BTreeMap::new(),
        }
    }

    /// Takes a reading in; returns the edges. Readings older than the last one are ignored.
    pub fn read(&mut self, reading: Reading, ups: &UpsTopology, timing: &Timing) -> Vec<PowerEvent> {
        let at = reading.observed_at;
        if self.reading.as_ref().is_some_and(|last| last.observed_at > at) {
            return Vec::new();
        }
        let id = reading.ups.clone();
        let was = self.kind;
        let mut edges = Vec::new();
        if matches!(was, SourceKind::SilentOnMains | SourceKind::SilentOnBattery) {
            edges.push(PowerEvent::Heard { ups: id.clone() });
        }
        let kind = self.classify(&reading, ups);
        if matches!(kind, SourceKind::Online | SourceKind::Bypass) {
            self.on_mains_at = at;
            self.on_mains_since.get_or_insert(at);
            self.on_battery_since = None;
            self.empty_at = None;
            self.ended_by = None;
            self.outlets_end.clear();
            self.forced_at = None;
            self.reckoned = None;
            if was.is_on_battery() || was == SourceKind::Off {
                self.back_at = Some(at);
                edges.push(PowerEvent::MainsBack { ups: id });
            }
        } else {
            self.on_mains_since = None;
            self.revise_deadline(&reading, timing, kind);
            self.edges_on_battery(id, was, kind, &reading, &mut edges);
        }
        let is_over = reading.status.has(&StatusToken::Over) || reading.load.is_some_and(|load| load > Ppm::FULL);
        self.over_reads = if is_over && kind != SourceKind::Off { self.over_reads.saturating_add(1) } else { 0 };
        if self.over_reads == OVER_READS_MIN {
            let load = reading.load.filter(|load| *load > Ppm::FULL);
            edges.push(PowerEvent::Overloaded { ups: reading.ups.clone(), load });
        }
        self.kind = kind;
        self.heard_at = at;
        self.silence = None;
        self.reading = Some(reading);
        edges
    }

    fn classify(&mut self, reading: &Reading, ups: &UpsTopology) -> SourceKind {
        let has = |token: StatusToken| reading.status.has(&token);
        self.watch_timer(reading);
        let on_battery = has(StatusToken::Ob);
        let low = on_battery && has(StatusToken::Lb) && !has(StatusToken::Cal) && ups.low_battery_reliable;
        self.low_reads = if low { self.low_reads.saturating_add(1) } else { 0 };
        if has(StatusToken::Fsd) {
            self.forced_at.get_or_insert(reading.observed_at);
            return SourceKind::Forced;
        }
        if self.off_at.is_some() {
            return SourceKind::Forced;
        }
        if has(StatusToken::Off) {
            return SourceKind::Off;
        }
        if on_battery && has(StatusToken::Cal) {
            return SourceKind::Online;
        }
        if on_battery {
            return if self.low_reads >= LOW_READS_MIN { SourceKind::LowBattery } else { SourceKind::OnBattery };
        }
        if has(StatusToken::Bypass) {
            return SourceKind::Bypass;
        }
        if has(StatusToken::Ol) {
            return SourceKind::Online;
        }
        // It speaks but does not say where its power comes from: what was known stays, and nothing is taken for health.
        match self.kind {
            SourceKind::SilentOnMains => SourceKind::Online,
            SourceKind::SilentOnBattery => SourceKind::OnBattery,
            kind => kind,
        }
    }

    /// A shutdown timer that falls from look to look is an order with an end. One that is at rest takes it back.
    fn watch_timer(&mut self, reading: &Reading) {
        let now = reading.limits.shutdown_in.map(|left| (reading.observed_at, left));
        if let (Some(before), Some(after)) = (self.timer, now)
            && masters::runs(before, after)
        {
            self.off_at = Some(after.0 + after.1);
        }
        if now.is_none() || self.off_at.is_some_and(|off_at| reading.observed_at > off_at + TIMER_OVERDUE) {
            self.off_at = None;
        }
        self.timer = now;
        self.watch_outlets(reading);
    }

    /// The same of outlet groups: one that was seen to count down goes off at its end, until it is at rest again.
    fn watch_outlets(&mut self, reading: &Reading) {
        let at = reading.observed_at;
        let now: BTreeMap<u32, (Mono, Millis)> =
            reading.limits.outlet_timers.iter().map(|(group, left)| (*group, (at, *left))).collect();
        for (group, after) in &now {
            if self.outlet_timers.get(group).is_some_and(|before| masters::runs(*before, *after)) {
                self.outlets_off_at.insert(*group, after.0 + after.1);
            }
        }
        self.outlets_off_at.retain(|group, off_at| now.contains_key(group) && at <= *off_at + TIMER_OVERDUE);
        self.outlet_timers = now;
    }

    fn revise_deadline(&mut self, reading: &Reading, timing: &Timing, kind: SourceKind) {
        if !kind.is_on_battery() {
            return;
        }
        self.on_battery_since.get_or_insert(reading.observed_at);
        let assumed = self.on_mains_at + timing.runtime_assumed;
        let (stated, is_stated) = match (reading.runtime, self.reckoned) {
            (Some(runtime), _) => (reading.observed_at + runtime, true),
            (None, Some(reckoned)) => (reckoned, true),
            (None, None) => (assumed, false),
        };
        let left = stated.since(reading.observed_at);
        let master = (!self.masters.is_empty()).then(|| masters::low_battery_at(reading, left));
        let ends = [
            (self.off_at, EndedBy::Countdown),
            (self.forced_at.map(|at| at + timing.runtime_assumed), EndedBy::ForcedShutdown),
            (master, EndedBy::OtherMaster),
        ];
        let first = ends.into_iter().filter_map(|(at, by)| at.map(|at| (at, by))).min();
        let first = first.filter(|(at, _)| *at < stated);
        self.empty_at = Some(first.map_or(stated, |(at, _)| at));
        self.ended_by = first.map(|(_, by)| by);
        self.is_stated = is_stated;
        let off = |limit: &ridethrough_model::Ppm| {
            let charge = reading.charge?;
            Some(reading.observed_at + masters::until_charge(left, charge, *limit))
        };
        // An outlet that switches itself off at a charge nobody knows may do so now.
        let by_charge =
            reading.limits.outlets_off_at.iter().map(|(group, limit)| (*group, off(limit).unwrap_or(reading.observed_at)));
        let by_timer = self.outlets_off_at.iter().map(|(group, at)| (*group, *at));
        // Everybody was ordered down: from then on the UPS may be told to go off, and each outlet does so after its own delay.
        let forced_at = self.forced_at;
        let by_order = reading.limits.outlet_delays.iter().filter_map(|(group, delay)| Some((*group, forced_at? + *delay)));
        let mut ends = BTreeMap::new();
        for (group, at) in by_charge.chain(by_timer).chain(by_order) {
            let first = ends.entry(group).or_insert(at);
            *first = at.min(*first);
        }
        self.outlets_end = ends;
    }

    fn edges_on_battery(&self, id: UpsId, was: SourceKind, kind: SourceKind, reading: &Reading, edges: &mut Vec<PowerEvent>) {
        if kind.is_on_battery() && !was.is_on_battery() {
            edges.push(PowerEvent::MainsLost { ups: id.clone(), runtime: reading.runtime });
        }
        if kind == SourceKind::LowBattery && was != kind {
            edges.push(PowerEvent::BatteryLow { ups: id.clone() });
        }
        if kind == SourceKind::Forced && was != kind {
            edges.push(PowerEvent::ForcedShutdown { ups: id });
        }
    }

    /// Notes a look that saw nothing, or the passing of time: past `limit` without a word the UPS is silent.
    pub fn be_silent(
        &mut self,
        ups: &UpsId,
        silence: Option<Silence>,
        now: Mono,
        limit: Millis,
        timing: &Timing,
    ) -> Vec<PowerEvent> {
        if let Some(silence) = silence {
            self.silence = Some(silence);
        }
        let is_silent_already = matches!(self.kind, SourceKind::SilentOnMains | SourceKind::SilentOnBattery);
        if is_silent_already || self.kind == SourceKind::Unknown || now.since(self.heard_at) < limit {
            return Vec::new();
        }
        let was_on_battery = self.kind.is_on_battery();
        self.on_mains_since = None;
        self.low_reads = 0;
        self.over_reads = 0;
        if was_on_battery {
            // No better word: what it said last, drained as forecast; without a word, the assumption.
            self.empty_at.get_or_insert(self.on_mains_at + timing.runtime_assumed);
        }
        self.kind = if was_on_battery { SourceKind::SilentOnBattery } else { SourceKind::SilentOnMains };
        let reason = self.silence.as_ref().map_or_else(|| "no answer".to_owned(), |silence| silence.message.clone());
        vec![PowerEvent::Silent { ups: ups.clone(), was_on_battery, reason }]
    }

    /// Who follows it, by address, as its server tells; those known to only obey are no masters. Counts from the next reading on,
    /// and only who is seen twice in a row: a connection of ours that has just broken is still on the server's list.
    pub fn follow(&mut self, clients: BTreeSet<String>, ups: &UpsTopology) {
        self.masters = clients.intersection(&self.followers).filter(|who| !ups.secondaries.contains(*who)).cloned().collect();
        self.followers = clients;
    }

    /// When it is to be counted as empty: the margin is a share of the whole time on battery, so it does not melt away as the
    /// end comes near. `None` while it is not on battery.
    #[must_use]
    pub fn deadline(&self, timing: &Timing) -> Option<Mono> {
        if !self.kind.is_on_battery() {
            return None;
        }
        let stated = self.less_margin(self.empty_at?, timing);
        // What is reckoned has its margin already, also where it stands for a word the UPS does not say. Whoever says less is believed.
        let says_runtime = self.reading.as_ref().is_some_and(|reading| reading.runtime.is_some());
        Some(match self.reckoned {
            Some(reckoned) if !says_runtime && self.ended_by.is_none() => reckoned,
            Some(reckoned) => reckoned.min(stated),
            None => stated,
        })
    }

    /// How much of that is margin: none where what is reckoned counts, whose bound it is.
    pub(crate) fn margin(&self, timing: &Timing) -> Millis {
        let (Some(deadline), Some(empty_at)) = (self.deadline(timing), self.empty_at) else { return Millis::ZERO };
        if self.reckoned == Some(deadline) { Millis::ZERO } else { empty_at.since(deadline) }
    }

    /// When its battery is taken to be empty by its table; `None` where that is not known.
    pub(crate) fn reckon(&mut self, at: Option<Mono>) {
        self.reckoned = at;
    }

    pub(crate) fn reckoned(&self) -> Option<Mono> {
        self.reckoned
    }

    /// The same for its outlet groups that end earlier by themselves.
    #[must_use]
    pub fn outlet_deadlines(&self, timing: &Timing) -> BTreeMap<u32, Mono> {
        let ends = self.outlets_end.iter().filter(|_| self.kind.is_on_battery());
        ends.map(|(group, at)| (*group, self.less_margin(*at, timing))).collect()
    }

    fn less_margin(&self, end: Mono, timing: &Timing) -> Mono {
        let lasts = end.since(self.on_battery_since.unwrap_or(self.heard_at));
        end - lasts.scaled(u64::from(timing.margin.0), 1_000_000)
    }

    /// Whether it says that it carries more than it is built for.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.over_reads >= OVER_READS_MIN
    }

    /// Whether everybody must go down now: low battery or a forced shutdown.
    #[must_use]
    pub fn is_emergency(&self) -> bool {
        self.kind == SourceKind::LowBattery || self.is_forced()
    }

    /// Whether somebody has ordered everybody down. Silence after the order does not take it back: only its being heard on mains
    /// without the order does.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        let is_ordered = self.forced_at.is_some() || self.off_at.is_some();
        self.kind == SourceKind::Forced || self.kind == SourceKind::SilentOnBattery && is_ordered
    }
}

impl SourceState {
    /// Takes up what the journal of an unfinished run says: on battery, not heard since. It stays so until it is heard, or
    /// counts as silent on battery with the forecast made then.
    pub(crate) fn resume_on_battery(&mut self, now: Mono, since: Option<Mono>, deadline: Option<Mono>, is_forced: bool) {
        self.kind = SourceKind::OnBattery;
        self.heard_at = now;
        self.on_battery_since = Some(since.unwrap_or(now));
        self.on_mains_at = since.unwrap_or(now);
        self.empty_at = deadline;
        self.forced_at = is_forced.then_some(now);
    }
}
