//! The ways to a libvirt daemon that are more than a socket: TLS, and the system's `ssh` with `virt-ssh-helper` at its end.
//!
//! Opens and explains; what is said over it is the connection's. Nothing falls back to clear text.

use super::config::{SshLogin, Tls};
use super::connection::CallError;
use crate::ssh::not_let_in;
use ridethrough_driver::tls::{self, ClientConfig, distrust};
use ridethrough_driver::{Error, FailureKind, Result as DriverResult, Workers};
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// What a daemon says over TLS when it has accepted our certificate, before anything else.
const ACCEPTED: u8 = 1;
/// Bytes of what ssh says that are looked at.
const SAID_MAX: u64 = 16 << 10;

/// What all hosts of a platform share.
#[derive(Debug)]
pub(super) struct Transports {
    tls: Option<Arc<ClientConfig>>,
    ssh: SshLogin,
}

impl Transports {
    pub(super) fn new(tls: Option<&Tls>, ssh: SshLogin) -> DriverResult<Self> {
        let made = tls.map(|tls| tls::client(&tls.trust, tls.identity.as_ref())).transpose();
        let wrong = |cause| Error::new(FailureKind::Config, "connect", "TLS cannot be set up").no_effect().caused_by(cause);
        Ok(Self { tls: made.map_err(wrong)?, ssh })
    }
}

/// Shakes hands, and waits for the daemon's word that our certificate will do.
pub(super) async fn tls(tcp: TcpStream, host: &str, transports: &Transports) -> Result<TlsStream<TcpStream>, CallError> {
    let unauthorized = |message: String| CallError::Unauthorized(message);
    let client = transports.tls.clone().ok_or_else(|| {
        unauthorized("it is at a qemu+tls address, and the platform has no `tls` that says whom to believe".to_owned())
    })?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| unauthorized(format!("`{host}` is neither a name nor an address that a certificate can bear")))?;
    let mut stream = TlsConnector::from(client).connect(name, tcp).await.map_err(|cause| refused(&cause))?;
    // With TLS 1.3 it is only now that a daemon says no to our certificate.
    let mut word = [0];
    match stream.read_exact(&mut word).await {
        Ok(_) if word[0] == ACCEPTED => Ok(stream),
        Ok(_) => Err(unauthorized(NOT_OURS.to_owned())),
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Err(unauthorized(NOT_OURS.to_owned())),
        Err(cause) => Err(refused(&cause)),
    }
}

const NOT_OURS: &str = "it does not accept our certificate: it must be signed by the authority in the host's `ca_file`, be for a \
     client, and its name be in `tls_allowed_dn_list` where there is one";

fn refused(cause: &io::Error) -> CallError {
    match distrust(cause) {
        Some(message) => CallError::Unauthorized(message),
        None if is_alert(cause) => CallError::Unauthorized(NOT_OURS.to_owned()),
        None => CallError::NoConnection(format!("TLS: {cause}")),
    }
}

/// Whether the other end said that it does not like our certificate.
fn is_alert(cause: &io::Error) -> bool {
    use tokio_rustls::rustls::Error as Rustls;
    let error = cause.get_ref().and_then(|error| error.downcast_ref::<Rustls>());
    matches!(error, Some(Rustls::AlertReceived(_)))
}

/// A running `ssh`. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct SshWay {
    child: Child,
    stderr: Option<ChildStderr>,
    ends: Option<(ChildStdout, ChildStdin)>,
    place: String,
    known_hosts: String,
}

