//! What ends by itself in the world, and how a VM is lost. Words only: what follows from them is in `reality`.

use ridethrough_model::{HostId, VmId};

/// How a VM was lost: not shut down, but ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossKind {
    /// Its host's power ended.
    PowerEnded,
    /// It was powered off.
    PoweredOff,
    /// Its host went down with it.
    HostWentDown,
}

/// Something that ends by itself, unless its turn is over by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// A guest has shut down.
    VmStopped(VmId, u64),
    /// A VM has started.
    VmStarted(VmId, u64),
    /// A VM is saved to disk.
    VmSaved(VmId, u64),
    /// The disk takes no more; the VM goes on.
    SaveFails(VmId, u64),
    /// A move has ended.
    MoveEnds(VmId, u64),
    /// A move breaks off half way; the VM goes on where it was.
    MoveFails(VmId, u64),
    /// A host has gone down.
    HostDown(HostId, u64),
    /// A host has come up.
    HostUp(HostId, u64),
}
