//! Runs the measurements. What is measured, and against what, is said where it is measured: each is an example of its crate.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Name, package, example.
const BENCHES: &[(&str, &str, &str)] = &[
    ("journal", "ridethrough-store", "bench_journal"),
    ("lab", "ridethrough-lab", "bench_outage"),
    ("idle", "ridethrough-lab", "bench_idle"),
    ("many", "ridethrough-lab", "bench_many"),
];

/// Runs all, or those named; true when all ran. The binary is built first: the lab and the idle controller drive it.
pub(crate) fn command(root: &Path, names: &[String]) -> Result<bool> {
    for name in names {
        if !BENCHES.iter().any(|(known, _, _)| known == name) {
            let known: Vec<_> = BENCHES.iter().map(|(known, _, _)| *known).collect();
            bail!("there is no measurement `{name}`; there are: {}", known.join(" "));
        }
    }
    let mut is_ok = run(root, &["build", "-q", "-p", "ridethrough-cli"])?;
    for (name, package, example) in BENCHES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            println!("=== {name}");
            is_ok &= run(root, &["run", "-q", "-p", package, "--example", example])?;
        }
    }
    Ok(is_ok)
}

fn run(root: &Path, args: &[&str]) -> Result<bool> {
    let status = Command::new(crate::cargo()).args(args).current_dir(root).status().context("cargo could not be started")?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_that_does_not_exist_is_named_with_those_that_do() {
        let error = command(Path::new("/nowhere"), &["speed".to_owned()]).expect_err("none such");
        assert_eq!(error.to_string(), "there is no measurement `speed`; there are: journal lab idle many");
    }
}
