//! What every journal must do, whatever it lies on: S1 to S5, run on a file and on memory. One named test for each.

use crate::sample::{self, Reports, every_kind, numbered, numbers, reports};
use proptest::prelude::*;
use ridethrough_model::{Entry, Ids, Record, RunId};
use ridethrough_store::{Committed, ErrorKind, Fault, Journal, Memory, QUEUE_MAX};
use std::sync::atomic::{AtomicBool, Ordering};

const RUN: RunId = RunId(1);

/// A disk to test on.
trait Disk {
    fn new() -> Self;
    fn open(&self) -> (Journal, Reports);
    /// Opens although another journal is open, as a second machine or a deleted lock file would allow.
    fn usurp(&self) -> (Journal, Reports);
    /// Puts a record in as another version of the program would have.
    fn plant(&self, run: u64, seq: u64, kind: &str, version: u32, body: &str);
}

struct File(tempfile::TempDir);

impl File {
    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("journal.db")
    }
}

impl Disk for File {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }
    fn open(&self) -> (Journal, Reports) {
        let (on_commit, reports) = reports();
        let journal = Journal::open(&self.path(), on_commit);
        (journal.unwrap_or_else(|e| panic!("{}", e.in_full())), reports)
    }
    fn usurp(&self) -> (Journal, Reports) {
        std::fs::remove_file(self.0.path().join("journal.db.lock")).expect("the lock file");
        self.open()
    }
    fn plant(&self, run: u64, seq: u64, kind: &str, version: u32, body: &str) {
        let wall = "2025-01-01T00:00:00Z";
        rusqlite::Connection::open(self.path())
            .and_then(|file| {
                file.execute(
                    "INSERT INTO record VALUES (?1, ?2, 0, 1, 0, '', ?3, ?4, ?5, ?6)",
                    rusqlite::params![run.cast_signed(), seq.cast_signed(), wall, kind, version, body],
                )
            })
            .expect("planted");
    }
}

impl Disk for Memory {
    fn new() -> Self {
        Memory::new()
    }
    fn open(&self) -> (Journal, Reports) {
        let (on_commit, reports) = reports();
        (Journal::in_memory(self, on_commit), reports)
    }
    fn usurp(&self) -> (Journal, Reports) {
        self.open()
    }
    fn plant(&self, run: u64, seq: u64, kind: &str, version: u32, body: &str) {
        Memory::plant(self, run, seq, kind, version, body);
    }
}

macro_rules! kit {
    ($disk:ident as $name:ident: $($rule:ident),+ $(,)?) => {
        mod $name {
            $(#[test] fn $rule() { super::$rule::<super::$disk>(); })+
        }
    };
}
macro_rules! kits {
    ($($rule:tt)+) => {
        kit!(File as file: $($rule)+);
        kit!(Memory as memory: $($rule)+);
    };
}
kits!(
    s1_an_append_is_seen_whole_or_not_at_all,
    s2_what_was_durable_is_there_after_reopening,
    s3_a_stale_epoch_is_refused,
    s4_sequence_numbers_have_no_gaps,
    s5_a_newer_record_is_refused_by_name,
    every_kind_of_record_comes_back_as_it_went,
    runs_are_listed_and_the_open_one_is_found,
    ids_continue_after_all_that_were_used,
    pages_of_a_run_continue_where_the_last_ended,
    a_queue_that_is_full_gives_the_records_back,
);

fn s1_an_append_is_seen_whole_or_not_at_all<D: Disk>() {
    const SIZE: u64 = 7;
    let disk = D::new();
    let (journal, reports) = disk.open();
    let reader = journal.reader().expect("reader");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &is_over;
        let watching = scope.spawn(move || {
            let mut seen = std::collections::BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                seen.insert(reader.read_run(RUN).expect("readable").len() as u64);
            }
            seen
        });
        for first in (1..=50 * SIZE).step_by(7) {
            let last = first + SIZE - 1;
            journal.append(numbers(1, first, last, journal.epoch())).expect("taken");
            reports.durable(1, last);
        }
        is_over.store(true, Ordering::Relaxed);
        for count in watching.join().expect("the watcher") {
            assert_eq!(count % SIZE, 0, "part of an append was seen: {count} records");
        }
    });
    assert_eq!(journal.reader().expect("reader").last_seq(RUN).ok(), Some(350));
}

