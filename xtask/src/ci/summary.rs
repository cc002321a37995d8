//! The last lines of a run: seconds per part, what was skipped, and the counts alone on the last line. Pure.

use std::fmt::Write as _;

use super::Outcome;
use crate::count::{Counts, Skip};

#[derive(Debug)]
pub(super) struct Summary {
    pub(super) text: String,
    pub(super) is_ok: bool,
}

/// A part that failed without a failed test counts as one failure, so that the last line never says 0 for a run that failed.
pub(super) fn of(outcomes: &[Outcome], skips: &[Skip], runs_tests: bool, is_ci: bool) -> Summary {
    let mut text = String::from("\n=== summary\n");
    let mut counts = Counts::default();
    let mut faults = 0;
    for outcome in outcomes {
        let verdict = if outcome.is_ok { "ok" } else { "FAILED" };
        let seconds = outcome.took.as_secs_f64();
        line(&mut text, &format!("{:<8} {seconds:>7.1} s  {verdict}", outcome.name));
        counts.add(outcome.counts);
        if !outcome.is_ok && outcome.counts.failed == 0 {
            faults += 1;
        }
    }
    let total: f64 = outcomes.iter().map(|outcome| outcome.took.as_secs_f64()).sum();
    line(&mut text, &format!("{:<8} {total:>7.1} s", "all"));
    let skipped = skips.len() as u64 + counts.ignored;
    for skip in skips {
        line(&mut text, &format!("SKIPPED {}", skip.line));
    }
    if counts.ignored > 0 {
        line(&mut text, &format!("SKIPPED {} tests that are switched off in the source", counts.ignored));
    }
    let counts_as_fault = counts.ignored > 0 || skips.iter().any(|skip| !skip.is_shared);
    if is_ci && counts_as_fault {
        line(&mut text, "CI=true: a skipped test is a failure, but for the material in the shared folder");
        faults += 1;
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.runs_tests && outcome.is_ok) {
        if outcome.counts.passed == 0 {
            line(&mut text, &format!("{}: no test ran, that is a failure", outcome.name));
            faults += 1;
        }
    }
    let passed = counts.passed.saturating_sub(skips.len() as u64);
    let failed = counts.failed + faults;
    if runs_tests {
        line(&mut text, &format!("{passed} passed, {failed} failed, {skipped} skipped"));
    }
    Summary { text, is_ok: failed == 0 }
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::count;

    fn outcome(name: &'static str, is_ok: bool, passed: u64, failed: u64) -> Outcome {
        let counts = Counts { passed, failed, ignored: 0 };
        Outcome { name, runs_tests: name != "fmt", is_ok, took: Duration::from_millis(1500), counts }
    }

    fn last_line(summary: &Summary) -> &str {
        summary.text.lines().last().unwrap_or_default()
    }

    #[test]
    fn the_last_line_counts_and_the_table_has_seconds() {
        let summary = of(&[outcome("fmt", true, 0, 0), outcome("test", true, 9, 0)], &[], true, true);
        assert!(summary.is_ok);
        assert_eq!(last_line(&summary), "9 passed, 0 failed, 0 skipped");
        assert!(summary.text.contains("fmt          1.5 s  ok\n"), "{}", summary.text);
        assert!(summary.text.contains("all          3.0 s\n"), "{}", summary.text);
    }

    #[test]
    fn a_part_that_fails_without_a_test_is_a_failure_in_the_last_line_too() {
        let summary = of(&[outcome("fmt", false, 0, 0), outcome("test", true, 9, 0)], &[], true, false);
        assert!(!summary.is_ok);
        assert_eq!(last_line(&summary), "9 passed, 1 failed, 0 skipped");
        let summary = of(&[outcome("test", false, 9, 2)], &[], true, false);
        assert_eq!(last_line(&summary), "9 passed, 2 failed, 0 skipped");
    }

    #[test]
    fn a_skip_is_repeated_taken_from_the_passed_and_a_failure_only_in_ci() {
        let skips = count::skips("lab::outage: no root\n");
        let summary = of(&[outcome("lab", true, 9, 0)], &skips, true, false);
        assert!(summary.is_ok);
        assert!(summary.text.contains("SKIPPED lab::outage: no root\n"), "{}", summary.text);
        assert_eq!(last_line(&summary), "8 passed, 0 failed, 1 skipped");
        let summary = of(&[outcome("lab", true, 9, 0)], &skips, true, true);
        assert!(!summary.is_ok);
        assert_eq!(last_line(&summary), "8 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn a_skip_for_the_shared_folder_is_no_failure_in_ci() {
        let skips = count::skips("shared: devices::walks: no corpora\n");
        let summary = of(&[outcome("test", true, 9, 0)], &skips, true, true);
        assert!(summary.is_ok);
        assert_eq!(last_line(&summary), "8 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_test_switched_off_in_the_source_is_a_failure_in_ci() {
        let mut off = outcome("test", true, 9, 0);
        off.counts.ignored = 1;
        let summary = of(&[off], &[], true, true);
        assert_eq!(last_line(&summary), "9 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn a_part_that_ran_no_test_is_a_failure_also_beside_one_that_did() {
        let parts = [outcome("test", true, 9, 0), outcome("lab", true, 0, 0)];
        let summary = of(&parts, &[], true, false);
        assert!(!summary.is_ok);
        assert!(summary.text.contains("lab: no test ran"), "{}", summary.text);
        assert_eq!(last_line(&summary), "9 passed, 1 failed, 0 skipped");
        assert!(of(&[outcome("fmt", true, 0, 0)], &[], false, false).is_ok);
    }
}
