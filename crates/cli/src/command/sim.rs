//! `ridethrough sim FILE`: plays a story of an outage against the real state machine. No server, no root, nothing is touched.
//!
//! What the words of a story mean is in `ridethrough_sim::story`; here is only where it comes from and where it goes.

use super::Said;
use crate::failure::{Failure, exit};
use crate::wiring;
use clap::Args;
use ridethrough_sim::story;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Play a story of your own ("what if"): a site, an outage, what the controller would do
///
/// The story is a text file, one command a line: `load demo`, `arm`, `ups rack-a on-battery runtime=600`, `tick 5m`, `plan`, `mains
/// back`, `status`, `journal`. With `load config` it is played on the hosts and UPSes of --config. docs/cli.md has all words.
#[derive(Clone, Debug, Args)]
pub(crate) struct SimArgs {
    /// The story; - reads it from standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// No story is longer.
const BYTES_MAX: u64 = 1 << 20;

pub(crate) fn run(args: &SimArgs, config: &Path, is_json: bool) -> Result<Said, Failure> {
    let script = read(&args.file)?;
    let is_own = script.lines().any(|line| line.split_whitespace().take(2).eq(["load", "config"]));
    let site = if is_own { Some(wiring::site(&wiring::configuration(config)?)) } else { None };
    let told = story::play(&script, site.as_ref()).map_err(|error| {
        let message = format!("{}, {error}", args.file.display());
        Failure::new("", message, "`ridethrough sim --help` and docs/cli.md say which words a story has.")
    })?;
    let code = if told.broken.is_empty() { exit::DONE } else { exit::FAILED };
    let text = if is_json { super::json(&serde_json::json!({ "text": told.text, "broken": told.broken })) } else { told.text };
    Ok(Said { text, exit: code })
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let result = if file == Path::new("-") {
        std::io::stdin().take(BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text))
    };
    result.map_err(|error| {
        let message = format!("the story {} cannot be read", file.display());
        Failure::new("", message, "Name a text file, or - for standard input.").because(&error)
    })?;
    if text.len() as u64 > BYTES_MAX {
        let message = format!("the story {} is longer than 1 MiB", file.display());
        return Err(Failure::new("", message, "Nothing of it was played. Shorten it, or play it in parts."));
    }
    Ok(text)
}
