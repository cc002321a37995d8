//! What runs where, as the platforms tell it.

use crate::guard::{GuardId, GuardState};
use crate::id::{HostId, PlatformId, VmId};
use crate::time::Mono;
use crate::unit::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a VM is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VmPower {
    /// Runs (also while it is being shut down).
    Running,
    /// In memory but stopped.
    Paused,
    /// Off.
    Off,
    /// Saved to disk.
    Suspended,
    /// Died by itself.
    Crashed,
    /// The platform cannot tell. Never taken for off.
    Unknown,
}

impl VmPower {
    /// Whether it occupies its host: only off, crashed and suspended to disk do not.
    #[must_use]
    pub fn is_active(self) -> bool {
        !matches!(self, Self::Off | Self::Crashed | Self::Suspended)
    }
}

/// A VM as its platform knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vm {
    /// Its id, stable over moves.
    pub id: VmId,
    /// Its name for people.
    pub name: String,
    /// Where it is defined or runs.
    pub host: HostId,
    /// What it is doing.
    pub power: VmPower,
    /// Memory it may use.
    pub memory: Bytes,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Tags of the platform, e.g. `power:critical`.
    pub tags: BTreeSet<String>,
    /// Whether the platform starts it by itself with its host; `None` where unknown.
    pub autostart: Option<bool>,
    /// What it needs where it runs, e.g. `network:br0`. Compared with [`HostInfo::offers`].
    pub needs: BTreeSet<String>,
    /// Why it cannot be moved while it runs, e.g. "disk vda is a local file". Empty: nothing known against it.
    pub move_blockers: Vec<String>,
    /// What of its memory it writes anew per second while it runs, as measured; `None`: not known.
    #[serde(default)]
    pub dirty_rate: Option<Bytes>,
    /// What of its disks a move has to copy along, by the store it lies in (see [`HostInfo::stores`]).
    #[serde(default)]
    pub disks_to_copy: BTreeMap<String, Bytes>,
    /// A move that does not come to its end may be finished by post-copy.
    #[serde(default)]
    pub can_post_copy: bool,
    /// Why it cannot be saved to disk, e.g. "it uses a pci device of its host". Empty: nothing known against it.
    #[serde(default)]
    pub suspend_blockers: Vec<String>,
    /// The identity its firmware shows (SMBIOS), in lower case with dashes; to recognise the controller's own VM.
    pub smbios_uuid: Option<String>,
}

impl Vm {
    /// A VM of which only what everybody knows is known.
    #[must_use]
    pub fn new(id: VmId, name: String, host: HostId, power: VmPower, memory: Bytes, cpus: u32) -> Self {
        Self {
            id,
            name,
            host,
            power,
            memory,
            cpus,
            tags: BTreeSet::new(),
            autostart: None,
            needs: BTreeSet::new(),
            move_blockers: Vec::new(),
            dirty_rate: None,
            disks_to_copy: BTreeMap::new(),
            can_post_copy: false,
            suspend_blockers: Vec::new(),
            smbios_uuid: None,
        }
    }
}

/// What a host can take of VMs' memory on its disk. Used only where both are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspendRoom {
    /// What is written per second.
    pub rate: Option<Bytes>,
    /// What is free for it now.
    pub space: Option<Bytes>,
}

/// A host as its platform knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// Its name in the configuration.
    pub id: HostId,
    /// Whether the platform reaches it now.
    pub connected: bool,
    /// Memory in all; `None` where unknown (then nothing is moved there).
    pub memory: Option<Bytes>,
    /// CPUs in all; `None` where unknown (then nothing is moved there).
    pub cpus: Option<u32>,
    /// What it can give a VM, e.g. `network:br0`; `None` where the platform cannot tell.
    pub offers: Option<BTreeSet<String>>,
    /// What it can take when VMs are saved to disk.
    #[serde(default)]
    pub suspend: SuspendRoom,
    /// Where it can take disks that come along in a move, e.g. `/var/lib/libvirt/images`, and what is free there.
    #[serde(default)]
    pub stores: BTreeMap<String, Bytes>,
    /// The identity its firmware shows (SMBIOS), in lower case with dashes.
    pub smbios_uuid: Option<String>,
}

impl HostInfo {
    /// A host of which nothing is known but whether its platform reaches it.
    #[must_use]
    pub fn new(id: HostId, connected: bool) -> Self {
        Self {
            id,
            connected,
            memory: None,
            cpus: None,
            offers: None,
            suspend: SuspendRoom::default(),
            stores: BTreeMap::new(),
            smbios_uuid: None,
        }
    }
}

/// One platform's world at one moment. A host that did not answer is there with `connected: false`, its VMs missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Whose.
    pub platform: PlatformId,
    /// When it was read.
    pub observed_at: Mono,
    /// Hosts by id.
    pub hosts: BTreeMap<HostId, HostInfo>,
    /// VMs by id.
    pub vms: BTreeMap<VmId, Vm>,
    /// VMs that are off because somebody, or their own guest, told them to stop since their host came up. A VM that fell with its
    /// host is not among them; where the platform cannot tell, none is.
    #[serde(default)]
    pub told_off: BTreeSet<VmId>,
    /// VMs whose guest agent has connected; where the platform cannot tell, none is.
    #[serde(default)]
    pub agents: BTreeSet<VmId>,
    /// Automation that would act against a run, by id. Empty where the platform has none, or its driver cannot tell.
    #[serde(default)]
    pub guards: BTreeMap<GuardId, GuardState>,
}

impl Inventory {
    /// An inventory with nothing in it.
    #[must_use]
    pub fn empty(platform: PlatformId, observed_at: Mono) -> Self {
        Self {
            platform,
            observed_at,
            hosts: BTreeMap::new(),
            vms: BTreeMap::new(),
            told_off: BTreeSet::new(),
            agents: BTreeSet::new(),
            guards: BTreeMap::new(),
        }
    }
}
