//! From the site's view to the API's DTOs. Only renames, rounds and puts into words; decides nothing.

use crate::alert::Delivery;
use crate::narrate::{Names, cause_text, moment, op_text, seconds_until};
use crate::plan_order::in_order;
use crate::server::{Configuration, Present};
use ridethrough_api as api;
use ridethrough_decide::{
    ActionPhase, ActionView, BatteryView, DomainPhase, DomainView, GuardView, HoldView, HostVerdict, HostView, LoadView, RunView,
    SourceKind, UpsView, VmView,
};
use ridethrough_model::plan::Gate;
use ridethrough_model::{
    Action, ActionId, DomainMode, Finding, FindingLevel, Millis, Milliwatts, Mono, Op, Plan, PlanReport, Ppm, VmPower,
};
use std::collections::BTreeMap;

/// The whole site.
pub(crate) fn status(now: &Present, deliveries: &BTreeMap<String, Delivery>) -> api::Status {
    let undelivered: Vec<Finding> = deliveries.iter().filter_map(undelivered).collect();
    let view = &now.view;
    api::Status {
        version: now.facts.version.clone(),
        at: moment(now.now.wall),
        up_s: now.now.mono.since(now.facts.started).as_secs(),
        is_at_risk: now.is_at_risk,
        is_journal_degraded: view.journal_degraded,
        upses: view.upses.iter().map(ups).collect(),
        domains: view.domains.iter().map(domain).collect(),
        hosts: view.hosts.iter().map(host).collect(),
        loads: view.loads.iter().map(load).collect(),
        vms: view.vms.iter().map(vm).collect(),
        run: view.run.as_ref().map(run),
        hold: view.hold.as_ref().map(hold),
        guards: view.guards.iter().map(guard).collect(),
        alerts: deliveries.iter().map(alert).collect(),
        configuration: configuration(&now.facts.configuration),
        findings: refused(&now.facts.configuration).iter().chain(&view.findings).chain(&undelivered).map(finding).collect(),
    }
}

fn guard(guard: &GuardView) -> api::Guard {
    api::Guard {
        id: guard.id.to_string(),
        name: guard.name.clone(),
        does: guard.kind.words().to_owned(),
        hosts: guard.hosts.iter().map(ToString::to_string).collect(),
        value: guard.value.clone(),
        is_armed: guard.is_armed,
        put_back_to: guard.put_back_to.clone(),
    }
}

fn alert((name, delivery): (&String, &Delivery)) -> api::Alert {
    let Delivery { waiting, delivered_at, error } = delivery.clone();
    api::Alert { name: name.clone(), waiting, delivered_at: delivered_at.map(moment), error }
}

/// That nobody is told this way now.
fn undelivered((name, delivery): (&String, &Delivery)) -> Option<Finding> {
    let error = delivery.error.as_ref()?;
    let waiting = match delivery.waiting {
        1 => "1 message waits".to_owned(),
        count => format!("{count} messages wait"),
    };
    let message = format!("Not delivered, {error}; {waiting}. It is tried again.");
    let remedy = format!("`ridethrough alert test {name}` tries it at once; docs/errors/RT0171.md helps to read the reason.");
    Some(Finding::warning("RT0171", format!("alert {name}"), message, remedy))
}

fn configuration(configuration: &Configuration) -> Option<api::Configuration> {
    let refused = configuration.refused.as_ref().map(|(at, unfit)| api::RefusedConfiguration {
        at: moment(*at),
        code: unfit.code.clone(),
        message: unfit.message.clone(),
        findings: unfit.findings.iter().map(finding).collect(),
    });
    let (since, digest) = (moment(configuration.since), configuration.digest.clone());
    (!digest.is_empty()).then_some(api::Configuration { since, digest, refused })
}

fn clock_time(at: jiff::Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%d %H:%M:%S UTC")
}

/// That the file says something else than what is in force.
fn refused(configuration: &Configuration) -> Option<Finding> {
    let (at, unfit) = configuration.refused.as_ref()?;
    let message = format!(
        "Running with the configuration of {}; the newer file was refused at {}: {}",
        clock_time(configuration.since),
        clock_time(*at),
        unfit.reasons(),
    );
    Some(Finding::warning(&unfit.code, "configuration", message, "Mend it, then `ridethrough reload`."))
}

