//! What the site's platform and hosts say and do when asked: the contract of `driver::Platform` and `driver::HostPower`, kept by
//! a world that is not always well. Retries nothing, decides nothing.

use crate::dice::Dice;
use crate::reality::{Doing, Due, HostState, LossKind, Reality, Vm};
use ridethrough_model::{
    Bytes, Failure, FailureKind, HostId, HostInfo, HostPowerState, Inventory, Millis, Mono, Observed, Op, PlatformId, Progress,
    Reading, Started, StatusToken, SuspendRoom, TaskRef, TookEffect, UpsId, UpsStatus, VmId, VmPower,
};
use std::collections::BTreeMap;

/// What hosts have, and how well things go.
#[derive(Clone, Debug)]
pub struct Estate {
    /// The platform's name.
    pub platform: PlatformId,
    /// As the platform tells it of a connected host.
    pub hosts: BTreeMap<HostId, HostInfo>,
    /// What one move gets of the link, in bytes per second.
    pub move_rate: Bytes,
    /// Moves that fail half way, in percent.
    pub moves_fail_percent: u64,
    /// It tells of a VM that is off whether somebody told it to stop since its host came up.
    pub tells_why_off: bool,
    /// What a host's disk truly takes, in bytes per second.
    pub save_rate: Bytes,
    /// Savings that fail half way, in percent.
    pub saves_fail_percent: u64,
}

impl Estate {
    fn save_time(&self, vm: &Vm) -> Millis {
        Millis(vm.known.memory.0.saturating_mul(1000) / self.save_rate.0.max(1))
    }
    fn memory_time(&self, vm: &Vm) -> Millis {
        Millis(vm.known.memory.0.saturating_mul(1000) / self.move_rate.0.max(1))
    }
}

fn failure(kind: FailureKind, took_effect: TookEffect, message: impl Into<String>) -> Failure {
    Failure { kind, took_effect, message: message.into() }
}

fn refused(message: impl Into<String>) -> Failure {
    failure(FailureKind::Refused, TookEffect::No, message)
}

impl Reality {
    pub(crate) fn is_reachable(&self, host: &HostId) -> bool {
        self.hosts.get(host).is_some_and(|host| host.has_network && matches!(host.state, HostState::On | HostState::GoingDown))
    }

    fn reach(&self, host: &HostId) -> Result<(), Failure> {
        if self.is_reachable(host) {
            return Ok(());
        }
        Err(failure(FailureKind::Unreachable, TookEffect::No, format!("{host} does not answer")))
    }

    fn has_bmc_power(&self, host: &HostId) -> bool {
        self.hosts.get(host).is_some_and(|host| host.state != HostState::Dark)
    }

    /// Begins an operation. Idempotent.
    pub(crate) fn start(&mut self, op: &Op, estate: &Estate, dice: &mut Dice) -> Result<Started, Failure> {
        match op {
            Op::ShutDownHost { host } => self.shut_down_host(host),
            Op::WakeHost { host } => self.wake_host(host),
            Op::StopLoad { load } => self.stop_load(load),
            Op::StartLoad { load } => self.start_load(load),
            Op::CallHook { .. } => Err(refused("a hook is called by the world")),
            Op::DisarmGuard { .. } | Op::RestoreGuard { .. } => self.set_guard(op),
            Op::AbortMove { vm, from, .. } => {
                self.reach(from)?;
                if self.vms.get(vm).is_some_and(|vm| matches!(vm.doing, Doing::Moving { is_split: true, .. })) {
                    return Err(refused("it runs at its target already"));
                }
                if self.vms.get(vm).is_some_and(|vm| matches!(vm.doing, Doing::Moving { .. })) {
                    self.set_vm(vm, VmPower::Running, Doing::Nothing);
                }
                Ok(Started::AlreadyDone)
            }
            Op::AbortSuspend { vm, host } => {
                self.reach(host)?;
                if self.vms.get(vm).is_some_and(|vm| vm.doing == Doing::Saving) {
                    self.set_vm(vm, VmPower::Running, Doing::Nothing);
                }
                Ok(Started::AlreadyDone)
            }
            Op::SuspendVm { vm, host } => {
                self.reach(host)?;
                self.vm_at(vm, host)?;
                self.save_vm(op, (vm, host), estate, dice)
            }
            Op::FinishMove { vm, from, to } => self.finish_move(op, (vm, from, to), estate),
            Op::MoveVm { vm, from, to } => self.move_vm(op, (vm, from, to), estate, dice),
            Op::ShutDownVm { vm, host }
            | Op::PowerOffVm { vm, host }
            | Op::StartVm { vm, host }
            | Op::SetAutostart { vm, host, .. } => {
                self.reach(host)?;
                self.vm_at(vm, host)?;
                self.start_on_vm(op, vm, estate)
            }
        }
    }

