//! The demo's site and its scenarios: all the numbers, no behaviour.

use crate::battery::{Battery, RuntimeTable};
use crate::dice::Dice;
use crate::faults::{Faults, Twist};
use crate::reality::{Host, Reality, Ups, Vm};
use crate::remote::Estate;
use crate::world::Setup;
use ridethrough_decide::{Command, SiteConfig};
use ridethrough_model::policy::{Destination, OnOutage};
use ridethrough_model::{
    Bytes, Domain, DomainId, DomainMode, Feed, HostId, HostInfo, HostTopology, Millis, Milliwatts, PlatformId, Policy, Ppm,
    SiteId, Tier, TierMatch, TierName, Timing, Topology, UpsId, UpsTopology, VmId, VmPower,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Both racks lose mains for fourteen minutes; the recovery rack keeps it.
    #[default]
    TwoRacks,
    /// The recovery rack goes too, and mains stays away until after the end.
    BothFail,
    /// Forty seconds.
    Short,
    /// As two racks, and one battery gives half of what it says.
    AgedBattery,
}

/// When mains is lost.
pub const MAINS_LOST_AT: Millis = Millis::from_secs(40);

/// Name, rack, what hangs on it: memory in GiB, CPUs, feeds.
const HOSTS: [(&str, u64, u32, &[&str]); 5] = [
    ("kvm-a1", 96, 32, &["rack-a"]),
    ("kvm-a2", 96, 32, &["rack-a"]),
    ("kvm-b1", 96, 32, &["rack-b"]),
    ("kvm-b2", 96, 32, &["rack-a", "rack-b"]),
    ("kvm-r1", 192, 48, &["rack-r"]),
];

/// Name, tier, host, memory in GiB, watts, what keeps it from moving.
const VMS: [(&str, &str, &str, u64, u64, &str); 15] = [
    ("erp-db", "critical", "kvm-a1", 24, 32, ""),
    ("licence", "critical", "kvm-a1", 4, 8, "a USB dongle is plugged into its host"),
    ("wiki", "normal", "kvm-a1", 4, 8, ""),
    ("ci-1", "batch", "kvm-a1", 8, 26, ""),
    ("mail", "critical", "kvm-a2", 12, 18, ""),
    ("web-1", "normal", "kvm-a2", 8, 16, ""),
    ("report", "batch", "kvm-a2", 6, 20, ""),
    ("erp-app", "critical", "kvm-b1", 12, 20, ""),
    ("files", "normal", "kvm-b1", 8, 14, ""),
    ("ci-2", "batch", "kvm-b1", 8, 26, ""),
    ("ad-dc", "critical", "kvm-b2", 4, 8, ""),
    ("web-2", "normal", "kvm-b2", 8, 16, ""),
    ("monitor", "normal", "kvm-b2", 6, 12, ""),
    ("render", "batch", "kvm-b2", 16, 40, ""),
    ("backup", "normal", "kvm-r1", 8, 12, ""),
];

/// VMs that start with their host, as the platform is set up.
const AUTOSTART: [&str; 4] = ["ad-dc", "files", "web-1", "web-2"];

/// What a host's link carries for moves, and how many at once.
const LINK: Bytes = Bytes::from_mib(600);
const MOVES_PER_HOST: u32 = 2;

fn upses_of(scenario: Scenario) -> BTreeMap<UpsId, Ups> {
    let table = || RuntimeTable::new(&[(80, 5500), (160, 2450), (260, 1370), (380, 920), (520, 620), (800, 320)]);
    let ups = |health: u32| {
        let battery = Battery::full(table(), Millis::from_secs(5400)).aged(Ppm::from_percent(health));
        Ups::new(battery, Milliwatts(900_000))
    };
    let health_a = if scenario == Scenario::AgedBattery { 50 } else { 100 };
    [("rack-a", health_a), ("rack-b", 100), ("rack-r", 100)].map(|(name, health)| (UpsId::new(name), ups(health))).into()
}

/// A host without feeds that can be told everything.
pub(crate) fn a_host() -> HostTopology {
    HostTopology {
        site: SiteId::new("main"),
        platform: None,
        feeds: Vec::new(),
        feeds_min: 1,
        needs: BTreeSet::new(),
        can_shut_down: true,
        can_wake: true,
        can_prove_off: true,
        shutdown_time: Millis::from_secs(60),
        boot_time: Millis::from_secs(120),
        draw: Default::default(),
    }
}

/// A tier that matches the tag of its name, and whose VMs are shut down.
pub(crate) fn a_tier(name: &str) -> Tier {
    Tier {
        name: TierName::new(name),
        matches: TierMatch { tag: Some(name.to_owned()), ..TierMatch::default() },
        on_outage: vec![OnOutage::ShutDown],
        move_to: vec![Destination::SameSite],
        force_off: Default::default(),
        stop_budget: Millis::from_secs(60),
        runtime_goal: None,
    }
}

