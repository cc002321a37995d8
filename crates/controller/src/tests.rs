//! The real loop against fake drivers: paused time and no socket, except in `http`, which has sockets and real time.

pub(crate) mod fakes;
mod http;
mod openapi;
mod outage;
mod seeds;

use crate::{Clock, Endpoints, Pace, Parts, ServerParts, Storage, run};
use fakes::{Bmc, Heard, Lab, PLATFORM, Ups, World};
use ridethrough_decide::SiteConfig;
use ridethrough_model::policy::{ForceOff, OnOutage, Tier, TierMatch};
use ridethrough_model::{
    Domain, DomainId, Feed, HostTopology, Millis, PlatformId, SiteId, TierName, Timing, Topology, UpsId, UpsTopology,
};
use ridethrough_store::Memory;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// One rack: a UPS, a host, VMs in three tiers.
pub(crate) fn one_rack() -> World {
    let world = World::new();
    world.add_ups("rack-a", 600);
    world.add_host("kvm1");
    world.add_vm("db", "kvm1", "critical");
    world.add_vm("web-1", "kvm1", "web");
    world.add_vm("web-2", "kvm1", "web");
    world.add_vm("ci", "kvm1", "batch");
    world
}

pub(crate) fn tier(name: &str) -> Tier {
    Tier {
        name: TierName::from(name),
        matches: TierMatch { tag: Some(name.to_owned()), ..TierMatch::default() },
        on_outage: vec![OnOutage::ShutDown],
        move_to: Vec::new(),
        force_off: ForceOff::AtDeadline,
        stop_budget: Millis::from_secs(30),
        runtime_goal: None,
    }
}

pub(crate) fn config(world: &World) -> SiteConfig {
    let mut config = SiteConfig::default();
    let state = world.lock();
    config.policy.tiers = ["critical", "web", "batch"].map(tier).to_vec();
    let mut topology = Topology::default();
    for ups in state.upses.keys() {
        topology.upses.insert(ups.clone(), UpsTopology { low_battery_reliable: true, ..UpsTopology::default() });
        let domain = Domain { upses: BTreeSet::from([ups.clone()]), timing: Timing::default() };
        topology.domains.insert(DomainId::from(ups.as_str()), domain);
    }
    for host in state.hosts.keys() {
        let host_topology = HostTopology {
            site: SiteId::from("main"),
            platform: Some(PlatformId::from(PLATFORM)),
            feeds: vec![Feed { ups: UpsId::from("rack-a"), outlet_group: None }],
            feeds_min: 1,
            needs: BTreeSet::new(),
            can_shut_down: true,
            can_wake: true,
            can_prove_off: true,
            shutdown_time: Millis::from_secs(30),
            boot_time: Millis::from_secs(60),
            draw: Default::default(),
        };
        topology.hosts.insert(host.clone(), host_topology);
    }
    config.topology = topology;
    config
}

pub(crate) fn endpoints(world: &World) -> Endpoints {
    let state = world.lock();
    let mut endpoints = Endpoints::default();
    for id in state.upses.keys() {
        endpoints.devices.insert(id.clone(), Arc::new(Ups(world.clone(), id.clone())));
    }
    endpoints.platforms = BTreeMap::from([(PlatformId::from(PLATFORM), Arc::new(Lab(world.clone())) as _)]);
    for id in state.hosts.keys() {
        endpoints.hosts.insert(id.clone(), vec![Arc::new(Bmc(world.clone(), id.clone()))]);
    }
    endpoints
}

/// What a controller of that world is made of, and what will be heard of it.
pub(crate) fn parts(world: &World, memory: &Memory, server: Option<ServerParts>, clock: Clock) -> (Parts, Heard) {
    let heard = Heard::default();
    let parts = Parts {
        endpoints: endpoints(world),
        storage: Storage::Memory(memory.clone()),
        config: config(world),
        pace: Pace::default(),
        clock,
        server,
        voice: Arc::new(heard.clone()),
        pulse: Arc::new(crate::voice::Silent),
        version: "test".to_owned(),
        reload: None,
    };
    (parts, heard)
}

/// A controller under test.
pub(crate) struct Running {
    pub(crate) heard: Heard,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), crate::StartError>>,
}

impl Running {
    pub(crate) fn start(world: &World, memory: &Memory, server: Option<ServerParts>, clock: Clock) -> Self {
        let (parts, heard) = parts(world, memory, server, clock);
        Self::of(parts, heard)
    }

    pub(crate) fn of(parts: Parts, heard: Heard) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "a test looks at the controller from outside, while it runs")]
        let task = tokio::spawn(run(parts, async move {
            // A dropped sender is an end too.
            let _end = stopped.await;
        }));
        Self { heard, stop, task }
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn end(self) {
        self.stop.send(()).expect("it still runs");
        self.task.await.expect("it does not panic").expect("it started");
    }

    /// Ends it as SIGKILL does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _aborted = self.task.await;
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

pub(crate) fn virtual_clock() -> Clock {
    Clock::following_tokio("boot-1", "2025-01-01T00:00:00Z".parse().expect("a moment"))
}

/// Lets virtual time pass.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Writes into the journal that the domain is armed, as an earlier start would have.
pub(crate) fn armed() -> Memory {
    let memory = Memory::new();
    let journal = ridethrough_store::Journal::in_memory(&memory, Box::new(|_| {}));
    let record = ridethrough_model::Record {
        run: ridethrough_model::RunId::SITE,
        seq: 1,
        incident: 0,
        epoch: journal.epoch(),
        at: virtual_clock().now(),
        entry: ridethrough_model::Entry::Armed { domain: DomainId::from("rack-a"), by: "test".to_owned() },
    };
    journal.append(vec![record]).expect("the journal takes it");
    memory
}
