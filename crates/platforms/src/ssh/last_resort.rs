//! The dead-man timer on a host, set through its SSH server: a small script there that outlives the connection and ourselves.
//!
//! What it does on the host is in `last_resort.sh`; here it is sent, and what it answers is read. Begin in [`DeadManTimer`].

use super::master::Ended;
use super::{SSH_FAILED, Ssh, no_ssh, shown};
use async_trait::async_trait;
use ridethrough_driver::{Cx, Error, FailureKind, HostAgent, LastResort, Result, TimerOrder};
use ridethrough_model::{LastResortState, Millis};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

const SCRIPT: &str = include_str!("last_resort.sh");
/// As many programs and settings of others as are read; a host has a handful.
const AGENT_LINES_MAX: usize = 100;

/// The timer of one host.
#[derive(Debug)]
pub struct DeadManTimer {
    ssh: Arc<Ssh>,
    name: String,
}

impl DeadManTimer {
    /// The timer of the host `name`, over the connection and with the command that shut the host down in a run. What is not a
    /// letter, digit, dot, dash or underscore in the name is written as a number there.
    #[must_use]
    pub fn new(ssh: Arc<Ssh>, name: &str) -> Self {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
        let name = name.chars().map(|c| if plain(c) { c.to_string() } else { format!("%{:x}", u32::from(c)) }).collect();
        Self { ssh, name }
    }

    fn script(&self, verb: &str, order: Option<TimerOrder>) -> String {
        let command = &self.ssh.config.command;
        let mut hasher = DefaultHasher::new();
        (SCRIPT, command).hash(&mut hasher);
        let (after, guests) = order.map_or((0, 0), |order| (order.fires_in.0 / 1000, order.guests_max.0.div_ceil(1000)));
        format!(
            "verb={verb}\nname={}\nmark={:016x}\nafter={after}\nguests={guests}\ncommand={}\n{SCRIPT}",
            quoted(&self.name),
            hasher.finish(),
            quoted(command),
        )
    }

    async fn ask(&self, cx: &Cx, operation: &'static str, verb: &str, order: Option<TimerOrder>) -> Result<String> {
        // Before the script is sent, nothing can have taken effect.
        let master = self.ssh.connection(cx).await.map_err(Error::no_effect)?;
        let script = self.script(verb, order);
        let work = async {
            let (ended, answer) = master.run_script(&script).await.map_err(|cause| no_ssh(operation, cause))?;
            judged(operation, &ended).map(|()| answer)
        };
        cx.bound(operation, work).await.map_err(|error| self.ssh.placed(error))
    }

    async fn state(&self, cx: &Cx, operation: &'static str, verb: &str, order: Option<TimerOrder>) -> Result<LastResortState> {
        let answer = self.ask(cx, operation, verb, order).await?;
        read_state(&answer).ok_or_else(|| {
            let message = format!("the host answers `{}` to the timer's script", shown(&answer));
            self.ssh.placed(Error::new(FailureKind::Protocol, operation, message))
        })
    }
}

/// Unlike for a shutdown, a connection that breaks proves nothing.
fn judged(operation: &'static str, ended: &Ended) -> Result<()> {
    let error = |kind, message: String| Error::new(kind, operation, message);
    match ended.code {
        Some(0) => Ok(()),
        Some(SSH_FAILED) if ended.is_unsent() => {
            Err(error(FailureKind::Unreachable, "the connection broke before the script was sent".to_owned()).no_effect())
        }
        Some(SSH_FAILED) | None => Err(error(FailureKind::Unreachable, "the connection broke during the script".to_owned())),
        Some(_) => Err(error(FailureKind::Refused, format!("the host cannot do it: {}", shown(&ended.said)))),
    }
}

fn read_state(answer: &str) -> Option<LastResortState> {
    match answer.lines().last()?.trim() {
        "idle" => Some(LastResortState::Idle),
        "fired" => Some(LastResortState::Fired),
        line => {
            let seconds = line.strip_prefix("set ")?.parse::<u32>().ok()?;
            Some(LastResortState::Set { fires_in: Millis::from_secs(seconds.into()) })
        }
    }
}

