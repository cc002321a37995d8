//! What to save and how: moves first, then clean stops in the user's order, force only at the last safe moment.
//!
//! Where the power of hosts is known, `optimum` says until when each VM is worth its battery and in which order VMs move. Elsewhere a
//! tier is shed as soon as its domain acts, unless it has a runtime goal, and the first tier runs to its last safe moment. Order,
//! deadlines and placement hold in both cases.

use crate::feed::HostRisk;
use crate::optimum::{Kept, Optimum};
use crate::place::{Lanes, Room, first_round, move_time, move_time_max, post_copy_time};
use crate::plan::{Need, Step};
use crate::plan_finish::{draft_finish, is_finishing};
use crate::plan_hooks::time_before_stop;
use crate::plan_suspend::{self, Savings};
use crate::run::ActionPhase;
use crate::snapshot::{Snapshot, Want};
use ridethrough_model::plan::Fate;
use ridethrough_model::policy::OnOutage;
use ridethrough_model::{Finding, ForceOff, HookOf, HostId, HostTopology, Millis, Mono, Op, PlanReport, Tier, UpsId, Vm};
use std::collections::BTreeSet;

/// A host whose power ends and whose domains act.
#[derive(Clone, Debug)]
pub(crate) struct ActingHost<'a> {
    pub(crate) id: &'a HostId,
    pub(crate) topology: &'a HostTopology,
    pub(crate) ends_at: Mono,
    pub(crate) empty_at: Mono,
    pub(crate) upses: BTreeSet<UpsId>,
    pub(crate) since: Mono,
    pub(crate) moves_from: Mono,
    pub(crate) on_battery_since: Mono,
    pub(crate) observe_only: bool,
    pub(crate) is_emergency: bool,
    /// What its hook before the stop may take.
    pub(crate) hook_time: Millis,
}

/// Time kept between powering VMs off and telling the host to shut down.
pub(crate) const FORCE_LEAD: Millis = Millis::from_secs(10);

/// Time a move under way needs to be given up.
pub(crate) const ABORT_LEAD: Millis = Millis::from_secs(10);

impl ActingHost<'_> {
    /// The host must be told to shut down by then.
    pub(crate) fn shut_down_at(&self) -> Mono {
        self.ends_at - self.topology.shutdown_time
    }
    /// What still runs then is powered off.
    pub(crate) fn force_at(&self) -> Mono {
        self.shut_down_at() - self.hook_time - FORCE_LEAD
    }
    /// When a VM is powered off whose clean stop began then and may take that long. Where too little time was left for that stop,
    /// what the forecast kept as its margin is there for it, and all it needs if the power should have ended before: to power it
    /// off at once would spare nobody.
    pub(crate) fn force_after(&self, begun_at: Mono, takes: Millis) -> Mono {
        let wanted = begun_at + takes;
        let at_most = self.ends_at.max(self.empty_at - self.topology.shutdown_time - self.hook_time - FORCE_LEAD);
        let given = if begun_at < at_most { wanted.min(at_most) } else { wanted };
        given.max(self.force_at())
    }
    /// The last moment at which a clean stop that takes this long can begin.
    pub(crate) fn last_safe(&self, tier: &Tier) -> Mono {
        self.force_at() - tier.stop_budget
    }
    /// Drafts the force that comes at that moment, where it is allowed.
    pub(crate) fn push_force(&self, (rank, tier): (usize, &Tier), vm: &Vm, at: Mono, steps: &mut Vec<Step>) {
        if tier.force_off != ForceOff::AtDeadline {
            return;
        }
        let force = Op::PowerOffVm { vm: vm.id.clone(), host: vm.host.clone() };
        let text = format!("Only if it still runs at the last safe moment of {}.", self.id);
        let mut step = Step::new(force, at, Millis::from_secs(15), "force only at the deadline", text);
        step.tier = Some(tier.name.clone());
        step.rank = Some(rank);
        step.observe_only = self.observe_only;
        steps.push(step);
    }
}

