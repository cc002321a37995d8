//! What each method of the imitation does.

use super::wire::{Reply, Request, elements, kind, plain};
use super::world::{FakeTask, Filter, World};
use super::{PASSWORD, Shared, USER};
use ridethrough_driver::conformance::Fault;
use std::time::{Duration, Instant};

const CONTENT: &str = "<returnval><rootFolder type=\"Folder\">group-d1</rootFolder>\
<propertyCollector type=\"PropertyCollector\">propertyCollector</propertyCollector><viewManager type=\"ViewManager\">ViewManager</viewManager>\
<about><name>VMware vCenter Server</name><fullName>VMware vCenter Server 8.0.3 (imitation)</fullName><vendor>nobody</vendor>\
<version>8.0.3</version><build>1</build><osType>linux-x64</osType><productLineId>vpx</productLineId><apiType>VirtualCenter</apiType>\
<apiVersion>8.0.3.0</apiVersion><instanceUuid>11111111-2222-3333-4444-555555555555</instanceUuid></about>\
<sessionManager type=\"SessionManager\">SessionManager</sessionManager>\
<eventManager type=\"EventManager\">EventManager</eventManager><taskManager type=\"TaskManager\">TaskManager</taskManager>\
<customFieldsManager type=\"CustomFieldsManager\">CustomFieldsManager</customFieldsManager>\
<searchIndex type=\"SearchIndex\">SearchIndex</searchIndex></returnval>";

const VERSIONS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?><namespaces version=\"1.0\"><namespace><name>urn:vim25</name>\
<version>8.0.3.0</version><priorVersions><version>8.0.2.0</version></priorVersions></namespace></namespaces>";

pub(super) fn reply(shared: &Shared, request: &Request) -> Reply {
    if request.first.starts_with("GET") {
        let is_versions = request.first.contains("/sdk/vimServiceVersions.xml");
        let body = if is_versions { VERSIONS.to_owned() } else { String::new() };
        return Reply { status: if is_versions { 200 } else { 404 }, body, cookie: None, is_lost: false };
    }
    if !request.first.starts_with("POST /sdk") {
        return Reply { status: 404, body: String::new(), cookie: None, is_lost: false };
    }
    let (_, this, method) = request.call();
    let mut world = shared.world.lock().expect("not poisoned");
    let reply = match method.as_str() {
        "RetrieveServiceContent" => Reply::good(&method, CONTENT),
        "Login" => log_in(&mut world, request),
        _ if !world.sessions.contains(cookie(request)) => Reply::fault("NotAuthenticated", "The session is not authenticated."),
        "WaitForUpdatesEx" => {
            drop(world);
            return updates(shared, request, &this);
        }
        _ => called(&mut world, request, &this, &method),
    };
    drop(world);
    shared.changed.notify_all();
    reply
}

fn cookie(request: &Request) -> &str {
    request
        .cookie
        .split(';')
        .map(str::trim)
        .find_map(|one| one.strip_prefix("vmware_soap_session="))
        .unwrap_or("")
        .trim_matches('"')
}

fn log_in(world: &mut World, request: &Request) -> Reply {
    let is_right = request.text("password").as_deref() == Some(PASSWORD);
    if !is_right || world.fault == Some(Fault::WrongPassword) {
        return Reply::fault("InvalidLogin", "Cannot complete login due to an incorrect user name or password.");
    }
    let key = format!("session-{}", world.number());
    world.sessions.insert(key.clone());
    let session = format!(
        "<returnval><key>{key}</key><userName>{USER}</userName><fullName>x</fullName><loginTime>2026-11-27T08:00:00Z</loginTime>\
         <lastActiveTime>2026-11-27T08:00:00Z</lastActiveTime><locale>en</locale><messageLocale>en</messageLocale></returnval>"
    );
    Reply { cookie: Some(format!("vmware_soap_session=\"{key}\"")), ..Reply::good("Login", &session) }
}

