//! A remote side made of a few fields, for drivers that are known to be sound or flawed. No wire: what it says is a value.

use super::super::{DeviceFixture, Facts, Fault, HostPowerFixture, Peer, PlatformFixture, Vms};
use super::tiny_drivers::TinyDriver;
use crate::{Device, HostPower, Platform};
use async_trait::async_trait;
use ridethrough_model::{HostId, Millis, Mono, Ppm, Reading, SilenceKind, TaskRef, UpsId, VmId, VmPower};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

thread_local! {
    /// What is wrong with the drivers made on this thread.
    pub(super) static FLAW: Cell<&'static str> = const { Cell::new("none") };
}

pub(super) const RIGHT: &str = "opensesame";
pub(super) const WRONG: &str = "letmein";

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Read,
    Clients,
    Verify,
    Cut,
    List,
    State(String),
    Start(String),
    Stop(String),
    Power,
    Wake,
    ShutDown,
    /// Something that nobody needs.
    Chatter,
}

impl Ask {
    fn is_look(&self) -> bool {
        matches!(self, Self::Read | Self::List | Self::Power)
    }
    pub(super) fn is_change(&self) -> bool {
        matches!(self, Self::Start(_) | Self::Stop(_) | Self::Wake | Self::ShutDown | Self::Cut)
    }
}

/// What comes back.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Done,
    Reading(Box<Reading>),
    Vms(BTreeMap<String, VmPower>),
    State(VmPower),
    Power { on: bool, off: bool },
    Noise,
}

/// Why nothing comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    NoConnection,
    Lost,
    Denied,
    NotThere,
    Busy,
    Deaf,
    Stale,
    Disconnected,
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) fault: Option<Fault>,
    pub(super) epoch: usize,
    reading: Option<Reading>,
    lost: Option<SilenceKind>,
    vms: BTreeMap<String, VmPower>,
    deaf: BTreeSet<String>,
    is_on: bool,
    contradicts: bool,
    looks: usize,
    effects: usize,
    in_flight: usize,
    peak: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Remote(Arc<Mutex<World>>);

struct InFlight(Remote);
impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.world().in_flight -= 1;
    }
}

impl Remote {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("no test panics with it")
    }

    /// Asks, over a connection that exists.
    pub(super) async fn ask(&self, ask: &Ask, password: &str) -> Result<(Raw, bool), Broken> {
        let fault = {
            let mut world = self.world();
            world.looks += usize::from(ask.is_look());
            world.in_flight += 1;
            world.peak = world.peak.max(world.in_flight);
            world.fault
        };
        let _in_flight = InFlight(self.clone());
        tokio::task::yield_now().await;
        match fault {
            Some(Fault::Refusing) => Err(Broken::NoConnection),
            Some(Fault::Silent | Fault::Slow | Fault::Endless) => pending().await,
            Some(Fault::Garbage) => Ok((Raw::Noise, false)),
            Some(Fault::HalfAnswer | Fault::Closing) => Err(Broken::Lost),
            Some(Fault::WrongPassword) if password == WRONG && !matches!(ask, Ask::Read | Ask::Clients) => Err(Broken::Denied),
            Some(Fault::Missing) if !matches!(ask, Ask::List | Ask::Power) => Err(Broken::NotThere),
            Some(Fault::Busy) if ask.is_change() => Err(Broken::Busy),
            Some(Fault::ReplyLost) if ask.is_change() => self.world().act(ask).and(Err(Broken::Lost)),
            _ => Ok((self.world().act(ask)?, fault == Some(Fault::Newer))),
        }
    }
}

impl World {
    fn act(&mut self, ask: &Ask) -> Result<Raw, Broken> {
        self.effects += usize::from(ask.is_change() && !matches!(ask, Ask::Stop(vm) if self.deaf.contains(vm)));
        match ask {
            Ask::Read => match self.lost {
                Some(SilenceKind::Stale) => return Err(Broken::Stale),
                Some(SilenceKind::Disconnected) => return Err(Broken::Disconnected),
                Some(_) => return Err(Broken::NoConnection),
                None => return Ok(Raw::Reading(Box::new(self.reading.clone().expect("it was told")))),
            },
            Ask::List => return Ok(Raw::Vms(self.vms.clone())),
            Ask::State(vm) => return self.vms.get(vm).map(|power| Raw::State(*power)).ok_or(Broken::NotThere),
            Ask::Start(vm) => drop(self.vms.insert(vm.clone(), VmPower::Running)),
            Ask::Stop(vm) if self.deaf.contains(vm) => return Err(Broken::Deaf),
            Ask::Stop(vm) => drop(self.vms.insert(vm.clone(), VmPower::Off)),
            Ask::Power => return Ok(Raw::Power { on: self.is_on || self.contradicts, off: !self.is_on || self.contradicts }),
            Ask::Wake if FLAW.get() == "H1" => self.is_on = !self.is_on,
            Ask::Wake => self.is_on = true,
            Ask::ShutDown => self.is_on = false,
            Ask::Clients | Ask::Verify | Ask::Cut | Ask::Chatter => {}
        }
        Ok(Raw::Done)
    }
}

