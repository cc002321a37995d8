//! The after-action record of a run as text: what was foreseen beside what happened, the batteries, who decided what.

use crate::output::{Lean, Style, Table, Tone};
use ridethrough_api::{Account, Decision, StepAccount, UpsAccount};
use ridethrough_model::Millis;

pub(super) fn text(style: &Style, account: &Account) -> String {
    let mut text = style.paragraph(0, &sentence(&account.in_short));
    for (what, names) in [
        ("Left off, as somebody else stopped them", &account.left_off),
        ("Back, and not seen to do their work", &account.not_ready),
    ] {
        if !names.is_empty() {
            text.push_str(&style.paragraph(0, &format!("{what}: {}.", names.join(", "))));
        }
    }
    let mut part = |title: &str, table: String| text.push_str(&format!("\n{}\n{table}", style.paint(Tone::Strong, title)));
    if !account.upses.is_empty() {
        part("Batteries", upses(style, &account.upses));
    }
    if !account.steps.is_empty() {
        part("Steps, as foreseen and as they were", steps(style, &account.steps));
    }
    if !account.decisions.is_empty() {
        part("Who decided what", decisions(style, &account.decisions, account.decisions_more));
    }
    text
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn secs(seconds: u64) -> String {
    Millis::from_secs(seconds).to_string()
}

fn told<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "not known".to_owned(), text)
}

fn upses(style: &Style, upses: &[UpsAccount]) -> String {
    let mut table = Table::new(&[
        ("UPS", Lean::Left),
        ("LOSSES", Lean::Right),
        ("ON BATTERY", Lean::Right),
        ("CHARGE", Lean::Right),
        ("LEAST", Lean::Right),
        ("RUNTIME LEFT", Lean::Right),
        ("GAVE", Lean::Right),
    ]);
    for ups in upses {
        let on_battery = if ups.is_partial { format!("{} or more", secs(ups.on_battery_s)) } else { secs(ups.on_battery_s) };
        table.row([
            (Tone::Plain, ups.name.clone()),
            (Tone::Plain, ups.outages.to_string()),
            (Tone::Plain, on_battery),
            (Tone::Plain, told(ups.charge_at_loss_percent, |percent| format!("{percent}%"))),
            (Tone::Plain, told(ups.charge_least_percent, |percent| format!("{percent}%"))),
            (Tone::Plain, told(ups.runtime_least_s, secs)),
            (Tone::Plain, told(ups.energy_wh, |wh| format!("{wh} Wh"))),
        ]);
    }
    table.show(style)
}

fn steps(style: &Style, steps: &[StepAccount]) -> String {
    let mut table = Table::new(&[
        ("NO", Lean::Right),
        ("WHAT", Lean::Left),
        ("ENDED", Lean::Left),
        ("LATE BY", Lean::Right),
        ("TOOK", Lean::Right),
        ("ALLOWED", Lean::Right),
        ("TO SPARE", Lean::Right),
        ("TRIES", Lean::Right),
    ]);
    for step in steps {
        let tone = match step.outcome.as_deref() {
            Some("done" | "was so already") => Tone::Good,
            Some("failed") => Tone::Bad,
            _ => Tone::Dim,
        };
        let took = if step.has_overrun { Tone::Warn } else { Tone::Plain };
        table.row([
            (Tone::Dim, step.id.to_string()),
            (Tone::Plain, step.text.clone()),
            (tone, step.outcome.clone().unwrap_or_else(|| "under way".to_owned())),
            (Tone::Plain, told(step.late_s, secs)),
            (took, told(step.took_s, secs)),
            (Tone::Plain, secs(step.allowed_s)),
            (Tone::Plain, step.spare_s.map_or_else(|| "-".to_owned(), secs)),
            (Tone::Plain, step.attempts.to_string()),
        ]);
    }
    table.show(style)
}

fn decisions(style: &Style, decisions: &[Decision], more: u32) -> String {
    let mut table = Table::new(&[("WHEN", Lean::Left), ("WHO", Lean::Left), ("WHAT", Lean::Left)]);
    for decision in decisions {
        table.row([
            (Tone::Plain, style.moment(&decision.at)),
            (Tone::Plain, decision.by.clone()),
            (Tone::Plain, decision.text.clone()),
        ]);
    }
    let rest = if more > 0 {
        style.paragraph(0, &format!("and {more} more; `ridethrough events --run N` has them"))
    } else {
        String::new()
    };
    format!("{}{rest}", table.show(style))
}
