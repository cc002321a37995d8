//! The world against the journal: death at any moment, a disk that hangs at fsync, one that is full, one that fails. Each in a
//! process of its own, with the real thing.

use crate::child::{Child, serve_if_child, skip, succeeds};
use crate::sample::numbered;
use ridethrough_model::RunId;
use ridethrough_store::{DROP_WAIT_MAX, Reader};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An append that takes so long was held up by the disk.
const SLOW_MS: u64 = 1000;

#[test]
fn s2_what_was_reported_durable_survives_sigkill() {
    serve_if_child();
    let test = "faults::s2_what_was_reported_durable_survives_sigkill";
    for (size, kill_at) in [(1, 1), (1, 40), (7, 70), (200, 400)] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("journal.db");
        let mut child = Child::start(test, &path, &[], &[]);
        child.tell(&format!("append 14000 {size}"));
        child.hear_durable(kill_at);
        let said = child.kill();
        let last = said.iter().rev().find_map(|line| line.strip_prefix("durable "));
        let durable = last.map_or(kill_at, |seq| seq.parse().expect("a number"));

        // As a reader that comes before the next controller, then as that controller.
        let reader = Reader::open(&path).expect("the journal opens after a kill");
        let found = reader.read_run(RunId(1)).expect("readable");
        assert!(found.len() as u64 >= durable, "{durable} durable, {} found", found.len());
        assert_eq!(found.len() as u64 % size, 0, "an append was split");
        for (record, seq) in found.iter().zip(1..) {
            assert_eq!(record, &numbered(1, seq, 1));
        }
        let mut next = Child::start(test, &path, &[], &[]);
        assert_eq!(next.hear_number("opened"), found.len() as u64);
        next.end();
    }
}

/// The preloaded library, the file that makes it hang and the one that makes it fail; the journal beside them.
struct SlowDisk {
    dir: tempfile::TempDir,
}

