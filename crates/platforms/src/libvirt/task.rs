//! The handle of an operation under way: all that a new process needs to find it again at the hosts.

use super::wire::Uuid;
use ridethrough_model::{HostId, Op, TaskRef};

/// What is done to a VM, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) uuid: Uuid,
    pub(super) kind: TaskKind,
}

/// The operations of this platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TaskKind {
    ShutDown { host: HostId },
    PowerOff { host: HostId },
    Start { host: HostId },
    Move { from: HostId, to: HostId },
    Abort { from: HostId, to: HostId },
    Finish { from: HostId, to: HostId },
    Suspend { host: HostId },
    AbortSuspend { host: HostId },
    Autostart { host: HostId, enabled: bool },
}

impl Task {
    /// The task that an operation on a VM becomes; `None`: it is about a host, or its VM has no libvirt uuid.
    pub(super) fn of(op: &Op) -> Option<Self> {
        let uuid = Uuid::parse(op.vm()?.native())?;
        let kind = match op {
            Op::ShutDownVm { host, .. } => TaskKind::ShutDown { host: host.clone() },
            Op::PowerOffVm { host, .. } => TaskKind::PowerOff { host: host.clone() },
            Op::StartVm { host, .. } => TaskKind::Start { host: host.clone() },
            Op::MoveVm { from, to, .. } => TaskKind::Move { from: from.clone(), to: to.clone() },
            Op::AbortMove { from, to, .. } => TaskKind::Abort { from: from.clone(), to: to.clone() },
            Op::SetAutostart { host, enabled, .. } => TaskKind::Autostart { host: host.clone(), enabled: *enabled },
            Op::FinishMove { from, to, .. } => TaskKind::Finish { from: from.clone(), to: to.clone() },
            Op::SuspendVm { host, .. } => TaskKind::Suspend { host: host.clone() },
            Op::AbortSuspend { host, .. } => TaskKind::AbortSuspend { host: host.clone() },
            Op::CallHook { .. }
            | Op::ShutDownHost { .. }
            | Op::WakeHost { .. }
            | Op::StopLoad { .. }
            | Op::StartLoad { .. }
            | Op::DisarmGuard { .. }
            | Op::RestoreGuard { .. } => return None,
        };
        Some(Self { uuid, kind })
    }

    /// The move that it is about.
    pub(super) fn as_move(&self, from: &HostId, to: &HostId) -> Self {
        Self { uuid: self.uuid, kind: TaskKind::Move { from: from.clone(), to: to.clone() } }
    }

    /// As the journal keeps it: `move:<uuid>:<from>:<to>`. A colon in a host's name is written `%3a`.
    pub(super) fn to_ref(&self) -> TaskRef {
        let uuid = &self.uuid;
        TaskRef(match &self.kind {
            TaskKind::ShutDown { host } => format!("shutdown:{uuid}:{}", escape(host)),
            TaskKind::PowerOff { host } => format!("poweroff:{uuid}:{}", escape(host)),
            TaskKind::Start { host } => format!("start:{uuid}:{}", escape(host)),
            TaskKind::Move { from, to } => format!("move:{uuid}:{}:{}", escape(from), escape(to)),
            TaskKind::Abort { from, to } => format!("abort:{uuid}:{}:{}", escape(from), escape(to)),
            TaskKind::Finish { from, to } => format!("finish:{uuid}:{}:{}", escape(from), escape(to)),
            TaskKind::Suspend { host } => format!("suspend:{uuid}:{}", escape(host)),
            TaskKind::AbortSuspend { host } => format!("abort-suspend:{uuid}:{}", escape(host)),
            TaskKind::Autostart { host, enabled: true } => format!("autostart-on:{uuid}:{}", escape(host)),
            TaskKind::Autostart { host, enabled: false } => format!("autostart-off:{uuid}:{}", escape(host)),
        })
    }

    pub(super) fn parse(text: &TaskRef) -> Option<Self> {
        let mut parts = text.0.split(':');
        let word = parts.next()?;
        let uuid = Uuid::parse(parts.next()?)?;
        let host = unescape(parts.next()?);
        let second = parts.next().map(unescape);
        if parts.next().is_some() {
            return None;
        }
        let kind = match (word, second) {
            ("shutdown", None) => TaskKind::ShutDown { host },
            ("poweroff", None) => TaskKind::PowerOff { host },
            ("start", None) => TaskKind::Start { host },
            ("move", Some(to)) => TaskKind::Move { from: host, to },
            ("abort", Some(to)) => TaskKind::Abort { from: host, to },
            ("finish", Some(to)) => TaskKind::Finish { from: host, to },
            ("suspend", None) => TaskKind::Suspend { host },
            ("abort-suspend", None) => TaskKind::AbortSuspend { host },
            ("autostart-on", None) => TaskKind::Autostart { host, enabled: true },
            ("autostart-off", None) => TaskKind::Autostart { host, enabled: false },
            _ => return None,
        };
        Some(Self { uuid, kind })
    }

    /// For a person: what is under way.
    pub(super) fn words(&self) -> String {
        match &self.kind {
            TaskKind::ShutDown { host } => format!("its shutdown on {host}"),
            TaskKind::PowerOff { host } => format!("its power-off on {host}"),
            TaskKind::Start { host } => format!("its start on {host}"),
            TaskKind::Move { from, to } => format!("its move from {from} to {to}"),
            TaskKind::Abort { from, to } => format!("the stop of its move from {from} to {to}"),
            TaskKind::Finish { from, to } => format!("the end of its move from {from} to {to}"),
            TaskKind::Suspend { host } => format!("saving it to disk on {host}"),
            TaskKind::AbortSuspend { host } => format!("the stop of saving it on {host}"),
            TaskKind::Autostart { host, .. } => format!("the switch of its autostart on {host}"),
        }
    }
}

fn escape(host: &HostId) -> String {
    host.as_str().replace('%', "%25").replace(':', "%3a")
}

fn unescape(text: &str) -> HostId {
    HostId::new(text.replace("%3a", ":").replace("%25", "%"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_move_reads_as_it_is() {
        let uuid = Uuid::parse("11112222-3333-4444-8555-666677778888").unwrap();
        let kind = TaskKind::Move { from: "kvm1".into(), to: "kvm:2".into() };
        let task = Task { uuid, kind };
        assert_eq!(task.to_ref().0, "move:11112222-3333-4444-8555-666677778888:kvm1:kvm%3a2");
    }

    proptest! {
        #[test]
        fn every_handle_is_found_again(bytes: [u8; 16], first in ".{0,12}", second in ".{0,12}", which in 0..10usize) {
            let (host, to) = (HostId::new(first), HostId::new(second));
            let kind = match which {
                0 => TaskKind::ShutDown { host },
                1 => TaskKind::PowerOff { host },
                2 => TaskKind::Start { host },
                3 => TaskKind::Move { from: host, to },
                4 => TaskKind::Abort { from: host, to },
                5 => TaskKind::Autostart { host, enabled: true },
                6 => TaskKind::Finish { from: host, to },
                7 => TaskKind::Suspend { host },
                8 => TaskKind::AbortSuspend { host },
                _ => TaskKind::Autostart { host, enabled: false },
            };
            let task = Task { uuid: Uuid::from_bytes(bytes), kind };
            prop_assert_eq!(Task::parse(&task.to_ref()), Some(task));
        }

        #[test]
        fn no_text_breaks_the_reading(text in ".{0,80}") {
            let _ = Task::parse(&TaskRef(text));
        }
    }
}