/// Starts it; whether it gets anywhere is seen by what comes out of it.
pub(super) fn ssh(
    (user, host, port): (&str, &str, u16),
    transports: &Transports,
    deadline: Instant,
) -> Result<SshWay, CallError> {
    let login = &transports.ssh;
    let seconds = deadline.saturating_duration_since(Instant::now()).as_secs().max(1);
    let mut command = Command::new("ssh");
    let mut set = |option: String| {
        command.args(["-o", &option]);
    };
    set("BatchMode=yes".to_owned());
    set("StrictHostKeyChecking=yes".to_owned());
    set("UpdateHostKeys=no".to_owned());
    set("RemoteCommand=none".to_owned());
    set("ControlMaster=no".to_owned());
    set("ControlPath=none".to_owned());
    set("PermitLocalCommand=no".to_owned());
    set(format!("ConnectTimeout={seconds}"));
    if let Some(known) = &login.known_hosts {
        set(format!("UserKnownHostsFile=\"{}\"", crate::ssh::literal(known)));
        set("GlobalKnownHostsFile=/dev/null".to_owned());
    }
    if let Some(key) = &login.key {
        if let Err(cause) = std::fs::File::open(key) {
            return Err(CallError::Unauthorized(format!("the key {} cannot be read: {cause}", key.display())));
        }
        set("IdentitiesOnly=yes".to_owned());
        set(format!("IdentityFile=\"{}\"", crate::ssh::literal(key)));
    }
    command.args(["-T", "-e", "none", "-l", user, "-p", &port.to_string(), "--", host, "virt-ssh-helper", "qemu:///system"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|cause| {
        CallError::NoConnection(format!("`ssh` cannot be run on this machine ({cause}): install the package openssh-client"))
    })?;
    let ends = child.stdout.take().zip(child.stdin.take());
    let stderr = child.stderr.take();
    let known_hosts = login.known_hosts.as_ref().map_or("~/.ssh/known_hosts".to_owned(), |path| path.display().to_string());
    Ok(SshWay { child, stderr, ends, place: format!("{user}@{host}:{port}"), known_hosts })
}

impl SshWay {
    /// What is read from and written to. Once.
    pub(super) fn take_ends(
        &mut self,
    ) -> (Box<dyn tokio::io::AsyncRead + Send + Unpin>, Box<dyn tokio::io::AsyncWrite + Send + Unpin>) {
        match self.ends.take() {
            Some((reader, writer)) => (Box::new(reader), Box::new(writer)),
            None => (Box::new(tokio::io::empty()), Box::new(tokio::io::sink())),
        }
    }

    /// Reads on what ssh says, so that it never waits for that; nobody wants it any more.
    pub(super) fn listen(&mut self, workers: &Workers) {
        if let Some(mut stderr) = self.stderr.take() {
            workers.start(async move {
                let _said = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
            });
        }
    }

    /// What ssh or the helper said, as a reason; the protocol's own where they said nothing.
    pub(super) async fn why(mut self, error: CallError, deadline: Instant) -> CallError {
        let mut said = Vec::new();
        if let Some(stderr) = self.stderr.take() {
            // It has ended, or is ended here: there is an end to what it says.
            let _gone = self.child.start_kill();
            let _late = timeout_at(deadline, stderr.take(SAID_MAX).read_to_end(&mut said)).await;
        }
        let said = String::from_utf8_lossy(&said);
        match reason(&said, &self.place, &self.known_hosts) {
            Some(why) => why,
            None => match error {
                CallError::Lost(why) => CallError::NoConnection(format!("ssh to {}: {why}", self.place)),
                CallError::TooLate { .. } => {
                    CallError::NoConnection(format!("ssh to {}: nobody answered before the deadline", self.place))
                }
                other => other,
            },
        }
    }
}

/// What ssh's words mean, and what a person can do about it.
fn reason(said: &str, place: &str, known_hosts: &str) -> Option<CallError> {
    let unauthorized = |message: String| Some(CallError::Unauthorized(message));
    if let Some(why) = not_let_in(said, None, "HOST", known_hosts) {
        return unauthorized(format!("ssh to {place}: {why}"));
    }
    if said.contains("virt-ssh-helper") && said.contains("not found") {
        return unauthorized(format!(
            "{place} lets us in, but has no virt-ssh-helper: it comes with libvirt 6.8 and later (package libvirt-daemon)"
        ));
    }
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    let line: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
    Some(CallError::NoConnection(format!("ssh to {place}: {line}")))
}
