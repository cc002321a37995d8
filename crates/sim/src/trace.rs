//! One line per event, in fixed columns: what a failing seed prints.

use crate::world::Moment;
use ridethrough_decide::{Effect, Input, StepReply};
use ridethrough_model::entry::Outcome;
use ridethrough_model::{Entry, Millis, Progress};

/// The lines of one event; none where nothing happened that says anything.
#[must_use]
pub fn lines(moment: &Moment) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |kind: &str, text: String| lines.push(line(moment.at, kind, &text));
    if let Some(twist) = &moment.twist {
        say("world", format!("{twist:?}"));
    }
    if moment.is_recovery {
        say("world", "a new controller takes over".to_owned());
    }
    match &moment.input {
        Some(Input::Reply { run, action, attempt, reply }) if !is_dull(reply) => {
            say("reply", format!("{run}/{action}.{attempt} {reply:?}"));
        }
        Some(Input::Silence(silence)) => say("heard", format!("{} says nothing: {}", silence.ups, silence.message)),
        Some(Input::JournalFailed { reason }) => say("heard", format!("journal: {reason}")),
        Some(Input::InventoryFailed { failure, .. }) => say("heard", format!("inventory: {failure}")),
        _ => {}
    }
    for effect in &moment.effects {
        match effect {
            Effect::Append(record) => say("note", format!("{}:{} {}", record.run, record.seq, entry_text(&record.entry))),
            Effect::Start { run, action, attempt, op } => say("start", format!("{run}/{action}.{attempt} {op}")),
            Effect::Observe { run, action, attempt, op } => say("look", format!("{run}/{action}.{attempt} {op}")),
            Effect::Notify(notice) => say("tell", notice.text.clone()),
            Effect::Timer { host, call } => say("timer", format!("{host} {call:?}")),
            Effect::Answer(reply) => say("answer", format!("{reply:?}")),
            Effect::Follow { .. }
            | Effect::Poll { .. }
            | Effect::ObserveHost(_)
            | Effect::ObserveLoad(_)
            | Effect::ReadInventory(_)
            | Effect::Probe { .. } => {}
        }
    }
    lines
}

fn line(at: Millis, kind: &str, text: &str) -> String {
    format!("{:>5}.{:03} {kind:<6} {text}", at.0 / 1000, at.0 % 1000)
}

fn is_dull(reply: &StepReply) -> bool {
    matches!(reply, StepReply::Polled(Ok(Progress::Running { .. })))
}

fn entry_text(entry: &Entry) -> String {
    match entry {
        Entry::PowerChanged { event } => event.to_string(),
        Entry::IncidentOpened { homes, .. } => format!("incident opened, {} VMs run", homes.len()),
        Entry::HomeAdded { home, .. } => format!("late: {} on {}", home.name, home.host),
        Entry::PlanCommitted { plan, report } => {
            let action = |action: &ridethrough_model::Action| {
                let last = action.last_safe.map_or_else(String::new, |at| format!(" last {}", at.0 / 1000));
                let observe = if action.observe_only { " observe" } else { "" };
                let hard = if action.gates_hard.is_empty() { String::new() } else { format!(" after {:?}", action.gates_hard) };
                format!("[{} {} from {}{last}{observe}{hard}]", action.id, action.op, action.not_before.0 / 1000)
            };
            let actions: Vec<String> = plan.actions.values().map(action).collect();
            let ends: Vec<String> = plan.deadlines.iter().map(|(ups, at)| format!("{ups} ends {}", at.0 / 1000)).collect();
            format!(
                "plan {} {:?} at {}; {}; {}; waiting {:?}",
                plan.id,
                plan.cause,
                plan.made_at.0 / 1000,
                ends.join(", "),
                actions.join(" "),
                report.waiting
            )
        }
        Entry::Intended { action, attempt, op } => format!("intended {action}.{attempt} {op}"),
        Entry::Accepted { action, attempt, .. } => format!("accepted {action}.{attempt}"),
        Entry::Finished { action, attempt, outcome } => format!("finished {action}.{attempt} {}", outcome_text(outcome)),
        other => format!("{other:?}"),
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { detail } => format!("done {}", detail.clone().unwrap_or_default()),
        other => format!("{other:?}"),
    }
}
