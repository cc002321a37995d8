//! An estate of independent libvirt hosts as one platform: inventory, shutdown, start and live migration between any two.
//!
//! Speaks libvirt's own RPC, without its C library. It decides nothing, retries nothing and keeps no picture of the world: what
//! it says was asked just now. `docs/drivers-libvirt.md` is its manual. Begin reading in [`Config`] and at the `Platform` impl
//! below; the way down is `power.rs` and `moves.rs` (operations), `host.rs`, `connection.rs`, `wire.rs`.

pub(crate) mod concurrently;
mod config;
mod connection;
mod desk;
mod domain;
mod host;
mod map;
mod moves;
mod power;
mod procedure;
mod saving;
mod storage;
mod task;
mod transport;
mod wire;
mod xdr;
mod xml;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests;

pub use config::{Config, Convergence, HostConfig, SshLogin, Tls, Uri, UriError};

use async_trait::async_trait;
use connection::{CallError, Connection};
use desk::{Desk, Desks, Standing};
use host::{Host, Presence, Reading};
use map::DomainState;
use procedure::{GetDirtyRates, MeasureDirtyRate};
use ridethrough_driver::{Cx, Error, FailureKind, Platform, PlatformCapability, Result, Workers};
use ridethrough_model::{HostId, HostInfo, Inventory, Observed, Op, PlatformId, Progress, Started, SuspendRoom, TaskRef, VmId};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use task::{Task, TaskKind};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use transport::Transports;
use wire::{Parameters, Uuid};

/// What the controller may have in flight at once. It gives one host half of it at most; each connection takes 4 at a time, the
/// rest waits its turn.
const IN_FLIGHT_MAX: u32 = 32;
/// How long `start` waits for a refusal before it says that the operation is under way.
const REFUSAL_WAIT_MAX: Duration = Duration::from_millis(250);
/// How long the other hosts have to say whether they run a VM, where one does not answer.
const ELSEWHERE_WAIT_MAX: Duration = Duration::from_secs(2);
/// Kept back of the caller's time, so that the answer is still in time.
const MARGIN_MAX: Duration = Duration::from_millis(200);

/// The driver. Its connections end when it is dropped; what the hosts are doing then goes on.
#[derive(Debug)]
pub struct Libvirt {
    platform: PlatformId,
    bandwidth_mib_s: Option<u64>,
    convergence: Convergence,
    copy_disks: bool,
    suspend: SuspendRoom,
    shared_paths: Vec<PathBuf>,
    hosts: BTreeMap<HostId, Host>,
    desks: Desks,
    workers: Workers,
}

impl Libvirt {
    /// A driver for these hosts. Connects to nothing yet: each host is dialled by the first call that needs it.
    ///
    /// # Errors
    /// `Config` where there is no host at all, or TLS cannot be set up with those certificates.
    pub fn new(config: Config, workers: Workers) -> Result<Self> {
        if config.hosts.is_empty() {
            let error = Error::new(FailureKind::Config, "connect", "no hosts are configured").with("platform", &config.platform);
            return Err(error.no_effect());
        }
        let transports = Arc::new(Transports::new(config.tls.as_ref(), config.ssh)?);
        let host = |(id, host): (HostId, HostConfig)| (id.clone(), Host::new(id, host, transports.clone()));
        Ok(Self {
            platform: config.platform,
            bandwidth_mib_s: config.bandwidth_mib_s,
            convergence: config.convergence,
            copy_disks: config.copy_disks,
            suspend: config.suspend,
            shared_paths: config.shared_paths,
            hosts: config.hosts.into_iter().map(host).collect(),
            desks: Desks::default(),
            workers,
        })
    }

    fn host(&self, id: &HostId, operation: &'static str) -> Result<&Host> {
        self.hosts.get(id).ok_or_else(|| {
            let message = format!("host {id} is not in the configuration of platform {}", self.platform);
            Error::new(FailureKind::Config, operation, message).no_effect()
        })
    }

