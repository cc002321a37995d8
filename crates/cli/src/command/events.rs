//! `ridethrough events`: what happened, and with `--follow` what happens.

mod follow;

use super::{Said, json, level_tone};
use crate::failure::Failure;
use crate::output::{Lean, Style, Table, Tone};
use clap::Args;
use ridethrough_api::{Client, Event};

/// What happened, oldest first.
#[derive(Clone, Debug, Args)]
pub(crate) struct EventsArgs {
    /// Only of this run; 0 is the log outside outages (arming, maintenance)
    #[arg(long, value_name = "N")]
    run: Option<u64>,
    /// How many at most: the last ones, or with --after the first ones after it
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Only what came after this one, as RUN:SEQ
    #[arg(long, value_name = "RUN:SEQ")]
    after: Option<String>,
    /// Stay, and tell each new one as it comes; goes on by itself when the controller was away
    #[arg(long, short, conflicts_with = "after")]
    follow: bool,
}

pub(crate) async fn run(client: &Client, args: &EventsArgs, style: &Style, is_json: bool) -> Result<Said, Failure> {
    if args.follow {
        return follow::run(client, args.run, usize::from(args.limit), style, is_json).await;
    }
    let page = client.events(args.run, args.after.as_deref(), usize::from(args.limit)).await?;
    if is_json {
        return Ok(Said::done(json(&page)));
    }
    if page.events.is_empty() {
        return Ok(Said::done("Nothing has happened.\n".to_owned()));
    }
    Ok(Said::done(table(style, &page.events)))
}

/// Events as a table.
pub(super) fn table(style: &Style, events: &[Event]) -> String {
    let mut table = Table::new(&[("WHEN", Lean::Left), ("RUN:SEQ", Lean::Right), ("WHAT", Lean::Left)]);
    for event in events {
        table.row([
            (Tone::Plain, style.moment(&event.at)),
            (Tone::Dim, format!("{}:{}", event.run, event.seq)),
            (level_tone(&event.severity), event.text.clone()),
        ]);
    }
    table.show(style)
}
