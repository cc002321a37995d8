//! Records as sentences. The only place where a fact of the journal becomes words: the stdout of `serve`, the API's events and
//! the command line all show these.

use ridethrough_api::Event;
use ridethrough_decide::estimate::Estimator;
use ridethrough_model::entry::{Home, Outcome, RunEnd, UpsFacts};
use ridethrough_model::{
    ActionId, BatteryState, Entry, GuardId, Mono, Op, Plan, PlanCause, PlanReport, PowerEvent, Record, RunId, Severity, UpsId,
    VmId,
};
use std::collections::{BTreeMap, BTreeSet};

/// Names for people of what has an id: VMs, and automation of platforms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Of VMs.
    pub vms: BTreeMap<VmId, String>,
    /// Of automation.
    pub guards: BTreeMap<GuardId, String>,
}

impl Names {
    /// A VM's name, or its id where that is not known.
    pub(crate) fn vm(&self, vm: &VmId) -> String {
        self.vms.get(vm).map_or_else(|| vm.to_string(), Clone::clone)
    }
}

/// Knows what the records so far said, so that a later one can be told without its numbers.
#[derive(Clone, Debug, Default)]
pub struct Narrator {
    names: Names,
    ops: BTreeMap<(RunId, ActionId), Op>,
    whys: BTreeMap<(RunId, ActionId), String>,
    said: BTreeSet<(RunId, ActionId)>,
}

/// What would be done if the domain were armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Would {
    /// "would shut down VM web1 on kvm1".
    pub text: String,
    /// Why.
    pub why: String,
    /// From the plan's making until its earliest moment, in milliseconds.
    pub in_ms: u64,
}

impl Narrator {
    /// Knows these names beforehand.
    #[must_use]
    pub fn knowing(names: Names) -> Self {
        Self { names, ..Self::default() }
    }

    /// Learns more names.
    pub fn learn(&mut self, names: impl IntoIterator<Item = (VmId, String)>) {
        self.names.vms.extend(names);
    }

    /// Forgets the actions of runs that are over; names stay.
    pub fn forget_runs(&mut self) {
        self.ops.clear();
        self.whys.clear();
        self.said.clear();
    }

    /// The operation in words, with names rather than ids.
    #[must_use]
    pub fn op(&self, op: &Op) -> String {
        op_text(op, &self.names)
    }

    /// Tells one record. Records of a run must come in order.
    pub fn tell(&mut self, record: &Record) -> Event {
        self.take_in(record);
        let (severity, text) = self.sentence(record);
        let mut event = Event {
            run: record.run.0,
            seq: record.seq,
            incident: record.incident,
            at: moment(record.at.wall),
            kind: record.entry.kind().to_owned(),
            severity: severity_word(severity).to_owned(),
            text,
            action: None,
            attempt: None,
            vm: None,
            host: None,
            ups: None,
            domain: None,
        };
        self.subjects(record, &mut event);
        event
    }

    /// Why an action is in its plan.
    #[must_use]
    pub fn why(&self, run: RunId, action: ActionId) -> Option<&str> {
        self.whys.get(&(run, action)).map(String::as_str)
    }

    /// What a plan just told would do where it only observes, each step once per run.
    pub fn would(&mut self, record: &Record) -> Vec<Would> {
        let Entry::PlanCommitted { plan, .. } = &record.entry else { return Vec::new() };
        let mut would = Vec::new();
        for action in plan.actions.values().filter(|action| action.observe_only) {
            if self.said.insert((record.run, action.id)) {
                would.push(Would {
                    text: format!("would {}", self.op(&action.op)),
                    why: action.why.text.clone(),
                    in_ms: action.not_before.since(plan.made_at).0,
                });
            }
        }
        would
    }

