//! What goes wrong in the middle: mains comes back, the controller dies.

use crate::stage::{LATER, SOON, Stage, asked_before};
use crate::watch::{assert_lived_on, watch};

/// Mains is back as soon as the first guest was told to go down.
pub fn mains_back_in_acting(stage: &mut Stage) {
    let run = stage.next_run();
    let before = stage.asked();
    stage.upsd.lose_mains("rack-a", 300.0);
    stage.until("the first guest is told to go down", LATER, |stage| stage.asked() != before);
    stage.upsd.mains_back("rack-a", 10.0);
    stage.until("the controller sees it", SOON, |stage| {
        stage.status().is_some_and(|status| status["domains"][0]["phase"] == "returning")
    });
    assert_eq!(stage.until_run_ends(run), "returned", "{}", stage.log());
    // A busy guest hears late: who was told to go down, against what was begun while mains was away.
    let was_told = before.into_iter().zip(stage.asked()).filter(|((_, before), (_, after))| after > before);
    let was_told: Vec<String> = was_told.map(|((name, _), _)| name).collect();
    let log = stage.log();
    let away = log.rsplit("mains lost").next().and_then(|rest| rest.split("mains back").next()).unwrap_or_default();
    let was_begun = |name: &&String| away.contains(&format!("shut down VM {name} on kvm1 ("));
    let unwanted: Vec<&String> = was_told.iter().filter(|name| !was_begun(name)).collect();
    assert!(unwanted.is_empty(), "{unwanted:?} were told to go down after mains was back:\n{log}");
    assert!(stage.lab.is_on(1), "the host stayed on");
    stage.assert_all_home();
}

/// `kill -9` while a guest moves; another process takes over.
pub fn killed_in_mid_move(stage: &mut Stage) {
    let run = stage.next_run();
    let before = stage.asked();
    stage.lab.limit_link(1, Some(60)).expect("tc limits the link");
    stage.upsd.lose_mains("rack-a", 100.0);
    let moving = stage.cast[0].name().to_owned();
    let is_moving = |stage: &Stage, guest: &str| {
        stage.lab.virsh(1, &["domjobinfo", guest]).is_ok_and(|info| info.contains("Unbounded") || info.contains("Bounded"))
    };
    let other = stage.cast[1].name().to_owned();
    stage.until("a guest moves", SOON, |stage| is_moving(stage, &moving) || is_moving(stage, &other));
    let mut controller = stage.controller.take().expect("it runs");
    controller.kill();
    assert!(is_moving(stage, &moving) || is_moving(stage, &other), "the move goes on without the controller");
    stage.serve(&[]);
    stage.lab.limit_link(1, None).expect("tc lifts the limit");
    watch(stage, LATER, |_| stage.lab.bmc_says(1) == Some(false));
    stage.upsd.mains_back("rack-a", 4.0);
    assert_eq!(stage.until_run_ends(run), "returned", "{}", stage.log());
    stage.assert_all_home();
    for cast in stage.tier(0) {
        // A rate-limited link makes for long downtimes; that it is one boot and no beat is lost is what counts here.
        assert_lived_on(stage, cast.name(), 60_000);
        assert_eq!(stage.times_asked(cast.name()), asked_before(&before, cast.name()), "{} was moved, not stopped", cast.name());
    }
    for cast in stage.cast.iter().filter(|cast| cast.rank > 0 && cast.home == 1) {
        let told = stage.times_asked(cast.name()) - asked_before(&before, cast.name());
        // Whether the dead process had told a guest that does not listen nobody can know: it is told again.
        let is_right = told == 1 || cast.is_hung && told == 2;
        assert!(is_right, "{} was told {told} times:\n{}", cast.name(), stage.log());
    }
}
