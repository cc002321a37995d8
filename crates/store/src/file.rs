//! The journal on a disk: SQLite, write-ahead log, synced at every commit. The only file that speaks SQL about records.

use crate::error::{Error, ErrorKind};
use crate::lock::Lock;
use crate::reader::Rows;
use crate::row::{Marks, RUN_ENDED, Row};
use crate::schema;
use crate::writer::Medium;
use rusqlite::{Connection, OpenFlags, Transaction};

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The writing side.
pub(crate) struct FileMedium {
    path: PathBuf,
    /// Which file it was when opened: a journal that was removed or replaced under us takes commits that nobody will find.
    identity: (u64, u64),
    /// `None` after a failure that may have spoilt it.
    connection: Option<Connection>,
    epoch: u64,
    /// Whether our epoch is in the file. On a full disk it gets there with the first commit that works.
    is_claimed: bool,
    /// Whether every frame in the log is known to be on the disk. After a sync that failed or was never waited for, they may be in
    /// the kernel's cache only, marked clean: read back today, gone with the power, and all later ones behind them.
    is_log_sound: bool,
    _lock: Lock,
}

/// What opening for writing found.
pub(crate) struct Opened {
    pub(crate) medium: FileMedium,
    pub(crate) epoch: u64,
    pub(crate) last_seqs: BTreeMap<u64, u64>,
    /// Why the file cannot be written at present, if so.
    pub(crate) failing: Option<Error>,
}

pub(crate) fn open(path: &Path) -> Result<Opened, Error> {
    const OPERATION: &str = "open the journal";
    let at = |e: Error| e.with("path", path.display());
    let lock = Lock::take(path)?;
    let failed = |e| at(Error::new(ErrorKind::Open, OPERATION).because(e));
    let identity = identity_or_create(path).map_err(failed)?;
    let failed = |e| at(Error::of_sqlite(ErrorKind::Open, OPERATION, e));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    // Before anything is changed: a file that is not ours, or of a newer program, is left as it was.
    let from = schema::format(&connection).map_err(at)?.unwrap_or(0);
    schema::set_up_writer(&connection).map_err(failed)?;
    schema::migrate(&mut connection, from).map_err(failed)?;
    let epoch = 1 + epoch_in(&connection).map_err(failed)?;
    let rows = FileRows(connection);
    let last_seqs = rows.last_seqs().map_err(at)?;
    let mut medium = FileMedium {
        path: path.to_owned(),
        identity,
        connection: Some(rows.0),
        epoch,
        is_claimed: false,
        is_log_sound: false,
        _lock: lock,
    };
    let failing = match medium.commit(&[]) {
        Ok(()) => None,
        Err(e) if e.kind() == ErrorKind::Write => Some(e),
        Err(e) => return Err(e),
    };
    Ok(Opened { medium, epoch, last_seqs, failing })
}

fn identity_or_create(path: &Path) -> std::io::Result<(u64, u64)> {
    if !path.try_exists()? {
        let mut new = OpenOptions::new();
        // What runs where and when it stops is nobody else's business.
        new.write(true).create(true).truncate(false).mode(0o600).open(path)?;
    }
    identity(path)
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|m| (m.dev(), m.ino()))
}

fn epoch_in(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT epoch FROM meta", [], |row| natural(row, 0))
}

impl Medium for FileMedium {
    fn commit(&mut self, rows: &[&Row]) -> Result<(), Error> {
        let outcome = self.try_commit(rows);
        match &outcome {
            Ok(()) => self.is_claimed = true,
            Err(_) => {
                self.connection = None;
                self.is_log_sound = false;
            }
        }
        outcome.map_err(|e| e.with("path", self.path.display()))
    }
}

impl FileMedium {
    fn try_commit(&mut self, rows: &[&Row]) -> Result<(), Error> {
        const OPERATION: &str = "write the journal";
        let failed = |e| Error::of_sqlite(ErrorKind::Write, OPERATION, e);
        let found = identity(&self.path).map_err(|e| Error::new(ErrorKind::Write, OPERATION).because(e))?;
        if found != self.identity {
            return Err(Error::new(ErrorKind::Write, OPERATION).with("found", "another file in the journal's place"));
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reconnect()?,
        };
        if !self.is_log_sound {
            clear_log(&connection)?;
            self.is_log_sound = true;
        }
        let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        self.claim(&change)?;
        insert(&change, rows)?;
        change.commit().map_err(failed)?;
        self.connection = Some(connection);
        Ok(())
    }

