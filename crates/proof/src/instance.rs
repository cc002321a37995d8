//! Instances of the exact solver as they lie in files: watts, slots, a battery after a power law, and what was proven to be best.

use ridethrough_decide::schedule::{BATTERY, Curve, Feeding, Grid, Host, Problem, Receiver, Source, Vm};
use serde::Deserialize;

/// One instance.
#[derive(Clone, Debug, Deserialize)]
pub struct Instance {
    /// Its number.
    pub seed: u64,
    /// Seconds per slot.
    pub slot_s: f64,
    /// Slots.
    pub horizon: usize,
    /// The share of the battery that may be used.
    pub budget: f64,
    /// Weight of each tier.
    pub weights: Vec<u32>,
    /// Worth of each slot.
    pub q: Vec<f64>,
    /// The battery.
    pub battery: Battery,
    /// The hosts on it.
    pub hosts: Vec<HostFacts>,
    /// Where VMs may go.
    pub dest: Destination,
    /// The VMs.
    pub vms: Vec<VmFacts>,
    /// What was proven.
    pub optimum: Optimum,
}

/// A battery that lasts `Tr_s` seconds at `Pr_W` watts, and otherwise after a power law.
#[derive(Clone, Debug, Deserialize)]
pub struct Battery {
    /// Seconds.
    #[serde(rename = "Tr_s")]
    pub rated_s: f64,
    /// At this load.
    #[serde(rename = "Pr_W")]
    pub rated_watts: f64,
    /// The power.
    pub k: f64,
}

/// A host.
#[derive(Clone, Debug, Deserialize)]
pub struct HostFacts {
    /// Watts without VMs.
    #[serde(rename = "idle_W")]
    pub idle_watts: f64,
    /// Slots to go down.
    pub shutdown_slots: u32,
}

/// One host with good power.
#[derive(Clone, Debug, Deserialize)]
pub struct Destination {
    /// Free memory.
    pub ram_gib: f64,
    /// Moves at once.
    pub lanes: usize,
}

/// A VM.
#[derive(Clone, Debug, Deserialize)]
pub struct VmFacts {
    /// Where.
    pub host: usize,
    /// How important.
    pub tier: usize,
    /// Memory.
    pub ram_gib: f64,
    /// Watts.
    #[serde(rename = "power_W")]
    pub watts: f64,
    /// Slots for its stop.
    pub shutdown_slots: u32,
    /// Slots for its move.
    pub migrate_slots: u32,
}

/// What the exact solver proved.
#[derive(Clone, Debug, Deserialize)]
pub struct Optimum {
    /// VMs of the first tier that move.
    pub critical_migrated: usize,
    /// The greatest worth with so many.
    pub value: f64,
}

impl Battery {
    /// The share of the battery that a second at so many watts takes.
    #[must_use]
    pub fn drain(&self, watts: f64) -> f64 {
        if watts <= 0.0 { 0.0 } else { (watts / self.rated_watts).powf(self.k) / self.rated_s }
    }
}

impl Instance {
    /// Reads a file of them.
    ///
    /// # Errors
    /// The file cannot be read, or is not a list of instances.
    pub fn read(file: &str) -> Result<Vec<Self>, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{file}: not a list of instances: {error}"))
    }
    /// The same as the planner takes it. Durations are rounded up, worths down.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let watts: f64 = self.hosts.iter().map(|host| host.idle_watts).chain(self.vms.iter().map(|vm| vm.watts)).sum();
        let drain = |load: u64| (self.battery.drain(load as f64 / 1000.0) / 1000.0 * BATTERY as f64).ceil() as i64;
        let source = Source {
            curve: Curve::sample((watts * 1000.0) as u64 + 1, drain),
            budget: (self.budget * BATTERY as f64) as i64,
            base: 0,
        };
        let host = |facts: &HostFacts| Host {
            idle: (facts.idle_watts * 1000.0).ceil() as u64,
            shutdown: facts.shutdown_slots,
            feeds: vec![Feeding { source: 0, share: 1_000_000 }],
            off: None,
            lanes: self.vms.len() as u16,
            outlives: Vec::new(),
        };
        let vm = |facts: &VmFacts| Vm {
            host: facts.host,
            tier: facts.tier,
            weight: self.weights[facts.tier],
            power: (facts.watts * 1000.0).ceil() as u64,
            memory: (facts.ram_gib * 1024.0).ceil() as u64,
            cpus: 0,
            stop: facts.shutdown_slots,
            moving: (facts.tier == 0).then_some(facts.migrate_slots),
            fixed: None,
            not_before: 0,
            apart: None,
            together: None,
            dependents: Vec::new(),
        };
        let receiver = Receiver {
            memory: (self.dest.ram_gib * 1024.0).floor() as u64,
            cpus: u64::MAX >> 8,
            power: u64::MAX >> 8,
            lanes: vec![0; self.dest.lanes],
        };
        Problem {
            grid: Grid::even(self.horizon, (self.slot_s * 1000.0) as u32),
            worth: self.q.iter().map(|worth| (worth * 1e6) as u32).collect(),
            sources: vec![source],
            hosts: self.hosts.iter().map(host).collect(),
            vms: self.vms.iter().map(vm).collect(),
            receivers: vec![receiver],
            tiers: self.weights.len(),
            hold: 0,
            hold_firm: false,
            goals: vec![0; self.weights.len()],
        }
    }
}
