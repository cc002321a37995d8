//! A site and its bad day, drawn from a seed. Each seed has its own mix: this one loses replies, that one crashes, many are well.

mod rungs;

use crate::battery::{Battery, RuntimeTable};
use crate::dice::Dice;
use crate::faults::{Faults, Twist};
use crate::guards;
use crate::reality::{Host, Reality, Ups, Vm};
use crate::remote::Estate;
use crate::script;
use crate::stoppable::Stoppable;
use crate::world::{HookFate, Setup};
use ridethrough_decide::SiteConfig;
use ridethrough_model::policy::{Destination, OnOutage};
use ridethrough_model::{
    Bytes, Domain, DomainId, Feed, ForceOff, HookMoment, HookOf, HostId, HostInfo, HostTopology, LoadId, LoadTopology, Millis,
    Milliwatts, Needs, PlatformId, Policy, Ppm, Probe, Ready, SiteId, Tier, TierMatch, TierName, Timing, Topology, UpsId,
    UpsTopology, VmId, VmPower, VmRule,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a seed was given, beside the site itself.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The site and its script.
    pub setup: Setup,
    /// Nothing goes wrong but the mains: then nothing may be lost.
    pub is_calm: bool,
    /// Nothing goes wrong but the mains, and that the controller dies and stays away: then the timers on hosts stop what they can.
    pub is_orphaned: bool,
    /// When everything is mended.
    pub heals_at: Millis,
    /// One line about it.
    pub about: String,
}

/// When domains are armed.
pub(crate) const ARMED_AT: Millis = Millis::from_secs(20);

/// How seeds are drawn now. A seed that found something is kept with the generation it was drawn in.
pub const GENERATION: u32 = 3;

/// Draws it as seeds are drawn now.
#[must_use]
pub fn draw(seed: u64) -> Drawn {
    draw_as(seed, GENERATION)
}

/// Draws it as seeds of that generation were drawn.
#[must_use]
pub fn draw_as(seed: u64, generation: u32) -> Drawn {
    let mut dice = Dice::new(seed);
    let is_calm = dice.percent(40);
    let racks = dice.between(1, 3);
    let has_recovery = dice.percent(75);
    let mut upses: Vec<UpsId> = (1..=racks).map(|n| UpsId::new(format!("ups{n}"))).collect();
    if has_recovery {
        upses.push(UpsId::new("ups-r"));
    }
    let mut topology = Topology::default();
    for ups in &upses {
        let low_battery_reliable = dice.percent(85);
        topology.upses.insert(ups.clone(), UpsTopology { low_battery_reliable, ..UpsTopology::default() });
    }
    domains(&mut dice, &upses, &mut topology);
    hosts(&mut dice, &upses, is_calm, &mut topology);
    let stoppables = stoppables(&mut Dice::new(seed ^ STOPPABLES), &upses, &mut topology);
    let policy = policy(&mut dice);
    let vms = vms(&mut dice, &topology, &policy, is_calm);
    let real_hosts = topology.hosts.iter().map(|(id, host)| (id.clone(), real_host(&mut dice, host, is_calm))).collect();
    let loads = upses.iter().filter(|_| dice.percent(40)).map(|ups| (vec![ups.clone()], Milliwatts(40_000))).collect();
    let mut reality = Reality::new(topology.clone(), BTreeMap::new(), real_hosts, vms, loads);
    reality.stoppables = stoppables;
    let mut own = Dice::new(seed ^ GUARDS);
    reality.guards = guards::draw(&mut own, &topology);
    batteries(&mut dice, &upses, is_calm, &mut reality);
    let tells_why_off = Dice::new(seed ^ TELLS_WHY).percent(50);
    let estate = Estate { tells_why_off, ..estate(&mut dice, &reality, &policy, is_calm) };
    let faults = if is_calm { Faults::default() } else { faults(&mut dice) };
    let policy = with_rules(&mut Dice::new(seed ^ RULES), policy, is_calm, &mut reality);
    let config = SiteConfig { topology, policy };
    let (mut script, heals_at, mut story) = script::draw(&mut dice, &config, &reality, is_calm);
    if !is_calm {
        story.extend(script::meddle(&mut own, &reality, heals_at, &mut script));
    }
    let mut dice = Dice::new(seed ^ 0x0dea_d3a9);
    let config = SiteConfig { topology: with_timers(&mut dice, config.topology), ..config };
    if !is_calm && let Some(told) = script::stranger(&mut Dice::new(seed ^ STRANGER), &reality, heals_at, &mut script) {
        story.push_str(&told);
    }
    let config = with_hooks(&mut Dice::new(seed ^ HOOKS), config, &mut reality);
    let is_orphaned = is_calm && dice.percent(20) && !config.topology.timers.is_empty();
    if is_orphaned {
        script::orphan(&mut dice, heals_at, &mut script);
        story.push_str(", its controller is lost");
    }
    let mut faults = faults;
    if !is_calm {
        let told = later_generations((seed, generation), heals_at, &mut reality, &mut faults, &mut script);
        story.push_str(&told);
    }
    let about = format!(
        "{} {} UPSes, {} hosts, {} VMs, {} tiers; {story}",
        if is_orphaned {
            "orphaned:"
        } else if is_calm {
            "calm:"
        } else {
            "rough:"
        },
        upses.len(),
        reality.hosts.len(),
        reality.vms.len(),
        config.policy.tiers.len()
    );
    let setup = Setup { config, reality, estate, faults, script, plant: None };
    let mut drawn = Drawn { setup, is_calm: is_calm && !is_orphaned, is_orphaned, heals_at, about };
    rungs::add(seed, &mut drawn);
    drawn
}

