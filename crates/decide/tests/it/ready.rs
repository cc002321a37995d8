//! Coming back in the right order: what is needed first, each ready before the next, not everything at once.

use crate::stage::{Stage, config};
use ridethrough_decide::SiteConfig;
use ridethrough_model::*;

fn named(name: &str) -> TierMatch {
    TierMatch { name: Some(name.to_owned()), ..TierMatch::default() }
}

fn rule(name: &str, needs: &[&str], probe: Option<Probe>) -> VmRule {
    let ready = probe.map(|probe| Ready { probe, within: Millis::from_secs(60) });
    VmRule { matches: named(name), needs: needs.iter().map(|need| (*need).to_owned()).collect(), ready }
}

fn with(rules: Vec<VmRule>) -> SiteConfig {
    let mut config = config();
    config.policy.rules = rules;
    config
}

/// Everything on kvm1 goes down and is to come back.
fn down(config: SiteConfig, vms: &[(&str, &str, &str)]) -> Stage {
    let mut stage = Stage::with(config, vms);
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 900);
    stage.mains_back("rack-a");
    stage
}

fn tcp(address: &str) -> Option<Probe> {
    Some(Probe::Tcp(address.to_owned()))
}

/// The app is in the better tier; its database starts first all the same, and is ready before the app is started.
#[test]
fn what_is_needed_starts_first_and_is_ready_before_what_needs_it() {
    let config = with(vec![rule("app", &["db"], None), rule("db", &[], tcp("db:5432"))]);
    let mut stage = down(config, &[("app", "normal", "kvm1"), ("db", "batch", "kvm1"), ("ci", "batch", "kvm1")]);
    stage.world.mute.insert("db".into());
    let started = stage.play_until("start start VM db", 400);
    stage.play(30);
    assert_eq!(stage.count("start start VM app"), 0, "the database does not answer yet:\n{}", stage.story());
    stage.world.mute.clear();
    stage.play_until("ready db", 20);
    stage.play_until("run ended Returned", 200);
    assert!(stage.at("start start VM app") > Some(started + 30), "{}", stage.story());
    assert!(
        stage.at("start start VM app") < stage.at("start start VM ci"),
        "the database rose to the app's tier:\n{}",
        stage.story()
    );
}

#[test]
fn what_is_needed_stops_last() {
    let config = with(vec![rule("app", &["db"], None)]);
    let stage = down(config, &[("app", "normal", "kvm1"), ("db", "batch", "kvm1")]);
    let [app, db] = ["start shut down VM app", "start shut down VM db"].map(|what| stage.at(what).expect("it was stopped"));
    assert!(app + stage.world.stop_secs <= db, "{}", stage.story());
}

#[test]
fn what_is_never_ready_is_waited_for_no_longer_than_its_time_and_said() {
    let config = with(vec![rule("app", &["db"], None), rule("db", &[], tcp("db:5432"))]);
    let mut stage = down(config, &[("app", "normal", "kvm1"), ("db", "normal", "kvm1")]);
    stage.world.mute.insert("db".into());
    let started = stage.play_until("start start VM db", 400);
    let app = stage.play_until("start start VM app", 200);
    assert!((60..70).contains(&(app - started)), "{}", stage.story());
    assert!(stage.at("notice VM db runs and is not ready").is_some(), "{}", stage.story());
    stage.play_until("run ended Returned", 200);
}

#[test]
fn an_agent_counts_when_its_platform_says_so() {
    let config = with(vec![rule("app", &["db"], None), rule("db", &[], Some(Probe::Agent))]);
    let mut stage = down(config, &[("app", "normal", "kvm1"), ("db", "normal", "kvm1")]);
    stage.play_until("start start VM db", 400);
    stage.play(20);
    assert_eq!(stage.count("start start VM app"), 0, "{}", stage.story());
    stage.inventory.agents.insert(VmId::of(&PlatformId::new("lab"), "db"));
    stage.play_until("ready db", 20);
    stage.play(3);
    assert_eq!(stage.count("start start VM app"), 1, "{}", stage.story());
}

/// A better tier is not only running but ready before the next one starts.
#[test]
fn a_tier_is_ready_before_the_next_one_starts() {
    let config = with(vec![rule("web", &[], tcp("web:80"))]);
    let mut stage = down(config, &[("web", "normal", "kvm1"), ("ci", "batch", "kvm1")]);
    stage.world.mute.insert("web".into());
    stage.play_until("start start VM web", 400);
    stage.play(30);
    assert_eq!(stage.count("start start VM ci"), 0, "{}", stage.story());
    stage.world.mute.clear();
    stage.play_until("start start VM ci", 20);
}

#[test]
fn a_controller_that_starts_anew_waits_on_for_what_was_started_before() {
    let rules = vec![rule("app", &["db"], None), rule("db", &[], tcp("db:5432"))];
    let mut stage = down(with(rules.clone()), &[("app", "normal", "kvm1"), ("db", "normal", "kvm1")]);
    stage.world.mute.insert("db".into());
    stage.play_until("start start VM db", 400);
    stage.play(20);
    stage.crash(with(rules));
    stage.play(20);
    assert_eq!(stage.count("start start VM app"), 0, "{}", stage.story());
    stage.world.mute.clear();
    stage.play_until("run ended Returned", 200);
    assert_eq!(stage.count("start start VM db"), 1, "{}", stage.story());
}

#[test]
fn no_more_start_at_once_than_host_and_site_may() {
    let names: Vec<String> = (0..7).map(|number| format!("v{number}")).collect();
    let vms: Vec<(&str, &str, &str)> = names.iter().map(|name| (name.as_str(), "normal", "kvm1")).collect();
    let mut config = with(vec![rule("v*", &[], tcp("{name}:22"))]);
    config.policy.starts_per_host = 3;
    let mut stage = down(config, &vms);
    stage.world.mute.extend(names.iter().cloned());
    stage.play_until("start start VM", 400);
    stage.play(30);
    assert_eq!(stage.count("start start VM"), 3, "the first three are not ready:\n{}", stage.story());
    stage.world.mute.clear();
    stage.play(1);
    assert!(stage.count("start start VM") <= 6, "{}", stage.story());
    stage.play_until("run ended Returned", 200);
    assert_eq!(stage.count("start start VM"), 7, "{}", stage.story());
}

#[test]
fn a_circle_of_needs_is_cut_and_shown() {
    let config = with(vec![rule("app", &["db"], None), rule("db", &["app"], None)]);
    let mut stage = down(config, &[("app", "normal", "kvm1"), ("db", "normal", "kvm1")]);
    stage.play_until("run ended Returned", 400);
    let view = stage.site.view(&stage.now());
    assert!(view.findings.iter().any(|finding| finding.code == "RT0435"), "{:?}", view.findings);
}

/// A second outage while something is waited for: it is stopped like everything else, without a second ride-through.
#[test]
fn a_second_outage_ends_the_waiting() {
    let config = with(vec![rule("app", &["db"], None), rule("db", &[], tcp("db:5432"))]);
    let mut stage = down(config, &[("app", "normal", "kvm1"), ("db", "normal", "kvm1")]);
    stage.world.mute.insert("db".into());
    stage.play_until("start start VM db", 400);
    stage.play(10);
    stage.lose_mains("rack-a", 600);
    let stopped = stage.play_until("start shut down VM db", 20);
    assert!(stopped > 0);
    stage.play_until("kvm1 proven off", 300);
    assert_eq!(stage.count("not ready db"), 0, "{}", stage.story());
    stage.world.mute.clear();
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 500);
}
