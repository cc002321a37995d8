//! The format of the journal file: its tables, its version, the way from an older one. Knows nothing of what records mean.

use crate::error::{Error, ErrorKind};
use rusqlite::Connection;
use std::time::Duration;

/// Marks the file as ours ("RTJL").
const APPLICATION_ID: i32 = 0x5254_4a4c;

/// How each format is made from the one before, in order; the format's number is the count of those applied
/// (`PRAGMA user_version`). Never change one that was released: add one.
const MIGRATIONS: &[&str] = &[
    // 1: records, the writer's fencing number, the high-water marks of ids, and an index that finds the ends of runs.
    "CREATE TABLE record (
         run INTEGER NOT NULL, seq INTEGER NOT NULL, incident INTEGER NOT NULL, epoch INTEGER NOT NULL,
         mono_ms INTEGER NOT NULL, boot_id TEXT NOT NULL, wall TEXT NOT NULL,
         kind TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,
         PRIMARY KEY (run, seq)) STRICT;
     CREATE INDEX record_end ON record (run) WHERE kind = 'run-ended';
     CREATE TABLE meta (
         one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
         epoch INTEGER NOT NULL, plan_last INTEGER NOT NULL, action_last INTEGER NOT NULL) STRICT;
     INSERT INTO meta VALUES (1, 0, 0, 0);",
    // 2: what fell and what somebody left off (kinds ups-noted, vms-fell, vm-left-off), hooks as steps, drills; the tables are as before. In the making: further kinds
    // of the same release join it.
    "",
];

/// The newest format of the journal file this program writes and reads.
#[expect(clippy::cast_possible_truncation, reason = "a handful of migrations")]
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// How long SQLite waits for a lock of another connection, such as a reader that finishes a recovery of the log.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(2);

/// Sets the connection up. What is durable depends on it: a write-ahead log, synced at every commit.
pub(crate) fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_WAIT_MAX)?;
    connection.pragma_update(None, "cache_size", -1024)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::InvalidQuery);
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)
}

/// Sets a reading connection up.
pub(crate) fn set_up_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_WAIT_MAX)?;
    connection.pragma_update(None, "cache_size", -1024)?;
    connection.pragma_update(None, "trusted_schema", false)
}

/// The file's format: `None` for an empty file.
///
/// # Errors
/// `Foreign` for a database that is not ours, `NewerFormat`, `Corrupt`.
pub(crate) fn format(connection: &Connection) -> Result<Option<u32>, Error> {
    let failed = |e| Error::of_sqlite(ErrorKind::Open, "read the journal's format", e);
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = number("user_version").map_err(failed)?;
    if number("application_id").map_err(failed)? != i64::from(APPLICATION_ID) {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
        if tables == 0 && found == 0 {
            return Ok(None);
        }
        return Err(Error::new(ErrorKind::Foreign, "read the journal's format").with("found", "another program's database"));
    }
    match u32::try_from(found) {
        Ok(found) if (1..=FORMAT).contains(&found) => Ok(Some(found)),
        Ok(found) if found > FORMAT => {
            let known = FORMAT;
            let kind = ErrorKind::NewerFormat { found, known };
            Err(Error::new(kind, "read the journal's format"))
        }
        _ => Err(Error::new(ErrorKind::Corrupt, "read the journal's format").with("format", found)),
    }
}

/// Brings the file to [`FORMAT`], one transaction for each step.
pub(crate) fn migrate(connection: &mut Connection, from: u32) -> rusqlite::Result<()> {
    for (number, step) in (1..).zip(MIGRATIONS).skip(from as usize) {
        let change = connection.transaction()?;
        change.execute_batch(step)?;
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", number)?;
        change.commit()?;
    }
    Ok(())
}