fn called(world: &mut World, request: &Request, this: &str, method: &str) -> Reply {
    let returned = |kind: &str, id: &str| Reply::good(method, &format!("<returnval type=\"{kind}\">{id}</returnval>"));
    match method {
        "Logout" | "CurrentTime" | "DestroyView" | "DestroyPropertyCollector" => Reply::good(method, ""),
        "CreateContainerView" => {
            let id = format!("view-{}", world.number());
            let kinds = request.all("type").map(|(_, kind)| kind.to_owned()).collect();
            world.views.insert(id.clone(), kinds);
            returned("ContainerView", &id)
        }
        "CreatePropertyCollector" => {
            let id = format!("collector-{}", world.number());
            world.filters.insert(id.clone(), Filter::default());
            returned("PropertyCollector", &id)
        }
        "CreateFilter" => {
            let (wanted, objects) = spec(&request.body);
            if let Some(gone) = objects.iter().find(|(kind, id)| kind == "Task" && !world.tasks.contains_key(id)) {
                return Reply::fault("ManagedObjectNotFound", &format!("{} is gone", gone.1));
            }
            world.filters.entry(this.to_owned()).or_default().wanted = wanted;
            world.filters.entry(this.to_owned()).or_default().objects = objects;
            returned("PropertyFilter", &format!("filter-{this}"))
        }
        "RetrievePropertiesEx" => retrieve(world, request),
        "FindByUuid" => {
            let uuid = request.text("uuid").unwrap_or_default();
            match world.vms.iter().find(|(_, vm)| vm.uuid == uuid) {
                Some((id, _)) => returned("VirtualMachine", id),
                None => Reply::good(method, ""),
            }
        }
        "QueryEvents" => {
            let host = request.all("entity").nth(1).or_else(|| request.all("entity").next()).map_or("", |(_, inner)| inner);
            let host = host.rsplit('>').next().unwrap_or_default().to_owned();
            let one = |(key, kind, _, user): &(u64, String, String, String)| {
                format!(
                    "<returnval xsi:type=\"{kind}\"><key>{key}</key><chainId>{key}</chainId><createdTime>2026-11-27T08:00:00Z</createdTime>\
                     <userName>{user}</userName></returnval>"
                )
            };
            let events: String = world.events.iter().filter(|(_, _, at, _)| *at == host).map(one).collect();
            Reply::good(method, &events)
        }
        "ReconfigureAutostart" => {
            let wants = request.text("startAction").is_some_and(|action| action == "powerOn");
            let vm = request.all("key").next().map(|(_, id)| id.to_owned()).unwrap_or_default();
            match world.vms.get_mut(&vm) {
                Some(vm) => vm.starts_with_host = wants,
                None => return Reply::fault("InvalidArgument", "no such VM"),
            }
            world.effects += 1;
            Reply::good(method, "")
        }
        "ShutdownGuest" => act(world, request, this, method),
        "CancelTask" => {
            if let Some(task) = world.tasks.get_mut(this) {
                (task.state, task.fault) = ("error".to_owned(), "RequestCanceled".to_owned());
            }
            Reply::good(method, "")
        }
        _ if method.ends_with("_Task") => act(world, request, this, method),
        _ => Reply::fault("MethodNotFound", &format!("there is no {method}")),
    }
}

/// Something that has an effect, at once or at the end of a task.
fn act(world: &mut World, request: &Request, this: &str, method: &str) -> Reply {
    let power = world.vms.get(this).map(|vm| vm.power.clone());
    let is_host = world.hosts.contains_key(this);
    let is_known = power.is_some() || is_host || world.clusters.contains_key(this);
    let needs_on = matches!(method, "ShutdownGuest" | "PowerOffVM_Task" | "SuspendVM_Task");
    let is_in = world.hosts.get(this).is_some_and(|host| host.in_maintenance);
    let by_force = request.text("force").is_some_and(|force| force == "true");
    let refusal = match method {
        _ if !is_known => Some("ManagedObjectNotFound"),
        _ if world.fault == Some(Fault::Busy) => Some("TaskInProgress"),
        "ShutdownGuest" if world.vms.get(this).is_some_and(|vm| !vm.has_tools) => Some("ToolsUnavailable"),
        "ShutdownHost_Task" if !by_force && !is_in => Some("InvalidState"),
        "EnterMaintenanceMode_Task" if is_in => Some("InvalidState"),
        "ExitMaintenanceMode_Task" if !is_in => Some("InvalidState"),
        "PowerOnVM_Task" if power.as_deref() == Some("poweredOn") => Some("InvalidPowerState"),
        _ if needs_on && power.as_deref() != Some("poweredOn") => Some("InvalidPowerState"),
        _ => None,
    };
    if let Some(kind) = refusal {
        return Reply::fault(kind, "it is not possible now");
    }
    world.effects += 1;
    let argument = match method {
        "RelocateVM_Task" | "PowerOnVM_Task" => request.all("host").next().map(|(_, id)| id.to_owned()).unwrap_or_default(),
        "ReconfigureComputeResource_Task" => request.body.clone(),
        _ => String::new(),
    };
    let effect = (method.to_owned(), this.to_owned(), argument);
    let is_lost = world.fault == Some(Fault::ReplyLost);
    if method == "ShutdownGuest" {
        done(world, &effect);
        return Reply { is_lost, ..Reply::good(method, "") };
    }
    let id = format!("task-{}", world.number());
    let bare = method.trim_end_matches("_Task");
    let kind = if is_host { "HostSystem" } else { "VirtualMachine" };
    let waits = world.holds_tasks || (method == "EnterMaintenanceMode_Task" && has_running(world, this));
    let state = if waits { "running" } else { "success" };
    let task = FakeTask {
        what: format!("{kind}.{}", bare.trim_end_matches("VM").to_lowercase()),
        entity: this.to_owned(),
        state: state.to_owned(),
        fault: String::new(),
        effect: effect.clone(),
    };
    world.tasks.insert(id.clone(), task);
    if !waits {
        done(world, &effect);
    }
    Reply { is_lost, ..Reply::good(method, &format!("<returnval type=\"Task\">{id}</returnval>")) }
}

