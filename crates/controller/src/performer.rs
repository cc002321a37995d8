//! Carries out what the site wants done to VMs and hosts. Requests about one object go out one after the other, in the order
//! they came; different objects in parallel, within what the platform takes, and one hanging host never takes all of it.
//!
//! Chooses nothing and retries nothing. Every request gets exactly one reply: from the driver, or for a deadline, or for a
//! panic in the driver.

use crate::clock::Clock;
use crate::connect_check::Endpoints;
use crate::hooks::{self, HookCall};
use crate::pace::Pace;
use crate::poller::panic_text;
use ridethrough_decide::StepReply;
use ridethrough_driver::{Cx, Error, HostPower, Platform};
use ridethrough_model::{
    ActionId, Failure, FailureKind, GuardId, Hook, HostId, LoadId, Mono, Op, PlatformId, RunId, Started, TaskRef, TookEffect,
    VmId,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinSet};

/// Which attempt a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    pub(crate) run: RunId,
    pub(crate) action: ActionId,
    pub(crate) attempt: u32,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Start(Op),
    Poll(Op, TaskRef),
    Observe(Op),
}

impl Call {
    fn op(&self) -> &Op {
        match self {
            Self::Start(op) | Self::Poll(op, _) | Self::Observe(op) => op,
        }
    }
    fn failed(&self, failure: Failure) -> StepReply {
        match self {
            Self::Start(_) => StepReply::Started(Err(failure)),
            Self::Poll(..) => StepReply::Polled(Err(failure)),
            Self::Observe(_) => StepReply::Observed(Err(failure)),
        }
    }
}

/// A reply on its way to the site.
#[derive(Clone, Debug)]
pub(crate) struct Replied {
    pub(crate) ticket: Ticket,
    pub(crate) reply: StepReply,
}

/// Requests that may wait. Beyond it they are answered as busy: far more than a plan can hold.
const QUEUE_MAX: usize = 50_000;

#[derive(Clone, Debug)]
struct Job {
    ticket: Ticket,
    call: Call,
}

