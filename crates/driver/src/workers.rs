//! The only way a driver may have work going on between calls.

use std::future::Future;
use tokio::task::{AbortHandle, JoinSet};

/// Futures of one driver. All are aborted when this is dropped.
#[derive(Debug, Default)]
pub struct Workers {
    set: std::sync::Mutex<JoinSet<()>>,
}

impl Workers {
    /// No work yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts one. Finished ones are forgotten.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut set = self.set.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn(work)
    }
}
