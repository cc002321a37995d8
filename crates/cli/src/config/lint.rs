//! What is written correctly but makes no sense, or protects less than it looks. No connection is made: what only the UPSes and
//! platforms know is for `check --connect`.
//!
//! Each file below looks at one part. A finding is an error where something is not protected or the plan would be wrong, a
//! warning where it is protected less than it looks, an info where it is worth knowing.

mod alerts;
mod back;
mod battery;
mod bmc;
mod drills;
mod hooks;
mod hosts;
mod libvirt;
mod loads;
mod names;
mod numbers;
mod nut;
mod power;
mod secrets;
#[cfg(test)]
mod tests;
mod tiers;
mod vsphere;

use super::source::{Located, Place};
use super::{Config, Entry};
use ridethrough_model::{Finding, FindingLevel};
use std::ops::Range;

/// Names listed in one finding.
const NAMES_MAX: usize = 5;

/// Everything there is to say.
pub(super) fn lint(config: &Config) -> Vec<Located> {
    let mut findings = Findings::default();
    names::lint(config, &mut findings);
    power::lint(config, &mut findings);
    battery::lint(config, &mut findings);
    hosts::lint(config, &mut findings);
    bmc::lint(config, &mut findings);
    libvirt::lint(config, &mut findings);
    vsphere::lint(config, &mut findings);
    loads::lint(config, &mut findings);
    hooks::lint(config, &mut findings);
    tiers::lint(config, &mut findings);
    back::lint(config, &mut findings);
    numbers::lint(config, &mut findings);
    secrets::lint(config, &mut findings);
    nut::lint(config, &mut findings);
    alerts::lint(config, &mut findings);
    drills::lint(config, &mut findings);
    findings.0
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Located>);

/// What a finding is about: its name for a person, and the section it is in.
#[derive(Clone, Debug)]
struct Subject<'a> {
    name: String,
    place: &'a Place,
}

impl<'a> Subject<'a> {
    fn new<T>(noun: &str, name: &str, entry: &'a Entry<T>) -> Self {
        Self { name: format!("{noun} {name}"), place: &entry.place }
    }
}

impl Findings {
    fn error(&mut self, code: &str, subject: &Subject<'_>, span: Option<Range<usize>>, message: &str, remedy: &str) {
        self.add(FindingLevel::Error, code, subject, span, message, remedy);
    }

    fn warning(&mut self, code: &str, subject: &Subject<'_>, span: Option<Range<usize>>, message: &str, remedy: &str) {
        self.add(FindingLevel::Warning, code, subject, span, message, remedy);
    }

    fn info(&mut self, code: &str, subject: &Subject<'_>, span: Option<Range<usize>>, message: &str, remedy: &str) {
        self.add(FindingLevel::Info, code, subject, span, message, remedy);
    }

    /// At that stretch of the subject's file, or where the subject begins.
    fn add(
        &mut self,
        level: FindingLevel,
        code: &str,
        subject: &Subject<'_>,
        span: Option<Range<usize>>,
        message: &str,
        remedy: &str,
    ) {
        let place = span.map_or_else(|| subject.place.clone(), |span| subject.place.at(span));
        self.0.push(Located::at(place, Finding::new(level, code, subject.name.as_str(), message, remedy)));
    }

    fn everywhere(&mut self, finding: Finding) {
        self.0.push(Located::everywhere(finding));
    }
}

/// "kvm1, kvm2 and 3 more".
fn some(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What to do about a name nothing is known by.
fn known<'a>(word: &str, noun: &str, all: impl Iterator<Item = &'a String> + Clone) -> String {
    let names: Vec<&str> = all.map(String::as_str).collect();
    match super::suggest::nearest(word, names.iter().copied()) {
        Some(meant) => format!("Did you mean `{meant}`?"),
        None if names.is_empty() => format!("Add a `[{noun}.{word}]`, or take the name out."),
        None => format!("Take one of {}, or add a `[{noun}.{word}]`.", some(&names)),
    }
}
