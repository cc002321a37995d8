//! The contract between the controller and what it drives. Traits, errors, the call context; no driver, no decision.
//!
//! A driver translates and classifies. It does not retry, sleep, log or decide. `start` is idempotent and quick, waiting is
//! `poll`, truth is `observe`. Begin reading in [`platform`].

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod context;
pub mod device;
pub mod error;
pub mod host_power;
pub mod last_resort;
pub mod order;
pub mod own_words;
pub mod platform;
pub mod prober;
pub mod program;
pub mod secret;
pub mod tls;
pub mod workers;

pub use context::Cx;
pub use device::{Client, Device};
pub use error::{Error, Result};
pub use host_power::{HostPower, HostPowerCapability};
pub use last_resort::{HostAgent, LastResort, TimerOrder};
pub use order::{Accepted, Progress, UpsCommand, UpsOrder, UpsVariable};
pub use own_words::{Answer, Facts, Order};
pub use platform::{Platform, PlatformCapability};
pub use prober::Prober;
pub use ridethrough_model::{FailureKind, TookEffect};
pub use secret::Secret;
pub use workers::Workers;
