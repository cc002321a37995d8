//! Orders to a UPS: what became of them is told as it is, by a real upsd with a driver of the test's own behind it.

use crate::upsd::{PASSWORD, Upsd, gate};
use crate::{LIMIT, config, until, with_login};
use ridethrough_devices::nut::{Config, Nut};
use ridethrough_driver::{Cx, Device, Error, FailureKind, Progress, Secret, TookEffect, UpsOrder};
use ridethrough_model::{Mono, Reading, StatusToken};
use std::time::Duration;

fn cx() -> Cx {
    Cx::within(LIMIT, Mono(0))
}

fn operator(port: u16) -> Nut {
    Nut::new(Config { user: Some("operator".into()), password: Some(Secret::new("pw".into())), ..config(port) })
}

fn run(command: &str, value: Option<&str>) -> UpsOrder {
    UpsOrder::Run { command: command.into(), value: value.map(str::to_owned) }
}

fn set(variable: &str, value: &str) -> UpsOrder {
    UpsOrder::Set { variable: variable.into(), value: value.into() }
}

/// Waits until the test's own driver is the one that is read: dummy-ups says more.
async fn is_replaced(nut: &Nut) {
    let is_own = |reading: &Reading| reading.charge.is_none() && reading.status.has(&StatusToken::Ol);
    until(nut, |seen| seen.as_ref().is_ok_and(is_own)).await.expect("the test's own driver");
}

/// What became of it, once that is known.
async fn outcome(nut: &Nut, order: &UpsOrder) -> Result<Progress, Error> {
    let task = nut.order(order, &cx()).await.expect("accepted").task.expect("this upsd tracks");
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..200 {
        match nut.progress(&task, &cx()).await {
            Ok(Progress::Pending) => tick.tick().await,
            settled => return settled,
        };
    }
    Ok(Progress::Pending)
}

#[tokio::test]
async fn point_2_nut_an_order_is_carried_out_once_and_its_outcome_is_told() {
    if !gate("nut: orders") {
        return;
    }
    let mut upsd = Upsd::start();
    let driver = upsd.replace_driver();
    let nut = operator(upsd.port);
    is_replaced(&nut).await;

    let quick = run("test.battery.start.quick", None);
    assert_eq!(outcome(&nut, &quick).await.expect("done"), Progress::Done);
    assert_eq!(driver.orders(), ["INSTCMD test.battery.start.quick"], "once");
    assert_eq!(outcome(&nut, &run("load.off.delay", Some("300"))).await.expect("done"), Progress::Done);
    assert_eq!(driver.orders()[1], "INSTCMD load.off.delay 300", "a value is not lost on the way");
    assert_eq!(outcome(&nut, &set("battery.charge.low", "35")).await.expect("done"), Progress::Done);
    assert_eq!(driver.orders()[2], "SET battery.charge.low \"35\"");

    for (number, kind, took_effect) in [
        (1, FailureKind::Unsupported, TookEffect::Possible),
        (2, FailureKind::Refused, TookEffect::No),
        (3, FailureKind::Refused, TookEffect::Possible),
    ] {
        driver.answers(Some(number));
        let error = outcome(&nut, &quick).await.expect_err("not done");
        assert_eq!((error.kind(), error.took_effect()), (kind, took_effect), "{error:?}");
    }
    driver.answers(None);
    let task = nut.order(&quick, &cx()).await.expect("accepted").task.expect("tracked");
    assert_eq!(nut.progress(&task, &cx()).await.expect("known"), Progress::Pending, "never better than it is");
    let error = nut.progress("no-such-task", &cx()).await.expect_err("unknown to upsd");
    assert_ne!(error.took_effect(), TookEffect::No, "what upsd has forgotten may well have been done");
}

#[tokio::test]
async fn point_2_nut_what_upsd_refuses_had_no_effect_and_says_why() {
    if !gate("nut: refused orders") {
        return;
    }
    let mut upsd = Upsd::start();
    let driver = upsd.replace_driver();
    let nut = operator(upsd.port);
    is_replaced(&nut).await;
    let quick = run("test.battery.start.quick", None);
    let refused = async |nut: &Nut, order: &UpsOrder, kind: FailureKind, why: &str| {
        let error = nut.order(order, &cx()).await.expect_err("refused");
        assert_eq!((error.kind(), error.took_effect()), (kind, TookEffect::No), "{error:?}");
        assert!(error.to_string().contains(why), "{why}: {error}");
    };
    refused(&Nut::new(config(upsd.port)), &quick, FailureKind::Unauthorized, "`user` and `password`").await;
    refused(&Nut::new(with_login(upsd.port, PASSWORD)), &quick, FailureKind::Unauthorized, "instcmds").await;
    refused(&Nut::new(with_login(upsd.port, "wrong")), &set("battery.charge.low", "5"), FailureKind::Unauthorized, "SET").await;
    refused(&nut, &run("no.such.command", None), FailureKind::Unsupported, "CMD-NOT-SUPPORTED").await;
    refused(&nut, &set("no.such.variable", "1"), FailureKind::Unsupported, "VAR-NOT-SUPPORTED").await;
    refused(&nut, &set("ups.mfr", "1"), FailureKind::Unsupported, "READONLY").await;
    refused(&nut, &set("battery.charge.low", "too long a value"), FailureKind::Refused, "TOO-LONG").await;
    refused(&nut, &run("load.off\nINSTCMD alpha load.off", None), FailureKind::Config, "cannot be sent").await;
    let elsewhere = Nut::new(Config { ups: "beta".into(), user: Some("operator".into()), ..with_login(upsd.port, "pw") });
    refused(&elsewhere, &quick, FailureKind::NotFound, "UNKNOWN-UPS").await;
    assert_eq!(driver.orders(), [""; 0], "none of it reached the UPS");
    drop(driver);
    until(&nut, |seen| seen.is_err()).await.expect_err("the driver is gone");
    refused(&nut, &quick, FailureKind::Unreachable, "driver").await;
    upsd.stop();
    let error = nut.order(&quick, &cx()).await.expect_err("nobody there");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unreachable, TookEffect::No), "{error:?}");
}

#[tokio::test]
async fn point_2_nut_commands_and_variables_are_listed() {
    if !gate("nut: lists") {
        return;
    }
    let mut upsd = Upsd::start();
    let _driver = upsd.replace_driver();
    let nut = Nut::new(config(upsd.port));
    is_replaced(&nut).await;
    let commands = nut.commands(&cx()).await.expect("a list");
    let said: Vec<_> = commands.iter().map(|one| (one.name.as_str(), one.is_harmless, one.description.is_some())).collect();
    assert_eq!(said, [("load.off", false, true), ("load.off.delay", false, true), ("test.battery.start.quick", true, true)]);
    let variables = nut.variables(&cx()).await.expect("a list");
    let low = variables.iter().find(|one| one.name == "battery.charge.low").expect("it is told");
    assert_eq!((low.value.as_str(), low.is_writable), ("20", Some(true)));
    let mfr = variables.iter().find(|one| one.name == "ups.mfr").expect("it is told");
    assert_eq!((mfr.value.as_str(), mfr.is_writable), ("a test", Some(false)));
}
