//! What must hold after every step of a site, as named pure functions over its state and over what it wants done. Judged in every
//! ring and in production, where a breach is an alarm (RT0490): a bug of ours is not to be silent in the worst hour.
//!
//! Not here: what needs the truth of the world, or an outage as a whole (`sim`). Nothing here changes what is done.

use crate::input::Effect;
use crate::own_place::is_waited_for;
use crate::site::Site;
use crate::source::SourceKind;
use ridethrough_model::{ActionId, Entry, HostId, Mono, Now, Op, Record, RunId, Severity, Vm, VmId};
use std::collections::{BTreeMap, BTreeSet};

/// One step, after it was made.
#[derive(Debug)]
pub struct Step<'a> {
    site: &'a Site,
    now: Mono,
    effects: &'a [Effect],
}

/// What is wrong with a step, if anything.
pub type Check = fn(&Step<'_>) -> Option<String>;

/// Every invariant: its number for the manual, its name, its check.
pub const INVARIANTS: &[(&str, &str, Check)] = &[
    ("S1", "intent-is-durable-before-effect", intent_is_durable_before_effect),
    ("S2", "no-attempt-is-sent-twice", no_attempt_is_sent_twice),
    ("S3", "attempts-are-bounded", attempts_are_bounded),
    ("S4", "only-the-plan-in-force-is-started", only_the_plan_in_force_is_started),
    ("S5", "what-is-held-back-is-not-started", what_is_held_back_is_not_started),
    ("S6", "no-host-goes-down-over-a-running-vm", no_host_goes_down_over_a_running_vm),
    ("S7", "vms-go-where-mains-is-seen", vms_go_where_mains_is_seen),
    ("S8", "nothing-stops-on-mains", nothing_stops_on_mains),
    ("S9", "only-what-ran-before-is-started", only_what_ran_before_is_started),
    ("S10", "a-vm-has-one-place", a_vm_has_one_place),
    ("S11", "records-have-no-gaps", records_have_no_gaps),
    ("S12", "records-are-of-this-controller", records_are_of_this_controller),
    ("S13", "a-step-is-no-storm", a_step_is_no_storm),
    ("S14", "the-controllers-host-goes-last", the_controllers_host_goes_last),
];

/// What earlier steps of this process did, as far as a later one is judged by it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness {
    /// The last attempt sent of each action of the open run.
    sent: BTreeMap<ActionId, u32>,
    /// The run those belong to.
    run: Option<RunId>,
    /// The last record of each log written to in this process: the site's own and the last run's.
    written: BTreeMap<RunId, u64>,
}

impl Witness {
    fn take_in(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Append(record) => {
                    self.written.retain(|run, _| *run == RunId::SITE || *run == record.run || record.run == RunId::SITE);
                    self.written.insert(record.run, record.seq);
                }
                Effect::Start { run, action, attempt, .. } => {
                    if self.run != Some(*run) {
                        self.sent.clear();
                        self.run = Some(*run);
                    }
                    self.sent.insert(*action, *attempt);
                }
                _ => {}
            }
        }
    }
}

/// Effects of one step: so many in any case, and so many more for each VM.
const EFFECTS_MAX: usize = 400;
const EFFECTS_PER_VM_MAX: usize = 4;

impl Site {
    /// Judges a step and returns its effects, with an alarm for what must not be.
    pub(crate) fn judged(&mut self, mut effects: Vec<Effect>, now: &Now) -> Vec<Effect> {
        if effects.is_empty() {
            return effects;
        }
        let step = Step { site: self, now: now.mono, effects: &effects };
        let broken: Vec<_> = INVARIANTS.iter().filter_map(|(id, name, check)| Some((*id, *name, check(&step)?))).collect();
        for (id, name, how) in broken {
            let text = format!("A bug of Ridethrough: promise {id} ({name}) was broken: {how}.");
            self.notice_once(&format!("broken {id}"), Severity::Alarm, Some("RT0490"), text, now);
        }
        effects.append(&mut self.out);
        self.witness.take_in(&effects);
        effects
    }
}

