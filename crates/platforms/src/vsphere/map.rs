//! vSphere's facts in our words. Pure; what is odd about vSphere is written here.

use super::facts::{HostFacts, VmFacts, World};
use ridethrough_model::{Bytes, HostId, HostInfo, Inventory, Mono, PlatformId, Vm, VmId, VmPower};
use std::collections::{BTreeMap, BTreeSet};

/// vSphere's tags and the names of custom attributes, by object or key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels {
    /// Tags of VMs, by the VM's id.
    pub(super) tags: BTreeMap<String, BTreeSet<String>>,
    /// Names of custom attributes, by their keys.
    pub(super) attributes: BTreeMap<String, String>,
}

/// Which of vSphere's hosts are which of ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    /// Ours by vSphere's names, in lower case.
    pub(super) by_name: BTreeMap<String, HostId>,
}

impl Hosts {
    /// Ours for it; a host that is not configured keeps vSphere's name.
    fn id(&self, facts: &HostFacts, is_only: bool) -> HostId {
        let known = self.by_name.get(&facts.name.to_lowercase());
        // An ESXi host on its own may know itself by another name than we do: it is the one we asked.
        let only = || if is_only && self.by_name.len() == 1 { self.by_name.values().next() } else { None };
        known.or_else(only).cloned().unwrap_or_else(|| HostId::new(facts.name.as_str()))
    }
}

/// Ids of an endpoint's objects by ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) hosts: BTreeMap<HostId, String>,
    pub(super) names: BTreeMap<String, HostId>,
}

/// Ours for the hosts of a world.
pub(super) fn ids(world: &World, hosts: &Hosts, is_vcenter: bool) -> Ids {
    let is_only = !is_vcenter && world.hosts.len() == 1;
    let names: BTreeMap<String, HostId> = world.hosts.iter().map(|(id, facts)| (id.clone(), hosts.id(facts, is_only))).collect();
    Ids { hosts: names.iter().map(|(id, host)| (host.clone(), id.clone())).collect(), names }
}

/// The inventory of the clusters that have hosts of ours. Hosts of ours that are not in vSphere are in it too, not connected.
pub(super) fn inventory(platform: &PlatformId, world: &World, hosts: &Hosts, ids: &Ids, labels: &Labels, now: Mono) -> Inventory {
    let mut inventory = Inventory::empty(platform.clone(), now);
    let ours: BTreeSet<&HostId> = hosts.by_name.values().collect();
    let is_ours = |id: &String| ids.names.get(id).is_some_and(|host| ours.contains(host));
    let places: BTreeSet<&str> =
        world.hosts.iter().filter(|(id, _)| is_ours(id)).filter_map(|(_, host)| host.parent.as_deref()).collect();
    let names = Names::of(world);
    for (id, facts) in &world.hosts {
        let is_near = facts.parent.as_deref().is_some_and(|parent| places.contains(parent));
        if let Some(host) = ids.names.get(id)
            && (is_near || is_ours(id))
        {
            inventory.hosts.insert(host.clone(), host_info(host, facts, &names));
        }
    }
    for host in ours {
        inventory.hosts.entry(host.clone()).or_insert_with(|| unreached(host));
    }
    for (id, facts) in world.vms.iter().filter(|(_, facts)| !facts.is_template && !facts.is_vcls() && !facts.is_secondary) {
        let Some(host) = facts.host.as_ref().and_then(|host| ids.names.get(host)) else { continue };
        if inventory.hosts.contains_key(host) {
            let vm = vm(platform, id, facts, host, world, &names, labels);
            inventory.vms.insert(vm.id.clone(), vm);
        }
    }
    inventory
}

/// A host nobody has heard of.
pub(super) fn unreached(host: &HostId) -> HostInfo {
    HostInfo::new(host.clone(), false)
}

/// What a VM is called by: its instance UUID; for one that has none, the id its vCenter gives it.
pub(super) fn native(id: &str, facts: &VmFacts) -> String {
    facts.uuid().unwrap_or_else(|| format!("{BY_ID}{id}"))
}

/// Begins the name of a VM without a UUID.
pub(super) const BY_ID: &str = "id-";

/// What it is doing. Of a VM whose host or storage is not reached, vSphere repeats what it knew last: that is not known.
pub(super) fn power(power: Option<&str>, connection: Option<&str>) -> VmPower {
    if connection.is_some_and(|connection| connection != "connected") {
        return VmPower::Unknown;
    }
    match power {
        Some("poweredOn") => VmPower::Running,
        Some("poweredOff") => VmPower::Off,
        Some("suspended") => VmPower::Suspended,
        _ => VmPower::Unknown,
    }
}

/// Whether a host can take VMs and orders now: in maintenance mode it can not.
pub(super) fn is_ready(facts: &HostFacts) -> bool {
    facts.is_connected() && !facts.in_maintenance
}

fn host_info(id: &HostId, facts: &HostFacts, names: &Names<'_>) -> HostInfo {
    let offers = names.places(&facts.networks, &facts.datastores);
    HostInfo {
        memory: facts.memory.map(Bytes),
        cpus: facts.cpus,
        offers: Some(offers),
        smbios_uuid: facts.uuid.as_ref().map(|uuid| uuid.to_lowercase()),
        ..HostInfo::new(id.clone(), is_ready(facts))
    }
}