/// The fixture of all three kinds.
pub(super) struct Tiny {
    remote: Remote,
}

impl Tiny {
    fn driver(&self) -> TinyDriver {
        let is_wrong = self.remote.world().fault == Some(Fault::WrongPassword);
        TinyDriver::new(self.remote.clone(), if is_wrong { WRONG } else { RIGHT })
    }
}

#[async_trait]
impl Peer for Tiny {
    fn facts() -> Facts {
        use Fault::*;
        Facts {
            driver: "tiny",
            faults: &[
                Refusing,
                Silent,
                Slow,
                Garbage,
                HalfAnswer,
                Closing,
                Endless,
                WrongPassword,
                Missing,
                Busy,
                ReplyLost,
                Newer,
            ],
            in_flight_max: |calls| calls,
            secrets: &[RIGHT, WRONG],
            patience: Duration::from_secs(1),
            gives_up: Duration::from_secs(1),
            exceptions: &[],
        }
    }
    async fn start() -> Option<Self> {
        let tiny = Self { remote: Remote::default() };
        tiny.heal().await;
        Some(tiny)
    }
    async fn misbehave(&self, fault: Fault) {
        self.remote.world().fault = Some(fault);
    }
    async fn heal(&self) {
        let mut world = self.remote.world();
        world.fault = None;
        world.lost = None;
        world.reading = Some(Reading::of_status(UpsId::new("tiny"), Mono(0), "OL"));
        world.vms = [("on".to_owned(), VmPower::Running), ("off".to_owned(), VmPower::Off)].into();
        world.deaf.clear();
        world.is_on = true;
        world.contradicts = false;
    }
    async fn restart(&self) {
        self.remote.world().epoch += 1;
    }
    async fn change(&self) {
        let mut world = self.remote.world();
        world.reading = Some(Reading::of_status(UpsId::new("tiny"), Mono(0), "OB"));
        world.vms.insert("new".to_owned(), VmPower::Off);
    }
    fn looks(&self) -> usize {
        self.remote.world().looks
    }
    fn effects(&self) -> usize {
        self.remote.world().effects
    }
    fn in_flight_peak(&self) -> usize {
        self.remote.world().peak
    }
}

#[async_trait]
impl DeviceFixture for Tiny {
    fn device(&self) -> Box<dyn Device> {
        Box::new(self.driver())
    }
    async fn tell(&self, told: &Reading) {
        self.remote.world().reading = Some(told.clone());
    }
    async fn play(&self) -> Reading {
        let (charge, runtime, load) = (Some(Ppm(1_000_000)), Some(Millis::from_secs(600)), Some(Ppm(0)));
        let captured = Reading { charge, runtime, load, ..Reading::of_status(UpsId::new("tiny"), Mono(0), "OL") };
        self.tell(&captured).await;
        captured
    }
    async fn lose(&self, how: SilenceKind) {
        self.remote.world().lost = Some(how);
    }
    async fn cut(&self, device: &dyn Device) -> Option<crate::Result<()>> {
        // The contract's own way is not there yet for all drivers; the tiny one takes it as a client list of a strange time.
        Some(device.clients(&crate::Cx::within(Duration::from_secs(1), Mono(super::tiny_drivers::CUT))).await.map(drop))
    }
}

#[async_trait]
impl PlatformFixture for Tiny {
    fn platform(&self) -> Box<dyn Platform> {
        Box::new(self.driver())
    }
    fn vms() -> Vms {
        Vms { host: HostId::new("h"), on: VmId::new("tiny/on"), off: VmId::new("tiny/off") }
    }
    fn task(&self) -> Option<TaskRef> {
        Some(TaskRef("start off".to_owned()))
    }
    async fn set(&self, vm: &VmId, power: VmPower) -> bool {
        self.remote.world().vms.insert(vm.native().to_owned(), power);
        true
    }
    async fn deafen(&self, vm: &VmId) {
        self.remote.world().deaf.insert(vm.native().to_owned());
    }
    async fn fill(&self, count: usize) {
        self.remote.world().vms = (0..count).map(|number| (number.to_string(), VmPower::Off)).collect();
    }
}

#[async_trait]
impl HostPowerFixture for Tiny {
    fn host_power(&self) -> Box<dyn HostPower> {
        Box::new(self.driver())
    }
    async fn set(&self, is_on: bool) {
        self.remote.world().is_on = is_on;
    }
    fn is_on(&self) -> bool {
        self.remote.world().is_on
    }
    async fn contradict(&self) -> bool {
        self.remote.world().contradicts = true;
        true
    }
}
