//! The verbs: how readings become states, states become plans, plans become steps. Pure: no IO, clock, randomness, async.
//!
//! One state machine, [`Site`], takes a closed [`Input`] and returns [`Effect`]s; the controller performs them, the simulator
//! fakes them. Everything that outlives a crash is in the journal: [`RunState::apply`] is the only way a run's state changes, in
//! life and in recovery. Begin reading in [`site`].

mod account;
mod actions;
mod adopt;
mod batteries;
pub mod battery;
mod commands;
mod desired;
mod domain;
pub mod estimate;
mod evidence;
mod facts;
mod feed;
mod fixed;
mod follow;
mod gauges;
mod hold;
mod hooks;
mod incident;
mod input;
pub mod invariant;
mod lint;
mod loads;
mod log;
mod marks;
mod masters;
mod meter;
mod needs;
mod optimum;
mod place;
mod plan;
mod plan_back;
mod plan_finish;
mod plan_hooks;
mod plan_hosts;
mod plan_loads;
mod plan_outage;
mod plan_suspend;
mod plant;
mod ready;
mod reconfigure;
mod replies;
mod run;
pub mod schedule;
mod site;
mod snapshot;
mod source;
mod standing;
mod timer;
mod timer_calls;
mod view;

pub use account::{Account, Decision, StepAccount, UpsAccount};
pub use adopt::adopt;
pub use batteries::{BatteryFacts, BatteryView};
pub use domain::{DomainPhase, DomainState};
pub use evidence::{HostEvidence, HostVerdict};
pub use feed::{FeedHealth, HostRisk};
pub use hold::{AbortView, HoldView};
pub use input::{Command, CommandReply, Effect, Input, StepReply, TimerCall};
pub use lint::lint;
pub use masters::EndedBy;
pub use plan::plan;
pub use plant::Plant;
pub use reconfigure::{Part, Proposal};
pub use run::{Aborted, ActionPhase, ActionState, RunError, RunState, Side};
pub use site::{Site, SiteConfig};
pub use snapshot::{InFlight, Known, Snapshot, Want};
pub use source::{SourceKind, SourceState};
pub use standing::StandingPlan;
pub use timer::TimerView;
pub use view::{ActionView, DomainView, HostView, LoadView, RunView, SiteView, UpsView, VmView};