/// What must not be touched by two requests at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Object<'a> {
    Vm(&'a VmId),
    Host(&'a HostId),
    Load(&'a LoadId),
    Hook(&'a Hook),
    Guard(&'a GuardId),
    /// What is about none of them.
    Site,
}

impl Job {
    fn object(&self) -> Object<'_> {
        let op = self.call.op();
        let named = || op.hook().map(Object::Hook).or_else(|| op.guard().map(Object::Guard));
        let own = || op.load().map(Object::Load).or_else(named);
        let other = || own().or_else(|| op.host().map(Object::Host));
        op.vm().map(Object::Vm).or_else(other).unwrap_or(Object::Site)
    }
    fn platform(&self) -> Option<PlatformId> {
        self.call.op().platform()
    }
    fn key(&self) -> (Ticket, u8) {
        let kind = match self.call {
            Call::Start(_) => 0,
            Call::Poll(..) => 1,
            Call::Observe(_) => 2,
        };
        (self.ticket, kind)
    }
}

/// All requests under way and waiting. Owned by the loop.
#[derive(Debug)]
pub(crate) struct Performers {
    clock: Clock,
    pace: Arc<Pace>,
    platforms: BTreeMap<PlatformId, Arc<dyn Platform>>,
    hosts: BTreeMap<HostId, Vec<Arc<dyn HostPower>>>,
    loads: BTreeMap<LoadId, Vec<Arc<dyn HostPower>>>,
    hooks: BTreeMap<Hook, HookCall>,
    queue: VecDeque<Job>,
    /// What has no reply yet, waiting or under way.
    open: BTreeSet<(Ticket, u8)>,
    refused: VecDeque<Replied>,
    workers: JoinSet<StepReply>,
    under_way: HashMap<Id, Job>,
}

impl Performers {
    pub(crate) fn new(clock: Clock, pace: Arc<Pace>, endpoints: Endpoints) -> Self {
        let Endpoints { platforms, hosts, loads, hooks, .. } = endpoints;
        Self {
            clock,
            pace,
            platforms,
            hosts,
            loads,
            hooks,
            queue: VecDeque::new(),
            open: BTreeSet::new(),
            refused: VecDeque::new(),
            workers: JoinSet::new(),
            under_way: HashMap::new(),
        }
    }

    /// From now on these are asked. What is under way keeps the driver it was given.
    pub(crate) fn exchange(&mut self, endpoints: Endpoints, pace: Arc<Pace>) {
        self.platforms = endpoints.platforms;
        self.hosts = endpoints.hosts;
        self.loads = endpoints.loads;
        self.hooks = endpoints.hooks;
        self.pace = pace;
    }

    /// Takes a request; [`Self::dispatch`] sends it. The same one again, while the first has no reply, is the same request.
    pub(crate) fn ask(&mut self, ticket: Ticket, call: Call) {
        let job = Job { ticket, call };
        if self.open.contains(&job.key()) {
            return;
        }
        if self.queue.len() >= QUEUE_MAX {
            let failure = Failure {
                kind: FailureKind::Busy,
                took_effect: TookEffect::No,
                message: format!("{QUEUE_MAX} requests are waiting already; nothing was sent"),
            };
            self.refused.push_back(Replied { ticket, reply: job.call.failed(failure) });
            return;
        }
        self.open.insert(job.key());
        self.queue.push_back(job);
    }

    /// The next reply. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Replied {
        if let Some(refused) = self.refused.pop_front() {
            return refused;
        }
        loop {
            let (id, result) = match self.workers.join_next_with_id().await {
                Some(Ok((id, reply))) => (id, Ok(reply)),
                Some(Err(error)) => (error.id(), Err(panic_text(error))),
                None => std::future::pending().await,
            };
            let Some(job) = self.under_way.remove(&id) else { continue };
            self.open.remove(&job.key());
            let reply = result.unwrap_or_else(|panic| {
                tracing::error!(op = %job.call.op(), panic, "a driver panicked; the request counts as failed");
                job.call.failed(Failure {
                    kind: FailureKind::Protocol,
                    took_effect: TookEffect::Possible,
                    message: format!("our driver failed inside: {panic}"),
                })
            });
            self.dispatch();
            return Replied { ticket: job.ticket, reply };
        }
    }

    /// Sends everything that may go now, in the order it was asked.
    pub(crate) fn dispatch(&mut self) {
        // Each one taken out moves those behind it one place forward.
        for (taken, place) in self.ready().into_iter().enumerate() {
            if let Some(job) = self.queue.remove(place - taken) {
                self.send(job);
            }
        }
    }

    /// The places in the queue of what may go now, ascending.
    fn ready(&self) -> Vec<usize> {
        let mut ready = Vec::new();
        let mut busy: BTreeSet<Object<'_>> = BTreeSet::new();
        let mut load = Load::default();
        for job in self.under_way.values() {
            busy.insert(job.object());
            load.add(job);
        }
        for (place, job) in self.queue.iter().enumerate() {
            // What waits keeps its object busy, so that a later request cannot overtake it.
            if busy.insert(job.object()) && load.has_room(job, self.in_flight_max(job)) {
                load.add(job);
                ready.push(place);
            }
        }
        ready
    }

    fn in_flight_max(&self, job: &Job) -> u32 {
        job.platform()
            .and_then(|id| self.platforms.get(&id))
            .map_or(u32::MAX, |platform| platform.capability().in_flight_max.max(1))
    }

    fn send(&mut self, job: Job) {
        let now = self.clock.now().mono;
        let call = job.call.clone();
        if let Some(hook) = call.op().hook().cloned() {
            let (behind, ticket) = (self.hooks.get(&hook).cloned(), job.ticket);
            let handle = self.workers.spawn(async move { hooks::call(behind, &hook, ticket, now).await });
            self.under_way.insert(handle.id(), job);
            return;
        }
        let handle = match job.platform() {
            Some(id) => {
                let platform = self.platforms.get(&id).cloned();
                let cx = Cx::within(self.pace.call_deadline, now);
                self.workers.spawn(async move { on_platform(platform, &call, &cx).await })
            }
            None => {
                let (means, limit) = match (call.op().load(), call.op().host()) {
                    (Some(load), _) => (self.loads.get(load), self.pace.load_call_deadline),
                    (None, host) => (host.and_then(|host| self.hosts.get(host)), self.pace.host_call_deadline),
                };
                let means = turned(means.cloned().unwrap_or_default(), &call, job.ticket.attempt);
                self.workers.spawn(async move { on_host(&means, &call, limit, now).await })
            }
        };
        self.under_way.insert(handle.id(), job);
    }
}

/// Requests under way per platform and per host of it.
#[derive(Default)]
struct Load<'a> {
    platforms: BTreeMap<PlatformId, u32>,
    hosts: BTreeMap<&'a HostId, u32>,
}

impl<'a> Load<'a> {
    fn add(&mut self, job: &'a Job) {
        if let Some(platform) = job.platform() {
            *self.platforms.entry(platform).or_default() += 1;
            if let Some(host) = job.call.op().host() {
                *self.hosts.entry(host).or_default() += 1;
            }
        }
    }
    /// One host gets at most half of what the platform takes.
    fn has_room(&self, job: &Job, in_flight_max: u32) -> bool {
        let Some(platform) = job.platform() else { return true };
        let on_platform = self.platforms.get(&platform).copied().unwrap_or(0);
        let on_host = job.call.op().host().and_then(|host| self.hosts.get(host)).copied().unwrap_or(0);
        on_platform < in_flight_max && on_host < in_flight_max.div_ceil(2)
    }
}

async fn on_platform(platform: Option<Arc<dyn Platform>>, call: &Call, cx: &Cx) -> StepReply {
    let Some(platform) = platform else {
        return call.failed(not_configured(call.op(), "its platform is not configured"));
    };
    match call {
        Call::Start(op) => StepReply::Started(cx.bound("start", platform.start(op, cx)).await.map_err(|e| e.to_failure())),
        Call::Poll(_, task) => StepReply::Polled(cx.bound("poll", platform.poll(task, cx)).await.map_err(|e| e.to_failure())),
        Call::Observe(op) => StepReply::Observed(cx.bound("observe", platform.observe(op, cx)).await.map_err(|e| e.to_failure())),
    }
}

/// A host that did not come at the first attempt is woken another way first at the next one: that its BMC takes the order is not that
/// it carries it out. Everything else is asked in the order of the configuration.
fn turned(mut means: Vec<Arc<dyn HostPower>>, call: &Call, attempt: u32) -> Vec<Arc<dyn HostPower>> {
    if let Call::Start(Op::WakeHost { .. } | Op::StartLoad { .. }) = call {
        means.retain(|one| one.capability().can_wake);
        let turns = attempt.saturating_sub(1) as usize % means.len().max(1);
        means.rotate_left(turns);
    }
    means
}

/// Asks through the means that can, in the order of the configuration, until one accepts. Each has the whole limit: one that
/// hangs takes nothing from the next.
async fn on_host(means: &[Arc<dyn HostPower>], call: &Call, limit: Duration, now: Mono) -> StepReply {
    let Call::Start(op) = call else {
        return call.failed(not_configured(call.op(), "a host is observed, not polled"));
    };
    let mut failures: Vec<Failure> = Vec::new();
    for one in means {
        let capability = one.capability();
        let cx = &Cx::within(limit, now);
        let result: Result<(), Error> = match op {
            Op::ShutDownHost { .. } if capability.can_shut_down => cx.bound("shut down host", one.shut_down(cx)).await,
            Op::WakeHost { .. } if capability.can_wake => cx.bound("wake host", one.wake(cx)).await,
            Op::StopLoad { .. } if capability.can_shut_down => cx.bound("stop load", one.shut_down(cx)).await,
            Op::StartLoad { .. } if capability.can_wake => cx.bound("start load", one.wake(cx)).await,
            _ => continue,
        };
        match result {
            Ok(()) => return StepReply::Started(Ok(Started::Task(TaskRef("sent".to_owned())))),
            Err(error) => {
                let mut failure = error.to_failure();
                failure.message = format!("{}: {}", one.name(), failure.message);
                failures.push(failure);
            }
        }
    }
    let may_have_taken_effect = failures.iter().any(|failure| failure.took_effect == TookEffect::Possible);
    let messages: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
    let failure = match failures.last() {
        None => not_configured(op, "no configured means can do that"),
        Some(last) => Failure {
            kind: last.kind,
            took_effect: if may_have_taken_effect { TookEffect::Possible } else { TookEffect::No },
            message: messages.join("; "),
        },
    };
    StepReply::Started(Err(failure))
}

fn not_configured(op: &Op, why: &str) -> Failure {
    Failure { kind: FailureKind::Config, took_effect: TookEffect::No, message: format!("{op}: {why}") }
}

#[cfg(test)]
mod tests;
