//! libvirt's numbers and words in ours. Pure; what is odd about libvirt is written here.

use super::connection::CallError;
use super::procedure::JobStatistics;
use super::wire::RemoteError;
use ridethrough_driver::{Error, FailureKind};
use ridethrough_model::VmPower;

/// The error numbers that mean something to us. All others are taken as [`FailureKind::Refused`].
mod code {
    pub(super) const NO_MEMORY: i32 = 2;
    pub(super) const NO_SUPPORT: i32 = 3;
    pub(super) const NO_CONNECT: i32 = 5;
    pub(super) const INVALID_ARGUMENT: i32 = 8;
    pub(super) const OPERATION_FAILED: i32 = 9;
    pub(super) const OPERATION_DENIED: i32 = 29;
    pub(super) const SYSTEM_ERROR: i32 = 38;
    pub(super) const RPC: i32 = 39;
    pub(super) const NO_DOMAIN: i32 = 42;
    pub(super) const AUTH_FAILED: i32 = 45;
    pub(super) const OPERATION_INVALID: i32 = 55;
    pub(super) const CONFIG_UNSUPPORTED: i32 = 67;
    pub(super) const OPERATION_TIMEOUT: i32 = 68;
    pub(super) const ARGUMENT_UNSUPPORTED: i32 = 74;
    pub(super) const OPERATION_ABORTED: i32 = 78;
    pub(super) const AUTH_CANCELLED: i32 = 79;
    pub(super) const MIGRATE_UNSAFE: i32 = 81;
    pub(super) const OPERATION_UNSUPPORTED: i32 = 84;
    pub(super) const AGENT_UNRESPONSIVE: i32 = 86;
    pub(super) const RESOURCE_BUSY: i32 = 87;
    pub(super) const ACCESS_DENIED: i32 = 88;
    pub(super) const AUTH_UNAVAILABLE: i32 = 94;
}

impl RemoteError {
    pub(super) fn is_no_domain(&self) -> bool {
        self.code == code::NO_DOMAIN
    }
    /// The VM is in a state in which the request makes no sense.
    pub(super) fn is_invalid_now(&self) -> bool {
        self.code == code::OPERATION_INVALID
    }
    /// That driver or that role has no such thing.
    pub(super) fn is_unsupported(&self) -> bool {
        matches!(self.code, code::NO_SUPPORT | code::OPERATION_UNSUPPORTED)
    }

    /// The kind, and whether it is proven that nothing happened.
    fn classify(&self) -> (FailureKind, bool) {
        match self.code {
            code::NO_DOMAIN => (FailureKind::NotFound, true),
            code::AUTH_FAILED | code::AUTH_CANCELLED | code::AUTH_UNAVAILABLE | code::ACCESS_DENIED | code::OPERATION_DENIED => {
                (FailureKind::Unauthorized, true)
            }
            code::NO_SUPPORT | code::OPERATION_UNSUPPORTED | code::ARGUMENT_UNSUPPORTED | code::CONFIG_UNSUPPORTED => {
                (FailureKind::Unsupported, true)
            }
            // Checked before anything is touched.
            code::OPERATION_INVALID | code::INVALID_ARGUMENT | code::MIGRATE_UNSAFE => (FailureKind::Refused, true),
            // "cannot acquire state change lock": the request waited 30 s for another job and was then dropped.
            code::OPERATION_TIMEOUT | code::RESOURCE_BUSY => (FailureKind::Busy, true),
            // The other side of a move, or QEMU, went away in the middle: worth another try, but look first.
            code::SYSTEM_ERROR | code::RPC | code::NO_CONNECT => (FailureKind::Unreachable, false),
            code::AGENT_UNRESPONSIVE | code::NO_MEMORY => (FailureKind::Busy, false),
            code::OPERATION_FAILED | code::OPERATION_ABORTED => (FailureKind::Refused, false),
            _ => (FailureKind::Refused, false),
        }
    }
}

impl CallError {
    /// As a driver's error: kind, and `TookEffect::No` where that is proven.
    pub(super) fn into_error(self, operation: &'static str) -> Error {
        let message = self.to_string();
        let (kind, no_effect) = match &self {
            Self::NoConnection(_) => (FailureKind::Unreachable, true),
            Self::Unauthorized(_) => (FailureKind::Unauthorized, true),
            Self::TooLate { sent } => (if *sent { FailureKind::Unreachable } else { FailureKind::Busy }, !*sent),
            Self::Lost(_) => (FailureKind::Unreachable, false),
            Self::Garbage(_) | Self::Unreadable { .. } => (FailureKind::Protocol, false),
            Self::Remote(remote) => remote.classify(),
        };
        let error = Error::new(kind, operation, message);
        if no_effect { error.no_effect() } else { error }
    }
}

/// What libvirt says a VM is doing, before it is made simpler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DomainState {
    Running,
    /// Not yet running: it is being started here.
    Starting,
    /// In the hands of a move: the half that takes the VM in, and in the last moments the one it leaves.
    Moving,
    Paused,
    /// It stands still while its memory is written to disk.
    Saving,
    /// It runs at its target already, and the rest of its memory follows from here (post-copy).
    Leaving,
    /// The guest is down, QEMU not yet.
    ShuttingDown,
    Off,
    /// Off, its memory kept in a file.
    Saved,
    Crashed,
    Unknown,
}

