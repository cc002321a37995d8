//! The commands that speak to a running controller, and `serve` itself. Each file: what is asked, how it looks.

pub(crate) mod alert;
pub(crate) mod arm;
mod ask;
mod automation;
pub(crate) mod connect;
pub(crate) mod demo;
pub(crate) mod drill;
pub(crate) mod events;
pub(crate) mod explain;
mod frame;
pub(crate) mod hold;
pub(crate) mod maintenance;
pub(crate) mod manual;
pub(crate) mod plan;
pub(crate) mod reload;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod sim;
pub(crate) mod status;
pub(crate) mod ups;
mod verdict;
pub(crate) mod vsphere;
mod watch;

use crate::output::{Style, Tone};
use ridethrough_api::Finding;

/// What a command has to say, and its exit code.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// For stdout.
    pub(crate) text: String,
    /// As in docs/cli.md.
    pub(crate) exit: u8,
}

impl Said {
    /// Something that is in order.
    pub(crate) fn done(text: String) -> Self {
        Self { text, exit: crate::failure::exit::DONE }
    }
}

/// Findings, worst first, each with what to do.
fn findings_text(style: &Style, findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let tone = level_tone(&finding.level);
        let head = format!("{} {}", style.paint(tone, &finding.level), finding.code);
        let body = format!("{}: {}", finding.subject, finding.message);
        text.push_str(&format!("  {head}\n"));
        text.push_str(&style.paragraph(4, &crate::output::printable(&body)));
        text.push_str(&style.paragraph(4, &format!("-> {}", finding.remedy)));
    }
    text
}

fn level_tone(level: &str) -> Tone {
    match level {
        "error" | "alarm" => Tone::Bad,
        "warning" => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// A value as pretty JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("the API's types always serialise");
    format!("{text}\n")
}
