//! One life of the controller: its state and what it has asked and not been answered. All of it ends with a crash.

use ridethrough_decide::{Site, StepReply};
use ridethrough_model::{ActionId, Failure, GuardId, Hook, HostId, LoadId, Millis, Op, RunId, VmId};
use std::collections::{BTreeMap, BTreeSet};

/// What a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asks {
    Start,
    Poll,
    Observe,
}

/// Which request: the same one again, while the first has no answer, is the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub(crate) run: RunId,
    pub(crate) action: ActionId,
    pub(crate) attempt: u32,
    pub(crate) asks: Asks,
}

impl Kind {
    pub(crate) fn start(run: RunId, action: ActionId, attempt: u32) -> Self {
        Self { run, action, attempt, asks: Asks::Start }
    }
    pub(crate) fn poll(run: RunId, action: ActionId, attempt: u32) -> Self {
        Self { run, action, attempt, asks: Asks::Poll }
    }
    pub(crate) fn observe(run: RunId, action: ActionId, attempt: u32) -> Self {
        Self { run, action, attempt, asks: Asks::Observe }
    }
    pub(crate) fn failed(self, failure: Failure) -> StepReply {
        match self.asks {
            Asks::Start => StepReply::Started(Err(failure)),
            Asks::Poll => StepReply::Polled(Err(failure)),
            Asks::Observe => StepReply::Observed(Err(failure)),
        }
    }
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) process: u64,
    pub(crate) kind: Kind,
    pub(crate) op: Op,
}

/// What must not be touched by two requests at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Object {
    Vm(VmId),
    Host(HostId),
    Load(LoadId),
    Hook(Hook),
    Guard(GuardId),
    Site,
}

/// One life of the controller.
#[derive(Clone, Debug)]
pub struct Process {
    /// Which life.
    pub number: u64,
    /// Its state.
    pub site: Site,
    pub(crate) open: BTreeSet<Kind>,
    pub(crate) object_free_at: BTreeMap<Object, Millis>,
    pub(crate) is_syncing: bool,
    pub(crate) platform_turn: u64,
    pub(crate) host_turns: BTreeMap<HostId, u64>,
    pub(crate) load_turns: BTreeMap<LoadId, u64>,
}

impl Process {
    pub(crate) fn new(number: u64, site: Site) -> Self {
        Self {
            number,
            site,
            open: BTreeSet::new(),
            object_free_at: BTreeMap::new(),
            is_syncing: false,
            platform_turn: 0,
            host_turns: BTreeMap::new(),
            load_turns: BTreeMap::new(),
        }
    }

    pub(crate) fn object(op: &Op) -> Object {
        let guard = || op.guard().map(|guard| Object::Guard(guard.clone()));
        let load = || op.load().map(|load| Object::Load(load.clone())).or_else(guard);
        let host = || op.host().map(|host| Object::Host(host.clone()));
        let hook = || op.hook().map(|hook| Object::Hook(hook.clone()));
        op.vm().map(|vm| Object::Vm(vm.clone())).or_else(load).or_else(host).or_else(hook).unwrap_or(Object::Site)
    }
}
