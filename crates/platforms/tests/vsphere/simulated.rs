//! What the driver does to a simulated vCenter and ESXi host, seen by another client.

use crate::gate::gate;
use crate::vcsim::{HOSTS, LIMIT, PASSWORD, Vcsim, cx, done, look, named, needs};
use ridethrough_driver::tls::{Thumbprint, Trust};
use ridethrough_driver::{Cx, FailureKind, Platform, Secret, TookEffect};
use ridethrough_model::{Bytes, GuardId, HostId, Mono, Observed, Op, Progress, Started, VmPower};
use ridethrough_platforms::vsphere::{Config, HostConfig, Login, Uses, Vsphere, needed};
use std::time::Duration;

fn can_run(test: &str) -> bool {
    let needs = needs();
    gate(&format!("vsphere::{test}"), &needs.each_ref().map(String::as_str))
}

#[tokio::test]
async fn only_the_right_certificate_and_password_are_let_in() {
    if !can_run("only_the_right_certificate_and_password_are_let_in") {
        return;
    }
    let vcsim = Vcsim::two_clusters();
    let right = vcsim.config(&HOSTS);
    let with = |login: Login| Vsphere::new(&Config { login, ..right.clone() }).expect("a driver");
    let pinned = Trust::Pinned(vcsim.thumbprint());
    look(&with(Login { trust: pinned, ..vcsim.login() })).await;
    let other = Trust::Pinned(Thumbprint::of(b"another"));
    let wrong = Secret::new("falsch-0815".into());
    for (login, says) in [
        (Login { trust: Trust::System, ..vcsim.login() }, "nobody we trust"),
        (Login { trust: other, ..vcsim.login() }, "its SHA-256 is"),
        (Login { password: wrong, ..vcsim.login() }, "InvalidLogin"),
    ] {
        let driver = with(login);
        let error = driver.inventory(&cx()).await.expect_err("it must not be let in");
        let said = format!("{error} {error:?} {driver:?}");
        assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unauthorized, TookEffect::No), "{said}");
        assert!(said.contains(says) && !said.contains(PASSWORD) && !said.contains("falsch-0815"), "{said}");
    }
}

#[tokio::test]
async fn the_inventory_tells_hosts_vms_tags_and_what_changes() {
    if !can_run("the_inventory_tells_hosts_vms_tags_and_what_changes") {
        return;
    }
    let vcsim = Vcsim::two_clusters();
    vcsim.govc(&["tags.category.create", "-m", "power"]);
    vcsim.govc(&["tags.create", "-c", "power", "critical"]);
    vcsim.govc(&["tags.attach", "critical", "/DC0/vm/DC0_C0_RP0_VM0"]);
    vcsim.govc(&["fields.add", "-type", "VirtualMachine", "owner"]);
    vcsim.govc(&["fields.set", "owner", "ops", "/DC0/vm/DC0_C0_RP0_VM1"]);
    // Only one cluster is ours.
    let driver = Vsphere::new(&vcsim.config(&["DC0_C0_H0", "gone"])).expect("a driver");
    let first = look(&driver).await;
    let hosts: Vec<(&str, bool)> = first.hosts.iter().map(|(id, host)| (id.as_str(), host.connected)).collect();
    assert_eq!(hosts, [("DC0_C0_H0", true), ("DC0_C0_H1", true), ("gone", false)], "its neighbours are seen, others are not");
    let host = &first.hosts[&HostId::new("DC0_C0_H0")];
    assert!(host.memory.is_some_and(|memory| memory > Bytes(1 << 30)) && host.cpus.is_some(), "{host:?}");
    assert_eq!(first.vms.len(), 2);
    let vm = named(&first, "DC0_C0_RP0_VM0");
    assert_eq!((vm.power, vm.memory, vm.cpus), (VmPower::Running, Bytes(32 << 20), 1));
    for tag in ["critical", "power:critical", "cluster:DC0_C0"] {
        assert!(vm.tags.contains(tag), "{:?}", vm.tags);
    }
    assert!(named(&first, "DC0_C0_RP0_VM1").tags.contains("owner:ops"));
    assert!(vm.needs.contains("datastore:LocalDS_0") && vm.needs.is_subset(host.offers.as_ref().expect("told")), "{vm:?}");
    assert_eq!(vm.id.native().len(), 36, "{}", vm.id);

    // Changes of others, by the same login.
    assert_eq!(look(&driver).await, first, "nothing has changed");
    vcsim.govc(&["vm.power", "-off", "-force", "DC0_C0_RP0_VM0"]);
    vcsim.govc(&["vm.destroy", "DC0_C0_RP0_VM1"]);
    // Between the two: vcsim forgets to tell of the end of one where it tells of the beginning of another.
    assert_eq!(look(&driver).await.vms.len(), 1);
    vcsim.govc(&["vm.create", "-pool", "DC0_C0/Resources", "-ds", "LocalDS_0", "-net", "VM Network", "-on=false", "new"]);
    let second = look(&driver).await;
    assert_eq!(named(&second, "DC0_C0_RP0_VM0").power, VmPower::Off);
    assert_eq!(named(&second, "new").power, VmPower::Off);
    assert_eq!(second.vms.len(), 2);
    let fresh = look(&Vsphere::new(&vcsim.config(&["DC0_C0_H0", "gone"])).expect("a driver")).await;
    assert_eq!(second, fresh, "a new login sees the same");
    // vcsim tells nobody that a host went; that is why hosts are asked each time.
    vcsim.govc(&["host.maintenance.enter", "DC0_C0_H1"]);
    assert!(!look(&driver).await.hosts[&HostId::new("DC0_C0_H1")].connected);
}