/// Every host whose power ends and all of whose domains act. Order: by name.
pub(crate) fn acting_hosts<'a>(snapshot: &'a Snapshot<'_>) -> Vec<ActingHost<'a>> {
    let mut acting = Vec::new();
    for (id, topology) in &snapshot.topology.hosts {
        let HostRisk::AtRisk { ends_at, empty_at, upses } = snapshot.host_risk(id) else { continue };
        let domains: Vec<_> = snapshot.domains_of(&upses).collect();
        let saves: Vec<(Mono, Mono, Millis)> = domains
            .iter()
            .filter_map(|domain| match snapshot.wants.get(*domain) {
                Some(Want::Save { since, on_battery_since }) => {
                    let move_after = snapshot.topology.domains.get(*domain).map_or(Millis::ZERO, |d| d.timing.move_after);
                    Some((*since, *on_battery_since, move_after))
                }
                _ => None,
            })
            .collect();
        if domains.is_empty() || saves.len() != domains.len() {
            continue;
        }
        let is_emergency = upses.iter().all(|ups| snapshot.sources.get(ups).is_some_and(|source| source.emergency));
        let in_maintenance = upses.iter().any(|ups| snapshot.maintenance.contains(ups));
        let since = saves.iter().map(|save| save.0).max().unwrap_or(snapshot.now);
        acting.push(ActingHost {
            id,
            topology,
            ends_at,
            empty_at,
            observe_only: domains.iter().any(|domain| !snapshot.armed.contains(*domain)) || (in_maintenance && !is_emergency),
            since,
            moves_from: saves.iter().map(|save| save.1 + save.2).max().unwrap_or(since),
            on_battery_since: saves.iter().map(|save| save.1).max().unwrap_or(since),
            upses,
            is_emergency,
            hook_time: time_before_stop(snapshot.topology, HookOf::Host(id.clone())),
        });
    }
    acting
}

/// Drafts what becomes of every active VM on these hosts.
pub(crate) fn draft(snapshot: &Snapshot<'_>, hosts: &[ActingHost<'_>], steps: &mut Vec<Step>, report: &mut PlanReport) {
    let mut room = Room::of(snapshot);
    let mut lanes = Lanes::new(snapshot);
    let mut savings = Savings::of(snapshot);
    let mut vms: Vec<(usize, Tier, &Vm, &ActingHost<'_>)> = Vec::new();
    for vm in snapshot.vms().filter(|vm| vm.power.is_active()) {
        if let Some(host) = hosts.iter().find(|host| *host.id == vm.host) {
            let rank = snapshot.policy.rank_of(vm);
            vms.push((rank, snapshot.policy.tier_of(vm), vm, host));
        }
    }
    let optimum = Optimum::of(snapshot, hosts);
    report.findings.extend(optimum.findings.iter().cloned());
    let place = |vm: &Vm| optimum.order(&vm.id);
    vms.sort_by(|a, b| (a.0, place(a.2), &a.2.name, &a.2.id).cmp(&(b.0, place(b.2), &b.2.name, &b.2.id)));
    // Whoever carries on the run is brought to safety first.
    vms.sort_by_key(|(_, _, vm, _)| !snapshot.is_own(vm));
    for (rank, tier, vm, host) in vms {
        let mut reasons = Vec::new();
        if snapshot.is_own(vm) {
            if !draft_move(snapshot, host, (rank, &tier), vm, (&mut room, &mut lanes), (steps, report), &mut reasons) {
                reasons.push("the controller runs in it".to_owned());
                let words = format!("goes down with {}, last", host.id);
                report.fates.insert(vm.id.clone(), fate(vm, &tier, words, reasons.join("; "), None));
            }
            continue;
        }
        // What is shut down is not saved: a rung behind that is out of reach.
        let mut rungs = tier.on_outage.iter().take_while(|rung| **rung != OnOutage::ShutDown);
        let is_saved = rungs.any(|rung| match rung {
            OnOutage::Move => {
                draft_move(snapshot, host, (rank, &tier), vm, (&mut room, &mut lanes), (steps, report), &mut reasons)
            }
            OnOutage::Suspend => {
                let kept = optimum.kept(&vm.id);
                plan_suspend::draft(snapshot, host, (rank, &tier), (vm, kept), &mut savings, (steps, report), &mut reasons)
            }
            OnOutage::ShutDown => false,
        });
        if !is_saved {
            draft_stop(snapshot, host, (rank, &tier), vm, (&reasons, optimum.kept(&vm.id)), (steps, report));
        }
    }
    turn_back(snapshot, hosts, steps);
}

/// What is on its way to a host that has lost its power since stays where it is, if power is good there.
fn turn_back(snapshot: &Snapshot<'_>, hosts: &[ActingHost<'_>], steps: &mut Vec<Step>) {
    let is_acting = |id: &HostId| hosts.iter().any(|host| host.id == id);
    for vm in snapshot.vms().filter(|vm| !is_acting(&vm.host)) {
        let Some((Op::MoveVm { to, .. }, _)) = snapshot.move_in_flight(&vm.id) else { continue };
        let Some(target) = hosts.iter().find(|host| host.id == to).filter(|_| !is_finishing(snapshot, vm, to)) else { continue };
        let abort = Op::AbortMove { vm: vm.id.clone(), from: vm.host.clone(), to: to.clone() };
        draft_abort(snapshot, target, abort, "its target has lost its power", steps);
    }
}

