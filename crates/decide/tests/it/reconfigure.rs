//! Another configuration while the site is under way: in force as a whole or not at all.

use crate::stage::{Stage, config};
use ridethrough_decide::{Command, CommandReply, Part, Proposal, SiteConfig};
use ridethrough_model::*;
use std::collections::BTreeSet;

const VMS: &[(&str, &str, &str)] = &[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci", "batch", "kvm2")];

fn proposal(config: SiteConfig) -> Proposal {
    let (changed, readings, inventories) = (BTreeSet::new(), Vec::new(), Vec::new());
    Proposal { config, changed, readings, inventories, digest: "5f3c".to_owned(), by: "test".to_owned() }
}

/// The codes of the refusal, or none.
fn propose(stage: &mut Stage, proposal: Proposal) -> Vec<String> {
    match stage.command(Command::Configure(Box::new(proposal))) {
        CommandReply::Done(_) => Vec::new(),
        CommandReply::Refused(findings) => findings.into_iter().map(|finding| finding.code).collect(),
    }
}

fn without_rack_c() -> SiteConfig {
    let mut config = config();
    config.topology.upses.remove(&UpsId::new("rack-c"));
    config.topology.domains.remove(&DomainId::new("rack-c"));
    config.topology.hosts.remove(&HostId::new("kvm3"));
    config
}

fn disarm(stage: &mut Stage, domain: &str) {
    stage.command(Command::SetMode { domain: DomainId::new(domain), mode: DomainMode::Observe, by: "test".into() });
}

fn modes(stage: &Stage) -> Vec<(String, DomainMode)> {
    let view = stage.site.view(&stage.now());
    view.domains.into_iter().map(|domain| (domain.id.to_string(), domain.mode)).collect()
}

fn configured(stage: &Stage) -> Vec<String> {
    let digest = |record: &Record| match &record.entry {
        Entry::Configured { digest, parts, .. } => Some(format!("{digest} {}", parts.join(", "))),
        _ => None,
    };
    stage.records.iter().filter(|record| record.run == RunId::SITE).filter_map(digest).collect()
}

#[test]
fn point_7_reload_a_good_one_is_written_down_and_keeps_what_is_known_and_wanted() {
    let mut stage = Stage::new(VMS);
    let until = Millis::from_secs(3600);
    stage.command(Command::Maintenance { ups: UpsId::new("rack-b"), duration: Some(until), by: "test".into() });
    stage.command(Command::Hold { duration: until, even_if_lost: false, by: "test".into() });
    let mut wanted = config();
    wanted.policy.tiers.swap(1, 2);
    assert_eq!(propose(&mut stage, proposal(wanted)), [] as [&str; 0]);
    let view = stage.site.view(&stage.now());
    assert!(view.hold.is_some() && view.upses[1].maintenance_left.is_some() && view.upses.iter().all(|ups| ups.status.is_some()));
    assert_eq!(view.vms.len(), 3, "what runs where is still known");
    assert!(modes(&stage).iter().all(|(_, mode)| *mode == DomainMode::Armed), "{:?}", modes(&stage));
    assert_eq!(configured(&stage), ["5f3c "]);
    let release = Command::ReleaseHold { by: "test".into() };
    stage.command(release);
    stage.lose_mains("rack-a", 900);
    stage.play(200);
    let first = |vm: &str| stage.lines.iter().position(|(_, line)| line.starts_with("start ") && line.contains(vm));
    assert!(first("web").is_some(), "the outage is handled as ever:\n{}", stage.story());
}

#[test]
fn point_7_reload_nothing_that_a_plan_stands_on_changes_on_battery_or_in_a_run() {
    let mut stage = Stage::new(VMS);
    stage.lose_mains("rack-a", 900);
    stage.play(100);
    assert_eq!(propose(&mut stage, proposal(without_rack_c())), ["RT0450"]);
    let reached_otherwise = Proposal { changed: [Part::Ups(UpsId::new("rack-b"))].into(), ..proposal(config()) };
    assert_eq!(propose(&mut stage, reached_otherwise), ["RT0450"]);
    assert_eq!(propose(&mut stage, proposal(config())), [] as [&str; 0], "alerts and poll intervals may change");
    assert_eq!(configured(&stage), ["5f3c "], "and only that is written down");
    stage.mains_back("rack-a");
    stage.play_until("run ended", 600);
}

#[test]
fn point_7_reload_an_armed_domain_does_not_vanish() {
    let mut stage = Stage::new(VMS);
    assert_eq!(propose(&mut stage, proposal(without_rack_c())), ["RT0451"]);
    assert_eq!(modes(&stage).len(), 3, "the old one goes on");
    disarm(&mut stage, "rack-c");
    assert_eq!(propose(&mut stage, proposal(without_rack_c())), [] as [&str; 0]);
    assert_eq!(modes(&stage).len(), 2);
    assert_eq!(propose(&mut stage, Proposal { digest: "77aa".into(), ..proposal(config()) }), [] as [&str; 0]);
    assert_eq!(modes(&stage)[2], ("rack-c".to_owned(), DomainMode::Observe), "what is new observes");
}

#[test]
fn point_7_reload_an_armed_domain_stays_armed_only_by_the_rules_of_arming() {
    let mut stage = Stage::new(VMS);
    let changed: BTreeSet<Part> = [Part::Ups(UpsId::new("rack-a"))].into();
    let elsewhere = Proposal { changed: changed.clone(), ..proposal(config()) };
    assert_eq!(propose(&mut stage, elsewhere.clone()), ["RT0413", "RT0452"], "nobody has heard it at its new place");
    let reading = Reading::of_status(UpsId::new("rack-a"), stage.now().mono, "OL");
    assert_eq!(propose(&mut stage, Proposal { readings: vec![reading], ..elsewhere }), [] as [&str; 0], "now it was heard");
    assert_eq!(configured(&stage), ["5f3c UPS rack-a"]);

    let moved = Proposal { changed: [Part::Platform(PlatformId::new("lab"))].into(), ..proposal(config()) };
    let refused = propose(&mut stage, moved.clone());
    assert!(refused.contains(&"RT0414".to_owned()), "nobody knows what runs there: {refused:?}");
    let inventories = vec![stage.inventory.clone()];
    assert_eq!(propose(&mut stage, Proposal { inventories, ..moved }), [] as [&str; 0]);

    let mut own = config();
    own.topology.controller_named = Some(topology::ControllerPlace::Host(HostId::new("kvm1")));
    assert_eq!(propose(&mut stage, proposal(own)), [] as [&str; 0], "it is said when it arms, and keeps nothing from arming");
}

#[test]
fn point_7_reload_a_fault_that_was_there_before_does_not_stand_in_the_way_of_mending_another() {
    let mut stage = Stage::new(VMS);
    stage.upses.insert("rack-c".to_owned(), None);
    let changed: BTreeSet<Part> = [Part::Ups(UpsId::new("rack-c"))].into();
    disarm(&mut stage, "rack-c");
    assert_eq!(propose(&mut stage, Proposal { changed, ..proposal(config()) }), [] as [&str; 0], "it only observes");
    stage.play(30);
    let mut wanted = config();
    wanted.policy.tiers.pop();
    assert_eq!(propose(&mut stage, Proposal { digest: "77aa".into(), ..proposal(wanted) }), [] as [&str; 0]);
}

#[test]
fn point_7_reload_what_was_refused_is_told_and_the_old_one_goes_on() {
    let mut stage = Stage::new(VMS);
    let text = "site.toml:3:1: unknown key".to_owned();
    stage.command(Command::NoteUnfit { code: "RT0190".to_owned(), text: text.clone() });
    let told = stage.records.iter().any(|record| matches!(&record.entry, Entry::Noticed { notice } if notice.text == text));
    assert!(told && configured(&stage).is_empty());
}

#[test]
fn point_7_reload_without_a_host_still_cancels_the_timer_that_is_set_on_it() {
    let mut with_timers = config();
    with_timers.topology.timers = with_timers.topology.hosts.keys().cloned().collect();
    let mut stage = Stage::with(with_timers.clone(), VMS);
    stage.lose_mains("rack-a", 1800);
    stage.play(5);
    let failure =
        Failure { kind: FailureKind::Unreachable, took_effect: TookEffect::Possible, message: "no route to host".into() };
    stage.world.deaf.insert("kvm1".into(), failure);
    stage.mains_back("rack-a");
    stage.play(400);
    assert_eq!(stage.count("timer of kvm1 ended"), 0, "{}", stage.story());
    with_timers.topology.timers.remove(&HostId::new("kvm1"));
    assert_eq!(propose(&mut stage, proposal(with_timers)), [] as [&str; 0]);
    stage.world.deaf.clear();
    stage.play_until("timer of kvm1 ended", 60);
    assert!(stage.world.timers.is_empty(), "{}", stage.story());
}
