//! What a person holds back: `hold` until its last safe moment, `abort` until mains is stable.

use crate::stage::{LATER, SOON, Stage, asked_before};
use crate::watch::watch;

/// Held before the outage, for longer than the battery lasts: nothing is begun until waiting would cost a clean stop, then all is.
pub fn hold_lifts_itself(stage: &mut Stage) {
    let run = stage.next_run();
    let before = stage.asked();
    let (code, text) = stage.run(&["hold", "--for", "20m"]);
    assert_eq!(code, 0, "{text}");
    let lasts_s = 90.0;
    stage.upsd.lose_mains("rack-a", lasts_s);
    stage.until("a run is open", SOON, |stage| stage.last_run()["id"].as_u64() == Some(run));
    // The ride-through is over after four seconds; ten more are for the controller to have begun in, were it not held.
    stage.until("the battery drains", SOON, |stage| stage.upsd.battery("rack-a").runtime_s <= lasts_s - 14.0);
    assert_eq!(stage.asked(), before, "a held run tells no guest to go down:\n{}", stage.log());
    assert!(stage.status().is_some_and(|status| status["hold"].is_object()), "the hold is seen in the status");
    let watched = watch(stage, LATER, |_| stage.lab.bmc_says(1) == Some(false));
    assert!(stage.upsd.battery("rack-a").charge > 0.0, "the host was off before the battery was empty");
    for cast in stage.cast.iter().filter(|cast| cast.home == 1 && cast.rank > 0 && !cast.is_hung) {
        assert!(watched.down_at.contains_key(cast.name()), "{} was shut down:\n{}", cast.name(), stage.log());
        assert!(stage.times_asked(cast.name()) > asked_before(&before, cast.name()), "{} was asked, not cut", cast.name());
    }
    stage.upsd.mains_back("rack-a", 4.0);
    assert_eq!(stage.until_run_ends(run), "returned", "{}\n{}", stage.last_run(), stage.log());
    assert!(stage.log().contains("The hold has lifted itself"), "the log says why it went on:\n{}", stage.log());
    stage.assert_all_home();
}

/// Aborted when the first guest has been told to go down: the others and the host stay, and mains brings that one back.
pub fn abort_leaves_the_rest(stage: &mut Stage) {
    let run = stage.next_run();
    let before = stage.asked();
    let lasts_s = 300.0;
    stage.upsd.lose_mains("rack-a", lasts_s);
    stage.until("the first guest is told to go down", LATER, |stage| stage.asked() != before);
    let (code, text) = stage.run(&["abort", "--yes"]);
    assert_eq!(code, 0, "{text}");
    // Unaborted, kvm1 is empty and off within half a minute.
    let at_abort_s = stage.upsd.battery("rack-a").runtime_s;
    stage.until("the battery drains", LATER, |stage| stage.upsd.battery("rack-a").runtime_s <= at_abort_s - 40.0);
    assert_eq!(stage.lab.bmc_says(1), Some(true), "the host stays on:\n{}", stage.log());
    let log = stage.log();
    let since = log.split("has aborted the run").last().unwrap_or_default();
    for cast in stage.cast.iter().filter(|cast| cast.home == 1) {
        // With a reason: the line of its beginning, not that of its end.
        let begun = format!("shut down VM {} on kvm1 (", cast.name());
        assert!(!since.contains(&begun), "{} was begun after the abort:\n{log}", cast.name());
    }
    stage.upsd.mains_back("rack-a", 4.0);
    assert_eq!(stage.until_run_ends(run), "returned", "{}\n{}", stage.last_run(), stage.log());
    stage.assert_all_home();
}