/// Drafts a move if there is one that ends in time; otherwise says why not.
fn draft_move(
    snapshot: &Snapshot<'_>,
    host: &ActingHost<'_>,
    (rank, tier): (usize, &Tier),
    vm: &Vm,
    (room, lanes): (&mut Room, &mut Lanes),
    (steps, report): (&mut Vec<Step>, &mut PlanReport),
    reasons: &mut Vec<String>,
) -> bool {
    let last_safe = host.last_safe(tier);
    if plan_suspend::is_under_way(snapshot, vm) {
        return false;
    }
    if let Some(op) = snapshot.move_in_flight(&vm.id).map(|(op, _)| op.clone()) {
        return go_on_moving(snapshot, host, (rank, tier), vm, op, (steps, report), reasons);
    }
    if host.is_emergency {
        reasons.push("everything stops at once".to_owned());
        return false;
    }
    let failed = failed_targets(snapshot, vm);
    let to = match room.choose(snapshot, vm, tier, &failed) {
        Ok(to) => to,
        Err(reason) => {
            reasons.push(reason);
            return false;
        }
    };
    let time = match move_time(snapshot, vm) {
        Ok(time) => time,
        Err(_) if vm.can_post_copy => first_round(snapshot, vm) + post_copy_time(snapshot, vm),
        Err(reason) => {
            reasons.push(reason);
            return false;
        }
    };
    let op = Op::MoveVm { vm: vm.id.clone(), from: vm.host.clone(), to: to.clone() };
    let mut queue = lanes.clone();
    let not_before = host.moves_from.max(snapshot.now);
    let (end, waits) = queue.enter(&op, not_before, time);
    if end + ABORT_LEAD > last_safe {
        // Waiting for move_after is a wish; losing the VM for it is not.
        let mut queue = lanes.clone();
        let (end_now, waits_now) = queue.enter(&op, snapshot.now, time);
        if end_now + ABORT_LEAD > last_safe {
            reasons.push(format!("a move to {to} would not end before its clean stop must begin"));
            return false;
        }
        *lanes = queue;
        room.take(&to, vm);
        room.take_disks(&to, vm);
        push_move(snapshot, host, (rank, tier), vm, op, waits_now, (steps, report));
        if let Some(step) = steps.last_mut() {
            step.not_before = snapshot.now;
        }
        return true;
    }
    *lanes = queue;
    room.take(&to, vm);
    room.take_disks(&to, vm);
    push_move(snapshot, host, (rank, tier), vm, op, waits, (steps, report));
    true
}

/// A move under way goes on, or is given up where it would not end well; whether it goes on.
fn go_on_moving(
    snapshot: &Snapshot<'_>,
    host: &ActingHost<'_>,
    (rank, tier): (usize, &Tier),
    vm: &Vm,
    op: Op,
    (steps, report): (&mut Vec<Step>, &mut PlanReport),
    reasons: &mut Vec<String>,
) -> bool {
    let last_safe = host.last_safe(tier);
    let Op::MoveVm { to, .. } = op.clone() else { return false };
    let reason = if host.is_emergency {
        "everything stops at once"
    } else if snapshot.host_risk(&to) != HostRisk::Safe {
        "its target's power is no longer known to be good"
    } else if snapshot.now + ABORT_LEAD >= last_safe {
        "it would not end before its clean stop must begin"
    } else {
        push_move(snapshot, host, (rank, tier), vm, op, Vec::new(), (steps, report));
        draft_finish(snapshot, host, vm, &to, last_safe, steps);
        return true;
    };
    if is_finishing(snapshot, vm, &to) {
        // Half of it is at each host: there is nothing to go back to.
        push_move(snapshot, host, (rank, tier), vm, op, Vec::new(), (steps, report));
        return true;
    }
    reasons.push(format!("its move to {to} is stopped: {reason}"));
    draft_abort(snapshot, host, Op::AbortMove { vm: vm.id.clone(), from: vm.host.clone(), to }, reason, steps);
    false
}

