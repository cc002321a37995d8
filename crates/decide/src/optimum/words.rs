//! Why a VM stays no longer, in words: what binds, what its minute costs, and what would be otherwise.

use super::MORE_PERCENT;
use super::facts::Asked;
use crate::battery::FULL;
use crate::schedule::Solution;
use ridethrough_model::{Millis, Milliwatts, Ppm};

/// One sentence or two about a VM that stops.
pub(super) fn why(asked: &Asked, solution: &Solution, richer: &Solution, v: usize) -> String {
    let stop = solution.draft.stop[v];
    let when = on_battery(asked, stop);
    let mut text = match binds(asked, solution, v) {
        Binds::Order => format!("it stops at {when} on battery, as no VM outlasts a more important one of its UPS"),
        Binds::End => format!("the battery carries it as far as is planned ahead, {when} on battery"),
        Binds::Battery => format!("until {when} on battery it is worth what it takes"),
    };
    if let Some((share, gives)) = minute(asked, solution, v) {
        text = format!("{text}; another minute would cost {share} of the battery, {gives} of what stays");
    }
    let later = richer.draft.stop[v];
    if richer.fits && richer.draft.moved[v].is_none() && later > stop {
        text = format!("{text}; with {MORE_PERCENT} % more charge it could stay until {}", on_battery(asked, later));
    }
    text
}

enum Binds {
    Order,
    End,
    Battery,
}

fn binds(asked: &Asked, solution: &Solution, v: usize) -> Binds {
    let problem = &asked.problem;
    let (own, stop) = (&problem.vms[v], solution.draft.stop[v]);
    if problem.grid.after(stop, own.stop) + 1 >= problem.grid.slots() {
        return Binds::End;
    }
    let shares_ups = |other: usize| {
        let feeds = &problem.hosts[problem.vms[other].host].feeds;
        feeds.iter().any(|feed| problem.hosts[own.host].feeds.iter().any(|own| own.source == feed.source))
    };
    let is_above = |w: usize| {
        let vm = &problem.vms[w];
        vm.tier < own.tier && vm.fixed.is_none() && solution.draft.moved[w].is_none() && solution.draft.stop[w] == stop
    };
    if (0..problem.vms.len()).any(|w| is_above(w) && shares_ups(w)) { Binds::Order } else { Binds::Battery }
}

/// What a minute more of it takes of its first battery when it stops, and how long that carries the rest.
fn minute(asked: &Asked, solution: &Solution, v: usize) -> Option<(Ppm, Millis)> {
    let vm = &asked.problem.vms[v];
    let feed = asked.problem.hosts[vm.host].feeds.first()?;
    let stop = usize::from(solution.draft.stop[v]);
    let rest = *solution.load.at[feed.source].get(stop)?;
    let table = &asked.batteries[feed.source].table;
    let with = table.rate(Milliwatts(rest.max(feed.of(vm.power))));
    let without = table.rate(Milliwatts(rest.saturating_sub(feed.of(vm.power))));
    let parts = (with - without.min(with)).saturating_mul(60_000);
    let share = u32::try_from(u128::from(parts) * 1_000_000 / u128::from(FULL)).ok()?;
    (parts > 0).then(|| (Ppm(share), Millis(parts / without.max(1))))
}

fn on_battery(asked: &Asked, slot: u16) -> Millis {
    let at = asked.elapsed + asked.ahead(slot);
    Millis(at.0 / 1000 * 1000)
}
