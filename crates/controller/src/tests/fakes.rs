//! A small world in memory: two VMs' worth of physics, no battery curve, no network. Time is tokio's.

use crate::voice::{Line, Voice};
use async_trait::async_trait;
use ridethrough_driver::{
    Client, Cx, Device, Error, FailureKind, HostPower, HostPowerCapability, Platform, PlatformCapability, Result,
};
use ridethrough_model::{
    Bytes, HostId, HostInfo, HostPowerState, Inventory, Millis, Observed, Op, PlatformId, Ppm, Progress, Reading, Silence,
    SilenceKind, Started, TaskRef, UpsId, Vm, VmId, VmPower,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// What a UPS says.
#[derive(Clone, Debug)]
pub(crate) struct FakeUps {
    pub(crate) status: String,
    pub(crate) runtime: Millis,
    /// Since when its battery is being used.
    on_battery_since: Option<Instant>,
    pub(crate) is_silent: bool,
    /// Looks that end in a panic from now on.
    pub(crate) panics: u32,
    pub(crate) clients: Vec<String>,
    pub(crate) refuses: Option<FailureKind>,
}

/// Something that is on or off, or on its way.
#[derive(Clone, Debug)]
pub(crate) struct Switch {
    is_on: bool,
    change: Option<(Instant, bool)>,
}

impl Switch {
    fn is_on(&self) -> bool {
        self.change.filter(|(at, _)| Instant::now() >= *at).map_or(self.is_on, |(_, to)| to)
    }
    fn turn(&mut self, to: bool, after: Duration) {
        self.is_on = self.is_on();
        self.change = Some((Instant::now() + after, to));
    }
}

#[derive(Debug)]
pub(crate) struct State {
    began: Instant,
    pub(crate) upses: BTreeMap<UpsId, FakeUps>,
    pub(crate) vms: BTreeMap<VmId, (String, HostId, BTreeSet<String>, Switch)>,
    pub(crate) hosts: BTreeMap<HostId, Switch>,
    /// What was asked of VMs and hosts, with the second it was asked in.
    pub(crate) asked: Vec<(u64, String)>,
    /// Operations whose start panics.
    pub(crate) start_panics: bool,
    /// Starts that never answer.
    pub(crate) start_hangs: bool,
    pub(crate) in_flight: u32,
    /// Hosts that were told to shut down while VMs ran there.
    pub(crate) cut_over: Vec<String>,
    pub(crate) in_flight_seen: u32,
}

/// The world. Clones are the same world.
#[derive(Clone, Debug)]
pub(crate) struct World(Arc<Mutex<State>>);

pub(crate) const PLATFORM: &str = "lab";

impl World {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            began: Instant::now(),
            upses: BTreeMap::new(),
            vms: BTreeMap::new(),
            hosts: BTreeMap::new(),
            asked: Vec::new(),
            start_panics: false,
            start_hangs: false,
            in_flight: 0,
            cut_over: Vec::new(),
            in_flight_seen: 0,
        })))
    }
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the world")
    }
    pub(crate) fn add_ups(&self, name: &str, runtime_s: u64) {
        let ups = FakeUps {
            status: "OL".to_owned(),
            runtime: Millis::from_secs(runtime_s),
            on_battery_since: None,
            is_silent: false,
            panics: 0,
            clients: Vec::new(),
            refuses: None,
        };
        self.lock().upses.insert(UpsId::from(name), ups);
    }
    pub(crate) fn add_host(&self, name: &str) {
        self.lock().hosts.insert(HostId::from(name), Switch { is_on: true, change: None });
    }
    pub(crate) fn add_vm(&self, name: &str, host: &str, tag: &str) {
        let id = VmId::of(&PlatformId::from(PLATFORM), name);
        let tags = BTreeSet::from([tag.to_owned()]);
        let vm = (name.to_owned(), HostId::from(host), tags, Switch { is_on: true, change: None });
        self.lock().vms.insert(id, vm);
    }
    pub(crate) fn set_status(&self, ups: &str, status: &str) {
        self.ups(ups, |ups| {
            status.clone_into(&mut ups.status);
            ups.on_battery_since = status.contains("OB").then(Instant::now);
        });
    }
    pub(crate) fn ups(&self, ups: &str, change: impl FnOnce(&mut FakeUps)) {
        change(self.lock().upses.get_mut(&UpsId::from(ups)).expect("the test made that UPS"));
    }
    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.lock().asked.iter().map(|(_, what)| what.clone()).collect()
    }
    pub(crate) fn is_vm_on(&self, name: &str) -> bool {
        self.lock().vms[&VmId::of(&PlatformId::from(PLATFORM), name)].3.is_on()
    }
    pub(crate) fn is_host_on(&self, name: &str) -> bool {
        self.lock().hosts[&HostId::from(name)].is_on()
    }
}

