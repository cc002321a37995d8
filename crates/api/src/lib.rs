//! What goes over HTTP: DTOs and the typed client. Deliberately not the model: these names are stable for scripts, whatever
//! happens inside.
//!
//! Lengths of time end in `_s`, powers in `_w`, shares in `_percent`; moments are RFC 3339 texts; missing is absent or null,
//! never zero. Readers must skip fields they do not know. Begin reading in [`status`].

pub mod account;
pub mod client;
pub mod command;
pub mod drill;
pub mod error;
pub mod health;
pub mod hold;
pub mod openapi;
pub mod plan;
pub mod run;
pub mod status;

pub use account::{Account, Decision, StepAccount, UpsAccount};
pub use client::{Client, ClientError};
pub use command::{Commanded, MaintenanceRequest, SetModeRequest};
pub use drill::{Drill, DrillPart, Drills};
pub use error::{ApiError, code};
pub use health::Health;
pub use hold::{Abort, ByRequest, Hold, HoldRequest};
pub use plan::{Fate, HostEnd, Plan, PlanAnswer, PlanScope, PlannedAction, UpsEnd};
pub use run::{Action, Event, EventsPage, Run, RunDetail, RunSummary, Runs};
pub use status::{
    Alert, Battery, Configuration, Domain, Finding, Guard, Host, LastResort, Load, RefusedConfiguration, Status, Ups, Vm,
};

/// The start of every path.
pub const BASE: &str = "/api/v1";

/// Where health is told, outside [`BASE`].
pub const HEALTH: &str = "/healthz";

/// Where metrics are told, outside [`BASE`].
pub const METRICS: &str = "/metrics";

/// The name of the token file in the data directory.
pub const TOKEN_FILE: &str = "api-token";
