//! Carrying a plan out: what may start now, what is asked after, what has used its budget. Chooses nothing: the plan is complete.

use crate::evidence::HostVerdict;
use crate::input::Effect;
use crate::plant::Plant;
use crate::run::{ActionPhase, ActionState, RunState};
use crate::site::{Live, Site};
use ridethrough_model::entry::Outcome;
use ridethrough_model::plan::Gate;
use ridethrough_model::{
    Action, ActionId, Entry, Failure, FailureKind, HookOf, HostId, Millis, Mono, Now, Op, Plan, Policy, Severity, TookEffect,
    UpsId, VmId, VmPower,
};
use std::collections::{BTreeMap, BTreeSet};

/// How often a task is polled.
const POLL_EVERY: Millis = Millis::from_secs(1);
/// How often a host's power is asked after while something was done to it.
pub(crate) const OBSERVE_EVERY: Millis = Millis::from_secs(2);
/// A question unanswered for so long is asked again.
pub(crate) const ANSWER_MAX: Millis = Millis::from_secs(60);
/// A stop that nobody wants any more is waited for this many budgets; a guest that is slow still goes down, and must be seen to.
const GIVE_UP_BUDGETS: u64 = 3;
/// How long after a failed attempt the next one is made.
pub(crate) const RETRY_AFTER: Millis = Millis::from_secs(5);

/// What the gates of a plan look at, computed once per step.
struct Gates<'a> {
    site: &'a Site,
    run: &'a RunState,
    plan: &'a Plan,
    /// The greatest rank per UPS with a stop not settled.
    unsettled_stops: BTreeMap<&'a UpsId, usize>,
    /// The smallest rank with a start not settled, or started and not known to be ready.
    unsettled_start: Option<usize>,
    /// VMs that run again and are waited for.
    unready: BTreeSet<VmId>,
    now: Mono,
}

impl<'a> Gates<'a> {
    fn new(site: &'a Site, run: &'a RunState, plan: &'a Plan, now: Mono) -> Self {
        let unready = site.unready();
        let waited_for = unready.iter().filter_map(|vm| run.homes.get(vm)).map(|home| home.rank).min();
        let mut gates = Self { site, run, plan, unsettled_stops: BTreeMap::new(), unsettled_start: waited_for, unready, now };
        for action in plan.actions.values() {
            let is_settled = run.actions.get(&action.id).is_some_and(ActionState::is_settled);
            // What is only said holds nobody up.
            let Some(rank) = action.rank.filter(|_| !is_settled && !action.observe_only) else { continue };
            match &action.op {
                op if op.is_clean_stop() && !gates.is_off(action) => {
                    for ups in &action.upses {
                        let greatest = gates.unsettled_stops.entry(ups).or_insert(rank);
                        *greatest = (*greatest).max(rank);
                    }
                }
                Op::StartVm { host, .. } if gates.can_come(host) => {
                    gates.unsettled_start = Some(gates.unsettled_start.map_or(rank, |least| least.min(rank)));
                }
                _ => {}
            }
        }
        gates
    }

    fn is_off(&self, action: &Action) -> bool {
        let vm =
            action.op.vm().and_then(|id| self.site.inventories.get(&id.platform()).and_then(|inventory| inventory.vms.get(id)));
        vm.is_some_and(|vm| !vm.power.is_active())
    }

    /// A host that is ready, or still being woken. One that failed to come holds nobody else up.
    fn can_come(&self, host: &HostId) -> bool {
        self.site.is_host_ready(host, self.now)
            || self.plan.actions.values().any(|action| {
                matches!(&action.op, Op::WakeHost { host: woken } if woken == host)
                    && self.run.actions.get(&action.id).is_none_or(|state| !state.is_settled())
            })
    }

