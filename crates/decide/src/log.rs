//! The journal's side of a site: what was appended, what is durable, what must wait for it, and what happens when it hangs.
//!
//! Intent is durable before effect (rule 5). A journal that fails or hangs must not stop a shutdown on battery: then the site
//! goes on in memory and says so (rule 6). On mains it waits, and alarms.

use crate::hold::Hold;
use crate::input::Effect;
use crate::plant::Plant;
use crate::run::RunState;
use crate::site::Site;
use ridethrough_model::entry::Outcome;
use ridethrough_model::{DomainMode, Entry, Mono, Notice, Now, Record, RunId, Severity};
use std::collections::VecDeque;

/// What is known of the journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// The last record of run 0.
    site_seq: u64,
    /// Appended and not yet durable: run, seq, since when.
    pending: VecDeque<(RunId, u64, Mono)>,
    /// Effects that wait for a record.
    held: Vec<(RunId, u64, Effect)>,
    /// Records are kept in memory; nothing waits for them.
    pub(crate) is_degraded: bool,
    /// What the journal said last when it failed.
    failure: Option<String>,
}

impl Log {
    /// Whether that record is durable.
    pub(crate) fn is_durable(&self, run: RunId, seq: u64) -> bool {
        !self.pending.iter().any(|(r, s, _)| (*r, *s) == (run, seq))
    }
    /// Whether it does not keep up: arming and the like are refused.
    pub(crate) fn is_stalled(&self, now: Mono, limit: ridethrough_model::Millis) -> bool {
        self.is_degraded || self.failure.is_some() || self.pending.front().is_some_and(|(_, _, since)| now.since(*since) >= limit)
    }
}

impl Site {
    /// Writes a fact into the open run, or into the site's log if there is none.
    pub(crate) fn append(&mut self, entry: Entry, now: &Now) -> (RunId, u64) {
        match &self.run {
            Some(run) => {
                let (id, incident, seq) = (run.id, run.incident, run.seq + 1);
                self.push(Record { run: id, seq, incident, epoch: self.epoch, at: now.clone(), entry })
            }
            None => self.append_site(entry, now),
        }
    }

    /// Writes a fact into the site's log.
    pub(crate) fn append_site(&mut self, entry: Entry, now: &Now) -> (RunId, u64) {
        let seq = self.log.site_seq + if self.is_planted(Plant::RecordsLeaveGaps) { 2 } else { 1 };
        self.push(Record { run: RunId::SITE, seq, incident: 0, epoch: self.epoch, at: now.clone(), entry })
    }

    fn push(&mut self, mut record: Record) -> (RunId, u64) {
        if self.is_planted(Plant::StaleEpoch) {
            record.epoch = record.epoch.saturating_sub(1);
        }
        let place = (record.run, record.seq);
        if record.run == RunId::SITE {
            self.log.site_seq = record.seq;
        } else if let Some(run) = &mut self.run {
            run.apply(&record).expect("the site appends only what its own run allows; a breach is a bug worth a restart");
        }
        self.log.pending.push_back((record.run, record.seq, record.at.mono));
        self.out.push(Effect::Append(record));
        place
    }

    /// Performs an effect once that record is durable, or at once while the journal is degraded.
    pub(crate) fn after(&mut self, place: (RunId, u64), effect: Effect) {
        if self.is_planted(Plant::SentTwice) && matches!(effect, Effect::Start { .. }) {
            self.log.held.push((place.0, place.1, effect.clone()));
        }
        if self.log.is_degraded || self.is_planted(Plant::StartBeforeDurable) {
            self.out.push(effect);
        } else {
            self.log.held.push((place.0, place.1, effect));
        }
    }

    pub(crate) fn be_durable(&mut self, run: RunId, seq: u64, now: &Now) {
        self.log.pending.retain(|(r, s, _)| *r != run || *s > seq);
        let (ready, held) = std::mem::take(&mut self.log.held).into_iter().partition(|(r, s, _)| *r == run && *s <= seq);
        self.log.held = held;
        self.release(ready, now);
        if self.log.pending.is_empty() {
            self.log.failure = None;
            if std::mem::take(&mut self.log.is_degraded) {
                self.told.remove("journal");
                self.notice(Severity::Info, Some("RT0404"), "The journal works again; nothing was lost.".to_owned(), now);
            }
        }
    }

    /// What waited for the journal goes out, unless its attempt has ended meanwhile, or mains came back and nobody wants it.
    fn release(&mut self, ready: Vec<(RunId, u64, Effect)>, now: &Now) {
        for (_, _, effect) in ready {
            if let Effect::Timer { host, call } = &effect
                && !self.is_timer_asked(host, *call)
            {
                continue;
            }
            let Effect::Start { run, action, attempt, op } = &effect else {
                self.out.push(effect);
                continue;
            };
            let open = self.run.as_ref().filter(|open| open.id == *run);
            let is_open = open
                .and_then(|open| open.actions.get(action))
                .is_some_and(|state| state.is_in_flight() && state.attempts == *attempt);
            let planned = open.and_then(|open| open.plan.as_ref()).and_then(|plan| plan.actions.get(action));
            let is_wanted = planned.is_some_and(|planned| !planned.observe_only);
            if is_open && self.withholds(op) {
                let reason = "a person held or aborted the run before it was sent".to_owned();
                self.finish(*action, *attempt, Outcome::Dropped(reason), now);
                self.want_plan("what was held back is planned anew");
            } else if is_open && (is_wanted || self.is_planted(Plant::SupersededStarts)) {
                self.out.push(effect);
            } else if is_open {
                let reason = "it was no longer wanted when the journal had it; nothing was sent".to_owned();
                self.finish(*action, *attempt, Outcome::Dropped(reason), now);
            }
        }
    }

