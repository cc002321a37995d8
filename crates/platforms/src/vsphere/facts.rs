//! What is kept of vSphere's objects: only what matters here, as vSphere says it. Pure; `map.rs` puts it in our words.

use super::collect::Wanted;
use super::soap::MoRef;
use super::xml::{Element, truth};
use std::collections::{BTreeMap, BTreeSet};

/// What is read of everything, in the order of what is needed first.
pub(super) const WANTED: &[Wanted] = &[
    ("Datacenter", &["name"]),
    ("ClusterComputeResource", &["name", "configurationEx", "resourcePool"]),
    ("ComputeResource", &["name", "resourcePool"]),
    ("ResourcePool", &["name"]),
    ("VirtualApp", &["name"]),
    ("Datastore", &["name", "summary.multipleHostAccess", "summary.type"]),
    ("Network", &["name"]),
    ("HostSystem", HOST),
    ("VirtualMachine", VM),
];

/// The kinds of [`WANTED`] as views name them: of those that have kinds below them, each.
pub(super) const KINDS: &[&str] = &[
    "Datacenter",
    "ClusterComputeResource",
    "ComputeResource",
    "ResourcePool",
    "VirtualApp",
    "Datastore",
    "Network",
    "DistributedVirtualPortgroup",
    "OpaqueNetwork",
    "HostSystem",
    "VirtualMachine",
];

const HOST: &[&str] = &[
    "name",
    "parent",
    "runtime.connectionState",
    "runtime.powerState",
    "runtime.inMaintenanceMode",
    "summary.hardware.memorySize",
    "summary.hardware.numCpuThreads",
    "summary.hardware.uuid",
    "datastore",
    "network",
    "config.lockdownMode",
    "config.autoStart",
    "config.vsanHostConfig",
];

/// Of a host, what is asked each time: so that a missed event cannot hide a host that is gone.
pub(super) const HOST_STATE: &[&str] = &["runtime.connectionState", "runtime.powerState", "runtime.inMaintenanceMode"];

const VM: &[&str] = &[
    "name",
    "config.instanceUuid",
    "config.uuid",
    "config.template",
    "config.hardware.memoryMB",
    "config.hardware.numCPU",
    "config.hardware.device",
    "config.managedBy",
    "config.ftInfo",
    "config.keyId",
    "summary.config.instanceUuid",
    "runtime.host",
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.question",
    "runtime.faultToleranceState",
    "guest.toolsRunningStatus",
    "datastore",
    "network",
    "resourcePool",
    "parentVApp",
    "customValue",
];

/// Everything there is, by the ids of one endpoint.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) vms: BTreeMap<String, VmFacts>,
    pub(super) hosts: BTreeMap<String, HostFacts>,
    /// Clusters, and the single places of hosts that are in none.
    pub(super) clusters: BTreeMap<String, ClusterFacts>,
    pub(super) datastores: BTreeMap<String, DatastoreFacts>,
    /// Names of networks, pools, vApps, datacenters.
    pub(super) names: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct VmFacts {
    pub(super) name: String,
    pub(super) instance_uuid: Option<String>,
    summary_uuid: Option<String>,
    pub(super) bios_uuid: Option<String>,
    pub(super) is_template: bool,
    pub(super) memory_mib: Option<u64>,
    pub(super) cpus: Option<u32>,
    pub(super) devices: Devices,
    /// Extension and kind of what manages it.
    pub(super) managed_by: Option<(String, String)>,
    pub(super) is_secondary: bool,
    pub(super) is_encrypted: bool,
    pub(super) host: Option<String>,
    pub(super) power: Option<String>,
    pub(super) connection: Option<String>,
    pub(super) question: Option<String>,
    pub(super) fault_tolerance: Option<String>,
    pub(super) tools: Option<String>,
    pub(super) datastores: Vec<String>,
    pub(super) networks: Vec<String>,
    pub(super) pool: Option<String>,
    pub(super) vapp: Option<String>,
    /// Custom attributes by their keys.
    pub(super) attributes: BTreeMap<String, String>,
}

