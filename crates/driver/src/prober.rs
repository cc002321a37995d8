//! Asks over the network whether a guest does its work.

use crate::context::Cx;
use crate::error::Result;
use async_trait::async_trait;
use ridethrough_model::Probe;
use std::fmt::Debug;

/// Asks what is not asked of a platform: a port, a page. Reads only.
#[async_trait]
pub trait Prober: Send + Sync + Debug {
    /// Asks once. May be called at any time and as often as wanted.
    ///
    /// # Errors
    /// What was seen instead of a good answer; `Unsupported` for what is asked of the platform.
    async fn probe(&self, probe: &Probe, cx: &Cx) -> Result<()>;
}
