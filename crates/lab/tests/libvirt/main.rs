//! The libvirt driver against real libvirtd and QEMU in the lab. virsh, the guests' consoles and their heartbeats are the
//! witnesses; what the driver says about itself is only compared with them.

mod estate;
mod pitfalls;
mod rungs;
mod transports;

use estate::{Estate, LIMIT, cx, detail, op_abort, op_autostart, op_move, op_off, op_shut, op_start};
use ridethrough_driver::{FailureKind, Platform, TookEffect};
use ridethrough_lab::{Guest, GuestState, gate};
use ridethrough_model::{Bytes, HostId, Observed, Progress, Started, VmId, VmPower};

#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_tells_what_virsh_tells() {
    if !gate("libvirt: inventory") {
        return;
    }
    let estate = Estate::new(2);
    let web = Guest { autostart: true, ..Guest::new("web", &["power:batch", "rack a"]) };
    estate.start(1, &web);
    estate.start(2, &Guest::new("db", &["power:critical"]));
    estate.lab.virsh(2, &["destroy", "db"]).unwrap();

    let driver = estate.driver_with(&[("absent", "qemu+unix:///system?socket=/nonexistent/socket")]);
    let inventory = driver.inventory(&cx()).await.unwrap();
    let vm = &inventory.vms[&estate.vm("web")];
    assert_eq!((vm.name.as_str(), vm.host.as_str(), vm.power), ("web", "kvm1", VmPower::Running));
    assert_eq!((vm.memory, vm.cpus, vm.autostart), (Bytes::from_mib(96), 1, Some(true)));
    assert_eq!(vm.tags.iter().map(String::as_str).collect::<Vec<_>>(), ["power:batch", "rack a"]);
    assert_eq!(vm.smbios_uuid.as_deref(), Some(web.uuid().as_str()));
    assert!(vm.move_blockers.is_empty(), "{:?}", vm.move_blockers);
    let off = &inventory.vms[&estate.vm("db")];
    assert_eq!((off.host.as_str(), off.power, off.autostart), ("kvm2", VmPower::Off, Some(false)));

    let host = &inventory.hosts[&HostId::new("kvm1")];
    assert!(host.connected);
    let said = estate.lab.virsh(1, &["nodeinfo"]).unwrap();
    let word =
        |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().nth_back(0).unwrap().to_owned();
    assert_eq!(host.cpus.map(|cpus| cpus.to_string()), Some(word("CPU(s)")));
    let memory_kib =
        said.lines().find(|line| line.starts_with("Memory size")).unwrap().split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(host.memory, Some(Bytes(memory_kib.parse::<u64>().unwrap() * 1024)));
    assert_eq!(host.smbios_uuid, Some(estate.lab.host_uuid(1)));
    assert!(host.offers.as_ref().unwrap().contains("network:eth0"), "{:?}", host.offers);

    let absent = &inventory.hosts[&HostId::new("absent")];
    assert!(!absent.connected && absent.memory.is_none() && absent.cpus.is_none(), "{absent:?}");

    let nobody = estate.driver_of(&[("absent", "qemu+unix:///system?socket=/nonexistent/socket")]);
    assert_eq!(nobody.inventory(&cx()).await.unwrap_err().kind(), FailureKind::Unreachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_is_spoken_as_well_and_a_restarted_daemon_is_found_again() {
    if !gate("libvirt: restarted daemon") {
        return;
    }
    let estate = Estate::new(1);
    estate.start(1, &Guest::new("web", &[]));
    let (uri, _relay) = estate.tcp(1).await;
    let driver = estate.driver_of(&[("kvm1", &uri)]);
    let before = driver.inventory(&cx()).await.unwrap();
    assert!(before.hosts[&HostId::new("kvm1")].connected);

    estate.kill_daemon(1);
    let error = driver.inventory(&cx()).await.unwrap_err();
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unreachable, TookEffect::No));
    estate.start_daemon(1);
    let after = driver.inventory(&cx()).await.unwrap();
    assert_eq!(after.vms, before.vms, "the guest went on without its daemon");
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_pitfall_no_agent_and_a_guest_that_ignores_the_button_shut_down_by_agent_else_button_else_force() {
    if !gate("libvirt: shutdown") {
        return;
    }
    let estate = Estate::new(2);
    estate.start(1, &Guest::new("agent", &[]).with("rt.delay=2"));
    estate.start(1, &Guest::new("button", &[]).with("rt.noagent=1"));
    estate.start(1, &Guest::new("hung", &[]).with("rt.noagent=1 rt.ignore=1"));
    let driver = estate.driver();
    let (agent, button, hung) = (estate.vm("agent"), estate.vm("button"), estate.vm("hung"));

    // The agent's way lasts as long as the guest takes; asking again meanwhile is the same request.
    let task = estate.begin(&driver, &op_shut(&agent, 1)).await;
    assert!(task.0.starts_with("shutdown:"), "{task:?}");
    assert_eq!(driver.start(&op_shut(&agent, 1), &cx()).await.unwrap(), Started::Task(task.clone()));
    assert!(matches!(driver.observe(&op_shut(&agent, 1), &cx()).await.unwrap(), Observed::InTransition(_)));
    assert_eq!(estate.finish(&driver, &task).await, Progress::Done { detail: None });
    assert_eq!(estate.lab.state(1, "agent"), GuestState::Off);
    let console = estate.lab.console(1, "agent");
    assert_eq!(console.matches("ASKED").count(), 1, "{console}");
    assert!(console.contains("DOWN agent"), "{console}");
    assert_eq!(driver.start(&op_shut(&agent, 1), &cx()).await.unwrap(), Started::AlreadyDone);
    assert_eq!(driver.observe(&op_shut(&agent, 1), &cx()).await.unwrap(), Observed::Done);

    let task = estate.begin(&driver, &op_shut(&button, 1)).await;
    assert_eq!(estate.finish(&driver, &task).await, Progress::Done { detail: None });
    assert!(estate.lab.console(1, "button").contains("DOWN button"));

    // A guest that ignores the button is running, and stays so in every answer.
    let task = estate.begin(&driver, &op_shut(&hung, 1)).await;
    estate.until("the guest ignores the button", || estate.lab.console(1, "hung").contains("IGNORED button"));
    assert_eq!(driver.poll(&task, &cx()).await.unwrap(), Progress::Running { done_ppm: None });
    assert_eq!(driver.observe(&op_shut(&hung, 1), &cx()).await.unwrap(), Observed::NotDone);
    let force = estate.begin(&driver, &op_off(&hung, 1)).await;
    assert_eq!(estate.finish(&driver, &force).await, Progress::Done { detail: None });
    assert_eq!(estate.lab.state(1, "hung"), GuestState::Off);
    assert_eq!(driver.poll(&task, &cx()).await.unwrap(), Progress::Done { detail: None }, "off is what was wanted");
    assert_eq!(driver.start(&op_off(&hung, 1), &cx()).await.unwrap(), Started::AlreadyDone);

    let nobody = VmId::new("lab/00000000-0000-4000-8000-00000000dead");
    let error = driver.start(&op_shut(&nobody, 1), &cx()).await.unwrap_err();
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::NotFound, TookEffect::No));
    assert_eq!(driver.observe(&op_shut(&nobody, 1), &cx()).await.unwrap(), Observed::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_is_started_once_and_only_where_it_is_defined() {
    if !gate("libvirt: start") {
        return;
    }
    let estate = Estate::new(2);
    let web = Guest::new("web", &[]);
    estate.start(1, &web);
    estate.lab.virsh(1, &["destroy", "web"]).unwrap();
    let driver = estate.driver();
    let vm = estate.vm("web");

    assert_eq!(driver.observe(&op_start(&vm, 1), &cx()).await.unwrap(), Observed::NotDone);
    let error = driver.start(&op_start(&vm, 2), &cx()).await.unwrap_err();
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::NotFound, TookEffect::No), "{error}");

    // Two at once: one start.
    let op = op_start(&vm, 1);
    let (context, other) = (cx(), cx());
    let (first, second) = tokio::join!(driver.start(&op, &context), driver.start(&op, &other));
    for started in [first.unwrap(), second.unwrap()] {
        if let Started::Task(task) = started {
            assert_eq!(estate.finish(&driver, &task).await, Progress::Done { detail: None });
        }
    }
    assert_eq!(estate.lab.running_on("web"), [1]);
    assert_eq!(driver.start(&op_start(&vm, 1), &cx()).await.unwrap(), Started::AlreadyDone);
    assert_eq!(driver.observe(&op_start(&vm, 1), &cx()).await.unwrap(), Observed::Done);

    // A stale definition elsewhere is no reason to run it twice.
    let xml = estate.lab.virsh(1, &["dumpxml", "--inactive", "web"]).unwrap();
    let file = estate.lab.dir().join("stale.xml");
    std::fs::write(&file, xml).unwrap();
    estate.lab.virsh(2, &["define", &file.to_string_lossy()]).unwrap();
    let error = driver.start(&op_start(&vm, 2), &cx()).await.unwrap_err();
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Refused, TookEffect::No), "{error}");
    assert_eq!(estate.lab.running_on("web"), [1]);
    let inventory = driver.inventory(&cx()).await.unwrap();
    assert_eq!(inventory.vms[&vm].host.as_str(), "kvm1", "the active one is the VM");

    for enabled in [true, false] {
        let op = op_autostart(&vm, 1, enabled);
        assert_eq!(driver.observe(&op, &cx()).await.unwrap(), Observed::NotDone);
        let task = estate.begin(&driver, &op).await;
        assert_eq!(estate.finish(&driver, &task).await, Progress::Done { detail: None });
        assert_eq!(driver.observe(&op, &cx()).await.unwrap(), Observed::Done);
        let said = estate.lab.virsh(1, &["dominfo", "web"]).unwrap();
        assert!(said.lines().any(|line| line.starts_with("Autostart") && line.ends_with("enable") == enabled), "{said}");
        assert_eq!(driver.start(&op, &cx()).await.unwrap(), Started::AlreadyDone);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_moves_while_it_runs_and_says_how_it_was() {
    if !gate("libvirt: move") {
        return;
    }
    let estate = Estate::new(2);
    estate.start(1, &Guest { autostart: true, ..Guest::new("crit", &["power:critical"]) });
    let vm = estate.vm("crit");
    let driver = estate.slow_driver(15);

    let task = estate.begin(&driver, &op_move(&vm, 1, 2)).await;
    assert_eq!(driver.start(&op_move(&vm, 1, 2), &cx()).await.unwrap(), Started::Task(task.clone()));
    let busy = driver.start(&op_shut(&vm, 1), &cx()).await.unwrap_err();
    assert_eq!((busy.kind(), busy.took_effect()), (FailureKind::Busy, TookEffect::No), "{busy}");
    assert!(matches!(driver.observe(&op_move(&vm, 1, 2), &cx()).await.unwrap(), Observed::InTransition(_)));
    let (end, shares) = estate.watch(&driver, &task).await;
    assert!(shares.iter().any(|share| (1..1_000_000).contains(share)), "progress was seen: {shares:?}");
    let said = detail(&end);
    assert!(said.starts_with("downtime ") && said.contains(" MiB moved in "), "{said}");

    assert_eq!(estate.lab.running_on("crit"), [2]);
    let (before, after) = (estate.lab.beats(1, "crit"), estate.beats(2, "crit", 3));
    assert_eq!(before.last().unwrap().boot, after[0].boot, "the same guest, not a new one");
    assert!(after[0].count > before.last().unwrap().count);
    assert_eq!(driver.start(&op_move(&vm, 1, 2), &cx()).await.unwrap(), Started::AlreadyDone);
    assert_eq!(driver.observe(&op_move(&vm, 1, 2), &cx()).await.unwrap(), Observed::Done);
    let inventory = driver.inventory(&cx()).await.unwrap();
    assert_eq!((inventory.vms[&vm].host.as_str(), inventory.vms[&vm].power), ("kvm2", VmPower::Running));
    // Known and documented: libvirt leaves the autostart mark behind.
    assert_eq!(inventory.vms[&vm].autostart, Some(false));
    assert_eq!(estate.lab.state(1, "crit"), GuestState::Gone);

    let error = driver.start(&op_start(&vm, 1), &cx()).await.unwrap_err();
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Refused, TookEffect::No), "{error}");

    // Home again, at full speed and to the address that the host itself names.
    let driver = estate.driver();
    let task = estate.begin(&driver, &op_move(&vm, 2, 1)).await;
    detail(&estate.finish(&driver, &task).await);
    assert_eq!(estate.lab.running_on("crit"), [1]);
    assert_eq!(estate.lab.beats(1, "crit").last().unwrap().boot, after[0].boot);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_stopped_and_the_guest_stays_where_it_was() {
    if !gate("libvirt: abort") {
        return;
    }
    let estate = Estate::new(2);
    estate.start(1, &Guest::new("crit", &[]));
    let vm = estate.vm("crit");
    let driver = estate.slow_driver(2);

    assert_eq!(driver.start(&op_abort(&vm, 1, 2), &cx()).await.unwrap(), Started::AlreadyDone, "nothing to stop");
    let moving = estate.begin(&driver, &op_move(&vm, 1, 2)).await;
    estate.until_moving(&driver, &moving).await;
    assert!(matches!(driver.observe(&op_abort(&vm, 1, 2), &cx()).await.unwrap(), Observed::InTransition(_)));
    let stop = estate.begin(&driver, &op_abort(&vm, 1, 2)).await;
    assert_eq!(estate.finish(&driver, &stop).await, Progress::Done { detail: None });
    let Progress::Failed(failure) = estate.finish(&driver, &moving).await else { panic!("it was stopped") };
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert_eq!(estate.lab.running_on("crit"), [1]);
    estate.more_beats(1, "crit");
    assert_eq!(driver.observe(&op_abort(&vm, 1, 2), &cx()).await.unwrap(), Observed::Done);
    assert_eq!(driver.observe(&op_move(&vm, 1, 2), &cx()).await.unwrap(), Observed::NotDone);

    // What was stopped can be shut down at once.
    let task = estate.begin(&driver, &op_shut(&vm, 1)).await;
    assert_eq!(estate.finish(&driver, &task).await, Progress::Done { detail: None });
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_pitfall_client_death_a_move_outlives_its_beginner_and_is_taken_over() {
    if !gate("libvirt: adoption") {
        return;
    }
    let estate = Estate::new(2);
    estate.start(1, &Guest::new("crit", &[]));
    let vm = estate.vm("crit");
    let first = estate.slow_driver(10);
    let task = estate.begin(&first, &op_move(&vm, 1, 2)).await;
    estate.until_moving(&first, &task).await;
    drop(first);

    // A new process: knows only the handle. Asking for the same again begins nothing new.
    let second = estate.driver();
    assert!(matches!(second.poll(&task, &cx()).await.unwrap(), Progress::Running { done_ppm: Some(_) }));
    assert_eq!(second.observe(&op_move(&vm, 1, 2), &cx()).await.unwrap(), Observed::InTransition(task.clone()));
    assert_eq!(second.start(&op_move(&vm, 1, 2), &cx()).await.unwrap(), Started::Task(task.clone()));
    let (end, _) = estate.watch(&second, &task).await;
    assert!(detail(&end).starts_with("downtime "), "{end:?}");
    assert_eq!(estate.lab.running_on("crit"), [2]);
    assert_eq!(estate.lab.beats(1, "crit").last().unwrap().boot, estate.beats(2, "crit", 1)[0].boot);

    // One that ended badly meanwhile is no success for whoever comes later.
    let third = estate.slow_driver(2);
    let task = estate.begin(&third, &op_move(&vm, 2, 1)).await;
    estate.until_moving(&third, &task).await;
    drop(third);
    estate.lab.virsh(2, &["domjobabort", "crit"]).unwrap();
    let Progress::Failed(failure) = estate.finish(&second, &task).await else { panic!("it was stopped") };
    assert_eq!((failure.kind, failure.took_effect), (FailureKind::Unreachable, TookEffect::No), "{failure}");
    assert_eq!(estate.lab.running_on("crit"), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_pitfall_target_dies_in_the_middle_and_it_costs_nothing() {
    if !gate("libvirt: target dies") {
        return;
    }
    let estate = Estate::new(2);
    estate.start(1, &Guest::new("crit", &[]));
    let vm = estate.vm("crit");
    let driver = estate.slow_driver(2);
    let task = estate.begin(&driver, &op_move(&vm, 1, 2)).await;
    estate.until_moving(&driver, &task).await;
    estate.lab.cut_power(2);
    let Progress::Failed(failure) = estate.finish(&driver, &task).await else { panic!("its target is dead") };
    println!("told: {failure}");
    assert_eq!(estate.lab.running_on("crit"), [1]);
    estate.more_beats(1, "crit");
    let inventory = driver.inventory(&cx()).await.unwrap();
    assert!(!inventory.hosts[&HostId::new("kvm2")].connected);
    assert_eq!((inventory.vms[&vm].host.as_str(), inventory.vms[&vm].power), ("kvm1", VmPower::Running));

    let error = driver.start(&op_move(&vm, 1, 2), &cx()).await.unwrap_err();
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unreachable, TookEffect::No), "{error}");
    let begun = std::time::Instant::now();
    let task = estate.begin(&driver, &op_shut(&vm, 1)).await;
    assert_eq!(estate.finish(&driver, &task).await, Progress::Done { detail: None });
    assert!(begun.elapsed() < LIMIT, "a dead host delays nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_pitfall_libvirtd_killed_in_the_middle_ends_the_move_and_not_the_guest() {
    if !gate("libvirt: source daemon dies") {
        return;
    }
    let estate = Estate::new(2);
    estate.start(1, &Guest::new("crit", &[]));
    let vm = estate.vm("crit");
    let driver = estate.slow_driver(2);
    let task = estate.begin(&driver, &op_move(&vm, 1, 2)).await;
    estate.until_moving(&driver, &task).await;
    estate.kill_daemon(1);
    let error = driver.poll(&task, &cx()).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable, "not known is not failed: {error}");
    estate.start_daemon(1);
    let Progress::Failed(failure) = estate.finish(&driver, &task).await else { panic!("its daemon was killed") };
    assert_eq!(failure.kind, FailureKind::Unreachable, "{failure}");
    assert_eq!(estate.lab.running_on("crit"), [1]);
    estate.more_beats(1, "crit");

    // Power is cut in the middle of the next one: off is off, and the move knows.
    estate.until("the target has let go", || estate.lab.state(2, "crit") == GuestState::Gone);
    let task = estate.begin(&driver, &op_move(&vm, 1, 2)).await;
    estate.until_moving(&driver, &task).await;
    let force = estate.begin(&driver, &op_off(&vm, 1)).await;
    assert_eq!(estate.finish(&driver, &force).await, Progress::Done { detail: None });
    assert!(matches!(estate.finish(&driver, &task).await, Progress::Failed(_)));
    assert_eq!(estate.lab.state(1, "crit"), GuestState::Off);
    assert_eq!(estate.lab.running_on("crit"), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_pitfall_source_dies_in_the_middle_and_leaves_no_second_copy() {
    if !gate("libvirt: source dies") {
        return;
    }
    let estate = Estate::new(2);
    estate.start(1, &Guest::new("crit", &[]));
    let vm = estate.vm("crit");
    let driver = estate.slow_driver(2);
    let task = estate.begin(&driver, &op_move(&vm, 1, 2)).await;
    estate.until_moving(&driver, &task).await;
    estate.lab.cut_power(1);
    let error = driver.poll(&task, &cx()).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable, "not known is not failed: {error}");
    estate.until("the target lets go of its half", || estate.lab.state(2, "crit") == GuestState::Gone);

    estate.lab.power_on(1).unwrap();
    assert!(matches!(estate.finish(&driver, &task).await, Progress::Failed(_)));
    let task = estate.begin(&driver, &op_start(&vm, 1)).await;
    assert_eq!(estate.finish(&driver, &task).await, Progress::Done { detail: None });
    assert_eq!(estate.lab.running_on("crit"), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_vms_move_and_stop_side_by_side() {
    if !gate("libvirt: side by side") {
        return;
    }
    let estate = Estate::new(2);
    let names = ["c1", "c2", "c3", "s1", "s2"];
    for name in names {
        estate.start(1, &Guest::new(name, &[]));
    }
    let driver = estate.driver();
    let ops: Vec<_> = names
        .iter()
        .map(|name| if name.starts_with('c') { op_move(&estate.vm(name), 1, 2) } else { op_shut(&estate.vm(name), 1) })
        .collect();
    let mut tasks = Vec::new();
    for op in &ops {
        tasks.push(estate.begin(&driver, op).await);
    }
    for task in &tasks {
        assert!(matches!(estate.finish(&driver, task).await, Progress::Done { .. }), "{task:?}");
    }
    for name in names {
        let expected: &[usize] = if name.starts_with('c') { &[2] } else { &[] };
        assert_eq!(estate.lab.running_on(name), expected, "{name}");
    }
}
