//! The optimiser's problem as the facts have it, for hosts whose power is known.

use super::draws::{Draws, draws};
use super::worth::worths;
use crate::battery::{FULL, RuntimeTable, share_ppm};
use crate::evidence::HostVerdict;
use crate::feed::{FeedHealth, HostRisk, feed_health};
use crate::place::{Room, move_time_max};
use crate::plan_outage::{ActingHost, FORCE_LEAD};
use crate::plan_suspend::suspend_time;
use crate::schedule::{BATTERY, Curve, Feeding, Grid, Host, Problem, Receiver, Source, Vm};
use crate::snapshot::Snapshot;
use ridethrough_model::policy::OnOutage;
use ridethrough_model::{Finding, HostId, Millis, Milliwatts, Mono, Op, UpsId, VmId};
use std::collections::{BTreeMap, BTreeSet};

/// A battery that is known.
#[derive(Clone, Debug)]
pub(super) struct Battery {
    pub(super) ups: UpsId,
    pub(super) table: RuntimeTable,
    carries: Milliwatts,
    parts: u64,
}

/// A problem, and who is who in it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) problem: Problem,
    pub(super) vms: Vec<VmId>,
    pub(super) batteries: Vec<Battery>,
    /// How long the outage has lasted.
    pub(super) elapsed: Millis,
}

/// The longest that is planned ahead, and the shortest.
const AHEAD_MAX: Millis = Millis::from_secs(12 * 3600);
const AHEAD_MIN: Millis = Millis::from_secs(300);
/// Slots of one tick, of four and of sixteen.
const SLOTS: [(usize, u32); 3] = [(64, 1), (32, 4), (32, 16)];
const TICKS: u64 = 64 + 32 * 4 + 32 * 16;
/// The worth of a tier over the next one.
const TIER_RATIO: u32 = 4;
const TIER_STEPS_MAX: u32 = 6;

impl Asked {
    /// `None`: there is no host whose power is known.
    pub(super) fn of(snapshot: &Snapshot<'_>, hosts: &[ActingHost<'_>], findings: &mut Vec<Finding>) -> Option<Self> {
        let batteries = batteries(snapshot, hosts);
        let place = |ups: &UpsId| batteries.iter().position(|battery| battery.ups == *ups);
        let mut known: Vec<&ActingHost<'_>> = Vec::new();
        for host in hosts.iter().filter(|host| !host.is_emergency && !host.upses.is_empty()) {
            if host.upses.iter().any(|ups| place(ups).is_none()) || snapshot.hosts.get(host.id) == Some(&HostVerdict::Off) {
                continue;
            }
            if host.topology.draw.idle.is_some() {
                known.push(host);
            } else {
                findings.push(idle_missing(host.id));
            }
        }
        if known.is_empty() {
            return None;
        }
        let dead: BTreeSet<UpsId> = known.iter().flat_map(|host| dead_feeds(snapshot, host)).collect();
        let ids: Vec<&HostId> = known.iter().map(|host| host.id).collect();
        let carried = batteries.iter().map(|battery| (battery.ups.clone(), battery.carries)).collect();
        let draws = draws(snapshot, &ids, &carried, &dead);
        let grid = grid(&batteries, &draws);
        let since = known.iter().map(|host| host.on_battery_since).min().unwrap_or(snapshot.now);
        let elapsed = snapshot.now.since(since);
        let (vms, list) = vms(snapshot, &known, &draws, &grid);
        let sources = batteries.iter().map(|battery| source(battery, &draws)).collect();
        let host = |host: &&ActingHost<'_>| facts_of_host(snapshot, host, &grid, &draws, (&dead, &batteries));
        let tiers = snapshot.policy.tiers.len() + 1;
        let goal = |rank| {
            let goal = snapshot.policy.tier(rank).runtime_goal.unwrap_or(Millis::ZERO);
            grid.slot_at((goal - elapsed).0)
        };
        let problem = Problem {
            worth: worths(&grid, elapsed),
            sources,
            hosts: known.iter().map(host).collect(),
            vms: list,
            receivers: receivers(snapshot, &known, &grid),
            tiers,
            hold: 0,
            hold_firm: false,
            goals: (0..tiers).map(goal).collect(),
            grid,
        };
        Some(Self { problem, vms, batteries, elapsed })
    }
    /// How far ahead a slot begins.
    pub(super) fn ahead(&self, slot: u16) -> Millis {
        Millis(self.problem.grid.begin_ms(slot))
    }
}

