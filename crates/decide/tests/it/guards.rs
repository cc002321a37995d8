//! Point 3: automation that would act against a run is disarmed first and put back last, whatever happens in between.

use crate::stage::{Stage, config};
use ridethrough_decide::Command;
use ridethrough_model::*;

const HA: &str = "lab/ha";

/// HA over kvm1 and kvm2, admission control over the same, HA of another cluster over kvm3.
fn stage() -> Stage {
    let mut stage = Stage::with(config(), &[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm3")]);
    guard(&mut stage, "ha", GuardKind::Restart, &[GuardedStep::StopVm, GuardedStep::ShutDownHost], &["kvm1", "kvm2"]);
    guard(&mut stage, "admission", GuardKind::Admission, &[GuardedStep::MoveVm], &["kvm1", "kvm2"]);
    guard(&mut stage, "other", GuardKind::Restart, &[GuardedStep::StopVm, GuardedStep::ShutDownHost], &["kvm3"]);
    stage.play(3);
    stage
}

fn guard(stage: &mut Stage, name: &str, kind: GuardKind, before: &[GuardedStep], hosts: &[&str]) {
    let state = GuardState {
        name: format!("{name} of cluster prod"),
        kind,
        scope: GuardScope::Cluster("prod".into()),
        hosts: hosts.iter().map(|host| HostId::new(*host)).collect(),
        before: before.iter().copied().collect(),
        value: "on".into(),
        disarmed: "off".into(),
    };
    stage.inventory.guards.insert(GuardId::of(&PlatformId::new("lab"), name), state);
}

fn value(stage: &Stage, name: &str) -> String {
    stage.inventory.guards[&GuardId::of(&PlatformId::new("lab"), name)].value.clone()
}

fn set(stage: &mut Stage, name: &str, value: &str) {
    let id = GuardId::of(&PlatformId::new("lab"), name);
    stage.inventory.guards.get_mut(&id).expect("on stage").value = value.to_owned();
}

fn recorded_before_tried(stage: &Stage, guard: &str) {
    let at = |is: &dyn Fn(&Entry) -> bool| stage.records.iter().position(|record| is(&record.entry));
    let recorded =
        at(&|entry| matches!(entry, Entry::GuardRecorded { guard: id, state } if id.as_str() == guard && state.value == "on"));
    let tried =
        at(&|entry| matches!(entry, Entry::Intended { op: Op::DisarmGuard { guard: id, .. }, .. } if id.as_str() == guard));
    assert!(recorded.is_some() && recorded < tried, "{recorded:?} {tried:?}:\n{}", stage.story());
}

#[test]
fn point_3_automation_is_disarmed_before_what_it_could_undo_and_put_back_last() {
    let mut stage = stage();
    stage.lose_mains("rack-a", 400);
    let ended = stage.play_until("kvm1 proven off", 400);
    let disarmed = stage.at("start disarm ha (on -> off)").expect("it is disarmed");
    let admission = stage.at("start disarm admission").expect("it is disarmed");
    assert!(disarmed <= stage.at("start shut down VM web").expect("shed"), "{}", stage.story());
    assert!(admission <= stage.at("start move VM db").expect("moved"), "{}", stage.story());
    assert!(disarmed < ended, "{}", stage.story());
    assert_eq!(stage.count("disarm other"), 0, "the other cluster is not touched:\n{}", stage.story());
    recorded_before_tried(&stage, HA);
    assert_eq!(value(&stage, "ha"), "off");
    stage.mains_back("rack-a");
    let back = stage.play_until("start put back ha (off -> on)", 400);
    for before in ["start wake host kvm1", "start start VM web", "start move VM db from kvm3 to kvm1"] {
        assert!(stage.at(before).is_some_and(|at| at < back), "{before}:\n{}", stage.story());
    }
    stage.play_until("run ended Returned", 60);
    assert_eq!((value(&stage, "ha"), value(&stage, "admission")), ("on".into(), "on".into()), "{}", stage.story());
}

#[test]
fn point_3_mains_that_returns_at_any_second_leaves_nothing_disarmed() {
    for secs in (1..200).step_by(7) {
        let mut stage = stage();
        stage.lose_mains("rack-a", 400);
        stage.play(secs);
        stage.mains_back("rack-a");
        stage.play_until("run ended", 900);
        for name in ["ha", "admission", "other"] {
            assert_eq!(value(&stage, name), "on", "{name}, mains back after {secs} s:\n{}", stage.story());
        }
    }
}

#[test]
fn point_3_a_crash_at_any_second_leaves_nothing_disarmed() {
    for secs in (55..130).step_by(5) {
        let mut stage = stage();
        stage.lose_mains("rack-a", 400);
        stage.play(secs);
        stage.crash(config());
        stage.play(20);
        stage.mains_back("rack-a");
        stage.play(100);
        stage.crash(config());
        stage.play_until("run ended", 900);
        for name in ["ha", "admission", "other"] {
            assert_eq!(value(&stage, name), "on", "{name}, crash after {secs} s:\n{}", stage.story());
        }
    }
}

#[test]
fn point_3_an_abort_leaves_nothing_disarmed_once_the_run_goes_on() {
    let mut stage = stage();
    stage.lose_mains("rack-a", 600);
    stage.play_until("start shut down VM web", 200);
    stage.command(Command::Abort { by: "test".into() });
    stage.play(20);
    stage.mains_back("rack-a");
    stage.play_until("run ended", 900);
    assert_eq!(value(&stage, "ha"), "on", "{}", stage.story());
}

#[test]
fn point_3_a_guard_that_cannot_be_disarmed_stops_no_shutdown() {
    let mut stage = stage();
    stage.world.stuck_guards.insert("ha".into());
    stage.lose_mains("rack-a", 400);
    stage.play_until("kvm1 proven off", 400);
    assert_eq!(stage.count("start disarm ha"), 3, "{}", stage.story());
    let given_up = stage.at("notice Failed for good: disarm ha").expect("said");
    assert!(stage.at("start shut down VM web").is_some_and(|at| at >= given_up && at < 120), "{}", stage.story());
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 900);
    assert_eq!((value(&stage, "ha"), value(&stage, "admission")), ("on".into(), "on".into()));
}

#[test]
fn point_3_a_stop_at_its_last_safe_moment_waits_for_no_guard() {
    let mut stage = stage();
    stage.world.stuck_guards.insert("ha".into());
    stage.world.stuck_guards.insert("admission".into());
    stage.lose_mains("rack-a", 121);
    stage.play_until("start shut down VM web", 20);
    assert!(stage.at("notice Failed for good: disarm ha").is_none(), "it had not given up yet:\n{}", stage.story());
}

#[test]
fn point_3_in_an_emergency_nothing_waits_for_a_guard() {
    let mut stage = stage();
    stage.world.stuck_guards.insert("ha".into());
    stage.ups("rack-a", "OB DISCHRG FSD", Some(600), Some(50));
    let at = stage.play_until("start shut down VM web", 5);
    assert!(stage.at("start disarm ha").is_some_and(|disarm| disarm <= at), "{}", stage.story());
}

#[test]
fn point_3_somebody_else_has_the_last_word() {
    let mut stage = stage();
    stage.lose_mains("rack-a", 600);
    stage.play_until("kvm1 proven off", 300);
    set(&mut stage, "ha", "monitor-only");
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 900);
    assert_eq!(value(&stage, "ha"), "monitor-only", "{}", stage.story());
    assert_eq!(stage.count("notice ha of cluster prod was set to monitor-only by somebody else"), 1, "{}", stage.story());
}

