//! One UPS of two cannot carry everything: said beforehand, and reckoned with when both are on battery.

use crate::stage::{Stage, config, host_on};
use ridethrough_decide::{Input, SiteConfig};
use ridethrough_model::*;

/// kvm3 hangs on rack-a (400 W of 1 kW) and rack-b (40 % of that nominal power); kvm1 and kvm2 on one of them each.
fn site(nominal_b: u64) -> SiteConfig {
    let mut config = config();
    let mut nominal = |ups: &str, watts: u64| {
        config.topology.upses.get_mut(&UpsId::new(ups)).expect("on stage").battery.nominal = Some(Milliwatts(watts * 1000));
    };
    nominal("rack-a", 1000);
    nominal("rack-b", nominal_b);
    config.topology.hosts.insert(HostId::new("kvm3"), host_on(&["a", "b"]));
    for domain in config.topology.domains.values_mut() {
        domain.timing.margin = Ppm(0);
    }
    config
}

fn stage(config: SiteConfig) -> Stage {
    Stage::with(config, &[("ci", "batch", "kvm1"), ("web", "normal", "kvm2"), ("db", "critical", "kvm3")])
}

fn finding(stage: &Stage) -> Option<String> {
    let findings = stage.site.view(&stage.now()).findings;
    findings
        .into_iter()
        .find(|finding| finding.code == "RT0473")
        .map(|finding| format!("{}: {}", finding.subject, finding.message))
}

fn ends_in(stage: &Stage, host: &str) -> Option<u64> {
    let view = stage.site.view(&stage.now());
    view.hosts.into_iter().find(|known| known.id.as_str() == host).and_then(|host| host.power_ends_in).map(Millis::as_secs)
}

#[test]
fn what_the_survivor_would_carry_is_said_while_there_is_time_to_mend_it() {
    let mut small = stage(site(200));
    small.play(3);
    let expected = "UPS rack-b: If UPS rack-a fails, UPS rack-b would carry 106 % of what it is built for: 213 W of 200 W.";
    assert_eq!(
        finding(&small).as_deref(),
        Some(expected),
        "80 W of its own, and of 400 W a third: kvm1 draws all of its power from rack-a, kvm3 half"
    );
    let mut big = stage(site(1000));
    big.play(3);
    assert_eq!(finding(&big), None);
}

#[test]
fn configured_draws_say_whose_load_comes_over() {
    let mut config = site(200);
    let mut idle = |host: &str, watts: u64| {
        config.topology.hosts.get_mut(&HostId::new(host)).expect("on stage").draw.idle = Some(Milliwatts(watts * 1000));
    };
    idle("kvm1", 300);
    idle("kvm3", 200);
    let mut stage = stage(config);
    stage.play(3);
    assert_eq!(finding(&stage), None, "of 400 W only a quarter is of the host on both: 180 W of 200 W");
}

#[test]
fn on_battery_a_survivor_that_cannot_carry_all_ends_with_the_first() {
    let mut small = stage(site(200));
    small.play(3);
    small.lose_mains("rack-b", 1500);
    small.lose_mains("rack-a", 600);
    small.play(1);
    assert_eq!([ends_in(&small, "kvm2"), ends_in(&small, "kvm3")], [Some(600), Some(600)], "with rack-a, though it says 1500 s");
    assert_eq!(ends_in(&small, "kvm1"), Some(600), "its own");
    let mut big = stage(site(1000));
    big.play(3);
    big.lose_mains("rack-b", 1500);
    big.lose_mains("rack-a", 600);
    big.play(1);
    assert_eq!([ends_in(&big, "kvm2"), ends_in(&big, "kvm3")], [Some(1500), Some(960)]);
}

#[test]
fn who_says_no_watts_is_not_guessed_at() {
    let mut config = site(200);
    config.topology.upses.get_mut(&UpsId::new("rack-a")).expect("on stage").battery.nominal = None;
    let mut stage = stage(config);
    stage.play(3);
    assert_eq!(finding(&stage), None);
}

#[test]
fn mains_lost_at_the_one_is_an_alarm_about_the_other() {
    let mut stage = stage(site(200));
    stage.play(3);
    stage.lose_mains("rack-b", 1500);
    stage.play(3);
    assert_eq!(stage.count("RT0473"), 0, "rack-a can carry what rack-b leaves");
    stage.lose_mains("rack-a", 600);
    stage.play(3);
    assert_eq!(stage.count("UPS rack-b would carry 106 %"), 1, "{}", stage.story());
}

fn say(stage: &mut Stage, status: &str, percent: u32) {
    let mut reading = Reading::of_status(UpsId::new("rack-b"), stage.now().mono, status);
    (reading.runtime, reading.charge, reading.load) =
        (Some(Millis::from_secs(1500)), Some(Ppm::from_percent(90)), Some(Ppm::from_percent(percent)));
    stage.give(Input::Reading(reading));
}

#[test]
fn an_overload_on_battery_does_not_wait_for_the_ride_through() {
    let mut stage = stage(site(1000));
    stage.play(3);
    stage.lose_mains("rack-b", 1500);
    stage.play(2);
    say(&mut stage, "OB DISCHRG", 118);
    assert_eq!(stage.count("domain rack-b acts"), 0, "one reading is none");
    say(&mut stage, "OB DISCHRG", 118);
    assert!(stage.at("UPS rack-b carries 118% of what it is built for and may switch off").is_some(), "{}", stage.story());
    assert!(stage.at("domain rack-b acts").is_some(), "{}", stage.story());
}

#[test]
fn an_overload_on_mains_is_an_alarm_and_stops_nothing() {
    let mut stage = stage(site(1000));
    stage.play(3);
    for _ in 0..3 {
        say(&mut stage, "OL OVER", 90);
    }
    assert!(stage.at("UPS rack-b says that it carries more than it is built for").is_some(), "{}", stage.story());
    stage.play(100);
    assert_eq!(stage.count("shut down"), 0, "{}", stage.story());
}
