//! One run: the fold over its records. Execution and recovery both go through [`RunState::apply`]; an illegal record is an error.

use crate::account::Account;
use crate::hooks::is_last_word;
use ridethrough_model::entry::{Home, Outcome, RunEnd};
use ridethrough_model::{
    ActionId, Entry, Failure, FailureKind, GuardId, GuardState, Hook, HookMoment, HookOf, HostId, LoadId, Millis, Mono, Op, Plan,
    PlanReport, PowerEvent, Ppm, Record, RunId, TaskRef, TierName, UpsId, VmId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Where an action stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionPhase {
    /// In the plan, not begun.
    Planned,
    /// Written down; sent as soon as that is durable.
    Intended,
    /// The remote works on it.
    Accepted(TaskRef),
    /// The last attempt failed; whether another one follows depends on the plan.
    Failed(Failure),
    /// The wanted state was observed.
    Done,
    /// Given up without having been sent.
    Dropped(String),
}

/// Which way a tier or host went last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Something of it was told to go down.
    Down,
    /// Something of it was told to come back.
    Up,
}

/// One action over all its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionState {
    /// What.
    pub op: Op,
    /// The tier it belongs to.
    pub tier: Option<TierName>,
    /// Where it stands.
    pub phase: ActionPhase,
    /// Attempts so far.
    pub attempts: u32,
    /// How many are allowed.
    pub attempts_max: u32,
    /// How long an attempt may take before it counts as overrun.
    pub budget: Millis,
    /// When the first attempt was intended.
    pub since: Option<Mono>,
    /// The record in which the last attempt was intended. An order, not a time: clocks begin anew with every boot.
    pub tried_in: Option<u64>,
    /// It used its budget.
    pub has_overrun: bool,
    /// Only said, not done.
    pub observe_only: bool,
    /// Why it is there.
    pub why: String,
    /// What a person may want to know about its end.
    pub detail: Option<String>,
}

impl ActionState {
    /// An attempt is under way.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        matches!(self.phase, ActionPhase::Intended | ActionPhase::Accepted(_))
    }
    /// Failed, and no further attempt makes sense.
    #[must_use]
    pub fn is_failed_for_good(&self) -> bool {
        match &self.phase {
            ActionPhase::Failed(failure) => {
                self.attempts >= self.attempts_max
                    || is_last_word(&self.op, failure)
                    || !matches!(failure.kind, FailureKind::Unreachable | FailureKind::Busy | FailureKind::Protocol)
            }
            _ => false,
        }
    }
    /// Nothing has to wait for it any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.phase, ActionPhase::Done | ActionPhase::Dropped(_)) || self.has_overrun || self.is_failed_for_good()
    }
}

/// A record that cannot follow what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    /// Which run.
    pub run: RunId,
    /// Which record.
    pub seq: u64,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} of run {} cannot be: {}", self.seq, self.run, self.reason)
    }
}
impl std::error::Error for RunError {}

/// A run as its records tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunState {
    /// Its number.
    pub id: RunId,
    /// The incident's number.
    pub incident: u64,
    /// The last record taken in.
    pub seq: u64,
    /// What ran where when it began.
    pub homes: BTreeMap<VmId, Home>,
    /// The load of each UPS before anything was shed.
    pub loads: BTreeMap<UpsId, Ppm>,
    /// The plan in force.
    pub plan: Option<Plan>,
    /// What its planner had to say.
    pub report: Option<PlanReport>,
    /// Every action ever planned or begun in this run.
    pub actions: BTreeMap<ActionId, ActionState>,
    /// VMs that we stopped, or began to, or that fell: they are brought back.
    pub stopped: BTreeSet<VmId>,
    /// VMs that somebody else stopped while their hosts ran on, and why we think so.
    pub left_off: BTreeMap<VmId, String>,
    /// VMs that were started in this run, and of which it may matter whether they are ready.
    pub awaited: BTreeSet<VmId>,
    /// VMs that were brought back and seen to do their work.
    pub ready: BTreeSet<VmId>,
    /// VMs that were brought back and waited for in vain.
    pub not_ready: BTreeSet<VmId>,
    /// VMs that we moved away.
    pub moved: BTreeSet<VmId>,
    /// Hosts that we shut down, or began to.
    pub hosts_down: BTreeSet<HostId>,
    /// Loads that we stopped, or began to.
    pub loads_down: BTreeSet<LoadId>,
    /// Hooks that were called since what they are about last went the other way.
    pub hooks_called: BTreeSet<Hook>,
    /// Which way tiers and hosts went last.
    pub sides: BTreeMap<HookOf, Side>,
    /// Automation that we disarmed, or began to, as it was before.
    pub guards: BTreeMap<GuardId, GuardState>,
    /// Hosts past the point of no return.
    pub latched: BTreeSet<HostId>,
    /// Domains that began to act, by the last edge about them.
    pub acted: BTreeSet<ridethrough_model::DomainId>,
    /// When each UPS was last lost and not seen back.
    pub lost: BTreeMap<UpsId, Mono>,
    /// UPSes that ordered everybody down and were not seen back on mains.
    pub forced: BTreeSet<UpsId>,
    /// The record in which mains was last lost, back or found stable somewhere.
    pub turned: Option<u64>,
    /// A person aborted it: nothing is started.
    pub aborted: Option<Aborted>,
    /// How it ended.
    pub end: Option<RunEnd>,
    /// What will be told of it.
    pub account: Account,
}

