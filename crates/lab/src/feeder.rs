//! A UPS of our own on NUT's driver socket: what a driver would say to upsd, said by the test's script and a small battery.

use crate::process::pause;
use anyhow::Result;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// What the UPS does by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Power {
    /// On mains; the battery charges by that many percent a second.
    Mains { charge_per_s: f64 },
    /// On battery, for that many seconds from full to empty.
    Battery { full_s: f64 },
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) power: Power,
    /// 0 to 100.
    pub(crate) charge: f64,
    /// Seconds from full to empty, for the runtime told on mains.
    pub(crate) full_s: f64,
    /// Tokens besides OL or OB.
    pub(crate) extra: String,
    pub(crate) is_stale: bool,
    pub(crate) is_listening: bool,
    /// What upsd was asked to do.
    pub(crate) commands: Vec<String>,
    at: Instant,
}

impl State {
    fn advance(&mut self) {
        let passed = self.at.elapsed().as_secs_f64();
        self.at = Instant::now();
        let change = match self.power {
            Power::Mains { charge_per_s } => charge_per_s * passed,
            Power::Battery { full_s } => -100.0 * passed / full_s,
        };
        self.charge = (self.charge + change).clamp(0.0, 100.0);
    }

    pub(crate) fn runtime_s(&self) -> f64 {
        let full = match self.power {
            Power::Battery { full_s } => full_s,
            Power::Mains { .. } => self.full_s,
        };
        full * self.charge / 100.0
    }

    fn vars(&self) -> BTreeMap<String, String> {
        let status = match self.power {
            Power::Mains { .. } if self.charge < 100.0 => "OL CHRG",
            Power::Mains { .. } => "OL",
            Power::Battery { .. } => "OB DISCHRG",
        };
        let vars = [
            ("ups.status", format!("{status} {}", self.extra).trim().to_owned()),
            ("battery.charge", format!("{:.0}", self.charge)),
            ("battery.runtime", format!("{:.0}", self.runtime_s())),
            ("ups.load", "40".to_owned()),
            ("ups.mfr", "Ridethrough".to_owned()),
            ("ups.model", "lab".to_owned()),
            ("device.type", "ups".to_owned()),
        ];
        vars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A driver socket served by a thread.
#[derive(Debug)]
pub(crate) struct Feeder {
    pub(crate) state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    pub(crate) fn start(socket: &Path) -> Result<Self> {
        let power = Power::Mains { charge_per_s: 1.0 };
        let state = State {
            power,
            charge: 100.0,
            full_s: 600.0,
            extra: String::new(),
            is_stale: false,
            is_listening: true,
            commands: Vec::new(),
            at: Instant::now(),
        };
        let state = Arc::new(Mutex::new(state));
        let stop = Arc::new(AtomicBool::new(false));
        let listener = listen(socket)?;
        let thread = {
            let (state, stop, socket) = (state.clone(), stop.clone(), socket.to_owned());
            std::thread::spawn(move || serve(&socket, listener, &state, &stop))
        };
        Ok(Self { state, stop, thread: Some(thread) })
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance();
        change(&mut state)
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let joined = thread.join();
            drop(joined);
        }
    }
}

fn listen(socket: &Path) -> Result<UnixListener> {
    let gone = std::fs::remove_file(socket);
    drop(gone);
    let listener = UnixListener::bind(socket)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// One connection of upsd.
struct Peer {
    stream: UnixStream,
    line: String,
    told: BTreeMap<String, String>,
    is_stale: bool,
}

fn serve(socket: &Path, listener: UnixListener, state: &Mutex<State>, stop: &AtomicBool) {
    let mut listener = Some(listener);
    let mut peers: Vec<Peer> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance();
        if state.is_listening && listener.is_none() {
            listener = listen(socket).ok();
        } else if !state.is_listening {
            listener = None;
            peers.clear();
            let gone = std::fs::remove_file(socket);
            drop(gone);
        }
        if let Some(Ok((stream, _))) = listener.as_ref().map(UnixListener::accept)
            && stream.set_nonblocking(true).is_ok()
        {
            peers.push(Peer { stream, line: String::new(), told: BTreeMap::new(), is_stale: false });
        }
        peers.retain_mut(|peer| peer.hear(&mut state) && peer.tell(&state));
        drop(state);
        pause();
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
            if !self.obey(line.trim(), state) {
                return false;
            }
        }
        true
    }

    fn obey(&mut self, line: &str, state: &mut State) -> bool {
        if state.is_stale {
            // A driver that hangs says nothing at all.
            return true;
        }
        let answer = match line.split(' ').next() {
            Some("PING") => "PONG\n".to_owned(),
            Some("DUMPALL") => {
                let mut all: String = state.vars().iter().map(|(name, value)| info(name, value)).collect();
                all.push_str("ADDCMD shutdown.return\nADDCMD load.off\nDATAOK\nDUMPDONE\n");
                self.told = state.vars();
                all
            }
            Some("INSTCMD") => {
                state.commands.push(line.to_owned());
                let id = line.split_once("TRACKING ").map(|(_, id)| format!("TRACKING {id} 0\n"));
                id.unwrap_or_default()
            }
            _ => String::new(),
        };
        self.stream.write_all(answer.as_bytes()).is_ok()
    }

    /// Tells what has changed; false once it has gone.
    fn tell(&mut self, state: &State) -> bool {
        if self.told.is_empty() || state.is_stale {
            self.is_stale = state.is_stale;
            return true;
        }
        let vars = state.vars();
        let mut text: String = vars
            .iter()
            .filter(|(name, value)| self.told.get(*name) != Some(value))
            .map(|(name, value)| info(name, value))
            .collect();
        if std::mem::take(&mut self.is_stale) {
            text.push_str("DATAOK\n");
        }
        self.told = vars;
        text.is_empty() || self.stream.write_all(text.as_bytes()).is_ok()
    }
}

fn info(name: &str, value: &str) -> String {
    format!("SETINFO {name} \"{value}\"\n")
}