fn s2_what_was_durable_is_there_after_reopening<D: Disk>() {
    let disk = D::new();
    let (journal, reports) = disk.open();
    assert_eq!(journal.epoch(), 1);
    journal.append(numbers(1, 1, 200, 1)).expect("taken");
    reports.durable(1, 200);
    assert_eq!(journal.durable(RUN), 200);
    assert_eq!(journal.pending().records, 0);
    drop(journal);
    let (journal, _reports) = disk.open();
    assert_eq!((journal.epoch(), journal.durable(RUN)), (2, 200));
    let found = journal.reader().expect("reader").read_run(RUN);
    assert_eq!(found.expect("readable"), numbers(1, 1, 200, 1));
}

fn s3_a_stale_epoch_is_refused<D: Disk>() {
    let disk = D::new();
    let (first, first_reports) = disk.open();
    first.append(numbers(1, 1, 3, 1)).expect("taken");
    first_reports.durable(1, 3);
    let (second, second_reports) = disk.usurp();
    assert_eq!(second.epoch(), 2);
    second.append(numbers(1, 4, 5, 2)).expect("taken");
    second_reports.durable(1, 5);

    first.append(numbers(1, 4, 4, 1)).expect("taken: it cannot know yet");
    let stale = ErrorKind::StaleEpoch { ours: 1, holder: 2 };
    match first_reports.next() {
        Committed::Failed { error } => assert_eq!(error.kind(), stale),
        other => panic!("the first writer wrote: {other:?}"),
    }
    let refused = first.append(numbers(1, 5, 5, 1)).expect_err("fenced for good");
    assert_eq!(refused.error.kind(), stale);
    assert_eq!(refused.records, numbers(1, 5, 5, 1));
    assert_eq!(first.pending().records, 1, "what was not written is not lost from sight");

    let foreign = second.append(numbers(1, 6, 6, 1)).expect_err("another's epoch");
    assert_eq!(foreign.error.kind(), ErrorKind::Refused);
    let found = second.reader().expect("reader").read_run(RUN).expect("readable");
    let epochs: Vec<u64> = found.iter().map(|record| record.epoch).collect();
    assert_eq!(epochs, [1, 1, 1, 2, 2]);
}

fn s4_sequence_numbers_have_no_gaps<D: Disk>() {
    let disk = D::new();
    let (journal, reports) = disk.open();
    let refused = |records: Vec<_>| {
        let error = journal.append(records.clone()).expect_err("a gap or a repeat");
        assert_eq!(error.error.kind(), ErrorKind::Refused);
        assert_eq!(error.records, records);
    };
    refused(numbers(1, 2, 2, 1));
    refused(numbers(1, 0, 1, 1));
    refused(vec![numbered(1, 1, 1), numbered(1, 3, 1)]);
    refused(vec![numbered(1, 1, 1), numbered(1, 1, 1)]);
    refused(vec![Record { seq: u64::MAX, ..numbered(1, 1, 1) }]);
    // Nothing of the refused ones was kept, also not as a number that was used.
    let mixed = vec![numbered(1, 1, 1), numbered(2, 1, 1), numbered(1, 2, 1)];
    journal.append(mixed).expect("two runs, each without gaps");
    refused(numbers(1, 2, 2, 1));
    journal.append(numbers(2, 2, 2, 1)).expect("taken");
    reports.durable(2, 2);
    assert_eq!((journal.durable(RUN), journal.durable(RunId(2))), (2, 2));
    drop(journal);
    let (journal, reports) = disk.open();
    let again = journal.append(numbers(1, 2, 2, 2)).expect_err("it was written before");
    assert_eq!(again.error.kind(), ErrorKind::Refused);
    journal.append(numbers(1, 3, 3, 2)).expect("it continues");
    reports.durable(1, 3);
    assert_eq!(journal.reader().expect("reader").check().ok(), Some(5));
}

