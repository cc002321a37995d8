//! What was learned of a battery, as the journal keeps it. Logarithms and variances are in thousand-millionths ("nano").

use crate::unit::{Millis, Ppm};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is believed of one battery: how much of its table it gives, how sure that is, and how good the forecasts were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatteryState {
    /// Natural logarithm of the share of its table that it gives.
    pub ln_health: i64,
    /// The variance of that.
    pub variance: i64,
    /// By how much the last observed ends differed from what was believed, as logarithms, newest last.
    #[serde(default)]
    pub residuals: Vec<i64>,
    /// How far the UPS's own figure is off, by band of load.
    #[serde(default)]
    pub biases: BTreeMap<u8, Bias>,
    /// The day the battery was installed that this is about.
    #[serde(default)]
    pub installed: Option<jiff::civil::Date>,
    /// Discharges to the end, or to low battery.
    #[serde(default)]
    pub ends_seen: u32,
    /// Discharges that mains ended.
    #[serde(default)]
    pub partial_seen: u32,
    /// Forecasts against what came, newest last.
    #[serde(default)]
    pub errors: Vec<ForecastError>,
    /// How full it was when this was written.
    #[serde(default)]
    pub charge: Option<Ppm>,
    /// Where no table was given: how long a full battery lasts, learned by band of load in tenths of the nominal power.
    #[serde(default)]
    pub lasted: BTreeMap<u8, Millis>,
}

/// How far a UPS's own figure is off in a band of load: the logarithm of what it says over what was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bias {
    /// Its mean.
    pub ln: i64,
    /// Its variance.
    pub variance: i64,
    /// From how many discharges.
    pub count: u32,
}

/// A forecast made early in a discharge that was seen to its end, and what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForecastError {
    /// How long it was taken to last, under the load that came.
    pub forecast: Millis,
    /// The bound it was planned with.
    pub bound: Millis,
    /// How long it lasted.
    pub lasted: Millis,
}
