//! The nouns of Ridethrough: what a UPS said, what runs where, what the user wants, what was planned and what happened.
//!
//! Pure data: no IO, no clock, no randomness, no async (enforced by `clippy.toml` and `xtask tidy`). Verbs live in
//! `ridethrough-decide`, the outside world behind `ridethrough-driver`.
//! Begin reading in [`plan`] (what we intend) and [`entry`] (what we write down).

pub mod battery;
pub mod drill;
pub mod entry;
pub mod event;
pub mod failure;
pub mod finding;
pub mod guard;
pub mod hook;
pub mod id;
pub mod inventory;
pub mod last_resort;
pub mod plan;
pub mod policy;
pub mod reading;
pub mod ready;
pub mod time;
pub mod topology;
pub mod undoing;
pub mod unit;

pub use battery::{BatteryState, Bias, ForecastError};
pub use drill::{DrillLevel, DrillPart, DrillReport};
pub use entry::{Entry, Notice, Record, Severity};
pub use event::{Observed, PowerEvent, Progress, Started, TaskRef};
pub use failure::{Failure, FailureKind, TookEffect};
pub use finding::{Finding, FindingLevel};
pub use guard::{GuardId, GuardKind, GuardScope, GuardState, GuardedStep};
pub use hook::{Hook, HookMoment, HookOf};
pub use id::{ActionId, DomainId, HostId, Ids, LoadId, PlanId, PlatformId, RunId, SiteId, TierName, UpsId, VmId};
pub use inventory::{HostInfo, Inventory, SuspendRoom, Vm, VmPower};
pub use last_resort::LastResortState;
pub use plan::{Action, Op, Plan, PlanCause, PlanReport, Why};
pub use policy::{ForceOff, OnOutage, Policy, Tier, TierMatch};
pub use reading::{BatteryReading, HostPowerState, OutputLimits, Reading, Silence, SilenceKind, StatusToken, UpsStatus};
pub use ready::{Needs, Probe, Ready, VmRule};
pub use time::{BootId, Mono, Now};
pub use topology::{BatteryTopology, Domain, DomainMode, Draw, Feed, HostTopology, LoadTopology, Timing, Topology, UpsTopology};
pub use unit::{Bytes, Millis, Milliwatts, Ppm, UnitError};
