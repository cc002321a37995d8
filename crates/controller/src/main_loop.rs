//! The one task that owns the state. Takes one event at a time, lets the site decide, carries out what it wants.
//!
//! It never waits for anything outside: not for the disk, not for a peer, not for a reader of its output.

use crate::clock::Clock;
use crate::drill::{self, Backstage};
use crate::durable::Marks;
use crate::event::Event;
use crate::narrate::Narrator;
use crate::pace::Pace;
use crate::performer::{Call, Performers, Ticket};
use crate::poller::{Pollers, Sightings};
use crate::probes::Probes;
use crate::reload::{Fresh, Ready, Reloader, Tried, Unfit};
use crate::server::{Ask, Facts, Present};
use crate::timers::Timers;
use crate::voice::{Line, Pulse, Voice};
use ridethrough_api::code;
use ridethrough_decide::{Command, CommandReply, Effect, Input, Site};
use ridethrough_model::{Entry, Finding, Notice, Now, Record, Severity};
use ridethrough_store::Journal;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

/// How often the site looks at the time.
const TICK: Duration = Duration::from_secs(1);

/// The log's name for what the voice says too, so that whoever reads both can leave it out.
const NOTICES: &str = "ridethrough::notice";

/// The loop's state.
pub(crate) struct Loop {
    pub(crate) site: Site,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) marks: Arc<Marks>,
    pub(crate) performers: Performers,
    pub(crate) timers: Timers,
    pub(crate) probes: Probes,
    pub(crate) pollers: Pollers,
    pub(crate) sightings: Arc<Sightings>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) voice: Arc<dyn Voice>,
    pub(crate) narrator: Narrator,
    pub(crate) facts: Facts,
    pub(crate) pace: Arc<Pace>,
    pub(crate) pulse: Arc<dyn Pulse>,
    pub(crate) reloader: Reloader,
}

impl Loop {
    /// Runs until `stop`; then writes what waits and ends. What is under way stays open in the journal.
    pub(crate) async fn run(mut self, stop: Pin<Box<dyn Future<Output = ()> + Send>>, first: Vec<Effect>) {
        let mut stop = stop;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.perform(first);
        self.note_start();
        loop {
            match self.next(&mut stop, &mut tick).await {
                Event::Stop => break,
                Event::Tick => {
                    self.step(Input::Tick);
                    self.pulse.beat();
                }
                Event::Journal(report) => self.step(report),
                Event::Replied(replied) => {
                    let Ticket { run, action, attempt } = replied.ticket;
                    self.step(Input::Reply { run, action, attempt, reply: replied.reply });
                }
                Event::Answered(input) | Event::Seen(input) => self.step(input),
                Event::Asked(ask) => self.answer(ask),
                Event::Reloaded(tried) => self.reloaded(tried),
                Event::ReloadWished => self.reloader.begin("SIGHUP".to_owned(), None),
                Event::Revived(who, reason) => {
                    tracing::error!(%who, reason, "a driver panicked while it looked; it is tried again");
                }
            }
        }
        self.end().await;
    }

    /// The order matters only when several are ready. The end first. Then the tick: it comes once a second, so it starves nobody,
    /// and nothing may starve it, as deadlines hang on it. Then the journal, as it sets free what waits. Then replies before
    /// sightings, so that a decision knows what has become of its own doing. People last, and with them another configuration:
    /// they can wait, outages cannot.
    async fn next(&mut self, stop: &mut Pin<Box<dyn Future<Output = ()> + Send>>, tick: &mut Interval) -> Event {
        tokio::select! { biased;
            () = stop => Event::Stop,
            _ = tick.tick() => Event::Tick,
            report = self.marks.next() => Event::Journal(report),
            replied = self.performers.next() => Event::Replied(replied),
            answered = self.timers.next() => Event::Answered(answered),
            answered = self.probes.next() => Event::Answered(answered),
            seen = self.sightings.take() => Event::Seen(seen),
            (who, reason) = self.pollers.revive_next() => Event::Revived(who, reason),
            tried = self.reloader.next() => tried.map_or(Event::ReloadWished, Event::Reloaded),
            Some(ask) = self.asks.recv() => Event::Asked(ask),
        }
    }

    fn step(&mut self, input: Input) {
        let effects = self.site.step(&self.clock.now(), input);
        self.perform(effects);
    }

