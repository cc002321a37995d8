//! HTTP to one vCenter or ESXi host: connections are kept, certificates are always looked at, no answer is read without end.

use super::config::ServerUrl;
use super::fault::CallError;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderValue, SET_COOKIE};
use ridethrough_driver::tls::{self, Trust, distrust};
use ridethrough_driver::{Error, FailureKind, Result};
use std::error::Error as _;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Bytes of an answer that are taken in. A page of a hundred large VMs has about 2 MiB.
const BODY_MAX: usize = 64 << 20;
/// Connections that wait for their next call.
const IDLE_MAX: usize = 4;
/// How long they wait. Shorter than vCenter's proxy does.
const IDLE_TIME_MAX: Duration = Duration::from_secs(50);
/// Within the call's own time.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// One endpoint.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    base: String,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
    /// `name=value` of the cookies that were set.
    pub(super) cookies: Vec<String>,
}

impl Http {
    /// Connects to nothing.
    ///
    /// # Errors
    /// `Config` where TLS cannot be set up.
    pub(super) fn new(url: &ServerUrl, trust: &Trust) -> Result<Self> {
        let wrong = |message: String| Error::new(FailureKind::Config, "connect", message).no_effect();
        let setup = tls::client(trust, None).map_err(|cause| wrong(cause.to_string()).caused_by(cause))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*setup).clone())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .connect_timeout(CONNECT_TIME_MAX)
            .tcp_keepalive(Duration::from_secs(20))
            // What is asked must not be sent twice by itself.
            .retry(reqwest::retry::never())
            .user_agent(concat!("ridethrough/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| wrong("HTTPS cannot be set up".to_owned()).caused_by(cause.without_url()))?;
        Ok(Self { client, base: url.base() })
    }

    pub(super) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    pub(super) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    pub(super) fn delete(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.delete(format!("{}{path}", self.base))
    }

    /// A SOAP request, with the session's cookie where there is a session.
    pub(super) fn soap(&self, path: &str, action: &str, cookie: Option<&str>, envelope: String) -> reqwest::RequestBuilder {
        let mut request =
            self.post(path).header(CONTENT_TYPE, "text/xml; charset=utf-8").header("SOAPAction", format!("\"{action}\""));
        if let Some(mut value) = cookie.and_then(|cookie| HeaderValue::from_str(cookie).ok()) {
            value.set_sensitive(true);
            request = request.header(COOKIE, value);
        }
        request.body(envelope)
    }

    /// Sends it once.
    pub(super) async fn send(&self, request: reqwest::RequestBuilder, deadline: Instant) -> Result<Reply, CallError> {
        let exchange = async {
            let mut answer = request.send().await.map_err(unsent)?;
            let status = answer.status().as_u16();
            let cookie = |value: &HeaderValue| Some(value.to_str().ok()?.split(';').next()?.trim().to_owned());
            let cookies = answer.headers().get_all(SET_COOKIE).iter().filter_map(cookie).collect();
            let mut body = Vec::new();
            let broken = |cause: reqwest::Error| CallError::Lost(format!("the answer broke off ({})", innermost(&cause)));
            while let Some(more) = answer.chunk().await.map_err(broken)? {
                if body.len() + more.len() > BODY_MAX {
                    return Err(CallError::Garbage(format!("it is larger than {BODY_MAX} bytes")));
                }
                body.extend_from_slice(&more);
            }
            let body = String::from_utf8(body).map_err(|_| CallError::Garbage("it is no UTF-8".to_owned()))?;
            Ok(Reply { status, body, cookies })
        };
        timeout_at(deadline, exchange).await.unwrap_or(Err(CallError::TooLate { sent: true }))
    }
}

/// Why no answer came at all. Before the request was handed over, nothing can have happened.
fn unsent(error: reqwest::Error) -> CallError {
    let is_unsent = error.is_connect() || error.is_builder();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    while let Some(one) = cause {
        // One such error is wrapped in another, and neither is the other's source.
        let mut wrapped = one.downcast_ref::<std::io::Error>();
        while let Some(error) = wrapped {
            if let Some(message) = distrust(error) {
                return CallError::Unauthorized(format!("{message}; `ca` or `thumbprint` says whom to believe"));
            }
            wrapped = error.get_ref().and_then(|inner| inner.downcast_ref());
        }
        cause = one.source();
    }
    if is_unsent {
        CallError::NoConnection(format!("nobody answers there ({})", innermost(&error)))
    } else {
        CallError::Lost(format!("the connection broke ({})", innermost(&error)))
    }
}

/// The cause that says most: the others repeat where it was noticed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
