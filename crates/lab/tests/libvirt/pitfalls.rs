//! What goes wrong in moves: a shutdown that meets one, a link that is cut, a guest that writes faster than the network carries.

use crate::estate::{Estate, LIMIT, cx, op_abort, op_move, op_shut};
use ridethrough_driver::{FailureKind, Platform, TookEffect};
use ridethrough_lab::{Guest, gate};
use ridethrough_model::Progress;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn point_3_pitfall_a_shutdown_during_a_move_is_refused_at_once_and_blocks_nobody() {
    if !gate("libvirt: shutdown during a move") {
        return;
    }
    let estate = Estate::new(2);
    for guest in ["crit", "web"] {
        estate.start(1, &Guest::new(guest, &[]));
    }
    let driver = estate.slow_driver(2);
    let moving = estate.begin(&driver, &op_move(&estate.vm("crit"), 1, 2)).await;
    estate.until_moving(&driver, &moving).await;

    let asked = Instant::now();
    let busy = driver.start(&op_shut(&estate.vm("crit"), 1), &cx()).await.expect_err("it is being moved");
    assert_eq!((busy.kind(), busy.took_effect()), (FailureKind::Busy, TookEffect::No), "{busy}");
    assert!(asked.elapsed() < LIMIT, "libvirt itself would let it wait for the whole move");
    let task = estate.begin(&driver, &op_shut(&estate.vm("web"), 1)).await;
    assert_eq!(estate.finish(&driver, &task).await, Progress::Done { detail: None }, "another guest goes down meanwhile");

    let stop = estate.begin(&driver, &op_abort(&estate.vm("crit"), 1, 2)).await;
    assert_eq!(estate.finish(&driver, &stop).await, Progress::Done { detail: None });
    let task = estate.begin(&driver, &op_shut(&estate.vm("crit"), 1)).await;
    assert_eq!(estate.finish(&driver, &task).await, Progress::Done { detail: None });
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_pitfall_link_cut_in_the_middle_leaves_one_copy_that_runs() {
    if !gate("libvirt: link cut") {
        return;
    }
    let estate = Estate::new(2);
    estate.start(1, &Guest::new("crit", &[]));
    let driver = estate.slow_driver(2);
    let moving = estate.begin(&driver, &op_move(&estate.vm("crit"), 1, 2)).await;
    estate.until_moving(&driver, &moving).await;
    estate.lab.cut_link(2).expect("cut");
    let Progress::Failed(failure) = estate.finish(&driver, &moving).await else { panic!("nothing could arrive") };
    println!("told: {failure}");
    assert_eq!(estate.lab.running_on("crit"), [1]);
    estate.more_beats(1, "crit");

    estate.lab.heal_link(2).expect("healed");
    let driver = estate.driver();
    let again = estate.begin_when_free(&driver, &op_move(&estate.vm("crit"), 1, 2)).await;
    assert!(matches!(estate.finish(&driver, &again).await, Progress::Done { .. }));
    assert_eq!(estate.lab.running_on("crit"), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_pitfall_non_convergence_is_a_move_that_goes_on_until_it_is_stopped_or_may_pause_longer() {
    if !gate("libvirt: non-convergence") {
        return;
    }
    let estate = Estate::new(2);
    // Rewrites 30 MiB a second; the move may take 10.
    let guest = Guest { memory_mib: 128, ..Guest::new("crit", &[]) }.with("rt.ws=48 rt.dirty=30");
    estate.start(1, &guest);
    let driver = estate.slow_driver(10);
    let moving = estate.begin(&driver, &op_move(&estate.vm("crit"), 1, 2)).await;
    estate.until_moving(&driver, &moving).await;
    let begun = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(500));
    // Were it to converge, all of its memory would be there after ten seconds.
    while begun.elapsed() < Duration::from_secs(15) {
        look.tick().await;
        let now = driver.poll(&moving, &cx()).await.expect("it can be polled");
        assert!(matches!(now, Progress::Running { .. }), "it does not converge: {now:?}");
    }
    let stop = estate.begin(&driver, &op_abort(&estate.vm("crit"), 1, 2)).await;
    assert_eq!(estate.finish(&driver, &stop).await, Progress::Done { detail: None });
    assert_eq!(estate.lab.running_on("crit"), [1]);
    estate.more_beats(1, "crit");

    let throttling = estate.throttling_driver(10);
    let moving = estate.begin_when_free(&throttling, &op_move(&estate.vm("crit"), 1, 2)).await;
    estate.until("QEMU slows the guest down", || {
        estate.lab.virsh(1, &["domjobinfo", "crit"]).is_ok_and(|said| said.contains("Auto converge throttle"))
    });
    let stop = estate.begin(&throttling, &op_abort(&estate.vm("crit"), 1, 2)).await;
    assert_eq!(estate.finish(&throttling, &stop).await, Progress::Done { detail: None });
    assert!(matches!(estate.finish(&throttling, &moving).await, Progress::Failed(_)));

    let patient = estate.patient_driver(10, 15_000);
    let moving = estate.begin_when_free(&patient, &op_move(&estate.vm("crit"), 1, 2)).await;
    let end = estate.finish(&patient, &moving).await;
    assert!(matches!(end, Progress::Done { .. }), "it may pause for so long: {end:?}");
    assert_eq!(estate.lab.running_on("crit"), [2]);
}
