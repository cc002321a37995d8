//! Loads that are told to stop: that their orders can be given, and that their end can be proven.

use super::secrets::{file, secret};
use super::{Findings, Subject};
use crate::config::Config;
use crate::config::section::Load;
use crate::config::section::order::{Commanded, Order};
use crate::config::value::At;
use crate::wiring::order as wiring;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.loads {
        let Load::Command(load) = &entry.value else { continue };
        let subject = Subject::new("load", name, entry);
        for (word, given) in load.orders() {
            order(word, name, given, &subject, findings);
        }
        proof(load, &subject, findings);
        users(config, name, load, &subject, findings);
        if let Some(limit) = load.time_limit.as_ref().filter(|limit| limit.0 > wiring::TIME_LIMIT_MAX) {
            let message = format!("its `time_limit` of {} is longer than {}.", limit.0, wiring::TIME_LIMIT_MAX);
            let remedy = "Let the order return when it has been given; how long the load takes is `stop_time`.";
            findings.error("RT0123", &subject, Some(load.stop.span()), &message, remedy);
        }
    }
}

fn proof(load: &Commanded, subject: &Subject<'_>, findings: &mut Findings) {
    if !load.can_see() {
        let message = "it is told to stop, and nothing can say whether it is off, nor whether it is on again.";
        let remedy = "Add a `probe`, its BMC (`power`), or at least `ping`.";
        findings.warning("RT0160", subject, Some(load.stop.span()), message, remedy);
    } else if !load.can_prove_off() {
        let message = "that it is off is not proven: a ping that is not answered says nothing for certain.";
        let remedy = "Add a `probe` that asks somebody else (its management, the outlet it hangs on), or its BMC (`power`).";
        findings.warning("RT0160", subject, Some(load.stop.span()), message, remedy);
    }
    if !load.can_start() {
        let message = "nothing starts it when the mains is back: the hosts that need it wait until it has come up by itself.";
        let remedy = "Add `start`, or `power` with its BMC or network card; or see that it starts when it gets power.";
        findings.info("RT0161", subject, Some(load.stop.span()), message, remedy);
    }
}

/// Whose end it waits for.
fn users(config: &Config, name: &str, load: &Commanded, subject: &Subject<'_>, findings: &mut Findings) {
    let hosts = config.hosts.iter().filter(|(_, host)| host.value.needs.iter().any(|need| need.as_str() == name));
    let hosts: Vec<_> = hosts.collect();
    let unproven: Vec<&str> = hosts.iter().filter(|(_, h)| !h.value.can_prove_off()).map(|(id, _)| id.as_str()).collect();
    if !unproven.is_empty() {
        let message = format!("it is never told to stop, because nothing can prove that {} is off.", super::some(&unproven));
        let remedy = "Give that host a BMC (`power`), or take the load out of its `needs` if it does not need it.";
        findings.warning("RT0162", subject, Some(load.stop.span()), &message, remedy);
    }
    if hosts.is_empty() {
        let message = "no host needs it: it is told to stop at its last safe moment, whatever still runs.";
        let remedy = "If VMs or hosts use it, name it in the `needs` of those hosts.";
        findings.info("RT0163", subject, Some(load.stop.span()), message, remedy);
    }
}

/// One order, of a load or a hook.
pub(super) fn order(word: &str, name: &str, given: &At<Order>, subject: &Subject<'_>, findings: &mut Findings) {
    match &**given {
        Order::Program(words) => program(word, words, subject, findings),
        Order::Ssh(remote) => {
            if let Some(key) = &remote.key {
                file(&key.file, key.span(), subject, findings);
            }
            if let Some(known) = &remote.known_hosts
                && let Err(error) = std::fs::File::open(&**known)
            {
                let message = format!("the file {} of known hosts cannot be read: {error}.", known.display());
                let remedy = "Make it: `ssh-keyscan HOST > FILE`, and compare what it wrote with the host's own key.";
                findings.error("RT0108", subject, Some(known.span()), &message, remedy);
            }
        }
        Order::Http(request) => {
            for header in request.headers.values() {
                secret(header, subject, findings);
            }
            if let Err(reason) = wiring::http_without_secrets(word, request) {
                let message = format!("`{word}` cannot be asked over HTTP: {reason}.");
                findings.error(
                    "RT0164",
                    subject,
                    Some(request.url.span()),
                    &message,
                    "Mend it; docs/loads.md shows how it is written.",
                );
            }
            let is_mute_probe = word == "probe" && request.off_status.is_empty() && request.off_body.is_none();
            if is_mute_probe {
                let message = "the probe has no answer that says off: it can prove nothing.";
                let remedy = "Add `off_body` or `off_status`.";
                findings.warning("RT0160", subject, Some(request.url.span()), message, remedy);
            }
        }
    }
    let _ = name;
}

fn program(word: &str, words: &At<Vec<String>>, subject: &Subject<'_>, findings: &mut Findings) {
    let Some(path) = words.first().filter(|path| !path.is_empty()) else {
        let remedy = "Write the program and its arguments: `[\"/usr/local/bin/stop-nas\"]`.";
        return findings.error("RT0165", subject, Some(words.span()), &format!("`{word}` names no program."), remedy);
    };
    let path = Path::new(path);
    if !path.is_absolute() {
        let message = format!("`{word}` names {} without its folder: which one is run depends on PATH.", path.display());
        return findings.warning("RT0165", subject, Some(words.span()), &message, "Write its whole path.");
    }
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            let message = format!("the program {} of `{word}` is not there: {error}.", path.display());
            return findings.error("RT0165", subject, Some(words.span()), &message, "Install it, or correct the path.");
        }
    };
    let mode = metadata.permissions().mode();
    if !metadata.is_file() || mode & 0o111 == 0 {
        let message = format!("{} of `{word}` cannot be run: it is no program (mode {:04o}).", path.display(), mode & 0o7777);
        let remedy = format!("`chmod 0755 {}`, or name the program.", path.display());
        return findings.error("RT0165", subject, Some(words.span()), &message, &remedy);
    }
    if mode & 0o002 != 0 {
        let message = format!(
            "everybody on this machine can change the program {} of `{word}`, and it is run with the controller's rights.",
            path.display()
        );
        let remedy = format!("`chmod 0755 {}`.", path.display());
        findings.error("RT0166", subject, Some(words.span()), &message, &remedy);
    }
}
