//! What needs what, and when something counts as ready: can it be asked, and does it say anything.

use super::{Findings, Subject};
use crate::config::section::back::Ready;
use crate::config::value::At;
use crate::config::{Config, Entry};

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for (number, entry) in (1..).zip(&config.rules) {
        let subject = Subject { name: format!("vm {number}"), place: &entry.place };
        let rule = &entry.value;
        if rule.matches.tag.is_none() && rule.matches.name.is_none() && rule.matches.platform.is_none() {
            let remedy = "Add `match = { name = \"...\" }`, `{ tag = \"...\" }` or `{ platform = \"...\" }`.";
            findings.error("RT0117", &subject, None, "it says nothing about its VMs, so it has none.", remedy);
        }
        if rule.needs.is_empty() && rule.ready.is_none() {
            let remedy = "Add `needs = [\"...\"]` or `ready = { ... }`, or take it out.";
            findings.warning("RT0134", &subject, None, "it says neither `needs` nor `ready`: it has no effect.", remedy);
        }
        for need in rule.needs.iter().filter(|need| need.is_empty()) {
            let remedy = "Write the name of a VM, or a pattern.";
            findings.error("RT0134", &subject, Some(need.span()), "an empty name is no VM's.", remedy);
        }
        if let Some(written) = &rule.ready {
            ready(written, &subject, findings);
        }
    }
    for entry in &config.tiers {
        if let Some(written) = &entry.value.ready {
            ready(written, &Subject::new("tier", &entry.value.name, entry), findings);
        }
    }
    if let Some(Entry { place, value }) = &config.back {
        let subject = Subject { name: "return".to_owned(), place };
        for (key, most) in [("starts_per_host", &value.starts_per_host), ("starts_per_site", &value.starts_per_site)] {
            if let Some(most) = most.as_ref().filter(|most| ***most == 0) {
                let message = format!("with `{key} = 0` nothing ever comes back.");
                findings.error("RT0123", &subject, Some(most.span()), &message, "Take at least 1.");
            }
        }
    }
}

fn ready(written: &At<Ready>, subject: &Subject<'_>, findings: &mut Findings) {
    let Ready { agent, tcp, http, within } = &**written;
    let said = [*agent == Some(true), tcp.is_some(), http.is_some()].into_iter().filter(|is_said| *is_said).count();
    let mut error = |message: &str, remedy: &str| findings.error("RT0134", subject, Some(written.span()), message, remedy);
    if said != 1 {
        let message = format!("`ready` asks in {said} ways; it must be one.");
        error(&message, "Write one of `agent = true`, `tcp = \"host:port\"`, `http = \"http://...\"`.");
        return;
    }
    let has_port = |address: &String| {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        matches!(port, Some(Ok(1..)))
    };
    if tcp.as_ref().is_some_and(|address| !has_port(address)) {
        error("`tcp` is no `host:port`.", "Write a name or address, a colon and the port, as in \"db.example:5432\".");
    }
    if http.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        error("`http` is no address of a page.", "Begin it with http:// or https://.");
    }
    if within.as_ref().is_some_and(|within| within.0 == ridethrough_model::Millis::ZERO) {
        error("`within` of nothing makes no sense.", "Take it out to have the default, or write how long its guest needs.");
    }
}
