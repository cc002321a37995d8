//! Numbers that make no sense by themselves or together, and the address the controller listens at.

use super::{Findings, Subject};
use crate::config::value::{At, Quantity, or_default};
use crate::config::{Config, Entry};
use ridethrough_model::{Millis, Policy, Ppm};
use std::fmt::Display;

/// Longer on battery is a slip of the pen.
const RIDE_THROUGH_MAX: Millis = Millis::from_secs(24 * 3600);
/// Cipher suites the IPMI driver speaks.
const CIPHER_SUITES: [u8; 2] = [3, 17];

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    controller(config, findings);
    moves(config, findings);
    domains(config, findings);
    for (name, entry) in &config.hosts {
        let subject = Subject::new("host", name, entry);
        let host = &entry.value;
        not_zero("shutdown_time", host.shutdown_time.as_ref(), &subject, findings);
        not_zero("boot_time", host.boot_time.as_ref(), &subject, findings);
        port(host.ssh().and_then(|ssh| ssh.port.as_ref()), &subject, findings);
        port(host.ipmi().and_then(|ipmi| ipmi.port.as_ref()), &subject, findings);
        port(host.wol().and_then(|wol| wol.port.as_ref()), &subject, findings);
        if let Some(suite) = host.ipmi().and_then(|ipmi| ipmi.cipher_suite.as_ref())
            && !CIPHER_SUITES.contains(suite)
        {
            let message = format!("cipher suite {} is not supported.", **suite);
            findings.error("RT0107", &subject, Some(suite.span()), &message, "Take 17, or 3 where the BMC knows no better.");
        }
    }
    for entry in &config.tiers {
        let subject = Subject::new("tier", &entry.value.name, entry);
        not_zero("stop_budget", entry.value.stop_budget.as_ref(), &subject, findings);
        not_zero("runtime_goal", entry.value.runtime_goal.as_ref(), &subject, findings);
    }
    for (name, entry) in &config.upses {
        let crate::config::section::Ups { nut, .. } = &entry.value;
        port(nut.port.as_ref(), &Subject::new("UPS", name, entry), findings);
    }
}

fn controller(config: &Config, findings: &mut Findings) {
    let Some(entry) = &config.controller else { return };
    let subject = Subject { name: "controller".to_owned(), place: &entry.place };
    let written = &entry.value;
    if let Some(listen) = &written.listen
        && !listen.ip().is_loopback()
    {
        let message = format!("it would listen at {}, which others can reach; there is no encryption here.", **listen);
        let remedy = "Take a loopback address such as \"127.0.0.1:7878\"; from elsewhere, go through an SSH tunnel.";
        findings.error("RT0124", &subject, Some(listen.span()), &message, remedy);
    }
    not_zero("journal_stall", written.journal_stall.as_ref(), &subject, findings);
    not_zero("silence", written.silence.as_ref(), &subject, findings);
    let silence = or_default(written.silence.as_ref(), Policy::default().silence);
    for (key, interval) in [("poll_mains", &written.poll_mains), ("poll_battery", &written.poll_battery)] {
        not_zero(key, interval.as_ref(), &subject, findings);
        let Some(interval) = interval else { continue };
        if interval.0 >= silence && silence > Millis::ZERO {
            let message =
                format!("`{key}` is {}: each UPS would count as silent (after {silence}) between two looks.", interval.0);
            findings.error("RT0123", &subject, Some(interval.span()), &message, "Make it at most a third of `silence`.");
        }
    }
}

fn moves(config: &Config, findings: &mut Findings) {
    let Some(Entry { place, value }) = &config.moves else { return };
    let subject = Subject { name: "moves".to_owned(), place };
    not_zero("bandwidth", value.bandwidth.as_ref(), &subject, findings);
    if let Some(per_host) = value.per_host.as_ref().filter(|per_host| ***per_host == 0) {
        let remedy = "Take at least 1; to move nothing, leave \"move\" out of the tiers.";
        findings.error("RT0123", &subject, Some(per_host.span()), "with `per_host = 0` no move ever starts.", remedy);
    }
}

fn domains(config: &Config, findings: &mut Findings) {
    for entry in &config.domains {
        let domain = &entry.value;
        let subject = Subject::new("domain", &domain.name, entry);
        for (key, time) in [
            ("mains_stable", &domain.mains_stable),
            ("runtime_assumed", &domain.runtime_assumed),
            ("return_latest", &domain.return_latest),
        ] {
            not_zero(key, time.as_ref(), &subject, findings);
        }
        for (key, time) in [("ride_through", &domain.ride_through), ("move_after", &domain.move_after)] {
            if let Some(time) = time.as_ref().filter(|time| time.0 > RIDE_THROUGH_MAX) {
                let message = format!("`{key}` is longer than a day: no battery lasts that long.");
                findings.error("RT0123", &subject, Some(time.span()), &message, "Take seconds or minutes: \"60s\" is usual.");
            }
        }
        share("margin", domain.margin.as_ref(), "nothing of the runtime would be counted on", Ppm(999_999), &subject, findings);
        share("return_charge", domain.return_charge.as_ref(), "no battery ever gets there", Ppm::FULL, &subject, findings);
        if let Some(margin) = domain.margin.as_ref().filter(|margin| margin.0 == Ppm(0)) {
            let message = "without `margin` the plan trusts the UPS's runtime to the second; UPSes are rarely that right.";
            findings.warning("RT0123", &subject, Some(margin.span()), message, "Take 10% or more.");
        }
    }
}

fn share(key: &str, written: Option<&At<Quantity<Ppm>>>, why: &str, max: Ppm, subject: &Subject<'_>, findings: &mut Findings) {
    if let Some(share) = written.filter(|share| share.0 > max) {
        let message = format!("`{key} = {}`: {why}.", share.0);
        findings.error("RT0123", subject, Some(share.span()), &message, "Take a share below 100%.");
    }
}

fn not_zero<T: Copy + Default + PartialEq + Display>(
    key: &str,
    written: Option<&At<Quantity<T>>>,
    subject: &Subject<'_>,
    findings: &mut Findings,
) {
    if let Some(value) = written.filter(|value| value.0 == T::default()) {
        let message = format!("`{key}` of nothing makes no sense.");
        let remedy = "Take it out to have the default, or write what it is in truth.";
        findings.error("RT0123", subject, Some(value.span()), &message, remedy);
    }
}

fn port(written: Option<&At<u16>>, subject: &Subject<'_>, findings: &mut Findings) {
    if let Some(port) = written.filter(|port| ***port == 0) {
        findings.error("RT0123", subject, Some(port.span()), "port 0 is none.", "Take it out to have the usual port.");
    }
}
