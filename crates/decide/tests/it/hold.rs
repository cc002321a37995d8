//! What people hold back, and what they cannot.

use crate::stage::{Stage, config};
use ridethrough_decide::{Command, CommandReply};
use ridethrough_model::*;

fn usual() -> Stage {
    Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm1"), ("mail", "normal", "kvm2")])
}

fn hold(stage: &mut Stage, secs: u64, even_if_lost: bool) -> CommandReply {
    stage.command(Command::Hold { duration: Millis::from_secs(secs), even_if_lost, by: "ada".into() })
}

fn abort(stage: &mut Stage) -> CommandReply {
    stage.command(Command::Abort { by: "ada".into() })
}

fn done(reply: CommandReply) -> Vec<Finding> {
    match reply {
        CommandReply::Done(findings) => findings,
        CommandReply::Refused(findings) => panic!("refused: {findings:?}"),
    }
}

fn refused(reply: CommandReply, code: &str) {
    let CommandReply::Refused(findings) = reply else { panic!("not refused: {reply:?}") };
    assert_eq!(findings[0].code, code, "{findings:?}");
}

#[test]
fn point_7_a_hold_starts_nothing_counts_down_and_lifts_itself_at_the_last_safe_moment() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 600);
    stage.play(30);
    let warnings = done(hold(&mut stage, 3600, false));
    assert!(warnings[0].message.contains("the hold lifts itself"), "{warnings:?}");
    stage.play(60);
    let view = stage.site.view(&stage.now()).hold.expect("it is seen");
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
    assert!(!view.even_if_lost && view.last_safe_host == Some(HostId::new("kvm1")), "{view:?}");
    let lifted = stage.play_until("hold ended: the last safe moment of host kvm1", 500);
    assert!(lifted.abs_diff(stage.secs) <= 1 && lifted > 300, "{}", stage.story());
    assert!(view.ends_in.as_secs().abs_diff(lifted - 94) <= 2, "it said {} at 94 s, it was {lifted}", view.ends_in);
    stage.play_until("kvm1 proven off", 200);
    assert_eq!(stage.count("power off VM"), 0, "the stop was clean:\n{}", stage.story());
    assert_eq!(stage.count("notice The hold has lifted itself"), 1);
}

#[test]
fn point_7_a_hold_in_the_middle_of_a_run_lets_settle_what_is_in_flight_and_goes_on_when_released() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 1800);
    stage.play_until("start shut down VM ci-1", 100);
    done(hold(&mut stage, 600, false));
    let before = stage.count("start ");
    stage.play(100);
    assert_eq!(stage.count("start "), before, "{}", stage.story());
    assert_eq!(stage.vm_named("ci-1").power, VmPower::Off, "it was in flight");
    assert_eq!(stage.vm_named("web").power, VmPower::Running);
    done(stage.command(Command::ReleaseHold { by: "ada".into() }));
    assert!(stage.at("start shut down VM web").is_some(), "{}", stage.story());
    refused(stage.command(Command::ReleaseHold { by: "ada".into() }), "RT0441");
}

#[test]
fn point_7_a_hold_before_an_outage_counts_when_it_comes_and_ends_with_its_time() {
    let mut stage = usual();
    done(hold(&mut stage, 120, false));
    stage.lose_mains("rack-a", 1800);
    let ended = stage.play_until("hold ended: its time is over", 200);
    assert_eq!((ended, stage.at("start ")), (stage.secs, Some(ended)), "{}", stage.story());
}

#[test]
fn point_7_a_forced_shutdown_is_never_held() {
    for even_if_lost in [false, true] {
        let mut stage = usual();
        stage.lose_mains("rack-a", 1800);
        stage.play(5);
        done(hold(&mut stage, 600, even_if_lost));
        stage.ups("rack-a", "FSD OB DISCHRG", Some(1700), Some(80));
        stage.play_until("start shut down VM ci-1", 5);
        refused(hold(&mut stage, 600, true), "RT0441");
    }
}

#[test]
fn point_7_even_if_lost_holds_past_the_last_safe_moment_and_a_low_battery() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 300);
    stage.play(5);
    let warnings = done(hold(&mut stage, 900, true));
    assert!(warnings[0].message.contains("uncleanly"), "{warnings:?}");
    stage.play(250);
    stage.ups("rack-a", "OB LB", Some(20), Some(5));
    stage.play(20);
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
}

