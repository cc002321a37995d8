//! Another configuration while we run: read and checked off the loop, tried out, and handed to the loop, which asks the site.
//!
//! The loop never waits for any of it. What is refused leaves everything as it was. One reload at a time.

use crate::clock::Clock;
use crate::connect_check::Endpoints;
use crate::pace::Pace;
use ridethrough_api::code;
use ridethrough_decide::{Part, Proposal, SiteConfig};
use ridethrough_driver::Cx;
use ridethrough_model::{Finding, Hook, HostId, Inventory, LoadId, PlatformId, Reading, UpsId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

/// How long reading the files may take: a hanging file system must not be waited for.
const READ_MAX: Duration = Duration::from_secs(5);
/// How long the new UPSes and platforms may take to say something, all at the same time.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Where a configuration comes from.
pub trait Reread: Send + Sync + fmt::Debug {
    /// Reads it anew and checks it. May block, connects to nothing and changes nothing; called inside a runtime.
    ///
    /// # Errors
    /// Everything that is wrong with it; then nothing of it is used.
    fn read(&self) -> Result<Fresh, Unfit>;
}

/// How each thing is reached, as a text that differs if and only if it is reached in another way. May hold what is secret only
/// as a digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prints {
    /// UPSes.
    pub devices: BTreeMap<UpsId, String>,
    /// Platforms.
    pub platforms: BTreeMap<PlatformId, String>,
    /// Hosts' own means.
    pub hosts: BTreeMap<HostId, String>,
    /// Loads that can be told something.
    pub loads: BTreeMap<LoadId, String>,
    /// Hooks.
    pub hooks: BTreeMap<Hook, String>,
}

impl Prints {
    /// What is new, gone or reached in another way.
    fn changes(&self, new: &Self) -> BTreeSet<Part> {
        let mut parts = BTreeSet::new();
        parts.extend(different(&self.devices, &new.devices).map(|id| Part::Ups(id.clone())));
        parts.extend(different(&self.platforms, &new.platforms).map(|id| Part::Platform(id.clone())));
        parts.extend(different(&self.hosts, &new.hosts).map(|id| Part::Host(id.clone())));
        parts.extend(different(&self.loads, &new.loads).map(|id| Part::Load(id.clone())));
        parts.extend(different(&self.hooks, &new.hooks).map(|hook| Part::Hook(hook.clone())));
        parts
    }
}

fn different<'a, K: Ord>(old: &'a BTreeMap<K, String>, new: &'a BTreeMap<K, String>) -> impl Iterator<Item = &'a K> {
    let gone = old.keys().filter(|id| !new.contains_key(id));
    gone.chain(new.iter().filter(|(id, print)| old.get(id) != Some(print)).map(|(id, _)| id))
}

/// A configuration that is sound in itself.
pub struct Fresh {
    /// What the user configured.
    pub config: SiteConfig,
    /// How often is looked.
    pub pace: Pace,
    /// Every driver, connected to nothing yet. Those of what is reached as before are dropped unused.
    pub endpoints: Endpoints,
    /// How each is reached.
    pub prints: Prints,
    /// SHA-256 of the files, in small hex digits.
    pub digest: String,
    /// What else is done once it is in force. Must return at once.
    pub place: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// Why a configuration was not put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// `RTnnnn`.
    pub code: String,
    /// In a sentence.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Every reason.
    pub findings: Vec<Finding>,
}

impl Unfit {
    /// What is the matter, and the first reason; there may be more.
    pub(crate) fn reasons(&self) -> String {
        let Some(first) = self.findings.first() else { return self.message.clone() };
        let more = match self.findings.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        format!("{} {} {}: {}{more}", self.message, first.code, first.subject, first.message)
    }
}

/// What a controller needs to take another configuration.
#[derive(Debug)]
pub struct Reloading {
    /// Where it comes from.
    pub source: Arc<dyn Reread>,
    /// How everything is reached at the start.
    pub prints: Prints,
    /// SHA-256 of the configuration at the start.
    pub digest: String,
    /// Wishes that nobody waits for the answer of: SIGHUP.
    pub wishes: mpsc::Receiver<()>,
}

