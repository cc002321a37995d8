//! The rules of `docs/drivers.md` for vSphere as a platform and as the power of a host, against our imitation of vCenter.

use crate::fake::{Fake, PASSWORD, WRONG_PASSWORD};
use async_trait::async_trait;
use ridethrough_driver::conformance::{Facts, Fault, HostPowerFixture, Peer, PlatformFixture, Vms};
use ridethrough_driver::tls::Trust;
use ridethrough_driver::{HostPower, Platform, Secret};
use ridethrough_model::{HostId, PlatformId, TaskRef, VmId, VmPower};
use ridethrough_platforms::vsphere::{Config, EsxiPower, HostConfig, Login, ServerUrl, Vsphere};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

ridethrough_driver::platform_conformance!(platform, crate::conformance::Estate);
ridethrough_driver::host_power_conformance!(host, crate::conformance::OneHost);

const ON: u128 = 1;
const OFF: u128 = 2;
const FAULTS: &[Fault] = &[
    Fault::Refusing,
    Fault::Silent,
    Fault::Garbage,
    Fault::HalfAnswer,
    Fault::Closing,
    Fault::Endless,
    Fault::WrongPassword,
    Fault::Missing,
    Fault::Busy,
    Fault::ReplyLost,
    Fault::Newer,
];

pub(crate) fn driver(fake: &Fake, hosts: &[&str], password: &str) -> Vsphere {
    let host = |name: &&str| (HostId::new(*name), HostConfig::default());
    let login = Login {
        url: ServerUrl::parse(&fake.url()).expect("a url"),
        user: "ridethrough".into(),
        password: Secret::new(password.to_owned()),
        trust: Trust::Pinned(ridethrough_driver::tls::Thumbprint::of(b"none: it is no TLS")),
    };
    let hosts = hosts.iter().map(host).collect();
    let config = Config { platform: PlatformId::new("dc1"), login, hosts, reads_tags: false, is_experimental: true };
    Vsphere::new(&config).expect("a driver")
}

fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

pub(crate) fn vm(number: u128) -> VmId {
    VmId::of(&PlatformId::new("dc1"), &uuid(number))
}

fn facts(driver: &'static str) -> Facts {
    Facts {
        driver,
        faults: FAULTS,
        in_flight_max: |_| 16,
        secrets: &[PASSWORD, WRONG_PASSWORD],
        patience: Duration::from_millis(1500),
        gives_up: Duration::from_millis(1500),
        exceptions: &[],
    }
}

/// Back to the beginning: one host with one VM that runs and one that is off.
fn heal(fake: &Fake) {
    fake.change(|world| {
        world.fault = None;
        (world.hosts_stay, world.was_told) = (true, false);
        world.with_hosts(&["a"]);
        world.vms.clear();
        world.tasks.clear();
        world.add_vm(ON, "host-0", "poweredOn");
        world.add_vm(OFF, "host-0", "poweredOff");
    });
    fake.open();
}

fn misbehave(fake: &Fake, fault: Fault) {
    match fault {
        Fault::Refusing => fake.close(),
        Fault::WrongPassword => fake.change(|world| {
            world.fault = Some(fault);
            world.log_out_all();
        }),
        Fault::Newer => fake.change(|world| {
            world.fault = Some(fault);
            world.add_vm(3, "host-0", "quantumSuspended");
        }),
        _ => fake.change(|world| world.fault = Some(fault)),
    }
}

pub(crate) struct Estate {
    fake: Fake,
    is_wrong: AtomicBool,
}

#[async_trait]
impl Peer for Estate {
    fn facts() -> Facts {
        facts("vsphere")
    }

    async fn start() -> Option<Self> {
        let fixture = Self { fake: Fake::start(), is_wrong: AtomicBool::new(false) };
        fixture.heal().await;
        Some(fixture)
    }

    async fn misbehave(&self, fault: Fault) {
        self.is_wrong.store(fault == Fault::WrongPassword, Ordering::Relaxed);
        if fault == Fault::Missing {
            return self.fake.change(|world| drop(world.vms.remove(&format!("vm-{OFF}"))));
        }
        misbehave(&self.fake, fault);
    }

    async fn heal(&self) {
        self.is_wrong.store(false, Ordering::Relaxed);
        heal(&self.fake);
    }

