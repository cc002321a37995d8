//! OpenSSL in front of an upsd: what one that was built with OpenSSL puts on the wire. It ends with its test.

use super::certificates::Certificates;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

#[derive(Debug)]
pub(crate) struct OpenSsl {
    front: Child,
    pub(crate) port: u16,
}

impl OpenSsl {
    pub(crate) fn before(upsd: u16, certificates: &Certificates, wants_certificate: bool) -> Self {
        let mut command = Command::new("python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/upsd/openssl.py"));
        command.arg(certificates.file("")).arg(upsd.to_string()).args(wants_certificate.then_some("request"));
        let mut front = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 runs");
        let mut said = String::new();
        BufReader::new(front.stdout.take().expect("piped")).read_line(&mut said).expect("it says its port");
        let (port, version) = said.split_once(' ').expect("port and version");
        assert!(version.starts_with("OpenSSL 3."), "{version}");
        Self { front, port: port.parse().expect("a port") }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let ended = (self.front.kill(), self.front.wait());
        assert!(ended.1.is_ok(), "a peer could not be ended: {ended:?}");
    }
}
