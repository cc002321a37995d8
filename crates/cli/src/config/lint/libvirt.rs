//! The way to libvirt hosts: whether what TLS and SSH need is there. No connection is made.

use super::nut::is_here;
use super::{Findings, Subject, secrets};
use crate::config::Config;
use crate::config::section::{Libvirt, Platform};

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.platforms {
        let Platform::Libvirt(libvirt) = &entry.value else { continue };
        let subject = Subject::new("platform", name, entry);
        in_clear(libvirt, &subject, findings);
        let over_tls: Vec<_> = libvirt.hosts.iter().filter(|(_, host)| host.uri.is_tls()).collect();
        match &libvirt.tls {
            None if !over_tls.is_empty() => {
                let names: Vec<&str> = over_tls.iter().map(|(host, _)| host.as_str()).collect();
                let message = format!("{} over TLS, and nothing says whom to believe.", reached(&names));
                let remedy = "Add `tls = { ca = \"...\", certificate = \"...\", key = { file = \"...\" } }`; docs/drivers-libvirt.md shows how.";
                findings.error("RT0180", &subject, over_tls.first().map(|(host, _)| host.span()), &message, remedy);
            }
            None => {}
            Some(tls) => {
                if let Some(key) = &tls.key {
                    secrets::secret(key, &subject, findings);
                }
                if let Err(fault) = tls.to_driver()
                    && tls.key.as_ref().is_none_or(|key| key.span() != fault.span || tls.certificate.is_none())
                {
                    let remedy =
                        "Put certificates and keys there in PEM (they begin with -----BEGIN), `key` without a passphrase.";
                    findings.error("RT0181", &subject, Some(fault.span), &format!("{}.", fault.message), remedy);
                }
            }
        }
        if let Some(ssh) = &libvirt.ssh {
            if let Some(key) = &ssh.key {
                secrets::file(&key.file, key.span(), &subject, findings);
            }
            if let Some(known) = &ssh.known_hosts
                && let Err(error) = std::fs::File::open(&**known)
            {
                let message = format!("the file {} of known hosts cannot be read: {error}.", known.display());
                let remedy = "Make it: `ssh-keyscan HOST > FILE`, and compare what it wrote with the host's own key.";
                findings.error("RT0108", &subject, Some(known.span()), &message, remedy);
            }
        }
    }
}

/// "kvm1 is reached", "kvm1, kvm2 are reached".
fn reached(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb} reached", super::some(names))
}

/// Hosts whose root anybody on the way can become.
fn in_clear(libvirt: &Libvirt, subject: &Subject<'_>, findings: &mut Findings) {
    let is_open = |host: &str| !is_here(host);
    let open: Vec<_> = libvirt.hosts.iter().filter(|(_, host)| host.uri.clear_text_host().is_some_and(is_open)).collect();
    let Some((first, _)) = open.first() else { return };
    let names: Vec<&str> = open.iter().map(|(host, _)| host.as_str()).collect();
    let message = format!("{} in clear text and without a password: who comes to that port has root.", reached(&names));
    let remedy = "Write `qemu+ssh://root@HOST/system` or `qemu+tls://HOST/system` (docs/drivers-libvirt.md shows how), or keep both in a \
                  management network that nobody else reaches.";
    findings.warning("RT0182", subject, Some(first.span()), &message, remedy);
}
