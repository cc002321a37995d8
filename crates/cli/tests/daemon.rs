//! The controller as a service: what systemd is told, what monitoring reads. The readers are not ours where there are such.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Debian's Python sees Debian's packages; another one in the path may not.
const PYTHON: &str = "/usr/bin/python3";
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// A controller with one UPS that nobody will ever hear.
struct Service {
    child: Child,
    dir: tempfile::TempDir,
    systemd: UnixDatagram,
    address: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let ended = (self.child.kill(), self.child.wait());
        assert!(ended.1.is_ok(), "it could not be ended: {ended:?}");
    }
}

impl Service {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = dir.path().join("site.toml");
        let text = "[controller]\ndata_dir = \"data\"\nlisten = \"127.0.0.1:0\"\n[ups.\"rack-a\".nut]\nhost = \"127.0.0.1\"\n\
                    port = 1\nups = \"ups1\"\n[[domain]]\nname = \"rack-a\"\nups = [\"rack-a\"]\n";
        fs::write(&config, text).expect("written");
        let socket = dir.path().join("notify");
        let systemd = UnixDatagram::bind(&socket).expect("a socket");
        systemd.set_read_timeout(Some(LONG)).expect("a time limit");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ridethrough"));
        command.arg("--config").arg(&config).arg("serve").env("NOTIFY_SOCKET", &socket).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = lines.map_while(Result::ok).find(|line| line.contains("API on http://")).expect("it says where");
        let address = line.rsplit("http://").next().expect("an address").trim_end_matches('.').to_owned();
        Self { child, dir, systemd, address }
    }

    fn told(&self) -> String {
        let mut text = [0; 256];
        let length = self.systemd.recv(&mut text).expect("systemd is told something");
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    }

    /// Status line and body of an answer.
    fn get(&self, path: &str, token: Option<&str>) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("a time limit");
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n{token}Connection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    fn token(&self) -> String {
        fs::read_to_string(self.dir.path().join("data/api-token")).expect("made").trim().to_owned()
    }
}

/// Whether the reader of metrics is there. If not, it says so where the summary of a run reads it; on CI it fails.
fn gate(test: &str) -> bool {
    let has = Command::new(PYTHON).args(["-c", "import prometheus_client.openmetrics.parser"]).output();
    if has.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let reason = "python3-prometheus-client is not installed (run `make setup`)";
    println!("SKIPPED: {test}: {reason}");
    let own = std::env::current_exe().expect("a test is a program");
    let list = own.ancestors().nth(3).expect("in the target directory").join("skipped.txt");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(list).expect("the list of skipped tests");
    writeln!(file, "{test}: {reason}").expect("written");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "on CI nothing may be skipped: {test}: {reason}");
    false
}

/// What the reference parser makes of a text: `name{labels} value`, sorted.
fn parsed(text: &str, dir: &Path) -> Vec<String> {
    let script = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as families\n\
                  for f in families(sys.stdin.read()):\n for s in f.samples: print(s.name, dict(sorted(s.labels.items())), s.value)";
    let input = dir.join("metrics");
    fs::write(&input, text).expect("written");
    let input = fs::File::open(input).expect("just written");
    let output = Command::new(PYTHON).args(["-c", script]).stdin(Stdio::from(input)).output().expect("python runs");
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn point_7_systemd_is_told_ready_alive_by_the_loop_and_stopping() {
    let service = Service::start();
    assert_eq!(service.told(), "READY=1");
    for _ in 0..3 {
        assert_eq!(service.told(), "WATCHDOG=1");
    }
    let pid = service.child.id().to_string();
    assert!(Command::new("kill").args(["-STOP", &pid]).status().expect("kill runs").success());
    while service.systemd.set_nonblocking(true).is_ok() && service.systemd.recv(&mut [0; 64]).is_ok() {}
    service.systemd.set_nonblocking(false).expect("as before");
    service.systemd.set_read_timeout(Some(Duration::from_secs(3))).expect("a time limit");
    assert!(service.systemd.recv(&mut [0; 64]).is_err(), "a loop that hangs is not told to be alive");
    service.systemd.set_read_timeout(Some(LONG)).expect("as before");
    assert!(Command::new("kill").args(["-CONT", &pid]).status().expect("kill runs").success());
    assert_eq!(service.told(), "WATCHDOG=1");
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    let last = std::iter::repeat_with(|| service.told()).take(5).find(|told| told == "STOPPING=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[test]
fn point_7_health_needs_no_token_and_metrics_do_and_the_unknown_has_no_sample() {
    if !gate("daemon::metrics") {
        return;
    }
    let service = Service::start();
    let (status, body) = service.get("/healthz", None);
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 200 OK", r#"{"status":"ok"}"#));
    let (status, body) = service.get("/metrics", None);
    assert!(status.contains("401") && !body.contains("rack-a"), "{status} {body}");
    let (status, body) = service.get("/metrics", Some(&service.token()));
    assert_eq!(status, "HTTP/1.1 200 OK");
    let samples = parsed(&body, service.dir.path());
    let has = |sample: &str| samples.iter().any(|line| line == sample);
    assert!(has("ridethrough_ups_state {'state': 'unknown', 'ups': 'rack-a'} 1.0"), "{samples:#?}");
    assert!(has("ridethrough_domain_armed {'domain': 'rack-a'} 0.0") && has("ridethrough_at_risk {} 0.0"), "{samples:#?}");
    for unknown in ["charge", "runtime", "load", "reading_age", "realpower"] {
        assert!(!samples.iter().any(|line| line.contains(unknown)), "{unknown} of a UPS never heard: {samples:#?}");
    }
}
