//! What hangs on what: UPSes, hosts and their feeds, other loads, power domains. From the configuration, never guessed.

use crate::hook::Hook;
use crate::id::{DomainId, HostId, LoadId, PlatformId, SiteId, UpsId};
use crate::unit::{Millis, Milliwatts, Ppm};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One supply of a host or load.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Feed {
    /// The UPS it comes from.
    pub ups: UpsId,
    /// The UPS's switchable outlet group, where there is one.
    pub outlet_group: Option<u32>,
}

/// What is known beforehand about a UPS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpsTopology {
    /// Whether its LB flag may be believed alone. Some models raise it on mains or long before the end.
    pub low_battery_reliable: bool,
    /// Addresses of clients that only obey (upsmon secondaries, our own hosts): not taken for another master.
    #[serde(default)]
    pub secondaries: BTreeSet<String>,
    /// What the user says of its battery.
    #[serde(default)]
    pub battery: BatteryTopology,
}

/// What is known beforehand about a UPS's battery. Empty where nobody said anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatteryTopology {
    /// The real power the UPS is built for: what its load in percent is a share of, where it does not say so itself.
    pub nominal: Option<Milliwatts>,
    /// How long a full, new battery lasts at which load. Sound as a table where a linted configuration made it.
    pub runtimes: Vec<(Milliwatts, Millis)>,
    /// The day the battery was installed. What was learned of an earlier one is forgotten.
    pub installed: Option<jiff::civil::Date>,
    /// The battery modules that `runtimes` is for; `None` where it has none that fail singly.
    pub modules: Option<u32>,
}

/// What something draws, by the user's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draw {
    /// With nothing running on it.
    pub idle: Option<Milliwatts>,
    /// At its most.
    pub max: Option<Milliwatts>,
}

/// What is known beforehand about a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostTopology {
    /// Where it stands.
    pub site: SiteId,
    /// The platform whose VMs it carries; `None` for a plain server.
    pub platform: Option<PlatformId>,
    /// Its supplies. Empty means its power is unknown: a finding, and never a target for a move.
    pub feeds: Vec<Feed>,
    /// How many feeds must live for it to run (1 for ordinary A/B).
    pub feeds_min: u32,
    /// Loads it cannot work without (storage, switches).
    pub needs: BTreeSet<LoadId>,
    /// Whether we can tell its operating system to shut down.
    pub can_shut_down: bool,
    /// Whether we can wake it (BMC, Wake-on-LAN).
    pub can_wake: bool,
    /// Whether something trustworthy can prove that it is off (BMC, outlet).
    pub can_prove_off: bool,
    /// How long its operating system takes to go down, at worst.
    pub shutdown_time: Millis,
    /// How long it takes from wake to the platform reaching it, at worst.
    pub boot_time: Millis,
    /// What it draws, as far as the user says.
    #[serde(default)]
    pub draw: Draw,
}

/// A load that is neither host nor VM and that hosts may need. By default it is only known: nothing can be done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadTopology {
    /// Its supplies.
    pub feeds: Vec<Feed>,
    /// What it draws, as far as the user says.
    #[serde(default)]
    pub draw: Option<Milliwatts>,
    /// Whether it can be told to stop.
    #[serde(default)]
    pub can_stop: bool,
    /// Whether it can be started from here.
    #[serde(default)]
    pub can_start: bool,
    /// Whether anything says that it is on: a probe, a ping.
    #[serde(default)]
    pub can_see: bool,
    /// Whether something can prove that it is off.
    #[serde(default)]
    pub can_prove_off: bool,
    /// How long it takes to go down, at worst.
    #[serde(default)]
    pub stop_time: Millis,
    /// How long it takes from being started until hosts can use it, at worst.
    #[serde(default)]
    pub start_time: Millis,
}

/// The numbers that shape an outage in one domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Time on battery, summed over one incident, before anything is stopped.
    pub ride_through: Millis,
    /// Time on battery before anything is moved.
    pub move_after: Millis,
    /// How long mains must be back before the outage counts as over.
    pub mains_stable: Millis,
    /// The share of the stated runtime that is not counted on.
    pub margin: Ppm,
    /// The runtime taken where the UPS states none, counted from the last moment it was seen on mains.
    pub runtime_assumed: Millis,
    /// Stable mains after which the rest is started even if the charge is not proven.
    pub return_latest: Millis,
    /// The charge below which nothing is started (besides the proof that a second outage can be survived).
    pub return_charge: Ppm,
    /// How long an empty battery takes to be full, for UPSes that do not say their charge.
    pub recharge_time: Millis,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ride_through: Millis::from_secs(60),
            move_after: Millis::from_secs(60),
            mains_stable: Millis::from_secs(120),
            margin: Ppm::from_percent(15),
            runtime_assumed: Millis::from_secs(120),
            return_latest: Millis::from_secs(7200),
            return_charge: Ppm::from_percent(20),
            recharge_time: Millis::from_secs(8 * 3600),
        }
    }
}

/// What loses power together, and how it is to be treated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Its UPSes.
    pub upses: BTreeSet<UpsId>,
    /// Its numbers.
    pub timing: Timing,
}

/// Whether a domain acts or only says what it would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DomainMode {
    /// Journals what it would do.
    #[default]
    Observe,
    /// Acts.
    Armed,
}

/// The whole picture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// UPSes by name.
    pub upses: BTreeMap<UpsId, UpsTopology>,
    /// Hosts by name.
    pub hosts: BTreeMap<HostId, HostTopology>,
    /// Other loads by name.
    pub loads: BTreeMap<LoadId, LoadTopology>,
    /// Domains by name.
    pub domains: BTreeMap<DomainId, Domain>,
    /// Hosts on which a dead-man timer can be set.
    pub timers: BTreeSet<HostId>,
    /// Hooks that are to be called, and how long each may take.
    pub hooks: BTreeMap<Hook, Millis>,
    /// SMBIOS identities of the machine the controller runs on, in lower case with dashes, in both byte orders.
    pub controller_smbios: BTreeSet<String>,
    /// The host or VM the configuration names as the controller's own (`[controller] vm = ...` or `host = ...`).
    pub controller_named: Option<ControllerPlace>,
}

/// Where the user says the controller lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControllerPlace {
    /// In the VM of that name.
    Vm(String),
    /// On that host.
    Host(HostId),
}

impl Topology {
    /// The domains a UPS belongs to.
    pub fn domains_of<'a>(&'a self, ups: &'a UpsId) -> impl Iterator<Item = (&'a DomainId, &'a Domain)> {
        self.domains.iter().filter(move |(_, domain)| domain.upses.contains(ups))
    }
}
