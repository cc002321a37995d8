//! Attempts: each is looked at before it is made again, none is used twice, answers to older ones say nothing, handles outlive us.

use crate::stage::{Stage, config};
use ridethrough_decide::{Input, StepReply};
use ridethrough_model::entry::Outcome;
use ridethrough_model::*;
use std::collections::BTreeSet;

fn usual() -> Stage {
    let mut stage = Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci", "batch", "kvm1")]);
    stage.lose_mains("rack-a", 900);
    stage
}

/// The action of that step, and how often it was begun.
fn begun(stage: &Stage, text: &str) -> (ActionId, u32) {
    let mut intended = stage.records.iter().filter_map(|record| match &record.entry {
        Entry::Intended { action, attempt, op } if op.to_string().replace("lab/", "") == text => Some((*action, *attempt)),
        _ => None,
    });
    intended.next_back().unwrap_or_else(|| panic!("{text} was never begun:\n{}", stage.story()))
}

fn outcomes(stage: &Stage, wanted: ActionId) -> Vec<Outcome> {
    let finished = stage.records.iter().filter_map(|record| match &record.entry {
        Entry::Finished { action, outcome, .. } if *action == wanted => Some(outcome.clone()),
        _ => None,
    });
    finished.collect()
}

fn busy() -> Failure {
    Failure { kind: FailureKind::Busy, took_effect: TookEffect::No, message: "it is busy".into() }
}

#[test]
fn an_answer_to_an_older_attempt_or_another_run_says_nothing() {
    let mut stage = usual();
    stage.world.stop_secs = 40;
    stage.play_until("start shut down VM ci", 100);
    let (action, attempt) = begun(&stage, "shut down VM ci on kvm1");
    assert_eq!(attempt, 1);
    let reply = |run, attempt, reply| Input::Reply { run: RunId(run), action, attempt, reply };
    stage.give(reply(1, 1, StepReply::Polled(Ok(Progress::Failed(busy())))));
    stage.play_until("start shut down VM ci", 20);
    assert_eq!(begun(&stage, "shut down VM ci on kvm1"), (action, 2));
    let done = || StepReply::Polled(Ok(Progress::Done { detail: None }));
    for late in [reply(1, 1, done()), reply(9, 2, done()), reply(1, 3, done())] {
        stage.give(late);
    }
    assert_eq!(outcomes(&stage, action), [Outcome::Failed(busy())], "only the first attempt has ended:\n{}", stage.story());
    stage.give(reply(1, 2, done()));
    assert_eq!(outcomes(&stage, action).len(), 2, "{}", stage.story());
    stage.give(reply(1, 2, StepReply::Polled(Ok(Progress::Failed(busy())))));
    assert_eq!(outcomes(&stage, action).len(), 2, "what has ended does not end again:\n{}", stage.story());
}

#[test]
fn an_attempt_whose_answer_was_lost_is_looked_at_and_not_made_again() {
    let mut stage = usual();
    stage.world.lost_replies.insert("shut down VM lab/ci on kvm1".into());
    stage.play_until("kvm1 proven off", 300);
    assert_eq!(stage.count("start shut down VM ci"), 1, "{}", stage.story());
    assert!(stage.count("observe shut down VM ci") > 0, "{}", stage.story());
}

#[test]
fn a_handle_that_was_written_down_is_asked_after_by_the_next_controller() {
    let mut stage = usual();
    stage.world.move_secs = 20;
    stage.play_until("start move VM db", 100);
    stage.play(2);
    stage.crash(config());
    stage.play_until("kvm1 proven off", 300);
    assert_eq!(stage.count("start move VM db from kvm1"), 1, "{}", stage.story());
    assert_eq!(stage.count("observe move VM db"), 0, "its handle is known: it is polled, not guessed at:\n{}", stage.story());
    let (action, _) = begun(&stage, "move VM db from kvm1 to kvm2");
    assert!(matches!(outcomes(&stage, action).as_slice(), [Outcome::Done { .. }]), "{}", stage.story());
}

#[test]
fn no_attempt_is_used_twice_however_often_the_controller_dies() {
    let mut stage = usual();
    stage.world.hung.insert("ci".into());
    for _ in 0..6 {
        stage.play(25);
        stage.crash(config());
    }
    stage.play_until("kvm1 proven off", 1200);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 600);
    let mut seen = BTreeSet::new();
    for record in &stage.records {
        if let Entry::Intended { action, attempt, .. } = &record.entry {
            assert!(seen.insert((record.run, *action, *attempt)), "attempt {attempt} of {action} twice:\n{}", stage.story());
        }
    }
}

#[test]
fn a_plan_that_is_superseded_begins_nothing_more_and_what_is_under_way_settles() {
    let mut stage = usual();
    stage.world.stop_secs = 30;
    stage.play_until("start shut down VM ci", 100);
    stage.mains_back("rack-a");
    let begun_before = stage.count("start ");
    stage.play(100);
    assert_eq!(stage.count("start "), begun_before, "{}", stage.story());
    let (action, attempt) = begun(&stage, "shut down VM ci on kvm1");
    assert_eq!(attempt, 1);
    assert!(matches!(outcomes(&stage, action).as_slice(), [Outcome::Done { .. }]), "{}", stage.story());
}
