//! Tiers: do they match anything, do they exclude each other, and is there a host that keeps power when the VM's own loses it.

use super::{Findings, Subject, some};
use crate::config::convert::{destinations, feeds_min, platform_of, rungs, site_of};
use crate::config::section::host::Host;
use crate::config::section::outage::{Destination, Tier};
use crate::config::{Config, Entry};
use ridethrough_model::Finding;
use ridethrough_model::policy::{self, OnOutage, glob};
use std::collections::BTreeSet;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    if config.tiers.is_empty() && !config.platforms.is_empty() {
        let message = "there is no tier: every VM is shut down as soon as its domain acts, none is moved.";
        let remedy = "Add a `[[tier]]` for what matters most, with `match` and `on_outage`.";
        findings.everywhere(Finding::warning("RT0125", "configuration", message, remedy));
    }
    for (rank, entry) in config.tiers.iter().enumerate() {
        let subject = Subject::new("tier", &entry.value.name, entry);
        matches(config, rank, entry, &subject, findings);
        ladder(&entry.value, &subject, findings);
        savings(config, &entry.value, &subject, findings);
        let are_places = places(config, &entry.value, &subject, findings);
        if are_places && rungs(&entry.value).contains(&OnOutage::Move) {
            same_power(config, &entry.value, &subject, findings);
        }
    }
}

fn matches(config: &Config, rank: usize, entry: &Entry<Tier>, subject: &Subject<'_>, findings: &mut Findings) {
    let written = &entry.value.matches;
    if written.tag.is_none() && written.name.is_none() && written.platform.is_none() {
        let remedy =
            "Add `match = { tag = \"...\" }`, `{ name = \"...\" }` or `{ platform = \"...\" }`; `{ name = \"*\" }` is every VM.";
        findings.error("RT0117", subject, None, "it says nothing about its VMs, so it has none.", remedy);
        return;
    }
    let twin = config.tiers.iter().take(rank).find(|other| other.value.matches == *written);
    if let Some(twin) = twin {
        let message = format!("tier {} before it matches the same VMs: this one gets none.", twin.value.name.as_str());
        findings.error("RT0118", subject, None, &message, "Make the two different, or take one out.");
    }
    if let Some(platform) = &written.platform
        && !config.platforms.keys().any(|name| glob(platform, name))
    {
        let message = format!("`{}` is no platform: no VM is in this tier.", platform.as_str());
        let names: Vec<&str> = config.platforms.keys().map(String::as_str).collect();
        let remedy = format!("The platforms are: {}.", if names.is_empty() { "none".to_owned() } else { some(&names) });
        findings.error("RT0111", subject, Some(platform.span()), &message, &remedy);
    }
}

/// `on_outage` and `move_to` against each other.
fn ladder(tier: &Tier, subject: &Subject<'_>, findings: &mut Findings) {
    let rungs = rungs(tier);
    if let Some(written) = &tier.on_outage {
        let has_twice = rungs.iter().enumerate().any(|(at, rung)| rungs[..at].contains(rung));
        if rungs.is_empty() {
            let message = "nothing is said to be done with its VMs: they are shut down.";
            findings.warning("RT0119", subject, Some(written.span()), message, "Write `[\"shut-down\"]`, if that is meant.");
        } else if has_twice || rungs.iter().rev().skip(1).any(|rung| *rung == OnOutage::ShutDown) {
            let message = if rungs.contains(&OnOutage::Suspend) {
                "what is shut down can be neither moved nor saved to disk any more."
            } else {
                "what is shut down cannot be moved any more."
            };
            findings.error("RT0119", subject, Some(written.span()), message, &format!("Write `{}`.", in_order(&rungs)));
        } else if !rungs.contains(&OnOutage::ShutDown) {
            let what = if rungs.contains(&OnOutage::Suspend) { "moved or saved to disk" } else { "moved" };
            let message =
                format!("its VMs are to be {what} only; those that cannot be {what} in time are shut down all the same.");
            findings.info("RT0119", subject, Some(written.span()), &message, &format!("Write `{}`.", in_order(&rungs)));
        }
    }
    match &tier.move_to {
        None if rungs.contains(&OnOutage::Move) => {
            let message = "`move_to` is not said: its VMs may go to any host of their own site.";
            let remedy = "If that is meant, leave it; else add `move_to = [{ site = \"...\" }]`.";
            findings.info("RT0119", subject, tier.on_outage.as_ref().map(|written| written.span()), message, remedy);
        }
        Some(written) if !rungs.contains(&OnOutage::Move) => {
            let message = "`move_to` has no effect: its VMs are not moved.";
            let remedy = "Add \"move\" to `on_outage`, or take `move_to` out.";
            findings.warning("RT0119", subject, Some(written.span()), message, remedy);
        }
        Some(written) if written.is_empty() => {
            let message = "its VMs are to be moved, but nowhere.";
            findings.error(
                "RT0119",
                subject,
                Some(written.span()),
                message,
                "Add `{ same_site = true }`, or take `move_to` out.",
            );
        }
        _ => {}
    }
}

