//! The real peers of these tests, as children that end with their test: an sshd and a BMC, each on a free port of loopback.

mod gate;

pub(crate) use gate::gate;

use ridethrough_driver::Secret;
use ridethrough_platforms::{ipmi, ssh};
use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const SSHD: [&str; 3] = ["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen"];
pub(crate) const IPMI: [&str; 2] = ["/usr/bin/ipmi_sim", "/usr/bin/ipmitool"];

/// Waits for a condition.
pub(crate) async fn until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    while Instant::now() < deadline {
        if holds() {
            return true;
        }
        tick.tick().await;
    }
    holds()
}

/// The ids and command lines of all processes, as everybody on the machine can read them.
pub(crate) fn processes() -> Vec<(String, String)> {
    let read = |entry: fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), String::from_utf8_lossy(&line).replace('\0', " ")))
    };
    fs::read_dir("/proc").expect("a /proc").flatten().filter_map(read).collect()
}

/// A child that ends with its test.
#[derive(Debug)]
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let ended = (self.0.kill(), self.0.wait());
        assert!(ended.1.is_ok(), "a peer could not be ended: {ended:?}");
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().expect(program);
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[derive(Debug)]
pub(crate) struct Sshd {
    peer: Option<Peer>,
    dir: TempDir,
    port: u16,
}

