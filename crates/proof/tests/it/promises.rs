//! What holds for every plan: the batteries last by the plan's own assumptions, the bound is above, nothing depends on names, and what
//! gets better never makes a plan worse that goes on from the one before.

use proptest::prelude::*;
use ridethrough_decide::schedule::{Effort, Problem, Rigour, Solution, Warm, certify, solve};
use ridethrough_proof::draw::{Law, odd};
use ridethrough_proof::referee::{Verdict, judge};

const LIGHT: Effort = Effort { rounds: 14, targets: 2, alternatives: 4, leaders: 1, changes: 6 };

fn planned(problem: &Problem) -> Solution {
    solve(problem, LIGHT, &Warm::default())
}

fn judged(problem: &Problem, laws: &[Law], solution: &Solution) -> Verdict {
    let drains: Vec<Box<dyn Fn(f64) -> f64>> = laws
        .iter()
        .map(|law| {
            let law = *law;
            Box::new(move |watts: f64| law.drain(watts)) as Box<dyn Fn(f64) -> f64>
        })
        .collect();
    let drains: Vec<&dyn Fn(f64) -> f64> = drains.iter().map(|drain| &**drain).collect();
    let allowed: Vec<f64> = problem.sources.iter().map(|source| source.budget as f64 / 1e15).collect();
    judge(problem, &solution.draft, &drains, &allowed)
}

/// Everything counted backwards.
fn reversed(problem: &Problem) -> Problem {
    let mut other = problem.clone();
    let (vms, hosts, sources) = (problem.vms.len(), problem.hosts.len(), problem.sources.len());
    other.vms.reverse();
    other.hosts.reverse();
    other.sources.reverse();
    other.receivers.reverse();
    for vm in &mut other.vms {
        vm.host = hosts - 1 - vm.host;
        vm.dependents.iter_mut().for_each(|user| *user = vms - 1 - *user);
    }
    for host in &mut other.hosts {
        host.feeds.iter_mut().for_each(|feed| feed.source = sources - 1 - feed.source);
        host.outlives.iter_mut().for_each(|one| *one = hosts - 1 - *one);
    }
    other
}

/// The same, richer in one respect.
fn richer(problem: &Problem, how: u64) -> Problem {
    let mut other = problem.clone();
    match how {
        0 => other.sources.iter_mut().for_each(|source| source.budget += source.budget / 10),
        1 => other.receivers.iter_mut().for_each(|receiver| receiver.memory *= 2),
        2 => other.receivers.iter_mut().for_each(|receiver| receiver.lanes.push(0)),
        _ => other.vms.iter_mut().for_each(|vm| vm.moving = vm.moving.map(|ticks| ticks.div_ceil(2))),
    }
    other
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_that_fits_stops_anything_uncleanly_or_breaks_a_rule(seed in 0_u64..1_000_000) {
        let (problem, laws) = odd(seed);
        problem.check().map_err(TestCaseError::fail)?;
        let solution = planned(&problem);
        let verdict = judged(&problem, &laws, &solution);
        if solution.fits {
            prop_assert_eq!(verdict.faults, Vec::<String>::new());
            prop_assert_eq!(verdict.unclean, 0);
            let own = solution.value as f64 / 1e6;
            prop_assert!((own - verdict.worth).abs() < 1e-3 * (1.0 + own), "{} is said, {} is seen", own, verdict.worth);
        } else {
            prop_assert!(solution.draft.moved.iter().all(Option::is_none));
        }
    }

    #[test]
    fn the_bound_is_never_below_a_plan(seed in 0_u64..1_000_000) {
        let (problem, _) = odd(seed);
        let solution = planned(&problem);
        if solution.fits {
            let bound = certify(&problem, &solution, Rigour { rounds: 8, boxes: 3 });
            prop_assert!(bound >= solution.value, "bound {} below {}", bound, solution.value);
        }
    }

    #[test]
    fn the_same_problem_has_the_same_plan_whatever_the_names(seed in 0_u64..1_000_000) {
        let (problem, _) = odd(seed);
        let solution = planned(&problem);
        prop_assert_eq!(&solution, &planned(&problem));
        let other = planned(&reversed(&problem));
        prop_assert_eq!((solution.fits, solution.saved, solution.value), (other.fits, other.saved, other.value));
    }

    #[test]
    fn more_of_anything_never_lowers_what_a_plan_is_worth_that_goes_on_from_the_last(seed in 0_u64..1_000_000, how in 0_u64..3) {
        let (mut problem, _) = odd(seed);
        // Wishes come before worth: with more battery more of them are granted, at the cost of worth.
        problem.hold = 0;
        problem.goals.fill(0);
        let poor = planned(&problem);
        let warm = Warm { prices: poor.prices.clone(), draft: Some(poor.draft.clone()) };
        let rich = solve(&richer(&problem, how), LIGHT, &warm);
        prop_assert!((rich.fits, rich.saved, rich.value) >= (poor.fits, poor.saved, poor.value), "{} from {}", rich.value, poor.value);
    }
}

/// Found by the promise above: with more room more moves were tried, and as neither all of them nor none did, everything was stopped.
#[test]
fn a_plan_is_found_where_neither_all_moves_nor_none_fit() {
    let (mut problem, _) = odd(965_563);
    problem.hold = 0;
    problem.goals.fill(0);
    let (poor, rich) = (planned(&problem), planned(&richer(&problem, 1)));
    assert!(poor.fits && rich.fits, "{} and {}", poor.fits, rich.fits);
    assert!((rich.saved, rich.value) >= (poor.saved, poor.value), "{rich:?} from {poor:?}");
}
