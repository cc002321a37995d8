//! vcsim, the simulator of VMware's govmomi, as a peer: its own process on a free port of loopback, over TLS with a private
//! authority. Somebody else acts on it with govc.

use ridethrough_driver::tls::{Thumbprint, Trust};
use ridethrough_driver::{Cx, Platform, Secret};
use ridethrough_model::{HostId, Inventory, Mono, Op, PlatformId, Progress, Started, Vm};
use ridethrough_platforms::vsphere::{Config, HostConfig, Login, ServerUrl, Vsphere};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A call to a peer that is well, on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const PASSWORD: &str = "geheim-4711";

/// Where `scripts/setup.sh test` puts what is written in Go.
pub(crate) fn program(name: &str) -> String {
    let own = std::env::current_exe().expect("a test is a program");
    let target = own.ancestors().nth(3).expect("in the target directory");
    target.join("peers/go").join(name).to_string_lossy().into_owned()
}

/// What a test of vcsim needs.
pub(crate) fn needs() -> [String; 3] {
    [program("vcsim"), program("govc"), "/usr/bin/openssl".to_owned()]
}

#[derive(Debug)]
pub(crate) struct Vcsim {
    child: Child,
    dir: TempDir,
    port: u16,
}

impl Drop for Vcsim {
    fn drop(&mut self) {
        let ended = (self.child.kill(), self.child.wait());
        assert!(ended.1.is_ok(), "the peer could not be ended: {ended:?}");
    }
}

impl Vcsim {
    /// With these of vcsim's own options.
    pub(crate) fn start(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        certificates(dir.path());
        let log = fs::File::create(dir.path().join("log")).expect("a log");
        let mut child = Command::new(program("vcsim"))
            .args(["-l", "127.0.0.1:0", "-username", "admin", "-password", PASSWORD, "-tlscert", "vc.pem", "-tlskey", "vc.key"])
            .args(options)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("vcsim runs");
        let mut line = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("vcsim says where it is");
        let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()).and_then(|port| port.parse().ok());
        let Some(port) = port else { panic!("vcsim says {line:?}: {:?}", fs::read_to_string(dir.path().join("log"))) };
        Self { child, dir, port }
    }

    /// Two clusters of two hosts each, with two VMs each.
    pub(crate) fn two_clusters() -> Self {
        Self::start(&["-dc", "1", "-cluster", "2", "-host", "2", "-standalone-host", "0", "-vm", "2"])
    }

    /// It is gone, as a vCenter is whose host has lost its power.
    pub(crate) fn kill(&mut self) {
        let ended = (self.child.kill(), self.child.wait());
        assert!(ended.1.is_ok(), "the peer could not be ended: {ended:?}");
    }

    pub(crate) fn login(&self) -> Login {
        Login {
            url: ServerUrl::parse(&format!("https://127.0.0.1:{}", self.port)).expect("a url"),
            user: "admin".into(),
            password: Secret::new(PASSWORD.into()),
            trust: Trust::Authorities(fs::read_to_string(self.dir.path().join("ca.pem")).expect("a file")),
        }
    }

    /// With hosts of those names.
    pub(crate) fn config(&self, hosts: &[&str]) -> Config {
        let host = |name: &&str| (HostId::new(*name), HostConfig::default());
        Config {
            platform: PlatformId::new("dc1"),
            login: self.login(),
            hosts: hosts.iter().map(host).collect(),
            reads_tags: true,
            is_experimental: false,
        }
    }

    pub(crate) fn driver(&self) -> Vsphere {
        Vsphere::new(&self.config(&HOSTS)).expect("a driver")
    }

    /// Of the certificate it shows, as openssl says it.
    pub(crate) fn thumbprint(&self) -> Thumbprint {
        let said = openssl(self.dir.path(), &["x509", "-in", "vc.pem", "-noout", "-fingerprint", "-sha256"]);
        Thumbprint::parse(said.split('=').nth(1).expect("NAME=DIGITS")).expect("a thumbprint")
    }

    /// Somebody else does something with another client.
    pub(crate) fn govc(&self, args: &[&str]) -> String {
        let output = Command::new(program("govc"))
            .args(args)
            .env("GOVC_URL", format!("https://127.0.0.1:{}/sdk", self.port))
            .env("GOVC_USERNAME", "admin")
            .env("GOVC_PASSWORD", PASSWORD)
            .env("GOVC_TLS_CA_CERTS", self.dir.path().join("ca.pem"))
            .env("GOVC_PERSIST_SESSION", "false")
            .env_remove("HTTPS_PROXY")
            .stdin(Stdio::null())
            .output()
            .expect("govc runs");
        assert!(output.status.success(), "govc {args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// VMware Tools run in that VM, or do not.
    pub(crate) fn tools(&self, vm: &str, run: bool) {
        let state = if run { "guestToolsRunning" } else { "guestToolsNotRunning" };
        self.govc(&["vm.change", "-vm", vm, "-e", &format!("SET.guest.toolsRunningStatus={state}")]);
    }
}

/// Those of [`Vcsim::two_clusters`].
pub(crate) const HOSTS: [&str; 4] = ["DC0_C0_H0", "DC0_C0_H1", "DC0_C1_H0", "DC0_C1_H1"];

pub(crate) fn cx() -> Cx {
    Cx::within(LIMIT, Mono(7))
}

pub(crate) async fn look(driver: &dyn Platform) -> Inventory {
    driver.inventory(&cx()).await.expect("an inventory")
}

pub(crate) fn named<'a>(inventory: &'a Inventory, name: &str) -> &'a Vm {
    inventory.vms.values().find(|vm| vm.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", inventory.vms))
}

/// Begins it and waits for its end.
pub(crate) async fn done(driver: &dyn Platform, op: &Op) -> Progress {
    let Started::Task(task) = driver.start(op, &cx()).await.unwrap_or_else(|error| panic!("{op}: {error:?}")) else {
        return Progress::Done { detail: Some("already".to_owned()) };
    };
    let end = async {
        loop {
            match driver.poll(&task, &cx()).await.unwrap_or_else(|error| panic!("{op}: {error:?}")) {
                Progress::Running { .. } => tokio::task::yield_now().await,
                ended => return ended,
            }
        }
    };
    tokio::time::timeout(LIMIT, end).await.unwrap_or_else(|_| panic!("{op} never ends"))
}

/// `ca.pem`, and `vc.pem` with `vc.key` signed by it for 127.0.0.1.
fn certificates(dir: &Path) {
    let request = |subject: &'static str, name: &'static str| {
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        let fixed = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj";
        let mut args: Vec<String> = fixed.split(' ').map(str::to_owned).collect();
        args.extend([subject.to_owned(), "-keyout".to_owned(), key, "-out".to_owned(), pem]);
        args
    };
    let run = |args: &[String]| openssl(dir, &args.iter().map(String::as_str).collect::<Vec<_>>());
    run(&request("/CN=private authority", "ca"));
    let mut signed = request("/CN=vcenter", "vc");
    let by = "-CA ca.pem -CAkey ca.key -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    signed.extend(by.split(' ').map(str::to_owned));
    run(&signed);
}

fn openssl(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("openssl").args(args).current_dir(dir).stdin(Stdio::null()).output().expect("openssl runs");
    assert!(output.status.success(), "openssl {args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}
