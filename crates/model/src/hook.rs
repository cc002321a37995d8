//! Moments at which something of the operator's own is called: before and after a tier or a host is stopped or started.

use crate::id::{HostId, TierName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whose stop or start it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookOf {
    /// The VMs of a tier.
    Tier(TierName),
    /// A host.
    Host(HostId),
}

/// When it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookMoment {
    /// Before the first VM of the tier is shut down; before the host, empty by then, is told to shut down.
    BeforeStop,
    /// When nothing of the tier is being stopped any more; when the host is proven off.
    AfterStop,
    /// Before the first VM of the tier is started; before the host is woken.
    BeforeStart,
    /// When nothing of the tier is being started any more; when the host is up, before its VMs are started.
    AfterStart,
}

/// One hook: at most one program, command or request stands behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hook {
    /// Whose.
    pub of: HookOf,
    /// When.
    pub moment: HookMoment,
}

impl HookMoment {
    /// All of them, in the order of an outage and the return.
    pub const ALL: [Self; 4] = [Self::BeforeStop, Self::AfterStop, Self::BeforeStart, Self::AfterStart];

    /// Whether it belongs to going down rather than to coming back.
    #[must_use]
    pub fn is_of_stop(self) -> bool {
        matches!(self, Self::BeforeStop | Self::AfterStop)
    }
    /// As the configuration writes it, but with a dash: "before-stop".
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BeforeStop => "before-stop",
            Self::AfterStop => "after-stop",
            Self::BeforeStart => "before-start",
            Self::AfterStart => "after-start",
        }
    }
    fn words(self) -> &'static str {
        match self {
            Self::BeforeStop => "before the stop of",
            Self::AfterStop => "after the stop of",
            Self::BeforeStart => "before the start of",
            Self::AfterStart => "after the start of",
        }
    }
}

impl HookOf {
    /// Its hook of that moment.
    #[must_use]
    pub fn at(&self, moment: HookMoment) -> Hook {
        Hook { of: self.clone(), moment }
    }
}

impl fmt::Display for HookOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tier(tier) => write!(f, "tier {tier}"),
            Self::Host(host) => write!(f, "host {host}"),
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.moment.words(), self.of)
    }
}
