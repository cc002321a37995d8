//! A table from two points only: between them the power law `T = T1 * (P1 / P)^k` that NUT's `runtimecal` uses too. Below and beyond
//! them the table's own careful ends count, not the law: extrapolated, it promises far too much.

use super::table::{RuntimeTable, TableFault};
use crate::fixed::{exp_times, ln_ratio, mul_div_i};
use ridethrough_model::{Millis, Milliwatts};

/// Points put between the two.
const BETWEEN: i64 = 6;

/// The table of the law through these two points, with what was wrong and could be borne.
///
/// # Errors
/// What keeps the points from being a table.
pub fn law(one: (Milliwatts, Millis), other: (Milliwatts, Millis)) -> Result<(RuntimeTable, Vec<TableFault>), Vec<TableFault>> {
    // Whatever is wrong with the points themselves is said of them.
    let (plain, faults) = RuntimeTable::new(&[one, other])?;
    let (low, high) = (one.min(other), one.max(other));
    let loads = ln_ratio(high.0.0, low.0.0);
    let times = ln_ratio(high.1.0, low.1.0);
    if times.saturating_neg() < loads {
        // Flatter than the inverse of the load: no battery is so; the line between the points is the careful reading.
        return Ok((plain, faults));
    }
    let mut points = vec![low];
    for step in 1..BETWEEN {
        let load = Milliwatts(exp_times(low.0.0, mul_div_i(loads, step, BETWEEN)));
        let time = Millis(exp_times(low.1.0, mul_div_i(times, step, BETWEEN)));
        if points.last().is_some_and(|last| load > last.0) && load < high.0 && time.0 >= 1000 {
            points.push((load, time));
        }
    }
    points.push(high);
    let (table, _) = RuntimeTable::new(&points)?;
    Ok((table, faults))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_its_two_points_it_is_the_law_and_outside_it_is_careful() {
        let point = |watts: u64, secs: u64| (Milliwatts(watts * 1000), Millis::from_secs(secs));
        let (table, _) = law(point(1500, 300), point(750, 750)).unwrap();
        let lasts = |watts: u64| table.lasts(Milliwatts(watts * 1000)).as_secs();
        assert!((460..=475).contains(&lasts(1060)), "half way in logarithms: {}", lasts(1060));
        assert!(lasts(300) < 1875, "the law would say 2515 s, the inverse 1875 s: {}", lasts(300));
        assert!(lasts(3000) < 120, "the law would say 120 s: {}", lasts(3000));
    }
}
