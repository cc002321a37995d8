//! How long the planner takes, on one core: whole plans, plans a moment later, one UPS of many, and the proof.

use crate::draw::site;
use ridethrough_decide::schedule::{Effort, Problem, Rigour, Warm, certify, solve};
use std::time::Instant;

/// Failing hosts, hosts with good power, VMs, UPSes.
const SITES: [(usize, usize, usize, usize); 8] = [
    (5, 2, 100, 1),
    (20, 10, 400, 1),
    (60, 20, 1_000, 2),
    (100, 60, 2_000, 2),
    (300, 200, 6_000, 4),
    (300, 200, 10_000, 4),
    (500, 0, 10_000, 4),
    (1_000, 500, 20_000, 8),
];
const RUNS: usize = 5;

/// Prints one line per size; true always: a clock is no test.
///
/// # Errors
/// None today.
pub fn command(_rest: &[String]) -> Result<bool, String> {
    println!("median of {RUNS} drawn sites, milliseconds; 128 slots of 30 s");
    println!(
        "{:>6} {:>5} {:>5} {:>4} {:>9} {:>9} {:>9} {:>9} {:>8} {:>7}",
        "VMs", "hosts", "good", "UPS", "plan", "re-plan", "one UPS", "proof", "gap", "moved"
    );
    for (failing, good, vms, upses) in SITES {
        let mut times: [Vec<f64>; 5] = Default::default();
        let mut moved = 0;
        for seed in 0..RUNS as u64 {
            let (mut problem, _) = site(failing, good, vms, upses, seed + 1);
            let (solution, plan) = timed(|| solve(&problem, Effort::QUICK, &Warm::default()));
            moved = solution.draft.moved.iter().filter(|moved| moved.is_some()).count();
            // Once for the largest: it takes them seconds, and nobody waits for it.
            if seed == 0 || vms < 2_000 {
                let (bound, proof) = timed(|| certify(&problem, &solution, Rigour::QUICK));
                times[3].push(proof);
                times[4].push((bound as f64 - solution.value as f64) / bound as f64 * 100.0);
            }
            for source in &mut problem.sources {
                source.budget -= source.budget / 30;
            }
            let warm = Warm { prices: solution.prices.clone(), draft: Some(solution.draft.clone()) };
            let (_, again) = timed(|| solve(&problem, Effort::AGAIN, &warm));
            let one = only(&problem, 0);
            let warm = Warm { prices: solution.prices[..1].to_vec(), draft: None };
            let (_, single) = timed(|| solve(&one, Effort::AGAIN, &warm));
            for (list, value) in times.iter_mut().zip([plan, again, single]) {
                list.push(value);
            }
        }
        let [plan, again, single, proof, gap] = times.map(median);
        println!(
            "{vms:>6} {failing:>5} {good:>5} {upses:>4} {plan:>9.2} {again:>9.2} {single:>9.2} {proof:>9.1} {gap:>7.2}% {moved:>7}"
        );
    }
    println!("memory: at most {} MB resident", peak_mib());
    Ok(true)
}

fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let begun = Instant::now();
    let value = run();
    (value, begun.elapsed().as_secs_f64() * 1000.0)
}

fn median(mut list: Vec<f64>) -> f64 {
    list.sort_by(f64::total_cmp);
    list[list.len() / 2]
}

/// What hangs on one battery, with a share of the receivers.
fn only(problem: &Problem, source: usize) -> Problem {
    let mut one = problem.clone();
    let hosts: Vec<usize> = (0..problem.hosts.len()).filter(|h| problem.hosts[*h].feeds[0].source == source).collect();
    one.hosts = hosts.iter().map(|h| problem.hosts[*h].clone()).collect();
    for host in &mut one.hosts {
        host.feeds[0].source = 0;
    }
    one.vms.retain(|vm| hosts.contains(&vm.host));
    for vm in &mut one.vms {
        vm.host = hosts.binary_search(&vm.host).unwrap_or(0);
    }
    one.sources = vec![problem.sources[source].clone()];
    let share = problem.receivers.len() / problem.sources.len();
    one.receivers.truncate(share);
    one
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}
