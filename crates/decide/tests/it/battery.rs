//! Batteries with a runtime table: whoever says less is believed, ends teach, and what was learned outlives a crash.

use crate::stage::{Stage, config};
use ridethrough_decide::{BatteryView, SiteConfig};
use ridethrough_model::*;

/// rack-a carries 400 W (40 % of 1 kW), at which its table says 1000 s.
fn with_table() -> SiteConfig {
    let mut config = config();
    let point = |watts: u64, secs: u64| (Milliwatts(watts * 1000), Millis::from_secs(secs));
    let ups = config.topology.upses.get_mut(&UpsId::new("rack-a")).expect("on stage");
    ups.battery.nominal = Some(Milliwatts(1_000_000));
    ups.battery.runtimes = vec![point(200, 2400), point(400, 1000), point(1000, 300)];
    config
}

fn usual() -> Stage {
    Stage::with(with_table(), &[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm1")])
}

fn empty_in(stage: &Stage) -> u64 {
    let view = stage.site.view(&stage.now());
    view.upses.iter().find(|ups| ups.id.as_str() == "rack-a").and_then(|ups| ups.empty_in).expect("on battery").as_secs()
}

fn battery(stage: &Stage) -> BatteryView {
    let view = stage.site.view(&stage.now());
    view.upses.into_iter().find(|ups| ups.id.as_str() == "rack-a").and_then(|ups| ups.battery).expect("it has a table")
}

fn discharge(stage: &mut Stage, secs: u64, charge: impl Fn(u64) -> u32) {
    for at in 0..secs {
        stage.ups("rack-a", "OB DISCHRG", Some(5000), Some(charge(at)));
        stage.play(1);
    }
}

#[test]
fn whoever_says_less_is_believed_the_table_or_the_ups() {
    let mut stage = usual();
    stage.ups("rack-a", "OB DISCHRG", Some(5000), Some(100));
    stage.play(1);
    let by_table = empty_in(&stage);
    assert!((700..850).contains(&by_table), "1000 s at the lower bound of a battery nobody has seen: {by_table}");
    let mut stage = usual();
    stage.lose_mains("rack-a", 200);
    stage.play(1);
    assert_eq!(empty_in(&stage), 170, "the UPS says 200 s, less its margin");
}

#[test]
fn a_ups_that_says_no_runtime_lasts_as_its_table_says_and_one_that_says_no_load_as_ever() {
    let mut stage = usual();
    stage.ups("rack-a", "OB DISCHRG", None, Some(100));
    stage.play(1);
    assert!((700..850).contains(&empty_in(&stage)), "{}", empty_in(&stage));
    let mut config = with_table();
    config.topology.upses.get_mut(&UpsId::new("rack-a")).expect("on stage").battery.nominal = None;
    let mut stage = Stage::with(config, &[("web", "normal", "kvm1")]);
    let finding = stage.site.view(&stage.now()).findings.into_iter().find(|finding| finding.code == "RT0471");
    assert!(finding.is_some(), "its table is of no use");
    stage.ups("rack-a", "OB DISCHRG", None, Some(100));
    stage.play(1);
    assert!(empty_in(&stage) <= 102, "120 s are assumed, less the margin: {}", empty_in(&stage));
}

#[test]
fn low_battery_early_teaches_what_the_battery_gives_and_that_outlives_a_crash() {
    let mut stage = usual();
    let before = battery(&stage);
    assert_eq!(before.health, Ppm::FULL);
    discharge(&mut stage, 500, |at| u32::try_from(100 - at / 6).expect("small"));
    stage.ups("rack-a", "OB LB", Some(60), Some(16));
    stage.play(3);
    let learned = battery(&stage);
    assert!(learned.health < Ppm::from_percent(80), "it gave 84 % in half the time: {learned:?}");
    assert_eq!((learned.ends_seen, learned.bound_held), (1, (0, 1)), "the first forecast was too long, and that is kept");
    assert!(learned.forecast_error > Some(Ppm::from_percent(40)), "{learned:?}");
    stage.mains_back("rack-a");
    stage.play(2);
    stage.crash(with_table());
    stage.play(2);
    assert_eq!(battery(&stage).health, learned.health);
    let mut replaced = with_table();
    replaced.topology.upses.get_mut(&UpsId::new("rack-a")).expect("on stage").battery.installed =
        Some(jiff::civil::date(2025, 6, 1));
    stage.crash(replaced);
    stage.play(2);
    assert_eq!(battery(&stage).health, Ppm::FULL, "a new battery is not the old one");
}

#[test]
fn a_charge_that_falls_faster_than_forecast_makes_the_plan_anew_with_less() {
    let mut stage = usual();
    discharge(&mut stage, 55, |_| 100);
    let before = empty_in(&stage);
    assert_eq!(stage.count("RT0470"), 0);
    discharge(&mut stage, 80, |at| u32::try_from(100 - at / 3).expect("small"));
    assert!(battery(&stage).tripped.is_some());
    let after = empty_in(&stage);
    assert!(after + 200 < before, "{after} s, {before} s before");
    let alarms = stage
        .records
        .iter()
        .filter(|record| matches!(&record.entry, Entry::Noticed { notice } if notice.code.as_deref() == Some("RT0470")));
    assert!(alarms.count() >= 1, "a person is told");
}