    /// Carries out what the site wants, in its order. Returns the answer to a command, if one was given.
    fn perform(&mut self, effects: Vec<Effect>) -> Option<CommandReply> {
        let mut answer = None;
        let mut records = Vec::new();
        for effect in effects {
            if let Effect::Append(record) = effect {
                self.tell(&record);
                records.push(record);
                continue;
            }
            self.append(std::mem::take(&mut records));
            match effect {
                Effect::Append(_) => {}
                Effect::Start { run, action, attempt, op } => {
                    self.performers.ask(Ticket { run, action, attempt }, Call::Start(op));
                }
                Effect::Poll { run, action, attempt, op, task } => {
                    self.performers.ask(Ticket { run, action, attempt }, Call::Poll(op, task));
                }
                Effect::Observe { run, action, attempt, op } => {
                    self.performers.ask(Ticket { run, action, attempt }, Call::Observe(op));
                }
                Effect::Follow { ups, is_needed } => self.pollers.follow(&ups, is_needed),
                Effect::Timer { host, call } => self.timers.ask(host, call),
                Effect::ObserveHost(host) => self.pollers.hasten_host(&host),
                Effect::ObserveLoad(load) => self.pollers.hasten_load(&load),
                Effect::Probe { vm, probe } => self.probes.ask(vm, probe),
                Effect::ReadInventory(platform) => self.pollers.hasten_platform(&platform),
                Effect::Notify(notice) => self.notify(notice),
                Effect::Answer(reply) => answer = Some(reply),
            }
        }
        self.append(records);
        self.performers.dispatch();
        self.pollers.set_at_risk(self.site.is_at_risk());
        answer
    }

    fn append(&mut self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        if let Err(refused) = self.journal.append(records) {
            let reason = refused.error.in_full();
            tracing::error!(
                records = refused.records.len(),
                reason,
                "the journal does not take records; they are lost if this process ends"
            );
            self.marks.failed(reason);
        }
    }

    /// Says a record, and what it would do where it only observes.
    fn tell(&mut self, record: &Record) {
        let event = self.narrator.tell(record);
        tracing::debug!(run = event.run, seq = event.seq, kind = event.kind, text = event.text, "record");
        // A notice comes as an effect of its own, also when it could not be written down; that a request was accepted is no news.
        if !matches!(
            record.entry,
            Entry::Noticed { .. }
                | Entry::UpsNoted { .. }
                | Entry::Accepted { .. }
                | Entry::HoldBegun { .. }
                | Entry::RunAborted { .. }
                | Entry::AbortEnded { .. }
                | Entry::DrillHeld { .. }
        ) {
            let why = match &record.entry {
                Entry::Intended { action, .. } => self.narrator.why(record.run, *action).map(str::to_owned),
                _ => None,
            };
            let severity = match event.severity.as_str() {
                "alarm" => Severity::Alarm,
                "warning" => Severity::Warning,
                _ => Severity::Info,
            };
            let is_milestone = matches!(record.entry, Entry::PowerChanged { .. } | Entry::RunEnded { .. });
            let line = Line { at: record.at.wall, severity, text: event.text, why, code: None, is_milestone };
            self.voice.say(line);
        }
        for would in self.narrator.would(record) {
            let when = match would.in_ms {
                0 => String::new(),
                ms => format!(" in {}", ridethrough_model::Millis(ms)),
            };
            let text = format!("{}{when}", would.text);
            let (at, why) = (record.at.wall, Some(would.why));
            self.voice.say(Line { at, severity: Severity::Info, text, why, code: None, is_milestone: false });
        }
        if matches!(record.entry, Entry::RunEnded { .. }) {
            self.narrator.forget_runs();
        }
    }

    fn notify(&self, notice: Notice) {
        let code = notice.code.as_deref().unwrap_or("");
        match notice.severity {
            Severity::Info => tracing::info!(target: NOTICES, code, text = notice.text, "notice"),
            Severity::Warning => tracing::warn!(target: NOTICES, code, text = notice.text, "notice"),
            Severity::Alarm => tracing::error!(target: NOTICES, code, text = notice.text, "notice"),
        }
        let Notice { severity, code, text } = notice;
        self.voice.say(Line { at: self.clock.now().wall, severity, text, why: None, code, is_milestone: false });
    }

    fn answer(&mut self, ask: Ask) {
        let now = self.clock.now();
        match ask {
            Ask::View(tx) => {
                // Whoever asked may have gone away; that is no matter.
                let _gone = tx.send(Box::new(self.present(&now)));
            }
            Ask::PlanIf(upses, tx) => {
                let _gone = tx.send(Box::new((self.present(&now), self.site.plan_if(&now, &upses))));
            }
            Ask::Reload(by, tx) => self.reloader.begin(by, Some(tx)),
            Ask::Backstage(tx) => {
                let _gone = tx.send(Box::new(self.backstage(&now)));
            }
            Ask::KeepDrill(level, parts, by, tx) => {
                self.command(Command::KeepDrill { level, parts, by }, &now);
                let _gone = tx.send(self.site.drills().last().cloned());
            }
            Ask::Drills(tx) => {
                let _gone = tx.send(self.site.drills().to_vec());
            }
            Ask::DrillsDue(tx) => {
                let _gone = tx.send(drill::due(&self.pace, self.site.drills(), now.wall));
            }
            Ask::Command(command, tx) => {
                let _gone = tx.send(self.command(command, &now));
            }
        }
    }