    /// It is to be brought back, does not run yet, and nothing says that it cannot be.
    fn is_to_come(&self, id: &VmId) -> bool {
        let Some(vm) = self.site.inventories.get(&id.platform()).and_then(|inventory| inventory.vms.get(id)) else {
            return false;
        };
        let has_failed = || {
            let starts = self.run.actions.values().filter(|state| matches!(&state.op, Op::StartVm { vm, .. } if vm == id));
            starts.into_iter().any(|state| state.is_failed_for_good() && state.tried_in > self.run.turned)
        };
        let is_away = self.run.stopped.contains(id) && !self.run.left_off.contains_key(id);
        is_away && !vm.power.is_active() && self.can_come(&vm.host) && !has_failed()
    }

    fn holds(&self, gate: &Gate) -> bool {
        match gate {
            Gate::Settled(id) => self
                .run
                .actions
                .get(id)
                .is_none_or(|state| state.is_settled() || (!state.is_in_flight() && !self.plan.actions.contains_key(id))),
            Gate::Done(id) => self.run.actions.get(id).is_some_and(|state| state.phase == ActionPhase::Done),
            Gate::LowerTiers { .. } if self.site.is_planted(Plant::TiersTogether) => true,
            Gate::LowerTiers { ups, rank } => self.unsettled_stops.get(ups).is_none_or(|greatest| greatest <= rank),
            Gate::HigherTiers { rank } => self.unsettled_start.is_none_or(|least| least >= *rank),
            Gate::HostEmpty(_) if self.site.is_planted(Plant::HostCutWhileRunning) => true,
            Gate::HostEmpty(host) => self.site.is_host_empty(host),
            Gate::HostReady(host) => self.site.is_host_ready(host, self.now),
            Gate::HostOff(_) if self.site.is_planted(Plant::LoadCutUnderHosts) => true,
            Gate::HostOff(host) => self.site.is_proven_off(host, self.now),
            Gate::LoadReady(_) if self.site.is_planted(Plant::StorageNotAwaited) => true,
            Gate::LoadReady(load) => self.site.is_load_ready(load, self.now),
            Gate::StopDue { rank } => self.is_due(*rank, Op::is_clean_stop),
            Gate::StartDue { rank } => self.is_due(*rank, |op| matches!(op, Op::StartVm { .. })),
            Gate::TierStopped { rank } => !self
                .of_tier(*rank, Op::is_clean_stop)
                .any(|action| !self.is_off(action) && self.run.actions.get(&action.id).is_none_or(|state| !state.is_settled())),
            Gate::VmReady(vm) => !self.unready.contains(vm) && !self.is_to_come(vm),
        }
    }

    /// The steps of a tier that are really done, of one kind.
    fn of_tier(&self, rank: usize, is_kind: fn(&Op) -> bool) -> impl Iterator<Item = &'a Action> {
        let actions = self.plan.actions.values();
        actions.filter(move |action| action.rank == Some(rank) && !action.observe_only && is_kind(&action.op))
    }

    /// Whether one of them is held up by its tier's hook alone.
    fn is_due(&self, rank: usize, is_kind: fn(&Op) -> bool) -> bool {
        let is_hook = |gate: &Gate| {
            let Gate::Settled(id) = gate else { return false };
            let hook = self.run.actions.get(id).and_then(|state| state.op.hook());
            hook.is_some_and(|hook| matches!(hook.of, HookOf::Tier(_)))
        };
        self.of_tier(rank, is_kind)
            .any(|action| action.gates.iter().chain(&action.gates_hard).all(|gate| is_hook(gate) || self.holds(gate)))
    }

    fn may_start(&self, action: &Action) -> bool {
        let is_only_said = action.observe_only && !self.site.is_planted(Plant::ObserverActs);
        if is_only_said || !action.gates_hard.iter().all(|gate| self.holds(gate)) {
            return false;
        }
        if self.site.is_planted(Plant::ForcedAtOnce) && matches!(action.op, Op::PowerOffVm { .. }) {
            return true;
        }
        if self.site.is_planted(Plant::OwnHostNotLast)
            && matches!(&action.op, Op::ShutDownHost { host } if self.site.own_place().is_host(host))
        {
            return true;
        }
        let is_last_moment = action.last_safe.is_some_and(|at| self.now >= at);
        if !is_last_moment && (self.now < action.not_before || !action.gates.iter().all(|gate| self.holds(gate))) {
            return false;
        }
        !(action.op.is_stop() && self.is_off(action))
    }
}