    pub(crate) fn journal_failed(&mut self, reason: String, now: &Now) {
        self.log.failure = Some(reason);
        self.watch_journal(now);
    }

    /// Decides what a journal that does not answer means now.
    pub(crate) fn watch_journal(&mut self, now: &Now) {
        if self.log.is_degraded || !self.log.is_stalled(now.mono, self.config.policy.journal_stall) {
            return;
        }
        let reason = self.log.failure.clone().unwrap_or_else(|| {
            let limit = self.config.policy.journal_stall;
            format!("no answer for more than {limit}")
        });
        if self.is_on_battery() {
            self.log.is_degraded = true;
            self.append(Entry::JournalDegraded { reason: reason.clone() }, now);
            let held = std::mem::take(&mut self.log.held);
            self.release(held, now);
            let text = format!(
                "The journal does not keep up on battery ({reason}). The run goes on in memory: do not restart the controller."
            );
            self.out.push(Effect::Notify(Notice { severity: Severity::Alarm, code: Some("RT0404".to_owned()), text }));
        } else if self.told.insert("journal".to_owned()) {
            let text = format!("The journal cannot be written ({reason}). Nothing is started or armed until it works again.");
            self.out.push(Effect::Notify(Notice { severity: Severity::Alarm, code: Some("RT0404".to_owned()), text }));
        }
    }

    /// Writes down and tells a person.
    pub(crate) fn notice(&mut self, severity: Severity, code: Option<&str>, text: String, now: &Now) {
        let notice = Notice { severity, code: code.map(str::to_owned), text };
        self.append(Entry::Noticed { notice: notice.clone() }, now);
        self.out.push(Effect::Notify(notice));
    }

    /// The same, once until `key` is taken out of what was told.
    pub(crate) fn notice_once(&mut self, key: &str, severity: Severity, code: Option<&str>, text: String, now: &Now) {
        if self.told.insert(key.to_owned()) {
            self.notice(severity, code, text, now);
        }
    }

    /// Takes in a record of the site's own log at start.
    pub(crate) fn recall(&mut self, record: &Record, now: &Now) {
        self.log.site_seq = self.log.site_seq.max(record.seq);
        match &record.entry {
            Entry::Armed { domain, .. } => {
                self.modes.insert(domain.clone(), DomainMode::Armed);
            }
            Entry::Disarmed { domain, .. } => {
                self.modes.insert(domain.clone(), DomainMode::Observe);
            }
            Entry::MaintenanceBegun { ups, duration, .. } => {
                // Of another boot it is not known how much is left: it has ended, which protects.
                match record.mono_in(now).map(|begun| begun + *duration).filter(|until| *until > now.mono) {
                    Some(until) => self.maintenance.insert(ups.clone(), until),
                    None => self.maintenance.remove(ups),
                };
            }
            Entry::MaintenanceEnded { ups, .. } => {
                self.maintenance.remove(ups);
            }
            Entry::HoldBegun { duration, even_if_lost, by } => {
                // Of another boot it is not known how much is left: it has ended, which protects.
                let until = record.mono_in(now).map(|begun| begun + *duration).filter(|until| *until > now.mono);
                self.hold = until.map(|until| Hold { until, even_if_lost: *even_if_lost, by: by.clone() });
            }
            Entry::HoldEnded { .. } => self.hold = None,
            Entry::TimerIntended { .. } | Entry::TimerSet { .. } | Entry::TimerFired { .. } | Entry::TimerEnded { .. } => {
                self.recall_timer(record, now);
            }
            Entry::BatteryLearned { ups, state, .. } => self.recall_battery(ups, state, record, now),
            Entry::DrillHeld { report } => self.keep_report((**report).clone()),
            Entry::Configured { digest, .. } => self.digest.clone_from(digest),
            _ => {}
        }
    }

    /// Takes an unfinished run up again.
    pub(crate) fn take_up(&mut self, first: &Record, records: &[Record], now: &Now) -> Result<(), crate::run::RunError> {
        let mut run = RunState::new(first.run, first.incident);
        for record in records {
            run.apply(record)?;
        }
        if run.end.is_some() {
            return Ok(());
        }
        self.ids.action_next = run.actions.keys().map(|id| id.0 + 1).max().unwrap_or(1);
        self.ids.plan_next = records
            .iter()
            .filter_map(|record| if let Entry::PlanCommitted { plan, .. } = &record.entry { Some(plan.id.0 + 1) } else { None })
            .max()
            .unwrap_or(1);
        self.resume(run, records, now);
        Ok(())
    }
}
