//! From the configuration to what the controller looks at and drives: the one place that knows the concrete drivers.

pub(crate) mod alert;
pub(crate) mod order;
pub(crate) mod reload;
pub(crate) mod vsphere;

use crate::command::connect::Place;
use crate::command::serve::{ConfigFiles, Setup};
use crate::config::section::host::{Host, Ipmi, Ssh};
use crate::config::section::nut::{NutTls, TlsFault};
use crate::config::section::redfish::Redfish;
use crate::config::section::wol::Wol;
use crate::config::section::{self, Load, Nut, Ups};
use crate::config::{self, Config, Located, SecretError, SecretSource};
use crate::failure::Failure;
use crate::output::Style;
use ridethrough_controller::{Endpoints, HookCall, identity};
use ridethrough_decide::SiteConfig;
use ridethrough_devices::nut;
use ridethrough_driver::tls::Trust;
use ridethrough_driver::{Device, Error, HostPower, Platform, Secret, Workers};
use ridethrough_model::{HookOf, HostId, LoadId, PlatformId, UpsId};
use ridethrough_platforms::vsphere::Vsphere;
use ridethrough_platforms::{ipmi, libvirt, ready, redfish, ssh, wol};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The port of a BMC, of sshd, of upsd.
const PORTS: (u16, u16, u16) = (623, 22, 3493);
/// Where a magic packet goes: nobody listens there but the card.
const WAKE_PORT: u16 = 9;
/// The cipher suite with SHA-256.
const CIPHER_SUITE: u8 = 17;
/// What shuts a host down.
const SHUTDOWN_COMMAND: &str = "shutdown -h now";

/// The configuration, or everything that is wrong with it.
pub(crate) fn configuration(path: &Path) -> Result<Config, Failure> {
    let (config, mut findings) = config::check(path);
    findings.retain(Located::is_error);
    match config {
        Some(config) if findings.is_empty() => Ok(config),
        _ => Err(refused(path, &findings)),
    }
}

/// Where the controller of that configuration listens. What it means otherwise does not matter here.
pub(crate) fn place(path: &Path) -> Result<Place, Failure> {
    let config = config::load(path).map_err(|findings| refused(path, &findings))?;
    Ok(Place { listen: config.listen(), data_dir: config.data_dir() })
}

fn refused(path: &Path, findings: &[Located]) -> Failure {
    eprintln!("{}", config::render(findings, &Style::of_stderr()));
    let message = format!("the configuration {} cannot be used", path.display());
    let code = findings.first().map_or("", |located| located.finding.code.as_str());
    Failure::new(code, message, "Mend what is said above; `ridethrough check` says it again.")
}

/// Everything `serve` needs.
pub(crate) fn setup(path: &Path) -> Result<Setup, Failure> {
    let config = configuration(path)?;
    Ok(Setup {
        endpoints: endpoints(&config)?,
        config: site(&config),
        pace: config::pace(&config),
        alerts: alert::routes(&config)?,
        listen: config.listen(),
        data_dir: config.data_dir(),
        files: Some(ConfigFiles {
            path: path.to_owned(),
            prints: reload::prints(&config),
            alerts_print: reload::alerts_print(&config),
            digest: reload::digest(&config),
        }),
    })
}

/// What hangs on what, what is wanted, and who we are.
pub(crate) fn site(config: &Config) -> SiteConfig {
    let mut topology = config::topology(config);
    topology.controller_smbios = identity::own_smbios();
    SiteConfig { topology, policy: config::policy(config) }
}

/// Every driver, connected to nothing yet. Must be called inside a runtime.
pub(crate) fn endpoints(config: &Config) -> Result<Endpoints, Failure> {
    let mut endpoints = Endpoints { prober: Some(Arc::new(ready::Network)), ..Endpoints::default() };
    let mut setups: Vec<(&NutTls, nut::TlsSetup)> = Vec::new();
    for (name, entry) in &config.upses {
        let Ups { nut: ups, .. } = &entry.value;
        let id = UpsId::new(name.as_str());
        let config = nut_config(id.clone(), ups)?;
        let device: Arc<dyn Device> = Arc::new(match ups.tls.as_deref() {
            None => nut::Nut::new(config),
            Some(tls) => nut::Nut::sharing(config, shared(&mut setups, tls)),
        });
        endpoints.devices.insert(id, device);
    }
    let mut vspheres: BTreeMap<&str, Arc<Vsphere>> = BTreeMap::new();
    for (name, entry) in &config.platforms {
        let driver: Arc<dyn Platform> = match &entry.value {
            section::Platform::Libvirt(written) => {
                let estate = written.to_libvirt(name).map_err(|fault| vsphere::certificates(name, &fault))?;
                Arc::new(libvirt::Libvirt::new(estate, Workers::new()).map_err(|error| wrong(&error))?)
            }
            section::Platform::Vsphere(written) => {
                let driver = Arc::new(Vsphere::new(&vsphere::config(name, written)?).map_err(|error| wrong(&error))?);
                vspheres.insert(name, driver.clone());
                driver
            }
        };
        endpoints.platforms.insert(PlatformId::new(name.as_str()), driver);
    }
    for (name, entry) in &config.hosts {
        let ssh = entry.value.ssh().map(|at| Arc::new(ssh::Ssh::new(ssh_config(name, at))));
        let mut means = host_means(ssh.clone(), &entry.value)?;
        if let Some(written) = entry.value.by_vsphere()
            && let Some(driver) = config::platform_of(config, name).and_then(|platform| vspheres.get(platform))
        {
            means.insert(0, Arc::new(vsphere::host_power(driver.clone(), name, written)));
        }
        endpoints.hosts.insert(HostId::new(name.as_str()), means);
        if let Some(ssh) = ssh {
            endpoints.last_resorts.insert(HostId::new(name.as_str()), Arc::new(ssh::DeadManTimer::new(ssh, name)));
        }
    }
    for (name, entry) in &config.loads {
        if let Load::Command(load) = &entry.value {
            endpoints.loads.insert(LoadId::new(name.as_str()), order::load_means(name, load)?);
        }
    }
    for (hook, written, hooks) in config::hooks(config) {
        let name = if let HookOf::Host(host) = &hook.of { host.as_str() } else { "" };
        let order = order::order(hook.moment.word(), name, written)?;
        let time_max = Duration::from_millis(config::hook_limit(hooks).0);
        endpoints.hooks.insert(hook, HookCall { order, time_max });
    }
    Ok(endpoints)
}

