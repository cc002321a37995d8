//! A program of the user's own: for SMS modems, sirens, anything.

use super::words::{body, subject};
use super::{Channel, Undelivered};
use async_trait::async_trait;
use ridethrough_store::Letter;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// What it may say about its failure.
const STDERR_CHARS_MAX: usize = 300;

/// What is run.
#[derive(Clone, Debug)]
pub struct CommandConfig {
    /// The program and its arguments; no shell is between.
    pub run: Vec<String>,
    /// How long it may take; then it and all it started is killed.
    pub time_max: Duration,
    /// What the messages call this site.
    pub site: String,
}

/// A program. It gets the subject in `RIDETHROUGH_SUBJECT`, the most severe severity in `RIDETHROUGH_SEVERITY`, and the text on its
/// standard input. Exit code 0 says that it was delivered.
#[derive(Debug)]
pub struct Command {
    config: CommandConfig,
}

impl Command {
    /// Looks at nothing yet.
    ///
    /// # Errors
    /// There is no program.
    pub fn new(config: CommandConfig) -> Result<Self, String> {
        if config.run.first().is_none_or(String::is_empty) {
            return Err("there is no program".to_owned());
        }
        Ok(Self { config })
    }

    async fn run(&self, letters: &[Letter]) -> Result<(), Undelivered> {
        let Some((program, arguments)) = self.config.run.split_first() else {
            return Err(Undelivered("there is no program".to_owned()));
        };
        let severity = ["alarm", "warning"].into_iter().find(|word| letters.iter().any(|letter| letter.severity == *word));
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("RIDETHROUGH_SUBJECT", subject(&self.config.site, letters))
            .env("RIDETHROUGH_SEVERITY", severity.unwrap_or("info"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Undelivered::of(&format!("{program} cannot be run"), &error))?;
        let mut group = Group(child.id());
        if let Some(mut input) = child.stdin.take() {
            // A program that does not read is none of our business; its exit code counts.
            let _unread = input.write_all(body(&self.config.site, letters, jiff::Timestamp::now()).as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(|error| Undelivered::of(&format!("{program} was lost"), &error))?;
        // It ended by itself: what it left running is meant to run on.
        group.0 = None;
        if output.status.success() {
            return Ok(());
        }
        let said: String = String::from_utf8_lossy(&output.stderr)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(STDERR_CHARS_MAX)
            .collect();
        Err(Undelivered(format!("{program}: {}; it said: {}", output.status, said.trim())))
    }
}

/// Ends all processes of a group when it goes, a script's children too, unless it was emptied.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may just have ended by itself.
            let _gone = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

#[async_trait]
impl Channel for Command {
    async fn deliver(&self, letters: &[Letter]) -> Result<(), Undelivered> {
        match tokio::time::timeout(self.config.time_max, self.run(letters)).await {
            Ok(result) => result,
            Err(_) => {
                let program = self.config.run.first().map_or("", String::as_str);
                Err(Undelivered(format!("{program} was not done within {} s and was killed", self.config.time_max.as_secs())))
            }
        }
    }
}
