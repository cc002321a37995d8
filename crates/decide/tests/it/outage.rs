//! What happens to VMs and hosts between "mains lost" and "host proven off".

use crate::stage::{Stage, config, host_on};
use ridethrough_model::*;

fn usual() -> Stage {
    Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm1"), ("mail", "normal", "kvm2")])
}

#[test]
fn low_tiers_stop_in_order_critical_vms_move_the_empty_host_goes_down() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 200);
    let at = |text: &str| stage.at(text).unwrap_or_else(|| panic!("no `{text}`:\n{}", stage.story()));
    assert!(at("start shut down VM ci-1") < at("start shut down VM web"), "{}", stage.story());
    assert!(at("start shut down VM web") <= at("start shut down host kvm1"));
    assert!(at("start move VM db from kvm1 to kvm") <= at("start shut down host kvm1"));
    assert_eq!(stage.vm_named("db").power, VmPower::Running);
    assert_eq!(stage.count("VM mail"), 0, "kvm2 keeps its mains:\n{}", stage.story());
}

#[test]
fn point_8_how_things_stand_is_told_once_before_the_first_host_goes() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    let told = stage.play_until("notice Hosts go down from now on (kvm1): 1 VM was moved, 2 shut down.", 200);
    stage.play_until("kvm1 proven off", 60);
    assert!(stage.at("start shut down host kvm1").is_some_and(|gone| told <= gone), "{}", stage.story());
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 600);
    assert_eq!(stage.count("notice Hosts go down"), 1, "{}", stage.story());
}

#[test]
fn the_status_says_of_each_vm_what_was_done_not_what_would_be() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 200);
    let view = stage.site.view(&stage.now());
    let fate = |name: &str| view.vms.iter().find(|vm| vm.name == name).and_then(|vm| vm.fate.clone()).unwrap_or_default();
    assert_eq!(fate("db"), "moved here; goes back to kvm1");
    assert_eq!(fate("web"), "shut down");
}

#[test]
fn nothing_is_touched_within_the_ride_through() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play(10);
    stage.mains_back("rack-a");
    stage.play_until("run ended NothingTouched", 200);
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
}

#[test]
fn the_ride_through_is_cut_short_where_waiting_would_be_fatal() {
    let mut stage = usual();
    // 200 s less 15 % leave 170 s: 30 s for the host, 10 s before force, 60 s for a guest, some for the move.
    stage.lose_mains("rack-a", 140);
    let acted = stage.play_until("domain rack-a acts: waiting any longer", 60);
    assert!(acted < 60, "{}", stage.story());
    stage.play_until("kvm1 proven off", 100);
    assert_eq!(stage.count("power off VM"), 0, "{}", stage.story());
}

#[test]
fn a_ride_through_cut_short_leaves_time_for_the_moves_and_gives_none_up() {
    let mut stage = usual();
    // Less 15 % it lasts 204 s: 30 s for the host, 10 s before force, 60 s for a guest, 43 s for the move, 10 s to give it up.
    stage.lose_mains("rack-a", 240);
    let acted = stage.play_until("domain rack-a acts: waiting any longer", 60);
    assert!(acted < 60, "{}", stage.story());
    stage.play_until("kvm1 proven off", 200);
    assert_eq!(stage.count("start stop the move"), 0, "{}", stage.story());
    assert_eq!(stage.vm_named("db").power, VmPower::Running, "{}", stage.story());
}

#[test]
fn no_vm_moves_to_a_host_on_battery() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play(5);
    stage.lose_mains("rack-b", 900);
    stage.lose_mains("rack-c", 900);
    stage.play_until("kvm1 proven off", 1000);
    assert_eq!(stage.count("start move VM"), 0, "{}", stage.story());
    assert!(stage.at("start shut down VM ci-1") < stage.at("start shut down VM web"));
    assert!(stage.at("start shut down VM web") < stage.at("start shut down VM db"));
    assert_eq!(stage.count("start power off VM"), 0, "{}", stage.story());
}

#[test]
fn a_hung_guest_is_powered_off_only_at_the_last_safe_moment() {
    let mut stage = usual();
    stage.world.hung.insert("web".into());
    stage.lose_mains("rack-a", 600);
    let forced = stage.play_until("start power off VM web", 600);
    let lost = stage.at("mains lost").expect("it was lost");
    // 600 s less 15 % is 510 s; 30 s for the host and 10 s before it.
    assert!((465..=472).contains(&(forced - lost)), "forced after {} s:\n{}", forced - lost, stage.story());
    stage.play_until("kvm1 proven off", 60);
}

