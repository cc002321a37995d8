//! VMware vSphere as one platform: a vCenter with its hosts, or an ESXi host on its own. Where vCenter is gone, each host is asked
//! itself, as far as it has a login of its own.
//!
//! Speaks SOAP (vim25) by itself, the one interface that vCenter 7 to 9 and ESXi share; tags are read over REST. It decides nothing
//! and retries nothing. `docs/vsphere.md` is its manual. Begin reading in [`Config`] and at the `Platform` impl below; the way down
//! is `ops.rs` and `progress.rs` (operations), `site.rs`, `mirror.rs` (inventory), `session.rs`, `soap.rs`, `xml.rs`.

mod collect;
mod config;
mod facts;
mod fault;
#[cfg(test)]
mod fuzz_tests;
mod guards;
mod host;
mod http;
mod labels;
mod map;
mod mirror;
mod ops;
mod progress;
mod role;
mod session;
mod site;
mod soap;
mod task;
mod xml;

pub use config::{Config, HostConfig, Login, ServerUrl};
pub use host::EsxiPower;
pub use role::{Account, Privilege, Uses, needed};

use crate::libvirt::concurrently;
use async_trait::async_trait;
use fault::{CallError, declined};
use map::Hosts;
use ops::There;
use ridethrough_driver::{Cx, Error, FailureKind, Platform, PlatformCapability, Result};
use ridethrough_model::{HostId, Inventory, Observed, Op, PlatformId, Progress, Started, TaskRef};
use site::Site;
use std::collections::BTreeMap;
use std::time::Duration;
use task::{Task, TaskKind};
use tokio::time::Instant;

/// What the controller may have in flight at once. One endpoint takes [`session::IN_FLIGHT_MAX`] at a time, the rest waits its turn.
const IN_FLIGHT_MAX: u32 = 32;
/// Kept back of the caller's time, so that the answer is still in time.
const MARGIN_MAX: Duration = Duration::from_millis(200);

/// The driver. Connects to nothing before the first call.
#[derive(Debug)]
pub struct Vsphere {
    platform: PlatformId,
    main: Site,
    /// Hosts that can be asked without vCenter.
    direct: BTreeMap<HostId, Site>,
    hosts: usize,
    is_experimental: bool,
}

impl Vsphere {
    /// A driver for that vCenter or host.
    ///
    /// # Errors
    /// `Config` where TLS cannot be set up.
    pub fn new(config: &Config) -> Result<Self> {
        let name = |(id, host): (&HostId, &HostConfig)| (host.name.as_deref().unwrap_or(id.as_str()).to_lowercase(), id.clone());
        let hosts = Hosts { by_name: config.hosts.iter().map(name).collect() };
        let mut direct = BTreeMap::new();
        for (id, host) in &config.hosts {
            if let Some(login) = &host.direct {
                let only = Hosts { by_name: [name((id, host))].into() };
                direct.insert(id.clone(), Site::new(login, only, false, config.is_experimental)?);
            }
        }
        Ok(Self {
            platform: config.platform.clone(),
            main: Site::new(&config.login, hosts, config.reads_tags, config.is_experimental)?,
            direct,
            hosts: config.hosts.len(),
            is_experimental: config.is_experimental,
        })
    }

    /// Until when vCenter may take to answer, so that the hosts can still be asked.
    fn main_deadline(&self, deadline: Instant) -> Instant {
        if self.direct.is_empty() {
            return deadline;
        }
        let now = Instant::now();
        now + deadline.saturating_duration_since(now) / 2
    }

