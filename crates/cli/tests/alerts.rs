//! Alerts with the built binary against peers that are not ours: Python's aiosmtpd and http.server.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Debian's Python sees Debian's packages; another one in the path may not.
const PYTHON: &str = "/usr/bin/python3";
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(90);

/// Whether these tests can run here. If not, it says so where the summary of a run reads it; on CI it fails.
fn gate(test: &str) -> bool {
    let has = Command::new(PYTHON).args(["-c", "import aiosmtpd"]).output().is_ok_and(|output| output.status.success());
    if has && Command::new("openssl").arg("version").output().is_ok() {
        return true;
    }
    let reason = "python3-aiosmtpd or openssl is not installed (run `make setup`)";
    println!("SKIPPED: {test}: {reason}");
    let own = std::env::current_exe().expect("a test is a program");
    let list = own.ancestors().nth(3).expect("in the target directory").join("skipped.txt");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(list).expect("the list of skipped tests");
    writeln!(file, "{test}: {reason}").expect("written");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "on CI nothing may be skipped: {test}: {reason}");
    false
}

/// A child that ends with its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let ended = (self.0.kill(), self.0.wait());
        assert!(ended.1.is_ok(), "a child could not be ended: {ended:?}");
    }
}

struct Peers {
    _child: Ended,
    said: Receiver<String>,
    smtp: u16,
    web: u16,
}

