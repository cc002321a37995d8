//! Every shape a record can have: each kind, and each variant of what stands in it. The functions without a wildcard fail to
//! compile when a variant is added; then it is added to its list too, and to the golden journal.

use crate::sample::{every_kind, plan, record};
use ridethrough_model::entry::{Outcome, RunEnd};
use ridethrough_model::plan::Gate;
use ridethrough_model::{
    Action, ActionId, DomainId, Entry, Failure, FailureKind, GuardId, HookMoment, HookOf, HostId, LoadId, Notice, Op, Plan,
    PlanCause, PlanId, PowerEvent, Record, Severity, TierName, TookEffect, UpsId, VmId,
};
use std::collections::BTreeSet;

fn vm() -> VmId {
    VmId::from("lab/4b1d")
}
fn host(name: &str) -> HostId {
    HostId::from(name)
}
fn guard() -> GuardId {
    GuardId::of(&"dc1".into(), "ha/domain-c8")
}
fn ups() -> UpsId {
    UpsId::from("rack-a")
}

fn ops() -> Vec<Op> {
    let (from, to) = (host("kvm1"), host("kvm3"));
    let ops = vec![
        Op::ShutDownVm { vm: vm(), host: from.clone() },
        Op::PowerOffVm { vm: vm(), host: from.clone() },
        Op::StartVm { vm: vm(), host: from.clone() },
        Op::MoveVm { vm: vm(), from: from.clone(), to: to.clone() },
        Op::AbortMove { vm: vm(), from: from.clone(), to: to.clone() },
        Op::FinishMove { vm: vm(), from: from.clone(), to },
        Op::SuspendVm { vm: vm(), host: from.clone() },
        Op::AbortSuspend { vm: vm(), host: from.clone() },
        Op::SetAutostart { vm: vm(), host: from.clone(), enabled: false },
        Op::ShutDownHost { host: from.clone() },
        Op::WakeHost { host: from },
        Op::StopLoad { load: LoadId::from("nas") },
        Op::StartLoad { load: LoadId::from("nas") },
        Op::CallHook { hook: HookOf::Tier(TierName::from("db")).at(HookMoment::BeforeStop) },
        Op::CallHook { hook: HookOf::Host(host("kvm1")).at(HookMoment::AfterStart) },
        Op::DisarmGuard { guard: guard(), value: "on".into(), disarmed: "off".into() },
        Op::RestoreGuard { guard: guard(), value: "on".into(), disarmed: "off".into() },
    ];
    let place = |op: &Op| match op {
        Op::ShutDownVm { .. } => 0,
        Op::PowerOffVm { .. } => 1,
        Op::StartVm { .. } => 2,
        Op::MoveVm { .. } => 3,
        Op::AbortMove { .. } => 4,
        Op::SetAutostart { .. } => 5,
        Op::ShutDownHost { .. } => 6,
        Op::WakeHost { .. } => 7,
        Op::StopLoad { .. } => 8,
        Op::StartLoad { .. } => 9,
        Op::FinishMove { .. } => 10,
        Op::SuspendVm { .. } => 11,
        Op::AbortSuspend { .. } => 12,
        Op::CallHook { .. } => 13,
        Op::DisarmGuard { .. } => 14,
        Op::RestoreGuard { .. } => 15,
    };
    all_of(&ops, place)
}

fn gates() -> Vec<Gate> {
    let gates = vec![
        Gate::Settled(ActionId(1)),
        Gate::LowerTiers { ups: ups(), rank: 2 },
        Gate::HigherTiers { rank: 1 },
        Gate::Done(ActionId(2)),
        Gate::HostEmpty(host("kvm1")),
        Gate::HostReady(host("kvm1")),
        Gate::HostOff(host("kvm1")),
        Gate::LoadReady(LoadId::from("nas")),
        Gate::StopDue { rank: 1 },
        Gate::StartDue { rank: 1 },
        Gate::TierStopped { rank: 1 },
        Gate::VmReady(vm()),
    ];
    let place = |gate: &Gate| match gate {
        Gate::Settled(_) => 0,
        Gate::LowerTiers { .. } => 1,
        Gate::HigherTiers { .. } => 2,
        Gate::Done(_) => 3,
        Gate::HostEmpty(_) => 4,
        Gate::HostReady(_) => 5,
        Gate::HostOff(_) => 6,
        Gate::LoadReady(_) => 7,
        Gate::StopDue { .. } => 8,
        Gate::StartDue { .. } => 9,
        Gate::TierStopped { .. } => 10,
        Gate::VmReady(_) => 11,
    };
    all_of(&gates, place)
}

fn power_events() -> Vec<PowerEvent> {
    let domain = DomainId::from("rack-a");
    let events = vec![
        PowerEvent::MainsLost { ups: ups(), runtime: None },
        PowerEvent::MainsBack { ups: ups() },
        PowerEvent::BatteryLow { ups: ups() },
        PowerEvent::ForcedShutdown { ups: ups() },
        PowerEvent::Silent { ups: ups(), was_on_battery: true, reason: "no answer".into() },
        PowerEvent::Heard { ups: ups() },
        PowerEvent::Overloaded { ups: ups(), load: None },
        PowerEvent::ActingStarted { domain: domain.clone(), reason: "the ride-through is over".into() },
        PowerEvent::MainsStable { domain },
    ];
    let place = |event: &PowerEvent| match event {
        PowerEvent::MainsLost { .. } => 0,
        PowerEvent::MainsBack { .. } => 1,
        PowerEvent::BatteryLow { .. } => 2,
        PowerEvent::ForcedShutdown { .. } => 3,
        PowerEvent::Silent { .. } => 4,
        PowerEvent::Heard { .. } => 5,
        PowerEvent::ActingStarted { .. } => 6,
        PowerEvent::MainsStable { .. } => 7,
        PowerEvent::Overloaded { .. } => 8,
    };
    all_of(&events, place)
}