fn vm(platform: &PlatformId, id: &str, facts: &VmFacts, host: &HostId, world: &World, names: &Names<'_>, labels: &Labels) -> Vm {
    let at = facts.host.as_ref().and_then(|host| world.hosts.get(host));
    let cluster = at.and_then(|host| host.parent.as_ref()).and_then(|parent| world.clusters.get(parent));
    let has_ha = cluster.and_then(|cluster| cluster.ha) == Some(true);
    let starts = at.and_then(|host| host.autostart.as_ref()).map(|vms| vms.contains(id));
    let power = power(facts.power.as_deref(), facts.connection.as_deref());
    let memory = Bytes(facts.memory_mib.unwrap_or(0).saturating_mul(1 << 20));
    let id_of_all = VmId::of(platform, &native(id, facts));
    Vm {
        tags: tags(id, facts, world, labels, cluster.map(|cluster| cluster.name.as_str())),
        // Hosts in a cluster with HA have no autostart, whatever their lists say.
        autostart: if has_ha { Some(false) } else { starts },
        needs: names.places(&facts.networks, &facts.datastores),
        move_blockers: blockers(facts, world),
        suspend_blockers: suspend_blockers(facts),
        smbios_uuid: facts.bios_uuid.as_ref().map(|uuid| uuid.to_lowercase()),
        ..Vm::new(id_of_all, facts.name.clone(), host.clone(), power, memory, facts.cpus.unwrap_or(0))
    }
}

/// Why it cannot move while it runs, as far as it shows before.
pub(super) fn blockers(facts: &VmFacts, world: &World) -> Vec<String> {
    let mut blockers = facts.devices.blockers.clone();
    if is_twin(facts) {
        blockers.push("it has a twin (fault tolerance), which vSphere places".to_owned());
    }
    if let Some(question) = &facts.question {
        blockers.push(format!("it waits for an answer: {question}"));
    }
    let local = facts.datastores.iter().filter_map(|id| world.datastores.get(id)).filter(|store| store.is_shared == Some(false));
    blockers.extend(local.map(|store| format!("it uses {}, which only one host reaches", store.name)));
    blockers
}

/// Why its memory cannot be saved to disk.
fn suspend_blockers(facts: &VmFacts) -> Vec<String> {
    let mut blockers = facts.devices.blockers.clone();
    if is_twin(facts) {
        blockers.push("it has a twin (fault tolerance)".to_owned());
    }
    blockers
}

fn is_twin(facts: &VmFacts) -> bool {
    facts.fault_tolerance.as_deref().is_some_and(|state| state != "notConfigured")
}

fn tags(id: &str, facts: &VmFacts, world: &World, labels: &Labels, cluster: Option<&str>) -> BTreeSet<String> {
    let mut tags = labels.tags.get(id).cloned().unwrap_or_default();
    let attribute = |(key, value): (&String, &String)| labels.attributes.get(key).map(|name| format!("{name}:{value}"));
    tags.extend(facts.attributes.iter().filter_map(attribute));
    let named = |id: &Option<String>| id.as_ref().and_then(|id| world.names.get(id));
    tags.extend(named(&facts.pool).map(|name| format!("pool:{name}")));
    tags.extend(named(&facts.vapp).map(|name| format!("vapp:{name}")));
    tags.extend(cluster.map(|name| format!("cluster:{name}")));
    tags
}

/// Names of networks and datastores. Where two bear the same, their ids stand behind: two datacenters often have a `VM Network`.
struct Names<'a> {
    world: &'a World,
    doubles: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn of(world: &'a World) -> Self {
        let mut seen = BTreeSet::new();
        let stores = world.datastores.values().map(|store| ("datastore", store.name.as_str()));
        // Pools and networks never share a prefix below, so that a pool of a network's name makes no double.
        let networks = world.names.iter().filter(|(id, _)| is_network(id)).map(|(_, name)| ("network", name.as_str()));
        let doubles = stores.chain(networks).filter(|one| !seen.insert(*one)).map(|(_, name)| name).collect();
        Self { world, doubles }
    }

    fn places(&self, networks: &[String], datastores: &[String]) -> BTreeSet<String> {
        let label = |what: &str, id: &str, name: &str| {
            if self.doubles.contains(name) { format!("{what}:{name} ({id})") } else { format!("{what}:{name}") }
        };
        let network = |id: &String| label("network", id, self.world.names.get(id).map_or(id, |name| name));
        let store = |id: &String| label("datastore", id, self.world.datastores.get(id).map_or(id, |store| &store.name));
        networks.iter().map(network).chain(datastores.iter().map(store)).collect()
    }
}

/// vCenter's ids of networks begin so; ESXi's are `HaNetwork-...`.
fn is_network(id: &str) -> bool {
    id.starts_with("network-") || id.starts_with("dvportgroup-") || id.starts_with("HaNetwork-")
}
