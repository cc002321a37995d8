//! sushy-tools' Redfish service as a peer: its own process on a free port of loopback, over TLS with a private authority, and a
//! pretended machine that takes up to eleven seconds for each change of its power, as its authors wrote it.

use ridethrough_driver::Secret;
use ridethrough_driver::tls::{Thumbprint, Trust};
use ridethrough_platforms::redfish::{Config, ServiceUrl};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const SYSTEM: &str = "27946b59-9e44-4fa7-8e91-f3527a1ef094";
/// `secret`, as bcrypt with few rounds.
const USERS: &str = "admin:$2b$04$3dd6Dtr1.0ZUkhDxGDN.R.TkpZRLDGwXrk7ZZBO7NCxKC2/pUpI5O\n";

/// Where `scripts/setup.sh test` puts what is written in Python.
pub(crate) fn python(program: &str) -> String {
    let own = std::env::current_exe().expect("a test is a program");
    let target = own.ancestors().nth(3).expect("in the target directory");
    target.join("peers/python/bin").join(program).to_string_lossy().into_owned()
}

#[derive(Debug)]
pub(crate) struct Sushy {
    child: Child,
    dir: TempDir,
    port: u16,
}

impl Drop for Sushy {
    fn drop(&mut self) {
        let ended = (self.child.kill(), self.child.wait());
        assert!(ended.1.is_ok(), "the peer could not be ended: {ended:?}");
    }
}

impl Sushy {
    /// A service with these systems, all off, and the user `admin` with the password `secret`.
    pub(crate) fn start(systems: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        certificates(dir.path());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let at = dir.path().display();
        let systems: String = systems
            .iter()
            .map(|uuid| {
                format!("{{'uuid': '{uuid}', 'name': 'n{uuid}', 'power_state': 'Off', 'external_notifier': False, 'nics': []}},")
            })
            .collect();
        let config = format!(
            "SUSHY_EMULATOR_FAKE_DRIVER = True\nSUSHY_EMULATOR_FAKE_SYSTEMS = [{systems}]\nSUSHY_EMULATOR_STATE_DIR = '{at}'\n\
             SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\nSUSHY_EMULATOR_LISTEN_PORT = {port}\nSUSHY_EMULATOR_AUTH_FILE = '{at}/users'\n\
             SUSHY_EMULATOR_SSL_CERT = '{at}/bmc.pem'\nSUSHY_EMULATOR_SSL_KEY = '{at}/bmc.key'\n"
        );
        fs::write(dir.path().join("users"), USERS).expect("written");
        fs::write(dir.path().join("sushy.conf"), config).expect("written");
        let log = fs::File::create(dir.path().join("log")).expect("a log");
        let child = Command::new(python("sushy-emulator"))
            .args(["--config", "sushy.conf"])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("sushy-emulator runs");
        let sushy = Self { child, dir, port };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "sushy: {:?}", fs::read_to_string(sushy.file("log")));
            std::thread::yield_now();
        }
        sushy
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            url: ServiceUrl::parse(&format!("https://127.0.0.1:{}", self.port)).expect("a url"),
            system: None,
            user: "admin".into(),
            password: Secret::new("secret".into()),
            trust: Trust::Authorities(self.read("ca.pem")),
            can_shut_down: true,
        }
    }

    /// A path of it, and its authority in PEM: for whoever asks it as any web service.
    pub(crate) fn asked_at(&self, path: &str) -> (String, Trust) {
        (format!("https://127.0.0.1:{}{path}", self.port), Trust::Authorities(self.read("ca.pem")))
    }

    /// Of the certificate it shows, as openssl says it.
    pub(crate) fn thumbprint(&self) -> Thumbprint {
        let said = run(self.dir.path(), &["x509", "-in", "bmc.pem", "-noout", "-fingerprint", "-sha256"]);
        Thumbprint::parse(said.split('=').nth(1).expect("NAME=DIGITS")).expect("a thumbprint")
    }

    /// Somebody else, with another client, changes the power.
    pub(crate) fn somebody_sends(&self, reset_type: &str) {
        let script = "import requests, sys\nr = requests.post(sys.argv[1], json={'ResetType': sys.argv[2]}, auth=('admin', 'secret'), \
             verify=sys.argv[3])\nr.raise_for_status()";
        let url = format!("https://127.0.0.1:{}/redfish/v1/Systems/{SYSTEM}/Actions/ComputerSystem.Reset", self.port);
        let sent = Command::new(python("python"))
            .args(["-c", script, &url, reset_type, &self.file("ca.pem").to_string_lossy()])
            .env_remove("HTTPS_PROXY")
            .env("NO_PROXY", "*")
            .output()
            .expect("python runs");
        assert!(sent.status.success(), "{sent:?}");
    }

    /// The requests it was sent, as it wrote them down.
    pub(crate) fn log(&self) -> String {
        self.read("log")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).expect("a file")
    }
}

/// `ca.pem`, and `bmc.pem` with `bmc.key` signed by it for 127.0.0.1.
fn certificates(dir: &Path) {
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let with = |rest: &[&'static str]| [&["req", "-x509"][..], &curve[..], rest].concat();
    run(dir, &with(&["-subj", "/CN=private authority", "-keyout", "ca.key", "-out", "ca.pem"]));
    run(
        dir,
        &with(&[
            "-subj",
            "/CN=bmc",
            "-keyout",
            "bmc.key",
            "-out",
            "bmc.pem",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]),
    );
}

fn run(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("openssl").args(args).current_dir(dir).stdin(Stdio::null()).output().expect("openssl runs");
    assert!(output.status.success(), "openssl {args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}
