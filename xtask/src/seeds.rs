//! `cargo xtask seeds N [--from SEED] [--jobs JOBS]` and `--replay SEED`: the simulator's campaign, see docs/testing.md.
//!
//! Only builds and calls the program that plays it; xtask itself stays small.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// Seeds of every CI run.
pub(crate) const IN_CI: &str = "10000";

/// True when every promise was kept.
pub(crate) fn command(root: &Path, words: &[String]) -> Result<bool> {
    if words.is_empty() {
        bail!("say how many seeds: cargo xtask seeds 10000 [--from SEED] [--jobs JOBS], or cargo xtask seeds --replay SEED");
    }
    let mut command = Command::new(crate::cargo());
    command.args(["run", "-q", "-p", "ridethrough-sim", "--example", "seeds", "--"]).args(words).current_dir(root);
    let status = command.status().context("cannot run cargo")?;
    Ok(status.success())
}
