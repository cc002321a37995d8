//! Whole incidents as released programs wrote them, `journals/vN.run.sql`: read through the store, and followed by today's `decide`
//! to every place at which a controller may have died. They are kept for ever; a new format adds one.

use crate::sample::reports;
use expect_test::expect_file;
use ridethrough_decide::{RunState, Site, SiteConfig};
use ridethrough_model::{BootId, Mono, Now, Record, RunId};
use ridethrough_store::{Journal, Reader};
use rusqlite::Connection;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Formats of which an incident was kept.
const FORMATS: &[u32] = &[1];

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals").join(name)
}

fn journal(format: u32, dir: &Path) -> Journal {
    let path = dir.join("journal.db");
    let sql = std::fs::read_to_string(path_of(&format!("v{format}.run.sql"))).expect("the golden incident");
    Connection::open(&path).and_then(|file| file.execute_batch(&sql)).expect("made");
    let (on_commit, _reports) = reports();
    Journal::open(&path, on_commit).unwrap_or_else(|e| panic!("v{format}: {}", e.in_full()))
}

fn read(reader: &Reader, run: RunId) -> Vec<Record> {
    reader.read_run(run).unwrap_or_else(|e| panic!("{}", e.in_full()))
}

/// What the fold makes of a run, for people to read in a difference.
fn told(run: &RunState) -> String {
    let mut text = format!("{} at record {}: {:?}\n", run.id, run.seq, run.end);
    for (id, home) in &run.homes {
        writeln!(text, "  home of {id}: {}", home.host).expect("a string");
    }
    for (id, action) in &run.actions {
        writeln!(text, "  {id} {}: {} of {}, {:?}", action.op, action.attempts, action.attempts_max, action.phase)
            .expect("a string");
    }
    for (what, left) in [("stopped", run.stopped.len()), ("moved", run.moved.len()), ("hosts down", run.hosts_down.len())] {
        writeln!(text, "  {what} and not back: {left}").expect("a string");
    }
    text
}

#[test]
fn an_incident_of_every_released_program_is_followed_to_its_end() {
    for format in FORMATS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let journal = journal(*format, dir.path());
        let reader = journal.reader().expect("reader");
        let mut text = String::new();
        for summary in reader.runs().expect("runs") {
            let mut run = RunState::new(summary.run, summary.incident);
            for record in read(&reader, summary.run) {
                run.apply(&record).unwrap_or_else(|error| panic!("v{format}: {error}"));
            }
            text.push_str(&told(&run));
        }
        expect_file![path_of(&format!("v{format}.run.txt"))].assert_eq(&text);
    }
}

/// The controller that wrote it may have died after any record; today's takes the run up there, in the same boot and in another one.
#[test]
fn an_incident_of_every_released_program_is_taken_up_wherever_it_broke_off() {
    for format in FORMATS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let journal = journal(*format, dir.path());
        let reader = journal.reader().expect("reader");
        let site_log = read(&reader, RunId::SITE);
        for summary in reader.runs().expect("runs") {
            let records = read(&reader, summary.run);
            for count in 1..=records.len() {
                let last = &records[count - 1].at;
                for boot in [last.boot_id.clone(), BootId("another".to_owned())] {
                    let now = Now { mono: Mono(last.mono.0 + 5000), boot_id: boot, wall: last.wall };
                    let found = Site::recover(SiteConfig::default(), 9, &now, &site_log, &records[..count], summary.run.0, 1);
                    let (site, _) = found.unwrap_or_else(|error| panic!("v{format}, first {count} records: {error}"));
                    assert_eq!(site.is_at_risk(), count < records.len(), "v{format}, first {count} records");
                }
            }
        }
    }
}