/// What later generations add to a rough day, each of its own dice.
fn later_generations(
    (seed, generation): (u64, u32),
    heals_at: Millis,
    reality: &mut Reality,
    faults: &mut Faults,
    script: &mut Vec<(Millis, Twist)>,
) -> String {
    let mut told = String::new();
    if generation >= 2 {
        let mut dice = Dice::new(seed ^ crate::trouble::MORE);
        told.push_str(&crate::trouble::draw(&mut dice, reality, heals_at, faults, script));
    }
    if generation >= 3 {
        told.push_str(tight(&mut Dice::new(seed ^ TIGHT), reality));
    }
    told
}

/// On every third site some VMs need others, or are waited for until they do their work; how many start at once is bounded everywhere.
fn with_rules(dice: &mut Dice, mut policy: Policy, is_calm: bool, reality: &mut Reality) -> Policy {
    policy.starts_per_host = u32::try_from(dice.between(1, 4)).unwrap_or(1);
    policy.starts_per_site = u32::try_from(dice.between(2, 10)).unwrap_or(2);
    if !dice.percent(33) {
        return policy;
    }
    let names: Vec<String> = reality.vms.values().map(|vm| vm.known.name.clone()).collect();
    for _ in 0..dice.between(1, 3) {
        let probe = if dice.percent(50) { Probe::Agent } else { Probe::Tcp("{name}:22".to_owned()) };
        let ready = dice.percent(70).then(|| Ready { probe, within: dice.secs(40, 150) });
        let matches = TierMatch { name: Some((*dice.pick(&names)).clone()), ..TierMatch::default() };
        let needs = if dice.percent(60) { vec![(*dice.pick(&names)).clone()] } else { Vec::new() };
        policy.rules.push(VmRule { matches, needs, ready });
    }
    for vm in reality.vms.values_mut() {
        let slowest = if is_calm { 30 } else { 200 };
        vm.ready_takes = dice.secs(0, slowest);
    }
    // What watches knows who is lifted by whom, as the site will.
    let vms: Vec<&ridethrough_model::Vm> = reality.vms.values().map(|vm| &vm.known).collect();
    policy.lifted = Needs::among(&policy, &vms).lifted(&policy, &vms);
    policy
}

/// The hosts on which a dead-man timer can be set: most of those that can be told to shut down.
fn with_timers(dice: &mut Dice, mut topology: Topology) -> Topology {
    let able = topology.hosts.iter().filter(|(_, host)| host.can_shut_down).map(|(id, _)| id.clone());
    topology.timers = able.filter(|_| dice.percent(80)).collect();
    topology
}

/// Of their own dice, so that everything else of a seed stays as it is.
const HOOKS: u64 = 0x0400_b5a1;