#[test]
fn point_7_a_hold_is_refused_where_it_would_lift_at_once_or_never() {
    let mut stage = usual();
    refused(hold(&mut stage, 0, false), "RT0441");
    refused(hold(&mut stage, 24 * 3600 + 1, true), "RT0441");
    stage.lose_mains("rack-a", 100);
    stage.play(3);
    refused(hold(&mut stage, 60, false), "RT0441");
    done(hold(&mut stage, 60, true));
}

#[test]
fn point_7_a_hold_survives_a_crash_and_only_that_boot() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 1800);
    stage.play(5);
    done(hold(&mut stage, 200, false));
    stage.play(20);
    stage.crash(config());
    stage.play(100);
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
    assert_eq!(stage.site.view(&stage.now()).hold.map(|hold| hold.by), Some("ada".to_owned()));
    stage.boot = "boot-2".into();
    stage.crash(config());
    assert!(stage.site.view(&stage.now()).hold.is_none(), "how much is left is not known: it has ended, which protects");
    stage.play_until("start shut down VM ci-1", 100);
}

#[test]
fn point_7_what_waits_for_the_journal_is_not_sent_into_a_hold() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 1800);
    stage.play(60);
    stage.world.journal_works = false;
    stage.play(1);
    done(hold(&mut stage, 100, false));
    stage.world.journal_works = true;
    stage.flush();
    stage.play(50);
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
    stage.play_until("start shut down VM ci-1", 100);
}

#[test]
fn point_7_an_abort_leaves_everything_as_it_is_until_mains_is_stable_then_all_returns() {
    let mut stage = usual();
    refused(abort(&mut stage), "RT0442");
    stage.lose_mains("rack-a", 1800);
    stage.play_until("start shut down VM ci-1", 100);
    stage.play_until("start shut down VM web", 100);
    let stays = done(abort(&mut stage));
    let said: Vec<&str> = stays.iter().map(|finding| finding.subject.as_str()).collect();
    assert!(said.contains(&"VM ci-1") && said.contains(&"VM web"), "{said:?}");
    refused(abort(&mut stage), "RT0442");
    let before = stage.count("start ");
    stage.play(200);
    assert_eq!(stage.count("start "), before, "{}", stage.story());
    assert_eq!(stage.vm_named("web").power, VmPower::Off, "what was in flight settled");
    stage.mains_back("rack-a");
    stage.play_until("abort ended: mains is stable", 200);
    stage.play_until("run ended Returned", 300);
    assert_eq!(stage.vm_named("web").power, VmPower::Running);
}

#[test]
fn point_7_an_abort_on_stable_mains_waits_for_a_person_to_say_return() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 1800);
    stage.play_until("kvm1 proven off", 200);
    stage.mains_back("rack-a");
    stage.play_until("start wake host kvm1", 300);
    done(abort(&mut stage));
    let before = stage.count("start ");
    stage.play(1000);
    assert_eq!(stage.count("start "), before, "{}", stage.story());
    let run = stage.site.view(&stage.now()).run.expect("it stays open");
    assert!(run.aborted.is_some_and(|aborted| aborted.until_return) && !run.stopped.is_empty());
    done(stage.command(Command::Return { by: "ada".into() }));
    stage.play_until("run ended Returned", 300);
    refused(stage.command(Command::Return { by: "ada".into() }), "RT0442");
}

#[test]
fn point_7_an_abort_never_suppresses_a_forced_shutdown_a_low_battery_or_the_next_outage() {
    let aborted = || {
        let mut stage = usual();
        stage.lose_mains("rack-a", 1800);
        stage.play(30);
        done(abort(&mut stage));
        stage.play(60);
        assert_eq!(stage.count("start "), 0, "{}", stage.story());
        stage
    };
    let mut stage = aborted();
    stage.ups("rack-a", "FSD OB", Some(1700), Some(80));
    stage.play_until("start shut down VM ci-1", 5);
    refused(abort(&mut stage), "RT0442");
    let mut stage = aborted();
    stage.ups("rack-a", "OB LB", Some(100), Some(9));
    stage.play_until("start shut down VM ci-1", 5);
    let mut stage = aborted();
    stage.lose_mains("rack-b", 1800);
    stage.play_until("start shut down VM ci-1", 3);
    assert_eq!(stage.count("abort ended: mains was lost at UPS rack-b"), 1);
}

#[test]
fn point_7_an_abort_survives_a_crash() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 1800);
    stage.play_until("start shut down VM ci-1", 100);
    done(abort(&mut stage));
    stage.play(10);
    let before = stage.count("start ");
    stage.crash(config());
    stage.play(100);
    assert_eq!(stage.count("start "), before, "{}", stage.story());
    assert!(stage.site.view(&stage.now()).run.is_some_and(|run| run.aborted.is_some()));
}
