//! `cargo run -p ridethrough-sim --example seeds -- 10000` plays seeds 1 to 10000; `-- 7 trace` tells what happens in seed 7.
//! `-- 100..200` plays a range. Ends with 1 if a promise was broken.

use ridethrough_sim::campaign::{Outcome, campaign, replay};
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let range = match words.first().map(|word| (word.split_once(".."), number(word))) {
        Some((Some((from, to)), _)) => number(from).zip(number(to)),
        Some((None, Some(seed))) if words.get(1).is_some_and(|word| word == "trace") => {
            print!("{}", replay(seed));
            return ExitCode::SUCCESS;
        }
        Some((None, Some(last))) => Some((1, last + 1)),
        _ => None,
    };
    let Some((from, to)) = range else {
        eprintln!("say how many seeds, a range (100..200), or one seed and `trace`");
        return ExitCode::from(2);
    };
    let mut by_name: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let (mut lost, mut started, mut seconds) = (0, 0, 0);
    for seed in from..to {
        for Outcome { about, broken, lost: vms, started: sent, lasted, .. } in campaign(seed..seed + 1) {
            (lost, started, seconds) = (lost + vms, started + sent, seconds + lasted.as_secs());
            if let Some(broken) = broken {
                println!("seed {seed} ({about})\n  {} BROKEN {}: {}", broken.at, broken.name, broken.how);
                by_name.entry(broken.name).or_default().push(seed);
            }
        }
    }
    println!("{} seeds, {} hours, {started} steps, {lost} VMs lost", to - from, seconds / 3600);
    for (name, seeds) in &by_name {
        println!("  {name}: {} seeds, first {:?}", seeds.len(), &seeds[..seeds.len().min(6)]);
    }
    if let Some(seed) = by_name.values().flatten().min() {
        println!("again: cargo run -p ridethrough-sim --example seeds -- {seed} trace");
    }
    if by_name.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
