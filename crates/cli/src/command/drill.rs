//! `ridethrough drill`: rehearsals of an outage that touch nothing, and what came of them.

use super::arm::who;
use super::{Said, json};
use crate::failure::{Failure, exit};
use crate::output::{Lean, Style, Table, Tone, printable, span};
use clap::{Args, Subcommand};
use ridethrough_api::{Client, Drill, DrillPart};

/// Rehearse an outage without touching anything: on paper, or by asking everything it needs
#[derive(Clone, Debug, Args)]
pub(crate) struct DrillArgs {
    #[command(subcommand)]
    what: DrillCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum DrillCommand {
    /// Play the whole course of an outage of each domain with what runs now. Touches nothing
    Paper,
    /// Ask every UPS, platform, host, BMC, timer, load and alert. Changes nothing
    Preflight,
    /// All drills, newest first
    List,
    /// One drill, and what got worse since the last of its kind
    Show {
        /// Its number
        #[arg(value_name = "N")]
        number: u64,
    },
}

pub(crate) async fn run(client: &Client, args: &DrillArgs, style: &Style, is_json: bool) -> Result<Said, Failure> {
    let drill = match &args.what {
        DrillCommand::List => return list(client, style, is_json).await.map(Said::done),
        DrillCommand::Show { number } => client.drill(*number).await?,
        DrillCommand::Paper => client.hold_drill("paper", &who()).await?,
        DrillCommand::Preflight => client.hold_drill("preflight", &who()).await?,
    };
    let text = if is_json { json(&drill) } else { shown(style, &drill) };
    let is_held = !matches!(args.what, DrillCommand::Show { .. });
    Ok(Said { text, exit: if is_held && !drill.is_good { exit::FAILED } else { exit::DONE } })
}

async fn list(client: &Client, style: &Style, is_json: bool) -> Result<String, Failure> {
    let answer = client.drills().await?;
    if is_json {
        return Ok(json(&answer));
    }
    if answer.drills.is_empty() {
        return Ok(style.paragraph(0, "No drill was held yet. `ridethrough drill paper` touches nothing."));
    }
    let mut table = Table::new(&[
        ("NO", Lean::Right),
        ("WHEN", Lean::Left),
        ("LEVEL", Lean::Left),
        ("BY", Lean::Left),
        ("RESULT", Lean::Left),
        ("WORSE", Lean::Right),
    ]);
    for drill in &answer.drills {
        let (tone, result) = verdict(drill);
        table.row([
            (Tone::Dim, drill.id.to_string()),
            (Tone::Plain, style.moment(&drill.at)),
            (Tone::Plain, drill.level.clone()),
            (Tone::Plain, printable(&drill.by)),
            (tone, result),
            (Tone::Warn, if drill.worse.is_empty() { String::new() } else { drill.worse.len().to_string() }),
        ]);
    }
    Ok(table.show(style))
}

fn verdict(drill: &Drill) -> (Tone, String) {
    let count = |of: fn(&DrillPart) -> usize, one: &str| match drill.parts.iter().map(of).sum::<usize>() {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {one}s")),
    };
    let failures = count(|part| part.failures.len(), "failure");
    let warnings = count(|part| part.warnings.len(), "warning");
    match (failures, warnings) {
        (None, None) => (Tone::Good, "went well".to_owned()),
        (None, Some(warnings)) => (Tone::Warn, format!("went well, {warnings}")),
        (Some(failures), None) => (Tone::Bad, failures),
        (Some(failures), Some(warnings)) => (Tone::Bad, format!("{failures}, {warnings}")),
    }
}

fn shown(style: &Style, drill: &Drill) -> String {
    let (tone, result) = verdict(drill);
    let title = format!("Drill {}, {}, by {}", drill.id, drill.level, printable(&drill.by));
    let mut text =
        format!("{}, {}: {}\n\n", style.paint(Tone::Strong, &title), style.moment(&drill.at), style.paint(tone, &result));
    let mut table = Table::new(&[("ABOUT", Lean::Left), ("RESULT", Lean::Left), ("WHAT", Lean::Left)]);
    for part in &drill.parts {
        let mut words = words(part);
        if words.is_empty() {
            words.push((Tone::Plain, "ok", String::new()));
        }
        for (place, (tone, word, what)) in words.into_iter().enumerate() {
            let subject = if place == 0 { printable(&part.subject) } else { String::new() };
            table.row([(Tone::Strong, subject), (tone, word.to_owned()), (Tone::Plain, printable(&what))]);
        }
    }
    text.push_str(&table.show(style));
    let Some(last) = drill.compared_with else { return text };
    text.push_str(&format!("\n{}\n", style.paint(Tone::Strong, &format!("Beside drill {last}"))));
    if drill.worse.is_empty() {
        text.push_str(&style.paragraph(2, "Nothing got worse."));
    }
    for worse in &drill.worse {
        text.push_str(&style.paint_lines(Tone::Warn, &style.paragraph(2, &printable(worse))));
    }
    text
}

/// What is said of one part, the worst first.
fn words(part: &DrillPart) -> Vec<(Tone, &'static str, String)> {
    let mut words: Vec<(Tone, &'static str, String)> = Vec::new();
    words.extend(part.failures.iter().map(|failure| (Tone::Bad, "FAILED", failure.clone())));
    words.extend(part.warnings.iter().map(|warning| (Tone::Warn, "warning", warning.clone())));
    let took = part.duration_s.map(|took| format!("all off after {}", span(took)));
    let left = part.margin_s.map(|left| format!("{} of battery left", span(left)));
    let facts: Vec<String> = took.into_iter().chain(left).collect();
    let mut notes = Vec::new();
    if !facts.is_empty() {
        notes.push(facts.join(", "));
    }
    notes.extend(part.notes.iter().cloned());
    let is_fine = words.is_empty();
    words.extend(
        notes.into_iter().enumerate().map(|(place, note)| (Tone::Good, if is_fine && place == 0 { "ok" } else { "" }, note)),
    );
    words
}
