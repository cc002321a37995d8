//! From parts to a running controller: open the journal, learn from it, start the pollers, hand all to the loop.

use crate::clock::Clock;
use crate::connect_check::Endpoints;
use crate::drill::keep_schedule;
use crate::durable::Marks;
use crate::main_loop::Loop;
use crate::narrate::Narrator;
use crate::pace::Pace;
use crate::performer::Performers;
use crate::poller::Pollers;
use crate::probes::Probes;
use crate::reload::{Reloader, Reloading};
use crate::server::{ASKS_MAX, Configuration, Facts, ServerParts, serve};
use crate::timers::Timers;
use crate::voice::{Line, Pulse, Voice};
use ridethrough_decide::{Effect, RunError, Site, SiteConfig};
use ridethrough_model::{Now, RunId, Severity};
use ridethrough_store::{Journal, Memory, Reader};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Where the journal is.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In that file.
    File(PathBuf),
    /// In memory, for tests and the simulator.
    Memory(Memory),
}

/// What a controller is made of.
#[derive(Debug)]
pub struct Parts {
    /// What it looks at and drives.
    pub endpoints: Endpoints,
    /// Where it writes.
    pub storage: Storage,
    /// What the user configured.
    pub config: SiteConfig,
    /// How often it looks.
    pub pace: Pace,
    /// What time it is.
    pub clock: Clock,
    /// The API; none in most tests.
    pub server: Option<ServerParts>,
    /// Who is told what happens.
    pub voice: Arc<dyn Voice>,
    /// Who is told that the loop runs.
    pub pulse: Arc<dyn Pulse>,
    /// The program's version.
    pub version: String,
    /// How another configuration comes in; none in most tests.
    pub reload: Option<Reloading>,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be opened or read.
    #[error("the controller cannot start without its journal")]
    Journal(#[source] ridethrough_store::Error),
    /// The journal's records do not follow each other.
    #[error("the journal holds a run that cannot be")]
    Run(#[source] RunError),
}

/// Runs a controller until `stop`. A run under way then stays open in the journal and is taken up by the next start.
///
/// # Errors
/// Only before it has started: a journal that cannot be opened, read or understood.
pub async fn run(parts: Parts, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
    let Parts { endpoints, storage, config, pace, clock, server, voice, pulse, version, reload } = parts;
    let marks = Arc::new(Marks::default());
    let journal = match &storage {
        Storage::File(path) => Journal::open(path, marks.reporter()).map_err(StartError::Journal)?,
        Storage::Memory(memory) => Journal::in_memory(memory, marks.reporter()),
    };
    let reader = journal.reader().map_err(StartError::Journal)?;
    let now = clock.now();
    let mut narrator = Narrator::default();
    let (site, first) = recover(config, journal.epoch(), &now, &reader, &*voice, &mut narrator)?;
    let pace = Arc::new(pace);
    let reloader = Reloader::new(reload, endpoints.clone(), clock.clone());
    let configuration = Configuration { since: now.wall, digest: reloader.digest().to_owned(), refused: None };
    let performers = Performers::new(clock.clone(), pace.clone(), endpoints.clone());
    let Endpoints { devices, platforms, hosts, last_resorts, loads, hooks: _, prober } = endpoints;
    let (pollers, sightings) = Pollers::start(clock.clone(), pace.clone(), &devices, &platforms, &hosts, &loads);
    let timers = Timers::new(clock.clone(), pace.host_call_deadline, last_resorts);
    let probes = Probes::new(clock.clone(), prober);
    let (tx, asks) = mpsc::channel(ASKS_MAX);
    let mut serving = JoinSet::new();
    if let Some(parts) = server {
        serving.spawn(keep_schedule(tx.clone(), parts.alerts.clone()));
        serving.spawn(serve(parts, tx, reader));
    }
    let the_loop = Loop {
        site,
        clock,
        journal,
        marks,
        performers,
        timers,
        probes,
        pollers,
        sightings,
        asks,
        voice,
        narrator,
        facts: Facts { version, started: now.mono, configuration },
        reloader,
        pace,
        pulse,
    };
    the_loop.run(Box::pin(stop), first).await;
    Ok(())
}

/// What the journal knows: modes, maintenance, and the run that did not end.
fn recover(
    config: SiteConfig,
    epoch: u64,
    now: &Now,
    reader: &Reader,
    voice: &dyn Voice,
    narrator: &mut Narrator,
) -> Result<(Site, Vec<Effect>), StartError> {
    let site_log = reader.read_run(RunId::SITE).map_err(StartError::Journal)?;
    let runs = reader.runs().map_err(StartError::Journal)?;
    let runs_seen = runs.last().map_or(0, |run| run.run.0);
    let incident_last = runs.iter().map(|run| run.incident).max().unwrap_or(0);
    let open_run = match runs.last().filter(|run| run.ended.is_none()) {
        Some(open) => {
            tracing::warn!(run = open.run.0, records = open.records, "a run did not end; it is taken up");
            voice.say(Line {
                at: now.wall,
                severity: Severity::Warning,
                text: format!("run {} did not end before the last stop; it is taken up", open.run),
                why: None,
                code: None,
                is_milestone: true,
            });
            reader.read_run(open.run).map_err(StartError::Journal)?
        }
        None => Vec::new(),
    };
    for record in &open_run {
        // Said before the stop; listened to only for what later records refer to.
        drop((narrator.tell(record), narrator.would(record)));
    }
    Site::recover(config, epoch, now, &site_log, &open_run, runs_seen, incident_last).map_err(StartError::Run)
}
