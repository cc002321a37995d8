//! Several UPSes or modules in parallel as one battery. Each carries its part of the load; when the first is empty the others would
//! have to carry it, so the group is taken to end with its first. A lost module is another table.

use super::table::{Knot, RuntimeTable};
use ridethrough_model::Milliwatts;
use std::collections::BTreeSet;

/// The table of a group whose members share the load in these proportions (their nominal power, say). `None` without members.
#[must_use]
pub fn group(members: &[(&RuntimeTable, u64)]) -> Option<RuntimeTable> {
    let whole: u64 = members.iter().map(|(_, part)| (*part).max(1)).sum();
    let of_group = |load: Milliwatts, part: u64| load.scaled(whole, part.max(1));
    let mut loads: BTreeSet<Milliwatts> = BTreeSet::new();
    for (table, part) in members {
        loads.extend(table.knots().iter().map(|knot| of_group(knot.load, *part)).filter(|load| *load > Milliwatts::ZERO));
    }
    let top = members.iter().map(|(table, part)| of_group(table.top(), *part)).min()?;
    let rate = |load: Milliwatts| {
        let of_member = |(table, part): &(&RuntimeTable, u64)| table.rate(load.scaled((*part).max(1), whole));
        members.iter().map(of_member).max().unwrap_or_default()
    };
    let knots = loads.into_iter().filter(|load| *load <= top).map(|load| Knot { load, rate: rate(load) }).collect();
    Some(RuntimeTable::of_knots(knots))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridethrough_model::Millis;

    fn table(points: &[(u64, u64)]) -> RuntimeTable {
        let points: Vec<_> = points.iter().map(|(w, s)| (Milliwatts(w * 1000), Millis::from_secs(*s))).collect();
        RuntimeTable::new(&points).unwrap().0
    }

    #[test]
    fn equal_members_share_evenly_and_a_lost_one_makes_the_rest_end_sooner() {
        let one = table(&[(500, 1800), (1000, 600)]);
        let lasts = |count: usize, watts: u64| {
            let members: Vec<_> = std::iter::repeat_n((&one, 1), count).collect();
            group(&members).unwrap().lasts(Milliwatts(watts * 1000)).as_secs()
        };
        assert!(lasts(3, 1500).abs_diff(1800) <= 2, "{}", lasts(3, 1500));
        assert!(lasts(3, 3000).abs_diff(600) <= 2, "{}", lasts(3, 3000));
        assert!(lasts(2, 1500) < 900, "750 W each: {}", lasts(2, 1500));
        assert!(group(&[]).is_none());
    }

    #[test]
    fn the_group_ends_with_its_weakest_member() {
        let (strong, weak) = (table(&[(500, 1800), (1000, 600)]), table(&[(500, 900), (1000, 300)]));
        let both = group(&[(&strong, 1), (&weak, 1)]).unwrap();
        assert!(both.lasts(Milliwatts(2_000_000)).as_secs().abs_diff(300) <= 1);
        let by_size = group(&[(&strong, 3), (&weak, 1)]).unwrap();
        let (by_size, even) = (by_size.lasts(Milliwatts(800_000)), both.lasts(Milliwatts(800_000)));
        assert!(by_size > even + Millis::from_secs(100), "the weak one carries a quarter: {by_size}, {even}");
    }
}
