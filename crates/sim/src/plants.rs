//! Every bug that can be planted in `decide` is caught by some promise in some seed: a check that catches nothing proves nothing.

use crate::campaign::Day;
use crate::story::play_with;
use ridethrough_decide::Plant;

/// The golden scripts: small, and each made for a fault.
const SCRIPTS: &[(&str, &str)] = &[
    ("back-before-it-is-written", include_str!("../scripts/back-before-it-is-written.txt")),
    ("clock-steps", include_str!("../scripts/clock-steps.txt")),
    ("controller-killed", include_str!("../scripts/controller-killed.txt")),
    ("controller-reboots", include_str!("../scripts/controller-reboots.txt")),
    ("disk-full", include_str!("../scripts/disk-full.txt")),
    ("flapping", include_str!("../scripts/flapping.txt")),
    ("forced-shutdown", include_str!("../scripts/forced-shutdown.txt")),
    ("forced-while-held", include_str!("../scripts/forced-while-held.txt")),
    ("guest-hangs", include_str!("../scripts/guest-hangs.txt")),
    ("journal-stalls", include_str!("../scripts/journal-stalls.txt")),
    ("mains-back-while-acting", include_str!("../scripts/mains-back-while-acting.txt")),
    ("one-rack", include_str!("../scripts/one-rack.txt")),
    ("operator-aborts", include_str!("../scripts/operator-aborts.txt")),
    ("operator-holds", include_str!("../scripts/operator-holds.txt")),
    ("second-feed-later", include_str!("../scripts/second-feed-later.txt")),
    ("second-outage", include_str!("../scripts/second-outage.txt")),
    ("two-short-outages", include_str!("../scripts/two-short-outages.txt")),
    ("short-outage", include_str!("../scripts/short-outage.txt")),
    ("silent-is-no-target", include_str!("../scripts/silent-is-no-target.txt")),
    ("survivor-overload", include_str!("../scripts/survivor-overload.txt")),
    ("ups-lies", include_str!("../scripts/ups-lies.txt")),
    ("ups-says-low-on-mains", include_str!("../scripts/ups-says-low-on-mains.txt")),
    ("ups-silent", include_str!("../scripts/ups-silent.txt")),
    ("vm-created", include_str!("../scripts/vm-created.txt")),
    ("vm-deleted", include_str!("../scripts/vm-deleted.txt")),
    ("vm-moved", include_str!("../scripts/vm-moved.txt")),
    ("vm-refuses", include_str!("../scripts/vm-refuses.txt")),
    ("vm-switched", include_str!("../scripts/vm-switched.txt")),
];

/// Where a bug was caught, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// A script, or a seed.
    pub place: String,
    /// The promise that was broken.
    pub by: String,
}

/// Where a bug is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A script of that name.
    Script(&'static str),
    /// A drawn day of today's generation.
    Seed(u64),
}

/// Plays one place with a bug planted; `None` if nothing notices, or no script has that name.
#[must_use]
pub fn catch_at(plant: Plant, place: Place) -> Option<Caught> {
    match place {
        Place::Script(name) => {
            let script = SCRIPTS.iter().find(|(known, _)| *known == name)?.1;
            let by = noticed(&|| {
                let told = play_with(script, None, Some(plant)).ok()?;
                told.broken.first().and_then(|how| how.split_once(':')).map(|(name, _)| name.to_owned())
            })?;
            Some(Caught { place: format!("script {name}"), by })
        }
        Place::Seed(seed) => {
            let day = Day { plant: Some(plant), ..Day::of(seed) };
            let by = noticed(&|| day.play().broken.map(|broken| broken.name))?;
            Some(Caught { place: format!("seed {seed}"), by })
        }
    }
}

/// A journal that cannot follow is a panic, and a restart: noticed too.
fn noticed(play: &(dyn Fn() -> Option<String> + std::panic::RefUnwindSafe)) -> Option<String> {
    std::panic::catch_unwind(play).unwrap_or_else(|_| Some("the state machine refuses its own record".to_owned()))
}

