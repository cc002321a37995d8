//! A service that says what a test wants it to, over plain HTTP on loopback, and writes down what it was asked.

use ridethrough_driver::Secret;
use ridethrough_driver::tls::Trust;
use ridethrough_platforms::redfish::{Config, ServiceUrl};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The whole answer to "GET /path" or "POST /path".
type Script = dyn Fn(&str) -> Vec<u8> + Send + Sync;

#[derive(Debug)]
pub(crate) struct Fake {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    worker: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Fake {
    pub(crate) async fn start(script: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, list): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&asked));
        #[expect(clippy::disallowed_methods, reason = "the peer of a test, which ends with it")]
        let worker = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                // Head and body of a request of ours come in few pieces; the body of a POST ends with a brace.
                while !is_whole(&request) && stream.read_buf(&mut request).await.is_ok_and(|bytes| bytes > 0) {}
                let text = String::from_utf8_lossy(&request).into_owned();
                let line = text.split(" HTTP/").next().unwrap_or_default().to_owned();
                let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
                list.lock().expect("no panic").push(format!("{line} {body}").trim().to_owned());
                // The other side may be gone already; that is what some tests are about.
                let _gone = stream.write_all(&script(&line)).await;
            }
        });
        Self { port, asked, worker }
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            url: ServiceUrl::parse(&format!("http://127.0.0.1:{}", self.port)).expect("a url"),
            system: Some("1".into()),
            user: "admin".into(),
            password: Secret::new("secret".into()),
            trust: Trust::System,
            can_shut_down: true,
        }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    text.split_once("\r\n\r\n").is_some_and(|(head, body)| head.starts_with("GET") || body.ends_with('}'))
}

pub(crate) fn answer(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A system with that power state and those reset types, as JSON.
pub(crate) fn system(power: &str, allowed: &str) -> String {
    format!(
        r##"{{"@odata.id": "/redfish/v1/Systems/1", "PowerState": {power}, "Actions": {{"#ComputerSystem.Reset": {{
        "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", {allowed} "title": "x"}}}}}}"##
    )
}
