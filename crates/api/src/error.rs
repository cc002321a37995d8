//! How the API says no: a stable code, one sentence, and what to do.

use crate::status::Finding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Stable codes of the API; `docs/errors/<code>.md` explains each.
pub mod code {
    /// The token is missing or wrong.
    pub const UNAUTHORIZED: &str = "RT0250";
    /// Nothing answers at the address.
    pub const UNREACHABLE: &str = "RT0251";
    /// There is no such thing.
    pub const NOT_FOUND: &str = "RT0252";
    /// The request makes no sense.
    pub const MALFORMED: &str = "RT0253";
    /// The command was understood and refused.
    pub const REFUSED: &str = "RT0254";
    /// The configuration's files have errors.
    pub const UNFIT: &str = "RT0190";
    /// The new configuration changes what only a start can change.
    pub const RESTART: &str = "RT0191";
    /// The configuration's files could not be read as a whole.
    pub const UNREAD: &str = "RT0192";
    /// A reload is under way, or there is nothing to reload.
    pub const RELOADING: &str = "RT0265";
    /// The new configuration does not suit what is going on.
    pub const UNSUITED: &str = "RT0454";
    /// The controller does not answer its own server in time.
    pub const BUSY: &str = "RT0255";
    /// The journal cannot be read.
    pub const JOURNAL: &str = "RT0256";
    /// The token file cannot be read or made.
    pub const TOKEN_FILE: &str = "RT0257";
    /// The address to listen on is not a loopback address, or is taken.
    pub const LISTEN: &str = "RT0258";
    /// What answers is not this API.
    pub const STRANGER: &str = "RT0259";
}

/// A refusal. The body of every answer that is not 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiError {
    /// `RTnnnn`.
    pub code: String,
    /// What is the matter, in one sentence.
    pub message: String,
    /// What to do about it, in one sentence.
    pub remedy: String,
    /// The reasons in detail, for a refused command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl ApiError {
    /// A refusal without findings.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), remedy: remedy.into(), findings: Vec::new() }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ApiError {}
