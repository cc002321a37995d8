//! Identities. Names are newtypes over a stable text that is shared, not copied: a site of 10,000 VMs names each of them in many
//! places, many times a second. Counters come from an [`Ids`] argument, never from chance.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

macro_rules! name_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
        #[schemars(transparent)]
        pub struct $name(#[schemars(with = "String")] Arc<str>);

        impl $name {
            /// Takes the name as it is.
            pub fn new(name: impl Into<String>) -> Self {
                Self(Arc::from(name.into()))
            }
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(Arc::from(name))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::new)
            }
        }
    )+};
}

name_id! {
    /// A virtual machine: `<platform>/<native uuid>`, so it keeps its id when it moves.
    VmId,
    /// A host by the name the configuration gives it.
    HostId,
    /// A UPS by the name the configuration gives it.
    UpsId,
    /// A power domain: what loses power together.
    DomainId,
    /// A site.
    SiteId,
    /// A configured platform (one libvirt estate, one vCenter).
    PlatformId,
    /// A load that is neither a host nor a VM (storage, switch).
    LoadId,
    /// A tier by its name.
    TierName,
}

impl VmId {
    /// The id of a VM from its platform and the uuid that platform knows it by.
    #[must_use]
    pub fn of(platform: &PlatformId, native: &str) -> Self {
        Self::new(format!("{platform}/{native}"))
    }
    /// The part after the platform: what the platform itself calls the VM.
    #[must_use]
    pub fn native(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, native)| native)
    }
    /// The platform's name.
    #[must_use]
    pub fn platform(&self) -> PlatformId {
        PlatformId::new(self.0.split_once('/').map_or("", |(platform, _)| platform))
    }
}

macro_rules! counter_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )+};
}

counter_id! {
    /// One run: everything done for one incident at one site. Run 0 is the site's own log outside incidents.
    RunId,
    /// A plan, unique in its run.
    PlanId,
    /// An action, unique in its run over all plans, so a later plan can carry an action in flight on.
    ActionId,
}

impl RunId {
    /// The site's log outside incidents: arming, maintenance, findings.
    pub const SITE: Self = Self(0);
}

/// Where new counters come from. Part of the state that replay rebuilds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// The next run's number.
    pub run_next: u64,
    /// The next plan's number.
    pub plan_next: u64,
    /// The next action's number.
    pub action_next: u64,
}

impl Default for Ids {
    fn default() -> Self {
        Self { run_next: 1, plan_next: 1, action_next: 1 }
    }
}

impl Ids {
    /// A run id never given before.
    pub fn run(&mut self) -> RunId {
        self.run_next += 1;
        RunId(self.run_next - 1)
    }
    /// A plan id never given before.
    pub fn plan(&mut self) -> PlanId {
        self.plan_next += 1;
        PlanId(self.plan_next - 1)
    }
    /// An action id never given before.
    pub fn action(&mut self) -> ActionId {
        self.action_next += 1;
        ActionId(self.action_next - 1)
    }
}
