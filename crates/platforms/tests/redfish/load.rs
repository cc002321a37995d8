//! A load that is driven by plain requests to a web service which nobody wrote for us: sushy-tools, over TLS, with a login.

use crate::gate::gate;
use crate::sushy::{SYSTEM, Sushy, python};
use ridethrough_driver::tls::Trust;
use ridethrough_driver::{Cx, FailureKind, HostPower, Secret};
use ridethrough_model::{HostPowerState, Mono};
use ridethrough_platforms::load::{Commanded, Orders};
use ridethrough_platforms::order::{Http, http};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `admin:secret`.
const LOGIN: &str = "Basic YWRtaW46c2VjcmV0";

fn request(at: (String, Trust), method: &str, login: &str, body: Option<&str>) -> http::Config {
    http::Config {
        url: at.0,
        method: method.to_owned(),
        headers: vec![
            ("Authorization".to_owned(), Secret::new(login.to_owned())),
            ("Content-Type".to_owned(), Secret::new("application/json".to_owned())),
        ],
        body: body.map(str::to_owned),
        trust: at.1,
        expect_status: Vec::new(),
        expect_body: body.is_none().then(|| "\"PowerState\": \"On\"".to_owned()),
        off_status: Vec::new(),
        off_body: body.is_none().then(|| "\"PowerState\": \"Off\"".to_owned()),
    }
}

fn load(sushy: &Sushy, login: &str) -> Commanded {
    let system = format!("/redfish/v1/Systems/{SYSTEM}");
    let reset = |kind: &str| {
        let at = sushy.asked_at(&format!("{system}/Actions/ComputerSystem.Reset"));
        request(at, "POST", login, Some(&format!("{{\"ResetType\": \"{kind}\"}}")))
    };
    let order = |config| -> Option<Arc<dyn ridethrough_driver::Order>> { Some(Arc::new(Http::new(config).expect("a request"))) };
    Commanded::new(Orders {
        stop: order(reset("GracefulShutdown")),
        probe: order(request(sushy.asked_at(&system), "GET", login, None)),
        start: order(reset("On")),
        time_max: Duration::from_secs(15),
    })
}

async fn is_seen(load: &Commanded, state: HostPowerState) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    while Instant::now() < deadline {
        if load.observe(&cx()).await.expect("observed") == state {
            return true;
        }
        tick.tick().await;
    }
    false
}

fn cx() -> Cx {
    Cx::within(Duration::from_secs(20), Mono(0))
}

#[tokio::test]
async fn point_5_loads_over_http_a_real_service_is_stopped_seen_off_and_started() {
    if !gate("loads: http", &[&python("sushy-emulator"), "/usr/bin/openssl"]) {
        return;
    }
    let sushy = Sushy::start(&[SYSTEM]);
    let load = load(&sushy, LOGIN);
    assert_eq!(load.observe(&cx()).await.expect("observed"), HostPowerState::Off);
    load.wake(&cx()).await.expect("started");
    assert!(is_seen(&load, HostPowerState::On).await, "it is on");
    load.shut_down(&cx()).await.expect("stopped");
    assert!(is_seen(&load, HostPowerState::Off).await, "proven off");
}

#[tokio::test]
async fn point_5_loads_over_http_a_wrong_password_is_unauthorized_and_never_off() {
    if !gate("loads: http password", &[&python("sushy-emulator"), "/usr/bin/openssl"]) {
        return;
    }
    let sushy = Sushy::start(&[SYSTEM]);
    let wrong = load(&sushy, "Basic YWRtaW46d3Jvbmc=");
    assert_eq!(wrong.observe(&cx()).await.expect_err("refused").kind(), FailureKind::Unauthorized);
    let refused = wrong.shut_down(&cx()).await.expect_err("refused");
    assert_eq!(refused.kind(), FailureKind::Unauthorized);
    assert!(!refused.to_failure().message.contains("YWRtaW46"), "{}", refused.to_failure().message);
    drop(sushy);
}
