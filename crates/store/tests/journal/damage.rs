//! Files that are not what they should be: each is a named error that says what to do, and the file is left as it was.

use crate::sample::{numbered, numbers, reports};
use expect_test::{Expect, expect};
use ridethrough_model::RunId;
use ridethrough_store::{Committed, Error, ErrorKind, FORMAT, Journal, Reader};
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const RUN: RunId = RunId(1);

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }
    fn path(&self) -> PathBuf {
        self.0.path().join("journal.db")
    }
    /// A journal with that many records, closed.
    fn with_records(count: u64) -> Self {
        let place = Self::new();
        let (journal, reports) = open(&place.path());
        journal.append(numbers(1, 1, count, 1)).expect("taken");
        reports.durable(1, count);
        place
    }
    fn change(&self, sql: &str) {
        Connection::open(self.path()).and_then(|file| file.execute_batch(sql)).expect("changed");
    }
    /// What a person is told, with this test's directory and process taken out.
    fn told(&self, error: &Error) -> String {
        let text = error.in_full().replace(&*self.0.path().to_string_lossy(), "DIR");
        text.replace(&std::process::id().to_string(), "PID")
    }
}

fn open(path: &Path) -> (Journal, crate::sample::Reports) {
    let (on_commit, reports) = reports();
    let journal = Journal::open(path, on_commit);
    (journal.unwrap_or_else(|e| panic!("{}", e.in_full())), reports)
}

fn refusal(path: &Path) -> Error {
    Journal::open(path, reports().0).expect_err("refused")
}

/// Opening is refused, for writing and for reading, in these words, and nothing in the file is changed.
fn check_refused(place: &Place, expected: Expect) {
    let before = std::fs::read(place.path()).ok();
    let writing = refusal(&place.path());
    let reading = Reader::open(&place.path()).expect_err("refused");
    expected.assert_eq(&format!("{}\n{}", place.told(&writing), place.told(&reading)));
    assert_eq!(std::fs::read(place.path()).ok(), before, "a file that was refused was changed");
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let place = Place::new();
    std::fs::write(place.path(), "This is a letter to my aunt.\n".repeat(200)).expect("written");
    check_refused(
        &place,
        expect![[r#"
            RT0304 read the journal's format: the journal file is damaged (path DIR/journal.db): file is not a database. Keep the file and its -wal aside for a look, then start with a new journal or load a backup.
            RT0304 open the journal for reading: the journal file is damaged (path DIR/journal.db): file is not a database. Keep the file and its -wal aside for a look, then start with a new journal or load a backup."#]],
    );
}

#[test]
fn a_database_of_another_program_is_refused() {
    let place = Place::new();
    place.change("CREATE TABLE recipe (name TEXT)");
    check_refused(
        &place,
        expect![[r#"
            RT0301 read the journal's format: the file is not a journal (found another program's database, path DIR/journal.db). Name another file for the journal; this one was left as it was.
            RT0301 read the journal's format: the file is not a journal (found another program's database, path DIR/journal.db). Name another file for the journal; this one was left as it was."#]],
    );
}

#[test]
fn a_journal_of_a_newer_program_is_refused_by_name() {
    let place = Place::with_records(3);
    place.change(&format!("PRAGMA user_version = {}", FORMAT + 1));
    let (found, known) = (FORMAT + 1, FORMAT);
    assert_eq!(refusal(&place.path()).kind(), ErrorKind::NewerFormat { found, known });
    check_refused(
        &place,
        expect![[r#"
            RT0302 read the journal's format: the journal was written by a newer Ridethrough (version 3, known up to 2) (path DIR/journal.db). Run the Ridethrough that wrote it, or a newer one; this one would not see everything.
            RT0302 read the journal's format: the journal was written by a newer Ridethrough (version 3, known up to 2) (path DIR/journal.db). Run the Ridethrough that wrote it, or a newer one; this one would not see everything."#]],
    );
}

#[test]
fn a_place_that_does_not_exist_is_named() {
    let place = Place::new();
    let nowhere = place.path().join("deeper/journal.db");
    expect!["RT0301 lock the journal: the journal cannot be opened (file DIR/journal.db/deeper/journal.db.lock): No such file or directory (os error 2). Check that the directory exists and that the controller's user may read and write it."].assert_eq(&place.told(&refusal(&nowhere)));
    check_refused_without_file(&nowhere);
}

fn check_refused_without_file(path: &Path) {
    assert_eq!(Reader::open(path).expect_err("refused").kind(), ErrorKind::Open);
    assert!(!path.exists(), "reading must not make a journal");
}

#[test]
fn a_second_controller_is_told_who_holds_the_journal() {
    let place = Place::with_records(3);
    let (journal, reports) = open(&place.path());
    let error = refusal(&place.path());
    assert_eq!(error.kind(), ErrorKind::Held);
    expect!["RT0303 lock the journal: another controller has the journal open (file DIR/journal.db.lock, process PID). Stop the other controller, or give this one a journal of its own."].assert_eq(&place.told(&error));
    // The attempt has not fenced the first one, and reading is nobody's privilege.
    journal.append(numbers(1, 4, 4, journal.epoch())).expect("taken");
    reports.durable(1, 4);
    assert_eq!(Reader::open(&place.path()).expect("open").last_seq(RUN).ok(), Some(4));
    drop(journal);
    assert_eq!(open(&place.path()).0.epoch(), 3);
}

#[test]
fn the_journal_is_its_owners_alone() {
    let place = Place::with_records(1);
    let (_journal, _reports) = open(&place.path());
    for entry in std::fs::read_dir(place.0.path()).expect("readable") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} is open to others", entry.file_name());
    }
}

#[test]
fn a_file_cut_short_is_damaged_and_says_so() {
    let place = Place::with_records(2000);
    let whole = std::fs::metadata(place.path()).expect("metadata").len();
    for kept in [whole / 2, 5000] {
        let file = std::fs::OpenOptions::new().write(true).open(place.path()).expect("open");
        file.set_len(kept).expect("cut");
        let outcome = Reader::open(&place.path()).and_then(|reader| reader.check());
        let error = outcome.expect_err("half of it is missing");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error.in_full());
        assert_eq!(error.code(), Some("RT0304"));
    }
}

#[test]
fn pages_of_garbage_are_damage_or_refused_but_never_taken_for_records() {
    let place = Place::with_records(2000);
    let whole = std::fs::read(place.path()).expect("readable");
    let mut noticed = 0;
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0xa5);
        std::fs::write(place.path(), &bytes).expect("written");
        match Reader::open(&place.path()).and_then(|reader| reader.read_run(RUN)) {
            // The index or the list of free pages was hit: what was read is right all the same.
            Ok(records) => assert_eq!(records, numbers(1, 1, 2000, 1), "page {page}"),
            Err(error) => {
                noticed += 1;
                let known = matches!(error.code(), Some("RT0301" | "RT0302" | "RT0304"));
                assert!(known, "page {page}: {}", error.in_full());
            }
        }
    }
    assert!(noticed > 10, "only {noticed} pages were missed");
}

