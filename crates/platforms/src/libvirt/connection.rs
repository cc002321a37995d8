//! One connection to a libvirt daemon: calls in any number of futures, answered by serial. Dials and gives up; never redials
//! and never repeats a call.
//!
//! One worker reads, one writes. A call may be dropped at any moment: its frame is sent whole or not at all, and its place
//! among the requests in flight is kept until the daemon has answered.

use super::config::Endpoint;
use super::procedure::{AuthList, AuthPolkit, FEATURE_KEEPALIVE, Open, Procedure, SupportsFeature};
use super::transport::{self, Transports};
use super::wire::{self, FrameError, Header, Kind, RemoteError};
use super::xdr::{Decoder, Encoder, XdrError};
use ridethrough_driver::Workers;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// Requests that a daemon takes from one connection before it stops reading from it: 5 by default. One is left for others.
pub(super) const IN_FLIGHT_MAX: usize = 4;
/// Frames that wait for being written.
const OUTBOX_MAX: usize = 64;
/// Room made for each read.
const READ_AT_ONCE: usize = 16 << 10;
/// Quiet for so long, the daemon is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(5);
/// So many questions without any sign of life, and it is gone.
const PINGS_MAX: u32 = 3;

/// Why a call brought no answer that counts.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// There is no connection; nothing was sent.
    #[error("no connection: {0}")]
    NoConnection(String),
    /// The daemon wants an authentication that we cannot give or that failed; nothing was sent.
    #[error("{0}")]
    Unauthorized(String),
    /// No answer in time. If not even sent: the daemon has enough to do with what it has of us.
    #[error("{}", if *.sent { "no answer before the deadline" } else { "not sent before the deadline" })]
    TooLate { sent: bool },
    /// The connection broke after the request was handed to it.
    #[error("connection lost: {0}")]
    Lost(String),
    /// What came back is not libvirt's protocol.
    #[error("{0}")]
    Garbage(#[from] FrameError),
    /// The answer cannot be read.
    #[error("the answer to call {procedure} cannot be read: {cause}")]
    Unreadable { procedure: u32, cause: XdrError },
    /// The daemon answered with an error.
    #[error("{0}")]
    Remote(#[from] RemoteError),
}

type Answer = Result<Vec<u8>, CallError>;

struct Pending {
    answer: oneshot::Sender<Answer>,
    _place: OwnedSemaphorePermit,
}

/// What callers and the reader share. Never locked across an await.
struct Board {
    pending: BTreeMap<u32, Pending>,
    serial_next: u32,
    heard_at: Instant,
    /// A call was not answered in time, and nothing else came either: no new caller gets this connection.
    is_suspect: bool,
    closed: Option<CallError>,
}

struct Shared {
    board: Mutex<Board>,
    places: Arc<Semaphore>,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The end: nothing more is sent, and whoever waits is told.
    fn close(&self, why: CallError) {
        let pending = {
            let mut board = self.board();
            board.closed.get_or_insert_with(|| why.clone());
            std::mem::take(&mut board.pending)
        };
        for (_, one) in pending {
            let _ = one.answer.send(Err(why.clone()));
        }
    }
}

/// A connection that has been authenticated and opened. Its workers end when it is dropped.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    outbox: mpsc::Sender<Vec<u8>>,
    workers: [AbortHandle; 2],
    /// Ends with the connection.
    _way: Option<transport::SshWay>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.abort();
        }
    }
}