/// What matters of a VM's devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Devices {
    /// Why they keep it where it is.
    pub(super) blockers: Vec<String>,
    pub(super) has_tpm: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostFacts {
    pub(super) name: String,
    pub(super) parent: Option<String>,
    pub(super) connection: Option<String>,
    pub(super) power: Option<String>,
    pub(super) in_maintenance: bool,
    pub(super) memory: Option<u64>,
    pub(super) cpus: Option<u32>,
    pub(super) uuid: Option<String>,
    pub(super) datastores: Vec<String>,
    pub(super) networks: Vec<String>,
    pub(super) lockdown: Option<String>,
    /// VMs that start with the host, where autostart is on; `None` where it is not told.
    pub(super) autostart: Option<BTreeSet<String>>,
    pub(super) has_vsan: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClusterFacts {
    pub(super) name: String,
    pub(super) pool: Option<String>,
    pub(super) is_cluster: bool,
    pub(super) ha: Option<bool>,
    pub(super) admission_control: Option<bool>,
    pub(super) host_monitoring: Option<String>,
    pub(super) drs: Option<bool>,
    pub(super) drs_level: Option<String>,
    pub(super) vsan: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DatastoreFacts {
    pub(super) name: String,
    pub(super) is_shared: Option<bool>,
    pub(super) kind: String,
}

impl World {
    /// Takes one property of one object; `None`: it has no value any more.
    pub(super) fn set(&mut self, object: &MoRef, path: &str, value: Option<&Element>) {
        let id = object.id.clone();
        let name = || text(value).unwrap_or_default();
        match object.kind.as_str() {
            "VirtualMachine" => self.vms.entry(id).or_default().set(path, value),
            "HostSystem" => self.hosts.entry(id).or_default().set(path, value),
            "ClusterComputeResource" | "ComputeResource" => {
                let cluster = self.clusters.entry(id).or_default();
                cluster.is_cluster = object.kind == "ClusterComputeResource";
                cluster.set(path, value);
            }
            "Datastore" => {
                let datastore = self.datastores.entry(id).or_default();
                match path {
                    "name" => datastore.name = name(),
                    "summary.type" => datastore.kind = name(),
                    "summary.multipleHostAccess" => datastore.is_shared = text(value).as_deref().and_then(truth),
                    _ => {}
                }
            }
            _ if path == "name" => drop(self.names.insert(id, name())),
            _ => {}
        }
    }

    /// It is there, even if nothing of it may be read.
    pub(super) fn add(&mut self, object: &MoRef) {
        match object.kind.as_str() {
            "VirtualMachine" => drop(self.vms.entry(object.id.clone()).or_default()),
            "HostSystem" => drop(self.hosts.entry(object.id.clone()).or_default()),
            _ => {}
        }
    }

    pub(super) fn remove(&mut self, object: &MoRef) {
        self.vms.remove(&object.id);
        self.hosts.remove(&object.id);
        self.clusters.remove(&object.id);
        self.datastores.remove(&object.id);
        self.names.remove(&object.id);
    }
}

impl VmFacts {
    /// What it is known by wherever it goes.
    pub(super) fn uuid(&self) -> Option<String> {
        self.instance_uuid.as_ref().or(self.summary_uuid.as_ref()).map(|uuid| uuid.to_lowercase())
    }

    /// One of those by which DRS and HA keep their own state. They are nobody's load: the hosts stop and start them.
    pub(super) fn is_vcls(&self) -> bool {
        self.managed_by.as_ref().is_some_and(|(extension, kind)| {
            (extension == "com.vmware.vim.eam" && kind == "cluster-agent")
                || (extension == "VirtualCenter" && kind == "vcls-entity")
        })
    }

    fn set(&mut self, path: &str, value: Option<&Element>) {
        match path {
            "name" => self.name = text(value).unwrap_or_default(),
            "config.instanceUuid" => self.instance_uuid = text(value),
            "summary.config.instanceUuid" => self.summary_uuid = text(value),
            "config.uuid" => self.bios_uuid = text(value),
            "config.template" => self.is_template = is_true(value),
            "config.hardware.memoryMB" => self.memory_mib = number(value),
            "config.hardware.numCPU" => self.cpus = number(value).and_then(|number| u32::try_from(number).ok()),
            "config.hardware.device" => self.devices = value.map(Devices::of).unwrap_or_default(),
            "config.managedBy" => {
                let part = |name: &str| value.and_then(|value| value.text_at(&[name])).unwrap_or_default().to_owned();
                self.managed_by = value.map(|_| (part("extensionKey"), part("type")));
            }
            "config.ftInfo" => self.is_secondary = value.and_then(|info| info.text_at(&["role"])).is_some_and(|role| role != "1"),
            "config.keyId" => self.is_encrypted = value.is_some(),
            "runtime.host" => self.host = text(value),
            "runtime.powerState" => self.power = text(value),
            "runtime.connectionState" => self.connection = text(value),
            "runtime.question" => {
                self.question = value.map(|question| question.text_at(&["text"]).unwrap_or_default().to_owned());
            }
            "runtime.faultToleranceState" => self.fault_tolerance = text(value),
            "guest.toolsRunningStatus" => self.tools = text(value),
            "datastore" => self.datastores = ids(value),
            "network" => self.networks = ids(value),
            "resourcePool" => self.pool = text(value),
            "parentVApp" => self.vapp = text(value),
            "customValue" => {
                let pair = |one: &Element| Some((one.text_at(&["key"])?.to_owned(), one.text_at(&["value"])?.to_owned()));
                self.attributes = value.into_iter().flat_map(|array| &array.children).filter_map(pair).collect();
            }
            _ => {}
        }
    }
}

impl Devices {
    fn of(array: &Element) -> Self {
        let mut devices = Self::default();
        for device in &array.children {
            let kind = device.instance_of.as_deref().unwrap_or_default();
            let backing = device.child("backing").and_then(|backing| backing.instance_of.as_deref()).unwrap_or_default();
            let label = device.text_at(&["deviceInfo", "label"]).unwrap_or(kind);
            let is_connected = device.bool_at(&["connectable", "connected"]) == Some(true);
            let is_of_host =
                backing.contains("Atapi") || backing.contains("PassthroughBacking") || backing.contains("DeviceBackingInfo");
            match kind {
                "VirtualTPM" => devices.has_tpm = true,
                "VirtualPCIPassthrough" if !backing.contains("Vmiop") => {
                    devices.blockers.push(format!("{label} is a PCI device of its host"));
                }
                "VirtualSriovEthernetCard" => devices.blockers.push(format!("{label} is a card of its host (SR-IOV)")),
                "VirtualUSB" if is_connected && backing.contains("HostBacking") => {
                    devices.blockers.push(format!("{label} is a USB device of its host"));
                }
                "VirtualCdrom" | "VirtualFloppy" if is_connected && is_of_host => {
                    devices.blockers.push(format!("{label} is connected to a drive of its host"));
                }
                // Only controllers of SCSI buses have it.
                _ if device.text_at(&["sharedBus"]).is_some_and(|sharing| sharing != "noSharing") => {
                    devices.blockers.push(format!("{label} is shared with another VM"));
                }
                _ => {}
            }
        }
        devices
    }
}

impl HostFacts {
    pub(super) fn is_connected(&self) -> bool {
        self.connection.as_deref() == Some("connected")
    }

    pub(super) fn set(&mut self, path: &str, value: Option<&Element>) {
        match path {
            "name" => self.name = text(value).unwrap_or_default(),
            "parent" => self.parent = text(value),
            "runtime.connectionState" => self.connection = text(value),
            "runtime.powerState" => self.power = text(value),
            "runtime.inMaintenanceMode" => self.in_maintenance = is_true(value),
            "summary.hardware.memorySize" => self.memory = number(value),
            "summary.hardware.numCpuThreads" => self.cpus = number(value).and_then(|number| u32::try_from(number).ok()),
            "summary.hardware.uuid" => self.uuid = text(value),
            "datastore" => self.datastores = ids(value),
            "network" => self.networks = ids(value),
            "config.lockdownMode" => self.lockdown = text(value),
            "config.autoStart" => self.autostart = value.map(autostarted),
            "config.vsanHostConfig" => self.has_vsan = value.and_then(|config| config.bool_at(&["enabled"])) == Some(true),
            _ => {}
        }
    }
}

/// Of a `HostAutoStartManagerConfig`, the VMs that start with the host.
fn autostarted(config: &Element) -> BTreeSet<String> {
    if config.bool_at(&["defaults", "enabled"]) != Some(true) {
        return BTreeSet::new();
    }
    let starts = |info: &&Element| info.text_at(&["startAction"]).is_some_and(|action| action.eq_ignore_ascii_case("powerOn"));
    config.all("powerInfo").filter(starts).filter_map(|info| info.text_at(&["key"])).map(str::to_owned).collect()
}

impl ClusterFacts {
    pub(super) fn set(&mut self, path: &str, value: Option<&Element>) {
        match path {
            "name" => self.name = text(value).unwrap_or_default(),
            "resourcePool" => self.pool = text(value),
            "configurationEx" => {
                let flag = |path: &[&str]| value.and_then(|config| config.bool_at(path));
                let word = |path: &[&str]| value.and_then(|config| config.text_at(path)).map(str::to_owned);
                self.ha = flag(&["dasConfig", "enabled"]);
                self.admission_control = flag(&["dasConfig", "admissionControlEnabled"]);
                self.host_monitoring = word(&["dasConfig", "hostMonitoring"]);
                self.drs = flag(&["drsConfig", "enabled"]);
                self.drs_level = word(&["drsConfig", "defaultVmBehavior"]);
                self.vsan = flag(&["vsanConfigInfo", "enabled"]);
            }
            _ => {}
        }
    }
}

fn text(value: Option<&Element>) -> Option<String> {
    value?.value().map(str::to_owned)
}

fn number(value: Option<&Element>) -> Option<u64> {
    value?.value()?.parse().ok()
}

fn is_true(value: Option<&Element>) -> bool {
    value.and_then(Element::value).and_then(truth) == Some(true)
}

fn ids(array: Option<&Element>) -> Vec<String> {
    array.into_iter().flat_map(MoRef::all).map(|reference| reference.id).collect()
}
