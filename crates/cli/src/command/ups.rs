//! `ridethrough ups NAME ...`: asks a UPS what it can be told, and tells it. Straight from this machine, as this user; needs no running
//! controller, and tells none.

use super::{Said, json};
use crate::config::Config;
use crate::config::section::Ups;
use crate::failure::{Failure, exit};
use crate::output::{Lean, Style, Table, Tone, printable};
use crate::wiring;
use clap::{Args, Subcommand};
use ridethrough_controller::Clock;
use ridethrough_driver::{Cx, Device, Error, FailureKind, Progress, TookEffect, UpsOrder};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// What one question may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How often it is asked what became of an order, one second apart: upsd's own tools wait as long.
const LOOKS_MAX: u32 = 10;

/// Ask a UPS what it can be told, and tell it: a self-test, a setting
#[derive(Clone, Debug, Args)]
pub(crate) struct UpsArgs {
    /// The UPS, as in the configuration
    #[arg(value_name = "UPS")]
    name: String,
    #[command(subcommand)]
    what: UpsWhat,
}

#[derive(Clone, Debug, Subcommand)]
enum UpsWhat {
    /// List the commands it knows
    Commands,
    /// List everything it tells, and what of it can be set
    Variables,
    /// Have it carry out a command, such as test.battery.start.quick
    Run {
        /// The command, as `commands` lists it
        #[arg(value_name = "COMMAND")]
        command: String,
        /// A value, for commands that take one
        #[arg(value_name = "VALUE")]
        value: Option<String>,
        /// Also if it may cut the load's power or empty the battery
        #[arg(long)]
        cuts_power: bool,
    },
    /// Give a variable another value
    Set {
        /// The variable, as `variables` lists it
        #[arg(value_name = "VARIABLE")]
        variable: String,
        /// The new value
        #[arg(value_name = "VALUE")]
        value: String,
        /// Also if it may cut the load's power or empty the battery
        #[arg(long)]
        cuts_power: bool,
    },
}

/// Asks or tells, and says what became of it.
pub(crate) fn run(args: &UpsArgs, path: &Path, style: &Style, is_json: bool) -> Result<Said, Failure> {
    let config = wiring::configuration(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("", "the system gives no runtime", "Raise its limits for this user.").because(&error))?;
    let clock = Clock::system()
        .map_err(|error| Failure::new("", "the kernel does not tell its boot id", "Mount /proc.").because(&error))?;
    runtime.block_on(async {
        let device = device(&config, &args.name)?;
        let cx = || Cx::within(ANSWER_MAX, clock.now().mono);
        match &args.what {
            UpsWhat::Commands => commands(&*device, &args.name, cx(), style, is_json).await,
            UpsWhat::Variables => variables(&*device, &args.name, cx(), style, is_json).await,
            UpsWhat::Run { command, value, cuts_power } => {
                let order = UpsOrder::Run { command: command.clone(), value: value.clone() };
                tell(&*device, &args.name, &order, *cuts_power, cx, is_json).await
            }
            UpsWhat::Set { variable, value, cuts_power } => {
                let order = UpsOrder::Set { variable: variable.clone(), value: value.clone() };
                tell(&*device, &args.name, &order, *cuts_power, cx, is_json).await
            }
        }
    })
}

fn device(config: &Config, name: &str) -> Result<Box<dyn Device>, Failure> {
    let Some((known, entry)) = config.upses.iter().find(|(known, _)| known.as_str() == name) else {
        let known: Vec<&str> = config.upses.keys().map(|known| known.as_str()).collect();
        let remedy = format!("There are: {}.", known.join(", "));
        return Err(Failure::new("RT0230", format!("the configuration names no UPS `{}`", printable(name)), remedy));
    };
    let Ups { nut, .. } = &entry.value;
    Ok(Box::new(wiring::nut_device(known.as_str().into(), nut)?))
}

async fn commands(device: &dyn Device, name: &str, cx: Cx, style: &Style, is_json: bool) -> Result<Said, Failure> {
    let commands = device.commands(&cx).await.map_err(|error| no_answer(name, &error))?;
    if is_json {
        let rows: Vec<_> = commands
            .iter()
            .map(|one| json!({ "name": one.name, "description": one.description, "needs_cuts_power": !one.is_harmless }))
            .collect();
        return Ok(Said::done(json(&json!({ "commands": rows }))));
    }
    let mut table = Table::new(&[("COMMAND", Lean::Left), ("", Lean::Left), ("WHAT IT DOES", Lean::Left)]);
    for one in &commands {
        let need = if one.is_harmless { "" } else { "--cuts-power" };
        let description = one.description.as_deref().unwrap_or_default();
        table.row([(Tone::Plain, printable(&one.name)), (Tone::Warn, need.to_owned()), (Tone::Plain, printable(description))]);
    }
    Ok(Said::done(if commands.is_empty() { format!("{name} knows no commands.\n") } else { table.show(style) }))
}