impl Connection {
    /// Dials, authenticates and opens, all before the deadline.
    pub(crate) async fn dial(
        endpoint: &Endpoint,
        transports: &Transports,
        workers: &Workers,
        deadline: Instant,
    ) -> Result<Self, CallError> {
        let refused = |error: io::Error| CallError::NoConnection(error.to_string());
        let late = |_| CallError::NoConnection("nobody answered before the deadline".to_owned());
        let connection = match endpoint {
            Endpoint::Tcp { host, port } => {
                let stream = timeout_at(deadline, TcpStream::connect((host.as_str(), *port))).await.map_err(late)?;
                let stream = stream.map_err(refused)?;
                stream.set_nodelay(true).map_err(refused)?;
                let (reader, writer) = stream.into_split();
                Self::over(reader, writer, workers)
            }
            Endpoint::Tls { host, port } => {
                let tcp = timeout_at(deadline, TcpStream::connect((host.as_str(), *port))).await.map_err(late)?;
                let tcp = tcp.map_err(refused)?;
                tcp.set_nodelay(true).map_err(refused)?;
                let stream = timeout_at(deadline, transport::tls(tcp, host, transports)).await.map_err(late)??;
                let (reader, writer) = tokio::io::split(stream);
                Self::over(reader, writer, workers)
            }
            Endpoint::Ssh { user, host, port } => {
                return Self::over_ssh((user, host, *port), transports, workers, deadline).await;
            }
            Endpoint::Unix { path } => {
                let stream = timeout_at(deadline, UnixStream::connect(path)).await.map_err(late)?.map_err(refused)?;
                let (reader, writer) = stream.into_split();
                Self::over(reader, writer, workers)
            }
        };
        connection.greet(deadline).await.map_err(|error| match error {
            CallError::Remote(remote) => CallError::NoConnection(remote.message),
            CallError::Lost(why) => CallError::NoConnection(format!("closed by the daemon: {why}")),
            CallError::TooLate { .. } => CallError::NoConnection("the daemon did not answer before the deadline".to_owned()),
            other => other,
        })?;
        Ok(connection)
    }

    /// What ssh itself says is the reason where nothing comes.
    async fn over_ssh(
        at: (&str, &str, u16),
        transports: &Transports,
        workers: &Workers,
        deadline: Instant,
    ) -> Result<Self, CallError> {
        let mut way = transport::ssh(at, transports, deadline)?;
        let (reader, writer) = way.take_ends();
        let mut connection = Self::over(reader, writer, workers);
        let greeted = connection.greet(deadline).await;
        if let Err(error) = greeted {
            drop(connection);
            return Err(way.why(error, deadline).await);
        }
        way.listen(workers);
        connection._way = Some(way);
        Ok(connection)
    }

    pub(super) fn over(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        workers: &Workers,
    ) -> Self {
        let shared = Arc::new(Shared {
            board: Mutex::new(Board {
                pending: BTreeMap::new(),
                serial_next: 1,
                heard_at: Instant::now(),
                is_suspect: false,
                closed: None,
            }),
            places: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        });
        let (outbox, frames) = mpsc::channel(OUTBOX_MAX);
        let workers = [
            workers.start(read_all(reader, Arc::clone(&shared), outbox.clone())),
            workers.start(write_all(writer, frames, Arc::clone(&shared))),
        ];
        Self { shared, outbox, workers, _way: None }
    }

    async fn greet(&self, deadline: Instant) -> Result<(), CallError> {
        const NONE: u32 = 0;
        const SASL: u32 = 1;
        const POLKIT: u32 = 2;
        let kinds = self.call(&AuthList {}, deadline).await?;
        if kinds.contains(&POLKIT) && !kinds.contains(&NONE) {
            self.call(&AuthPolkit {}, deadline).await.map_err(|error| match error {
                CallError::Remote(remote) => CallError::Unauthorized(format!("polkit on that host refuses us: {remote}")),
                other => other,
            })?;
        } else if kinds.contains(&SASL) && !kinds.contains(&NONE) {
            let message = "the daemon wants SASL authentication, which is not supported yet (auth_tcp in its libvirtd.conf)";
            return Err(CallError::Unauthorized(message.to_owned()));
        }
        // From here on the daemon notices by itself when we are gone. One that does not know the feature says so; fine.
        match self.call(&SupportsFeature { feature: FEATURE_KEEPALIVE }, deadline).await {
            Ok(_) | Err(CallError::Remote(_)) => {}
            Err(other) => return Err(other),
        }
        self.call(&Open {}, deadline).await
    }

    /// Whether a new caller should use it.
    pub(crate) fn is_open(&self) -> bool {
        let board = self.shared.board();
        board.closed.is_none() && !board.is_suspect
    }

    /// Calls and waits for the answer, at most until the deadline. Dropping it is safe; the daemon may act all the same.
    pub(crate) async fn call<P: Procedure>(&self, procedure: &P, deadline: Instant) -> Result<P::Reply, CallError> {
        let begun = Instant::now();
        let result = self.exchange(procedure, deadline).await;
        if matches!(result, Err(CallError::TooLate { .. })) {
            // Not a byte all the time: the next call shall dial anew rather than wait here again. Who waits already, with more
            // time, may still be answered.
            let mut board = self.shared.board();
            board.is_suspect |= board.heard_at <= begun;
        }
        let body = result?;
        P::decode(&mut Decoder::new(&body)).map_err(|cause| CallError::Unreadable { procedure: P::NUMBER, cause })
    }

