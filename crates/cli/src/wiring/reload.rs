//! The configuration read anew while the controller runs: the same reading and the same rules as at the start.

use super::{alert, endpoints, site};
use crate::config::print::{Tables, sha256};
use crate::config::section::hook::Hooks;
use crate::config::{self, Config, Located};
use crate::failure::Failure;
use ridethrough_api::code;
use ridethrough_controller::alert::Exchange;
use ridethrough_controller::{Fresh, Prints, Reread, Unfit};
use ridethrough_model::{Finding, HookOf, HostId, LoadId, PlatformId, TierName, UpsId};
use ridethrough_store::Outbox;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Findings that are handed on; there may be hundreds.
const FINDINGS_MAX: usize = 20;

/// Where the configuration is, and what of it only a start can change.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) path: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) alerts: Arc<Alerts>,
}

/// The alerts in force.
#[derive(Debug)]
pub(crate) struct Alerts {
    exchange: Arc<Exchange>,
    outbox_path: PathBuf,
    state: Mutex<AlertsState>,
}

#[derive(Debug)]
struct AlertsState {
    print: String,
    outbox: Option<Arc<Outbox>>,
}

impl Alerts {
    pub(crate) fn new(exchange: Arc<Exchange>, outbox_path: PathBuf, print: String, outbox: Option<Arc<Outbox>>) -> Self {
        Self { exchange, outbox_path, state: Mutex::new(AlertsState { print, outbox }) }
    }

    /// What puts those of that configuration in force; nothing if they are in force already.
    fn placing(self: Arc<Self>, config: &Config) -> Result<Box<dyn FnOnce() + Send>, Failure> {
        let (print, was) = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (alerts_print(config), (state.print.clone(), state.outbox.clone()))
        };
        if print == was.0 {
            return Ok(Box::new(|| {}));
        }
        let routes = alert::routes(config)?;
        let outbox = match was.1 {
            None if !routes.is_empty() => Some(open_outbox(&self.outbox_path)?),
            known => known,
        };
        Ok(Box::new(move || {
            self.exchange.put(routes, outbox.clone());
            *self.state.lock().unwrap_or_else(PoisonError::into_inner) = AlertsState { print, outbox };
        }))
    }
}

/// Opens the outbox of alerts.
pub(crate) fn open_outbox(path: &Path) -> Result<Arc<Outbox>, Failure> {
    Outbox::open(path).map(Arc::new).map_err(|error| {
        let remedy =
            "Check the data directory's owner and free space; a damaged outbox may be moved away: only alerts are in it.";
        Failure::new("RT0170", error.to_string(), remedy).because(&error)
    })
}

/// Differs if and only if the alerts differ.
pub(crate) fn alerts_print(config: &Config) -> String {
    let tables = Tables::of(config);
    config.alerts.iter().map(|(name, entry)| format!("{name} {}\n", tables.print("alert", name, &entry.place.source))).collect()
}

/// How everything is reached.
pub(crate) fn prints(config: &Config) -> Prints {
    let tables = Tables::of(config);
    let mut prints = Prints::default();
    for (name, entry) in &config.upses {
        prints.devices.insert(UpsId::new(name.as_str()), tables.print("ups", name, &entry.place.source));
    }
    for (name, entry) in &config.platforms {
        prints.platforms.insert(PlatformId::new(name.as_str()), tables.print("platform", name, &entry.place.source));
    }
    for (name, entry) in &config.hosts {
        prints.hosts.insert(HostId::new(name.as_str()), tables.print("host", name, &entry.place.source));
    }
    for (name, entry) in &config.loads {
        prints.loads.insert(LoadId::new(name.as_str()), tables.print("load", name, &entry.place.source));
    }
    for entry in &config.tiers {
        let name = entry.value.name.as_str();
        let of = HookOf::Tier(TierName::new(name));
        for (moment, key, _) in entry.value.hooks.iter().flat_map(Hooks::given) {
            prints.hooks.insert(of.at(moment), tables.hook(name, key, &entry.place.source));
        }
    }
    prints
}

