//! Saving to disk, and moves that take more than their memory says: what becomes of a VM, and what is said of it.

use crate::stage::{Stage, config};
use ridethrough_decide::SiteConfig;
use ridethrough_model::policy::OnOutage;
use ridethrough_model::*;

const GIB: u64 = 1 << 10;

/// Everybody may be saved to disk.
fn savers() -> SiteConfig {
    let mut config = config();
    for tier in &mut config.policy.tiers {
        tier.on_outage = vec![OnOutage::Suspend, OnOutage::ShutDown];
    }
    config
}

/// Each VM has 2 GiB.
fn stage(rate: Option<u64>, space: Option<u64>) -> Stage {
    let mut stage = Stage::with(
        savers(),
        &[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm1"), ("ci-2", "batch", "kvm1")],
    );
    for host in stage.inventory.hosts.values_mut() {
        host.suspend = SuspendRoom { rate: rate.map(Bytes::from_mib), space: space.map(Bytes::from_mib) };
    }
    stage
}

fn reason(stage: &Stage, name: &str) -> String {
    let view = stage.site.view(&stage.now());
    view.vms.iter().find(|vm| vm.name == name).and_then(|vm| vm.reason.clone()).unwrap_or_default()
}

#[test]
fn point_3_vms_are_saved_one_after_the_other_and_read_back_on_return() {
    let mut stage = stage(Some(100), Some(16 * GIB));
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 900);
    let at = |text: &str| stage.at(text).unwrap_or_else(|| panic!("no `{text}`:\n{}", stage.story()));
    assert!(at("start save VM ci-2") < at("start save VM web"), "tier order:\n{}", stage.story());
    assert!(at("start save VM ci-2") + 2 <= at("start save VM ci-1"), "one at a time:\n{}", stage.story());
    assert!(at("start save VM web") < at("start save VM db"), "the first tier runs to its last safe moment:\n{}", stage.story());
    assert_eq!(stage.count("start shut down VM") + stage.count("start power off VM"), 0, "{}", stage.story());
    assert_eq!(stage.vm_named("db").power, VmPower::Suspended);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 900);
    assert_eq!(stage.vm_named("db").power, VmPower::Running, "{}", stage.story());
}

#[test]
fn point_3_without_a_known_rate_or_space_it_is_shut_down_and_the_reason_says_so() {
    let cases = [
        (None, Some(16 * GIB), "how fast that goes on kvm1 is not known"),
        (Some(100), None, "the space for it on kvm1 is not known"),
        (Some(100), Some(GIB), "kvm1 has 1.0 GiB for that, 2.0 GiB needed"),
        (Some(1), Some(16 * GIB), "would not end before its clean stop must begin"),
    ];
    for (rate, space, expected) in cases {
        let mut stage = stage(rate, space);
        stage.lose_mains("rack-a", 900);
        stage.play_until("start shut down VM ci-1", 200);
        assert!(reason(&stage, "web").contains(expected), "{}", reason(&stage, "web"));
        stage.play_until("kvm1 proven off", 900);
        assert_eq!(stage.count("start save VM"), 0, "{}", stage.story());
    }
}

#[test]
fn point_3_space_that_one_takes_is_not_given_to_another() {
    // Room for two of four.
    let mut stage = stage(Some(100), Some(5 * GIB));
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 900);
    assert_eq!((stage.count("start save VM"), stage.count("start shut down VM")), (2, 2), "{}", stage.story());
    assert_eq!(stage.vm_named("db").power, VmPower::Suspended, "the important have it first:\n{}", stage.story());
}

#[test]
fn point_3_what_cannot_be_saved_says_why() {
    let mut stage = stage(Some(100), Some(16 * GIB));
    for vm in stage.inventory.vms.values_mut().filter(|vm| vm.name == "web") {
        vm.suspend_blockers.push("it uses a pci device of its host".into());
    }
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down VM web", 300);
    assert!(reason(&stage, "web").contains("cannot be saved to disk: it uses a pci device"), "{}", reason(&stage, "web"));
}

#[test]
fn point_3_a_saving_that_takes_too_long_is_given_up_in_time_for_a_clean_stop() {
    let mut stage = stage(Some(100), Some(16 * GIB));
    stage.world.save_secs = 10_000;
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 900);
    assert!(stage.count("start stop the saving of VM") > 0, "{}", stage.story());
    assert_eq!(stage.count("start power off VM"), 0, "{}", stage.story());
    assert_eq!(stage.vm_named("db").power, VmPower::Off, "{}", stage.story());
}

