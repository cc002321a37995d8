//! What the controller looks at in these tests: a upsd with one UPS, and a Redfish service per host. They say what the test wants
//! and remember what they were asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The system of every service.
const SYSTEM: &str = "/redfish/v1/Systems/1";

/// A upsd.
#[derive(Clone)]
pub struct Upsd {
    pub address: SocketAddr,
    status: Arc<Mutex<String>>,
    empty_at: Arc<Mutex<Option<Instant>>>,
}

impl Upsd {
    pub fn start() -> Self {
        let status = Arc::new(Mutex::new("OL".to_owned()));
        let empty_at = Arc::new(Mutex::new(None));
        let (said, empty) = (status.clone(), empty_at.clone());
        let address = listen(move |stream| upsd(stream, &said, &empty));
        Self { address, status, empty_at }
    }

    /// On battery, which runs down from so many seconds.
    pub fn drain(&self, secs: u64) {
        *self.empty_at.lock().expect("not poisoned") = Some(Instant::now() + Duration::from_secs(secs));
        self.say("OB DISCHRG");
    }

    pub fn say(&self, status: &str) {
        status.clone_into(&mut self.status.lock().expect("not poisoned"));
    }
}

/// A BMC.
#[derive(Clone)]
pub struct Bmc {
    pub address: SocketAddr,
    state: Arc<Mutex<BmcState>>,
}

struct BmcState {
    is_on: bool,
    asked: Vec<String>,
}

impl Bmc {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(BmcState { is_on: true, asked: Vec::new() }));
        let said = state.clone();
        let address = listen(move |stream| redfish(stream, &said));
        Self { address, state }
    }

    /// The host has gone down, or come up.
    pub fn turn(&self, is_on: bool) {
        self.state.lock().expect("not poisoned").is_on = is_on;
    }

    /// The resets it was asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().expect("not poisoned").asked.clone()
    }
}

/// Serves each connection on a thread of its own until the test ends.
fn listen(serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            // Who hangs up in the middle is no matter here.
            std::thread::spawn(move || drop(serve(stream)));
        }
    });
    address
}

fn upsd(stream: TcpStream, status: &Mutex<String>, empty_at: &Mutex<Option<Instant>>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let answer = if line.starts_with("LIST VAR ups1") {
            let status = status.lock().expect("not poisoned").clone();
            // On battery so short that hosts are told at once: a host without VMs runs to its last safe moment.
            let left = empty_at.lock().expect("not poisoned").map(|at| at.saturating_duration_since(Instant::now()).as_secs());
            let runtime = if status.starts_with("OB") { left.unwrap_or(120) } else { 1800 }.to_string();
            let row = |name: &str, value: &str| format!("VAR ups1 {name} \"{value}\"\n");
            let rows = [
                ("ups.status", status.as_str()),
                ("battery.charge", "100"),
                ("battery.runtime", runtime.as_str()),
                ("ups.load", "20"),
            ];
            let rows: String = rows.iter().map(|(name, value)| row(name, value)).collect();
            format!("BEGIN LIST VAR ups1\n{rows}END LIST VAR ups1\n")
        } else {
            "ERR UNKNOWN-COMMAND\n".to_owned()
        };
        out.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// A web service that writes down what it is asked, head and body, and is content with everything.
pub fn requests(file: &Path) -> SocketAddr {
    let file = file.to_owned();
    listen(move |stream| {
        let mut out = stream.try_clone()?;
        let (head, body) = request(stream)?;
        let mut notes = std::fs::OpenOptions::new().create(true).append(true).open(&file)?;
        writeln!(notes, "{}{}", head.to_lowercase().replacen("post ", "POST ", 1), String::from_utf8_lossy(&body))?;
        out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    })
}

/// Head and body of one request.
fn request(stream: TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut input = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        head.push_str(&line);
        match line.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().unwrap_or(0),
            _ if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok((head, body))
}

fn redfish(stream: TcpStream, state: &Mutex<BmcState>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let (first, body) = request(stream)?;
    let mut state = state.lock().expect("not poisoned");
    let answer = if first.starts_with("POST") {
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        state.asked.push(body["ResetType"].as_str().unwrap_or("nothing").to_owned());
        serde_json::json!({})
    } else if first.lines().next().is_some_and(|line| line.contains(SYSTEM)) {
        let reset = serde_json::json!({
            "target": format!("{SYSTEM}/Actions/ComputerSystem.Reset"),
            "ResetType@Redfish.AllowableValues": ["On", "GracefulShutdown"],
        });
        let power = if state.is_on { "On" } else { "Off" };
        serde_json::json!({ "@odata.id": SYSTEM, "PowerState": power, "Actions": { "#ComputerSystem.Reset": reset } })
    } else {
        serde_json::json!({ "Members": [{ "@odata.id": SYSTEM }] })
    };
    let body = answer.to_string();
    write!(
        out,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
