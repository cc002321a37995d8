//! Following: each record exactly once, by its number in its run, across restarts and outages of the connection.
//!
//! Records are numbered without gaps within a run. So one number per run that can still grow (the log outside outages, and the newest
//! runs) says what has been told; what comes after it is asked for, never "what is new".

use crate::command::{Said, level_tone};
use crate::failure::{Failure, exit};
use crate::output::{Style, printable};
use ridethrough_api::{Client, ClientError, Event, code};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);
/// Events in one answer at most, as the API has it.
const PAGE: usize = 1000;

/// What has been told: the last number, per run that may still grow.
#[derive(Clone, Debug, Default)]
struct Told {
    last: BTreeMap<u64, u64>,
    only: Option<u64>,
}

impl Told {
    /// Everything that is new, oldest first.
    async fn news(&mut self, client: &Client) -> Result<Vec<Event>, ClientError> {
        let runs = if self.only.is_none() { client.runs().await?.runs } else { Vec::new() };
        let newest = self.last.keys().next_back().copied().unwrap_or(0);
        for run in runs.iter().filter(|run| run.id > newest) {
            self.last.insert(run.id, 0);
        }
        let mut news: Vec<(String, Event)> = Vec::new();
        for (run, last) in &mut self.last {
            // Runs are merged by time, but within one the numbers count: the wall clock may have been set back.
            let mut latest_at = String::new();
            loop {
                let page = client.events(Some(*run), Some(&format!("{run}:{last}")), PAGE).await?.events;
                let is_full = page.len() == PAGE;
                // Told is told, whatever the answer holds.
                let page: Vec<Event> = page.into_iter().filter(|event| event.run == *run && event.seq > *last).collect();
                let Some(latest) = page.last().map(|event| event.seq) else { break };
                *last = latest;
                for event in page {
                    latest_at = latest_at.max(event.at.clone());
                    news.push((latest_at.clone(), event));
                }
                if !is_full {
                    break;
                }
            }
        }
        // An ended run has nothing more to tell; the newest one stays, to know which are newer.
        let newest = self.last.keys().next_back().copied().unwrap_or(0);
        let ended = |id: u64| runs.iter().any(|run| run.id == id && run.ended_at.is_some());
        self.last.retain(|run, _| *run == 0 || *run == newest || self.only == Some(*run) || !ended(*run));
        news.sort_by(|a, b| (&a.0, a.1.run, a.1.seq).cmp(&(&b.0, b.1.run, b.1.seq)));
        Ok(news.into_iter().map(|(_, event)| event).collect())
    }

    /// Begins where the last `limit` events end; returns them.
    async fn begin(client: &Client, only: Option<u64>, limit: usize) -> Result<(Self, Vec<Event>), ClientError> {
        let mut told = Self { last: BTreeMap::new(), only };
        let newest = match only {
            Some(_) => None,
            None => client.runs().await?.runs.first().map(|run| run.id),
        };
        for run in [Some(only.unwrap_or(0)), newest].into_iter().flatten() {
            let last = client.events(Some(run), None, 1).await?.events.last().map_or(0, |event| event.seq);
            told.last.insert(run, last);
        }
        // What came between these answers is news, and not in the page.
        let page = client.events(only, None, limit).await?.events;
        let is_old = |event: &Event| match told.last.get(&event.run) {
            Some(last) => event.seq <= *last,
            None => newest.is_none_or(|newest| event.run < newest),
        };
        let page = page.into_iter().filter(is_old).collect();
        Ok((told, page))
    }
}

/// Follows until it is interrupted, or nobody reads any more.
pub(super) async fn run(client: &Client, only: Option<u64>, limit: usize, style: &Style, is_json: bool) -> Result<Said, Failure> {
    let (mut told, page) = Told::begin(client, only, limit).await?;
    let mut goes_on = tell(&page, style, is_json)?;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_lost = false;
    while goes_on {
        ticks.tick().await;
        match told.news(client).await {
            Ok(news) => {
                if std::mem::take(&mut is_lost) {
                    eprintln!("the controller answers again");
                }
                goes_on = tell(&news, style, is_json)?;
            }
            Err(ClientError::Refused(error)) if error.code == code::NOT_FOUND => {
                let failure = Failure::from(ClientError::Refused(error));
                eprint!("{}", failure.text());
                return Err(Failure::new("", "the journal is another one now", "Follow it anew."));
            }
            Err(error) => {
                let failure = Failure::from(error);
                // A wrong token or a stranger does not mend itself; a controller that is away or busy does.
                if failure.exit != exit::UNREACHABLE && failure.error.code != code::BUSY && failure.error.code != code::JOURNAL {
                    return Err(failure);
                }
                if !std::mem::replace(&mut is_lost, true) {
                    let now = style.clock_time(jiff::Timestamp::now());
                    eprintln!("not reached since {now}, asking again every second: {}", failure.error.message);
                }
            }
        }
    }
    Ok(Said::done(String::new()))
}

/// Tells; false if nobody reads any more.
fn tell(events: &[Event], style: &Style, is_json: bool) -> Result<bool, Failure> {
    let text: String = events.iter().map(|event| line(event, style, is_json)).collect();
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new("", "the events cannot be written", "").because(&error)),
        Ok(()) => Ok(true),
    }
}

fn line(event: &Event, style: &Style, is_json: bool) -> String {
    if is_json {
        return format!("{}\n", serde_json::to_string(event).expect("the API's types always serialise"));
    }
    let at = event.at.parse().map_or_else(|_| event.at.clone(), |at| style.clock_time(at));
    let text = style.paint(level_tone(&event.severity), &printable(&event.text));
    format!("{at}  {:>7}  {text}\n", format!("{}:{}", event.run, event.seq))
}
