//! What would happen, or is happening: `GET /api/v1/plan`.

use crate::status::Finding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to `GET /api/v1/plan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanAnswer {
    /// When this was said. Every `_in_s` counts from here.
    pub at: String,
    /// The plan in force if a run is open, else one standing plan per domain; with `if`, the one asked for.
    pub plans: Vec<Plan>,
}

/// What a plan is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlanScope {
    /// A run under way.
    Run(u64),
    /// A domain, if it lost mains now.
    Domain(String),
    /// These UPSes, if they went on battery now.
    Upses(Vec<String>),
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// What it is for.
    pub scope: PlanScope,
    /// Its number; 0 for one that was only asked for.
    pub id: u64,
    /// The plan it supersedes.
    pub parent: Option<u64>,
    /// Why it was made, in words.
    pub cause: String,
    /// Domains it acts in.
    pub domains: Vec<String>,
    /// Everything stops at once: nothing else fits.
    pub is_emergency: bool,
    /// Whether everything fits the battery.
    pub does_fit: bool,
    /// When each UPS at risk is taken to be empty, after margin and age.
    pub upses: Vec<UpsEnd>,
    /// The last safe moment of each host at risk.
    pub hosts: Vec<HostEnd>,
    /// What becomes of each VM at risk.
    pub fates: Vec<Fate>,
    /// Its steps.
    pub actions: Vec<PlannedAction>,
    /// What it waits for.
    pub waiting: Vec<String>,
    /// What is wrong or missing.
    pub findings: Vec<Finding>,
}

/// The end of a UPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpsEnd {
    /// Which.
    pub ups: String,
    /// Time until it is taken to be empty.
    pub empty_in_s: u64,
}

/// The end of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostEnd {
    /// Which.
    pub host: String,
    /// Time until its last safe moment.
    pub last_safe_in_s: u64,
}

/// What becomes of a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fate {
    /// `<platform>/<native uuid>`.
    pub vm: String,
    /// Its name.
    pub name: String,
    /// Its tier.
    pub tier: String,
    /// In one or two words.
    pub fate: String,
    /// Why.
    pub reason: String,
    /// Time until its clean stop must begin.
    pub last_safe_in_s: Option<u64>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedAction {
    /// Its number in the run.
    pub id: u64,
    /// What, for a person.
    pub text: String,
    /// `shut-down-vm`, `power-off-vm`, `start-vm`, `move-vm`, `abort-move`, `finish-move`, `suspend-vm`, `abort-suspend`,
    /// `set-autostart`, `shut-down-host`, `wake-host`, `stop-load`, `start-load`.
    pub op: String,
    /// The VM's id.
    pub vm: Option<String>,
    /// The host it acts on; for a move the one it leaves.
    pub host: Option<String>,
    /// The load that is no host it acts on.
    #[serde(default)]
    pub load: Option<String>,
    /// Where a move goes.
    pub to: Option<String>,
    /// The tier it belongs to.
    pub tier: Option<String>,
    /// Not before then.
    pub not_before_in_s: u64,
    /// From then on it starts whatever it waits for.
    pub last_safe_in_s: Option<u64>,
    /// How long it may take.
    pub budget_s: u64,
    /// What it waits for, in words.
    pub after: Vec<String>,
    /// Only said, not done: its domain is not armed.
    pub is_observe_only: bool,
    /// The rule that asks for it.
    pub rule: String,
    /// Why.
    pub why: String,
    /// What becomes of it if mains returns while it is under way.
    #[serde(default)]
    pub on_mains_back: String,
}
