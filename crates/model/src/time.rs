//! Time as an argument. Deadlines are monotonic; the wall clock is for people and may step.

use crate::unit::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

/// A moment on `CLOCK_BOOTTIME` in milliseconds since this boot of the controller's machine. Only comparable within one [`BootId`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mono(pub u64);

impl Mono {
    /// How long ago `earlier` was; zero if it is in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}
impl Add<Millis> for Mono {
    type Output = Self;
    fn add(self, by: Millis) -> Self {
        Self(self.0.saturating_add(by.0))
    }
}
impl Sub<Millis> for Mono {
    type Output = Self;
    /// Saturates at the boot.
    fn sub(self, by: Millis) -> Self {
        Self(self.0.saturating_sub(by.0))
    }
}

/// One boot of the controller's machine. A [`Mono`] of another boot says nothing here.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// The present, handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Monotonic: what deadlines are made of.
    pub mono: Mono,
    /// The boot that `mono` belongs to.
    pub boot_id: BootId,
    /// What the wall clock says. Never compared.
    pub wall: jiff::Timestamp,
}

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.wall)
    }
}
