//! Names: each stands for one thing, and can be typed on a command line.

use super::{Findings, Subject};
use crate::config::{Config, Entry};
use std::collections::BTreeMap;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    usable("UPS", &config.upses, findings);
    usable("platform", &config.platforms, findings);
    usable("host", &config.hosts, findings);
    usable("load", &config.loads, findings);
    listed("domain", config.domains.iter().map(|entry| (entry, &entry.value.name)), findings);
    listed("tier", config.tiers.iter().map(|entry| (entry, &entry.value.name)), findings);
    for (name, entry) in &config.platforms {
        for host in entry.value.hosts() {
            let others = config.platforms.iter().take_while(|(other, _)| *other != name);
            let twice = others.filter(|(_, other)| other.value.hosts().any(|known| known == host)).map(|(other, _)| other).next();
            if let Some(other) = twice {
                let subject = Subject::new("platform", name, entry);
                let message = format!("its host {} is one of platform {other} already.", host.as_str());
                findings.error(
                    "RT0105",
                    &subject,
                    Some(host.span()),
                    &message,
                    "A host belongs to one platform: take it out of the other.",
                );
            }
        }
    }
}

fn usable<T>(noun: &str, entries: &BTreeMap<String, Entry<T>>, findings: &mut Findings) {
    for (name, entry) in entries {
        check(name, &Subject::new(noun, name, entry), None, findings);
    }
}

fn listed<'a, T: 'a>(
    noun: &str,
    entries: impl Iterator<Item = (&'a Entry<T>, &'a crate::config::value::At<String>)>,
    findings: &mut Findings,
) {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for (entry, name) in entries {
        let subject = Subject::new(noun, name, entry);
        check(name, &subject, Some(name.span()), findings);
        let (line, _) = entry.place.at(name.span()).position();
        if let Some(first) = known.get(name.as_str()) {
            let message = format!("there is another {noun} of that name, in line {first}.");
            findings.error("RT0105", &subject, Some(name.span()), &message, "Give each its own name.");
        } else {
            known.insert(name, line);
        }
    }
}

fn check(name: &str, subject: &Subject<'_>, span: Option<std::ops::Range<usize>>, findings: &mut Findings) {
    let is_wrong = |c: char| c.is_control() || c.is_whitespace() || "/,=".contains(c);
    if name.is_empty() || name.starts_with('-') || name.contains(is_wrong) {
        let message = format!("`{name}` cannot be used as a name.");
        let remedy = "Take letters, digits, `-`, `_` and `.`: it is typed on command lines and is part of VM ids.";
        findings.error("RT0104", subject, span, &message, remedy);
    }
}
