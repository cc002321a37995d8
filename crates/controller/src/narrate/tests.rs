//! What records look like as sentences.

use super::*;
use expect_test::{Expect, expect};
use ridethrough_model::entry::Home;
use ridethrough_model::{
    BootId, DomainId, Failure, FailureKind, HostId, Millis, Notice, Now, PowerEvent, TaskRef, TookEffect, UpsId,
};

fn check(entries: Vec<Entry>, expected: Expect) {
    let mut narrator = Narrator::default();
    let mut text = String::new();
    for (place, entry) in entries.into_iter().enumerate() {
        let at = Now { mono: Mono(0), boot_id: BootId::default(), wall: jiff::Timestamp::UNIX_EPOCH };
        let record = Record { run: RunId(1), seq: place as u64 + 1, incident: 1, epoch: 1, at, entry };
        let event = narrator.tell(&record);
        let about: Vec<String> = [event.vm, event.host, event.ups, event.domain].into_iter().flatten().collect();
        text.push_str(&format!("{:<7} {} [{}]\n", event.severity, event.text, about.join(" ")));
    }
    expected.assert_eq(&text);
}

#[test]
fn an_outage_reads_like_a_story() {
    let (vm, host, ups) = (VmId::from("lab/1-2-3"), HostId::from("kvm1"), UpsId::from("rack-a"));
    let home = Home { name: "web-1".to_owned(), host: host.clone(), rank: 1, autostart: None };
    let (action, attempt) = (ActionId(4), 1);
    let op = Op::ShutDownVm { vm: vm.clone(), host: host.clone() };
    let failure = Failure { kind: FailureKind::Busy, took_effect: TookEffect::No, message: "a job is running".to_owned() };
    check(
        vec![
            Entry::IncidentOpened { homes: BTreeMap::from([(vm, home)]), loads: BTreeMap::new() },
            Entry::PowerChanged { event: PowerEvent::MainsLost { ups: ups.clone(), runtime: Some(Millis::from_secs(600)) } },
            Entry::PowerChanged {
                event: PowerEvent::ActingStarted { domain: DomainId::from("rack-a"), reason: "ride-through over".to_owned() },
            },
            Entry::Intended { action, attempt, op: op.clone() },
            Entry::Finished { action, attempt, outcome: Outcome::Failed(failure) },
            Entry::Intended { action, attempt: 2, op },
            Entry::Accepted { action, attempt: 2, task: TaskRef("t".to_owned()) },
            Entry::Overran { action, budget: Millis::from_secs(120) },
            Entry::Finished { action, attempt: 2, outcome: Outcome::Done { detail: None } },
            Entry::HostProvenOff { host, proof: "ipmi".to_owned(), vms: Vec::new() },
            Entry::Noticed { notice: Notice { severity: Severity::Alarm, code: None, text: "Look here.".to_owned() } },
            Entry::Recovered { ambiguous: vec![action] },
            Entry::RunEnded { end: RunEnd::ReturnedIncomplete(vec!["VM web-1".to_owned()]) },
        ],
        expect![[r#"
            info    incident 1 opened; 1 VM running now are to run again afterwards []
            warning mains lost: UPS rack-a is on battery and says it lasts 10m [rack-a]
            warning domain rack-a acts: ride-through over [rack-a]
            info    shut down VM web-1 on kvm1 [lab/1-2-3 kvm1]
            warning shut down VM web-1 on kvm1: failed, busy: a job is running [lab/1-2-3 kvm1]
            info    shut down VM web-1 on kvm1 (attempt 2 of action 4) [lab/1-2-3 kvm1]
            info    shut down VM web-1 on kvm1: accepted [lab/1-2-3 kvm1]
            warning shut down VM web-1 on kvm1: not done within 2m [lab/1-2-3 kvm1]
            info    shut down VM web-1 on kvm1: done [lab/1-2-3 kvm1]
            info    host kvm1 is proven off by ipmi [kvm1]
            alarm   Look here. []
            warning the controller started again and takes this run up; one request whose fate is not known is looked at first []
            alarm   run over, but not everything came back: VM web-1 []
        "#]],
    );
}

#[test]
fn what_is_not_known_by_name_is_told_by_its_id() {
    let op = Op::MoveVm { vm: VmId::from("lab/9"), from: HostId::from("a"), to: HostId::from("b") };
    assert_eq!(op_text(&op, &Names::default()), "move VM lab/9 from a to b");
}
