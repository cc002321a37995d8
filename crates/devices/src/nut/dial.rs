//! The way to upsd: address after address, then STARTTLS where it is asked for. What is said over it is not known here.
//!
//! There is no way back to clear text: a server that was to speak TLS and does not is an error.

use super::wire;
use super::{Config, Tls};
use ridethrough_driver::tls::{self, ClientConfig, distrust};
use ridethrough_driver::{Cx, Error, FailureKind, Result};
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

const CONNECT: &str = "connect to upsd";
/// upsd's own lines are shorter than 512 bytes.
const BUFFER: usize = 4096;

/// What upsd is spoken to over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Wire for T {}

/// A way that is open.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) stream: BufReader<Box<dyn Wire>>,
    /// Our own address, as upsd sees it.
    pub(crate) own_address: String,
}

/// What TLS is set up with, made when it is first needed. Drivers with the same trust and identity share one: the authorities of a
/// machine are some 100 kB.
#[derive(Clone, Debug, Default)]
pub struct TlsSetup(Arc<OnceLock<Arc<ClientConfig>>>);

/// Opens it within the deadline.
pub(crate) async fn dial(config: &Config, setup: &TlsSetup, cx: &Cx) -> Result<Way> {
    let way = async {
        let tcp = connect(&config.host, config.port, cx.deadline).await?;
        let own_address = tcp.local_addr().map(|address| address.ip().to_string()).unwrap_or_default();
        let stream: Box<dyn Wire> = match &config.tls {
            None => Box::new(tcp),
            Some(tls) => Box::new(start_tls(tcp, config, tls, setup).await?),
        };
        Ok(Way { stream: BufReader::with_capacity(BUFFER, stream), own_address })
    };
    cx.bound(CONNECT, way).await.map_err(|error| error.with("upsd", config.authority()))
}

async fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream> {
    let found = lookup_host((bare(host), port)).await.map_err(|cause| unreachable("its name is not known").caused_by(cause))?;
    any(&found.collect::<Vec<_>>(), deadline).await
}

fn unreachable(what: &'static str) -> Error {
    Error::new(FailureKind::Unreachable, CONNECT, what).no_effect()
}

/// Tries one address after the other. One that is silent does not use up the time of those behind it.
async fn any(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream> {
    let mut last = unreachable("its name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / u32::try_from(addresses.len() - index).unwrap_or(1);
        last = match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(cause)) => unreachable("no connection").caused_by(cause),
            Err(_) => unreachable("no connection before the deadline").with("address", address),
        };
    }
    Err(last)
}

/// An address of IPv6 without the brackets it may be written in.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

async fn start_tls(tcp: TcpStream, config: &Config, tls: &Tls, setup: &TlsSetup) -> Result<impl Wire + use<>> {
    let wrong = |message: String| Error::new(FailureKind::Config, CONNECT, message).no_effect();
    let client = match setup.0.get() {
        Some(client) => Arc::clone(client),
        None => {
            let made = tls::client(&tls.trust, tls.identity.as_ref())
                .map_err(|cause| wrong("TLS cannot be set up".to_owned()).caused_by(cause))?;
            Arc::clone(setup.0.get_or_init(|| made))
        }
    };
    let name = tls.name.as_deref().unwrap_or(bare(&config.host)).to_owned();
    let name = ServerName::try_from(name)
        .map_err(|_| wrong("its host is neither a name nor an address that a certificate can bear".to_owned()))?;
    let mut clear = BufReader::with_capacity(BUFFER, tcp);
    send(&mut clear, &["STARTTLS"]).await?;
    let answer = words(&mut clear).await?;
    if let Some(refusal) = wire::refusal(&answer) {
        let message =
            format!("it does not speak TLS: it says {} to STARTTLS (its certificate is named in upsd.conf)", refusal.code);
        return Err(Error::new(FailureKind::Unsupported, CONNECT, message).no_effect());
    }
    if answer.first().is_none_or(|word| word != "OK") {
        let said = format!("`{}` instead of OK STARTTLS", wire::shown(&answer));
        return Err(Error::new(FailureKind::Protocol, CONNECT, said).no_effect());
    }
    // Anybody on the way could have put it there; it would be taken for what upsd says over TLS.
    if !clear.buffer().is_empty() {
        let what = "there is more in clear text behind its OK STARTTLS: somebody may be in between";
        return Err(Error::new(FailureKind::Protocol, CONNECT, what).no_effect());
    }
    TlsConnector::from(client).connect(name, clear.into_inner()).await.map_err(|cause| handshake(cause).no_effect())
}

