//! A host through its SSH server: it runs if it runs `true`, and a command of the operator's shuts it down.
//!
//! It never says "off": a host that does not answer may still run. Host keys are always checked. The system's own `ssh` does the
//! talking, with one connection per host kept open, so that in an outage no handshake is waited for. Begin in [`Ssh`].

#[cfg(test)]
mod fuzz_tests;
mod last_resort;
mod master;
mod not_let_in;

pub use last_resort::DeadManTimer;
pub(crate) use not_let_in::not_let_in;

use async_trait::async_trait;
use master::{Ended, Master, NotConnected};
use ridethrough_driver::{Cx, Error, FailureKind, HostPower, HostPowerCapability, Result};
use ridethrough_model::HostPowerState;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How a host is reached, and how it is told to shut down.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name or address.
    pub address: String,
    /// Its SSH port, usually 22.
    pub port: u16,
    /// The account. It must be allowed to run `command` without being asked for a password.
    pub user: String,
    /// The private key, without passphrase. Without one: what ssh finds by itself.
    pub key: Option<PathBuf>,
    /// Where the host's public key stands. Without one: ssh's own files. Unknown and changed keys are always refused.
    pub known_hosts: Option<PathBuf>,
    /// What shuts the host down, for example `systemctl poweroff`.
    pub command: String,
}

/// How long a host whose connection broke is given for closing it, before its command counts as failed.
const CLOSING_MAX: Duration = Duration::from_secs(5);
/// ssh's exit code for its own failures.
const SSH_FAILED: i32 = 255;

/// One host.
#[derive(Debug)]
pub struct Ssh {
    config: Config,
    connection: Mutex<Option<Arc<Master>>>,
}

impl Ssh {
    /// A host that is dialled at the first call.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, connection: Mutex::new(None) }
    }

    /// The command it is configured with.
    pub(crate) fn command(&self) -> &str {
        &self.config.command
    }

    /// Runs a command line there and tells its exit status and what it said. `None`: the host closed the connection while it ran.
    pub(crate) async fn run(&self, command: &str, cx: &Cx) -> Result<Option<(i32, String)>> {
        let master = self.connection(cx).await.map_err(Error::no_effect)?;
        let work = async {
            let ended = master.run(command).await.map_err(|cause| no_ssh("run a command over ssh", cause))?;
            match ended.code {
                Some(code) if code != SSH_FAILED => Ok(Some((code, shown(&ended.said)))),
                _ => self.judged(&master, ended).await.map(|()| None),
            }
        };
        cx.bound("run a command over ssh", work).await.map_err(|error| self.placed(error))
    }

    /// A connection over which a command has just run.
    async fn connection(&self, cx: &Cx) -> Result<Arc<Master>> {
        let kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(kept) = kept {
            // A dead one does not use up the time for a new one.
            let half = Instant::now() + cx.deadline.saturating_duration_since(Instant::now()) / 2;
            let alive = tokio::time::timeout_at(half, kept.run("true")).await;
            if matches!(alive, Ok(Ok(Ended { code: Some(0), .. }))) {
                return Ok(self.keep(kept));
            }
        }
        let fresh = Arc::new(self.dial(cx).await?);
        let run = async { fresh.run("true").await.map_err(|cause| no_ssh("run a command over ssh", cause)) };
        let ended = cx.bound("run a command over ssh", run).await.map_err(|error| self.placed(error))?;
        if ended.code == Some(0) {
            return Ok(self.keep(fresh));
        }
        let message = format!("the host lets us in, but does not run commands: {}", shown(&ended.said));
        Err(self.placed(Error::new(FailureKind::Refused, "run a command over ssh", message)))
    }

    fn keep(&self, master: Arc<Master>) -> Arc<Master> {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(master.clone());
        master
    }

    async fn dial(&self, cx: &Cx) -> Result<Master> {
        if let Some(key) = &self.config.key
            && let Err(cause) = std::fs::File::open(key)
        {
            let message = format!("the key {} cannot be read", key.display());
            return Err(self.placed(Error::new(FailureKind::Config, "connect over ssh", message).caused_by(cause)));
        }
        let options = self.options(cx);
        let dial = async {
            Master::open(&options).await.map_err(|failed| match failed {
                NotConnected::Local(cause) => no_ssh("connect over ssh", cause),
                NotConnected::Said(said) => self.refusal(&said),
            })
        };
        cx.bound("connect over ssh", dial).await.map_err(|error| self.placed(error))
    }

    fn options(&self, cx: &Cx) -> Vec<OsString> {
        let seconds = cx.deadline.saturating_duration_since(Instant::now()).as_secs().max(1);
        let mut options: Vec<OsString> = Vec::new();
        let mut set = |option: String| options.extend(["-o".into(), option.into()]);
        set("BatchMode=yes".into());
        // Why it failed or ended is read from what it logs; below this level it does not tell that it was killed.
        set("LogLevel=VERBOSE".into());
        set("StrictHostKeyChecking=yes".into());
        set("UpdateHostKeys=no".into());
        set("RemoteCommand=none".into());
        set(format!("ConnectTimeout={seconds}"));
        set("ServerAliveInterval=5".into());
        set("ServerAliveCountMax=2".into());
        if let Some(known) = &self.config.known_hosts {
            set(format!("UserKnownHostsFile=\"{}\"", literal(known)));
            set("GlobalKnownHostsFile=/dev/null".into());
        }
        if let Some(key) = &self.config.key {
            set("IdentitiesOnly=yes".into());
            // Not `-i`: that looks for the file before it replaces `%%`.
            set(format!("IdentityFile=\"{}\"", literal(key)));
        }
        options
            .extend(["-l", &self.config.user, "-p", &self.config.port.to_string(), "--", &self.config.address].map(Into::into));
        options
    }

    /// What ssh's log means, and what a person can do about it.
    fn refusal(&self, said: &str) -> Error {
        let Config { address, port, user, .. } = &self.config;
        let file = self.config.known_hosts.as_ref().map_or("~/.ssh/known_hosts".to_owned(), |path| path.display().to_string());
        let error = |kind, message| Error::new(kind, "connect over ssh", message).caused_by(std::io::Error::other(shown(said)));
        if let Some(message) = not_let_in(said, Some(user), &format!("-p {port} {address}"), &file) {
            return error(FailureKind::Unauthorized, message);
        }
        error(FailureKind::Unreachable, "no connection".to_owned())
    }

    fn placed(&self, error: Error) -> Error {
        error.with("host", format!("{}:{}", self.config.address, self.config.port)).with("user", &self.config.user)
    }

    /// What the end of the command for shutting down means. A connection that the host closes is the host going down.
    async fn judged(&self, master: &Master, ended: Ended) -> Result<()> {
        let command = &self.config.command;
        let error = |kind, message| Err(Error::new(kind, "shut down over ssh", message));
        match ended.code {
            Some(0) => Ok(()),
            Some(SSH_FAILED) if ended.is_unsent() => {
                error(FailureKind::Unreachable, "the connection broke before the command began".to_owned())
            }
            Some(SSH_FAILED) | None => match tokio::time::timeout(CLOSING_MAX, master.closed()).await {
                Ok(closed) if closed.log.contains("not responding") => {
                    error(FailureKind::Unreachable, "the host fell silent during the command".to_owned())
                }
                Ok(closed) if closed.is_killed() => {
                    error(FailureKind::Unreachable, "our own ssh was killed during the command".to_owned())
                }
                Ok(_) => Ok(()),
                Err(_) => error(FailureKind::Refused, format!("`{command}` was killed: {}", shown(&ended.said))),
            },
            Some(_) if ended.said.contains("password is required") || ended.said.contains("terminal is required") => {
                let message = format!("`{command}` asks for a password: allow it in sudoers with NOPASSWD");
                error(FailureKind::Unauthorized, message)
            }
            Some(code) => error(FailureKind::Refused, format!("`{command}` ended with {code}: {}", shown(&ended.said))),
        }
    }
}

