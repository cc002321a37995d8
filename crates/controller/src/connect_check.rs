//! `check --connect`: asks every UPS, platform and host once and says what would go wrong in an outage. Changes nothing.

mod last_resort;
mod loads;
mod masters;

use crate::hooks::HookCall;
use ridethrough_decide::{OwnPlace, SiteConfig};
use ridethrough_driver::{Cx, Device, Error, FailureKind, HostPower, HostPowerCapability, LastResort, Platform, Prober};
use ridethrough_model::{
    Finding, FindingLevel, Hook, HostId, HostPowerState, Inventory, LoadId, Mono, PlatformId, Reading, Silence, SilenceKind,
    Topology, UpsId, UpsTopology, Vm,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Everything that can be asked.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// UPSes.
    pub devices: BTreeMap<UpsId, Arc<dyn Device>>,
    /// Platforms.
    pub platforms: BTreeMap<PlatformId, Arc<dyn Platform>>,
    /// Means to see and change a host's power.
    pub hosts: BTreeMap<HostId, Vec<Arc<dyn HostPower>>>,
    /// The dead-man timers of hosts.
    pub last_resorts: BTreeMap<HostId, Arc<dyn LastResort>>,
    /// What stands behind hooks.
    pub hooks: BTreeMap<Hook, HookCall>,
    /// Means to see, stop and start a load that is no host.
    pub loads: BTreeMap<LoadId, Vec<Arc<dyn HostPower>>>,
    /// What asks guests over the network whether they do their work.
    pub prober: Option<Arc<dyn Prober>>,
}

/// How long each may take.
const LIMIT: Duration = Duration::from_secs(15);
/// Names listed in one finding.
const NAMES_MAX: usize = 5;

/// What one of them said.
enum Word {
    Findings(Vec<Finding>),
    Inventory(PlatformId, Box<Inventory>),
    Power(HostId, &'static str, HostPowerState),
}

/// Asks all of them at the same time; worst findings first.
pub async fn check(endpoints: &Endpoints, config: &SiteConfig, now: Mono) -> Vec<Finding> {
    let mut asked: JoinSet<Word> = JoinSet::new();
    for (id, device) in &endpoints.devices {
        let (id, device) = (id.clone(), device.clone());
        let known = config.topology.upses.get(&id).cloned().unwrap_or_default();
        asked.spawn(async move { Word::Findings(ask_ups(&id, &*device, &known, now).await) });
    }
    for (id, platform) in &endpoints.platforms {
        let (id, platform) = (id.clone(), platform.clone());
        asked.spawn(async move {
            let cx = Cx::within(LIMIT, now);
            match cx.bound("read inventory", platform.inventory(&cx)).await {
                Ok(inventory) => Word::Inventory(id, Box::new(inventory)),
                Err(error) => Word::Findings(vec![platform_failed(&id, &error)]),
            }
        });
    }
    for (id, means) in &endpoints.hosts {
        for one in means {
            let (id, one) = (id.clone(), one.clone());
            asked.spawn(async move { ask_host(id, &*one, now).await });
        }
    }
    for (id, driver) in &endpoints.last_resorts {
        let (id, driver, has_timer) = (id.clone(), driver.clone(), config.topology.timers.contains(id));
        asked.spawn(async move { Word::Findings(last_resort::ask(id, &*driver, has_timer, now).await) });
    }
    for (id, means) in &endpoints.loads {
        for one in means {
            let (id, one) = (id.clone(), one.clone());
            asked.spawn(async move { Word::Findings(loads::ask(&id, &*one, LIMIT, now).await) });
        }
    }
    let mut findings = Vec::new();
    let mut inventories = BTreeMap::new();
    let mut powers = Vec::new();
    while let Some(word) = asked.join_next().await {
        match word {
            Ok(Word::Findings(more)) => findings.extend(more),
            Ok(Word::Inventory(id, inventory)) => {
                inventories.insert(id, *inventory);
            }
            Ok(Word::Power(host, means, state)) => powers.push((host, means, state)),
            Err(error) => findings.push(Finding::error(
                "RT0206",
                "driver",
                format!("a driver failed inside: {error}."),
                "Report this as a mistake in Ridethrough.",
            )),
        }
    }
    for (id, inventory) in &inventories {
        hosts_of(id, inventory, &config.topology, &mut findings);
    }
    let is_complete = inventories.len() == endpoints.platforms.len();
    tiers(config, &inventories, is_complete, &mut findings);
    own_place(&config.topology, &inventories, &mut findings);
    contradictions(&powers, &inventories, &mut findings);
    findings.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.cmp(b)));
    findings
}

