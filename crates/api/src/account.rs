//! The after-action record of a run: part of `GET /api/v1/runs/{id}`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was foreseen beside what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// How long it lasted so far; absent where that was not seen whole.
    pub lasted_s: Option<u64>,
    /// In a sentence.
    pub in_short: String,
    /// UPSes that lost mains in it.
    pub upses: Vec<UpsAccount>,
    /// Steps that were begun, in order of number.
    pub steps: Vec<StepAccount>,
    /// What was decided, in order.
    pub decisions: Vec<Decision>,
    /// Decisions beyond these; the events have them.
    pub decisions_more: u32,
    /// Names of VMs that somebody else stopped: they were left off.
    pub left_off: Vec<String>,
    /// Names of VMs that were brought back and not seen to do their work.
    pub not_ready: Vec<String>,
}

/// One UPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpsAccount {
    /// Its name.
    pub name: String,
    /// How often it lost mains.
    pub outages: u32,
    /// Time on battery, as far as it was seen.
    pub on_battery_s: u64,
    /// Part of that was not seen: the controller's machine started anew meanwhile.
    pub is_partial: bool,
    /// Charge when mains was lost, in percent.
    pub charge_at_loss_percent: Option<u8>,
    /// The least charge: the margin that was left.
    pub charge_least_percent: Option<u8>,
    /// The runtime it stated then.
    pub runtime_least_s: Option<u64>,
    /// What it gave; absent where a part was not measured.
    pub energy_wh: Option<u64>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepAccount {
    /// Its number.
    pub id: u64,
    /// What, for a person.
    pub text: String,
    /// Why it was planned.
    pub why: String,
    /// When it was begun.
    pub began_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// How much later than planned it was begun; absent where the clocks do not compare.
    pub late_s: Option<u64>,
    /// How long before its last safe moment it was begun; absent where it has none.
    pub spare_s: Option<u64>,
    /// How long one attempt might take by the plan.
    pub allowed_s: u64,
    /// How long it took from its first attempt.
    pub took_s: Option<u64>,
    /// Attempts.
    pub attempts: u32,
    /// `done`, `was so already`, `failed`, `dropped`; absent while it is under way.
    pub outcome: Option<String>,
    /// It took longer than it might.
    pub has_overrun: bool,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// When.
    pub at: String,
    /// A person's name, or `controller`.
    pub by: String,
    /// What, and why.
    pub text: String,
}
