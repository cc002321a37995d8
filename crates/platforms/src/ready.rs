//! Whether a guest does its work, asked over the network: a TCP port that takes connections, a page that answers.
//!
//! Each question is asked anew, with no connection kept: a guest that is starting answers differently from one moment to the next.

use crate::order::{Http, http};
use async_trait::async_trait;
use ridethrough_driver::tls::Trust;
use ridethrough_driver::{Answer, Cx, Error, Facts, FailureKind, Order, Prober, Result};
use ridethrough_model::Probe;
use tokio::net::TcpStream;

/// What a page that works may answer: a good answer, another place, or that somebody must log in.
fn good_statuses() -> Vec<u16> {
    (200..400).chain([401, 403]).collect()
}

/// Asks over the network.
#[derive(Debug, Default)]
pub struct Network;

#[async_trait]
impl Prober for Network {
    async fn probe(&self, probe: &Probe, cx: &Cx) -> Result<()> {
        match probe {
            Probe::Agent => Err(Error::new(FailureKind::Unsupported, "probe", "an agent is asked by its platform").no_effect()),
            Probe::Tcp(address) => cx.bound("connect", connect(address)).await,
            Probe::Http(url) => get(url, cx).await,
        }
    }
}

async fn connect(address: &str) -> Result<()> {
    let stream = TcpStream::connect(address).await;
    let failed =
        |cause| Error::new(FailureKind::Unreachable, "connect", "the port takes no connection").no_effect().caused_by(cause);
    stream.map(drop).map_err(failed)
}

async fn get(url: &str, cx: &Cx) -> Result<()> {
    let page = Http::new(http::Config {
        url: url.to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        body: None,
        trust: Trust::System,
        expect_status: good_statuses(),
        expect_body: None,
        off_body: None,
        off_status: Vec::new(),
    })?;
    match page.give(&Facts::new(), cx).await? {
        Answer::Yes => Ok(()),
        Answer::No(said) | Answer::Other(said) => Err(Error::new(FailureKind::Refused, "ask a page", said).no_effect()),
        Answer::Cut => Err(Error::new(FailureKind::Unreachable, "ask a page", "the answer broke off").no_effect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridethrough_driver::Workers;
    use ridethrough_model::Mono;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn ask(probe: Probe) -> Result<()> {
        Network.probe(&probe, &Cx::within(Duration::from_secs(30), Mono(0))).await
    }

    /// A page that answers every request with that status, on a port of its own.
    async fn page(workers: &Workers, status: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        workers.start(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _read = stream.read(&mut request).await;
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _written = stream.write_all(answer.as_bytes()).await;
            }
        });
        address.to_string()
    }

    #[tokio::test]
    async fn a_port_is_ready_when_it_takes_connections() {
        let workers = Workers::new();
        let address = page(&workers, "200 OK").await;
        ask(Probe::Tcp(address)).await.expect("it listens");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let closed = listener.local_addr().expect("an address").to_string();
        drop(listener);
        let error = ask(Probe::Tcp(closed)).await.expect_err("nobody listens any more");
        assert_eq!(error.to_failure().kind, FailureKind::Unreachable);
    }

    #[tokio::test]
    async fn a_page_is_ready_when_it_answers_as_something_that_works() {
        for (status, is_ready) in [
            ("200 OK", true),
            ("302 Found", true),
            ("401 Unauthorized", true),
            ("404 Not Found", false),
            ("502 Bad Gateway", false),
            ("503 Service Unavailable", false),
        ] {
            let workers = Workers::new();
            let address = page(&workers, status).await;
            let found = ask(Probe::Http(format!("http://{address}/health"))).await;
            assert_eq!(found.is_ok(), is_ready, "{status}: {found:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_address_is_said_and_asks_nobody() {
        assert!(ask(Probe::Http("web.example/health".to_owned())).await.is_err());
        assert!(ask(Probe::Tcp("web.example".to_owned())).await.is_err());
        assert!(ask(Probe::Agent).await.is_err());
    }
}