fn secs(time: Option<Millis>) -> Option<u64> {
    time.map(Millis::as_secs)
}

/// One decimal is more than any UPS knows.
fn percent(share: Ppm) -> f64 {
    f64::from((share.0 + 500) / 1000) / 10.0
}

fn ups(ups: &UpsView) -> api::Ups {
    api::Ups {
        name: ups.id.to_string(),
        state: source_word(ups.state).to_owned(),
        state_words: ups.state.words().to_owned(),
        status: ups.status.clone(),
        battery_charge_percent: ups.charge.map(percent),
        runtime_s: secs(ups.runtime),
        load_percent: ups.load.map(percent),
        realpower_w: ups.realpower.map(|Milliwatts(mw)| (mw + 500) / 1000),
        age_s: secs(ups.age),
        empty_in_s: secs(ups.empty_in),
        ended_by: ups.ended_by.map(|by| by.words().to_owned()),
        masters: ups.masters.clone(),
        battery: ups.battery.as_ref().map(battery),
        silent_because: ups.silent_because.clone(),
        maintenance_left_s: secs(ups.maintenance_left),
    }
}

fn battery(battery: &BatteryView) -> api::Battery {
    let (bound_held, forecasts) = battery.bound_held;
    api::Battery {
        health_percent: percent(battery.health),
        health_lower_percent: percent(battery.health_lower),
        lasts_s: battery.lasts.map(|lasts| lasts.median.as_secs()),
        lasts_lower_s: battery.lasts.map(|lasts| lasts.lower.as_secs()),
        forecast_error_percent: battery.forecast_error.map(percent),
        bound_held,
        forecasts,
        ends_seen: battery.ends_seen,
        tripped: battery.tripped.clone(),
    }
}

fn source_word(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Unknown => "unknown",
        SourceKind::Online => "online",
        SourceKind::OnBattery => "on-battery",
        SourceKind::LowBattery => "low-battery",
        SourceKind::Forced => "forced",
        SourceKind::Bypass => "bypass",
        SourceKind::Off => "off",
        SourceKind::SilentOnMains => "silent-on-mains",
        SourceKind::SilentOnBattery => "silent-on-battery",
    }
}

fn domain(domain: &DomainView) -> api::Domain {
    let phase = match domain.phase {
        DomainPhase::Online => "online",
        DomainPhase::OnBattery => "on-battery",
        DomainPhase::Acting => "acting",
        DomainPhase::Returning => "returning",
    };
    api::Domain {
        name: domain.id.to_string(),
        mode: match domain.mode {
            DomainMode::Observe => "observe",
            DomainMode::Armed => "armed",
        }
        .to_owned(),
        phase: phase.to_owned(),
        phase_words: match (domain.phase, domain.mode) {
            (DomainPhase::Acting, DomainMode::Observe) => "would act; observes only".to_owned(),
            _ => domain.phase.words().to_owned(),
        },
        on_battery_for_s: secs(domain.on_battery_for),
        ride_through_left_s: secs(domain.ride_through_left),
        must_act_in_s: secs(domain.must_act_in),
        does_standing_plan_fit: domain.standing.as_ref().map(|(_, report, _)| report.fits),
    }
}

fn host(host: &HostView) -> api::Host {
    api::Host {
        name: host.id.to_string(),
        state: verdict_word(host.verdict).to_owned(),
        is_connected: host.connected,
        power_ends_in_s: secs(host.power_ends_in),
        power: host.power.clone(),
        last_resort: host.timer.as_ref().map(|timer| api::LastResort {
            state: if timer.has_fired {
                "fired"
            } else if timer.is_confirmed {
                "set"
            } else if timer.may_be_set {
                "maybe-set"
            } else {
                "not-set"
            }
            .to_owned(),
            fires_in_s: secs(timer.fires_in),
            failure: timer.failure.clone(),
        }),
    }
}

fn load(load: &LoadView) -> api::Load {
    api::Load {
        name: load.id.to_string(),
        state: verdict_word(load.verdict).to_owned(),
        power_ends_in_s: secs(load.power_ends_in),
        power: load.power.clone(),
    }
}

