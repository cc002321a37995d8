//! Messages for people that wait to be delivered, in a small database of its own beside the journal: neither slows the other.
//!
//! It does not deliver, retry or choose; it remembers what waits for whom, over a crash too. A message is delivered at least
//! once: between "the server has it" and "we wrote that down" a crash may fall.

use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// More do not wait for one channel: the oldest go, and are counted.
pub const WAITING_MAX: u32 = 5_000;

/// What a table that is not there is made with. `dropped` outlives a restart: what is lost must be said to somebody.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA user_version = 1;
    CREATE TABLE IF NOT EXISTS letter (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, severity TEXT NOT NULL, text TEXT NOT NULL,
        why TEXT, code TEXT
    );
    CREATE TABLE IF NOT EXISTS waiting (
        channel TEXT NOT NULL, letter INTEGER NOT NULL REFERENCES letter (id), PRIMARY KEY (channel, letter)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS dropped (channel TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
";

/// One message, in English, one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// When it was said, in milliseconds since 1970 by the wall clock.
    pub at_ms: i64,
    /// `info`, `warning` or `alarm`.
    pub severity: String,
    /// What happened.
    pub text: String,
    /// Why, where it is not plain.
    pub why: Option<String>,
    /// `RTnnnn`, where there is a page for it.
    pub code: Option<String>,
}

/// Why the outbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// It cannot be opened: no such folder, no right, no database.
    #[error("the outbox {} cannot be opened", path.display())]
    Open {
        /// Where it should be.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A newer Ridethrough wrote it.
    #[error("the outbox {} was written by a newer Ridethrough (version {found})", path.display())]
    Newer {
        /// Where it is.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It cannot be read or written at present.
    #[error("the outbox cannot be used")]
    Use(#[from] rusqlite::Error),
}

/// The outbox. Every call blocks for the disk: keep it off the control loop.
#[derive(Debug)]
pub struct Outbox {
    connection: Mutex<Connection>,
}

impl Outbox {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// `Open` or `Newer`; the file is then left as it was.
    pub fn open(path: &Path) -> Result<Self, OutboxError> {
        use std::os::unix::fs::OpenOptionsExt;
        let failed = |source| OutboxError::Open { path: path.to_owned(), source };
        // What happens here is nobody else's business. A file that cannot be made is said by SQLite with its reason.
        drop(std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path));
        let connection = Connection::open(path).map_err(failed)?;
        let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
        if found > 1 {
            return Err(OutboxError::Newer { path: path.to_owned(), found });
        }
        connection.execute_batch(SCHEMA).map_err(failed)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A panic elsewhere leaves a transaction rolled back, nothing half done.
        self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Keeps a message for these channels; durable on return. Too many for one of them: its oldest go and are counted as dropped.
    ///
    /// # Errors
    /// `Use`: nothing was kept.
    pub fn put(&self, letter: &Letter, channels: &[String]) -> Result<(), OutboxError> {
        let mut connection = self.locked();
        let all = connection.transaction()?;
        all.execute(
            "INSERT INTO letter (at_ms, severity, text, why, code) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![letter.at_ms, letter.severity, letter.text, letter.why, letter.code],
        )?;
        let id = all.last_insert_rowid();
        for channel in channels {
            all.execute("INSERT INTO waiting (channel, letter) VALUES (?1, ?2)", params![channel, id])?;
            let oldest: Option<i64> = all
                .query_row(
                    "SELECT letter FROM waiting WHERE channel = ?1 ORDER BY letter DESC LIMIT 1 OFFSET ?2",
                    params![channel, WAITING_MAX],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(oldest) = oldest {
                let gone = all.execute("DELETE FROM waiting WHERE channel = ?1 AND letter <= ?2", params![channel, oldest])?;
                all.execute(
                    "INSERT INTO dropped VALUES (?1, ?2) ON CONFLICT (channel) DO UPDATE SET count = count + ?2",
                    params![channel, i64::try_from(gone).unwrap_or(i64::MAX)],
                )?;
            }
        }
        all.commit()?;
        Ok(())
    }

    /// The oldest messages that wait for a channel, in the order they were said, each with its number.
    ///
    /// # Errors
    /// `Use`.
    pub fn waiting(&self, channel: &str, count_max: u32) -> Result<Vec<(i64, Letter)>, OutboxError> {
        let connection = self.locked();
        let mut rows = connection.prepare_cached(
            "SELECT id, at_ms, severity, text, why, code FROM waiting JOIN letter ON letter = id
             WHERE channel = ?1 ORDER BY id LIMIT ?2",
        )?;
        let letters = rows.query_map(params![channel, count_max], |row| {
            let letter =
                Letter { at_ms: row.get(1)?, severity: row.get(2)?, text: row.get(3)?, why: row.get(4)?, code: row.get(5)? };
            Ok((row.get(0)?, letter))
        })?;
        Ok(letters.collect::<Result<_, _>>()?)
    }

    /// Notes that a channel has these; what nobody waits for any more is removed. Idempotent.
    ///
    /// # Errors
    /// `Use`: they may be delivered a second time.
    pub fn delivered(&self, channel: &str, ids: &[i64]) -> Result<(), OutboxError> {
        let mut connection = self.locked();
        let all = connection.transaction()?;
        for id in ids {
            all.execute("DELETE FROM waiting WHERE channel = ?1 AND letter = ?2", params![channel, id])?;
        }
        all.execute("DELETE FROM letter WHERE id NOT IN (SELECT letter FROM waiting)", [])?;
        all.commit()?;
        Ok(())
    }

    /// How many messages wait for a channel, and how many were dropped since that was last asked with `forget`.
    ///
    /// # Errors
    /// `Use`.
    pub fn counts(&self, channel: &str) -> Result<(u32, u32), OutboxError> {
        let connection = self.locked();
        let waiting = connection.query_row("SELECT count(*) FROM waiting WHERE channel = ?1", [channel], |row| row.get(0))?;
        let dropped =
            connection.query_row("SELECT count FROM dropped WHERE channel = ?1", [channel], |row| row.get(0)).optional()?;
        Ok((waiting, dropped.unwrap_or(0)))
    }

    /// Forgets how many were dropped: somebody was told. Idempotent.
    ///
    /// # Errors
    /// `Use`.
    pub fn dropped_was_told(&self, channel: &str) -> Result<(), OutboxError> {
        self.locked().execute("DELETE FROM dropped WHERE channel = ?1", [channel])?;
        Ok(())
    }

    /// Removes what waits for channels that are not among these: they are not configured any more. Returns how many went.
    ///
    /// # Errors
    /// `Use`.
    pub fn keep_only(&self, channels: &[String]) -> Result<u32, OutboxError> {
        let mut connection = self.locked();
        let all = connection.transaction()?;
        let known: Vec<String> = {
            let mut rows = all.prepare("SELECT DISTINCT channel FROM waiting")?;
            rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        let mut gone = 0;
        for channel in known.iter().filter(|channel| !channels.contains(channel)) {
            gone += all.execute("DELETE FROM waiting WHERE channel = ?1", [channel])?;
            all.execute("DELETE FROM dropped WHERE channel = ?1", [channel])?;
        }
        all.execute("DELETE FROM letter WHERE id NOT IN (SELECT letter FROM waiting)", [])?;
        all.commit()?;
        Ok(u32::try_from(gone).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(text: &str) -> Letter {
        Letter { at_ms: 1, severity: "alarm".into(), text: text.into(), why: None, code: Some("RT0404".into()) }
    }

    fn texts(outbox: &Outbox, channel: &str) -> Vec<String> {
        outbox.waiting(channel, 100).expect("readable").into_iter().map(|(_, letter)| letter.text).collect()
    }

    #[test]
    fn what_was_kept_waits_in_order_for_each_channel_over_a_restart_until_it_is_delivered() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("outbox.db");
        let both = ["mail".to_owned(), "pager".to_owned()];
        let outbox = Outbox::open(&path).expect("made");
        for text in ["one", "two"] {
            outbox.put(&letter(text), &both).expect("kept");
        }
        drop(outbox);
        let outbox = Outbox::open(&path).expect("opened again");
        let waiting = outbox.waiting("mail", 1).expect("readable");
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].1, letter("one"));
        outbox.delivered("mail", &[waiting[0].0]).expect("noted");
        assert_eq!((texts(&outbox, "mail"), texts(&outbox, "pager")), (vec!["two".into()], vec!["one".into(), "two".into()]));
        assert_eq!(outbox.keep_only(&["mail".to_owned()]).expect("removed"), 2);
        assert_eq!((texts(&outbox, "mail").len(), texts(&outbox, "pager").len()), (1, 0));
    }

    #[test]
    fn too_many_drop_the_oldest_and_count_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let outbox = Outbox::open(&dir.path().join("outbox.db")).expect("made");
        // Filled from inside: five thousand synced commits say nothing more.
        outbox
            .locked()
            .execute_batch(&format!(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {WAITING_MAX})
                 INSERT INTO letter SELECT i, i, 'info', 'old ' || i, NULL, NULL FROM n;
                 INSERT INTO waiting SELECT 'mail', id FROM letter;"
            ))
            .expect("filled");
        outbox.put(&letter("new"), &["mail".to_owned()]).expect("kept");
        assert_eq!(outbox.counts("mail").expect("counted"), (WAITING_MAX, 1));
        assert_eq!(texts(&outbox, "mail")[0], "old 2");
        outbox.dropped_was_told("mail").expect("noted");
        assert_eq!(outbox.counts("mail").expect("counted").1, 0);
    }

    #[test]
    fn a_newer_outbox_and_a_place_that_is_none_are_refused_by_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("outbox.db");
        Outbox::open(&path).expect("made").locked().execute_batch("PRAGMA user_version = 2").expect("made newer");
        assert!(Outbox::open(&path).expect_err("newer").to_string().contains("newer Ridethrough (version 2)"));
        let nowhere = dir.path().join("no").join("outbox.db");
        assert!(Outbox::open(&nowhere).expect_err("no folder").to_string().contains("no/outbox.db cannot be opened"));
    }
}
