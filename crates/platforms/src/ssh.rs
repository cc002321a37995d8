//! A host's operating system over SSH, through the system's `ssh`: it runs, and it is told to shut down. Never proof of off: that
//! nobody answers says nothing.

use async_trait::async_trait;
use openssh::{KnownHosts, Session, SessionBuilder};
use ridethrough_driver::{Cx, Error, FailureKind, HostPower, HostPowerCapability, Result};
use ridethrough_model::HostPowerState;
use std::path::PathBuf;
use tokio::sync::Mutex;

/// How a host is reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name or address.
    pub address: String,
    /// Port, usually 22.
    pub port: u16,
    /// The account.
    pub user: String,
    /// The private key; `None`: what the system's ssh finds.
    pub key: Option<PathBuf>,
    /// The file that knows the host's key; `None`: the user's own. Unknown hosts are refused.
    pub known_hosts: Option<PathBuf>,
    /// What is run there to shut it down.
    pub command: String,
}

/// One host. Its connection is kept warm: in an outage there is no time for a handshake.
#[derive(Debug)]
pub struct Ssh {
    config: Config,
    /// Taken out while it is used.
    session: Mutex<Option<Session>>,
}

impl Ssh {
    /// A host that is dialled at the first call.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, session: Mutex::new(None) }
    }

    async fn connect(&self) -> Result<Session> {
        let mut builder = SessionBuilder::default();
        builder.user(self.config.user.clone()).port(self.config.port).known_hosts_check(KnownHosts::Strict);
        builder.connect_timeout(std::time::Duration::from_secs(10));
        builder.server_alive_interval(std::time::Duration::from_secs(5));
        if let Some(key) = &self.config.key {
            builder.keyfile(key);
        }
        if let Some(known) = &self.config.known_hosts {
            builder.user_known_hosts_file(known);
        }
        builder.connect(&self.config.address).await.map_err(|cause| self.about(classify(cause)))
    }

    /// The warm connection if it still lives, else a new one.
    async fn session(&self) -> Result<Session> {
        let kept = self.session.lock().await.take();
        if let Some(session) = kept
            && session.check().await.is_ok()
        {
            return Ok(session);
        }
        self.connect().await
    }

    fn about(&self, error: Error) -> Error {
        error.with("host", format!("{}@{}:{}", self.config.user, self.config.address, self.config.port))
    }

    async fn run(&self, command: &str) -> Result<()> {
        let session = self.session().await?;
        let output = session.raw_command(command).output().await.map_err(|cause| self.about(classify(cause)))?;
        *self.session.lock().await = Some(session);
        if output.status.success() {
            return Ok(());
        }
        let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(200).collect();
        Err(self.about(Error::new(FailureKind::Refused, "run a command over SSH", format!("`{command}` failed: {said}"))))
    }
}

/// What ssh's failures mean.
fn classify(cause: openssh::Error) -> Error {
    let words = match &cause {
        openssh::Error::Connect(inner) | openssh::Error::Master(inner) => inner.to_string(),
        other => other.to_string(),
    };
    let (kind, message) = if words.contains("Host key verification failed") || words.contains("host key is known") {
        (FailureKind::Unauthorized, "its host key is not the one known_hosts has; look whose machine answers, then add it there")
    } else if words.contains("Permission denied") {
        (FailureKind::Unauthorized, "it does not accept this account and key")
    } else {
        (FailureKind::Unreachable, "no connection")
    };
    let error = Error::new(kind, "connect over SSH", message).caused_by(std::io::Error::other(words));
    if matches!(cause, openssh::Error::Connect(_)) { error.no_effect() } else { error }
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
        match cx.bound("look over SSH", self.run("true")).await {
            Ok(()) => Ok(HostPowerState::On),
            Err(error) if matches!(error.kind(), FailureKind::Unauthorized | FailureKind::Config) => Err(error),
            // It answered, so it runs.
            Err(error) if error.kind() == FailureKind::Refused => Ok(HostPowerState::On),
            Err(_) => Ok(HostPowerState::Unknown),
        }
    }

    async fn shut_down(&self, cx: &Cx) -> Result<()> {
        cx.bound("shut down over SSH", self.run(&self.config.command)).await
    }

    async fn wake(&self, _cx: &Cx) -> Result<()> {
        Err(self.about(Error::new(FailureKind::Unsupported, "wake over SSH", "a host that is off hears nothing").no_effect()))
    }
}
