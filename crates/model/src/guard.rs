//! Automation of a platform that would act against a run: what restarts, moves or fences behind our back. It is disarmed before
//! the first step it could undo, its value of before journaled, and put back last (rule 10).
//!
//! Values are opaque texts. Only the driver that tells a guard knows what they mean; everybody else compares them.

use crate::id::{HostId, PlatformId, VmId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A guard: `<platform>/<what>`, stable over restarts of either side.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct GuardId(String);

impl GuardId {
    /// The id of a guard from its platform and the name that platform's driver knows it by.
    #[must_use]
    pub fn of(platform: &PlatformId, native: &str) -> Self {
        Self(format!("{platform}/{native}"))
    }
    /// The part after the platform: what the driver calls it.
    #[must_use]
    pub fn native(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(_, native)| native)
    }
    /// The platform's name.
    #[must_use]
    pub fn platform(&self) -> PlatformId {
        PlatformId::new(self.0.split_once('/').map_or("", |(platform, _)| platform))
    }
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GuardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for GuardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of automation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardKind {
    /// Restarts VMs elsewhere when their host goes (vSphere HA).
    Restart,
    /// Refuses starts and moves to keep room in reserve (HA admission control).
    Admission,
    /// Moves VMs about by itself (DRS above manual).
    Balancing,
    /// Starts VMs with their host.
    Autostart,
    /// Moves data about when a disk or node goes (Ceph flags).
    Rebalancing,
    /// Cuts the power of a node that does not answer.
    Fencing,
}

impl GuardKind {
    /// What it would do against a run, for a person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Restart => "restarts VMs elsewhere when their host goes",
            Self::Admission => "refuses starts and moves to keep room in reserve",
            Self::Balancing => "moves VMs about by itself",
            Self::Autostart => "starts VMs with their host",
            Self::Rebalancing => "moves data about when a node goes",
            Self::Fencing => "cuts the power of a node that does not answer",
        }
    }
}

/// What it is set on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardScope {
    /// On a cluster of that name.
    Cluster(String),
    /// On one host.
    Host(HostId),
    /// On one VM.
    Vm(VmId),
}

/// A kind of step that a guard could undo or refuse: it waits until the guard is disarmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardedStep {
    /// A VM is shut down, suspended or powered off.
    StopVm,
    /// A VM is moved.
    MoveVm,
    /// A host is shut down.
    ShutDownHost,
}

/// A guard as its platform tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardState {
    /// Its name for people: "HA of cluster prod".
    pub name: String,
    /// What kind of automation it is.
    pub kind: GuardKind,
    /// What it is set on.
    pub scope: GuardScope,
    /// The hosts whose VMs, or which themselves, it acts on. A guard that covers none is never touched.
    pub hosts: BTreeSet<HostId>,
    /// The steps that wait until it is disarmed.
    pub before: BTreeSet<GuardedStep>,
    /// Its value now.
    pub value: String,
    /// Its value for the time of a run. Equal to `value`: there is nothing to disarm.
    pub disarmed: String,
}

impl GuardState {
    /// Whether it would act against a run now.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.value != self.disarmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_knows_its_platform() {
        let id = GuardId::of(&PlatformId::new("dc1"), "ha/domain-c8");
        assert_eq!((id.platform(), id.native()), (PlatformId::new("dc1"), "ha/domain-c8"));
        assert_eq!(id.to_string(), "dc1/ha/domain-c8");
    }
}