#[tokio::test]
async fn a_guest_is_shut_down_only_where_it_can_be_asked() {
    if !can_run("a_guest_is_shut_down_only_where_it_can_be_asked") {
        return;
    }
    let vcsim = Vcsim::two_clusters();
    let driver = vcsim.driver();
    let inventory = look(&driver).await;
    let vm = named(&inventory, "DC0_C0_RP0_VM0");
    let stop = Op::ShutDownVm { vm: vm.id.clone(), host: vm.host.clone() };
    let error = driver.start(&stop, &cx()).await.expect_err("no tools run in it");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Refused, TookEffect::No), "{error:?}");
    assert!(error.to_string().contains("VMware Tools"), "{error}");
    vcsim.tools("DC0_C0_RP0_VM0", true);
    assert_eq!(driver.observe(&stop, &cx()).await.expect("seen"), Observed::NotDone);
    assert_eq!(done(&driver, &stop).await, Progress::Done { detail: None });
    assert!(vcsim.govc(&["vm.info", "DC0_C0_RP0_VM0"]).contains("poweredOff"));
    assert_eq!(driver.start(&stop, &cx()).await.expect("fine"), Started::AlreadyDone);
    assert_eq!(driver.observe(&stop, &cx()).await.expect("seen"), Observed::Done);

    let start = Op::StartVm { vm: vm.id.clone(), host: vm.host.clone() };
    assert_eq!(done(&driver, &start).await, Progress::Done { detail: None });
    let off = Op::PowerOffVm { vm: vm.id.clone(), host: vm.host.clone() };
    assert_eq!(done(&driver, &off).await, Progress::Done { detail: None });
    assert!(vcsim.govc(&["vm.info", "DC0_C0_RP0_VM0"]).contains("poweredOff"));
    assert_eq!(done(&driver, &start).await, Progress::Done { detail: None });
    let save = Op::SuspendVm { vm: vm.id.clone(), host: vm.host.clone() };
    assert_eq!(done(&driver, &save).await, Progress::Done { detail: None });
    assert!(vcsim.govc(&["vm.info", "DC0_C0_RP0_VM0"]).contains("suspended"));
    assert_eq!(named(&look(&driver).await, "DC0_C0_RP0_VM0").power, VmPower::Suspended);
    assert_eq!(done(&driver, &start).await, Progress::Done { detail: None });
    // One that is nowhere.
    let ghost = Op::StartVm { vm: "dc1/00000000-0000-0000-0000-000000000001".into(), host: vm.host.clone() };
    let error = driver.start(&ghost, &cx()).await.expect_err("there is none");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::NotFound, TookEffect::No));
    assert_eq!(driver.observe(&ghost, &cx()).await.expect("seen"), Observed::Gone);
}

