//! How a command fails: what, why, what to do, and the exit code.

use ridethrough_api::{ApiError, ClientError, code};
use std::process::ExitCode;

/// Exit codes, the same for every command, as in docs/cli.md.
pub(crate) mod exit {
    /// Done; what was asked about is in order.
    pub(crate) const DONE: u8 = 0;
    /// Something went wrong, was refused or not confirmed, or a check found errors.
    pub(crate) const FAILED: u8 = 1;
    /// The command line makes no sense, or nobody can be asked.
    pub(crate) const USAGE: u8 = 2;
    /// No controller answers.
    pub(crate) const UNREACHABLE: u8 = 3;
    /// An outage is under way: a UPS is on battery, a run is open, or a person holds it back.
    pub(crate) const AT_RISK: u8 = 4;
    /// On mains, but an outage would not be handled in full.
    pub(crate) const UNPROTECTED: u8 = 5;
}

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: u8,
    /// What, and what to do.
    pub(crate) error: Box<ApiError>,
    /// Why, from below.
    pub(crate) cause: Option<String>,
}

impl Failure {
    /// With exit code 1.
    pub(crate) fn new(code: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit: exit::FAILED, error: Box::new(ApiError::new(code, message, remedy)), cause: None }
    }

    /// Adds why.
    pub(crate) fn because(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut words = cause.to_string();
        let mut next = cause.source();
        while let Some(deeper) = next {
            words.push_str(&format!(": {deeper}"));
            next = deeper.source();
        }
        self.cause = Some(words);
        self
    }

    /// Says it on stderr; as JSON on stdout too where that was asked for.
    pub(crate) fn report(&self, is_json: bool) -> ExitCode {
        if is_json && let Ok(text) = serde_json::to_string_pretty(&*self.error) {
            // Who does not read stdout reads stderr.
            drop(crate::output::print(&format!("{text}\n")));
        }
        eprint!("{}", self.text());
        ExitCode::from(self.exit)
    }

    /// For a person.
    pub(crate) fn text(&self) -> String {
        let cause = self.cause.as_ref().map_or_else(String::new, |cause| format!(" ({cause})"));
        let code = if self.error.code.is_empty() { String::new() } else { format!(" {}", self.error.code) };
        let mut text = format!("error{code}: {}{cause}\n", self.error.message);
        for finding in &self.error.findings {
            text.push_str(&format!("  {} {} {}: {}\n", finding.level, finding.code, finding.subject, finding.message));
            text.push_str(&format!("    -> {}\n", finding.remedy));
        }
        if !self.error.remedy.is_empty() {
            text.push_str(&format!("  -> {}\n", self.error.remedy));
        }
        text
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(error) => Self { exit: exit::FAILED, error: Box::new(error), cause: None },
            ClientError::Unreachable { url, source } => {
                let mut failure = Self::new(
                    code::UNREACHABLE,
                    format!("no controller answers at {url}"),
                    "Start it with `ridethrough serve`, or name the right one with --config or --url.",
                )
                .because(innermost(&source));
                failure.exit = exit::UNREACHABLE;
                failure
            }
            ClientError::Stranger { url, reason } => {
                let message = format!("what answers at {url} does not speak this version's API: {reason}");
                let remedy = "Use the command line of the same version as the controller, or correct the address.";
                let mut failure = Self::new(code::STRANGER, message, remedy);
                failure.exit = exit::UNREACHABLE;
                failure
            }
        }
    }
}

/// The cause that says most: "connection refused" rather than "error sending request".
fn innermost<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut error = error;
    while let Some(deeper) = error.source() {
        error = deeper;
    }
    error
}
