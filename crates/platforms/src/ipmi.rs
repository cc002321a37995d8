//! A host's BMC over IPMI 2.0, through the system's `ipmitool`: is it on, and wake it. Its "off" is proof. It never cuts power.

use async_trait::async_trait;
use ridethrough_driver::{Cx, Error, FailureKind, HostPower, HostPowerCapability, Result, Secret};
use ridethrough_model::HostPowerState;
use std::io;
use std::process::{Output, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// How a BMC is reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name or address.
    pub address: String,
    /// UDP port, usually 623.
    pub port: u16,
    /// A user that may switch power (privilege OPERATOR).
    pub user: String,
    /// That user's password.
    pub password: Secret,
    /// 17 (SHA-256), or 3 (SHA-1) for older BMCs.
    pub cipher_suite: u8,
}

/// The longest password of IPMI 2.0, in bytes.
const PASSWORD_MAX: usize = 20;

/// How much of what ipmitool writes is read, in bytes of each stream.
const SAID_MAX: u64 = 64 * 1024;

/// One BMC.
#[derive(Debug)]
pub struct Ipmi {
    config: Config,
}

impl Ipmi {
    /// A BMC that is asked at each call.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    async fn chassis_power(&self, what: &str, cx: &Cx) -> Result<Output> {
        if self.config.password.reveal().len() > PASSWORD_MAX {
            let message = format!("the password is longer than the {PASSWORD_MAX} bytes of IPMI 2.0");
            return Err(self.about(Error::new(FailureKind::Config, "ask the BMC", message).no_effect()));
        }
        let (port, suite) = (self.config.port.to_string(), self.config.cipher_suite.to_string());
        let mut command = Command::new("ipmitool");
        command
            // Without -v it does not say that the password is wrong.
            .args(["-v", "-N", "1", "-R", "2", "-C", &suite, "-I", "lanplus", "-L", "OPERATOR"])
            .args(["-H", &self.config.address, "-p", &port])
            .args(["-U", &self.config.user, "-E", "chassis", "power", what])
            // Not on the command line, where every process could read it.
            .env("IPMI_PASSWORD", self.config.password.reveal())
            .stdin(Stdio::null());
        let run = async {
            bounded(command).await.map_err(|cause| {
                let missing = cause.kind() == std::io::ErrorKind::NotFound;
                let kind = if missing { FailureKind::Config } else { FailureKind::Unreachable };
                let message = if missing {
                    "the program `ipmitool` is missing: install the package ipmitool"
                } else {
                    "the program `ipmitool` could not be run"
                };
                Error::new(kind, "ask the BMC", message).no_effect().caused_by(cause)
            })
        };
        let output = cx.bound("ask the BMC", run).await.map_err(|error| self.about(error))?;
        if output.status.success() {
            // With -v it tells of failed probes as well; they are nobody's concern.
            return Ok(output);
        }
        match refusal(&String::from_utf8_lossy(&output.stderr)) {
            Some((kind, message)) => Err(self.about(Error::new(kind, "ask the BMC", message).no_effect())),
            None => Ok(output),
        }
    }

    fn about(&self, error: Error) -> Error {
        error.with("bmc", format!("{}:{}", self.config.address, self.config.port)).with("user", &self.config.user)
    }
}

/// Runs it to its end, or until it has said too much. It dies with this future.
async fn bounded(mut command: Command) -> io::Result<Output> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    let (stdout, stderr) = tokio::try_join!(beginning(child.stdout.take()), beginning(child.stderr.take()))?;
    Ok(Output { status: child.wait().await?, stdout, stderr })
}

/// What fits. Then the pipe is closed, which ends a writer that never would.
async fn beginning(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    if let Some(stream) = stream {
        stream.take(SAID_MAX).read_to_end(&mut said).await?;
    }
    Ok(said)
}

/// What a person must mend, in ipmitool's words and ours; `None` where it failed for another reason, or did not.
fn refusal(said: &str) -> Option<(FailureKind, &'static str)> {
    let said = said.to_ascii_lowercase();
    let has = |words: &str| said.contains(words);
    if has("rakp 2 hmac is invalid") || (has("password") && has("invalid")) {
        return Some((FailureKind::Unauthorized, "the BMC does not accept this password"));
    }
    if has("unauthorized name") || has("invalid user name") || has("rakp 2 message indicates an error") {
        return Some((FailureKind::Unauthorized, "the BMC does not accept this user"));
    }
    // ipmitool's own probes fail for lack of rights too ("Invalid completion code received: ..."): those do not count.
    if has("failed: insufficient privilege") || has("response message : insufficient privilege") || has("invalid role") {
        return Some((FailureKind::Unauthorized, "the BMC gives this user too few rights: OPERATOR is needed"));
    }
    if has("algorithm") && (has("invalid") || has("no cipher suite match")) {
        return Some((FailureKind::Config, "the BMC does not speak this cipher suite: try 17 or 3"));
    }
    None
}

