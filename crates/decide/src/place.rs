//! Where a VM may go: room by memory and CPUs, what it needs, power that outlives it. Best fit: the smallest room that holds it.

use crate::evidence::HostVerdict;
use crate::feed::{HostRisk, risk};
use crate::snapshot::Snapshot;
use ridethrough_model::policy::Destination;
use ridethrough_model::{Bytes, HostId, HostInfo, HostTopology, Millis, Mono, Op, Tier, Vm};
use std::collections::{BTreeMap, BTreeSet};

/// Virtual CPUs per CPU that a target may carry in all.
const CPU_OVERCOMMIT: u64 = 8;
/// Share of a target's memory that is left free, in percent.
const MEMORY_HEADROOM_PERCENT: u64 = 5;

/// Free room per host, less what was already promised.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    memory: BTreeMap<HostId, Bytes>,
    cpus: BTreeMap<HostId, u64>,
    /// What is free in each store for disks that come along.
    stores: BTreeMap<HostId, BTreeMap<String, Bytes>>,
}

impl Room {
    /// What is free now for moves, moves under way counted at both ends.
    pub(crate) fn of(snapshot: &Snapshot<'_>) -> Self {
        Self::with_headroom(snapshot, MEMORY_HEADROOM_PERCENT)
    }

    /// The same to the last byte: what ran there before may run there again.
    pub(crate) fn in_full(snapshot: &Snapshot<'_>) -> Self {
        Self::with_headroom(snapshot, 0)
    }

    /// What is free on that host, where it is known.
    pub(crate) fn free(&self, host: &HostId) -> Option<(Bytes, u64)> {
        Some((*self.memory.get(host)?, *self.cpus.get(host)?))
    }

    /// Whether that VM's memory is free there. Where it is not known how much there is, the platform may say no.
    pub(crate) fn holds(&self, host: &HostId, vm: &Vm) -> bool {
        self.memory.get(host).is_none_or(|memory| *memory >= vm.memory)
    }

    fn with_headroom(snapshot: &Snapshot<'_>, percent: u64) -> Self {
        let mut room = Self { memory: BTreeMap::new(), cpus: BTreeMap::new(), stores: BTreeMap::new() };
        for inventory in snapshot.inventories.values() {
            for (id, host) in &inventory.hosts {
                if let (Some(memory), Some(cpus)) = (host.memory, host.cpus) {
                    room.memory.insert(id.clone(), memory - memory.scaled(percent, 100));
                    room.cpus.insert(id.clone(), u64::from(cpus) * CPU_OVERCOMMIT);
                }
                room.stores.insert(id.clone(), host.stores.clone());
            }
        }
        for vm in snapshot.vms() {
            if vm.power.is_active() {
                room.take(&vm.host, vm);
            }
            if let Some((Op::MoveVm { to, .. }, _)) = snapshot.move_in_flight(&vm.id) {
                room.take(to, vm);
                room.take_disks(to, vm);
            }
        }
        room
    }

    /// Counts in what a move of that VM brings along.
    pub(crate) fn take_disks(&mut self, host: &HostId, vm: &Vm) {
        let Some(stores) = self.stores.get_mut(host) else { return };
        for (store, size) in &vm.disks_to_copy {
            if let Some(free) = stores.get_mut(store) {
                *free = *free - *size;
            }
        }
    }