async fn ask_ups(id: &UpsId, device: &dyn Device, known: &UpsTopology, now: Mono) -> Vec<Finding> {
    let subject = format!("UPS {id}");
    let cx = Cx::within(LIMIT, now);
    if let Err(error) = cx.bound("verify", device.verify(&cx)).await
        && error.kind() != FailureKind::Unsupported
    {
        return vec![ups_failed(&subject, &error)];
    }
    let mut findings = Vec::new();
    let cx = Cx::within(LIMIT, now);
    match cx.bound("read UPS", device.read(&cx)).await {
        Ok(Ok(reading)) => {
            poor_reading(&subject, &reading, &mut findings);
            masters::own_limits(&subject, &reading, &mut findings);
        }
        Ok(Err(silence)) => findings.push(ups_silent(&subject, &silence)),
        Err(error) => findings.push(ups_failed(&subject, &error)),
    }
    let cx = Cx::within(LIMIT, now);
    if let Ok(clients) = cx.bound("list clients", device.clients(&cx)).await {
        findings.extend(masters::others(subject, &clients, known));
    }
    findings
}

fn ups_failed(subject: &str, error: &Error) -> Finding {
    let why = error.to_failure().message;
    let (code, message, remedy) = match error.kind() {
        FailureKind::Unreachable | FailureKind::Busy => (
            "RT0201",
            "its server does not answer",
            "Check that the server runs and listens on that address, and that nothing in between blocks it.",
        ),
        FailureKind::Unauthorized => (
            "RT0202",
            "its server refuses our user or password",
            "Correct `user` and `password` in the configuration, or the server's users.",
        ),
        FailureKind::NotFound => (
            "RT0203",
            "its server does not know a UPS of that name",
            "Correct `ups` in the configuration; `upsc -l HOST` lists what the server knows.",
        ),
        _ => ("RT0206", "it cannot be used", "Read the reason; it is a wrong setting or an answer that is not understood."),
    };
    Finding::error(code, subject, format!("{message}: {why}."), remedy)
}

fn ups_silent(subject: &str, silence: &Silence) -> Finding {
    let why = &silence.message;
    match silence.kind {
        SilenceKind::Stale | SilenceKind::Disconnected => Finding::error(
            "RT0204",
            subject,
            format!("its server answers but has no fresh data of it: {why}."),
            "Check the cable and the driver on the UPS's server.",
        ),
        SilenceKind::Unreachable => Finding::error(
            "RT0201",
            subject,
            format!("its server does not answer: {why}."),
            "Check that the server runs and listens on that address, and that nothing in between blocks it.",
        ),
        SilenceKind::Refused => Finding::error(
            "RT0206",
            subject,
            format!("its server refuses to tell: {why}."),
            "Check the UPS's name and the user's rights on the server.",
        ),
    }
}

fn poor_reading(subject: &str, reading: &Reading, findings: &mut Vec<Finding>) {
    if reading.status.0.is_empty() {
        findings.push(Finding::error(
            "RT0204",
            subject,
            "it does not say whether it is on mains or on battery (`ups.status` is empty).",
            "Check its driver; without a status no outage is ever seen.",
        ));
    }
    if reading.runtime.is_none() {
        findings.push(Finding::warning(
            "RT0419",
            subject,
            "it does not say how long its battery lasts (`battery.runtime`): `runtime_assumed` counts.",
            "Set `runtime_assumed` of its domain to what the battery surely lasts, or use a driver that tells more.",
        ));
    }
    if reading.charge.is_none() {
        findings.push(Finding::warning(
            "RT0207",
            subject,
            "it does not say its charge (`battery.charge`): after an outage nothing is started before `return_latest`.",
            "Use a driver that tells it, or shorten `return_latest` of its domain.",
        ));
    }
}

fn platform_failed(id: &PlatformId, error: &Error) -> Finding {
    let why = error.to_failure().message;
    let subject = format!("platform {id}");
    match error.kind() {
        FailureKind::Unauthorized => Finding::error(
            "RT0211",
            subject,
            format!("it refuses us: {why}."),
            "Correct the credentials, or give the user the rights the manual lists.",
        ),
        FailureKind::Unreachable | FailureKind::Busy => Finding::error(
            "RT0210",
            subject,
            format!("none of its hosts answers: {why}."),
            "Check the addresses in the configuration and that the service listens there.",
        ),
        _ => Finding::error(
            "RT0212",
            subject,
            format!("it cannot be used: {why}."),
            "Read the reason; it is a wrong setting or an answer that is not understood.",
        ),
    }
}

async fn ask_host(id: HostId, means: &dyn HostPower, now: Mono) -> Word {
    let cx = Cx::within(LIMIT, now);
    let subject = format!("host {id}");
    let name = means.name();
    let finding = match cx.bound("observe", means.observe(&cx)).await {
        Ok(HostPowerState::Unknown) if sees_nothing(means.capability()) => return Word::Findings(Vec::new()),
        Ok(HostPowerState::Unknown) => Finding::warning(
            "RT0221",
            subject,
            format!("{name} cannot tell whether it is on: no answer, or a contradiction."),
            "If the host is meant to be up, check the address; what does not answer now cannot shut down or wake it later.",
        ),
        Ok(state) => return Word::Power(id, name, state),
        Err(error) if error.kind() == FailureKind::Unauthorized => Finding::error(
            "RT0220",
            subject,
            format!("{name} refuses us: {}.", error.to_failure().message),
            "Correct the user and the key or password, or whose certificate is believed: the message says which.",
        ),
        Err(error) => Finding::error(
            "RT0223",
            subject,
            format!("{name} cannot be used: {}.", error.to_failure().message),
            "Read the reason; it is a wrong setting or a missing program.",
        ),
    };
    Word::Findings(vec![finding])
}

