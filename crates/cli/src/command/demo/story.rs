//! From the journal's records to lines a newcomer reads: what happened, and why. What happens to many at about the same time is
//! one line.

use super::words::{Phase, Words};
use crate::command::frame::Ink;
use ridethrough_model::entry::{Home, Outcome, RunEnd};
use ridethrough_model::plan::Fate;
use ridethrough_model::{
    Action, ActionId, Entry, HostId, Millis, Mono, Op, Plan, PlanCause, PlanReport, PowerEvent, Record, Severity, Timing, UpsId,
    VmId,
};
use ridethrough_sim::demo::{Demo, MAINS_LOST_AT};
use std::collections::{BTreeMap, BTreeSet};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) at: Millis,
    pub(super) ink: Ink,
    pub(super) what: String,
    pub(super) why: String,
}

/// What lines are grouped by.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Lost,
    Acts,
    Back,
    Stable,
    Stops(String),
    Off,
    Forced,
    Moves(HostId),
    Moved(HostId),
    HostDown,
    HostOff,
    Paused,
    PutBack,
    Wakes,
    Up,
    Starts(String),
    Runs,
    GoesHome,
    Home,
}

#[derive(Clone, Debug)]
struct Group {
    kind: Kind,
    at: Millis,
    names: Vec<String>,
    why: String,
}

/// Which of two.
const VMS: usize = 0;
const HOSTS: usize = 1;

/// Things of one kind within this time are one line.
const TOGETHER: Millis = Millis::from_secs(6);

/// Listens to records, tells lines.
#[derive(Clone, Debug)]
pub(super) struct Story {
    words: Words,
    names: BTreeMap<VmId, Home>,
    actions: BTreeMap<ActionId, Action>,
    groups: Vec<Group>,
    told: Vec<Told>,
    /// The weakest battery when VMs, and when hosts, were last stopped.
    lasted: [Option<Millis>; 2],
    pub(super) phase: Phase,
    stable: BTreeSet<String>,
    pub(super) acts_at: Option<Millis>,
    pub(super) stable_at: Option<Millis>,
    pub(super) plan: Option<Plan>,
    pub(super) report: Option<PlanReport>,
    /// VMs that could not move and ran on.
    pub(super) stayed: BTreeMap<VmId, String>,
    /// The first plan, while further domains may still join in.
    first_plan: Option<(Millis, Plan, PlanReport)>,
    has_planned: bool,
}

impl Story {
    pub(super) fn new(words: Words) -> Self {
        Self {
            words,
            names: BTreeMap::new(),
            actions: BTreeMap::new(),
            groups: Vec::new(),
            told: Vec::new(),
            lasted: [None; 2],
            phase: Phase::Mains,
            stable: BTreeSet::new(),
            acts_at: None,
            stable_at: None,
            plan: None,
            report: None,
            stayed: BTreeMap::new(),
            first_plan: None,
            has_planned: false,
        }
    }

    /// Listens; returns the lines that are ripe.
    pub(super) fn tell(&mut self, records: &[(Millis, Record)], demo: &Demo) -> Vec<Told> {
        for (at, record) in records {
            self.ripen(*at, demo);
            self.hear(*at, &record.entry, demo);
        }
        self.ripen(demo.at(), demo);
        if demo.is_over() {
            self.ripen(Millis(u64::MAX), demo);
        }
        let mut told = std::mem::take(&mut self.told);
        told.sort_by_key(|line| line.at);
        told
    }

    fn name(&self, vm: &VmId) -> String {
        self.names.get(vm).map_or_else(|| vm.native().to_owned(), |home| home.name.clone())
    }

    fn say(&mut self, at: Millis, ink: Ink, what: String, why: String) {
        self.told.push(Told { at, ink, what, why });
    }

    fn group(&mut self, kind: Kind, at: Millis, name: String, why: String) {
        match self.groups.iter_mut().find(|group| group.kind == kind) {
            Some(group) => group.names.push(name),
            None => self.groups.push(Group { kind, at, names: vec![name], why }),
        }
    }

    fn ripen(&mut self, now: Millis, demo: &Demo) {
        if let Some((at, plan, report)) = self.first_plan.take_if(|(at, ..)| now >= *at + TOGETHER) {
            self.say_plan(at, &plan, &report, demo);
        }
        let (ripe, rest) = std::mem::take(&mut self.groups).into_iter().partition(|group| now >= group.at + TOGETHER);
        self.groups = rest;
        let ripe: Vec<Group> = ripe;
        for group in ripe {
            self.say_group(group, demo);
        }
    }

