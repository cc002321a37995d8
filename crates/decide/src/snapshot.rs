//! The facts a plan is made from. Complete: what is not in here does not influence it.

use crate::batteries::BatteryFacts;
use crate::evidence::HostVerdict;
use crate::feed::{FeedHealth, HostRisk, SourceFacts, feed_health, risk};
use crate::own_place::OwnPlace;
use crate::run::{ActionPhase, ActionState, RunState, Side};
use ridethrough_model::entry::Home;
use ridethrough_model::{
    ActionId, DomainId, Feed, GuardId, GuardState, Hook, HookOf, HostId, HostTopology, Inventory, LoadId, LoadTopology, Millis,
    Milliwatts, Mono, Needs, Op, PlanCause, PlanId, PlatformId, Policy, Ppm, Topology, UpsId, Vm, VmId,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is wanted of a domain now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing: on mains, riding through, or waiting for mains to be stable.
    Nothing,
    /// Save what can be saved.
    Save {
        /// When acting began (or would have).
        since: Mono,
        /// When the present stretch on battery began, less what the incident had before.
        on_battery_since: Mono,
    },
    /// Bring back what ran before. Mains is stable since that moment.
    Return {
        /// Since when.
        stable_since: Mono,
    },
}

/// What is known of an operation that was planned before in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight<'a> {
    /// Its action.
    pub action: ActionId,
    /// Where it stands.
    pub phase: &'a ActionPhase,
    /// Under way now.
    pub is_in_flight: bool,
    /// Failed for good.
    pub is_failed: bool,
    /// It used its budget.
    pub has_overrun: bool,
    /// When its first attempt was intended.
    pub since: Option<Mono>,
}

/// Operations of a run, the latest action for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known<'a>(BTreeMap<&'a Op, InFlight<'a>>);

impl<'a> Known<'a> {
    /// Those of that run. What failed before the power changed is not counted: what is wanted now is tried afresh.
    pub(crate) fn of_run(run: &'a RunState) -> Self {
        let turned = run.turned.unwrap_or_default();
        let is_fresh = |action: &ActionState| !action.is_failed_for_good() || action.tried_in.is_none_or(|tried| tried >= turned);
        let known = run.actions.iter().filter(|(_, action)| is_fresh(action)).map(|(id, action)| {
            let entry = InFlight {
                action: *id,
                phase: &action.phase,
                is_in_flight: action.is_in_flight(),
                is_failed: action.is_failed_for_good(),
                has_overrun: action.has_overrun,
                since: action.since,
            };
            (&action.op, entry)
        });
        Self(known.collect())
    }
    /// What is known of that operation.
    #[must_use]
    pub fn get(&self, op: &Op) -> Option<&InFlight<'a>> {
        self.0.get(op)
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Op, &InFlight<'a>)> {
        self.0.iter().map(|(op, known)| (*op, known))
    }
}

/// What has been touched while no run is open.
pub(crate) struct Untouched {
    pub(crate) homes: BTreeMap<VmId, Home>,
    pub(crate) stopped: BTreeSet<VmId>,
    pub(crate) moved: BTreeSet<VmId>,
    pub(crate) hosts_down: BTreeSet<HostId>,
    pub(crate) loads_down: BTreeSet<LoadId>,
    pub(crate) hooks_called: BTreeSet<Hook>,
    pub(crate) sides: BTreeMap<HookOf, Side>,
    pub(crate) guards: BTreeMap<GuardId, GuardState>,
}

pub(crate) static NONE: Untouched = Untouched {
    homes: BTreeMap::new(),
    stopped: BTreeSet::new(),
    moved: BTreeSet::new(),
    hosts_down: BTreeSet::new(),
    loads_down: BTreeSet::new(),
    hooks_called: BTreeSet::new(),
    sides: BTreeMap::new(),
    guards: BTreeMap::new(),
};

/// Battery facts for the question whether a second outage could be survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeFacts {
    /// Charge.
    pub charge: Option<Ppm>,
    /// How long it has been on mains, as far as this process saw.
    pub on_mains_for: Millis,
    /// Runtime at the present load.
    pub runtime: Option<Millis>,
    /// Present load.
    pub load: Option<Ppm>,
    /// Load before anything was shed.
    pub load_before: Option<Ppm>,
}