    /// What an inventory is read with.
    fn reading(&self) -> Reading<'_> {
        Reading {
            platform: &self.platform,
            shared_paths: &self.shared_paths,
            copy_disks: self.copy_disks,
            post_copy: self.convergence.post_copy,
            suspend: self.suspend,
        }
    }

    /// Looks for a VM on one host. Reads only, so a failure has no effect.
    async fn present(&self, host: &HostId, uuid: Uuid, operation: &'static str, deadline: Instant) -> Result<Option<Presence>> {
        let found = self.host(host, operation)?.presence(uuid, &self.workers, deadline).await;
        found.map_err(|error| error.into_error(operation).with("host", host).no_effect())
    }

    /// Looks for a VM on all hosts but one. Those that do not answer soon are named, not waited for.
    async fn elsewhere(&self, uuid: Uuid, but: &HostId, deadline: Instant) -> Elsewhere {
        let now = Instant::now();
        let soon = now + (deadline.saturating_duration_since(now) / 2).min(ELSEWHERE_WAIT_MAX);
        let others = self.hosts.values().filter(|host| host.id != *but);
        let answers =
            concurrently::all(others.map(|host| async move { (&host.id, host.presence(uuid, &self.workers, soon).await) }));
        let mut elsewhere = Elsewhere::default();
        for (host, answer) in answers.await {
            match answer {
                Ok(Some(there)) if there.state.is_active() => elsewhere.active = Some((host.clone(), there.state)),
                Ok(Some(_)) => elsewhere.is_defined = true,
                Ok(None) => {}
                Err(_) => elsewhere.unanswered.push(host.clone()),
            }
        }
        elsewhere
    }

    /// Has a worker make a request that may take long. Says at once where it is refused, else that it is under way. What is
    /// held is given back after the end has been noted: whoever waits for it finds the truth.
    async fn send(
        &self,
        desk: &Arc<Desk>,
        task: &Task,
        deadline: Instant,
        held: impl Send + 'static,
        request: impl Future<Output = Result<()>> + Send + 'static,
    ) -> Result<Started> {
        let number = desk.begin(task.clone());
        let (done, ended) = oneshot::channel();
        let noted = Arc::clone(desk);
        self.workers.start(async move {
            let result = request.await;
            noted.end(number, result.as_ref().map_or_else(|error| Standing::Failed(error.to_failure()), |()| Standing::Answered));
            drop(held);
            let _ = done.send(result);
        });
        let wait_until = deadline.min(Instant::now() + REFUSAL_WAIT_MAX);
        match timeout_at(wait_until, ended).await {
            Ok(Ok(Err(error))) => Err(error),
            _ => Ok(Started::Task(task.to_ref())),
        }
    }
}

/// What the other hosts say about a VM.
#[derive(Debug, Default)]
struct Elsewhere {
    active: Option<(HostId, DomainState)>,
    is_defined: bool,
    unanswered: Vec<HostId>,
}

impl Elsewhere {
    fn unanswered_words(&self) -> String {
        let names: Vec<&str> = self.unanswered.iter().map(HostId::as_str).collect();
        format!("no answer from {}", names.join(", "))
    }
}

/// An error of which it is proven that nothing happened.
fn declined(kind: FailureKind, operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(kind, operation, message).no_effect()
}

/// The caller's deadline, less what the way back takes.
fn inner_deadline(cx: &Cx) -> Instant {
    let left = cx.deadline.saturating_duration_since(Instant::now());
    cx.deadline.checked_sub((left / 10).min(MARGIN_MAX)).unwrap_or(cx.deadline)
}

#[async_trait]
impl Platform for Libvirt {
    fn capability(&self) -> PlatformCapability {
        PlatformCapability {
            can_move: self.hosts.len() > 1,
            can_suspend: true,
            has_autostart: true,
            has_guards: false,
            in_flight_max: IN_FLIGHT_MAX,
        }
    }

    async fn inventory(&self, cx: &Cx) -> Result<Inventory> {
        let deadline = inner_deadline(cx);
        let looks = self.hosts.values().map(|host| async move {
            let world = host.world(self.reading(), &self.workers, deadline);
            // The deadline of each call is not enough: a host may answer thousands of them, each in time.
            let late = |_| Err(CallError::TooLate { sent: true });
            (host, timeout_at(deadline, world).await.unwrap_or_else(late))
        });
        let mut inventory = Inventory::empty(self.platform.clone(), cx.now);
        let mut ranks: BTreeMap<VmId, u8> = BTreeMap::new();
        let mut failed: Vec<Error> = Vec::new();
        // In the order of the hosts' names: of two that have a VM in the same state, the first counts.
        for (host, look) in concurrently::all(looks).await {
            match look {
                Ok(world) => {
                    inventory.hosts.insert(host.id.clone(), world.info);
                    for (state, signs, vm) in world.vms {
                        if ranks.get(&vm.id).is_none_or(|rank| state.rank() < *rank) {
                            ranks.insert(vm.id.clone(), state.rank());
                            inventory.told_off.remove(&vm.id);
                            inventory.agents.remove(&vm.id);
                            inventory.agents.extend(signs.has_agent.then(|| vm.id.clone()));
                            inventory.told_off.extend(signs.is_told_off.then(|| vm.id.clone()));
                            inventory.vms.insert(vm.id.clone(), vm);
                        }
                    }
                }
                Err(error) => {
                    inventory.hosts.insert(host.id.clone(), HostInfo::new(host.id.clone(), false));
                    failed.push(error.into_error("read inventory").with("host", &host.id).no_effect());
                }
            }
        }
        match failed.into_iter().next() {
            Some(error) if inventory.hosts.values().all(|host| !host.connected) => Err(error),
            _ => Ok(inventory),
        }
    }