    fn hear(&mut self, at: Millis, entry: &Entry, demo: &Demo) {
        match entry {
            Entry::IncidentOpened { homes, .. } => self.names.clone_from(homes),
            Entry::PowerChanged { event } => self.hear_power(at, event),
            Entry::PlanCommitted { plan, report } => self.hear_plan(at, plan, report),
            Entry::Intended { action, op, .. } => self.hear_intent(at, *action, op, demo),
            Entry::Finished { action, outcome, .. } => self.hear_end(at, *action, outcome),
            Entry::HostProvenOff { host, .. } => {
                let why = self.words.host_off_why();
                self.group(Kind::HostOff, at, host.to_string(), why);
            }
            Entry::Noticed { notice } if notice.severity >= Severity::Warning => {
                let ink = if notice.severity == Severity::Alarm { Ink::Bad } else { Ink::Warn };
                self.say(at, ink, notice.text.clone(), String::new());
            }
            Entry::RunEnded { end } => {
                self.ripen(Millis(u64::MAX), demo);
                self.phase = Phase::Mains;
                let what = match end {
                    RunEnd::NothingTouched | RunEnd::ObservedOnly => self.words.untouched(),
                    RunEnd::Returned => self.words.returned(true),
                    RunEnd::ReturnedIncomplete(_) => self.words.returned(false),
                };
                self.say(at, Ink::Good, what, String::new());
            }
            _ => {}
        }
    }

    fn hear_power(&mut self, at: Millis, event: &PowerEvent) {
        let timing = Timing::default();
        match event {
            PowerEvent::MainsLost { ups, runtime } => {
                self.phase = Phase::Riding;
                self.acts_at.get_or_insert(at + timing.ride_through);
                self.stable_at = None;
                self.stable.clear();
                let lasts = runtime.map_or_else(String::new, |runtime| format!(" ({runtime})"));
                self.group(Kind::Lost, at, format!("{ups}{lasts}"), String::new());
            }
            PowerEvent::ActingStarted { domain, reason } => {
                self.phase = Phase::Saving;
                self.acts_at = None;
                let why = self.words.acts_why(reason);
                self.group(Kind::Acts, at, domain.to_string(), why);
            }
            PowerEvent::MainsBack { ups } => {
                self.phase = Phase::Waiting;
                self.acts_at = None;
                self.stable_at = Some(at + timing.mains_stable);
                let why = self.words.mains_back_why(timing.mains_stable);
                self.group(Kind::Back, at, ups.to_string(), why);
            }
            PowerEvent::MainsStable { domain } if self.phase != Phase::Mains => {
                self.phase = Phase::Returning;
                self.stable_at = None;
                let why = self.words.stable_why();
                self.group(Kind::Stable, at, domain.to_string(), why);
            }
            PowerEvent::BatteryLow { .. }
            | PowerEvent::ForcedShutdown { .. }
            | PowerEvent::Silent { .. }
            | PowerEvent::Overloaded { .. } => {
                self.say(at, Ink::Bad, event.to_string(), String::new());
            }
            PowerEvent::MainsStable { .. } | PowerEvent::Heard { .. } => {}
        }
    }

    fn hear_plan(&mut self, at: Millis, plan: &Plan, report: &PlanReport) {
        self.actions.extend(plan.actions.iter().map(|(id, action)| (*id, action.clone())));
        let is_outage = matches!(plan.cause, PlanCause::Outage | PlanCause::FactsChanged(_));
        if is_outage && !self.has_planned && self.phase == Phase::Saving {
            let begun = self.first_plan.as_ref().map_or(at, |(begun, ..)| *begun);
            self.first_plan = Some((begun, plan.clone(), report.clone()));
        }
        self.plan = Some(plan.clone());
        self.report = Some(report.clone());
    }

