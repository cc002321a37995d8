//! A host's power over Redfish: against sushy-tools, a service we did not write, and against one that lies.

mod conformance;
mod fake;
#[path = "../peers/gate.rs"]
mod gate;
mod load;
mod sushy;

use fake::{Fake, answer, system};
use gate::gate;
use ridethrough_driver::tls::{Thumbprint, Trust};
use ridethrough_driver::{Cx, FailureKind, HostPower, Secret, TookEffect};
use ridethrough_model::{HostPowerState, Mono};
use ridethrough_platforms::redfish::{Config, Redfish};
use std::time::{Duration, Instant};
use sushy::{SYSTEM, Sushy, python};

const ALL: &str = r#""ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulShutdown", "PushPowerButton"],"#;

fn cx() -> Cx {
    Cx::within(Duration::from_secs(20), Mono(0))
}

/// Looks until it is so; each look is one answer of the service.
async fn seen(redfish: &Redfish, state: HostPowerState) -> bool {
    let deadline = Instant::now() + Duration::from_secs(40);
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    while Instant::now() < deadline {
        if redfish.observe(&cx()).await.expect("observed") == state {
            return true;
        }
        tick.tick().await;
    }
    false
}

fn posts(fake: &Fake) -> Vec<String> {
    fake.asked().into_iter().filter(|line| line.starts_with("POST")).collect()
}

#[tokio::test]
async fn point_5_redfish_power_of_a_real_service_is_seen_and_changed() {
    if !gate("redfish: power", &[&python("sushy-emulator"), "/usr/bin/openssl"]) {
        return;
    }
    let sushy = Sushy::start(&[SYSTEM]);
    let redfish = Redfish::new(sushy.config());
    assert_eq!(redfish.observe(&cx()).await.expect("observed"), HostPowerState::Off);
    redfish.wake(&cx()).await.expect("woken");
    assert!(seen(&redfish, HostPowerState::On).await, "it was woken");
    let before = sushy.log().matches("POST").count();
    redfish.wake(&cx()).await.expect("a host that is on stays on");
    assert_eq!(sushy.log().matches("POST").count(), before, "nothing was sent");
    redfish.shut_down(&cx()).await.expect("told to shut down");
    assert!(seen(&redfish, HostPowerState::Off).await, "it went down");
    redfish.shut_down(&cx()).await.expect("idempotent");
    sushy.somebody_sends("On");
    assert!(seen(&redfish, HostPowerState::On).await, "somebody else's change is seen");
    sushy.somebody_sends("ForceOff");
    assert!(seen(&redfish, HostPowerState::Off).await, "somebody else's change is seen");
}

#[tokio::test]
async fn point_5_redfish_wrong_password_certificate_and_system_are_named_and_change_nothing() {
    if !gate("redfish: refusals", &[&python("sushy-emulator"), "/usr/bin/openssl"]) {
        return;
    }
    let sushy = Sushy::start(&[SYSTEM, "11111111-9e44-4fa7-8e91-f3527a1ef094"]);
    let right = || Config { system: Some(SYSTEM.into()), ..sushy.config() };
    let other = Thumbprint::parse(&"ab".repeat(32)).expect("a thumbprint");
    let cases = [
        (Config { password: Secret::new("wrong".into()), ..right() }, FailureKind::Unauthorized, "user and password"),
        (Config { user: "nobody".into(), ..right() }, FailureKind::Unauthorized, "user and password"),
        (Config { trust: Trust::System, ..right() }, FailureKind::Unauthorized, "nobody we trust"),
        (Config { trust: Trust::Pinned(other), ..right() }, FailureKind::Unauthorized, &sushy.thumbprint().to_string()),
        (Config { system: Some("2".into()), ..right() }, FailureKind::Config, SYSTEM),
        (Config { system: None, ..right() }, FailureKind::Config, "`system` must say which one"),
        (Config { trust: Trust::Authorities("none".into()), ..right() }, FailureKind::Config, "no certificate in PEM"),
    ];
    for (config, kind, remedy) in cases {
        let redfish = Redfish::new(config.clone());
        for error in [redfish.observe(&cx()).await.err(), redfish.wake(&cx()).await.err(), redfish.shut_down(&cx()).await.err()] {
            let error = error.unwrap_or_else(|| panic!("{config:?} was let in"));
            assert_eq!((error.kind(), error.took_effect()), (kind, TookEffect::No), "{error}");
            assert!(error.to_string().contains(remedy), "{error}");
            assert!(!format!("{error:?} {config:?}").contains("\"wrong\""), "a password is shown: {error:?}");
        }
    }
    assert!(!sushy.log().contains("POST"), "nothing was changed");
    let pinned = Redfish::new(Config { trust: Trust::Pinned(sushy.thumbprint()), ..right() });
    assert_eq!(pinned.observe(&cx()).await.expect("pinned"), HostPowerState::Off);
}