fn runs_at(vcsim: &Vcsim, vm: &str) -> String {
    let said = vcsim.govc(&["vm.info", vm]);
    said.lines().find_map(|line| line.trim().strip_prefix("Host:")).expect("a host").trim().to_owned()
}

#[tokio::test]
async fn a_vm_moves_to_the_chosen_host_also_in_another_cluster_and_back() {
    if !can_run("a_vm_moves_to_the_chosen_host_also_in_another_cluster_and_back") {
        return;
    }
    let vcsim = Vcsim::start(&[
        "-dc",
        "1",
        "-cluster",
        "2",
        "-host",
        "2",
        "-standalone-host",
        "0",
        "-vm",
        "2",
        "-method-delay",
        "RelocateVM_Task:50",
    ]);
    let driver = vcsim.driver();
    let inventory = look(&driver).await;
    let vm = named(&inventory, "DC0_C0_RP0_VM0");
    let near = HOSTS.into_iter().map(HostId::new).find(|host| host.as_str().starts_with("DC0_C0") && *host != vm.host);
    let far = HostId::new("DC0_C1_H1");
    let mut from = vm.host.clone();
    for to in [near.expect("two hosts"), far, vm.host.clone()] {
        let op = Op::MoveVm { vm: vm.id.clone(), from: from.clone(), to: to.clone() };
        assert_eq!(driver.observe(&op, &cx()).await.expect("seen"), Observed::NotDone);
        let Started::Task(task) = driver.start(&op, &cx()).await.expect("begun") else { panic!("it is not there yet") };
        // A process that knows only what the journal says adopts it.
        let other = vcsim.driver();
        let end = async {
            loop {
                match other.poll(&task, &cx()).await.expect("polled") {
                    Progress::Running { .. } => tokio::task::yield_now().await,
                    ended => return ended,
                }
            }
        };
        assert_eq!(tokio::time::timeout(LIMIT, end).await.expect("it ends"), Progress::Done { detail: None });
        assert_eq!(runs_at(&vcsim, "DC0_C0_RP0_VM0"), to.as_str());
        assert_eq!(driver.observe(&op, &cx()).await.expect("seen"), Observed::Done);
        assert_eq!(driver.start(&op, &cx()).await.expect("fine"), Started::AlreadyDone);
        assert_eq!(named(&look(&driver).await, "DC0_C0_RP0_VM0").host, to);
        from = to;
    }
    let wrong = Op::MoveVm { vm: vm.id.clone(), from: "DC0_C1_H0".into(), to: "DC0_C1_H1".into() };
    let error = driver.start(&wrong, &cx()).await.expect_err("it is elsewhere");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Refused, TookEffect::No), "{error:?}");
    let nowhere = Op::MoveVm { vm: vm.id.clone(), from, to: "esx99".into() };
    let error = driver.start(&nowhere, &cx()).await.expect_err("no such host");
    assert!(error.to_string().contains("knows no host esx99"), "{error}");
}

#[tokio::test]
async fn a_login_that_was_ended_is_made_anew() {
    if !can_run("a_login_that_was_ended_is_made_anew") {
        return;
    }
    let vcsim = Vcsim::two_clusters();
    let driver = vcsim.driver();
    let first = look(&driver).await;
    let vm = named(&first, "DC0_C0_RP0_VM0");
    let off = Op::PowerOffVm { vm: vm.id.clone(), host: vm.host.clone() };
    for _ in 0..2 {
        let sessions = vcsim.govc(&["session.ls", "-json"]);
        let sessions: serde_json::Value = serde_json::from_str(&sessions).expect("JSON");
        let ours =
            |session: &&serde_json::Value| session["userAgent"].as_str().is_some_and(|agent| agent.starts_with("ridethrough"));
        let list = sessions["sessionList"].as_array().expect("a list");
        for session in list.iter().filter(ours) {
            vcsim.govc(&["session.rm", session["key"].as_str().expect("a key")]);
        }
        assert_eq!(driver.observe(&off, &cx()).await.expect("seen"), Observed::NotDone);
        assert_eq!(look(&driver).await, first);
    }
}

