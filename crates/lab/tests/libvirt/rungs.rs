//! What an outage may do with a VM besides shutting it down and moving it plainly: save it to disk, take its disks along, finish its move
//! by post-copy; and what is measured before. Moves from daemon to daemon over TLS too.

use crate::estate::{Estate, cx, op_abort, op_abort_save, op_finish, op_move, op_save, op_start};
use ridethrough_driver::{FailureKind, Platform};
use ridethrough_lab::{Guest, GuestState, gate};
use ridethrough_model::{Bytes, Observed, Progress, Started, SuspendRoom, VmPower};
use std::fs;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn point_3_managed_save_keeps_the_guest_and_a_start_goes_on_where_it_was() {
    if !gate("libvirt: managed save") {
        return;
    }
    let estate = Estate::new(1);
    estate.start(1, &Guest::new("web", &[]));
    let vm = estate.vm("web");
    let said = SuspendRoom { rate: Some(Bytes::from_mib(50)), space: Some(Bytes::from_mib(500)) };
    let driver = estate.driver_as(|config| config.suspend = said);
    let room = |inventory: ridethrough_model::Inventory| inventory.hosts.into_values().next().expect("a host").suspend;
    assert_eq!(room(driver.inventory(&cx()).await.expect("seen")), said);
    let before = estate.beats(1, "web", 2);
    let saving = estate.begin(&driver, &op_save(&vm, 1)).await;
    // Whoever comes next finds it, under way or done.
    let heir = estate.driver_as(|config| config.suspend = said);
    assert_eq!(estate.finish(&heir, &saving).await, Progress::Done { detail: None });
    assert_eq!(estate.lab.state(1, "web"), GuestState::Off);
    assert!(estate.lab.virsh(1, &["dominfo", "web"]).expect("virsh").lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words == ["Managed", "save:", "yes"]
    }));
    let inventory = heir.inventory(&cx()).await.expect("seen");
    assert_eq!(inventory.vms[&vm].power, VmPower::Suspended);
    assert_eq!(room(inventory).space, Some(Bytes::from_mib(404)), "its 96 MiB are taken");
    assert_eq!(heir.observe(&op_save(&vm, 1), &cx()).await.expect("seen"), Observed::Done);
    assert_eq!(heir.start(&op_save(&vm, 1), &cx()).await.expect("done"), Started::AlreadyDone);

    let starting = estate.begin(&heir, &op_start(&vm, 1)).await;
    assert!(matches!(estate.finish(&heir, &starting).await, Progress::Done { .. }));
    estate.more_beats(1, "web");
    let after = estate.lab.beats(1, "web");
    assert_eq!(after.first().map(|beat| &beat.boot), before.first().map(|beat| &beat.boot), "it was not booted again");
    assert_eq!(after.first().map(|beat| &beat.boot), after.last().map(|beat| &beat.boot), "it was not booted again");
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_managed_save_that_finds_no_room_or_is_stopped_leaves_the_guest_running() {
    if !gate("libvirt: managed save without room") {
        return;
    }
    let estate = Estate::new(1);
    estate.start(1, &Guest { memory_mib: 256, ..Guest::new("web", &[]) }.with("rt.ws=100 rt.dirty=10"));
    let vm = estate.vm("web");
    let driver = estate.driver();
    let mount = "mkdir -p /var/lib/libvirt/qemu/save && mount -t tmpfs -o size=4m none /var/lib/libvirt/qemu/save";
    estate.lab.on_host(1, &["sh", "-c", mount]).expect("a small disk");
    let end = match driver.start(&op_save(&vm, 1), &cx()).await {
        Ok(Started::Task(task)) => match estate.finish(&driver, &task).await {
            Progress::Failed(failure) => failure,
            other => panic!("4 MiB are not enough: {other:?}"),
        },
        Ok(Started::AlreadyDone) => panic!("it runs"),
        Err(error) => error.to_failure(),
    };
    println!("told: {end}");
    assert_eq!(end.kind, FailureKind::Refused, "{end}");
    assert_eq!(estate.lab.state(1, "web"), GuestState::Running);
    estate.more_beats(1, "web");

    estate.lab.on_host(1, &["umount", "/var/lib/libvirt/qemu/save"]).expect("as before");
    let saving = estate.begin(&driver, &op_save(&vm, 1)).await;
    // It may be over before it can be stopped; then that is said, and nothing is lost.
    match driver.start(&op_abort_save(&vm, 1), &cx()).await {
        Ok(_) => println!("stopped in time"),
        Err(error) => println!("not stopped: {error}"),
    }
    match estate.finish(&driver, &saving).await {
        Progress::Done { .. } => assert_eq!(estate.lab.state(1, "web"), GuestState::Off),
        _ => estate.more_beats(1, "web"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_storage_migration_takes_the_disk_along_where_that_is_allowed_and_there_is_a_pool() {
    if !gate("libvirt: storage migration") {
        return;
    }
    let estate = Estate::new(2);
    estate.start(1, &Guest { local_disk_mib: Some(64), ..Guest::new("db", &[]) });
    let vm = estate.vm("db");
    let disk = |host: usize| estate.lab.dir().join(format!("h{host}/lib/db.raw"));
    let mark: Vec<u8> = (0..1 << 20).map(|at: u32| u8::try_from(at % 251).expect("below 251")).collect();
    fs::write(disk(1), [mark.clone(), vec![0; 63 << 20]].concat()).expect("something to copy");

    let plain = estate.driver().inventory(&cx()).await.expect("seen");
    assert!(plain.vms[&vm].move_blockers.iter().any(|why| why.contains("copy_disks")), "{:?}", plain.vms[&vm].move_blockers);

    let driver = estate.driver_as(|config| config.copy_disks = true);
    let seen = driver.inventory(&cx()).await.expect("seen");
    assert!(seen.vms[&vm].move_blockers.is_empty(), "{:?}", seen.vms[&vm].move_blockers);
    let size = seen.vms[&vm].disks_to_copy["/var/lib/libvirt"];
    assert!(size >= Bytes::from_mib(1) && size <= Bytes::from_mib(65), "{size}");
    assert!(seen.hosts.values().all(|host| host.stores.is_empty()), "no pools yet");
    for host in [1, 2] {
        estate.lab.virsh(host, &["pool-define-as", "here", "dir", "--target", "/var/lib/libvirt"]).expect("a pool");
        estate.lab.virsh(host, &["pool-start", "here"]).expect("it starts");
    }
    let seen = driver.inventory(&cx()).await.expect("seen");
    assert!(seen.hosts.values().all(|host| host.stores.get("/var/lib/libvirt").is_some_and(|free| *free > size)));

    let moving = estate.begin(&driver, &op_move(&vm, 1, 2)).await;
    let end = estate.finish(&driver, &moving).await;
    assert!(matches!(end, Progress::Done { .. }), "{end:?}");
    assert_eq!(estate.lab.running_on("db"), [2]);
    estate.more_beats(2, "db");
    assert!(fs::read(disk(2)).expect("it came along").starts_with(&mark));
    // And home again, over what was left behind.
    let back = estate.begin_when_free(&driver, &op_move(&vm, 2, 1)).await;
    assert!(matches!(estate.finish(&driver, &back).await, Progress::Done { .. }));
    assert_eq!(estate.lab.running_on("db"), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_post_copy_ends_a_move_that_does_not_converge_and_what_it_writes_was_measured() {
    if !gate("libvirt: post-copy") {
        return;
    }
    let estate = Estate::new(2);
    // Rewrites 30 MiB a second; the move may take 10.
    estate.start(1, &Guest { memory_mib: 128, ..Guest::new("crit", &[]) }.with("rt.ws=48 rt.dirty=30"));
    let vm = estate.vm("crit");
    let driver = estate.driver_as(|config| {
        config.bandwidth_mib_s = Some(10);
        (config.convergence.auto_converge, config.convergence.post_copy) = (false, true);
    });
    driver.measure(&cx()).await.expect("it is begun");
    let mut look = tokio::time::interval(Duration::from_millis(500));
    let mut measured = None;
    for _ in 0..60 {
        look.tick().await;
        measured = driver.inventory(&cx()).await.expect("seen").vms[&vm].dirty_rate;
        if measured.is_some() {
            break;
        }
    }
    println!("measured: {measured:?}");
    assert!(measured.is_some_and(|rate| rate > Bytes::from_mib(10)), "more than the move may take: {measured:?}");

    let before = estate.beats(1, "crit", 2);
    let moving = estate.begin(&driver, &op_move(&vm, 1, 2)).await;
    estate.until_moving(&driver, &moving).await;
    let finishing = estate.begin(&driver, &op_finish(&vm, 1, 2)).await;
    let end = estate.finish(&driver, &finishing).await;
    assert!(matches!(end, Progress::Done { .. }), "{end:?}");
    assert!(matches!(estate.finish(&driver, &moving).await, Progress::Done { .. }));
    assert_eq!(estate.lab.running_on("crit"), [2]);
    estate.more_beats(2, "crit");
    assert_eq!(estate.lab.beats(2, "crit").last().map(|beat| beat.boot.clone()), before.first().map(|beat| beat.boot.clone()));
    let late = driver.start(&op_abort(&vm, 1, 2), &cx()).await.expect_err("there is nothing to go back to");
    assert_eq!(late.kind(), FailureKind::Refused, "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_a_move_goes_from_daemon_to_daemon_over_tls() {
    if !gate("libvirt: move over tls") {
        return;
    }
    let estate = Estate::new(2);
    estate.start(1, &Guest::new("web", &[]));
    let vm = estate.vm("web");
    let pki = |who: &str| {
        let dir = estate.lab.dir().join(format!("daemon-{who}"));
        fs::create_dir_all(&dir).expect("a folder");
        for (name, file) in
            [("cacert.pem", "ca.pem"), ("clientcert.pem", &format!("{who}.pem")), ("clientkey.pem", &format!("{who}.key"))]
        {
            fs::write(dir.join(name), estate.lab.pem(file).expect("made with the lab")).expect("written");
        }
        format!("qemu+tls://kvm2/system?pkipath={}", dir.display())
    };
    let over = |uri: String| {
        estate.driver_as(|config| {
            if let Some(target) = config.hosts.get_mut(&"kvm2".into()) {
                target.migrate_uri = Some(uri);
            }
        })
    };
    let stranger = over(pki("stranger"));
    let refused = match stranger.start(&op_move(&vm, 1, 2), &cx()).await {
        Ok(Started::Task(task)) => match estate.finish(&stranger, &task).await {
            Progress::Failed(failure) => failure,
            other => panic!("kvm2 knows no such authority: {other:?}"),
        },
        Ok(Started::AlreadyDone) => panic!("it runs on kvm1"),
        Err(error) => error.to_failure(),
    };
    println!("told: {refused}");
    assert_eq!(estate.lab.running_on("web"), [1]);

    let driver = over(pki("client"));
    let moving = estate.begin_when_free(&driver, &op_move(&vm, 1, 2)).await;
    let end = estate.finish(&driver, &moving).await;
    assert!(matches!(end, Progress::Done { .. }), "{end:?}");
    assert_eq!(estate.lab.running_on("web"), [2]);
    estate.more_beats(2, "web");
}