    /// Whether there is room for the disks that a move of that VM has to copy.
    fn holds_disks(&self, host: &HostId, vm: &Vm) -> Result<(), String> {
        for (store, size) in &vm.disks_to_copy {
            match self.stores.get(host).and_then(|stores| stores.get(store)) {
                None => return Err(format!("has no storage pool at {store} for its disks")),
                Some(free) if free < size => return Err(format!("{free} free at {store}, its disks need {size}")),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Counts a VM in.
    pub(crate) fn take(&mut self, host: &HostId, vm: &Vm) {
        if let Some(memory) = self.memory.get_mut(host) {
            *memory = *memory - vm.memory;
        }
        if let Some(cpus) = self.cpus.get_mut(host) {
            *cpus = cpus.saturating_sub(u64::from(vm.cpus));
        }
    }

    /// The best host for a VM, or why there is none.
    pub(crate) fn choose(
        &self,
        snapshot: &Snapshot<'_>,
        vm: &Vm,
        tier: &Tier,
        excluded: &BTreeSet<HostId>,
    ) -> Result<HostId, String> {
        if let Some(blocker) = vm.move_blockers.first() {
            return Err(format!("it cannot be moved while it runs: {blocker}"));
        }
        let home = snapshot.topology.hosts.get(&vm.host).map(|host| &host.site);
        let same_site = [Destination::SameSite];
        let destinations: &[Destination] = if tier.move_to.is_empty() { &same_site } else { &tier.move_to };
        let mut reasons: BTreeMap<String, String> = BTreeMap::new();
        for destination in destinations {
            let site = match destination {
                Destination::SameSite => home,
                Destination::Site(site) => Some(site),
            };
            let mut best: Option<(Bytes, &HostId)> = None;
            for (id, host) in snapshot.topology.hosts.iter().filter(|(id, host)| Some(&host.site) == site && **id != vm.host) {
                let fit =
                    if excluded.contains(id) { Err("a move there failed".to_owned()) } else { self.fits(snapshot, vm, id, host) };
                match fit {
                    Ok(left) if best.is_none_or(|(least, _)| left < least) => best = Some((left, id)),
                    Ok(_) => {}
                    Err(reason) => {
                        reasons.insert(id.to_string(), reason);
                    }
                }
            }
            if let Some((_, id)) = best {
                return Ok(id.clone());
            }
        }
        Err(no_room(&reasons))
    }

    /// The memory left on that host with the VM on it, or why it cannot go there.
    fn fits(&self, snapshot: &Snapshot<'_>, vm: &Vm, id: &HostId, host: &HostTopology) -> Result<Bytes, String> {
        if host.platform.as_ref() != Some(&vm.id.platform()) {
            return Err("another platform".to_owned());
        }
        match snapshot.host_risk(id) {
            HostRisk::Safe => {}
            HostRisk::AtRisk { .. } => return Err("on battery".to_owned()),
            HostRisk::Presumed | HostRisk::Unknown => return Err("its power is not known to be good".to_owned()),
        }
        if snapshot.is_going_down(id) {
            return Err("it is shutting down".to_owned());
        }
        if !snapshot.has_settled_mains(host) {
            return Err("its mains is back but not stable yet".to_owned());
        }
        for need in &host.needs {
            let is_powered = snapshot
                .topology
                .loads
                .get(need)
                .is_some_and(|load| risk(&load.feeds, 1, &snapshot.sources, snapshot.now) == HostRisk::Safe);
            if !is_powered {
                return Err(format!("{need}, which it needs, is not known to keep power"));
            }
        }
        let info = snapshot.inventories.get(&vm.id.platform()).and_then(|inventory| inventory.hosts.get(id));
        let Some(info) = info.filter(|info| info.connected && snapshot.hosts.get(id) != Some(&HostVerdict::Off)) else {
            return Err("not reached by its platform".to_owned());
        };
        offers(info, vm)?;
        self.holds_disks(id, vm)?;
        let (Some(memory), Some(cpus)) = (self.memory.get(id), self.cpus.get(id)) else {
            return Err("its memory and CPUs are not known".to_owned());
        };
        if *memory < vm.memory {
            return Err(format!("{memory} free, {} needed", vm.memory));
        }
        if *cpus < u64::from(vm.cpus) {
            return Err("too few CPUs left".to_owned());
        }
        Ok(*memory - vm.memory)
    }
}

fn offers(info: &HostInfo, vm: &Vm) -> Result<(), String> {
    let Some(offers) = &info.offers else {
        return match vm.needs.first() {
            None => Ok(()),
            Some(need) => Err(format!("whether it offers {need} is not known")),
        };
    };
    vm.needs.difference(offers).next().map_or(Ok(()), |need| Err(format!("does not offer {need}")))
}

fn no_room(reasons: &BTreeMap<String, String>) -> String {
    if reasons.is_empty() {
        return "no host is configured where it may go".to_owned();
    }
    let list: Vec<String> = reasons.iter().take(4).map(|(host, reason)| format!("{host}: {reason}")).collect();
    let more = reasons.len().saturating_sub(4);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("no host can take it ({}{tail})", list.join("; "))
}

/// The queue of moves at each host's link: as many lanes as the policy allows.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    per_host: usize,
    ends: BTreeMap<HostId, Vec<(Mono, Option<Op>)>>,
}

/// Time a move takes besides its bytes.
const MOVE_SETUP: Millis = Millis::from_secs(2);

/// How long a VM may stand still at the end of its move: what is left then is sent meanwhile.
const STANDSTILL: Millis = Millis(300);
/// Rounds over memory written anew that a move makes before it counts as one that does not end.
const ROUNDS_MAX: u32 = 64;

/// What one move gets of the link with every lane in use, in bytes per second.
fn lane_rate(snapshot: &Snapshot<'_>) -> u64 {
    (snapshot.policy.move_bandwidth.0 / u64::from(snapshot.policy.moves_per_host.max(1))).max(1)
}

/// What a move sends of the memory, in rounds: first all, then what was written anew meanwhile, until the rest fits the standstill.
/// `None`: it is written as fast as it is sent. A rate that is not known counts as none, and a move that takes longer than foreseen
/// is given up in time.
pub(crate) fn bytes_of_rounds(memory: Bytes, dirty_rate: Option<Bytes>, rate: u64) -> Option<Bytes> {
    let Some(dirty) = dirty_rate.filter(|dirty| dirty.0 > 0) else { return Some(memory) };
    if dirty.0 >= rate {
        return None;
    }
    let rest_max = Bytes(rate).scaled(STANDSTILL.0, 1000);
    let (mut sum, mut round) = (Bytes::ZERO, memory);
    for _ in 0..ROUNDS_MAX {
        sum = sum + round;
        round = round.scaled(dirty.0, rate);
        if round <= rest_max {
            return Some(sum + round);
        }
    }
    None
}

/// How long a VM's move takes, its disks included; or why it would not end by itself.
pub(crate) fn move_time(snapshot: &Snapshot<'_>, vm: &Vm) -> Result<Millis, String> {
    let rate = lane_rate(snapshot);
    let memory = bytes_of_rounds(vm.memory, vm.dirty_rate, rate).ok_or_else(|| {
        let dirty = vm.dirty_rate.unwrap_or_default();
        format!("it writes {dirty} of its memory a second, a move sends {}: it would not end", Bytes(rate))
    })?;
    Ok(time_of(memory + disks(vm), rate))
}

/// How long its first round takes: by then a move that is finished by post-copy has sent everything once.
pub(crate) fn first_round(snapshot: &Snapshot<'_>, vm: &Vm) -> Millis {
    time_of(vm.memory + disks(vm), lane_rate(snapshot))
}

/// How long the memory takes to follow a VM that runs at its target already. Each page is sent once.
pub(crate) fn post_copy_time(snapshot: &Snapshot<'_>, vm: &Vm) -> Millis {
    time_of(vm.memory, lane_rate(snapshot))
}

/// The same as [`move_time`] where something must be said: of one that would not end, what its rounds may take at most when the
/// platform slows its guest down.
pub(crate) fn move_time_max(snapshot: &Snapshot<'_>, vm: &Vm) -> Millis {
    move_time(snapshot, vm).unwrap_or_else(|_| time_of(vm.memory.scaled(4, 1) + disks(vm), lane_rate(snapshot)))
}

fn disks(vm: &Vm) -> Bytes {
    vm.disks_to_copy.values().copied().sum()
}

fn time_of(bytes: Bytes, rate: u64) -> Millis {
    MOVE_SETUP + Millis(bytes.0.saturating_mul(1000) / rate)
}

impl Lanes {
    pub(crate) fn new(snapshot: &Snapshot<'_>) -> Self {
        let mut lanes = Self { per_host: snapshot.policy.moves_per_host.max(1) as usize, ends: BTreeMap::new() };
        for (op, known) in snapshot.known.iter().filter(|(_, known)| known.is_in_flight) {
            if let Op::MoveVm { vm, .. } = op {
                debug_assert!(known.is_in_flight);
                let time = snapshot.vm(vm).map_or(MOVE_SETUP, |vm| move_time_max(snapshot, vm));
                lanes.enter(op, snapshot.now, time);
            }
        }
        lanes
    }

    /// Queues a move; returns when it will have ended and which moves it waits for.
    pub(crate) fn enter(&mut self, op: &Op, not_before: Mono, time: Millis) -> (Mono, Vec<Op>) {
        let Op::MoveVm { from, to, .. } = op else {
            return (not_before, Vec::new());
        };
        let mut start = not_before;
        let mut waits = Vec::new();
        let mut slots = Vec::new();
        for host in [from, to] {
            let lanes = self.ends.entry(host.clone()).or_insert_with(|| vec![(Mono(0), None); self.per_host]);
            let slot = (0..lanes.len()).min_by_key(|i| lanes[*i].0).unwrap_or(0);
            start = start.max(lanes[slot].0);
            waits.extend(lanes[slot].1.clone());
            slots.push((host.clone(), slot));
        }
        let end = start + time;
        for (host, slot) in slots {
            if let Some(lane) = self.ends.get_mut(&host).and_then(|lanes| lanes.get_mut(slot)) {
                *lane = (end, Some(op.clone()));
            }
        }
        (end, waits)
    }
}
