//! What a person can ask for, and the answer.

use crate::status::Finding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The body of `POST /api/v1/domains/{name}/arm` and `/disarm`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetModeRequest {
    /// Who asks, for the journal.
    pub by: String,
}

/// The body of `POST /api/v1/ups/{name}/maintenance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceRequest {
    /// For how long, in milliseconds; null ends it.
    pub duration_ms: Option<u64>,
    /// Who asks, for the journal.
    pub by: String,
}

/// The answer to a command that was carried out. One that was not is an [`crate::ApiError`] with findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Commanded {
    /// What is not proven, or worth knowing.
    pub findings: Vec<Finding>,
}