    /// Where a VM is known, and how it stands there. `None`: nobody knows it.
    async fn find(&self, vm: &str, host: &HostId, operation: &'static str, deadline: Instant) -> Result<Option<There<'_>>> {
        let lost = match self.main.see(vm, self.main_deadline(deadline)).await {
            Ok(seen) => return Ok(seen.map(|seen| There { site: &self.main, seen })),
            Err(error) if error.is_loss() && !self.direct.is_empty() => error,
            Err(error) => return Err(self.with_place(error.into_error(operation).no_effect(), &self.main)),
        };
        let looks = self.direct.iter().map(|(id, site)| async move { (id, site, site.see(vm, deadline).await) });
        let mut idle = None;
        let mut silent: Vec<&HostId> = Vec::new();
        for (id, site, look) in concurrently::all(looks).await {
            match look {
                Ok(Some(seen)) if seen.power.is_active() => return Ok(Some(There { site, seen })),
                // It may be registered on two: the one that was named counts.
                Ok(Some(seen)) if idle.is_none() || id == host => idle = Some(There { site, seen }),
                Ok(_) => {}
                Err(_) => silent.push(id),
            }
        }
        // One that does not answer may run it.
        if silent.is_empty() || (idle.is_some() && !silent.contains(&host)) {
            return Ok(idle);
        }
        let names: Vec<&str> = silent.iter().map(|id| id.as_str()).collect();
        let message = format!("{lost}, and no answer from {}", names.join(", "));
        Err(self.with_place(declined(FailureKind::Unreachable, operation, message), &self.main))
    }

    /// The VM of a task, or an error that says that there is none.
    async fn there(&self, task: &Task, operation: &'static str, deadline: Instant) -> Result<There<'_>> {
        let found = self.find(&task.vm, task.kind.host(), operation, deadline).await?;
        found.ok_or_else(|| {
            self.with_place(declined(FailureKind::NotFound, operation, format!("it knows no VM {}", task.vm)), &self.main)
        })
    }

    fn with_place(&self, error: Error, site: &Site) -> Error {
        error.with("platform", &self.platform).with("at", &site.endpoint.name)
    }

    /// What the hosts themselves say, where vCenter is gone.
    async fn direct_inventory(&self, cx: &Cx, lost: CallError, deadline: Instant) -> Result<Inventory> {
        let looks =
            self.direct.iter().map(|(id, site)| async move { (id, site.inventory(&self.platform, cx.now, deadline).await) });
        let mut inventory = Inventory::empty(self.platform.clone(), cx.now);
        for (id, look) in concurrently::all(looks).await {
            match look {
                Ok(one) => {
                    inventory.hosts.extend(one.hosts);
                    for (vm, facts) in one.vms {
                        // Where two hosts have it registered, the one that runs it counts.
                        if facts.power.is_active() || !inventory.vms.contains_key(&vm) {
                            inventory.vms.insert(vm, facts);
                        }
                    }
                }
                Err(_) => drop(inventory.hosts.insert(id.clone(), map::unreached(id))),
            }
        }
        if inventory.hosts.values().any(|host| host.connected) {
            return Ok(inventory);
        }
        let message = format!("{lost}, and none of its hosts answers either");
        Err(self.with_place(declined(FailureKind::Unreachable, "read inventory", message), &self.main))
    }
}

/// The caller's deadline, less what the way back takes.
fn inner_deadline(cx: &Cx) -> Instant {
    let left = cx.deadline.saturating_duration_since(Instant::now());
    cx.deadline.checked_sub((left / 10).min(MARGIN_MAX)).unwrap_or(cx.deadline)
}

#[async_trait]
impl Platform for Vsphere {
    fn capability(&self) -> PlatformCapability {
        PlatformCapability {
            can_move: self.hosts > 1,
            // How fast a datastore takes images is not known here: nothing is planned with it yet.
            can_suspend: false,
            has_autostart: self.is_experimental,
            has_guards: true,
            in_flight_max: IN_FLIGHT_MAX,
        }
    }

    async fn inventory(&self, cx: &Cx) -> Result<Inventory> {
        let deadline = inner_deadline(cx);
        match self.main.inventory(&self.platform, cx.now, self.main_deadline(deadline)).await {
            Ok(inventory) => Ok(inventory),
            Err(error) if error.is_loss() && !self.direct.is_empty() => self.direct_inventory(cx, error, deadline).await,
            Err(error) => Err(self.with_place(error.into_error("read inventory").no_effect(), &self.main)),
        }
    }

    async fn start(&self, op: &Op, cx: &Cx) -> Result<Started> {
        let deadline = inner_deadline(cx);
        if let Some(started) = self.start_guard(op, deadline).await {
            return started;
        }
        let Some(task) = Task::of(op) else { return Err(not_ours(op, "start")) };
        match &task.kind {
            TaskKind::ShutDown { host } => self.shut_down(&task, host, deadline).await,
            TaskKind::PowerOff { host } => self.power_off(&task, host, deadline).await,
            TaskKind::Suspend { host } => self.suspend(&task, host, deadline).await,
            TaskKind::Start { host } => self.start_vm(&task, host, deadline).await,
            TaskKind::Move { from, to } => self.start_move(&task, from, to, deadline).await,
            TaskKind::Abort { from, to } => self.abort_move(&task, from, to, deadline).await,
            TaskKind::Autostart { host, enabled } => self.set_autostart(&task, host, *enabled, deadline).await,
        }
    }

    async fn poll(&self, task: &TaskRef, cx: &Cx) -> Result<Progress> {
        if let Some(progress) = self.poll_guard(task, inner_deadline(cx)).await {
            return progress;
        }
        let Some(task) = Task::parse(task) else {
            let message = format!("`{}` is no task of a vSphere platform", task.0);
            return Err(declined(FailureKind::NotFound, "poll", message));
        };
        self.progress(&task, inner_deadline(cx)).await
    }

    async fn observe(&self, op: &Op, cx: &Cx) -> Result<Observed> {
        if let Some(observed) = self.observe_guard(op, inner_deadline(cx)).await {
            return observed;
        }
        let Some(task) = Task::of(op) else { return Err(not_ours(op, "observe")) };
        self.observed(&task, inner_deadline(cx)).await
    }
}

fn not_ours(op: &Op, operation: &'static str) -> Error {
    declined(FailureKind::Unsupported, operation, format!("a vSphere platform cannot do that ({op})"))
}