/// An abort in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aborted {
    /// Nothing comes back before a person says so; otherwise until mains is stable.
    pub until_return: bool,
    /// By whom.
    pub by: String,
}

impl RunState {
    /// A run before its first record.
    #[must_use]
    pub fn new(id: RunId, incident: u64) -> Self {
        Self {
            id,
            incident,
            seq: 0,
            homes: BTreeMap::new(),
            loads: BTreeMap::new(),
            plan: None,
            report: None,
            actions: BTreeMap::new(),
            stopped: BTreeSet::new(),
            left_off: BTreeMap::new(),
            awaited: BTreeSet::new(),
            ready: BTreeSet::new(),
            not_ready: BTreeSet::new(),
            moved: BTreeSet::new(),
            hosts_down: BTreeSet::new(),
            loads_down: BTreeSet::new(),
            hooks_called: BTreeSet::new(),
            sides: BTreeMap::new(),
            guards: BTreeMap::new(),
            latched: BTreeSet::new(),
            acted: BTreeSet::new(),
            lost: BTreeMap::new(),
            forced: BTreeSet::new(),
            turned: None,
            aborted: None,
            end: None,
            account: Account::default(),
        }
    }

    /// Whether anything was ever sent.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.actions.values().all(|action| action.attempts == 0)
    }

    /// Takes one record in. The only way a run changes.
    ///
    /// # Errors
    /// A record that cannot follow: a gap, another run, an attempt out of order, anything after the end.
    pub fn apply(&mut self, record: &Record) -> Result<(), RunError> {
        let id = self.id;
        let wrong = |reason: String| RunError { run: id, seq: record.seq, reason };
        if record.run != self.id {
            return Err(wrong(format!("it belongs to run {}", record.run)));
        }
        if record.seq != self.seq + 1 {
            return Err(wrong(format!("record {} was expected", self.seq + 1)));
        }
        if self.end.is_some() {
            return Err(wrong("the run has ended".to_owned()));
        }
        self.change(&record.entry, record.at.mono).map_err(wrong)?;
        self.account.note(record);
        self.seq = record.seq;
        Ok(())
    }

    fn change(&mut self, entry: &Entry, at: Mono) -> Result<(), String> {
        match entry {
            Entry::IncidentOpened { homes, loads } => {
                self.homes.clone_from(homes);
                self.loads.clone_from(loads);
            }
            Entry::HomeAdded { vm, home } => {
                self.homes.entry(vm.clone()).or_insert_with(|| home.clone());
            }
            Entry::PowerChanged { event } => self.power(event, at),
            Entry::PlanCommitted { plan, report } => self.commit(plan, report)?,
            Entry::Intended { action, attempt, op } => self.intend(*action, *attempt, op, at)?,
            Entry::Accepted { action, attempt, task } => {
                let state = self.open_attempt(*action, *attempt)?;
                state.phase = ActionPhase::Accepted(task.clone());
            }
            Entry::Finished { action, attempt, outcome } => self.finish(*action, *attempt, outcome)?,
            Entry::Overran { action, .. } => self.overrun(*action)?,
            Entry::Latched { host, .. } => {
                self.latched.insert(host.clone());
            }
            Entry::GuardRecorded { guard, state } => {
                self.guards.insert(guard.clone(), state.clone());
            }
            Entry::GuardReleased { guard, .. } => {
                self.guards.remove(guard);
            }
            Entry::RunAborted { until_return, by } => {
                self.aborted = Some(Aborted { until_return: *until_return, by: by.clone() });
            }
            Entry::AbortEnded { .. } => self.aborted = None,
            Entry::RunEnded { end } => self.end = Some(end.clone()),
            Entry::HostProvenOff { host, vms, .. } => {
                self.hosts_down.insert(host.clone());
                self.fall(vms);
            }
            Entry::VmsFell { vms, .. } => self.fall(vms),
            Entry::VmReady { vm, .. } => {
                self.not_ready.remove(vm);
                self.ready.insert(vm.clone());
            }
            Entry::VmNotReady { vm, .. } => {
                self.not_ready.insert(vm.clone());
            }
            Entry::VmLeftOff { vm, reason } => {
                self.left_off.insert(vm.clone(), reason.clone());
            }
            Entry::JournalDegraded { .. } | Entry::Noticed { .. } | Entry::Recovered { .. } | Entry::UpsNoted { .. } => {}
            Entry::Armed { .. }
            | Entry::Disarmed { .. }
            | Entry::MaintenanceBegun { .. }
            | Entry::MaintenanceEnded { .. }
            | Entry::HoldBegun { .. }
            | Entry::HoldEnded { .. }
            | Entry::BatteryLearned { .. }
            | Entry::Configured { .. }
            | Entry::DrillHeld { .. }
            | Entry::TimerIntended { .. }
            | Entry::TimerSet { .. }
            | Entry::TimerFired { .. }
            | Entry::TimerEnded { .. } => {
                return Err("it belongs to the site's own log".to_owned());
            }
        }
        Ok(())
    }

    fn overrun(&mut self, action: ActionId) -> Result<(), String> {
        let state = self.actions.get_mut(&action).ok_or_else(|| format!("there is no action {action}"))?;
        state.has_overrun = true;
        Ok(())
    }

    /// They are off and are to run: whatever somebody wished before, they ran again since.
    fn fall(&mut self, vms: &[VmId]) {
        for vm in vms {
            self.left_off.remove(vm);
            self.await_anew(vm);
            self.stopped.insert(vm.clone());
        }
    }

    /// It is off, or will be: whether it does its work is another question the next time it runs.
    fn await_anew(&mut self, vm: &VmId) {
        for known in [&mut self.awaited, &mut self.ready, &mut self.not_ready] {
            known.remove(vm);
        }
    }

    /// Whether a host that we shut down was seen off, and was not woken since.
    pub(crate) fn was_seen_off(&self, host: &HostId) -> bool {
        let is_it = |op: &Op| matches!(op, Op::ShutDownHost { host: down } if down == host);
        self.hosts_down.contains(host)
            && self.actions.values().any(|action| is_it(&action.op) && action.phase == ActionPhase::Done)
    }

    fn power(&mut self, event: &PowerEvent, at: Mono) {
        if matches!(event, PowerEvent::MainsLost { .. } | PowerEvent::MainsBack { .. } | PowerEvent::MainsStable { .. }) {
            self.turned = Some(self.seq + 1);
        }
        match event {
            PowerEvent::MainsLost { ups, .. } => {
                self.lost.insert(ups.clone(), at);
            }
            PowerEvent::MainsBack { ups } => {
                self.lost.remove(ups);
                self.forced.remove(ups);
            }
            PowerEvent::ForcedShutdown { ups } => {
                self.forced.insert(ups.clone());
            }
            PowerEvent::ActingStarted { domain, .. } => {
                self.acted.insert(domain.clone());
            }
            _ => {}
        }
    }

    fn commit(&mut self, plan: &Plan, report: &PlanReport) -> Result<(), String> {
        if plan.parent != self.plan.as_ref().map(|plan| plan.id) {
            return Err("its parent is not the plan in force".to_owned());
        }
        for action in plan.actions.values() {
            let state = self.actions.entry(action.id).or_insert_with(|| ActionState {
                op: action.op.clone(),
                tier: action.tier.clone(),
                phase: ActionPhase::Planned,
                attempts: 0,
                attempts_max: action.attempts_max,
                budget: action.budget,
                since: None,
                tried_in: None,
                has_overrun: false,
                observe_only: action.observe_only,
                why: action.why.text.clone(),
                detail: None,
            });
            if state.op != action.op {
                return Err(format!("action {} means something else already", action.id));
            }
            state.observe_only = action.observe_only;
            state.why.clone_from(&action.why.text);
        }
        self.plan = Some(plan.clone());
        self.report = Some(report.clone());
        Ok(())
    }

    fn intend(&mut self, action: ActionId, attempt: u32, op: &Op, at: Mono) -> Result<(), String> {
        let state = self.actions.get_mut(&action).ok_or_else(|| format!("there is no action {action}"))?;
        if state.is_in_flight() || matches!(state.phase, ActionPhase::Done) {
            return Err(format!("action {action} is under way or done"));
        }
        if attempt != state.attempts + 1 || *op != state.op {
            return Err(format!("attempt {} of action {action} was expected", state.attempts + 1));
        }
        state.attempts = attempt;
        state.phase = ActionPhase::Intended;
        state.since.get_or_insert(at);
        state.tried_in = Some(self.seq + 1);
        let tier = state.tier.clone();
        self.turn(op, tier);
        match op {
            Op::ShutDownVm { vm, .. } | Op::PowerOffVm { vm, .. } | Op::SuspendVm { vm, .. } => {
                self.left_off.remove(vm);
                self.await_anew(vm);
                self.stopped.insert(vm.clone());
            }
            Op::MoveVm { vm, .. } => {
                self.moved.insert(vm.clone());
            }
            Op::ShutDownHost { host } => {
                self.hosts_down.insert(host.clone());
            }
            Op::StopLoad { load } => {
                self.loads_down.insert(load.clone());
            }
            _ => {}
        }
        Ok(())
    }

    /// What goes one way has its hooks of the other way to be called again.
    fn turn(&mut self, op: &Op, tier: Option<TierName>) {
        let tier = tier.map(HookOf::Tier);
        let (of, side) = match op {
            op if op.is_clean_stop() => (tier, Side::Down),
            Op::StartVm { .. } => (tier, Side::Up),
            Op::ShutDownHost { host } => (Some(HookOf::Host(host.clone())), Side::Down),
            Op::WakeHost { host } => (Some(HookOf::Host(host.clone())), Side::Up),
            Op::CallHook { hook } => {
                self.forget_hooks(&hook.of, !hook.moment.is_of_stop());
                self.hooks_called.insert(hook.clone());
                return;
            }
            _ => return,
        };
        if let Some(of) = of {
            self.forget_hooks(&of, side == Side::Up);
            self.sides.insert(of, side);
        }
    }

    fn forget_hooks(&mut self, of: &HookOf, of_stop: bool) {
        for moment in HookMoment::ALL.into_iter().filter(|moment| moment.is_of_stop() == of_stop) {
            self.hooks_called.remove(&of.at(moment));
        }
    }

    fn open_attempt(&mut self, action: ActionId, attempt: u32) -> Result<&mut ActionState, String> {
        let state = self.actions.get_mut(&action).ok_or_else(|| format!("there is no action {action}"))?;
        if !state.is_in_flight() || state.attempts != attempt {
            return Err(format!("attempt {attempt} of action {action} is not under way"));
        }
        Ok(state)
    }

    fn finish(&mut self, action: ActionId, attempt: u32, outcome: &Outcome) -> Result<(), String> {
        let state = self.open_attempt(action, attempt)?;
        let (op, tried_in, is_first) = (state.op.clone(), state.tried_in, attempt == 1);
        let is_done = match outcome {
            Outcome::Done { detail } => {
                state.phase = ActionPhase::Done;
                state.detail.clone_from(detail);
                true
            }
            Outcome::AlreadyDone => {
                state.phase = ActionPhase::Done;
                true
            }
            Outcome::Failed(failure) => {
                state.phase = ActionPhase::Failed(failure.clone());
                false
            }
            Outcome::Dropped(reason) => {
                state.phase = ActionPhase::Dropped(reason.clone());
                false
            }
        };
        let is_unsent = matches!(outcome, Outcome::Dropped(_)) && is_first;
        if is_done {
            self.undo_marks(&op, tried_in);
        } else if is_unsent {
            self.take_back_marks(action, &op);
        }
        Ok(())
    }
}
