//! `ridethrough plan`: what would happen now, or what is happening.

use super::{Said, findings_text, json};
use crate::failure::{Failure, exit};
use crate::output::{Lean, Style, Table, Tone, span};
use clap::Args;
use ridethrough_api::{Client, Plan, PlanAnswer, PlanScope, PlannedAction};

/// What would happen if the mains failed now, step by step, and whether the battery lasts; in an outage the plan in force.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlanArgs {
    /// If exactly these UPSes went on battery now
    #[arg(long = "if", value_name = "ups=NAME[,NAME]", value_parser = condition)]
    condition: Option<Upses>,
}

/// UPSes of a condition.
#[derive(Clone, Debug)]
struct Upses(Vec<String>);

fn condition(text: &str) -> Result<Upses, String> {
    let names = text.strip_prefix("ups=").ok_or("write ups=NAME or ups=NAME,NAME")?;
    let names: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) {
        return Err("a name is missing after `ups=`".to_owned());
    }
    Ok(Upses(names))
}

pub(crate) async fn run(client: &Client, args: &PlanArgs, style: &Style, is_json: bool) -> Result<Said, Failure> {
    let upses = args.condition.as_ref().map_or(&[][..], |upses| &upses.0);
    let answer = client.plan(upses).await?;
    let does_fit = !answer.plans.is_empty() && answer.plans.iter().all(|plan| plan.does_fit && !plan.is_emergency);
    let exit = if does_fit { exit::DONE } else { exit::UNPROTECTED };
    Ok(Said { text: if is_json { json(&answer) } else { text(style, &answer) }, exit })
}

fn text(style: &Style, answer: &PlanAnswer) -> String {
    if answer.plans.is_empty() {
        return "There is no plan yet: no platform has told what runs where. `ridethrough check --connect` says why.\n"
            .to_owned();
    }
    let plans: Vec<String> = answer.plans.iter().map(|plan| plan_text(style, plan, &answer.at)).collect();
    plans.join("\n")
}

fn plan_text(style: &Style, plan: &Plan, at: &str) -> String {
    let (title, is_live) = match &plan.scope {
        PlanScope::Run(run) => (format!("Run {run}, plan {} in force ({})", plan.id, plan.cause), true),
        PlanScope::Domain(domain) => (format!("If domain {domain} lost mains now"), false),
        PlanScope::Upses(upses) => (format!("If {} went on battery now", upses.join(" and ")), false),
    };
    let verdict = match (plan.is_emergency, plan.does_fit) {
        (true, _) => style.paint(Tone::Bad, "EMERGENCY: everything stops at once"),
        (false, true) => style.paint(Tone::Good, "everything fits the battery"),
        (false, false) => style.paint(Tone::Bad, "NOT everything fits the battery"),
    };
    let mut text = format!("{}: {verdict}\n", style.paint(Tone::Strong, &title));
    for ups in &plan.upses {
        text.push_str(&format!("  UPS {} counts as empty {}\n", ups.ups, due(style, ups.empty_in_s, at, is_live)));
    }
    for host in &plan.hosts {
        text.push_str(&format!("  host {}: last safe moment {}\n", host.host, due(style, host.last_safe_in_s, at, is_live)));
    }
    text.push('\n');
    if plan.actions.is_empty() {
        text.push_str("  Nothing to do.\n");
    } else {
        text.push_str(&steps(style, &plan.actions));
    }
    if plan.actions.iter().any(|action| action.is_observe_only) {
        text.push_str("\n  Steps in (brackets) are only said: their domain is not armed.\n");
    }
    let stays: Vec<&str> =
        plan.fates.iter().filter(|fate| fate.fate.starts_with("stays")).map(|fate| fate.name.as_str()).collect();
    if !stays.is_empty() {
        text.push_str(&style.paragraph(2, &format!("Untouched: {}", stays.join(", "))));
    }
    for waiting in &plan.waiting {
        text.push_str(&style.paragraph(2, &format!("Waits: {waiting}")));
    }
    if !plan.findings.is_empty() {
        text.push_str(&format!("\n{}\n{}", style.paint(Tone::Strong, "Findings"), findings_text(style, &plan.findings)));
    }
    text
}

