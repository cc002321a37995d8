//! Secrets can be read, and by nobody else. What they are is not looked at.

use super::{Findings, Subject};
use crate::config::Config;
use crate::config::secret::{SecretError, SecretSource};
use crate::config::section::Ups;
use crate::config::value::At;
use std::io;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.upses {
        let Ups { nut, .. } = &entry.value;
        let subject = Subject::new("UPS", name, entry);
        match (&nut.user, &nut.password) {
            (_, Some(password)) if nut.user.is_none() => {
                let remedy = "Add the `user` it belongs to, or take it out: reading needs neither.";
                findings.error("RT0104", &subject, Some(password.span()), "there is a password without a user.", remedy);
            }
            (Some(user), None) => {
                let remedy = "Add its `password = { file = \"...\" }`, or take it out: reading needs neither.";
                findings.error("RT0104", &subject, Some(user.span()), "there is a user without a password.", remedy);
            }
            (_, Some(password)) => secret(password, &subject, findings),
            _ => {}
        }
    }
    for (name, entry) in &config.hosts {
        let subject = Subject::new("host", name, entry);
        if let Some(ssh) = entry.value.ssh() {
            if let Some(key) = &ssh.key {
                file(&key.file, key.span(), &subject, findings);
            }
            if let Some(known_hosts) = &ssh.known_hosts
                && let Err(error) = std::fs::File::open(&**known_hosts)
            {
                let message = format!("the file {} of known hosts cannot be read: {error}.", known_hosts.display());
                let remedy = "Make it: `ssh-keyscan HOST > FILE`, and compare what it wrote with the host's own key.";
                findings.error("RT0108", &subject, Some(known_hosts.span()), &message, remedy);
            }
        }
        if let Some(ipmi) = entry.value.ipmi() {
            secret(&ipmi.password, &subject, findings);
        }
        if let Some(redfish) = entry.value.redfish() {
            secret(&redfish.password, &subject, findings);
        }
    }
}

pub(super) fn secret(source: &At<SecretSource>, subject: &Subject<'_>, findings: &mut Findings) {
    match source.read() {
        Ok(_) => {}
        Err(SecretError::File { path, source: error }) => return unreadable(&path, &error, source.span(), subject, findings),
        Err(error @ SecretError::NoCredentials(_)) => {
            let remedy = "If it is only there in the service, all is well; `systemctl status` shows how that starts.";
            return findings.info("RT0108", subject, Some(source.span()), &format!("{error}."), remedy);
        }
        Err(error) => {
            let remedy = "Put the secret there: one line of text.";
            return findings.error("RT0108", subject, Some(source.span()), &format!("{error}."), remedy);
        }
    }
    if let Some(path) = source.path() {
        open_to_others(path, source.span(), subject, findings);
    }
}

/// A key that another program reads.
pub(super) fn file(path: &Path, span: Range<usize>, subject: &Subject<'_>, findings: &mut Findings) {
    match std::fs::File::open(path) {
        Ok(_) => open_to_others(path, span, subject, findings),
        Err(error) => unreadable(path, &error, span, subject, findings),
    }
}

fn unreadable(path: &Path, error: &io::Error, span: Range<usize>, subject: &Subject<'_>, findings: &mut Findings) {
    let message = format!("the file {} cannot be read: {error}.", path.display());
    if error.kind() == io::ErrorKind::PermissionDenied {
        let remedy = "If the controller runs as another user, check as that one; else give this user the file.";
        findings.warning("RT0108", subject, Some(span), &message, remedy);
    } else {
        let remedy = "Make the file (mode 0600, owned by the controller's user), or correct the path.";
        findings.error("RT0108", subject, Some(span), &message, remedy);
    }
}

fn open_to_others(path: &Path, span: Range<usize>, subject: &Subject<'_>, findings: &mut Findings) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let message = format!("the file {} with a secret is open to other users (mode {mode:04o}).", path.display());
        let remedy =
            format!("`chmod 0600 {}`, and change the secret if others may have seen it; ssh refuses such keys.", path.display());
        findings.warning("RT0109", subject, Some(span), &message, &remedy);
    }
}
