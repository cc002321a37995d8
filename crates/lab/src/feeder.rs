//! A UPS of our own on NUT's driver socket: what a driver would say to upsd, said by the test's script and a small battery.
//!
//! The battery itself is in [`crate::battery`]. One thread serves one UPS; upsd is its only peer, but any number may connect.

use crate::battery::{Pack, Power};
use crate::process::{fleeting, pause};
use anyhow::Result;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// How the driver behaves towards upsd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Well,
    /// It says itself that its data is stale.
    SaysStale,
    /// It says nothing at all any more.
    Hangs,
    /// Its socket is closed and gone.
    Gone,
}

/// Instant commands our UPS knows. Each is accepted and noted; what it would do is the test's to play.
const COMMANDS: [&str; 9] = [
    "load.off",
    "load.on",
    "load.off.delay",
    "shutdown.return",
    "shutdown.stayoff",
    "shutdown.stop",
    "test.battery.start.quick",
    "test.battery.stop",
    "beeper.disable",
];

/// Variables a client with the right may set.
const WRITABLE: [&str; 3] = ["ups.delay.shutdown", "ups.delay.start", "battery.charge.low"];

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) pack: Pack,
    /// Tokens besides OL or OB.
    pub(crate) tokens: String,
    /// What the test says, whatever the battery would say; `None` takes a variable away.
    pub(crate) said: BTreeMap<String, Option<String>>,
    pub(crate) driver: Driver,
    /// Whether commands fail. TRACKING then tells.
    pub(crate) refuses: bool,
    /// What upsd was asked to do.
    pub(crate) commands: Vec<String>,
}

impl State {
    fn vars(&self) -> BTreeMap<String, String> {
        let status = match self.pack.power {
            Power::Mains { .. } if self.pack.charge < 100.0 => "OL CHRG",
            Power::Mains { .. } => "OL",
            Power::Battery => "OB DISCHRG",
        };
        let vars = [
            ("ups.status", format!("{status} {}", self.tokens).trim().to_owned()),
            ("battery.charge", format!("{:.0}", self.pack.charge)),
            ("battery.runtime", format!("{:.0}", self.pack.runtime_s())),
            ("battery.charge.low", "20".to_owned()),
            ("ups.load", format!("{:.0}", self.pack.load_percent())),
            ("ups.realpower", format!("{:.0}", self.pack.load_w)),
            ("ups.realpower.nominal", format!("{:.0}", self.pack.nominal_w)),
            ("ups.delay.shutdown", "20".to_owned()),
            ("ups.delay.start", "30".to_owned()),
            ("ups.mfr", "Ridethrough".to_owned()),
            ("ups.model", "lab".to_owned()),
            ("device.type", "ups".to_owned()),
        ];
        let mut vars: BTreeMap<String, String> = vars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for (name, value) in &self.said {
            match value {
                Some(value) => vars.insert(name.clone(), value.clone()),
                None => vars.remove(name),
            };
        }
        vars
    }
}

/// A driver socket served by a thread.
#[derive(Debug)]
pub(crate) struct Feeder {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    pub(crate) fn start(socket: &Path) -> Result<Self> {
        let state = State {
            pack: Pack::full(),
            tokens: String::new(),
            said: BTreeMap::new(),
            driver: Driver::Well,
            refuses: false,
            commands: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let stop = Arc::new(AtomicBool::new(false));
        let port = Port { listener: Some(listen(socket)?), socket: socket.to_owned(), peers: Vec::new() };
        let thread = {
            let (state, stop) = (state.clone(), stop.clone());
            std::thread::spawn(move || serve(port, &state, &stop))
        };
        Ok(Self { state, stop, thread: Some(thread) })
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pack.advance();
        change(&mut state)
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            fleeting(thread.join());
        }
    }
}