/// What `agents` wrote. Words that mean nothing here are skipped.
fn read_agents(answer: &str) -> Vec<HostAgent> {
    let mut found: Vec<HostAgent> = Vec::new();
    for line in answer.lines().take(AGENT_LINES_MAX) {
        let mut words = line.split_whitespace();
        let (Some(kind), Some(name)) = (words.next(), words.next()) else { continue };
        let rest = shown(&words.collect::<Vec<_>>().join(" "));
        let detail = match kind {
            "runs" => String::new(),
            "monitors" => format!("watches {rest}"),
            "setting" => rest,
            "unreadable" => format!("{rest} cannot be read"),
            _ => continue,
        };
        let place = found.iter().position(|agent| agent.name == name).unwrap_or_else(|| {
            found.push(HostAgent { name: shown(name), is_running: false, detail: String::new() });
            found.len() - 1
        });
        let agent = &mut found[place];
        agent.is_running |= kind == "runs";
        if !detail.is_empty() {
            let comma = if agent.detail.is_empty() { "" } else { ", " };
            agent.detail = format!("{}{comma}{detail}", agent.detail);
        }
    }
    found
}

/// A word of a shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[async_trait]
impl LastResort for DeadManTimer {
    fn name(&self) -> &'static str {
        "ssh"
    }

    async fn set(&self, cx: &Cx, order: TimerOrder) -> Result<LastResortState> {
        self.state(cx, "set the dead-man timer", "set", Some(order)).await
    }

    async fn cancel(&self, cx: &Cx) -> Result<LastResortState> {
        self.state(cx, "cancel the dead-man timer", "cancel", None).await
    }

    async fn observe(&self, cx: &Cx) -> Result<LastResortState> {
        self.state(cx, "look at the dead-man timer", "observe", None).await.map_err(Error::no_effect)
    }

    async fn agents(&self, cx: &Cx) -> Result<Vec<HostAgent>> {
        let answer = self.ask(cx, "look for programs that watch a UPS", "agents", None).await.map_err(Error::no_effect)?;
        Ok(read_agents(&answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[test]
    fn answers_of_the_script_are_read_and_others_are_not() {
        let set = |seconds| Some(LastResortState::Set { fires_in: Millis::from_secs(seconds) });
        assert_eq!(read_state("idle"), Some(LastResortState::Idle));
        assert_eq!(read_state("Welcome to kvm1\nset 90\n"), set(90), "a login may greet");
        assert_eq!(read_state("fired"), Some(LastResortState::Fired));
        for odd in ["", "set", "set -1", "set 99999999999999999999", "idle?", "idle\nhello"] {
            assert_eq!(read_state(odd), None, "{odd}");
        }
    }

    fn check(answer: &str, expected: Expect) {
        let lines = |agent: HostAgent| format!("{} running={} {}\n", agent.name, agent.is_running, agent.detail);
        expected.assert_eq(&read_agents(answer).into_iter().map(lines).collect::<String>());
    }

    #[test]
    fn agents_are_told_with_what_they_are_set_to() {
        let upsmon =
            "runs upsmon\nruns upsmon\nmonitors upsmon rack-a@nut secondary\nsetting upsmon FINALDELAY 5\nodd\nnew upsmon 1\n";
        check(
            upsmon,
            expect![[r#"
            upsmon running=true watches rack-a@nut secondary, FINALDELAY 5
        "#]],
        );
        check(
            "unreadable upsmon /etc/nut/upsmon.conf\nruns apcupsd\n",
            expect![[r#"
            upsmon running=false /etc/nut/upsmon.conf cannot be read
            apcupsd running=true 
        "#]],
        );
    }

    #[test]
    fn whatever_is_in_a_command_stays_one_word() {
        assert_eq!(quoted("echo 'a b' $(x)"), r"'echo '\''a b'\'' $(x)'");
    }
}
