//! What there is in the imitation, and each property of it as vSphere would say it.

use super::wire::Request;
use ridethrough_driver::conformance::Fault;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
pub(crate) struct FakeVm {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) host: String,
    pub(crate) power: String,
    pub(crate) connection: String,
    pub(crate) has_tools: bool,
    pub(crate) starts_with_host: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct FakeHost {
    pub(crate) name: String,
    pub(crate) connection: String,
    pub(crate) in_maintenance: bool,
}

/// A cluster's own automation.
#[derive(Clone, Debug)]
pub(crate) struct FakeCluster {
    pub(crate) ha: bool,
    pub(crate) host_monitoring: String,
    pub(crate) admission_control: bool,
    pub(crate) drs_level: String,
}

#[derive(Clone, Debug)]
pub(crate) struct FakeTask {
    pub(crate) what: String,
    pub(crate) entity: String,
    pub(crate) state: String,
    pub(crate) fault: String,
    /// What is done when it ends: method, object, argument.
    pub(crate) effect: (String, String, String),
}

/// A filter, and what it has told last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) wanted: Vec<(String, Vec<String>)>,
    pub(crate) objects: Vec<(String, String)>,
    pub(crate) told: BTreeMap<(String, String), BTreeMap<String, String>>,
    pub(crate) pending: Vec<String>,
    pub(crate) version: u64,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) vms: BTreeMap<String, FakeVm>,
    pub(crate) hosts: BTreeMap<String, FakeHost>,
    pub(crate) clusters: BTreeMap<String, FakeCluster>,
    pub(crate) tasks: BTreeMap<String, FakeTask>,
    pub(crate) sessions: BTreeSet<String>,
    pub(crate) views: BTreeMap<String, Vec<String>>,
    pub(crate) filters: BTreeMap<String, Filter>,
    /// Key, kind, host, user.
    pub(crate) events: Vec<(u64, String, String, String)>,
    pub(crate) next: u64,
    /// Hosts only note that they were told to go down.
    pub(crate) hosts_stay: bool,
    pub(crate) was_told: bool,
    /// Tasks do not end by themselves.
    pub(crate) holds_tasks: bool,
    pub(crate) fault: Option<Fault>,
    pub(crate) hides_settings: bool,
    pub(crate) effects: usize,
    pub(crate) vm_looks: usize,
    pub(crate) host_looks: usize,
    pub(crate) in_flight: usize,
    pub(crate) in_flight_peak: usize,
    /// Methods that were called, in order.
    pub(crate) calls: Vec<String>,
}

pub(crate) const CLUSTER: &str = "domain-c7";