fn causes() -> Vec<PlanCause> {
    let causes = vec![
        PlanCause::Standing,
        PlanCause::Outage,
        PlanCause::FactsChanged("a host was lost".into()),
        PlanCause::MainsBack,
        PlanCause::Return,
    ];
    let place = |cause: &PlanCause| match cause {
        PlanCause::Standing => 0,
        PlanCause::Outage => 1,
        PlanCause::FactsChanged(_) => 2,
        PlanCause::MainsBack => 3,
        PlanCause::Return => 4,
    };
    all_of(&causes, place)
}

fn failures() -> Vec<Failure> {
    use FailureKind as Kind;
    let kinds = [
        Kind::Unreachable,
        Kind::Unauthorized,
        Kind::Busy,
        Kind::NotFound,
        Kind::Refused,
        Kind::Unsupported,
        Kind::Protocol,
        Kind::Config,
    ];
    let place = |kind: &Kind| match kind {
        Kind::Unreachable => 0,
        Kind::Unauthorized => 1,
        Kind::Busy => 2,
        Kind::NotFound => 3,
        Kind::Refused => 4,
        Kind::Unsupported => 5,
        Kind::Protocol => 6,
        Kind::Config => 7,
    };
    let failure = |(number, kind): (usize, Kind)| {
        let took_effect = if number % 2 == 0 { TookEffect::No } else { TookEffect::Possible };
        Failure { kind, took_effect, message: "it did not answer".into() }
    };
    all_of(&kinds, place).into_iter().enumerate().map(failure).collect()
}

fn outcomes() -> Vec<Outcome> {
    let mut outcomes = vec![
        Outcome::Done { detail: None },
        Outcome::Done { detail: Some("downtime 152 ms".into()) },
        Outcome::AlreadyDone,
        Outcome::Dropped("nothing was sent".into()),
    ];
    outcomes.extend(failures().into_iter().map(Outcome::Failed));
    let place = |outcome: &Outcome| match outcome {
        Outcome::Done { .. } => 0,
        Outcome::AlreadyDone => 1,
        Outcome::Failed(_) => 2,
        Outcome::Dropped(_) => 3,
    };
    all_of(&outcomes, place)
}

fn ends() -> Vec<RunEnd> {
    let ends = vec![
        RunEnd::NothingTouched,
        RunEnd::Returned,
        RunEnd::ReturnedIncomplete(vec!["web does not run".into()]),
        RunEnd::ObservedOnly,
    ];
    let place = |end: &RunEnd| match end {
        RunEnd::NothingTouched => 0,
        RunEnd::Returned => 1,
        RunEnd::ReturnedIncomplete(_) => 2,
        RunEnd::ObservedOnly => 3,
    };
    all_of(&ends, place)
}

/// Fails where a variant is in the match and not in the list.
fn all_of<T: Clone>(list: &[T], place: impl Fn(&T) -> usize) -> Vec<T> {
    let places: BTreeSet<usize> = list.iter().map(place).collect();
    assert!(places.iter().copied().eq(0..places.len()), "a variant is missing in its list: {places:?}");
    list.to_vec()
}

/// A plan with every operation and every gate, made for each cause in turn.
fn plans() -> Vec<Entry> {
    let (usual, report) = plan();
    let sample = usual.actions.values().next().expect("the sample has actions").clone();
    let all_gates: BTreeSet<Gate> = gates().into_iter().collect();
    let actions: Vec<Action> = (10..)
        .zip(ops())
        .map(|(id, op)| Action {
            id: ActionId(id),
            op,
            gates: all_gates.clone(),
            tier: None,
            rank: None,
            last_safe: None,
            ..sample.clone()
        })
        .collect();
    let plan = |(number, cause): (u64, PlanCause)| Plan {
        id: PlanId(number),
        parent: (number > 4).then(|| PlanId(number - 1)),
        cause,
        emergency: number % 2 == 0,
        actions: actions.iter().cloned().map(|action| (action.id, action)).collect(),
        ..usual.clone()
    };
    let commit = |plan| Entry::PlanCommitted { plan: Box::new(plan), report: Box::new(report.clone()) };
    (4..).zip(causes()).map(plan).map(commit).collect()
}

/// One record of every kind, then what else each kind can hold.
pub(crate) fn every_shape(epoch: u64) -> Vec<Record> {
    let mut records = every_kind(epoch);
    let last = records.pop().expect("the end of the run");
    let action = ActionId(10);
    let mut entries = plans();
    entries.extend(power_events().into_iter().map(|event| Entry::PowerChanged { event }));
    entries.extend((1..).zip(ops()).map(|(attempt, op)| Entry::Intended { action, attempt, op }));
    entries.extend((1..).zip(outcomes()).map(|(attempt, outcome)| Entry::Finished { action, attempt, outcome }));
    for severity in [Severity::Info, Severity::Warning, Severity::Alarm] {
        entries.push(Entry::Noticed { notice: Notice { severity, code: None, text: "Something.".into() } });
    }
    entries.extend(ends().into_iter().map(|end| Entry::RunEnded { end }));
    let first = last.seq;
    records.extend((first..).zip(entries).map(|(seq, entry)| record(1, seq, epoch, entry)));
    records
}
