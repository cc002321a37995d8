//! One worker per UPS, per platform and per means of a host's power. Each looks, leaves what it saw in the mailbox, waits.
//!
//! No decision and no retry: a look that saw nothing is a fact like any other. A driver that panics ends its worker; the loop
//! hears of it and starts it again.

use crate::clock::Clock;
use crate::connect_check::Endpoints;
use crate::mailbox::Mailbox;
use crate::pace::Pace;
use ridethrough_decide::{Input, Part};
use ridethrough_driver::{Cx, Device, HostPower, Platform};
use ridethrough_model::{HostId, HostPowerState, LoadId, PlatformId, Silence, SilenceKind, UpsId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;

/// Who looks at what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Watched {
    /// A UPS.
    Ups(UpsId),
    /// Who else follows a UPS.
    Followers(UpsId),
    /// A platform's inventory.
    Platform(PlatformId),
    /// What a platform has to measure. Nothing is seen by it; later inventories tell.
    Measure(PlatformId),
    /// One of the means to see a host's power, by its place in the list.
    Host(HostId, usize),
    /// One of the means to see a load, by its place in the list.
    Load(LoadId, usize),
}

impl std::fmt::Display for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ups(ups) => write!(f, "UPS {ups}"),
            Self::Followers(ups) => write!(f, "followers of UPS {ups}"),
            Self::Platform(platform) => write!(f, "platform {platform}"),
            Self::Measure(platform) => write!(f, "measures of platform {platform}"),
            Self::Host(host, _) => write!(f, "power of host {host}"),
            Self::Load(load, _) => write!(f, "load {load}"),
        }
    }
}

/// Where the pollers leave what they saw.
pub(crate) type Sightings = Mailbox<Watched, Input>;

/// Never looks twice within this time, however often it is asked to hurry.
const GAP_MIN: Duration = Duration::from_millis(250);

/// What is looked at.
#[derive(Clone, Debug)]
enum Target {
    Ups(Arc<dyn Device>),
    Platform(Arc<dyn Platform>),
    Host(Arc<dyn HostPower>),
}

fn part_of(watched: &Watched) -> Part {
    match watched {
        Watched::Ups(id) | Watched::Followers(id) => Part::Ups(id.clone()),
        Watched::Platform(id) | Watched::Measure(id) => Part::Platform(id.clone()),
        Watched::Host(id, _) => Part::Host(id.clone()),
        Watched::Load(id, _) => Part::Load(id.clone()),
    }
}

/// All pollers.
#[derive(Debug)]
pub(crate) struct Pollers {
    targets: BTreeMap<Watched, (Target, Arc<Notify>)>,
    workers: JoinSet<()>,
    names: HashMap<Id, Watched>,
    handles: BTreeMap<Watched, AbortHandle>,
    at_risk: watch::Sender<bool>,
    look: Look,
}

/// What every look needs.
#[derive(Clone, Debug)]
struct Look {
    clock: Clock,
    pace: Arc<Pace>,
    sightings: Arc<Sightings>,
}

impl Pollers {
    /// Starts all of them, spread over the first interval's first half second so that a hundred UPSes do not answer at once.
    pub(crate) fn start(
        clock: Clock,
        pace: Arc<Pace>,
        devices: &BTreeMap<UpsId, Arc<dyn Device>>,
        platforms: &BTreeMap<PlatformId, Arc<dyn Platform>>,
        hosts: &BTreeMap<HostId, Vec<Arc<dyn HostPower>>>,
        loads: &BTreeMap<LoadId, Vec<Arc<dyn HostPower>>>,
    ) -> (Self, Arc<Sightings>) {
        let targets = targets(devices, platforms, hosts, loads);
        let sightings = Arc::new(Mailbox::new());
        let mut pollers = Self {
            targets,
            workers: JoinSet::new(),
            names: HashMap::new(),
            handles: BTreeMap::new(),
            at_risk: watch::Sender::new(false),
            look: Look { clock, pace, sightings: sightings.clone() },
        };
        let all: Vec<Watched> = pollers.targets.keys().cloned().collect();
        let count = u32::try_from(all.len().max(1)).unwrap_or(u32::MAX);
        for (place, watched) in all.into_iter().enumerate() {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            pollers.spawn(watched, Duration::from_millis(500) * place / count);
        }
        (pollers, sightings)
    }

