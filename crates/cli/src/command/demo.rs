//! `ridethrough demo`: an outage of a small site, played in the terminal. No server, no root, no network: the site is simulated,
//! what decides is the real thing.
//!
//! Here: what is asked and how fast it is played. The words are in `words`, what happened in sentences in `story`, the picture in
//! `screen`, how a picture gets on a terminal in `frame` beside.

mod pace;
mod screen;
mod story;
mod words;

use super::frame::{self, Ink, Palette};
use crate::failure::Failure;
use crate::output;
use clap::Args;
use pace::Pace;
use ridethrough_model::Millis;
use ridethrough_sim::demo::{Demo, Scenario, play};
use screen::Screen;
use std::io::{self, IsTerminal};
use std::time::Duration;
use story::{Story, Told, clock};
use tokio::time::{Instant, MissedTickBehavior, interval};
pub(super) use words::Lang;
use words::Words;

/// Play an outage and the return in the terminal: about a minute, nothing is touched
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// What happens
    #[arg(long, value_enum, default_value_t = Scene::TwoRacks)]
    scenario: Scene,
    /// Draws the small things: how long a guest takes to stop, how fast a move is. The same seed plays the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How fast it is played: "16x", "1x" for real time, "max", or "auto": about a minute, slower where much happens. Without it
    /// auto on a terminal, else max
    #[arg(long, value_parser = speed)]
    speed: Option<Speed>,
    /// In which language; without it as LANG says
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Scene {
    /// Both racks lose mains for fourteen minutes; the recovery rack keeps it
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

/// How many seconds pass in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speed {
    Auto,
    Times(u32),
    Max,
}

fn speed(text: &str) -> Result<Speed, String> {
    match text {
        "max" => return Ok(Speed::Max),
        "auto" => return Ok(Speed::Auto),
        _ => {}
    }
    let times = text.strip_suffix('x').unwrap_or(text).parse().ok().filter(|times| (1..=1000).contains(times));
    times.map(Speed::Times).ok_or_else(|| "say 1x to 1000x, auto or max".to_owned())
}

const FRAME: Duration = Duration::from_millis(66);
/// How long the last picture stays.
const LAST_LOOK: Duration = Duration::from_secs(2);
/// The last moment: nothing is scheduled later.
const END: Millis = Millis(u64::MAX / 2);

/// Plays it.
///
/// # Errors
/// The terminal cannot be written to.
pub(crate) fn run(args: &DemoArgs, json: bool) -> Result<(), Failure> {
    let written = |error: io::Error| Failure::new("", "the demo cannot be shown", "").because(&error);
    let is_terminal = io::stdout().is_terminal();
    let speed = args.speed.unwrap_or(if is_terminal && !json { Speed::Auto } else { Speed::Max });
    let scenario = args.scenario.scenario();
    if json {
        return output::print(&super::json(&play(scenario, args.seed))).map_err(written);
    }
    let words = Words(args.lang.unwrap_or_else(Lang::of_environment));
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let mut show = Show::new(Demo::new(scenario, args.seed), words, speed, is_terminal && !is_dumb);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("", "the system gives no runtime", "Raise its limits for this user.").because(&error))?;
    runtime.block_on(show.play()).map_err(written)
}

struct Show {
    demo: Demo,
    story: Story,
    screen: Screen,
    words: Words,
    speed: Speed,
    pace: Pace,
    is_terminal: bool,
    palette: Palette,
}

impl Show {
    fn new(demo: Demo, words: Words, speed: Speed, is_terminal: bool) -> Self {
        let pace = match speed {
            Speed::Auto => Pace::by_itself(&demo),
            Speed::Times(times) => Pace::times(times, &demo),
            Speed::Max => Pace::times(1, &demo),
        };
        let screen = Screen::new(words, pace.clone(), &demo);
        let palette = if is_terminal { Palette::of_environment() } else { Palette::None };
        Self { demo, story: Story::new(words), screen, words, speed, pace, is_terminal, palette }
    }