#[tokio::test]
async fn only_a_plain_word_about_the_system_asked_for_is_a_state() {
    let twice = system("\"Off\"", ALL).replacen("\"PowerState\"", "\"PowerState\": \"On\", \"PowerState\"", 1);
    let another = system("\"Off\"", ALL).replacen("Systems/1\"", "Systems/2\"", 1);
    for (body, expected) in [
        (system("\"On\"", ALL), HostPowerState::On),
        (system("\"Off\"", ALL), HostPowerState::Off),
        (system("\"PoweringOff\"", ALL), HostPowerState::Unknown),
        (system("\"PoweringOn\"", ALL), HostPowerState::Unknown),
        (system("\"Paused\"", ALL), HostPowerState::Unknown),
        (system("\"off\"", ALL), HostPowerState::Unknown),
        (system("null", ALL), HostPowerState::Unknown),
        (system("0", ALL), HostPowerState::Unknown),
        (twice, HostPowerState::Unknown),
        (another, HostPowerState::Unknown),
        ("{}".into(), HostPowerState::Unknown),
        ("Off".into(), HostPowerState::Unknown),
    ] {
        let shown = body.clone();
        let fake = Fake::start(move |_| answer(200, &body)).await;
        assert_eq!(Redfish::new(fake.config()).observe(&cx()).await.expect("no error"), expected, "{shown}");
    }
}

