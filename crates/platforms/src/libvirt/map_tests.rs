//! Errors, states and statistics of libvirt in our words.

use super::*;
use crate::libvirt::wire::{FrameError, Parameters, Value};
use ridethrough_model::TookEffect;

#[test]
fn every_error_says_its_kind_and_whether_something_may_have_happened() {
    let remote = |code| CallError::Remote(RemoteError { code, message: "m".into() });
    let cases = [
        (CallError::NoConnection("x".into()), FailureKind::Unreachable, TookEffect::No),
        (CallError::Unauthorized("x".into()), FailureKind::Unauthorized, TookEffect::No),
        (CallError::TooLate { sent: false }, FailureKind::Busy, TookEffect::No),
        (CallError::TooLate { sent: true }, FailureKind::Unreachable, TookEffect::Possible),
        (CallError::Lost("x".into()), FailureKind::Unreachable, TookEffect::Possible),
        (CallError::Garbage(FrameError::Header), FailureKind::Protocol, TookEffect::Possible),
        (remote(42), FailureKind::NotFound, TookEffect::No),
        (remote(45), FailureKind::Unauthorized, TookEffect::No),
        (remote(88), FailureKind::Unauthorized, TookEffect::No),
        (remote(55), FailureKind::Refused, TookEffect::No),
        (remote(81), FailureKind::Refused, TookEffect::No),
        (remote(68), FailureKind::Busy, TookEffect::No),
        (remote(84), FailureKind::Unsupported, TookEffect::No),
        (remote(38), FailureKind::Unreachable, TookEffect::Possible),
        (remote(1), FailureKind::Refused, TookEffect::Possible),
        (remote(78), FailureKind::Refused, TookEffect::Possible),
        (remote(9999), FailureKind::Refused, TookEffect::Possible),
    ];
    for (error, kind, took_effect) in cases {
        let text = format!("{error:?}");
        let error = error.into_error("test");
        assert_eq!((error.kind(), error.took_effect()), (kind, took_effect), "{text}");
    }
}

#[test]
fn only_off_saved_and_crashed_leave_the_host_free() {
    let free: Vec<(i32, i32)> = (0..9)
        .flat_map(|state| (0..13).map(move |reason| (state, reason)))
        .filter(|(state, reason)| !DomainState::from_numbers(*state, *reason).is_active())
        .collect();
    assert!(free.iter().all(|(state, _)| matches!(state, 5 | 6)), "{free:?}");
    assert_eq!(free.len(), 26, "all reasons of these two");
    assert_eq!(DomainState::from_numbers(1, 1).power(), VmPower::Running);
    assert_eq!(DomainState::from_numbers(4, 0).power(), VmPower::Running, "being shut down is not off");
    assert_eq!(DomainState::from_numbers(3, 2), DomainState::Moving);
    assert_eq!(DomainState::from_numbers(5, 5).power(), VmPower::Suspended);
    assert_eq!(DomainState::from_numbers(77, 0).power(), VmPower::Unknown, "a state of the future is not off");
}

fn statistics(phase: i32, values: &[(&str, Value)]) -> JobStatistics {
    JobStatistics { phase, values: Parameters(values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()) }
}

#[test]
fn the_share_done_is_told_once_there_is_a_total() {
    let away = ("operation", Value::Int(5));
    let first = statistics(2, &[away.clone(), ("data_total", Value::Ullong(0)), ("data_remaining", Value::Ullong(0))]);
    assert_eq!(job_under_way(&first), Some(Job { kind: JobKind::MoveAway, done_ppm: None }));
    let later = statistics(2, &[away, ("data_total", Value::Ullong(1 << 60)), ("data_remaining", Value::Ullong(1 << 58))]);
    assert_eq!(job_under_way(&later), Some(Job { kind: JobKind::MoveAway, done_ppm: Some(750_000) }));
    assert_eq!(job_under_way(&statistics(2, &[("operation", Value::Int(2))])).map(|job| job.kind), Some(JobKind::Saving));
    assert_eq!(job_under_way(&statistics(0, &[])), None);
    assert_eq!(job_under_way(&statistics(3, &[])), None);
}

#[test]
fn a_finished_move_is_told_in_one_line() {
    let values =
        [("downtime", Value::Ullong(152)), ("data_processed", Value::Ullong(62_975_000)), ("time_elapsed", Value::Ullong(953))];
    assert_eq!(move_detail(&statistics(3, &values)).as_deref(), Some("downtime 152 ms, 60 MiB moved in 0.9 s"));
    assert_eq!(move_detail(&statistics(3, &values[..1])).as_deref(), Some("downtime 152 ms"));
    assert_eq!(move_detail(&statistics(3, &[])), None);
    assert_eq!(move_detail(&statistics(4, &values)), None, "a failed one has nothing to tell");
}
