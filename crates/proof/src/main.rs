//! `cargo run -p ridethrough-proof -- golden FILE | bench`: what `cargo xtask golden` and `cargo xtask bench plan` start.

use ridethrough_proof::{bench, golden};
use std::process::ExitCode;

const USAGE: &str = "usage: ridethrough-proof golden FILE... | bench";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((command, files)) if command == "golden" && !files.is_empty() => golden::command(files),
        Some((command, rest)) if command == "bench" => bench::command(rest),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