fn s5_a_newer_record_is_refused_by_name<D: Disk>() {
    let disk = D::new();
    let (journal, reports) = disk.open();
    journal.append(numbers(1, 1, 1, 1)).expect("taken");
    journal.append(numbers(2, 1, 1, 1)).expect("taken");
    reports.durable(2, 1);
    let body = |seq| serde_json::to_string(&numbered(1, seq, 1).entry).expect("an entry");
    disk.plant(1, 2, "noticed", 2, &body(2));
    disk.plant(1, 3, "noticed", 1, &body(3));
    disk.plant(2, 2, "teleported", 1, r#"{"teleported":{}}"#);
    let reader = journal.reader().expect("reader");
    for (run, found, known) in [(1, 2, 1), (2, 1, 0)] {
        let error = reader.read_run(RunId(run)).expect_err("never skipped");
        assert_eq!(error.kind(), ErrorKind::NewerFormat { found, known });
        assert_eq!(error.code(), Some("RT0302"));
        assert!(error.to_string().contains(&format!("run {run}, seq 2")), "{error}");
    }
    assert!(reader.check().is_err());
    assert_eq!(reader.records_after(RUN, 0, 1).expect("before it").len(), 1);
    assert_eq!(reader.records_after(RUN, 2, 9).expect("after it").len(), 1);
}

fn every_kind_of_record_comes_back_as_it_went<D: Disk>() {
    let disk = D::new();
    let (journal, reports) = disk.open();
    let all = every_kind(1);
    let kinds: std::collections::BTreeSet<_> = all.iter().map(|r| r.entry.kind()).collect();
    assert_eq!(kinds.len(), sample::kinds_known(&all[0].entry), "a kind is missing in the sample");
    journal.append(all.clone()).expect("taken");
    reports.durable(1, 14);
    let reader = journal.reader().expect("reader");
    let mut found = reader.read_run(RunId::SITE).expect("readable");
    found.extend(reader.read_run(RUN).expect("readable"));
    assert_eq!(found, all);
}

fn runs_are_listed_and_the_open_one_is_found<D: Disk>() {
    let disk = D::new();
    let (journal, reports) = disk.open();
    let reader = journal.reader().expect("reader");
    assert_eq!(reader.runs().expect("readable"), []);
    assert_eq!(reader.last_open_run().expect("readable"), None);
    journal.append(numbers(0, 1, 4, 1)).expect("taken");
    reports.durable(0, 4);
    assert_eq!(reader.last_open_run().expect("readable"), None, "the site's log is no run");

    journal.append(numbers(1, 1, 2, 1)).expect("taken");
    journal.append(numbers(2, 1, 1, 1)).expect("taken");
    reports.durable(2, 1);
    assert_eq!(reader.last_open_run().expect("readable"), Some(RunId(2)));
    let end = ridethrough_model::entry::RunEnd::Returned;
    let ending = sample::record(2, 2, 1, Entry::RunEnded { end: end.clone() });
    journal.append(vec![ending.clone(), numbered(2, 3, 1)]).expect("taken");
    reports.durable(2, 3);
    assert_eq!(reader.last_open_run().expect("readable"), Some(RUN), "an older one is still open");

    let runs = reader.runs().expect("readable");
    let told: Vec<_> = runs.iter().map(|r| (r.run.0, r.incident, r.records)).collect();
    assert_eq!(told, [(1, 1, 2), (2, 2, 3)]);
    assert_eq!(runs[0].ended, None);
    assert_eq!(runs[1].opened, numbered(2, 1, 1).at);
    let ended = runs[1].ended.as_ref().expect("it has ended");
    assert_eq!((&ended.at, &ended.end), (&ending.at, &end));
}

fn ids_continue_after_all_that_were_used<D: Disk>() {
    let disk = D::new();
    let (journal, reports) = disk.open();
    assert_eq!(journal.reader().expect("reader").ids().expect("readable"), Ids::default());
    journal.append(every_kind(1)).expect("taken");
    let late = |seq, action| {
        let budget = ridethrough_model::Millis(1);
        sample::record(2, seq, 1, Entry::Overran { action, budget })
    };
    journal.append(vec![late(1, ridethrough_model::ActionId(12)), late(2, ridethrough_model::ActionId(5))]).expect("taken");
    reports.durable(2, 2);
    drop(journal);
    let (journal, _reports) = disk.open();
    let ids = journal.reader().expect("reader").ids().expect("readable");
    assert_eq!((ids.run_next, ids.plan_next, ids.action_next), (3, 4, 13));
}

fn pages_of_a_run_continue_where_the_last_ended<D: Disk>() {
    let disk = D::new();
    let (journal, reports) = disk.open();
    journal.append(numbers(1, 1, 10, 1)).expect("taken");
    reports.durable(1, 10);
    let reader = journal.reader().expect("reader");
    let page = |run, after, limit| reader.records_after(RunId(run), after, limit).expect("readable");
    assert_eq!(page(1, 0, 4), numbers(1, 1, 4, 1));
    assert_eq!(page(1, 4, 4), numbers(1, 5, 8, 1));
    assert_eq!(page(1, 8, 4), numbers(1, 9, 10, 1));
    for (run, after, limit) in [(1, 10, 4), (1, 0, 0), (7, 0, 4), (1, u64::MAX, 4), (u64::MAX, 0, 4)] {
        assert_eq!(page(run, after, limit), []);
    }
}

fn a_queue_that_is_full_gives_the_records_back<D: Disk>() {
    let disk = D::new();
    let (journal, _reports) = disk.open();
    let too_many = numbers(1, 1, QUEUE_MAX as u64 + 1, 1);
    let refused = journal.append(too_many.clone()).expect_err("too many");
    assert_eq!(refused.error.kind(), ErrorKind::Full);
    assert_eq!(refused.error.code(), Some("RT0308"));
    assert_eq!(refused.records, too_many);
    assert_eq!(journal.pending().records, 0);
}

#[test]
fn memory_that_hangs_or_fails_keeps_everything_and_says_so_once() {
    let memory = Memory::new();
    let (journal, reports) = memory.open();
    memory.set_fault(Fault::Hanging);
    journal.append(numbers(1, 1, 2, 1)).expect("taken");
    assert_eq!(reports.so_far().len(), 0);
    memory.set_fault(Fault::Failing);
    for seq in 3..=5 {
        journal.append(numbers(1, seq, seq, 1)).expect("taken");
    }
    let said = reports.so_far();
    assert!(matches!(&said[..], [Committed::Failed { error }] if error.kind() == ErrorKind::Write));
    let pending = journal.pending();
    assert_eq!(pending.records, 5);
    assert_eq!(pending.oldest, Some(numbered(1, 1, 1).at.mono));
    assert_eq!(pending.failing.map(|e| e.kind()), Some(ErrorKind::Write));
    assert_eq!(journal.reader().expect("reader").last_seq(RUN).ok(), Some(0));
    memory.set_fault(Fault::None);
    reports.durable(1, 5);
    assert_eq!(journal.pending().oldest, None);
    assert!(journal.pending().failing.is_none());
}

#[derive(Clone, Debug)]
enum Act {
    Append(u64),
    Fault(Fault),
    Crash,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let faults = prop_oneof![Just(Fault::None), Just(Fault::Failing), Just(Fault::Hanging)];
    let act = prop_oneof![
        4 => (1..100_u64).prop_map(Act::Append),
        2 => faults.prop_map(Act::Fault),
        1 => Just(Act::Crash),
    ];
    prop::collection::vec(act, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever the disk does and whenever the controller dies: what was reported durable is there, in order, and nothing that
    /// was not appended; an append is there whole or not at all.
    #[test]
    fn durable_means_durable(acts in acts()) {
        let memory = Memory::new();
        let (mut journal, mut reports) = memory.open();
        let mut taken = 0;
        let mut durable = 0;
        let mut ends = std::collections::BTreeSet::from([0]);
        for act in acts {
            match act {
                Act::Append(count) => {
                    let records = numbers(1, taken + 1, taken + count, journal.epoch());
                    prop_assert!(journal.append(records).is_ok());
                    taken += count;
                    ends.insert(taken);
                }
                Act::Fault(fault) => memory.set_fault(fault),
                Act::Crash => {
                    drop(journal);
                    (journal, reports) = memory.open();
                    taken = journal.durable(RUN);
                    ends.retain(|end| *end <= taken);
                }
            }
            for said in reports.so_far() {
                if let Committed::Durable { seq, .. } = said {
                    prop_assert!(seq > durable, "durable once, and in order");
                    durable = seq;
                }
            }
            let found = journal.reader().expect("reader").read_run(RUN).expect("readable");
            prop_assert_eq!(found.len() as u64, durable);
            prop_assert_eq!(journal.durable(RUN), durable);
            prop_assert!(ends.contains(&durable), "an append was split at {}", durable);
            prop_assert_eq!(journal.pending().records as u64, taken - durable);
        }
    }

    /// No text in a body makes reading panic, and none that is not the entry it claims to be is taken for it.
    #[test]
    fn any_body_is_read_or_refused(kind in 0..3_usize, body in ".{0,80}") {
        let memory = Memory::new();
        memory.plant(1, 1, ["noticed", "plan-committed", "intended"][kind], 1, &body);
        let (journal, _reports) = memory.open();
        let error = journal.reader().expect("reader").read_run(RUN).expect_err("not an entry");
        prop_assert_eq!(error.kind(), ErrorKind::Unreadable);
        prop_assert_eq!(error.code(), Some("RT0304"));
    }
}
