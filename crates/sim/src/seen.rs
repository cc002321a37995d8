//! What a watcher knows from having listened to everything that went in and came out: the ground the invariants stand on.
//!
//! Shares no code with `decide`: what the controller can have known is folded here a second time, more simply.

mod doubt;

use crate::faults::Twist;
use crate::reality::HostState;
use crate::world::{Moment, World};
pub use doubt::Doubts;
use ridethrough_decide::{Effect, Input};
use ridethrough_model::entry::{Home, Outcome, RunEnd};
use ridethrough_model::{
    Action, ActionId, DomainId, Entry, GuardId, HostId, Millis, Mono, Op, Plan, PowerEvent, Reading, Record, RunId, StatusToken,
    UpsId, VmId,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the controller can know of a UPS.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The last reading.
    pub reading: Option<Reading>,
    /// Since when every reading said mains.
    pub mains_since: Option<Mono>,
    /// Since when every reading said battery.
    pub battery_since: Option<Mono>,
    /// When it was last heard on mains.
    pub mains_at: Option<Mono>,
    /// Readings in a row that said low battery on battery.
    pub low_reads: u32,
    /// When a forced shutdown was first heard, while it lasts.
    pub forced_since: Option<Mono>,
}

impl Heard {
    /// Whether the last word was "on mains".
    #[must_use]
    pub fn says_mains(&self) -> bool {
        self.reading.as_ref().is_some_and(|r| r.status.has(&StatusToken::Ol) && !r.status.has(&StatusToken::Fsd))
    }
    /// Whether the last word was "on battery", or a forced shutdown.
    #[must_use]
    pub fn says_battery(&self) -> bool {
        self.reading.as_ref().is_some_and(|r| r.status.has(&StatusToken::Ob) || r.status.has(&StatusToken::Fsd))
    }
    /// How long ago it was heard.
    #[must_use]
    pub fn age(&self, now: Mono) -> Option<Millis> {
        self.reading.as_ref().map(|reading| now.since(reading.observed_at))
    }
    fn take(&mut self, reading: &Reading) {
        if self.reading.as_ref().is_some_and(|last| last.observed_at > reading.observed_at) {
            return;
        }
        let at = reading.observed_at;
        let has = |token: StatusToken| reading.status.has(&token);
        self.low_reads = if has(StatusToken::Ob) && has(StatusToken::Lb) { self.low_reads + 1 } else { 0 };
        if has(StatusToken::Fsd) {
            self.forced_since.get_or_insert(at);
        } else if has(StatusToken::Ol) {
            self.forced_since = None;
        }
        self.reading = Some(reading.clone());
        if self.says_mains() {
            self.mains_since.get_or_insert(at);
            self.mains_at = Some(at);
            self.battery_since = None;
        } else if self.says_battery() {
            self.battery_since.get_or_insert(at);
            self.mains_since = None;
        }
    }
}

/// An attempt that was written down.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Its record.
    pub seq: u64,
    /// When.
    pub at: Mono,
    /// What.
    pub op: Op,
    /// Its last safe moment by the plan of then: a later plan may say another.
    pub last_safe: Option<Mono>,
}

/// A key of an attempt: run, action, attempt.
pub type Attempt = (RunId, ActionId, u32);

