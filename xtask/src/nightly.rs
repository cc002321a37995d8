//! The long campaigns, too long for every change: many seeds in the simulator, the lab stories with ten seeds in a row.
//!
//! The numbers reach the tests through the environment; `docs/testing.md` says what each means. A campaign in which no test ran,
//! or one was skipped, has not passed.

use std::path::Path;

use anyhow::{Context, Result};

use crate::ci;
use crate::count::{self, Counts, Skip};

const SIM_SEEDS: &str = "1000000";
const LAB_RUNS: u64 = 10;

/// Goes on after a failure, so that one night shows all seeds that fail; true when none did.
pub(crate) fn command(root: &Path) -> Result<bool> {
    println!("=== simulator, {SIM_SEEDS} seeds");
    let mut is_ok = crate::seeds::command(root, &[SIM_SEEDS.to_owned()])?;
    println!("=== planner, 1,000 outages of each kind");
    let outages = ["run", "-q", "--release", "-p", "ridethrough-proof", "--", "outages", "1000"];
    let (is_played, _) = ci::run_cargo(root, &outages, &[], None)?;
    is_ok &= is_played;
    let (is_built, _) = ci::run_cargo(root, &["build", "-p", "ridethrough-cli"], &[], None)?;
    is_ok &= is_built;
    let mut failed = Vec::new();
    for seed in 1..=LAB_RUNS {
        println!("=== lab, seed {seed} of {LAB_RUNS}");
        let args = ["test", "-p", "ridethrough-lab", "--", "--test-threads=1", "--nocapture"];
        if !campaign(root, &args, ("RIDETHROUGH_SEED", &seed.to_string()))? {
            failed.push(seed);
        }
    }
    println!("=== lab: {} of {LAB_RUNS} seeds passed", LAB_RUNS - failed.len() as u64);
    for seed in &failed {
        println!("again: RIDETHROUGH_SEED={seed} make lab");
    }
    Ok(is_ok && failed.is_empty())
}

fn campaign(root: &Path, args: &[&str], variable: (&str, &str)) -> Result<bool> {
    let skipped = root.join(ci::SKIPPED);
    if skipped.exists() {
        std::fs::remove_file(&skipped).context("cannot clear the list of skipped tests")?;
    }
    let (is_ok, counts) = ci::run_cargo(root, args, &[variable], None)?;
    let text = if skipped.exists() {
        std::fs::read_to_string(&skipped).context("cannot read the list of skipped tests")?
    } else {
        String::new()
    };
    let skips = count::skips(&text);
    for skip in &skips {
        println!("SKIPPED {}", skip.line);
    }
    Ok(has_passed(is_ok, counts, &skips))
}

fn has_passed(is_ok: bool, counts: Counts, skips: &[Skip]) -> bool {
    let is_whole = counts.ignored == 0 && skips.iter().all(|skip| skip.is_shared);
    is_ok && counts.failed == 0 && counts.passed > skips.len() as u64 && is_whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_that_ran_nothing_or_skipped_has_not_passed() {
        let ran = Counts { passed: 3, failed: 0, ignored: 0 };
        assert!(has_passed(true, ran, &[]));
        assert!(has_passed(true, ran, &count::skips("shared: a: no corpora")));
        assert!(!has_passed(true, Counts::default(), &[]));
        assert!(!has_passed(true, ran, &count::skips("lab::a: no root")));
        assert!(!has_passed(false, ran, &[]));
    }
}
