//! Redfish held to the rules of `docs/drivers.md`: the service of the other tests, over a wire that can be spoilt.

#[path = "../conformance/tcp.rs"]
mod tcp;

use super::ALL;
use super::fake::{Fake, answer, system};
use async_trait::async_trait;
use ridethrough_driver::conformance::{Facts, Fault, HostPowerFixture, Peer};
use ridethrough_driver::{HostPower, Secret};
use ridethrough_platforms::redfish::{Config, Redfish, ServiceUrl};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;

ridethrough_driver::host_power_conformance!(redfish, crate::conformance::RedfishFixture);

const RIGHT: &str = "right-4711";
const WRONG: &str = "wrong-0815";
/// `admin:right-4711`, as HTTP sends it.
const RIGHT_SENT: &str = "YWRtaW46cmlnaHQtNDcxMQ";

#[derive(Debug, Default)]
struct Service {
    fault: Option<Fault>,
    is_on: bool,
    looks: usize,
}

pub(crate) struct RedfishFixture {
    fake: Fake,
    wire: tcp::Wire,
    service: Arc<Mutex<Service>>,
    _dir: TempDir,
}

/// What the service says. Each request to change the power changes it: one too many would be seen.
fn said(service: &mut Service, request: &str, acts: &Path) -> Vec<u8> {
    let power = if service.is_on { r#""On""# } else { r#""Off""# };
    match service.fault {
        Some(Fault::WrongPassword) => return answer(401, ""),
        Some(Fault::Busy) if request.starts_with("POST") => return answer(409, ""),
        Some(Fault::Newer) if request.starts_with("GET") => {
            let newer =
                r#""Oem": {"x": [1, {"y": null}]}, "ResetType@Redfish.AllowableValues": ["Quantum", "On", "GracefulShutdown"],"#;
            return answer(200, &system(power, newer));
        }
        _ => {}
    }
    if request.starts_with("POST") {
        service.is_on = !service.is_on;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(acts).expect("a file of ours");
        writeln!(file, "x").expect("written");
        return answer(204, "");
    }
    service.looks += usize::from(service.fault.is_none());
    answer(200, &system(power, ALL))
}

impl RedfishFixture {
    fn service(&self) -> MutexGuard<'_, Service> {
        self.service.lock().expect("not poisoned")
    }
}

#[async_trait]
impl Peer for RedfishFixture {
    fn facts() -> Facts {
        use Fault::*;
        Facts {
            driver: "redfish",
            faults: &[Refusing, Silent, Slow, Garbage, HalfAnswer, Closing, Endless, WrongPassword, Busy, ReplyLost, Newer],
            in_flight_max: |calls| calls,
            secrets: &[RIGHT, WRONG, RIGHT_SENT],
            patience: Duration::from_millis(800),
            gives_up: Duration::from_millis(800),
            exceptions: &[],
        }
    }

    async fn start() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let (acts, service) = (dir.path().join("acts"), Arc::new(Mutex::new(Service { is_on: true, ..Service::default() })));
        let (state, file) = (Arc::clone(&service), acts.clone());
        let fake = Fake::start(move |request| said(&mut state.lock().expect("not poisoned"), request, &file)).await;
        let port = fake.config().url.authority().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let wire = tcp::Wire::to(port, acts).await;
        Some(Self { fake, wire, service, _dir: dir })
    }

    async fn misbehave(&self, fault: Fault) {
        self.service().fault = Some(fault);
        self.wire.misbehave(fault).await;
    }

    async fn heal(&self) {
        {
            let mut service = self.service();
            (service.fault, service.is_on) = (None, true);
        }
        self.wire.heal().await;
    }

    async fn restart(&self) {
        self.wire.stop().await;
        self.wire.resume().await;
    }

    async fn change(&self) {
        let mut service = self.service();
        service.is_on = !service.is_on;
    }

    fn looks(&self) -> usize {
        self.service().looks + self.wire.state().faulty
    }

    fn effects(&self) -> usize {
        self.wire.state().effects()
    }

    fn in_flight_peak(&self) -> usize {
        self.wire.state().peak
    }
}

#[async_trait]
impl HostPowerFixture for RedfishFixture {
    fn host_power(&self) -> Box<dyn HostPower> {
        let password = if self.service().fault == Some(Fault::WrongPassword) { WRONG } else { RIGHT };
        let url = ServiceUrl::parse(&format!("http://127.0.0.1:{}", self.wire.port)).expect("a url");
        Box::new(Redfish::new(Config { url, password: Secret::new(password.into()), ..self.fake.config() }))
    }

    async fn set(&self, is_on: bool) {
        self.service().is_on = is_on;
    }

    fn is_on(&self) -> bool {
        self.service().is_on
    }
}