fn tier(name: &str, rungs: &[OnOutage], goal: Option<u64>) -> Tier {
    Tier {
        matches: TierMatch { tag: Some(format!("power:{name}")), ..TierMatch::default() },
        on_outage: rungs.to_vec(),
        runtime_goal: goal.map(Millis::from_secs),
        ..a_tier(name)
    }
}

fn config() -> SiteConfig {
    let mut topology = Topology::default();
    for rack in ["rack-a", "rack-b", "rack-r"] {
        topology.upses.insert(UpsId::new(rack), UpsTopology { low_battery_reliable: true, ..UpsTopology::default() });
        let domain = Domain { upses: [UpsId::new(rack)].into(), timing: Timing::default() };
        topology.domains.insert(DomainId::new(rack), domain);
    }
    for (name, _, _, racks) in HOSTS {
        let host = HostTopology {
            platform: Some(PlatformId::new("demo")),
            feeds: racks.iter().map(|rack| Feed { ups: UpsId::new(*rack), outlet_group: None }).collect(),
            shutdown_time: Millis::from_secs(45),
            boot_time: Millis::from_secs(180),
            ..a_host()
        };
        topology.hosts.insert(HostId::new(name), host);
    }
    let policy = Policy {
        tiers: vec![
            tier("critical", &[OnOutage::Move, OnOutage::ShutDown], None),
            tier("normal", &[OnOutage::ShutDown], Some(300)),
            tier("batch", &[OnOutage::ShutDown], None),
        ],
        move_bandwidth: LINK,
        moves_per_host: MOVES_PER_HOST,
        ..Policy::default()
    };
    SiteConfig { topology, policy }
}

fn vms(dice: &mut Dice) -> BTreeMap<VmId, Vm> {
    let platform = PlatformId::new("demo");
    let vm = |(name, tier, host, gib, watts, blocker): (&str, &str, &str, u64, u64, &str)| {
        let (id, memory) = (VmId::of(&platform, name), Bytes::from_mib(gib << 10));
        let known = ridethrough_model::Vm {
            tags: [format!("power:{tier}")].into(),
            autostart: Some(AUTOSTART.contains(&name)),
            move_blockers: (!blocker.is_empty()).then(|| blocker.to_owned()).into_iter().collect(),
            ..ridethrough_model::Vm::new(id, name.to_owned(), HostId::new(host), VmPower::Running, memory, 4)
        };
        let (stop, start) = (dice.secs(6, 22), dice.secs(4, 12));
        (known.id.clone(), Vm::new(known, Milliwatts(watts * 1000), stop, start))
    };
    VMS.map(vm).into()
}

/// The whole site, armed, and what is going to happen to it.
pub(crate) fn setup(scenario: Scenario, seed: u64) -> Setup {
    let mut dice = Dice::new(seed ^ 0xdead);
    let config = config();
    let hosts = HOSTS.map(|(name, ..)| {
        let host = Host::new(Milliwatts(105_000), dice.secs(14, 24), dice.secs(50, 75));
        (HostId::new(name), host)
    });
    let loads = vec![
        (vec![UpsId::new("rack-a"), UpsId::new("rack-b")], Milliwatts(70_000)),
        (vec![UpsId::new("rack-r")], Milliwatts(30_000)),
    ];
    let reality = Reality::new(config.topology.clone(), upses_of(scenario), hosts.into(), vms(&mut dice), loads);
    let info = |(name, gib, cpus, _): (&str, u64, u32, &[&str])| {
        let id = HostId::new(name);
        let memory = Some(Bytes::from_mib(gib << 10));
        (id.clone(), HostInfo { memory, cpus: Some(cpus), ..HostInfo::new(id, true) })
    };
    let estate = Estate {
        platform: PlatformId::new("demo"),
        hosts: HOSTS.map(info).into(),
        move_rate: LINK.scaled(1, u64::from(MOVES_PER_HOST)),
        moves_fail_percent: 0,
        tells_why_off: true,
        save_rate: Bytes::ZERO,
        saves_fail_percent: 0,
    };
    Setup { config, reality, estate, faults: Faults::default(), script: script(scenario), plant: None }
}

fn script(scenario: Scenario) -> Vec<(Millis, Twist)> {
    let mut script = Vec::new();
    for domain in ["rack-a", "rack-b", "rack-r"] {
        let command = Command::SetMode { domain: DomainId::new(domain), mode: DomainMode::Armed, by: "demo".to_owned() };
        script.push((Millis::from_secs(8), Twist::Command(command)));
    }
    let lasts = match scenario {
        Scenario::TwoRacks | Scenario::AgedBattery => Millis::from_secs(840),
        Scenario::BothFail => Millis::from_secs(1500),
        Scenario::Short => Millis::from_secs(40),
    };
    let mut fails = vec![("rack-a", Millis::ZERO), ("rack-b", Millis::from_secs(2))];
    if scenario == Scenario::BothFail {
        fails.push(("rack-r", Millis::from_secs(5)));
    }
    for (rack, later) in fails {
        script.push((MAINS_LOST_AT + later, Twist::Mains(UpsId::new(rack), false)));
        script.push((MAINS_LOST_AT + lasts, Twist::Mains(UpsId::new(rack), true)));
    }
    script
}
