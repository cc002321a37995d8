//! What only our own imitation shows: hosts that go down, maintenance mode that waits and is left again, autostart, moves that are
//! stopped in the middle. And the imitation itself, held against VMware's own client.

use crate::conformance::{driver, vm};
use crate::fake::{Fake, PASSWORD};
use crate::gate::gate;
use crate::vcsim::{cx, done, look, program};
use ridethrough_driver::{FailureKind, HostPower, Platform};
use ridethrough_model::{HostId, HostPowerState, Observed, Op, Progress, Started};
use ridethrough_platforms::vsphere::EsxiPower;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Two hosts, with a VM that runs on the first, one that is off there, and one that runs on the second.
fn fake() -> Fake {
    let fake = Fake::start();
    fake.change(|world| {
        world.with_hosts(&["esx1", "esx2"]);
        world.add_vm(1, "host-0", "poweredOn");
        world.add_vm(2, "host-0", "poweredOff");
        world.add_vm(3, "host-1", "poweredOn");
    });
    fake
}

const HOSTS: [&str; 2] = ["esx1", "esx2"];

#[tokio::test]
async fn a_host_is_shut_down_and_its_silence_proves_nothing() {
    let fake = fake();
    let platform = Arc::new(driver(&fake, &HOSTS, PASSWORD));
    let host = EsxiPower::new(platform.clone(), HostId::new("esx1"), None);
    assert_eq!(host.observe(&cx()).await.expect("seen"), HostPowerState::On);
    host.shut_down(&cx()).await.expect("accepted");
    assert!(fake.until(|world| world.hosts["host-0"].connection == "notResponding"));
    assert_eq!(host.observe(&cx()).await.expect("seen"), HostPowerState::Unknown, "lost contact is no proof");
    let error = host.shut_down(&cx()).await.expect_err("nobody is there");
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error:?}");
    let inventory = look(&*platform).await;
    assert!(!inventory.hosts[&HostId::new("esx1")].connected);
    // vCenter repeats what it knew last of what ran there.
    let stop = Op::ShutDownVm { vm: vm(1), host: "esx1".into() };
    assert!(platform.observe(&stop, &cx()).await.is_err(), "nobody knows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_mode_waits_for_the_host_to_be_empty_and_ends_when_its_vms_start_again() {
    let fake = fake();
    let platform = Arc::new(driver(&fake, &HOSTS, PASSWORD));
    let host = EsxiPower::new(platform.clone(), HostId::new("esx1"), Some(Duration::from_secs(60)));
    host.shut_down(&cx()).await.expect("accepted");
    assert!(fake.until(|world| world.tasks.values().any(|task| task.what == "HostSystem.entermaintenancemode")));
    // Told again, also by a process that knows nothing: it is under way.
    host.shut_down(&cx()).await.expect("accepted");
    assert_eq!(fake.world().calls.iter().filter(|call| *call == "EnterMaintenanceMode_Task").count(), 1);
    assert_eq!(fake.world().hosts["host-0"].connection, "connected", "a VM still runs there");
    let stop = Op::ShutDownVm { vm: vm(1), host: "esx1".into() };
    assert_eq!(done(&*platform, &stop).await, Progress::Done { detail: None });
    fake.change(crate::fake::World::end_tasks);
    assert!(fake.until(|world| world.hosts["host-0"].connection == "notResponding"), "{:?}", fake.world().calls);
    assert!(fake.world().hosts["host-0"].in_maintenance);
    assert_eq!(fake.world().calls.iter().filter(|call| *call == "ShutdownHost_Task").count(), 1, "told twice, done once");

    // It is woken, comes back in maintenance mode, and its VMs are to start: by another process.
    fake.change(|world| {
        world.hosts.get_mut("host-0").expect("there").connection = "connected".to_owned();
        world.vms.values_mut().for_each(|vm| vm.connection = "connected".to_owned());
    });
    let fresh = driver(&fake, &HOSTS, PASSWORD);
    assert!(look(&fresh).await.hosts[&HostId::new("esx1")].connected, "it was us: it takes orders");
    let start = Op::StartVm { vm: vm(1), host: "esx1".into() };
    assert_eq!(done(&fresh, &start).await, Progress::Done { detail: None });
    assert!(!fake.world().hosts["host-0"].in_maintenance);
}

