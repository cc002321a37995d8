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
        let mut room = Self { memory: BTreeMap::new(), cpus: BTreeMap::new() };
        for inventory in snapshot.inventories.values() {
            for (id, host) in &inventory.hosts {
                if let (Some(memory), Some(cpus)) = (host.memory, host.cpus) {
                    room.memory.insert(id.clone(), memory - memory.scaled(percent, 100));
                    room.cpus.insert(id.clone(), u64::from(cpus) * CPU_OVERCOMMIT);
                }
            }
        }
        for vm in snapshot.vms() {
            if vm.power.is_active() {
                room.take(&vm.host, vm);
            }
            if let Some((Op::MoveVm { to, .. }, _)) = snapshot.move_in_flight(&vm.id) {
                room.take(to, vm);
            }
        }
        room
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

/// How long a move takes with every lane of the link in use.
pub(crate) fn move_time(snapshot: &Snapshot<'_>, memory: Bytes) -> Millis {
    let rate = snapshot.policy.move_bandwidth.0.max(1) / u64::from(snapshot.policy.moves_per_host.max(1));
    MOVE_SETUP + Millis(memory.0.saturating_mul(1000) / rate.max(1))
}

impl Lanes {
    pub(crate) fn new(snapshot: &Snapshot<'_>) -> Self {
        let mut lanes = Self { per_host: snapshot.policy.moves_per_host.max(1) as usize, ends: BTreeMap::new() };
        for (op, known) in snapshot.known.iter().filter(|(_, known)| known.is_in_flight) {
            if let Op::MoveVm { vm, .. } = op {
                debug_assert!(known.is_in_flight);
                let time = snapshot.vm(vm).map_or(MOVE_SETUP, |vm| move_time(snapshot, vm.memory));
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
