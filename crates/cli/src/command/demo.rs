//! `ridethrough demo`: an outage of a small site, played in the terminal. No server, no root, no network: the site is simulated,
//! what decides is the real thing.
//!
//! Here: what is asked and how fast it is played. The words are in `words`, what happened in sentences in `story`, the picture in
//! `screen`.

use crate::failure::Failure;
use crate::output;
use clap::Args;
use ridethrough_sim::demo::{Scenario, play};

/// Play an outage and the return in the terminal: about a minute, nothing is touched
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// What happens
    #[arg(long, value_enum, default_value_t = Scene::TwoRacks)]
    scenario: Scene,
    /// Draws the small things: how long a guest takes to stop, how fast a move is. The same seed plays the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How fast it is played: "16x", "1x" for real time, "max". Without it 16x on a terminal, else max
    #[arg(long, value_parser = speed)]
    speed: Option<Speed>,
}

/// How many seconds pass in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speed {
    Times(u32),
    Max,
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let times = text.strip_suffix('x').unwrap_or(text).parse().ok().filter(|times| (1..=1000).contains(times));
    times.map(Speed::Times).ok_or_else(|| "say 1x to 1000x, or max".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Scene {
    /// Both racks lose mains for eight minutes; the recovery rack keeps it
    TwoRacks,
    /// The recovery rack goes too, and mains stays away for long
    BothFail,
    /// Forty seconds: nothing is to be touched
    Short,
    /// One battery gives half of what its UPS says
    AgedBattery,
}

impl Scene {
    fn scenario(self) -> Scenario {
        match self {
            Self::TwoRacks => Scenario::TwoRacks,
            Self::BothFail => Scenario::BothFail,
            Self::Short => Scenario::Short,
            Self::AgedBattery => Scenario::AgedBattery,
        }
    }
}

/// Plays it.
///
/// # Errors
/// The terminal cannot be written to.
pub(crate) fn run(args: &DemoArgs, json: bool) -> Result<(), Failure> {
    let written = |error: std::io::Error| Failure::new("", "the demo cannot be shown", "").because(&error);
    let summary = play(args.scenario.scenario(), args.seed);
    let text = if json { super::json(&summary) } else { format!("{summary:#?}\n") };
    output::print(&text).map_err(written)
}
