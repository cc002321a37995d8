//! What a story shows: events, the plan, how things stand, and the journal, in words for an operator.

use crate::reality::{Doing, HostState, LossKind};
use crate::world::{Moment, World};
use ridethrough_decide::{CommandReply, Effect};
use ridethrough_model::entry::{Outcome, RunEnd};
use ridethrough_model::{Entry, Finding, Millis, Mono, Op, Plan, Record, Severity};

/// The journal, the plan and the status tell moments by the clock of the story, which begins when the site first stands.
fn clock(at: Millis) -> String {
    let seconds = at.as_secs();
    format!("{:>3}:{:02}", seconds / 60, seconds % 60)
}

fn line(at: Millis, text: &str) -> String {
    format!("{}  {text}\n", clock(at))
}

/// What of an event an operator would hear of.
pub(super) fn moment(world: &World, moment: &Moment) -> String {
    let mut text = String::new();
    if moment.is_recovery {
        text.push_str(&line(moment.at, "a new controller takes over"));
    }
    for effect in &moment.effects {
        match effect {
            Effect::Start { op, attempt, .. } => {
                let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                text.push_str(&line(moment.at, &format!("-> {}{again}", op_text(world, op))));
            }
            Effect::Append(record) => {
                if let Some(told) = told(world, record) {
                    text.push_str(&line(moment.at, &told));
                }
            }
            Effect::Notify(notice) => {
                let mark = if notice.severity == Severity::Alarm { "ALARM " } else { "" };
                let code = notice.code.as_deref().map(|code| format!(" [{code}]")).unwrap_or_default();
                text.push_str(&line(moment.at, &format!("{mark}{}{code}", notice.text)));
            }
            Effect::Answer(CommandReply::Refused(findings)) => text.push_str(&answer("refused", findings)),
            Effect::Answer(CommandReply::Done(findings)) => text.push_str(&answer("done, but", findings)),
            _ => {}
        }
    }
    text
}

fn answer(how: &str, findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("        {how}: {}: {}\n", finding.subject, finding.message)).collect()
}

/// VMs that were lost since.
pub(super) fn losses(world: &World, from: usize) -> String {
    let losses = world.reality.losses.iter().skip(from);
    let text = |(at, vm, kind): &(Millis, ridethrough_model::VmId, LossKind)| {
        let how = match kind {
            LossKind::PowerEnded => "its host's power ended while it ran",
            LossKind::PoweredOff => "it was powered off",
            LossKind::HostWentDown => "its host went down while it ran",
        };
        line(*at, &format!("LOST {}: {how}", world.reality.vms.get(vm).map_or(vm.as_str(), |vm| &vm.known.name)))
    };
    losses.map(text).collect()
}

/// What of the journal is told as it happens. Steps are told when they are sent.
fn told(world: &World, record: &Record) -> Option<String> {
    Some(match &record.entry {
        Entry::PowerChanged { event } => event.to_string(),
        Entry::Finished { outcome: Outcome::Failed(failure), action, .. } => {
            format!("   failed: {}: {}", action_text(world, record, *action), failure.message)
        }
        Entry::Overran { action, budget } => {
            format!("   {} has used its {budget}", action_text(world, record, *action))
        }
        Entry::HostProvenOff { host, .. } => format!("   {host} is proven off"),
        Entry::HoldEnded { reason } => format!("the hold ends: {reason}"),
        Entry::RunEnded { end } => format!("the run ends: {}", end_text(end)),
        _ => return None,
    })
}

fn end_text(end: &RunEnd) -> String {
    match end {
        RunEnd::NothingTouched => "mains came back before anything was touched".to_owned(),
        RunEnd::ObservedOnly => "nothing was done, only said".to_owned(),
        RunEnd::Returned => "everything that ran before runs again".to_owned(),
        RunEnd::ReturnedIncomplete(missing) => format!("not everything came back: {}", missing.join("; ")),
    }
}

