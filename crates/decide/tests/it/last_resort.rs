//! The dead-man timers of hosts: there as soon as power is at risk, later than the run, gone with the risk, through every crash.

use crate::stage::{Stage, config};
use ridethrough_decide::{Command, CommandReply, Input, SiteConfig};
use ridethrough_model::*;

fn with_timers() -> SiteConfig {
    let mut config = config();
    config.topology.timers = config.topology.hosts.keys().cloned().collect();
    config
}

fn usual() -> Stage {
    Stage::with(with_timers(), &[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("mail", "normal", "kvm2")])
}

fn no_route() -> Failure {
    Failure { kind: FailureKind::Unreachable, took_effect: TookEffect::Possible, message: "no route to host".into() }
}

/// The controller dies and nobody takes over: what is left is the world.
fn dies(stage: &mut Stage, secs: u64) -> Vec<(String, u64)> {
    let until = stage.secs + secs;
    stage.world.timers.clone().into_iter().filter(|(_, at)| *at <= until).collect()
}

#[test]
fn point_4_last_resort_is_set_at_once_and_fires_before_the_battery_ends_without_us() {
    let mut stage = usual();
    let began = stage.secs;
    stage.lose_mains("rack-a", 900);
    stage.play(3);
    assert!(stage.at("timer of kvm1 intended") <= stage.at("timer of kvm1 set"), "{}", stage.story());
    assert!(stage.at("timer of kvm1 set").expect("set") <= began + 2, "as soon as it is on battery:\n{}", stage.story());
    assert_eq!(stage.count("timer of kvm2"), 0, "it is on mains");
    let fires = dies(&mut stage, 900);
    let [(_, at)] = fires[..] else { panic!("{fires:?}") };
    // 900 s less the margin of 15 %, less 60 s for guests and 30 s for the host.
    let latest = began + 765 - 90;
    assert!(at <= latest && at + 10 > latest, "at {at}, at the latest {latest}");
}

#[test]
fn point_4_last_resort_comes_after_the_run_and_never_before_it() {
    let mut stage = usual();
    stage.world.hung.insert("db".into());
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down host kvm1", 900);
    assert_eq!(stage.count("fires"), 0, "the run came first, and the timer moved along:\n{}", stage.story());
    stage.play_until("timer of kvm1 ended: the host is off", 30);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 900);
    assert_eq!(stage.count("fires"), 0, "{}", stage.story());
}

#[test]
fn point_4_last_resort_moves_earlier_with_the_forecast_at_once() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 1800);
    stage.play(10);
    let before = stage.world.timers["kvm1"];
    stage.lose_mains("rack-a", 600);
    stage.play(2);
    let after = stage.world.timers["kvm1"];
    assert!(after + 900 < before && after < stage.secs + 430, "{before} {after}\n{}", stage.story());
    let orders = stage.count("timer of kvm1 set");
    stage.play(29);
    assert!(stage.count("timer of kvm1 set") - orders <= 2, "a forecast that holds is confirmed, not moved:\n{}", stage.story());
}

#[test]
fn point_4_last_resort_does_not_fire_while_mains_is_back_and_goes_when_it_is_stable() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 150);
    stage.play(3);
    assert!(stage.world.timers["kvm1"] < stage.secs + 40, "{}", stage.story());
    stage.mains_back("rack-a");
    stage.play_until("timer of kvm1 ended: mains is stable", 130);
    assert!(stage.world.timers.is_empty() && stage.count("fires") == 0, "{}", stage.story());
    assert_eq!(stage.count("timer of kvm1 intended"), 1);
    stage.play(300);
    assert_eq!(stage.count("timer of kvm1 cancelled"), 1, "{}", stage.story());
}

#[test]
fn point_4_last_resort_that_cannot_be_cancelled_is_said_and_tried_until_it_is() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 1800);
    stage.play(5);
    stage.world.deaf.insert("kvm1".into(), no_route());
    stage.mains_back("rack-a");
    stage.play(400);
    // Once in the incident, and once more when it is over and the timer is still there.
    assert_eq!(stage.count("notice The last resort of host kvm1 cannot be cancelled"), 2, "{}", stage.story());
    assert_eq!(stage.count("timer of kvm1 ended"), 0, "not confirmed is not gone");
    stage.world.deaf.clear();
    stage.play_until("timer of kvm1 ended: mains is stable", 10);
}

#[test]
fn point_4_last_resort_of_a_controller_that_died_is_cancelled_by_the_next() {
    for is_answered in [true, false] {
        let mut stage = usual();
        if !is_answered {
            // It got there, but the answer was lost.
            stage.world.deaf.insert("kvm1".into(), no_route());
        }
        stage.lose_mains("rack-a", 1800);
        stage.play(5);
        stage.world.deaf.clear();
        stage.world.timers.insert("kvm1".into(), stage.secs + 600);
        stage.mains_back("rack-a");
        stage.crash(with_timers());
        stage.play_until("timer of kvm1 ended", 200);
        assert!(stage.world.timers.is_empty(), "{}", stage.story());
        // Also by one whose run had ended before it was cancelled, and once only.
        stage.crash(with_timers());
        stage.play(30);
        assert_eq!(stage.count("timer of kvm1 cancelled"), 1, "{}", stage.story());
    }
}

