//! Outages from mains lost to everything home.

use crate::stage::{LATER, SOON, Stage, asked_before};
use crate::watch::{assert_lived_on, downtimes, watch};
use ridethrough_lab::{GuestState, Numbers};

/// Mains is away for less than the ride-through.
pub fn short(stage: &mut Stage) {
    let run = stage.next_run();
    let before = stage.asked();
    stage.upsd.lose_mains("rack-a", 600.0);
    stage.until("the controller sees it", SOON, |stage| stage.last_run()["id"].as_u64() == Some(run));
    stage.upsd.mains_back("rack-a", 10.0);
    assert_eq!(stage.until_run_ends(run), "nothing-touched", "{}", stage.log());
    assert_eq!(stage.asked(), before, "no guest was told anything");
    stage.assert_all_home();
}

/// The whole story on one rack.
pub fn whole(stage: &mut Stage) {
    let run = stage.next_run();
    let before = stage.asked();
    #[expect(clippy::cast_precision_loss, reason = "seconds of a test")]
    let lasts_s = stage.seed.between(60, 80) as f64;
    println!("    the battery of rack-a lasts {lasts_s} s");
    stage.upsd.lose_mains("rack-a", lasts_s);
    let watched = watch(stage, LATER, |_| stage.lab.bmc_says(1) == Some(false));
    assert!(stage.upsd.battery("rack-a").charge > 0.0, "the host was off before the battery was empty");
    assert_order(stage, &watched, &[1]);
    for cast in stage.tier(0) {
        let on = stage.lab.running_on(cast.name());
        assert!(on == [2] || on == [3], "{} runs on {on:?}:\n{}", cast.name(), stage.log());
    }
    for cast in stage.cast.iter().filter(|cast| cast.home != 1) {
        assert_eq!(
            stage.times_asked(cast.name()),
            asked_before(&before, cast.name()),
            "{} keeps its mains and is left alone",
            cast.name()
        );
    }
    stage.upsd.mains_back("rack-a", 4.0);
    let end = stage.until_run_ends(run);
    assert_eq!(end, "returned", "{}\n{}", stage.last_run(), stage.log());
    assert_eq!(stage.lab.bmc_says(1), Some(true));
    stage.assert_all_home();
    assert_autostart_kept(stage);
    for cast in stage.tier(0) {
        let downtimes = downtimes(stage, cast.name());
        assert_eq!(downtimes.len(), 2, "{} went away and came home:\n{}", cast.name(), stage.last_run_detail());
        assert_lived_on(stage, cast.name(), downtimes.into_iter().max().unwrap_or(0));
    }
}

/// Of the guests on these hosts, no tier was down before every less important one on the same host was down (or hung).
fn assert_order(stage: &Stage, watched: &crate::watch::Watched, hosts: &[usize]) {
    for low in stage.cast.iter().filter(|cast| hosts.contains(&cast.home) && cast.rank > 0 && !cast.is_hung) {
        let low_at = watched
            .down_at
            .get(low.name())
            .unwrap_or_else(|| panic!("{} must have been shut down:\n{}", low.name(), stage.log()));
        for high in stage.cast.iter().filter(|cast| cast.home == low.home && cast.rank < low.rank) {
            if let Some(high_at) = watched.down_at.get(high.name()) {
                assert!(
                    low_at <= high_at,
                    "{} went down at {high_at:?}, the less important {} only at {low_at:?}",
                    high.name(),
                    low.name()
                );
            }
        }
    }
}

fn assert_autostart_kept(stage: &Stage) {
    for cast in &stage.cast {
        let info = stage.lab.virsh(cast.home, &["dominfo", cast.name()]).unwrap_or_default();
        let is_set = info.lines().any(|line| line.starts_with("Autostart:") && line.contains("enable"));
        assert_eq!(is_set, cast.guest.autostart, "autostart of {} is as before", cast.name());
    }
}

/// Waiting for ten minutes would empty the battery: it acts at once.
pub fn fatal_ride_through(stage: &mut Stage) {
    stage.restart_controller(Numbers { ride_through_s: 600, move_after_s: 600, moves_per_host: 2 });
    let run = stage.next_run();
    stage.upsd.lose_mains("rack-a", 75.0);
    watch(stage, LATER, |_| stage.lab.bmc_says(1) == Some(false));
    for cast in stage.tier(0) {
        assert_eq!(stage.lab.running_on(cast.name()).len(), 1, "{} was saved:\n{}", cast.name(), stage.log());
    }
    stage.upsd.mains_back("rack-a", 4.0);
    assert_eq!(stage.until_run_ends(run), "returned", "{}", stage.log());
    stage.assert_all_home();
    stage.usual();
}

/// No host keeps its power, the last two UPSes failing seconds after the first.
pub fn all_fail(stage: &mut Stage) {
    stage.restart_controller(Numbers { ride_through_s: 8, move_after_s: 8, moves_per_host: 2 });
    let run = stage.next_run();
    stage.upsd.lose_mains("rack-a", 90.0);
    stage.until("rack-a drains for five seconds", SOON, |stage| stage.upsd.battery("rack-a").runtime_s <= 85.0);
    stage.upsd.lose_mains("rack-b", 90.0);
    stage.upsd.lose_mains("rack-c", 90.0);
    let watched = watch(stage, LATER, |_| (1..=3).all(|host| stage.lab.bmc_says(host) == Some(false)));
    for cast in &stage.cast {
        let seen = watched.seen_on.get(cast.name()).cloned().unwrap_or_default();
        assert!(seen.iter().all(|host| *host == cast.home), "{} was moved to a host on battery: {seen:?}", cast.name());
    }
    assert_order(stage, &watched, &[1, 2]);
    for rack in ["rack-a", "rack-b", "rack-c"] {
        stage.upsd.mains_back(rack, 5.0);
    }
    assert_eq!(stage.until_run_ends(run), "returned", "{}\n{}", stage.last_run(), stage.log());
    stage.assert_all_home();
    assert_eq!(stage.lab.state(3, stage.cast[0].name()), GuestState::Gone, "nothing was left behind on kvm3");
    stage.usual();
}
