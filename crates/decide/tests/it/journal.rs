//! The fold over records: what can follow, and what cannot.

use crate::stage::Stage;
use ridethrough_decide::RunState;
use ridethrough_model::*;

fn records() -> Vec<Record> {
    let mut stage = Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm1")]);
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 200);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 400);
    stage.records.into_iter().filter(|record| record.run == RunId(1)).collect()
}

#[test]
fn replay_equals_run_also_through_json() {
    let mut run = RunState::new(RunId(1), 1);
    for record in records() {
        let text = serde_json::to_string(&record).expect("records are plain data");
        let read: Record = serde_json::from_str(&text).expect("what was written can be read");
        assert_eq!(read, record);
        run.apply(&read).expect("a run's own records follow each other");
    }
    assert_eq!(run.end, Some(ridethrough_model::entry::RunEnd::Returned));
}

#[test]
fn records_that_cannot_follow_are_refused_by_name() {
    let records = records();
    let mut run = RunState::new(RunId(1), 1);
    run.apply(&records[0]).expect("the first record");
    assert!(run.clone().apply(&records[2]).is_err(), "a gap");
    let mut foreign = records[1].clone();
    foreign.run = RunId(9);
    assert!(run.clone().apply(&foreign).is_err(), "another run");
    let intended = records.iter().position(|r| matches!(r.entry, Entry::Intended { .. })).expect("something was done");
    let mut twice = RunState::new(RunId(1), 1);
    for record in &records[..=intended] {
        twice.apply(record).expect("legal so far");
    }
    let mut again = records[intended].clone();
    again.seq += 1;
    let error = twice.apply(&again).expect_err("an attempt is never used twice");
    assert!(error.to_string().contains("is under way or done"), "{error}");
}
