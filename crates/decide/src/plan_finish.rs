//! Moves that do not come to their end by themselves: finished by post-copy where the platform allows it and there is time, else
//! given up. A VM that is finished so has a half at each host; nothing takes that back.

use crate::place::{first_round, move_time, post_copy_time};
use crate::plan::Step;
use crate::plan_outage::ActingHost;
use crate::run::ActionPhase;
use crate::snapshot::{InFlight, Snapshot};
use ridethrough_model::entry::Home;
use ridethrough_model::{HostId, Millis, Mono, Op, Vm};

/// A move home that cannot be finished otherwise is given up after this many budgets.
const HOME_BUDGETS: u64 = 3;
/// How long giving a move up may take.
const ABORT_BUDGET: Millis = Millis::from_secs(15);

/// Finishes a move by post-copy that has had the time for it and does not end, where that is allowed and ends in time.
pub(crate) fn draft_finish(
    snapshot: &Snapshot<'_>,
    host: &ActingHost<'_>,
    vm: &Vm,
    to: &HostId,
    last_safe: Mono,
    steps: &mut Vec<Step>,
) {
    let Some((_, known)) = snapshot.move_in_flight(&vm.id).filter(|_| vm.can_post_copy) else { return };
    let expected = move_time(snapshot, vm).unwrap_or_else(|_| first_round(snapshot, vm));
    let is_late = known.since.is_some_and(|since| snapshot.now >= since + expected);
    let time = post_copy_time(snapshot, vm);
    let op = Op::FinishMove { vm: vm.id.clone(), from: vm.host.clone(), to: to.clone() };
    let finish = snapshot.known.get(&op);
    let is_begun = finish.is_some_and(|finish| finish.is_in_flight);
    let is_useless = is_finishing(snapshot, vm, to) || finish.is_some_and(|finish| finish.is_failed);
    if !is_begun && (is_useless || !is_late || snapshot.now + time > last_safe) {
        return;
    }
    let text = format!(
        "It writes its memory faster than the move sends it. It runs on {to} from now on and its memory follows: until that is done it          is lost if {to}, {} or the network between them fails.",
        host.id
    );
    let mut step = Step::new(op, snapshot.now, time + snapshot.policy.move_slack, "save critical VMs", text);
    step.observe_only = host.observe_only;
    steps.push(step);
}

/// Whether the move under way is being finished by post-copy.
pub(crate) fn is_finishing(snapshot: &Snapshot<'_>, vm: &Vm, to: &HostId) -> bool {
    let finish = Op::FinishMove { vm: vm.id.clone(), from: vm.host.clone(), to: to.clone() };
    let begun = snapshot.move_in_flight(&vm.id).and_then(|(_, known)| known.since);
    let is_begun = |known: &InFlight| known.is_in_flight || *known.phase == ActionPhase::Done && known.since >= begun;
    snapshot.known.get(&finish).is_some_and(is_begun)
}

/// A move away that has had its time when the mains is stable again is given up: the VM is still at home.
pub(crate) fn draft_end_of_way_out(snapshot: &Snapshot<'_>, vm: &Vm, home: &Home, steps: &mut Vec<Step>) {
    let Some((Op::MoveVm { from, to, .. }, known)) = snapshot.move_in_flight(&vm.id) else { return };
    if *from != home.host || !known.has_overrun || is_finishing(snapshot, vm, to) {
        return;
    }
    let abort = Op::AbortMove { vm: vm.id.clone(), from: from.clone(), to: to.clone() };
    let is_done = |done: &InFlight| *done.phase == ActionPhase::Done && done.since >= known.since;
    if snapshot.known.get(&abort).is_some_and(is_done) {
        return;
    }
    let text = "It does not come to its end, and the mains is back: it stays at home.".to_owned();
    steps.push(Step::new(abort, snapshot.now, ABORT_BUDGET, "VMs go home", text));
}

/// A move home that goes on for longer than it may: finished by post-copy where that is allowed, else given up. The VM runs on
/// where it is.
pub(crate) fn draft_end_of_way_home(
    snapshot: &Snapshot<'_>,
    vm: &Vm,
    op: &Op,
    observe_only: bool,
    budget: Millis,
    steps: &mut Vec<Step>,
) {
    let (Op::MoveVm { vm: id, from, to }, Some(known)) = (op, snapshot.known.get(op)) else { return };
    let waited = known.since.map_or(Millis::ZERO, |since| snapshot.now.since(since));
    let (id, from, to) = (id.clone(), from.clone(), to.clone());
    let finish = Op::FinishMove { vm: id.clone(), from: from.clone(), to: to.clone() };
    let has_failed = snapshot.known.get(&finish).is_some_and(|known| known.is_failed);
    let (op, text) = if vm.can_post_copy && !has_failed {
        if waited < budget {
            return;
        }
        let text =
            format!("It writes its memory faster than the move sends it. It runs on {to} from now on and its memory follows.");
        (finish, text)
    } else {
        if waited < budget.scaled(HOME_BUDGETS, 1) {
            return;
        }
        let text = "It writes its memory faster than the move sends it: it stays where it runs.".to_owned();
        (Op::AbortMove { vm: id, from, to }, text)
    };
    let is_done = |done: &InFlight| *done.phase == ActionPhase::Done && done.since >= known.since;
    if snapshot.known.get(&op).is_some_and(is_done) {
        return;
    }
    let mut step = Step::new(op, snapshot.now, post_copy_time(snapshot, vm) + snapshot.policy.move_slack, "VMs go home", text);
    step.observe_only = observe_only;
    steps.push(step);
}
