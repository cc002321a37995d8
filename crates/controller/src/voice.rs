//! What the controller says to whoever watches it. Not the journal and not the log: one line per thing a person would tell another.

use ridethrough_model::Severity;
use std::fmt::Debug;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: jiff::Timestamp,
    /// How urgent.
    pub severity: Severity,
    /// What.
    pub text: String,
    /// Why, where it is not plain.
    pub why: Option<String>,
    /// `RTnnnn`, where there is a page for it.
    pub code: Option<String>,
    /// The power changed, a domain began to act, or a run ended: told to everybody who is alerted, however severe.
    pub is_milestone: bool,
}

/// Where lines go. It must hand over and return at once, dropping lines if it has to: a terminal that hangs must not stop an
/// outage from being handled.
pub trait Voice: Send + Sync + Debug {
    /// Says one line.
    fn say(&self, line: Line);
}

/// Who is told that the loop runs: once after each tick, so that a loop that hangs falls silent. It must return at once.
pub trait Pulse: Send + Sync + Debug {
    /// The loop has done its tick.
    fn beat(&self);
}

impl Pulse for Silent {
    fn beat(&self) {}
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Voice for Silent {
    fn say(&self, _: Line) {}
}
