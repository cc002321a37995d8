//! `cargo run -p ridethrough-proof -- golden FILE | bench | outages`: what `cargo xtask golden`, `bench plan` and `outages` start.

use ridethrough_proof::{bench, golden, outages};
use std::process::ExitCode;

const USAGE: &str = "usage: ridethrough-proof golden FILE... | bench | outages [COUNT] [healthy|aged|faults] [--export FILE]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((command, files)) if command == "golden" && !files.is_empty() => golden::command(files),
        Some((command, rest)) if command == "bench" => bench::command(rest),
        Some((command, rest)) if command == "outages" => outages::command(rest),
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