impl World {
    /// One cluster of these hosts; ids are `host-<index>`.
    pub(crate) fn with_hosts(&mut self, names: &[&str]) {
        self.hosts = names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let host = FakeHost { name: (*name).to_owned(), connection: "connected".to_owned(), in_maintenance: false };
                (format!("host-{index}"), host)
            })
            .collect();
        let cluster = FakeCluster {
            ha: false,
            host_monitoring: "enabled".to_owned(),
            admission_control: true,
            drs_level: "fullyAutomated".to_owned(),
        };
        self.clusters = [(CLUSTER.to_owned(), cluster)].into();
    }

    pub(crate) fn add_vm(&mut self, number: u128, host: &str, power: &str) {
        let hex = format!("{number:032x}");
        let uuid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        let vm = FakeVm {
            name: format!("vm{number}"),
            uuid,
            host: host.to_owned(),
            power: power.to_owned(),
            connection: "connected".to_owned(),
            has_tools: true,
            starts_with_host: false,
        };
        self.vms.insert(format!("vm-{number}"), vm);
    }

    pub(crate) fn log_out_all(&mut self) {
        self.sessions.clear();
        self.views.clear();
        self.filters.clear();
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn count(&mut self, request: &Request) {
        let (_, _, method) = request.call();
        if method == "WaitForUpdatesEx" {
            self.vm_looks += 1;
        }
        if method == "RetrievePropertiesEx"
            && request.body.contains("<type>HostSystem</type>")
            && request.body.contains("recentTask")
        {
            self.host_looks += 1;
        }
        self.calls.push(method);
    }

    /// Kind and id of everything of these kinds.
    pub(crate) fn objects(&self, kinds: &[String]) -> Vec<(String, String)> {
        let has = |kind: &str| kinds.iter().any(|one| one == kind);
        let mut found = Vec::new();
        let mut take = |kind: &str, ids: Vec<&String>| {
            if has(kind) {
                found.extend(ids.into_iter().map(|id| (kind.to_owned(), id.clone())));
            }
        };
        take("ClusterComputeResource", self.clusters.keys().collect());
        take("HostSystem", self.hosts.keys().collect());
        take("VirtualMachine", self.vms.keys().collect());
        found
    }

    /// One property, as what stands in `<val ...>...`: its attributes, and what is in it.
    pub(crate) fn property(&self, kind: &str, id: &str, path: &str) -> Option<String> {
        match kind {
            "VirtualMachine" => self.of_vm(id, path),
            "HostSystem" => self.of_host(id, path),
            "ClusterComputeResource" => self.of_cluster(id, path),
            "Task" => self.of_task(id, path),
            "ContainerView" if path == "view" => {
                let kinds = self.views.get(id)?;
                Some(references(self.objects(kinds).iter().map(|(kind, id)| (kind.as_str(), id.as_str()))))
            }
            "CustomFieldsManager" if path == "field" => Some(" xsi:type=\"ArrayOfCustomFieldDef\">".to_owned()),
            _ => None,
        }
    }

    fn of_vm(&self, id: &str, path: &str) -> Option<String> {
        let vm = self.vms.get(id)?;
        let is_newer = self.fault == Some(Fault::Newer);
        match path {
            "name" => Some(string(&vm.name)),
            "config.instanceUuid" | "config.uuid" | "summary.config.instanceUuid" => Some(string(&vm.uuid)),
            "config.template" => Some(boolean(false)),
            "config.hardware.memoryMB" => Some(" xsi:type=\"xsd:int\">1024".to_owned()),
            "config.hardware.numCPU" => Some(" xsi:type=\"xsd:int\">2".to_owned()),
            "config.hardware.device" if is_newer => {
                Some(" xsi:type=\"ArrayOfVirtualDevice\"><VirtualDevice xsi:type=\"VirtualQuantumCard\"><qubits>7</qubits></VirtualDevice>".to_owned())
            }
            "runtime.host" => Some(reference("HostSystem", &vm.host)),
            "runtime.powerState" => Some(format!(" xsi:type=\"VirtualMachinePowerState\">{}", vm.power)),
            "runtime.connectionState" => Some(format!(" xsi:type=\"VirtualMachineConnectionState\">{}", vm.connection)),
            "runtime.faultToleranceState" => Some(" xsi:type=\"VirtualMachineFaultToleranceState\">notConfigured".to_owned()),
            "guest.toolsRunningStatus" => {
                Some(string(if vm.has_tools { "guestToolsRunning" } else { "guestToolsNotRunning" }))
            }
            "recentTask" => Some(self.recent(id)),
            _ => None,
        }
    }

    fn of_host(&self, id: &str, path: &str) -> Option<String> {
        let host = self.hosts.get(id)?;
        match path {
            "name" => Some(string(&host.name)),
            "parent" => Some(reference("ClusterComputeResource", CLUSTER)),
            "runtime.connectionState" => Some(format!(" xsi:type=\"HostSystemConnectionState\">{}", host.connection)),
            "runtime.powerState" => {
                let power = if host.connection == "connected" { "poweredOn" } else { "unknown" };
                Some(format!(" xsi:type=\"HostSystemPowerState\">{power}"))
            }
            "runtime.inMaintenanceMode" => Some(boolean(host.in_maintenance)),
            "summary.hardware.memorySize" => Some(format!(" xsi:type=\"xsd:long\">{}", 64u64 << 30)),
            "summary.hardware.numCpuThreads" => Some(" xsi:type=\"xsd:short\">32".to_owned()),
            "configManager.autoStartManager" => Some(reference("HostAutoStartManager", &format!("autostart-{id}"))),
            "config.autoStart" => {
                let info = |(vm, _): (&String, &FakeVm)| {
                    format!(
                        "<powerInfo><key type=\"VirtualMachine\">{vm}</key><startOrder>-1</startOrder><startDelay>-1</startDelay>\
                         <waitForHeartbeat>systemDefault</waitForHeartbeat><startAction>powerOn</startAction><stopDelay>-1</stopDelay>\
                         <stopAction>systemDefault</stopAction></powerInfo>"
                    )
                };
                let infos: String = self.vms.iter().filter(|(_, vm)| vm.host == id && vm.starts_with_host).map(info).collect();
                Some(format!(" xsi:type=\"HostAutoStartManagerConfig\"><defaults><enabled>true</enabled></defaults>{infos}"))
            }
            "recentTask" => Some(self.recent(id)),
            _ => None,
        }
    }

    fn of_cluster(&self, id: &str, path: &str) -> Option<String> {
        let cluster = self.clusters.get(id)?;
        match path {
            "name" => Some(string("prod")),
            "resourcePool" => Some(reference("ResourcePool", "resgroup-8")),
            "configurationEx" => Some(format!(
                " xsi:type=\"ClusterConfigInfoEx\"><dasConfig><enabled>{}</enabled><hostMonitoring>{}</hostMonitoring>\
                 <admissionControlEnabled>{}</admissionControlEnabled></dasConfig>\
                 <drsConfig><enabled>true</enabled><defaultVmBehavior>{}</defaultVmBehavior></drsConfig>",
                cluster.ha, cluster.host_monitoring, cluster.admission_control, cluster.drs_level
            )),
            _ => None,
        }
    }

    fn of_task(&self, id: &str, path: &str) -> Option<String> {
        let task = self.tasks.get(id)?;
        match path {
            "info.state" => Some(format!(" xsi:type=\"TaskInfoState\">{}", task.state)),
            "info" => {
                let error = if task.fault.is_empty() {
                    String::new()
                } else {
                    format!("<error><fault xsi:type=\"{}\"/><localizedMessage>it failed</localizedMessage></error>", task.fault)
                };
                Some(format!(
                    " xsi:type=\"TaskInfo\"><key>{id}</key><task type=\"Task\">{id}</task><name>{what}</name><descriptionId>{what}</descriptionId>\
                     <state>{state}</state><cancelled>false</cancelled><cancelable>true</cancelable>{error}\
                     <reason xsi:type=\"TaskReasonUser\"><userName>somebody</userName></reason>\
                     <queueTime>2026-11-27T08:00:00Z</queueTime><eventChainId>1</eventChainId>",
                    what = task.what,
                    state = task.state,
                ))
            }
            _ => None,
        }
    }

    fn recent(&self, entity: &str) -> String {
        references(self.tasks.iter().filter(|(_, task)| task.entity == entity).map(|(id, _)| ("Task", id.as_str())))
    }
}

fn string(text: &str) -> String {
    format!(" xsi:type=\"xsd:string\">{text}")
}

fn boolean(value: bool) -> String {
    format!(" xsi:type=\"xsd:boolean\">{value}")
}

fn reference(kind: &str, id: &str) -> String {
    format!(" type=\"{kind}\" xsi:type=\"ManagedObjectReference\">{id}")
}

fn references<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let one = |(kind, id): (&str, &str)| {
        format!("<ManagedObjectReference type=\"{kind}\" xsi:type=\"ManagedObjectReference\">{id}</ManagedObjectReference>")
    };
    format!(" xsi:type=\"ArrayOfManagedObjectReference\">{}", all.map(one).collect::<String>())
}
