//! What is true: batteries, hosts, VMs, whether or not anybody looks. Only time and requests change it.
//!
//! Not here: who asks, how long answers travel, what the controller believes. Begin reading in [`Reality::advance`] (power) and
//! [`Reality::come_due`] (what ends by itself).

mod due;
mod ups;

pub use due::{Due, LossKind};
pub use ups::Ups;

use crate::guards::Automation;
use crate::stoppable::Stoppable;
use crate::world::HookFate;
use ridethrough_model::{GuardId, Hook, HostId, LoadId, Millis, Milliwatts, Topology, UpsId, VmId, VmPower};
use std::collections::BTreeMap;

/// What a host is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// Its system runs.
    On,
    /// Its system is going down.
    GoingDown,
    /// Off, and its power supply has power.
    Off,
    /// Its system is coming up.
    Booting,
    /// Without power.
    Dark,
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    /// What it is doing.
    pub state: HostState,
    /// Power while its system runs, without VMs.
    pub idle: Milliwatts,
    /// Power while it is off: its BMC.
    pub standby: Milliwatts,
    /// How long its system takes to go down.
    pub shutdown_takes: Millis,
    /// How long it takes to come up.
    pub boot_takes: Millis,
    /// Whether it starts by itself when it gets power after having lost it running.
    pub starts_with_power: bool,
    /// Whether it can be told and asked over the network.
    pub has_network: bool,
    /// Ends what was due when its state changed.
    turn: u64,
}

impl Host {
    /// A running host of that power.
    #[must_use]
    pub fn new(idle: Milliwatts, shutdown_takes: Millis, boot_takes: Millis) -> Self {
        Self {
            state: HostState::On,
            idle,
            standby: Milliwatts(6000),
            shutdown_takes,
            boot_takes,
            starts_with_power: true,
            has_network: true,
            turn: 0,
        }
    }
}

/// What a VM is in the middle of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: it runs, or it is off.
    Nothing,
    /// Its guest was told to shut down.
    Stopping,
    /// It is being started.
    Starting,
    /// Its memory is being written to its host's disk; it stands still.
    Saving,
    /// It is being moved there, until that moment.
    Moving {
        /// Where to.
        to: HostId,
        /// Begun at.
        from_at: Millis,
        /// Ends at.
        ends_at: Millis,
        /// It runs at its target already: a half of it is at each host.
        is_split: bool,
    },
}

/// A VM: what its platform knows, and what only we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vm {
    /// As its platform knows it.
    pub known: ridethrough_model::Vm,
    /// What it adds to its host's power while it runs.
    pub power: Milliwatts,
    /// How long its guest takes to shut down.
    pub stop_takes: Millis,
    /// How long it takes to start.
    pub start_takes: Millis,
    /// Its guest never goes down by itself.
    pub is_hung: bool,
    /// Its platform refuses everything that is to be done to it.
    pub refuses: bool,
    /// It writes its memory faster than any move sends it: a move ends only by post-copy.
    pub is_restless: bool,
    /// What it is in the middle of.
    pub doing: Doing,
    /// How long its guest takes from running to doing its work.
    pub ready_takes: Millis,
    /// Since when it runs.
    pub up_at: Millis,
    /// When it last went off as it was told.
    pub off_at: Millis,
    /// It is off because it was told to, and its host has not been down since.
    pub is_told_off: bool,
    pub(crate) turn: u64,
}

impl Vm {
    /// Idle in whatever power state it has.
    #[must_use]
    pub fn new(known: ridethrough_model::Vm, power: Milliwatts, stop_takes: Millis, start_takes: Millis) -> Self {
        Self {
            known,
            power,
            stop_takes,
            start_takes,
            is_hung: false,
            refuses: false,
            is_restless: false,
            doing: Doing::Nothing,
            ready_takes: Millis::ZERO,
            up_at: Millis::ZERO,
            off_at: Millis::ZERO,
            is_told_off: false,
            turn: 0,
        }
    }
}