    fn take_in(&mut self, record: &Record) {
        let name = |(vm, home): (&VmId, &Home)| (vm.clone(), home.name.clone());
        match &record.entry {
            Entry::IncidentOpened { homes, .. } => self.names.vms.extend(homes.iter().map(name)),
            Entry::GuardRecorded { guard, state } => {
                self.names.guards.insert(guard.clone(), state.name.clone());
            }
            Entry::HomeAdded { vm, home } => self.names.vms.extend([name((vm, home))]),
            Entry::PlanCommitted { plan, report } => {
                self.names.vms.extend(report.fates.iter().map(|(vm, fate)| (vm.clone(), fate.name.clone())));
                for action in plan.actions.values() {
                    self.ops.insert((record.run, action.id), action.op.clone());
                    self.whys.insert((record.run, action.id), action.why.text.clone());
                }
            }
            Entry::Intended { action, op, .. } => {
                self.ops.insert((record.run, *action), op.clone());
            }
            _ => {}
        }
    }

    fn action(&self, run: RunId, action: ActionId) -> String {
        self.ops.get(&(run, action)).map_or_else(|| format!("action {action}"), |op| self.op(op))
    }

    fn sentence(&self, record: &Record) -> (Severity, String) {
        use Severity::{Alarm, Info, Warning};
        match &record.entry {
            Entry::Armed { domain, by } => (Info, format!("domain {domain} armed by {by}: it acts from now on")),
            Entry::Disarmed { domain, by } => (Warning, format!("domain {domain} disarmed by {by}: it only observes")),
            Entry::Configured { digest, parts, by } => (Info, configured(digest, parts, by)),
            Entry::BatteryLearned { ups, state, why } => (Info, battery_text(ups, state, why)),
            Entry::MaintenanceBegun { ups, duration, by } => {
                (Warning, format!("maintenance of UPS {ups} for {duration}, by {by}: nothing is done when it goes on battery"))
            }
            Entry::MaintenanceEnded { ups, reason } => (Info, format!("maintenance of UPS {ups} ended: {reason}")),
            Entry::HoldBegun { .. } | Entry::HoldEnded { .. } | Entry::RunAborted { .. } | Entry::AbortEnded { .. } => {
                restraint(&record.entry)
            }
            Entry::TimerIntended { .. } | Entry::TimerSet { .. } | Entry::TimerFired { .. } | Entry::TimerEnded { .. } => {
                last_resort(&record.entry)
            }
            Entry::GuardRecorded { state, .. } => (Info, format!("{} is {} and is put back to that", state.name, state.value)),
            Entry::GuardReleased { guard, reason } => {
                (Info, format!("{} is not put back by us: {reason}", guard_name(guard, &self.names)))
            }
            Entry::PowerChanged { event } => (power_severity(event), event.to_string()),
            Entry::UpsNoted { ups, facts } => (Info, ups_noted(ups, facts)),
            Entry::IncidentOpened { homes, .. } => (
                Info,
                format!("incident {} opened; {} running now are to run again afterwards", record.incident, vms(homes.len())),
            ),
            Entry::HomeAdded { home, .. } => {
                (Info, format!("VM {} on {} was seen late and is looked after too", home.name, home.host))
            }
            Entry::PlanCommitted { plan, report } => (if report.fits { Info } else { Alarm }, plan_text(plan, report)),
            Entry::Intended { action, attempt, op } => (Info, format!("{}{}", self.op(op), attempt_text(*attempt, *action))),
            Entry::Accepted { action, .. } => (Info, format!("{}: accepted", self.action(record.run, *action))),
            Entry::Finished { action, outcome, .. } => self.finished(record.run, *action, outcome),
            Entry::Overran { action, budget } => {
                (Warning, format!("{}: not done within {budget}", self.action(record.run, *action)))
            }
            Entry::Latched { host, reason } => (Warning, format!("host {host} is past the point of no return: {reason}")),
            Entry::HostProvenOff { host, proof, vms: lost } => {
                let (severity, tail) = match lost.len() {
                    0 => (Info, String::new()),
                    count => (Warning, format!("; {} still taken for running went down with it", vms(count))),
                };
                (severity, format!("host {host} is proven off by {proof}{tail}"))
            }
            Entry::VmsFell { host, vms: fallen, reason } => {
                (Warning, format!("{} on {host} fell and are brought back: {reason}", vms(fallen.len())))
            }
            Entry::VmReady { vm, after, how } => (Info, format!("VM {} is ready after {after} ({how})", self.name(vm))),
            Entry::VmNotReady { vm, within, reason } => {
                (Warning, format!("VM {} is not ready within {within}: {reason}", self.name(vm)))
            }
            Entry::VmLeftOff { vm, reason } => (Info, format!("VM {} stays off: {reason}", self.name(vm))),
            Entry::JournalDegraded { reason } => (Alarm, format!("the journal does not keep up; going on in memory: {reason}")),
            Entry::Noticed { notice } => (notice.severity, notice.text.clone()),
            Entry::Recovered { ambiguous } => {
                let unclear = match ambiguous.len() {
                    0 => "nothing was unclear".to_owned(),
                    1 => "one request whose fate is not known is looked at first".to_owned(),
                    count => format!("{count} requests whose fate is not known are looked at first"),
                };
                (Warning, format!("the controller started again and takes this run up; {unclear}"))
            }
            Entry::DrillHeld { report } => {
                let how = if report.is_good() { "went well" } else { "has failed" };
                (Severity::Info, format!("drill {} ({}) by {} {how}", report.number, report.level, report.by))
            }
            Entry::RunEnded { end } => run_end(end),
        }
    }

