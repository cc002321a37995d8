//! What a person holds back: the bodies of `POST /api/v1/hold`, `/hold/release`, `/abort`, `/return`, and how it is seen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The body of `POST /api/v1/hold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldRequest {
    /// For how long at most, in milliseconds; at most a day.
    pub duration_ms: u64,
    /// Do not lift it at the last safe moment, whatever is lost.
    #[serde(default)]
    pub even_if_lost: bool,
    /// Who asks, for the journal.
    pub by: String,
}

/// The body of `POST /api/v1/hold/release`, `/abort` and `/return`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByRequest {
    /// Who asks, for the journal.
    pub by: String,
}

/// A hold in force: nothing is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// Time until it ends by itself: its length or the last safe moment, whichever comes first.
    pub ends_in_s: u64,
    /// Time until the last safe moment of the first host whose power ends; null while none is at risk.
    pub last_safe_in_s: Option<u64>,
    /// That host.
    pub last_safe_host: Option<String>,
    /// It does not end at the last safe moment.
    pub even_if_lost: bool,
    /// Who asked.
    pub by: String,
}

/// An abort in force: nothing is started in the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Abort {
    /// Nothing comes back before a person says `return`; otherwise everything does once mains is stable.
    pub is_until_return: bool,
    /// Who asked.
    pub by: String,
}