#[tokio::test]
async fn an_esxi_host_alone_is_a_platform_too() {
    if !can_run("an_esxi_host_alone_is_a_platform_too") {
        return;
    }
    let vcsim = Vcsim::start(&["-esx"]);
    let driver = Vsphere::new(&vcsim.config(&["esx1"])).expect("a driver");
    let inventory = look(&driver).await;
    // It calls itself localhost.localdomain.
    assert_eq!(inventory.hosts.keys().map(HostId::as_str).collect::<Vec<_>>(), ["esx1"]);
    let vm = named(&inventory, "ha-host_VM0");
    let off = Op::PowerOffVm { vm: vm.id.clone(), host: vm.host.clone() };
    assert_eq!(done(&driver, &off).await, Progress::Done { detail: None });
    let start = Op::StartVm { vm: vm.id.clone(), host: vm.host.clone() };
    assert_eq!(done(&driver, &start).await, Progress::Done { detail: None });
    vcsim.tools("ha-host_VM0", true);
    let stop = Op::ShutDownVm { vm: vm.id.clone(), host: vm.host.clone() };
    assert_eq!(done(&driver, &stop).await, Progress::Done { detail: None });
    assert_eq!(named(&look(&driver).await, "ha-host_VM0").power, VmPower::Off);
}

#[tokio::test]
async fn when_vcenter_is_gone_its_hosts_are_asked_themselves() {
    if !can_run("when_vcenter_is_gone_its_hosts_are_asked_themselves") {
        return;
    }
    let (mut vcenter, host) = (Vcsim::two_clusters(), Vcsim::start(&["-esx"]));
    let mut config = vcenter.config(&["DC0_C0_H0", "DC0_C0_H1"]);
    config.hosts.insert("DC0_C0_H0".into(), HostConfig { name: None, direct: Some(host.login()) });
    let driver = Vsphere::new(&config).expect("a driver");
    assert_eq!(look(&driver).await.vms.len(), 2, "vCenter says");
    vcenter.kill();
    let seen = look(&driver).await;
    let vm = named(&seen, "ha-host_VM0");
    assert_eq!((vm.host.as_str(), seen.vms.len()), ("DC0_C0_H0", 2), "the host says");
    let off = Op::PowerOffVm { vm: vm.id.clone(), host: vm.host.clone() };
    assert_eq!(done(&driver, &off).await, Progress::Done { detail: None });
    assert!(host.govc(&["vm.info", "ha-host_VM0"]).contains("poweredOff"));
    let moved = Op::MoveVm { vm: vm.id.clone(), from: vm.host.clone(), to: "DC0_C0_H1".into() };
    let error = driver.start(&moved, &cx()).await.expect_err("nobody can move it");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unreachable, TookEffect::No), "{error:?}");
    let soon = Cx::within(Duration::from_secs(5), Mono(7));
    drop(host);
    let error = driver.inventory(&soon).await.expect_err("nobody is there");
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error:?}");
}

#[tokio::test]
async fn an_account_is_held_against_the_role_that_the_plan_needs() {
    if !can_run("an_account_is_held_against_the_role_that_the_plan_needs") {
        return;
    }
    let vcsim = Vcsim::two_clusters();
    let uses = Uses { moves: true, ..Uses::default() };
    let account = vcsim.driver().account(uses, &cx()).await.expect("told");
    // vcsim lets everybody do everything.
    assert_eq!((account.user.as_str(), account.missing.len()), ("admin", 0), "{account:?}");
    assert!(account.excess.iter().any(|id| id == "VirtualMachine.Interact.Suspend"), "{account:?}");
    assert!(!account.excess.iter().any(|id| id.starts_with("System.") || id == "Resource.HotMigrate"), "{account:?}");
    let ids: Vec<&str> = needed(Uses::default()).iter().map(|one| one.id).collect();
    assert!(ids.contains(&"VirtualMachine.Interact.PowerOff") && !ids.contains(&"Resource.HotMigrate"), "{ids:?}");
}