impl Peers {
    fn start(dir: &Path, smtp: Option<u16>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/alerts.py");
        let mut command = Command::new(PYTHON);
        command.arg(script).arg(dir).args(smtp.map(|port| port.to_string()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (sender, said) = sync_channel(100);
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut peers = Self { _child: Ended(child), said, smtp: 0, web: 0 };
        let ports = peers.next();
        let port = |name: &str| ports[name].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        (peers.smtp, peers.web) = (port("smtp"), port("web"));
        peers
    }

    /// The next thing they were given.
    fn next(&self) -> Value {
        let line = self.said.recv_timeout(LONG).expect("they are given something");
        serde_json::from_str(&line).expect("JSON")
    }

    fn has_more(&self) -> bool {
        self.said.try_recv().is_ok()
    }
}

fn secret(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its own");
}

/// A UPS that nobody will ever hear.
const SITE: &str =
    "[ups.rack-a.nut]\nhost = \"127.0.0.1\"\nport = 1\nups = \"ups1\"\n[[domain]]\nname = \"rack-a\"\nups = [\"rack-a\"]\n";

fn mail_table(port: u16) -> String {
    format!(
        "{SITE}[alert.ops.email]\nserver = \"127.0.0.1\"\nport = {port}\nca = \"ca.pem\"\nuser = \"ridethrough\"\n\
         password = {{ file = \"password\" }}\nfrom = \"ups@example.org\"\nto = [\"ops@example.org\", \"boss@example.org\"]\n"
    )
}

fn ridethrough(config: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ridethrough"));
    command.args(args).arg("--config").arg(config).env("COLUMNS", "200").env_remove("RIDETHROUGH_CONFIG");
    command.output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn point_8_a_test_message_reaches_mail_webhook_and_command_and_a_wrong_password_is_said() {
    if !gate("alerts::test_message") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let peers = Peers::start(dir.path(), None);
    secret(dir.path(), "password", "right horse\n");
    secret(dir.path(), "token", "sesame\n");
    let config = dir.path().join("site.toml");
    let got = dir.path().join("got");
    let write = |hook: &str| {
        let text = format!(
            "{}[alert.chat.webhook]\nurl = \"http://127.0.0.1:{}/{hook}\"\n\
             [alert.siren.command]\nrun = [\"/bin/sh\", \"-c\", \"env > {}; cat >> {}\"]\n",
            mail_table(peers.smtp),
            peers.web,
            got.display(),
            got.display()
        );
        fs::write(&config, text).expect("written");
    };
    write("hook");
    let said = ridethrough(&config, &["alert", "test"]);
    assert!(said.status.success(), "{}", text(&said));
    let hook = peers.next();
    assert_eq!((hook["kind"].as_str(), hook["body"]["messages"][0]["severity"].as_str()), (Some("webhook"), Some("info")));
    let mail = peers.next();
    assert_eq!((mail["tls"].as_bool(), mail["kind"].as_str()), (Some(true), Some("mail")), "{mail}");
    assert!(mail["subject"].as_str().is_some_and(|subject| subject.contains("This is a test")), "{mail}");
    assert_eq!(mail["to"], serde_json::json!(["ops@example.org", "boss@example.org"]));
    let run = fs::read_to_string(&got).expect("the program ran");
    assert!(run.contains("RIDETHROUGH_SEVERITY=info") && run.contains("This is a test"), "{run}");
    assert!(!run.contains("CARGO_"), "a program gets a clean environment: {run}");

    secret(dir.path(), "password", "wrong horse\n");
    write("closed");
    let said = ridethrough(&config, &["alert", "test"]);
    let words = text(&said);
    assert_eq!(said.status.code(), Some(1), "{words}");
    assert!(words.contains("alert ops: not delivered") && words.contains("535"), "{words}");
    assert!(words.contains("alert chat: not delivered, the service answered 403"), "{words}");
    assert!(words.contains("alert siren: delivered"), "one that fails keeps no other from being tried: {words}");
    assert!(!words.contains("horse") && !words.contains("sesame"), "no secret is shown: {words}");
}

#[test]
fn point_8_a_mail_server_whose_certificate_nobody_vouches_for_gets_no_password() {
    if !gate("alerts::certificate") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let peers = Peers::start(dir.path(), None);
    secret(dir.path(), "password", "right horse\n");
    let config = dir.path().join("site.toml");
    fs::write(&config, mail_table(peers.smtp).replace("ca = \"ca.pem\"\n", "")).expect("written");
    let words = text(&ridethrough(&config, &["alert", "test", "ops"]));
    assert!(words.contains("not delivered") && words.to_lowercase().contains("certificate"), "{words}");
    assert!(!peers.has_more());
}

#[test]
fn point_8_what_was_said_while_the_mail_server_was_down_arrives_after_a_kill_and_a_restart() {
    if !gate("alerts::kill") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    // Nobody listens there until the peers take it.
    let free = || std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let smtp = free();
    secret(dir.path(), "password", "right horse\n");
    fs::write(dir.path().join("ca.pem"), include_str!("peers/any.pem")).expect("written");
    let config = dir.path().join("site.toml");
    let text = format!(
        "[controller]\ndata_dir = \"data\"\nlisten = \"127.0.0.1:0\"\nsilence = \"3s\"\npoll_mains = \"1s\"\n{}",
        mail_table(smtp)
    );
    fs::write(&config, text).expect("written");
    let serve = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ridethrough"));
        command.arg("--config").arg(&config).arg("serve").stdout(Stdio::piped());
        Ended(command.spawn().expect("the binary runs"))
    };
    let mut first = serve();
    let lines = BufReader::new(first.0.stdout.take().expect("a pipe")).lines();
    let mut said = lines.map_while(Result::ok);
    assert!(said.any(|line| line.contains("UPS rack-a has not been heard")), "a silent UPS is an alarm");
    assert!(said.any(|line| line.contains("alert ops: not delivered")), "that mail does not go out is said");
    // Dropping it kills it, as `kill -9` does.
    drop(first);
    let peers = Peers::start(dir.path(), Some(smtp));
    let _second = serve();
    let mail = peers.next();
    let words = mail["text"].as_str().expect("a text");
    assert!(mail["subject"].as_str().is_some_and(|subject| subject.contains("ALARM: UPS rack-a has not been heard")), "{mail}");
    assert_eq!(words.matches("RT0405").count(), 1, "it comes once: {words}");
}