    fn name(&self, vm: &VmId) -> String {
        self.names.vm(vm)
    }

    fn finished(&self, run: RunId, action: ActionId, outcome: &Outcome) -> (Severity, String) {
        let what = self.action(run, action);
        match outcome {
            Outcome::Done { detail: None } => (Severity::Info, format!("{what}: done")),
            Outcome::Done { detail: Some(detail) } => (Severity::Info, format!("{what}: done ({detail})")),
            Outcome::AlreadyDone => (Severity::Info, format!("{what}: was so already")),
            Outcome::Failed(failure) => (Severity::Warning, format!("{what}: failed, {failure}")),
            Outcome::Dropped(reason) => (Severity::Info, format!("{what}: dropped, {reason}")),
        }
    }

    fn subjects(&self, record: &Record, event: &mut Event) {
        match &record.entry {
            Entry::Armed { domain, .. } | Entry::Disarmed { domain, .. } => event.domain = Some(domain.to_string()),
            Entry::MaintenanceBegun { ups, .. } | Entry::MaintenanceEnded { ups, .. } => event.ups = Some(ups.to_string()),
            Entry::UpsNoted { ups, .. } => event.ups = Some(ups.to_string()),
            Entry::PowerChanged { event: power } => power_subject(power, event),
            Entry::HomeAdded { vm, home } => {
                event.vm = Some(vm.to_string());
                event.host = Some(home.host.to_string());
            }
            Entry::VmLeftOff { vm, .. } | Entry::VmReady { vm, .. } | Entry::VmNotReady { vm, .. } => {
                event.vm = Some(vm.to_string())
            }
            Entry::Latched { host, .. } | Entry::HostProvenOff { host, .. } | Entry::VmsFell { host, .. } => {
                event.host = Some(host.to_string())
            }
            Entry::Intended { action, attempt, .. }
            | Entry::Accepted { action, attempt, .. }
            | Entry::Finished { action, attempt, .. } => {
                event.action = Some(action.0);
                event.attempt = Some(*attempt);
            }
            Entry::Overran { action, .. } => event.action = Some(action.0),
            _ => {}
        }
        if let Some(op) = event.action.and_then(|action| self.ops.get(&(record.run, ActionId(action)))) {
            event.vm = op.vm().map(ToString::to_string);
            event.host = op.host().map(ToString::to_string);
        }
    }
}

