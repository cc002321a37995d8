//! A UPS, as seen through one protocol.

use crate::context::Cx;
use crate::error::{Error, Result};
use crate::order::{Accepted, Progress, UpsCommand, UpsOrder, UpsVariable};
use async_trait::async_trait;
use ridethrough_model::{FailureKind, Reading, Silence};
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

    /// The commands it knows. Reads only.
    ///
    /// # Errors
    /// `Unsupported` where it takes none or does not tell, `Unreachable`, `NotFound`.
    async fn commands(&self, _cx: &Cx) -> Result<Vec<UpsCommand>> {
        Err(takes_no_orders("list the commands"))
    }

    /// Everything it tells, by name. Reads only.
    ///
    /// # Errors
    /// `Unsupported` where only readings are had, `Unreachable`, `NotFound`.
    async fn variables(&self, _cx: &Cx) -> Result<Vec<UpsVariable>> {
        Err(takes_no_orders("list the variables"))
    }

    /// Whether an order can neither end the output nor empty the battery. `false` where that is not known. Asks nobody.
    fn is_harmless(&self, _order: &UpsOrder) -> bool {
        false
    }

    /// Gives an order, once; whoever gives it has made sure that it is wanted. It is attempted also where the UPS cannot be read, and
    /// a value is never left out on the way. Returns when it was accepted. Not idempotent: repeated, it is carried out again.
    ///
    /// # Errors
    /// `Unauthorized`, `Unsupported` (no such command or variable, or one that cannot be set), `Refused`, `NotFound`, `Config` for a
    /// name or value that cannot be sent, `Unreachable`. Each says whether the order can have taken effect.
    async fn order(&self, _order: &UpsOrder, _cx: &Cx) -> Result<Accepted> {
        Err(takes_no_orders("give an order"))
    }

    /// How far an accepted order is. Reads only; any process may ask, as long as the other end remembers (an hour with upsd).
    ///
    /// # Errors
    /// `Refused` or `Unsupported` if it was not carried out, with what is known of its effect; `Unreachable` says nothing about it.
    async fn progress(&self, _task: &str, _cx: &Cx) -> Result<Progress> {
        Err(takes_no_orders("ask about an order"))
    }

    /// Proves the credentials without changing anything that others would notice.
    ///
    /// # Errors
    /// `Unauthorized` for wrong credentials or rights, `NotFound` for an unknown UPS.
    async fn verify(&self, cx: &Cx) -> Result<()>;
}

fn takes_no_orders(operation: &'static str) -> Error {
    Error::new(FailureKind::Unsupported, operation, "this driver gives no orders").no_effect()
}
