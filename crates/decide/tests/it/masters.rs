//! Who else ends a UPS's power: the plan ends before the earliest of them, and an order stays an order.

use crate::stage::{Stage, config};
use ridethrough_decide::{EndedBy, Input};
use ridethrough_model::*;
use std::collections::BTreeSet;

fn usual() -> Stage {
    Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm1")])
}

fn follow(stage: &mut Stage, clients: &[&str]) {
    let clients: BTreeSet<String> = clients.iter().map(|address| (*address).to_owned()).collect();
    stage.give(Input::Followed { ups: UpsId::new("rack-a"), clients });
}

fn reading(stage: &Stage, status: &str, runtime: u64) -> Reading {
    let mut reading = Reading::of_status(UpsId::new("rack-a"), stage.now().mono, status);
    reading.runtime = Some(Millis::from_secs(runtime));
    reading.charge = Some(Ppm::from_percent(100));
    reading
}

fn empty_in(stage: &Stage) -> (u64, Option<EndedBy>) {
    let view = stage.site.view(&stage.now());
    let ups = view.upses.iter().find(|ups| ups.id.as_str() == "rack-a").expect("rack-a");
    (ups.empty_in.expect("it is on battery").as_secs(), ups.ended_by)
}

#[test]
fn point_9_the_plan_ends_before_the_low_battery_at_which_another_master_acts() {
    let mut stage = usual();
    stage.play(2);
    follow(&mut stage, &["10.0.0.9"]);
    follow(&mut stage, &["10.0.0.9"]);
    let mut said = reading(&stage, "OB", 1000);
    said.limits.charge_low = Some(Ppm::from_percent(20));
    stage.give(Input::Reading(said));
    // 80 % of the charge are left to use, less 15 % margin.
    assert_eq!(empty_in(&stage), (680, Some(EndedBy::OtherMaster)));
}

#[test]
fn point_9_who_only_obeys_or_was_seen_once_is_no_master() {
    let mut config = config();
    let ups = UpsTopology { low_battery_reliable: true, secondaries: ["10.0.0.9".to_owned()].into(), ..UpsTopology::default() };
    config.topology.upses.insert(UpsId::new("rack-a"), ups);
    let mut stage = Stage::with(config, &[("web", "normal", "kvm1")]);
    stage.play(2);
    follow(&mut stage, &["10.0.0.9"]);
    follow(&mut stage, &["10.0.0.9", "10.0.0.7"]);
    let said = reading(&stage, "OB", 1000);
    stage.give(Input::Reading(said));
    assert_eq!(empty_in(&stage), (850, None));
}

#[test]
fn point_9_a_shutdown_timer_that_falls_is_an_order_even_on_mains_and_one_that_stands_is_none() {
    let mut stage = usual();
    for _ in 0..10 {
        stage.play(1);
        let mut said = reading(&stage, "OL", 1000);
        said.limits.shutdown_in = Some(Millis::from_secs(300));
        stage.give(Input::Reading(said));
    }
    assert_eq!(stage.count("start "), 0, "a setting orders nothing:\n{}", stage.story());
    // The stage's own readings say nothing of a timer: here it speaks alone.
    stage.upses.clear();
    for passed in 0..3 {
        stage.play(1);
        let mut said = reading(&stage, "OL", 1000);
        said.limits.shutdown_in = Some(Millis::from_secs(200 - passed));
        stage.give(Input::Reading(said));
    }
    assert_eq!(empty_in(&stage).1, Some(EndedBy::Countdown));
    stage.play(3);
    assert_eq!(stage.count("start shut down VM"), 3, "everything stops before the output goes off:\n{}", stage.story());
}

