//! `ridethrough arm` and `disarm`: whether a domain acts or only observes.

use super::{findings_text, json};
use crate::failure::Failure;
use crate::output::{Style, Tone};
use clap::Args;
use ridethrough_api::{Client, Commanded};

/// Which domain.
#[derive(Clone, Debug, Args)]
pub(crate) struct DomainArgs {
    /// The domain, as in the configuration
    #[arg(value_name = "DOMAIN")]
    domain: String,
}

pub(crate) async fn arm(client: &Client, args: &DomainArgs, style: &Style, is_json: bool) -> Result<String, Failure> {
    let done = client.arm(&args.domain, &who()).await?;
    let text = format!("Domain {} is armed: from now on it acts in an outage.\n", args.domain);
    Ok(if is_json { json(&done) } else { with_findings(style, text, "Not proven", &done) })
}

pub(crate) async fn disarm(client: &Client, args: &DomainArgs, style: &Style, is_json: bool) -> Result<String, Failure> {
    let done = client.disarm(&args.domain, &who()).await?;
    let text = format!("Domain {} only observes from now on: nothing is done in an outage.\n", args.domain);
    Ok(if is_json { json(&done) } else { with_findings(style, text, "Note", &done) })
}

/// A sentence, and what is worth knowing beside it.
pub(super) fn with_findings(style: &Style, text: String, head: &str, done: &Commanded) -> String {
    if done.findings.is_empty() {
        return text;
    }
    format!("{text}\n{}\n{}", style.paint(Tone::Strong, head), findings_text(style, &done.findings))
}

/// The person behind the terminal, for the journal.
pub(super) fn who() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| "an unnamed user".to_owned())
}
