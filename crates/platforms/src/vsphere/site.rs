//! One vCenter or ESXi host with what is known of it: its mirror, its labels, which of its hosts are ours. And how a VM stands there.

use super::collect::{self, Object, TaskInfo};
use super::config::Login;
use super::facts::World;
use super::fault::CallError;
use super::guards;
use super::labels::Reader;
use super::map::{self, Hosts, Ids};
use super::mirror::Mirror;
use super::session::Endpoint;
use super::soap::{self, Call, MoRef};
use ridethrough_driver::Result;
use ridethrough_model::{HostId, Inventory, Mono, PlatformId, VmPower};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::time::{Instant, timeout_at};

/// What is asked of a VM before and while something is done to it.
const STATE: &[&str] = &[
    "name",
    "runtime.host",
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.question",
    "guest.toolsRunningStatus",
    "recentTask",
];
/// Tasks of one VM that are looked at.
const TASKS_MAX: usize = 50;

/// One place.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) endpoint: Endpoint,
    hosts: Hosts,
    ids: Mutex<Ids>,
    picture: tokio::sync::Mutex<Picture>,
    reads_tags: bool,
    is_experimental: bool,
    /// Hosts in maintenance mode, and whether we put them into it.
    maintained: Mutex<BTreeMap<String, bool>>,
}

#[derive(Debug, Default)]
struct Picture {
    mirror: Mirror,
    labels: Reader,
}

/// How a VM stands.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) vm: MoRef,
    pub(super) name: String,
    pub(super) power: VmPower,
    /// Where it is defined or runs; `None` where that may not be seen.
    pub(super) host: Option<HostId>,
    /// Its guest can be asked to shut down.
    pub(super) hears: bool,
    pub(super) question: Option<String>,
    tasks: Vec<MoRef>,
}

impl Seen {
    /// For a person: where it is.
    pub(super) fn place(&self) -> String {
        self.host.as_ref().map_or_else(|| "a host that we may not see".to_owned(), HostId::to_string)
    }
    pub(super) fn is_at(&self, host: &HostId) -> bool {
        self.host.as_ref() == Some(host)
    }
}

impl Site {
    pub(super) fn new(login: &Login, hosts: Hosts, reads_tags: bool, is_experimental: bool) -> Result<Self> {
        Ok(Self {
            endpoint: Endpoint::new(login)?,
            hosts,
            ids: Mutex::default(),
            picture: tokio::sync::Mutex::default(),
            reads_tags,
            is_experimental,
            maintained: Mutex::default(),
        })
    }

