//! Measures the journal on a real disk beside plain SQLite doing the same: records per second singly and in groups, and how long
//! each commit takes. Not a test: numbers of a disk prove nothing on another.
//!
//! `cargo run -p ridethrough-store --example bench_journal [DIRECTORY]`; without one, a new directory below `target`. Contenders
//! take turns in rounds, so that a disk that slows down slows all of them.

use ridethrough_model::{BootId, Entry, Mono, Notice, Now, Record, RunId, Severity};
use ridethrough_store::{Committed, GROUP_MAX, Journal};
use rusqlite::Connection;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
/// Appends of one contender in one round.
const COMMITS: u64 = 60;
/// Records in the stream of one round.
const STREAM: u64 = 2000;
const WAIT_MAX: Duration = Duration::from_secs(60);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let target = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let parent = std::env::args_os().nth(1).map_or_else(target, PathBuf::from);
    let dir = tempfile::tempdir_in(parent)?;
    let group = GROUP_MAX as u64;
    let mut contenders: Vec<Contender> = vec![
        Contender::plain(dir.path(), "plain SQLite, one INSERT per commit", 1)?,
        Contender::journal(dir.path(), "journal, one record at a time", 1)?,
        Contender::plain(dir.path(), "plain SQLite, 64 INSERTs per commit", group)?,
        Contender::journal(dir.path(), "journal, 64 records at a time", group)?,
        Contender::journal(dir.path(), "journal, a stream of single records", 0)?,
    ];
    for _ in 0..ROUNDS {
        for contender in &mut contenders {
            contender.round()?;
        }
    }
    println!("{:38} {:>9} {:>9} {:>8} {:>8} {:>9}", "", "records/s", "commits/s", "p50 ms", "p99 ms", "of plain");
    let baseline = contenders[0].records_per_s();
    for contender in &mut contenders {
        contender.print(baseline);
    }
    println!(
        "\n`of plain`: records per second as a multiple of the first line. In the stream nobody waits for a record before the"
    );
    println!("next; its times are from the append to the report, its commits are not counted.");
    Ok(())
}

struct Contender {
    name: &'static str,
    /// Records in one append; 0 for the stream.
    size: u64,
    seq: u64,
    records: u64,
    elapsed: Duration,
    latencies: Vec<Duration>,
    side: Side,
}

enum Side {
    Plain(Connection),
    Journal(Journal, Receiver<Committed>),
}

impl Contender {
    fn new(name: &'static str, size: u64, side: Side) -> Self {
        Self { name, size, seq: 0, records: 0, elapsed: Duration::ZERO, latencies: Vec::new(), side }
    }

    fn plain(dir: &Path, name: &'static str, size: u64) -> Outcome<Self> {
        let connection = Connection::open(dir.join(format!("plain-{size}.db")))?;
        connection.execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = full;
             CREATE TABLE record (run INTEGER, seq INTEGER, incident INTEGER, epoch INTEGER, mono_ms INTEGER, boot_id TEXT,
                                  wall TEXT, kind TEXT, version INTEGER, body TEXT, PRIMARY KEY (run, seq));",
        )?;
        Ok(Self::new(name, size, Side::Plain(connection)))
    }

    fn journal(dir: &Path, name: &'static str, size: u64) -> Outcome<Self> {
        let (tx, rx) = sync_channel(usize::try_from(STREAM)?);
        let on_commit = Box::new(move |committed| {
            // The other end is this program's main thread.
            let _ = tx.send(committed);
        });
        let journal = Journal::open(&dir.join(format!("journal-{size}.db")), on_commit)?;
        Ok(Self::new(name, size, Side::Journal(journal, rx)))
    }

    fn round(&mut self) -> Outcome<()> {
        let begun = Instant::now();
        if self.size == 0 {
            self.stream()?;
        } else {
            for _ in 0..COMMITS {
                let records: Vec<Record> = (1..=self.size).map(|i| record(self.seq + i)).collect();
                self.seq += self.size;
                self.records += self.size;
                let begun = Instant::now();
                match &mut self.side {
                    Side::Plain(connection) => insert(connection, &records)?,
                    Side::Journal(journal, reports) => {
                        journal.append(records)?;
                        wait(reports, self.seq)?;
                    }
                }
                self.latencies.push(begun.elapsed());
            }
        }
        self.elapsed += begun.elapsed();
        Ok(())
    }

    fn stream(&mut self) -> Outcome<()> {
        let Side::Journal(journal, reports) = &self.side else { return Err("only a journal has a queue".into()) };
        let first = self.seq + 1;
        let mut begun = Vec::new();
        for seq in first..first + STREAM {
            begun.push(Instant::now());
            journal.append(vec![record(seq)])?;
        }
        self.seq += STREAM;
        self.records += STREAM;
        let mut done = 0;
        while done < begun.len() {
            let seq = wait(reports, 0)?;
            let count = usize::try_from(seq + 1 - first)?;
            self.latencies.extend(begun[done..count].iter().map(Instant::elapsed));
            done = count;
        }
        Ok(())
    }

    fn records_per_s(&self) -> f64 {
        self.records as f64 / self.elapsed.as_secs_f64()
    }

    fn print(&mut self, baseline: f64) {
        self.latencies.sort_unstable();
        let at = |share: f64| {
            let index = (self.latencies.len() - 1) as f64 * share;
            self.latencies[index.round() as usize].as_secs_f64() * 1000.0
        };
        let rate = self.records_per_s();
        let commits = match self.size {
            0 => "-".to_owned(),
            _ => format!("{:.0}", self.latencies.len() as f64 / self.elapsed.as_secs_f64()),
        };
        let (p50, p99) = (at(0.5), at(0.99));
        println!("{:38} {rate:9.0} {commits:>9} {p50:8.2} {p99:8.2} {:8.2}x", self.name, rate / baseline);
    }
}

/// What is written here is as long as an intent to stop a VM.
fn record(seq: u64) -> Record {
    let text = format!("Action {seq}: shut down VM lab/4b1d3c9e-0d1f-4b9a-9d6e on kvm1, as its tier is shed first.");
    let notice = Notice { severity: Severity::Info, code: None, text };
    let wall = jiff::Timestamp::UNIX_EPOCH;
    let at = Now { mono: Mono(seq), boot_id: BootId("3f6c0c9e-5a55-4c8e".into()), wall };
    Record { run: RunId(1), seq, incident: 1, epoch: 1, at, entry: Entry::Noticed { notice } }
}

fn insert(connection: &mut Connection, records: &[Record]) -> Outcome<()> {
    let change = connection.transaction()?;
    for record in records {
        let body = serde_json::to_string(&record.entry)?;
        let mut put = change.prepare_cached("INSERT INTO record VALUES (1, ?1, 1, 1, ?1, ?2, ?3, 'noticed', 1, ?4)")?;
        let seq = i64::try_from(record.seq)?;
        put.execute((seq, &record.at.boot_id.0, record.at.wall.to_string(), body))?;
    }
    Ok(change.commit()?)
}

/// Waits for a report of at least that record; returns which it was.
fn wait(reports: &Receiver<Committed>, wanted: u64) -> Outcome<u64> {
    loop {
        match reports.recv_timeout(WAIT_MAX)? {
            Committed::Durable { seq, .. } if seq >= wanted => return Ok(seq),
            Committed::Durable { .. } => {}
            Committed::Failed { error } => return Err(error.in_full().into()),
        }
    }
}
