//! What comes back from outside, and the edges of power that a run is about.

use crate::failure::Failure;
use crate::id::{DomainId, UpsId};
use crate::unit::{Millis, Ppm};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The remote's handle of something it is doing. Outlives us: a new process can poll it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskRef(pub String);

/// The answer to a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Started {
    /// It is under way; ask with `poll`.
    Task(TaskRef),
    /// The wanted state is observed already.
    AlreadyDone,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Under way; the share done in ppm where it can be told.
    Running {
        /// 0..=1 000 000.
        done_ppm: Option<u32>,
    },
    /// The wanted state is observed.
    Done {
        /// What a person may want to know, e.g. "downtime 152 ms, 60 MiB moved".
        detail: Option<String>,
    },
    /// It ended without the wanted state.
    Failed(Failure),
}

/// What is true now about an operation's wanted state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed {
    /// The wanted state holds.
    Done,
    /// It does not, and nothing is under way.
    NotDone,
    /// Something is under way that may lead there; poll this.
    InTransition(TaskRef),
    /// The thing itself is gone.
    Gone,
}

/// An edge in the state of power.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum PowerEvent {
    /// A UPS went on battery.
    MainsLost {
        /// Which.
        ups: UpsId,
        /// What it says it will last.
        runtime: Option<Millis>,
    },
    /// A UPS is back on mains.
    MainsBack {
        /// Which.
        ups: UpsId,
    },
    /// A UPS on battery says low, twice.
    BatteryLow {
        /// Which.
        ups: UpsId,
    },
    /// Another master orders everybody on this UPS down.
    ForcedShutdown {
        /// Which.
        ups: UpsId,
    },
    /// A UPS is silent.
    Silent {
        /// Which.
        ups: UpsId,
        /// Whether it was last seen on battery.
        was_on_battery: bool,
        /// Why, for a person.
        reason: String,
    },
    /// A UPS says twice that it carries more than it is built for: another one has left its load to it, say.
    Overloaded {
        /// Which.
        ups: UpsId,
        /// What it carries, of what it is built for; `None` where it says only that it is too much.
        load: Option<Ppm>,
    },
    /// A silent UPS speaks again.
    Heard {
        /// Which.
        ups: UpsId,
    },
    /// A domain starts to act.
    ActingStarted {
        /// Which.
        domain: DomainId,
        /// Why now: ride-through over, or waiting would be unsafe.
        reason: String,
    },
    /// Mains has been stable for long enough in a domain.
    MainsStable {
        /// Which.
        domain: DomainId,
    },
}

impl fmt::Display for PowerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MainsLost { ups, runtime: Some(runtime) } => {
                write!(f, "mains lost: UPS {ups} is on battery and says it lasts {runtime}")
            }
            Self::MainsLost { ups, runtime: None } => {
                write!(f, "mains lost: UPS {ups} is on battery and does not say how long it lasts")
            }
            Self::MainsBack { ups } => write!(f, "mains back at UPS {ups}"),
            Self::BatteryLow { ups } => write!(f, "UPS {ups} says its battery is low"),
            Self::ForcedShutdown { ups } => write!(f, "forced shutdown ordered at UPS {ups}"),
            Self::Silent { ups, was_on_battery: true, reason } => {
                write!(f, "UPS {ups} is silent since it was on battery: its last forecast counts ({reason})")
            }
            Self::Silent { ups, was_on_battery: false, reason } => {
                write!(f, "UPS {ups} is silent, last seen on mains: nothing is done, somebody should look ({reason})")
            }
            Self::Overloaded { ups, load: Some(load) } => {
                write!(f, "UPS {ups} carries {load} of what it is built for and may switch off")
            }
            Self::Overloaded { ups, load: None } => {
                write!(f, "UPS {ups} says that it carries more than it is built for and may switch off")
            }
            Self::Heard { ups } => write!(f, "UPS {ups} speaks again"),
            Self::ActingStarted { domain, reason } => write!(f, "domain {domain} acts: {reason}"),
            Self::MainsStable { domain } => write!(f, "mains is stable in domain {domain}"),
        }
    }
}