fn verdict_word(verdict: HostVerdict) -> &'static str {
    match verdict {
        HostVerdict::On => "on",
        HostVerdict::Off => "off",
        HostVerdict::Unknown => "unknown",
    }
}

fn vm(vm: &VmView) -> api::Vm {
    let state = match vm.power {
        VmPower::Running => "running",
        VmPower::Paused => "paused",
        VmPower::Off => "off",
        VmPower::Suspended => "suspended",
        VmPower::Crashed => "crashed",
        VmPower::Unknown => "unknown",
    };
    api::Vm {
        id: vm.id.to_string(),
        name: vm.name.clone(),
        host: vm.host.to_string(),
        state: state.to_owned(),
        tier: vm.tier.to_string(),
        fate: vm.fate.clone(),
        reason: vm.reason.clone(),
        last_safe_in_s: secs(vm.last_safe_in),
    }
}

/// A finding.
pub(crate) fn finding(finding: &Finding) -> api::Finding {
    let level = match finding.level {
        FindingLevel::Info => "info",
        FindingLevel::Warning => "warning",
        FindingLevel::Error => "error",
    };
    api::Finding {
        level: level.to_owned(),
        code: finding.code.clone(),
        subject: finding.subject.clone(),
        message: finding.message.clone(),
        remedy: finding.remedy.clone(),
    }
}

/// A run, live or past.
pub(crate) fn run(run: &RunView) -> api::Run {
    api::Run {
        id: run.id.0,
        incident: run.incident,
        state: run.state.clone(),
        actions: run.actions.iter().map(action).collect(),
        aborted: run.aborted.as_ref().map(|abort| api::Abort { is_until_return: abort.until_return, by: abort.by.clone() }),
        stopped: run.stopped.clone(),
        moved: run.moved.clone(),
        hosts_down: run.hosts_down.iter().map(ToString::to_string).collect(),
    }
}

fn hold(hold: &HoldView) -> api::Hold {
    api::Hold {
        ends_in_s: hold.ends_in.as_secs(),
        last_safe_in_s: secs(hold.last_safe_in),
        last_safe_host: hold.last_safe_host.as_ref().map(ToString::to_string),
        even_if_lost: hold.even_if_lost,
        by: hold.by.clone(),
    }
}

fn action(action: &ActionView) -> api::Action {
    let phase = match &action.phase {
        ActionPhase::Planned => "planned",
        ActionPhase::Intended => "intended",
        ActionPhase::Accepted(_) => "accepted",
        ActionPhase::Failed(_) => "failed",
        ActionPhase::Done => "done",
        ActionPhase::Dropped(_) => "dropped",
    };
    api::Action {
        id: action.id,
        text: action.text.clone(),
        phase: phase.to_owned(),
        why: action.why.clone(),
        detail: action.detail.clone(),
        is_observe_only: action.observe_only,
        done_percent: action.done_ppm.map(|ppm| u8::try_from(ppm / 10_000).unwrap_or(100).min(100)),
    }
}

/// A plan as seen from `from`: the present for one in force, the moment of its making for one that waits.
pub(crate) fn plan(
    scope: api::PlanScope,
    plan: &Plan,
    report: &PlanReport,
    lint: &[Finding],
    names: &Names,
    from: Mono,
) -> api::Plan {
    let mut findings: Vec<Finding> = lint.iter().chain(&report.findings).cloned().collect();
    findings.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.cmp(b)));
    findings.dedup();
    let mut fates: Vec<api::Fate> = report
        .fates
        .iter()
        .map(|(vm, fate)| api::Fate {
            vm: vm.to_string(),
            name: fate.name.clone(),
            tier: fate.tier.to_string(),
            fate: fate.fate.clone(),
            reason: fate.reason.clone(),
            last_safe_in_s: fate.last_safe.map(|at| seconds_until(at, from)),
        })
        .collect();
    fates.sort_by(|a, b| a.name.cmp(&b.name));
    api::Plan {
        scope,
        id: plan.id.0,
        parent: plan.parent.map(|parent| parent.0),
        cause: cause_text(&plan.cause),
        domains: plan.domains.iter().map(ToString::to_string).collect(),
        is_emergency: plan.emergency,
        does_fit: report.fits,
        upses: plan
            .deadlines
            .iter()
            .map(|(ups, at)| api::UpsEnd { ups: ups.to_string(), empty_in_s: seconds_until(*at, from) })
            .collect(),
        hosts: report
            .host_deadlines
            .iter()
            .map(|(host, at)| api::HostEnd { host: host.to_string(), last_safe_in_s: seconds_until(*at, from) })
            .collect(),
        fates,
        actions: in_order(plan).into_iter().map(|action| planned(action, plan, names, from)).collect(),
        waiting: report.waiting.clone(),
        findings: findings.iter().map(finding).collect(),
    }
}

