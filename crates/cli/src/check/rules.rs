//! The rules of protection and how far this version keeps them. What is said here must be true: a rule about decisions has a test
//! named after its number.

use serde::Serialize;

/// How far a rule is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Covered {
    /// In all that this version does.
    Yes,
    /// As far as `so_far` says.
    Partly,
    /// Not looked at.
    NotYet,
}

/// A rule.
#[derive(Debug, Serialize)]
pub(super) struct Rule {
    pub(super) number: u8,
    pub(super) title: &'static str,
    pub(super) kept: Covered,
    /// How far, where not wholly.
    pub(super) so_far: &'static str,
}

const fn rule(number: u8, title: &'static str, kept: Covered, so_far: &'static str) -> Rule {
    Rule { number, title, kept, so_far }
}

/// All of them, by number.
pub(super) const RULES: [Rule; 17] = [
    rule(1, "the order of the tiers is hard", Covered::Yes, ""),
    rule(2, "no power is cut without proof of off", Covered::Yes, ""),
    rule(3, "unknown is never good and never endless", Covered::Yes, ""),
    rule(4, "what returns could be stopped again", Covered::Yes, ""),
    rule(5, "intent before effect, look before doing again", Covered::Yes, ""),
    rule(6, "a stuck journal stops no shutdown", Covered::Yes, ""),
    rule(7, "every host has a last resort", Covered::Partly, "timers over SSH; vendor agents are known by name only"),
    rule(8, "the plan knows what it stands on", Covered::NotYet, "only `needs` of hosts, and where the controller itself runs"),
    rule(9, "there is always a checked plan", Covered::Partly, "made anew at each change; not kept over a restart"),
    rule(10, "paused automation is put back", Covered::Partly, "libvirt's autostart; vSphere's DRS level and admission control"),
    rule(11, "no outage leaves anything to the next", Covered::Yes, ""),
    rule(12, "no licence, no call home", Covered::Yes, ""),
    rule(13, "replicas and votes keep hosts up", Covered::NotYet, "storage on hosts (Ceph, vSAN) and quorum are not known"),
    rule(14, "each VM has one home for good", Covered::NotYet, "copies at other sites are not known"),
    rule(15, "other masters of a UPS are respected", Covered::Yes, ""),
    rule(16, "a bad inventory changes nothing", Covered::Yes, ""),
    rule(17, "two controllers do no harm", Covered::NotYet, "run only one"),
];
