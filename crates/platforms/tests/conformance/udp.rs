//! A wire of datagrams between a driver and a real BMC, which can be cut, held and spoilt.

use ridethrough_driver::Workers;
use ridethrough_driver::conformance::Fault;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::UdpSocket;

/// What a slow answer takes.
const SLOWLY: Duration = Duration::from_secs(20);
/// Datagrams of one that does not stop talking, for each that it gets.
const MANY: usize = 500;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) fault: Option<Fault>,
    pub(crate) effects: PathBuf,
    pub(crate) effects_before: usize,
    /// Each caller has a port of its own, and makes one request.
    pub(crate) callers: usize,
    pub(crate) callers_before: usize,
}

impl State {
    pub(crate) fn effects(&self) -> usize {
        std::fs::read_to_string(&self.effects).map_or(0, |text| text.lines().count())
    }
    fn now(&self) -> Option<Fault> {
        match self.fault {
            Some(Fault::ReplyLost) if self.effects() > self.effects_before => Some(Fault::Silent),
            Some(Fault::ReplyLost | Fault::WrongPassword) => None,
            other => other,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
    _workers: Workers,
}

impl Wire {
    pub(crate) async fn to(to: u16, effects: PathBuf) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a port"));
        let port = socket.local_addr().expect("an address").port();
        let state = State { fault: None, effects, effects_before: 0, callers: 0, callers_before: 0 };
        let state = Arc::new(Mutex::new(state));
        let workers = Workers::new();
        workers.start(carry(socket, to, Arc::clone(&state)));
        Self { port, state, _workers: workers }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }
}

/// What the drivers say.
async fn carry(socket: Arc<UdpSocket>, to: u16, state: Arc<Mutex<State>>) {
    let backs = Workers::new();
    let mut servers: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut bytes = [0; 2048];
    // An error is about a caller that has gone.
    loop {
        let Ok((count, caller)) = socket.recv_from(&mut bytes).await else { continue };
        let server = match servers.get(&caller) {
            Some(server) => Arc::clone(server),
            None => {
                let server = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a port"));
                server.connect(("127.0.0.1", to)).await.expect("loopback");
                state.lock().expect("not poisoned").callers += 1;
                backs.start(back(Arc::clone(&server), Arc::clone(&socket), caller, Arc::clone(&state)));
                servers.insert(caller, Arc::clone(&server));
                server
            }
        };
        if state.lock().expect("not poisoned").now() != Some(Fault::Silent) {
            let _ = server.send(&bytes[..count]).await;
        }
    }
}

/// What the BMC says to one of them.
async fn back(server: Arc<UdpSocket>, socket: Arc<UdpSocket>, caller: SocketAddr, state: Arc<Mutex<State>>) {
    let mut bytes = [0; 2048];
    while let Ok(count) = server.recv(&mut bytes).await {
        let fault = state.lock().expect("not poisoned").now();
        let said = match fault {
            Some(Fault::Silent) => continue,
            Some(Fault::Slow) => {
                tokio::time::sleep(SLOWLY).await;
                &bytes[..count]
            }
            Some(Fault::Garbage) => b"\0\xff\xfe\x07 no such protocol".as_slice(),
            Some(Fault::HalfAnswer) => &bytes[..count / 2],
            Some(Fault::Endless) => {
                for _ in 0..MANY {
                    let _ = socket.send_to(&[0xff; 1000], caller).await;
                }
                continue;
            }
            _ => &bytes[..count],
        };
        let _ = socket.send_to(said, caller).await;
    }
}