#[test]
fn point_4_last_resort_is_set_only_where_the_site_acts() {
    let mut stage = usual();
    stage.command(Command::SetMode { domain: DomainId::new("rack-a"), mode: DomainMode::Observe, by: "ada".into() });
    stage.command(Command::Maintenance { ups: UpsId::new("rack-b"), duration: Some(Millis::from_secs(600)), by: "ada".into() });
    stage.lose_mains("rack-a", 900);
    stage.lose_mains("rack-b", 900);
    stage.play(30);
    assert_eq!(stage.count("timer of"), 0, "{}", stage.story());
    // Disarmed in the middle: it goes.
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play(5);
    stage.command(Command::SetMode { domain: DomainId::new("rack-a"), mode: DomainMode::Observe, by: "ada".into() });
    stage.play_until("timer of kvm1 ended: domain rack-a only observes", 5);
}

#[test]
fn point_4_last_resort_yields_to_a_person_and_says_so() {
    for even_if_lost in [true, false] {
        let mut stage = usual();
        stage.lose_mains("rack-a", 900);
        stage.play(5);
        let reply = if even_if_lost {
            stage.command(Command::Hold { duration: Millis::from_secs(60), even_if_lost, by: "ada".into() })
        } else {
            stage.command(Command::Abort { by: "ada".into() })
        };
        let CommandReply::Done(findings) = reply else { panic!("{reply:?}") };
        assert!(findings.iter().any(|finding| finding.message.contains("timer on it is cancelled")), "{findings:?}");
        stage.play_until("timer of kvm1 ended: ada", 5);
        if even_if_lost {
            stage.play_until("timer of kvm1 set", 70);
        }
    }
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play(5);
    stage.command(Command::Hold { duration: Millis::from_secs(60), even_if_lost: false, by: "ada".into() });
    stage.play(5);
    assert_eq!(stage.count("timer of kvm1 ended"), 0, "an ordinary hold lifts itself in time");
}

#[test]
fn point_4_last_resort_that_cannot_be_set_is_an_alarm_and_tried_again() {
    let mut stage = usual();
    stage.world.deaf.insert("kvm1".into(), Failure { took_effect: TookEffect::No, ..no_route() });
    stage.lose_mains("rack-a", 1800);
    stage.play(30);
    assert_eq!(stage.count("notice The last resort of host kvm1 cannot be set: it may not be set"), 1, "{}", stage.story());
    let view = stage.site.view(&stage.now());
    let kvm1 = view.hosts.iter().find(|host| host.id == HostId::new("kvm1")).and_then(|host| host.timer.clone()).expect("seen");
    assert!(!kvm1.may_be_set && kvm1.failure.is_some(), "{kvm1:?}");
    stage.world.deaf.clear();
    stage.play_until("timer of kvm1 set", 10);
    let view = stage.site.view(&stage.now());
    let kvm1 = view.hosts.iter().find(|host| host.id == HostId::new("kvm1")).and_then(|host| host.timer.clone()).expect("seen");
    assert!(kvm1.is_confirmed && kvm1.fires_in.is_some_and(|left| left > Millis::from_secs(1000)), "{kvm1:?}");
    // Never set and never to be: nothing has to be cancelled.
    let mut stage = usual();
    stage.world.deaf.insert("kvm1".into(), Failure { took_effect: TookEffect::No, ..no_route() });
    stage.lose_mains("rack-a", 1800);
    stage.play(30);
    stage.mains_back("rack-a");
    stage.play_until("timer of kvm1 ended: mains is stable", 200);
    assert_eq!(stage.count("cannot be cancelled"), 0, "{}", stage.story());
}

#[test]
fn point_4_last_resort_host_that_went_down_by_it_comes_back_with_its_vms() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 1800);
    stage.play(5);
    stage.world.timers.insert("kvm1".into(), stage.secs + 5);
    stage.play_until("timer of kvm1 fires", 10);
    stage.give(Input::HostPower { host: HostId::new("kvm1"), source: "ipmi".into(), is_proof: true, state: HostPowerState::Off });
    stage.play_until("timer of kvm1 ended: the host is off", 20);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 900);
    assert_eq!(stage.vm_named("db").power, VmPower::Running, "{}", stage.story());
    assert_eq!(stage.count("start wake host kvm1"), 1);
}

#[test]
fn point_4_last_resort_that_did_not_fire_makes_no_vm_fallen_that_the_run_stopped_itself() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play_until("timer of kvm1 ended: the host is off", 900);
    let fallen: Vec<_> = stage
        .records
        .iter()
        .filter_map(|record| match &record.entry {
            Entry::HostProvenOff { host, vms, .. } => Some((host.clone(), vms.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(fallen, [(HostId::new("kvm1"), Vec::new())], "db was moved and web shut down:\n{}", stage.story());
}
