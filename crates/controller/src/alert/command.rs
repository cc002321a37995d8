//! A program of the user's own: for SMS modems, sirens, anything.

use super::words::Words;
use super::{Channel, Language, Undelivered};
use async_trait::async_trait;
use ridethrough_driver::program::{NotEnded, Program};
use ridethrough_store::Letter;
use std::time::Duration;
use tokio::time::Instant;

/// What is run.
#[derive(Clone, Debug)]
pub struct CommandConfig {
    /// The program and its arguments; no shell is between.
    pub run: Vec<String>,
    /// How long it may take; then it and all it started is killed.
    pub time_max: Duration,
    /// What the messages call this site.
    pub site: String,
    /// The reader's language.
    pub language: Language,
}

/// A program. It gets the subject in `RIDETHROUGH_SUBJECT`, the most severe severity in `RIDETHROUGH_SEVERITY`, and the text on its
/// standard input. Exit code 0 says that it was delivered.
#[derive(Debug)]
pub struct Command {
    program: Program,
    time_max: Duration,
    words: Words,
}

impl Command {
    /// Looks at nothing yet.
    ///
    /// # Errors
    /// There is no program.
    pub fn new(config: CommandConfig) -> Result<Self, String> {
        let program = Program::of(&config.run).ok_or_else(|| "there is no program".to_owned())?;
        Ok(Self { program, time_max: config.time_max, words: Words { site: config.site, language: config.language } })
    }
}

#[async_trait]
impl Channel for Command {
    async fn deliver(&self, letters: &[Letter]) -> Result<(), Undelivered> {
        let severity = ["alarm", "warning"].into_iter().find(|word| letters.iter().any(|letter| letter.severity == *word));
        let subject = self.words.subject(letters);
        let environment = [("RIDETHROUGH_SUBJECT", subject.as_str()), ("RIDETHROUGH_SEVERITY", severity.unwrap_or("info"))];
        let text = self.words.body(letters, jiff::Timestamp::now());
        let path = &self.program.path;
        let ended = match self.program.run(environment, text.as_bytes(), Instant::now() + self.time_max).await {
            Ok(ended) if ended.status == Some(0) => return Ok(()),
            Ok(ended) => ended,
            Err(NotEnded::NotBegun(error)) => return Err(Undelivered::of(&format!("{path} cannot be run"), &error)),
            Err(NotEnded::Lost(error)) => return Err(Undelivered::of(&format!("{path} was lost"), &error)),
            Err(NotEnded::Killed(_)) => {
                return Err(Undelivered(format!("{path} was not done within {} s and was killed", self.time_max.as_secs())));
            }
        };
        let status = ended.status.map_or_else(|| "ended by a signal".to_owned(), |status| format!("exit status: {status}"));
        Err(Undelivered(format!("{path}: {status}; it said: {}", ended.said)))
    }

    /// Looks whether the program is there and may be run.
    async fn reach(&self) -> Result<&'static str, Undelivered> {
        use std::os::unix::fs::PermissionsExt;
        let path = &self.program.path;
        if !path.contains('/') {
            return Ok("not tried: which program is run depends on PATH");
        }
        let metadata = std::fs::metadata(path).map_err(|error| Undelivered::of(&format!("{path} cannot be run"), &error))?;
        if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
            Ok("the program is there; whether it delivers only a message would show")
        } else {
            Err(Undelivered(format!("{path} is no program that can be run")))
        }
    }
}
