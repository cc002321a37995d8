//! The last resort of a host: what stops it, guests first, when nobody else does before its battery ends.

use crate::unit::Millis;
use serde::{Deserialize, Serialize};

/// What a host says about the dead-man timer on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastResortState {
    /// None is set.
    Idle,
    /// It fires unless it is moved or cancelled.
    Set {
        /// Time left, as the host's own clock counts it.
        fires_in: Millis,
    },
    /// It has fired: guests are being stopped, or the host is going down.
    Fired,
}
