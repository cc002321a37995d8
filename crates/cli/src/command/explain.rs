//! `ridethrough explain VM`: why its tier, what would become of it, what stands against a move. Puts together what status and plan
//! say; finds nothing out by itself.

use super::json;
use crate::failure::Failure;
use crate::output::{Style, Tone, printable, span};
use clap::Args;
use ridethrough_api::{Client, Plan, PlanAnswer, PlanScope, Status, Vm, code};
use serde::Serialize;

/// What would become of a VM, and why
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Its name, or its id as `ridethrough status --json` has it
    #[arg(value_name = "VM")]
    vm: String,
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
struct Explained<'a> {
    vm: &'a Vm,
    plans: Vec<Part<'a>>,
}

/// What one plan says of it.
#[derive(Debug, Serialize)]
struct Part<'a> {
    scope: &'a PlanScope,
    fate: Option<&'a ridethrough_api::Fate>,
    steps: Vec<&'a ridethrough_api::PlannedAction>,
}

pub(crate) async fn run(client: &Client, args: &ExplainArgs, style: &Style, is_json: bool) -> Result<String, Failure> {
    let status = client.status().await?;
    let vm = find(&status, &args.vm)?;
    let plan = client.plan(&[]).await?;
    let parts = parts(&plan, vm);
    if is_json {
        return Ok(json(&Explained { vm, plans: parts }));
    }
    Ok(text(style, &status, vm, &plan, &parts))
}

fn find<'a>(status: &'a Status, asked: &str) -> Result<&'a Vm, Failure> {
    let mut found = status.vms.iter().filter(|vm| vm.id == asked || vm.name == asked);
    let Some(first) = found.next() else {
        let near = status.vms.iter().map(|vm| vm.name.as_str()).find(|name| name.eq_ignore_ascii_case(asked));
        let remedy = near.map_or_else(
            || "`ridethrough status --vms` lists them all.".to_owned(),
            |name| format!("Did you mean {}?", printable(name)),
        );
        return Err(Failure::new(code::NOT_FOUND, format!("there is no VM {}", printable(asked)), remedy));
    };
    let others: Vec<&str> = found.map(|vm| vm.id.as_str()).collect();
    if others.is_empty() || first.id == asked {
        return Ok(first);
    }
    let ids = format!("{}, {}", first.id, others.join(", "));
    Err(Failure::new(code::NOT_FOUND, format!("several VMs are called {}", printable(asked)), format!("Name one by id: {ids}.")))
}

fn parts<'a>(answer: &'a PlanAnswer, vm: &Vm) -> Vec<Part<'a>> {
    let part = |plan: &'a Plan| Part {
        scope: &plan.scope,
        fate: plan.fates.iter().find(|fate| fate.vm == vm.id),
        steps: plan.actions.iter().filter(|action| action.vm.as_ref() == Some(&vm.id)).collect(),
    };
    answer.plans.iter().map(part).filter(|part| part.fate.is_some() || !part.steps.is_empty()).collect()
}

fn text(style: &Style, status: &Status, vm: &Vm, answer: &PlanAnswer, parts: &[Part<'_>]) -> String {
    let head = format!("VM {}", printable(&vm.name));
    let mut text = format!("{} ({}), {} on host {}\n", style.paint(Tone::Strong, &head), vm.id, vm.state, vm.host);
    text.push_str(&style.paragraph(2, &format!("Tier: {}. The first tier of the configuration that matches it.", vm.tier)));
    if let Some(host) = status.hosts.iter().find(|host| host.name == vm.host) {
        let reach =
            if host.is_connected == Some(false) { "; its platform does not reach it, so nothing can be done there" } else { "" };
        text.push_str(&style.paragraph(2, &format!("Host {}: {}{reach}.", host.name, host.power)));
    }
    if parts.is_empty() {
        let why = if matches!(vm.state.as_str(), "off" | "suspended") {
            "It does not run, so there is nothing to save, and it is not started afterwards."
        } else if answer.plans.is_empty() {
            "There is no plan yet: no platform has told what runs where."
        } else {
            "No plan touches it: its host keeps its power, or is in no domain."
        };
        text.push_str(&style.paragraph(2, why));
    }
    for part in parts {
        let scope = match part.scope {
            PlanScope::Run(run) => format!("In run {run}, now"),
            PlanScope::Domain(domain) => format!("If domain {domain} lost mains now"),
            PlanScope::Upses(upses) => format!("If {} went on battery now", upses.join(" and ")),
        };
        text.push_str(&format!("\n  {}\n", style.paint(Tone::Strong, &scope)));
        if let Some(fate) = part.fate {
            text.push_str(&style.paragraph(4, &format!("It {}: {}.", in_words(&fate.fate), printable(&fate.reason))));
            if let Some(left) = fate.last_safe_in_s {
                text.push_str(&style.paragraph(4, &format!("Its clean stop must begin within {} of that.", span(left))));
            }
        }
        for step in &part.steps {
            let said = if step.is_observe_only { " (only said: its domain is not armed)" } else { "" };
            let words =
                format!("- {}{said}, not before {}: {}", printable(&step.text), span(step.not_before_in_s), printable(&step.why));
            text.push_str(&style.paragraph(4, &words));
            if !step.on_mains_back.is_empty() {
                text.push_str(&style.paragraph(6, &format!("If mains returns meanwhile: {}.", printable(&step.on_mains_back))));
            }
        }
    }
    text
}

/// A fate as the rest of a sentence: "shut down" is something that happens to it.
fn in_words(fate: &str) -> String {
    if fate == "shut down" { "is shut down".to_owned() } else { printable(fate) }
}