    /// One VM per host: of those that run, one whose writing was never measured, else the one measured longest ago. libvirt keeps what
    /// came of it, by the host's own clock.
    async fn measure(&self, cx: &Cx) -> Result<()> {
        let deadline = inner_deadline(cx);
        let steps = self.hosts.values().map(|host| async move {
            let rates = host.call(&GetDirtyRates {}, &self.workers, deadline).await?;
            let age = |values: &Parameters| values.count("dirtyrate.calc_start_time");
            let Some((domain, _)) = rates.iter().min_by_key(|(domain, values)| (age(values), domain.uuid)) else { return Ok(()) };
            host.call(&MeasureDirtyRate { domain, seconds: 1 }, &self.workers, deadline).await
        });
        let failed = concurrently::all(steps).await.into_iter().find_map(Result::err);
        failed.map_or(Ok(()), |error: CallError| Err(error.into_error("measure").with("platform", &self.platform)))
    }

    async fn start(&self, op: &Op, cx: &Cx) -> Result<Started> {
        let deadline = inner_deadline(cx);
        let Some(task) = Task::of(op) else { return Err(not_ours(op, "start")) };
        match &task.kind {
            TaskKind::ShutDown { host } => self.shut_down(&task, host, deadline).await,
            TaskKind::PowerOff { host } => self.power_off(&task, host, deadline).await,
            TaskKind::Start { host } => self.start_vm(&task, host, deadline).await,
            TaskKind::Move { from, to } => self.start_move(&task, from, to, deadline).await,
            TaskKind::Abort { from, to } => self.abort_move(&task, from, to, deadline).await,
            TaskKind::Finish { from, to } => self.finish_move(&task, from, to, deadline).await,
            TaskKind::Suspend { host } => self.suspend(&task, host, deadline).await,
            TaskKind::AbortSuspend { host } => self.abort_suspend(&task, host, deadline).await,
            TaskKind::Autostart { host, enabled } => self.set_autostart(&task, host, *enabled, deadline).await,
        }
    }

    async fn poll(&self, task: &TaskRef, cx: &Cx) -> Result<Progress> {
        let deadline = inner_deadline(cx);
        let Some(task) = Task::parse(task) else {
            let message = format!("`{}` is no task of a libvirt platform", task.0);
            return Err(declined(FailureKind::NotFound, "poll", message));
        };
        match &task.kind {
            TaskKind::ShutDown { host } | TaskKind::PowerOff { host } => self.poll_stop(&task, host, deadline).await,
            TaskKind::Start { host } => self.poll_start(&task, host, deadline).await,
            TaskKind::Move { from, to } => self.poll_move(&task, from, to, deadline).await,
            TaskKind::Abort { from, to } => self.poll_abort(task.uuid, from, to, deadline).await,
            TaskKind::Finish { from, to } => self.poll_move(&task.as_move(from, to), from, to, deadline).await,
            TaskKind::Suspend { host } => self.poll_suspend(&task, host, deadline).await,
            TaskKind::AbortSuspend { host } => self.poll_abort_suspend(&task, host, deadline).await,
            TaskKind::Autostart { host, enabled } => self.poll_autostart(task.uuid, host, *enabled, deadline).await,
        }
    }

    async fn observe(&self, op: &Op, cx: &Cx) -> Result<Observed> {
        let deadline = inner_deadline(cx);
        let Some(task) = Task::of(op) else { return Err(not_ours(op, "observe")) };
        match &task.kind {
            TaskKind::ShutDown { host } | TaskKind::PowerOff { host } => self.observe_stop(&task, host, deadline).await,
            TaskKind::Start { host } => self.observe_start(&task, host, deadline).await,
            TaskKind::Move { from, to } => self.observe_move(&task, from, to, deadline).await,
            TaskKind::Abort { from, to } => self.observe_abort(&task, from, to, deadline).await,
            TaskKind::Finish { from, to } => self.observe_finish(&task, from, to, deadline).await,
            TaskKind::Suspend { host } => self.observe_suspend(&task, host, deadline).await,
            TaskKind::AbortSuspend { host } => self.observe_abort_suspend(&task, host, deadline).await,
            TaskKind::Autostart { host, enabled } => self.observe_autostart(task.uuid, host, *enabled, deadline).await,
        }
    }
}

fn not_ours(op: &Op, operation: &'static str) -> Error {
    match op.vm() {
        Some(vm) => declined(FailureKind::NotFound, operation, format!("{} is no uuid of a libvirt VM", vm.native())),
        None => declined(FailureKind::Unsupported, operation, format!("a libvirt platform has no power over hosts ({op})")),
    }
}
