//! What can go wrong with the journal, in words a person can act on. Not the text of the pages: those are in `docs/errors/`.

use ridethrough_model::Record;
use std::fmt;
use std::sync::Arc;

/// The closed list of what can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The journal cannot be opened: no such directory, no right.
    Open,
    /// The file is something else than a journal. It was left as it was.
    Foreign,
    /// A newer Ridethrough wrote the file or a record. Never skipped: a fact not understood may be the one that matters.
    NewerFormat {
        /// The version found.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// Another controller has this journal open.
    Held,
    /// The file is damaged.
    Corrupt,
    /// A record is there, but its content makes no sense.
    Unreadable,
    /// A commit failed: disk full, read-only, input/output error. The records are kept and tried again.
    Write,
    /// Reading failed; the file itself may be in order.
    Read,
    /// A later controller took the journal over. This one never writes to it again.
    StaleEpoch {
        /// The epoch of the one refused.
        ours: u64,
        /// The epoch that holds the journal.
        holder: u64,
    },
    /// More records wait for the disk than may: nothing was taken.
    Full,
    /// The records do not continue their run, or name another writer: a mistake in the caller. Nothing was taken.
    Refused,
    /// Records were not written before the journal was closed.
    Lost,
    /// The writer has ended.
    Closed,
}

impl ErrorKind {
    /// The stable code; `docs/errors/<code>.md` explains it. `None`: only a mistake in the program leads here.
    #[must_use]
    pub fn code(self) -> Option<&'static str> {
        match self {
            Self::Open | Self::Foreign | Self::Read => Some("RT0301"),
            Self::NewerFormat { .. } => Some("RT0302"),
            Self::Held => Some("RT0303"),
            Self::Corrupt | Self::Unreadable => Some("RT0304"),
            Self::Write => Some("RT0305"),
            Self::StaleEpoch { .. } => Some("RT0307"),
            Self::Full | Self::Lost => Some("RT0308"),
            Self::Refused | Self::Closed => None,
        }
    }

    /// Whether trying again later can help without anybody's doing.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Write | Self::Read | Self::Full)
    }

    /// What a person should do, in one sentence.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Open | Self::Read => "Check that the directory exists and that the controller's user may read and write it.",
            Self::Foreign => "Name another file for the journal; this one was left as it was.",
            Self::NewerFormat { .. } => "Run the Ridethrough that wrote it, or a newer one; this one would not see everything.",
            Self::Held => "Stop the other controller, or give this one a journal of its own.",
            Self::Corrupt | Self::Unreadable => {
                "Keep the file and its -wal aside for a look, then start with a new journal or load a backup."
            }
            Self::Write => "Make room on the disk, or mend it; the records are written by themselves then.",
            Self::StaleEpoch { .. } => "Find out which other controller uses this journal and stop one of the two.",
            Self::Full => "Mend the disk at once; what happens now is not written down.",
            Self::Lost => "Look into the controller's log for what happened; the journal does not have it.",
            Self::Refused | Self::Closed => "Report this as a mistake in Ridethrough.",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("the journal cannot be opened"),
            Self::Foreign => f.write_str("the file is not a journal"),
            Self::NewerFormat { found, known } => {
                write!(f, "the journal was written by a newer Ridethrough (version {found}, known up to {known})")
            }
            Self::Held => f.write_str("another controller has the journal open"),
            Self::Corrupt => f.write_str("the journal file is damaged"),
            Self::Unreadable => f.write_str("a record of the journal cannot be understood"),
            Self::Write => f.write_str("the journal cannot be written"),
            Self::Read => f.write_str("the journal cannot be read"),
            Self::StaleEpoch { ours, holder } => {
                write!(f, "a later controller took the journal over (we are epoch {ours}, it is {holder})")
            }
            Self::Full => f.write_str("too many records wait for the journal's disk"),
            Self::Refused => f.write_str("the records do not fit the journal"),
            Self::Lost => f.write_str("records were not written before the end"),
            Self::Closed => f.write_str("the journal's writer has ended"),
        }
    }
}

/// The cause below an [`Error`], shared so that an error can be kept and reported.
pub(crate) type Source = Arc<dyn std::error::Error + Send + Sync>;

/// A failed operation on the journal. `Display` is one line without the cause; the cause is in `source()`.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    context: Vec<(&'static str, String)>,
    #[source]
    source: Option<Source>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: &'static str) -> Self {
        Self { kind, operation, context: Vec::new(), source: None }
    }
    pub(crate) fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((key, value.to_string()));
        self
    }
    pub(crate) fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
    /// From SQLite: damage is damage wherever it shows; all else is what the operation makes of it.
    pub(crate) fn of_sqlite(otherwise: ErrorKind, operation: &'static str, source: rusqlite::Error) -> Self {
        let kind = match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => ErrorKind::Corrupt,
            _ => otherwise,
        };
        Self::new(kind, operation).because(source)
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }
    /// Where: path, run, sequence number.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.context
    }
    /// The stable code, if there is a page for it.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        self.kind.code()
    }
    /// The line of `Display`, then the cause, then what to do: for a log or a terminal.
    #[must_use]
    pub fn in_full(&self) -> String {
        use std::error::Error as _;
        let mut text = self.to_string();
        let mut last = String::new();
        let mut cause = self.source();
        while let Some(next) = cause {
            let said = next.to_string();
            // SQLite's errors are wrapped in their own words.
            if last.is_empty() || !said.ends_with(&last) {
                text = format!("{text}: {said}");
            }
            last = said;
            cause = next.source();
        }
        format!("{text}. {}", self.kind.remedy())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code() {
            write!(f, "{code} ")?;
        }
        write!(f, "{}: {}", self.operation, self.kind)?;
        for (i, (key, value)) in self.context.iter().enumerate() {
            write!(f, "{}{key} {value}", if i == 0 { " (" } else { ", " })?;
        }
        f.write_str(if self.context.is_empty() { "" } else { ")" })
    }
}

/// Records that were not taken, given back as they were.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{count} records were not taken by the journal", count = records.len())]
pub struct AppendError {
    /// Why.
    #[source]
    pub error: Error,
    /// All records of the call, in order: an append is taken whole or not at all.
    pub records: Vec<Record>,
}
