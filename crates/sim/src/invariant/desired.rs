//! What somebody else wished is not undone.

use super::Scene;
use ridethrough_model::Op;

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
