//! The built binary as a service: started from a configuration, told things by signals, asked over HTTP and by its own commands.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// More than any test lets lie; beyond that the program waits, which a test would show.
const LINES_MAX: usize = 10_000;
/// Far longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(60);

/// A controller.
pub struct Service {
    pub child: Child,
    pub systemd: UnixDatagram,
    pub address: String,
    config: PathBuf,
    lines: Receiver<String>,
}

impl Drop for Service {
    fn drop(&mut self) {
        let ended = (self.child.kill(), self.child.wait());
        assert!(ended.1.is_ok(), "it could not be ended: {ended:?}");
    }
}

/// A UPS that nobody will ever hear.
pub const UNHEARD: &str = "[controller]\ndata_dir = \"data\"\nlisten = \"127.0.0.1:0\"\n[ups.\"rack-a\".nut]\nhost = \"127.0.0.1\"\n\
                           port = 1\nups = \"ups1\"\n[[domain]]\nname = \"rack-a\"\nups = [\"rack-a\"]\n";

impl Service {
    /// Writes the configuration into that directory and starts with it.
    pub fn with(dir: &Path, config: &str) -> Self {
        let path = dir.join("site.toml");
        fs::write(&path, config).expect("written");
        Self::start(&path)
    }

    /// Starts with a configuration that is there.
    pub fn start(config: &Path) -> Self {
        let socket = config.with_file_name(format!("notify-{}", free_number(config)));
        let systemd = UnixDatagram::bind(&socket).expect("a socket");
        systemd.set_read_timeout(Some(LONG)).expect("a time limit");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ridethrough"));
        command.arg("--config").arg(config).arg("serve").env("NOTIFY_SOCKET", &socket).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tx, lines) = sync_channel(LINES_MAX);
        std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| drop(tx.send(line))));
        let mut service = Self { child, systemd, address: String::new(), config: config.to_owned(), lines };
        let line = service.line("API on http://");
        line.rsplit("http://").next().expect("an address").trim_end_matches('.').clone_into(&mut service.address);
        service
    }

    /// The next line with that text.
    pub fn line(&self, text: &str) -> String {
        let end = Instant::now() + LONG;
        let mut before = Vec::new();
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => before.push(line),
                Err(error) => panic!("no line with `{text}` ({error}):\n{}", before.join("\n")),
            }
        }
    }

    pub fn told(&self) -> String {
        let mut text = [0; 256];
        let length = self.systemd.recv(&mut text).expect("systemd is told something");
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    }

    /// Status line and body of an answer.
    pub fn get(&self, path: &str, token: Option<&str>) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("a time limit");
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n{token}Connection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    pub fn token(&self) -> String {
        fs::read_to_string(self.token_file()).expect("made").trim().to_owned()
    }

    fn token_file(&self) -> PathBuf {
        self.config.with_file_name("data").join("api-token")
    }

    pub fn status(&self) -> Value {
        let (_, body) = self.get("/api/v1/status", Some(&self.token()));
        serde_json::from_str(&body).expect("JSON")
    }

    /// Asks until the condition holds; a deadline ends it.
    pub fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + LONG;
        loop {
            let status = self.status();
            if condition(&status) {
                return status;
            }
            assert!(Instant::now() < end, "{what} never came true: {status:#}");
        }
    }

    /// A command of the same binary: exit code, and what it wrote to stdout and stderr.
    pub fn command(&self, args: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_ridethrough"))
            .args(["--url", &format!("http://{}", self.address), "--token-file"])
            .arg(self.token_file())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().expect("it ended by itself"), String::from_utf8(text).expect("text"))
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// The exit code, and how long the end took.
    pub fn wait(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let status = self.child.wait().expect("it ends");
        (status.code(), begun.elapsed())
    }
}

fn free_number(config: &Path) -> usize {
    let folder = config.parent().expect("in a folder");
    fs::read_dir(folder).expect("readable").count()
}
