//! Who draws what of a UPS's load: hosts what their configuration says without VMs, VMs the rest by their CPUs, up to what the hosts
//! draw at most. What nobody is known to draw stays on the UPS to the end.

use crate::battery::{HostDraw, loads_of};
use crate::snapshot::Snapshot;
use ridethrough_model::{HostId, Milliwatts, UpsId, Vm, VmId};
use std::collections::{BTreeMap, BTreeSet};

/// A host whose greatest draw is not said takes so much of its idle draw more, at most, in percent.
const DYNAMIC_PERCENT: u64 = 100;

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Draws {
    pub(super) hosts: BTreeMap<HostId, Milliwatts>,
    pub(super) vms: BTreeMap<VmId, Milliwatts>,
    /// Per UPS: what it carries beside these hosts.
    pub(super) others: BTreeMap<UpsId, Milliwatts>,
}

/// Shares out what these UPSes carry among these hosts and what runs there.
pub(super) fn draws(
    snapshot: &Snapshot<'_>,
    hosts: &[&HostId],
    carried: &BTreeMap<UpsId, Milliwatts>,
    dead: &BTreeSet<UpsId>,
) -> Draws {
    let mut draws = Draws::default();
    let mut active: BTreeMap<&HostId, Vec<&Vm>> = BTreeMap::new();
    for vm in snapshot.vms().filter(|vm| vm.power.is_active()) {
        active.entry(&vm.host).or_default().push(vm);
    }
    let idle = |host: &HostId| snapshot.topology.hosts.get(host).and_then(|host| host.draw.idle);
    let mut still = HostDraw::default();
    let mut most = HostDraw::default();
    for host in hosts {
        let Some(idle) = idle(host) else { continue };
        draws.hosts.insert((*host).clone(), idle);
        still.hosts.insert((*host).clone(), idle);
        if active.contains_key(*host) {
            let max = snapshot.topology.hosts.get(*host).and_then(|host| host.draw.max);
            let dynamic = max.map_or_else(|| idle.scaled(DYNAMIC_PERCENT, 100), |max| max - idle);
            most.hosts.insert((*host).clone(), dynamic);
        }
    }
    let (still, most_of) = (loads_of(snapshot.topology, &still, dead), loads_of(snapshot.topology, &most, dead));
    // The same part of what each host could draw, as much as the tightest of its UPSes leaves.
    let part = |ups: &UpsId| {
        let left = carried.get(ups).copied().unwrap_or_default() - still.get(ups).copied().unwrap_or_default();
        let most = most_of.get(ups).copied().unwrap_or_default();
        if most == Milliwatts::ZERO { 1_000_000 } else { left.scaled(1_000_000, most.0).0.min(1_000_000) }
    };
    let mut running = HostDraw::default();
    for (host, dynamic) in &most.hosts {
        let feeds = snapshot.topology.hosts.get(host).map(|host| host.feeds.as_slice()).unwrap_or_default();
        let part = feeds.iter().filter(|feed| carried.contains_key(&feed.ups)).map(|feed| part(&feed.ups)).min().unwrap_or(0);
        let vms = active.get(host).map(Vec::as_slice).unwrap_or_default();
        let cpus: u64 = vms.iter().map(|vm| u64::from(vm.cpus.max(1))).sum();
        let dynamic = dynamic.scaled(part, 1_000_000);
        for vm in vms {
            draws.vms.insert(vm.id.clone(), dynamic.scaled(u64::from(vm.cpus.max(1)), cpus.max(1)));
        }
        running.hosts.insert(host.clone(), dynamic);
    }
    let running = loads_of(snapshot.topology, &running, dead);
    for (ups, load) in carried {
        let known = still.get(ups).copied().unwrap_or_default() + running.get(ups).copied().unwrap_or_default();
        draws.others.insert(ups.clone(), *load - known);
    }
    draws
}
