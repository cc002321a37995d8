//! Rule 10: automation is disarmed before what it could undo, from a value that is written down, and put back last.

use super::{SLACK, Scene};
use crate::seen::Seen;
use ridethrough_model::entry::RunEnd;
use ridethrough_model::{Entry, GuardId, GuardedStep, HostId, Millis, Op};

/// What three attempts may take until a step goes on without the guard.
const GIVEN_UP: Millis = Millis::from_secs(65);

/// The value that a guard had is in the journal before anything is done to it.
pub(super) fn a_guard_is_recorded_before_it_is_disarmed(scene: &Scene<'_>) -> Option<String> {
    scene
        .starts()
        .find_map(|(attempt, op)| {
            let Op::DisarmGuard { guard, value, .. } = op else { return None };
            let recorded = scene.seen.guards.get(guard)?;
            scene.judge();
            let is_durable = scene.seen.is_degraded || scene.seen.durable.get(&attempt.0).is_some_and(|last| recorded.1 <= *last);
            (recorded.0 != *value || !is_durable).then(|| format!("{op}: {} is written down, durable: {is_durable}", recorded.0))
        })
        .or_else(|| {
            scene.first(|op| {
                let Op::DisarmGuard { guard, .. } = op else { return None };
                (!scene.seen.guards.contains_key(guard)).then(|| "nothing is written down of it".to_owned())
            })
        })
}

/// No stop, move or end of a host goes before its guard is disarmed, or has had its attempts, or the last safe moment has come.
pub(super) fn no_step_goes_before_its_guard(scene: &Scene<'_>) -> Option<String> {
    scene.starts().find_map(|(attempt, op)| {
        let (kind, hosts) = match op {
            Op::ShutDownVm { host, .. } => (GuardedStep::StopVm, [host, host]),
            Op::MoveVm { from, to, .. } if scene.is_stop(op) => (GuardedStep::MoveVm, [from, to]),
            Op::ShutDownHost { host } => (GuardedStep::ShutDownHost, [host, host]),
            _ => return None,
        };
        let is_last = scene.last_safe(attempt).is_some_and(|at| scene.now() + SLACK >= at);
        let is_emergency = crate::seen::Seen::feeds(scene.world, hosts[0]).into_iter().any(|ups| scene.is_emergency(ups));
        if is_last || is_emergency {
            return None;
        }
        if !scene.world.reality.guards.is_empty() {
            scene.judge();
        }
        let wrong = scene.world.reality.guards.iter().find(|(id, guard)| {
            guard.state.before.contains(&kind)
                && hosts.iter().any(|host| guard.state.hosts.contains(*host))
                && guard.state.is_armed()
                && !guard.is_meddled
                && !has_had_its_turn(scene, id)
        });
        wrong.map(|(id, _)| format!("{op}: {id} is armed"))
    })
}

fn has_had_its_turn(scene: &Scene<'_>, id: &GuardId) -> bool {
    let tries =
        || scene.seen.intents.values().filter(|intent| matches!(&intent.op, Op::DisarmGuard { guard, .. } if guard == id));
    let first = tries().map(|intent| intent.at).min();
    tries().count() >= 3 || first.is_some_and(|at| scene.now().since(at) >= GIVEN_UP) || has_overrun(scene, id)
}

fn has_overrun(scene: &Scene<'_>, id: &GuardId) -> bool {
    let is_it = |op: &Op| matches!(op, Op::DisarmGuard { guard, .. } if guard == id);
    scene.seen.actions.iter().any(|(action, planned)| is_it(&planned.op) && scene.seen.overran.contains(action))
}

/// While anything is on battery nothing is put back.
pub(super) fn guards_are_put_back_on_mains_only(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let Op::RestoreGuard { guard, .. } = op else { return None };
        let hosts = &scene.world.reality.guards.get(guard)?.state.hosts;
        scene.judge();
        // One that is silent and was last seen on mains holds no automation up.
        let lost = |host: &&HostId| {
            let was_good = Seen::feeds(scene.world, host).into_iter().filter(|ups| !scene.was_lost(ups)).count();
            was_good < scene.good_feeds(host).1
        };
        let lost = hosts.iter().find(lost)?;
        Some(format!("{lost} is not on mains"))
    })
}

/// When a run says that all is back, every guard is what it was before, or what somebody else has set since; otherwise it says which
/// is not.
pub(super) fn every_guard_is_put_back(scene: &Scene<'_>) -> Option<String> {
    if scene.seen.has_forgotten {
        return None;
    }
    let end = scene.seen.ends_now.first()?;
    scene.world.reality.guards.iter().find_map(|(id, guard)| {
        scene.judge();
        let is_said =
            matches!(end, RunEnd::ReturnedIncomplete(missing) if missing.iter().any(|text| text.starts_with(&guard.state.name)));
        (guard.state.value != guard.wish && !is_said).then(|| format!("{id} is {}, it was {}", guard.state.value, guard.wish))
    })
}

/// What an entry says of guards: the value written down last, and its record.
pub(crate) fn recorded(entry: &Entry, seq: u64) -> Option<(GuardId, (String, u64))> {
    match entry {
        Entry::GuardRecorded { guard, state } => Some((guard.clone(), (state.value.clone(), seq))),
        _ => None,
    }
}