/// Plays the scripts and so many seeds with a bug planted, until it is caught.
#[must_use]
pub fn catch(plant: Plant, seeds_max: u64) -> Option<Caught> {
    let scripts = SCRIPTS.iter().map(|(name, _)| Place::Script(name));
    scripts.chain((1..=seeds_max).map(Place::Seed)).find_map(|place| catch_at(plant, place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// So many seeds are tried where the place in the list does not catch its bug any more: what is decided has changed, or how days are
    /// drawn.
    const SEEDS_MAX: u64 = 400;

    /// Those that were seen to be caught, and where. Without the bug nothing is broken there: the scripts have a test of their own, and
    /// the seeds are among those that each run plays. The others are in docs/testing.md as not seen yet.
    const CAUGHT: &[(Plant, Place)] = &[
        (Plant::StartBeforeDurable, Place::Script("clock-steps")),
        (Plant::RecordsLeaveGaps, Place::Script("clock-steps")),
        (Plant::LostReplyIsFailure, Place::Seed(4)),
        (Plant::SentTwice, Place::Script("clock-steps")),
        (Plant::AttemptsWithoutBound, Place::Script("vm-refuses")),
        (Plant::ObserverActs, Place::Seed(4)),
        (Plant::TiersTogether, Place::Seed(1)),
        (Plant::HostCutWhileRunning, Place::Script("clock-steps")),
        (Plant::LoadCutUnderHosts, Place::Seed(1)),
        (Plant::StorageNotAwaited, Place::Seed(1)),
        (Plant::HoldIgnored, Place::Seed(7)),
        (Plant::HoldForEver, Place::Script("operator-holds")),
        (Plant::NoRideThrough, Place::Script("back-before-it-is-written")),
        (Plant::RideThroughToTheEnd, Place::Seed(47)),
        (Plant::MainsStableAtOnce, Place::Script("clock-steps")),
        (Plant::ChargeIgnored, Place::Seed(5)),
        (Plant::EndsTooEarly, Place::Script("clock-steps")),
        (Plant::GuardNotPutBack, Place::Script("clock-steps")),
        (Plant::UnknownRuntimeEndless, Place::Seed(4)),
        (Plant::MarginForgotten, Place::Script("second-feed-later")),
        (Plant::LowBatteryOnMains, Place::Script("ups-says-low-on-mains")),
        (Plant::LostInventoryBelieved, Place::Seed(88)),
        (Plant::SilenceIsHealth, Place::Script("ups-silent")),
        (Plant::MovesWithoutBound, Place::Seed(106)),
        (Plant::NeverForceIgnored, Place::Seed(63)),
        (Plant::ForcedAtOnce, Place::Script("clock-steps")),
        (Plant::OverloadIgnored, Place::Script("survivor-overload")),
        (Plant::NoTimer, Place::Seed(1)),
        (Plant::TimerLeftOnMains, Place::Seed(2)),
        (Plant::StaleEpoch, Place::Script("clock-steps")),
        (Plant::ForcedShutdownHeld, Place::Script("forced-while-held")),
        (Plant::LastOutageCounts, Place::Script("two-short-outages")),
        (Plant::PresumedIsGood, Place::Script("silent-is-no-target")),
        (Plant::SupersededStarts, Place::Script("back-before-it-is-written")),
    ];

    #[test]
    fn every_planted_bug_of_the_list_is_caught() {
        let next = AtomicUsize::new(0);
        let lane = || {
            let mut missed = Vec::new();
            while let Some((plant, place)) = CAUGHT.get(next.fetch_add(1, Ordering::Relaxed)) {
                if catch_at(*plant, *place).or_else(|| catch(*plant, SEEDS_MAX)).is_none() {
                    missed.push(*plant);
                }
            }
            missed
        };
        let lanes = std::thread::available_parallelism().map_or(1, usize::from);
        let missed: Vec<Plant> = std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
            lanes.into_iter().flat_map(|lane| lane.join().expect("a bug that panics is caught in its own way")).collect()
        });
        assert!(missed.is_empty(), "nobody catches {missed:?}");
    }

    /// The list of docs/testing.md names them all, and by what they are caught.
    #[test]
    fn the_manual_lists_every_plant() {
        let manual = include_str!("../../../docs/testing.md");
        let missing: Vec<_> = Plant::ALL.iter().filter(|plant| !manual.contains(&format!("| `{plant:?}` |"))).collect();
        assert!(
            missing.is_empty(),
            "docs/testing.md lacks {missing:?}; cargo run -p ridethrough-sim --example seeds -- --plants 600"
        );
    }
}