impl<'a> Step<'a> {
    fn records(&self) -> impl Iterator<Item = &'a Record> {
        self.effects.iter().filter_map(|effect| if let Effect::Append(record) = effect { Some(record) } else { None })
    }
    /// What was decided to be done in this step.
    fn intended(&self) -> impl Iterator<Item = (ActionId, &'a Op)> {
        self.records().filter_map(|record| match &record.entry {
            Entry::Intended { action, op, .. } => Some((*action, op)),
            _ => None,
        })
    }
    fn starts(&self) -> impl Iterator<Item = (RunId, ActionId, u32, &'a Op)> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Start { run, action, attempt, op } => Some((*run, *action, *attempt, op)),
            _ => None,
        })
    }
    /// Whether enough feeds of that host are seen on mains.
    fn is_on_mains(&self, host: &HostId) -> bool {
        let Some(topology) = self.site.config.topology.hosts.get(host) else { return false };
        let is_good = |ups| {
            let source = self.site.sources.get(ups);
            source.is_some_and(|source| matches!(source.kind, SourceKind::Online | SourceKind::Bypass))
        };
        topology.feeds.iter().filter(|feed| is_good(&feed.ups)).count() >= topology.feeds_min.max(1) as usize
    }
}

fn intent_is_durable_before_effect(step: &Step<'_>) -> Option<String> {
    let run = step.site.run.as_ref()?;
    step.starts().find_map(|(of, action, attempt, op)| {
        let state = run.actions.get(&action).filter(|state| of == run.id && state.attempts == attempt)?;
        let is_durable = step.site.log.is_degraded || state.tried_in.is_some_and(|seq| step.site.log.is_durable(run.id, seq));
        (!is_durable).then(|| format!("{op} was sent before its intent was durable"))
    })
}

fn no_attempt_is_sent_twice(step: &Step<'_>) -> Option<String> {
    let witness = &step.site.witness;
    let mut now = BTreeSet::new();
    step.starts().find_map(|(run, action, attempt, op)| {
        let earlier = witness.sent.get(&action).filter(|_| witness.run == Some(run));
        let is_new = now.insert((action, attempt)) && earlier.is_none_or(|sent| *sent < attempt);
        (!is_new).then(|| format!("attempt {attempt} of {op} was sent again"))
    })
}

fn attempts_are_bounded(step: &Step<'_>) -> Option<String> {
    let run = step.site.run.as_ref()?;
    step.starts().find_map(|(_, action, attempt, op)| {
        let max = run.actions.get(&action)?.attempts_max;
        (attempt > max).then(|| format!("attempt {attempt} of {op}, {max} are allowed"))
    })
}

fn only_the_plan_in_force_is_started(step: &Step<'_>) -> Option<String> {
    let plan = step.site.run.as_ref()?.plan.as_ref()?;
    // What went out before a new plan came into force in this step was the old one's.
    let is_plan = |effect: &&Effect| matches!(effect, Effect::Append(record) if record.entry.kind() == "plan-committed");
    let of_plan = step.effects.iter().rposition(|effect| is_plan(&effect)).map_or(0, |place| place + 1);
    step.effects.iter().skip(of_plan).find_map(|effect| {
        let Effect::Start { action, op, .. } = effect else { return None };
        match plan.actions.get(action) {
            Some(action) if action.observe_only => Some(format!("{op} was only to be said")),
            Some(_) => None,
            None => Some(format!("{op} is not in the plan")),
        }
    })
}

fn what_is_held_back_is_not_started(step: &Step<'_>) -> Option<String> {
    if !step.site.is_restrained() {
        return None;
    }
    let op = step.starts().map(|(.., op)| op).find(|op| !matches!(op, Op::AbortMove { .. }))?;
    Some(format!("{op} was sent although a person holds or has aborted the run"))
}

fn no_host_goes_down_over_a_running_vm(step: &Step<'_>) -> Option<String> {
    let plan = step.site.run.as_ref()?.plan.as_ref()?;
    step.intended().find_map(|(action, op)| {
        let Op::ShutDownHost { host } = op else { return None };
        let is_last = plan.actions.get(&action).and_then(|action| action.last_safe).is_some_and(|at| step.now >= at);
        let mut vms = step.site.inventories.values().flat_map(|inventory| inventory.vms.values());
        let own = step.site.own_place();
        let is_there = |vm: &Vm| vm.host == *host && vm.power.is_active() && !own.is_vm(&vm.id);
        let vm = vms.find(|vm| is_there(vm)).filter(|_| !is_last)?;
        Some(format!("{op} although {} is seen running there", vm.name))
    })
}