#[tokio::test]
async fn an_endless_cut_or_silent_answer_is_unknown_in_time_never_off() {
    let off = system("\"Off\"", ALL);
    let big = format!("{{\"pad\": \"{}\", {}", "x".repeat(2 << 20), &off[1..]);
    let cut = answer(200, &off)[..120].to_vec();
    let headers = format!("HTTP/1.1 200 OK\r\n{}", "X-A: bbbbbbbbbbbbbbbb\r\n".repeat(20_000)).into_bytes();
    for bytes in [
        answer(200, &big),
        cut,
        headers,
        b"220 mail.example ESMTP\r\n".to_vec(),
        Vec::new(),
        answer(503, &off),
        answer(500, &off),
    ] {
        let fake = Fake::start(move |_| bytes.clone()).await;
        let redfish = Redfish::new(fake.config());
        assert_eq!(redfish.observe(&cx()).await.expect("no error"), HostPowerState::Unknown);
        let error = redfish.wake(&cx()).await.expect_err("it cannot be looked at");
        assert_eq!(error.took_effect(), TookEffect::No, "{error}");
        assert!(posts(&fake).is_empty());
    }
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let fake = Fake::start(|_| Vec::new()).await;
    for scheme in ["http", "https"] {
        let url = ridethrough_platforms::redfish::ServiceUrl::parse(&format!("{scheme}://127.0.0.1:{port}")).expect("a url");
        let redfish = Redfish::new(Config { url, ..fake.config() });
        let brief = Cx::within(Duration::from_millis(600), Mono(0));
        let began = Instant::now();
        assert_eq!(redfish.observe(&brief).await.expect("no error"), HostPowerState::Unknown);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn what_is_asked_for_is_among_what_it_offers_and_never_the_power_button() {
    let nothing = "";
    let info = r#""@Redfish.ActionInfo": "/redfish/v1/Systems/1/ResetActionInfo","#;
    let only = |types: &str| format!(r#""ResetType@Redfish.AllowableValues": [{types}],"#);
    for (allowed, expected) in [
        (ALL.to_owned(), Some("On")),
        (only(r#""ForceOff", "ForceOn""#), Some("ForceOn")),
        (only(r#""PushPowerButton", "ForceRestart""#), None),
        (nothing.to_owned(), Some("On")),
        (info.to_owned(), Some("ForceOn")),
    ] {
        let body = system("\"Off\"", &allowed);
        let fake = Fake::start(move |line| match line {
            line if line.starts_with("POST") => answer(202, r#"{"@odata.id": "/redfish/v1/TaskService/Tasks/42"}"#),
            line if line.ends_with("ResetActionInfo") => {
                answer(200, r#"{"Parameters": [{"Name": "ResetType", "AllowableValues": ["ForceOn", "PushPowerButton"]}]}"#)
            }
            _ => answer(200, &body),
        })
        .await;
        let woken = Redfish::new(fake.config()).wake(&cx()).await;
        match expected {
            Some(word) => {
                woken.expect("accepted");
                let target = "POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
                assert_eq!(posts(&fake), [format!("{target} {{\"ResetType\":\"{word}\"}}")]);
            }
            None => {
                let error = woken.expect_err("it cannot be woken so");
                assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unsupported, TookEffect::No), "{error}");
                assert!(posts(&fake).is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_whether_it_can_have_taken_effect() {
    let words = r#"{"error": {"@Message.ExtendedInfo": [{"Message": "The fan door is open."}]}}"#;
    for (status, kind, took_effect) in [
        (400, FailureKind::Refused, TookEffect::No),
        (401, FailureKind::Unauthorized, TookEffect::No),
        (403, FailureKind::Unauthorized, TookEffect::No),
        (404, FailureKind::NotFound, TookEffect::No),
        (409, FailureKind::Busy, TookEffect::No),
        (500, FailureKind::Protocol, TookEffect::Possible),
        (503, FailureKind::Busy, TookEffect::Possible),
        (307, FailureKind::Config, TookEffect::No),
    ] {
        let fake =
            Fake::start(
                move |line| {
                    if line.starts_with("POST") { answer(status, words) } else { answer(200, &system("\"On\"", ALL)) }
                },
            )
            .await;
        let error = Redfish::new(fake.config()).shut_down(&cx()).await.expect_err("refused");
        assert_eq!((error.kind(), error.took_effect()), (kind, took_effect), "{error}");
        assert!(error.to_string().contains("The fan door is open."), "{error}");
    }
    // The answer to the request itself is lost: nobody knows.
    let fake = Fake::start(|line| if line.starts_with("POST") { Vec::new() } else { answer(200, &system("\"On\"", ALL)) }).await;
    let error = Redfish::new(fake.config()).shut_down(&cx()).await.expect_err("no answer");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unreachable, TookEffect::Possible), "{error}");
    // Nothing is asked where it may not.
    let fake = Fake::start(|_| answer(200, &system("\"On\"", ALL))).await;
    let redfish = Redfish::new(Config { can_shut_down: false, ..fake.config() });
    assert_eq!(redfish.shut_down(&cx()).await.expect_err("not allowed").kind(), FailureKind::Unsupported);
    assert!(fake.asked().is_empty() && !redfish.capability().can_shut_down);
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_not_followed_with_the_password() {
    let elsewhere = system("\"Off\"", ALL).replace("\"target\": \"/redfish", "\"target\": \"https://evil.example/redfish");
    let fake = Fake::start(move |_| answer(200, &elsewhere)).await;
    let error = Redfish::new(fake.config()).wake(&cx()).await.expect_err("not followed");
    assert_eq!(error.kind(), FailureKind::Unsupported, "{error}");
    let members = r#"{"Members": [{"@odata.id": "http://evil.example/redfish/v1/Systems/1"}]}"#;
    let fake = Fake::start(move |_| answer(200, members)).await;
    let error = Redfish::new(Config { system: None, ..fake.config() }).observe(&cx()).await.expect_err("none is left");
    assert_eq!(error.kind(), FailureKind::Config, "{error}");
    assert_eq!(fake.asked(), ["GET /redfish/v1/Systems"]);
}