/// Places for VMs that are starting: everything at once would bring down what it brings back.
struct Slots<'a> {
    policy: &'a Policy,
    per_host: BTreeMap<HostId, u32>,
    at_site: u32,
}

impl<'a> Slots<'a> {
    fn new(site: &'a Site, run: &RunState, unready: BTreeSet<VmId>) -> Self {
        let mut slots = Self { policy: &site.config.policy, per_host: BTreeMap::new(), at_site: 0 };
        for state in run.actions.values().filter(|state| state.is_in_flight() && !state.has_overrun) {
            if let Op::StartVm { host, .. } = &state.op {
                slots.count(host);
            }
        }
        for vm in unready.iter().filter_map(|id| site.inventories.get(&id.platform())?.vms.get(id)) {
            slots.count(&vm.host);
        }
        slots
    }

    fn count(&mut self, host: &HostId) {
        *self.per_host.entry(host.clone()).or_default() += 1;
        self.at_site += 1;
    }

    /// Takes one if that operation needs one; whether it may go.
    fn take(&mut self, op: &Op) -> bool {
        let Op::StartVm { host, .. } = op else { return true };
        let on_host = self.per_host.get(host).copied().unwrap_or(0);
        if on_host >= self.policy.starts_per_host || self.at_site >= self.policy.starts_per_site {
            return false;
        }
        self.count(host);
        true
    }
}

impl Site {
    /// Whether no VM but the controller's own is observed active there, and none is on its way. What cannot be seen is not empty.
    pub(crate) fn is_host_empty(&self, host: &HostId) -> bool {
        let platform = self.config.topology.hosts.get(host).and_then(|topology| topology.platform.as_ref());
        let Some(inventory) = platform.and_then(|platform| self.inventories.get(platform)) else { return false };
        let comes = |op: &Op| matches!(op, Op::MoveVm { to, .. } | Op::StartVm { host: to, .. } if to == host);
        // Of a VM that is finished by post-copy both hosts hold a half.
        let leaves = |op: &Op| matches!(op, Op::FinishMove { from, .. } if from == host);
        let mut actions = self.run.iter().flat_map(|run| run.actions.values());
        let own = self.own_place();
        inventory.hosts.get(host).is_some_and(|info| info.connected)
            && !inventory.vms.values().any(|vm| vm.host == *host && vm.power.is_active() && !own.is_vm(&vm.id))
            && !actions.any(|action| action.is_in_flight() && (comes(&action.op) || leaves(&action.op)))
    }

    pub(crate) fn is_host_ready(&self, host: &HostId, now: Mono) -> bool {
        let platform = self.config.topology.hosts.get(host).and_then(|topology| topology.platform.as_ref());
        match platform.and_then(|platform| self.inventories.get(platform)) {
            Some(inventory) => inventory.hosts.get(host).is_some_and(|info| info.connected),
            None => self.evidence.get(host).is_some_and(|evidence| evidence.verdict(now) == HostVerdict::On),
        }
    }

    /// Asks after what is under way, notes what has used its budget. Once a tick, and when a host has said something.
    pub(crate) fn look_after(&mut self, now: &Now) {
        self.settle_seen(now);
        self.doubt_adopted(now);
        self.note_overruns(now);
        self.ask_after(now);
    }

    /// Starts what may start.
    pub(crate) fn start_due(&mut self, now: &Now) {
        for action in self.startable(now) {
            self.intend(&action, now);
        }
    }