fn idle_missing(host: &HostId) -> Finding {
    Finding::warning(
        "RT0429",
        format!("host {host}"),
        "Its UPS has a runtime table, but what the host draws without VMs is not said: its VMs are shed by the careful rules."
            .to_owned(),
        "Give the host `power = { idle = \"...W\" }`; a socket meter or its BMC tells.",
    )
}

/// UPSes on battery with a table, whose load is known.
fn batteries(snapshot: &Snapshot<'_>, hosts: &[ActingHost<'_>]) -> Vec<Battery> {
    let upses: BTreeSet<&UpsId> = hosts.iter().flat_map(|host| host.upses.iter()).collect();
    let known = |ups: &&UpsId| {
        let runtimes = &snapshot.topology.upses.get(*ups)?.battery.runtimes;
        let (table, _) = RuntimeTable::new(runtimes).ok()?;
        let carries = snapshot.watts.get(*ups).copied().filter(|watts| *watts > Milliwatts::ZERO)?;
        let left = snapshot.sources.get(*ups)?.deadline?.since(snapshot.now);
        // What lasts so long at this load: the table only says how much longer it lasts at another one.
        let parts = table.drain(carries, left).min(FULL);
        Some(Battery { ups: (*ups).clone(), table, carries, parts })
    };
    upses.iter().filter_map(known).collect()
}

fn dead_feeds<'a>(snapshot: &'a Snapshot<'_>, host: &'a ActingHost<'_>) -> impl Iterator<Item = UpsId> + 'a {
    let feeds = host.topology.feeds.iter();
    feeds.filter(|feed| feed_health(feed, &snapshot.sources) == FeedHealth::Dead).map(|feed| feed.ups.clone())
}

fn source(battery: &Battery, draws: &Draws) -> Source {
    let others = draws.others.get(&battery.ups).copied().unwrap_or_default();
    let rate = |load: u64| {
        let rate = u128::from(battery.table.rate(Milliwatts(load))) * BATTERY.unsigned_abs() as u128 / u128::from(FULL);
        i64::try_from(rate).unwrap_or(BATTERY)
    };
    let budget = u128::from(battery.parts) * BATTERY.unsigned_abs() as u128 / u128::from(FULL);
    Source {
        curve: Curve::sample(battery.carries.0.saturating_mul(2), rate),
        budget: i64::try_from(budget).unwrap_or(BATTERY),
        base: others.0,
    }
}

/// Fine at first, coarse later, as far as the batteries reach with one host each.
fn grid(batteries: &[Battery], draws: &Draws) -> Grid {
    let least = draws.hosts.values().min().copied().unwrap_or_default();
    let reach = |battery: &Battery| {
        let others = draws.others.get(&battery.ups).copied().unwrap_or_default();
        battery.table.left_lasts(battery.parts, others + least)
    };
    let ahead = batteries.iter().map(reach).max().unwrap_or(AHEAD_MIN).clamp(AHEAD_MIN, AHEAD_MAX);
    let tick = ahead.0.div_ceil(TICKS).next_multiple_of(1000).max(1000);
    let slots: Vec<u32> = SLOTS.iter().flat_map(|(count, ticks)| std::iter::repeat_n(*ticks, *count)).collect();
    Grid::new(u32::try_from(tick).unwrap_or(u32::MAX), &slots)
}

