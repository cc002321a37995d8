//! Where a power domain is in an outage.

use ridethrough_model::{Millis, Mono};

/// The phases of DESIGN section 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DomainPhase {
    /// On mains, nothing open.
    #[default]
    Online,
    /// On battery, within the ride-through.
    OnBattery,
    /// Ride-through is over, or waiting would be unsafe.
    Acting,
    /// Mains is back but not yet stable, or load is being brought back.
    Returning,
}

impl DomainPhase {
    /// In words for a person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Online => "on mains",
            Self::OnBattery => "on battery, riding through",
            Self::Acting => "acting",
            Self::Returning => "returning",
        }
    }
}

/// The state of one domain within one incident. Replaced by the default when the incident ends: nothing crosses (rule 11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainState {
    /// Where it is.
    pub phase: DomainPhase,
    /// Time on battery in this incident, before the present stretch.
    pub on_battery_before: Millis,
    /// Start of the present stretch on battery.
    pub on_battery_since: Option<Mono>,
    /// Start of the present stretch of mains in every UPS of the domain.
    pub mains_since: Option<Mono>,
    /// Whether mains has been stable for long enough in this incident.
    pub is_stable: bool,
    /// When acting began in this incident, the first time: then there is no second ride-through.
    pub acting_since: Option<Mono>,
}

impl DomainState {
    /// Time on battery in this incident.
    #[must_use]
    pub fn on_battery_for(&self, now: Mono) -> Millis {
        self.on_battery_before + self.on_battery_since.map_or(Millis::ZERO, |since| now.since(since))
    }

    /// Notes whether any UPS of the domain is on battery, and whether all are on mains.
    pub fn note(&mut self, any_on_battery: bool, all_on_mains: bool, now: Mono) {
        if any_on_battery {
            self.on_battery_since.get_or_insert(now);
            self.mains_since = None;
            self.is_stable = false;
            if matches!(self.phase, DomainPhase::Online | DomainPhase::Returning) {
                self.phase = DomainPhase::OnBattery;
            }
            return;
        }
        if let Some(since) = self.on_battery_since.take() {
            self.on_battery_before = self.on_battery_before + now.since(since);
        }
        if all_on_mains {
            self.mains_since.get_or_insert(now);
            if matches!(self.phase, DomainPhase::OnBattery | DomainPhase::Acting) {
                self.phase = DomainPhase::Returning;
            }
        } else {
            self.mains_since = None;
            self.is_stable = false;
        }
    }
}
