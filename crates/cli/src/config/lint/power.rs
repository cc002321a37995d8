//! What hangs on what: UPSes in domains, feeds on UPSes, needs on loads.

use super::{Findings, Subject, known};
use crate::config::Config;
use crate::config::convert::feeds_min;
use crate::config::section::host::Feed;
use ridethrough_model::Finding;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    if config.upses.is_empty() {
        let remedy = "Add a `[ups.NAME.nut]` and a `[[domain]]` with it; docs/configuration.md shows how.";
        findings.everywhere(Finding::error("RT0126", "configuration", "there is no UPS: no outage is ever seen.", remedy));
    }
    if config.domains.is_empty() && !config.upses.is_empty() {
        let remedy = "Add a `[[domain]]` with the UPSes that lose mains together.";
        findings.everywhere(Finding::error("RT0113", "configuration", "there is no domain: nothing is ever done.", remedy));
    }
    domains(config, findings);
    upses(config, findings);
    for (name, entry) in &config.hosts {
        let subject = Subject::new("host", name, entry);
        feeds(config, &subject, &entry.value.feeds, findings);
        if entry.value.feeds.is_empty() {
            findings.error(
                "RT0110",
                &subject,
                None,
                "it is on no feed: its power is unknown, so its VMs are not protected and none is moved to it.",
                "Add `feeds = [{ ups = \"...\" }]` with the UPS it hangs on.",
            );
        }
        let min = feeds_min(&entry.value);
        let feeds = entry.value.feeds.len();
        if let Some(written) = &entry.value.feeds_min
            && (min == 0 || (feeds > 0 && usize::try_from(min).is_ok_and(|min| min > feeds)))
        {
            let message = format!("`feeds_min = {min}` makes no sense with {feeds} feeds.");
            findings.error("RT0123", &subject, Some(written.span()), &message, "Say how many of its feeds it needs: at least 1.");
        }
        for need in entry.value.needs.iter().filter(|need| !config.loads.contains_key(need.as_str())) {
            let message = format!("it needs `{}`, which is no load.", need.as_str());
            findings.error("RT0111", &subject, Some(need.span()), &message, &known(need, "load", config.loads.keys()));
        }
    }
    for (name, entry) in &config.loads {
        let subject = Subject::new("load", name, entry);
        feeds(config, &subject, entry.value.feeds(), findings);
        if entry.value.feeds().is_empty() {
            let message =
                "it is on no feed: whether it lives in an outage is unknown, and so is whether a host that needs it does.";
            findings.warning("RT0110", &subject, None, message, "Add `feeds = [{ ups = \"...\" }]` with the UPS it hangs on.");
        }
    }
}

fn feeds(config: &Config, subject: &Subject<'_>, feeds: &[Feed], findings: &mut Findings) {
    for feed in feeds.iter().filter(|feed| !config.upses.contains_key(feed.ups.as_str())) {
        let message = format!("it is fed by `{}`, which is no UPS.", feed.ups.as_str());
        findings.error("RT0111", subject, Some(feed.ups.span()), &message, &known(&feed.ups, "ups", config.upses.keys()));
    }
}

fn domains(config: &Config, findings: &mut Findings) {
    for entry in &config.domains {
        let domain = &entry.value;
        let subject = Subject::new("domain", &domain.name, entry);
        if domain.ups.is_empty() {
            let remedy = "Name the UPSes that lose mains together: `ups = [\"...\"]`.";
            findings.error("RT0113", &subject, Some(domain.ups.span()), "it has no UPS: nothing ever happens in it.", remedy);
        }
        for ups in domain.ups.iter().filter(|ups| !config.upses.contains_key(ups.as_str())) {
            let message = format!("its UPS `{}` is not there.", ups.as_str());
            findings.error("RT0111", &subject, Some(ups.span()), &message, &known(ups, "ups", config.upses.keys()));
        }
        let feeds_any = |feeds: &[Feed]| feeds.iter().any(|feed| domain.ups.iter().any(|ups| ups.as_str() == feed.ups.as_str()));
        let is_used = config.hosts.values().any(|host| feeds_any(&host.value.feeds));
        if !is_used && !domain.ups.is_empty() {
            findings.info(
                "RT0127",
                &subject,
                Some(domain.name.span()),
                "no host hangs on its UPSes: it is only watched.",
                "To protect something, add its hosts with their feeds.",
            );
        }
    }
}

fn upses(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.upses {
        let is_in_domain = config.domains.iter().any(|domain| domain.value.ups.iter().any(|ups| ups.as_str() == name));
        // Where there is no domain at all, that has been said.
        if is_in_domain || config.domains.is_empty() {
            continue;
        }
        let hosts = config.hosts.iter().filter(|(_, host)| host.value.feeds.iter().any(|feed| feed.ups.as_str() == name));
        let hosts: Vec<&str> = hosts.map(|(host, _)| host.as_str()).collect();
        let subject = Subject::new("UPS", name, entry);
        let remedy =
            format!("Add `[[domain]]` with `name = \"{name}\"` and `ups = [\"{name}\"]`, or name it in a domain that is there.");
        if hosts.is_empty() {
            findings.warning("RT0112", &subject, None, "it is in no domain: nothing is done when it goes on battery.", &remedy);
        } else {
            let message = format!("it is in no domain, so nothing is done for {} when it goes on battery.", super::some(&hosts));
            findings.error("RT0112", &subject, None, &message, &remedy);
        }
    }
}
