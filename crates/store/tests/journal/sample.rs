//! Records to write: small ones by number, and one of every kind there is.

use ridethrough_model::entry::{Home, Outcome, RunEnd, UpsFacts};
use ridethrough_model::plan::{Fate, Gate};
use ridethrough_model::{
    Action, ActionId, BatteryState, Bias, BootId, DomainId, DrillLevel, DrillPart, DrillReport, Entry, Failure, FailureKind,
    Finding, ForecastError, GuardId, GuardKind, GuardScope, GuardState, GuardedStep, HostId, Millis, Mono, Notice, Now, Op, Plan,
    PlanCause, PlanId, PlanReport, PowerEvent, Ppm, Record, RunId, Severity, TaskRef, TierName, TookEffect, UpsId, VmId, Why,
};
use ridethrough_store::{Committed, OnCommit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Longer than any of these tests takes on a busy machine; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

fn at(second: u64) -> Now {
    let wall = jiff::Timestamp::new(1_767_225_600 + i64::try_from(second).expect("small"), 0);
    Now { mono: Mono(second * 1000), boot_id: BootId("3f6c0c9e-boot".into()), wall: wall.expect("in range") }
}

/// A record that says nothing but its number.
pub(crate) fn numbered(run: u64, seq: u64, epoch: u64) -> Record {
    let notice = Notice { severity: Severity::Info, code: None, text: format!("record {seq} of run {run}") };
    record(run, seq, epoch, Entry::Noticed { notice })
}

/// The records `first..=last` of a run.
pub(crate) fn numbers(run: u64, first: u64, last: u64, epoch: u64) -> Vec<Record> {
    (first..=last).map(|seq| numbered(run, seq, epoch)).collect()
}

pub(crate) fn record(run: u64, seq: u64, epoch: u64, entry: Entry) -> Record {
    Record { run: RunId(run), seq, incident: run, epoch, at: at(100 * run + seq), entry }
}

/// What the journal reports, as a queue.
pub(crate) struct Reports(Receiver<Committed>);

pub(crate) fn reports() -> (OnCommit, Reports) {
    let (tx, rx): (SyncSender<Committed>, _) = sync_channel(100_000);
    let on_commit = Box::new(move |committed| {
        // A test that has seen enough does not listen any more.
        let _ = tx.send(committed);
    });
    (on_commit, Reports(rx))
}

impl Reports {
    pub(crate) fn next(&self) -> Committed {
        self.0.recv_timeout(PATIENCE).expect("the journal reports within a minute")
    }

    /// Waits until that record is durable. A failure on the way fails the test.
    pub(crate) fn durable(&self, run: u64, seq: u64) {
        loop {
            match self.next() {
                Committed::Durable { run: r, seq: s } if r.0 == run && s >= seq => return,
                Committed::Durable { .. } => {}
                Committed::Failed { error } => panic!("{}", error.in_full()),
            }
        }
    }

    pub(crate) fn so_far(&self) -> Vec<Committed> {
        self.0.try_iter().collect()
    }
}

pub(crate) fn plan() -> (Plan, PlanReport) {
    let web = VmId::from("lab/4b1d");
    let kvm1 = HostId::from("kvm1");
    let action = |id, op, gates: &[Gate]| Action {
        id: ActionId(id),
        op,
        tier: Some(TierName::new("critical")),
        rank: Some(0),
        upses: BTreeSet::from([UpsId::from("rack-a")]),
        gates: gates.iter().cloned().collect(),
        gates_hard: BTreeSet::from([Gate::HostReady(HostId::from("kvm3"))]),
        not_before: Mono(160_000),
        last_safe: Some(Mono(400_000)),
        budget: Millis::from_secs(120),
        attempts_max: 3,
        observe_only: false,
        why: Why { rule: "tier order".into(), text: "It is critical and fits kvm3.".into() },
    };
    let moved = action(7, Op::MoveVm { vm: web.clone(), from: kvm1.clone(), to: HostId::from("kvm3") }, &[]);
    let off = action(
        8,
        Op::ShutDownHost { host: kvm1.clone() },
        &[Gate::Done(ActionId(7)), Gate::HostEmpty(kvm1.clone()), Gate::LowerTiers { ups: UpsId::from("rack-a"), rank: 0 }],
    );
    let fate = Fate {
        name: "web".into(),
        tier: TierName::new("critical"),
        fate: "moves to kvm3".into(),
        reason: "kvm3 hangs on another UPS.".into(),
        last_safe: Some(Mono(400_000)),
    };
    let plan = Plan {
        id: PlanId(3),
        parent: Some(PlanId(2)),
        cause: PlanCause::FactsChanged("a host was lost".into()),
        made_at: Mono(150_000),
        deadlines: BTreeMap::from([(UpsId::from("rack-a"), Mono(500_000))]),
        domains: BTreeSet::from([DomainId::from("rack-a")]),
        emergency: false,
        actions: [moved, off].map(|a| (a.id, a)).into(),
    };
    let report = PlanReport {
        fates: BTreeMap::from([(web, fate)]),
        host_deadlines: BTreeMap::from([(kvm1, Mono(450_000))]),
        waiting: vec!["ride-through".into()],
        findings: vec![Finding::warning("RT0101", "vm web", "Text.", "Remedy.")],
        fits: true,
    };
    (plan, report)
}

fn home() -> Home {
    Home { name: "web".into(), host: HostId::from("kvm1"), rank: 0, autostart: Some(true) }
}

fn guard_state() -> GuardState {
    GuardState {
        name: "HA of cluster prod".into(),
        kind: GuardKind::Restart,
        scope: GuardScope::Cluster("prod".into()),
        hosts: [HostId::from("esx1")].into(),
        before: [GuardedStep::StopVm, GuardedStep::ShutDownHost].into(),
        value: "enabled".into(),
        disarmed: "disabled".into(),
    }
}

/// One of each kind for run 0, then for run 1. Add a new kind here, in `row.rs`, and to the golden journal.
pub(crate) fn every_kind(epoch: u64) -> Vec<Record> {
    let site = site_entries().into_iter().map(|entry| (0, entry));
    let run = run_entries().into_iter().map(|entry| (1, entry));
    let mut seqs = [0_u64; 2];
    site.chain(run)
        .map(|(run, entry)| {
            seqs[run] += 1;
            record(run as u64, seqs[run], epoch, entry)
        })
        .collect()
}

fn site_entries() -> Vec<Entry> {
    let part = DrillPart {
        subject: "domain rack-a".into(),
        duration: Some(Millis::from_secs(240)),
        margin: None,
        failures: vec!["still running: web".into()],
        warnings: vec!["it falls with the battery".into()],
        notes: Vec::new(),
    };
    let (domain, ups, by) = (DomainId::from("rack-a"), UpsId::from("rack-a"), "alex".to_owned());
    vec![
        Entry::Armed { domain: domain.clone(), by: by.clone() },
        Entry::Disarmed { domain, by: by.clone() },
        Entry::MaintenanceBegun { ups: ups.clone(), duration: Millis::from_secs(7200), by: by.clone() },
        Entry::MaintenanceEnded { ups, reason: "its time was over".into() },
        Entry::HoldBegun { duration: Millis::from_secs(300), even_if_lost: false, by: by.clone() },
        Entry::HoldEnded { reason: "the last safe moment has come".into() },
        Entry::TimerIntended { host: HostId::from("kvm1"), fires_in: Millis::from_secs(420) },
        Entry::TimerSet { host: HostId::from("kvm1"), fires_in: Millis::from_secs(419) },
        Entry::TimerFired { host: HostId::from("kvm1") },
        Entry::TimerEnded { host: HostId::from("kvm1"), reason: "mains is stable".into() },
        Entry::Configured { digest: "5f3c".into(), parts: vec!["UPS rack-a".into()], by: by.clone() },
        Entry::BatteryLearned {
            ups: UpsId::from("rack-a"),
            state: Box::new(learned()),
            why: "it said low battery after 14m".into(),
        },
        Entry::DrillHeld {
            report: Box::new(DrillReport { number: 1, level: DrillLevel::Paper, at: at(3).wall, by, parts: vec![part] }),
        },
    ]
}

fn learned() -> BatteryState {
    let seconds = |s| Millis::from_secs(s);
    BatteryState {
        ln_health: -223_143_551,
        variance: 2_000_000,
        residuals: vec![-20_000_000],
        biases: BTreeMap::from([(2, Bias { ln: 100_000_000, variance: 40_000_000, count: 1 })]),
        installed: Some(jiff::civil::date(2024, 5, 1)),
        ends_seen: 1,
        partial_seen: 2,
        errors: vec![ForecastError { forecast: seconds(900), bound: seconds(700), lasted: seconds(840) }],
        charge: Some(Ppm(120_000)),
        lasted: BTreeMap::from([(4, seconds(1200))]),
    }
}

fn run_entries() -> Vec<Entry> {
    let (vm, host, action, attempt) = (VmId::from("lab/4b1d"), HostId::from("kvm1"), ActionId(7), 1);
    let (plan, report) = plan();
    let op = plan.actions[&action].op.clone();
    let guard = GuardId::of(&"dc1".into(), "ha/domain-c8");
    vec![
        Entry::IncidentOpened {
            homes: BTreeMap::from([(vm.clone(), home())]),
            loads: BTreeMap::from([(UpsId::from("rack-a"), Ppm(400_000))]),
        },
        Entry::PowerChanged {
            event: PowerEvent::MainsLost { ups: UpsId::from("rack-a"), runtime: Some(Millis::from_secs(900)) },
        },
        Entry::UpsNoted {
            ups: UpsId::from("rack-a"),
            facts: UpsFacts {
                charge: Some(Ppm(810_000)),
                runtime: Some(Millis::from_secs(720)),
                load: None,
                energy_mwh: Some(35_000),
            },
        },
        Entry::HomeAdded { vm: vm.clone(), home: home() },
        Entry::PlanCommitted { plan: Box::new(plan), report: Box::new(report) },
        Entry::Intended { action, attempt, op },
        Entry::Accepted { action, attempt, task: TaskRef("job-9".into()) },
        Entry::Finished {
            action,
            attempt,
            outcome: Outcome::Failed(Failure {
                kind: FailureKind::Unreachable,
                took_effect: TookEffect::Possible,
                message: "kvm3 did not answer".into(),
            }),
        },
        Entry::Overran { action, budget: Millis::from_secs(120) },
        Entry::Latched { host: host.clone(), reason: "its shutdown has begun".into() },
        Entry::HostProvenOff { host: host.clone(), proof: "its BMC says off".into(), vms: vec![vm.clone()] },
        Entry::VmsFell { host, vms: vec![vm.clone()], reason: "nobody is known to have stopped it".into() },
        Entry::VmLeftOff { vm: vm.clone(), reason: "its platform says that it was told to stop".into() },
        Entry::VmReady { vm: vm.clone(), after: Millis::from_secs(12), how: "tcp db:5432".into() },
        Entry::VmNotReady { vm, within: Millis::from_secs(120), reason: "the port takes no connection".into() },
        Entry::GuardRecorded { guard: guard.clone(), state: guard_state() },
        Entry::GuardReleased { guard, reason: "it is as it was before".into() },
        Entry::JournalDegraded { reason: "no answer for 2s".into() },
        Entry::Noticed {
            notice: Notice {
                severity: Severity::Alarm,
                code: Some("RT0306".into()),
                text: "The journal's disk does not answer.".into(),
            },
        },
        Entry::Recovered { ambiguous: vec![action] },
        Entry::RunAborted { until_return: false, by: "alex".into() },
        Entry::AbortEnded { reason: "mains is stable".into() },
        Entry::RunEnded { end: RunEnd::ReturnedIncomplete(vec!["web".into()]) },
    ]
}

/// Fails to compile when a kind is added: then [`every_kind`] needs it too. Returns how many there are.
pub(crate) fn kinds_known(entry: &Entry) -> usize {
    match entry {
        Entry::Armed { .. }
        | Entry::Disarmed { .. }
        | Entry::BatteryLearned { .. }
        | Entry::Configured { .. }
        | Entry::MaintenanceBegun { .. }
        | Entry::MaintenanceEnded { .. }
        | Entry::HoldBegun { .. }
        | Entry::HoldEnded { .. }
        | Entry::RunAborted { .. }
        | Entry::AbortEnded { .. }
        | Entry::PowerChanged { .. }
        | Entry::UpsNoted { .. }
        | Entry::IncidentOpened { .. }
        | Entry::HomeAdded { .. }
        | Entry::PlanCommitted { .. }
        | Entry::Intended { .. }
        | Entry::Accepted { .. }
        | Entry::Finished { .. }
        | Entry::Overran { .. }
        | Entry::Latched { .. }
        | Entry::HostProvenOff { .. }
        | Entry::VmsFell { .. }
        | Entry::VmLeftOff { .. }
        | Entry::VmReady { .. }
        | Entry::VmNotReady { .. }
        | Entry::JournalDegraded { .. }
        | Entry::Noticed { .. }
        | Entry::Recovered { .. }
        | Entry::GuardRecorded { .. }
        | Entry::GuardReleased { .. }
        | Entry::TimerIntended { .. }
        | Entry::TimerSet { .. }
        | Entry::TimerFired { .. }
        | Entry::TimerEnded { .. }
        | Entry::DrillHeld { .. }
        | Entry::RunEnded { .. } => 36,
    }
}