/// On some sites hooks of tiers and hosts. Whatever becomes of them, nothing may be lost by it, also on a calm day.
fn with_hooks(dice: &mut Dice, mut config: SiteConfig, reality: &mut Reality) -> SiteConfig {
    if !dice.percent(25) {
        return config;
    }
    let tiers = config.policy.tiers.iter().map(|tier| HookOf::Tier(tier.name.clone()));
    let hosts = config.topology.hosts.keys().map(|host| HookOf::Host(host.clone()));
    for of in tiers.chain(hosts) {
        for moment in HookMoment::ALL {
            if !dice.percent(30) {
                continue;
            }
            let limit = dice.secs(2, 30);
            let takes = limit.scaled(dice.between(1, 99), 100);
            let fates = [HookFate::Answers(takes), HookFate::Answers(takes), HookFate::Fails(takes), HookFate::IsUnreached];
            let fate = if dice.percent(20) { HookFate::Hangs } else { *dice.pick(&fates) };
            config.topology.hooks.insert(of.at(moment), limit);
            reality.hooks.insert(of.at(moment), fate);
        }
    }
    config
}

fn domains(dice: &mut Dice, upses: &[UpsId], topology: &mut Topology) {
    let timing = |dice: &mut Dice| {
        let ride_through = Millis::from_secs(*dice.pick(&[0, 10, 30, 60, 60, 90]));
        Timing {
            ride_through,
            move_after: if dice.percent(70) { ride_through } else { Millis::from_secs(*dice.pick(&[0, 30, 120])) },
            mains_stable: Millis::from_secs(*dice.pick(&[20, 60, 120])),
            margin: Ppm::from_percent(*dice.pick(&[10, 15, 25])),
            runtime_assumed: Millis::from_secs(120),
            return_latest: Millis::from_secs(*dice.pick(&[600, 900])),
            return_charge: Ppm::from_percent(*dice.pick(&[0, 10, 20])),
            recharge_time: Millis::from_secs(3600),
        }
    };
    if upses.len() > 1 && dice.percent(25) {
        let timing = timing(dice);
        let (first, rest) = upses.split_at(2);
        topology.domains.insert(DomainId::new("both"), Domain { upses: first.iter().cloned().collect(), timing: timing.clone() });
        for ups in rest {
            let domain = Domain { upses: [ups.clone()].into(), timing: timing.clone() };
            topology.domains.insert(DomainId::new(ups.as_str()), domain);
        }
        return;
    }
    let shared = timing(dice);
    for ups in upses {
        let timing = if dice.percent(70) { shared.clone() } else { timing(dice) };
        topology.domains.insert(DomainId::new(ups.as_str()), Domain { upses: [ups.clone()].into(), timing });
    }
}

fn hosts(dice: &mut Dice, upses: &[UpsId], is_calm: bool, topology: &mut Topology) {
    let mut number = 0;
    for (place, ups) in upses.iter().enumerate() {
        for _ in 0..dice.between(1, 2) {
            number += 1;
            let mut feeds = vec![Feed { ups: ups.clone(), outlet_group: None }];
            if upses.len() > 1 && dice.percent(30) {
                let other = &upses[(place + 1) % upses.len()];
                feeds.push(Feed { ups: other.clone(), outlet_group: None });
            }
            let feeds_min = if feeds.len() == 2 && dice.percent(15) { 2 } else { 1 };
            let host = HostTopology {
                site: SiteId::new("main"),
                platform: Some(PlatformId::new("sim")),
                feeds,
                feeds_min,
                needs: BTreeSet::new(),
                can_shut_down: is_calm || dice.percent(95),
                can_wake: is_calm || dice.percent(92),
                can_prove_off: is_calm || dice.percent(95),
                shutdown_time: dice.secs(20, 60),
                boot_time: dice.secs(60, 200),
                draw: Default::default(),
            };
            topology.hosts.insert(HostId::new(format!("h{number}")), host);
        }
    }
}

/// Of its own dice too.
const RULES: u64 = 0x000b_ac51;
/// Of its own dice too.
const GUARDS: u64 = 0x6a72_d51c;
/// Of its own dice too.
const STRANGER: u64 = 0x057a_46e4;
/// Of its own dice, so that everything else of a seed stays as it is.
const TELLS_WHY: u64 = 0x00ff_b7a1;
/// Of their own dice, so that everything else of a seed stays as it is.
const STOPPABLES: u64 = 0x5702_0a6e;

