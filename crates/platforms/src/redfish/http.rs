//! One request to one service: connect, prove who they are, ask, read what fits. No redirects, no proxies, nothing kept.

use super::Config;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use ridethrough_driver::tls::{self, distrust};
use ridethrough_driver::{Error, FailureKind, Result};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// Bytes of a body that are taken in. A system of a large server fills about 20 KiB.
const BODY_MAX: usize = 1 << 20;
/// Bytes of all headers together.
const HEAD_MAX: usize = 64 << 10;
const ASK: &str = "ask the BMC";

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Asks once. The caller bounds the time. Before the request is handed over, an error proves that nothing happened.
pub(super) async fn ask(config: &Config, method: Method, path: &str, body: Option<String>) -> Result<Answer> {
    let request = request(config, method, path, body)?;
    let address = (config.url.host.as_str(), config.url.port);
    let tcp = TcpStream::connect(address)
        .await
        .map_err(|cause| Error::new(FailureKind::Unreachable, ASK, "nobody answers there").no_effect().caused_by(cause))?;
    if !config.url.is_tls {
        return exchange(tcp, request).await;
    }
    let setup = tls::client(&config.trust, None)
        .map_err(|cause| Error::new(FailureKind::Config, ASK, cause.to_string()).no_effect().caused_by(cause))?;
    let name = ServerName::try_from(config.url.host.clone())
        .map_err(|_| Error::new(FailureKind::Config, ASK, "the url holds no name or address").no_effect())?;
    let stream = TlsConnector::from(setup).connect(name, tcp).await.map_err(|cause| match distrust(&cause) {
        Some(message) => {
            let message = format!("{message}; `ca` or `thumbprint` says whom to believe");
            Error::new(FailureKind::Unauthorized, ASK, message).no_effect()
        }
        None => Error::new(FailureKind::Unreachable, ASK, "it speaks no TLS").no_effect().caused_by(cause),
    })?;
    exchange(stream, request).await
}

fn request(config: &Config, method: Method, path: &str, body: Option<String>) -> Result<Request<Full<Bytes>>> {
    let wrong = |what: &str| Error::new(FailureKind::Config, ASK, what.to_owned()).no_effect();
    let basic = STANDARD.encode(format!("{}:{}", config.user, config.password.reveal()));
    let mut basic =
        HeaderValue::from_str(&format!("Basic {basic}")).map_err(|_| wrong("the password cannot be sent over HTTP"))?;
    basic.set_sensitive(true);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, config.url.authority())
        .header(ACCEPT, "application/json")
        .header("OData-Version", "4.0")
        .header(USER_AGENT, concat!("ridethrough/", env!("CARGO_PKG_VERSION")))
        // A BMC has room for few.
        .header(CONNECTION, "close")
        .header(AUTHORIZATION, basic);
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from(body.unwrap_or_default()));
    request.body(body).map_err(|cause| wrong("the path cannot be asked for").caused_by(cause))
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken =
        |cause: hyper::Error| Error::new(FailureKind::Unreachable, ASK, "the connection broke").caused_by(Arc::new(cause));
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|cause| broken(cause).no_effect())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_MAX).collect().await.map_err(|cause| {
            Error::new(FailureKind::Protocol, ASK, format!("the answer broke off, or is larger than {BODY_MAX} bytes"))
                .caused_by(cause)
        })?;
        Ok(Answer { status, body: body.to_bytes() })
    };
    // Both in this call: when it is given up, so is the connection.
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            // First, so that an answer counts also where the connection ends right after it.
            answered = &mut answer => return answered,
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}
