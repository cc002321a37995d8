//! Whether the controller is well: `GET /healthz`. For machines that watch machines; tells nothing of the site.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to `GET /healthz`, with status 200 or 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok`, or what is the matter.
    pub status: String,
}