#[tokio::test]
async fn a_host_that_somebody_else_maintains_is_left_in_peace() {
    let fake = fake();
    fake.change(|world| {
        world.hosts.get_mut("host-0").expect("there").in_maintenance = true;
        let event = (7, "EnteredMaintenanceModeEvent".to_owned(), "host-0".to_owned(), "VSPHERE.LOCAL\\admin".to_owned());
        world.events.push(event);
    });
    let platform = driver(&fake, &HOSTS, PASSWORD);
    assert!(!look(&platform).await.hosts[&HostId::new("esx1")].connected);
    let start = Op::StartVm { vm: vm(2), host: "esx1".into() };
    let error = platform.start(&start, &cx()).await.expect_err("not ours to end");
    assert_eq!(error.kind(), FailureKind::Refused, "{error:?}");
    assert!(error.to_string().contains("not us who put it there"), "{error}");
    assert!(fake.world().hosts["host-0"].in_maintenance);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maintenance_mode_that_does_not_come_ends_in_a_shutdown_without_it() {
    let fake = fake();
    let platform = Arc::new(driver(&fake, &HOSTS, PASSWORD));
    // Not a real wait: the least there is, and the VM on it never goes.
    let host = EsxiPower::new(platform, HostId::new("esx1"), Some(Duration::ZERO));
    host.shut_down(&cx()).await.expect("accepted");
    fake.change(|world| {
        for task in world.tasks.values_mut() {
            (task.state, task.fault) = ("error".to_owned(), "Timedout".to_owned());
        }
    });
    assert!(fake.until(|world| world.hosts["host-0"].connection == "notResponding"), "{:?}", fake.world().calls);
}

#[tokio::test]
async fn autostart_is_switched_and_told() {
    let fake = fake();
    fake.change(|world| world.vms.get_mut("vm-1").expect("there").starts_with_host = true);
    let platform = driver(&fake, &HOSTS, PASSWORD);
    assert_eq!(look(&platform).await.vms[&vm(1)].autostart, Some(true));
    for enabled in [false, true] {
        let op = Op::SetAutostart { vm: vm(1), host: "esx1".into(), enabled };
        assert_eq!(platform.observe(&op, &cx()).await.expect("seen"), Observed::NotDone);
        assert_eq!(done(&platform, &op).await, Progress::Done { detail: None });
        assert_eq!(platform.start(&op, &cx()).await.expect("fine"), Started::AlreadyDone);
        assert_eq!(look(&platform).await.vms[&vm(1)].autostart, Some(enabled));
    }
    // Where HA is on, vSphere starts none with its host, whatever the list says.
    fake.change(|world| world.clusters.values_mut().for_each(|cluster| cluster.ha = true));
    assert_eq!(look(&platform).await.vms[&vm(1)].autostart, Some(false));
}

#[tokio::test]
async fn host_monitoring_is_switched_off_and_on_again_and_only_where_ha_is() {
    let fake = fake();
    let platform = driver(&fake, &HOSTS, PASSWORD);
    let is_monitoring = |name: &str| name.starts_with("HA host monitoring");
    assert!(!look(&platform).await.guards.values().any(|guard| is_monitoring(&guard.name)), "without HA it does nothing");
    fake.change(|world| world.clusters.values_mut().for_each(|cluster| cluster.ha = true));
    let guards = look(&platform).await.guards;
    let (id, found) = guards.iter().find(|(_, guard)| is_monitoring(&guard.name)).expect("told");
    assert_eq!((found.value.as_str(), found.disarmed.as_str()), ("enabled", "disabled"));
    let (guard, value, disarmed) = (id.clone(), found.value.clone(), found.disarmed.clone());
    let off = Op::DisarmGuard { guard: guard.clone(), value: value.clone(), disarmed: disarmed.clone() };
    assert_eq!(done(&platform, &off).await, Progress::Done { detail: None });
    assert!(fake.world().clusters.values().all(|cluster| cluster.host_monitoring == "disabled" && cluster.admission_control));
    assert_eq!(platform.observe(&off, &cx()).await.expect("seen"), Observed::Done);
    let back = Op::RestoreGuard { guard, value, disarmed };
    assert_eq!(done(&platform, &back).await, Progress::Done { detail: None });
    assert!(fake.world().clusters.values().all(|cluster| cluster.host_monitoring == "enabled"));
}

#[tokio::test]
async fn settings_that_are_not_told_cost_no_host_and_no_vm() {
    let fake = fake();
    let platform = driver(&fake, &HOSTS, PASSWORD);
    let before = look(&platform).await;
    fake.change(|world| world.hides_settings = true);
    let after = look(&platform).await;
    assert_eq!((after.hosts.len(), after.vms.len()), (2, 3));
    assert_eq!(after.guards, before.guards, "what was told last");
    assert!(!after.guards.is_empty());
}

#[tokio::test]
async fn a_move_under_way_is_seen_adopted_and_stopped() {
    let fake = fake();
    fake.change(|world| world.holds_tasks = true);
    let platform = driver(&fake, &HOSTS, PASSWORD);
    let op = Op::MoveVm { vm: vm(1), from: "esx1".into(), to: "esx2".into() };
    let Started::Task(task) = platform.start(&op, &cx()).await.expect("begun") else { panic!("it is not there") };
    let fresh = driver(&fake, &HOSTS, PASSWORD);
    assert_eq!(fresh.start(&op, &cx()).await.expect("it is under way"), Started::Task(task.clone()));
    assert_eq!(fresh.observe(&op, &cx()).await.expect("seen"), Observed::InTransition(task.clone()));
    assert_eq!(fresh.poll(&task, &cx()).await.expect("polled"), Progress::Running { done_ppm: None });
    let stop = Op::ShutDownVm { vm: vm(1), host: "esx1".into() };
    let error = fresh.start(&stop, &cx()).await.expect_err("it moves");
    assert_eq!(error.kind(), FailureKind::Busy, "{error:?}");
    let abort = Op::AbortMove { vm: vm(1), from: "esx1".into(), to: "esx2".into() };
    assert_eq!(done(&fresh, &abort).await, Progress::Done { detail: None });
    assert!(matches!(fresh.poll(&task, &cx()).await.expect("polled"), Progress::Failed(_)));
    // vCenter forgets its tasks when it restarts: what is there counts.
    fake.change(|world| world.tasks.clear());
    assert!(matches!(fresh.poll(&task, &cx()).await.expect("polled"), Progress::Failed(_)));
    fake.change(|world| "host-1".clone_into(&mut world.vms.get_mut("vm-1").expect("there").host));
    assert_eq!(fresh.poll(&task, &cx()).await.expect("polled"), Progress::Done { detail: None });
}

const CLIENT: &str = r#"
import sys
from pyVim.connect import SmartConnect, Disconnect
from pyVmomi import vim, vmodl
si = SmartConnect(protocol='http', host='127.0.0.1', port=int(sys.argv[1]), user='ridethrough', pwd=sys.argv[2])
content = si.RetrieveContent()
assert content.about.apiType == 'VirtualCenter', content.about
def get(obj, path):
    F = vmodl.query.PropertyCollector
    spec = F.FilterSpec(objectSet=[F.ObjectSpec(obj=obj)], propSet=[F.PropertySpec(type=type(obj), pathSet=[path])])
    return content.propertyCollector.RetrievePropertiesEx([spec], F.RetrieveOptions()).objects[0].propSet[0].val
def wait(task):
    info = get(task, 'info')
    assert info.state == 'success', info
def everything(kind):
    return get(content.viewManager.CreateContainerView(content.rootFolder, [kind], True), 'view')
hosts = {get(host, 'name'): host for host in everything(vim.HostSystem)}
vms = {get(vm, 'name'): vm for vm in everything(vim.VirtualMachine)}
assert sorted(hosts) == ['esx1', 'esx2'] and sorted(vms) == ['vm1', 'vm2', 'vm3'], (hosts, vms)
vm = vms['vm1']
assert get(vm, 'runtime.powerState') == 'poweredOn'
assert get(vm, 'runtime.host') == hosts['esx1']
assert isinstance(get(vm, 'recentTask'), list)
cluster = everything(vim.ClusterComputeResource)[0]
assert get(cluster, 'configurationEx').drsConfig.defaultVmBehavior == 'fullyAutomated'
assert content.searchIndex.FindByUuid(None, get(vm, 'config.instanceUuid'), True, True) == vm
wait(vm.Relocate(vim.vm.RelocateSpec(host=hosts['esx2']), 'highPriority'))
assert get(vm, 'runtime.host') == hosts['esx2']
vm.ShutdownGuest()
assert get(vm, 'runtime.powerState') == 'poweredOff'
try:
    vm.PowerOff()
    raise SystemExit('a VM that is off was powered off')
except vim.fault.InvalidPowerState:
    pass
wait(vm.PowerOn())
spec = vim.cluster.ConfigSpecEx(dasConfig=vim.cluster.DasConfigInfo(admissionControlEnabled=False))
wait(cluster.ReconfigureEx(spec, True))
assert get(cluster, 'configurationEx').dasConfig.admissionControlEnabled is False
host = hosts['esx1']
wait(host.EnterMaintenanceMode(60, False))
assert get(host, 'runtime.inMaintenanceMode') is True
events = content.eventManager.QueryEvents(vim.event.EventFilterSpec(
    entity=vim.event.EventFilterSpec.ByEntity(entity=host, recursion='self')))
assert isinstance(events[-1], vim.event.EnteredMaintenanceModeEvent), events
wait(host.Shutdown(False))
assert get(host, 'runtime.connectionState') == 'notResponding'
try:
    hosts['esx2'].Shutdown(False)
    raise SystemExit('a host that is not in maintenance mode was shut down without force')
except vim.fault.InvalidState:
    pass
Disconnect(si)
print('all is as VMware says')
"#;

#[test]
fn vmwares_own_client_understands_the_imitation() {
    let python = program("../python/bin/python");
    if !gate("vsphere::vmwares_own_client_understands_the_imitation", &[python.as_str()]) {
        return;
    }
    let fake = fake();
    let port = fake.port().to_string();
    let output = Command::new(&python)
        .args(["-c", CLIENT, &port, PASSWORD])
        .stdin(Stdio::null())
        .env("NO_PROXY", "*")
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("all is as VMware says"), "{output:?} {:?}", fake.world().calls);
}