fn listen(socket: &Path) -> Result<UnixListener> {
    fleeting(std::fs::remove_file(socket));
    let listener = UnixListener::bind(socket)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The socket, and upsd's connections to it.
struct Port {
    listener: Option<UnixListener>,
    socket: PathBuf,
    peers: Vec<Peer>,
}

struct Peer {
    stream: UnixStream,
    line: String,
    /// What it was told last; `None` before it has asked.
    told: Option<BTreeMap<String, String>>,
    was: Driver,
}

fn serve(mut port: Port, state: &Mutex<State>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.pack.advance();
            port.open_or_close(state.driver);
            port.peers.retain_mut(|peer| peer.hear(&mut state) && peer.tell(&state));
        }
        pause();
    }
}

impl Port {
    fn open_or_close(&mut self, driver: Driver) {
        if driver == Driver::Gone {
            if self.listener.take().is_some() {
                fleeting(std::fs::remove_file(&self.socket));
            }
            self.peers.clear();
            return;
        }
        if self.listener.is_none() {
            self.listener = listen(&self.socket).ok();
        }
        if let Some(Ok((stream, _))) = self.listener.as_ref().map(UnixListener::accept)
            && stream.set_nonblocking(true).is_ok()
        {
            self.peers.push(Peer { stream, line: String::new(), told: None, was: Driver::Well });
        }
    }
}

impl Peer {
    /// Reads what upsd asks; false once it has gone.
    fn hear(&mut self, state: &mut State) -> bool {
        let mut bytes = [0_u8; 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(count) => self.line.push_str(&String::from_utf8_lossy(&bytes[..count])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        }
        while let Some(end) = self.line.find('\n') {
            let line: String = self.line.drain(..=end).collect();
            if state.driver != Driver::Hangs && !self.obey(line.trim(), state) {
                return false;
            }
        }
        true
    }

    fn obey(&mut self, line: &str, state: &mut State) -> bool {
        let answer = match line.split(' ').next() {
            Some("PING") => "PONG\n".to_owned(),
            Some("DUMPALL") => {
                let vars = state.vars();
                let mut all: String = vars.iter().map(|(name, value)| info(name, value)).collect();
                all.extend(COMMANDS.iter().map(|name| format!("ADDCMD {name}\n")));
                all.extend(WRITABLE.iter().map(|name| format!("SETFLAGS {name} RW NUMBER\n")));
                all.push_str(if state.driver == Driver::SaysStale { "DATASTALE\nDUMPDONE\n" } else { "DATAOK\nDUMPDONE\n" });
                self.told = Some(vars);
                all
            }
            Some("INSTCMD" | "SET") => {
                state.commands.push(line.to_owned());
                if !state.refuses {
                    state.said.extend(set_by(line));
                }
                // Of TRACKING's results, 0 is success and 3 is "failed".
                let result = if state.refuses { 3 } else { 0 };
                let id = line.split_once("TRACKING ").map(|(_, id)| format!("TRACKING {id} {result}\n"));
                id.unwrap_or_default()
            }
            _ => String::new(),
        };
        self.stream.write_all(answer.as_bytes()).is_ok()
    }

    /// Tells what has changed; false once it has gone.
    fn tell(&mut self, state: &State) -> bool {
        let Some(told) = &self.told else { return true };
        let mut text = String::new();
        if state.driver != Driver::Hangs {
            let vars = state.vars();
            text.extend(
                vars.iter().filter(|(name, value)| told.get(*name) != Some(value)).map(|(name, value)| info(name, value)),
            );
            text.extend(told.keys().filter(|name| !vars.contains_key(*name)).map(|name| format!("DELINFO {name}\n")));
            if state.driver != self.was {
                text.push_str(if state.driver == Driver::SaysStale { "DATASTALE\n" } else { "DATAOK\n" });
            }
            self.told = Some(vars);
        }
        self.was = state.driver;
        text.is_empty() || self.stream.write_all(text.as_bytes()).is_ok()
    }
}

/// The variable and value of `SET NAME "VALUE" [TRACKING ID]`.
fn set_by(line: &str) -> Option<(String, Option<String>)> {
    let (name, value) = line.strip_prefix("SET ")?.split_once(' ')?;
    let value = value.split(" TRACKING ").next()?.trim_matches('"');
    Some((name.to_owned(), Some(value.to_owned())))
}

fn info(name: &str, value: &str) -> String {
    format!("SETINFO {name} \"{}\"\n", value.replace('\\', "\\\\").replace('"', "\\\""))
}