fn handshake(cause: io::Error) -> Error {
    match distrust(&cause) {
        Some(message) => Error::new(FailureKind::Unauthorized, CONNECT, message),
        None => Error::new(FailureKind::Unreachable, CONNECT, "it broke off the handshake of TLS").caused_by(cause),
    }
}

/// Sends one request.
pub(crate) async fn send<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, words: &[&str]) -> Result<()> {
    if !stream.buffer().is_empty() {
        let what = "it sent more than was asked for: its next answer could be an old one";
        return Err(Error::new(FailureKind::Protocol, "talk to upsd", what).no_effect());
    }
    let mut line: String = words.iter().map(|word| wire::quoted(word)).collect::<Vec<_>>().join(" ");
    line.push('\n');
    let stream = stream.get_mut();
    stream.write_all(line.as_bytes()).await.map_err(lost)?;
    stream.flush().await.map_err(lost)
}

/// Reads one line.
pub(crate) async fn words<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Result<Vec<String>> {
    let mut line = Vec::new();
    let limit = u64::try_from(wire::LINE_MAX).unwrap_or(u64::MAX) + 1;
    let read = stream.take(limit).read_until(b'\n', &mut line).await.map_err(lost)?;
    if read == 0 {
        return Err(Error::new(FailureKind::Unreachable, "read from upsd", "it closed the connection"));
    }
    if line.last() != Some(&b'\n') {
        let what = if line.len() > wire::LINE_MAX { "a line without end" } else { "half a line, then it closed the connection" };
        return Err(Error::new(FailureKind::Protocol, "read from upsd", what));
    }
    wire::words(&String::from_utf8_lossy(&line))
        .map_err(|cause| Error::new(FailureKind::Protocol, "read from upsd", "not a line of NUT").caused_by(cause))
}

fn lost(cause: io::Error) -> Error {
    // A server that wants our certificate says so only after the handshake, in TLS 1.3.
    match distrust(&cause) {
        Some(message) => Error::new(FailureKind::Unauthorized, "talk to upsd", message),
        None => Error::new(FailureKind::Unreachable, "talk to upsd", "the connection was lost").caused_by(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn point_2_nut_a_name_with_a_dead_address_of_the_other_family_is_reached() {
        for (dead, live) in [("[::1]:0", "127.0.0.1:0"), ("127.0.0.1:0", "[::1]:0")] {
            let closed = TcpListener::bind(dead).await.expect("a port").local_addr().expect("an address");
            let full = TcpListener::bind(live).await.expect("a port");
            let open = full.local_addr().expect("an address");
            let deadline = Instant::now() + Duration::from_secs(20);
            let stream = any(&[closed, open], deadline).await.expect("the second address answers");
            assert_eq!(stream.peer_addr().expect("connected"), open);
            let error = any(&[closed, closed], deadline).await.expect_err("nobody there");
            assert_eq!(error.kind(), FailureKind::Unreachable);
        }
        assert!(any(&[], Instant::now()).await.expect_err("no address").to_string().contains("no address"));
        assert_eq!((bare("[fe80::1%eth0]"), bare("::1"), bare("ups")), ("fe80::1%eth0", "::1", "ups"));
    }
}
