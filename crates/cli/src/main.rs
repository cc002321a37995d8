//! The one binary: reads the command line, hands over to a command, turns its failure into words and an exit code.

mod check;
mod command;
mod config;
mod failure;
mod output;
mod printer;
mod wiring;

use check::CheckArgs;
use clap::{Parser, Subcommand};
use command::alert::AlertArgs;
use command::arm::DomainArgs;
use command::connect::ApiOptions;
use command::demo::DemoArgs;
use command::drill::DrillArgs;
use command::events::EventsArgs;
use command::explain::ExplainArgs;
use command::hold::{AbortArgs, HoldArgs};
use command::maintenance::MaintenanceArgs;
use command::manual::{CompletionsArgs, ManArgs};
use command::plan::PlanArgs;
use command::runs::RunsArgs;
use command::sim::SimArgs;
use command::status::StatusArgs;
use command::ups::UpsArgs;
use command::vsphere::VsphereArgs;
use command::{
    Said, alert, arm, connect, demo, drill, events, explain, hold, maintenance, manual, plan, reload, runs, serve, sim, status,
    ups, vsphere,
};
use failure::Failure;
use output::Style;
use std::path::PathBuf;
use std::process::ExitCode;

/// Protects virtualised IT when the mains fails.
#[derive(Debug, Parser)]
#[command(name = "ridethrough", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    api: ApiOptions,
    /// The configuration: a file, or a directory of .toml files
    #[arg(
        long,
        value_name = "PATH",
        global = true,
        env = "RIDETHROUGH_CONFIG",
        default_value = "/etc/ridethrough/ridethrough.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(DemoArgs),
    Sim(SimArgs),
    /// Run the controller in the foreground: it observes, and acts in domains that are armed
    Serve,
    Check(CheckArgs),
    /// Print the JSON Schema of the configuration, for editors and validators
    Schema,
    /// Print the HTTP API as an OpenAPI 3.1 document, for generators of clients
    Openapi,
    Status(StatusArgs),
    Plan(PlanArgs),
    Events(EventsArgs),
    Runs(RunsArgs),
    /// Let a domain act in an outage; says what is not proven, refuses what must not be
    Arm(DomainArgs),
    /// Let a domain only observe again
    Disarm(DomainArgs),
    Maintenance(MaintenanceArgs),
    Alert(AlertArgs),
    Hold(HoldArgs),
    Abort(AbortArgs),
    /// Let an aborted run go on: on mains, bring back what is missing
    Return,
    /// Read the configuration anew; where it is refused, the one before goes on
    Reload,
    Explain(ExplainArgs),
    Drill(DrillArgs),
    Ups(UpsArgs),
    Vsphere(VsphereArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let said = match &cli.command {
        Command::Demo(args) => demo::run(args, cli.api.json).map(|()| Said::done(String::new())),
        Command::Sim(args) => sim::run(args, &cli.config, cli.api.json),
        Command::Alert(args) => alert::run(args, &cli.config, &Style::of_stdout(), cli.api.json).map(Said::done),
        Command::Ups(args) => ups::run(args, &cli.config, &Style::of_stdout(), cli.api.json),
        Command::Vsphere(args) => vsphere::run(args, &cli.config, &Style::of_stdout(), cli.api.json),
        Command::Serve => run_controller(&cli.config).map(|()| Said::done(String::new())),
        Command::Check(args) => match check::run(args, &cli.config, &Style::of_stdout(), cli.api.json) {
            Ok(code) => return code,
            Err(failure) => Err(failure),
        },
        Command::Schema => Ok(Said::done(config::SCHEMA.to_owned())),
        Command::Openapi => Ok(Said::done(ridethrough_api::openapi::text())),
        Command::Completions(args) => Ok(Said::done(manual::completions::<Cli>(args))),
        Command::Man(args) => manual::man::<Cli>(args).map(Said::done),
        _ => ask(&cli),
    };
    match said {
        Ok(said) => match output::print(&said.text) {
            Ok(()) => ExitCode::from(said.exit),
            Err(error) => Failure::new("", "the answer cannot be written", "").because(&error).report(false),
        },
        Err(failure) => failure.report(cli.api.json),
    }
}

/// Runs a command that speaks to a controller.
fn ask(cli: &Cli) -> Result<Said, Failure> {
    let client = connect::client(&cli.api, || wiring::place(&cli.config))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("", "the system gives no runtime", "Raise its limits for this user.").because(&error))?;
    let (style, json) = (Style::of_stdout(), cli.api.json);
    runtime.block_on(async {
        let text = match &cli.command {
            Command::Demo(_)
            | Command::Sim(_)
            | Command::Serve
            | Command::Check(_)
            | Command::Schema
            | Command::Openapi
            | Command::Alert(_)
            | Command::Ups(_)
            | Command::Vsphere(_)
            | Command::Completions(_)
            | Command::Man(_) => {
                unreachable!("they ask no controller")
            }
            Command::Drill(args) => return drill::run(&client, args, &style, json).await,
            Command::Status(args) => return status::run(&client, args, &style, json).await,
            Command::Plan(args) => return plan::run(&client, args, &style, json).await,
            Command::Events(args) => return events::run(&client, args, &style, json).await,
            Command::Runs(args) => runs::run(&client, args, &style, json).await,
            Command::Arm(args) => arm::arm(&client, args, &style, json).await,
            Command::Disarm(args) => arm::disarm(&client, args, &style, json).await,
            Command::Maintenance(args) => maintenance::run(&client, args, &style, json).await,
            Command::Hold(args) => hold::hold(&client, args, &style, json).await,
            Command::Abort(args) => hold::abort(&client, args, &style, json).await,
            Command::Explain(args) => explain::run(&client, args, &style, json).await,
            Command::Return => hold::bring_back(&client, &style, json).await,
            Command::Reload => reload::run(&client, &style, json).await,
        };
        text.map(Said::done)
    })
}

/// Runs the controller until it is told to end. The runtime's own thread runs the loop: a panic in a decision ends the process, and
/// whoever supervises it starts it into recovery.
fn run_controller(config: &std::path::Path) -> Result<(), Failure> {
    let log = serve::log()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| {
            Failure::new("", "the system gives no runtime", "Raise its limits for this user.").because(&error)
        })?;
    let result = runtime.block_on(async { serve::until_signal(wiring::setup(config)?).await });
    // A name server or file system that hangs must not hold the end up.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    log.flush(std::time::Duration::from_secs(1));
    result
}
