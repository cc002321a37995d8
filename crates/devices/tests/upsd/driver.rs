//! A driver of the test's own behind a real upsd: speaks what drivers of NUT speak on their socket, notes what it is told to do, and
//! answers as the test wants. It ends with its test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What becomes of an order, as NUT numbers it; `None`: never an answer.
type Outcome = Option<u8>;

#[derive(Debug)]
struct State {
    outcome: Outcome,
    orders: Vec<String>,
    connections: Vec<UnixStream>,
    is_over: bool,
}

#[derive(Debug)]
pub(crate) struct TestDriver {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

/// Its status comes last: whoever reads that can have all of it.
const DUMP: &str = "SETINFO battery.charge.low \"20\"\nSETFLAGS battery.charge.low RW STRING\n\
                    SETAUX battery.charge.low 5\nSETINFO ups.mfr \"a test\"\nADDCMD test.battery.start.quick\nADDCMD load.off.delay\n\
                    ADDCMD load.off\nSETINFO ups.status \"OL\"\nDATAOK\nDUMPDONE\n";

impl TestDriver {
    pub(crate) fn at(path: PathBuf) -> Self {
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        let state = State { outcome: Some(0), orders: Vec::new(), connections: Vec::new(), is_over: false };
        let driver = Self { state: Arc::new(Mutex::new(state)), path };
        let state = Arc::clone(&driver.state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                {
                    let mut state = state.lock().expect("not poisoned");
                    if state.is_over {
                        return;
                    }
                    state.connections.push(stream.try_clone().expect("a stream"));
                }
                let state = Arc::clone(&state);
                std::thread::spawn(move || attend(stream, &state));
            }
        });
        driver
    }

    pub(crate) fn answers(&self, outcome: Outcome) {
        self.state.lock().expect("not poisoned").outcome = outcome;
    }

    /// What it was told to do, without the numbers of tracking.
    pub(crate) fn orders(&self) -> Vec<String> {
        self.state.lock().expect("not poisoned").orders.clone()
    }
}

impl Drop for TestDriver {
    fn drop(&mut self) {
        let mut state = self.state.lock().expect("not poisoned");
        state.is_over = true;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
        drop(state);
        // The listener wakes, sees that it is over, and ends.
        let _ = UnixStream::connect(&self.path);
    }
}

fn attend(stream: UnixStream, state: &Mutex<State>) {
    let mut writer = stream.try_clone().expect("a stream");
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let order = line.split(" TRACKING ").next().unwrap_or_default();
        let answer = match line.split(' ').next() {
            Some("DUMPALL") => DUMP.to_owned(),
            Some("PING") => "PONG\n".to_owned(),
            Some("INSTCMD" | "SET") => {
                let mut state = state.lock().expect("not poisoned");
                state.orders.push(order.to_owned());
                match (state.outcome, line.split_once(" TRACKING ")) {
                    (Some(outcome), Some((_, id))) => format!("TRACKING {id} {outcome}\n"),
                    _ => String::new(),
                }
            }
            _ => String::new(),
        };
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
