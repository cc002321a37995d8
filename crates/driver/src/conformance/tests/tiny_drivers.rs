//! A sound driver of the tiny remote side, and what can be wrong with it: each flaw is named after the rule that it breaks.

use super::tiny::{Ask, Broken, FLAW, Raw, Remote};
use crate::{
    Client, Cx, Device, Error, FailureKind, HostPower, HostPowerCapability, Platform, PlatformCapability, Result, Secret,
    TookEffect,
};
use async_trait::async_trait;
use ridethrough_model::{
    Bytes, Failure, HostId, HostPowerState, Inventory, Millis, Observed, Op, PlatformId, Ppm, Progress, Reading, Silence,
    SilenceKind, Started, TaskRef, UpsId, UpsStatus, Vm, VmId, VmPower,
};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A look at the clients at this time is a command to cut the power.
pub(super) const CUT: u64 = 4_242_424;

pub(super) struct TinyDriver {
    flaw: &'static str,
    remote: Remote,
    password: Secret,
    epoch: Mutex<usize>,
    wedged: AtomicBool,
    /// What an earlier call was promised.
    late: Mutex<Option<Raw>>,
    looks: AtomicUsize,
    tasks: Mutex<BTreeSet<TaskRef>>,
    done: Mutex<Vec<Op>>,
    first_power: Mutex<Option<HostPowerState>>,
    is_silent: AtomicBool,
}

impl fmt::Debug for TinyDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = if self.flaw == "C5" { self.password.reveal() } else { "(secret)" };
        f.debug_struct("TinyDriver").field("password", &password).finish_non_exhaustive()
    }
}

/// Notices a call that was dropped.
struct Watch<'a> {
    driver: &'a TinyDriver,
    is_over: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.is_over && self.driver.flaw == "C3" {
            self.driver.wedged.store(true, Ordering::Relaxed);
        }
    }
}

impl TinyDriver {
    pub(super) fn new(remote: Remote, password: &str) -> Self {
        let epoch = remote.world().epoch;
        Self {
            flaw: FLAW.get(),
            epoch: Mutex::new(epoch),
            remote,
            password: Secret::new(password.to_owned()),
            wedged: AtomicBool::new(false),
            late: Mutex::default(),
            looks: AtomicUsize::new(0),
            tasks: Mutex::default(),
            done: Mutex::default(),
            first_power: Mutex::default(),
            is_silent: AtomicBool::new(false),
        }
    }

    async fn call(&self, ask: Ask, cx: &Cx) -> Result<Raw> {
        if self.wedged.load(Ordering::Relaxed) {
            return Err(Error::new(FailureKind::Busy, "ask", "an earlier call never ended").no_effect());
        }
        {
            let mut epoch = self.epoch.lock().expect("not poisoned");
            let now = self.remote.world().epoch;
            if *epoch != now && self.flaw == "C7" {
                return Err(Error::new(FailureKind::Unreachable, "ask", "the connection is gone"));
            }
            *epoch = now;
        }
        let mut watch = Watch { driver: self, is_over: false };
        let limit = match self.flaw {
            "C1" => cx.deadline + Duration::from_secs(5),
            "C1b" if matches!(ask, Ask::Clients | Ask::State(_) | Ask::Wake) => cx.deadline + Duration::from_millis(1100),
            _ => cx.deadline,
        };
        let bounded = Cx { deadline: limit, now: cx.now };
        let answer = bounded.bound("ask", self.exchange(&ask)).await;
        watch.is_over = true;
        answer.map_err(|error| if self.flaw == "C5b" { error.with("password", self.password.reveal()) } else { error })
    }

