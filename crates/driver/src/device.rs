//! A UPS, as seen through one protocol.

use crate::context::Cx;
use crate::error::Result;
use async_trait::async_trait;
use ridethrough_model::{Reading, Silence};
use std::fmt::Debug;

/// Somebody else who follows this UPS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// Where it connects from.
    pub address: String,
}

/// One UPS.
#[async_trait]
pub trait Device: Send + Sync + Debug {
    /// One look: a reading, or why there is none. Both are facts; only a broken configuration is an error.
    ///
    /// Absent values are `None`. Unknown status tokens are kept. Stale data and lost contact are told apart. A broken
    /// connection is redialled within this call's deadline. Reads only: safe to repeat.
    ///
    /// # Errors
    /// `Config` where no call can ever succeed.
    async fn read(&self, cx: &Cx) -> Result<std::result::Result<Reading, Silence>>;

    /// Who else follows this UPS, ourselves excluded where we can tell. Reads only.
    ///
    /// # Errors
    /// `Unsupported` where the protocol does not tell.
    async fn clients(&self, cx: &Cx) -> Result<Vec<Client>>;

    /// Whether our hosts still need this UPS's power: a master that waits for those who follow it then waits for us too, or no
    /// longer. Counts from the next look on; wanted at first. Idempotent. Nothing where the protocol knows no such thing.
    fn follow(&self, is_needed: bool) {
        let _ = is_needed;
    }

    /// Proves the credentials without changing anything that others would notice.
    ///
    /// # Errors
    /// `Unauthorized` for wrong credentials or rights, `NotFound` for an unknown UPS.
    async fn verify(&self, cx: &Cx) -> Result<()>;
}