/// Where a move of that VM from where it is has failed for good.
fn failed_targets(snapshot: &Snapshot<'_>, vm: &Vm) -> BTreeSet<HostId> {
    let failed = snapshot.known.iter().filter(|(_, known)| known.is_failed);
    let target = |op: &Op| match op {
        Op::MoveVm { vm: moved, from, to } if *moved == vm.id && *from == vm.host => Some(to.clone()),
        _ => None,
    };
    failed.filter_map(|(op, _)| target(op)).collect()
}

fn draft_abort(snapshot: &Snapshot<'_>, host: &ActingHost<'_>, abort: Op, reason: &str, steps: &mut Vec<Step>) {
    // Once it is given up, the move itself says so at its next poll.
    if snapshot.known.get(&abort).is_some_and(|known| *known.phase == ActionPhase::Done) {
        return;
    }
    let text = format!("The move is given up: {reason}.");
    let mut step = Step::new(abort, snapshot.now, Millis::from_secs(15), "last safe moment", text);
    step.observe_only = host.observe_only;
    steps.push(step);
}

fn push_move(
    snapshot: &Snapshot<'_>,
    host: &ActingHost<'_>,
    (rank, tier): (usize, &Tier),
    vm: &Vm,
    op: Op,
    waits: Vec<Op>,
    (steps, report): (&mut Vec<Step>, &mut PlanReport),
) {
    let Op::MoveVm { to, .. } = &op else { return };
    let reason = format!("{to} keeps power and has room; {} is on battery", host.id);
    report.fates.insert(vm.id.clone(), fate(vm, tier, format!("moves to {to}"), reason.clone(), Some(host.last_safe(tier))));
    let budget = move_time_max(snapshot, vm) + snapshot.policy.move_slack;
    let mut step = Step::new(op, host.moves_from, budget, "save critical VMs", format!("{reason}."));
    step.tier = Some(tier.name.clone());
    step.rank = Some(rank);
    step.upses.clone_from(&host.upses);
    step.needs_hard = waits.into_iter().map(Need::Settled).collect();
    step.observe_only = host.observe_only;
    steps.push(step);
}

fn draft_stop(
    snapshot: &Snapshot<'_>,
    host: &ActingHost<'_>,
    (rank, tier): (usize, &Tier),
    vm: &Vm,
    (reasons, kept): (&[String], Option<&Kept>),
    (steps, report): (&mut Vec<Step>, &mut PlanReport),
) {
    let last_safe = host.last_safe(tier);
    let (not_before, when) = stop_time(snapshot, host, (rank, tier), (kept, last_safe));
    let reason = if reasons.is_empty() { when } else { format!("{}; {when}", reasons.join("; ")) };
    let op = Op::ShutDownVm { vm: vm.id.clone(), host: vm.host.clone() };
    let begun = snapshot.known.get(&op).filter(|known| !matches!(known.phase, ActionPhase::Done | ActionPhase::Dropped(_)));
    let is_begun = begun.is_some_and(|known| known.is_in_flight);
    let begins_at = begun.and_then(|known| known.since).unwrap_or_else(|| not_before.min(last_safe).max(snapshot.now));
    if last_safe < snapshot.now && !is_begun {
        report.fits = false;
        report.findings.push(Finding::error(
            "RT0402",
            format!("VM {}", vm.name),
            format!("Its clean stop may take {} and the power of {} ends too soon for it.", tier.stop_budget, host.id),
            "It is stopped at once; it may be powered off before it has finished. Shed earlier or give the UPS less to carry.",
        ));
    }
    report.fates.insert(vm.id.clone(), fate(vm, tier, "shut down".to_owned(), reason.clone(), Some(last_safe)));
    let rule = if kept.is_some() && !host.is_emergency { "best use of the battery" } else { "tier order" };
    let mut step = Step::new(op.clone(), not_before, tier.stop_budget, rule, format!("{}.", upper(&reason)));
    step.tier = Some(tier.name.clone());
    step.rank = Some(rank);
    step.upses.clone_from(&host.upses);
    step.last_safe = Some(last_safe);
    step.observe_only = host.observe_only;
    if !host.is_emergency {
        step.needs = host.upses.iter().map(|ups| Need::LowerTiers { ups: ups.clone(), rank }).collect();
    }
    if let Some((moving, _)) = snapshot.move_in_flight(&vm.id) {
        // A guest cannot be shut down in the middle of its move: the platform blocks until the move has ended.
        step.needs_hard.push(Need::Settled(moving.clone()));
    }
    if plan_suspend::is_under_way(snapshot, vm) {
        step.needs_hard.push(Need::Settled(Op::SuspendVm { vm: vm.id.clone(), host: vm.host.clone() }));
    }
    steps.push(step);
    host.push_force((rank, tier), vm, host.force_after(begins_at, tier.stop_budget), steps);
}

