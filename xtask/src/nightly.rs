//! The long campaigns, too long for every change: many seeds in the simulator, the lab stories with ten seeds in a row.
//!
//! The numbers reach the tests through the environment; `docs/testing.md` says what each means.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

const SIM_SEEDS: &str = "200000";
const LAB_RUNS: u64 = 10;

/// Goes on after a failure, so that one night shows all seeds that fail; true when none did.
pub(crate) fn command(root: &Path) -> Result<bool> {
    println!("=== simulator, {SIM_SEEDS} seeds");
    let mut is_ok = run(root, &["test", "-p", "ridethrough-sim", "--", "--nocapture"], ("RIDETHROUGH_SEEDS", SIM_SEEDS))?;
    is_ok &= run(root, &["build", "-p", "ridethrough-cli"], ("RIDETHROUGH_SEEDS", SIM_SEEDS))?;
    let mut failed = Vec::new();
    for seed in 1..=LAB_RUNS {
        println!("=== lab, seed {seed} of {LAB_RUNS}");
        let args = ["test", "-p", "ridethrough-lab", "--", "--test-threads=1", "--nocapture"];
        if !run(root, &args, ("RIDETHROUGH_SEED", &seed.to_string()))? {
            failed.push(seed);
        }
    }
    println!("=== lab: {} of {LAB_RUNS} seeds passed", LAB_RUNS - failed.len() as u64);
    for seed in &failed {
        println!("again: RIDETHROUGH_SEED={seed} make lab");
    }
    Ok(is_ok && failed.is_empty())
}

fn run(root: &Path, args: &[&str], (name, value): (&str, &str)) -> Result<bool> {
    let status = Command::new(crate::cargo())
        .args(args)
        .env(name, value)
        .current_dir(root)
        .status()
        .context("cargo could not be started")?;
    Ok(status.success())
}
