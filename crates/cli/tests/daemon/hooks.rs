//! Hooks of the built binary in an outage and the return: a program, a command over SSH to a real sshd, and a request over HTTP, in
//! the right order around a host.

use crate::gate;
use crate::peers::{Bmc, Upsd, requests};
use crate::reload::{serving, site};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An sshd on a free port; ends with its test.
struct Sshd {
    child: Child,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let ended = (self.child.kill(), self.child.wait());
        assert!(ended.1.is_ok(), "it could not be ended: {ended:?}");
    }
}

impl Sshd {
    fn start(dir: &Path) -> Self {
        for name in ["host_key", "key"] {
            let path = dir.join(name);
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status();
            assert!(made.expect("ssh-keygen runs").success());
        }
        // sshd wants it, also where it never uses it.
        fs::create_dir_all("/run/sshd").expect("root may");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let host_key = fs::read_to_string(dir.join("host_key.pub")).expect("made");
        fs::write(dir.join("known_hosts"), format!("[127.0.0.1]:{port} {host_key}")).expect("written");
        let keys = format!("AuthorizedKeysFile={}", dir.join("key.pub").display());
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", "/dev/null", "-p", &port.to_string(), "-h"])
            .arg(dir.join("host_key"))
            .args(["-o", "ListenAddress=127.0.0.1", "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "StrictModes=no"])
            .args(["-o", "PermitRootLogin=yes", "-o", &keys])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd runs");
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "sshd does not listen");
            std::thread::yield_now();
        }
        Self { child, port }
    }
}

#[test]
fn point_5_hooks_a_program_a_command_and_a_request_are_called_in_order_around_a_host() {
    let dir = tempfile::tempdir().expect("a directory");
    if !gate("daemon::hooks", "openssh-server", Command::new("sh").args(["-c", "test -x /usr/sbin/sshd && test $(id -u) = 0"])) {
        return;
    }
    let (upsd, bmc, sshd) = (Upsd::start(), Bmc::start(), Sshd::start(dir.path()));
    let told = dir.path().join("told");
    let web = requests(&told);
    let note = format!(
        "echo \\\"$RIDETHROUGH_HOOK $RIDETHROUGH_HOST key=$RIDETHROUGH_KEY attempt=$RIDETHROUGH_ATTEMPT\\\" >> {}",
        told.display()
    );
    let text = format!(
        "{}shutdown_time = \"10s\"\n[host.kvm1.hooks]\ntime_limit = \"10s\"\n\
         before_stop = {{ ssh = {{ address = \"127.0.0.1\", port = {}, user = \"root\", key = {{ file = \"key\" }}, known_hosts = \"known_hosts\", command = \"{note}\" }} }}\n\
         after_stop = {{ http = {{ url = \"http://{web}/off\" }} }}\n\
         before_start = {{ program = [\"/bin/sh\", \"-c\", \"{note}; exit 1\"] }}\n\
         after_start = {{ http = {{ url = \"http://{web}/on\", body = \"up\" }} }}\n",
        site(&upsd, &[&bmc]),
        sshd.port,
    );
    let service = serving(dir.path(), &text);
    service.until("the host is seen", |status| status["hosts"][0]["state"] == "on");
    assert_eq!(service.command(&["arm", "rack-a"]).0, 0);
    let said = || fs::read_to_string(&told).unwrap_or_default();

    upsd.drain(40);
    service.until("the host is told", |_| bmc.asked() == ["GracefulShutdown"]);
    let key = format!("key={}", said().split("key=").nth(1).and_then(|tail| tail.split(' ').next()).unwrap_or_default());
    assert_eq!(said(), format!("before-stop kvm1 {key} attempt=1\n"), "over SSH, before the host was told");
    assert!(!said().contains("POST /off"), "the host is not proven off yet");
    bmc.turn(false);
    service.until("the hook after it", |_| said().contains("POST /off"));
    assert!(said().contains("idempotency-key: 1-") && said().contains("\"RIDETHROUGH_HOOK\":\"after-stop\""), "{}", said());

    upsd.say("OL");
    service.until("the host is woken", |_| bmc.asked().last().is_some_and(|asked| asked == "On"));
    assert!(said().contains("before-start kvm1"), "{}", said());
    let (_, events) = service.command(&["events"]);
    assert!(
        events.contains("The hook before the start of host kvm1 failed") && events.contains("goes on without it"),
        "{events}"
    );
    assert!(!said().contains("POST /on"), "it is not up yet");
    bmc.turn(true);
    service.until("the run ends", |status| status["run"].is_null());
    assert!(said().ends_with("up\n") && said().contains("POST /on"), "its own body, the facts in headers: {}", said());
    assert!(said().contains("ridethrough-hook: after-start"), "{}", said());
}
