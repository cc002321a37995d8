//! The libvirt driver held to the rules of `docs/drivers.md`, against the fake daemon.

use super::connection::IN_FLIGHT_MAX;
use super::fake::{Fake, FakeVm, Fault as Wrong};
use super::procedure::{AuthList, Create, GetNodeInfo, Procedure};
use super::task::Task;
use super::wire::Uuid;
use super::{Config, Convergence, HostConfig, Libvirt, SshLogin};
use async_trait::async_trait;
use ridethrough_driver::conformance::{Facts, Fault, Peer, PlatformFixture, Vms};
use ridethrough_driver::{Platform, Workers};
use ridethrough_model::{HostId, Op, PlatformId, SuspendRoom, TaskRef, VmId, VmPower};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

ridethrough_driver::platform_conformance!(libvirt, crate::libvirt::conformance::LibvirtFixture);

const ON: u128 = 1;
const OFF: u128 = 2;
const NEWER_STATE: (i32, i32) = (99, 7);
/// "cannot acquire state change lock".
const OPERATION_TIMEOUT: i32 = 68;

/// What a newer daemon may write.
const NEWER_XML: &str = "<domain xmlns:x='urn:newer' mood='good'><memory unit='KiB'>1024</memory><vcpu>1</vcpu>\
     <x:quantum><x:bits>7</x:bits></x:quantum><launchPad type='moon'/></domain>";

#[derive(Debug)]
pub(crate) struct LibvirtFixture {
    fake: Fake,
    /// The call at which the present fault began; before it, none is counted as a failed connection.
    faulty_from: AtomicUsize,
}

fn vm(number: u128) -> VmId {
    VmId::of(&PlatformId::new("lab"), &uuid(number).to_string())
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_bytes(number.to_be_bytes())
}

fn off(number: u128) -> FakeVm {
    FakeVm { state: (5, 1), ..FakeVm::running(number) }
}

impl LibvirtFixture {
    /// Every call goes wrong, also those that open a connection.
    fn fail_all(&self, wrong: Wrong) {
        let mut world = self.fake.world();
        world.faults = (1..1000).map(|number| (number, wrong)).collect();
    }
}

#[async_trait]
impl Peer for LibvirtFixture {
    fn facts() -> Facts {
        use Fault::*;
        Facts {
            driver: "libvirt",
            faults: &[Refusing, Silent, Garbage, HalfAnswer, Closing, Endless, WrongPassword, Missing, Busy, ReplyLost, Newer],
            in_flight_max: |_| IN_FLIGHT_MAX,
            secrets: &[],
            patience: Duration::from_millis(600),
            gives_up: Duration::from_millis(600),
            exceptions: &[("C5", "it is given no secret: who may connect is decided by keys that it does not read into errors")],
        }
    }

    async fn start() -> Option<Self> {
        let fixture = Self { fake: Fake::new([]).await, faulty_from: AtomicUsize::new(usize::MAX) };
        fixture.heal().await;
        Some(fixture)
    }

    async fn misbehave(&self, fault: Fault) {
        if fault.is_loss() && fault != Fault::ReplyLost {
            self.faulty_from.store(self.fake.world().calls.len(), Ordering::Relaxed);
        }
        match fault {
            Fault::Refusing => self.fake.close().await,
            Fault::Silent => self.fail_all(Wrong::Stall),
            Fault::Garbage => self.fail_all(Wrong::Garbage),
            Fault::HalfAnswer => self.fail_all(Wrong::Truncated),
            Fault::Closing => self.fail_all(Wrong::DroppedAfterEffect),
            Fault::Endless => self.fail_all(Wrong::Endless),
            Fault::WrongPassword => {
                let mut world = self.fake.world();
                (world.auth, world.polkit_refuses) = (vec![2], true);
            }
            Fault::Missing => drop(self.fake.world().vms.remove(&uuid(OFF))),
            Fault::Busy => self.fake.fail::<Create>(Wrong::Error(OPERATION_TIMEOUT)),
            Fault::ReplyLost => self.fake.fail::<Create>(Wrong::DroppedAfterEffect),
            Fault::Newer => {
                self.fail_all(Wrong::Chatty);
                let mut world = self.fake.world();
                world.vms.values_mut().for_each(|vm| vm.xml = NEWER_XML.to_owned());
                world.vms.insert(uuid(3), FakeVm { state: NEWER_STATE, ..FakeVm::running(3) });
            }
            Fault::Slow => unreachable!("it is not among the facts"),
        }
    }

    async fn heal(&self) {
        self.faulty_from.store(usize::MAX, Ordering::Relaxed);
        {
            let mut world = self.fake.world();
            world.faults.clear();
            (world.auth, world.polkit_refuses) = (vec![0], false);
            world.vms = [FakeVm::running(ON), off(OFF)].map(|vm| (vm.uuid, vm)).into();
        }
        self.fake.open().await;
    }

    async fn restart(&self) {
        self.fake.restart();
    }

    async fn change(&self) {
        self.fake.world().vms.insert(uuid(4), off(4));
    }

    fn looks(&self) -> usize {
        let from = self.faulty_from.load(Ordering::Relaxed);
        let world = self.fake.world();
        let failed = world.calls.iter().skip(from).filter(|number| **number == AuthList::NUMBER).count();
        world.calls.iter().filter(|number| **number == GetNodeInfo::NUMBER).count() + failed
    }

    fn effects(&self) -> usize {
        self.fake.world().effects
    }

    fn in_flight_peak(&self) -> usize {
        self.fake.world().in_flight_peak
    }
}

#[async_trait]
impl PlatformFixture for LibvirtFixture {
    fn platform(&self) -> Box<dyn Platform> {
        let host = HostConfig::at(self.fake.uri.parse().unwrap());
        let hosts = [(HostId::new("a"), host)].into();
        let config = Config {
            platform: PlatformId::new("lab"),
            hosts,
            bandwidth_mib_s: None,
            convergence: Convergence::default(),
            copy_disks: false,
            suspend: SuspendRoom::default(),
            shared_paths: Vec::new(),
            tls: None,
            ssh: SshLogin::default(),
        };
        Box::new(Libvirt::new(config, Workers::new()).unwrap())
    }

    fn vms() -> Vms {
        Vms { host: HostId::new("a"), on: vm(ON), off: vm(OFF) }
    }

    fn task(&self) -> Option<TaskRef> {
        Task::of(&Op::StartVm { vm: vm(OFF), host: HostId::new("a") }).map(|task| task.to_ref())
    }

    async fn set(&self, vm: &VmId, power: VmPower) -> bool {
        let state = match power {
            VmPower::Running => (1, 1),
            VmPower::Paused => (3, 1),
            VmPower::Off => (5, 1),
            VmPower::Suspended => (5, 5),
            VmPower::Crashed => (6, 1),
            VmPower::Unknown => NEWER_STATE,
        };
        let uuid = Uuid::parse(vm.native()).unwrap();
        self.fake.world().vms.get_mut(&uuid).unwrap().state = state;
        true
    }

    async fn deafen(&self, vm: &VmId) {
        assert!(self.set(vm, VmPower::Paused).await);
    }

    async fn fill(&self, count: usize) {
        self.fake.world().vms = (0..count as u128).map(off).map(|vm| (vm.uuid, vm)).collect();
    }
}
