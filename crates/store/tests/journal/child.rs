//! A journal in a process of its own, that can be killed, or given a disk that hangs or is full. The test binary runs itself
//! again: a test that finds itself to be the child serves commands from its standard input and never returns.
//!
//! Commands: `append N [SIZE]` (N records in appends of SIZE), `pending`, `read`, `fill`, `free`, `drop`, `open`. Answers and
//! reports are lines: `appended`, `pending`, `read`, `durable`, `failed` ...

use crate::sample::{PATIENCE, numbers};
use ridethrough_model::RunId;
use ridethrough_store::{Committed, Journal, Reader};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

const VARIABLE: &str = "RIDETHROUGH_TEST_JOURNAL";
/// Lines of a child that nobody has heard yet. Beyond, the child waits.
const LINES_MAX: usize = 100_000;

/// In the child: serves commands for the journal it was given and ends the process. In the parent: returns.
pub(crate) fn serve_if_child() {
    let Some(path) = std::env::var_os(VARIABLE) else { return };
    let mut served = Served { path: PathBuf::from(path), journal: None, taken: 0 };
    served.open();
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { break };
        served.command(&line);
    }
    // The parent closed our input: as abrupt as a process may end without being killed.
    std::process::exit(0);
}

struct Served {
    path: PathBuf,
    journal: Option<Journal>,
    taken: u64,
}