/// Everything true.
#[derive(Clone, Debug)]
pub struct Reality {
    /// The moment, from the beginning of the world.
    pub at: Millis,
    /// UPSes by name.
    pub upses: BTreeMap<UpsId, Ups>,
    /// Hosts by name.
    pub hosts: BTreeMap<HostId, Host>,
    /// VMs by id.
    pub vms: BTreeMap<VmId, Vm>,
    /// Loads besides hosts, with their feeds.
    pub loads: Vec<(Vec<UpsId>, Milliwatts)>,
    /// Loads that are told to stop.
    pub stoppables: BTreeMap<LoadId, Stoppable>,
    /// How hooks fare.
    pub hooks: BTreeMap<Hook, HookFate>,
    /// Automation of the platform.
    pub guards: BTreeMap<GuardId, Automation>,
    /// What hangs on what.
    pub topology: Topology,
    /// VMs that were ended rather than shut down, when and how.
    pub losses: Vec<(Millis, VmId, LossKind)>,
    /// VMs that somebody else did something to, and when last.
    pub meddled: BTreeMap<VmId, crate::meddle::Meddled>,
    /// The platform leaves something out of its inventory.
    pub inventory_shrinks: bool,
    /// What has become due and when; taken out by the world.
    pub dues: Vec<(Millis, Due)>,
    pub(crate) drawn: Option<BTreeMap<UpsId, Milliwatts>>,
}