/// The rungs as they should stand: shutting down last, each once.
fn in_order(rungs: &[OnOutage]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for rung in rungs.iter().filter(|rung| **rung != OnOutage::ShutDown) {
        let word = if *rung == OnOutage::Move { "\"move\"" } else { "\"suspend\"" };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.push("\"shut-down\"");
    format!("[{}]", words.join(", "))
}

/// Saving to disk needs to know how fast that goes, and where to.
fn savings(config: &Config, tier: &Tier, subject: &Subject<'_>, findings: &mut Findings) {
    let is_of_tier = |name: &str| tier.matches.platform.as_ref().is_none_or(|pattern| glob(pattern, name));
    let without = config.platforms.iter().filter(|(name, platform)| is_of_tier(name) && !platform.value.says_suspend());
    let without: Vec<&str> = without.map(|(name, _)| name.as_str()).collect();
    if without.is_empty() || !rungs(tier).contains(&OnOutage::Suspend) {
        return;
    }
    let message = format!(
        "its VMs on platform {} are never saved to disk: how fast that goes and how much room there is is not said.",
        some(&without)
    );
    let remedy = "Add `suspend = { rate = \"...\", space = \"...\" }` to the platform, or take \"suspend\" out of `on_outage`.";
    findings.warning("RT0119", subject, tier.on_outage.as_ref().map(|written| written.span()), &message, remedy);
}

/// Whether each destination is one.
fn places(config: &Config, tier: &Tier, subject: &Subject<'_>, findings: &mut Findings) -> bool {
    let before = findings.0.len();
    for written in tier.move_to.iter().flat_map(|written| written.iter()) {
        match &**written {
            Destination::SameSite(true) => {}
            Destination::SameSite(false) => {
                let remedy = "Leave it out to exclude the own site.";
                findings.error("RT0123", subject, Some(written.span()), "`same_site = false` is no destination.", remedy);
            }
            Destination::Cloud(_) => {
                let message = "moving to a cloud is not supported yet.";
                findings.error("RT0107", subject, Some(written.span()), message, "Take it out; move to a site of your own.");
            }
            Destination::Site(site) if !config.hosts.values().any(|host| site_of(&host.value) == site) => {
                let message = format!("no host stands at site `{site}`.");
                let sites: BTreeSet<String> = config.hosts.values().map(|host| site_of(&host.value).to_owned()).collect();
                let remedy = match crate::config::suggest::nearest(site, sites.iter().map(String::as_str)) {
                    Some(meant) => format!("Did you mean `{meant}`?"),
                    None => format!("Add `site = \"{site}\"` to the hosts that stand there."),
                };
                findings.error("RT0111", subject, Some(written.span()), &message, &remedy);
            }
            Destination::Site(_) => {}
        }
    }
    findings.0.len() == before
}

/// A host, whose VMs the tier may have, and the UPSes it hangs on.
struct Place<'a> {
    name: &'a str,
    platform: &'a str,
    host: &'a Host,
}

impl Place<'_> {
    /// Whether it goes down when these UPSes do.
    fn falls_with(&self, lost: &BTreeSet<&str>) -> bool {
        let alive = self.host.feeds.iter().filter(|feed| !lost.contains(feed.ups.as_str())).count();
        u32::try_from(alive).unwrap_or(u32::MAX) < feeds_min(self.host).max(1)
    }
}

/// A move is worth something only to a host that stays up when the VM's own goes down.
fn same_power(config: &Config, tier: &Tier, subject: &Subject<'_>, findings: &mut Findings) {
    let wanted = destinations(tier);
    let of_tier = |platform: &str| tier.matches.platform.as_ref().is_none_or(|pattern| glob(pattern, platform));
    let places: Vec<Place<'_>> = config
        .hosts
        .iter()
        .filter_map(|(name, entry)| platform_of(config, name).map(|platform| Place { name, platform, host: &entry.value }))
        .filter(|place| !place.host.feeds.is_empty() && of_tier(place.platform))
        .collect();
    let is_allowed = |from: &Place<'_>, to: &Place<'_>| {
        from.name != to.name
            && from.platform == to.platform
            && wanted.iter().any(|destination| match destination {
                policy::Destination::SameSite => site_of(from.host) == site_of(to.host),
                policy::Destination::Site(site) => site.as_str() == site_of(to.host),
            })
    };
    let has_target = |from: &Place<'_>| {
        let losses = losses(config, from);
        losses.iter().any(|lost| places.iter().any(|to| is_allowed(from, to) && !to.falls_with(lost)))
    };
    let stranded: Vec<&str> = places.iter().filter(|from| !has_target(from)).map(|place| place.name).collect();
    if stranded.is_empty() || wanted.is_empty() {
        return;
    }
    let message = format!(
        "its VMs on {} cannot be moved in an outage, only shut down: every host they may go to is on the same power.",
        some(&stranded)
    );
    let remedy = "Hang a host they may go to on another UPS and domain, or name one in `move_to` that is.";
    let span =
        tier.move_to.as_ref().map(|written| written.span()).or_else(|| tier.on_outage.as_ref().map(|written| written.span()));
    findings.warning("RT0116", subject, span, &message, remedy);
}

/// The smallest losses of power that take a host down: one domain, or where none is enough, all domains that feed it.
fn losses<'a>(config: &'a Config, from: &Place<'a>) -> Vec<BTreeSet<&'a str>> {
    let feeds = |ups: &str| from.host.feeds.iter().any(|feed| feed.ups.as_str() == ups);
    let mut domains: Vec<BTreeSet<&str>> = config
        .domains
        .iter()
        .map(|domain| domain.value.ups.iter().map(|ups| ups.as_str()).collect::<BTreeSet<&str>>())
        .filter(|domain| domain.iter().any(|ups| feeds(ups)))
        .collect();
    let in_none = from.host.feeds.iter().map(|feed| feed.ups.as_str());
    let in_none: Vec<&str> = in_none.filter(|ups| !domains.iter().any(|domain| domain.contains(ups))).collect();
    domains.extend(in_none.into_iter().map(|ups| BTreeSet::from([ups])));
    let fatal: Vec<BTreeSet<&str>> = domains.iter().filter(|lost| from.falls_with(lost)).cloned().collect();
    if fatal.is_empty() { vec![domains.into_iter().flatten().collect()] } else { fatal }
}
