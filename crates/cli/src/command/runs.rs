//! `ridethrough runs`: every outage that was, or one of them in full.

mod account;

use super::{events, json};
use crate::failure::Failure;
use crate::output::{Lean, Style, Table, Tone};
use clap::Args;
use ridethrough_api::{Action, Client, RunDetail, RunSummary};

/// Past and present runs: what was done in each outage.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunsArgs {
    /// `N`: that run in full, with its events; `show N`: its after-action record
    #[arg(value_name = "[show] N", num_args = 0..=2)]
    which: Vec<String>,
}

/// What was asked for.
enum Which {
    All,
    Full(u64),
    Record(u64),
}

impl RunsArgs {
    fn which(&self) -> Result<Which, Failure> {
        let words: Vec<&str> = self.which.iter().map(String::as_str).collect();
        let number = |text: &str| {
            let wrong = |_| Failure::new("", format!("`{text}` is no number of a run"), "`ridethrough runs` lists them.");
            text.parse::<u64>().map_err(wrong)
        };
        match words.as_slice() {
            [] => Ok(Which::All),
            ["show", text] => number(text).map(Which::Record),
            [text] if *text != "show" => number(text).map(Which::Full),
            _ => Err(Failure::new(
                "",
                "which run is meant is not said",
                "Write `ridethrough runs show N`, or `ridethrough runs N`.",
            )),
        }
    }
}

pub(crate) async fn run(client: &Client, args: &RunsArgs, style: &Style, is_json: bool) -> Result<String, Failure> {
    match args.which()? {
        Which::Record(id) => {
            let detail = client.run(id).await?;
            Ok(if is_json {
                json(&detail.account)
            } else {
                format!("{}{}", head(style, &detail), account::text(style, &detail.account))
            })
        }
        Which::Full(id) => {
            let detail = client.run(id).await?;
            Ok(if is_json { json(&detail) } else { detail_text(style, &detail) })
        }
        Which::All => {
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

fn head(style: &Style, detail: &RunDetail) -> String {
    let (tone, how) = end_words(&detail.summary);
    let title = format!("Run {} of incident {}", detail.summary.id, detail.summary.incident);
    format!("{}: {}\n\n", style.paint(Tone::Strong, &title), style.paint(tone, &how))
}

fn detail_text(style: &Style, detail: &RunDetail) -> String {
    let mut text = head(style, detail);
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