impl Reality {
    /// A site as it stands.
    #[must_use]
    pub fn new(
        topology: Topology,
        upses: BTreeMap<UpsId, Ups>,
        hosts: BTreeMap<HostId, Host>,
        vms: BTreeMap<VmId, Vm>,
        loads: Vec<(Vec<UpsId>, Milliwatts)>,
    ) -> Self {
        let (losses, dues) = (Vec::new(), Vec::new());
        let (stoppables, hooks, guards) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            at: Millis::ZERO,
            upses,
            hosts,
            vms,
            loads,
            stoppables,
            hooks,
            guards,
            topology,
            losses,
            meddled: BTreeMap::new(),
            inventory_shrinks: false,
            dues,
            drawn: None,
        }
    }

    /// Lets time pass: batteries drain and charge; where one is empty, what hangs on it alone goes dark at once.
    pub fn advance(&mut self, to: Millis) {
        assert!(to >= self.at, "time does not run back");
        while self.at < to {
            let drawn = self.draw();
            let at = self.at;
            let ends = self.upses.iter_mut().filter_map(|(id, ups)| ups.ends_at(load_of(&drawn, id), at));
            let first = ends.min();
            let until = first.map_or(to, |first| first.max(self.at + Millis(1)).min(to));
            let time = until - self.at;
            let mut is_dark = false;
            for (id, ups) in &mut self.upses {
                if ups.has_mains {
                    ups.battery.charge_for(time);
                } else if ups.has_output {
                    ups.battery.drain(load_of(&drawn, id), time);
                    ups.has_output = !ups.battery.is_empty() && !ups.has_tripped(until);
                    is_dark |= !ups.has_output;
                }
            }
            self.at = until;
            if is_dark {
                self.darken();
            }
        }
    }

    /// The power each UPS gives now. Shared by the feeds that live; all on the survivor.
    pub fn draw(&mut self) -> BTreeMap<UpsId, Milliwatts> {
        if let Some(drawn) = &self.drawn {
            return drawn.clone();
        }
        let mut drawn: BTreeMap<UpsId, Milliwatts> = BTreeMap::new();
        let mut add = |feeds: &[UpsId], power: Milliwatts| {
            let living: Vec<&UpsId> = feeds.iter().filter(|ups| self.upses.get(*ups).is_some_and(|u| u.has_output)).collect();
            for ups in &living {
                let sum = drawn.entry((*ups).clone()).or_default();
                *sum = *sum + power.scaled(1, living.len() as u64);
            }
        };
        for id in self.hosts.keys() {
            let feeds: Vec<UpsId> = self.topology.hosts.get(id).iter().flat_map(|h| &h.feeds).map(|f| f.ups.clone()).collect();
            add(&feeds, self.host_power(id));
        }
        for (feeds, power) in &self.loads {
            add(feeds, *power);
        }
        self.drawn = Some(drawn.clone());
        drawn
    }

    fn host_power(&self, id: &HostId) -> Milliwatts {
        let Some(host) = self.hosts.get(id) else { return Milliwatts::ZERO };
        match host.state {
            HostState::Dark => Milliwatts::ZERO,
            HostState::Off => host.standby,
            HostState::On | HostState::GoingDown | HostState::Booting => {
                let vms = self.vms.values().filter(|vm| vm.known.host == *id && vm.known.power.is_active());
                host.idle + vms.map(|vm| vm.power).sum()
            }
        }
    }

    /// What power that UPS gives now.
    pub fn load(&mut self, ups: &UpsId) -> Milliwatts {
        load_of(&self.draw(), ups)
    }

    fn is_powered(&self, id: &HostId) -> bool {
        let Some(host) = self.topology.hosts.get(id) else { return false };
        let living = host.feeds.iter().filter(|feed| self.upses.get(&feed.ups).is_some_and(|ups| ups.has_output)).count();
        living >= host.feeds_min.max(1) as usize
    }

    /// Takes mains away from a UPS, or gives it back; with it come the hosts that start by themselves.
    pub fn set_mains(&mut self, id: &UpsId, has_mains: bool) {
        let Some(ups) = self.upses.get_mut(id) else { return };
        ups.has_mains = has_mains;
        if has_mains {
            ups.has_output = true;
            ups.is_forced = false;
        } else if ups.battery.is_empty() {
            ups.has_output = false;
        }
        self.drawn = None;
        self.darken();
        let is_back = |(id, host): &(&HostId, &Host)| host.state == HostState::Dark && self.is_powered(id);
        let back: Vec<HostId> = self.hosts.iter().filter(is_back).map(|(id, _)| id.clone()).collect();
        for id in back {
            let starts = self.hosts.get(&id).is_some_and(|host| host.starts_with_power);
            self.set_host(&id, HostState::Off);
            if starts {
                self.boot(&id);
            }
        }
    }

    /// Ends the power of every host that has too few living feeds left.
    fn darken(&mut self) {
        self.drawn = None;
        self.settle_stoppables();
        let unpowered: Vec<HostId> = self
            .hosts
            .iter()
            .filter(|(id, h)| h.state != HostState::Dark && !self.is_powered(id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in unpowered {
            let was_off = self.hosts.get(&id).is_some_and(|host| host.state == HostState::Off);
            self.set_host(&id, HostState::Dark);
            if let Some(host) = self.hosts.get_mut(&id) {
                // A host that was shut down properly stays down when power comes back.
                host.starts_with_power &= !was_off;
            }
            self.end_vms(&id, LossKind::PowerEnded);
        }
    }

    fn end_vms(&mut self, host: &HostId, kind: LossKind) {
        let ids: Vec<VmId> = self.vms.values().filter(|vm| vm.known.host == *host).map(|vm| vm.known.id.clone()).collect();
        for id in ids {
            self.cut_off(&id, kind);
        }
        let arriving: Vec<VmId> = self
            .vms
            .values()
            .filter(|vm| matches!(&vm.doing, Doing::Moving { to, .. } if to == host))
            .map(|vm| vm.known.id.clone())
            .collect();
        for id in arriving {
            let is_split = self.vms.get(&id).is_some_and(|vm| matches!(vm.doing, Doing::Moving { is_split: true, .. }));
            if is_split {
                self.cut_off(&id, kind);
            } else {
                self.set_vm(&id, VmPower::Running, Doing::Nothing);
            }
        }
    }

    /// Ends a VM without asking its guest.
    pub(crate) fn cut_off(&mut self, id: &VmId, kind: LossKind) {
        let Some(vm) = self.vms.get(id) else { return };
        if vm.known.power.is_active() {
            self.losses.push((self.at, id.clone(), kind));
        }
        self.set_vm(id, VmPower::Off, Doing::Nothing);
        if kind == LossKind::PoweredOff {
            self.tell_off(id);
        }
    }

    pub(crate) fn set_vm(&mut self, id: &VmId, power: VmPower, doing: Doing) -> u64 {
        self.drawn = None;
        let Some(vm) = self.vms.get_mut(id) else { return 0 };
        vm.known.power = power;
        vm.doing = doing;
        vm.is_told_off = false;
        vm.turn += 1;
        vm.turn
    }

    pub(crate) fn set_host(&mut self, id: &HostId, state: HostState) -> u64 {
        self.drawn = None;
        let Some(host) = self.hosts.get_mut(id) else { return 0 };
        host.state = state;
        host.turn += 1;
        host.turn
    }

    pub(crate) fn boot(&mut self, id: &HostId) {
        let turn = self.set_host(id, HostState::Booting);
        let takes = self.hosts.get(id).map_or(Millis::ZERO, |host| host.boot_takes);
        self.dues.push((self.at + takes, Due::HostUp(id.clone(), turn)));
    }

    pub(crate) fn start_vm(&mut self, id: &VmId, takes: Millis) {
        let turn = self.set_vm(id, VmPower::Off, Doing::Starting);
        self.dues.push((self.at + takes, Due::VmStarted(id.clone(), turn)));
    }

    /// Something ends by itself, if its turn is not over.
    pub fn come_due(&mut self, due: Due) {
        let vm_turn = |id: &VmId| self.vms.get(id).map_or(0, |vm| vm.turn);
        let host_turn = |id: &HostId| self.hosts.get(id).map_or(0, |host| host.turn);
        match due {
            Due::VmStopped(id, turn) if vm_turn(&id) == turn => {
                self.set_vm(&id, VmPower::Off, Doing::Nothing);
                self.tell_off(&id);
                let at = self.at;
                self.vms.entry(id).and_modify(|vm| vm.off_at = at);
            }
            Due::VmSaved(id, turn) if vm_turn(&id) == turn => {
                self.set_vm(&id, VmPower::Suspended, Doing::Nothing);
            }
            Due::VmStarted(id, turn) if vm_turn(&id) == turn => {
                self.set_vm(&id, VmPower::Running, Doing::Nothing);
                let at = self.at;
                if let Some(vm) = self.vms.get_mut(&id) {
                    vm.up_at = at;
                }
            }
            Due::MoveEnds(id, turn) if vm_turn(&id) == turn => self.arrive(&id),
            Due::SaveFails(id, turn) | Due::MoveFails(id, turn) if vm_turn(&id) == turn => {
                self.set_vm(&id, VmPower::Running, Doing::Nothing);
            }
            Due::HostDown(id, turn) if host_turn(&id) == turn => {
                self.set_host(&id, HostState::Off);
                if let Some(host) = self.hosts.get_mut(&id) {
                    host.starts_with_power = false;
                }
                self.end_vms(&id, LossKind::HostWentDown);
            }
            Due::HostUp(id, turn) if host_turn(&id) == turn => self.come_up(&id),
            _ => {}
        }
    }

    fn come_up(&mut self, id: &HostId) {
        self.set_host(id, HostState::On);
        if let Some(host) = self.hosts.get_mut(id) {
            host.starts_with_power = true;
        }
        let own: Vec<(VmId, Millis)> = self
            .vms
            .values()
            .filter(|vm| vm.known.host == *id && vm.known.autostart == Some(true) && !vm.known.power.is_active())
            .map(|vm| (vm.known.id.clone(), vm.start_takes))
            .collect();
        for (vm, takes) in own {
            self.start_vm(&vm, takes);
        }
    }

    fn arrive(&mut self, id: &VmId) {
        let Some(vm) = self.vms.get_mut(id) else { return };
        let Doing::Moving { to, .. } = vm.doing.clone() else { return };
        vm.known.host = to;
        self.set_vm(id, VmPower::Running, Doing::Nothing);
    }
}

fn load_of(drawn: &BTreeMap<UpsId, Milliwatts>, ups: &UpsId) -> Milliwatts {
    drawn.get(ups).copied().unwrap_or_default()
}