    async fn exchange<P: Procedure>(&self, procedure: &P, deadline: Instant) -> Answer {
        let not_sent = |_| CallError::TooLate { sent: false };
        let closed = || CallError::NoConnection("it was closed".to_owned());
        let places = Arc::clone(&self.shared.places);
        let place = timeout_at(deadline, places.acquire_owned()).await.map_err(not_sent)?.map_err(|_| closed())?;
        let outbox = timeout_at(deadline, self.outbox.reserve()).await.map_err(not_sent)?.map_err(|_| closed())?;
        let mut body = Encoder::default();
        procedure.encode(&mut body);
        let (answer, answered) = oneshot::channel();
        {
            let mut board = self.shared.board();
            if let Some(why) = &board.closed {
                return Err(CallError::NoConnection(why.to_string()));
            }
            let serial = board.serial_next;
            board.serial_next = serial.wrapping_add(1);
            board.pending.insert(serial, Pending { answer, _place: place });
            outbox.send(wire::frame(Header::call(P::NUMBER, serial), &body.finish()));
        }
        match timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(CallError::Lost("its workers were ended".to_owned())),
            Err(_) => Err(CallError::TooLate { sent: true }),
        }
    }
}

async fn write_all(mut writer: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Vec<u8>>, shared: Arc<Shared>) {
    while let Some(frame) = frames.recv().await {
        let written = match writer.write_all(&frame).await {
            // TLS keeps what a full socket did not take.
            Ok(()) => writer.flush().await,
            failed => failed,
        };
        if let Err(error) = written {
            shared.close(CallError::Lost(error.to_string()));
            return;
        }
    }
}

/// Reads frames until the end; asks whether the daemon is there where nothing comes.
async fn read_all(mut reader: impl AsyncRead + Unpin, shared: Arc<Shared>, outbox: mpsc::Sender<Vec<u8>>) {
    let mut buffer: Vec<u8> = Vec::new();
    let mut pings = 0;
    loop {
        if let Err(error) = take_frames(&mut buffer, &shared, &outbox) {
            return shared.close(error.into());
        }
        // Grows with what arrives: a length alone costs no memory.
        buffer.reserve(READ_AT_ONCE);
        match timeout(PING_AFTER, reader.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => return shared.close(CallError::Lost("closed by the daemon".to_owned())),
            Ok(Ok(_)) => {
                pings = 0;
                shared.board().heard_at = Instant::now();
            }
            Ok(Err(error)) => return shared.close(CallError::Lost(error.to_string())),
            Err(_) if pings == PINGS_MAX => {
                return shared.close(CallError::Lost("the daemon does not answer to pings".to_owned()));
            }
            Err(_) => {
                pings += 1;
                // A full outbox asks by itself.
                let _ = outbox.try_send(wire::ping());
            }
        }
    }
}

/// Takes what is complete out of the buffer.
fn take_frames(buffer: &mut Vec<u8>, shared: &Shared, outbox: &mpsc::Sender<Vec<u8>>) -> Result<(), FrameError> {
    let mut taken = 0;
    while let Some((length, rest)) = buffer.get(taken..).and_then(<[u8]>::split_first_chunk::<4>) {
        let Some(rest) = rest.get(..wire::rest_of_frame(*length)?) else { break };
        take_frame(rest, shared, outbox)?;
        taken += 4 + rest.len();
    }
    buffer.drain(..taken);
    Ok(())
}

fn take_frame(rest: &[u8], shared: &Shared, outbox: &mpsc::Sender<Vec<u8>>) -> Result<(), FrameError> {
    let (header, body) = wire::parse(rest)?;
    if header.is_ping() {
        // A full outbox shows the daemon that we are there.
        let _ = outbox.try_send(wire::pong());
    }
    let is_answer = header.program == wire::PROGRAM_REMOTE && header.kind == Kind::Reply;
    let asked = if is_answer { shared.board().pending.remove(&header.serial) } else { None };
    if let Some(one) = asked {
        let answer = if header.is_error {
            let unreadable = |cause| CallError::Unreadable { procedure: header.procedure, cause };
            Err(RemoteError::decode(body).map_or_else(unreadable, CallError::Remote))
        } else {
            Ok(body.to_vec())
        };
        let _ = one.answer.send(answer);
    }
    // Events and whatever a newer daemon may say are not for us.
    Ok(())
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
