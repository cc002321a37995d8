//! The configuration file: read, checked, and turned into what the rest of the program understands.
//!
//! Nothing is connected to here and no secret is read but to see that it can be. Begin reading in `section.rs` for what can be
//! written, in `load` for how it is read, in `lint.rs` for what it must make sense of.

mod convert;
#[cfg(test)]
mod example_plans;
mod lint;
pub(crate) mod print;
mod read;
#[cfg(test)]
mod reference;
mod render;
mod secret;
pub(crate) mod section;
mod source;
mod suggest;
mod syntax;
#[cfg(test)]
mod tests;
pub(crate) mod value;

pub(crate) use convert::{hook_limit, hooks, pace, platform_of, policy, topology};
pub(crate) use render::render;
pub(crate) use secret::{SecretError, SecretSource};
pub(crate) use source::{Located, Place};

use read::Read;
use ridethrough_model::Finding;
use section::alert::Alert;
use section::back::{Return, VmRule};
use section::drill::Drill;
use section::host::Host;
use section::outage::{Domain, Tier};
use section::{Controller, Load, Moves, Platform, Ups};
use source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the controller listens if nobody says otherwise.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7878);
/// Where the journal is if nobody says otherwise.
const DEFAULT_DATA_DIR: &str = "/var/lib/ridethrough";
/// Larger is a mistake.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// More is a mistake.
const FILES_MAX: usize = 256;

/// The JSON Schema of one file of the configuration. A test keeps it that of the code.
pub(crate) const SCHEMA: &str = include_str!("../../../docs/configuration.schema.json");

/// A section and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Entry<T> {
    pub(crate) place: Place,
    pub(crate) value: T,
}

/// Everything that was written, from all files. Relative paths are resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) controller: Option<Entry<Controller>>,
    pub(crate) alerts: BTreeMap<String, Entry<Alert>>,
    pub(crate) moves: Option<Entry<Moves>>,
    pub(crate) back: Option<Entry<Return>>,
    pub(crate) rules: Vec<Entry<VmRule>>,
    pub(crate) drill: Option<Entry<Drill>>,
    pub(crate) upses: BTreeMap<String, Entry<Ups>>,
    pub(crate) platforms: BTreeMap<String, Entry<Platform>>,
    pub(crate) hosts: BTreeMap<String, Entry<Host>>,
    pub(crate) loads: BTreeMap<String, Entry<Load>>,
    pub(crate) domains: Vec<Entry<Domain>>,
    /// Most important first.
    pub(crate) tiers: Vec<Entry<Tier>>,
    /// The files it was read from, in the order of their names.
    pub(crate) sources: Vec<Arc<Source>>,
}

impl Config {
    /// Where the controller listens.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.controller().and_then(|controller| controller.listen.as_ref()).map_or(DEFAULT_LISTEN, |listen| **listen)
    }

    /// Where journal and token are kept.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.controller().and_then(|controller| controller.data_dir.clone()).unwrap_or_else(|| DEFAULT_DATA_DIR.into())
    }

    /// Every file that something of it came from, in the order of their names.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Arc<Source>> {
        self.sources.iter().cloned()
    }

    /// Everything that can be written but makes no sense, or protects less than it looks. Looks at files with secrets.
    pub(crate) fn lint(&self) -> Vec<Located> {
        let mut findings = lint::lint(self);
        source::sort(&mut findings);
        findings
    }

    fn controller(&self) -> Option<&Controller> {
        self.controller.as_ref().map(|entry| &entry.value)
    }

    fn resolve_paths(&mut self) {
        if let Some(Entry { place, value }) = &mut self.controller
            && let Some(data_dir) = &mut value.data_dir
        {
            *data_dir = place.source.folder().join(&data_dir);
        }
        self.alerts.values_mut().for_each(|entry| entry.value.resolve(entry.place.source.folder()));
        self.upses.values_mut().for_each(|entry| entry.value.resolve(entry.place.source.folder()));
        self.loads.values_mut().for_each(|entry| entry.value.resolve(entry.place.source.folder()));
        self.platforms.values_mut().for_each(|entry| entry.value.resolve(entry.place.source.folder()));
        self.hosts.values_mut().for_each(|entry| entry.value.resolve(entry.place.source.folder()));
        for entry in &mut self.tiers {
            entry.value.hooks.iter_mut().for_each(|hooks| hooks.resolve(entry.place.source.folder()));
        }
    }
}

/// Reads a file, or all `*.toml` of a folder in the order of their names.
///
/// # Errors
/// Everything that keeps it from being understood; then nothing of it is used.
pub(crate) fn load(path: &Path) -> Result<Config, Vec<Located>> {
    let sources = open(path).map_err(|finding| vec![Located::everywhere(finding)])?;
    let Read { mut config, mut findings, declared } = read::read(&sources);
    config.resolve_paths();
    config.sources = sources;
    if findings.is_empty() {
        return Ok(config);
    }
    findings.extend(config.lint().into_iter().filter(|found| is_true_of_a_part(found, &declared)));
    source::sort(&mut findings);
    Err(findings)
}

/// Whether a finding about what could be read stands whatever the rest turns out to be: secrets, and names that are nowhere.
fn is_true_of_a_part(found: &Located, declared: &BTreeSet<String>) -> bool {
    match found.finding.code.as_str() {
        "RT0108" | "RT0109" => true,
        "RT0111" => found.place.as_ref().is_some_and(|place| {
            let written = place.source.text.get(place.span.clone()).unwrap_or_default();
            !declared.contains(written.trim_matches(['"', '\'']))
        }),
        _ => false,
    }
}

/// The configuration, if it could be read, and everything there is to say about it.
pub(crate) fn check(path: &Path) -> (Option<Config>, Vec<Located>) {
    match load(path) {
        Ok(config) => {
            let findings = config.lint();
            (Some(config), findings)
        }
        Err(findings) => (None, findings),
    }
}

fn open(path: &Path) -> Result<Vec<Arc<Source>>, Finding> {
    let subject = path.display().to_string();
    let failed = |error: io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "Name the file or folder with --config, or RIDETHROUGH_CONFIG.",
            io::ErrorKind::PermissionDenied => "Run this as the user the controller runs as, or as root.",
            _ => "Check the file.",
        };
        Finding::error("RT0101", subject.clone(), format!("it cannot be read: {error}."), remedy)
    };
    let refused = |message: String, remedy: &str| Finding::error("RT0101", subject.clone(), message, remedy);
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![read_source(path)?]);
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|extension| extension == "toml") && !is_hidden && path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(refused("the folder holds no `*.toml`.".to_owned(), "Put the configuration there, or name another place."));
    }
    if paths.len() > FILES_MAX {
        return Err(refused(format!("the folder holds more than {FILES_MAX} files."), "Name the right folder."));
    }
    paths.sort();
    paths.iter().map(|path| read_source(path)).collect()
}

fn read_source(path: &Path) -> Result<Arc<Source>, Finding> {
    use std::io::Read;
    let refused = |message: String, remedy: &str| Finding::error("RT0101", path.display().to_string(), message, remedy);
    let failed = |error: io::Error| {
        refused(format!("it cannot be read: {error}."), "Check the file, and run this as the user the controller runs as.")
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refused("it is larger than 4 MiB.".to_owned(), "Name the right file."));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8.".to_owned(), "Save it as UTF-8."))?;
    Ok(Arc::new(Source { path: path.to_owned(), text }))
}