fn facts_of_host(
    snapshot: &Snapshot<'_>,
    host: &ActingHost<'_>,
    grid: &Grid,
    draws: &Draws,
    (dead, batteries): (&BTreeSet<UpsId>, &[Battery]),
) -> Host {
    let down = Op::ShutDownHost { host: host.id.clone() };
    let going = snapshot.known.get(&down).filter(|known| known.is_in_flight);
    let ends = |since: Option<Mono>| since.unwrap_or(snapshot.now) + host.topology.shutdown_time;
    let mut feeds: Vec<Feeding> = Vec::new();
    for ups in &host.upses {
        let share = share_ppm(&host.topology.feeds, ups, dead);
        if let Some(source) = batteries.iter().position(|battery| battery.ups == *ups) {
            feeds.push(Feeding { source, share });
        }
    }
    Host {
        idle: draws.hosts.get(host.id).copied().unwrap_or_default().0,
        shutdown: grid.ticks((host.topology.shutdown_time + FORCE_LEAD).0),
        feeds,
        off: going.map(|known| (grid.slot_at(ends(known.since).since(snapshot.now).0) + 1).min(grid.slots())),
        lanes: u16::try_from(snapshot.policy.moves_per_host.max(1)).unwrap_or(u16::MAX),
        outlives: Vec::new(),
    }
}

fn vms(snapshot: &Snapshot<'_>, known: &[&ActingHost<'_>], draws: &Draws, grid: &Grid) -> (Vec<VmId>, Vec<Vm>) {
    let last = snapshot.policy.tiers.len();
    let (mut ids, mut list) = (Vec::new(), Vec::new());
    for vm in snapshot.vms().filter(|vm| vm.power.is_active()) {
        let Some(h) = known.iter().position(|host| *host.id == vm.host) else { continue };
        let rank = snapshot.policy.rank_of(vm);
        let tier = snapshot.policy.tier_of(vm);
        let is_going = snapshot.is_going_down(&vm.host);
        let stop = Op::ShutDownVm { vm: vm.id.clone(), host: vm.host.clone() };
        let save = Op::SuspendVm { vm: vm.id.clone(), host: vm.host.clone() };
        let begun = |op: &Op| snapshot.known.get(op).filter(|known| known.is_in_flight).map(|known| known.since);
        let saving = begun(&save).map(|since| (since, suspend_time(snapshot, vm).unwrap_or(tier.stop_budget)));
        let stopping = begun(&stop).map(|since| (since, tier.stop_budget)).or(saving);
        let moving = snapshot.move_in_flight(&vm.id).map(|(_, known)| (known.since, move_time_max(snapshot, vm)));
        let ends = |(since, lasts): (Option<Mono>, Millis)| {
            let end = since.unwrap_or(snapshot.now) + lasts;
            (grid.slot_at(end.since(snapshot.now).0) + 1).min(grid.slots())
        };
        let may_move = tier.on_outage.contains(&OnOutage::Move) && vm.move_blockers.is_empty();
        let below = u32::try_from(last - rank.min(last)).unwrap_or(0).min(TIER_STEPS_MAX);
        ids.push(vm.id.clone());
        list.push(Vm {
            host: h,
            tier: rank.min(last),
            weight: TIER_RATIO.pow(below),
            power: draws.vms.get(&vm.id).copied().unwrap_or_default().0,
            memory: vm.memory.0.div_ceil(1 << 20),
            cpus: vm.cpus,
            stop: grid.ticks(tier.stop_budget.0),
            moving: may_move.then(|| grid.ticks(move_time_max(snapshot, vm).0)),
            fixed: stopping.or(moving).map(ends).or(is_going.then_some(1)),
            not_before: 0,
            apart: None,
            together: None,
            dependents: Vec::new(),
        });
    }
    (ids, list)
}

/// Hosts with good power, with the room they have. Whether one suits a VM in every respect is asked when its move is drafted.
fn receivers(snapshot: &Snapshot<'_>, known: &[&ActingHost<'_>], grid: &Grid) -> Vec<Receiver> {
    let room = Room::of(snapshot);
    let from = known.iter().map(|host| host.moves_from.since(snapshot.now)).max().unwrap_or_default();
    let lanes = vec![grid.after(0, grid.ticks(from.0)); snapshot.policy.moves_per_host.max(1) as usize];
    let is_good = |id: &&HostId| snapshot.host_risk(id) == HostRisk::Safe && !snapshot.is_going_down(id) && snapshot.is_ready(id);
    let good: BTreeMap<&HostId, _> =
        snapshot.topology.hosts.keys().filter(is_good).filter_map(|id| Some((id, room.free(id)?))).collect();
    good.into_values()
        .map(|(memory, cpus)| Receiver { memory: memory.0 >> 20, cpus, power: u64::MAX >> 8, lanes: lanes.clone() })
        .collect()
}