fn planned(action: &Action, plan: &Plan, names: &Names, from: Mono) -> api::PlannedAction {
    let gates = action.gates_hard.iter().chain(&action.gates);
    api::PlannedAction {
        id: action.id.0,
        text: op_text(&action.op, names),
        op: op_word(&action.op).to_owned(),
        vm: action.op.vm().map(ToString::to_string),
        host: action.op.host().map(ToString::to_string),
        load: action.op.load().map(ToString::to_string),
        to: match &action.op {
            Op::MoveVm { to, .. } | Op::AbortMove { to, .. } | Op::FinishMove { to, .. } => Some(to.to_string()),
            _ => None,
        },
        tier: action.tier.as_ref().map(ToString::to_string),
        not_before_in_s: seconds_until(action.not_before, from),
        last_safe_in_s: action.last_safe.map(|at| seconds_until(at, from)),
        budget_s: action.budget.as_secs(),
        after: gates.map(|gate| gate_text(gate, plan, names)).collect(),
        is_observe_only: action.observe_only,
        rule: action.why.rule.clone(),
        why: action.why.text.clone(),
        on_mains_back: action.op.undoing().map(|row| row.on_mains_back.to_owned()).unwrap_or_default(),
    }
}

fn gate_text(gate: &Gate, plan: &Plan, names: &Names) -> String {
    let named = |id: &ActionId| plan.actions.get(id).map_or_else(|| format!("action {id}"), |action| op_text(&action.op, names));
    match gate {
        Gate::Settled(id) => format!("{} is over", named(id)),
        Gate::LowerTiers { ups, .. } => format!("less important tiers on UPS {ups} are stopped"),
        Gate::HigherTiers { .. } => "more important tiers are started".to_owned(),
        Gate::Done(id) => format!("{} is done", named(id)),
        Gate::HostEmpty(host) => format!("no VM runs on {host}"),
        Gate::HostReady(host) => format!("host {host} is up"),
        Gate::HostOff(host) => format!("host {host} is proven off"),
        Gate::LoadReady(load) => format!("load {load} is on"),
        Gate::StopDue { .. } => "the first stop of its tier is due".to_owned(),
        Gate::StartDue { .. } => "the first start of its tier is due".to_owned(),
        Gate::TierStopped { .. } => "no VM of its tier is being stopped any more".to_owned(),
        Gate::VmReady(vm) => format!("VM {} is ready", names.vm(vm)),
    }
}

fn op_word(op: &Op) -> &'static str {
    match op {
        Op::ShutDownVm { .. } => "shut-down-vm",
        Op::PowerOffVm { .. } => "power-off-vm",
        Op::StartVm { .. } => "start-vm",
        Op::MoveVm { .. } => "move-vm",
        Op::AbortMove { .. } => "abort-move",
        Op::FinishMove { .. } => "finish-move",
        Op::SuspendVm { .. } => "suspend-vm",
        Op::AbortSuspend { .. } => "abort-suspend",
        Op::SetAutostart { .. } => "set-autostart",
        Op::ShutDownHost { .. } => "shut-down-host",
        Op::WakeHost { .. } => "wake-host",
        Op::StopLoad { .. } => "stop-load",
        Op::StartLoad { .. } => "start-load",
        Op::CallHook { .. } => "call-hook",
        Op::DisarmGuard { .. } => "disarm-guard",
        Op::RestoreGuard { .. } => "restore-guard",
    }
}