    fn vm_at(&self, id: &VmId, host: &HostId) -> Result<&Vm, Failure> {
        let gone = || failure(FailureKind::NotFound, TookEffect::No, format!("{host} does not know that VM"));
        self.vms.get(id).filter(|vm| vm.known.host == *host).ok_or_else(gone)
    }

    fn start_on_vm(&mut self, op: &Op, id: &VmId, estate: &Estate) -> Result<Started, Failure> {
        let vm = self.vms.get(id).ok_or_else(|| refused("no such VM"))?.clone();
        let is_active = vm.known.power.is_active();
        let task = Ok(Started::Task(TaskRef(op.to_string())));
        if vm.refuses {
            return Err(refused("permission denied"));
        }
        if matches!(vm.doing, Doing::Moving { .. }) && !matches!(op, Op::PowerOffVm { .. }) {
            return Err(failure(FailureKind::Busy, TookEffect::No, "the VM is being moved"));
        }
        match op {
            Op::ShutDownVm { .. } if !is_active && vm.doing == Doing::Nothing => Ok(Started::AlreadyDone),
            Op::ShutDownVm { .. } | Op::StartVm { .. } if vm.doing == Doing::Saving => {
                Err(failure(FailureKind::Busy, TookEffect::No, "the VM is being saved"))
            }
            Op::ShutDownVm { .. } if is_active => {
                if vm.doing != Doing::Stopping {
                    let turn = self.set_vm(id, VmPower::Running, Doing::Stopping);
                    if !vm.is_hung {
                        self.dues.push((self.at + vm.stop_takes, Due::VmStopped(id.clone(), turn)));
                    }
                }
                task
            }
            Op::ShutDownVm { .. } => Err(failure(FailureKind::Busy, TookEffect::No, "the VM is being started")),
            Op::PowerOffVm { .. } => {
                self.cut_off(id, LossKind::PoweredOff);
                Ok(Started::AlreadyDone)
            }
            Op::StartVm { .. } if is_active && vm.doing == Doing::Nothing => Ok(Started::AlreadyDone),
            Op::StartVm { .. } if is_active => Err(failure(FailureKind::Busy, TookEffect::No, "the VM is being shut down")),
            Op::StartVm { host, .. } => {
                if vm.doing != Doing::Starting {
                    self.has_memory(host, vm.known.memory, estate)?;
                    let reads = vm.known.power == VmPower::Suspended;
                    let takes = if reads { vm.start_takes + estate.save_time(&vm) } else { vm.start_takes };
                    self.start_vm(id, takes);
                }
                task
            }
            Op::SetAutostart { enabled, .. } => {
                if let Some(vm) = self.vms.get_mut(id) {
                    vm.known.autostart = Some(*enabled);
                }
                Ok(Started::AlreadyDone)
            }
            _ => Err(failure(FailureKind::Unsupported, TookEffect::No, "not an operation on a VM")),
        }
    }

