//! vSphere: whether its certificates and passwords are there, what is not proven yet, and what becomes of hosts whose vCenter goes.

use super::{Findings, Subject, secrets, some};
use crate::config::Config;
use crate::config::convert::platform_of;
use crate::config::section::Platform;
use crate::config::section::vsphere::Vsphere;

/// What one ESXi host takes at once, with 10 Gbit/s or more.
const MOVES_PER_HOST_MAX: u32 = 8;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.platforms {
        let Platform::Vsphere(vsphere) = &entry.value else { continue };
        let subject = Subject::new("platform", name, entry);
        logins(vsphere, &subject, findings);
        let without: Vec<&str> =
            vsphere.hosts.iter().filter(|(_, host)| host.direct.is_none()).map(|(name, _)| name.as_str()).collect();
        if !without.is_empty() && !is_alone(vsphere) {
            let message = format!(
                "{} cannot be reached without vCenter: once that has no power, nobody stops what runs there.",
                some(&without)
            );
            let remedy = "Add `direct = { user = \"...\", password = { file = \"...\" }, thumbprint = \"...\" }` to each, or run vCenter where \
                          it outlives them.";
            findings.warning("RT0186", &subject, None, &message, remedy);
        }
    }
    unproven(config, findings);
    if let Some(entry) = &config.moves
        && let Some(per_host) = entry.value.per_host.as_ref().filter(|per_host| ***per_host > MOVES_PER_HOST_MAX)
        && config.platforms.values().any(|entry| matches!(entry.value, Platform::Vsphere(_)))
    {
        let subject = Subject { name: "moves".to_owned(), place: &entry.place };
        let message = format!(
            "vSphere moves at most {MOVES_PER_HOST_MAX} VMs of one host at once: more wait in its queue, and forecasts are wrong."
        );
        let remedy = "Say `per_host = 8` or less; 4 where vMotion has 1 Gbit/s.";
        findings.warning("RT0187", &subject, Some(per_host.span()), &message, remedy);
    }
}

/// An ESXi host on its own, most likely: nothing else knows it.
fn is_alone(vsphere: &Vsphere) -> bool {
    vsphere.hosts.len() == 1
}

fn logins(vsphere: &Vsphere, subject: &Subject<'_>, findings: &mut Findings) {
    let remedy =
        "Put the authority's certificate there, in PEM (it begins with -----BEGIN CERTIFICATE-----), or keep only `thumbprint`.";
    secrets::secret(&vsphere.password, subject, findings);
    if let Err(fault) = vsphere.trust() {
        findings.error("RT0181", subject, Some(fault.span), &format!("{}.", fault.message), remedy);
    }
    for login in vsphere.hosts.values().filter_map(|host| host.direct.as_ref()) {
        secrets::secret(&login.password, subject, findings);
        if let Err(fault) = login.trust() {
            findings.error("RT0181", subject, Some(fault.span), &format!("{}.", fault.message), remedy);
        }
    }
}

/// Hosts that vSphere is to shut down: it has to be theirs, and allowed to.
fn unproven(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.hosts {
        let Some(written) = entry.value.by_vsphere() else { continue };
        let subject = Subject::new("host", name, entry);
        let platform = platform_of(config, name).and_then(|platform| config.platforms.get(platform)).map(|entry| &entry.value);
        match platform {
            Some(Platform::Vsphere(vsphere)) if vsphere.is_experimental() => {}
            Some(Platform::Vsphere(_)) => {
                let message = "that vSphere shuts its hosts down was tried on our own imitation of it only.";
                let remedy =
                    "Read docs/vsphere.md, try it on one host, and say `experimental = true` in its platform; or use `ssh`.";
                findings.error("RT0185", &subject, Some(written.span()), message, remedy);
            }
            _ => {
                let message = "vSphere is to shut it down, but no vSphere platform has it.";
                let remedy = "Name it among the `hosts` of its platform, spelt the same; or use `shutdown = { ssh = { ... } }`.";
                findings.error("RT0104", &subject, Some(written.span()), message, remedy);
            }
        }
    }
}
