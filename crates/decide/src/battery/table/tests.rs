//! Tables as users write them, and what must hold for any of them.

use super::*;
use proptest::prelude::*;

fn points(points: &[(u64, u64)]) -> Vec<(Milliwatts, Millis)> {
    points.iter().map(|(watts, secs)| (Milliwatts(watts * 1000), Millis::from_secs(*secs))).collect()
}

fn faults(given: &[(u64, u64)]) -> String {
    match RuntimeTable::new(&points(given)) {
        Ok((_, faults)) | Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}

#[test]
fn a_vendors_table_lasts_what_it_says_and_is_careful_between_and_beyond() {
    let (table, faults) = RuntimeTable::new(&points(&[(1000, 600), (500, 1800), (1500, 240)])).unwrap();
    assert_eq!(faults, []);
    let lasts = |watts: u64| table.lasts(Milliwatts(watts * 1000)).as_secs();
    assert_eq!([lasts(500), lasts(1000)], [1799, 599], "as printed, rounded down");
    assert!((880..=900).contains(&lasts(750)), "on the line of rates, less than half way of 1800 and 600: {}", lasts(750));
    assert!((3200..=3600).contains(&lasts(250)), "below as the inverse, less what the UPS draws itself: {}", lasts(250));
    assert!(lasts(3000) < 120, "twice the load lasts less than half as long beyond the table too: {}", lasts(3000));
    assert_eq!(table.top(), Milliwatts(1_500_000));
    let half = table.aged(Ppm::from_percent(50));
    assert!(half.lasts(Milliwatts(500_000)).as_secs().abs_diff(900) <= 1);
    let two_of_three = table.with_modules(2, 3);
    assert_eq!(two_of_three.lasts(Milliwatts(1_000_000)).as_secs(), 239, "each carries what three carried at 1500 W");
}

#[test]
fn the_load_that_still_lasts_so_long_is_found() {
    let (table, _) = RuntimeTable::new(&points(&[(500, 1800), (1000, 600)])).unwrap();
    for watts in [200_u64, 500, 700, 1000, 1700] {
        let load = Milliwatts(watts * 1000);
        let found = table.load_for(FULL, table.lasts(load)).unwrap();
        assert!(found.0.abs_diff(load.0) < 5000, "{found} for {load}");
    }
    assert_eq!(table.load_for(FULL, Millis(u64::MAX)), None);
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_its_place() {
    let cases: &[(&[(u64, u64)], &str)] = &[
        (&[], "the runtime table has no points"),
        (&[(0, 60)], "point 1 of the runtime table is for no load at all"),
        (&[(100, 0)], "point 1 of the runtime table says that 100 W lasts no time"),
        (&[(100, 600), (100, 300)], "point 2 of the runtime table is for 100 W, which is there already"),
        (&[(100, 600), (200, 900)], "the runtime table says that 200 W lasts longer than 100 W"),
        (&[(200_000_000, 60)], "point 1 of the runtime table is for 200000000 W"),
        (&[(100, 900_000)], "point 1 of the runtime table says 250h 00m"),
        (
            &[(500, 1800), (1000, 500), (1500, 450)],
            "the runtime table's 7m 30s at 1500 W does not go with its neighbours; 4m 50s is counted on",
        ),
    ];
    for (given, wanted) in cases {
        assert_eq!(faults(given), *wanted);
    }
    assert_eq!(faults(&[(300, 3480), (600, 1560), (900, 960), (1200, 660)]), "", "whole minutes are no bend");
}

proptest! {
    #[test]
    fn any_points_make_a_rising_convex_table_or_are_refused(
        given in proptest::collection::vec((0_u64..2_000_000, 0_u64..700_000_000), 0..12),
    ) {
        let given: Vec<_> = given.into_iter().map(|(load, time)| (Milliwatts(load), Millis(time))).collect();
        let Ok((table, _)) = RuntimeTable::new(&given) else { return Ok(()) };
        for (load, time) in &given {
            prop_assert!(table.lasts(*load) <= *time, "never longer than given");
        }
        let slope = |pair: &[Knot]| (u128::from(pair[1].rate - pair[0].rate), u128::from(pair[1].load.0 - pair[0].load.0));
        for three in table.knots().windows(3) {
            let ((rise, run), (rise_next, run_next)) = (slope(&three[..2]), slope(&three[1..]));
            prop_assert!(rise * run_next <= (rise_next + 1) * run, "{:?}", table.knots());
        }
    }

    #[test]
    fn points_of_a_law_are_never_bent(exponent in 105_u64..190, watts in 50_u64..5000, secs in 120_u64..20_000) {
        let (low, high) = (Milliwatts(watts * 1000), Milliwatts(watts * 3000));
        let longer = Millis::from_secs(secs);
        let shorter = Millis(crate::fixed::exp_times(longer.0, -crate::fixed::mul_div_i(1_098_612_289, i64::try_from(exponent).unwrap(), 100)));
        let (table, faults) = crate::battery::law((low, longer), (high, shorter)).unwrap();
        prop_assert_eq!(faults, vec![]);
        prop_assert!(table.lasts(low) <= longer && table.lasts(low).0 * 101 / 100 >= longer.0);
        prop_assert!(table.lasts(high) <= shorter && table.lasts(high).0 * 101 / 100 >= shorter.0);
    }
}