    /// Everything it runs, as it is now.
    pub(super) async fn inventory(&self, platform: &PlatformId, now: Mono, deadline: Instant) -> Result<Inventory, CallError> {
        let look = timeout_at(deadline, self.picture.lock()).await;
        let Ok(mut picture) = look else { return Err(CallError::TooLate { sent: false }) };
        let picture = &mut *picture;
        let live = self.endpoint.live(deadline).await?;
        picture.mirror.look(&self.endpoint, deadline).await?;
        picture.labels.look(&self.endpoint, self.reads_tags, deadline).await?;
        let world = picture.mirror.world();
        let ids = map::ids(world, &self.hosts, live.is_vcenter());
        let mut inventory = map::inventory(platform, world, &self.hosts, &ids, picture.labels.labels(), now);
        for (id, _) in world.hosts.iter().filter(|(_, facts)| facts.in_maintenance && facts.is_connected()) {
            if let Some(info) = ids.names.get(id).and_then(|host| inventory.hosts.get_mut(host))
                && self.is_maintained_by_us(&MoRef::new("HostSystem", id), deadline).await?
            {
                // It takes orders: the first VM to be started there ends the mode.
                info.connected = true;
            }
        }
        if live.is_vcenter() {
            // Where they are not told, what the changes said of them last counts: hosts and VMs are not lost over it.
            let read = guards::read(&self.endpoint, world, deadline).await.unwrap_or_default();
            let seen = inventory.hosts.keys().collect();
            inventory.guards = guards::tell(platform, (world, &read), &ids, &seen, self.is_experimental);
        }
        let is_over = |id: &String| world.hosts.get(id).is_none_or(|facts| !facts.in_maintenance);
        self.maintained.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| !is_over(id));
        *self.ids.lock().unwrap_or_else(PoisonError::into_inner) = ids;
        Ok(inventory)
    }

    /// How a VM stands; `None`: it is not known here.
    pub(super) async fn see(&self, native: &str, deadline: Instant) -> Result<Option<Seen>, CallError> {
        let Some(vm) = self.find(native, deadline).await? else { return Ok(None) };
        let object = match collect::read_one(&self.endpoint, &vm, &[("VirtualMachine", STATE)], deadline).await {
            Ok(object) => object,
            Err(error) if error.is("ManagedObjectNotFound") => return Ok(None),
            Err(error) => return Err(error),
        };
        let host = match object.reference("runtime.host") {
            Some(host) => self.host_id(&host, deadline).await?,
            None => None,
        };
        Ok(Some(seen(vm, &object, host)))
    }

    async fn find(&self, native: &str, deadline: Instant) -> Result<Option<MoRef>, CallError> {
        if let Some(id) = native.strip_prefix(map::BY_ID) {
            return Ok(Some(MoRef::new("VirtualMachine", id)));
        }
        let call = |live: &super::session::Live| {
            let call = Call::new(live.object("searchIndex")?, "FindByUuid");
            Ok(call.text("uuid", native).text("vmSearch", "true").text("instanceUuid", "true"))
        };
        let answer = self.endpoint.call(call, deadline).await?;
        Ok(answer.child("returnval").and_then(MoRef::of))
    }

    /// Whether it was us who put a host into maintenance mode: its own last event of that says so.
    pub(super) async fn is_maintained_by_us(&self, host: &MoRef, deadline: Instant) -> Result<bool, CallError> {
        if !self.is_experimental {
            return Ok(false);
        }
        let known = self.maintained.lock().unwrap_or_else(PoisonError::into_inner).get(&host.id).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let live = self.endpoint.live(deadline).await?;
        let mut filter = String::from("<filter><entity>");
        soap::reference(&mut filter, "entity", host);
        filter.push_str("<recursion>self</recursion></entity></filter>");
        let answer =
            self.endpoint.call(|live| Ok(Call::new(live.object("eventManager")?, "QueryEvents").raw(&filter)), deadline).await?;
        let is_it = |event: &&super::xml::Element| event.instance_of.as_deref() == Some("EnteredMaintenanceModeEvent");
        let key = |event: &&super::xml::Element| event.text_at(&["key"]).and_then(|key| key.parse::<i64>().ok());
        let last = answer.all("returnval").filter(is_it).max_by_key(key);
        let is_ours =
            last.and_then(|event| event.text_at(&["userName"])).is_some_and(|user| user.eq_ignore_ascii_case(&live.user));
        self.maintained.lock().unwrap_or_else(PoisonError::into_inner).insert(host.id.clone(), is_ours);
        Ok(is_ours)
    }

    /// What is under way on a VM, whoever began it.
    pub(super) async fn running(&self, seen: &Seen, deadline: Instant) -> Result<Vec<TaskInfo>, CallError> {
        collect::running(&self.endpoint, &seen.tasks, deadline).await
    }

    /// Ours for a host.
    async fn host_id(&self, host: &MoRef, deadline: Instant) -> Result<Option<HostId>, CallError> {
        let known = |ids: &Ids| ids.names.get(&host.id).cloned();
        if let Some(found) = known(&self.ids.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(found));
        }
        Ok(known(&self.read_ids(deadline).await?))
    }

    /// Its own for one of ours.
    pub(super) async fn host(&self, host: &HostId, deadline: Instant) -> Result<Option<MoRef>, CallError> {
        let known = |ids: &Ids| ids.hosts.get(host).map(|id| MoRef::new("HostSystem", id));
        if let Some(found) = known(&self.ids.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(found));
        }
        Ok(known(&self.read_ids(deadline).await?))
    }

    /// Which hosts there are. The ids of a vCenter's hosts are never given again.
    async fn read_ids(&self, deadline: Instant) -> Result<Ids, CallError> {
        let live = self.endpoint.live(deadline).await?;
        let view = collect::view(&self.endpoint, &live, &["HostSystem"], deadline).await?;
        let found = collect::read(&self.endpoint, std::slice::from_ref(&view), &[("ContainerView", &["view"])], deadline).await;
        let _ = collect::destroy_view(&self.endpoint, &live, &view, deadline).await;
        let hosts: Vec<MoRef> = found?.iter().filter_map(|object| object.get("view")).flat_map(MoRef::all).collect();
        let mut world = World::default();
        if !hosts.is_empty() {
            for host in collect::read(&self.endpoint, &hosts, &[("HostSystem", &["name"])], deadline).await? {
                world.add(&host.object);
                world.set(&host.object, "name", host.get("name"));
            }
        }
        let ids = map::ids(&world, &self.hosts, live.is_vcenter());
        (*self.ids.lock().unwrap_or_else(PoisonError::into_inner)).clone_from(&ids);
        Ok(ids)
    }
}

fn seen(vm: MoRef, object: &Object, host: Option<HostId>) -> Seen {
    let tools = object.text("guest.toolsRunningStatus");
    Seen {
        name: object.text("name").unwrap_or(&vm.id).to_owned(),
        power: map::power(object.text("runtime.powerState"), object.text("runtime.connectionState")),
        host,
        hears: matches!(tools, Some("guestToolsRunning" | "guestToolsExecutingScripts")),
        question: object.get("runtime.question").map(|one| one.text_at(&["text"]).unwrap_or("a question").to_owned()),
        // The newest are last.
        tasks: object
            .get("recentTask")
            .map(|array| MoRef::all(array).into_iter().rev().take(TASKS_MAX).collect())
            .unwrap_or_default(),
        vm,
    }
}
