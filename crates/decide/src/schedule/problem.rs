//! What is to be solved, in numbers alone: hosts, VMs and batteries are indices, moments are slots, power is milliwatts.

use super::curve::Curve;
use super::grid::Grid;

/// A battery that is being drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// How fast it empties.
    pub curve: Curve,
    /// What may be taken from it, margin already off; a whole battery is [`super::BATTERY`].
    pub budget: i64,
    /// What else it carries until the end, which nobody here can turn off.
    pub base: u64,
}

/// Which part of a host's power comes from which battery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Feeding {
    /// The battery.
    pub source: usize,
    /// Its share, in millionths.
    pub share: u32,
}

impl Feeding {
    /// That part of some power, rounded up.
    #[must_use]
    pub fn of(&self, power: u64) -> u64 {
        if self.share == 1_000_000 { power } else { (power * u64::from(self.share)).div_ceil(1_000_000) }
    }
}

/// A host that must be off before its batteries end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// What it draws without any VM, until it is off.
    pub idle: u64,
    /// How long it takes to go down, in ticks.
    pub shutdown: u32,
    /// What feeds it.
    pub feeds: Vec<Feeding>,
    /// Already going down: off from that slot on whatever happens.
    pub off: Option<u16>,
    /// How many moves may leave it at once.
    pub lanes: u16,
    /// It must not begin to go down before these are off.
    pub outlives: Vec<usize>,
}

/// A VM on one of the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vm {
    /// Where it runs.
    pub host: usize,
    /// How important: 0 is first. On one battery nobody stops before someone of a greater number.
    pub tier: usize,
    /// What it is worth beside others.
    pub weight: u32,
    /// What it draws.
    pub power: u64,
    /// Its memory, in MiB.
    pub memory: u64,
    /// Its CPUs.
    pub cpus: u32,
    /// How long its stop takes, in ticks.
    pub stop: u32,
    /// How long its move takes, in ticks; `None`: it may not move.
    pub moving: Option<u32>,
    /// Nothing to decide any more: it stops drawing power in that slot.
    pub fixed: Option<u16>,
    /// Not stopped before that slot: it is only arriving.
    pub not_before: u16,
    /// VMs with the same number go to different receivers.
    pub apart: Option<u32>,
    /// VMs with the same number move all or none, to the same receiver.
    pub together: Option<u32>,
    /// VMs that need this one: they are down before its stop begins.
    pub dependents: Vec<usize>,
}

/// A host with good power that takes VMs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Free memory, in MiB.
    pub memory: u64,
    /// Free CPUs.
    pub cpus: u64,
    /// What its own supply can still carry.
    pub power: u64,
    /// Its lanes, and the slot until which each is taken.
    pub lanes: Vec<u16>,
}

/// Everything a plan is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The time line.
    pub grid: Grid,
    /// What a VM of weight 1 is worth in each slot it serves, in millionths.
    pub worth: Vec<u32>,
    /// The batteries.
    pub sources: Vec<Source>,
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The VMs.
    pub vms: Vec<Vm>,
    /// Where they may go.
    pub receivers: Vec<Receiver>,
    /// How many tiers there are.
    pub tiers: usize,
    /// Nothing is stopped before that slot, as far as the batteries allow.
    pub hold: u16,
    /// Whether that comes before saving as many of the first tier as can be moved. If not, it yields to them.
    pub hold_firm: bool,
    /// Per tier: the slot until which it should run, as far as the batteries allow; in the order of importance.
    pub goals: Vec<u16>,
}

impl Problem {
    /// What is wrong with the numbers, in words: the first thing found. A problem that passes never makes the optimiser panic.
    ///
    /// # Errors
    /// An index that points nowhere, lists whose lengths disagree, numbers beyond what the arithmetic holds.
    pub fn check(&self) -> Result<(), String> {
        let slots = self.grid.slots();
        if self.worth.len() != usize::from(slots) {
            return Err(format!("{} worths for {slots} slots", self.worth.len()));
        }
        if self.tiers == 0 || self.tiers > TIERS_MAX {
            return Err(format!("{} tiers; 1 to {TIERS_MAX} are possible", self.tiers));
        }
        for (i, host) in self.hosts.iter().enumerate() {
            let is_known = |feed: &Feeding| feed.source < self.sources.len() && feed.share <= 1_000_000;
            if !host.feeds.iter().all(is_known) || host.idle > POWER_MAX {
                return Err(format!("host {i}: a feed or its power makes no sense"));
            }
            if host.outlives.iter().any(|other| *other >= self.hosts.len() || *other == i) {
                return Err(format!("host {i} outlives one that does not exist, or itself"));
            }
        }
        for (i, vm) in self.vms.iter().enumerate() {
            if vm.host >= self.hosts.len() || vm.tier >= self.tiers || vm.power > POWER_MAX || vm.weight > WEIGHT_MAX {
                return Err(format!("VM {i}: its host, tier, power or weight makes no sense"));
            }
            if self.hosts[vm.host].off.is_some() && vm.fixed.is_none() {
                return Err(format!("VM {i} is still to be decided, and its host is already going down"));
            }
            if vm.dependents.iter().any(|other| *other >= self.vms.len() || *other == i) {
                return Err(format!("VM {i} is needed by one that does not exist, or by itself"));
            }
        }
        if self.sources.iter().any(|source| source.base > POWER_MAX) {
            return Err("a battery carries more than makes sense".to_owned());
        }
        Ok(())
    }
}

/// The most tiers.
pub(super) const TIERS_MAX: usize = 64;
/// The most power of one thing: 1 MW.
const POWER_MAX: u64 = 1_000_000_000;
/// The most weight.
const WEIGHT_MAX: u32 = 1_000_000;
