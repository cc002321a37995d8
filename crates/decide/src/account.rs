//! The after-action record: what was foreseen beside what happened, what the batteries gave and had left, who and what decided.
//!
//! A fold over a run's records like the run itself, and part of it. It decides nothing; no decision reads it.

use ridethrough_model::entry::{Outcome, UpsFacts};
use ridethrough_model::plan::PlanCause;
use ridethrough_model::{ActionId, Entry, HostId, Millis, Mono, Now, Op, Plan, PowerEvent, Record, UpsId, VmId};
use std::collections::{BTreeMap, BTreeSet};

/// Decisions kept. An incident that has more of them is told in its events.
const DECISIONS_MAX: usize = 500;

/// One UPS in the incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpsAccount {
    /// How often it lost mains.
    pub outages: u32,
    /// Time on battery, as far as it was seen from loss to return within one boot of the controller's machine.
    pub on_battery: Millis,
    /// Part of its time on battery was not seen.
    pub is_partial: bool,
    /// What it said when mains was lost the first time.
    pub at_loss: Option<UpsFacts>,
    /// What it had left when it had least: the margin.
    pub least: Option<UpsFacts>,
    /// What it gave, in mWh; `None` where a part is not known.
    pub energy_mwh: Option<u64>,
    lost_at: Option<Now>,
}

/// One step, over all its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepAccount {
    /// What.
    pub op: Op,
    /// Why it was planned.
    pub why: String,
    /// When the plan in force wanted it to begin.
    pub planned_at: Mono,
    /// The latest moment at which it could safely begin.
    pub last_safe: Option<Mono>,
    /// How long one attempt might take by the plan.
    pub budget: Millis,
    /// When its first attempt was begun.
    pub began: Option<Now>,
    /// When its last attempt ended.
    pub ended: Option<Now>,
    /// Attempts.
    pub attempts: u32,
    /// How it ended: `done`, `was so already`, `failed`, `dropped`.
    pub outcome: Option<&'static str>,
    /// It took longer than it might.
    pub has_overrun: bool,
}

impl StepAccount {
    /// How long it took from its first attempt; unknown over a reboot of the controller's machine.
    #[must_use]
    pub fn took(&self) -> Option<Millis> {
        between(self.began.as_ref()?, self.ended.as_ref()?)
    }
}

/// Who decided what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When.
    pub at: Now,
    /// A person's name; `None`: the controller.
    pub by: Option<String>,
    /// What, and why.
    pub text: String,
}

/// The record of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// When it began.
    pub began: Option<Now>,
    /// When it ended, or its last fact.
    pub last: Option<Now>,
    /// UPSes that were part of it.
    pub upses: BTreeMap<UpsId, UpsAccount>,
    /// Every step that was begun.
    pub steps: BTreeMap<ActionId, StepAccount>,
    /// What was decided, in order.
    pub decisions: Vec<Decision>,
    /// Decisions that had no place any more.
    pub decisions_more: u32,
    /// VMs that were told to stop.
    pub stopped: BTreeSet<VmId>,
    /// VMs that were moved away.
    pub moved: BTreeSet<VmId>,
    /// VMs that fell: with their host, or nobody knows how.
    pub fell: BTreeSet<VmId>,
    /// VMs that were powered off.
    pub forced: BTreeSet<VmId>,
    /// Hosts that went down.
    pub hosts_down: BTreeSet<HostId>,
    planned: BTreeMap<ActionId, StepAccount>,
}

impl Account {
    /// How long it lasted.
    #[must_use]
    pub fn lasted(&self) -> Option<Millis> {
        between(self.began.as_ref()?, self.last.as_ref()?)
    }

    /// Takes one record in.
    pub(crate) fn note(&mut self, record: &Record) {
        self.began.get_or_insert_with(|| record.at.clone());
        self.last = Some(record.at.clone());
        match &record.entry {
            Entry::PowerChanged { event } => self.power(event, record),
            Entry::UpsNoted { ups, facts } => self.ups_said(ups, facts),
            Entry::PlanCommitted { plan, .. } => self.plan(plan, record),
            Entry::Intended { action, attempt, op } => self.begin(*action, *attempt, op, record),
            Entry::Overran { action, .. } => {
                if let Some(step) = self.steps.get_mut(action) {
                    step.has_overrun = true;
                }
            }
            Entry::Finished { action, outcome, .. } => self.end(*action, outcome, record),
            Entry::HostProvenOff { host, vms, .. } => {
                self.hosts_down.insert(host.clone());
                self.fell.extend(vms.iter().cloned());
            }
            Entry::VmsFell { vms, .. } => self.fell.extend(vms.iter().cloned()),
            Entry::Latched { host, reason } => self.decide(record, None, format!("no way back for {host}: {reason}")),
            Entry::RunAborted { by, .. } => self.decide(record, Some(by), "aborted the run".to_owned()),
            Entry::AbortEnded { reason } => self.decide(record, None, format!("the run goes on: {reason}")),
            Entry::VmLeftOff { vm, reason } => self.decide(record, None, format!("{vm} is left off: {reason}")),
            Entry::Recovered { .. } => self.decide(record, None, "the controller started anew and took the run up".to_owned()),
            _ => {}
        }
    }

