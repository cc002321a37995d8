//! `ridethrough runs`: every outage that was, or one of them in full.

use super::{events, json};
use crate::failure::Failure;
use crate::output::{Lean, Style, Table, Tone};
use clap::Args;
use ridethrough_api::{Action, Client, RunDetail, RunSummary};

/// Past and present runs: what was done in each outage.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunsArgs {
    /// Show this one in full
    #[arg(value_name = "N")]
    run: Option<u64>,
}

pub(crate) async fn run(client: &Client, args: &RunsArgs, style: &Style, is_json: bool) -> Result<String, Failure> {
    match args.run {
        Some(id) => {
            let detail = client.run(id).await?;
            Ok(if is_json { json(&detail) } else { detail_text(style, &detail) })
        }
        None => {
            let runs = client.runs().await?;
            Ok(if is_json { json(&runs) } else { list_text(style, &runs.runs) })
        }
    }
}

fn list_text(style: &Style, runs: &[RunSummary]) -> String {
    if runs.is_empty() {
        return "No outage so far.\n".to_owned();
    }
    let heads =
        [("RUN", Lean::Right), ("INCIDENT", Lean::Right), ("BEGAN", Lean::Left), ("ENDED", Lean::Left), ("HOW", Lean::Left)];
    let mut table = Table::new(&heads);
    for run in runs {
        let (tone, how) = end_words(run);
        table.row([
            (Tone::Plain, run.id.to_string()),
            (Tone::Plain, run.incident.to_string()),
            (Tone::Plain, style.moment(&run.began_at)),
            (Tone::Plain, run.ended_at.as_deref().map_or_else(|| "-".to_owned(), |at| style.moment(at))),
            (tone, how),
        ]);
    }
    table.show(style)
}

fn end_words(run: &RunSummary) -> (Tone, String) {
    match run.end.as_str() {
        "open" => (Tone::Warn, "under way".to_owned()),
        "nothing-touched" => (Tone::Good, "mains came back, nothing was touched".to_owned()),
        "returned" => (Tone::Good, "everything runs again".to_owned()),
        "returned-incomplete" => (Tone::Bad, format!("did not come back: {}", run.missing.join("; "))),
        "observed-only" => (Tone::Plain, "only observed, nothing was done".to_owned()),
        other => (Tone::Plain, other.to_owned()),
    }
}

fn detail_text(style: &Style, detail: &RunDetail) -> String {
    let (tone, how) = end_words(&detail.summary);
    let title = format!("Run {} of incident {}", detail.summary.id, detail.summary.incident);
    let mut text = format!("{}: {}\n\n", style.paint(Tone::Strong, &title), style.paint(tone, &how));
    if !detail.run.actions.is_empty() {
        text.push_str(&format!("{}\n{}\n", style.paint(Tone::Strong, "Actions"), actions_text(style, &detail.run.actions)));
    }
    if detail.is_truncated {
        let hint =
            format!("only the last {} are shown; `ridethrough events --run {}` has all", detail.events.len(), detail.run.id);
        text.push_str(&style.paragraph(0, &hint));
    }
    text.push_str(&format!("{}\n{}", style.paint(Tone::Strong, "Events"), events::table(style, &detail.events)));
    text
}

/// Actions as a table.
pub(super) fn actions_text(style: &Style, actions: &[Action]) -> String {
    let mut table = Table::new(&[("NO", Lean::Right), ("STATE", Lean::Left), ("WHAT", Lean::Left), ("WHY", Lean::Left)]);
    for action in actions {
        let tone = match action.phase.as_str() {
            "done" => Tone::Good,
            "failed" => Tone::Bad,
            "dropped" => Tone::Dim,
            _ => Tone::Plain,
        };
        let state = match (action.is_observe_only, action.done_percent) {
            (true, _) => "only said".to_owned(),
            (false, Some(percent)) if action.phase == "accepted" => format!("{percent}%"),
            (false, _) => action.phase.clone(),
        };
        let why = match &action.detail {
            Some(detail) => format!("{} [{detail}]", action.why),
            None => action.why.clone(),
        };
        table.row([(Tone::Dim, action.id.to_string()), (tone, state), (Tone::Plain, action.text.clone()), (Tone::Plain, why)]);
    }
    table.show(style)
}