/// The facts.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    /// The present.
    pub now: Mono,
    /// What hangs on what.
    pub topology: &'a Topology,
    /// What the user wants.
    pub policy: &'a Policy,
    /// The UPSes.
    pub sources: BTreeMap<UpsId, SourceFacts>,
    /// Their batteries, of those whose drain is reckoned from a runtime table.
    pub batteries: BTreeMap<UpsId, BatteryFacts>,
    /// Their charge.
    pub charges: BTreeMap<UpsId, ChargeFacts>,
    /// What each UPS carries, where that is known.
    pub watts: BTreeMap<UpsId, Milliwatts>,
    /// What runs where, as believed.
    pub inventories: &'a BTreeMap<PlatformId, Inventory>,
    /// Where the controller itself stands.
    pub own: OwnPlace,
    /// Who needs whom.
    pub needs: &'a Needs,
    /// Hosts, as composed from all evidence.
    pub hosts: BTreeMap<HostId, HostVerdict>,
    /// Loads that something can be said of, as composed from all evidence.
    pub loads: BTreeMap<LoadId, HostVerdict>,
    /// What is wanted of each domain.
    pub wants: BTreeMap<DomainId, Want>,
    /// Domains that act for real; the others only say what they would do.
    pub armed: BTreeSet<DomainId>,
    /// UPSes in maintenance.
    pub maintenance: BTreeSet<UpsId>,
    /// Operations of this run, the latest action for each.
    pub known: Known<'a>,
    /// What ran where when the incident began.
    pub homes: &'a BTreeMap<VmId, Home>,
    /// VMs that we stopped.
    pub stopped: &'a BTreeSet<VmId>,
    /// VMs that somebody else stopped while their hosts ran on: they stay as they are.
    pub left_off: BTreeSet<VmId>,
    /// VMs that are where somebody else moved them: they stay there.
    pub moved_by_others: BTreeSet<VmId>,
    /// VMs that we moved.
    pub moved: &'a BTreeSet<VmId>,
    /// Hosts that we shut down.
    pub hosts_down: &'a BTreeSet<HostId>,
    /// Loads that we stopped.
    pub loads_down: &'a BTreeSet<LoadId>,
    /// Hooks that were called since what they are about last went the other way.
    pub hooks_called: &'a BTreeSet<Hook>,
    /// Which way tiers and hosts went last in this run.
    pub sides: &'a BTreeMap<HookOf, Side>,
    /// Automation that we disarmed, as it was before.
    pub guards: &'a BTreeMap<GuardId, GuardState>,
    /// How often each was disarmed since power last changed.
    pub guard_disarms: BTreeMap<GuardId, u32>,
    /// The plan to supersede.
    pub parent: Option<PlanId>,
    /// Why a plan is made.
    pub cause: PlanCause,
}

