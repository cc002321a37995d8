//! From the configuration to the drivers of vSphere.

use super::read;
use crate::config::section::host::ByVsphere;
use crate::config::section::nut::TlsFault;
use crate::config::section::vsphere::Vsphere;
use crate::config::value::or_default;
use crate::failure::Failure;
use ridethrough_model::{HostId, Millis, PlatformId};
use ridethrough_platforms::vsphere::{self as driver, HostConfig, Login, ServerUrl};
use std::sync::Arc;
use std::time::Duration;

/// How long entering maintenance mode may take, where nothing is said.
const MAINTENANCE_TIME: Millis = Millis::from_secs(60);

/// The settings of a vSphere platform's driver.
pub(crate) fn config(name: &str, written: &Vsphere) -> Result<driver::Config, Failure> {
    let mut hosts = std::collections::BTreeMap::new();
    for (host, at) in &written.hosts {
        let known_as = at.name.as_deref().map_or(host.as_str(), String::as_str);
        let direct = match &at.direct {
            None => None,
            Some(login) => Some(Login {
                url: match &login.url {
                    Some(url) => url.0.clone(),
                    None => ServerUrl::parse(&format!("https://{known_as}")).map_err(|message| {
                        let message = format!("platform {name}: host {}: {message}", **host);
                        Failure::new("RT0104", message, "Say its `url` in `direct`.")
                    })?,
                },
                user: (*login.user).clone(),
                password: read(&login.password)?,
                trust: login.trust().map_err(|fault| certificates(name, &fault))?,
            }),
        };
        hosts.insert(HostId::new(host.as_str()), HostConfig { name: at.name.as_deref().cloned(), direct });
    }
    Ok(driver::Config {
        platform: PlatformId::new(name),
        login: Login {
            url: written.url.0.clone(),
            user: (*written.user).clone(),
            password: read(&written.password)?,
            trust: written.trust().map_err(|fault| certificates(name, &fault))?,
        },
        hosts,
        reads_tags: written.tags.unwrap_or(true),
        is_experimental: written.is_experimental(),
    })
}

/// How an ESXi host is shut down by it.
pub(super) fn host_power(driver: Arc<driver::Vsphere>, host: &str, written: &ByVsphere) -> driver::EsxiPower {
    let wait = or_default(written.maintenance_time.as_ref(), MAINTENANCE_TIME);
    let maintenance = (written.maintenance == Some(true)).then_some(Duration::from_millis(wait.0));
    driver::EsxiPower::new(driver, HostId::new(host), maintenance)
}

/// What is wrong with the certificates of a platform.
pub(super) fn certificates(name: &str, fault: &TlsFault) -> Failure {
    let remedy = "Put certificates and keys there in PEM, `key` without a passphrase; `ridethrough check` shows where.";
    Failure::new("RT0181", format!("platform {name}: {fault}."), remedy)
}