/// That of an earlier UPS with the same files, or a new one.
fn shared<'a>(setups: &mut Vec<(&'a NutTls, nut::TlsSetup)>, tls: &'a NutTls) -> nut::TlsSetup {
    if let Some((_, setup)) = setups.iter().find(|(known, _)| known.has_setup_of(tls)) {
        return setup.clone();
    }
    let setup = nut::TlsSetup::default();
    setups.push((tls, setup.clone()));
    setup
}

/// The driver of a UPS behind upsd, connected to nothing yet.
pub(crate) fn nut_device(ups_id: UpsId, ups: &Nut) -> Result<nut::Nut, Failure> {
    Ok(nut::Nut::new(nut_config(ups_id, ups)?))
}

fn nut_config(ups_id: UpsId, ups: &Nut) -> Result<nut::Config, Failure> {
    Ok(nut::Config {
        host: (*ups.host).clone(),
        port: ups.port.as_ref().map_or(PORTS.2, |port| **port),
        ups: (*ups.ups).clone(),
        user: ups.user.as_deref().cloned(),
        password: ups.password.as_deref().map(read).transpose()?,
        tls: ups.tls.as_deref().map(|tls| tls.to_driver().map_err(|fault| nut_tls_fault(&ups_id, &fault))).transpose()?,
        ups_id,
    })
}

fn nut_tls_fault(ups: &UpsId, fault: &TlsFault) -> Failure {
    Failure::new("RT0141", format!("UPS {ups}: its TLS cannot be set up: {fault}"), "Mend it where `ridethrough check` points.")
}

fn host_means(ssh: Option<Arc<ssh::Ssh>>, host: &Host) -> Result<Vec<Arc<dyn HostPower>>, Failure> {
    let mut means: Vec<Arc<dyn HostPower>> = Vec::new();
    if let Some(ssh) = ssh {
        means.push(ssh);
    }
    if let Some(at) = host.ipmi() {
        means.push(Arc::new(ipmi::Ipmi::new(ipmi_config(at)?)));
    }
    if let Some(at) = host.redfish() {
        means.push(Arc::new(redfish::Redfish::new(redfish_config(at)?)));
    }
    // Last: it always accepts, and nobody knows whether it was heard.
    if let Some(at) = host.wol() {
        means.push(Arc::new(wol::Wol::new(wol_config(at))));
    }
    Ok(means)
}

fn redfish_config(at: &Redfish) -> Result<redfish::Config, Failure> {
    let trust = match (&at.thumbprint, &at.ca) {
        (Some(pin), _) => Trust::Pinned(pin.0),
        (None, Some(path)) => Trust::Authorities(std::fs::read_to_string(&**path).map_err(|error| {
            let message = format!("the certificate authority {} cannot be read", path.display());
            Failure::new("RT0157", message, "Put it where the configuration says it is.").because(&error)
        })?),
        (None, None) => Trust::System,
    };
    Ok(redfish::Config {
        url: at.url.0.clone(),
        system: at.system.as_deref().cloned(),
        user: (*at.user).clone(),
        password: read(&at.password)?,
        trust,
        can_shut_down: at.can_shut_down(),
    })
}

fn wol_config(at: &Wol) -> wol::Config {
    wol::Config {
        mac: at.mac.0,
        broadcast: at.broadcast.as_deref().copied().unwrap_or(Ipv4Addr::BROADCAST),
        port: at.port.as_ref().map_or(WAKE_PORT, |port| **port),
        interface: at.interface.as_deref().cloned(),
    }
}

fn ssh_config(name: &str, at: &Ssh) -> ssh::Config {
    ssh::Config {
        address: at.address.as_deref().cloned().unwrap_or_else(|| name.to_owned()),
        port: at.port.as_ref().map_or(PORTS.1, |port| **port),
        user: (*at.user).clone(),
        key: at.key.as_ref().map(|key| key.file.clone()),
        known_hosts: at.known_hosts.as_deref().cloned(),
        command: at.command.as_deref().cloned().unwrap_or_else(|| SHUTDOWN_COMMAND.to_owned()),
    }
}

fn ipmi_config(at: &Ipmi) -> Result<ipmi::Config, Failure> {
    Ok(ipmi::Config {
        address: (*at.address).clone(),
        port: at.port.as_ref().map_or(PORTS.0, |port| **port),
        user: (*at.user).clone(),
        password: read(&at.password)?,
        cipher_suite: at.cipher_suite.as_ref().map_or(CIPHER_SUITE, |suite| **suite),
    })
}

fn read(secret: &SecretSource) -> Result<Secret, Failure> {
    let missing = |error: SecretError| {
        Failure::new("RT0108", "a secret cannot be read", "Put it where the configuration says it is.").because(&error)
    };
    secret.read().map_err(missing)
}

fn wrong(error: &Error) -> Failure {
    Failure::new("RT0104", error.to_failure().message, "Mend the platform's table; see docs/configuration.md.")
}