async fn variables(device: &dyn Device, name: &str, cx: Cx, style: &Style, is_json: bool) -> Result<Said, Failure> {
    let variables = device.variables(&cx).await.map_err(|error| no_answer(name, &error))?;
    if is_json {
        let rows: Vec<_> =
            variables.iter().map(|one| json!({ "name": one.name, "value": one.value, "writable": one.is_writable })).collect();
        return Ok(Said::done(json(&json!({ "variables": rows }))));
    }
    let mut table = Table::new(&[("VARIABLE", Lean::Left), ("", Lean::Left), ("VALUE", Lean::Left)]);
    for one in &variables {
        let access = match one.is_writable {
            Some(true) => "rw",
            Some(false) => "",
            None => "?",
        };
        table.row([(Tone::Plain, printable(&one.name)), (Tone::Plain, access.to_owned()), (Tone::Plain, printable(&one.value))]);
    }
    Ok(Said::done(table.show(style)))
}

async fn tell(
    device: &dyn Device,
    name: &str,
    order: &UpsOrder,
    cuts_power: bool,
    cx: impl Fn() -> Cx,
    is_json: bool,
) -> Result<Said, Failure> {
    let words = match order {
        UpsOrder::Run { command, value: None } => command.clone(),
        UpsOrder::Run { command, value: Some(value) } => format!("{command} {value}"),
        UpsOrder::Set { variable, value } => format!("{variable} = {value}"),
    };
    let words = printable(&words);
    if !cuts_power && !device.is_harmless(order) {
        let message = format!("`{words}` may cut the power of what hangs on {name}, or empty its battery");
        let remedy = "Nothing was sent. If that is what you want, and nothing that hangs on it minds, say `--cuts-power`.";
        return Err(Failure::new("RT0231", message, remedy));
    }
    let accepted = device.order(order, &cx()).await.map_err(|error| not_done(name, &words, &error))?;
    let outcome = match &accepted.task {
        None => Err("this upsd does not tell what became of it".to_owned()),
        Some(task) => watch(device, name, &words, task, &cx).await?,
    };
    let (text, exit) = match &outcome {
        Ok(()) => (format!("{name}: {words}: done, says its driver.\n"), exit::DONE),
        Err(why) => (
            format!(
                "{name}: {words}: accepted, not confirmed: {why}. See what it did: ridethrough ups {name} variables (RT0232)\n"
            ),
            exit::FAILED,
        ),
    };
    let answer = json!({ "ups": name, "order": words, "confirmed": outcome.is_ok(), "reason": outcome.err() });
    Ok(Said { text: if is_json { json(&answer) } else { text }, exit })
}

/// Asks until it is known. Inside: why it is not.
async fn watch(
    device: &dyn Device,
    name: &str,
    words: &str,
    task: &str,
    cx: impl Fn() -> Cx,
) -> Result<Result<(), String>, Failure> {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut why = String::new();
    for _ in 0..LOOKS_MAX {
        tick.tick().await;
        why = match device.progress(task, &cx()).await {
            Ok(Progress::Done) => return Ok(Ok(())),
            Ok(Progress::Pending) => "its driver has not answered yet".to_owned(),
            Err(error) if matches!(error.kind(), FailureKind::Refused | FailureKind::Unsupported) => {
                return Err(not_done(name, words, &error));
            }
            Err(error) => error.to_failure().message,
        };
    }
    Ok(Err(why))
}

fn not_done(name: &str, words: &str, error: &Error) -> Failure {
    let remedy = match error.took_effect() {
        TookEffect::No => "Nothing was done.",
        _ => "It may have been done all the same: look at the UPS before you say it again.",
    };
    Failure::new("RT0230", format!("{name}: {words}: {}", printable(&error.to_failure().message)), remedy)
}

fn no_answer(name: &str, error: &Error) -> Failure {
    let message = format!("{name}: {}", printable(&error.to_failure().message));
    Failure::new("RT0230", message, "`ridethrough check --connect` says what is wrong with the way to it.")
}