/// What `chassis power status` says.
fn state(said: &str) -> HostPowerState {
    let says = |words: &str| said.lines().any(|line| line.trim().eq_ignore_ascii_case(words));
    match (says("chassis power is on"), says("chassis power is off")) {
        (true, false) => HostPowerState::On,
        (false, true) => HostPowerState::Off,
        _ => HostPowerState::Unknown,
    }
}

#[async_trait]
impl HostPower for Ipmi {
    fn name(&self) -> &'static str {
        "ipmi"
    }

    fn capability(&self) -> HostPowerCapability {
        HostPowerCapability { can_shut_down: false, can_wake: true, can_prove_off: true }
    }

    async fn observe(&self, cx: &Cx) -> Result<HostPowerState> {
        match self.chassis_power("status", cx).await {
            Ok(output) if output.status.success() => Ok(state(&String::from_utf8_lossy(&output.stdout))),
            Ok(_) => Ok(HostPowerState::Unknown),
            Err(error) if matches!(error.kind(), FailureKind::Unauthorized | FailureKind::Config) => Err(error),
            Err(_) => Ok(HostPowerState::Unknown),
        }
    }

    async fn shut_down(&self, _cx: &Cx) -> Result<()> {
        Err(self.about(
            Error::new(FailureKind::Unsupported, "shut down over IPMI", "a BMC cannot tell how the system took it").no_effect(),
        ))
    }

    async fn wake(&self, cx: &Cx) -> Result<()> {
        let output = self.chassis_power("on", cx).await?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().chars().take(200).collect::<String>();
        Err(self.about(Error::new(FailureKind::Unreachable, "wake over IPMI", said)))
    }
}

#[cfg(test)]
mod fuzz_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_never_stops_talking_is_stopped() {
        for stream in ["", ">&2"] {
            let mut endless = Command::new("sh");
            endless.arg("-c").arg(format!("exec yes 'Chassis Power is on' {stream}"));
            let ended = tokio::time::timeout(std::time::Duration::from_secs(20), bounded(endless)).await;
            let output = ended.expect("it ends").expect("sh runs");
            assert!(!output.status.success(), "cut off is no answer");
            assert_eq!((output.stdout.len() + output.stderr.len()) as u64, SAID_MAX);
        }
    }

    #[test]
    fn only_a_plain_word_is_a_state() {
        assert_eq!(state("Chassis Power is on\n"), HostPowerState::On);
        assert_eq!(state("Chassis Power is off\n"), HostPowerState::Off);
        for unclear in ["", "Chassis Power is", "Unable to get Chassis Power Status", "Chassis Power is off on"] {
            assert_eq!(state(unclear), HostPowerState::Unknown, "{unclear}");
        }
    }

    #[test]
    fn what_a_person_must_mend_is_not_taken_for_silence() {
        let kind = |said: &str| refusal(said).map(|(kind, _)| kind);
        // Captured from ipmitool 1.8.19 with -v.
        for (said, expected) in [
            ("> RAKP 2 HMAC is invalid\nError: Unable to establish IPMI v2 / RMCP+ session", Some(FailureKind::Unauthorized)),
            ("Set Chassis Power Control to Up/On failed: Insufficient privilege level", Some(FailureKind::Unauthorized)),
            ("Error in open session response message : invalid authentication algorithm", Some(FailureKind::Config)),
            ("RAKP 2 message indicates an error : unauthorized name", Some(FailureKind::Unauthorized)),
            ("Error: Unable to establish IPMI v2 / RMCP+ session", None),
            (
                "Invalid completion code received: Insufficient privilege level\nSet Chassis Power Control to Up/On failed: Busy",
                None,
            ),
            ("Address lookup for no.such.host failed\nCould not open socket!", None),
        ] {
            assert_eq!(kind(said), expected, "{said}");
        }
    }
}
