//! A record as it lies on the disk, and the way there and back. Knows every kind and version of record; knows no SQLite.

use crate::error::{Error, ErrorKind};
use crate::upgrade::upgraded;
use ridethrough_model::{BootId, Entry, Mono, Now, Record, RunId};

/// Every kind of record this program reads, with the newest version of its body. A kind or a version that is added here also
/// adds a migration in `schema.rs`, be it empty, so that an older program refuses the file at the door.
pub(crate) const KNOWN: &[(&str, u32)] = &[
    ("armed", 1),
    ("disarmed", 1),
    ("maintenance-begun", 1),
    ("maintenance-ended", 1),
    ("hold-begun", 1),
    ("hold-ended", 1),
    ("run-aborted", 1),
    ("abort-ended", 1),
    ("configured", 1),
    ("battery-learned", 1),
    ("power-changed", 1),
    ("incident-opened", 1),
    ("home-added", 1),
    ("plan-committed", 1),
    ("intended", 1),
    ("accepted", 1),
    ("finished", 1),
    ("overran", 1),
    ("latched", 1),
    ("host-proven-off", 1),
    ("ups-noted", 1),
    ("vms-fell", 1),
    ("vm-left-off", 1),
    ("vm-ready", 1),
    ("vm-not-ready", 1),
    ("guard-recorded", 1),
    ("guard-released", 1),
    ("timer-intended", 1),
    ("timer-set", 1),
    ("timer-fired", 1),
    ("timer-ended", 1),
    ("journal-degraded", 1),
    ("noticed", 1),
    ("recovered", 1),
    ("drill-held", 1),
    ("run-ended", 1),
];

/// The kind that ends a run.
pub(crate) const RUN_ENDED: &str = "run-ended";

/// One row. Numbers are checked to fit SQLite's signed integers.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) run: u64,
    pub(crate) seq: u64,
    pub(crate) incident: u64,
    pub(crate) epoch: u64,
    pub(crate) mono_ms: u64,
    pub(crate) boot_id: String,
    pub(crate) wall: String,
    pub(crate) kind: String,
    pub(crate) version: u32,
    pub(crate) body: String,
    /// The largest plan and action number it mentions; not a column, but kept as high-water marks.
    pub(crate) marks: Marks,
}

/// The largest plan and action number used so far: where [`ridethrough_model::Ids`] continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) plan: u64,
    pub(crate) action: u64,
}

impl Marks {
    pub(crate) fn raise(&mut self, other: Self) {
        self.plan = self.plan.max(other.plan);
        self.action = self.action.max(other.action);
    }

    fn of(entry: &Entry) -> Self {
        match entry {
            Entry::PlanCommitted { plan, .. } => {
                Self { plan: plan.id.0, action: plan.actions.last_key_value().map_or(0, |(id, _)| id.0) }
            }
            Entry::Intended { action, .. }
            | Entry::Accepted { action, .. }
            | Entry::Finished { action, .. }
            | Entry::Overran { action, .. } => Self { plan: 0, action: action.0 },
            _ => Self::default(),
        }
    }
}

impl Row {
    /// Encodes a record.
    ///
    /// # Errors
    /// `Refused`: a number beyond 63 bits, or a kind this module was not told of.
    pub(crate) fn encode(record: &Record) -> Result<Self, Error> {
        let refused = || Error::new(ErrorKind::Refused, "encode record").with("run", record.run).with("seq", record.seq);
        let kind = record.entry.kind();
        let version = newest(kind).ok_or_else(|| refused().with("unknown kind", kind))?;
        let numbers = [record.run.0, record.seq, record.incident, record.epoch, record.at.mono.0];
        if let Some(number) = numbers.into_iter().find(|n| i64::try_from(*n).is_err()) {
            return Err(refused().with("number beyond 63 bits", number));
        }
        let body = serde_json::to_string(&record.entry).map_err(|e| refused().because(e))?;
        Ok(Self {
            run: record.run.0,
            seq: record.seq,
            incident: record.incident,
            epoch: record.epoch,
            mono_ms: record.at.mono.0,
            boot_id: record.at.boot_id.0.clone(),
            wall: record.at.wall.to_string(),
            kind: kind.to_owned(),
            version,
            body,
            marks: Marks::of(&record.entry),
        })
    }

    /// Decodes a row.
    ///
    /// # Errors
    /// `NewerFormat` for a version or kind beyond what is known, `Unreadable` for a body that makes no sense.
    pub(crate) fn decode(&self) -> Result<Record, Error> {
        let error = |kind| Error::new(kind, "decode record").with("run", self.run).with("seq", self.seq).with("kind", &self.kind);
        let known = newest(&self.kind).unwrap_or(0);
        if self.version > known {
            let found = self.version;
            return Err(error(ErrorKind::NewerFormat { found, known }));
        }
        let unreadable = || error(ErrorKind::Unreadable);
        let newest = if self.version == known {
            None
        } else {
            let newest = upgraded(&self.kind, self.version, known, &self.body);
            Some(newest.map_err(|reason| unreadable().with("reason", reason))?)
        };
        let body = newest.as_deref().unwrap_or(&self.body);
        let entry: Entry = serde_json::from_str(body).map_err(|e| unreadable().because(e))?;
        if entry.kind() != self.kind {
            return Err(unreadable().with("body of kind", entry.kind()));
        }
        Ok(Record {
            run: RunId(self.run),
            seq: self.seq,
            incident: self.incident,
            epoch: self.epoch,
            at: Now {
                mono: Mono(self.mono_ms),
                boot_id: BootId(self.boot_id.clone()),
                wall: self.wall.parse().map_err(|_| unreadable().with("wall clock", &self.wall))?,
            },
            entry,
        })
    }
}

fn newest(kind: &str) -> Option<u32> {
    KNOWN.iter().find(|(name, _)| *name == kind).map(|(_, version)| *version)
}