/// An operation in words, with names rather than ids where they are known.
#[must_use]
pub fn op_text(op: &Op, names: &Names) -> String {
    let name = |vm: &VmId| names.vm(vm);
    match op {
        Op::ShutDownVm { vm, host } => format!("shut down VM {} on {host}", name(vm)),
        Op::PowerOffVm { vm, host } => format!("power off VM {} on {host}", name(vm)),
        Op::StartVm { vm, host } => format!("start VM {} on {host}", name(vm)),
        Op::MoveVm { vm, from, to } => format!("move VM {} from {from} to {to}", name(vm)),
        Op::AbortMove { vm, from, to } => format!("stop the move of VM {} from {from} to {to}", name(vm)),
        Op::FinishMove { vm, from, to } => format!("finish the move of VM {} from {from} to {to} by post-copy", name(vm)),
        Op::SuspendVm { vm, host } => format!("save VM {} to disk on {host}", name(vm)),
        Op::AbortSuspend { vm, host } => format!("stop the saving of VM {} on {host}", name(vm)),
        Op::SetAutostart { vm, host, enabled } => {
            format!("{} autostart of VM {} on {host}", if *enabled { "put back" } else { "pause" }, name(vm))
        }
        Op::ShutDownHost { host } => format!("shut down host {host}"),
        Op::DisarmGuard { guard, value, disarmed } => format!("disarm {} ({value} -> {disarmed})", guard_name(guard, names)),
        Op::RestoreGuard { guard, value, disarmed } => format!("put back {} ({disarmed} -> {value})", guard_name(guard, names)),
        Op::WakeHost { .. } | Op::StopLoad { .. } | Op::StartLoad { .. } | Op::CallHook { .. } => op.to_string(),
    }
}

fn guard_name<'a>(guard: &'a GuardId, names: &'a Names) -> &'a str {
    names.guards.get(guard).map_or(guard.as_str(), String::as_str)
}

/// Why a plan was made, in words.
#[must_use]
pub fn cause_text(cause: &PlanCause) -> String {
    match cause {
        PlanCause::Standing => "kept ready".to_owned(),
        PlanCause::Outage => "outage".to_owned(),
        PlanCause::FactsChanged(what) => format!("facts changed: {what}"),
        PlanCause::MainsBack => "mains is back: nothing more is started".to_owned(),
        PlanCause::Return => "mains is stable: load comes back".to_owned(),
    }
}

/// A moment as RFC 3339, with milliseconds.
#[must_use]
pub fn moment(at: jiff::Timestamp) -> String {
    format!("{at:.3}")
}

/// The word of the API for how urgent something is.
#[must_use]
pub fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Alarm => "alarm",
    }
}

/// How a run ended: the word of the API, and what did not come back.
#[must_use]
pub fn end_word(end: &RunEnd) -> (&'static str, Vec<String>) {
    match end {
        RunEnd::NothingTouched => ("nothing-touched", Vec::new()),
        RunEnd::Returned => ("returned", Vec::new()),
        RunEnd::ReturnedIncomplete(missing) => ("returned-incomplete", missing.clone()),
        RunEnd::ObservedOnly => ("observed-only", Vec::new()),
    }
}

/// What a UPS said at a turn of an incident.
fn ups_noted(ups: &UpsId, facts: &UpsFacts) -> String {
    let told = |text: Option<String>| text.unwrap_or_else(|| "not told".to_owned());
    let (charge, runtime) = (told(facts.charge.map(|c| c.to_string())), told(facts.runtime.map(|r| r.to_string())));
    let given = facts.energy_mwh.map_or_else(String::new, |mwh| format!(", gave {} Wh", mwh / 1000));
    format!("UPS {ups}: charge {charge}, runtime {runtime}{given}")
}

/// What a person held back, or let go.
fn restraint(entry: &Entry) -> (Severity, String) {
    match entry {
        Entry::HoldBegun { duration, even_if_lost: false, by } => (
            Severity::Warning,
            format!("held by {by} for {duration}, at most to the last safe moment: nothing more is started until then"),
        ),
        Entry::HoldBegun { duration, even_if_lost: true, by } => (
            Severity::Alarm,
            format!("held by {by} for {duration} EVEN IF VMs ARE LOST: nothing but a forced shutdown is carried out until then"),
        ),
        Entry::HoldEnded { reason } => (Severity::Warning, format!("the hold has ended: {reason}")),
        Entry::RunAborted { until_return, by } => {
            let until = if *until_return { "a person says `return`" } else { "mains is stable" };
            (Severity::Alarm, format!("run aborted by {by}: nothing more is started until {until}"))
        }
        Entry::AbortEnded { reason } => (Severity::Warning, format!("the abort has ended: {reason}; the run goes on")),
        _ => (Severity::Info, entry.kind().to_owned()),
    }
}

/// What was learned of a battery, with the share of its table that it gives.
fn battery_text(ups: &UpsId, state: &BatteryState, why: &str) -> String {
    let health = Estimator { state: state.clone() }.median(None);
    format!("battery of UPS {ups}: {why}; it gives about {health} of its runtime table")
}

