//! Saving VMs to their host's disk instead of shutting them down. Used only where size, rate and space are known and it ends
//! before the clean stop would have to begin, so that the stop is still there when it does not.
//!
//! One at a time on each host: its disk is shared. They are given their times from the last safe moment backwards, the most
//! important last.

use crate::optimum::Kept;
use crate::plan::{Need, Step};
use crate::plan_outage::{ActingHost, fate, stop_time, upper};
use crate::snapshot::Snapshot;
use ridethrough_model::{Bytes, HostId, Millis, Mono, Op, PlanReport, SuspendRoom, Tier, Vm};
use std::collections::BTreeMap;

/// Time a saving under way needs to be given up.
const ABORT_LEAD: Millis = Millis::from_secs(10);
/// Time it takes besides its bytes.
const SETUP: Millis = Millis::from_secs(2);
/// How long it may last beyond its forecast before it counts as overrun.
const SLACK: Millis = Millis::from_secs(30);
/// What an image holds beside the memory: the devices' state, and what the file system needs for it.
const IMAGE_EXTRA: Bytes = Bytes::from_mib(64);

/// What may become of the space an image needs.
fn image(vm: &Vm) -> Bytes {
    vm.memory + IMAGE_EXTRA
}

/// How long saving that VM to its host's disk takes, or reading it back; `None`: not known.
pub(crate) fn suspend_time(snapshot: &Snapshot<'_>, vm: &Vm) -> Option<Millis> {
    let inventory = snapshot.inventories.get(&vm.id.platform())?;
    let rate = inventory.hosts.get(&vm.host)?.suspend.rate.filter(|rate| rate.0 > 0)?;
    Some(SETUP + Millis(image(vm).0.saturating_mul(1000) / rate.0))
}

/// Whether that VM is being saved to disk.
pub(crate) fn is_under_way(snapshot: &Snapshot<'_>, vm: &Vm) -> bool {
    let op = Op::SuspendVm { vm: vm.id.clone(), host: vm.host.clone() };
    snapshot.known.get(&op).is_some_and(|known| known.is_in_flight)
}

/// What is left of a host's disk, and of the time to write to it.
#[derive(Clone, Debug)]
struct Desk {
    space: Option<Bytes>,
    /// What is being written has ended by then.
    is_free_from: Mono,
    under_way: Vec<Op>,
    /// The next one must have ended by then, because that other one begins.
    before: Option<(Mono, Op)>,
}

/// The savings of all hosts.
#[derive(Clone, Debug)]
pub(crate) struct Savings(BTreeMap<HostId, Desk>);

impl Savings {
    /// As they stand: what is under way holds its space and its time.
    pub(crate) fn of(snapshot: &Snapshot<'_>) -> Self {
        let hosts = snapshot.inventories.values().flat_map(|inventory| inventory.hosts.values());
        let desk =
            |room: SuspendRoom| Desk { space: room.space, is_free_from: snapshot.now, under_way: Vec::new(), before: None };
        let mut desks: BTreeMap<HostId, Desk> = hosts.map(|host| (host.id.clone(), desk(host.suspend))).collect();
        for (op, known) in snapshot.known.iter().filter(|(_, known)| known.is_in_flight) {
            let Op::SuspendVm { vm, host } = op else { continue };
            let (Some(vm), Some(desk)) = (snapshot.vm(vm), desks.get_mut(host)) else { continue };
            desk.space = desk.space.map(|space| space - image(vm));
            let time = suspend_time(snapshot, vm).unwrap_or(SETUP);
            desk.is_free_from = desk.is_free_from.max(known.since.unwrap_or(snapshot.now) + time);
            desk.under_way.push(op.clone());
        }
        Self(desks)
    }

    /// The latest moment at which saving it can begin and how long it takes, or why it cannot be saved.
    fn find(&self, snapshot: &Snapshot<'_>, host: &ActingHost<'_>, tier: &Tier, vm: &Vm) -> Result<(Mono, Millis), String> {
        if let Some(blocker) = vm.suspend_blockers.first() {
            return Err(format!("it cannot be saved to disk: {blocker}"));
        }
        let unknown = |what: &str| format!("it is not saved to disk: {what} on {} is not known", host.id);
        let time = suspend_time(snapshot, vm).ok_or_else(|| unknown("how fast that goes"))?;
        let desk = self.0.get(host.id).ok_or_else(|| unknown("how fast that goes"))?;
        let space = desk.space.ok_or_else(|| unknown("the space for it"))?;
        if space < image(vm) {
            return Err(format!("it is not saved to disk: {} has {space} for that, {} needed", host.id, image(vm)));
        }
        let end = host.last_safe(tier) - ABORT_LEAD;
        let latest = desk.before.as_ref().map_or(end, |(before, _)| end.min(*before)) - time;
        if latest < snapshot.now.max(desk.is_free_from) {
            return Err(format!("saving it to disk takes {time} and would not end before its clean stop must begin"));
        }
        Ok((latest, time))
    }
}