fn has_running(world: &World, host: &str) -> bool {
    world.vms.values().any(|vm| vm.host == host && vm.power == "poweredOn")
}

fn done(world: &mut World, (method, this, argument): &(String, String, String)) {
    let host = world.hosts.get_mut(this);
    match (method.as_str(), host) {
        ("EnterMaintenanceMode_Task", Some(host)) => {
            host.in_maintenance = true;
            let key = world.number();
            world.events.push((key, "EnteredMaintenanceModeEvent".to_owned(), this.clone(), USER.to_owned()));
        }
        ("ExitMaintenanceMode_Task", Some(host)) => host.in_maintenance = false,
        ("ShutdownHost_Task", Some(_)) if world.hosts_stay => world.was_told = true,
        // It drops off the network, and takes what runs on it along.
        ("ShutdownHost_Task", Some(host)) => {
            host.connection = "notResponding".to_owned();
            world.vms.values_mut().filter(|vm| vm.host == *this).for_each(|vm| vm.connection = "disconnected".to_owned());
        }
        ("ReconfigureComputeResource_Task", _) => {
            let Some(cluster) = world.clusters.get_mut(this) else { return };
            let text = |name: &str| elements(argument, name).next().map(|(_, inner)| inner.to_owned());
            if let Some(level) = text("defaultVmBehavior") {
                cluster.drs_level = level;
            }
            if let Some(monitoring) = text("hostMonitoring") {
                cluster.host_monitoring = monitoring;
            }
            if let Some(control) = text("admissionControlEnabled") {
                cluster.admission_control = control == "true";
            }
        }
        _ => {
            let Some(vm) = world.vms.get_mut(this) else { return };
            match method.as_str() {
                "ShutdownGuest" | "PowerOffVM_Task" => vm.power = "poweredOff".to_owned(),
                "PowerOnVM_Task" => vm.power = "poweredOn".to_owned(),
                "SuspendVM_Task" => vm.power = "suspended".to_owned(),
                "RelocateVM_Task" => argument.clone_into(&mut vm.host),
                _ => {}
            }
        }
    }
}

impl World {
    /// Tasks that can end do: those that were held, and hosts that have become empty.
    pub(crate) fn end_tasks(&mut self) {
        self.holds_tasks = false;
        let can_end = |(_, task): &(&String, &FakeTask)| {
            task.state == "running" && !(task.effect.0 == "EnterMaintenanceMode_Task" && has_running(self, &task.entity))
        };
        let ending: Vec<String> = self.tasks.iter().filter(can_end).map(|(id, _)| id.clone()).collect();
        for id in ending {
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            task.state = "success".to_owned();
            let effect = task.effect.clone();
            done(self, &effect);
        }
    }
}

type Spec = (Vec<(String, Vec<String>)>, Vec<(String, String)>);
/// Kind and id of an object, and its properties.
type Shown = ((String, String), Vec<(String, String)>);

/// What is wanted of which kinds, and the objects or views.
fn spec(body: &str) -> Spec {
    let set = |(_, set): (&str, &str)| {
        let kind = elements(set, "type").next().map_or("", |(_, kind)| kind).to_owned();
        (kind, elements(set, "pathSet").map(|(_, path)| plain(path)).collect())
    };
    let object = |(_, set): (&str, &str)| {
        elements(set, "obj").next().map(|(attributes, id)| (kind(attributes), id.to_owned())).unwrap_or_default()
    };
    (elements(body, "propSet").map(set).collect(), elements(body, "objectSet").map(object).collect())
}

fn is_kind(kind: &str, wanted: &str) -> bool {
    kind == wanted || (kind == "ClusterComputeResource" && wanted == "ComputeResource")
}