fn due(style: &Style, seconds: u64, at: &str, is_live: bool) -> String {
    if is_live { style.due(seconds, at) } else { format!("after {}", span(seconds)) }
}

fn steps(style: &Style, actions: &[PlannedAction]) -> String {
    let heads = [
        ("", Lean::Right),
        ("NOT BEFORE", Lean::Right),
        ("LAST SAFE", Lean::Right),
        ("STEP", Lean::Left),
        ("TIER", Lean::Left),
        ("WHY", Lean::Left),
    ];
    let mut table = Table::new(&heads);
    for (place, action) in actions.iter().enumerate() {
        let what = if action.is_observe_only { format!("({})", action.text) } else { action.text.clone() };
        table.row([
            (Tone::Dim, (place + 1).to_string()),
            (
                Tone::Plain,
                if action.not_before_in_s == 0 { "now".to_owned() } else { format!("+{}", span(action.not_before_in_s)) },
            ),
            (Tone::Plain, action.last_safe_in_s.map_or_else(String::new, |at| format!("+{}", span(at)))),
            (Tone::Plain, what),
            (Tone::Plain, action.tier.clone().unwrap_or_default()),
            (Tone::Dim, action.why.clone()),
        ]);
    }
    table.show(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use ridethrough_api::{HostEnd, UpsEnd};

    fn step(id: u64, text: &str, not_before_in_s: u64, why: &str) -> PlannedAction {
        PlannedAction {
            id,
            text: text.to_owned(),
            op: String::new(),
            vm: None,
            host: Some("kvm1".to_owned()),
            load: None,
            to: None,
            tier: Some("batch".to_owned()),
            not_before_in_s,
            last_safe_in_s: Some(400),
            budget_s: 120,
            after: Vec::new(),
            is_observe_only: id == 2,
            rule: String::new(),
            why: why.to_owned(),
            on_mains_back: String::new(),
        }
    }

    #[test]
    fn a_plan_reads_well_on_eighty_columns() {
        let plan = Plan {
            scope: PlanScope::Domain("rack-a".to_owned()),
            id: 0,
            parent: None,
            cause: "kept ready".to_owned(),
            domains: vec!["rack-a".to_owned()],
            is_emergency: false,
            does_fit: true,
            upses: vec![UpsEnd { ups: "rack-a".to_owned(), empty_in_s: 510 }],
            hosts: vec![HostEnd { host: "kvm1".to_owned(), last_safe_in_s: 480 }],
            fates: Vec::new(),
            actions: vec![
                step(1, "shut down VM ci on kvm1", 0, "less important tiers go first, to make the battery last"),
                step(2, "shut down host kvm1", 65, "it is empty"),
            ],
            waiting: Vec::new(),
            findings: Vec::new(),
        };
        let answer = PlanAnswer { at: "2025-01-01T12:00:00Z".to_owned(), plans: vec![plan] };
        expect![[r#"
            If domain rack-a lost mains now: everything fits the battery
              UPS rack-a counts as empty after 8m 30s
              host kvm1: last safe moment after 8m

                 NOT BEFORE  LAST SAFE  STEP                     TIER   WHY
              1         now    +6m 40s  shut down VM ci on kvm1  batch  less important tiers
                                                                        go first, to make
                                                                        the battery last
              2     +1m 05s    +6m 40s  (shut down host kvm1)    batch  it is empty

              Steps in (brackets) are only said: their domain is not armed.
        "#]]
        .assert_eq(&text(&Style::plain(80, "2025-01-01T12:00:00Z"), &answer));
    }

    #[test]
    fn a_condition_names_upses() {
        assert_eq!(condition("ups=a,b").map(|upses| upses.0), Ok(vec!["a".to_owned(), "b".to_owned()]));
        for wrong in ["rack-a", "ups=", "ups=a,", "host=a"] {
            assert!(condition(wrong).is_err(), "{wrong}");
        }
    }
}