    /// Looks at these from now on. Who looks at what is reached as before, at the same pace, is not disturbed.
    pub(crate) fn exchange(&mut self, endpoints: &Endpoints, changed: &BTreeSet<Part>, pace: &Arc<Pace>) {
        let is_other_pace = *pace != self.look.pace;
        self.look.pace = pace.clone();
        let mut wanted = targets(&endpoints.devices, &endpoints.platforms, &endpoints.hosts, &endpoints.loads);
        let stale = |watched: &Watched| is_other_pace || changed.contains(&part_of(watched));
        let ended: Vec<Watched> =
            self.targets.keys().filter(|watched| stale(watched) || !wanted.contains_key(*watched)).cloned().collect();
        for watched in ended {
            self.targets.remove(&watched);
            if let Some(handle) = self.handles.remove(&watched) {
                handle.abort();
                self.names.remove(&handle.id());
            }
            self.look.sightings.forget(&watched);
        }
        wanted.retain(|watched, _| !self.targets.contains_key(watched));
        let begun: Vec<Watched> = wanted.keys().cloned().collect();
        self.targets.append(&mut wanted);
        for watched in begun {
            self.spawn(watched, Duration::ZERO);
        }
    }

    /// Looks faster, or at leisure again. A change to faster takes effect at once.
    pub(crate) fn set_at_risk(&self, is_at_risk: bool) {
        self.at_risk.send_if_modified(|was| std::mem::replace(was, is_at_risk) != is_at_risk);
    }

    /// Looks soon, once, however often it is asked.
    pub(crate) fn hasten_platform(&self, platform: &PlatformId) {
        if let Some((_, poke)) = self.targets.get(&Watched::Platform(platform.clone())) {
            poke.notify_one();
        }
    }

    /// Tells a UPS's other masters, with the next look, whether to wait for us.
    pub(crate) fn follow(&self, ups: &UpsId, is_needed: bool) {
        if let Some((Target::Ups(device), poke)) = self.targets.get(&Watched::Ups(ups.clone())) {
            device.follow(is_needed);
            poke.notify_one();
        }
    }

    /// Looks soon through every means of the host.
    pub(crate) fn hasten_host(&self, host: &HostId) {
        let from = Watched::Host(host.clone(), 0);
        let to = Watched::Host(host.clone(), usize::MAX);
        for (_, poke) in self.targets.range(from..=to).map(|(_, target)| target) {
            poke.notify_one();
        }
    }

    /// Looks soon through every means of the load.
    pub(crate) fn hasten_load(&self, load: &LoadId) {
        let from = Watched::Load(load.clone(), 0);
        let to = Watched::Load(load.clone(), usize::MAX);
        for (_, poke) in self.targets.range(from..=to).map(|(_, target)| target) {
            poke.notify_one();
        }
    }

    /// Waits until one of them has died, which only a panic in a driver can cause, and starts it again. Safe to cancel.
    pub(crate) async fn revive_next(&mut self) -> (Watched, String) {
        loop {
            let ended = match self.workers.join_next_with_id().await {
                Some(Ok((id, ()))) => (id, "it ended".to_owned()),
                Some(Err(error)) => (error.id(), panic_text(error)),
                None => std::future::pending().await,
            };
            let (id, reason) = ended;
            let Some(watched) = self.names.remove(&id) else { continue };
            if let Watched::Ups(ups) = &watched {
                let silence = Silence {
                    ups: ups.clone(),
                    at: self.look.clock.now().mono,
                    kind: SilenceKind::Unreachable,
                    message: format!("our driver failed inside: {reason}"),
                };
                self.look.sightings.put(watched.clone(), Input::Silence(silence));
            }
            let pause = interval(&self.look.pace, &watched, *self.at_risk.borrow());
            self.spawn(watched.clone(), pause);
            return (watched, reason);
        }
    }