    fn power(&mut self, event: &PowerEvent, record: &Record) {
        match event {
            PowerEvent::MainsLost { ups, .. } => {
                let account = self.upses.entry(ups.clone()).or_default();
                if account.outages == 0 {
                    account.energy_mwh = Some(0);
                }
                account.outages += 1;
                account.lost_at.get_or_insert_with(|| record.at.clone());
            }
            PowerEvent::MainsBack { ups } => {
                let account = self.upses.entry(ups.clone()).or_default();
                match account.lost_at.take().map(|lost_at| between(&lost_at, &record.at)) {
                    Some(Some(lasted)) => account.on_battery = account.on_battery + lasted,
                    _ => account.is_partial = true,
                }
            }
            PowerEvent::ActingStarted { domain, reason } => self.decide(record, None, format!("domain {domain} acts: {reason}")),
            _ => {}
        }
    }

    fn ups_said(&mut self, ups: &UpsId, facts: &UpsFacts) {
        let Some(account) = self.upses.get_mut(ups) else { return };
        account.at_loss.get_or_insert_with(|| facts.clone());
        let is_on_battery = account.lost_at.is_some();
        if !is_on_battery {
            // What one stretch on battery took is told when it ends.
            account.energy_mwh = account.energy_mwh.zip(facts.energy_mwh).map(|(sum, more)| sum.saturating_add(more));
        }
        let is_less = account.least.as_ref().is_none_or(|least| (facts.charge, facts.runtime) < (least.charge, least.runtime));
        if is_less {
            account.least = Some(facts.clone());
        }
    }

    fn plan(&mut self, plan: &Plan, record: &Record) {
        for action in plan.actions.values().filter(|action| !action.observe_only) {
            let step = StepAccount {
                op: action.op.clone(),
                why: action.why.text.clone(),
                planned_at: action.not_before,
                last_safe: action.last_safe,
                budget: action.budget,
                began: None,
                ended: None,
                attempts: 0,
                outcome: None,
                has_overrun: false,
            };
            self.planned.insert(action.id, step);
        }
        let cause = match &plan.cause {
            PlanCause::Standing => "kept ready".to_owned(),
            PlanCause::Outage => "what to save in the outage".to_owned(),
            PlanCause::FactsChanged(what) => what.clone(),
            PlanCause::MainsBack => "mains is back: nothing more is begun".to_owned(),
            PlanCause::Return => "mains is stable: what ran comes back".to_owned(),
        };
        self.decide(record, None, format!("plan {} with {} steps: {cause}", plan.id.0, plan.actions.len()));
    }

    fn begin(&mut self, action: ActionId, attempt: u32, op: &Op, record: &Record) {
        if let Some(planned) = self.planned.get(&action) {
            let step = self.steps.entry(action).or_insert_with(|| planned.clone());
            step.attempts = attempt;
            step.began.get_or_insert_with(|| record.at.clone());
        }
        match op {
            Op::ShutDownVm { vm, .. } | Op::SuspendVm { vm, .. } => {
                self.stopped.insert(vm.clone());
            }
            Op::PowerOffVm { vm, .. } => {
                self.forced.insert(vm.clone());
                self.decide(record, None, format!("{op}: it did not go down by itself and its time is over"));
            }
            Op::MoveVm { vm, .. } => {
                self.moved.insert(vm.clone());
            }
            Op::ShutDownHost { host } => {
                self.hosts_down.insert(host.clone());
            }
            _ => {}
        }
    }

    fn end(&mut self, action: ActionId, outcome: &Outcome, record: &Record) {
        let Some(step) = self.steps.get_mut(&action) else { return };
        step.ended = Some(record.at.clone());
        step.outcome = Some(match outcome {
            Outcome::Done { .. } => "done",
            Outcome::AlreadyDone => "was so already",
            Outcome::Failed(_) => "failed",
            Outcome::Dropped(_) => "dropped",
        });
        if matches!(outcome, Outcome::Dropped(_)) && step.attempts <= 1 {
            self.take_back(action);
        }
    }