    fn say_plan(&mut self, at: Millis, plan: &Plan, report: &PlanReport, demo: &Demo) {
        self.has_planned = true;
        // After what made it necessary.
        let at = at + Millis(1);
        let moves = report.fates.values().filter(|fate| fate.fate.starts_with("moves to")).count();
        let last = report.fates.iter().filter(|(vm, fate)| runs_on(vm, fate, plan));
        let last: Vec<(VmId, Fate)> = last.map(|(vm, fate)| (vm.clone(), fate.clone())).collect();
        let stops = report.fates.len() - moves - last.len();
        let (what, why) = (self.words.plan(moves, stops), self.words.plan_fits(report.fits));
        self.say(at, if report.fits { Ink::Strong } else { Ink::Warn }, what, why);
        for (vm, fate) in last.into_iter().take(3) {
            let until = fate.last_safe.map_or_else(String::new, |moment| clock(demo.world.at_of(moment)));
            let (what, why) = (self.words.stays(&fate.name, &until), self.words.stays_why(&fate.reason));
            self.say(at, Ink::Warn, what, why);
            self.stayed.insert(vm, fate.name);
        }
    }

    fn hear_intent(&mut self, at: Millis, id: ActionId, op: &Op, demo: &Demo) {
        let Some(action) = self.actions.get(&id).cloned() else { return };
        let why = self.words.reason(&action);
        let tier = action.tier.as_ref().map(ToString::to_string).unwrap_or_default();
        let vm = op.vm().map(|vm| self.name(vm)).unwrap_or_default();
        match op {
            Op::ShutDownVm { vm: id, .. } => {
                self.stayed.remove(id);
                self.note_battery(VMS, demo);
                self.group(Kind::Stops(tier), at, vm, why);
            }
            Op::PowerOffVm { .. } => self.group(Kind::Forced, at, vm, why),
            Op::MoveVm { vm: id, to, .. } if self.names.get(id).is_some_and(|home| home.host == *to) => {
                self.group(Kind::GoesHome, at, vm, why);
            }
            Op::MoveVm { to, .. } => self.group(Kind::Moves(to.clone()), at, vm, why),
            Op::StartVm { .. } => self.group(Kind::Starts(tier), at, vm, why),
            Op::SetAutostart { enabled, .. } => {
                self.group(if *enabled { Kind::PutBack } else { Kind::Paused }, at, vm, why);
            }
            Op::ShutDownHost { host } => {
                self.note_battery(HOSTS, demo);
                self.group(Kind::HostDown, at, host.to_string(), why);
            }
            Op::WakeHost { host } => self.group(Kind::Wakes, at, host.to_string(), why),
            // The demo's site has none.
            Op::StopLoad { .. }
            | Op::StartLoad { .. }
            | Op::CallHook { .. }
            | Op::SuspendVm { .. }
            | Op::DisarmGuard { .. }
            | Op::RestoreGuard { .. } => {}
            Op::AbortMove { .. } | Op::AbortSuspend { .. } | Op::FinishMove { .. } => {
                self.say(at, Ink::Warn, format!("{vm}: {why}"), String::new())
            }
        }
    }

    fn note_battery(&mut self, of: usize, demo: &Demo) {
        self.lasted[of].get_or_insert_with(|| weakest(demo));
    }

    fn hear_end(&mut self, at: Millis, id: ActionId, outcome: &Outcome) {
        let Some(op) = self.actions.get(&id).map(|action| action.op.clone()) else { return };
        let vm = op.vm().map(|vm| self.name(vm)).unwrap_or_default();
        if let Outcome::Failed(failure) = outcome {
            let what = self.words.failed(&op.to_string().replace(op.vm().map_or("", VmId::as_str), &vm));
            self.say(at, Ink::Bad, what, failure.to_string());
            return;
        }
        match op {
            Op::ShutDownVm { .. } => self.group(Kind::Off, at, vm, String::new()),
            Op::MoveVm { vm: id, to, .. } => {
                let is_home = self.names.get(&id).is_some_and(|home| home.host == to);
                let why = self.words.moved_why();
                self.group(if is_home { Kind::Home } else { Kind::Moved(to) }, at, vm, why);
            }
            Op::StartVm { .. } => self.group(Kind::Runs, at, vm, String::new()),
            Op::WakeHost { host } => self.group(Kind::Up, at, host.to_string(), String::new()),
            _ => {}
        }
    }