/// What can only wake, such as Wake-on-LAN, is not asked whether the host is on.
fn sees_nothing(capability: HostPowerCapability) -> bool {
    capability.can_wake && !capability.can_shut_down && !capability.can_prove_off
}

fn hosts_of(id: &PlatformId, inventory: &Inventory, topology: &Topology, findings: &mut Vec<Finding>) {
    for (host, info) in &inventory.hosts {
        if !info.connected {
            findings.push(Finding::error(
                "RT0213",
                format!("host {host}"),
                format!("platform {id} does not reach it: its VMs are not known."),
                "Check that it is up and that the platform's service on it answers.",
            ));
        }
        if !topology.hosts.contains_key(host) {
            findings.push(Finding::warning(
                "RT0214",
                format!("host {host}"),
                format!("platform {id} has it, the configuration has no [host.{host}]: its power is unknown, its VMs are not protected."),
                "Add the host with its feeds to the configuration.",
            ));
        }
    }
    let missing =
        topology.hosts.iter().filter(|(host, known)| known.platform.as_ref() == Some(id) && !inventory.hosts.contains_key(*host));
    for (host, _) in missing {
        findings.push(Finding::error(
            "RT0214",
            format!("host {host}"),
            format!("the configuration says platform {id} runs on it, the platform does not know it."),
            "Correct the host's name or its platform.",
        ));
    }
}

fn tiers(config: &SiteConfig, inventories: &BTreeMap<PlatformId, Inventory>, is_complete: bool, findings: &mut Vec<Finding>) {
    let vms: Vec<&Vm> = inventories.values().flat_map(|inventory| inventory.vms.values()).collect();
    for tier in &config.policy.tiers {
        if is_complete && !vms.iter().any(|vm| tier.matches.matches(vm)) {
            findings.push(Finding::warning(
                "RT0215",
                format!("tier {}", tier.name),
                "no VM matches it.",
                "Correct its `match`, or tag the VMs that belong to it.",
            ));
        }
    }
    let matching = |vm: &Vm| config.policy.tiers.iter().filter(|tier| tier.matches.matches(vm)).count();
    let lost: Vec<&str> = vms.iter().filter(|vm| matching(vm) == 0).map(|vm| vm.name.as_str()).collect();
    if !lost.is_empty() {
        findings.push(Finding::warning(
            "RT0420",
            "VMs in no tier",
            format!("{}: shut down cleanly, before all others.", some(&lost)),
            "Add a tier that matches them, or a last tier with `match = { name = \"*\" }`.",
        ));
    }
    let torn: Vec<&str> = vms.iter().filter(|vm| matching(vm) > 1).map(|vm| vm.name.as_str()).collect();
    if !torn.is_empty() {
        findings.push(Finding::warning(
            "RT0217",
            "VMs in several tiers",
            format!("{} match more than one tier; the first one counts.", some(&torn)),
            "Make the tiers' `match` exclude each other.",
        ));
    }
}

/// The controller in a VM or on a host of what it protects: who finishes the job then.
fn own_place(topology: &Topology, inventories: &BTreeMap<PlatformId, Inventory>, findings: &mut Vec<Finding>) {
    let is_fed = |host: &HostId| topology.hosts.get(host).is_some_and(|host| !host.feeds.is_empty());
    findings.extend(OwnPlace::of(topology, inventories).finding("controller", topology, inventories, is_fed));
}

fn contradictions(
    powers: &[(HostId, &'static str, HostPowerState)],
    inventories: &BTreeMap<PlatformId, Inventory>,
    findings: &mut Vec<Finding>,
) {
    for (host, means, _) in powers.iter().filter(|(_, _, state)| *state == HostPowerState::Off) {
        let is_connected = inventories.values().filter_map(|inventory| inventory.hosts.get(host)).any(|info| info.connected);
        if is_connected {
            findings.push(Finding::error(
                "RT0222",
                format!("host {host}"),
                format!("{means} says it is off, its platform reaches it: {means} points at another machine, or lies."),
                "Correct the address: its \"off\" would be taken as proof and its wake would wake another machine.",
            ));
        }
    }
}

fn some(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Whether any of them means that a domain is not protected.
#[must_use]
pub fn is_bad(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == FindingLevel::Error)
}

#[cfg(test)]
mod tests;
