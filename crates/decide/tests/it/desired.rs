//! What comes back: what ran when the incident began, whoever stopped it, but not what somebody wished off.

use crate::stage::{Stage, config};
use ridethrough_decide::Command;
use ridethrough_model::*;

fn usual() -> Stage {
    Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("mail", "normal", "kvm2")])
}

fn hold_even_if_lost(stage: &mut Stage) {
    stage.command(Command::Hold { duration: Millis::from_secs(3000), even_if_lost: true, by: "alex".into() });
}

/// The host's power ends, and it comes up by itself with the mains, later: nobody tells the controller anything.
fn falls_and_boots(stage: &mut Stage, host: &str, boots_after: u64) {
    stage.hosts_off.insert(host.to_owned());
    for vm in stage.inventory.vms.values_mut().filter(|vm| vm.host.as_str() == host) {
        vm.power = VmPower::Off;
    }
    stage.mains_back("rack-a");
    stage.play(boots_after);
    stage.hosts_off.remove(host);
}

fn everything_runs(stage: &Stage) -> bool {
    stage.inventory.vms.values().all(|vm| vm.power == VmPower::Running)
}

#[test]
fn what_fell_under_a_hold_with_a_host_that_booted_by_itself_comes_back() {
    let mut stage = usual();
    hold_even_if_lost(&mut stage);
    stage.lose_mains("rack-a", 200);
    stage.play(200);
    // It takes longer to boot than mains takes to be stable: the run must not end before anybody knows what runs there.
    falls_and_boots(&mut stage, "kvm1", 150);
    stage.command(Command::ReleaseHold { by: "alex".into() });
    stage.play_until("run ended Returned", 300);
    assert!(everything_runs(&stage), "{}", stage.story());
    assert_eq!(stage.count("start start VM"), 2, "{}", stage.story());
}

#[test]
fn what_fell_while_no_controller_lived_comes_back() {
    let mut stage = usual();
    hold_even_if_lost(&mut stage);
    stage.lose_mains("rack-a", 200);
    stage.play(100);
    for vm in stage.inventory.vms.values_mut().filter(|vm| vm.host.as_str() == "kvm1") {
        vm.power = VmPower::Off;
    }
    // The host has been down and is up again; only the next controller looks at it.
    stage.mains_back("rack-a");
    stage.crash(config());
    stage.command(Command::ReleaseHold { by: "alex".into() });
    stage.play_until("run ended Returned", 400);
    assert!(everything_runs(&stage), "{}", stage.story());
}

#[test]
fn what_somebody_stopped_while_no_controller_lived_stays_off_where_the_platform_tells() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 1200);
    stage.play(20);
    let web = VmId::of(&PlatformId::new("lab"), "web");
    stage.inventory.vms.get_mut(&web).expect("on stage").power = VmPower::Off;
    stage.inventory.told_off.insert(web);
    stage.mains_back("rack-a");
    stage.crash(config());
    stage.play_until("run ended", 400);
    assert_eq!(stage.vm_named("web").power, VmPower::Off, "{}", stage.story());
    assert_eq!(stage.count("start start VM"), 0, "{}", stage.story());
}

#[test]
fn what_was_seen_going_off_while_its_host_ran_on_stays_off() {
    let mut stage = usual();
    hold_even_if_lost(&mut stage);
    stage.lose_mains("rack-a", 1200);
    stage.play(20);
    let web = VmId::of(&PlatformId::new("lab"), "web");
    stage.inventory.vms.get_mut(&web).expect("on stage").power = VmPower::Off;
    // Longer than its host would take to go down itself.
    stage.play(200);
    // What follows does not change that.
    falls_and_boots(&mut stage, "kvm1", 30);
    stage.command(Command::ReleaseHold { by: "alex".into() });
    stage.play_until("run ended Returned", 400);
    assert_eq!(stage.vm_named("web").power, VmPower::Off, "{}", stage.story());
    assert_eq!(stage.vm_named("db").power, VmPower::Running, "{}", stage.story());
}

#[test]
fn what_went_off_just_before_its_host_comes_back_with_it() {
    let mut stage = usual();
    hold_even_if_lost(&mut stage);
    stage.lose_mains("rack-a", 400);
    stage.play(20);
    // The host's own agent stops a guest, then the host.
    let web = VmId::of(&PlatformId::new("lab"), "web");
    stage.inventory.vms.get_mut(&web).expect("on stage").power = VmPower::Off;
    stage.play(30);
    falls_and_boots(&mut stage, "kvm1", 60);
    stage.command(Command::ReleaseHold { by: "alex".into() });
    stage.play_until("run ended Returned", 400);
    assert!(everything_runs(&stage), "{}", stage.story());
}

#[test]
fn where_somebody_moved_a_vm_it_stays() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 300);
    let db = VmId::of(&PlatformId::new("lab"), "db");
    let away = stage.vm_named("db").host.clone();
    let elsewhere = if away.as_str() == "kvm2" { "kvm3" } else { "kvm2" };
    stage.inventory.vms.get_mut(&db).expect("on stage").host = HostId::new(elsewhere);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 400);
    assert_eq!(stage.vm_named("db").host.as_str(), elsewhere, "a person moved it there:\n{}", stage.story());
    assert!(everything_runs(&stage), "{}", stage.story());
}
