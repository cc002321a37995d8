//! `ridethrough check`: everything that is wrong with the configuration, where, and what to do; with `--connect` also what every
//! peer says; and how far this version keeps the rules of protection. Changes nothing.

mod rules;

use crate::config::{self, Config, Located, Place};
use crate::failure::{Failure, exit};
use crate::output::{Lean, Style, Table, Tone};
use crate::wiring;
use clap::Args;
use ridethrough_controller::{Clock, connect_check};
use ridethrough_model::FindingLevel;
use rules::{Covered, RULES};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Look for mistakes in the configuration, and with --connect in what it names
///
/// Exit code 1 if there are errors; warnings alone leave it at 0.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// Ask every UPS, platform, host and BMC once; changes nothing
    #[arg(long)]
    pub(crate) connect: bool,
}

/// Checks; the exit code says whether errors were found.
pub(crate) fn run(args: &CheckArgs, path: &Path, style: &Style, is_json: bool) -> Result<ExitCode, Failure> {
    let (config, mut findings) = config::check(path);
    let is_sound = !findings.iter().any(Located::is_error);
    let asked = match (args.connect, &config) {
        (false, _) => Asked::NotWanted,
        (true, Some(config)) if is_sound => {
            findings.extend(connect(config)?);
            Asked::All
        }
        (true, _) => Asked::NotWhileWrong,
    };
    let text = if is_json { crate::command::json(&report(&findings, asked)) } else { text(&findings, asked, style) };
    crate::output::print(&text).map_err(|error| Failure::new("", "the answer cannot be written", "").because(&error))?;
    let has_errors = findings.iter().any(Located::is_error);
    Ok(if has_errors { ExitCode::from(exit::FAILED) } else { ExitCode::SUCCESS })
}

/// Whether the peers were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Asked {
    NotWanted,
    NotWhileWrong,
    All,
}

fn connect(config: &Config) -> Result<Vec<Located>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("", "the system gives no runtime", "Raise its limits for this user.").because(&error))?;
    let clock = Clock::system()
        .map_err(|error| Failure::new("", "the kernel does not tell its boot id", "Mount /proc.").because(&error))?;
    runtime.block_on(async {
        let endpoints = wiring::endpoints(config)?;
        let findings = connect_check::check(&endpoints, &wiring::site(config), clock.now().mono).await;
        Ok(findings.into_iter().map(Located::everywhere).collect())
    })
}

fn text(findings: &[Located], asked: Asked, style: &Style) -> String {
    let mut out = config::render(findings, style);
    if !findings.is_empty() {
        out.push('\n');
    }
    let (errors, warnings) = (count(findings, FindingLevel::Error), count(findings, FindingLevel::Warning));
    let tone = match (errors, warnings) {
        (0, 0) => Tone::Good,
        (0, _) => Tone::Warn,
        _ => Tone::Bad,
    };
    let connected = match asked {
        Asked::All => "Every peer was asked once.",
        Asked::NotWhileWrong => "No peer was asked: mend the configuration first.",
        Asked::NotWanted => "Nothing was connected to; --connect asks every peer once.",
    };
    out.push_str(&format!("{} {connected}\n", style.paint(tone, &format!("{}.", summary(errors, warnings)))));
    out.push_str("\nHow far this version keeps the rules of protection:\n");
    let mut table = Table::new(&[("", Lean::Right), ("RULE", Lean::Left), ("KEPT", Lean::Left), ("SO FAR", Lean::Left)]);
    for rule in &RULES {
        let kept = match rule.kept {
            Covered::Yes => (Tone::Good, "yes"),
            Covered::Partly => (Tone::Warn, "partly"),
            Covered::NotYet => (Tone::Warn, "not yet covered"),
        };
        let plain = |text: String| (Tone::Plain, text);
        let number = plain(rule.number.to_string());
        table.row([number, plain(rule.title.to_owned()), (kept.0, kept.1.to_owned()), plain(rule.so_far.to_owned())]);
    }
    out.push_str(&table.show(style));
    out
}

fn count(findings: &[Located], level: FindingLevel) -> usize {
    findings.iter().filter(|located| located.finding.level == level).count()
}

/// "2 errors, 1 warning".
fn summary(errors: usize, warnings: usize) -> String {
    let some = |number: usize, noun: &str| match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    format!("{}, {}", some(errors, "error"), some(warnings, "warning"))
}

/// The JSON of `check`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    errors: usize,
    warnings: usize,
    /// Whether UPSes, platforms and hosts were asked.
    connect: Asked,
    findings: Vec<Found<'a>>,
    rules: &'a [rules::Rule],
}

/// A finding and where it is; no place where it is about everything.
#[derive(Debug, Serialize)]
struct Found<'a> {
    level: FindingLevel,
    code: &'a str,
    subject: &'a str,
    message: &'a str,
    remedy: &'a str,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
}

fn report(findings: &[Located], connect: Asked) -> Report<'_> {
    let found = findings.iter().map(|Located { finding, place }| {
        let position = place.as_ref().map(Place::position);
        Found {
            level: finding.level,
            code: &finding.code,
            subject: &finding.subject,
            message: &finding.message,
            remedy: &finding.remedy,
            file: place.as_ref().map(|place| place.source.path.display().to_string()),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
        }
    });
    Report {
        errors: count(findings, FindingLevel::Error),
        warnings: count(findings, FindingLevel::Warning),
        connect,
        findings: found.collect(),
        rules: &RULES,
    }
}