    fn backstage(&self, now: &Now) -> Backstage {
        Backstage {
            site: self.site.clone(),
            config: self.site.config().clone(),
            endpoints: self.reloader.endpoints().clone(),
            now: now.clone(),
            refusal: self.site.why_no_drill(now.mono),
        }
    }

    fn present(&self, now: &Now) -> Present {
        let view = self.site.view(now);
        Present { now: now.clone(), view, is_at_risk: self.site.is_at_risk(), facts: self.facts.clone() }
    }

    fn command(&mut self, command: Command, now: &Now) -> CommandReply {
        tracing::info!(?command, "a person asks");
        let effects = self.site.step(now, Input::Command(command));
        self.perform(effects).unwrap_or_else(|| {
            let finding =
                Finding::error("RT0255", "controller", "the command got no answer.", "Report this as a mistake in Ridethrough.");
            CommandReply::Refused(vec![finding])
        })
    }

    /// Writes down the configuration of this start, if it is another one than that of the last.
    fn note_start(&mut self) {
        let digest = self.reloader.digest().to_owned();
        if digest.is_empty() {
            return;
        }
        let effects = self.site.note_start(&digest, &self.clock.now());
        self.perform(effects);
    }

    fn reloaded(&mut self, tried: Tried) {
        let Tried { outcome, waiting } = tried;
        let done = match outcome {
            Ok(ready) => self.put_in_force(*ready),
            Err(unfit) => Err(unfit),
        };
        if let Err(unfit) = &done {
            self.refuse(unfit);
        }
        if let Some(waiting) = waiting {
            // Whoever asked may have gone away; that is no matter.
            let _gone = waiting.send(done);
        }
    }

    /// As a whole or not at all: first the site, then what looks and does, then what hangs on it.
    fn put_in_force(&mut self, ready: Ready) -> Result<Vec<Finding>, Unfit> {
        let Ready { fresh, proposal } = ready;
        let (changed, now) = (proposal.changed.clone(), self.clock.now());
        let effects = self.site.step(&now, Input::Command(Command::Configure(Box::new(proposal))));
        let is_done = effects.iter().any(|effect| matches!(effect, Effect::Answer(CommandReply::Done(_))));
        if is_done {
            let Fresh { pace, endpoints, prints, digest, place, .. } = fresh;
            if digest != self.facts.configuration.digest {
                self.facts.configuration.since = now.wall;
            }
            let pace = if pace == *self.pace { self.pace.clone() } else { Arc::new(pace) };
            let endpoints = self.reloader.put(endpoints, prints, digest.clone());
            self.pollers.exchange(&endpoints, &changed, &pace);
            self.timers.exchange(&endpoints, pace.host_call_deadline);
            self.performers.exchange(endpoints, pace.clone());
            self.pace = pace;
            self.facts.configuration.digest = digest;
            self.facts.configuration.refused = None;
            place();
        }
        match self.perform(effects) {
            Some(CommandReply::Done(findings)) => Ok(findings),
            Some(CommandReply::Refused(findings)) => Err(Unfit {
                code: code::UNSUITED.to_owned(),
                message: "The new configuration does not suit what is going on; the one before goes on.".to_owned(),
                remedy: "Do what the findings say, then ask again.".to_owned(),
                findings,
            }),
            None => unreachable!("the site answers every command in its own step"),
        }
    }

    /// Says it to everybody: whoever changed the file may not be the one who looks.
    fn refuse(&mut self, unfit: &Unfit) {
        let now = self.clock.now();
        self.facts.configuration.refused = Some((now.wall, unfit.clone()));
        let text = format!("The configuration was not reloaded, the one before goes on. {}", unfit.reasons());
        let effects = self.site.step(&now, Input::Command(Command::NoteUnfit { code: unfit.code.clone(), text }));
        self.perform(effects);
    }

    /// Ends cleanly: nothing more is begun, what was said is written.
    async fn end(self) {
        let Self { site, journal, clock, voice, pace, pollers, performers, timers, .. } = self;
        drop((pollers, performers, timers));
        if site.is_at_risk() {
            let text = "Ending in the middle of an incident. It stays open in the journal; the next start takes it up. Until then nothing is done.";
            tracing::warn!("{text}");
            let (at, text) = (clock.now().wall, text.to_owned());
            voice.say(Line { at, severity: Severity::Warning, text, why: None, code: None, is_milestone: true });
        }
        let wait_max = pace.flush_deadline;
        let closed = tokio::task::spawn_blocking(move || journal.close(wait_max)).await;
        match closed {
            Ok(Ok(())) => tracing::info!("ended; the journal is complete"),
            Ok(Err(error)) => tracing::error!(reason = error.in_full(), "ended; the last records are lost"),
            Err(error) => tracing::error!(%error, "ended; the journal's end is not known"),
        }
    }
}