    fn reconnect(&self) -> Result<Connection, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)
            .and_then(|connection| schema::set_up_writer(&connection).map(|()| connection));
        connection.map_err(|e| Error::of_sqlite(ErrorKind::Write, "reopen the journal", e))
    }

    /// Holds the epoch, or takes it in this transaction; a later one in the file means that we are not the writer any more.
    fn claim(&self, change: &Transaction<'_>) -> Result<(), Error> {
        let failed = |e| Error::of_sqlite(ErrorKind::Write, "claim the journal", e);
        let holder = epoch_in(change).map_err(failed)?;
        if !self.is_claimed && holder + 1 == self.epoch {
            change.execute("UPDATE meta SET epoch = ?1", [integer(self.epoch)]).map_err(failed)?;
            return Ok(());
        }
        if holder == self.epoch {
            return Ok(());
        }
        let ours = self.epoch;
        Err(Error::new(ErrorKind::StaleEpoch { ours, holder }, "write the journal"))
    }
}

/// Brings all of the log into the main file, syncs that, and begins the log anew. See `is_log_sound`.
fn clear_log(connection: &Connection) -> Result<(), Error> {
    const OPERATION: &str = "clear the journal's log";
    let busy: i64 = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(|e| Error::of_sqlite(ErrorKind::Write, OPERATION, e))?;
    if busy == 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Write, OPERATION).with("found", "a reader that does not end"))
}

fn insert(change: &Transaction<'_>, rows: &[&Row]) -> Result<(), Error> {
    const OPERATION: &str = "write the journal";
    let failed = |e| Error::of_sqlite(ErrorKind::Write, OPERATION, e);
    let mut put = change.prepare_cached(INSERT).map_err(failed)?;
    let mut marks = Marks::default();
    let mut seqs: BTreeMap<u64, u64> = BTreeMap::new();
    for row in rows {
        let before = match seqs.get(&row.run) {
            Some(seq) => *seq,
            None => last_seq(change, row.run).map_err(failed)?,
        };
        // The queue saw to the order. A commit that failed may all the same be there; anything else is another writer's.
        let is_there = row.seq <= before && is_same(change, row).map_err(failed)?;
        if !is_there && row.seq != before + 1 {
            return Err(Error::new(ErrorKind::Refused, OPERATION)
                .with("run", row.run)
                .with("expected seq", before + 1)
                .with("got", row.seq));
        }
        seqs.insert(row.run, before.max(row.seq));
        marks.raise(row.marks);
        if !is_there {
            put.execute(columns_of(row)).map_err(failed)?;
        }
    }
    if marks != Marks::default() {
        let raise = "UPDATE meta SET plan_last = max(plan_last, ?1), action_last = max(action_last, ?2)";
        change.execute(raise, [integer(marks.plan), integer(marks.action)]).map_err(failed)?;
    }
    Ok(())
}

const INSERT: &str = "INSERT INTO record (run, seq, incident, epoch, mono_ms, boot_id, wall, kind, version, body)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

fn columns_of(row: &Row) -> impl rusqlite::Params {
    (
        integer(row.run),
        integer(row.seq),
        integer(row.incident),
        integer(row.epoch),
        integer(row.mono_ms),
        &row.boot_id,
        &row.wall,
        &row.kind,
        row.version,
        &row.body,
    )
}

fn last_seq(change: &Transaction<'_>, run: u64) -> rusqlite::Result<u64> {
    let mut last = change.prepare_cached("SELECT coalesce(max(seq), 0) FROM record WHERE run = ?1")?;
    last.query_row([integer(run)], |found| natural(found, 0))
}

