//! What UPSes say of their charge and load, as a plan takes it.

use crate::plant::{Plant, charged};
use crate::site::Site;
use crate::snapshot::ChargeFacts;
use crate::source::{SourceKind, SourceState};
use ridethrough_model::{Millis, Milliwatts, Mono, UpsId};

impl Site {
    pub(crate) fn charge_facts(&self, id: &UpsId, source: &SourceState, now: Mono) -> Option<(UpsId, ChargeFacts)> {
        if !matches!(source.kind, SourceKind::Online) {
            return None;
        }
        let reading = source.reading.as_ref()?;
        let load_before = self.run.as_ref().and_then(|run| run.loads.get(id)).copied();
        if self.is_planted(Plant::ChargeIgnored) {
            return Some((id.clone(), charged()));
        }
        let on_mains_for = source.on_mains_since.map_or(Millis::ZERO, |since| now.since(since));
        let (charge, runtime, load) = (reading.charge, reading.runtime, reading.load);
        Some((id.clone(), ChargeFacts { charge, on_mains_for, runtime, load, load_before }))
    }

    /// What that UPS said last of its load: in watts, or as a share of what it is built for.
    pub(crate) fn watts_of(&self, id: &UpsId, source: &SourceState) -> Option<(UpsId, Milliwatts)> {
        let reading = source.reading.as_ref()?;
        let by_share = || Some(self.nominal_of(id)?.scaled(u64::from(reading.load?.0), 1_000_000));
        Some((id.clone(), reading.realpower.or_else(by_share)?))
    }

    /// What it is built for: the user's word, or its own.
    pub(crate) fn nominal_of(&self, id: &UpsId) -> Option<Milliwatts> {
        let said = || self.sources.get(id)?.reading.as_ref()?.realpower_nominal;
        self.config.topology.upses.get(id).and_then(|ups| ups.battery.nominal).or_else(said)
    }
}
