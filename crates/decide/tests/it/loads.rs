//! Point 5: loads that are told to stop after whatever needs them, and started before it.

use crate::stage::{Stage, config, host_on};
use ridethrough_decide::SiteConfig;
use ridethrough_model::*;

/// kvm1 on rack-a and kvm2 on rack-b; both need nas1, which is on rack-a. kvm3 needs nothing.
fn with_nas(change: impl FnOnce(&mut LoadTopology)) -> SiteConfig {
    let mut config = config();
    let mut nas = LoadTopology {
        feeds: host_on(&["a"]).feeds,
        draw: None,
        can_stop: true,
        can_start: true,
        can_see: true,
        can_prove_off: true,
        stop_time: Millis::from_secs(60),
        start_time: Millis::from_secs(60),
    };
    change(&mut nas);
    config.topology.loads.insert(LoadId::new("nas1"), nas);
    for host in ["kvm1", "kvm2"] {
        config.topology.hosts.get_mut(&HostId::new(host)).expect("on stage").needs.insert(LoadId::new("nas1"));
    }
    config
}

fn stage(change: impl FnOnce(&mut LoadTopology)) -> Stage {
    Stage::with(with_nas(change), &[("db", "normal", "kvm1"), ("web", "normal", "kvm2"), ("ci-1", "batch", "kvm3")])
}

#[test]
fn point_5_loads_a_nas_stops_only_after_every_host_that_needs_it_is_proven_off() {
    let mut stage = stage(|_| {});
    stage.lose_mains("rack-a", 1200);
    let stopped = stage.play_until("start stop load nas1", 400);
    for host in ["kvm1", "kvm2"] {
        let off = stage.at(&format!("{host} proven off")).unwrap_or_else(|| panic!("{host}:\n{}", stage.story()));
        assert!(off <= stopped, "{host}:\n{}", stage.story());
    }
    assert_eq!(stage.count("start shut down host kvm3"), 0, "it needs nothing of it and keeps its power:\n{}", stage.story());
    stage.play(20);
    assert!(stage.loads_off.contains("nas1"));
    assert_eq!(stage.count("start stop load nas1"), 1, "{}", stage.story());
    stage.mains_back("rack-a");
    let started = stage.play_until("start start load nas1", 300);
    stage.play_until("run ended Returned", 300);
    for host in ["kvm1", "kvm2"] {
        let woken = stage.at(&format!("start wake host {host}")).expect("woken");
        assert!(started + 4 <= woken, "the NAS is up first:\n{}", stage.story());
    }
    assert!(stage.inventory.vms.values().all(|vm| vm.power == VmPower::Running), "{}", stage.story());
}

#[test]
fn point_5_loads_a_host_whose_off_is_not_proven_keeps_its_storage() {
    let mut config = with_nas(|_| {});
    config.topology.hosts.get_mut(&HostId::new("kvm2")).expect("on stage").can_shut_down = false;
    let mut stage = Stage::with(config, &[("db", "normal", "kvm1"), ("web", "normal", "kvm2")]);
    stage.lose_mains("rack-a", 500);
    stage.play(520);
    assert_eq!(stage.count("start stop load nas1"), 0, "kvm2 still runs on it:\n{}", stage.story());
}

#[test]
fn point_5_loads_hosts_go_down_early_enough_for_what_they_stand_on() {
    let mut slow = stage(|nas| nas.stop_time = Millis::from_secs(300));
    slow.lose_mains("rack-a", 700);
    let begun = slow.play_until("start stop load nas1", 700);
    // 700 s less the margin of 15 % is 595 s; 300 of them are the load's own.
    assert!(begun <= 4 + 595 - 300, "at {begun}:\n{}", slow.story());
}

#[test]
fn point_5_loads_a_lost_answer_is_looked_at_before_it_is_told_again() {
    let mut stage = stage(|_| {});
    stage.world.lost_replies.insert("stop load nas1".into());
    stage.lose_mains("rack-a", 1200);
    stage.play_until("start stop load nas1", 400);
    stage.play(60);
    assert!(stage.loads_off.contains("nas1"));
    assert_eq!(stage.count("start stop load nas1"), 1, "the probe says off: not told again:\n{}", stage.story());
    assert_eq!(stage.count("Failed for good"), 0, "{}", stage.story());
}

