//! Journals that must stay readable for ever. `journals/vN.sql` is a journal of format N as text: its tables and one record of
//! every kind. Never change one that was released; when the format or a record changes, add the next and keep this one.

use crate::sample::reports;
use crate::shapes::every_shape;
use expect_test::expect_file;
use ridethrough_model::{Record, RunId};
use ridethrough_store::{FORMAT, Journal, Reader};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::fmt::Write;
use std::path::Path;

/// The newest golden journal: what this program writes today.
const NEWEST: u32 = 2;

/// Golden journals that were released, with the fingerprint of their text: they are never written anew.
const RELEASED: &[(u32, u64)] = &[(1, 0xf5b2_eae1_9079_0252)];

fn path_of(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals").join(name)
}

fn literal(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        other => panic!("no such values in a journal: {other:?}"),
    }
}

/// The whole file as the statements that make it.
fn dump(path: &Path) -> rusqlite::Result<String> {
    let file = Connection::open(path)?;
    let mut text = String::new();
    for pragma in ["application_id", "user_version"] {
        let number: i64 = file.pragma_query_value(None, pragma, |row| row.get(0))?;
        writeln!(text, "PRAGMA {pragma} = {number};").expect("a string");
    }
    let mut schema = file.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?;
    for sql in schema.query_map([], |row| row.get::<_, String>(0))? {
        let words: Vec<String> = sql?.split_whitespace().map(str::to_owned).collect();
        writeln!(text, "{};", words.join(" ")).expect("a string");
    }
    for table in ["meta", "record"] {
        let mut select = file.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = select.column_count();
        let rows = select.query_map([], |row| (0..columns).map(|i| row.get(i)).collect::<Result<Vec<Value>, _>>())?;
        for row in rows {
            let values: Vec<String> = row?.iter().map(literal).collect();
            writeln!(text, "INSERT INTO {table} VALUES ({});", values.join(", ")).expect("a string");
        }
    }
    Ok(text)
}

fn read_all(reader: &Reader) -> Vec<Record> {
    let run = |run| reader.read_run(RunId(run)).unwrap_or_else(|e| panic!("{}", e.in_full()));
    [run(0), run(1)].concat()
}

/// Each golden journal opens, is brought to today's format, and says the same facts as ever; then it can be continued.
#[test]
fn what_is_written_is_the_newest_golden_journal_and_all_are_readable() {
    check_what_is_written();
    for format in 1..=NEWEST {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("journal.db");
        let sql = std::fs::read_to_string(path_of(&format!("v{format}.sql"))).expect("the golden journal");
        Connection::open(&path).and_then(|file| file.execute_batch(&sql)).expect("made");
        let (on_commit, reports) = reports();
        let journal = Journal::open(&path, on_commit).unwrap_or_else(|e| panic!("v{format}: {}", e.in_full()));
        let reader = journal.reader().expect("reader");
        let found = read_all(&reader);
        let mut facts = String::new();
        for record in &found {
            let line = serde_json::to_string(record).expect("a record");
            writeln!(facts, "{line}").expect("a string");
        }
        expect_file![path_of(&format!("v{format}.read.jsonl"))].assert_eq(&facts);
        assert_eq!(reader.check().expect("sound"), found.len() as u64);

        let last = found.last().expect("not empty");
        let next = Record { seq: last.seq + 1, epoch: journal.epoch(), ..last.clone() };
        journal.append(vec![next]).expect("it continues");
        reports.durable(1, last.seq + 1);
    }
}

/// A changed record or table shows here first. Once the golden journal was released, do not update it: add the next.
fn check_what_is_written() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("journal.db");
    let (on_commit, reports) = reports();
    let journal = Journal::open(&path, on_commit).expect("open");
    let all = every_shape(1);
    let last = all.last().expect("not empty").seq;
    journal.append(all).expect("taken");
    reports.durable(1, last);
    drop(journal);
    assert_eq!(FORMAT, NEWEST, "a new format needs a golden journal of its own");
    expect_file![path_of(&format!("v{NEWEST}.sql"))].assert_eq(&dump(&path).expect("readable"));
}

fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |print, byte| (print ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn a_released_golden_journal_is_never_written_anew() {
    for (format, print) in RELEASED {
        let text = std::fs::read_to_string(path_of(&format!("v{format}.sql"))).expect("the golden journal");
        assert_eq!(fingerprint(&text), *print, "v{format}.sql was released: keep it, and add the next format");
    }
}

/// What an old journal holds at the newest version of its kind is written today byte for byte as it was then. An entry that was
/// given another field, or loses one, needs a new version.
#[test]
fn an_entry_whose_shape_changes_needs_a_new_version() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |path: &Path, sql: &str| Connection::open(path).and_then(|file| file.execute_batch(sql)).expect("made");
    let rows = |path: &Path| -> Vec<(String, String, u32, String)> {
        let file = Connection::open(path).expect("open");
        let mut select =
            file.prepare("SELECT run || ':' || seq, kind, version, body FROM record ORDER BY run, seq").expect("select");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    };
    for format in 1..=NEWEST {
        let (old, new) = (dir.path().join(format!("old{format}.db")), dir.path().join(format!("new{format}.db")));
        write(&old, &std::fs::read_to_string(path_of(&format!("v{format}.sql"))).expect("the golden journal"));
        let before = rows(&old);
        let (on_commit, _reports) = reports();
        let records = read_all(&Journal::open(&old, on_commit).expect("open").reader().expect("reader"));
        let (on_commit, reports) = reports();
        let journal = Journal::open(&new, on_commit).expect("open");
        let records: Vec<Record> = records.into_iter().map(|record| Record { epoch: journal.epoch(), ..record }).collect();
        let last = records.last().expect("not empty").seq;
        journal.append(records).expect("taken");
        reports.durable(1, last);
        drop(journal);
        for ((place, kind, version, body), (_, _, today, written)) in before.into_iter().zip(rows(&new)) {
            let hint = "raise its version in row.rs, add the step in upgrade.rs and a golden journal";
            assert!(
                version < today || body == written,
                "{kind} ({place} of v{format}) has another shape now: {hint}\n{body}\n{written}"
            );
        }
    }
}
