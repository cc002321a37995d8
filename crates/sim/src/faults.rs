//! What can go wrong on the way, and what can happen from outside.

use crate::disk::DiskState;
use crate::reality::Vm;
use ridethrough_decide::Command;
use ridethrough_model::{DomainMode, GuardId, HostId, Millis, SilenceKind, UpsId, VmId};

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
    /// Readings that arrive many seconds after they were made.
    pub reading_late_percent: u64,
    /// Requests that take effect long after their caller has given them up.
    pub late_effect_percent: u64,
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
    /// Somebody else sets an automation of the platform.
    Guard(GuardId, String),
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
    /// A UPS says that its battery is low, on mains too.
    SaysLow(UpsId, bool),
    /// A UPS states so many percent of the runtime it would otherwise state.
    Lies(UpsId, u32),
    /// The platform leaves VMs and tags out of what it tells, or no longer.
    Shrinks(bool),
    /// The platform refuses everything that is to be done to a VM, or no longer.
    Refuses(VmId, bool),
    /// Somebody else makes a VM, and it runs.
    VmCreated(Box<Vm>),
    /// Somebody else deletes one.
    VmDeleted(VmId),
    /// Somebody else moves one, if its new host is on.
    VmMoved(VmId, HostId),
    /// Somebody else switches one on or off.
    VmPowered(VmId, bool),
    /// All faults end and mains is back everywhere.
    Heal,
}

impl Twist {
    /// What kind of thing it is, for a table; `None` where it mends something or is no fault.
    #[must_use]
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::Mains(_, false) => "mains lost",
            Self::Silence(_, Some(SilenceKind::Stale)) => "UPS stale",
            Self::Silence(_, Some(_)) => "UPS silent",
            Self::Forced(_) => "forced shutdown",
            Self::Disk(DiskState::Hangs) => "journal hangs",
            Self::Disk(DiskState::Fails) => "disk full",
            Self::Network(_, false) => "host unreachable",
            Self::Platform(false) => "platform down",
            Self::WallClock(_) => "clock steps",
            Self::ControllerDies { reboots: false, .. } => "controller killed",
            Self::ControllerDies { reboots: true, .. } => "controller rebooted",
            Self::Command(Command::Hold { .. }) => "operator holds",
            Self::Command(Command::Abort { .. }) => "operator aborts",
            Self::Command(Command::Maintenance { .. }) => "maintenance",
            Self::Command(Command::SetMode { mode: DomainMode::Observe, .. }) => "disarmed",
            Self::SaysLow(_, true) => "UPS says low on mains",
            Self::Lies(..) => "UPS lies about its runtime",
            Self::Shrinks(true) => "inventory shrinks",
            Self::Refuses(_, true) => "VM refuses for good",
            Self::VmCreated(_) => "VM created by someone",
            Self::VmDeleted(_) => "VM deleted by someone",
            Self::VmMoved(..) => "VM moved by someone",
            Self::SomebodyStops(_) | Self::VmPowered(_, false) => "VM stopped by someone",
            Self::VmPowered(_, true) => "VM started by someone",
            _ => return None,
        })
    }
}

impl Faults {
    /// What of this can happen, for a table.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static str> {
        let all = [
            (self.request_lost_percent > 0, "requests lost"),
            (self.reply_lost_percent > 0, "replies lost"),
            (self.slow_percent > 0, "replies slow"),
            (self.duplicate_percent > 0, "replies twice"),
            (self.reading_lost_percent > 0, "readings lost"),
            (self.reading_late_percent > 0, "readings late"),
            (self.late_effect_percent > 0, "effects after the deadline"),
        ];
        all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, name)| name).collect()
    }
}