/// Whoever waits for the answer.
pub(crate) type Waiting = Option<oneshot::Sender<Result<Vec<Finding>, Unfit>>>;

/// What came of reading and trying out.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) outcome: Result<Box<Ready>, Unfit>,
    pub(crate) waiting: Waiting,
}

/// A configuration to be asked the site about.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) fresh: Fresh,
    pub(crate) proposal: Proposal,
}

/// Owned by the loop.
#[derive(Debug)]
pub(crate) struct Reloader {
    parts: Option<Reloading>,
    endpoints: Endpoints,
    clock: Clock,
    under_way: JoinSet<Tried>,
    /// Held while files are read: also by a read that nobody waits for any more.
    reading: Arc<Semaphore>,
}

impl Reloader {
    pub(crate) fn new(parts: Option<Reloading>, endpoints: Endpoints, clock: Clock) -> Self {
        Self { parts, endpoints, clock, under_way: JoinSet::new(), reading: Arc::new(Semaphore::new(1)) }
    }

    /// The drivers in force.
    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The digest at the start; empty where nobody told it.
    pub(crate) fn digest(&self) -> &str {
        self.parts.as_ref().map_or("", |parts| parts.digest.as_str())
    }

    /// Begins a reload; its end comes from [`Self::next`].
    pub(crate) fn begin(&mut self, by: String, waiting: Waiting) {
        let (source, trial, permit) = match self.prepare(by) {
            Ok(prepared) => prepared,
            Err(unfit) => {
                if let Some(waiting) = waiting {
                    // Whoever asked may have gone away; that is no matter.
                    let _gone = waiting.send(Err(unfit));
                }
                return;
            }
        };
        self.under_way.spawn(async move {
            let outcome = match read(source, permit).await {
                Ok(fresh) => Ok(Box::new(trial.look(fresh).await)),
                Err(unfit) => Err(unfit),
            };
            Tried { outcome, waiting }
        });
    }

    fn prepare(&self, by: String) -> Result<(Arc<dyn Reread>, Trial, OwnedSemaphorePermit), Unfit> {
        let busy = |message: &str, remedy: &str| Unfit {
            code: code::RELOADING.to_owned(),
            message: message.to_owned(),
            remedy: remedy.to_owned(),
            findings: Vec::new(),
        };
        let parts = self
            .parts
            .as_ref()
            .ok_or_else(|| busy("This controller was not started from a file.", "Start it with `ridethrough serve`."))?;
        match self.reading.clone().try_acquire_owned() {
            Ok(permit) if self.under_way.is_empty() => {
                let (prints, endpoints) = (parts.prints.clone(), self.endpoints.clone());
                let trial = Trial { prints, endpoints, clock: self.clock.clone(), by };
                Ok((parts.source.clone(), trial, permit))
            }
            _ => Err(busy("A reload is under way already.", "Ask again in a few seconds.")),
        }
    }