/// Objects and their properties. A view stands for what is in it, unless it is asked itself.
fn picture(world: &World, (wanted, objects): &Spec) -> Vec<Shown> {
    let mut found = Vec::new();
    for (kind, id) in objects {
        let is_asked = wanted.iter().any(|(wanted, _)| wanted == kind);
        let inside = world.views.get(id).filter(|_| !is_asked).map(|kinds| world.objects(kinds));
        for (kind, id) in inside.unwrap_or_else(|| vec![(kind.clone(), id.clone())]) {
            let paths = wanted.iter().filter(|(wanted, _)| is_kind(&kind, wanted)).flat_map(|(_, paths)| paths);
            let property = |path: &String| Some((path.clone(), world.property(&kind, &id, path)?));
            let properties = paths.filter_map(property).collect();
            found.push(((kind, id), properties));
        }
    }
    found
}

fn exists(world: &World, kind: &str, id: &str) -> bool {
    match kind {
        "VirtualMachine" => world.vms.contains_key(id),
        "HostSystem" => world.hosts.contains_key(id),
        "Task" => world.tasks.contains_key(id),
        _ => true,
    }
}

fn retrieve(world: &World, request: &Request) -> Reply {
    let spec = spec(&request.body);
    if let Some((_, id)) = spec.1.iter().find(|(kind, id)| !exists(world, kind, id)) {
        return Reply::fault("ManagedObjectNotFound", &format!("The object {id} has already been deleted"));
    }
    if world.hides_settings && spec.1.iter().any(|(kind, _)| kind == "ClusterComputeResource") {
        return Reply::fault("NoPermission", "Permission to perform this operation was denied.");
    }
    let content = |((kind, id), properties): &Shown| {
        let set = |(name, value): &(String, String)| format!("<propSet><name>{name}</name><val{value}</val></propSet>");
        let sets: String = properties.iter().map(set).collect();
        format!("<objects><obj type=\"{kind}\">{id}</obj>{sets}</objects>")
    };
    let objects: String = picture(world, &spec).iter().map(content).collect();
    Reply::good("RetrievePropertiesEx", &format!("<returnval>{objects}</returnval>"))
}

fn updates(shared: &Shared, request: &Request, this: &str) -> Reply {
    let seconds = request.text("maxWaitSeconds").and_then(|text| text.parse().ok()).unwrap_or(30);
    let until = Instant::now() + Duration::from_secs(seconds);
    let page = request.text("maxObjectUpdates").and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
    let version = request.text("version").unwrap_or_default();
    loop {
        let mut world = shared.world.lock().expect("not poisoned");
        let Some(mut filter) = world.filters.remove(this) else {
            return Reply::fault("ManagedObjectNotFound", "the collector is gone");
        };
        if version.is_empty() {
            (filter.told, filter.pending) = Default::default();
        }
        if filter.pending.is_empty() {
            changes(&world, &mut filter);
        }
        if filter.pending.is_empty() {
            world.filters.insert(this.to_owned(), filter);
            if Instant::now() >= until {
                return Reply::good("WaitForUpdatesEx", "");
            }
            drop(shared.changed.wait_timeout(world, super::TICK));
            continue;
        }
        let rest = filter.pending.split_off(page.min(filter.pending.len()));
        let now: String = std::mem::replace(&mut filter.pending, rest).concat();
        filter.version += 1;
        let (number, is_part) = (filter.version, !filter.pending.is_empty());
        world.filters.insert(this.to_owned(), filter);
        let set = format!(
            "<returnval><version>{number}</version><filterSet><filter type=\"PropertyFilter\">filter-{this}</filter>{now}</filterSet>\
             <truncated>{is_part}</truncated></returnval>"
        );
        return Reply::good("WaitForUpdatesEx", &set);
    }
}

/// What is otherwise than it was told last.
fn changes(world: &World, filter: &mut Filter) {
    let now = picture(world, &(filter.wanted.clone(), filter.objects.clone()));
    let mut told = std::mem::take(&mut filter.told);
    for ((kind, id), properties) in now {
        let before = told.remove(&(kind.clone(), id.clone()));
        let is_new = |(name, value): &&(String, String)| before.as_ref().is_none_or(|before| before.get(name) != Some(value));
        let change = |(name, value): &(String, String)| {
            format!("<changeSet><name>{name}</name><op>assign</op><val{value}</val></changeSet>")
        };
        let set: String = properties.iter().filter(is_new).map(change).collect();
        if before.is_none() || !set.is_empty() {
            let word = if before.is_none() { "enter" } else { "modify" };
            filter.pending.push(format!("<objectSet><kind>{word}</kind><obj type=\"{kind}\">{id}</obj>{set}</objectSet>"));
        }
        filter.told.insert((kind, id), properties.into_iter().collect());
    }
    for (kind, id) in told.keys() {
        filter.pending.push(format!("<objectSet><kind>leave</kind><obj type=\"{kind}\">{id}</obj></objectSet>"));
    }
}
