//! A sample of the random outages: what `docs/planner.md` says in its tables holds for it too. All of them: `cargo xtask outages`.

use ridethrough_proof::outages::world::Trouble;
use ridethrough_proof::outages::{CONDUCTS, Sums, campaign};

fn sample(name: &str, trouble: Trouble) -> Sums {
    let (_, make) = CONDUCTS.iter().find(|(label, _)| label.contains(name)).expect("such a conduct is in the table");
    campaign(40, 1000, trouble, *make)
}

#[test]
fn a_healthy_battery_sees_no_unclean_stop_and_more_critical_vms_alive_than_with_any_rival() {
    let ours = sample("ride-through 60 s", Trouble::None);
    assert_eq!(ours.unclean.0, 0, "{ours:?}");
    for rival in ["NUT, all", "NUT, low", "after 60 s", "after 300 s", "by runtime"] {
        let rival = sample(rival, Trouble::None);
        assert!(ours.alive_long.0 > rival.alive_long.0, "{ours:?} beside {rival:?}");
    }
}

#[test]
fn a_battery_that_has_silently_aged_costs_no_vm_its_clean_stop() {
    let ours = sample("ride-through 60 s", Trouble::Aged);
    let rival = sample("after 300 s", Trouble::Aged);
    assert_eq!(ours.unclean.0, 0, "{ours:?}");
    assert!(rival.unclean.0 > 0, "the world is too kind to tell anybody apart: {rival:?}");
}

#[test]
fn with_faults_nobody_is_told_of_only_hung_guests_are_lost() {
    let ours = sample("ride-through 60 s", Trouble::Faults);
    assert!(ours.unclean.0 <= ours.hung + 1, "{ours:?}");
}