    async fn restart(&self) {
        self.fake.restart();
    }

    async fn change(&self) {
        self.fake.change(|world| world.add_vm(4, "host-0", "poweredOff"));
    }

    fn looks(&self) -> usize {
        self.fake.world().vm_looks
    }

    fn effects(&self) -> usize {
        self.fake.world().effects
    }

    fn in_flight_peak(&self) -> usize {
        self.fake.world().in_flight_peak
    }
}

#[async_trait]
impl PlatformFixture for Estate {
    fn platform(&self) -> Box<dyn Platform> {
        let password = if self.is_wrong.load(Ordering::Relaxed) { WRONG_PASSWORD } else { PASSWORD };
        Box::new(driver(&self.fake, &["a"], password))
    }

    fn vms() -> Vms {
        Vms { host: HostId::new("a"), on: vm(ON), off: vm(OFF) }
    }

    fn task(&self) -> Option<TaskRef> {
        Some(TaskRef(format!("start:{}:a", uuid(OFF))))
    }

    async fn set(&self, vm: &VmId, power: VmPower) -> bool {
        let (state, connection) = match power {
            VmPower::Running => ("poweredOn", "connected"),
            VmPower::Off => ("poweredOff", "connected"),
            VmPower::Suspended => ("suspended", "connected"),
            // What vCenter knew last, of a VM whose host is gone.
            VmPower::Unknown => ("poweredOff", "disconnected"),
            VmPower::Paused | VmPower::Crashed => return false,
        };
        self.fake.change(|world| {
            let vm = world.vms.values_mut().find(|one| one.uuid == vm.native()).expect("it is there");
            (vm.power, vm.connection) = (state.to_owned(), connection.to_owned());
        });
        true
    }

    async fn deafen(&self, vm: &VmId) {
        self.fake.change(|world| {
            world.vms.values_mut().find(|one| one.uuid == vm.native()).expect("it is there").has_tools = false;
        });
    }

    async fn fill(&self, count: usize) {
        self.fake.change(|world| {
            world.vms.clear();
            (0..count as u128).for_each(|number| world.add_vm(number, "host-0", "poweredOff"));
        });
    }
}

/// The power of one host.
pub(crate) struct OneHost {
    fake: Fake,
    is_wrong: AtomicBool,
}

#[async_trait]
impl Peer for OneHost {
    fn facts() -> Facts {
        facts("vsphere (hosts)")
    }

    async fn start() -> Option<Self> {
        let fixture = Self { fake: Fake::start(), is_wrong: AtomicBool::new(false) };
        fixture.heal().await;
        Some(fixture)
    }

    async fn misbehave(&self, fault: Fault) {
        self.is_wrong.store(fault == Fault::WrongPassword, Ordering::Relaxed);
        if fault == Fault::Missing {
            return self.fake.change(|world| world.hosts.clear());
        }
        misbehave(&self.fake, fault);
    }

    async fn heal(&self) {
        self.is_wrong.store(false, Ordering::Relaxed);
        heal(&self.fake);
    }

    async fn restart(&self) {
        self.fake.restart();
    }

    /// All that it can see is that the host is on.
    async fn change(&self) {}

    fn looks(&self) -> usize {
        self.fake.world().host_looks
    }

    fn effects(&self) -> usize {
        self.fake.world().effects
    }

    fn in_flight_peak(&self) -> usize {
        self.fake.world().in_flight_peak
    }
}

#[async_trait]
impl HostPowerFixture for OneHost {
    fn host_power(&self) -> Box<dyn HostPower> {
        let password = if self.is_wrong.load(Ordering::Relaxed) { WRONG_PASSWORD } else { PASSWORD };
        Box::new(EsxiPower::new(Arc::new(driver(&self.fake, &["a"], password)), HostId::new("a"), None))
    }

    async fn set(&self, is_on: bool) {
        let state = if is_on { "connected" } else { "notResponding" };
        self.fake.change(|world| {
            world.was_told = false;
            world.hosts.values_mut().for_each(|host| state.clone_into(&mut host.connection));
        });
    }

    fn is_on(&self) -> bool {
        let world = self.fake.world();
        !world.was_told && world.hosts.values().all(|host| host.connection == "connected")
    }
}
