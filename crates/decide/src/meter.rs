//! What a UPS gives while it is on battery, added up from its readings, and what it says at the turns of an incident.

use crate::site::Site;
use ridethrough_model::entry::UpsFacts;
use ridethrough_model::{Entry, Mono, Now, Reading, Severity, UpsId};

/// Energy since mains was lost, only while this process lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    last: Mono,
    /// In mW ms.
    given: u128,
    /// Every reading said its power.
    is_whole: bool,
}

/// mW ms in a mWh.
const PER_MWH: u128 = 3_600_000;

impl Site {
    /// Adds what was given since the last reading, at the power of this one.
    pub(crate) fn meter(&mut self, reading: &Reading) {
        let Some(meter) = self.meters.get_mut(&reading.ups) else { return };
        let passed = reading.observed_at.since(meter.last);
        meter.last = meter.last.max(reading.observed_at);
        match reading.realpower {
            Some(power) => meter.given += u128::from(power.0) * u128::from(passed.0),
            None => meter.is_whole = false,
        }
    }

    /// Mains was lost there: what it gives is added up from now on.
    pub(crate) fn begin_metering(&mut self, ups: &UpsId, now: &Now) {
        self.meters.entry(ups.clone()).or_insert(Meter { last: now.mono, given: 0, is_whole: true });
        self.note_ups(ups, None, now);
    }

    /// Mains is back there.
    pub(crate) fn end_metering(&mut self, ups: &UpsId, now: &Now) {
        let meter = self.meters.remove(ups).filter(|meter| meter.is_whole);
        let energy = meter.and_then(|meter| u64::try_from(meter.given / PER_MWH).ok());
        self.note_ups(ups, energy, now);
    }

    fn note_ups(&mut self, ups: &UpsId, energy_mwh: Option<u64>, now: &Now) {
        let Some(reading) = self.sources.get(ups).and_then(|source| source.reading.as_ref()) else { return };
        let facts = UpsFacts { charge: reading.charge, runtime: reading.runtime, load: reading.load, energy_mwh };
        if self.run.is_some() {
            self.append(Entry::UpsNoted { ups: ups.clone(), facts }, now);
        }
    }
}

impl Site {
    /// The incident in a sentence, to whoever is told of alarms; the whole record stays in the journal.
    pub(crate) fn tell_in_short(&mut self, now: &Now) {
        let Some(run) = self.run.as_ref().filter(|run| !run.is_untouched() || !run.stopped.is_empty()) else { return };
        let text =
            format!("The incident is over: {}. `ridethrough runs show {}` has the whole record.", run.account.in_short(), run.id);
        self.notice(Severity::Info, Some("RT0436"), text, now);
    }
}
