//! Domains and tiers: when something is done in an outage, to what, and in which order.

use super::back::Ready;
use super::hook::Hooks;
use crate::config::value::{At, Share, Time};
use schemars::JsonSchema;
use serde::Deserialize;

/// What loses power together, and how it is treated.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Domain {
    /// Its name, for `ridethrough arm NAME`.
    pub(crate) name: At<String>,
    /// Its UPSes, by their names here.
    pub(crate) ups: At<Vec<At<String>>>,
    /// Time on battery, added up over one incident, before anything is stopped. Most outages are shorter. It is cut short where
    /// waiting would lose something. Default: `"60s"`.
    pub(crate) ride_through: Option<Time>,
    /// Time on battery before anything is moved. Default: the same as `ride_through`.
    pub(crate) move_after: Option<Time>,
    /// How long mains must be back before the outage counts as over and the return begins. Default: `"2m"`.
    pub(crate) mains_stable: Option<Time>,
    /// The share of the runtime stated by the UPS that is not counted on. Default: `"15%"`.
    pub(crate) margin: Option<Share>,
    /// The runtime taken where a UPS states none, from the last moment it was seen on mains. Default: `"2m"`.
    pub(crate) runtime_assumed: Option<Time>,
    /// Stable mains after which the rest is started, with an alarm, even if the charge does not prove that a second outage
    /// could be survived. Default: `"2h"`.
    pub(crate) return_latest: Option<Time>,
    /// The charge below which nothing is started. Default: `"20%"`.
    pub(crate) return_charge: Option<Share>,
    /// How long an empty battery takes to be full. Where a UPS does not say its charge, it is taken to have been emptied and to be charged
    /// at this pace. Default: `"8h"`.
    pub(crate) recharge_time: Option<Time>,
}

/// VMs of equal importance. The most important tier comes first; the order is hard; a VM belongs to the first tier it matches.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tier {
    /// Its name.
    pub(crate) name: At<String>,
    /// Which VMs belong to it.
    #[serde(rename = "match", default)]
    pub(crate) matches: Match,
    /// What is tried with them, in this order. What can be neither moved nor saved to disk in time is shut down, also where that is
    /// not said. Default: `["shut-down"]`.
    pub(crate) on_outage: Option<At<Vec<At<OnOutage>>>>,
    /// Where they may be moved, in order of preference. Default, with `"move"` above: `[{ same_site = true }]`.
    pub(crate) move_to: Option<At<Vec<At<Destination>>>>,
    /// Whether a VM that does not shut down may be powered off. Default: `"at-deadline"`.
    pub(crate) force_off: Option<ForceOff>,
    /// How long the clean shutdown of one of them may take. The next tier waits that long for a VM that hangs. Default: `"2m"`.
    pub(crate) stop_budget: Option<Time>,
    /// How it is known that one of them does its work again, where no `[[vm]]` says it. The next tier waits for it. Default: that it
    /// runs is enough.
    pub(crate) ready: Option<At<Ready>>,
    /// How long they should run on battery, if it lasts. Default: the first tier to its last safe moment, every other one until
    /// the domain acts.
    pub(crate) runtime_goal: Option<Time>,
    /// What is called before and after its VMs are stopped and started.
    pub(crate) hooks: Option<Hooks>,
}

/// Which VMs belong to a tier. Every key that is there must match; `*` stands for any text, `?` for any one character.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Match {
    /// A tag the platform knows the VM by; for libvirt `<rt:tags xmlns:rt="urn:ridethrough:1">` in the domain's metadata.
    pub(crate) tag: Option<At<String>>,
    /// The VM's name.
    pub(crate) name: Option<At<String>>,
    /// The platform's name here.
    pub(crate) platform: Option<At<String>>,
}

/// What is tried with a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnOutage {
    /// Move it, running, to a host that keeps power.
    Move,
    /// Save its memory to its host's disk, from where it is started again as it was. Done only where the platform's `suspend` says how
    /// fast that goes and how much room there is, and it ends before the clean shutdown would have to begin.
    Suspend,
    /// Shut its guest down cleanly.
    ShutDown,
}

/// Where VMs may be moved.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Destination {
    /// `true`: any host at the VM's own site.
    SameSite(bool),
    /// Any host at that site.
    Site(String),
    /// A public cloud; not supported yet.
    Cloud(String),
}

/// When a VM that does not shut down is powered off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ForceOff {
    /// At its host's last safe moment, not before.
    #[default]
    AtDeadline,
    /// Never: its host then stays on until the battery ends.
    Never,
}