impl Snapshot<'_> {
    /// Every VM of every platform.
    pub fn vms(&self) -> impl Iterator<Item = &Vm> {
        self.inventories.values().flat_map(|inventory| inventory.vms.values())
    }
    /// One VM.
    #[must_use]
    pub fn vm(&self, id: &VmId) -> Option<&Vm> {
        self.inventories.get(&id.platform()).and_then(|inventory| inventory.vms.get(id))
    }
    /// A VM's name for people.
    #[must_use]
    pub fn vm_name(&self, id: &VmId) -> String {
        self.vm(id)
            .map(|vm| vm.name.clone())
            .or_else(|| self.homes.get(id).map(|h| h.name.clone()))
            .unwrap_or_else(|| id.to_string())
    }
    /// How the host's power is doing. Where it needs a load that is told to stop, its power ends when that must begin: the load
    /// outlives whatever uses it. What is at risk must be over before the controller's own host goes.
    #[must_use]
    pub fn host_risk(&self, host: &HostId) -> HostRisk {
        let risk = self.risk_by_feeds(host);
        if self.own.is_host(host) { risk } else { self.before_watch_ends(risk) }
    }
    /// How the power of that host is doing by its feeds and by the loads it needs.
    pub(crate) fn risk_by_feeds(&self, host: &HostId) -> HostRisk {
        let Some(topology) = self.topology.hosts.get(host) else { return HostRisk::Unknown };
        let own = risk(&topology.feeds, topology.feeds_min, &self.sources, self.now);
        self.stoppable_needs(topology).fold(own, |own, (_, load)| match self.load_risk(load) {
            HostRisk::AtRisk { ends_at, upses, .. } => sooner(own, ends_at - load.stop_time - PROOF_LEAD, upses),
            _ => own,
        })
    }
    /// The loads a host needs that are told to stop in an outage.
    pub fn stoppable_needs<'a>(&'a self, host: &'a HostTopology) -> impl Iterator<Item = (&'a LoadId, &'a LoadTopology)> {
        let loads = host.needs.iter().filter_map(|need| self.topology.loads.get_key_value(need));
        loads.filter(|(_, load)| load.can_stop)
    }
    /// The hosts that need that load.
    pub fn hosts_needing<'a>(&'a self, load: &'a LoadId) -> impl Iterator<Item = (&'a HostId, &'a HostTopology)> {
        self.topology.hosts.iter().filter(move |(_, host)| host.needs.contains(load))
    }
    /// How a load's power is doing.
    #[must_use]
    pub fn load_risk(&self, load: &LoadTopology) -> HostRisk {
        risk(&load.feeds, 1, &self.sources, self.now)
    }
    /// Whether that load was told to stop and that has not ended.
    #[must_use]
    pub fn is_load_stopping(&self, load: &LoadId) -> bool {
        self.known.get(&Op::StopLoad { load: load.clone() }).is_some_and(|known| known.is_in_flight)
    }
    /// Whether enough feeds of the host are on mains that was not away a moment ago.
    #[must_use]
    pub fn has_settled_mains(&self, host: &HostTopology) -> bool {
        let is_settled = |feed: &Feed| {
            let is_good = feed_health(feed, &self.sources) == FeedHealth::Good;
            is_good && self.sources.get(&feed.ups).is_some_and(|source| source.is_settled)
        };
        host.feeds.iter().filter(|feed| is_settled(feed)).count() >= host.feeds_min.max(1) as usize
    }
    /// Whether the host's platform reaches it; a plain server counts as ready when something says it is on.
    #[must_use]
    pub fn is_ready(&self, host: &HostId) -> bool {
        let platform = self.topology.hosts.get(host).and_then(|topology| topology.platform.as_ref());
        match platform.and_then(|platform| self.inventories.get(platform)) {
            Some(inventory) => inventory.hosts.get(host).is_some_and(|info| info.connected),
            None => self.hosts.get(host) == Some(&HostVerdict::On),
        }
    }
    /// Whether a move of that VM is under way, and where to. One that has arrived only waits to be told so.
    #[must_use]
    pub fn move_in_flight(&self, vm: &VmId) -> Option<(&Op, &InFlight<'_>)> {
        let is_at = |to: &HostId| self.vm(vm).is_some_and(|known| known.host == *to);
        self.known
            .iter()
            .find(|(op, known)| known.is_in_flight && matches!(op, Op::MoveVm { vm: v, to, .. } if v == vm && !is_at(to)))
    }
    /// Whether that host was told to shut down and has not been seen off yet: what runs or comes there goes down with it.
    #[must_use]
    pub fn is_going_down(&self, host: &HostId) -> bool {
        self.known.get(&Op::ShutDownHost { host: host.clone() }).is_some_and(|known| known.is_in_flight)
    }
    /// The domains that any of these UPSes belong to.
    pub fn domains_of<'a>(&'a self, upses: &'a BTreeSet<UpsId>) -> impl Iterator<Item = &'a DomainId> {
        self.topology.domains.iter().filter(|(_, domain)| !domain.upses.is_disjoint(upses)).map(|(id, _)| id)
    }
}

/// Kept between the end of the last host that uses a load and the moment at which the load must be told to stop: its proof takes a
/// look or two.
const PROOF_LEAD: Millis = Millis::from_secs(10);

/// The risk of something whose power, or what it stands on, ends at that moment at the latest.
fn sooner(own: HostRisk, at: Mono, by: BTreeSet<UpsId>) -> HostRisk {
    match own {
        HostRisk::AtRisk { ends_at, empty_at, upses } if ends_at <= at => HostRisk::AtRisk { ends_at, empty_at, upses },
        HostRisk::AtRisk { mut upses, .. } => {
            upses.extend(by);
            HostRisk::AtRisk { ends_at: at, empty_at: at, upses }
        }
        HostRisk::Safe | HostRisk::Presumed | HostRisk::Unknown => HostRisk::AtRisk { ends_at: at, empty_at: at, upses: by },
    }
}