    fn say_group(&mut self, group: Group, demo: &Demo) {
        let Group { kind, at, mut names, why } = group;
        names.sort();
        names.dedup();
        let (who, words) = (names.join(", "), self.words);
        let (ink, what, why) = match kind {
            Kind::Lost => {
                let timing = Timing::default();
                let plain: Vec<&str> = names.iter().filter_map(|name| name.split(' ').next()).collect();
                let lasts: Vec<&str> = names.iter().filter_map(|name| name.split_once('(')?.1.strip_suffix(')')).collect();
                self.say(at, Ink::Bad, words.on_battery(&plain.join(", ")), words.says_it_lasts(&lasts.join(" / ")));
                (Ink::Warn, words.rides(timing.ride_through), words.rides_why())
            }
            Kind::Acts => (Ink::Bad, words.acts(&who), why),
            Kind::Back => (Ink::Good, words.mains_back(&who), why),
            Kind::Stable => (Ink::Good, words.stable(), why),
            Kind::Stops(tier) => (Ink::Warn, words.shut_down(&who, &tier), why),
            Kind::Off => (Ink::Plain, words.off(&who), self.gain(VMS, demo)),
            Kind::Forced => (Ink::Bad, words.forced(&who), why),
            Kind::Moves(to) => (Ink::Move, words.moves(&who, to.as_str()), why),
            Kind::Moved(to) => (Ink::Move, words.moved(&who, to.as_str()), why),
            Kind::HostDown => (Ink::Warn, words.host_down(&who), why),
            Kind::HostOff => {
                let gain = self.gain(HOSTS, demo);
                (Ink::Plain, words.host_off(&who), if gain.is_empty() { why } else { gain })
            }
            Kind::Paused => (Ink::Dim, words.autostart_paused(&who), why),
            Kind::PutBack => (Ink::Dim, words.autostart_back(&who), why),
            Kind::Wakes => (Ink::Return, words.wakes(&who), why),
            Kind::Up => (Ink::Return, words.is_up(&who), why),
            Kind::Starts(tier) => (Ink::Return, words.starts(&who, &tier), why),
            Kind::Runs => (Ink::Good, words.runs(&who), why),
            Kind::GoesHome => (Ink::Move, words.goes_home(&who), why),
            Kind::Home => (Ink::Good, words.is_home(&who), why),
        };
        self.say(at, ink, what, why);
    }

    /// What stopping something was good for.
    fn gain(&mut self, of: usize, demo: &Demo) -> String {
        let (Some(before), after) = (self.lasted[of].take(), weakest(demo)) else { return String::new() };
        let is_worth_a_word = after > before + Millis::from_secs(20) && self.phase == Phase::Saving;
        if is_worth_a_word { self.words.gain(round(before), round(after)) } else { String::new() }
    }

    /// Which tier and which VMs the plan still has to stop, and when.
    pub(super) fn stops_ahead(&self, now: Mono) -> Vec<(Mono, bool, String)> {
        let Some(plan) = &self.plan else { return Vec::new() };
        let mut ahead: Vec<(Mono, bool, String)> = Vec::new();
        for action in plan.actions.values().filter(|a| matches!(a.op, Op::ShutDownVm { .. }) && a.not_before > now) {
            let is_last = Some(action.not_before) == action.last_safe;
            let who = match (&action.tier, action.op.vm()) {
                (Some(tier), _) if !is_last => tier.to_string(),
                (_, Some(vm)) => self.name(vm),
                _ => continue,
            };
            if !ahead.iter().any(|(_, _, known)| *known == who) {
                ahead.push((action.not_before, is_last, who));
            }
        }
        ahead.sort();
        ahead
    }
}

/// Whether that VM is to run to its last safe moment.
fn runs_on(vm: &VmId, fate: &Fate, plan: &Plan) -> bool {
    let stop = plan.actions.values().find(|action| matches!(&action.op, Op::ShutDownVm { vm: stopped, .. } if stopped == vm));
    fate.last_safe.is_some() && stop.is_some_and(|stop| Some(stop.not_before) == stop.last_safe)
}

/// The weakest battery on battery now: how long it says it lasts.
fn weakest(demo: &Demo) -> Millis {
    let mut reality = demo.world.reality.clone();
    let drawn: BTreeMap<UpsId, _> = reality.draw();
    let on_battery = reality.upses.iter().filter(|(_, ups)| !ups.has_mains);
    on_battery.map(|(id, ups)| ups.battery.stated(drawn.get(id).copied().unwrap_or_default())).min().unwrap_or_default()
}

fn round(time: Millis) -> Millis {
    if time.as_secs() < 120 { Millis::from_secs(time.as_secs()) } else { Millis::from_secs((time.as_secs() + 30) / 60 * 60) }
}

/// Minutes and seconds since mains was lost.
pub(super) fn clock(at: Millis) -> String {
    let (sign, time) = if at < MAINS_LOST_AT { ("-", MAINS_LOST_AT - at) } else { ("", at - MAINS_LOST_AT) };
    format!("{sign}{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}
