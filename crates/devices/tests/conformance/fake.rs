//! A server that speaks the NUT protocol as upsd does, and misbehaves on demand. It ends when it is dropped.

use ridethrough_driver::Workers;
use ridethrough_driver::conformance::Fault;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

pub(crate) const USER: &str = "monitor";
pub(crate) const RIGHT: &str = "right-password-4711";
pub(crate) const WRONG: &str = "wrong-password-0815";

/// Between two bytes of a slow answer.
const SLOWLY: Duration = Duration::from_millis(150);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) fault: Option<Fault>,
    /// What it says of the UPS instead of its variables.
    pub(crate) error: Option<&'static str>,
    pub(crate) vars: Vec<(String, String)>,
    /// An answer to `LIST VAR`, byte for byte.
    pub(crate) captured: Option<&'static str>,
    pub(crate) looks: usize,
    pub(crate) effects: usize,
    pub(crate) in_flight: usize,
    pub(crate) peak: usize,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
    serving: Mutex<Option<Workers>>,
}

/// A request that has no answer yet.
struct Asked(Arc<Mutex<State>>);

impl Asked {
    fn new(state: &Arc<Mutex<State>>) -> Self {
        let mut locked = state.lock().expect("not poisoned");
        locked.in_flight += 1;
        locked.peak = locked.peak.max(locked.in_flight);
        Self(Arc::clone(state))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.lock().expect("not poisoned").in_flight -= 1;
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = Self { port, state: Arc::default(), serving: Mutex::default() };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: TcpListener) {
        let (workers, state) = (Workers::new(), Arc::clone(&self.state));
        workers.start(async move {
            let connections = Workers::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.start(attend(stream, Arc::clone(&state)));
            }
        });
        *self.serving.lock().expect("not poisoned") = Some(workers);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// Every connection breaks and nobody listens any more.
    pub(crate) async fn stop(&self) {
        *self.serving.lock().expect("not poisoned") = None;
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// Listens, if nobody does.
    pub(crate) async fn resume(&self) {
        if self.serving.lock().expect("not poisoned").is_none() {
            let listener = TcpListener::bind(("127.0.0.1", self.port)).await.expect("the port is still ours");
            self.serve(listener);
        }
    }
}

async fn attend(stream: TcpStream, state: Arc<Mutex<State>>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut open = Vec::new();
    let mut has_password = false;
    while let Ok(Some(line)) = lines.next_line().await {
        let asked = Asked::new(&state);
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches('"')).collect();
        let (answer, fault) = {
            let mut state = state.lock().expect("not poisoned");
            state.looks += usize::from(words.starts_with(&["LIST", "VAR"]));
            has_password |= words == ["PASSWORD", RIGHT];
            (answer(&mut state, &words, has_password), state.fault)
        };
        let Some(fault) = fault else {
            if writer.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            continue;
        };
        match fault {
            // Kept until the connection ends: it waits for its answer.
            Fault::Silent => open.push(asked),
            other => {
                if !spoil(other, &answer, &mut writer).await {
                    return;
                }
            }
        }
    }
}

/// Answers wrongly. `false`: and closes the connection.
async fn spoil(fault: Fault, answer: &str, writer: &mut OwnedWriteHalf) -> bool {
    match fault {
        Fault::Slow => {
            for byte in answer.bytes() {
                tokio::time::sleep(SLOWLY).await;
                if writer.write_all(&[byte]).await.is_err() {
                    return false;
                }
            }
            true
        }
        Fault::Garbage => writer.write_all(b"\xff\xfe\0\x07\nHTTP/1.1 400 Bad Request\r\n\r\n").await.is_ok(),
        Fault::HalfAnswer => {
            let _ = writer.write_all(&answer.as_bytes()[..answer.len() / 2]).await;
            false
        }
        Fault::Endless => {
            // One line without an end, or rows without an end.
            let more = if answer.starts_with("BEGIN") { answer.lines().next().unwrap_or_default() } else { answer.trim_end() };
            let mut is_open = writer.write_all(more.as_bytes()).await.is_ok();
            while is_open {
                is_open = writer.write_all(&[b'O'; 1000]).await.is_ok();
            }
            false
        }
        Fault::Closing => false,
        _ => writer.write_all(answer.as_bytes()).await.is_ok(),
    }
}

fn answer(state: &mut State, words: &[&str], has_password: bool) -> String {
    let is_newer = state.fault == Some(Fault::Newer);
    let about_ups = matches!(words, ["LIST", "VAR" | "CLIENT" | "CMD" | "RW", ..] | ["GET", ..] | ["LOGIN", _]);
    if about_ups && state.fault == Some(Fault::Missing) {
        return "ERR UNKNOWN-UPS\n".to_owned();
    }
    match words {
        ["LIST", "VAR", ups] => match (state.error, state.captured) {
            (Some(error), _) => format!("ERR {error}\n"),
            (None, Some(captured)) => captured.to_owned(),
            (None, None) => list(&format!("VAR {ups}"), &state.vars, is_newer),
        },
        ["LIST", "CLIENT", ups] => format!("BEGIN LIST CLIENT {ups}\nEND LIST CLIENT {ups}\n"),
        ["LIST", "UPS"] => "BEGIN LIST UPS\nUPS alpha \"of the kit\"\nEND LIST UPS\n".to_owned(),
        ["GET", "UPSDESC", ups] => format!("UPSDESC {ups} \"of the kit\"{}\n", if is_newer { " and more" } else { "" }),
        ["USERNAME" | "PASSWORD", _] => "OK\n".to_owned(),
        ["LOGIN", _] if has_password => format!("OK{}\n", if is_newer { " welcome" } else { "" }),
        ["LOGIN", _] => "ERR ACCESS-DENIED\n".to_owned(),
        ["INSTCMD", _, "shutdown.return"] if has_password => {
            state.effects += 1;
            "OK\n".to_owned()
        }
        ["LOGOUT"] => "OK Goodbye\n".to_owned(),
        _ => "ERR UNKNOWN-COMMAND\n".to_owned(),
    }
}

fn list(what: &str, vars: &[(String, String)], is_newer: bool) -> String {
    let mut text = format!("BEGIN LIST {what}\n");
    for (name, value) in vars {
        text += &format!("{what} {name} \"{value}\"\n");
    }
    if is_newer {
        text += &format!("{what} ups.mood \"cheerful\"\n{what} ups.load.forecast \"7\" \"8\" 9\n{what} odd\n{what}\n");
    }
    text + &format!("END LIST {what}\n")
}
