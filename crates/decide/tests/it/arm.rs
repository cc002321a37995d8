//! Observe, then arm.

use crate::stage::{Stage, config};
use ridethrough_decide::{Command, CommandReply};
use ridethrough_model::*;

fn observe(stage: &mut Stage) {
    for rack in ["rack-a", "rack-b", "rack-c"] {
        stage.command(Command::SetMode { domain: DomainId::new(rack), mode: DomainMode::Observe, by: "test".into() });
    }
}

fn arm(stage: &mut Stage, domain: &str) -> Result<Vec<String>, Vec<String>> {
    let reply = stage.command(Command::SetMode { domain: DomainId::new(domain), mode: DomainMode::Armed, by: "test".into() });
    let text = |findings: Vec<Finding>| findings.iter().map(ToString::to_string).collect();
    match reply {
        CommandReply::Done(findings) => Ok(text(findings)),
        CommandReply::Refused(findings) => Err(text(findings)),
    }
}

#[test]
fn an_observing_domain_journals_what_it_would_do_and_does_nothing() {
    let mut stage = Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm1")]);
    observe(&mut stage);
    stage.lose_mains("rack-a", 900);
    stage.play(200);
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
    let planned: Vec<&Action> = stage
        .records
        .iter()
        .filter_map(|record| if let Entry::PlanCommitted { plan, .. } = &record.entry { Some(plan) } else { None })
        .flat_map(|plan| plan.actions.values())
        .collect();
    assert!(planned.iter().any(|action| matches!(action.op, Op::MoveVm { .. })), "the plan is written down");
    assert!(planned.iter().all(|action| action.observe_only));
    stage.mains_back("rack-a");
    stage.play_until("run ended ObservedOnly", 200);
}

#[test]
fn arming_says_what_is_not_proven_and_refuses_what_is_unknown() {
    let mut config = config();
    config.topology.hosts.get_mut(&HostId::new("kvm1")).expect("configured").can_prove_off = false;
    let mut stage = Stage::with(config, &[("db", "critical", "kvm1")]);
    let told = arm(&mut stage, "rack-a").expect("it can be armed").join("\n");
    assert!(told.contains("nothing can prove that it is off"), "{told}");
    let refusal = arm(&mut stage, "rack-x").expect_err("there is none").join("\n");
    assert!(refusal.contains("Known are: rack-a, rack-b, rack-c"), "{refusal}");
}

#[test]
fn a_stalled_journal_on_mains_alarms_and_refuses_to_arm() {
    let mut stage = Stage::new(&[("db", "critical", "kvm1")]);
    stage.world.journal_works = false;
    stage.command(Command::Maintenance { ups: UpsId::new("rack-a"), duration: None, by: "test".into() });
    stage.play(3);
    assert!(stage.count("notice The journal cannot be written") == 1, "{}", stage.story());
    let refusal = arm(&mut stage, "rack-a").expect_err("nothing could be taken up after a crash").join("\n");
    assert!(refusal.contains("RT0404"), "{refusal}");
}

#[test]
fn maintenance_ends_by_itself_and_must_end() {
    let mut stage = Stage::new(&[("web", "normal", "kvm1")]);
    let ask = |stage: &mut Stage, secs| {
        stage.command(Command::Maintenance {
            ups: UpsId::new("rack-a"),
            duration: Some(Millis::from_secs(secs)),
            by: "test".into(),
        })
    };
    assert!(matches!(ask(&mut stage, 90_000), CommandReply::Refused(_)), "more than a day is refused");
    assert!(matches!(ask(&mut stage, 100), CommandReply::Done(_)));
    stage.lose_mains("rack-a", 900);
    stage.play(90);
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
    stage.play_until("start shut down VM web", 30);
}
