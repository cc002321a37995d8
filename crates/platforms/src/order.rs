//! The three ways to have something done in the operator's own words: a local program, a command over SSH, an HTTP request.
//!
//! They carry out and classify; what the answer means is for whoever gave the order.

pub mod http;
mod local;

pub use http::Http;
pub use local::Local;

use crate::ssh::Ssh;
use async_trait::async_trait;
use ridethrough_driver::{Answer, Cx, Facts, Order, Result};

/// Exit status that says "not running" or "no", as `systemctl status` does.
pub const STATUS_NO: i32 = 3;

/// What an exit status says.
fn judged(what: &str, status: Option<i32>, said: &str) -> Answer {
    let words = match status {
        Some(0) => return Answer::Yes,
        Some(status) => format!("{what} ended with {status}"),
        None => format!("{what} was ended by a signal"),
    };
    let words = if said.is_empty() { words } else { format!("{words}: {said}") };
    if status == Some(STATUS_NO) { Answer::No(words) } else { Answer::Other(words) }
}

#[async_trait]
impl Order for Ssh {
    fn name(&self) -> &'static str {
        "ssh"
    }

    /// Runs the configured command there. Facts are set as variables in front of it, for a shell as POSIX describes it; without
    /// facts the command goes out as it is.
    async fn give(&self, facts: &Facts, cx: &Cx) -> Result<Answer> {
        let command = exported(facts, self.command());
        Ok(match self.run(&command, cx).await? {
            None => Answer::Cut,
            Some((status, said)) => judged(&format!("`{}`", self.command()), Some(status), &said),
        })
    }
}

/// Variables in front of a command, each value as one word whatever is in it.
fn exported(facts: &Facts, command: &str) -> String {
    let set = |(name, value): (&String, &String)| format!("export {name}='{}'; ", value.replace('\'', "'\\''"));
    facts.iter().map(set).collect::<String>() + command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_5_hooks_a_fact_is_one_word_for_the_remote_shell() {
        let facts = Facts::from([("RIDETHROUGH_HOST".to_owned(), "a'; reboot; '".to_owned())]);
        assert_eq!(exported(&facts, "stop it"), "export RIDETHROUGH_HOST='a'\\''; reboot; '\\'''; stop it");
        assert_eq!(exported(&Facts::new(), "stop it"), "stop it");
    }
}