    /// Writes a VM's memory to its host's disk, at the disk's true pace.
    fn save_vm(&mut self, op: &Op, (id, host): (&VmId, &HostId), estate: &Estate, dice: &mut Dice) -> Result<Started, Failure> {
        let vm = self.vms.get(id).ok_or_else(|| refused("no such VM"))?.clone();
        match &vm.doing {
            Doing::Saving => return Ok(Started::Task(TaskRef(op.to_string()))),
            Doing::Nothing if !vm.known.power.is_active() => return Ok(Started::AlreadyDone),
            Doing::Nothing => {}
            Doing::Stopping | Doing::Starting | Doing::Moving { .. } => {
                return Err(failure(FailureKind::Busy, TookEffect::No, "something else is being done to the VM"));
            }
        }
        let takes = estate.save_time(&vm);
        let is_full = self.space_left(host, estate) < vm.known.memory;
        let fails = is_full || dice.percent(estate.saves_fail_percent);
        let turn = self.set_vm(id, VmPower::Paused, Doing::Saving);
        let due = if fails { Due::SaveFails(id.clone(), turn) } else { Due::VmSaved(id.clone(), turn) };
        self.dues.push((self.at + if fails { takes.scaled(1, 2) } else { takes }, due));
        Ok(Started::Task(TaskRef(op.to_string())))
    }

    /// What is free for images there.
    pub(crate) fn space_left(&self, host: &HostId, estate: &Estate) -> Bytes {
        let space = estate.hosts.get(host).and_then(|info| info.suspend.space).unwrap_or_default();
        let holds = |vm: &&Vm| vm.known.host == *host && (vm.known.power == VmPower::Suspended || vm.doing == Doing::Saving);
        space - self.vms.values().filter(holds).map(|vm| vm.known.memory).sum()
    }

    /// Runs a VM that is on its way at its target, and sends what is left.
    fn finish_move(&mut self, op: &Op, (id, from, to): (&VmId, &HostId, &HostId), estate: &Estate) -> Result<Started, Failure> {
        let vm = self.vms.get(id).ok_or_else(|| refused("no such VM"))?.clone();
        if vm.known.host == *to && vm.known.power.is_active() && self.is_reachable(to) {
            return Ok(Started::AlreadyDone);
        }
        self.reach(from)?;
        self.reach(to)?;
        let Doing::Moving { to: going, is_split, .. } = &vm.doing else { return Err(refused("no move is under way")) };
        if *is_split {
            return Ok(Started::Task(TaskRef(op.to_string())));
        }
        if going != to || !vm.known.can_post_copy {
            return Err(refused("that move cannot be finished so"));
        }
        let takes = estate.memory_time(&vm);
        let doing = Doing::Moving { to: to.clone(), from_at: self.at, ends_at: self.at + takes, is_split: true };
        let turn = self.set_vm(id, VmPower::Running, doing);
        self.dues.push((self.at + takes, Due::MoveEnds(id.clone(), turn)));
        Ok(Started::Task(TaskRef(op.to_string())))
    }

    fn has_memory(&self, host: &HostId, memory: Bytes, estate: &Estate) -> Result<(), Failure> {
        let comes = |vm: &&Vm| match &vm.doing {
            Doing::Moving { to, .. } if to == host => true,
            Doing::Starting => vm.known.host == *host,
            _ => vm.known.host == *host && vm.known.power.is_active(),
        };
        let used: Bytes = self.vms.values().filter(comes).map(|vm| vm.known.memory).sum();
        let total = estate.hosts.get(host).and_then(|info| info.memory).unwrap_or_default();
        if used + memory > total { Err(refused(format!("{host} has too little memory left"))) } else { Ok(()) }
    }

