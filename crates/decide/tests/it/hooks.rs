//! Point 5: hooks before and after tiers and hosts. They are called at their place, and none of them ever stops a shutdown.

use crate::stage::{Stage, config};
use ridethrough_decide::{Command, SiteConfig};
use ridethrough_model::*;

const LIMIT: u64 = 20;

/// All four hooks of tier normal and of kvm1.
fn hooked() -> SiteConfig {
    let mut config = config();
    for of in [HookOf::Tier(TierName::new("normal")), HookOf::Host(HostId::new("kvm1"))] {
        for moment in HookMoment::ALL {
            config.topology.hooks.insert(of.at(moment), Millis::from_secs(LIMIT));
        }
    }
    config
}

const VMS: [(&str, &str, &str); 3] = [("db", "normal", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm1")];

fn stage() -> Stage {
    Stage::with(hooked(), &VMS)
}

fn failure(kind: FailureKind, took_effect: TookEffect) -> Failure {
    Failure { kind, took_effect, message: "ended with 1".into() }
}

/// The places of these lines in the story, each the first with that text after the one before.
fn in_order(stage: &Stage, texts: &[&str]) {
    let mut from = 0;
    for text in texts {
        let found = stage.lines[from..].iter().position(|(_, line)| line.contains(text));
        from += found.unwrap_or_else(|| panic!("`{text}` is not where it should be:\n{}", stage.story())) + 1;
    }
}

#[test]
fn point_5_hooks_are_called_around_tier_and_host_in_an_outage_and_the_return() {
    let mut stage = stage();
    stage.lose_mains("rack-a", 1200);
    stage.play_until("call after the stop of host kvm1", 400);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 600);
    in_order(
        &stage,
        &[
            "start shut down VM ci-1",
            "call before the stop of tier normal",
            "start shut down VM db",
            "call after the stop of tier normal",
            "call before the stop of host kvm1",
            "start shut down host kvm1",
            "kvm1 proven off",
            "call after the stop of host kvm1",
            "call before the start of host kvm1",
            "start wake host kvm1",
            "call after the start of host kvm1",
            "call before the start of tier normal",
            "start start VM db",
            "call after the start of tier normal",
        ],
    );
    for moment in ["before the stop", "after the stop", "before the start", "after the start"] {
        assert_eq!(stage.count(&format!("call {moment}")), 2, "once each for tier and host: {moment}\n{}", stage.story());
    }
    let called = stage.at("call before the stop of tier normal").expect("called");
    let stopped = stage.at("start shut down VM db").expect("stopped");
    assert!(called < stopped, "the tier waits for its answer:\n{}", stage.story());
}

#[test]
fn point_5_hooks_one_that_fails_is_said_loudly_and_the_run_goes_on() {
    let mut stage = stage();
    let no = Err(failure(FailureKind::Busy, TookEffect::Possible));
    stage.world.hooks.insert("before the stop of tier normal".into(), (2, no));
    stage.lose_mains("rack-a", 1200);
    let called = stage.play_until("call before the stop of tier normal", 400);
    let stopped = stage.play_until("start shut down VM db", 60);
    assert!(stopped <= called + 4, "what answered no is not asked again:\n{}", stage.story());
    assert_eq!(stage.count("call before the stop of tier normal"), 1, "{}", stage.story());
    assert_eq!(stage.count("The hook before the stop of tier normal failed: refused: ended with 1."), 1, "{}", stage.story());
    stage.play_until("kvm1 proven off", 400);
}

#[test]
fn point_5_hooks_one_that_hangs_is_given_its_time_and_no_more() {
    let mut stage = stage();
    stage.world.hooks.insert("before the stop of tier normal".into(), (100_000, Ok(())));
    stage.world.hooks.insert("before the stop of host kvm1".into(), (100_000, Ok(())));
    stage.lose_mains("rack-a", 1200);
    let called = stage.play_until("call before the stop of tier normal", 400);
    let stopped = stage.play_until("start shut down VM db", 60);
    assert!((called + LIMIT..=called + LIMIT + 4).contains(&stopped), "at {stopped}:\n{}", stage.story());
    assert!(stage.count("has not ended within") > 0, "{}", stage.story());
    let called = stage.play_until("call before the stop of host kvm1", 100);
    let down = stage.play_until("start shut down host kvm1", 60);
    assert!(down <= called + LIMIT + 4, "{}", stage.story());
    // Nobody waits for a reply that never comes: the run ends all the same.
    stage.play_until("kvm1 proven off", 400);
    stage.mains_back("rack-a");
    stage.play_until("run ended", 900);
}

#[test]
fn point_5_hooks_one_that_is_not_reached_is_tried_again_within_its_time() {
    let mut stage = stage();
    let unreached = Err(failure(FailureKind::Unreachable, TookEffect::No));
    stage.world.hooks.insert("before the stop of tier normal".into(), (1, unreached));
    stage.lose_mains("rack-a", 1200);
    let called = stage.play_until("call before the stop of tier normal", 400);
    let stopped = stage.play_until("start shut down VM db", 60);
    assert_eq!(stage.count("call before the stop of tier normal"), 3, "{}", stage.story());
    assert!(stopped <= called + LIMIT + 4, "{}", stage.story());
}

#[test]
fn point_5_hooks_the_last_safe_moment_passes_them_by() {
    let mut config = hooked();
    for limit in config.topology.hooks.values_mut() {
        *limit = Millis::from_secs(300);
    }
    let mut stage = Stage::with(config, &VMS);
    stage.world.hooks.insert("before the stop of tier normal".into(), (100_000, Ok(())));
    stage.world.hooks.insert("before the stop of host kvm1".into(), (100_000, Ok(())));
    // 400 s less 15 % is 340 s: less than the two hooks want for themselves.
    stage.lose_mains("rack-a", 400);
    let stopped = stage.play_until("start shut down VM db", 400);
    assert!(stopped <= 4 + 340 - 30 - 10 - 60, "at {stopped}:\n{}", stage.story());
    let off = stage.play_until("kvm1 proven off", 400);
    assert!(off <= 4 + 340, "at {off}:\n{}", stage.story());
    assert_eq!(stage.count("power off VM"), 0, "{}", stage.story());
}

#[test]
fn point_5_hooks_a_forced_shutdown_waits_for_none() {
    let mut stage = stage();
    stage.world.hooks.insert("before the stop of tier normal".into(), (100_000, Ok(())));
    stage.ups("rack-a", "FSD OB LB", Some(300), Some(20));
    let stopped = stage.play_until("start shut down VM db", 10);
    let called = stage.at("call before the stop of tier normal").expect("called beside it");
    assert!(called <= stopped + 2, "{}", stage.story());
}

#[test]
fn point_5_hooks_a_crash_calls_it_again_under_the_same_key_and_no_more() {
    let mut stage = stage();
    stage.world.hooks.insert("before the stop of tier normal".into(), (10, Ok(())));
    stage.lose_mains("rack-a", 1200);
    stage.play_until("call before the stop of tier normal", 400);
    stage.play(2);
    stage.crash(hooked());
    stage.play_until("start shut down VM db", 100);
    let calls: Vec<String> =
        stage.lines.iter().map(|(_, line)| line.clone()).filter(|line| line.contains("call before the stop of tier")).collect();
    assert_eq!(calls.len(), 2, "{}", stage.story());
    let key = |call: &str| call.split(" as ").nth(1).and_then(|tail| tail.split(' ').next()).map(str::to_owned);
    assert_eq!(key(&calls[0]), key(&calls[1]), "one key");
    assert!(calls[0].ends_with("attempt 1") && calls[1].ends_with("attempt 2"), "{calls:?}");
    // One that had answered before the crash is not called again.
    stage.crash(hooked());
    stage.play_until("kvm1 proven off", 400);
    assert_eq!(stage.count("call before the stop of tier normal"), 2, "{}", stage.story());
}

#[test]
fn point_5_hooks_are_called_anew_when_what_came_back_goes_down_again() {
    let mut stage = stage();
    stage.lose_mains("rack-a", 1200);
    stage.play_until("kvm1 proven off", 400);
    stage.mains_back("rack-a");
    stage.play_until("start start VM db", 400);
    stage.lose_mains("rack-a", 1200);
    stage.play_until("kvm1 proven off", 400);
    assert_eq!(stage.count("call before the stop of tier normal"), 2, "{}", stage.story());
    assert_eq!(stage.count("call before the stop of host kvm1"), 2, "{}", stage.story());
    let keys: std::collections::BTreeSet<&str> = stage
        .lines
        .iter()
        .filter(|(_, line)| line.contains("call before the stop of tier normal"))
        .filter_map(|(_, line)| line.split(" as ").nth(1))
        .collect();
    assert_eq!(keys.len(), 2, "another call is another key");
}

#[test]
fn point_5_hooks_who_was_told_of_a_stop_that_did_not_come_is_told_that_it_is_up() {
    let mut stage = stage();
    stage.world.hooks.insert("before the stop of tier normal".into(), (15, Ok(())));
    stage.lose_mains("rack-a", 1200);
    stage.play_until("call before the stop of tier normal", 400);
    stage.mains_back("rack-a");
    stage.play_until("run ended", 600);
    assert_eq!(stage.count("start shut down VM db"), 0, "{}", stage.story());
    assert_eq!(stage.count("call before the start of tier normal"), 0, "nothing is started:\n{}", stage.story());
    assert_eq!(stage.count("call after the start of tier normal"), 1, "{}", stage.story());
}

#[test]
fn point_5_hooks_of_a_domain_that_observes_are_only_said() {
    let mut stage = stage();
    stage.command(Command::SetMode { domain: DomainId::new("rack-a"), mode: DomainMode::Observe, by: "test".into() });
    stage.lose_mains("rack-a", 1200);
    stage.play(200);
    assert_eq!(stage.count("call "), 0, "{}", stage.story());
    let view = stage.site.view(&stage.now());
    let said = view.run.expect("open").actions.iter().any(|action| action.text.contains("hook before the stop of tier normal"));
    assert!(said);
}

#[test]
fn point_5_hooks_a_hold_holds_them_too() {
    let mut stage = stage();
    stage.lose_mains("rack-a", 1200);
    stage.play(10);
    stage.command(Command::Hold { duration: Millis::from_secs(120), even_if_lost: false, by: "test".into() });
    stage.play(100);
    assert_eq!(stage.count("call "), 0, "{}", stage.story());
    stage.play_until("call before the stop of tier normal", 200);
}