    fn startable(&self, now: &Now) -> Vec<Action> {
        let Some(run) = &self.run else { return Vec::new() };
        let Some(plan) = run.plan.as_ref().filter(|_| !self.is_awaiting() && !self.is_cut_off()) else { return Vec::new() };
        let gates = Gates::new(self, run, plan, now.mono);
        let is_due = |action: &&Action| {
            let Some(state) = run.actions.get(&action.id) else { return false };
            let is_open = match &state.phase {
                ActionPhase::Planned => true,
                ActionPhase::Failed(_) => {
                    (!state.is_failed_for_good() || self.is_planted(Plant::AttemptsWithoutBound))
                        && self.live.get(&action.id).is_none_or(|live| now.mono >= live.next_at)
                }
                _ => false,
            };
            is_open && !self.withholds(&action.op) && gates.may_start(action)
        };
        let mut slots = Slots::new(self, run, gates.unready.clone());
        plan.actions.values().filter(is_due).filter(|action| slots.take(&action.op)).cloned().collect()
    }

    /// How things stand when the first host of a run is about to go: with the hosts the network may go, and the way to people.
    fn tell_before_hosts_go(&mut self, now: &Now) {
        let Some(run) = &self.run else { return };
        let downs = || run.actions.values().filter(|action| matches!(action.op, Op::ShutDownHost { .. }));
        if downs().any(|action| action.attempts > 0) {
            return;
        }
        let hosts: Vec<&str> = downs().filter_map(|action| action.op.host()).map(HostId::as_str).collect();
        let are_moved = |count: usize| if count == 1 { "1 VM was moved".to_owned() } else { format!("{count} VMs were moved") };
        let text = format!(
            "Hosts go down from now on ({}): {}, {} shut down. What is said after this may reach nobody before the power is back.",
            hosts.join(", "),
            are_moved(run.moved.len()),
            run.stopped.len(),
        );
        self.notice(Severity::Warning, Some("RT0432"), text, now);
    }

    fn intend(&mut self, action: &Action, now: &Now) {
        if !self.record_guard(&action.op, now) {
            return;
        }
        let Some(run) = &self.run else { return };
        let run_id = run.id;
        let attempt = run.actions.get(&action.id).map_or(1, |state| state.attempts + 1);
        if let Op::ShutDownHost { host } = &action.op
            && let Some(reason) = self.why_latched(host)
            && !run.latched.contains(host)
        {
            self.append(Entry::Latched { host: host.clone(), reason }, now);
        }
        if matches!(action.op, Op::ShutDownHost { .. }) {
            self.tell_before_hosts_go(now);
        }
        let place = self.append(Entry::Intended { action: action.id, attempt, op: action.op.clone() }, now);
        self.live.insert(action.id, Live { asked_at: Some(now.mono), attempt_at: now.mono, ..Live::default() });
        if let Op::ShutDownHost { host } | Op::WakeHost { host } = &action.op
            && let Some(evidence) = self.evidence.get_mut(host)
        {
            // Proof must be younger than the deed.
            evidence.forget();
        }
        self.forget_load(&action.op);
        self.after(place, Effect::Start { run: run_id, action: action.id, attempt, op: action.op.clone() });
    }

    /// Why there is no way back once that host was told to shut down.
    fn why_latched(&self, host: &HostId) -> Option<String> {
        if self.own_place().is_host(host) {
            return Some("the controller itself runs on it".to_owned());
        }
        let can_wake = self.config.topology.hosts.get(host).is_some_and(|topology| topology.can_wake);
        (!can_wake).then(|| "it cannot be woken from here once it is down".to_owned())
    }

