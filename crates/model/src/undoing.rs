//! What can still be done about an operation that was begun: the one table of it. Planner, explanations and documents go by it.

use crate::plan::Op;

/// Whether, and by what, an operation is made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undoing {
    /// It can be called off while it is under way.
    CalledOff {
        /// By that operation, as the API names it.
        by: &'static str,
        /// What makes up for it once it is done.
        then: &'static str,
    },
    /// It goes to its end once it is begun; then this makes up for it.
    MadeUpFor {
        /// The operation.
        by: &'static str,
    },
    /// Nothing makes up for it.
    Final,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndoingRow {
    /// The operation, as the API names it.
    pub op: &'static str,
    /// Whether and by what it is made up for.
    pub undoing: Undoing,
    /// What becomes of it if mains returns while it is under way. What was not sent yet is dropped, whatever it is.
    pub on_mains_back: &'static str,
}

const fn row(op: &'static str, undoing: Undoing, on_mains_back: &'static str) -> UndoingRow {
    UndoingRow { op, undoing, on_mains_back }
}

/// Every operation.
pub const UNDOINGS: &[UndoingRow] = &[
    row(
        "shut-down-vm",
        Undoing::MadeUpFor { by: "start-vm" },
        "a guest that was told to shut down cannot be told not to: it goes down, and is started when mains is stable",
    ),
    row(
        "power-off-vm",
        Undoing::MadeUpFor { by: "start-vm" },
        "it is done at once or not at all: one that was not sent is called off, one that was is followed by a start when mains is stable",
    ),
    row(
        "start-vm",
        Undoing::MadeUpFor { by: "shut-down-vm" },
        "it goes on; if mains is lost again it is shut down as soon as it runs, without a second ride-through",
    ),
    row(
        "move-vm",
        Undoing::CalledOff { by: "abort-move", then: "move-vm" },
        "it goes to its end, as a VM in the middle of a move is safest so, and goes home when mains is stable",
    ),
    row("abort-move", Undoing::Final, "the VM stays where it was; nothing is left to do"),
    row(
        "finish-move",
        Undoing::MadeUpFor { by: "move-vm" },
        "from here on the VM lives on both hosts: it goes to its end, and goes home when mains is stable",
    ),
    row(
        "suspend-vm",
        Undoing::CalledOff { by: "abort-suspend", then: "start-vm" },
        "it goes to its end, and the VM is started from its saved memory when mains is stable",
    ),
    row("abort-suspend", Undoing::Final, "the VM runs on; nothing is left to do"),
    row(
        "set-autostart",
        Undoing::MadeUpFor { by: "set-autostart" },
        "it is done at once; the value of before is put back last, when everything else is back",
    ),
    row(
        "shut-down-host",
        Undoing::MadeUpFor { by: "wake-host" },
        "a host that was told to shut down goes down to the end, is proven off, and is woken when mains is stable",
    ),
    row(
        "wake-host",
        Undoing::MadeUpFor { by: "shut-down-host" },
        "it goes on; if mains is lost again the host is shut down once what it carries is down",
    ),
    row(
        "stop-load",
        Undoing::MadeUpFor { by: "start-load" },
        "it goes off to the end, and is started before the hosts that need it",
    ),
    row(
        "start-load",
        Undoing::MadeUpFor { by: "stop-load" },
        "it goes on; if mains is lost again it is stopped after what needs it",
    ),
    row(
        "call-hook",
        Undoing::Final,
        "it goes to its end, as nobody can call it back; the hook of the other direction is called when its time comes",
    ),
    row(
        "disarm-guard",
        Undoing::MadeUpFor { by: "restore-guard" },
        "it is done at once; the value of before is put back when everything in its reach is back",
    ),
    row(
        "restore-guard",
        Undoing::MadeUpFor { by: "disarm-guard" },
        "it is done at once; if mains is lost again it is disarmed again before the first step that it could undo",
    ),
];

impl Op {
    /// The operation as the API names it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::ShutDownVm { .. } => "shut-down-vm",
            Self::PowerOffVm { .. } => "power-off-vm",
            Self::StartVm { .. } => "start-vm",
            Self::MoveVm { .. } => "move-vm",
            Self::AbortMove { .. } => "abort-move",
            Self::FinishMove { .. } => "finish-move",
            Self::SuspendVm { .. } => "suspend-vm",
            Self::AbortSuspend { .. } => "abort-suspend",
            Self::SetAutostart { .. } => "set-autostart",
            Self::ShutDownHost { .. } => "shut-down-host",
            Self::WakeHost { .. } => "wake-host",
            Self::StopLoad { .. } => "stop-load",
            Self::StartLoad { .. } => "start-load",
            Self::CallHook { .. } => "call-hook",
            Self::DisarmGuard { .. } => "disarm-guard",
            Self::RestoreGuard { .. } => "restore-guard",
        }
    }

    /// Its line in the table; `None` for an operation that is not in it, which a test rules out.
    #[must_use]
    pub fn undoing(&self) -> Option<&'static UndoingRow> {
        UNDOINGS.iter().find(|row| row.op == self.word())
    }
}
