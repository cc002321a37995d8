//! Something done in the operator's own words: a program, a command over SSH, an HTTP request. Loads and hooks are made of these.
//!
//! An order is given once and answers once. It knows nothing of what it means: whether "no" is an off load or a failed hook is
//! for the one who gave it.

use crate::context::Cx;
use crate::error::{Error, Result};
use async_trait::async_trait;
use ridethrough_model::FailureKind;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What is told along, as names and values for the environment of what is run. Names are in upper case, `RIDETHROUGH_...`.
pub type Facts = BTreeMap<String, String>;

/// The fact that is the same over all attempts of one call, so that whoever is called can tell a repetition.
pub const KEY: &str = "RIDETHROUGH_KEY";

/// How an order was answered by somebody who had understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, or: it is on. Exit status 0, or the expected answer of a web service.
    Yes,
    /// Not so, or: it is off. Exit status 3, as `systemctl status` says of what does not run, or the answer named for off.
    No(String),
    /// Anything else, in one line: neither done nor a statement.
    Other(String),
    /// The connection was closed from there while it ran: what takes its own network down has been heard. States nothing else.
    Cut,
}

impl Answer {
    /// As the answer to something that was to be done.
    ///
    /// # Errors
    /// `Busy`, which may have taken effect: it said that it was not done; the same may work later.
    pub fn done(self, operation: &'static str) -> Result<()> {
        match self {
            Self::Yes | Self::Cut => Ok(()),
            Self::No(said) | Self::Other(said) => Err(Error::new(FailureKind::Busy, operation, said)),
        }
    }
}

/// One order.
#[async_trait]
pub trait Order: Send + Sync + Debug {
    /// A short word for logs: "program", "ssh", "http".
    fn name(&self) -> &'static str;

    /// Gives it once. Not idempotent by itself: whoever asks twice has it done twice. What was begun is ended at the deadline, as
    /// far as it can be.
    ///
    /// # Errors
    /// `Unreachable` (no connection, no answer in time), `Unauthorized`, `Config` (no such program, a key that cannot be read). With
    /// [`crate::TookEffect::No`] only where nothing was handed over.
    async fn give(&self, facts: &Facts, cx: &Cx) -> Result<Answer>;
}