    /// Stops whose VM is seen off since they began are done, even if nobody can be asked any more: the host may be down by now.
    fn settle_seen(&mut self, now: &Now) {
        let Some(run) = &self.run else { return };
        let mut seen = Vec::new();
        for (id, state) in run.actions.iter().filter(|(_, state)| state.is_in_flight()) {
            let (Op::ShutDownVm { vm, host } | Op::PowerOffVm { vm, host } | Op::SuspendVm { vm, host }) = &state.op else {
                continue;
            };
            let Some(since) = self.live.get(id).map(|live| live.attempt_at).or(state.since) else { continue };
            let Some(inventory) = self.inventories.get(&vm.platform()) else { continue };
            let is_saving = matches!(state.op, Op::SuspendVm { .. });
            let is_off = |power| power == VmPower::Off || is_saving && power == VmPower::Suspended;
            let is_seen_off = inventory.vms.get(vm).is_some_and(|known| known.host == *host && is_off(known.power));
            if is_seen_off && inventory.observed_at > since {
                seen.push((*id, state.attempts, "seen off in the inventory"));
            } else if is_seen_off && run.hosts_down.contains(host) {
                seen.push((*id, state.attempts, "its host is proven off"));
            }
        }
        for (action, attempt, how) in seen {
            self.finish(action, attempt, Outcome::Done { detail: Some(how.to_owned()) }, now);
        }
    }

    /// A stop that another process began and that has not happened after half its time may never have reached its guest. The platform
    /// is asked whether it is really under way; if it is not, the guest is told again while there is time.
    fn doubt_adopted(&mut self, now: &Now) {
        let Some(run) = &self.run else { return };
        for (id, state) in run.actions.iter().filter(|(_, state)| state.is_in_flight()) {
            let Op::ShutDownVm { .. } = &state.op else { continue };
            let Some(live) = self.live.get_mut(id).filter(|live| live.is_doubted) else { continue };
            if now.mono.since(live.attempt_at) >= state.budget.scaled(1, 2) {
                live.is_doubted = false;
                live.is_ambiguous = true;
                live.next_at = now.mono;
            }
        }
    }

    fn note_overruns(&mut self, now: &Now) {
        let Some(run) = &self.run else { return };
        let mut overran = Vec::new();
        let mut given_up = Vec::new();
        for (id, state) in run.actions.iter().filter(|(_, state)| state.is_in_flight()) {
            let Some(since) = self.live.get(id).map(|live| live.attempt_at).or(state.since) else { continue };
            let is_hook = state.op.hook().is_some();
            let waited = if is_hook { self.hook_waited(*id, state, now.mono) } else { now.mono.since(since) };
            if !state.has_overrun && waited >= state.budget {
                overran.push((*id, state.budget, state.op.hook().cloned()));
            }
            let is_wanted = run.plan.as_ref().is_some_and(|plan| plan.actions.contains_key(id));
            if state.op.is_stop() && !is_wanted && waited >= state.budget.scaled(GIVE_UP_BUDGETS, 1) {
                given_up.push((*id, state.attempts, self.op_text(&state.op), waited));
            }
        }
        for (action, budget, hook) in overran {
            self.append(Entry::Overran { action, budget }, now);
            if let Some(hook) = hook {
                self.note_hook_failed(&hook, &format!("has not ended within {budget}"), now);
            }
            self.want_plan("a step has used its budget");
        }
        for (action, attempt, text, waited) in given_up {
            let message = format!("{text}: not down after {waited}, and the plan does not ask for it any more");
            self.fail(action, attempt, FailureKind::Refused, message, now);
        }
    }

    fn ask_after(&mut self, now: &Now) {
        let Some(run) = &self.run else { return };
        let in_flight: Vec<(ActionId, ActionState)> =
            run.actions.iter().filter(|(_, state)| state.is_in_flight()).map(|(id, state)| (*id, state.clone())).collect();
        let run_id = run.id;
        let is_blind = self.is_planted(Plant::CrashIsFailure);
        for (id, state) in in_flight {
            if matches!(state.op, Op::ShutDownHost { .. } | Op::WakeHost { .. }) {
                self.ask_after_host(id, &state, now);
                continue;
            }
            if state.op.hook().is_some() {
                self.ask_after_hook(id, &state, now);
                continue;
            }
            if let Some(load) = state.op.load().cloned() {
                self.ask_after_load(id, &load, &state, now);
                continue;
            }
            let live = self.live.entry(id).or_default();
            if live.asked_at.is_some_and(|asked| now.mono.since(asked) < ANSWER_MAX) || now.mono < live.next_at {
                continue;
            }
            let (action, attempt, op) = (id, state.attempts, state.op);
            if live.is_doubted && live.is_ambiguous && is_blind {
                self.not_carried_out(action, attempt, "planted", now);
                continue;
            }
            let effect = match state.phase {
                ActionPhase::Accepted(task) if !live.is_ambiguous => Effect::Poll { run: run_id, action, attempt, op, task },
                _ => Effect::Observe { run: run_id, action, attempt, op },
            };
            live.asked_at = Some(now.mono);
            live.next_at = now.mono + POLL_EVERY;
            self.out.push(effect);
        }
    }

