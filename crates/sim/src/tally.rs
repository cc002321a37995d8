//! What many seeds come to: one table for a person. It adds up and prints; it plays nothing.

use crate::campaign::Outcome;
use crate::invariant::INVARIANTS;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A sum over seeds.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    seeds: u64,
    seconds: u64,
    crashes: usize,
    started: usize,
    runs: usize,
    lost: usize,
    faults: BTreeMap<&'static str, u64>,
    judged: Vec<u64>,
    broken: BTreeMap<String, Vec<u64>>,
}

/// So many failing seeds are named per promise.
const NAMED_MAX: usize = 8;
/// With fewer seeds a check may well have had nothing to judge.
const SEEDS_FOR_ALL: u64 = 5000;

impl Tally {
    /// Adds what came of one seed.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.seconds += outcome.lasted.as_secs();
        self.crashes += outcome.crashes;
        self.started += outcome.started;
        self.runs += outcome.runs;
        self.lost += outcome.lost;
        for fault in &outcome.faults {
            *self.faults.entry(fault).or_default() += 1;
        }
        self.judged.resize(outcome.judged.len(), 0);
        for (sum, judged) in self.judged.iter_mut().zip(&outcome.judged) {
            *sum += judged;
        }
        if let Some(broken) = &outcome.broken {
            self.broken.entry(broken.name.clone()).or_default().push(outcome.seed);
        }
    }

    /// Adds another sum.
    pub fn join(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.seconds += other.seconds;
        self.crashes += other.crashes;
        self.started += other.started;
        self.runs += other.runs;
        self.lost += other.lost;
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.judged.resize(self.judged.len().max(other.judged.len()), 0);
        for (sum, judged) in self.judged.iter_mut().zip(other.judged) {
            *sum += judged;
        }
        for (name, seeds) in other.broken {
            self.broken.entry(name).or_default().extend(seeds);
        }
    }

    /// How many were played.
    #[must_use]
    pub fn seeds(&self) -> u64 {
        self.seeds
    }

    /// The seeds in which a promise was broken, in order.
    #[must_use]
    pub fn broken(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.broken.values().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    /// Checks that had nothing to judge although there were enough seeds: what cannot fail proves nothing.
    #[must_use]
    pub fn idle_checks(&self) -> Vec<&'static str> {
        if self.seeds < SEEDS_FOR_ALL {
            return Vec::new();
        }
        let idle = INVARIANTS.iter().zip(&self.judged).filter(|(_, judged)| **judged == 0);
        idle.map(|((name, _), _)| *name).collect()
    }

    /// The table.
    #[must_use]
    pub fn table(&self, took_s: f64) -> String {
        let mut text = String::new();
        let rate = if took_s > 0.0 { self.seeds as f64 / took_s } else { 0.0 };
        let mut row = |name: &str, value: String| {
            writeln!(text, "  {name:<44} {value:>12}").expect("a string takes everything");
        };
        row("seeds", self.seeds.to_string());
        row("seconds", format!("{took_s:.1}"));
        row("seeds a second", format!("{rate:.0}"));
        row("simulated hours", (self.seconds / 3600).to_string());
        row("crashes of the controller", self.crashes.to_string());
        row("runs that ended", self.runs.to_string());
        row("steps sent", self.started.to_string());
        row("VMs lost, where nothing could save them", self.lost.to_string());
        text.push_str("\nfaults drawn, in how many seeds\n");
        for (fault, count) in &self.faults {
            writeln!(text, "  {fault:<44} {count:>12}").expect("a string takes everything");
        }
        text.push_str("\nwhat each invariant judged\n");
        for ((name, _), judged) in INVARIANTS.iter().zip(&self.judged) {
            let broken = self.broken.get(*name).map(|seeds| format!("  BROKEN in {}", seeds.len())).unwrap_or_default();
            writeln!(text, "  {name:<44} {judged:>12}{broken}").expect("a string takes everything");
        }
        if self.broken.is_empty() {
            text.push_str("\nall promises were kept\n");
        }
        for (name, seeds) in &self.broken {
            let mut seeds = seeds.clone();
            seeds.sort_unstable();
            let first: Vec<String> = seeds.iter().take(NAMED_MAX).map(u64::to_string).collect();
            writeln!(text, "\nBROKEN {name} in {} seeds: {}", seeds.len(), first.join(" ")).expect("a string takes everything");
            writeln!(text, "  again: cargo xtask seeds --replay {}", seeds[0]).expect("a string takes everything");
        }
        for name in self.idle_checks() {
            writeln!(text, "\n{name} judged nothing in {} seeds: draw what it is for", self.seeds)
                .expect("a string takes everything");
        }
        text
    }
}
