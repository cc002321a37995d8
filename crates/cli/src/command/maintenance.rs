//! `ridethrough maintenance`: suspends acting for a UPS, for a time.

use super::arm::{who, with_findings};
use super::json;
use crate::failure::Failure;
use crate::output::Style;
use clap::{ArgGroup, Args};
use ridethrough_api::Client;
use ridethrough_model::Millis;

/// Do nothing when this UPS goes on battery, for a time; it ends by itself
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["length", "end"])))]
pub(crate) struct MaintenanceArgs {
    /// The UPS, as in the configuration
    #[arg(value_name = "UPS")]
    ups: String,
    /// For how long, e.g. 2h or 30m; it ends by itself
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    length: Option<Millis>,
    /// Ends it now
    #[arg(long)]
    end: bool,
}

pub(super) fn length(text: &str) -> Result<Millis, String> {
    let length = Millis::parse(text).map_err(|error| error.to_string())?;
    if length == Millis::ZERO { Err("it must be longer than nothing".to_owned()) } else { Ok(length) }
}

pub(crate) async fn run(client: &Client, args: &MaintenanceArgs, style: &Style, is_json: bool) -> Result<String, Failure> {
    let done = client.maintenance(&args.ups, args.length.map(|length| length.0), &who()).await?;
    if is_json {
        return Ok(json(&done));
    }
    let text = match args.length {
        Some(length) => {
            let promise = "A forced shutdown, or a low battery while on battery, is still obeyed.";
            format!("UPS {} is in maintenance for {length}: nothing is done when it goes on battery. {promise}\n", args.ups)
        }
        None => format!("Maintenance of UPS {} has ended.\n", args.ups),
    };
    Ok(with_findings(style, style.paragraph(0, &text), "Note", &done))
}
