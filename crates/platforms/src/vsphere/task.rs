//! The handle of an operation under way: what it is about, and vSphere's own task where there is one.

use super::soap::MoRef;
use ridethrough_model::{HostId, Op, TaskRef};

/// What is done to a VM, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    /// What the platform calls the VM.
    pub(super) vm: String,
    pub(super) kind: TaskKind,
    /// vSphere's task. Of one endpoint; a guest's shutdown has none.
    pub(super) remote: Option<String>,
}

/// The operations of this platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TaskKind {
    ShutDown { host: HostId },
    PowerOff { host: HostId },
    Suspend { host: HostId },
    Start { host: HostId },
    Move { from: HostId, to: HostId },
    Abort { from: HostId, to: HostId },
    Autostart { host: HostId, enabled: bool },
}

impl TaskKind {
    /// Where the VM is when it begins.
    pub(super) fn host(&self) -> &HostId {
        match self {
            Self::ShutDown { host }
            | Self::PowerOff { host }
            | Self::Suspend { host }
            | Self::Start { host }
            | Self::Autostart { host, .. } => host,
            Self::Move { from, .. } | Self::Abort { from, .. } => from,
        }
    }
}

impl Task {
    /// The task that an operation on a VM becomes; `None`: it is about no VM.
    pub(super) fn of(op: &Op) -> Option<Self> {
        let vm = op.vm()?.native().to_owned();
        let kind = match op {
            Op::ShutDownVm { host, .. } => TaskKind::ShutDown { host: host.clone() },
            Op::PowerOffVm { host, .. } => TaskKind::PowerOff { host: host.clone() },
            Op::SuspendVm { host, .. } => TaskKind::Suspend { host: host.clone() },
            Op::StartVm { host, .. } => TaskKind::Start { host: host.clone() },
            Op::MoveVm { from, to, .. } => TaskKind::Move { from: from.clone(), to: to.clone() },
            Op::AbortMove { from, to, .. } => TaskKind::Abort { from: from.clone(), to: to.clone() },
            Op::SetAutostart { host, enabled, .. } => TaskKind::Autostart { host: host.clone(), enabled: *enabled },
            _ => return None,
        };
        Some(Self { vm, kind, remote: None })
    }

    /// The same with vSphere's own task.
    pub(super) fn at(&self, remote: &MoRef) -> TaskRef {
        Self { remote: Some(remote.id.clone()), ..self.clone() }.to_ref()
    }

    /// As the journal keeps it: `move:<vm>:<from>:<to>@<task>`. A colon, at sign or percent sign in a name is escaped.
    pub(super) fn to_ref(&self) -> TaskRef {
        let vm = escaped(&self.vm);
        let name = |host: &HostId| escaped(host.as_str());
        let mut text = match &self.kind {
            TaskKind::ShutDown { host } => format!("shutdown:{vm}:{}", name(host)),
            TaskKind::PowerOff { host } => format!("poweroff:{vm}:{}", name(host)),
            TaskKind::Suspend { host } => format!("suspend:{vm}:{}", name(host)),
            TaskKind::Start { host } => format!("start:{vm}:{}", name(host)),
            TaskKind::Move { from, to } => format!("move:{vm}:{}:{}", name(from), name(to)),
            TaskKind::Abort { from, to } => format!("abort:{vm}:{}:{}", name(from), name(to)),
            TaskKind::Autostart { host, enabled } => {
                format!("autostart-{}:{vm}:{}", if *enabled { "on" } else { "off" }, name(host))
            }
        };
        if let Some(remote) = &self.remote {
            text.push('@');
            text.push_str(&escaped(remote));
        }
        TaskRef(text)
    }

    pub(super) fn parse(text: &TaskRef) -> Option<Self> {
        let (text, remote) = match text.0.split_once('@') {
            Some((text, remote)) => (text, Some(plain(remote))),
            None => (text.0.as_str(), None),
        };
        let parts: Vec<&str> = text.split(':').collect();
        let host = |text: &&str| HostId::new(plain(text));
        let (vm, kind) = match parts.as_slice() {
            ["shutdown", vm, at] => (vm, TaskKind::ShutDown { host: host(at) }),
            ["poweroff", vm, at] => (vm, TaskKind::PowerOff { host: host(at) }),
            ["suspend", vm, at] => (vm, TaskKind::Suspend { host: host(at) }),
            ["start", vm, at] => (vm, TaskKind::Start { host: host(at) }),
            ["move", vm, from, to] => (vm, TaskKind::Move { from: host(from), to: host(to) }),
            ["abort", vm, from, to] => (vm, TaskKind::Abort { from: host(from), to: host(to) }),
            ["autostart-on", vm, at] => (vm, TaskKind::Autostart { host: host(at), enabled: true }),
            ["autostart-off", vm, at] => (vm, TaskKind::Autostart { host: host(at), enabled: false }),
            _ => return None,
        };
        Some(Self { vm: plain(vm), kind, remote })
    }

    /// vSphere's task, as an object.
    pub(super) fn remote(&self) -> Option<MoRef> {
        self.remote.as_ref().map(|id| MoRef::new("Task", id))
    }
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace(':', "%3a").replace('@', "%40")
}

fn plain(text: &str) -> String {
    text.replace("%40", "@").replace("%3a", ":").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_handle_is_found_again(vm in ".{1,12}", one in ".{0,12}", two in ".{0,12}", remote: Option<String>, which in 0..8usize) {
            let (host, to) = (HostId::new(one), HostId::new(two));
            let kind = match which {
                0 => TaskKind::ShutDown { host },
                1 => TaskKind::PowerOff { host },
                2 => TaskKind::Start { host },
                3 => TaskKind::Move { from: host, to },
                4 => TaskKind::Abort { from: host, to },
                7 => TaskKind::Suspend { host },
                _ => TaskKind::Autostart { host, enabled: which == 5 },
            };
            let task = Task { vm, kind, remote };
            prop_assert_eq!(Task::parse(&task.to_ref()), Some(task));
        }

        #[test]
        fn no_text_breaks_the_reading(text in ".{0,80}") {
            let _ = Task::parse(&TaskRef(text));
        }
    }

    #[test]
    fn a_move_reads_as_it_is() {
        let kind = TaskKind::Move { from: "esx1".into(), to: "esx:2".into() };
        let task = Task { vm: "5034-aa".into(), kind, remote: None };
        assert_eq!(task.at(&MoRef::new("Task", "task-7")).0, "move:5034-aa:esx1:esx%3a2@task-7");
    }
}
