//! Drills: `GET /api/v1/drills`, `/drills/{id}`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to `GET /api/v1/drills`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drills {
    /// The newest of them; older ones are in the events only.
    pub drills: Vec<Drill>,
}

/// A drill that was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drill {
    /// Its number.
    pub id: u64,
    /// `paper` or `preflight`.
    pub level: String,
    /// When it ended.
    pub at: String,
    /// By whom.
    pub by: String,
    /// Nothing went wrong.
    pub is_good: bool,
    /// What came of it.
    pub parts: Vec<DrillPart>,
    /// The last one before it of the same level and about the same.
    pub compared_with: Option<u64>,
    /// What got worse since then.
    pub worse: Vec<String>,
}

/// What came of a drill for one domain, or for the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrillPart {
    /// What it is about.
    pub subject: String,
    /// How long it took until everything was down, or asked.
    pub duration_s: Option<u64>,
    /// What the battery had left then.
    pub margin_s: Option<u64>,
    /// What went wrong.
    pub failures: Vec<String>,
    /// What is in doubt, or would be poor.
    pub warnings: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
}