/// On some UPSes storage that is told to stop; hosts on just that UPS need it.
fn stoppables(dice: &mut Dice, upses: &[UpsId], topology: &mut Topology) -> BTreeMap<LoadId, Stoppable> {
    let mut real = BTreeMap::new();
    for ups in upses {
        if !dice.percent(30) {
            continue;
        }
        let id = LoadId::new(format!("nas-{ups}"));
        let (stop_time, start_time) = (dice.secs(15, 60), dice.secs(30, 120));
        let can_prove_off = dice.percent(70);
        let load = LoadTopology {
            feeds: vec![Feed { ups: ups.clone(), outlet_group: None }],
            draw: None,
            can_stop: true,
            can_start: true,
            can_see: true,
            can_prove_off,
            stop_time,
            start_time,
        };
        for host in topology.hosts.values_mut().filter(|host| host.feeds == load.feeds) {
            host.needs.insert(id.clone());
        }
        topology.loads.insert(id.clone(), load);
        real.insert(
            id,
            Stoppable::new(stop_time.scaled(dice.between(30, 90), 100), start_time.scaled(dice.between(30, 90), 100)),
        );
    }
    real
}

fn real_host(dice: &mut Dice, host: &HostTopology, is_calm: bool) -> Host {
    let slowest = if is_calm { 95 } else { 140 };
    let shutdown = host.shutdown_time.scaled(dice.between(30, slowest), 100);
    let boot = host.boot_time.scaled(dice.between(30, 90), 100);
    let mut real = Host::new(Milliwatts(dice.between(80_000, 160_000)), shutdown, boot);
    real.starts_with_power = dice.percent(60);
    real
}

fn policy(dice: &mut Dice) -> Policy {
    let count = dice.between(1, 4);
    let mut tiers = Vec::new();
    for rank in 0..count {
        let moves = if rank == 0 { dice.percent(80) } else { dice.percent(25) };
        let goal = if rank > 0 && dice.percent(40) { Some(dice.secs(60, 400)) } else { None };
        tiers.push(Tier {
            name: TierName::new(format!("t{rank}")),
            matches: TierMatch { tag: Some(format!("t{rank}")), ..TierMatch::default() },
            on_outage: if moves { vec![OnOutage::Move, OnOutage::ShutDown] } else { vec![OnOutage::ShutDown] },
            move_to: vec![Destination::SameSite],
            force_off: if dice.percent(90) { ForceOff::AtDeadline } else { ForceOff::Never },
            stop_budget: dice.secs(20, 90),
            runtime_goal: goal,
        });
    }
    Policy {
        tiers,
        move_bandwidth: Bytes::from_mib(*dice.pick(&[100, 300, 1000])),
        moves_per_host: u32::try_from(dice.between(1, 3)).unwrap_or(1),
        ..Policy::default()
    }
}

fn vms(dice: &mut Dice, topology: &Topology, policy: &Policy, is_calm: bool) -> BTreeMap<VmId, Vm> {
    let hosts: Vec<&HostId> = topology.hosts.keys().collect();
    let platform = PlatformId::new("sim");
    let mut vms = BTreeMap::new();
    for number in 1..=dice.between(1, 3 * hosts.len() as u64) {
        let name = format!("v{number}");
        let rank = dice.between(0, policy.tiers.len() as u64);
        let budget = policy.tier(usize::try_from(rank).unwrap_or(0)).stop_budget;
        let (id, host) = (VmId::of(&platform, &name), (*dice.pick(&hosts)).clone());
        let power = if dice.percent(92) { VmPower::Running } else { VmPower::Off };
        let memory = Bytes::from_mib(dice.between(1, 16) << 10);
        let known = ridethrough_model::Vm {
            tags: if rank < policy.tiers.len() as u64 { [format!("t{rank}")].into() } else { BTreeSet::new() },
            autostart: *dice.pick(&[Some(true), Some(false), Some(false), None]),
            move_blockers: if dice.percent(10) { vec!["a local disk".to_owned()] } else { Vec::new() },
            ..ridethrough_model::Vm::new(id, name, host, power, memory, 2)
        };
        let slowest = if is_calm { 80 } else { 130 };
        let stop = budget.scaled(dice.between(5, slowest), 100);
        let mut vm = Vm::new(known, Milliwatts(dice.between(5000, 40_000)), stop, dice.secs(2, 15));
        vm.is_hung = !is_calm && dice.percent(6);
        vms.insert(vm.known.id.clone(), vm);
    }
    vms
}