impl SlowDisk {
    fn new(test: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/slow_fsync.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(dir.path().join("slow_fsync.so")).arg(source);
        if !succeeds(&mut cc) {
            skip(test, "a C compiler (cc) is needed to make fsync hang");
            return None;
        }
        Some(Self { dir })
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn start(&self, test: &str) -> Child {
        let [library, hang, fail] = ["slow_fsync.so", "hang", "fail"].map(|name| self.path(name));
        let variables = [
            ("LD_PRELOAD", library.as_os_str()),
            ("RIDETHROUGH_FSYNC_HANG", hang.as_os_str()),
            ("RIDETHROUGH_FSYNC_FAIL", fail.as_os_str()),
        ];
        Child::start(test, &self.path("journal.db"), &[], &variables)
    }
    fn begin(&self, fault: &str) {
        std::fs::write(self.path(fault), "").expect("the fault begins");
    }
    fn cease(&self, fault: &str) {
        std::fs::remove_file(self.path(fault)).expect("the fault ends");
    }
}

#[test]
fn a_hanging_fsync_holds_nobody_up_and_loses_nothing() {
    serve_if_child();
    let test = "faults::a_hanging_fsync_holds_nobody_up_and_loses_nothing";
    let Some(disk) = SlowDisk::new(test) else { return };
    let mut child = disk.start(test);
    child.tell("append 1 1");
    child.hear("appended");
    child.hear_durable(1);
    disk.begin("hang");
    child.tell("append 2000 5");
    let appended = child.hear("appended");
    let (last, slowest) = appended.split_once(' ').expect("two numbers");
    assert_eq!(last, "2001");
    assert!(slowest.parse::<u64>().is_ok_and(|ms| ms < SLOW_MS), "an append waited {slowest} ms for the disk");
    // Nothing is claimed that is not so, the stall can be told by its age, and what is durable can be read all the while.
    child.tell("pending");
    let oldest = numbered(1, 2, 1).at.mono.0;
    assert_eq!(child.hear("pending"), format!("2000 {oldest} -"));
    child.tell("read");
    assert_eq!(child.hear_number("read"), 1);
    disk.cease("hang");
    child.hear_durable(2001);
    child.tell("read");
    assert_eq!(child.hear_number("read"), 2001);
    child.end();
}

#[test]
fn a_journal_dropped_while_fsync_hangs_lets_the_process_end() {
    serve_if_child();
    let test = "faults::a_journal_dropped_while_fsync_hangs_lets_the_process_end";
    let Some(disk) = SlowDisk::new(test) else { return };
    let mut child = disk.start(test);
    child.tell("append 3 3");
    child.hear_durable(3);
    disk.begin("hang");
    child.tell("append 10 5");
    child.tell("drop");
    let waited = u128::from(child.hear_number("dropped"));
    assert!(waited >= DROP_WAIT_MAX.as_millis(), "it gave the disk only {waited} ms");
    child.end();
    disk.cease("hang");
    let mut next = disk.start(test);
    let found = next.hear_number("opened");
    assert!([3, 8, 13].contains(&found), "{found} records are no whole appends");
    next.end();
}

#[test]
fn a_failing_fsync_is_said_once_and_made_good_in_order() {
    serve_if_child();
    let test = "faults::a_failing_fsync_is_said_once_and_made_good_in_order";
    let Some(disk) = SlowDisk::new(test) else { return };
    let mut child = disk.start(test);
    child.tell("append 3 1");
    child.hear_durable(3);
    disk.begin("fail");
    child.tell("append 10 1");
    assert!(child.hear("failed").starts_with("RT0305 "));
    child.tell("append 10 1");
    child.hear("appended");
    child.tell("pending");
    assert!(child.hear("pending").ends_with(" RT0305"));
    disk.cease("fail");
    // The next report is that it works again: a second `failed` would be heard first.
    let mut durable = 3;
    for line in child.reports_until("durable 23") {
        let seq = line.strip_prefix("durable ").and_then(|seq| seq.parse::<u64>().ok());
        let seq = seq.unwrap_or_else(|| panic!("only durability is news: {line}"));
        assert!(seq > durable, "{seq} after {durable}");
        durable = seq;
    }
    child.tell("read");
    assert_eq!(child.hear_number("read"), 23);

    // What was in the log when its sync failed may be gone with the power: it must not be needed any more.
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let copy = elsewhere.path().join("journal.db");
    std::fs::copy(disk.path("journal.db"), &copy).expect("copied without its log");
    let found = Reader::open(&copy).and_then(|reader| reader.last_seq(RunId(1))).expect("readable");
    assert!(found > 3, "only {found} records are outside the doubtful log");
    child.end();
}

#[test]
fn a_controller_that_starts_on_a_failing_disk_reads_what_it_takes_up() {
    serve_if_child();
    let test = "faults::a_controller_that_starts_on_a_failing_disk_reads_what_it_takes_up";
    let Some(disk) = SlowDisk::new(test) else { return };
    let mut first = disk.start(test);
    first.tell("append 30 3");
    first.hear_durable(30);
    first.kill();
    disk.begin("fail");
    let mut second = disk.start(test);
    assert_eq!(second.hear_number("opened"), 30);
    assert!(second.hear("failed").starts_with("RT0305 "));
    second.tell("read");
    assert_eq!(second.hear_number("read"), 30);
    second.tell("append 6 3");
    second.tell("pending");
    assert!(second.hear("pending").starts_with("6 "));
    disk.cease("fail");
    second.hear_durable(36);
    second.end();
    let mut third = disk.start(test);
    assert_eq!(third.hear_number("opened"), 36);
    third.end();
}

/// Starts the child on a disk of one megabyte that only it sees: a tmpfs in a mount namespace of its own.
fn start_on_small_disk(test: &str, dir: &Path) -> Option<Child> {
    let script = format!("mount -t tmpfs -o size=1m tmpfs '{}' && exec \"$@\"", dir.display());
    let namespaces: [&[&str]; 2] = [&["unshare", "-m"], &["unshare", "-Urm"]];
    let possible = namespaces.into_iter().find(|words| {
        let mount = script.replace("exec \"$@\"", "true");
        succeeds(Command::new(words[0]).args(&words[1..]).args(["sh", "-c", &mount]))
    });
    let Some(words) = possible else {
        skip(test, "root or user namespaces are needed for a small disk of its own");
        return None;
    };
    let wrapper = [words, &["sh", "-c", &script, "sh"]].concat();
    Some(Child::start(test, &dir.join("journal.db"), &wrapper, &[]))
}

#[test]
fn a_full_disk_is_said_and_what_waited_is_written_when_there_is_room() {
    serve_if_child();
    let test = "faults::a_full_disk_is_said_and_what_waited_is_written_when_there_is_room";
    let dir = tempfile::tempdir().expect("a temporary directory");
    let Some(mut child) = start_on_small_disk(test, dir.path()) else { return };
    child.tell("append 10 1");
    child.hear_durable(10);
    child.tell("fill");
    assert!(child.hear_number("filled") > 0);
    child.tell("append 1000 10");
    let failed = child.hear("failed");
    assert!(failed.contains("full") && failed.starts_with("RT0305 "), "{failed}");
    child.tell("read");
    let before = child.hear_number("read");
    assert!((10..1010).contains(&before) && before % 10 == 0, "{before}");
    child.tell("free");
    child.hear_durable(1010);
    child.tell("read");
    assert_eq!(child.hear_number("read"), 1010);
    child.end();
}