/// When the host on outlet group 2 is taken to end, of what the UPS says twice, two seconds apart.
fn outlet_ends(status: &str, say: impl Fn(&mut OutputLimits, u64)) -> u64 {
    let mut config = config();
    config.topology.hosts.get_mut(&HostId::new("kvm1")).expect("on stage").feeds[0].outlet_group = Some(2);
    let mut stage = Stage::with(config, &[("web", "normal", "kvm1")]);
    // The stage's own readings say nothing of outlets: here it speaks alone.
    stage.upses.clear();
    for looks in 0..3 {
        stage.play(1);
        let mut said = reading(&stage, status, 1000);
        say(&mut said.limits, looks);
        stage.give(Input::Reading(said));
    }
    let view = stage.site.view(&stage.now());
    let host = view.hosts.iter().find(|host| host.id.as_str() == "kvm1").expect("kvm1");
    host.power_ends_in.expect("at risk").as_secs()
}

#[test]
fn point_9_an_outlet_that_counts_down_ends_what_hangs_on_it_and_one_that_stands_still_does_not() {
    let timer = |limits: &mut OutputLimits, left: u64| {
        limits.outlet_timers.insert(2, Millis::from_secs(left));
    };
    let whole = outlet_ends("OB", |_, _| {});
    assert!(whole > 800, "{whole}");
    let counting = outlet_ends("OB", |limits, looks| timer(limits, 200 - looks));
    assert!((150..200).contains(&counting), "200 s less the margin: {counting}");
    assert_eq!(outlet_ends("OB", |limits, _| timer(limits, 200)), whole, "a setting");
    let other = outlet_ends("OB", |limits, looks| {
        limits.outlet_timers.insert(1, Millis::from_secs(200 - looks));
    });
    assert_eq!(other, whole, "another group's");
}

#[test]
fn point_9_a_forced_shutdown_ends_an_outlet_after_its_own_delay() {
    let delay = |limits: &mut OutputLimits, _| {
        limits.outlet_delays.insert(2, Millis::from_secs(30));
    };
    let whole = outlet_ends("OB", |_, _| {});
    assert_eq!(outlet_ends("OB", delay), whole, "nobody has ordered anything");
    assert!(outlet_ends("FSD OB", delay) <= 30);
}

#[test]
fn point_2_nut_login_is_given_up_only_when_every_host_of_the_ups_is_proven_off_and_taken_again_with_them() {
    let mut stage = usual();
    stage.play(5);
    assert_eq!(stage.count("follow rack-a: true"), 1, "{}", stage.story());
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down host kvm1", 300);
    stage.play_until("follow rack-a: false", 30);
    assert!(stage.hosts_off.contains("kvm1"), "its BMC says off:\n{}", stage.story());
    assert_eq!(stage.count("follow rack-b: false"), 1, "kvm2 lives, and was armed after the first look:\n{}", stage.story());
    stage.mains_back("rack-a");
    stage.play_until("follow rack-a: true", 1000);
}

#[test]
fn point_2_nut_fsd_stays_an_order_when_the_ups_falls_silent_after_it() {
    let mut stage = usual();
    stage.play(2);
    stage.ups("rack-a", "FSD OB", Some(900), Some(90));
    stage.command(ridethrough_decide::Command::Hold { duration: Millis::from_secs(3600), even_if_lost: true, by: "test".into() });
    stage.play(1);
    stage.silence("rack-a");
    stage.play(40);
    assert!(stage.site.view(&stage.now()).hold.is_none(), "no hold outlives the order:\n{}", stage.story());
    assert_eq!(stage.count("start shut down VM"), 3, "{}", stage.story());
    let refused = stage.command(ridethrough_decide::Command::Abort { by: "test".into() });
    assert!(matches!(refused, ridethrough_decide::CommandReply::Refused(_)), "silence does not take the order back");
}

#[test]
fn point_2_nut_fsd_is_still_an_order_after_a_crash_of_the_controller_while_the_ups_is_silent() {
    let mut stage = usual();
    stage.play(2);
    stage.ups("rack-a", "FSD OB", Some(900), Some(90));
    stage.play(2);
    stage.silence("rack-a");
    stage.crash(config());
    stage.play(40);
    let refused = stage.command(ridethrough_decide::Command::Abort { by: "test".into() });
    assert!(matches!(refused, ridethrough_decide::CommandReply::Refused(_)), "{}", stage.story());
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 2000);
}