/// The dead-man timer of a host.
fn last_resort(entry: &Entry) -> (Severity, String) {
    match entry {
        Entry::TimerIntended { host, fires_in } => {
            (Severity::Info, format!("last resort of {host} is to stop it in {fires_in} if nobody else does"))
        }
        Entry::TimerSet { host, fires_in } => {
            (Severity::Info, format!("last resort of {host} set: it stops the host in {fires_in} if nobody else does"))
        }
        Entry::TimerFired { host } => {
            (Severity::Alarm, format!("last resort of {host} has fired: it stops its guests, then itself"))
        }
        Entry::TimerEnded { host, reason } => (Severity::Info, format!("last resort of {host} is not set any more: {reason}")),
        _ => (Severity::Info, entry.kind().to_owned()),
    }
}

fn run_end(end: &RunEnd) -> (Severity, String) {
    match end {
        RunEnd::NothingTouched => (Severity::Info, "run over: mains came back before anything was touched".to_owned()),
        RunEnd::Returned => (Severity::Info, "run over: everything that ran before runs again".to_owned()),
        RunEnd::ReturnedIncomplete(missing) => {
            (Severity::Alarm, format!("run over, but not everything came back: {}", missing.join("; ")))
        }
        RunEnd::ObservedOnly => (Severity::Info, "run over: only observed, nothing was done".to_owned()),
    }
}

fn plan_text(plan: &Plan, report: &PlanReport) -> String {
    let steps = match plan.actions.len() {
        0 => "nothing to do".to_owned(),
        1 => "1 step".to_owned(),
        count => format!("{count} steps"),
    };
    let fits = match (plan.emergency, report.fits) {
        (true, _) => "; EMERGENCY: everything stops at once",
        (false, true) => "",
        (false, false) => "; NOT everything fits the battery",
    };
    let end = plan
        .deadlines
        .iter()
        .min_by_key(|(_, end)| **end)
        .map_or_else(String::new, |(ups, end)| format!("; UPS {ups} counts as empty in {}", end.since(plan.made_at)));
    format!("plan {} ({}): {steps}{end}{fits}", plan.id, cause_text(&plan.cause))
}

fn attempt_text(attempt: u32, action: ActionId) -> String {
    if attempt > 1 { format!(" (attempt {attempt} of action {action})") } else { String::new() }
}

fn vms(count: usize) -> String {
    if count == 1 { "1 VM".to_owned() } else { format!("{count} VMs") }
}

fn power_severity(event: &PowerEvent) -> Severity {
    match event {
        PowerEvent::MainsLost { .. } | PowerEvent::ActingStarted { .. } => Severity::Warning,
        PowerEvent::BatteryLow { .. }
        | PowerEvent::ForcedShutdown { .. }
        | PowerEvent::Silent { .. }
        | PowerEvent::Overloaded { .. } => Severity::Alarm,
        _ => Severity::Info,
    }
}

fn power_subject(power: &PowerEvent, event: &mut Event) {
    match power {
        PowerEvent::MainsLost { ups, .. }
        | PowerEvent::MainsBack { ups }
        | PowerEvent::BatteryLow { ups }
        | PowerEvent::ForcedShutdown { ups }
        | PowerEvent::Silent { ups, .. }
        | PowerEvent::Overloaded { ups, .. }
        | PowerEvent::Heard { ups } => event.ups = Some(ups.to_string()),
        PowerEvent::ActingStarted { domain, .. } | PowerEvent::MainsStable { domain } => {
            event.domain = Some(domain.to_string());
        }
    }
}

/// How far away a moment is from another, in whole seconds, zero if it has passed.
#[must_use]
pub fn seconds_until(moment: Mono, now: Mono) -> u64 {
    moment.since(now).as_secs()
}

fn configured(digest: &str, parts: &[String], by: &str) -> String {
    let short = digest.get(..12).unwrap_or(digest);
    let parts = if parts.is_empty() { String::new() } else { format!("; new, gone or changed: {}", parts.join(", ")) };
    format!("configuration {short} is in force, by {by}{parts}")
}

#[cfg(test)]
mod tests;
