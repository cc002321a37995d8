//! What can go wrong on the way, and what can happen from outside.

use crate::disk::DiskState;
use ridethrough_decide::Command;
use ridethrough_model::{HostId, Millis, SilenceKind, UpsId, VmId};

/// How well messages travel. All zero: always, and soon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Requests that never arrive.
    pub request_lost_percent: u64,
    /// Requests that are carried out and whose answer never arrives.
    pub reply_lost_percent: u64,
    /// Answers that take seconds.
    pub slow_percent: u64,
    /// Answers that come again, much later.
    pub duplicate_percent: u64,
    /// Looks at a UPS that see nothing and say nothing.
    pub reading_lost_percent: u64,
    /// The platform cannot be read.
    pub is_platform_down: bool,
}

/// Something that happens from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Twist {
    /// Mains is there, or not.
    Mains(UpsId, bool),
    /// A UPS is silent for that reason, or speaks.
    Silence(UpsId, Option<SilenceKind>),
    /// Another master orders everybody on that UPS down, until mains is back.
    Forced(UpsId),
    /// The journal's disk changes its ways.
    Disk(DiskState),
    /// A host can be reached, or not.
    Network(HostId, bool),
    /// The platform can be read, or not.
    Platform(bool),
    /// A guest reacts to nothing, or reacts again.
    Hung(VmId, bool),
    /// Somebody else shuts a VM down.
    SomebodyStops(VmId),
    /// The controller's wall clock jumps.
    WallClock(i64),
    /// A person asks for something.
    Command(Command),
    /// The controller dies; another one takes over after that time.
    ControllerDies {
        /// For how long there is none.
        down_for: Millis,
        /// Whether its machine starts anew: the monotonic clock begins again.
        reboots: bool,
    },
    /// All faults end and mains is back everywhere.
    Heal,
}