/// Drafts the saving of a VM if there is time and room for it; otherwise says why not.
pub(crate) fn draft(
    snapshot: &Snapshot<'_>,
    host: &ActingHost<'_>,
    (rank, tier): (usize, &Tier),
    (vm, kept): (&Vm, Option<&Kept>),
    savings: &mut Savings,
    (steps, report): (&mut Vec<Step>, &mut PlanReport),
    reasons: &mut Vec<String>,
) -> bool {
    let op = Op::SuspendVm { vm: vm.id.clone(), host: vm.host.clone() };
    let known = snapshot.known.get(&op);
    if let Some(known) = known.filter(|known| known.is_in_flight) {
        let begun = known.since.unwrap_or(snapshot.now);
        let time = suspend_time(snapshot, vm).unwrap_or(SETUP);
        if goes_on(snapshot, host, tier, begun + time) {
            let begins = (begun, host.last_safe(tier), time);
            push(snapshot, host, (rank, tier), vm, begins, "it is being saved to disk", (steps, report));
            return true;
        }
        reasons.push("saving it to disk is stopped: it would not end before its clean stop must begin".to_owned());
        abort(snapshot, host, vm, steps);
        return false;
    }
    if host.is_emergency {
        reasons.push("everything stops at once".to_owned());
        return false;
    }
    if known.is_some_and(|known| known.is_failed) {
        reasons.push("saving it to disk failed".to_owned());
        return false;
    }
    let shut_down = Op::ShutDownVm { vm: vm.id.clone(), host: vm.host.clone() };
    if snapshot.known.get(&shut_down).is_some_and(|known| known.is_in_flight) || snapshot.move_in_flight(&vm.id).is_some() {
        return false;
    }
    let (latest, time) = match savings.find(snapshot, host, tier, vm) {
        Ok(found) => found,
        Err(reason) => {
            reasons.push(reason);
            return false;
        }
    };
    let (not_before, when) = stop_time(snapshot, host, (rank, tier), (kept, latest));
    push(snapshot, host, (rank, tier), vm, (not_before, latest, time), &when, (steps, report));
    let Some(desk) = savings.0.get_mut(host.id) else { return true };
    desk.space = desk.space.map(|space| space - image(vm));
    if let Some(step) = steps.iter_mut().find(|step| step.op == op) {
        step.needs_hard.extend(desk.under_way.iter().cloned().map(Need::Settled));
    }
    if let Some((_, later)) = desk.before.replace((latest, op.clone()))
        && let Some(step) = steps.iter_mut().find(|step| step.op == later)
    {
        step.needs_hard.push(Need::Settled(op));
    }
    true
}

/// Whether a saving under way is waited for. While its forecast is open it may use the time its clean stop would need.
fn goes_on(snapshot: &Snapshot<'_>, host: &ActingHost<'_>, tier: &Tier, ends_at: Mono) -> bool {
    if snapshot.now < ends_at { ends_at <= host.force_at() } else { snapshot.now + ABORT_LEAD < host.last_safe(tier) }
}

fn abort(snapshot: &Snapshot<'_>, host: &ActingHost<'_>, vm: &Vm, steps: &mut Vec<Step>) {
    let abort = Op::AbortSuspend { vm: vm.id.clone(), host: vm.host.clone() };
    if snapshot.known.get(&abort).is_some_and(|known| *known.phase == crate::run::ActionPhase::Done) {
        return;
    }
    let text = "Saving it is given up: it would not end before its clean stop must begin.".to_owned();
    let mut step = Step::new(abort, snapshot.now, Millis::from_secs(15), "last safe moment", text);
    step.observe_only = host.observe_only;
    steps.push(step);
}

fn push(
    snapshot: &Snapshot<'_>,
    host: &ActingHost<'_>,
    (rank, tier): (usize, &Tier),
    vm: &Vm,
    (not_before, latest, time): (Mono, Mono, Millis),
    when: &str,
    (steps, report): (&mut Vec<Step>, &mut PlanReport),
) {
    let reason = format!("{} has the room and the time for it, about {time}; {when}", host.id);
    report.fates.insert(vm.id.clone(), fate(vm, tier, "saved to disk".to_owned(), reason.clone(), Some(latest)));
    let op = Op::SuspendVm { vm: vm.id.clone(), host: vm.host.clone() };
    let mut step = Step::new(op, not_before, time + SLACK, "tier order", format!("{}.", upper(&reason)));
    step.tier = Some(tier.name.clone());
    step.rank = Some(rank);
    step.upses.clone_from(&host.upses);
    step.last_safe = Some(latest);
    step.observe_only = host.observe_only;
    if !host.is_emergency {
        step.needs = host.upses.iter().map(|ups| Need::LowerTiers { ups: ups.clone(), rank }).collect();
    }
    steps.push(step);
    let begins_at = not_before.min(latest).max(snapshot.now);
    host.push_force((rank, tier), vm, host.force_after(begins_at, time + SLACK), steps);
}