/// Past the capture of the test harness, in one piece.
fn say(line: std::fmt::Arguments<'_>) {
    let text = format!("\n> {line}\n");
    let mut out = std::io::stdout().lock();
    // A parent that is gone needs no answer.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

impl Served {
    fn open(&mut self) {
        let report = |committed| match committed {
            Committed::Durable { seq, .. } => say(format_args!("durable {seq}")),
            Committed::Failed { error } => say(format_args!("failed {}", error.in_full())),
        };
        match Journal::open(&self.path, Box::new(report)) {
            Ok(journal) => {
                self.taken = journal.durable(RunId(1));
                say(format_args!("opened {}", self.taken));
                self.journal = Some(journal);
            }
            Err(error) => say(format_args!("refused {}", error.in_full())),
        }
    }

    fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let journal = || self.journal.as_ref().expect("open");
        match words[..] {
            ["append", count, size] => {
                let [count, size]: [u64; 2] = [count, size].map(|n| n.parse().expect("a number"));
                let slowest = (0..count / size).map(|_| {
                    let epoch = journal().epoch();
                    let records = numbers(1, self.taken + 1, self.taken + size, epoch);
                    self.taken += size;
                    let begun = Instant::now();
                    let taken = journal().append(records);
                    taken.unwrap_or_else(|e| panic!("{}", e.error.in_full()));
                    begun.elapsed().as_millis()
                });
                let slowest = slowest.max().unwrap_or(0);
                say(format_args!("appended {} {slowest}", self.taken));
            }
            ["pending"] => {
                let pending = journal().pending();
                let failing = pending.failing.and_then(|e| e.code()).unwrap_or("-");
                let oldest = pending.oldest.map_or(0, |mono| mono.0);
                say(format_args!("pending {} {oldest} {failing}", pending.records));
            }
            ["read"] => {
                let found = Reader::open(&self.path).and_then(|reader| reader.read_run(RunId(1)));
                match found {
                    Ok(records) => say(format_args!("read {}", records.len())),
                    Err(error) => say(format_args!("unreadable {}", error.in_full())),
                }
            }
            ["fill"] => {
                let mut ballast = std::fs::File::create(self.ballast()).expect("ballast");
                let mut filled = 0;
                while let Ok(more @ 1..) = ballast.write(&[0; 4096]) {
                    filled += more;
                }
                say(format_args!("filled {filled}"));
            }
            ["free"] => {
                std::fs::remove_file(self.ballast()).expect("ballast");
                say(format_args!("freed"));
            }
            ["drop"] => {
                let begun = Instant::now();
                drop(self.journal.take());
                say(format_args!("dropped {}", begun.elapsed().as_millis()));
            }
            ["open"] => self.open(),
            _ => panic!("no such command: {line}"),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.path.with_file_name("ballast")
    }
}

/// The child as its parent sees it.
pub(crate) struct Child {
    process: Process,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    unheard: VecDeque<String>,
}

impl Child {
    /// Starts this test binary again as the child of `test`, behind `wrapper` if there is one.
    pub(crate) fn start(test: &str, journal: &Path, wrapper: &[&str], variables: &[(&str, &OsStr)]) -> Self {
        let own = std::env::current_exe().expect("this test binary");
        let mut words: Vec<&OsStr> = wrapper.iter().map(OsStr::new).collect();
        words.push(own.as_os_str());
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["--exact", test, "--nocapture", "--test-threads=1"]);
        command.env(VARIABLE, journal).envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the child starts");
        let input = process.stdin.take();
        let output = process.stdout.take().expect("piped");
        let (tx, lines) = sync_channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let told = line.strip_prefix("> ").map(str::to_owned);
                if told.is_some_and(|told| tx.send(told).is_err()) {
                    return;
                }
            }
        });
        Self { process, input, lines, unheard: VecDeque::new() }
    }

    pub(crate) fn tell(&mut self, command: &str) {
        let input = self.input.as_mut().expect("open until the end");
        writeln!(input, "{command}").expect("the child listens");
    }

    /// The rest of the next line that starts with `word`. Lines of other kinds before it can still be heard: the order of a report
    /// and of an answer is chance.
    pub(crate) fn hear(&mut self, word: &str) -> String {
        let is_it = |line: &String| line.split(' ').next() == Some(word);
        while !self.unheard.iter().any(is_it) {
            self.listen(word);
        }
        let found = self.unheard.iter().position(is_it).and_then(|at| self.unheard.remove(at));
        found.map(|line| line[word.len()..].trim().to_owned()).expect("it was there")
    }

    fn listen(&mut self, wanted: &str) {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => self.unheard.push_back(line),
            Err(e) => panic!("no `{wanted}` from the child ({e}); unheard: {:?}", self.unheard),
        }
    }

    pub(crate) fn hear_number(&mut self, word: &str) -> u64 {
        let rest = self.hear(word);
        let first = rest.split(' ').next().unwrap_or_default();
        first.parse().unwrap_or_else(|_| panic!("{word} {rest}"))
    }

    /// All reports up to and including that one, without the answers to commands.
    pub(crate) fn reports_until(&mut self, last: &str) -> Vec<String> {
        while !self.unheard.iter().any(|line| line == last) {
            self.listen(last);
        }
        let mut reports: Vec<String> = self.unheard.drain(..).collect();
        reports.retain(|line| line.starts_with("durable ") || line.starts_with("failed "));
        reports
    }

    /// Waits until that record is durable.
    pub(crate) fn hear_durable(&mut self, seq: u64) {
        while self.hear_number("durable") < seq {}
    }

    /// `SIGKILL`; returns all that it had said and nobody had heard.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it is ours");
        self.unheard.drain(..).chain(self.lines.iter()).collect()
    }

    /// Closes its input and waits for it to end by itself.
    pub(crate) fn end(mut self) {
        drop(self.input.take());
        // Its output ends with it.
        while let Ok(_line) = self.lines.recv_timeout(PATIENCE) {}
        let ended = self.process.try_wait().expect("it is ours");
        assert!(ended.is_some() || self.process.wait().is_ok(), "the child ends");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Also after a failed assertion nothing stays behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Notes that a test did not run, and why, where `cargo xtask ci` counts it, and says it past the harness's capture.
pub(crate) fn skip(test: &str, reason: &str) {
    let line = format!("store::{test}: {reason}\n");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/skipped.txt");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(list).expect("the list of skipped tests");
    file.write_all(line.as_bytes()).expect("the list of skipped tests");
    let _ = write!(std::io::stderr(), "\nSKIPPED {line}");
}

/// Runs a command for its success alone.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let mut said = String::new();
    let Ok(mut process) = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn() else { return false };
    if let Some(mut err) = process.stderr.take() {
        let _ = err.read_to_string(&mut said);
    }
    process.wait().is_ok_and(|status| status.success())
}