    async fn play(&mut self) -> io::Result<()> {
        match self.speed {
            Speed::Max => self.tell_all()?,
            Speed::Times(_) | Speed::Auto if self.is_terminal => {
                output::print(frame::ENTER)?;
                let played = self.watch().await;
                output::print(frame::LEAVE)?;
                if !played? {
                    return Ok(());
                }
            }
            Speed::Times(_) | Speed::Auto => {
                if !self.watch().await? {
                    return Ok(());
                }
            }
        }
        output::print(&self.closing())
    }

    /// Plays while somebody watches; false if they had enough.
    async fn watch(&mut self) -> io::Result<bool> {
        let begun = Instant::now();
        let mut ticks = interval(FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut enough = std::pin::pin!(tokio::signal::ctrl_c());
        let mut last_look = None;
        loop {
            // Who has had enough is not kept waiting by pictures.
            tokio::select! { biased;
                _ = &mut enough => return Ok(false),
                _ = ticks.tick() => {}
            }
            let elapsed = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let told = self.advance(self.pace.at(elapsed));
            if self.is_terminal {
                let (width, height) = size();
                let rows = self.screen.rows(&self.demo, &self.story, width, height);
                output::print(&frame::show(&rows, width, height, self.palette))?;
            } else {
                output::print(&lines(&told))?;
            }
            if self.demo.is_over() {
                let until = *last_look.get_or_insert_with(|| Instant::now() + LAST_LOOK);
                if !self.is_terminal || Instant::now() >= until {
                    return Ok(true);
                }
            }
        }
    }

    fn tell_all(&mut self) -> io::Result<()> {
        output::print(&format!("{}\n\n", self.words.scene(self.demo.scenario())))?;
        while !self.demo.is_over() {
            let told = self.advance((self.demo.at() + Millis::from_secs(2)).min(END));
            output::print(&lines(&told))?;
        }
        Ok(())
    }

    fn advance(&mut self, until: Millis) -> Vec<Told> {
        let records = self.demo.play_until(until);
        let told = self.story.tell(&records, &self.demo);
        self.screen.see(&self.demo, self.story.phase, told.clone());
        told
    }

    /// What stays on the terminal: the curves, and what it was good for.
    fn closing(&self) -> String {
        let (width, _) = size();
        let (width, palette) = (width.min(110), self.palette);
        let mut text = String::from("\n");
        for row in self.screen.picture(&self.demo, width) {
            text.push_str(&row.text(width, palette));
            text.push('\n');
        }
        let summary = self.demo.summary();
        let stayed: Vec<String> = self.story.stayed.values().cloned().collect();
        text.push_str(&format!("\n{}\n", palette.paint(Ink::Strong, &self.words.closing_title())));
        for sentence in self.words.closing(&summary, &stayed) {
            for (place, line) in frame::wrap(&sentence, width - 4).iter().enumerate() {
                let mark = if place == 0 { palette.paint(Ink::Good, "•") } else { " ".to_owned() };
                text.push_str(&format!("  {mark} {line}\n"));
            }
        }
        text.push_str(&format!("\n{}\n", palette.paint(Ink::Dim, &self.words.closing_note())));
        let others = ["both-fail", "aged-battery", "short"].map(|name| format!("ridethrough demo --scenario {name}"));
        text.push_str(&palette.paint(Ink::Dim, &format!("{}: {}\n", self.words.more(), others.join("\n          "))));
        text
    }
}

fn lines(told: &[Told]) -> String {
    let line = |told: &Told| {
        let why = if told.why.is_empty() { String::new() } else { format!(" · {}", told.why) };
        format!("{:>6}  {}{why}\n", clock(told.at), told.what)
    };
    told.iter().map(line).collect()
}

/// Columns and rows of the terminal; 80 by 24 where it does not tell.
fn size() -> (usize, usize) {
    let told = terminal_size::terminal_size().map(|(width, height)| (usize::from(width.0), usize::from(height.0)));
    let (width, height) = told.unwrap_or((80, 24));
    (width.clamp(40, 140), height.clamp(16, 60))
}
