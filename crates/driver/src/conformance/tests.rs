//! The kit against itself: a sound tiny driver keeps every rule, and one with a single flaw breaks exactly the rule it is about.

mod manual;
mod tiny;
mod tiny_drivers;

use super::{DeviceFixture, HostPowerFixture, Kind, PlatformFixture, Verdict};
use tiny::{FLAW, Tiny};

/// The rules of a kind that a tiny driver with this flaw breaks. The clock is one of ours: stalls cost nothing.
fn broken_by(kind: Kind, flaw: &'static str) -> Vec<(&'static str, String)> {
    FLAW.set(flaw);
    let mut found = Vec::new();
    for rule in kind.ids() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let verdict = runtime.block_on(async {
            match kind {
                Kind::Device => <Tiny as DeviceFixture>::keeps(rule).await,
                Kind::Platform => <Tiny as PlatformFixture>::keeps(rule).await,
                Kind::HostPower => <Tiny as HostPowerFixture>::keeps(rule).await,
            }
        });
        match verdict {
            Verdict::Kept => {}
            Verdict::Broken(how) => found.push((rule, how)),
            other => panic!("{rule} was not run at all: {other:?}"),
        }
    }
    found
}

/// A flaw is named after the rule that it breaks, with a letter where a rule has several.
fn check(kind: Kind, flaws: &[&'static str]) {
    assert_eq!(broken_by(kind, "none"), [], "a sound driver keeps all of them");
    for flaw in flaws {
        let found = broken_by(kind, flaw);
        let rules: Vec<&str> = found.iter().map(|(rule, _)| *rule).collect();
        assert_eq!(rules, [&flaw[..2]], "flaw {flaw}: {found:#?}");
    }
    for rule in kind.ids() {
        assert!(flaws.iter().any(|flaw| flaw.starts_with(rule)), "{rule} has no flaw that it catches");
    }
}

#[test]
fn point_1_each_rule_of_a_device_catches_the_driver_that_breaks_it() {
    let flaws = ["C1", "C1b", "C2", "C2c", "C3", "C3b", "C4", "C5", "C5b", "C6", "C7", "C8", "C8b", "D1", "D2", "D3", "D4", "D5"];
    check(Kind::Device, &flaws);
}

#[test]
fn point_1_each_rule_of_a_platform_catches_the_driver_that_breaks_it() {
    let flaws = [
        "C1", "C1b", "C2", "C2b", "C2c", "C3", "C3b", "C4", "C5", "C5b", "C6", "C7", "C8", "C8b", "P1", "P2", "P3", "P4", "P5",
        "P6", "P6b",
    ];
    check(Kind::Platform, &flaws);
}

#[test]
fn point_1_each_rule_of_a_hosts_power_catches_the_driver_that_breaks_it() {
    let flaws =
        ["C1", "C1b", "C2", "C2b", "C3", "C4", "C5", "C5b", "C6", "C7", "C8", "C8b", "H1", "H1b", "H2", "H2b", "H3", "H4", "H4b"];
    check(Kind::HostPower, &flaws);
}
