//! A VM is saved to disk only where that is known to be possible, and one after the other.

use super::Scene;
use crate::reality::Doing;
use ridethrough_model::{HostId, Op};

/// Size, rate and space are known, and the image fits.
pub(super) fn saved_only_where_all_is_known(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let Op::SuspendVm { vm, host } = op else { return None };
        scene.judge();
        let room = scene.world.estate.hosts.get(host)?.suspend;
        let (Some(_), Some(space)) = (room.rate, room.space) else { return Some("rate or space is not known".to_owned()) };
        let memory = scene.world.reality.vms.get(vm)?.known.memory;
        (memory > space).then(|| format!("{memory} do not fit into {space}"))
    })
}

/// A saving that has used its budget holds nobody up any more.
pub(super) fn one_is_saved_at_a_time(scene: &Scene<'_>) -> Option<String> {
    let is_waited_for = |host: &HostId, other: &crate::reality::Vm| {
        let op = Op::SuspendVm { vm: other.known.id.clone(), host: host.clone() };
        let mut actions = scene.seen.actions.values().filter(|action| action.op == op);
        actions.any(|action| !scene.seen.overran.contains(&action.id))
    };
    scene.first(|op| {
        let Op::SuspendVm { vm, host } = op else { return None };
        if scene.seen.has_forgotten {
            return None;
        }
        scene.judge();
        let is_other =
            |other: &&crate::reality::Vm| other.known.host == *host && other.known.id != *vm && other.doing == Doing::Saving;
        let other = scene.world.reality.vms.values().filter(is_other).find(|other| is_waited_for(host, other))?;
        Some(format!("{} is being saved there", other.known.name))
    })
}
