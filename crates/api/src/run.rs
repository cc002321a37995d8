//! Runs and what happened in them: `GET /api/v1/runs`, `/runs/{id}`, `/events`.

use crate::account::Account;
use crate::hold::Abort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to `GET /api/v1/runs`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Runs {
    /// One line each.
    pub runs: Vec<RunSummary>,
}

/// One run in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunSummary {
    /// Its number.
    pub id: u64,
    /// The incident's number.
    pub incident: u64,
    /// When it began.
    pub began_at: String,
    /// When it ended; absent while it is open.
    pub ended_at: Option<String>,
    /// `open`, `nothing-touched`, `returned`, `returned-incomplete`, `observed-only`.
    pub end: String,
    /// What did not come back.
    pub missing: Vec<String>,
}

/// A run under way or past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Its number.
    pub id: u64,
    /// The incident's number.
    pub incident: u64,
    /// In one word: `on-battery`, `acting`, `returning`, `ended`.
    pub state: String,
    /// Every action of every plan of it, in order of number.
    pub actions: Vec<Action>,
    /// A person aborted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<Abort>,
    /// Names of VMs that were stopped in it, or are being stopped, and are not back.
    #[serde(default)]
    pub stopped: Vec<String>,
    /// Names of VMs that were moved away in it and are not back.
    #[serde(default)]
    pub moved: Vec<String>,
    /// Hosts that were shut down in it, or are being shut down, and are not back.
    #[serde(default)]
    pub hosts_down: Vec<String>,
}

/// One action of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    /// Its number.
    pub id: u64,
    /// What, for a person.
    pub text: String,
    /// `planned`, `intended`, `accepted`, `failed`, `done`, `dropped`.
    pub phase: String,
    /// Why it is there.
    pub why: String,
    /// The last failure or detail.
    pub detail: Option<String>,
    /// Only said, not done.
    pub is_observe_only: bool,
    /// Share done, where told.
    pub done_percent: Option<u8>,
}

/// The answer to `GET /api/v1/runs/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunDetail {
    /// In one line.
    pub summary: RunSummary,
    /// Its actions.
    pub run: Run,
    /// The after-action record.
    #[serde(default)]
    pub account: Account,
    /// What happened, oldest first.
    pub events: Vec<Event>,
    /// There are more events than these; ask `/events?run=ID&after=...`.
    pub is_truncated: bool,
}

/// The answer to `GET /api/v1/events`: oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventsPage {
    /// What happened.
    pub events: Vec<Event>,
    /// What to give as `after` to go on.
    pub next: Option<String>,
}

/// One fact of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its run; 0 is the site's log outside incidents.
    pub run: u64,
    /// Its place in the run.
    pub seq: u64,
    /// The number of the incident; 0 outside.
    pub incident: u64,
    /// When.
    pub at: String,
    /// What kind of fact.
    pub kind: String,
    /// `info`, `warning` or `alarm`.
    pub severity: String,
    /// For a person.
    pub text: String,
    /// The action it is about.
    pub action: Option<u64>,
    /// Which attempt.
    pub attempt: Option<u32>,
    /// The VM's id.
    pub vm: Option<String>,
    /// The host.
    pub host: Option<String>,
    /// The UPS.
    pub ups: Option<String>,
    /// The domain.
    pub domain: Option<String>,
}