    fn spawn(&mut self, watched: Watched, first: Duration) {
        let Some((target, poke)) = self.targets.get(&watched).cloned() else { return };
        let look = self.look.clone();
        let at_risk = self.at_risk.subscribe();
        let name = watched.clone();
        let handle = self.workers.spawn(async move {
            tokio::time::sleep(first).await;
            poll(look, name, target, poke, at_risk).await;
        });
        self.names.insert(handle.id(), watched.clone());
        self.handles.insert(watched, handle);
    }
}

/// Everything there is to look at, in the order of the names.
fn targets(
    devices: &BTreeMap<UpsId, Arc<dyn Device>>,
    platforms: &BTreeMap<PlatformId, Arc<dyn Platform>>,
    hosts: &BTreeMap<HostId, Vec<Arc<dyn HostPower>>>,
    loads: &BTreeMap<LoadId, Vec<Arc<dyn HostPower>>>,
) -> BTreeMap<Watched, (Target, Arc<Notify>)> {
    let mut targets = BTreeMap::new();
    let mut add = |watched, target| targets.insert(watched, (target, Arc::new(Notify::new())));
    for (id, device) in devices {
        add(Watched::Ups(id.clone()), Target::Ups(device.clone()));
        add(Watched::Followers(id.clone()), Target::Ups(device.clone()));
    }
    for (id, platform) in platforms {
        add(Watched::Platform(id.clone()), Target::Platform(platform.clone()));
        add(Watched::Measure(id.clone()), Target::Platform(platform.clone()));
    }
    for (id, means) in hosts {
        for (place, one) in means.iter().enumerate() {
            add(Watched::Host(id.clone(), place), Target::Host(one.clone()));
        }
    }
    for (id, means) in loads {
        for (place, one) in means.iter().enumerate() {
            add(Watched::Load(id.clone(), place), Target::Host(one.clone()));
        }
    }
    targets
}

/// What a panic said.
pub(crate) fn panic_text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without words".to_owned()),
        Err(error) => error.to_string(),
    }
}

fn interval(pace: &Pace, watched: &Watched, is_at_risk: bool) -> Duration {
    match (watched, is_at_risk) {
        (Watched::Ups(_), false) => pace.ups_mains,
        (Watched::Ups(_), true) => pace.ups_battery,
        (Watched::Followers(_), _) => pace.followers,
        (Watched::Platform(_), false) => pace.inventory_mains,
        (Watched::Platform(_), true) => pace.inventory_battery,
        (Watched::Measure(_), _) => pace.measure,
        (Watched::Host(..) | Watched::Load(..), false) => pace.host_mains,
        (Watched::Host(..) | Watched::Load(..), true) => pace.host_battery,
    }
}

async fn poll(look: Look, watched: Watched, target: Target, poke: Arc<Notify>, mut at_risk: watch::Receiver<bool>) {
    loop {
        let began = Instant::now();
        let seen = match (&watched, &target) {
            (Watched::Ups(ups), Target::Ups(device)) => Some(look.at_ups(ups, &**device).await),
            (Watched::Followers(ups), Target::Ups(device)) => look.at_followers(ups, &**device).await,
            (Watched::Platform(id), Target::Platform(platform)) => Some(look.at_platform(id, &**platform).await),
            (Watched::Measure(_), Target::Platform(platform)) => {
                // With something at risk nothing is done that could as well be left.
                if !*at_risk.borrow() {
                    look.measure(&**platform).await;
                }
                None
            }
            (Watched::Host(host, _), Target::Host(means)) => Some(look.at_host(host, &**means).await),
            (Watched::Load(load, _), Target::Host(means)) => Some(look.at_load(load, &**means).await),
            _ => return,
        };
        if let Some(seen) = seen {
            look.sightings.put(watched.clone(), seen);
        }
        loop {
            let due = began + interval(&look.pace, &watched, *at_risk.borrow_and_update());
            // A wish to hurry comes first, then a change of pace, then the ordinary end of the wait.
            tokio::select! { biased;
                () = poke.notified() => {
                    tokio::time::sleep_until(began + GAP_MIN).await;
                    break;
                }
                changed = at_risk.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(due) => break,
            }
        }
    }
}