#[test]
fn force_is_called_off_when_mains_returns() {
    let mut stage = usual();
    stage.world.hung.insert("web".into());
    stage.lose_mains("rack-a", 600);
    stage.play(300);
    stage.mains_back("rack-a");
    stage.play(600);
    assert_eq!(stage.count("start power off VM"), 0, "{}", stage.story());
    assert!(stage.at("run ended Returned").is_some(), "a guest that hangs holds no run open for ever:\n{}", stage.story());
    assert_eq!(stage.vm_named("web").power, VmPower::Running);
}

#[test]
fn a_stop_whose_answer_is_lost_is_done_once_the_vm_is_seen_off() {
    let mut stage = usual();
    stage.world.unasked.insert("web".into());
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 200);
    stage.play(300);
    assert_eq!(stage.count("overran"), 0, "{}", stage.story());
    assert_eq!(stage.count("Failed for good"), 0, "{}", stage.story());
}

#[test]
fn a_failed_move_becomes_a_clean_stop() {
    let mut stage = usual();
    stage.world.immovable.insert("db".into());
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down VM db", 900);
    stage.play_until("kvm1 proven off", 100);
    assert_eq!(stage.count("start power off VM"), 0, "{}", stage.story());
}

#[test]
fn a_move_that_does_not_end_is_given_up_in_time_for_a_clean_stop() {
    let mut stage = usual();
    stage.world.move_secs = 100_000;
    stage.lose_mains("rack-a", 600);
    let given_up = stage.play_until("start stop the move of VM db", 600);
    stage.play(30);
    assert!(Some(given_up) <= stage.at("start shut down VM db"), "{}", stage.story());
    stage.play(60);
    assert!(stage.at("kvm1 proven off").is_some(), "{}", stage.story());
    assert_eq!(stage.count("start power off VM"), 0, "{}", stage.story());
}

#[test]
fn a_host_with_two_feeds_is_left_alone_when_one_is_lost() {
    let mut config = config();
    config.topology.hosts.insert(HostId::new("kvm1"), host_on(&["a", "b"]));
    let mut stage = Stage::with(config, &[("db", "critical", "kvm1"), ("web", "normal", "kvm1")]);
    stage.lose_mains("rack-a", 600);
    stage.play(120);
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
    stage.lose_mains("rack-b", 900);
    stage.play_until("start shut down VM web", 120);
}

#[test]
fn placement_takes_the_smallest_room_that_holds_it_and_respects_memory() {
    let mut stage = usual();
    for (host, mib) in [("kvm2", 64 << 10), ("kvm3", 8 << 10)] {
        stage.inventory.hosts.get_mut(&HostId::new(host)).expect("configured").memory = Some(Bytes::from_mib(mib));
    }
    stage.lose_mains("rack-a", 900);
    stage.play_until("start move VM db from kvm1 to kvm3", 100);
    let mut stage = usual();
    for host in ["kvm2", "kvm3"] {
        stage.inventory.hosts.get_mut(&HostId::new(host)).expect("configured").memory = Some(Bytes::from_mib(1024));
    }
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down VM db", 900);
    assert_eq!(stage.count("start move"), 0, "there was no room:\n{}", stage.story());
}

#[test]
fn what_a_vm_needs_must_be_offered_where_it_goes() {
    let mut stage = usual();
    let db = VmId::of(&PlatformId::new("lab"), "db");
    stage.inventory.vms.get_mut(&db).expect("on stage").needs.insert("network:dmz".into());
    let offers = |stage: &mut Stage, host: &str, what: &str| {
        stage.inventory.hosts.get_mut(&HostId::new(host)).expect("configured").offers = Some([what.to_owned()].into());
    };
    offers(&mut stage, "kvm2", "network:lan");
    offers(&mut stage, "kvm3", "network:dmz");
    stage.lose_mains("rack-a", 900);
    stage.play_until("start move VM db from kvm1 to kvm3", 100);
}

#[test]
fn an_inventory_that_took_longer_than_a_later_one_is_not_believed() {
    let mut stage = usual();
    let mut late = stage.inventory.clone();
    late.observed_at = Mono(stage.secs * 1000);
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 200);
    stage.give(ridethrough_decide::Input::Inventory(late));
    let view = stage.site.view(&stage.now());
    let web = view.vms.iter().find(|vm| vm.name == "web").expect("known");
    assert_eq!(web.fate.as_deref(), Some("shut down"), "what it said of before is no longer so");
    let db = view.vms.iter().find(|vm| vm.name == "db").expect("known");
    assert_ne!(db.host.as_str(), "kvm1", "it has moved since");
}