#[test]
fn point_3_what_sets_it_back_in_the_middle_is_answered_a_few_times_only() {
    let mut stage = stage();
    stage.world.hung.insert("web".into());
    stage.lose_mains("rack-a", 900);
    stage.play_until("start disarm ha", 120);
    for _ in 0..30 {
        set(&mut stage, "ha", "on");
        stage.play(6);
    }
    assert!((2..=5).contains(&stage.count("start disarm ha")), "{}", stage.story());
    assert_eq!(stage.count("again and again"), 1, "{}", stage.story());
}

#[test]
fn point_3_a_domain_that_only_observes_says_what_it_would_disarm() {
    let mut stage = stage();
    stage.command(Command::SetMode { domain: DomainId::new("rack-a"), mode: DomainMode::Observe, by: "test".into() });
    stage.lose_mains("rack-a", 400);
    stage.play(200);
    assert_eq!((stage.count("start"), value(&stage, "ha")), (0, "on".into()), "{}", stage.story());
    let planned = stage
        .records
        .iter()
        .filter_map(|record| if let Entry::PlanCommitted { plan, .. } = &record.entry { Some(plan) } else { None });
    let would = planned
        .flat_map(|plan| plan.actions.values())
        .any(|action| action.observe_only && matches!(action.op, Op::DisarmGuard { .. }));
    assert!(would, "{}", stage.story());
}

#[test]
fn point_3_a_second_loss_of_mains_while_it_is_put_back_disarms_it_again() {
    let mut stage = stage();
    stage.lose_mains("rack-a", 600);
    stage.play_until("kvm1 proven off", 300);
    stage.mains_back("rack-a");
    stage.play_until("start put back ha", 900);
    stage.lose_mains("rack-a", 600);
    stage.play(200);
    assert_eq!(value(&stage, "ha"), "off", "{}", stage.story());
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 900);
    assert_eq!(value(&stage, "ha"), "on", "{}", stage.story());
}
