//! The past, from the journal: the same fold as recovery, told in words.

use crate::account;
use crate::convert;
use crate::narrate::{Names, Narrator, end_word, moment};
use ridethrough_api as api;
use ridethrough_decide::{RunState, RunView};
use ridethrough_model::{Record, RunId};
use ridethrough_store::{Error, Reader, RunSummary};

/// Events in a page unless asked otherwise.
pub(super) const PAGE: usize = 100;
/// Events in a page at most.
pub(super) const PAGE_MAX: usize = 1000;
/// Records of the site's log that are looked at: it grows for ever.
const SITE_LOG_MAX: u64 = 10_000;

/// One record's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    run: RunId,
    seq: u64,
}

impl Place {
    /// From `RUN:SEQ`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (run, seq) = text.split_once(':')?;
        Some(Self { run: RunId(run.parse().ok()?), seq: seq.parse().ok()? })
    }
}

/// What orders records of different runs: the wall clock, as these are for people.
type Key = (jiff::Timestamp, u64, u64);

fn key(record: &Record) -> Key {
    (record.at.wall, record.run.0, record.seq)
}

/// The last `limit` events, or the first `limit` after a place; of one run or of all. `None`: there is no such place.
pub(super) fn events(
    reader: &Reader,
    names: Names,
    run: Option<RunId>,
    after: Option<Place>,
    limit: usize,
) -> Result<Option<api::EventsPage>, Error> {
    let from = match after {
        None => None,
        // Before the first record of a run: all of it, where that run is asked for.
        Some(Place { run: named, seq: 0 }) if run == Some(named) => None,
        Some(place) => match reader.records_after(place.run, place.seq.saturating_sub(1), 1)?.first() {
            Some(record) if record.seq == place.seq => Some(key(record)),
            _ => return Ok(None),
        },
    };
    let mut told: Vec<(Key, api::Event)> = Vec::new();
    let mut tell = |run: RunId| -> Result<usize, Error> {
        let mut narrator = Narrator::knowing(names.clone());
        for record in &records(reader, run)? {
            let event = narrator.tell(record);
            let is_after = match after {
                // Within a run its numbers count: the wall clock may have been set back.
                Some(place) if place.run == record.run => record.seq > place.seq,
                _ => from.is_none_or(|from| key(record) > from),
            };
            if is_after {
                told.push((key(record), event));
            }
        }
        Ok(told.len())
    };
    match run {
        Some(run) => {
            tell(run)?;
        }
        None => {
            tell(RunId::SITE)?;
            let mut of_runs = 0;
            for summary in reader.runs()?.iter().rev() {
                let is_before = from.is_some_and(|from| summary.ended.as_ref().is_some_and(|end| end.at.wall < from.0));
                if is_before || (from.is_none() && of_runs >= limit) {
                    break;
                }
                of_runs += usize::try_from(summary.records).unwrap_or(usize::MAX);
                tell(summary.run)?;
            }
        }
    }
    if run.is_none() {
        told.sort_by_key(|(key, _)| *key);
    }
    let spare = told.len().saturating_sub(limit);
    let events: Vec<api::Event> = match after {
        Some(_) => told.into_iter().take(limit).map(|(_, event)| event).collect(),
        None => told.into_iter().skip(spare).map(|(_, event)| event).collect(),
    };
    let next = events.last().map(|event| format!("{}:{}", event.run, event.seq));
    Ok(Some(api::EventsPage { events, next }))
}

fn records(reader: &Reader, run: RunId) -> Result<Vec<Record>, Error> {
    if run == RunId::SITE {
        let last = reader.last_seq(run)?;
        return reader.records_after(run, last.saturating_sub(SITE_LOG_MAX), usize::MAX);
    }
    reader.read_run(run)
}

/// All runs, newest first.
pub(super) fn runs(reader: &Reader) -> Result<api::Runs, Error> {
    let runs = reader.runs()?.iter().rev().map(summary).collect();
    Ok(api::Runs { runs })
}

/// One run; `live` is how the site sees it if it is under way.
pub(super) fn run(reader: &Reader, names: Names, id: RunId, live: Option<RunView>) -> Result<Option<api::RunDetail>, Error> {
    let Some(found) = reader.runs()?.into_iter().find(|summary| summary.run == id) else { return Ok(None) };
    let records = reader.read_run(id)?;
    let mut narrator = Narrator::knowing(names);
    let mut state = RunState::new(id, found.incident);
    let mut events = Vec::new();
    for record in &records {
        events.push(narrator.tell(record));
        if let Err(error) = state.apply(record) {
            tracing::error!(%error, "a run in the journal cannot be followed to its end");
            break;
        }
    }
    let view = live.unwrap_or_else(|| state.view(|op| narrator.op(op)));
    let spare = events.len().saturating_sub(PAGE_MAX);
    Ok(Some(api::RunDetail {
        summary: summary(&found),
        run: convert::run(&view),
        account: account::account(&state, |op| narrator.op(op)),
        events: events.split_off(spare),
        is_truncated: spare > 0,
    }))
}

fn summary(run: &RunSummary) -> api::RunSummary {
    let (end, missing) = run.ended.as_ref().map_or(("open", Vec::new()), |ended| end_word(&ended.end));
    api::RunSummary {
        id: run.run.0,
        incident: run.incident,
        began_at: moment(run.opened.wall),
        ended_at: run.ended.as_ref().map(|ended| moment(ended.at.wall)),
        end: end.to_owned(),
        missing,
    }
}
