//! Plays seeds and prints what came of them: `cargo xtask seeds` calls this. Ends with 1 if a promise was broken.
//!
//! `seeds N [--from S] [--jobs J]` plays N seeds from S on, after the seeds of past failures; `seeds --replay SEED` tells one.

use ridethrough_decide::Plant;
use ridethrough_sim::campaign::{Day, campaign, replay};
use ridethrough_sim::past;
use ridethrough_sim::plants::catch;
use ridethrough_sim::tally::Tally;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const USAGE: &str = "usage: seeds N [--from SEED] [--jobs JOBS] | seeds --replay SEED | seeds --plants N";

/// Seeds are handed out in pieces of so many.
const PIECE: u64 = 16;
/// With every so many seeds a line says how far it is.
const PROGRESS_EVERY: u64 = 20_000;

struct Asked {
    count: u64,
    from: u64,
    jobs: u64,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, seed] = words.as_slice()
        && word == "--replay"
    {
        let Some(day) = Day::parse(seed) else { return usage() };
        print!("{}", replay(day));
        return ExitCode::SUCCESS;
    }
    if let [word, seeds] = words.as_slice()
        && word == "--plants"
    {
        return seeds.parse().map_or_else(|_| usage(), plants);
    }
    match asked(&words) {
        Some(asked) => play(&asked),
        None => usage(),
    }
}

/// A row for each planted bug: where it is caught first, and by what.
fn plants(seeds_max: u64) -> ExitCode {
    let mut is_ok = true;
    std::panic::set_hook(Box::new(|_| ()));
    for plant in Plant::ALL {
        let caught = catch(*plant, seeds_max);
        is_ok &= caught.is_some();
        let (by, place) = caught.map_or(("NOBODY".to_owned(), "-".to_owned()), |caught| (caught.by, caught.place));
        println!("| `{plant:?}` | {by} | {place} |");
    }
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn asked(words: &[String]) -> Option<Asked> {
    let jobs = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let mut asked = Asked { count: 0, from: 1, jobs };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--from" => asked.from = words.next()?.parse().ok()?,
            "--jobs" => asked.jobs = words.next()?.parse().ok().filter(|jobs| *jobs > 0)?,
            count => asked.count = count.replace('_', "").parse().ok()?,
        }
    }
    (asked.count > 0).then_some(asked)
}

fn play(asked: &Asked) -> ExitCode {
    let past = past::failures().into_iter().filter_map(|(day, why)| Some((day, why, past::broken(day)?)));
    let past: Vec<_> = past.collect();
    for (day, why, how) in &past {
        let again = format!("cargo xtask seeds --replay {}@{}", day.seed, day.generation);
        println!("seed {} ({why}) is broken again: {how}\n  again: {again}", day.seed);
    }
    let is_past_broken = !past.is_empty();
    let begun = Instant::now();
    let next = AtomicU64::new(asked.from);
    let end = asked.from + asked.count;
    let lane = || {
        let mut tally = Tally::default();
        loop {
            let first = next.fetch_add(PIECE, Ordering::Relaxed);
            if first >= end {
                return tally;
            }
            for outcome in campaign(first..(first + PIECE).min(end)) {
                tally.add(&outcome);
                if let Some(broken) = &outcome.broken {
                    println!("seed {} ({})\n  {} BROKEN {}: {}", outcome.seed, outcome.about, broken.at, broken.name, broken.how);
                }
            }
            let done = first + PIECE - asked.from;
            if done % PROGRESS_EVERY < PIECE && done >= PROGRESS_EVERY {
                eprintln!("{done} of {} seeds, {:.0} s", asked.count, begun.elapsed().as_secs_f64());
            }
        }
    };
    let tally = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..asked.jobs).map(|_| scope.spawn(lane)).collect();
        let mut sum = Tally::default();
        for lane in lanes {
            sum.join(lane.join().expect("a seed that panics is a bug of its own, and says its number"));
        }
        sum
    });
    println!("{} seeds from {} on, {} jobs\n", asked.count, asked.from, asked.jobs);
    print!("{}", tally.table(begun.elapsed().as_secs_f64()));
    if let Some(first) = tally.broken().first() {
        println!("\nthe first of them, event by event:\n{}", replay(Day::of(*first)));
    }
    let is_ok = tally.broken().is_empty() && tally.idle_checks().is_empty() && !is_past_broken;
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