    async fn exchange(&self, ask: &Ask) -> Result<Raw> {
        let password = self.password.reveal();
        if self.flaw == "C6" {
            let (_, answer) = tokio::join!(self.remote.ask(&Ask::Chatter, password), self.remote.ask(ask, password));
            return self.read(ask, answer);
        }
        let is_look = matches!(ask, Ask::Read | Ask::List | Ask::Power);
        if self.flaw == "C8b" && is_look && self.looks.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            self.remote.ask(ask, password).await.ok();
        }
        if self.flaw == "C3b" && is_look {
            // Takes what the last one left on the connection.
            if let Some(raw) = self.late.lock().expect("not poisoned").take() {
                return Ok(raw);
            }
            let promised = self.remote.ask(ask, password).await;
            let raw = self.read(ask, promised)?;
            *self.late.lock().expect("not poisoned") = Some(raw.clone());
            tokio::task::yield_now().await;
            self.late.lock().expect("not poisoned").take();
            return Ok(raw);
        }
        let mut answer = self.remote.ask(ask, password).await;
        if self.flaw == "C8" && is_look && answer.is_err() {
            answer = self.remote.ask(ask, password).await;
        }
        self.read(ask, answer)
    }

    fn read(&self, ask: &Ask, answer: std::result::Result<(Raw, bool), Broken>) -> Result<Raw> {
        let error = |kind, message: &str| Error::new(kind, "ask", message);
        let broken = match answer {
            Ok((Raw::Noise, _)) if self.flaw == "C2c" => return Err(error(FailureKind::Refused, "noise")),
            Ok((Raw::Noise, _)) => return Err(error(FailureKind::Protocol, "noise")),
            Ok((_, true)) if self.flaw == "C4" => return Err(error(FailureKind::Protocol, "a field nobody knows")),
            Ok((raw, _)) => return Ok(raw),
            Err(broken) => broken,
        };
        Err(match broken {
            Broken::Lost if self.flaw == "C2" => error(FailureKind::Refused, "lost"),
            Broken::Lost if self.flaw == "C2b" && ask.is_change() => error(FailureKind::Unreachable, "lost").no_effect(),
            Broken::Lost => error(FailureKind::Unreachable, "lost"),
            Broken::NoConnection => error(FailureKind::Unreachable, "no connection").no_effect(),
            Broken::Denied if self.flaw == "H3" => error(FailureKind::Unreachable, "denied").no_effect(),
            Broken::Denied => error(FailureKind::Unauthorized, "denied").no_effect(),
            Broken::NotThere => error(FailureKind::NotFound, "not there").no_effect(),
            Broken::Busy => error(FailureKind::Busy, "busy").no_effect(),
            Broken::Deaf => error(FailureKind::Refused, "the guest cannot be asked").no_effect(),
            Broken::Stale if self.flaw == "D4" => error(FailureKind::Busy, "disconnected"),
            Broken::Stale => error(FailureKind::Busy, "stale"),
            Broken::Disconnected => error(FailureKind::Busy, "disconnected"),
        })
    }

    async fn state(&self, vm: &VmId, cx: &Cx) -> Result<VmPower> {
        match self.call(Ask::State(vm.native().to_owned()), cx).await? {
            Raw::State(power) => Ok(power),
            _ => Err(Error::new(FailureKind::Protocol, "state", "no state")),
        }
    }
}

#[async_trait]
impl Device for TinyDriver {
    async fn read(&self, cx: &Cx) -> Result<std::result::Result<Reading, Silence>> {
        let ups = UpsId::new("tiny");
        let error = match self.call(Ask::Read, cx).await {
            Ok(Raw::Reading(mut reading)) => {
                reading.observed_at = cx.now;
                if self.flaw == "D1" {
                    reading.charge.get_or_insert(Ppm(0));
                }
                if self.flaw == "D2" && reading.status.to_string().contains("FROB") {
                    reading.status = UpsStatus::parse("OB LB");
                }
                if self.flaw == "D3" {
                    reading.runtime = reading.runtime.map(|runtime| Millis(runtime.0 / 60));
                }
                return Ok(Ok(*reading));
            }
            Ok(other) => Error::new(FailureKind::Protocol, "read", format!("{other:?}")),
            Err(error) => error,
        };
        self.is_silent.store(true, Ordering::Relaxed);
        let message = error.to_failure().message;
        let kind = match error.kind() {
            FailureKind::Busy if message.contains("stale") => SilenceKind::Stale,
            FailureKind::Busy => SilenceKind::Disconnected,
            FailureKind::Unreachable | FailureKind::Protocol => SilenceKind::Unreachable,
            _ => SilenceKind::Refused,
        };
        Ok(Err(Silence { ups, at: cx.now, kind, message }))
    }
    async fn clients(&self, cx: &Cx) -> Result<Vec<Client>> {
        let is_cut = cx.now.0 == CUT;
        if is_cut && self.flaw == "D5" && self.is_silent.load(Ordering::Relaxed) {
            return Err(Error::new(FailureKind::Refused, "cut", "there is no UPS").no_effect());
        }
        self.call(if is_cut { Ask::Cut } else { Ask::Clients }, cx).await.map(|_| Vec::new())
    }
    async fn verify(&self, cx: &Cx) -> Result<()> {
        self.call(Ask::Verify, cx).await.map(drop)
    }
}

#[async_trait]
impl Platform for TinyDriver {
    fn capability(&self) -> PlatformCapability {
        PlatformCapability { can_move: false, can_suspend: false, has_autostart: false, has_guards: false, in_flight_max: 64 }
    }

    async fn inventory(&self, cx: &Cx) -> Result<Inventory> {
        let Raw::Vms(vms) = self.call(Ask::List, cx).await? else {
            return Err(Error::new(FailureKind::Protocol, "list", "no list"));
        };
        let mut inventory = Inventory::empty(PlatformId::new("tiny"), cx.now);
        let suffix = if self.flaw == "P1" { "x".repeat(self.remote.world().epoch) } else { String::new() };
        let shown = if self.flaw == "P6" { 1000 } else { usize::MAX };
        for (name, power) in vms.into_iter().take(shown) {
            let id = VmId::new(format!("tiny/{name}{suffix}"));
            inventory.vms.insert(id.clone(), tiny_vm(id, name, power));
        }
        if self.flaw == "P6b" && inventory.vms.len() > 1000 && self.looks.fetch_add(1, Ordering::Relaxed) > 0 {
            inventory.vms.values_mut().for_each(|vm| vm.cpus = 2);
        }
        Ok(inventory)
    }

