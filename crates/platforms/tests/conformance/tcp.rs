//! A wire between a driver and a real server, which can be cut, held and spoilt. It knows nothing of what goes over it.

use ridethrough_driver::Workers;
use ridethrough_driver::conformance::Fault;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Between two bytes of a slow answer.
const SLOWLY: Duration = Duration::from_millis(500);
/// What gets through of half an answer, in bytes.
const HALF: usize = 10;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) fault: Option<Fault>,
    /// A file that gets a line with each effect. Of a lost reply, all is lost once it has grown.
    pub(crate) effects: PathBuf,
    pub(crate) effects_before: usize,
    /// Connections made while there was a fault.
    pub(crate) faulty: usize,
    pub(crate) open: usize,
    pub(crate) peak: usize,
}

impl State {
    pub(crate) fn effects(&self) -> usize {
        std::fs::read_to_string(&self.effects).map_or(0, |text| text.lines().count())
    }
    /// What goes wrong right now.
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
    to: u16,
    state: Arc<Mutex<State>>,
    serving: Mutex<Option<Workers>>,
}

struct Open(Arc<Mutex<State>>);

impl Open {
    fn new(state: &Arc<Mutex<State>>) -> Self {
        let mut locked = state.lock().expect("not poisoned");
        locked.open += 1;
        locked.peak = locked.peak.max(locked.open);
        locked.faulty += usize::from(locked.now().is_some());
        Self(Arc::clone(state))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().expect("not poisoned").open -= 1;
    }
}

impl Wire {
    pub(crate) async fn to(to: u16, effects: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = State { fault: None, effects, effects_before: 0, faulty: 0, open: 0, peak: 0 };
        let wire = Self { port, to, state: Arc::new(Mutex::new(state)), serving: Mutex::default() };
        wire.serve(listener);
        wire
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    fn serve(&self, listener: TcpListener) {
        let (workers, state, to) = (Workers::new(), Arc::clone(&self.state), self.to);
        workers.start(async move {
            let connections = Workers::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.start(carry(stream, to, Arc::clone(&state)));
            }
        });
        *self.serving.lock().expect("not poisoned") = Some(workers);
    }

    /// From now on, also on connections that exist.
    pub(crate) async fn misbehave(&self, fault: Fault) {
        {
            let mut state = self.state();
            state.effects_before = state.effects();
            state.fault = Some(fault);
        }
        if fault == Fault::Refusing {
            self.stop().await;
        }
    }

    pub(crate) async fn heal(&self) {
        self.state().fault = None;
        self.resume().await;
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

async fn carry(client: TcpStream, to: u16, state: Arc<Mutex<State>>) {
    let _open = Open::new(&state);
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        biased; // Whichever ends first ends both; the order means nothing.
        () = there(from_client, to_server, &state) => {}
        () = back(from_server, to_client, &state) => {}
    }
}

/// What the driver says.
async fn there(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &Mutex<State>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let fault = state.lock().expect("not poisoned").now();
        if fault == Some(Fault::Closing) {
            return;
        }
        // A silent peer has not heard it.
        if fault.is_none_or(|fault| fault != Fault::Silent) && to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// What the server says.
async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &Mutex<State>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let fault = state.lock().expect("not poisoned").now();
        let is_open = match fault {
            Some(Fault::Silent) => true,
            Some(Fault::Closing) => false,
            Some(Fault::Garbage) => to.write_all(b"\0\xff\xfe\x07 no such protocol\r\n\r\n").await.is_ok(),
            Some(Fault::HalfAnswer) => {
                let _ = to.write_all(&bytes[..count.min(HALF)]).await;
                false
            }
            Some(Fault::Slow) => slowly(&bytes[..count], &mut to).await,
            Some(Fault::Endless) => {
                while to.write_all(&[b'O'; 1000]).await.is_ok() {}
                false
            }
            _ => to.write_all(&bytes[..count]).await.is_ok(),
        };
        if !is_open {
            return;
        }
    }
}

async fn slowly(bytes: &[u8], to: &mut OwnedWriteHalf) -> bool {
    for byte in bytes {
        tokio::time::sleep(SLOWLY).await;
        if to.write_all(&[*byte]).await.is_err() {
            return false;
        }
    }
    true
}
