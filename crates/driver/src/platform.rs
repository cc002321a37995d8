//! What runs VMs.

use crate::context::Cx;
use crate::error::Result;
use async_trait::async_trait;
use ridethrough_model::{Inventory, Observed, Op, Progress, Started, TaskRef};
use std::fmt::Debug;

/// What a platform can do. Data, not downcasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformCapability {
    /// It can move running VMs.
    pub can_move: bool,
    /// It can save VMs to disk. Where it is used is decided by [`ridethrough_model::SuspendRoom`] too.
    pub can_suspend: bool,
    /// It can switch autostart.
    pub has_autostart: bool,
    /// It tells in its inventory of automation that acts by itself, and can disarm it and put it back.
    pub has_guards: bool,
    /// Requests in flight that the endpoint takes.
    pub in_flight_max: u32,
}

/// A virtualisation platform. Only operations on VMs and on its own automation arrive here; hosts go to [`crate::HostPower`].
///
/// Of automation (`Op::DisarmGuard`, `Op::RestoreGuard`) a driver compares before it sets: at the wanted value it answers
/// `AlreadyDone`; at the value the operation names as the present one it sets; at any other, somebody else has changed it, and it
/// answers `Refused` with `TookEffect::No` and says the value. Values are canonical: what was set is read back as the same text.
#[async_trait]
pub trait Platform: Send + Sync + Debug {
    /// What it can do.
    fn capability(&self) -> PlatformCapability;

    /// Everything it runs. A host that does not answer is in it with `connected: false`; that is no error.
    /// Order-stable; ids stable over restarts of either side. Reads only.
    ///
    /// # Errors
    /// `Unreachable` if no host answers at all; `Unauthorized`; `Config`.
    async fn inventory(&self, cx: &Cx) -> Result<Inventory>;

    /// Takes one small step to learn what a forecast needs and no inventory tells by itself, e.g. what VMs write of their memory. Called
    /// now and then while nothing is at risk; bounded, harmless to what runs, and what comes of it is in later inventories.
    ///
    /// # Errors
    /// Where nothing could be learned; nobody is told.
    async fn measure(&self, _: &Cx) -> Result<()> {
        Ok(())
    }

    /// Begins an operation and returns at once. Idempotent: twice has one effect, also across restarts of ours.
    ///
    /// # Errors
    /// `NotFound`, `Refused`, `Unsupported`, `Busy`, `Unreachable`, each saying whether it may have taken effect.
    async fn start(&self, op: &Op, cx: &Cx) -> Result<Started>;

    /// How far a task is. The caller may be another process than the one that started it.
    ///
    /// # Errors
    /// Only where nothing could be learned; a task that failed is `Ok(Progress::Failed)`.
    async fn poll(&self, task: &TaskRef, cx: &Cx) -> Result<Progress>;

    /// Whether the wanted state of an operation holds now, also after somebody else acted. Reads only.
    ///
    /// # Errors
    /// Where nothing could be learned.
    async fn observe(&self, op: &Op, cx: &Cx) -> Result<Observed>;
}
