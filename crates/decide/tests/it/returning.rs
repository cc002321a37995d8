//! What happens when mains is back.

use crate::stage::Stage;
use ridethrough_model::*;

fn usual() -> Stage {
    Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm1"), ("old", "batch", "kvm1")])
}

#[test]
fn everything_that_ran_before_comes_back_in_order_and_home() {
    let mut stage = usual();
    let old = VmId::of(&PlatformId::new("lab"), "old");
    stage.inventory.vms.get_mut(&old).expect("on stage").power = VmPower::Off;
    stage.play(3);
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 200);
    stage.mains_back("rack-a");
    let back = stage.secs;
    let woken = stage.play_until("start wake host kvm1", 200);
    assert!(woken - back >= 119, "mains must be stable for 120 s first");
    stage.play_until("run ended Returned", 300);
    assert!(stage.at("start start VM web") < stage.at("start start VM ci-1"), "{}", stage.story());
    assert_eq!(stage.vm_named("db").host, HostId::new("kvm1"), "{}", stage.story());
    assert_eq!(stage.vm_named("old").power, VmPower::Off, "what was off stays off");
    assert!(stage.inventory.vms.values().filter(|vm| vm.name != "old").all(|vm| vm.power == VmPower::Running));
}

#[test]
fn mains_back_while_acting_stops_starting_at_once() {
    let mut stage = usual();
    stage.world.stop_secs = 30;
    stage.lose_mains("rack-a", 1800);
    stage.play_until("start shut down VM ci-1", 100);
    stage.mains_back("rack-a");
    let before = stage.count("start ");
    stage.play(100);
    assert_eq!(stage.count("start "), before, "nothing more is begun:\n{}", stage.story());
    stage.play_until("run ended Returned", 300);
    assert_eq!(stage.count("start shut down VM web"), 0);
    assert!(stage.inventory.vms.values().all(|vm| vm.power == VmPower::Running && vm.host.as_str() == "kvm1"));
}

#[test]
fn both_racks_fail_everything_stops_in_order_and_returns() {
    let mut stage = Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm2"), ("ci-1", "batch", "kvm3")]);
    for rack in ["rack-a", "rack-b", "rack-c"] {
        stage.lose_mains(rack, 700);
    }
    stage.play_until("kvm1 proven off", 700);
    assert_eq!(stage.hosts_off.len(), 3, "{}", stage.story());
    assert_eq!(stage.count("start power off"), 0);
    for rack in ["rack-a", "rack-b", "rack-c"] {
        stage.mains_back(rack);
    }
    stage.play_until("run ended Returned", 500);
    assert!(stage.inventory.vms.values().all(|vm| vm.power == VmPower::Running));
}

#[test]
fn mains_lost_again_while_returning_acts_without_a_second_ride_through() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 200);
    stage.mains_back("rack-a");
    stage.play_until("start start VM web", 300);
    stage.lose_mains("rack-a", 600);
    let again = stage.secs;
    let stopped = stage.play_until("start shut down VM web", 60);
    assert!(stopped - again < 10, "{}", stage.story());
    stage.play_until("kvm1 proven off", 200);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 400);
    assert!(
        stage.inventory.vms.values().all(|vm| vm.power == VmPower::Running && vm.host.as_str() == "kvm1"),
        "{}",
        stage.story()
    );
}

#[test]
fn what_a_person_stopped_during_the_outage_stays_stopped() {
    let mut stage = Stage::new(&[("db", "critical", "kvm1"), ("mail", "normal", "kvm2")]);
    stage.lose_mains("rack-a", 900);
    stage.play(70);
    let mail = VmId::of(&PlatformId::new("lab"), "mail");
    stage.inventory.vms.get_mut(&mail).expect("on stage").power = VmPower::Off;
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 400);
    assert_eq!(stage.vm_named("mail").power, VmPower::Off, "{}", stage.story());
}

/// A UPS that says neither charge nor runtime is taken to have been emptied; it comes back by its recharge time, not at once.
#[test]
fn an_unknown_charge_is_reckoned_by_the_time_a_recharge_takes() {
    let mut config = crate::stage::config();
    for domain in config.topology.domains.values_mut() {
        domain.timing.recharge_time = Millis::from_secs(3600);
        domain.timing.return_charge = Ppm::from_percent(20);
    }
    let mut stage = Stage::with(config, &[("web", "normal", "kvm1")]);
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 300);
    stage.ups("rack-a", "OL CHRG", Some(1200), None);
    let back = stage.secs;
    let woken = stage.play_until("start wake host kvm1", 1000);
    assert!((720..740).contains(&(woken - back)), "a fifth of an hour, not {} s:\n{}", woken - back, stage.story());
    stage.play_until("run ended Returned", 300);
}