impl Look {
    async fn at_ups(&self, ups: &UpsId, device: &dyn Device) -> Input {
        let cx = self.within(self.pace.ups_deadline);
        match bound(&cx, "read UPS", device.read(&cx)).await {
            Ok(Ok(reading)) => Input::Reading(reading),
            Ok(Err(silence)) => Input::Silence(silence),
            Err(error) => Input::Silence(Silence {
                ups: ups.clone(),
                at: cx.now,
                kind: if error.kind() == ridethrough_driver::FailureKind::Unreachable {
                    SilenceKind::Unreachable
                } else {
                    SilenceKind::Refused
                },
                message: error.to_failure().message,
            }),
        }
    }

    /// `None` where it cannot be told: what was known stays.
    async fn at_followers(&self, ups: &UpsId, device: &dyn Device) -> Option<Input> {
        let cx = self.within(self.pace.ups_deadline);
        let clients = bound(&cx, "list clients", device.clients(&cx)).await.ok()?;
        Some(Input::Followed { ups: ups.clone(), clients: clients.into_iter().map(|client| client.address).collect() })
    }

    async fn at_platform(&self, platform: &PlatformId, driver: &dyn Platform) -> Input {
        let cx = self.within(self.pace.inventory_deadline);
        match bound(&cx, "read inventory", driver.inventory(&cx)).await {
            Ok(inventory) => Input::Inventory(inventory),
            Err(error) => Input::InventoryFailed { platform: platform.clone(), failure: error.to_failure() },
        }
    }

    /// What cannot be measured now is measured another time.
    async fn measure(&self, driver: &dyn Platform) {
        let cx = self.within(self.pace.inventory_deadline);
        let _ = bound(&cx, "measure", driver.measure(&cx)).await;
    }

    async fn at_host(&self, host: &HostId, means: &dyn HostPower) -> Input {
        let state = self.at_power(&format!("host {host}"), means).await;
        let is_proof = means.capability().can_prove_off;
        Input::HostPower { host: host.clone(), source: means.name().to_owned(), is_proof, state }
    }

    async fn at_load(&self, load: &LoadId, means: &dyn HostPower) -> Input {
        let state = self.at_power(&format!("load {load}"), means).await;
        let is_proof = means.capability().can_prove_off;
        Input::LoadPower { load: load.clone(), source: means.name().to_owned(), is_proof, state }
    }

    async fn at_power(&self, of: &str, means: &dyn HostPower) -> HostPowerState {
        let cx = self.within(self.pace.host_deadline);
        bound(&cx, "observe power", means.observe(&cx)).await.unwrap_or_else(|error| {
            tracing::warn!(of, means = means.name(), error = %error.to_failure(), "power cannot be observed");
            HostPowerState::Unknown
        })
    }

    fn within(&self, limit: Duration) -> Cx {
        Cx::within(limit, self.clock.now().mono)
    }
}

/// The deadline, held from outside too: a driver that forgets its own must not stop our looking.
async fn bound<T: Send>(
    cx: &Cx,
    operation: &'static str,
    work: impl Future<Output = ridethrough_driver::Result<T>> + Send,
) -> ridethrough_driver::Result<T> {
    cx.bound(operation, work).await
}
