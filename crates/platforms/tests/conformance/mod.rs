//! The drivers of hosts' power held to the rules of `docs/drivers.md`: real servers, and a wire to them that can be spoilt.

mod tcp;
mod udp;

use crate::peers::{self, Bmc, Sshd, gate};
use async_trait::async_trait;
use ridethrough_driver::HostPower;
use ridethrough_driver::conformance::{Facts, Fault, HostPowerFixture, Peer};
use ridethrough_platforms::ipmi::Ipmi;
use ridethrough_platforms::ssh::Ssh;
use std::fs;
use std::time::Duration;

ridethrough_driver::host_power_conformance!(ssh, crate::conformance::SshFixture);
ridethrough_driver::host_power_conformance!(ipmi, crate::conformance::IpmiFixture);

pub(crate) struct SshFixture {
    sshd: Sshd,
    wire: tcp::Wire,
}

#[async_trait]
impl Peer for SshFixture {
    fn facts() -> Facts {
        use Fault::*;
        Facts {
            driver: "ssh",
            faults: &[Refusing, Silent, Slow, Garbage, HalfAnswer, Closing, Endless, WrongPassword, ReplyLost],
            // One connection each; that of the first is given up and made again.
            in_flight_max: |calls| calls + 1,
            secrets: &[],
            patience: Duration::from_secs(2),
            gives_up: Duration::from_secs(2),
            exceptions: &[
                ("C4", "`ssh` speaks the protocol; all that is read of it is how it ended"),
                ("C5", "it is given no secret: `ssh` reads the key itself"),
            ],
        }
    }

    async fn start() -> Option<Self> {
        if !gate("ssh: conformance", &peers::SSHD) {
            return None;
        }
        let sshd = Sshd::start();
        let wire = tcp::Wire::to(sshd.config("true").port, sshd.file("acts")).await;
        let known = fs::read_to_string(sshd.file("known_hosts")).expect("known hosts");
        let port = |port| format!("[127.0.0.1]:{port} ");
        fs::write(sshd.file("known_hosts"), known.replace(&port(sshd.config("true").port), &port(wire.port))).expect("written");
        Some(Self { sshd, wire })
    }

    async fn misbehave(&self, fault: Fault) {
        self.wire.misbehave(fault).await;
    }

    async fn heal(&self) {
        let _ = fs::remove_file(self.sshd.file("down"));
        self.wire.heal().await;
    }

    async fn restart(&self) {
        self.wire.stop().await;
        self.wire.resume().await;
    }

    // A host that runs is all that can be seen.
    async fn change(&self) {}

    fn looks(&self) -> usize {
        let log = fs::read_to_string(self.sshd.file("log")).expect("a log");
        log.lines().filter(|line| line.contains("Starting session: command")).count() + self.wire.state().faulty
    }

    fn effects(&self) -> usize {
        self.wire.state().effects()
    }

    fn in_flight_peak(&self) -> usize {
        self.wire.state().peak
    }
}

#[async_trait]
impl HostPowerFixture for SshFixture {
    fn host_power(&self) -> Box<dyn HostPower> {
        let (acts, down) = (self.sshd.file("acts"), self.sshd.file("down"));
        let mut config = self.sshd.config(&format!("touch {}; echo x >> {}", down.display(), acts.display()));
        config.port = self.wire.port;
        if self.wire.state().fault == Some(Fault::WrongPassword) {
            config.key = Some(self.sshd.other_key());
        }
        Box::new(Ssh::new(config))
    }

    async fn set(&self, is_on: bool) {
        if is_on {
            let _ = fs::remove_file(self.sshd.file("down"));
            self.wire.resume().await;
        } else {
            self.wire.stop().await;
        }
    }

    fn is_on(&self) -> bool {
        !self.sshd.file("down").exists()
    }
}

const RIGHT: &str = "right-4711";
const WRONG: &str = "wrong-0815";

pub(crate) struct IpmiFixture {
    bmc: Bmc,
    wire: udp::Wire,
}

#[async_trait]
impl Peer for IpmiFixture {
    fn facts() -> Facts {
        use Fault::*;
        Facts {
            driver: "ipmi",
            faults: &[Silent, Slow, Garbage, HalfAnswer, Endless, WrongPassword, ReplyLost],
            in_flight_max: |calls| calls,
            secrets: &[RIGHT, WRONG],
            patience: Duration::from_secs(2),
            // `ipmitool` asks three times.
            gives_up: Duration::from_secs(12),
            exceptions: &[("C4", "`ipmitool` speaks the protocol; of what it says, only words that we know count")],
        }
    }

    async fn start() -> Option<Self> {
        if !gate("ipmi: conformance", &peers::IPMI) {
            return None;
        }
        let bmc = Bmc::start();
        let wire = udp::Wire::to(bmc.config("kit", RIGHT, 3).port, bmc.acts()).await;
        bmc.switch(true);
        Some(Self { bmc, wire })
    }

    async fn misbehave(&self, fault: Fault) {
        let mut state = self.wire.state();
        state.effects_before = state.effects();
        state.callers_before = state.callers;
        state.fault = Some(fault);
    }

    async fn heal(&self) {
        self.wire.state().fault = None;
        self.bmc.switch(true);
    }

    // There is no connection that could break: each call makes a session of its own.
    async fn restart(&self) {}

    async fn change(&self) {
        self.bmc.switch(!self.bmc.is_on());
    }

    fn looks(&self) -> usize {
        self.wire.state().callers
    }

    fn effects(&self) -> usize {
        self.wire.state().effects()
    }

    fn in_flight_peak(&self) -> usize {
        let state = self.wire.state();
        state.callers - state.callers_before
    }
}

#[async_trait]
impl HostPowerFixture for IpmiFixture {
    fn host_power(&self) -> Box<dyn HostPower> {
        let password = if self.wire.state().fault == Some(Fault::WrongPassword) { WRONG } else { RIGHT };
        let mut config = self.bmc.config("kit", password, 3);
        config.port = self.wire.port;
        Box::new(Ipmi::new(config))
    }

    async fn set(&self, is_on: bool) {
        self.bmc.switch(is_on);
    }

    fn is_on(&self) -> bool {
        self.bmc.is_on()
    }
}
