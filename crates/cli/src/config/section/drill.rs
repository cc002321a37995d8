//! Drills that are held by themselves.

use crate::config::value::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// Drills that touch nothing, held by themselves. What fails, or got worse since the last one, is told as an alert (RT0462).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drill {
    /// When an outage of each domain is played with what runs then. Default: never.
    pub(crate) paper: Option<At<Rhythm>>,
    /// When everything an outage needs is asked. Default: never.
    pub(crate) preflight: Option<At<Rhythm>>,
}

/// When a drill is held by itself. One that cannot be held then, because of an outage or because the controller does not run, is
/// held as soon as it can be.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rhythm {
    /// After how long again: whole days, weeks or months, e.g. `"1d"`, `"1w"`, `"1mo"`.
    pub(crate) every: At<String>,
    /// At what time of the day, in the machine's own time zone. Default: `"09:00"`.
    pub(crate) at: Option<At<String>>,
}

/// The time of the day where none is said.
const USUAL: jiff::civil::Time = jiff::civil::Time::constant(9, 0, 0, 0);

impl Rhythm {
    /// As the controller understands it.
    ///
    /// # Errors
    /// Which of its values is none, and why.
    pub(crate) fn read(&self) -> Result<ridethrough_controller::Rhythm, (std::ops::Range<usize>, String)> {
        let wrong = |key: &At<String>, why: String| (key.span(), format!("`{}` is no {why}", **key));
        let every: jiff::Span = self.every.parse().map_err(|error| wrong(&self.every, format!("length of time: {error}")))?;
        let is_whole = every.get_years() + every.get_months() as i16 > 0 || every.get_weeks() > 0 || every.get_days() > 0;
        let has_hours = every.get_hours() != 0 || every.get_minutes() != 0 || every.get_seconds() != 0;
        if !is_whole || has_hours || every.is_negative() {
            return Err(wrong(&self.every, "number of days, weeks or months".to_owned()));
        }
        let at = match &self.at {
            None => USUAL,
            Some(at) => at.parse().map_err(|error| wrong(at, format!("time of the day: {error}")))?,
        };
        Ok(ridethrough_controller::Rhythm { every: every.fieldwise(), at })
    }
}