    fn move_vm(
        &mut self,
        op: &Op,
        (id, from, to): (&VmId, &HostId, &HostId),
        estate: &Estate,
        dice: &mut Dice,
    ) -> Result<Started, Failure> {
        let vm = self.vms.get(id).ok_or_else(|| refused("no such VM"))?.clone();
        if vm.known.host == *to && vm.known.power.is_active() && self.is_reachable(to) {
            return Ok(Started::AlreadyDone);
        }
        self.reach(from)?;
        self.reach(to)?;
        self.vm_at(id, from)?;
        if vm.refuses {
            return Err(refused("permission denied"));
        }
        match &vm.doing {
            Doing::Moving { to: going, .. } if going == to => return Ok(Started::Task(TaskRef(op.to_string()))),
            Doing::Nothing if vm.known.power.is_active() => {}
            _ => return Err(refused("only a VM that runs and is not busy can be moved")),
        }
        self.has_memory(to, vm.known.memory, estate)?;
        let disks: Bytes = vm.known.disks_to_copy.values().copied().sum();
        let bytes_take = estate.memory_time(&vm) + Millis(disks.0.saturating_mul(1000) / estate.move_rate.0.max(1));
        let takes = Millis::from_secs(1) + bytes_take.scaled(dice.between(70, 110), 100);
        let fails = dice.percent(estate.moves_fail_percent);
        let ends_at = self.at + takes;
        let turn =
            self.set_vm(id, VmPower::Running, Doing::Moving { to: to.clone(), from_at: self.at, ends_at, is_split: false });
        if vm.is_restless && !fails {
            return Ok(Started::Task(TaskRef(op.to_string())));
        }
        let due = if fails { self.at + takes.scaled(1, 2) } else { ends_at };
        self.dues.push((due, if fails { Due::MoveFails(id.clone(), turn) } else { Due::MoveEnds(id.clone(), turn) }));
        Ok(Started::Task(TaskRef(op.to_string())))
    }

    fn shut_down_host(&mut self, id: &HostId) -> Result<Started, Failure> {
        self.reach(id)?;
        self.go_down(id);
        Ok(Started::Task(TaskRef("sent".to_owned())))
    }

    /// The host shuts itself down, whoever can reach it.
    pub(crate) fn go_down(&mut self, id: &HostId) {
        let takes = self.hosts.get(id).map_or(Millis::ZERO, |host| host.shutdown_takes);
        if self.hosts.get(id).is_some_and(|host| host.state == HostState::On) {
            let turn = self.set_host(id, HostState::GoingDown);
            self.dues.push((self.at + takes, Due::HostDown(id.clone(), turn)));
        }
    }

    /// It is off because it was told to.
    pub(crate) fn tell_off(&mut self, id: &VmId) {
        if let Some(vm) = self.vms.get_mut(id) {
            vm.is_told_off = true;
        }
    }

    /// A person shuts a VM down behind everybody's back.
    pub(crate) fn stop_by_hand(&mut self, id: &VmId, estate: &Estate) {
        let Some(host) = self.vms.get(id).map(|vm| vm.known.host.clone()) else { return };
        if self.hosts.get(&host).is_some_and(|host| host.state == HostState::On) {
            self.stop_guest(id, &host, estate);
        }
    }

    /// The host tells a guest of its own to shut down, whoever can reach it.
    pub(crate) fn stop_guest(&mut self, id: &VmId, host: &HostId, estate: &Estate) {
        let op = Op::ShutDownVm { vm: id.clone(), host: host.clone() };
        // One in the middle of a move cannot be told.
        drop(self.start_on_vm(&op, id, estate));
    }

    fn wake_host(&mut self, id: &HostId) -> Result<Started, Failure> {
        if !self.has_bmc_power(id) {
            return Err(failure(FailureKind::Unreachable, TookEffect::No, format!("the BMC of {id} does not answer")));
        }
        if self.hosts.get(id).is_some_and(|host| host.state == HostState::Off) {
            self.boot(id);
        }
        Ok(Started::Task(TaskRef("sent".to_owned())))
    }