/// A log that was cut or scrambled, as after a loss of power on a disk that lies: the journal opens with whole appends from the
/// beginning, without a gap. SQLite's checksums end the log there; that something is missing, nothing can tell.
#[test]
fn a_damaged_log_leaves_whole_appends_from_the_beginning() {
    const SIZE: u64 = 3;
    let place = Place::new();
    let (journal, reports) = open(&place.path());
    for first in (1..=30 * SIZE).step_by(3) {
        journal.append(numbers(1, first, first + SIZE - 1, 1)).expect("taken");
        reports.durable(1, first + SIZE - 1);
    }
    let [main, log] = ["journal.db", "journal.db-wal"].map(|name| std::fs::read(place.0.path().join(name)).expect("readable"));
    let mut counts = std::collections::BTreeSet::new();
    for tenth in 0..=10 {
        for scramble in [false, true] {
            let mut log = log.clone();
            let cut = log.len() * tenth / 10;
            if scramble {
                log[cut..].iter_mut().take(100).for_each(|byte| *byte ^= 0x5a);
            } else {
                log.truncate(cut);
            }
            let copy = Place::new();
            std::fs::write(copy.path(), &main).expect("written");
            std::fs::write(copy.0.path().join("journal.db-wal"), &log).expect("written");
            let Ok(journal) = Journal::open(&copy.path(), crate::sample::reports().0) else {
                assert!(tenth <= 1, "only a log without the tables themselves is no journal");
                continue;
            };
            let found = journal.reader().and_then(|reader| reader.read_run(RUN)).expect("readable");
            assert_eq!(found, numbers(1, 1, found.len() as u64, 1));
            assert_eq!(found.len() as u64 % SIZE, 0, "an append was split");
            assert_eq!(journal.durable(RUN), found.len() as u64);
            counts.insert(found.len());
        }
    }
    assert!(counts.len() > 5 && counts.last() == Some(&90), "{counts:?}");
}

