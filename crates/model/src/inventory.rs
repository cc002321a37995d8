//! What runs where, as the platforms tell it.

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
    /// The identity its firmware shows (SMBIOS), in lower case with dashes; to recognise the controller's own VM.
    pub smbios_uuid: Option<String>,
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
    /// The identity its firmware shows (SMBIOS), in lower case with dashes.
    pub smbios_uuid: Option<String>,
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
}

impl Inventory {
    /// An inventory with nothing in it.
    #[must_use]
    pub fn empty(platform: PlatformId, observed_at: Mono) -> Self {
        Self { platform, observed_at, hosts: BTreeMap::new(), vms: BTreeMap::new() }
    }
}
