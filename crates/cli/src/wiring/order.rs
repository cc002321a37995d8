//! From the configuration to orders: programs, commands over SSH, HTTP requests; and to the loads they drive.

use super::{ipmi_config, read, redfish_config, wol_config};
use crate::config::section::order::{Commanded, Order as Written, Remote, Request};
use crate::config::value::or_default;
use crate::failure::Failure;
use ridethrough_driver::program::Program;
use ridethrough_driver::tls::Trust;
use ridethrough_driver::{HostPower, Order, Secret};
use ridethrough_model::Millis;
use ridethrough_platforms::load::{self, Ping};
use ridethrough_platforms::order::{Http, Local, http};
use ridethrough_platforms::{ipmi, redfish, ssh, wol};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long an order may take, where nothing is said.
const TIME_LIMIT: Millis = Millis::from_secs(30);
/// The longest that may be said: the controller waits a little longer.
pub(crate) const TIME_LIMIT_MAX: Millis = Millis::from_secs(540);
/// The port of sshd.
const SSH_PORT: u16 = 22;

/// Every means of a load, its own orders first.
pub(super) fn load_means(name: &str, load: &Commanded) -> Result<Vec<Arc<dyn HostPower>>, Failure> {
    let one = |word: &str, written: Option<&Written>| written.map(|written| order(word, name, written)).transpose();
    let orders = load::Orders {
        stop: one("stop", Some(&*load.stop))?,
        probe: one("probe", load.probe.as_deref())?,
        start: one("start", load.start.as_deref())?,
        time_max: Duration::from_millis(or_default(load.time_limit.as_ref(), TIME_LIMIT).0),
    };
    let mut means: Vec<Arc<dyn HostPower>> = vec![Arc::new(load::Commanded::new(orders))];
    if let Some(address) = &load.ping {
        means.push(Arc::new(Ping::new((**address).clone())));
    }
    let power = load.power.as_deref();
    if let Some(at) = power.and_then(|power| power.ipmi.as_ref()) {
        means.push(Arc::new(ipmi::Ipmi::new(ipmi_config(at)?)));
    }
    if let Some(at) = power.and_then(|power| power.redfish.as_ref()) {
        means.push(Arc::new(redfish::Redfish::new(redfish_config(at)?)));
    }
    if let Some(at) = power.and_then(|power| power.wol.as_ref()) {
        means.push(Arc::new(wol::Wol::new(wol_config(at))));
    }
    Ok(means)
}

/// One order. `word` says what it is for, `name` whom it is about.
pub(super) fn order(word: &str, name: &str, written: &Written) -> Result<Arc<dyn Order>, Failure> {
    let wrong = |message: String| Failure::new("RT0164", message, "Mend it; docs/loads.md shows how it is written.");
    Ok(match written {
        Written::Program(words) => {
            let program = Program::of(words).ok_or_else(|| wrong(format!("`{word}` of {name} names no program")))?;
            Arc::new(Local::new(program))
        }
        Written::Ssh(remote) => Arc::new(ssh::Ssh::new(ssh_config(name, remote))),
        Written::Http(request) => {
            let secrets = request.headers.iter().map(|(header, secret)| Ok((header.clone(), read(secret)?)));
            let config = http_config(word, request, secrets.collect::<Result<_, Failure>>()?).map_err(wrong)?;
            Arc::new(Http::new(config).map_err(|error| wrong(error.to_failure().message))?)
        }
    })
}

/// Whether a request can be made, whatever its secrets are.
pub(crate) fn http_without_secrets(word: &str, request: &Request) -> Result<(), String> {
    let headers = request.headers.keys().map(|header| (header.clone(), Secret::new("unknown here".to_owned())));
    let config = http_config(word, request, headers.collect())?;
    Http::new(config).map(|_| ()).map_err(|error| error.to_failure().message)
}

fn http_config(word: &str, request: &Request, headers: Vec<(String, Secret)>) -> Result<http::Config, String> {
    let trust = match (&request.thumbprint, &request.ca) {
        (Some(_), Some(_)) => return Err("`ca` and `thumbprint` are both there: which one is believed?".to_owned()),
        (Some(pin), None) => Trust::Pinned(pin.0),
        (None, Some(path)) => Trust::Authorities(authority(path)?),
        (None, None) => Trust::System,
    };
    let usual = if word == "probe" { "GET" } else { "POST" };
    Ok(http::Config {
        url: (*request.url).clone(),
        method: request.method.as_ref().map_or_else(|| usual.to_owned(), |method| (**method).clone()),
        headers,
        body: request.body.clone(),
        trust,
        expect_status: request.expect_status.clone(),
        expect_body: request.expect_body.clone(),
        off_status: request.off_status.clone(),
        off_body: request.off_body.clone(),
    })
}

fn authority(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("the certificate authority {} cannot be read: {error}", path.display()))
}

fn ssh_config(name: &str, remote: &Remote) -> ssh::Config {
    ssh::Config {
        address: remote.address.as_deref().cloned().unwrap_or_else(|| name.to_owned()),
        port: remote.port.as_ref().map_or(SSH_PORT, |port| **port),
        user: (*remote.user).clone(),
        key: remote.key.as_ref().map(|key| key.file.clone()),
        known_hosts: remote.known_hosts.as_deref().cloned(),
        command: (*remote.command).clone(),
    }
}
