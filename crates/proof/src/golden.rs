//! The planner against proven optima: per instance worth, optimum, gap, moves; then the means. Whether a plan is feasible is not asked
//! of the planner but of the [`referee`](crate::referee).

use crate::instance::Instance;
use crate::referee::judge;
use ridethrough_decide::schedule::{Effort, Rigour, Warm, certify, solve};
use std::time::Instant;

/// What one instance came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its number.
    pub seed: u64,
    /// The plan's worth, as the referee counts it.
    pub worth: f64,
    /// The proven optimum.
    pub optimum: f64,
    /// How far below it, in percent; negative where the plan is better, because the exact solver over-estimates the drain.
    pub gap: f64,
    /// Critical VMs moved, and the most that can be.
    pub moved: (usize, usize),
    /// The planner's own upper bound.
    pub bound: f64,
    /// What the referee found wrong.
    pub faults: Vec<String>,
    /// How long planning took.
    pub millis: f64,
}

/// Plans one instance and has it judged.
#[must_use]
pub fn outcome(instance: &Instance) -> Outcome {
    let problem = instance.problem();
    let begun = Instant::now();
    let solution = solve(&problem, Effort::for_size(problem.vms.len()), &Warm::default());
    let millis = begun.elapsed().as_secs_f64() * 1000.0;
    let law = |watts: f64| instance.battery.drain(watts);
    let verdict = judge(&problem, &solution.draft, &[&law], &[instance.budget]);
    let mut faults = verdict.faults;
    if !solution.fits {
        faults.push("the planner says itself that it does not fit".to_owned());
    }
    let bound = certify(&problem, &solution, Rigour::FULL) as f64 / 1e6;
    if bound < verdict.worth {
        faults.push(format!("the bound {bound:.1} is below the plan's own worth"));
    }
    Outcome {
        seed: instance.seed,
        worth: verdict.worth,
        optimum: instance.optimum.value,
        gap: (instance.optimum.value - verdict.worth) / instance.optimum.value * 100.0,
        moved: (verdict.saved, instance.optimum.critical_migrated),
        bound,
        faults,
        millis,
    }
}

/// `golden FILE...`: true when every plan is feasible.
///
/// # Errors
/// A file that cannot be read.
pub fn command(files: &[String]) -> Result<bool, String> {
    let mut outcomes = Vec::new();
    println!(
        "{:>6} {:>10} {:>10} {:>8} {:>9} {:>10} {:>8} {:>7}",
        "seed", "value", "optimum", "gap", "critical", "bound", "proven", "ms"
    );
    for file in files {
        for instance in Instance::read(file)? {
            let one = outcome(&instance);
            println!(
                "{:>6} {:>10.1} {:>10.1} {:>7.3}% {:>5} of {} {:>10.1} {:>7.2}% {:>7.1}{}",
                one.seed,
                one.worth,
                one.optimum,
                one.gap,
                one.moved.0,
                one.moved.1,
                one.bound,
                (one.bound - one.worth) / one.bound * 100.0,
                one.millis,
                one.faults.iter().map(|fault| format!("  NOT FEASIBLE: {fault}")).collect::<String>(),
            );
            outcomes.push(one);
        }
    }
    if outcomes.is_empty() {
        return Err("no instance in these files".to_owned());
    }
    print_means(&outcomes);
    Ok(outcomes.iter().all(|one| one.faults.is_empty()))
}

fn print_means(outcomes: &[Outcome]) {
    let count = outcomes.len();
    // A plan that saves fewer critical VMs is not comparable by worth alone: it counts among the misses.
    let mut gaps: Vec<f64> = outcomes.iter().map(|one| one.gap).collect();
    gaps.sort_by(f64::total_cmp);
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count as f64;
    let feasible = outcomes.iter().filter(|one| one.faults.is_empty()).count();
    let optimal = outcomes.iter().filter(|one| one.moved.0 >= one.moved.1).count();
    println!("feasible {feasible} of {count}, critical count optimal in {optimal} of {count}");
    println!(
        "gap to the optimum: mean {:.3}%, mean without credit for negative ones {:.3}%, median {:.3}%, worst {:.3}%",
        mean(&mut gaps.iter().copied()),
        mean(&mut gaps.iter().map(|gap| gap.max(0.0))),
        gaps[count / 2],
        gaps[count - 1],
    );
    let proven = mean(&mut outcomes.iter().map(|one| (one.bound - one.worth) / one.bound * 100.0));
    println!(
        "gap proven by the plan's own bound: mean {proven:.2}%; planning took {:.1} ms on average",
        mean(&mut outcomes.iter().map(|one| one.millis))
    );
}