#[test]
fn a_record_that_makes_no_sense_is_named() {
    let place = Place::with_records(4);
    place.change("UPDATE record SET body = '{\"noticed\":{\"notice\":3}}' WHERE seq = 3");
    let reader = Reader::open(&place.path()).expect("open");
    let error = reader.read_run(RUN).expect_err("never skipped");
    expect!["RT0304 decode record: a record of the journal cannot be understood (run 1, seq 3, kind noticed): invalid type: integer `3`, expected struct Notice at line 1 column 22. Keep the file and its -wal aside for a look, then start with a new journal or load a backup."].assert_eq(&place.told(&error));
    assert_eq!(reader.records_after(RUN, 0, 2).expect("those before it"), numbers(1, 1, 2, 1));
    // A body that is a fact, but another one than its row says.
    let body = serde_json::to_string(&crate::sample::every_kind(1)[0].entry).expect("an entry");
    place.change(&format!("UPDATE record SET body = '{body}' WHERE seq = 3"));
    assert_eq!(reader.read_run(RUN).expect_err("mixed up").kind(), ErrorKind::Unreadable);
}

#[test]
fn a_record_that_is_missing_is_named() {
    let place = Place::with_records(4);
    place.change("DELETE FROM record WHERE seq = 2");
    let error = Reader::open(&place.path()).and_then(|reader| reader.read_run(RUN)).expect_err("a gap");
    expect!["RT0304 read the journal: the journal file is damaged (run 1, missing seq 2). Keep the file and its -wal aside for a look, then start with a new journal or load a backup."].assert_eq(&place.told(&error));
}

#[test]
fn a_journal_removed_under_the_controller_is_a_failure_until_it_is_back() {
    let place = Place::with_records(2);
    let (journal, reports) = open(&place.path());
    let aside = place.0.path().join("aside");
    std::fs::rename(place.path(), &aside).expect("moved");
    journal.append(numbers(1, 3, 3, journal.epoch())).expect("taken");
    match reports.next() {
        Committed::Failed { error } => assert_eq!(error.kind(), ErrorKind::Write),
        other => panic!("written where nobody will find it: {other:?}"),
    }
    std::fs::rename(&aside, place.path()).expect("moved back");
    reports.durable(1, 3);
    let found = journal.reader().and_then(|reader| reader.read_run(RUN)).expect("readable");
    assert_eq!(found.last(), Some(&numbered(1, 3, journal.epoch())));
}

#[test]
fn a_journal_that_cannot_be_written_at_its_end_says_how_many_records_are_lost() {
    let place = Place::with_records(2);
    let (journal, reports) = open(&place.path());
    std::fs::rename(place.path(), place.0.path().join("aside")).expect("moved");
    journal.append(numbers(1, 3, 7, journal.epoch())).expect("taken");
    assert!(matches!(reports.next(), Committed::Failed { .. }));
    let error = journal.close(crate::sample::PATIENCE).expect_err("five are lost");
    expect!["RT0308 close the journal: records were not written before the end (lost 5): RT0305 write the journal: the journal cannot be written (path DIR/journal.db): No such file or directory (os error 2). Look into the controller's log for what happened; the journal does not have it."].assert_eq(&place.told(&error));
}

#[test]
fn a_tool_that_reads_for_long_delays_a_starting_controller_and_no_more() {
    let place = Place::with_records(2);
    let (first, first_reports) = open(&place.path());
    first.append(numbers(1, 3, 3, first.epoch())).expect("taken");
    first_reports.durable(1, 3);
    let tool = Connection::open(place.path()).expect("open");
    tool.execute_batch("BEGIN; SELECT count(*) FROM record;").expect("reading");
    // A controller that runs does not care.
    first.append(numbers(1, 4, 4, first.epoch())).expect("taken");
    first_reports.durable(1, 4);
    drop(first);
    let (second, second_reports) = open(&place.path());
    match second_reports.next() {
        Committed::Failed { error } => assert!(error.to_string().contains("a reader that does not end"), "{error}"),
        other => panic!("nothing was appended yet: {other:?}"),
    }
    second.append(numbers(1, 5, 5, second.epoch())).expect("taken");
    tool.execute_batch("COMMIT").expect("done reading");
    second_reports.durable(1, 5);
}
