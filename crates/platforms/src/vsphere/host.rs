//! The power of an ESXi host as vSphere sees and changes it: through vCenter, or by the host itself where that is gone.
//!
//! What it says is never proof that a host is off: "not responding" is what a broken cable looks like, too. A host that enters
//! maintenance mode first is followed until then and shut down; who dies in between finds it so and goes on.

use super::Vsphere;
use super::collect;
use super::fault::declined;
use super::inner_deadline;
use super::site::Site;
use super::soap::{Call, MoRef};
use async_trait::async_trait;
use ridethrough_driver::{Cx, Error, FailureKind, HostPower, HostPowerCapability, Result, Workers};
use ridethrough_model::{HostId, HostPowerState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const OBSERVE: &str = "ask vSphere about the host";
const SHUT_DOWN: &str = "shut down by vSphere";
/// What is asked of a host.
const STATE: &[&str] = &["runtime.connectionState", "runtime.powerState", "runtime.inMaintenanceMode", "recentTask"];
/// Beyond the time for maintenance mode: for the requests around it.
const FOLLOW_MORE: Duration = Duration::from_secs(30);
/// Tasks of a host that are looked at.
const TASKS_MAX: usize = 50;

/// One ESXi host.
#[derive(Debug)]
pub struct EsxiPower {
    driver: Arc<Vsphere>,
    host: HostId,
    /// How long it may take to enter maintenance mode, where it has to.
    maintenance: Option<Duration>,
    /// The way into maintenance mode that a worker of ours waits at: an order that comes again does not shut down twice.
    followed: Mutex<Option<MoRef>>,
    workers: Workers,
}

/// A host at the place that answers for it.
struct At<'a> {
    site: &'a Site,
    host: MoRef,
    is_connected: bool,
    is_on: bool,
    in_maintenance: bool,
    tasks: Vec<MoRef>,
}

impl EsxiPower {
    /// A host of that platform.
    #[must_use]
    pub fn new(driver: Arc<Vsphere>, host: HostId, maintenance: Option<Duration>) -> Self {
        Self { driver, host, maintenance, followed: Mutex::new(None), workers: Workers::new() }
    }

    /// What vCenter says; where that is gone or does not reach the host, the host itself.
    async fn look(&self, operation: &'static str, deadline: Instant) -> Result<At<'_>> {
        let driver = &self.driver;
        let main = self.look_at(&driver.main, operation, driver.main_deadline(deadline)).await;
        let is_enough = match &main {
            Ok(at) => at.is_connected,
            Err(error) => error.kind() != FailureKind::Unreachable,
        };
        match driver.direct.get(&self.host) {
            Some(direct) if !is_enough => self.look_at(direct, operation, deadline).await.or(main),
            _ => main,
        }
    }

    async fn look_at<'a>(&self, site: &'a Site, operation: &'static str, deadline: Instant) -> Result<At<'a>> {
        let failed = |error: super::CallError| self.driver.with_place(error.into_error(operation).no_effect(), site);
        let Some(host) = site.host(&self.host, deadline).await.map_err(failed)? else {
            let message = format!("vSphere knows no host {}: is its `name` the one in vCenter?", self.host);
            return Err(self.driver.with_place(declined(FailureKind::NotFound, operation, message), site));
        };
        let object = collect::read_one(&site.endpoint, &host, &[("HostSystem", STATE)], deadline).await.map_err(failed)?;
        let tasks = object.get("recentTask").map(MoRef::all).unwrap_or_default();
        Ok(At {
            is_connected: object.text("runtime.connectionState") == Some("connected"),
            is_on: object.text("runtime.powerState") == Some("poweredOn"),
            in_maintenance: object.text("runtime.inMaintenanceMode") == Some("true"),
            tasks: tasks.into_iter().rev().take(TASKS_MAX).collect(),
            site,
            host,
        })
    }

    fn about(&self, error: Error) -> Error {
        error.with("host", &self.host)
    }

    /// Enters maintenance mode, and has a worker shut the host down after that.
    async fn maintain(&self, at: &At<'_>, wait: Duration, deadline: Instant) -> Result<()> {
        let seconds = wait.as_secs().max(1).to_string();
        let call =
            Call::new(&at.host, "EnterMaintenanceMode_Task").text("timeout", &seconds).text("evacuatePoweredOffVms", "false");
        let begun = at.site.endpoint.ask(&call, deadline).await.and_then(|answer| collect::begun(&answer));
        let task = begun.map_err(|error| self.about(self.driver.with_place(error.into_error(SHUT_DOWN), at.site)))?;
        self.follow(at, task, wait);
        Ok(())
    }

    fn follow(&self, at: &At<'_>, task: MoRef, wait: Duration) {
        let before = self.followed.lock().unwrap_or_else(PoisonError::into_inner).replace(task.clone());
        if before.as_ref() == Some(&task) {
            return;
        }
        let (driver, host, id) = (self.driver.clone(), at.host.clone(), self.host.clone());
        let is_direct = !std::ptr::eq(at.site, &raw const self.driver.main);
        self.workers.start(async move {
            let site = if is_direct { driver.direct.get(&id) } else { Some(&driver.main) };
            let Some(site) = site else { return };
            let until = Instant::now() + wait + FOLLOW_MORE / 2;
            let is_in = collect::wait(&site.endpoint, &task, until).await.unwrap_or(None) == Some(true);
            // What becomes of it, the host's power shows. Where it fails, the next order finds the host as it is.
            let _ = shut(site, &host, !is_in, Instant::now() + FOLLOW_MORE).await;
        });
    }
}

async fn shut(site: &Site, host: &MoRef, by_force: bool, deadline: Instant) -> Result<(), super::CallError> {
    let call = Call::new(host, "ShutdownHost_Task").text("force", if by_force { "true" } else { "false" });
    site.endpoint.ask(&call, deadline).await.map(drop)
}

#[async_trait]
impl HostPower for EsxiPower {
    fn name(&self) -> &'static str {
        "vsphere"
    }

