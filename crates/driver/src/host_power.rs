//! The power of one host, through one means (SSH, IPMI, ...).

use crate::context::Cx;
use crate::error::Result;
use async_trait::async_trait;
use ridethrough_model::HostPowerState;
use std::fmt::Debug;

/// What one means can do for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPowerCapability {
    /// It can ask the operating system to go down.
    pub can_shut_down: bool,
    /// It can wake the host.
    pub can_wake: bool,
    /// Its "off" is proof.
    pub can_prove_off: bool,
}

/// One means to see or change the power of one host.
#[async_trait]
pub trait HostPower: Send + Sync + Debug {
    /// A short word for evidence and logs: "ssh", "ipmi".
    fn name(&self) -> &'static str;

    /// What it can do.
    fn capability(&self) -> HostPowerCapability;

    /// What it says about the host now. Lost contact, a timeout or a contradiction is `Unknown`, never `Off`. Reads only.
    ///
    /// # Errors
    /// `Unauthorized` or `Config`, which a person must mend; everything else is `Ok(Unknown)`.
    async fn observe(&self, cx: &Cx) -> Result<HostPowerState>;

    /// Asks the operating system to shut down cleanly. Returns when the request is accepted. Idempotent.
    ///
    /// # Errors
    /// `Unsupported` without that capability, `Unreachable`, `Unauthorized`, `Refused`.
    async fn shut_down(&self, cx: &Cx) -> Result<()>;

    /// Wakes the host. Returns when the request is accepted. Idempotent: a host that is on stays on.
    ///
    /// # Errors
    /// `Unsupported` without that capability, `Unreachable`, `Unauthorized`, `Refused`.
    async fn wake(&self, cx: &Cx) -> Result<()>;
}
