//! Alerts: what the controller says is also told to people who are not looking, by mail, webhook or a command.
//!
//! Never on the path of the loop: a line is handed over and the loop goes on. What was handed over is written to the outbox, and
//! goes from there, in order, at least once, also after a crash or hours without a network.

mod command;
mod courier;
mod email;
mod exchange;
pub mod german;
mod webhook;
mod words;

pub use command::{Command, CommandConfig};
pub use courier::{Couriers, Delivery};
pub use email::{Email, EmailConfig, EmailTls};
pub use exchange::Exchange;
pub use webhook::{Webhook, WebhookConfig};

use async_trait::async_trait;
use ridethrough_model::Severity;
use ridethrough_store::Letter;
use std::fmt::Debug;
use std::sync::Arc;

/// The reader's language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German, as far as the catalogue goes.
    De,
}

/// A way to reach people.
#[async_trait]
pub trait Channel: Send + Sync + Debug {
    /// Hands over all these messages, oldest first, or none as far as it can tell. Bounded by a time limit of its own.
    ///
    /// # Errors
    /// Why they may not have arrived; they are handed over again later, so that one may arrive twice.
    async fn deliver(&self, letters: &[Letter]) -> Result<(), Undelivered>;

    /// Looks whether it could deliver, without telling anybody anything. Bounded by a time limit of its own. Says how far it looked.
    ///
    /// # Errors
    /// Why it could not.
    async fn reach(&self) -> Result<&'static str, Undelivered> {
        Ok("not tried: only a message would show it")
    }
}

/// Why messages may not have arrived, with every cause, in one line. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undelivered(pub String);

impl Undelivered {
    /// What was tried, and all causes of the failure.
    pub(crate) fn of(what: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(next) = cause {
            let said = next.to_string();
            if !text.ends_with(&said) {
                text = format!("{text}: {said}");
            }
            cause = next.source();
        }
        Self(text)
    }
}

/// Who is told, and from which severity on. What changes the power, and the end of a run, is told to everybody.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in the configuration.
    pub name: String,
    /// The least severity it is told.
    pub severity_min: Severity,
    /// The way there.
    pub channel: Arc<dyn Channel>,
}

/// One message to see whether a channel works.
#[must_use]
pub fn test_letter(at: jiff::Timestamp) -> Letter {
    Letter {
        at_ms: at.as_millisecond(),
        severity: "info".to_owned(),
        text: "This is a test: alerts of Ridethrough reach you this way.".to_owned(),
        why: Some("Somebody typed `ridethrough alert test`.".to_owned()),
        code: None,
    }
}

#[cfg(test)]
mod tests;