fn vms_go_where_mains_is_seen(step: &Step<'_>) -> Option<String> {
    step.intended().find_map(|(_, op)| {
        let (Op::MoveVm { to: host, .. } | Op::StartVm { host, .. }) = op else { return None };
        (!step.is_on_mains(host)).then(|| format!("{op}, and mains is not seen there"))
    })
}

fn nothing_stops_on_mains(step: &Step<'_>) -> Option<String> {
    step.intended().find_map(|(_, op)| {
        let (Op::ShutDownVm { host, .. } | Op::SuspendVm { host, .. } | Op::PowerOffVm { host, .. } | Op::ShutDownHost { host }) =
            op
        else {
            return None;
        };
        step.is_on_mains(host).then(|| format!("{op}, and it is on mains"))
    })
}

fn only_what_ran_before_is_started(step: &Step<'_>) -> Option<String> {
    let run = step.site.run.as_ref()?;
    step.intended().find_map(|(_, op)| {
        let Op::StartVm { vm, .. } = op else { return None };
        (!run.homes.contains_key(vm)).then(|| format!("{op}, and it did not run before"))
    })
}

/// A VM is never started in two places, nor started while it moves.
fn a_vm_has_one_place(step: &Step<'_>) -> Option<String> {
    let run = step.site.run.as_ref()?;
    if !step.intended().any(|(_, op)| matches!(op, Op::StartVm { .. } | Op::MoveVm { .. })) {
        return None;
    }
    let mut places: BTreeMap<&VmId, &Op> = BTreeMap::new();
    let inventory = |vm: &VmId| step.site.inventories.get(&vm.platform()).and_then(|inventory| inventory.vms.get(vm));
    let is_under_way = |vm: &VmId, to: &HostId| inventory(vm).is_some_and(|vm| vm.power.is_active() && vm.host != *to);
    let coming = run.actions.values().filter(|action| action.is_in_flight()).map(|action| &action.op);
    let is_coming = |op: &&Op| match op {
        Op::StartVm { .. } => true,
        // A move of a VM that is off, or has arrived, has ended, whether or not anybody could say so.
        Op::MoveVm { vm, to, .. } => is_under_way(vm, to),
        _ => false,
    };
    for op in coming.filter(is_coming) {
        if let Some(other) = op.vm().and_then(|vm| places.insert(vm, op)) {
            return Some(format!("{op} while it is under way: {other}"));
        }
    }
    None
}

fn records_have_no_gaps(step: &Step<'_>) -> Option<String> {
    let mut last = step.site.witness.written.clone();
    step.records().find_map(|record| {
        let before = last.insert(record.run, record.seq);
        let is_next = before.is_none_or(|before| record.seq == before + 1);
        (!is_next).then(|| format!("record {} of run {} does not follow {before:?}", record.seq, record.run))
    })
}

fn records_are_of_this_controller(step: &Step<'_>) -> Option<String> {
    let epoch = step.site.epoch;
    let wrong = step.records().find(|record| record.epoch != epoch)?;
    Some(format!("record {} of run {} bears epoch {}, ours is {epoch}", wrong.seq, wrong.run, wrong.epoch))
}

fn a_step_is_no_storm(step: &Step<'_>) -> Option<String> {
    let vms: usize = step.site.inventories.values().map(|inventory| inventory.vms.len()).sum();
    let count = step.effects.len();
    (count > EFFECTS_MAX + EFFECTS_PER_VM_MAX * vms).then(|| format!("{count} effects of one step"))
}

/// Before its last safe moment nothing else of the plan may still be to be done: nobody watches after it.
fn the_controllers_host_goes_last(step: &Step<'_>) -> Option<String> {
    let (run, own) = (step.site.run.as_ref()?, step.site.own_place().host?);
    let plan = run.plan.as_ref()?;
    let is_own = |op: &Op| matches!(op, Op::ShutDownHost { host } if *host == own);
    let (action, op) = step.intended().find(|(_, op)| is_own(op))?;
    if plan.actions.get(&action)?.last_safe.is_some_and(|at| step.now >= at) {
        return None;
    }
    let is_open = |id: &ActionId| run.actions.get(id).is_none_or(|state| !state.is_settled());
    let mut others = plan.actions.values().filter(|other| !other.observe_only && is_waited_for(&own, &other.op));
    let open = others.find(|other| is_open(&other.id))?;
    Some(format!("{op}, on which the controller runs, before: {}", open.op))
}