/// Everything listened to.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// UPSes, as this life of the controller heard them.
    pub upses: BTreeMap<UpsId, Heard>,
    /// The last record that is durable, per run.
    pub durable: BTreeMap<RunId, u64>,
    /// The last record appended, per run.
    pub appended: BTreeMap<RunId, u64>,
    /// Attempts written down and not forgotten by a crash.
    pub intents: BTreeMap<Attempt, Intent>,
    /// Attempts of which nobody knows what came.
    pub doubts: Doubts,
    /// When each host was last not on.
    pub hosts_up_at: BTreeMap<HostId, Millis>,
    /// Attempts that were sent.
    pub started: BTreeSet<Attempt>,
    /// Actions of every plan of the open run.
    pub actions: BTreeMap<ActionId, Action>,
    /// The plan in force.
    pub plan: Option<Plan>,
    /// The open run.
    pub run: Option<RunId>,
    /// When it opened, on the world's clock.
    pub opened_at: Millis,
    /// What ran where when it opened.
    pub homes: BTreeMap<VmId, Home>,
    /// Records are in memory only.
    pub is_degraded: bool,
    /// The controller died while they were: what it did then is forgotten, as it warned.
    pub has_forgotten: bool,
    /// The controller's machine started anew: moments of before mean nothing.
    pub has_rebooted: bool,
    /// When mains was lost at each UPS that has not got it back, as written down.
    pub lost_at: BTreeMap<UpsId, Mono>,
    /// Attempts sent while they were: a crash may forget them.
    pub started_degraded: BTreeSet<Attempt>,
    /// Armed domains.
    pub armed: BTreeSet<DomainId>,
    /// Since when, in this life.
    pub armed_at: BTreeMap<DomainId, Mono>,
    /// Guards: the value written down last, and its record.
    pub guards: BTreeMap<GuardId, (String, u64)>,
    /// Timers that may be set, by host: the record of the intent, and of the end.
    pub timers: BTreeMap<HostId, (u64, Option<u64>)>,
    /// Hosts to which an order to set one may still be under way.
    pub timers_ordered: BTreeSet<HostId>,
    /// When the link to a host last broke or was mended.
    pub links_changed_at: BTreeMap<HostId, Millis>,
    /// When the controller last died.
    pub died_at: Millis,
    /// A run was open then.
    pub died_in_run: bool,
    /// VMs that somebody else told to stop, at any time: they are as that person wants them.
    pub wished: BTreeSet<VmId>,
    /// When and in which run they were told so.
    pub wished_in: BTreeMap<VmId, RunId>,
    /// When a person last let the run go on, or a UPS's maintenance ended.
    pub resumed_at: Mono,
    /// Until when each UPS is in maintenance.
    pub maintenance: BTreeMap<UpsId, Mono>,
    /// The hold in force: until when, and whether even if VMs are lost.
    pub hold: Option<(Mono, bool)>,
    /// The open run is aborted.
    pub is_aborted: bool,
    /// Time on battery per domain in the open run, as heard.
    pub on_battery: BTreeMap<DomainId, Millis>,
    /// Domains that acted in the open run.
    pub acted: BTreeSet<DomainId>,
    /// Stops that used their budget, failed or ended: first intent of the stop per VM.
    pub stop_begun: BTreeMap<VmId, (Millis, Millis)>,
    /// VMs whose stop ended, however.
    pub stop_ended: BTreeSet<VmId>,
    /// Actions of the open run that used their budget.
    pub overran: BTreeSet<ActionId>,
    /// VMs whose stop was given up as nobody wanted it any more, in any run.
    pub stop_given_up: BTreeSet<VmId>,
    /// UPSes that were seen on battery in the open run.
    pub lost_in_run: BTreeSet<UpsId>,
    /// Runs that ended, and how.
    pub ends: Vec<(RunId, RunEnd)>,
    /// Attempts sent in the open run.
    pub started_in_run: u64,
    /// Records of the open run.
    pub records_in_run: u64,
    /// When this life of the controller began.
    pub lives_since: Mono,
    /// What the last moment added, for the checks: attempts sent.
    pub starts_now: Vec<(Attempt, Op)>,
    /// And the domains that began to act, for the first time in their run.
    pub acted_now: Vec<DomainId>,
    /// And the ends of runs.
    pub ends_now: Vec<RunEnd>,
    /// And why a hold ended.
    pub hold_ended_now: Option<String>,
    last_at: Mono,
}

impl Seen {
    /// Listens to one event. `now` is the controller's.
    pub fn listen(&mut self, world: &World, moment: &Moment) {
        let now = world.now().mono;
        self.starts_now.clear();
        self.ends_now.clear();
        self.acted_now.clear();
        self.hold_ended_now = None;
        if let Some(Twist::ControllerDies { reboots, .. }) = &moment.twist {
            self.has_forgotten |= std::mem::take(&mut self.is_degraded);
            self.has_rebooted |= *reboots;
            self.died_at = moment.at;
            self.died_in_run = self.run.is_some_and(|run| !self.ends.iter().any(|(ended, _)| *ended == run));
        }
        if let Some(Twist::SomebodyStops(vm)) = &moment.twist {
            self.wished.insert(vm.clone());
            self.wished_in.extend(self.run.map(|run| (vm.clone(), run)));
        }
        match &moment.twist {
            Some(Twist::Network(host, _)) => {
                self.links_changed_at.insert(host.clone(), moment.at);
            }
            Some(Twist::Heal | Twist::Platform(_)) => {
                self.links_changed_at.extend(world.reality.hosts.keys().map(|id| (id.clone(), moment.at)))
            }
            _ => {}
        }
        if moment.is_recovery {
            self.begin_again(world, now);
        }
        self.count_battery_time(world, now);
        let off = world.reality.hosts.iter().filter(|(_, host)| host.state != HostState::On);
        self.hosts_up_at.extend(off.map(|(id, _)| (id.clone(), moment.at)));
        if let Some(input) = &moment.input {
            self.doubts.hear(input);
        }
        match &moment.input {
            Some(Input::Reading(reading)) => self.upses.entry(reading.ups.clone()).or_default().take(reading),
            Some(Input::Durable { run, seq }) => {
                self.durable.insert(*run, *seq);
            }
            Some(Input::Timer { host, answer, .. }) if answer.is_ok() => {
                self.timers_ordered.remove(host);
            }
            _ => {}
        }
        for effect in &moment.effects {
            match effect {
                Effect::Append(record) => self.note(record, now, moment.at),
                Effect::Start { run, action, attempt, op } => {
                    let key = (*run, *action, *attempt);
                    if self.is_degraded {
                        self.started_degraded.insert(key);
                    }
                    self.started_in_run += 1;
                    self.doubts.send(key);
                    self.starts_now.push((key, op.clone()));
                }
                _ => {}
            }
        }
        if self.is_degraded && world.disk.tail.is_empty() {
            self.is_degraded = false;
        }
    }