#[test]
fn point_3_a_saving_goes_on_over_a_crash_and_is_not_begun_twice() {
    let mut stage = stage(Some(100), Some(16 * GIB));
    stage.world.save_secs = 40;
    stage.lose_mains("rack-a", 900);
    stage.play_until("start save VM ci-2", 200);
    stage.play(5);
    stage.crash(savers());
    stage.play_until("kvm1 proven off", 900);
    assert_eq!(stage.count("start save VM ci-2"), 1, "{}", stage.story());
    assert_eq!(stage.vm_named("ci-2").power, VmPower::Suspended);
}

/// One VM that may move, and is shut down if it cannot.
fn mover() -> Stage {
    let mut config = config();
    config.policy.move_bandwidth = Bytes::from_mib(100);
    config.policy.moves_per_host = 1;
    Stage::with(config, &[("db", "critical", "kvm1")])
}

fn change(stage: &mut Stage, change: impl Fn(&mut Vm)) {
    stage.inventory.vms.values_mut().for_each(change);
    stage.play(4);
}

#[test]
fn point_3_a_vm_that_writes_faster_than_the_link_carries_is_shut_down_in_the_plan() {
    let mut stage = mover();
    change(&mut stage, |vm| vm.dirty_rate = Some(Bytes::from_mib(120)));
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 900);
    assert_eq!((stage.count("start move VM"), stage.count("start shut down VM db")), (0, 1), "{}", stage.story());

    let mut stage = mover();
    change(&mut stage, |vm| vm.dirty_rate = Some(Bytes::from_mib(70)));
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 900);
    assert_eq!(stage.count("start move VM db"), 1, "it ends, if later:\n{}", stage.story());
}

#[test]
fn point_3_a_move_that_does_not_end_is_finished_by_post_copy_where_that_is_allowed() {
    for (is_allowed, finished) in [(true, 1), (false, 0)] {
        let mut stage = mover();
        stage.world.restless.insert("db".into());
        change(&mut stage, |vm| vm.can_post_copy = is_allowed);
        stage.lose_mains("rack-a", 900);
        stage.play_until("kvm1 proven off", 900);
        assert_eq!(stage.count("start finish the move of VM db"), finished, "{}", stage.story());
        let (power, host) = (stage.vm_named("db").power, stage.vm_named("db").host.clone());
        assert_eq!((power == VmPower::Running, host.as_str() != "kvm1"), (is_allowed, is_allowed), "{}", stage.story());
        assert_eq!(stage.count("start stop the move of VM db"), 1 - finished, "{}", stage.story());
    }
}

#[test]
fn point_3_disks_that_come_along_need_time_and_room_at_the_target() {
    let disks = |gib: u64| move |vm: &mut Vm| vm.disks_to_copy = [("/images".to_owned(), Bytes::from_mib(gib * GIB))].into();
    let free = |stage: &mut Stage, gib: u64| {
        for host in stage.inventory.hosts.values_mut() {
            host.stores = [("/images".to_owned(), Bytes::from_mib(gib * GIB))].into();
        }
    };
    let mut stage = mover();
    change(&mut stage, disks(10));
    stage.lose_mains("rack-a", 900);
    stage.play(30);
    assert!(reason(&stage, "db").contains("has no storage pool at /images for its disks"), "{}", reason(&stage, "db"));

    let mut stage = mover();
    free(&mut stage, 5);
    change(&mut stage, disks(10));
    stage.lose_mains("rack-a", 900);
    stage.play(30);
    assert!(reason(&stage, "db").contains("5.0 GiB free at /images, its disks need 10.0 GiB"), "{}", reason(&stage, "db"));

    let mut stage = mover();
    free(&mut stage, 500);
    change(&mut stage, disks(100));
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down VM db", 900);
    assert_eq!(stage.count("start move VM db"), 0, "100 GiB at 100 MiB/s do not end in time:\n{}", stage.story());

    let mut stage = mover();
    free(&mut stage, 500);
    change(&mut stage, disks(10));
    stage.lose_mains("rack-a", 900);
    stage.play_until("start move VM db", 200);
}