impl State {
    fn note(&mut self, what: String) {
        let second = self.began.elapsed().as_secs();
        self.asked.push((second, what));
    }
    /// What does not run.
    pub(crate) fn off(&self) -> Vec<String> {
        let hosts = self.hosts.iter().filter(|(_, switch)| !switch.is_on()).map(|(id, _)| format!("host {id}"));
        let vms = self.vms.iter().filter(|(id, _)| !self.is_running(id)).map(|(_, (name, ..))| format!("VM {name}"));
        hosts.chain(vms).collect()
    }
    fn is_running(&self, vm: &VmId) -> bool {
        self.vms.get(vm).is_some_and(|(_, host, _, switch)| switch.is_on() && self.hosts[host].is_on())
    }
}

#[derive(Debug)]
pub(crate) struct Ups(pub(crate) World, pub(crate) UpsId);

#[async_trait]
impl Device for Ups {
    async fn read(&self, cx: &Cx) -> Result<std::result::Result<Reading, Silence>> {
        let ups = {
            let mut state = self.0.lock();
            let ups = state.upses.get_mut(&self.1).expect("the test made that UPS");
            let copy = ups.clone();
            ups.panics = ups.panics.saturating_sub(1);
            copy
        };
        assert!(ups.panics == 0, "a planted panic");
        if ups.is_silent {
            let message = "nobody answers".to_owned();
            return Ok(Err(Silence { ups: self.1.clone(), at: cx.now, kind: SilenceKind::Unreachable, message }));
        }
        let mut reading = Reading::of_status(self.1.clone(), cx.now, &ups.status);
        let used = ups.on_battery_since.map_or(Duration::ZERO, |since| since.elapsed());
        reading.runtime = Some(ups.runtime - Millis::from_secs(used.as_secs()));
        reading.charge = Some(Ppm::from_percent(90));
        reading.load = Some(Ppm::from_percent(40));
        Ok(Ok(reading))
    }
    async fn clients(&self, _: &Cx) -> Result<Vec<Client>> {
        let state = self.0.lock();
        Ok(state.upses[&self.1].clients.iter().map(|address| Client { address: address.clone() }).collect())
    }
    async fn verify(&self, _: &Cx) -> Result<()> {
        match self.0.lock().upses[&self.1].refuses {
            Some(kind) => Err(Error::new(kind, "verify", "planted")),
            None => Ok(()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Lab(pub(crate) World);

#[async_trait]
impl Platform for Lab {
    fn capability(&self) -> PlatformCapability {
        PlatformCapability { can_move: false, can_suspend: false, has_autostart: false, has_guards: false, in_flight_max: 4 }
    }
    async fn inventory(&self, cx: &Cx) -> Result<Inventory> {
        let state = self.0.lock();
        let mut inventory = Inventory::empty(PlatformId::from(PLATFORM), cx.now);
        for (id, host) in &state.hosts {
            let info = HostInfo {
                memory: Some(Bytes::from_mib(65_536)),
                cpus: Some(32),
                offers: Some(BTreeSet::new()),
                ..HostInfo::new(id.clone(), host.is_on())
            };
            inventory.hosts.insert(id.clone(), info);
        }
        for (id, (name, host, tags, switch)) in state.vms.iter().filter(|(_, (_, host, ..))| state.hosts[host].is_on()) {
            let power = if switch.is_on() { VmPower::Running } else { VmPower::Off };
            let vm = Vm {
                tags: tags.clone(),
                autostart: Some(false),
                ..Vm::new(id.clone(), name.clone(), host.clone(), power, Bytes::from_mib(1024), 1)
            };
            inventory.vms.insert(id.clone(), vm);
        }
        Ok(inventory)
    }
    async fn start(&self, op: &Op, _: &Cx) -> Result<Started> {
        let hangs = {
            let mut state = self.0.lock();
            state.note(op.to_string());
            state.in_flight += 1;
            state.in_flight_seen = state.in_flight_seen.max(state.in_flight);
            state.start_hangs
        };
        let _in_flight = InFlight(self.0.clone());
        assert!(!self.0.lock().start_panics, "a planted panic");
        if hangs {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut state = self.0.lock();
        let vm = op.vm().expect("only operations on VMs come here");
        let (.., switch) = state.vms.get_mut(vm).ok_or_else(|| Error::new(FailureKind::NotFound, "start", "no such VM"))?;
        match op {
            Op::ShutDownVm { .. } => switch.turn(false, Duration::from_secs(3)),
            Op::PowerOffVm { .. } => switch.turn(false, Duration::ZERO),
            Op::StartVm { .. } => switch.turn(true, Duration::from_secs(1)),
            _ => return Err(Error::new(FailureKind::Unsupported, "start", "not here").no_effect()),
        }
        Ok(Started::Task(TaskRef(vm.to_string())))
    }
    async fn poll(&self, task: &TaskRef, _: &Cx) -> Result<Progress> {
        let state = self.0.lock();
        let vm = VmId::new(task.0.clone());
        let (.., switch) = &state.vms[&vm];
        let is_settled = switch.change.is_none_or(|(at, _)| Instant::now() >= at);
        Ok(if is_settled { Progress::Done { detail: None } } else { Progress::Running { done_ppm: None } })
    }
    async fn observe(&self, op: &Op, _: &Cx) -> Result<Observed> {
        let state = self.0.lock();
        let is_running = op.vm().is_some_and(|vm| state.is_running(vm));
        let is_wanted = match op {
            Op::StartVm { .. } => is_running,
            _ => !is_running,
        };
        Ok(if is_wanted { Observed::Done } else { Observed::NotDone })
    }
}

struct InFlight(World);

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.0.lock() {
            state.in_flight -= 1;
        }
    }
}

#[derive(Debug)]
pub(crate) struct Bmc(pub(crate) World, pub(crate) HostId);

#[async_trait]
impl HostPower for Bmc {
    fn name(&self) -> &'static str {
        "bmc"
    }
    fn capability(&self) -> HostPowerCapability {
        HostPowerCapability { can_shut_down: true, can_wake: true, can_prove_off: true }
    }
    async fn observe(&self, _: &Cx) -> Result<HostPowerState> {
        let is_on = self.0.lock().hosts[&self.1].is_on();
        Ok(if is_on { HostPowerState::On } else { HostPowerState::Off })
    }
    async fn shut_down(&self, _: &Cx) -> Result<()> {
        let mut state = self.0.lock();
        state.note(format!("shut down host {}", self.1));
        let running = state.vms.iter().find(|(id, (_, host, ..))| *host == self.1 && state.is_running(id));
        if let Some(over) = running.map(|(_, (name, ..))| format!("host {} was shut down over {name}", self.1)) {
            state.cut_over.push(over);
        }
        state.hosts.get_mut(&self.1).expect("the test made that host").turn(false, Duration::from_secs(5));
        Ok(())
    }
    async fn wake(&self, _: &Cx) -> Result<()> {
        let mut state = self.0.lock();
        state.note(format!("wake host {}", self.1));
        state.hosts.get_mut(&self.1).expect("the test made that host").turn(true, Duration::from_secs(20));
        Ok(())
    }
}

/// Keeps what was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Line>>>);

impl Heard {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics here").iter().map(|line| line.text.clone()).collect()
    }
    pub(crate) fn has(&self, part: &str) -> bool {
        self.texts().iter().any(|text| text.contains(part))
    }
}

impl Voice for Heard {
    fn say(&self, line: Line) {
        self.0.lock().expect("nobody panics here").push(line);
    }
}