    /// A new life knows what is durable and has heard nothing.
    fn begin_again(&mut self, world: &World, now: Mono) {
        self.upses.clear();
        self.lives_since = now;
        self.last_at = now;
        self.appended.clear();
        self.durable.clear();
        for record in &world.disk.durable {
            self.appended.insert(record.run, record.seq);
            self.durable.insert(record.run, record.seq);
        }
        let durable = self.durable.clone();
        let is_known = |run: &RunId, seq: u64| durable.get(run).is_some_and(|last| seq <= *last);
        self.intents.retain(|(run, _, _), intent| is_known(run, intent.seq));
        let forgotten = std::mem::take(&mut self.started_degraded);
        self.started.retain(|attempt| !forgotten.contains(attempt));
        let found = world.disk.find();
        self.doubts.begin_again(&found.open_run);
        let open = found.open_run.first().map(|record| record.run);
        if open != self.run {
            self.forget_run();
            self.run = open;
        }
        self.timers.retain(|_, (intended, _)| is_known(&RunId::SITE, *intended));
        for (_, ended) in self.timers.values_mut() {
            *ended = ended.filter(|seq| is_known(&RunId::SITE, *seq));
        }
        self.resumed_at = now;
        self.armed.clear();
        self.maintenance.clear();
        self.hold = None;
        self.is_aborted = false;
        for record in found.site_log {
            let is_of_before = matches!(record.entry, Entry::HoldBegun { .. }) && record.at.boot_id != world.now().boot_id;
            if !is_of_before {
                self.note_site(&record.entry, record.at.mono);
            }
        }
        self.hold = self.hold.filter(|(until, _)| *until > now);
        for record in found.open_run {
            match record.entry {
                Entry::PlanCommitted { plan, .. } => {
                    self.actions.extend(plan.actions.clone());
                    self.plan = Some(*plan);
                }
                Entry::IncidentOpened { homes, .. } => self.homes = homes,
                Entry::HomeAdded { vm, home } => {
                    self.homes.insert(vm, home);
                }
                Entry::RunAborted { .. } => self.is_aborted = true,
                Entry::AbortEnded { .. } => self.is_aborted = false,
                Entry::PowerChanged { event: PowerEvent::MainsLost { ups, .. } } => {
                    self.lost_in_run.insert(ups);
                }
                _ => {}
            }
        }
    }

    fn forget_run(&mut self) {
        self.run = None;
        self.is_aborted = false;
        self.plan = None;
        self.actions.clear();
        self.homes.clear();
        self.on_battery.clear();
        self.acted.clear();
        self.stop_begun.clear();
        self.stop_ended.clear();
        self.overran.clear();
        self.lost_in_run.clear();
        self.started_in_run = 0;
        self.records_in_run = 0;
    }

    fn count_battery_time(&mut self, world: &World, now: Mono) {
        let passed = now.since(self.last_at);
        self.last_at = now;
        if self.run.is_none() {
            return;
        }
        for (id, domain) in &world.config().topology.domains {
            if domain.upses.iter().any(|ups| self.upses.get(ups).is_some_and(Heard::says_battery)) {
                let sum = self.on_battery.entry(id.clone()).or_default();
                *sum = *sum + passed;
            }
        }
    }

