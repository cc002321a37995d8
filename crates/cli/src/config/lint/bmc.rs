//! What controls the power of hosts: whose certificate is believed, what is proven and what is not, and whether each host has its own.

use super::{Findings, Subject};
use crate::config::Config;
use crate::config::section::redfish::Redfish;
use ridethrough_driver::tls::{self, Trust};
use std::collections::BTreeMap;
use std::ops::Range;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.hosts {
        let (host, subject) = (&entry.value, Subject::new("host", name, entry));
        if let Some(power) = &host.power
            && !host.can_wake()
            && power.idle.is_none()
            && power.max.is_none()
        {
            let message = "its `power` is empty: that it is off cannot be proven, and it is not woken when the mains is back.";
            let remedy = "Name its BMC (`ipmi` or `redfish`), or its network card (`wol`).";
            findings.error("RT0104", &subject, Some(power.span()), message, remedy);
        }
        if let Some(redfish) = host.redfish() {
            service(redfish, &subject, findings);
            if host.shutdown.is_none() && redfish.can_shut_down() {
                let message =
                    "only its BMC can tell it to shut down: whether its operating system follows is known when it is off.";
                let remedy = "Try it once, and add `shutdown = { ssh = { ... } }`: then the BMC is the second way.";
                findings.warning("RT0155", &subject, Some(redfish.url.span()), message, remedy);
            }
        }
        if let Some(wol) = host.wol()
            && !host.can_prove_off()
        {
            let message = "Wake-on-LAN only wakes it: nothing can prove that it is off.";
            let remedy = "Add its BMC beside it (`ipmi` or `redfish`), if it has one; else its shutdown ends as not proven.";
            findings.warning("RT0156", &subject, Some(wol.mac.span()), message, remedy);
        }
    }
    shared(config, findings);
}

fn service(redfish: &Redfish, subject: &Subject<'_>, findings: &mut Findings) {
    if let Some(system) = &redfish.system
        && (system.is_empty() || !system.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#%".contains(&byte)))
    {
        let message = format!("`{}` cannot be the name of a system.", **system);
        let remedy = "Write only its name, the last part of the path that `/redfish/v1/Systems` lists.";
        findings.error("RT0104", subject, Some(system.span()), &message, remedy);
    }
    let Some(ca) = &redfish.ca else { return };
    if let Some(thumbprint) = &redfish.thumbprint {
        let message = "`ca` and `thumbprint` are both there: which one is believed?";
        return findings.error("RT0157", subject, Some(thumbprint.span()), message, "Keep one of them.");
    }
    let problem = match std::fs::read_to_string(&**ca) {
        Err(error) => format!("cannot be read: {error}"),
        Ok(pem) => match tls::client(&Trust::Authorities(pem), None) {
            Ok(_) => return,
            Err(error) => format!("cannot be used: {error}"),
        },
    };
    let message = format!("the file {} of its certificate authority {problem}.", ca.display());
    let remedy = "Put the authority's certificate there, in PEM (it begins with -----BEGIN CERTIFICATE-----).";
    findings.error("RT0157", subject, Some(ca.span()), &message, remedy);
}

/// Two hosts on one BMC: it would prove the wrong one off.
fn shared(config: &Config, findings: &mut Findings) {
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    for (name, entry) in &config.hosts {
        let (host, subject) = (&entry.value, Subject::new("host", name, entry));
        let ipmi = host.ipmi().map(|ipmi| {
            let port = ipmi.port.as_ref().map_or(623, |port| **port);
            (format!("the BMC {} port {port}", *ipmi.address), ipmi.address.span())
        });
        let redfish = host.redfish().map(|redfish| {
            let system = redfish.system.as_ref().map_or("", |system| system.as_str());
            (format!("the Redfish system {}/{system}", redfish.url.0.authority()), redfish.url.span())
        });
        let wol = host.wol().map(|wol| (format!("the network card {}", wol.mac.0), wol.mac.span()));
        let ours: [Option<(String, Range<usize>)>; 3] = [ipmi, redfish, wol];
        for (what, span) in ours.into_iter().flatten() {
            if let Some(other) = first.get(&what) {
                let message =
                    format!("{what} is that of host {other} too: one of them would be proven off, or woken, as the other.");
                findings.error("RT0158", &subject, Some(span), &message, "Give each host its own.");
            } else {
                first.insert(what, name);
            }
        }
    }
}
