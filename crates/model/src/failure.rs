//! How a request to the outside failed, in the words decisions are made of.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The closed list of kinds a driver classifies its errors into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// No connection, connection lost, or no answer before the deadline.
    Unreachable,
    /// Credentials or rights are wrong.
    Unauthorized,
    /// The peer is busy with something else; the same request may work later.
    Busy,
    /// The thing asked about does not exist.
    NotFound,
    /// The peer understood and said no.
    Refused,
    /// This peer cannot do that.
    Unsupported,
    /// The peer said something that makes no sense.
    Protocol,
    /// Our own configuration is wrong.
    Config,
}

impl FailureKind {
    /// For a person: what it means in three or four words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "not authorised",
            Self::Busy => "busy",
            Self::NotFound => "not found",
            Self::Refused => "refused",
            Self::Unsupported => "not supported",
            Self::Protocol => "answer not understood",
            Self::Config => "configuration is wrong",
        }
    }
}

/// Whether a failed request may have been carried out all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TookEffect {
    /// Proven: nothing happened.
    No,
    /// It may have happened. Observe before doing it again.
    Possible,
}

/// A failed request as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// Whether it may have been carried out.
    pub took_effect: TookEffect,
    /// One line for a person: what, where, why. Never holds a secret.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.words(), self.message)
    }
}