    fn note_site(&mut self, entry: &Entry, at: Mono) {
        match entry {
            Entry::Armed { domain, .. } => {
                self.armed_at.insert(domain.clone(), at);
                self.armed.insert(domain.clone());
            }
            Entry::Disarmed { domain, .. } => {
                self.armed.remove(domain);
            }
            Entry::MaintenanceBegun { ups, duration, .. } => {
                self.maintenance.insert(ups.clone(), at + *duration);
            }
            Entry::MaintenanceEnded { ups, .. } => {
                self.maintenance.remove(ups);
                self.resumed_at = at;
            }
            Entry::HoldBegun { duration, even_if_lost, .. } => self.hold = Some((at + *duration, *even_if_lost)),
            Entry::HoldEnded { reason } => {
                self.hold = None;
                self.resumed_at = at;
                self.hold_ended_now = Some(reason.clone());
            }
            _ => {}
        }
    }

    fn note(&mut self, record: &Record, now: Mono, at: Millis) {
        self.appended.insert(record.run, record.seq);
        self.doubts.note(record);
        self.note_site(&record.entry, now);
        self.note_intents(&record.entry, record.seq);
        self.records_in_run += u64::from(record.run != RunId::SITE);
        match &record.entry {
            Entry::IncidentOpened { homes, .. } => {
                self.forget_run();
                self.run = Some(record.run);
                self.opened_at = at;
                self.homes.clone_from(homes);
            }
            Entry::HomeAdded { vm, home } => {
                self.homes.insert(vm.clone(), home.clone());
            }
            Entry::PowerChanged { event: PowerEvent::ActingStarted { domain, .. } } if self.acted.insert(domain.clone()) => {
                self.acted_now.push(domain.clone());
            }
            Entry::PowerChanged { event: PowerEvent::MainsLost { ups, .. } } => {
                self.lost_at.entry(ups.clone()).or_insert(now);
                self.lost_in_run.insert(ups.clone());
            }
            Entry::PowerChanged { event: PowerEvent::MainsBack { ups } } => {
                self.lost_at.remove(ups);
            }
            Entry::PlanCommitted { plan, .. } => {
                self.actions.extend(plan.actions.clone());
                self.plan = Some((**plan).clone());
            }
            Entry::Intended { action, attempt, op } => {
                if let Some(vm) = op.vm().filter(|_| op.is_clean_stop()) {
                    let budget = self.actions.get(action).map_or(Millis::ZERO, |action| action.budget);
                    self.stop_begun.entry(vm.clone()).or_insert((at, budget));
                }
                let last_safe = self.actions.get(action).and_then(|action| action.last_safe);
                let intent = Intent { seq: record.seq, at: now, op: op.clone(), last_safe };
                self.intents.insert((record.run, *action, *attempt), intent);
            }
            Entry::Finished { action, outcome, .. } => {
                if let Some(Op::ShutDownVm { vm, .. } | Op::SuspendVm { vm, .. }) =
                    self.actions.get(action).map(|action| &action.op)
                    && matches!(outcome, Outcome::Failed(_))
                {
                    self.stop_ended.insert(vm.clone());
                    self.stop_given_up.insert(vm.clone());
                }
            }
            Entry::Overran { action, .. } => {
                self.overran.insert(*action);
            }
            Entry::JournalDegraded { .. } => self.is_degraded = true,
            Entry::RunAborted { .. } => self.is_aborted = true,
            Entry::AbortEnded { .. } => {
                self.is_aborted = false;
                self.resumed_at = now;
            }
            Entry::RunEnded { end } => {
                self.is_aborted = false;
                self.ends.push((record.run, end.clone()));
                self.ends_now.push(end.clone());
            }
            _ => {}
        }
    }

    /// What is written down before it is done to a host or to automation.
    fn note_intents(&mut self, entry: &Entry, seq: u64) {
        match entry {
            Entry::TimerIntended { host, .. } => {
                self.timers.insert(host.clone(), (seq, None));
            }
            Entry::TimerEnded { host, .. } => {
                if let Some((_, ended)) = self.timers.get_mut(host) {
                    *ended = Some(seq);
                }
            }
            Entry::GuardRecorded { .. } => self.guards.extend(crate::invariant::recorded(entry, seq)),
            _ => {}
        }
    }

    /// The UPSes a host hangs on.
    #[must_use]
    pub fn feeds<'a>(world: &'a World, host: &HostId) -> Vec<&'a UpsId> {
        world.config().topology.hosts.get(host).map(|host| host.feeds.iter().map(|feed| &feed.ups).collect()).unwrap_or_default()
    }
}
