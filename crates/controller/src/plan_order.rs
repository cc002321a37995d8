//! The order in which a plan's steps can begin, for people to read. The plan itself has no order, only gates.

use ridethrough_model::plan::Gate;
use ridethrough_model::{Action, Op, Plan};

/// All steps: each after what it waits for, otherwise by its moment and number.
pub(crate) fn in_order(plan: &Plan) -> Vec<&Action> {
    let mut left: Vec<&Action> = plan.actions.values().collect();
    left.sort_by_key(|action| (action.not_before, std::cmp::Reverse(action.rank), action.last_safe, action.id));
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = |action: &Action| !left.iter().any(|other| other.id != action.id && waits_for(action, other));
        // A circle has no order; its first step is as good as any, and lint speaks of it.
        let next = left.iter().position(|action| free(action)).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

fn waits_for(action: &Action, other: &Action) -> bool {
    action.gates.iter().chain(&action.gates_hard).any(|gate| match gate {
        Gate::Settled(id) | Gate::Done(id) => other.id == *id,
        Gate::LowerTiers { ups, rank } => {
            other.op.is_stop() && other.upses.contains(ups) && other.rank.is_some_and(|other| other > *rank)
        }
        Gate::HigherTiers { rank } => matches!(other.op, Op::StartVm { .. }) && other.rank.is_some_and(|other| other < *rank),
        Gate::HostEmpty(host) => (other.op.is_stop() || matches!(other.op, Op::MoveVm { .. })) && other.op.host() == Some(host),
        Gate::HostReady(host) => matches!(&other.op, Op::WakeHost { host: woken } if woken == host),
        Gate::HostOff(host) => matches!(&other.op, Op::ShutDownHost { host: down } if down == host),
        Gate::VmReady(vm) => matches!(&other.op, Op::StartVm { vm: started, .. } if started == vm),
        Gate::LoadReady(load) => matches!(&other.op, Op::StartLoad { load: started } if started == load),
        // What the first of its tier waits for; the first itself waits for the hook.
        Gate::StopDue { rank } => other.op.is_stop() && other.rank.is_some_and(|other| other > *rank),
        Gate::StartDue { rank } => matches!(other.op, Op::StartVm { .. }) && other.rank.is_some_and(|other| other < *rank),
        Gate::TierStopped { rank } => other.op.is_clean_stop() && other.rank == Some(*rank),
    })
}