/// Batteries by how long they last at the site's load.
fn batteries(dice: &mut Dice, upses: &[UpsId], is_calm: bool, reality: &mut Reality) {
    let table = RuntimeTable::new(&[(50, 3600), (100, 1700), (200, 780), (400, 340), (800, 140)]);
    for id in upses {
        reality.upses.insert(id.clone(), Ups::new(Battery::full(table.clone(), Millis::from_secs(3600)), Milliwatts(1_000_000)));
    }
    let drawn = reality.draw();
    for (id, ups) in &mut reality.upses {
        let load = (drawn.get(id).map_or(100_000, |load| load.0) / 1000).max(10);
        let lasts = dice.between(150, 1800);
        let table = RuntimeTable::new(&[
            (load / 4 + 1, lasts * 5),
            (load / 2 + 2, lasts * 9 / 4),
            (load + 3, lasts),
            (load * 2 + 4, lasts * 2 / 5),
        ]);
        let recharge = dice.secs(1200, 3600);
        let mut battery =
            Battery::full(table, recharge).charged(Ppm::from_percent(u32::try_from(dice.between(70, 100)).unwrap_or(100)));
        if !is_calm && dice.percent(15) {
            battery = battery.aged(Ppm::from_percent(u32::try_from(dice.between(50, 95)).unwrap_or(95)));
        }
        *ups = Ups::new(battery, Milliwatts(load * 2000));
        ups.runtime_low = Millis::from_secs(*dice.pick(&[0, 30, 60, 120]));
        ups.states_runtime = is_calm || dice.percent(93);
    }
}

/// Of its own dice, so that everything else of a seed stays as it is.
const TIGHT: u64 = 0x0b3a_51f9;

/// On some rough days UPSes are built for little more than they carry, and switch off on battery when they carry more: the one of two
/// that is left, say.
fn tight(dice: &mut Dice, reality: &mut Reality) -> &'static str {
    if !dice.percent(40) {
        return "";
    }
    let drawn = reality.draw();
    for (id, ups) in &mut reality.upses {
        let load = drawn.get(id).copied().unwrap_or_default().max(Milliwatts(50_000));
        ups.nominal = load.scaled(dice.between(110, 190), 100);
        ups.trips = true;
    }
    ", tight UPSes"
}

fn estate(dice: &mut Dice, reality: &Reality, policy: &Policy, is_calm: bool) -> Estate {
    let lane = policy.move_bandwidth.scaled(1, u64::from(policy.moves_per_host.max(1)));
    let info = |id: &HostId, gib: u64| HostInfo {
        memory: Some(Bytes::from_mib(gib << 10)),
        cpus: Some(32),
        ..HostInfo::new(id.clone(), true)
    };
    let needed = |id: &HostId| {
        let own = reality.vms.values().filter(|vm| vm.known.host == *id);
        (own.map(|vm| vm.known.memory).sum::<Bytes>().0 >> 30) + 1
    };
    let hosts = reality.hosts.keys().map(|id| (id.clone(), info(id, needed(id).max(*dice.pick(&[32, 64, 128, 256]))))).collect();
    let speed = if is_calm { dice.between(100, 150) } else { dice.between(40, 150) };
    Estate {
        platform: PlatformId::new("sim"),
        hosts,
        move_rate: lane.scaled(speed, 100),
        moves_fail_percent: if is_calm { 0 } else { *dice.pick(&[0, 0, 10, 50]) },
        tells_why_off: false,
        save_rate: Bytes::ZERO,
        saves_fail_percent: 0,
    }
}

fn faults(dice: &mut Dice) -> Faults {
    Faults {
        request_lost_percent: *dice.pick(&[0, 0, 2, 10]),
        reply_lost_percent: *dice.pick(&[0, 0, 2, 25]),
        slow_percent: *dice.pick(&[0, 3, 20]),
        duplicate_percent: *dice.pick(&[0, 0, 5]),
        reading_lost_percent: *dice.pick(&[0, 0, 5, 30]),
        ..Faults::default()
    }
}
