//! A way from outside into the lab's network: a socket in the lab's folder that leads to a port of a host.

use crate::lab::Lab;
use crate::process::{Process, until};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The way. It closes when this is dropped.
#[derive(Debug)]
pub struct Relay {
    _socat: Process,
    socket: PathBuf,
}

impl Relay {
    /// The socket that leads there.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Lab {
    /// Opens a way to that port of a host.
    ///
    /// # Errors
    /// If `socat` does not listen in time.
    pub fn relay(&self, host: usize, port: u16) -> Result<Relay> {
        let socket = self.dir().join(format!("relay-{host}-{port}"));
        let listen = format!("UNIX-LISTEN:{},fork", socket.display());
        let to = format!("TCP:{}:{port}", self.host_address(host));
        let management = self.management();
        let args = ["netns", "exec", &management, "socat", &listen, &to];
        let socat = Process::start("socat", "ip", &args, &[], &self.dir().join("relay.log"))?;
        until("the relay listens", Duration::from_secs(20), || socket.exists())?;
        Ok(Relay { _socat: socat, socket })
    }

    /// A file of the lab's certificates, as PEM text: `ca`, `client`, `stranger`, `other-ca`, `kvmN`; with `.key` their keys.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn pem(&self, file: &str) -> Result<String> {
        Ok(std::fs::read_to_string(self.dir().join("pki").join(file))?)
    }
}