impl DomainState {
    pub(super) fn from_numbers(state: i32, reason: i32) -> Self {
        match (state, reason) {
            // "blocked" comes from Xen and means: waiting for something, as any VM does.
            (1 | 2, _) => Self::Running,
            (3, 2) => Self::Moving,
            (3, 11) => Self::Starting,
            (3, 3) => Self::Saving,
            // 10 is the same, broken off: both halves wait for each other.
            (3, 9 | 10) => Self::Leaving,
            // 7 is asleep by the guest's own wish (S3): in memory, like paused.
            (3 | 7, _) => Self::Paused,
            (4, _) => Self::ShuttingDown,
            (5, 5) => Self::Saved,
            (5, 3) | (6, _) => Self::Crashed,
            (5, _) => Self::Off,
            _ => Self::Unknown,
        }
    }
    /// Whether a VM is off because its guest or somebody told it to (SHUTDOWN, DESTROYED). A daemon that starts, as with its host, knows
    /// no reason from before.
    pub(super) fn is_told_off(state: i32, reason: i32) -> bool {
        matches!((state, reason), (5, 1 | 2))
    }
    pub(super) fn power(self) -> VmPower {
        match self {
            Self::Running | Self::Starting | Self::ShuttingDown | Self::Leaving => VmPower::Running,
            Self::Moving | Self::Paused | Self::Saving => VmPower::Paused,
            Self::Off => VmPower::Off,
            Self::Saved => VmPower::Suspended,
            Self::Crashed => VmPower::Crashed,
            Self::Unknown => VmPower::Unknown,
        }
    }
    /// Whether it occupies its host.
    pub(super) fn is_active(self) -> bool {
        self.power().is_active()
    }
    /// A VM seen on two hosts belongs where this is least.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Leaving => 0,
            Self::Running | Self::ShuttingDown => 1,
            Self::Paused | Self::Saving | Self::Starting => 2,
            Self::Unknown => 3,
            Self::Moving => 4,
            Self::Saved => 5,
            Self::Crashed => 6,
            Self::Off => 7,
        }
    }
    /// For a person.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Starting => "being started",
            Self::Moving => "being moved",
            Self::Paused => "paused",
            Self::Saving => "being saved to disk",
            Self::Leaving => "on its way, half of it at its target",
            Self::ShuttingDown => "just shutting down",
            Self::Off => "off",
            Self::Saved => "saved to disk",
            Self::Crashed => "crashed",
            Self::Unknown => "in a state that libvirt cannot tell",
        }
    }
}

/// What a job does, where it is one that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobKind {
    MoveAway,
    MoveHere,
    Saving,
    Other,
}

impl JobKind {
    /// For a person: what the VM is busy with.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::MoveAway => "it is being moved to another host",
            Self::MoveHere => "it is being moved here",
            Self::Saving => "it is being saved to disk",
            Self::Other => "it is being copied, dumped or restored",
        }
    }
}

/// The job that is under way on a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) kind: JobKind,
    pub(super) done_ppm: Option<u32>,
}

/// Reads the statistics of a job; `None`: none is under way.
pub(super) fn job_under_way(statistics: &JobStatistics) -> Option<Job> {
    const SAVE: u64 = 2;
    const MIGRATION_OUT: u64 = 5;
    // 1 and 2 are under way, with and without a known end.
    if !matches!(statistics.phase, 1 | 2) {
        return None;
    }
    let values = &statistics.values;
    let kind = match values.count("operation") {
        Some(MIGRATION_OUT) => JobKind::MoveAway,
        Some(SAVE) => JobKind::Saving,
        _ => JobKind::Other,
    };
    // The first sample has a total of 0. The total stays, what remains goes up again with each round over dirty pages.
    let done_ppm = match (values.count("data_total"), values.count("data_remaining")) {
        (Some(total), Some(left)) if total > 0 => {
            let done = u128::from(total.saturating_sub(left)) * 1_000_000 / u128::from(total);
            u32::try_from(done).ok()
        }
        _ => None,
    };
    Some(Job { kind, done_ppm })
}

/// What a finished move was like, in words.
pub(super) fn move_detail(statistics: &JobStatistics) -> Option<String> {
    const COMPLETED: i32 = 3;
    if statistics.phase != COMPLETED {
        return None;
    }
    let value = |name| statistics.values.count(name);
    let downtime = value("downtime").map(|ms| format!("downtime {ms} ms"));
    let moved = value("data_processed").map(|bytes| format!("{} MiB moved", bytes >> 20));
    let took = value("time_elapsed").map(|ms| format!("in {}.{} s", ms / 1000, ms % 1000 / 100));
    let moved = match (moved, took) {
        (Some(moved), Some(took)) => Some(format!("{moved} {took}")),
        (moved, took) => moved.or(took),
    };
    let parts: Vec<String> = downtime.into_iter().chain(moved).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