/// When a clean stop that must begin by `latest` is begun, and why then.
pub(crate) fn stop_time(
    snapshot: &Snapshot<'_>,
    host: &ActingHost<'_>,
    (rank, tier): (usize, &Tier),
    (kept, latest): (Option<&Kept>, Mono),
) -> (Mono, String) {
    let runs_to_the_end = rank == 0 && !snapshot.policy.tiers.is_empty() && tier.runtime_goal.is_none();
    if host.is_emergency {
        (host.since, "everything stops at once: the UPS says so".to_owned())
    } else if let Some(kept) = kept {
        (kept.until.min(latest), kept.why.clone())
    } else if runs_to_the_end {
        (latest, "the first tier runs to its last safe moment".to_owned())
    } else if let Some(goal) = tier.runtime_goal {
        ((host.on_battery_since + goal).min(latest), format!("its tier runs for {goal} on battery if it can"))
    } else {
        (host.since, "less important VMs are shed first to stretch the battery".to_owned())
    }
}

pub(crate) fn fate(vm: &Vm, tier: &Tier, fate: String, reason: String, last_safe: Option<Mono>) -> Fate {
    Fate { name: vm.name.clone(), tier: tier.name.clone(), fate, reason, last_safe }
}

pub(crate) fn upper(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The moment from which waiting one more tick would lose a movable VM or make a clean stop impossible in that domain.
pub(crate) fn must_act_at(snapshot: &Snapshot<'_>, domain_upses: &BTreeSet<UpsId>) -> Option<Mono> {
    let mut earliest: Option<Mono> = crate::plan_loads::must_act_at(snapshot, domain_upses);
    for (id, topology) in &snapshot.topology.hosts {
        let HostRisk::AtRisk { ends_at, upses, .. } = snapshot.host_risk(id) else { continue };
        if upses.is_disjoint(domain_upses) {
            continue;
        }
        let last = host_must_act_at(snapshot, id, topology, ends_at);
        earliest = Some(earliest.map_or(last, |at| at.min(last)));
    }
    earliest
}

/// The same of one host whose power ends then.
pub(crate) fn host_must_act_at(snapshot: &Snapshot<'_>, id: &HostId, topology: &HostTopology, ends_at: Mono) -> Mono {
    let mut moves = Millis::ZERO;
    let mut slowest = Millis::ZERO;
    for vm in snapshot.vms().filter(|vm| vm.host == *id && vm.power.is_active()) {
        let tier = snapshot.policy.tier_of(vm);
        let is_own = snapshot.is_own(vm);
        slowest = slowest.max(tier.stop_budget + time_before_stop(snapshot.topology, HookOf::Tier(tier.name.clone())));
        if (is_own || tier.on_outage.contains(&OnOutage::Move)) && vm.move_blockers.is_empty() {
            moves = moves + move_time(snapshot, vm).unwrap_or_default();
        }
    }
    let hook = time_before_stop(snapshot.topology, HookOf::Host(id.clone()));
    ends_at - topology.shutdown_time - hook - FORCE_LEAD - slowest - lead_of(moves)
}

/// What moves need before the last safe moment: their time, and that of giving them up.
fn lead_of(moves: Millis) -> Millis {
    if moves == Millis::ZERO { moves } else { moves + ABORT_LEAD }
}