/// What a record says, for the whole journal.
pub(super) fn record(world: &World, record: &Record) -> String {
    let entry = &record.entry;
    let text = match entry {
        Entry::Intended { action, attempt, op } => format!("{action}.{attempt} {}", op_text(world, op)),
        Entry::Accepted { action, attempt, .. } => format!("{action}.{attempt}"),
        Entry::Finished { action, attempt, outcome } => {
            let outcome = match outcome {
                Outcome::Done { detail } => detail.clone().unwrap_or_else(|| "done".to_owned()),
                Outcome::AlreadyDone => "done".to_owned(),
                Outcome::Failed(failure) => format!("failed: {}", failure.message),
                Outcome::Dropped(reason) => format!("dropped: {reason}"),
            };
            format!("{action}.{attempt} {outcome}")
        }
        Entry::PlanCommitted { plan, .. } => format!("plan {} with {} steps", plan.id, plan.actions.len()),
        Entry::IncidentOpened { homes, .. } => format!("{} VMs run", homes.len()),
        Entry::PowerChanged { event } => event.to_string(),
        Entry::Noticed { notice } => notice.text.clone(),
        Entry::HostProvenOff { host, proof, .. } => format!("{host} by {proof}"),
        Entry::RunEnded { end } => end_text(end),
        Entry::Armed { domain, by } | Entry::Disarmed { domain, by } => format!("{domain} by {by}"),
        Entry::TimerIntended { host, fires_in } | Entry::TimerSet { host, fires_in } => format!("{host} in {fires_in}"),
        Entry::TimerEnded { host, .. } | Entry::TimerFired { host } => host.to_string(),
        Entry::HoldEnded { reason } | Entry::JournalDegraded { reason } => reason.clone(),
        _ => String::new(),
    };
    format!("{} {:>3}:{:<4} {:<16} {text}\n", clock(world.at_of(record.at.mono)), record.run, record.seq, entry.kind())
}

fn action_text(world: &World, record: &Record, action: ridethrough_model::ActionId) -> String {
    let records = || world.disk.durable.iter().chain(&world.disk.tail).filter(|other| other.run == record.run);
    let op = records().find_map(|other| match &other.entry {
        Entry::Intended { action: of, op, .. } if *of == action => Some(op_text(world, op)),
        _ => None,
    });
    op.unwrap_or_else(|| format!("step {action}"))
}

/// An operation with names instead of ids.
fn op_text(world: &World, op: &Op) -> String {
    let text = op.to_string();
    let vm = op.vm().and_then(|vm| world.reality.vms.get(vm));
    vm.map_or(text.clone(), |vm| text.replace(vm.known.id.as_str(), &vm.known.name))
}

/// The plan in force.
pub(super) fn plan(world: &World, plan: Option<&Plan>) -> String {
    let Some(plan) = plan else { return "        no plan is in force\n".to_owned() };
    let when = |at: Mono| clock(world.at_of(at));
    let mut text = format!("        plan {}, made at {}\n", plan.id, when(plan.made_at).trim_start());
    for (ups, at) in &plan.deadlines {
        text.push_str(&format!("        {ups} is taken to be empty at {}\n", when(*at).trim_start()));
    }
    for action in plan.actions.values() {
        let last = action.last_safe.map_or_else(String::new, |at| format!(", at the latest at {}", when(at).trim_start()));
        let only = if action.observe_only { " (only said)" } else { "" };
        text.push_str(&format!(
            "        {:<44} from {}{last}{only}\n",
            op_text(world, &action.op),
            when(action.not_before).trim_start()
        ));
    }
    text
}

/// How things stand in truth, which the controller may not know.
pub(super) fn status(world: &World) -> String {
    let mut reality = world.reality.clone();
    let mut text = String::new();
    for id in world.reality.upses.keys() {
        let load = reality.load(id);
        let Some(ups) = world.reality.upses.get(id) else { continue };
        let state = match (ups.has_mains, ups.has_output) {
            (true, _) => "on mains".to_owned(),
            (false, true) => format!("on battery, {} left", Millis::from_secs(ups.battery.empty_in(load).as_secs())),
            (false, false) => "empty".to_owned(),
        };
        text.push_str(&format!("        ups {id}: {state}, charged to {}\n", ups.battery.charge()));
    }
    for (id, host) in &world.reality.hosts {
        let state = match host.state {
            HostState::On => "on",
            HostState::GoingDown => "going down",
            HostState::Off => "off",
            HostState::Booting => "booting",
            HostState::Dark => "without power",
        };
        let timer = world
            .timers()
            .get(id)
            .map_or_else(String::new, |timer| format!(", its timer fires at {}", clock(timer.fires_at).trim_start()));
        text.push_str(&format!("        host {id}: {state}{timer}\n"));
        for vm in world.reality.vms.values().filter(|vm| vm.known.host == *id) {
            let state = match (&vm.doing, vm.known.power.is_active()) {
                (Doing::Stopping, _) => "stopping".to_owned(),
                (Doing::Starting, _) => "starting".to_owned(),
                (Doing::Moving { to, .. }, _) => format!("moving to {to}"),
                (Doing::Saving, _) => "being saved to disk".to_owned(),
                (Doing::Nothing, true) => "runs".to_owned(),
                (Doing::Nothing, false) => "off".to_owned(),
            };
            text.push_str(&format!("          {}: {state}\n", vm.known.name));
        }
    }
    text
}
