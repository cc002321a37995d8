//! A host's BMC over IPMI 2.0, through the system's `ipmitool`: is it on, and wake it. Its "off" is proof. It never cuts power.

use async_trait::async_trait;
use ridethrough_driver::{Cx, Error, FailureKind, HostPower, HostPowerCapability, Result, Secret};
use ridethrough_model::HostPowerState;
use std::process::{Output, Stdio};
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
        let (port, suite) = (self.config.port.to_string(), self.config.cipher_suite.to_string());
        let mut command = Command::new("ipmitool");
        command
            .args([
                "-N",
                "1",
                "-R",
                "2",
                "-C",
                &suite,
                "-I",
                "lanplus",
                "-L",
                "OPERATOR",
                "-H",
                &self.config.address,
                "-p",
                &port,
            ])
            .args(["-U", &self.config.user, "-E", "chassis", "power", what])
            // Not on the command line, where every process could read it.
            .env("IPMI_PASSWORD", self.config.password.reveal())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let run = async {
            command.output().await.map_err(|cause| {
                let missing = cause.kind() == std::io::ErrorKind::NotFound;
                let kind = if missing { FailureKind::Config } else { FailureKind::Unreachable };
                let message = if missing { "ipmitool is not installed" } else { "ipmitool cannot be run" };
                Error::new(kind, "ask the BMC", message).no_effect().caused_by(cause)
            })
        };
        let output = cx.bound("ask the BMC", run).await.map_err(|error| self.about(error))?;
        match refusal(&String::from_utf8_lossy(&output.stderr)) {
            Some(message) => Err(self.about(Error::new(FailureKind::Unauthorized, "ask the BMC", message).no_effect())),
            None => Ok(output),
        }
    }

    fn about(&self, error: Error) -> Error {
        error.with("bmc", format!("{}:{}", self.config.address, self.config.port)).with("user", &self.config.user)
    }
}

/// What ipmitool says about credentials; `None` where it failed for another reason, or did not.
fn refusal(said: &str) -> Option<&'static str> {
    if said.contains("RAKP 2 HMAC is invalid") || said.contains("password") && said.contains("invalid") {
        return Some("the BMC does not accept this password");
    }
    if said.contains("unauthorized name")
        || said.contains("Invalid user name")
        || said.contains("RAKP 2 message indicates an error")
    {
        return Some("the BMC does not accept this user");
    }
    if said.contains("insufficient privilege") || said.contains("Insufficient privilege") {
        return Some("the BMC gives this user too few rights; OPERATOR is needed");
    }
    None
}

/// What `chassis power status` says.
fn state(said: &str) -> HostPowerState {
    match said.trim().to_ascii_lowercase().as_str() {
        "chassis power is on" => HostPowerState::On,
        "chassis power is off" => HostPowerState::Off,
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
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_word_is_a_state() {
        assert_eq!(state("Chassis Power is on\n"), HostPowerState::On);
        assert_eq!(state("Chassis Power is off\n"), HostPowerState::Off);
        for unclear in ["", "Chassis Power is", "Unable to get Chassis Power Status", "Chassis Power is off on"] {
            assert_eq!(state(unclear), HostPowerState::Unknown, "{unclear}");
        }
    }

    #[test]
    fn a_wrong_password_is_not_silence() {
        assert!(refusal("> RAKP 2 HMAC is invalid\nError: Unable to establish IPMI v2 / RMCP+ session").is_some());
        assert!(refusal("Error in open session response message : insufficient privilege level").is_some());
        assert!(refusal("Error: Unable to establish IPMI v2 / RMCP+ session").is_none(), "no answer is only silence");
    }
}
