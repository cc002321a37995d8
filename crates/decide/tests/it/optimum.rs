//! Where power is known, VMs stay as long as they are worth their battery; where it is not, the careful rules hold and one is told.

use crate::stage::{Stage, config};
use ridethrough_decide::SiteConfig;
use ridethrough_model::plan::Fate;
use ridethrough_model::*;

/// kvm1 and kvm2 on rack-a: 20 minutes at 500 W, 400 W on it; kvm3, which has room, elsewhere.
fn known() -> SiteConfig {
    let mut config = config();
    let ups = config.topology.upses.get_mut(&UpsId::new("rack-a")).expect("configured");
    let watts = |watts: u64| Milliwatts(watts * 1000);
    let minutes = |minutes: u64| Millis::from_secs(minutes * 60);
    ups.battery.runtimes = vec![(watts(100), minutes(130)), (watts(250), minutes(46)), (watts(500), minutes(20))];
    ups.battery.nominal = Some(watts(1000));
    for name in ["kvm1", "kvm2"] {
        let host = config.topology.hosts.get_mut(&HostId::new(name)).expect("configured");
        host.feeds = vec![Feed { ups: UpsId::new("rack-a"), outlet_group: None }];
        host.draw = Draw { idle: Some(watts(120)), max: Some(watts(300)) };
    }
    config
}

const VMS: [(&str, &str, &str); 5] = [
    ("db", "critical", "kvm1"),
    ("web", "normal", "kvm1"),
    ("mail", "normal", "kvm2"),
    ("ci-1", "batch", "kvm1"),
    ("ci-2", "batch", "kvm2"),
];

fn fates(config: SiteConfig) -> (Plan, PlanReport, Vec<Finding>) {
    let mut stage = Stage::with(config, &VMS);
    for rack in ["rack-a", "rack-b", "rack-c"] {
        stage.ups(rack, "OL", Some(1500), Some(100));
    }
    stage.play(5);
    stage.site.plan_if(&stage.now(), &[UpsId::new("rack-a")].into())
}

fn fate<'a>(report: &'a PlanReport, name: &str) -> &'a Fate {
    report.fates.values().find(|fate| fate.name == name).expect("it has a fate")
}

fn stop_of(plan: &Plan, name: &str) -> u64 {
    let stop = plan.actions.values().find(|a| matches!(&a.op, Op::ShutDownVm { vm, .. } if vm.to_string().contains(name)));
    stop.expect("it is stopped").not_before.since(plan.made_at).0 / 1000
}

#[test]
fn with_known_power_each_stop_has_its_time_and_says_what_it_costs() {
    let (plan, report, lint) = fates(known());
    assert!(lint.is_empty(), "{lint:?}");
    assert!(report.findings.iter().all(|finding| finding.code != "RT0429"), "{:?}", report.findings);
    assert!(fate(&report, "db").fate.contains("moves to kvm3"), "{report:?}");
    let (batch, normal) = (stop_of(&plan, "ci-1"), stop_of(&plan, "web"));
    assert!(batch <= normal, "batch at {batch} s, normal at {normal} s");
    assert!(normal > 60, "there is a battery for the normal tier: {normal} s");
    let why = &fate(&report, "web").reason;
    assert!(why.contains("on battery") && why.contains("of the battery"), "{why}");
    let rules: Vec<_> = plan.actions.values().map(|action| action.why.rule.as_str()).collect();
    assert!(rules.contains(&"best use of the battery"), "{rules:?}");
}

#[test]
fn the_same_facts_give_the_same_plan() {
    assert_eq!(fates(known()).0, fates(known()).0);
}

#[test]
fn without_a_runtime_table_the_careful_rules_hold_without_a_word() {
    let mut config = known();
    config.topology.upses.get_mut(&UpsId::new("rack-a")).unwrap().battery = BatteryTopology::default();
    let (plan, report, _) = fates(config);
    assert_eq!(stop_of(&plan, "web"), 0, "{report:?}");
    assert!(report.findings.iter().all(|finding| finding.code != "RT0429"));
}

#[test]
fn a_host_whose_idle_power_is_not_said_is_named_and_keeps_the_careful_rules() {
    let mut config = known();
    config.topology.hosts.get_mut(&HostId::new("kvm2")).unwrap().draw = Draw::default();
    let (plan, report, _) = fates(config);
    let told: Vec<_> = report.findings.iter().filter(|finding| finding.code == "RT0429").collect();
    assert_eq!(told.len(), 1, "{:?}", report.findings);
    assert_eq!(told[0].subject, "host kvm2");
    assert_eq!(stop_of(&plan, "mail"), 0);
}