    /// The end of a reload that was begun, or a wish for one. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Option<Tried> {
        let is_idle = self.under_way.is_empty();
        let wish = async {
            match &mut self.parts {
                Some(parts) => match parts.wishes.recv().await {
                    Some(()) => {}
                    None => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        // One at a time: a wish waits until what is under way has ended.
        tokio::select! { biased;
            Some(ended) = self.under_way.join_next() => Some(ended.unwrap_or_else(|error| Tried {
                outcome: Err(Unfit {
                    code: code::BUSY.to_owned(),
                    message: format!("Reading the configuration failed inside: {error}."),
                    remedy: "Report this as a mistake in Ridethrough.".to_owned(),
                    findings: Vec::new(),
                }),
                waiting: None,
            })),
            () = wish, if is_idle => None,
        }
    }

    /// Notes what is in force now, and gives the drivers of it.
    pub(crate) fn put(&mut self, endpoints: Endpoints, prints: Prints, digest: String) -> Endpoints {
        if let Some(parts) = &mut self.parts {
            parts.prints = prints;
            parts.digest = digest;
        }
        self.endpoints = endpoints;
        self.endpoints.clone()
    }
}

/// Reads on a thread where it may take its time; a read that hangs keeps its permit, so that it stays the only one.
async fn read(source: Arc<dyn Reread>, permit: OwnedSemaphorePermit) -> Result<Fresh, Unfit> {
    let reading = tokio::task::spawn_blocking(move || {
        let read = source.read();
        drop(permit);
        read
    });
    let failed = |message: String| Unfit {
        code: code::UNREAD.to_owned(),
        message,
        remedy: "Look at the disk or network the file is on, then ask again.".to_owned(),
        findings: Vec::new(),
    };
    match tokio::time::timeout(READ_MAX, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => Err(failed(format!("Reading the configuration failed inside: {error}."))),
        Err(_) => Err(failed(format!("The configuration could not be read within {} s.", READ_MAX.as_secs()))),
    }
}

/// What is in force, to hold a new configuration against.
struct Trial {
    prints: Prints,
    endpoints: Endpoints,
    clock: Clock,
    by: String,
}

impl Trial {
    /// Takes the drivers of before for what did not change, and looks once at every UPS and platform that did.
    async fn look(self, mut fresh: Fresh) -> Ready {
        let changed = self.prints.changes(&fresh.prints);
        // A hook keeps nothing: those of before are no better than these.
        let Endpoints { devices, platforms, hosts, last_resorts, loads, hooks: _, prober: _ } = &mut fresh.endpoints;
        let old = self.endpoints;
        keep(devices, old.devices, |id| changed.contains(&Part::Ups(id.clone())));
        keep(platforms, old.platforms, |id| changed.contains(&Part::Platform(id.clone())));
        keep(hosts, old.hosts, |id| changed.contains(&Part::Host(id.clone())));
        keep(last_resorts, old.last_resorts, |id| changed.contains(&Part::Host(id.clone())));
        keep(loads, old.loads, |id| changed.contains(&Part::Load(id.clone())));
        let now = self.clock.now().mono;
        let mut asked: JoinSet<Result<Seen, String>> = JoinSet::new();
        for device in devices.iter().filter(|(id, _)| changed.contains(&Part::Ups((*id).clone()))).map(|(_, one)| one.clone()) {
            asked.spawn(async move {
                let cx = Cx::within(LOOK_MAX, now);
                match cx.bound("read UPS", device.read(&cx)).await {
                    Ok(Ok(reading)) => Ok(Seen::Reading(reading)),
                    Ok(Err(silence)) => Err(silence.message),
                    Err(error) => Err(error.to_failure().message),
                }
            });
        }
        for platform in
            platforms.iter().filter(|(id, _)| changed.contains(&Part::Platform((*id).clone()))).map(|(_, one)| one.clone())
        {
            asked.spawn(async move {
                let cx = Cx::within(LOOK_MAX, now);
                let inventory = cx.bound("read inventory", platform.inventory(&cx)).await;
                inventory.map(Seen::Inventory).map_err(|error| error.to_failure().message)
            });
        }
        let (mut readings, mut inventories) = (Vec::new(), Vec::new());
        while let Some(seen) = asked.join_next().await {
            match seen {
                Ok(Ok(Seen::Reading(reading))) => readings.push(reading),
                Ok(Ok(Seen::Inventory(inventory))) => inventories.push(inventory),
                Ok(Err(message)) => tracing::warn!(message, "a reload does not hear what it would look at"),
                Err(error) => tracing::error!(%error, "a driver panicked while a reload tried it out"),
            }
        }
        let (config, digest) = (fresh.config.clone(), fresh.digest.clone());
        let proposal = Proposal { config, changed, readings, inventories, digest, by: self.by };
        Ready { fresh, proposal }
    }
}

enum Seen {
    Reading(Reading),
    Inventory(Inventory),
}

fn keep<K: Ord, V>(new: &mut BTreeMap<K, V>, old: BTreeMap<K, V>, is_changed: impl Fn(&K) -> bool) {
    for (id, driver) in old {
        if !is_changed(&id)
            && let Some(place) = new.get_mut(&id)
        {
            *place = driver;
        }
    }
}
