//! Debian's own upsmon as the primary of a UPS: it orders everybody down, waits for those who are logged in, and only then ends.

use crate::upsd::{PASSWORD, Upsd, gate};
use ridethrough_devices::nut::{Config, Nut};
use ridethrough_driver::{Cx, Device, Secret};
use ridethrough_model::{Mono, StatusToken, UpsId};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// Looks again and again, as the controller does, until `wanted`.
async fn look_until(nut: &Nut, what: &str, mut wanted: impl FnMut(bool) -> bool) {
    let deadline = Instant::now() + LIMIT;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        let seen = nut.read(&Cx::within(Duration::from_secs(5), Mono(7))).await.expect("never an error");
        let is_forced = seen.as_ref().is_ok_and(|reading| reading.status.has(&StatusToken::Fsd));
        if wanted(is_forced) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: still {seen:?}");
        tick.tick().await;
    }
}

#[tokio::test]
async fn point_2_nut_login_makes_a_real_primary_wait_until_our_hosts_need_it_no_more() {
    if !gate("nut: a real primary") {
        return;
    }
    let mut upsd = Upsd::start();
    let nut = Nut::new(Config {
        ups_id: UpsId::new("ups-a"),
        host: "127.0.0.1".into(),
        port: upsd.port,
        ups: "alpha".into(),
        user: Some("monitor".into()),
        password: Some(Secret::new(PASSWORD.into())),
        tls: None,
    });
    let primary = upsd.start_primary();
    look_until(&nut, "both are logged in", |_| upsd.followers() == 2).await;
    upsd.set("ups.status", "OB DISCHRG LB");
    look_until(&nut, "the primary orders everybody down", |is_forced| is_forced).await;
    // Alone it would end a second later; it waits while we look on for longer than that.
    let since = Instant::now();
    look_until(&nut, "it waits", |_| since.elapsed() > Duration::from_secs(6)).await;
    assert!(!primary.has_ended_it(), "it waits for us");
    nut.follow(false);
    look_until(&nut, "it goes on without us", |_| primary.has_ended_it()).await;
    // It writes that it ends, then ends.
    look_until(&nut, "neither is logged in any more", |_| upsd.followers() == 0).await;
}

#[tokio::test]
async fn point_2_nut_login_is_taken_again_when_our_hosts_are_back() {
    if !gate("nut: logged in again") {
        return;
    }
    let upsd = Upsd::start();
    let nut = Nut::new(Config {
        ups_id: UpsId::new("ups-a"),
        host: "127.0.0.1".into(),
        port: upsd.port,
        ups: "alpha".into(),
        user: Some("monitor".into()),
        password: Some(Secret::new(PASSWORD.into())),
        tls: None,
    });
    look_until(&nut, "logged in", |_| upsd.followers() == 1).await;
    nut.follow(false);
    look_until(&nut, "logged out, and read all the same", |_| upsd.followers() == 0).await;
    nut.follow(true);
    look_until(&nut, "logged in again", |_| upsd.followers() == 1).await;
}