    /// Nothing of that step was ever sent: it was done to nobody, unless another step did it.
    fn take_back(&mut self, action: ActionId) {
        let Some(unsent) = self.steps.get(&action).map(|step| step.op.clone()) else { return };
        let is_sent = |id: &ActionId, step: &StepAccount| *id != action && (step.outcome != Some("dropped") || step.attempts > 1);
        // A VM counts once, on whichever host it was.
        let is_same = |op: &Op| {
            let is_kind = std::mem::discriminant(op) == std::mem::discriminant(&unsent);
            let is_about = if unsent.vm().is_some() { op.vm() == unsent.vm() } else { op.host() == unsent.host() };
            (is_kind || op.is_clean_stop() && unsent.is_clean_stop()) && is_about
        };
        if self.steps.iter().any(|(id, step)| is_sent(id, step) && is_same(&step.op)) {
            return;
        }
        let _ = match &unsent {
            Op::ShutDownVm { vm, .. } | Op::SuspendVm { vm, .. } => self.stopped.remove(vm),
            Op::PowerOffVm { vm, .. } => self.forced.remove(vm),
            Op::MoveVm { vm, .. } => self.moved.remove(vm),
            Op::ShutDownHost { host } => self.hosts_down.remove(host),
            _ => false,
        };
    }

    fn decide(&mut self, record: &Record, by: Option<&String>, text: String) {
        if self.decisions.len() < DECISIONS_MAX {
            self.decisions.push(Decision { at: record.at.clone(), by: by.cloned(), text });
        } else {
            self.decisions_more = self.decisions_more.saturating_add(1);
        }
    }

    /// In a sentence or two, for whoever is told that it is over.
    #[must_use]
    pub fn in_short(&self) -> String {
        let lasted = self.lasted().map_or_else(|| "a time that was not seen whole".to_owned(), |lasted| lasted.to_string());
        let counts = [&self.stopped, &self.moved, &self.forced, &self.fell].map(|vms| vms.len());
        let hosts = self.hosts_down.len();
        let done = if counts.iter().sum::<usize>() + hosts == 0 {
            "nothing was touched".to_owned()
        } else {
            let [stopped, moved, forced, fell] = counts;
            format!("VMs told to stop: {stopped}, moved: {moved}, powered off: {forced}, fallen: {fell}; hosts down: {hosts}")
        };
        let left = self.upses.iter().filter_map(|(id, ups)| {
            let least = ups.least.as_ref()?;
            let charge = least.charge.map_or_else(|| "unknown charge".to_owned(), |charge| charge.to_string());
            let runtime = least.runtime.map_or_else(String::new, |runtime| format!(", {runtime}"));
            let on_battery = if ups.is_partial { "a time not seen whole".to_owned() } else { ups.on_battery.to_string() };
            Some(format!("UPS {id} was on battery for {on_battery} and had {charge}{runtime} left"))
        });
        let left: Vec<String> = left.collect();
        let left = if left.is_empty() { "no battery was read".to_owned() } else { left.join("; ") };
        format!("it lasted {lasted}; {done}; {left}")
    }
}

/// The time between two moments of one boot.
fn between(from: &Now, to: &Now) -> Option<Millis> {
    (from.boot_id == to.boot_id).then(|| to.mono.since(from.mono))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridethrough_model::PlatformId;

    #[test]
    fn what_was_never_sent_counts_as_done_to_nobody_unless_it_was_sent_before() {
        let vm = VmId::of(&PlatformId::new("kvm"), "1");
        let stop = |host: &str| Op::ShutDownVm { vm: vm.clone(), host: host.into() };
        let step = |op: Op, outcome| StepAccount {
            op,
            why: String::new(),
            planned_at: Mono(0),
            last_safe: None,
            budget: Millis::ZERO,
            began: None,
            ended: None,
            attempts: 1,
            outcome: Some(outcome),
            has_overrun: false,
        };
        let told = |steps: Vec<StepAccount>| {
            let steps = (1..).map(ActionId).zip(steps).collect();
            let mut account = Account { steps, stopped: [vm.clone()].into(), ..Account::default() };
            account.take_back(ActionId(1));
            account.stopped.len()
        };
        assert_eq!(told(vec![step(stop("h1"), "dropped")]), 0);
        assert_eq!(told(vec![step(stop("h1"), "dropped"), step(stop("h2"), "done")]), 1, "it was stopped, on another host");
        assert_eq!(told(vec![step(stop("h1"), "dropped"), step(stop("h2"), "dropped")]), 0);
    }
}