    fn capability(&self) -> HostPowerCapability {
        HostPowerCapability { can_shut_down: true, can_wake: false, can_prove_off: false }
    }

    async fn observe(&self, cx: &Cx) -> Result<HostPowerState> {
        match self.look(OBSERVE, inner_deadline(cx)).await {
            Ok(at) if at.is_connected && at.is_on => Ok(HostPowerState::On),
            Ok(_) => Ok(HostPowerState::Unknown),
            Err(error) if matches!(error.kind(), FailureKind::Unauthorized | FailureKind::Config) => Err(self.about(error)),
            Err(_) => Ok(HostPowerState::Unknown),
        }
    }

    async fn shut_down(&self, cx: &Cx) -> Result<()> {
        let deadline = inner_deadline(cx);
        let at = self.look(SHUT_DOWN, deadline).await.map_err(|error| self.about(error))?;
        let refuse = |kind, message: &str| Err(self.about(self.driver.with_place(declined(kind, SHUT_DOWN, message), at.site)));
        if !at.is_connected {
            return refuse(FailureKind::Unreachable, "vCenter does not reach it, and it does not answer itself");
        }
        let running = collect::running(&at.site.endpoint, &at.tasks, deadline).await;
        let running =
            running.map_err(|error| self.about(self.driver.with_place(error.into_error(SHUT_DOWN).no_effect(), at.site)))?;
        let is = |what: &str, part: &str| what.to_lowercase().contains(part);
        if running.iter().any(|task| is(&task.what, "shutdown")) {
            return Ok(());
        }
        match (self.maintenance, at.in_maintenance) {
            (Some(wait), false) => match running.iter().find(|task| is(&task.what, "entermaintenance")) {
                Some(task) => {
                    self.follow(&at, task.task.clone(), wait);
                    Ok(())
                }
                None => self.maintain(&at, wait, deadline).await,
            },
            // Not in maintenance mode, vSphere wants to be told that this is meant.
            (_, in_maintenance) => shut(at.site, &at.host, !in_maintenance, deadline)
                .await
                .map_err(|error| self.about(self.driver.with_place(error.into_error(SHUT_DOWN), at.site))),
        }
    }

    async fn wake(&self, _: &Cx) -> Result<()> {
        let message = "vSphere cannot wake it: its BMC or Wake-on-LAN can";
        Err(self.about(declined(FailureKind::Unsupported, "wake by vSphere", message)))
    }
}
