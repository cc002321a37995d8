//! Hosts and platforms: do they know each other, can a host be shut down, proven off, woken; where the controller stands.

use super::{Findings, Subject, known, some};
use crate::config::Config;
use crate::config::convert::platform_of;
use crate::config::section::host::LastResort;
use ridethrough_model::Finding;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.platforms {
        let subject = Subject::new("platform", name, entry);
        if entry.value.hosts().next().is_none() {
            let remedy = "Name its hosts: `hosts = { NAME = { uri = \"...\" } }`.";
            findings.error("RT0104", &subject, None, "it has no hosts.", remedy);
        }
        for host in entry.value.hosts().filter(|host| !config.hosts.contains_key(host.as_str())) {
            let message =
                format!("its host {} has no `[host.{}]`: its power is unknown, its VMs are not protected.", **host, **host);
            let unclaimed = config.hosts.keys().filter(|name| platform_of(config, name).is_none());
            let remedy = match crate::config::suggest::nearest(host, unclaimed.map(String::as_str)) {
                Some(meant) => format!("Did you mean `{meant}`? Both must have the same name."),
                None => format!("Add `[host.{}]` with its feeds.", **host),
            };
            findings.error("RT0114", &subject, Some(host.span()), &message, &remedy);
        }
    }
    for (name, entry) in &config.hosts {
        let subject = Subject::new("host", name, entry);
        if platform_of(config, name).is_none() {
            let message = "it is in no platform: it counts as a plain server without VMs, and is shut down when its domain acts.";
            let remedy = "If it carries VMs, name it among the `hosts` of its platform, spelt the same.";
            findings.info("RT0115", &subject, None, message, remedy);
        }
        if !entry.value.can_shut_down() {
            findings.warning(
                "RT0121",
                &subject,
                None,
                "it cannot be told to shut down: in a long outage it falls when the battery ends.",
                "Add `shutdown = { ssh = { user = \"...\", key = { file = \"...\" } } }`.",
            );
        }
        if entry.value.power.is_none() {
            findings.warning(
                "RT0122",
                &subject,
                None,
                "nothing controls its power: that it is off cannot be proven, and it is not woken when the mains is back.",
                "Add its BMC: `power = { ipmi = { address = \"...\", user = \"...\", password = { file = \"...\" } } }`.",
            );
        }
    }
    last_resort(config, findings);
    own_place(config, findings);
}

fn last_resort(config: &Config, findings: &mut Findings) {
    for (name, entry) in config.hosts.iter().filter(|(_, entry)| entry.value.ssh().is_none()) {
        let asked = entry.value.last_resort.as_ref().filter(|asked| ***asked == LastResort::Timer);
        if let Some(asked) = asked {
            let subject = Subject::new("host", name, entry);
            let message = "its last resort is to be a timer, but there is no SSH to set it over.";
            let remedy = "Add `shutdown = { ssh = { ... } }`, or say `last_resort = \"upsmon\"`, `\"agent\"` or `\"none\"`.";
            findings.error("RT0150", &subject, Some(asked.span()), message, remedy);
        }
    }
    let without = config.hosts.iter().filter(|(_, entry)| entry.value.last_resort() == LastResort::None);
    let hosts: Vec<&str> = without.map(|(name, _)| name.as_str()).collect();
    if hosts.is_empty() {
        return;
    }
    let message = format!(
        "{} has no last resort: if controller or network fail in an outage, nothing stops it before its battery ends.",
        some(&hosts)
    );
    let remedy = "Add `shutdown = { ssh = { ... } }`: then a timer is set on it in an outage. Or give it an upsmon or the vendor's \
         agent that shuts it down at low battery, and say `last_resort = \"upsmon\"` or `\"agent\"`.";
    findings.everywhere(Finding::warning("RT0120", "hosts", message, remedy));
}

fn own_place(config: &Config, findings: &mut Findings) {
    let Some(entry) = &config.controller else { return };
    let subject = Subject { name: "controller".to_owned(), place: &entry.place };
    if let Some(host) = &entry.value.host
        && !config.hosts.contains_key(host.as_str())
    {
        let message = format!("it says it runs on `{}`, which is no host.", **host);
        findings.error("RT0111", &subject, Some(host.span()), &message, &known(host, "host", config.hosts.keys()));
    }
    if let (Some(vm), Some(_)) = (&entry.value.vm, &entry.value.host) {
        let message = "`vm` and `host` cannot both be where it runs.";
        findings.error("RT0123", &subject, Some(vm.span()), message, "Keep `vm` if it runs in a VM, else `host`.");
    }
}