#[test]
fn point_5_loads_one_that_did_not_hear_it_is_told_again_and_then_a_person_is() {
    let mut stage = stage(|nas| nas.stop_time = Millis::from_secs(20));
    stage.world.lost_replies.insert("stop load nas1".into());
    stage.world.stuck_loads.insert("nas1".into());
    stage.lose_mains("rack-a", 2400);
    let first = stage.play_until("start stop load nas1", 400);
    let again = stage.play_until("start stop load nas1", 60);
    assert!(again >= first + 10, "its time is waited for:\n{}", stage.story());
    stage.play_until("still not off", 200);
    stage.play(300);
    assert_eq!(stage.count("start stop load nas1"), 3, "not for ever:\n{}", stage.story());
}

#[test]
fn point_5_loads_silence_alone_is_never_off() {
    let mut stage = stage(|nas| nas.can_prove_off = false);
    stage.world.loads_prove_off = false;
    stage.lose_mains("rack-a", 1200);
    stage.play_until("start stop load nas1", 400);
    stage.play(60);
    assert_eq!(ended_as(&stage), ["stopped answering after it was told to stop; nothing proves it off"], "{}", stage.story());
    // One that never answered before has not stopped answering.
    let mut mute = self::stage(|nas| nas.can_prove_off = false);
    mute.world.loads_prove_off = false;
    mute.loads_off.insert("nas1".into());
    mute.play(100);
    mute.lose_mains("rack-a", 1200);
    mute.play_until("start stop load nas1", 400);
    mute.play_until("still not off", 200);
    assert!(ended_as(&mute).is_empty(), "{}", mute.story());
}

/// How stops of the load ended, where they did not fail.
fn ended_as(stage: &Stage) -> Vec<String> {
    let mut stops = Vec::new();
    let mut ended = Vec::new();
    for record in &stage.records {
        match &record.entry {
            Entry::Intended { action, op: Op::StopLoad { .. }, .. } => stops.push(*action),
            Entry::Finished { action, outcome: entry::Outcome::Done { detail }, .. } if stops.contains(action) => {
                ended.push(detail.clone().unwrap_or_default());
            }
            _ => {}
        }
    }
    ended
}

#[test]
fn point_5_loads_a_crash_in_the_middle_tells_it_once_and_brings_it_back() {
    let mut stage = stage(|_| {});
    stage.lose_mains("rack-a", 1200);
    stage.play_until("start stop load nas1", 400);
    stage.crash(with_nas(|_| {}));
    stage.play(60);
    assert_eq!(stage.count("start stop load nas1"), 1, "the probe is asked first:\n{}", stage.story());
    assert_eq!(ended_as(&stage), ["proven off by probe"], "{}", stage.story());
    stage.crash(with_nas(|_| {}));
    stage.mains_back("rack-a");
    stage.play_until("start start load nas1", 300);
    stage.play_until("run ended Returned", 300);
}

#[test]
fn point_5_loads_a_restart_of_the_machine_does_not_start_it_for_ever() {
    let mut stage = stage(|_| {});
    stage.play(1500);
    stage.lose_mains("rack-a", 1200);
    stage.play_until("start stop load nas1", 400);
    stage.play(20);
    // The clock begins anew: what was done before has the greater moment.
    stage.boot = "boot-2".to_owned();
    stage.secs = 5;
    stage.crash(with_nas(|_| {}));
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 600);
    assert_eq!(stage.count("start start load nas1"), 1, "{}", stage.story());
}

#[test]
fn point_5_loads_hosts_wait_for_a_nas_that_does_not_come_and_a_person_is_told() {
    let mut stage = stage(|_| {});
    stage.lose_mains("rack-a", 1200);
    stage.play_until("start stop load nas1", 400);
    stage.play(20);
    stage.world.stuck_loads.insert("nas1".into());
    stage.mains_back("rack-a");
    stage.play_until("did not come up", 400);
    assert_eq!(stage.count("start wake host kvm1"), 0, "{}", stage.story());
    // Somebody switches it on.
    stage.loads_off.remove("nas1");
    stage.world.stuck_loads.clear();
    stage.play_until("start wake host kvm1", 300);
    stage.play_until("run ended", 600);
}

#[test]
fn point_5_loads_a_domain_that_only_observes_stops_no_load() {
    let mut stage = stage(|_| {});
    stage.command(ridethrough_decide::Command::SetMode {
        domain: DomainId::new("rack-a"),
        mode: DomainMode::Observe,
        by: "test".into(),
    });
    stage.lose_mains("rack-a", 600);
    stage.play(400);
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
}