#[async_trait]
impl HostPower for Ssh {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn capability(&self) -> HostPowerCapability {
        HostPowerCapability { can_shut_down: true, can_wake: false, can_prove_off: false }
    }

    async fn observe(&self, cx: &Cx) -> Result<HostPowerState> {
        match self.connection(cx).await {
            Ok(_) => Ok(HostPowerState::On),
            Err(error) if matches!(error.kind(), FailureKind::Unauthorized | FailureKind::Config) => Err(error.no_effect()),
            Err(_) => Ok(HostPowerState::Unknown),
        }
    }

    async fn shut_down(&self, cx: &Cx) -> Result<()> {
        // Before the command is sent, nothing can have taken effect.
        let master = self.connection(cx).await.map_err(Error::no_effect)?;
        let work = async {
            let ended = master.run(&self.config.command).await.map_err(|cause| no_ssh("shut down over ssh", cause))?;
            self.judged(&master, ended).await
        };
        cx.bound("shut down over ssh", work).await.map_err(|error| self.placed(error))
    }

    async fn wake(&self, _: &Cx) -> Result<()> {
        Err(Error::new(FailureKind::Unsupported, "wake over ssh", "a host that is off runs no SSH server").no_effect())
    }
}

fn no_ssh(operation: &'static str, cause: std::io::Error) -> Error {
    let message = if cause.kind() == std::io::ErrorKind::NotFound {
        "the program `ssh` is missing: install openssh-client"
    } else {
        "the program `ssh` could not be run"
    };
    Error::new(FailureKind::Config, operation, message).caused_by(cause)
}

/// A path as ssh takes it, which replaces `%h` and the like.
pub(crate) fn literal(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

/// Words from outside, on one short line.
fn shown(said: &str) -> String {
    let line = said.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    line.chars().filter(|letter| !letter.is_control()).take(300).collect()
}