/// SHA-256 over the files in the order of their names.
pub(crate) fn digest(config: &Config) -> String {
    let sources: Vec<_> = config.sources().collect();
    sha256(sources.iter().map(|source| source.text.as_bytes()))
}

impl Reread for Files {
    fn read(&self) -> Result<Fresh, Unfit> {
        let before = stamp(&self.path);
        let (config, mut findings) = config::check(&self.path);
        findings.retain(Located::is_error);
        let config = match config {
            Some(config) if findings.is_empty() => config,
            _ => return Err(unfit(&self.path, &findings)),
        };
        self.only_at_start(&config)?;
        let fresh = self.fresh(&config).map_err(|failure| of_failure(&failure))?;
        if stamp(&self.path) != before {
            return Err(Unfit {
                code: code::UNREAD.to_owned(),
                message: format!("{} changed while it was read.", self.path.display()),
                remedy: "Ask again when nobody writes to it.".to_owned(),
                findings: Vec::new(),
            });
        }
        Ok(fresh)
    }
}

impl Files {
    fn fresh(&self, config: &Config) -> Result<Fresh, Failure> {
        Ok(Fresh {
            config: site(config),
            pace: config::pace(config),
            endpoints: endpoints(config)?,
            prints: prints(config),
            digest: digest(config),
            place: self.alerts.clone().placing(config)?,
        })
    }

    fn only_at_start(&self, config: &Config) -> Result<(), Unfit> {
        let mut changed = Vec::new();
        if config.listen() != self.listen {
            changed.push("`listen`");
        }
        if config.data_dir() != self.data_dir {
            changed.push("`data_dir`");
        }
        if changed.is_empty() {
            return Ok(());
        }
        Err(Unfit {
            code: code::RESTART.to_owned(),
            message: format!("{} of [controller] cannot change while the controller runs.", changed.join(" and ")),
            remedy: "Restart the controller, or leave them as they were and reload.".to_owned(),
            findings: Vec::new(),
        })
    }
}

/// Sizes and times of all files of it.
fn stamp(path: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let mut paths = vec![path.to_owned()];
    if let Ok(entries) = std::fs::read_dir(path) {
        paths.extend(entries.filter_map(Result::ok).map(|entry| entry.path()).take(1024));
    }
    paths.sort();
    let meta = |path: PathBuf| std::fs::metadata(&path).ok().map(|meta| (path, meta.len(), meta.modified().ok()));
    paths.into_iter().filter_map(meta).collect()
}

fn unfit(path: &Path, findings: &[Located]) -> Unfit {
    Unfit {
        code: code::UNFIT.to_owned(),
        message: format!("{} cannot be used.", path.display()),
        remedy: "Mend what the findings say; `ridethrough check` shows them all, in their place.".to_owned(),
        findings: findings.iter().take(FINDINGS_MAX).map(placed).collect(),
    }
}

/// With file, line and column before the subject.
fn placed(located: &Located) -> Finding {
    let mut finding = located.finding.clone();
    if let Some(place) = &located.place {
        let (line, column) = place.position();
        finding.subject = format!("{}:{line}:{column}: {}", place.source.path.display(), finding.subject);
    }
    finding
}

fn of_failure(failure: &Failure) -> Unfit {
    let cause = failure.cause.as_ref().map_or_else(String::new, |cause| format!(" ({cause})"));
    let (code, message) = (failure.error.code.as_str(), format!("{}{cause}", failure.error.message));
    let remedy = failure.error.remedy.clone();
    Unfit {
        code: code::UNFIT.to_owned(),
        message: "The configuration cannot be used.".to_owned(),
        remedy: remedy.clone(),
        findings: vec![Finding::error(code, "configuration", message, remedy)],
    }
}
