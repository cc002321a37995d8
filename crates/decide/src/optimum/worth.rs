//! What an hour of a VM is worth while nobody knows how long the outage lasts: the chance that it is still needed, and the restart it
//! is spared if power returns meanwhile.

use crate::schedule::Grid;
use ridethrough_model::Millis;

/// The share of outages that last longer than so many seconds, in millionths. From published surveys of data centres: a third are
/// over in a minute, every tenth takes hours. The longer one has lasted the longer it will.
const LASTS: [(u64, u64); 26] = [
    (0, 1_000_000),
    (6, 1_000_000),
    (12, 906_681),
    (20, 837_908),
    (30, 783_319),
    (45, 728_731),
    (60, 690_000),
    (90, 621_979),
    (120, 573_717),
    (180, 505_696),
    (240, 457_435),
    (300, 420_000),
    (450, 388_319),
    (600, 365_841),
    (900, 334_159),
    (1200, 311_681),
    (1800, 280_000),
    (2700, 230_278),
    (3600, 195_000),
    (5400, 145_278),
    (7200, 110_000),
    (10800, 74_902),
    (14400, 50_000),
    (21600, 27_875),
    (28800, 12_176),
    (36000, 0),
];

/// What a restart costs: so much of a VM's time.
const RESTART: Millis = Millis::from_secs(600);

fn lasts_longer(time: Millis) -> u64 {
    let place = LASTS.partition_point(|(seconds, _)| seconds * 1000 <= time.0).clamp(1, LASTS.len() - 1);
    let ((from, high), (to, low)) = (LASTS[place - 1], LASTS[place]);
    let (from, to) = (from * 1000, to * 1000);
    let gone = time.0.clamp(from, to) - from;
    (high - (high - low) * gone / (to - from)).max(1)
}

/// The worth of each slot for an outage that has lasted so long already.
pub(super) fn worths(grid: &Grid, elapsed: Millis) -> Vec<u32> {
    let known = lasts_longer(elapsed);
    let still = |ms: u64| lasts_longer(elapsed + Millis(ms)) * 1_000_000 / known;
    let tick = u64::from(grid.tick_ms());
    let restart = RESTART.0 / tick;
    let of = |slot: u16| {
        let (from, to) = (grid.begin_ms(slot), grid.begin_ms(slot + 1));
        let needed = still(u64::midpoint(from, to)) * ((to - from) / tick);
        let spared = (still(from) - still(to).min(still(from))) * restart;
        u32::try_from((needed + spared).max(1)).unwrap_or(u32::MAX)
    };
    (0..grid.slots()).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_lasted_long_is_expected_to_last_longer_and_soon_matters_more_than_late() {
        let grid = Grid::even(100, 30_000);
        let (fresh, old) = (worths(&grid, Millis::ZERO), worths(&grid, Millis::from_secs(3600)));
        assert!(fresh[0] > fresh[10] && fresh[10] > fresh[99], "{fresh:?}");
        assert!(fresh[0] - fresh[99] > old[0] - old[99], "an old outage has no quick end to wait for");
        assert_eq!(lasts_longer(Millis::from_secs(1_000_000)), 1, "never nothing");
    }
}