impl Sshd {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["host_key", "key", "other_key"] {
            let path = dir.path().join(name);
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path.to_string_lossy()]);
        }
        fs::copy(dir.path().join("key.pub"), dir.path().join("authorized_keys")).expect("copied");
        // Guests of this machine are nobody's business here: what looks for them finds those of the test.
        for name in ["bin", "guests"] {
            fs::create_dir(dir.path().join(name)).expect("made");
        }
        let at = dir.path().display();
        let virsh = format!(
            "#!/bin/sh\ncase $* in *list*) ls {at}/guests; exit 0 ;; esac\nfor guest; do :; done\necho $guest >>{at}/told\n\
             [ -e {at}/deaf ] || rm -f {at}/guests/$guest\n"
        );
        fs::write(dir.path().join("bin/virsh"), virsh).expect("written");
        fs::set_permissions(dir.path().join("bin/virsh"), fs::Permissions::from_mode(0o755)).expect("ours");
        // sshd wants it, also where it never uses it.
        fs::create_dir_all("/run/sshd").expect("root may");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let mut sshd = Self { peer: None, dir, port };
        sshd.start_again();
        fs::write(sshd.file("known_hosts"), sshd.known_hosts("host_key.pub")).expect("written");
        sshd
    }

    pub(crate) fn start_again(&mut self) {
        let log = fs::File::create(self.file("log")).expect("a log");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", "/dev/null", "-p", &self.port.to_string()])
            .arg("-h")
            .arg(self.file("host_key"))
            .args([
                "-o",
                "ListenAddress=127.0.0.1",
                "-o",
                "PidFile=none",
                "-o",
                "UsePAM=no",
                "-o",
                "LogLevel=VERBOSE",
                "-o",
                "StrictModes=no",
            ])
            .args(["-o", "PermitRootLogin=yes", "-o"])
            .arg(format!("SetEnv=PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", self.file("bin").display()))
            .args(["-o", &format!("AuthorizedKeysFile={}", self.file("authorized_keys").display())])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd runs");
        self.peer = Some(Peer(child));
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "sshd: {:?}", fs::read_to_string(self.file("log")));
            std::thread::yield_now();
        }
    }

    /// Takes no new connections; those that exist live on.
    pub(crate) fn stop(&mut self) {
        self.peer = None;
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn known_hosts(&self, key: &str) -> String {
        let key = fs::read_to_string(self.file(key)).expect("a key");
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    pub(crate) fn wrong_known_hosts(&self) -> String {
        self.known_hosts("other_key.pub")
    }

    pub(crate) fn other_key(&self) -> PathBuf {
        self.file("other_key")
    }

    pub(crate) fn config(&self, command: &str) -> ssh::Config {
        ssh::Config {
            address: "127.0.0.1".into(),
            port: self.port,
            user: run("id", &["-un"]).trim().into(),
            key: Some(self.file("key")),
            known_hosts: Some(self.file("known_hosts")),
            command: command.into(),
        }
    }

    /// How many `ssh` run that know of this host.
    pub(crate) fn clients(&self) -> usize {
        self.own_clients().len()
    }

    /// Ends those, on our side of the connection.
    pub(crate) fn signal_clients(&self, signal: &str) {
        for id in self.own_clients() {
            run("kill", &["-s", signal, &id]);
        }
    }

    fn own_clients(&self) -> Vec<String> {
        let mark = self.file("known_hosts").to_string_lossy().into_owned();
        processes().into_iter().filter(|(_, line)| line.contains(&mark)).map(|(id, _)| id).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Bmc {
    _peer: Peer,
    dir: TempDir,
    port: u16,
}

impl Bmc {
    /// A BMC of a host that is off, with the user `admin`.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let at = dir.path().display();
        let port = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let script = format!(
            "#!/bin/bash\nshift; op=$1; shift\nif [ \"$op\" = get ]; then\n for what in \"$@\"; do case $what in\n\
             power) [ -e {at}/on ] && echo power:1 || echo power:0;;\n boot) echo boot:default;;\n *) exit 1;; esac; done\n exit 0\nfi\n\
             [ \"$op\" = check ] && exit 0\nwhile [ $# -gt 0 ]; do case \"$1 $2\" in 'power 1') touch {at}/on; echo x >> {at}/acts;; 'power 0') rm -f {at}/on;; esac\n\
             shift 2; done\nexit 0\n"
        );
        fs::write(dir.path().join("chassis"), script).expect("written");
        fs::set_permissions(dir.path().join("chassis"), fs::Permissions::from_mode(0o755)).expect("root may");
        let auths: String = ["callback", "user", "operator", "admin"]
            .map(|who| format!("    allowed_auths_{who} none md2 md5 straight\n"))
            .concat();
        let lan = format!(
            "name \"host\"\nset_working_mc 0x20\n  startlan 1\n    addr 127.0.0.1 {port}\n    priv_limit admin\n{auths}\
             \x20   guid a123456789abcdefa123456789abcd01\n  endlan\n  chassis_control \"{at}/chassis 0x20\"\n\
             \x20 user 1 true  \"\"       \"test\"   user  10 none md2 md5 straight\n\
             \x20 user 2 true  \"admin\"  \"secret\" admin 10 none md2 md5 straight\n\
             \x20 user 3 true  \"kit\" \"right-4711\" admin 10 none md2 md5 straight\n"
        );
        fs::write(dir.path().join("lan.conf"), lan).expect("written");
        let emulation = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n\
             sel_enable 0x20 1000 0x0a\nmc_enable 0x20\n";
        fs::write(dir.path().join("bmc.emu"), emulation).expect("written");
        fs::create_dir(dir.path().join("state")).expect("made");
        let log = fs::File::create(dir.path().join("log")).expect("a log");
        let child = Command::new("ipmi_sim")
            .args(["-n", "-c", "lan.conf", "-f", "bmc.emu", "-s", "state"])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("ipmi_sim runs");
        // It needs no waiting for: IPMI repeats what is not answered.
        Self { _peer: Peer(child), dir, port }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.dir.path().join("on").exists()
    }

    pub(crate) fn switch_off(&self) {
        fs::remove_file(self.dir.path().join("on")).expect("it was on");
    }

    /// As somebody else would.
    pub(crate) fn switch(&self, is_on: bool) {
        let on = self.dir.path().join("on");
        if is_on {
            fs::write(on, "").expect("written");
        } else if on.exists() {
            fs::remove_file(on).expect("it was on");
        }
    }

    /// A file with a line for each time that it was told to switch the host on.
    pub(crate) fn acts(&self) -> PathBuf {
        self.dir.path().join("acts")
    }

    pub(crate) fn config(&self, user: &str, password: &str, cipher_suite: u8) -> ipmi::Config {
        let password = Secret::new(password.to_owned());
        ipmi::Config { address: "127.0.0.1".into(), port: self.port, user: user.into(), password, cipher_suite }
    }
}
