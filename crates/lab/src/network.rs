//! Namespaces and the wires between them. The lab's directory, which is unique, gives the names; so labs do not meet.

use crate::process::{fleeting, run};
use crate::seed::Seed;
use anyhow::Result;

/// One lab's network: a management namespace with a bridge, and a namespace per host.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) prefix: String,
    pub(crate) subnet: String,
    hosts: usize,
}

impl Network {
    /// What it will be called; nothing is made yet.
    pub(crate) fn plan(unique: &str, hosts: usize) -> Self {
        let mut chance = Seed::draw_silently();
        let subnet = format!("10.{}.{}", chance.between(64, 250), chance.between(1, 250));
        Self { prefix: format!("rt{unique}"), subnet, hosts }
    }

    pub(crate) fn namespaces(&self) -> Vec<String> {
        std::iter::once(self.management()).chain((1..=self.hosts).map(|host| self.host(host))).collect()
    }

    /// Makes it. The sweeper removes it again.
    pub(crate) fn make(&self) -> Result<()> {
        let management = self.management();
        run("ip", &["netns", "add", &management])?;
        run("ip", &["-n", &management, "link", "set", "lo", "up"])?;
        run("ip", &["-n", &management, "link", "add", "br0", "type", "bridge"])?;
        run("ip", &["-n", &management, "addr", "add", &format!("{}/24", self.controller_address()), "dev", "br0"])?;
        run("ip", &["-n", &management, "link", "set", "br0", "up"])?;
        for host in 1..=self.hosts {
            self.wire(host)?;
        }
        Ok(())
    }

    fn wire(&self, host: usize) -> Result<()> {
        let (management, namespace, port) = (self.management(), self.host(host), format!("p{host}"));
        run("ip", &["netns", "add", &namespace])?;
        run("ip", &["-n", &namespace, "link", "set", "lo", "up"])?;
        run("ip", &["-n", &management, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
        run("ip", &["-n", &management, "link", "set", &port, "master", "br0", "up"])?;
        run("ip", &["-n", &namespace, "addr", "add", &format!("{}/24", self.address(host)), "dev", "eth0"])?;
        run("ip", &["-n", &namespace, "link", "set", "eth0", "up"])?;
        Ok(())
    }

    pub(crate) fn management(&self) -> String {
        format!("{}-m", self.prefix)
    }
    pub(crate) fn host(&self, host: usize) -> String {
        format!("{}-h{host}", self.prefix)
    }
    pub(crate) fn address(&self, host: usize) -> String {
        format!("{}.{host}", self.subnet)
    }
    pub(crate) fn controller_address(&self) -> String {
        format!("{}.254", self.subnet)
    }

    /// Pulls the host's network cable, or plugs it in again.
    pub(crate) fn set_link(&self, host: usize, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        run("ip", &["-n", &self.management(), "link", "set", &format!("p{host}"), state]).map(drop)
    }

    /// Limits what the host can send; `None` lifts the limit.
    pub(crate) fn limit(&self, host: usize, mbit: Option<u32>) -> Result<()> {
        let namespace = self.host(host);
        fleeting(run("ip", &["netns", "exec", &namespace, "tc", "qdisc", "del", "dev", "eth0", "root"]));
        let Some(mbit) = mbit else { return Ok(()) };
        let rate = format!("{mbit}mbit");
        let tbf = ["qdisc", "add", "dev", "eth0", "root", "tbf", "rate", &rate, "burst", "64kb", "latency", "50ms"];
        let mut args = vec!["netns", "exec", &namespace, "tc"];
        args.extend(tbf);
        run("ip", &args).map(drop)
    }

    /// The names every host and the controller know.
    pub(crate) fn hosts_file(&self) -> String {
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for host in 1..=self.hosts {
            text.push_str(&format!("{} kvm{host}\n", self.address(host)));
        }
        text
    }
}

impl Seed {
    /// For addresses: they may differ between labs, and need not be repeated.
    pub(crate) fn draw_silently() -> Self {
        let clock =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| u64::from(time.subsec_nanos()));
        Self::from_number(clock ^ (u64::from(std::process::id()) << 32))
    }
    fn from_number(start: u64) -> Self {
        let mut seed = Self::of(start);
        seed.number();
        seed
    }
}
