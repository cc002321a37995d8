//! Instances of the wider exact model (`tests/golden/exact.py`): several batteries, two feeds, needs, hosts that outlive others, company.

use crate::draw::Law;
use ridethrough_decide::schedule::{BATTERY, Feeding, Grid, Host, Problem, Receiver, Source, Vm};
use serde::Deserialize;

/// One instance.
#[derive(Clone, Debug, Deserialize)]
pub struct Wide {
    /// Its number.
    pub seed: u64,
    slot_s: u32,
    q: Vec<u32>,
    sources: Vec<Battery>,
    hosts: Vec<Server>,
    vms: Vec<Guest>,
    receivers: Vec<Room>,
    /// What was proven.
    pub optimum: Proven,
}

/// What the exact solver proved.
#[derive(Clone, Debug, Deserialize)]
pub struct Proven {
    /// The greatest weight of first-tier VMs that can move.
    pub saved: u64,
    /// The greatest worth with it.
    pub value: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Battery {
    #[serde(rename = "Tr_s")]
    rated_s: f64,
    #[serde(rename = "Pr_W")]
    rated_watts: f64,
    k: f64,
    budget: f64,
    #[serde(rename = "base_W")]
    base_watts: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Server {
    #[serde(rename = "idle_W")]
    idle_watts: u64,
    shutdown: u32,
    feeds: Vec<(usize, u32)>,
    lanes: u16,
    outlives: Vec<usize>,
}

#[derive(Clone, Debug, Deserialize)]
struct Guest {
    host: usize,
    tier: usize,
    weight: u32,
    #[serde(rename = "W")]
    watts: u64,
    ram: u64,
    cpus: u32,
    stop: u32,
    #[serde(rename = "move")]
    moving: Option<u32>,
    apart: Option<u32>,
    together: Option<u32>,
    dependents: Vec<usize>,
}

#[derive(Clone, Debug, Deserialize)]
struct Room {
    ram: u64,
    cpus: u64,
    lanes: usize,
}

impl Wide {
    /// Reads a file of them.
    ///
    /// # Errors
    /// The file cannot be read, or is not a list of such instances.
    pub fn read(file: &str) -> Result<Vec<Self>, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{file}: not a list of instances: {error}"))
    }
    /// The batteries' laws, and how much of each may be used.
    #[must_use]
    pub fn laws(&self) -> Vec<(Law, f64)> {
        let law = |battery: &Battery| Law { rated_s: battery.rated_s, rated_watts: battery.rated_watts, k: battery.k };
        self.sources.iter().map(|battery| (law(battery), battery.budget)).collect()
    }
    /// The same as the planner takes it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let source = |(battery, (law, budget)): (&Battery, (Law, f64))| Source {
            curve: law.curve((battery.rated_watts * 1000.0) as u64 + 1000),
            budget: (budget * BATTERY as f64) as i64,
            base: battery.base_watts * 1000,
        };
        let host = |server: &Server| Host {
            idle: server.idle_watts * 1000,
            shutdown: server.shutdown,
            feeds: server.feeds.iter().map(|(source, share)| Feeding { source: *source, share: *share }).collect(),
            off: None,
            lanes: server.lanes,
            outlives: server.outlives.clone(),
        };
        let guest = |guest: &Guest| Vm {
            host: guest.host,
            tier: guest.tier,
            weight: guest.weight,
            power: guest.watts * 1000,
            memory: guest.ram * 1024,
            cpus: guest.cpus,
            stop: guest.stop,
            moving: guest.moving.filter(|_| !self.receivers.is_empty()),
            fixed: None,
            not_before: 0,
            apart: guest.apart,
            together: guest.together,
            dependents: guest.dependents.clone(),
        };
        let receiver =
            |room: &Room| Receiver { memory: room.ram * 1024, cpus: room.cpus, power: u64::MAX >> 8, lanes: vec![0; room.lanes] };
        let tiers = 1 + self.vms.iter().map(|guest| guest.tier).max().unwrap_or(0);
        Problem {
            grid: Grid::even(self.q.len(), self.slot_s * 1000),
            worth: self.q.clone(),
            sources: self.sources.iter().zip(self.laws()).map(source).collect(),
            hosts: self.hosts.iter().map(host).collect(),
            vms: self.vms.iter().map(guest).collect(),
            receivers: self.receivers.iter().map(receiver).collect(),
            tiers,
            hold: 0,
            hold_firm: false,
            goals: vec![0; tiers],
        }
    }
}
