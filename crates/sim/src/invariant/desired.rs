//! What somebody else wished is not undone.

use super::{SLACK, Scene};
use crate::reality::Doing;
use ridethrough_model::{HostId, Needs, Op};

/// A VM that somebody stopped in this outage, on a host that has not been down since, is not started, where the platform tells it
/// apart. What we stopped too comes back.
pub(super) fn what_somebody_stopped_stays_off(scene: &Scene<'_>) -> Option<String> {
    let world = scene.world;
    let is_ours = |vm| {
        scene
            .seen
            .intents
            .iter()
            .any(|((run, _, _), intent)| Some(*run) == scene.seen.run && intent.op.is_stop() && intent.op.vm() == Some(vm))
    };
    let by_timer = |host| world.timers_fired().iter().any(|(_, fired)| fired == host);
    scene.first(|op| {
        let Op::StartVm { vm, host } = op else { return None };
        scene.judge();
        let is_wished = scene.seen.wished_in.get(vm).is_some_and(|run| Some(*run) == scene.seen.run);
        let is_off_by_wish = world.reality.vms.get(vm).is_some_and(|vm| vm.is_told_off) && world.estate.tells_why_off;
        (is_wished && is_off_by_wish && !is_ours(vm) && !by_timer(host) && !scene.seen.has_forgotten)
            .then(|| "somebody shut it down, and its host ran on".to_owned())
    })
}

/// A host that is coming up starts what it starts by itself; the rest is ours.
pub(super) fn starts_at_once_are_bounded(scene: &Scene<'_>) -> Option<String> {
    let policy = &scene.world.config().policy;
    let is_starting = |vm: &&crate::reality::Vm| vm.doing == Doing::Starting && vm.known.autostart != Some(true);
    let starting = || scene.world.reality.vms.values().filter(is_starting);
    let now = |host: &HostId| scene.starts().filter(|(_, op)| matches!(op, Op::StartVm { host: at, .. } if at == host)).count();
    scene.first(|op| {
        let Op::StartVm { host, .. } = op else { return None };
        scene.judge();
        let has_overrun = scene.seen.actions.values().any(|action| scene.seen.overran.contains(&action.id));
        let on_host = starting().filter(|vm| vm.known.host == *host).count() + now(host);
        (on_host > policy.starts_per_host as usize && !has_overrun && !scene.seen.has_forgotten)
            .then(|| format!("{on_host} start there at once, {} may", policy.starts_per_host))
    })
}

/// What a VM needs on its own host runs before it is started, unless it is not to come back or nothing is waited for any more.
pub(super) fn what_is_needed_starts_first(scene: &Scene<'_>) -> Option<String> {
    let world = scene.world;
    if world.config().policy.rules.iter().all(|rule| rule.needs.is_empty()) || scene.seen.has_forgotten {
        return None;
    }
    let vms: Vec<&ridethrough_model::Vm> = world.reality.vms.values().map(|vm| &vm.known).collect();
    let needs = Needs::among(&world.config().policy, &vms);
    scene.first(|op| {
        let Op::StartVm { vm, host } = op else { return None };
        let latest = scene.domains_of(host).into_iter().map(|(_, timing)| timing.return_latest).max()?;
        let since = super::Seen::feeds(world, host).into_iter().filter_map(|ups| scene.heard(ups)?.mains_since).max();
        if since.is_none_or(|since| scene.now().since(since) + SLACK >= latest) {
            return None;
        }
        let needed = needs.of.get(vm)?;
        scene.judge();
        let missing = needed.iter().filter_map(|needed| world.reality.vms.get(needed)).find(|needed| {
            let id = &needed.known.id;
            let is_tried = scene.seen.intents.values().any(|intent| matches!(&intent.op, Op::StartVm { vm, .. } if vm == id));
            let is_wished_off =
                scene.seen.wished.contains(id) || world.reality.meddled.get(id).is_some_and(|meddled| meddled.is_left_off);
            let is_wanted = scene.seen.homes.contains_key(id) && !is_wished_off && needed.known.host == *host;
            // One that was tried and failed for good, or went off again, is not waited for.
            is_wanted && !is_tried && !needed.known.power.is_active()
        })?;
        Some(format!("it needs {}, which was not even tried to be started", missing.known.name))
    })
}

pub(super) fn only_what_ran_before_is_started(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let Op::StartVm { vm, .. } = op else { return None };
        scene.judge();
        (!scene.seen.homes.contains_key(vm)).then(|| "it did not run when the incident began".to_owned())
    })
}
