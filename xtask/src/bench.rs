//! Runs the measurements. What is measured, and against what, is said where it is measured: each is an example of its crate.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Name, package, example.
const BENCHES: &[(&str, &str, &str)] = &[
    ("journal", "ridethrough-store", "bench_journal"),
    ("recover", "ridethrough-controller", "bench_recover"),
    ("lab", "ridethrough-lab", "bench_outage"),
    ("idle", "ridethrough-lab", "bench_idle"),
    ("many", "ridethrough-lab", "bench_many"),
];
/// Measured by a program of its own, with all optimisation: the planner's clocks.
const PLAN: &str = "plan";
const PROOF: &str = "ridethrough-proof";

/// Runs all, or those named; true when all ran. The binary is built first: the lab and the idle controller drive it.
pub(crate) fn command(root: &Path, names: &[String]) -> Result<bool> {
    for name in names {
        if name != PLAN && !BENCHES.iter().any(|(known, _, _)| known == name) {
            let known: Vec<_> = BENCHES.iter().map(|(known, _, _)| *known).chain([PLAN]).collect();
            bail!("there is no measurement `{name}`; there are: {}", known.join(" "));
        }
    }
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let mut is_ok = true;
    if is_wanted(PLAN) {
        println!("=== {PLAN}");
        is_ok &= run(root, &["run", "-q", "--release", "-p", PROOF, "--", "bench"])?;
    }
    if names == [PLAN] {
        return Ok(is_ok);
    }
    is_ok &= run(root, &["build", "-q", "-p", "ridethrough-cli"])?;
    for (name, package, example) in BENCHES {
        if is_wanted(name) {
            println!("=== {name}");
            is_ok &= run(root, &["run", "-q", "-p", package, "--example", example])?;
        }
    }
    Ok(is_ok)
}

/// The planner against the proven optima in these files.
pub(crate) fn golden(root: &Path, files: &[String]) -> Result<bool> {
    if files.is_empty() {
        bail!("which FILE? e.g. tests/golden/small.json");
    }
    let mut args: Vec<String> = ["run", "-q", "-p", PROOF, "--", "golden"].map(str::to_owned).to_vec();
    for file in files {
        let path = std::path::absolute(file).with_context(|| format!("{file} is no path"))?;
        args.push(path.to_string_lossy().into_owned());
    }
    run(root, &args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Random outages in closed loop; the words go to the program that plays them.
pub(crate) fn outages(root: &Path, words: &[String]) -> Result<bool> {
    let mut args = vec!["run", "-q", "--release", "-p", PROOF, "--", "outages"];
    args.extend(words.iter().map(String::as_str));
    run(root, &args)
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
        assert_eq!(error.to_string(), "there is no measurement `speed`; there are: journal recover lab idle many plan");
    }
}