fn is_same(change: &Transaction<'_>, row: &Row) -> rusqlite::Result<bool> {
    let mut there = change.prepare_cached(&format!("{SELECT} WHERE run = ?1 AND seq = ?2"))?;
    let found = there.query_row([integer(row.run), integer(row.seq)], row_of)?;
    let is_same = found.body == row.body && found.epoch == row.epoch && found.mono_ms == row.mono_ms;
    Ok(is_same && found.boot_id == row.boot_id && found.wall == row.wall)
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).expect("rows hold 63 bit numbers since they were encoded")
}

fn natural(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// The reading side.
pub(crate) struct FileRows(Connection);

/// Opens a file for reading only, also while a controller writes to it.
pub(crate) fn open_rows(path: &Path) -> Result<FileRows, Error> {
    const OPERATION: &str = "open the journal for reading";
    let at = |e: Error| e.with("path", path.display());
    let failed = |e| at(Error::of_sqlite(ErrorKind::Open, OPERATION, e));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    schema::set_up_reader(&connection).map_err(failed)?;
    match schema::format(&connection).map_err(at)? {
        Some(schema::FORMAT) => Ok(FileRows(connection)),
        Some(older) => Err(at(Error::new(ErrorKind::Open, OPERATION)
            .with("older format", older)
            .with("wanted", "a controller of this version has to open it first"))),
        None => Err(at(Error::new(ErrorKind::Open, OPERATION).with("found", "an empty file"))),
    }
}

impl FileRows {
    fn query<T>(
        &self,
        sql: &str,
        arguments: impl rusqlite::Params,
        each: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let read = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.0.prepare_cached(sql)?;
            statement.query_map(arguments, each)?.collect::<Result<_, _>>()
        };
        read().map_err(|e| Error::of_sqlite(ErrorKind::Read, "read the journal", e))
    }
}

fn row_of(found: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        run: natural(found, 0)?,
        seq: natural(found, 1)?,
        incident: natural(found, 2)?,
        epoch: natural(found, 3)?,
        mono_ms: natural(found, 4)?,
        boot_id: found.get(5)?,
        wall: found.get(6)?,
        kind: found.get(7)?,
        version: found.get(8)?,
        body: found.get(9)?,
        marks: Marks::default(),
    })
}

const SELECT: &str = "SELECT run, seq, incident, epoch, mono_ms, boot_id, wall, kind, version, body FROM record";

impl Rows for FileRows {
    fn rows(&self, run: u64, after: u64, limit: usize) -> Result<Vec<Row>, Error> {
        let sql = format!("{SELECT} WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // Numbers beyond what a row can hold name no row.
        let (Ok(run), Ok(after)) = (i64::try_from(run), i64::try_from(after)) else {
            return Ok(Vec::new());
        };
        self.query(&sql, [run, after, limit], row_of)
    }

    fn end_of(&self, run: u64) -> Result<Option<Row>, Error> {
        let sql = format!("{SELECT} WHERE run = ?1 AND kind = '{RUN_ENDED}' ORDER BY seq DESC LIMIT 1");
        Ok(self.query(&sql, [integer(run)], row_of)?.pop())
    }

    fn last_seqs(&self) -> Result<BTreeMap<u64, u64>, Error> {
        // From one run to the next by the index: a journal of years is opened in the middle of an outage, too.
        let sql = "WITH RECURSIVE each(run) AS (
                       SELECT min(run) FROM record
                       UNION ALL
                       SELECT (SELECT min(run) FROM record WHERE run > each.run) FROM each WHERE run IS NOT NULL)
                   SELECT run, (SELECT max(seq) FROM record WHERE run = each.run) FROM each WHERE run IS NOT NULL";
        let found = self.query(sql, [], |row| Ok((natural(row, 0)?, natural(row, 1)?)))?;
        Ok(found.into_iter().collect())
    }

    fn marks(&self) -> Result<Marks, Error> {
        let sql = "SELECT plan_last, action_last FROM meta";
        let found = self.query(sql, [], |row| Ok(Marks { plan: natural(row, 0)?, action: natural(row, 1)? }))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn check(&self) -> Result<(), Error> {
        let said = self.query("PRAGMA integrity_check(5)", [], |row| row.get::<_, String>(0))?;
        if said == ["ok"] {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Corrupt, "check the journal").with("found", said.join("; ")))
    }
}
