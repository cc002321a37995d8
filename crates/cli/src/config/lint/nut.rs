//! The way to upsd: what goes over it in clear text, and whether its TLS can be set up. No connection is made.

use super::{Findings, Subject, secrets};
use crate::config::Config;
use crate::config::section::{Nut, Ups};
use std::net::IpAddr;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.upses {
        let Ups { nut, .. } = &entry.value;
        let subject = Subject::new("UPS", name, entry);
        match &nut.tls {
            None => in_clear(nut, &subject, findings),
            Some(tls) => {
                if let Some(key) = &tls.key {
                    secrets::secret(key, &subject, findings);
                }
                if let Err(fault) = tls.to_driver()
                    && tls.key.as_ref().is_none_or(|key| key.span() != fault.span || tls.certificate.is_none())
                {
                    let remedy =
                        "Put certificates and keys there in PEM (they begin with -----BEGIN), `key` without a passphrase.";
                    findings.error("RT0141", &subject, Some(fault.span), &format!("{}.", fault.message), remedy);
                }
            }
        }
    }
}

/// A password that anybody on the way can read.
fn in_clear(nut: &Nut, subject: &Subject<'_>, findings: &mut Findings) {
    let Some(password) = &nut.password else { return };
    if is_here(&nut.host) {
        return;
    }
    let message = "its password goes over the network in clear text.";
    let remedy = "Give upsd a certificate and add `tls = { ca = \"...\" }` (docs/drivers-nut.md shows how), or keep both in a network of \
                  their own.";
    findings.warning("RT0140", subject, Some(password.span()), message, remedy);
}

/// What never leaves this machine.
pub(super) fn is_here(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}
