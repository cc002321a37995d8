//! What a UPS said, or that it said nothing. Words of RFC 9271. Missing is `None`, never a number.

use crate::id::UpsId;
use crate::time::Mono;
use crate::unit::{Millis, Milliwatts, Ppm};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One token of `ups.status` (RFC 9271). Unknown ones are kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StatusToken {
    /// Forced shutdown: another master ordered everybody down.
    Fsd,
    /// On line: mains is there.
    Ol,
    /// On battery.
    Ob,
    /// Low battery.
    Lb,
    /// High battery.
    Hb,
    /// The battery should be replaced.
    Rb,
    /// Charging.
    Chrg,
    /// Discharging.
    Dischrg,
    /// On bypass: the load hangs on raw mains.
    Bypass,
    /// Calibration: a discharge on purpose.
    Cal,
    /// The output is off.
    Off,
    /// Overloaded.
    Over,
    /// Lowering a high mains voltage.
    Trim,
    /// Raising a low mains voltage.
    Boost,
    /// An alarm is active.
    Alarm,
    /// The driver has no full data yet.
    Wait,
    /// A token this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl StatusToken {
    /// Reads one token, case-insensitively. Anything is accepted.
    #[must_use]
    pub fn parse(token: &str) -> Self {
        match token.to_ascii_uppercase().as_str() {
            "FSD" => Self::Fsd,
            "OL" => Self::Ol,
            "OB" => Self::Ob,
            "LB" => Self::Lb,
            "HB" => Self::Hb,
            "RB" => Self::Rb,
            "CHRG" => Self::Chrg,
            "DISCHRG" => Self::Dischrg,
            "BYPASS" => Self::Bypass,
            "CAL" => Self::Cal,
            "OFF" => Self::Off,
            "OVER" => Self::Over,
            "TRIM" => Self::Trim,
            "BOOST" => Self::Boost,
            "ALARM" => Self::Alarm,
            "WAIT" => Self::Wait,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for StatusToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fsd => "FSD",
            Self::Ol => "OL",
            Self::Ob => "OB",
            Self::Lb => "LB",
            Self::Hb => "HB",
            Self::Rb => "RB",
            Self::Chrg => "CHRG",
            Self::Dischrg => "DISCHRG",
            Self::Bypass => "BYPASS",
            Self::Cal => "CAL",
            Self::Off => "OFF",
            Self::Over => "OVER",
            Self::Trim => "TRIM",
            Self::Boost => "BOOST",
            Self::Alarm => "ALARM",
            Self::Wait => "WAIT",
            Self::Other(token) => token,
        })
    }
}

/// The set of tokens in `ups.status`. Empty means the device said nothing about its status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpsStatus(pub BTreeSet<StatusToken>);

impl UpsStatus {
    /// Reads a space separated list of tokens in any order.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.split_whitespace().map(StatusToken::parse).collect())
    }
    /// Whether the token is there.
    #[must_use]
    pub fn has(&self, token: &StatusToken) -> bool {
        self.0.contains(token)
    }
}

impl fmt::Display for UpsStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.pad(&words.join(" "))
    }
}

/// What ends a UPS's output besides an empty battery, as the device itself tells (rule 15).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputLimits {
    /// `ups.timer.shutdown` while it shows a time: until the output goes off. That it runs is proven only by its falling.
    pub shutdown_in: Option<Millis>,
    /// `battery.charge.low`: where the device itself says LB.
    pub charge_low: Option<Ppm>,
    /// `outlet.N.autoswitch.charge.low`: the charge at which it switches outlet group N off by itself.
    pub outlets_off_at: BTreeMap<u32, Ppm>,
    /// `outlet.N.timer.shutdown` while it shows a time: until outlet group N goes off. As above, only its falling proves that it runs.
    pub outlet_timers: BTreeMap<u32, Millis>,
    /// `outlet.N.delay.shutdown`: how long after an order to go off outlet group N does so.
    pub outlet_delays: BTreeMap<u32, Millis>,
    /// `ups.start.auto`: whether it gives power again by itself when mains returns.
    pub starts_with_mains: Option<bool>,
}

/// One look at one UPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Which UPS.
    pub ups: UpsId,
    /// When it was read. Its age is subtracted from every deadline.
    pub observed_at: Mono,
    /// `ups.status`.
    pub status: UpsStatus,
    /// `battery.charge`.
    pub charge: Option<Ppm>,
    /// `battery.runtime` as the device states it, at the present load.
    pub runtime: Option<Millis>,
    /// `ups.load`.
    pub load: Option<Ppm>,
    /// `ups.realpower`.
    pub realpower: Option<Milliwatts>,
    /// `ups.realpower.nominal`.
    pub realpower_nominal: Option<Milliwatts>,
    /// `battery.runtime.low`: where the device itself says LB.
    pub runtime_low: Option<Millis>,
    /// What else ends its output.
    #[serde(default)]
    pub limits: OutputLimits,
    /// What else it says of its battery.
    #[serde(default)]
    pub battery: BatteryReading,
}

/// What a UPS says of its battery besides charge and runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatteryReading {
    /// `battery.voltage`, in millivolts.
    pub voltage_mv: Option<u32>,
    /// `battery.temperature`, or the UPS's own, in thousandths of a degree Celsius.
    pub temperature_mc: Option<i32>,
    /// `battery.packs`: how many modules it has.
    pub packs: Option<u32>,
    /// `battery.packs.bad`: how many of them do not work.
    pub packs_bad: Option<u32>,
}

impl Reading {
    /// A reading that knows only the status.
    #[must_use]
    pub fn of_status(ups: UpsId, observed_at: Mono, status: &str) -> Self {
        Self {
            ups,
            observed_at,
            status: UpsStatus::parse(status),
            charge: None,
            runtime: None,
            load: None,
            realpower: None,
            realpower_nominal: None,
            runtime_low: None,
            limits: OutputLimits::default(),
            battery: BatteryReading::default(),
        }
    }
}

/// Why there is no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SilenceKind {
    /// The server answers but its data are old (`DATA-STALE`).
    Stale,
    /// The server answers but has lost the device (`DRIVER-NOT-CONNECTED`).
    Disconnected,
    /// The server itself does not answer.
    Unreachable,
    /// The server refuses us, or does not know that UPS: a person must mend it.
    Refused,
}

/// A look at a UPS that saw nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Which UPS.
    pub ups: UpsId,
    /// When we looked.
    pub at: Mono,
    /// Why.
    pub kind: SilenceKind,
    /// For a person.
    pub message: String,
}

/// What one source says about a host's power. Only a trusted source can prove off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostPowerState {
    /// It runs.
    On,
    /// It is off. Said only by a source that can know (a BMC, an outlet).
    Off,
    /// This source cannot tell. Never taken for off.
    Unknown,
}