    async fn start(&self, op: &Op, cx: &Cx) -> Result<Started> {
        let Some(vm) = op.vm() else { return Err(Error::new(FailureKind::Unsupported, "start", "no VM").no_effect()) };
        let wanted = if op.is_stop() { VmPower::Off } else { VmPower::Running };
        if self.flaw != "P2" && self.state(vm, cx).await? == wanted {
            return Ok(Started::AlreadyDone);
        }
        let name = vm.native().to_owned();
        let task = TaskRef(format!("{} {name}", if op.is_stop() { "stop" } else { "start" }));
        let result = self.call(if op.is_stop() { Ask::Stop(name) } else { Ask::Start(name) }, cx).await;
        match result {
            Err(error) if self.flaw == "P5" && error.kind() == FailureKind::Refused => {}
            other => drop(other?),
        }
        self.tasks.lock().expect("not poisoned").insert(task.clone());
        self.done.lock().expect("not poisoned").push(op.clone());
        Ok(Started::Task(task))
    }

    async fn poll(&self, task: &TaskRef, cx: &Cx) -> Result<Progress> {
        let (what, vm) = task.0.split_once(' ').expect("one of ours");
        let power = match self.state(&VmId::new(format!("tiny/{vm}")), cx).await {
            // What is gone is no error of the question.
            Err(error) if error.kind() == FailureKind::NotFound => return Ok(Progress::Failed(error.to_failure())),
            other => other?,
        };
        if self.flaw == "P3" && !self.tasks.lock().expect("not poisoned").contains(task) {
            let message = "never heard of it".to_owned();
            return Ok(Progress::Failed(Failure { kind: FailureKind::NotFound, took_effect: TookEffect::No, message }));
        }
        let is_done = (what == "start") == (power == VmPower::Running);
        Ok(if is_done { Progress::Done { detail: None } } else { Progress::Running { done_ppm: None } })
    }

    async fn observe(&self, op: &Op, cx: &Cx) -> Result<Observed> {
        let Some(vm) = op.vm() else { return Err(Error::new(FailureKind::Unsupported, "observe", "no VM")) };
        let power = match self.state(vm, cx).await {
            Err(error) if error.kind() == FailureKind::NotFound => return Ok(Observed::Gone),
            other => other?,
        };
        let is_remembered = self.flaw == "P4" && self.done.lock().expect("not poisoned").contains(op);
        let is_done = if op.is_stop() { !power.is_active() } else { power == VmPower::Running };
        Ok(if is_done || is_remembered { Observed::Done } else { Observed::NotDone })
    }
}

fn tiny_vm(id: VmId, name: String, power: VmPower) -> Vm {
    Vm::new(id, name, HostId::new("h"), power, Bytes(1), 1)
}

#[async_trait]
impl HostPower for TinyDriver {
    fn name(&self) -> &'static str {
        "tiny"
    }
    fn capability(&self) -> HostPowerCapability {
        let can_shut_down = self.flaw != "H1b";
        HostPowerCapability { can_shut_down, can_wake: true, can_prove_off: true }
    }

    async fn observe(&self, cx: &Cx) -> Result<HostPowerState> {
        let state = match self.call(Ask::Power, cx).await {
            Ok(Raw::Power { on: true, off: false }) => HostPowerState::On,
            Ok(Raw::Power { on: false, off: true }) => HostPowerState::Off,
            Ok(Raw::Power { on: true, off: true }) if self.flaw == "H2b" => HostPowerState::Off,
            Ok(_) => HostPowerState::Unknown,
            Err(error) if error.kind() == FailureKind::Unauthorized => return Err(error),
            Err(error) if self.flaw == "H2" && error.to_string().contains("no connection") => return Ok(HostPowerState::Off),
            Err(_) => return Ok(HostPowerState::Unknown),
        };
        if self.flaw == "H4b" && state == HostPowerState::Off {
            return Ok(HostPowerState::On);
        }
        let first = *self.first_power.lock().expect("not poisoned").get_or_insert(state);
        Ok(if self.flaw == "H4" { first } else { state })
    }

    async fn shut_down(&self, cx: &Cx) -> Result<()> {
        self.call(Ask::ShutDown, cx).await.map(drop)
    }

    async fn wake(&self, cx: &Cx) -> Result<()> {
        self.call(Ask::Wake, cx).await.map(drop)
    }
}
