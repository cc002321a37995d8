//! What every call brings along.

use crate::error::{Error, Result};
use ridethrough_model::{FailureKind, Mono};
use std::future::Future;
use std::time::Duration;

/// The frame of one call: until when it must answer, and what time it is for stamping what is read.
#[derive(Clone, Debug)]
pub struct Cx {
    /// When the caller gives up. Every await on the outside ends by then.
    pub deadline: tokio::time::Instant,
    /// The moment to stamp readings and inventories with. Taken before the call: age is never underestimated.
    pub now: Mono,
}

impl Cx {
    /// A context that ends after `limit`.
    #[must_use]
    pub fn within(limit: Duration, now: Mono) -> Self {
        Self { deadline: tokio::time::Instant::now() + limit, now }
    }

    /// Runs a future until the deadline; past it, an `Unreachable` error that may have taken effect.
    ///
    /// # Errors
    /// What the future returns, or `Unreachable` past the deadline.
    pub async fn bound<T>(&self, operation: &'static str, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        match tokio::time::timeout_at(self.deadline, work).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(FailureKind::Unreachable, operation, "no answer before the deadline")),
        }
    }
}
