//! What stops a host without us: a dead-man timer on it, and programs of others there that would do the same.

use crate::context::Cx;
use crate::error::Result;
use async_trait::async_trait;
use ridethrough_model::{LastResortState, Millis};
use std::fmt::Debug;

/// When the timer fires, and what it does then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerOrder {
    /// Counted from the moment the host takes the order, on a clock of its own that nobody steps. Whole seconds, cut off: never
    /// later than asked for.
    pub fires_in: Millis,
    /// How long guests are waited for before the host goes down all the same.
    pub guests_max: Millis,
}

/// A program on the host that watches a UPS by itself, as found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAgent {
    /// Its name: "upsmon", "apcupsd".
    pub name: String,
    /// Whether it runs now.
    pub is_running: bool,
    /// What it is set to do, in words, where that could be read. Never a password.
    pub detail: String,
}

/// The last resort of one host, through one means. The timer lives on the host, and outlives our connection and ourselves.
#[async_trait]
pub trait LastResort: Send + Sync + Debug {
    /// A short word for evidence and logs: "ssh".
    fn name(&self) -> &'static str;

    /// Sets the timer, or moves the one that is set, at once and earlier as well as later: there is never a moment without.
    /// Answers with what holds then; `Fired` where it was too late. Idempotent, but that each call counts from its own arrival.
    ///
    /// # Errors
    /// `Unreachable`, `Unauthorized`, `Config`, `Refused` where the host cannot keep a timer. Unless it says otherwise, it may be set.
    async fn set(&self, cx: &Cx, order: TimerOrder) -> Result<LastResortState>;

    /// Takes the timer away, and everything it left on the host. Answers `Idle` when nothing of it will act any more, also where none
    /// was; `Fired` where the host is going down already. Idempotent.
    ///
    /// # Errors
    /// As `set`. Unless it says otherwise, nobody knows whether a timer is still set.
    async fn cancel(&self, cx: &Cx) -> Result<LastResortState>;

    /// What the host says about the timer. Reads only. A timer whose process is gone is `Idle`: it would not fire.
    ///
    /// # Errors
    /// As `set`; has no effect.
    async fn observe(&self, cx: &Cx) -> Result<LastResortState>;

    /// Programs of others on the host that watch a UPS. Reads only.
    ///
    /// # Errors
    /// As `set`; has no effect.
    async fn agents(&self, cx: &Cx) -> Result<Vec<HostAgent>>;
}
