//! The one binary: reads the command line, hands over to a command, turns its failure into words and an exit code.

mod command;
mod failure;
mod output;
mod printer;

use clap::{Parser, Subcommand};
use command::arm::DomainArgs;
use command::connect::ApiOptions;
use command::demo::DemoArgs;
use command::events::EventsArgs;
use command::maintenance::MaintenanceArgs;
use command::plan::PlanArgs;
use command::runs::RunsArgs;
use command::status::StatusArgs;
use command::{arm, connect, demo, events, maintenance, plan, runs, status};
use failure::Failure;
use output::Style;
use std::process::ExitCode;

/// Protects virtualised IT when the mains fails.
#[derive(Debug, Parser)]
#[command(name = "ridethrough", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    api: ApiOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(DemoArgs),
    Status(StatusArgs),
    Plan(PlanArgs),
    Events(EventsArgs),
    Runs(RunsArgs),
    /// Let a domain act in an outage; says what is not proven, refuses what must not be
    Arm(DomainArgs),
    /// Let a domain only observe again
    Disarm(DomainArgs),
    Maintenance(MaintenanceArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let said = match &cli.command {
        Command::Demo(args) => demo::run(args, cli.api.json).map(|()| String::new()),
        _ => ask(&cli),
    };
    match said {
        Ok(text) => match output::print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => Failure::new("", "the answer cannot be written", "").because(&error).report(false),
        },
        Err(failure) => failure.report(cli.api.json),
    }
}

/// Runs a command that speaks to a controller.
fn ask(cli: &Cli) -> Result<String, Failure> {
    let client = connect::client(&cli.api, nowhere)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("", "the system gives no runtime", "Raise its limits for this user.").because(&error))?;
    let (style, json) = (Style::of_stdout(), cli.api.json);
    runtime.block_on(async {
        match &cli.command {
            Command::Demo(_) => unreachable!("the demo asks no controller"),
            Command::Status(args) => status::run(&client, args, &style, json).await,
            Command::Plan(args) => plan::run(&client, args, &style, json).await,
            Command::Events(args) => events::run(&client, args, &style, json).await,
            Command::Runs(args) => runs::run(&client, args, &style, json).await,
            Command::Arm(args) => arm::arm(&client, args, &style, json).await,
            Command::Disarm(args) => arm::disarm(&client, args, &style, json).await,
            Command::Maintenance(args) => maintenance::run(&client, args, &style, json).await,
        }
    })
}

/// These commands do not ask the configuration yet.
fn nowhere() -> Result<connect::Place, Failure> {
    Err(Failure::new("", "which controller is not said", "Give --url and --token-file."))
}