#[tokio::test]
async fn drs_and_admission_control_are_told_lowered_and_put_back_and_nobodys_change_is_overwritten() {
    if !can_run("drs_and_admission_control_are_told_lowered_and_put_back_and_nobodys_change_is_overwritten") {
        return;
    }
    let vcsim = Vcsim::two_clusters();
    let drs = |level: &str| {
        vcsim.govc(&[
            "cluster.change",
            "-drs-enabled",
            "-drs-mode",
            level,
            "-ha-enabled",
            "-ha-admission-control-enabled",
            "/DC0/host/DC0_C0",
        ])
    };
    drs("fullyAutomated");
    let driver = vcsim.driver();
    let guard = |inventory: &ridethrough_model::Inventory, what: &str| {
        let found = inventory.guards.iter().find(|(_, guard)| guard.name == what);
        found
            .map(|(id, guard)| (id.clone(), guard.value.clone(), guard.disarmed.clone()))
            .unwrap_or_else(|| panic!("no {what}: {:?}", inventory.guards))
    };
    let first = look(&driver).await;
    let (id, value, disarmed): (GuardId, String, String) = guard(&first, "DRS of cluster DC0_C0");
    assert_eq!((value.as_str(), disarmed.as_str()), ("fullyAutomated", "manual"));
    assert!(
        !first.guards.values().any(|guard| guard.name.contains("host monitoring")),
        "only where it is wanted: vcsim ignores it"
    );
    let lower = Op::DisarmGuard { guard: id.clone(), value: value.clone(), disarmed: disarmed.clone() };
    assert_eq!(driver.observe(&lower, &cx()).await.expect("seen"), Observed::NotDone);
    assert_eq!(done(&driver, &lower).await, Progress::Done { detail: None });
    assert_eq!(guard(&look(&driver).await, "DRS of cluster DC0_C0").1, "manual");
    assert_eq!(driver.start(&lower, &cx()).await.expect("fine"), Started::AlreadyDone);
    // Somebody else sets it meanwhile.
    drs("partiallyAutomated");
    let back = Op::RestoreGuard { guard: id.clone(), value: value.clone(), disarmed: disarmed.clone() };
    let error = driver.start(&back, &cx()).await.expect_err("somebody has changed it");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Refused, TookEffect::No), "{error:?}");
    assert!(error.to_string().contains("partiallyAutomated"), "{error}");
    drs("manual");
    assert_eq!(done(&driver, &back).await, Progress::Done { detail: None });
    assert!(vcsim.govc(&["cluster.usage", "-json", "/DC0/host/DC0_C0"]).contains("{"), "it is still there");
    assert_eq!(guard(&look(&driver).await, "DRS of cluster DC0_C0").1, "fullyAutomated");
    let (id, value, disarmed) = guard(&look(&driver).await, "HA admission control of cluster DC0_C0");
    assert_eq!((value.as_str(), disarmed.as_str()), ("true", "false"));
    let off = Op::DisarmGuard { guard: id.clone(), value: value.clone(), disarmed: disarmed.clone() };
    assert_eq!(done(&driver, &off).await, Progress::Done { detail: None });
    assert_eq!(guard(&look(&driver).await, "HA admission control of cluster DC0_C0").1, "false");
    let back = Op::RestoreGuard { guard: id, value, disarmed };
    assert_eq!(done(&driver, &back).await, Progress::Done { detail: None });
    assert_eq!(guard(&look(&driver).await, "HA admission control of cluster DC0_C0").1, "true");
    let (_, value, disarmed) = guard(&look(&driver).await, "DRS of cluster DC0_C0");
    let ghost = Op::RestoreGuard { guard: GuardId::of(&"dc1".into(), "drs/domain-c99999"), value, disarmed };
    let error = driver.start(&ghost, &cx()).await.expect_err("there is none");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::NotFound, TookEffect::No), "{error:?}");
}
