//! `ridethrough alert test`: sends one message through a channel, from this machine, as this user. Needs no running controller.

use super::json;
use crate::config::Config;
use crate::failure::Failure;
use crate::output::Style;
use crate::wiring;
use clap::{Args, Subcommand};
use ridethrough_controller::alert::{Route, test_letter};
use serde_json::json;
use std::path::Path;

/// See whether alerts reach you
#[derive(Clone, Debug, Args)]
pub(crate) struct AlertArgs {
    #[command(subcommand)]
    what: AlertCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum AlertCommand {
    /// Send one message through this channel, or through all of them
    Test {
        /// The alert, as in the configuration
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

/// Sends, and says what became of it. Fails if one was not delivered, after all were tried.
pub(crate) fn run(args: &AlertArgs, path: &Path, style: &Style, is_json: bool) -> Result<String, Failure> {
    let AlertCommand::Test { name } = &args.what;
    let config = wiring::configuration(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("", "the system gives no runtime", "Raise its limits for this user.").because(&error))?;
    runtime.block_on(async {
        let routes = chosen(&config, name.as_deref())?;
        let mut text = String::new();
        let mut said = Vec::new();
        let mut failed = Vec::new();
        for route in routes {
            let error = route.channel.deliver(&[test_letter(jiff::Timestamp::now())]).await.err();
            let outcome = error.as_ref().map_or_else(|| "delivered".to_owned(), |error| format!("not delivered, {error}"));
            text.push_str(&style.paragraph(0, &format!("alert {}: {outcome}\n", route.name)));
            said.push(
                json!({ "name": route.name, "delivered": error.is_none(), "error": error.as_ref().map(ToString::to_string) }),
            );
            failed.extend(error.map(|_| route.name));
        }
        let text = if is_json { json(&said) } else { text };
        if failed.is_empty() {
            return Ok(text);
        }
        crate::output::print(&text).map_err(|error| Failure::new("", "the answer cannot be written", "").because(&error))?;
        let message = format!("not delivered: {}", failed.join(", "));
        Err(Failure::new("RT0171", message, "The reason stands above; docs/errors/RT0171.md says more."))
    })
}

fn chosen(config: &Config, name: Option<&str>) -> Result<Vec<Route>, Failure> {
    let routes = wiring::alert::routes(config)?;
    let known: Vec<String> = routes.iter().map(|route| route.name.clone()).collect();
    if known.is_empty() {
        let remedy = "Add `[alert.NAME.email]`, `webhook` or `command`; docs/alerts.md shows how.";
        return Err(Failure::new("RT0174", "the configuration names no alert", remedy));
    }
    let chosen: Vec<Route> = routes.into_iter().filter(|route| name.is_none_or(|name| route.name == name)).collect();
    if chosen.is_empty() {
        let message = format!("there is no alert `{}`", name.unwrap_or_default());
        return Err(Failure::new("RT0172", message, format!("There are: {}.", known.join(", "))));
    }
    Ok(chosen)
}

#[cfg(test)]
mod german_tests;
