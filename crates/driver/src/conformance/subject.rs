//! The calls of the three traits seen alike, so that the rules for all drivers are written once.

use super::peer::Fault;
use super::platform::Vms;
use crate::{Cx, Device, Error, FailureKind, HostPower, Platform};
use async_trait::async_trait;
use ridethrough_model::{HostPowerState, Mono, Op, SilenceKind, Started, TaskRef};
use std::fmt::Debug;
use std::time::Duration;

/// One call of a trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: &'static str,
    /// It changes something there.
    pub(super) is_change: bool,
    /// A wrong login must show in it.
    pub(super) proves_login: bool,
    /// It is about one thing, which may be missing.
    pub(super) names_thing: bool,
}

const fn reads(name: &'static str) -> Call {
    Call { name, is_change: false, proves_login: true, names_thing: false }
}
const fn changes(name: &'static str) -> Call {
    Call { name, is_change: true, proves_login: true, names_thing: true }
}

/// What a call came to.
#[derive(Debug)]
pub(super) enum Answer {
    /// It says this, as text.
    Good(String),
    /// It says that nothing could be learned, which is no error there.
    Silent(SilenceKind, String),
    /// What it says of a host's power, of which [`HostPowerState::Unknown`] says that nothing could be learned.
    Power(HostPowerState),
    /// It was taken, and says by a task what becomes of it.
    UnderWay,
    Failed(Error),
}

impl Answer {
    /// All that a person or a log could see of it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Failed(error) => format!("{error} {error:?} {:?}", error.to_failure()),
            Self::Silent(kind, message) => format!("{kind:?} {message}"),
            other => format!("{other:?}"),
        }
    }
    pub(super) fn is_good(&self) -> bool {
        matches!(self, Self::Good(_) | Self::UnderWay | Self::Power(HostPowerState::On | HostPowerState::Off))
    }
    pub(super) fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::Failed(error) => Some(error.kind()),
            _ => None,
        }
    }
}

fn answer<T: Debug>(result: crate::Result<T>) -> Answer {
    match result {
        Ok(value) => Answer::Good(format!("{value:?}")),
        Err(error) => Answer::Failed(error),
    }
}

/// The time that all looks are stamped with, so that equal answers are equal.
pub(super) fn cx(limit: Duration) -> Cx {
    Cx::within(limit, Mono(7))
}

/// One driver, whatever it drives. The first of its calls is the look: what the controller does again and again.
#[async_trait]
pub(super) trait Subject: Send + Sync + Debug {
    fn calls(&self) -> Vec<Call>;
    async fn call(&self, call: Call, cx: &Cx) -> Answer;

    async fn look(&self, cx: &Cx) -> Answer {
        let look = *self.calls().first().expect("every trait has calls");
        self.call(look, cx).await
    }
}

/// Whether the fault may stay unseen in this call.
pub(super) fn may_pass(fault: Fault, call: Call) -> bool {
    match fault {
        Fault::Newer => true,
        Fault::WrongPassword => !call.proves_login,
        Fault::Missing => !call.names_thing,
        Fault::Busy | Fault::ReplyLost => !call.is_change,
        _ => false,
    }
}

#[derive(Debug)]
pub(super) struct OfDevice(pub(super) Box<dyn Device>);

#[async_trait]
impl Subject for OfDevice {
    fn calls(&self) -> Vec<Call> {
        let open = Call { proves_login: false, ..reads("read") };
        vec![
            Call { names_thing: true, ..open },
            Call { name: "clients", names_thing: true, ..open },
            Call { name: "verify", proves_login: true, names_thing: true, ..open },
        ]
    }
    async fn call(&self, call: Call, cx: &Cx) -> Answer {
        match call.name {
            "read" => match self.0.read(cx).await {
                Ok(Ok(reading)) => Answer::Good(format!("{reading:?}")),
                Ok(Err(silence)) => Answer::Silent(silence.kind, silence.message),
                Err(error) => Answer::Failed(error),
            },
            "clients" => answer(self.0.clients(cx).await),
            _ => answer(self.0.verify(cx).await),
        }
    }
}

#[derive(Debug)]
pub(super) struct OfPlatform {
    pub(super) platform: Box<dyn Platform>,
    pub(super) vms: Vms,
    /// A task that was under way or done in the beginning.
    pub(super) task: Option<TaskRef>,
}

impl OfPlatform {
    fn op(&self) -> Op {
        Op::StartVm { vm: self.vms.off.clone(), host: self.vms.host.clone() }
    }
}

#[async_trait]
impl Subject for OfPlatform {
    fn calls(&self) -> Vec<Call> {
        let poll = self.task.is_some().then_some(reads("poll"));
        [reads("inventory"), changes("start"), reads("observe")].into_iter().chain(poll).collect()
    }
    async fn call(&self, call: Call, cx: &Cx) -> Answer {
        match (call.name, &self.task) {
            ("inventory", _) => answer(self.platform.inventory(cx).await),
            ("start", _) => match self.platform.start(&self.op(), cx).await {
                Ok(Started::Task(_)) => Answer::UnderWay,
                other => answer(other),
            },
            ("poll", Some(task)) => answer(self.platform.poll(task, cx).await),
            _ => answer(self.platform.observe(&self.op(), cx).await),
        }
    }
}

#[derive(Debug)]
pub(super) struct OfHostPower(pub(super) Box<dyn HostPower>);

#[async_trait]
impl Subject for OfHostPower {
    fn calls(&self) -> Vec<Call> {
        let capability = self.0.capability();
        let shut_down = capability.can_shut_down.then_some(changes("shut_down"));
        let wake = capability.can_wake.then_some(changes("wake"));
        [reads("observe")].into_iter().chain(shut_down).chain(wake).collect()
    }
    async fn call(&self, call: Call, cx: &Cx) -> Answer {
        match call.name {
            "observe" => match self.0.observe(cx).await {
                Ok(state) => Answer::Power(state),
                Err(error) => Answer::Failed(error),
            },
            "shut_down" => answer(self.0.shut_down(cx).await),
            _ => answer(self.0.wake(cx).await),
        }
    }
}