    /// How far an operation is.
    pub(crate) fn poll(&self, op: &Op) -> Result<Progress, Failure> {
        match self.observe(op)? {
            Observed::Done => Ok(Progress::Done { detail: None }),
            Observed::InTransition(_) => Ok(Progress::Running { done_ppm: op.vm().and_then(|vm| self.share_done(vm)) }),
            Observed::NotDone => Ok(Progress::Failed(refused("it ended without success"))),
            Observed::Gone => Ok(Progress::Failed(failure(FailureKind::NotFound, TookEffect::No, "it is gone"))),
        }
    }

    /// How much of a VM's move is done.
    #[must_use]
    pub fn share_done(&self, vm: &VmId) -> Option<u32> {
        let Doing::Moving { from_at, ends_at, .. } = &self.vms.get(vm)?.doing else { return None };
        let share = Millis(1_000_000).scaled((self.at - *from_at).0, (*ends_at - *from_at).0.max(1));
        u32::try_from(share.0.min(1_000_000)).ok()
    }

    /// Whether the wanted state of an operation holds.
    pub(crate) fn observe(&self, op: &Op) -> Result<Observed, Failure> {
        if op.guard().is_some() {
            return self.observe_guard(op);
        }
        let Some(vm) = op.vm().and_then(|id| self.vms.get(id)) else { return Ok(Observed::Gone) };
        let is_active = vm.known.power.is_active();
        if let Op::MoveVm { to, .. } | Op::FinishMove { to, .. } = op
            && vm.known.host == *to
            && self.is_reachable(to)
        {
            return Ok(if is_active { Observed::Done } else { Observed::NotDone });
        }
        let Some(host) = op.host() else { return Ok(Observed::Gone) };
        self.reach(host)?;
        let moving = TaskRef(op.to_string());
        Ok(match op {
            Op::MoveVm { to, .. } => match &vm.doing {
                Doing::Moving { to: going, .. } if going == to => Observed::InTransition(moving),
                _ => Observed::NotDone,
            },
            Op::AbortMove { .. } if matches!(vm.doing, Doing::Moving { .. }) => Observed::NotDone,
            Op::AbortMove { .. } => Observed::Done,
            Op::FinishMove { to, .. } => match &vm.doing {
                Doing::Moving { to: going, is_split: true, .. } if going == to => Observed::InTransition(moving),
                _ => Observed::NotDone,
            },
            Op::AbortSuspend { .. } if vm.doing == Doing::Saving => Observed::NotDone,
            Op::AbortSuspend { .. } => Observed::Done,
            _ if vm.known.host != *host => Observed::Gone,
            Op::SuspendVm { .. } if vm.doing == Doing::Saving => Observed::InTransition(moving),
            Op::SuspendVm { .. } if !is_active && vm.doing == Doing::Nothing => Observed::Done,
            Op::ShutDownVm { .. } if vm.doing == Doing::Stopping => Observed::InTransition(moving),
            Op::ShutDownVm { .. } | Op::PowerOffVm { .. } if !is_active && vm.doing == Doing::Nothing => Observed::Done,
            Op::StartVm { .. } if vm.doing == Doing::Starting => Observed::InTransition(moving),
            Op::StartVm { .. } if is_active => Observed::Done,
            Op::SetAutostart { enabled, .. } if vm.known.autostart == Some(*enabled) => Observed::Done,
            _ => Observed::NotDone,
        })
    }

    /// Whether a guest answers whoever asks it.
    pub(crate) fn does_its_work(&self, id: &VmId) -> bool {
        let vm = self.vms.get(id).filter(|vm| vm.known.power.is_active() && self.is_reachable(&vm.known.host));
        vm.is_some_and(|vm| self.at >= vm.up_at + vm.ready_takes)
    }