    /// A host's wanted state is composed here, from everything that says something about it.
    fn ask_after_host(&mut self, id: ActionId, state: &ActionState, now: &Now) {
        let Some(host) = state.op.host().cloned() else { return };
        let is_own = self.own_place().is_host(&host);
        let live = self.live.entry(id).or_default();
        let (since, is_of_another) = (live.attempt_at, live.is_doubted);
        if now.mono >= live.next_at {
            live.next_at = now.mono + OBSERVE_EVERY;
            self.out.push(Effect::ObserveHost(host.clone()));
            if let Some(platform) = self.config.topology.hosts.get(&host).and_then(|topology| topology.platform.clone()) {
                self.out.push(Effect::ReadInventory(platform));
            }
        }
        let evidence = self.evidence.get(&host).map(|evidence| evidence.since(since)).unwrap_or_default();
        let topology = self.config.topology.hosts.get(&host);
        let waited = now.mono.since(since);
        match &state.op {
            Op::ShutDownHost { .. } => {
                let limit = topology.map_or(Millis::ZERO, |topology| topology.shutdown_time);
                if evidence.verdict(now.mono) == HostVerdict::Off {
                    self.host_is_off(&host, evidence.proof(), now);
                    self.finish(
                        id,
                        state.attempts,
                        Outcome::Done { detail: Some(format!("proven off by {}", evidence.proof())) },
                        now,
                    );
                } else if is_own && is_of_another && evidence.verdict(now.mono) == HostVerdict::On {
                    // It was told by a process that went down with it. If it goes on after all, a plan tells it again.
                    let detail = Some("the controller runs on it again".to_owned());
                    self.finish(id, state.attempts, Outcome::Done { detail }, now);
                } else if topology.is_some_and(|topology| !topology.can_prove_off) && state.has_overrun {
                    let message = format!("nothing can prove that {host} is off: it has no BMC in the configuration");
                    self.fail(id, state.attempts, FailureKind::Unsupported, message, now);
                } else if waited >= limit + limit {
                    let message = format!("{host} is still not off {waited} after it was told to shut down");
                    self.notice_once(&format!("not off {host}"), Severity::Alarm, Some("RT0409"), format!("{message}."), now);
                    self.fail(id, state.attempts, FailureKind::Unreachable, message, now);
                }
            }
            _ => {
                let limit = topology.map_or(Millis::ZERO, |topology| topology.boot_time);
                if self.is_host_ready(&host, now.mono) {
                    self.finish(id, state.attempts, Outcome::Done { detail: Some(format!("up after {waited}")) }, now);
                } else if waited >= limit {
                    let message = format!("{host} did not come up within {limit}");
                    self.notice_once(&format!("not up {host}"), Severity::Alarm, Some("RT0410"), format!("{message}."), now);
                    self.fail(id, state.attempts, FailureKind::Unreachable, message, now);
                }
            }
        }
    }

    pub(crate) fn fail(&mut self, id: ActionId, attempt: u32, kind: FailureKind, message: String, now: &Now) {
        let failure = Failure { kind, took_effect: TookEffect::Possible, message };
        self.finish(id, attempt, Outcome::Failed(failure), now);
    }
}
