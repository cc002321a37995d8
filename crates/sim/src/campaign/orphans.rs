//! Days on which the controller dies in the outage and stays away: every host with a timer stops itself before its battery ends.

use super::{Broken, is_doomed};
use crate::faults::Twist;
use crate::reality::{Doing, HostState};
use crate::world::{Moment, World};
use ridethrough_model::{HostId, Millis, VmId};
use std::collections::BTreeSet;

/// What the controller has left behind.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// Hosts that had a timer and have not been off since.
    hosts: BTreeSet<HostId>,
    /// VMs in the middle of something: no timer can promise anything for them.
    busy: BTreeSet<VmId>,
    losses: usize,
}

impl Orphans {
    pub(super) fn watch(&mut self, world: &World, moment: &Moment) -> Option<Broken> {
        if matches!(moment.twist, Some(Twist::ControllerDies { .. })) && !is_doomed(world) {
            self.hosts = world.timers().keys().cloned().collect();
            let is_busy = |vm: &&crate::reality::Vm| matches!(vm.doing, Doing::Moving { .. } | Doing::Saving);
            self.busy = world.reality.vms.values().filter(is_busy).map(|vm| vm.known.id.clone()).collect();
            self.losses = world.reality.losses.len();
        }
        if matches!(moment.twist, Some(Twist::Heal)) || moment.is_recovery {
            self.hosts.clear();
        }
        let broken = |at: Millis, how| Some(Broken { name: "a-timer-stops-its-host-in-time".to_owned(), at, how });
        for (at, vm, kind) in world.reality.losses.iter().skip(self.losses) {
            let host = world.reality.vms.get(vm).map(|vm| &vm.known.host);
            if host.is_some_and(|host| self.hosts.contains(host)) && !self.busy.contains(vm) {
                return broken(*at, format!("{vm} was lost ({kind:?}) although its host had a timer"));
            }
        }
        self.losses = self.losses.max(world.reality.losses.len());
        let state = |host: &HostId| world.reality.hosts.get(host).map(|host| host.state);
        let lost = self.hosts.iter().find(|host| state(host) == Some(HostState::Dark)).cloned();
        self.hosts.retain(|host| state(host) != Some(HostState::Off));
        let lost = lost?;
        broken(moment.at, format!("the battery of {lost} ended before it was off"))
    }
}
