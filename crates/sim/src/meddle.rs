//! What somebody else does to the site, past us: VMs are made, deleted, moved and switched; batteries are exchanged.

use crate::battery::{Battery, RuntimeTable};
use crate::reality::{Doing, Due, HostState, Reality, Vm};
use ridethrough_model::{HostId, Millis, UpsId, VmId, VmPower};

/// What befell a VM that no running order explains.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meddled {
    /// The last time.
    pub at: Millis,
    /// Somebody moved it, at any time: it need not be at home.
    pub was_moved: bool,
    /// Somebody switched it off, and nobody switched it on since: it need not run.
    pub is_left_off: bool,
}

impl Reality {
    /// Something befell it now; returns what is known of that, to add what it was.
    pub(crate) fn note(&mut self, id: &VmId) -> &mut Meddled {
        let meddled = self.meddled.entry(id.clone()).or_default();
        meddled.at = self.at;
        meddled
    }

    fn is_on(&self, host: &HostId) -> bool {
        self.hosts.get(host).is_some_and(|host| host.state == HostState::On)
    }

    /// Makes a VM that runs, if its host is on.
    pub fn create_vm(&mut self, mut vm: Vm) {
        if !self.is_on(&vm.known.host) {
            vm.known.power = VmPower::Off;
        }
        self.drawn = None;
        self.note(&vm.known.id);
        self.vms.insert(vm.known.id.clone(), vm);
    }

    /// Deletes one.
    pub fn delete_vm(&mut self, id: &VmId) {
        self.drawn = None;
        self.note(id);
        self.vms.remove(id);
    }

    /// Moves one at once, where both hosts are on and nothing else is done to it.
    pub fn carry_vm(&mut self, id: &VmId, to: &HostId) {
        let may = self.vms.get(id).is_some_and(|vm| vm.doing == Doing::Nothing && self.is_on(&vm.known.host)) && self.is_on(to);
        if may {
            self.drawn = None;
            self.note(id).was_moved = true;
            if let Some(vm) = self.vms.get_mut(id) {
                vm.known.host = to.clone();
            }
        }
    }

    /// Switches one, where its host is on. Switched off by hand it is not lost.
    pub fn switch_vm(&mut self, id: &VmId, is_on: bool) {
        let Some(host) = self.vms.get(id).map(|vm| vm.known.host.clone()) else { return };
        if self.is_on(&host) {
            self.drawn = None;
            self.note(id).is_left_off = !is_on;
            self.set_vm(id, if is_on { VmPower::Running } else { VmPower::Off }, Doing::Nothing);
            if let Some(vm) = self.vms.get_mut(id) {
                vm.is_told_off = !is_on;
            }
        }
    }

    /// The platform refuses everything that is to be done to that VM, or no longer.
    pub fn set_refuses(&mut self, id: &VmId, refuses: bool) {
        if let Some(vm) = self.vms.get_mut(id) {
            vm.refuses = refuses;
        }
    }

    /// A guest reacts to nothing, or reacts again: then what it was told meanwhile happens.
    pub fn set_hung(&mut self, id: &VmId, is_hung: bool) {
        let Some(vm) = self.vms.get_mut(id) else { return };
        let wakes_up = vm.is_hung && !is_hung && vm.doing == Doing::Stopping;
        vm.is_hung = is_hung;
        if wakes_up {
            let due = Due::VmStopped(id.clone(), vm.turn);
            self.dues.push((self.at + vm.stop_takes, due));
        }
    }

    /// Whether somebody else did something to that VM so lately that nobody can know it yet.
    #[must_use]
    pub fn is_meddled_lately(&self, id: &VmId) -> bool {
        self.meddled.get(id).is_some_and(|meddled| self.at - meddled.at < KNOWN_AFTER)
    }

    /// Gives a UPS a full battery that lasts so long at its present load.
    pub fn set_runtime(&mut self, id: &UpsId, lasts: Millis) {
        let load = (self.load(id).0 / 1000).max(10);
        let lasts = lasts.as_secs().max(10);
        let points = [(load / 4 + 1, lasts * 5), (load / 2 + 2, lasts * 9 / 4), (load + 3, lasts), (load * 2 + 4, lasts * 2 / 5)];
        if let Some(ups) = self.upses.get_mut(id) {
            ups.battery = Battery::full(RuntimeTable::new(&points), Millis::from_secs(3600));
        }
    }
}

/// After this time an inventory has told it, however slow.
const KNOWN_AFTER: Millis = Millis::from_secs(30);
