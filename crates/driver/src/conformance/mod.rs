//! The conformance kit: rules that every driver keeps, run against a fake of the remote side that misbehaves on demand.
//!
//! Test code behind the feature `conformance`; the product does not carry it. It asserts nothing about one protocol: what a driver
//! declares ([`Facts`], its capability) selects the rules, and its [`Peer`] makes the faults. One macro line per driver makes one
//! test per rule. `docs/drivers.md` has the words of each rule. Begin in [`Peer`], then [`rules`].

mod all;
mod concurrently;
mod device;
pub mod fuzz;
mod host_power;
mod peer;
mod platform;
mod rules;
mod subject;

#[cfg(test)]
mod tests;

pub use device::{DeviceFixture, Told};
pub use host_power::HostPowerFixture;
pub use peer::{Facts, Fault, Peer};
pub use platform::{PlatformFixture, Vms};
pub use rules::{Kind, RULES, Rule};

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;

/// What came of one rule for one driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was seen to be kept.
    Kept,
    /// It was seen to be broken; how.
    Broken(String),
    /// The driver's facts say that there is nothing to keep; why.
    NotApplicable(String),
    /// This machine lacks what the peer needs; the peer has said so where skips are counted.
    Skipped,
}

/// The end of a rule that found nothing, or why it ended early.
pub(crate) type Found = Result<(), Verdict>;

pub(crate) fn broken(how: impl Into<String>) -> Verdict {
    Verdict::Broken(how.into())
}

pub(crate) fn not_applicable(why: impl Into<String>) -> Verdict {
    Verdict::NotApplicable(why.into())
}

/// A rule at work on one driver.
pub type Running<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// Runs one rule in a test and fails it where the rule is broken, or where it does not apply without `docs/drivers.md` saying so.
///
/// # Panics
/// That is how it reports.
pub fn hold(rule: &str, facts: &Facts, run: impl Future<Output = Verdict>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for a test");
    let words = RULES.iter().find(|one| one.id == rule).map_or("no such rule", |one| one.words);
    match runtime.block_on(run) {
        Verdict::Kept | Verdict::Skipped => {}
        Verdict::Broken(how) => panic!("{} breaks {rule}: {words}\n{how}", facts.driver),
        Verdict::NotApplicable(why) => {
            let line = exception(facts.driver, rule, &why);
            println!("{line}");
            let text = manual();
            assert!(text.contains(&line), "docs/drivers.md has to say under \"What does not apply\":\n{line}");
        }
    }
}

/// The line of the manual for a rule that does not apply to a driver.
fn exception(driver: &str, rule: &str, why: &str) -> String {
    let mut line = String::new();
    let _ = write!(line, "| `{driver}` | {rule} | {why} |");
    line
}

/// `docs/drivers.md`.
fn manual() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/drivers.md");
    std::fs::read_to_string(path).expect("docs/drivers.md is beside the crates")
}

/// One driver's kit: a module of that name with one test per rule. The fixture is named by its path from `crate`. Called by the macros for each kind, not by hand.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($name:ident, $kind:ident, $fixture:ty, $trait:ident, $($test:ident $rule:literal)+) => {
        mod $name {
            $(#[test]
            fn $test() {
                let facts = <$fixture as $crate::conformance::Peer>::facts();
                let run = <$fixture as $crate::conformance::$trait>::keeps($rule);
                $crate::conformance::hold($rule, &facts, run);
            })+
            #[test]
            fn no_rule_is_left_out() {
                let run: Vec<&str> = vec![$($rule),+];
                assert_eq!($crate::conformance::Kind::$kind.ids(), run);
            }
        }
    };
}

/// All rules of a `Device`: `device_conformance!(nut, crate::fixture::Nut)`.
#[macro_export]
macro_rules! device_conformance {
    ($name:ident, $fixture:ty) => {
        $crate::conformance_tests!($name, Device, $fixture, DeviceFixture,
            c1_answers_in_time "C1" c2_faults_are_classified "C2" c3_a_dropped_call_leaves_it_usable "C3"
            c4_what_is_new_is_tolerated "C4" c5_no_secret_is_shown "C5" c6_no_more_in_flight_than_declared "C6"
            c7_finds_a_restarted_peer_again "C7" c8_one_call_is_one_request "C8"
            d1_absent_is_none "D1" d2_unknown_status_is_kept "D2" d3_units_are_converted "D3"
            d4_stale_is_not_lost "D4" d5_a_shutdown_command_is_attempted_blindly "D5");
    };
}

/// All rules of a `Platform`: `platform_conformance!(libvirt, crate::fixture::Libvirt)`.
#[macro_export]
macro_rules! platform_conformance {
    ($name:ident, $fixture:ty) => {
        $crate::conformance_tests!($name, Platform, $fixture, PlatformFixture,
            c1_answers_in_time "C1" c2_faults_are_classified "C2" c3_a_dropped_call_leaves_it_usable "C3"
            c4_what_is_new_is_tolerated "C4" c5_no_secret_is_shown "C5" c6_no_more_in_flight_than_declared "C6"
            c7_finds_a_restarted_peer_again "C7" c8_one_call_is_one_request "C8"
            p1_ids_survive_a_restart "P1" p2_start_twice_has_one_effect "P2" p3_a_task_outlives_its_client "P3"
            p4_observe_agrees_with_reality "P4" p5_a_deaf_guest_is_refused "P5" p6_ten_thousand_vms_are_listed "P6");
    };
}

/// All rules of a `HostPower`: `host_power_conformance!(ssh, crate::fixture::Ssh)`.
#[macro_export]
macro_rules! host_power_conformance {
    ($name:ident, $fixture:ty) => {
        $crate::conformance_tests!($name, HostPower, $fixture, HostPowerFixture,
            c1_answers_in_time "C1" c2_faults_are_classified "C2" c3_a_dropped_call_leaves_it_usable "C3"
            c4_what_is_new_is_tolerated "C4" c5_no_secret_is_shown "C5" c6_no_more_in_flight_than_declared "C6"
            c7_finds_a_restarted_peer_again "C7" c8_one_call_is_one_request "C8"
            h1_off_and_on_are_idempotent "H1" h2_unknown_is_never_off "H2" h3_a_wrong_login_is_unauthorized "H3"
            h4_observe_agrees_after_others "H4");
    };
}
