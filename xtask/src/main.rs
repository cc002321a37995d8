//! Chores of the workspace: `cargo xtask tidy | ci [PART...] | bench [WHAT] | seeds N | nightly`.
//!
//! Deliberately not a build system: cargo builds, this only runs cargo, reads the tree and counts. Begin reading in [`tidy`]
//! (what is checked) or [`ci`] (what runs, in which order).

mod bench;
mod ci;
mod count;
mod mutants;
mod nightly;
mod seeds;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND
  tidy              the house rules a compiler does not know
  ci [PART...]      what CI runs, or only these parts: fmt clippy tidy build test seeds lab
  seeds N [--from SEED] [--jobs JOBS]
                    N days in the simulator, and a table of what they showed; --replay SEED tells one, event by event
  bench [WHAT...]   measure: journal lab idle many plan
  golden FILE...    the planner against proven optima
  outages [COUNT]   the planner and its rivals in random outages
  mutants [FILE...] [--jobs JOBS]
                    do the tests notice a wrong word in the central files of decide? hours
  nightly           the long campaigns";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let result = match args.first().map(String::as_str) {
        Some("tidy") => tidy::command(workspace_root()),
        Some("ci") => ci::command(workspace_root(), rest),
        Some("bench") => bench::command(workspace_root(), rest),
        Some("mutants") => mutants::command(workspace_root(), rest),
        Some("seeds") => seeds::command(workspace_root(), rest),
        Some("golden") => bench::golden(workspace_root(), rest),
        Some("outages") => bench::outages(workspace_root(), rest),
        Some("nightly") => nightly::command(workspace_root()),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(true)
        }
        _ => {
            eprintln!("{USAGE}");
            Ok(false)
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace's `Cargo.toml`.
fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies one folder below the workspace root")
}

/// The cargo that runs us, or the one on the path.
fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}