    /// What the platform tells of everything it runs.
    pub(crate) fn inventory(&self, estate: &Estate, at: Mono) -> Inventory {
        let mut inventory = Inventory::empty(estate.platform.clone(), at);
        for (id, info) in &estate.hosts {
            let connected = self.is_reachable(id);
            let space = info.suspend.space.map(|_| self.space_left(id, estate));
            let suspend = SuspendRoom { space, ..info.suspend };
            inventory.hosts.insert(id.clone(), HostInfo { connected, suspend, ..info.clone() });
        }
        let seen = self.vms.values().filter(|vm| self.is_reachable(&vm.known.host));
        inventory.vms = seen.map(|vm| (vm.known.id.clone(), vm.known.clone())).collect();
        if self.inventory_shrinks {
            let left_out: Vec<VmId> = inventory.vms.keys().step_by(2).cloned().collect();
            inventory.vms.retain(|id, _| !left_out.contains(id));
            inventory.vms.values_mut().for_each(|vm| vm.tags.clear());
        }
        let has_agent = |vm: &&Vm| inventory.vms.contains_key(&vm.known.id) && self.does_its_work(&vm.known.id);
        inventory.agents = self.vms.values().filter(has_agent).map(|vm| vm.known.id.clone()).collect();
        let told =
            self.vms.values().filter(|vm| vm.is_told_off && estate.tells_why_off && inventory.vms.contains_key(&vm.known.id));
        inventory.told_off = told.map(|vm| vm.known.id.clone()).collect();
        inventory.guards = self.guards.iter().map(|(id, guard)| (id.clone(), guard.state.clone())).collect();
        inventory
    }

    /// What the means of a host's power say: name, whether its off is proof, state.
    pub(crate) fn host_words(&self, id: &HostId) -> Vec<(&'static str, bool, HostPowerState)> {
        let (Some(host), Some(topology)) = (self.hosts.get(id), self.topology.hosts.get(id)) else { return Vec::new() };
        let mut words = Vec::new();
        if topology.can_prove_off {
            let state = match host.state {
                HostState::Dark => HostPowerState::Unknown,
                HostState::Off => HostPowerState::Off,
                HostState::On | HostState::GoingDown | HostState::Booting => HostPowerState::On,
            };
            words.push(("ipmi", true, state));
        }
        let answers = self.is_reachable(id);
        words.push(("ssh", false, if answers { HostPowerState::On } else { HostPowerState::Unknown }));
        words
    }

    /// What a UPS says, or why it says nothing.
    pub(crate) fn reading(&mut self, id: &UpsId, at: Mono) -> Option<Reading> {
        let load = self.load(id);
        let ups = self.upses.get(id)?;
        let stated = ups.battery.stated(load).scaled(u64::from(ups.states_percent), 100);
        let mut tokens = Vec::new();
        if ups.is_forced {
            tokens.push(StatusToken::Fsd);
        }
        if ups.has_mains {
            tokens.extend([StatusToken::Ol, StatusToken::Chrg]);
        } else if ups.has_output {
            tokens.extend([StatusToken::Ob, StatusToken::Dischrg]);
            if stated < ups.runtime_low {
                tokens.push(StatusToken::Lb);
            }
        } else {
            tokens.push(StatusToken::Off);
        }
        if ups.says_low {
            tokens.push(StatusToken::Lb);
        }
        let share = Millis(1_000_000).scaled(load.0, ups.nominal.0.max(1)).0;
        Some(Reading {
            ups: id.clone(),
            observed_at: at,
            status: UpsStatus(tokens.into_iter().collect()),
            charge: ups.states_runtime.then(|| ups.battery.charge()),
            runtime: ups.states_runtime.then_some(stated),
            load: Some(ridethrough_model::Ppm(u32::try_from(share).unwrap_or(u32::MAX))),
            realpower: Some(load),
            realpower_nominal: Some(ups.nominal),
            runtime_low: Some(ups.runtime_low),
            limits: ridethrough_model::OutputLimits::default(),
            battery: ridethrough_model::BatteryReading::default(),
        })
    }
}
