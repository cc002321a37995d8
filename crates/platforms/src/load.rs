//! A load that is no host: told to stop and to start by orders of the operator's, looked at by a probe, a ping, or both.
//!
//! Seen as what it is for the rest of the program: something with power. It is driven by the same trait as a host's power.

use async_trait::async_trait;
use ridethrough_driver::program::Program;
use ridethrough_driver::{Answer, Cx, Error, Facts, FailureKind, HostPower, HostPowerCapability, Order, Result};
use ridethrough_model::HostPowerState;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The orders of one load.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Stops it.
    pub stop: Option<Arc<dyn Order>>,
    /// Says whether it is on.
    pub probe: Option<Arc<dyn Order>>,
    /// Starts it.
    pub start: Option<Arc<dyn Order>>,
    /// How long each may take; a shorter deadline of the caller counts.
    pub time_max: Duration,
}

/// A load with orders.
#[derive(Clone, Debug)]
pub struct Commanded {
    orders: Orders,
}

impl Commanded {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }

    async fn give(&self, order: Option<&Arc<dyn Order>>, operation: &'static str, cx: &Cx) -> Result<Answer> {
        let Some(order) = order else {
            return Err(Error::new(FailureKind::Unsupported, operation, "no order for it is configured").no_effect());
        };
        let deadline = cx.deadline.min(Instant::now() + self.orders.time_max);
        let cx = Cx { deadline, now: cx.now };
        cx.bound(operation, order.give(&Facts::new(), &cx)).await
    }
}

#[async_trait]
impl HostPower for Commanded {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn capability(&self) -> HostPowerCapability {
        HostPowerCapability {
            can_shut_down: self.orders.stop.is_some(),
            can_wake: self.orders.start.is_some(),
            can_prove_off: self.orders.probe.is_some(),
        }
    }

    async fn observe(&self, cx: &Cx) -> Result<HostPowerState> {
        if self.orders.probe.is_none() {
            return Ok(HostPowerState::Unknown);
        }
        match self.give(self.orders.probe.as_ref(), "probe the load", cx).await {
            Ok(Answer::Yes) => Ok(HostPowerState::On),
            Ok(Answer::No(_)) => Ok(HostPowerState::Off),
            Ok(Answer::Other(_) | Answer::Cut) => Ok(HostPowerState::Unknown),
            Err(error) if matches!(error.kind(), FailureKind::Unauthorized | FailureKind::Config) => Err(error),
            Err(_) => Ok(HostPowerState::Unknown),
        }
    }

    async fn shut_down(&self, cx: &Cx) -> Result<()> {
        self.give(self.orders.stop.as_ref(), "stop the load", cx).await?.done("stop the load")
    }

    async fn wake(&self, cx: &Cx) -> Result<()> {
        self.give(self.orders.start.as_ref(), "start the load", cx).await?.done("start the load")
    }
}

/// Whether something answers a ping, asked with the system's own `ping`. An answer is "on"; silence is never "off".
#[derive(Clone, Debug)]
pub struct Ping {
    address: String,
}

impl Ping {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(address: String) -> Self {
        Self { address }
    }
}

/// How long one answer is waited for.
const ANSWER_MAX_S: &str = "2";

#[async_trait]
impl HostPower for Ping {
    fn name(&self) -> &'static str {
        "ping"
    }

    fn capability(&self) -> HostPowerCapability {
        HostPowerCapability { can_shut_down: false, can_wake: false, can_prove_off: false }
    }

    async fn observe(&self, cx: &Cx) -> Result<HostPowerState> {
        let words = ["ping", "-n", "-q", "-c", "1", "-W", ANSWER_MAX_S, "--", &self.address].map(str::to_owned);
        let missing = || Error::new(FailureKind::Config, "ping", "the program `ping` is missing: install iputils-ping");
        let ping = Program::of(&words).ok_or_else(missing)?;
        match ping.run([], &[], cx.deadline).await {
            Ok(ended) if ended.status == Some(0) => Ok(HostPowerState::On),
            Err(ridethrough_driver::program::NotEnded::NotBegun(cause)) => Err(missing().no_effect().caused_by(cause)),
            Ok(_) | Err(_) => Ok(HostPowerState::Unknown),
        }
    }

    async fn shut_down(&self, _: &Cx) -> Result<()> {
        Err(Error::new(FailureKind::Unsupported, "stop by ping", "a ping stops nothing").no_effect())
    }

    async fn wake(&self, _: &Cx) -> Result<()> {
        Err(Error::new(FailureKind::Unsupported, "start by ping", "a ping starts nothing").no_effect())
    }
}
