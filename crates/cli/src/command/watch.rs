//! `ridethrough status --watch`: asks once a second, and shows it: a picture on a terminal, a line per change in a pipe. What is
//! asked and when is here; the picture is in `watch/picture`, the terminal's manners in `watch/terminal`.
//!
//! A controller that does not answer never stops the picture: it says since when, and counts on from what was last known.

mod line;
mod picture;
mod terminal;

use super::Said;
use super::frame::{self, Palette};
use super::verdict::verdict;
use crate::failure::{Failure, exit};
use crate::output::Style;
use jiff::Timestamp;
use picture::{Seen, rows};
use ridethrough_api::{Client, Event, Status};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use terminal::Terminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How often the controller is asked, and the picture drawn.
const EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take before it is said that there is none.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// Events asked for with each look.
const EVENTS_MAX: usize = 12;

/// One look: what the controller said, or why not.
type Look = Result<(Status, Vec<Event>), Failure>;

async fn look(client: &Client) -> Look {
    let asked = async {
        let status = client.status().await?;
        // What happened is an extra: without it the rest still shows.
        let events = client.events(None, None, EVENTS_MAX).await.map(|page| page.events).unwrap_or_default();
        Ok((status, events))
    };
    let late = || Failure::new(ridethrough_api::code::BUSY, format!("no answer from {} within 4s", client.url()), "");
    timeout(ANSWER_MAX, asked).await.unwrap_or_else(|_| Err(late()))
}

/// Watches until it is told to end, or nobody reads any more.
pub(super) async fn run(client: &Client, style: &Style, is_json: bool) -> Result<Said, Failure> {
    let failed = |error: io::Error| Failure::new("", "it cannot be watched here", "").because(&error);
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let terminal =
        if !is_json && !is_dumb && io::stdout().is_terminal() { Some(Terminal::enter().map_err(failed)?) } else { None };
    let mut watch = Watch { style, is_json, seen: Seen::default(), said: String::new() };
    let result = watch.follow(client, terminal.is_some()).await;
    drop(terminal);
    result.map_err(failed)?;
    let exit = match (&watch.seen.status, watch.seen.lost_at) {
        (Some(status), None) => verdict(status).exit(),
        _ => exit::UNREACHABLE,
    };
    Ok(Said { text: String::new(), exit })
}

struct Watch<'a> {
    style: &'a Style,
    is_json: bool,
    seen: Seen,
    /// The last line's facts, so that a pipe gets a line per change only.
    said: String,
}

impl Watch<'_> {
    async fn follow(&mut self, client: &Client, is_picture: bool) -> io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut resize = signal(SignalKind::window_change())?;
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut asking = Box::pin(look(client));
        let mut is_asking = true;
        loop {
            // To end comes first; a new size or answer is shown before the clock's next tick.
            let goes_on = tokio::select! { biased;
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                _ = hangup.recv() => return Ok(()),
                _ = resize.recv() => self.show(is_picture)?,
                answer = &mut asking, if is_asking => {
                    is_asking = false;
                    self.seen.take(answer, Timestamp::now(), Instant::now());
                    self.show(is_picture)?
                }
                _ = ticks.tick() => {
                    if !is_asking {
                        asking.set(look(client));
                        is_asking = true;
                    }
                    !is_picture || self.show(is_picture)?
                }
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Shows what is known; false if nobody reads any more.
    fn show(&mut self, is_picture: bool) -> io::Result<bool> {
        if is_picture {
            let (width, height) = terminal::size();
            let rows = rows(&self.seen, self.style, Instant::now(), width, height);
            return write(&frame::show(&rows, width, height, Palette::of_environment()));
        }
        let text = if self.is_json { line::json(&self.seen) } else { line::text(&self.seen, self.style) };
        let facts = if self.is_json { text.clone() } else { line::facts(&self.seen) };
        if facts == self.said {
            return Ok(true);
        }
        self.said = facts;
        write(&text)
    }
}

/// False if nobody reads any more.
fn write(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
        Ok(()) => Ok(true),
    }
}
