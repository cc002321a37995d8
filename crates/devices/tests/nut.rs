//! The NUT driver against Debian's own upsd and dummy-ups on loopback, with `upsc` as the witness, and against servers that lie.

mod conformance;
mod point_2;
mod primary;
mod upsd;

use ridethrough_devices::nut::{Config, Nut};
use ridethrough_driver::{Cx, Device, FailureKind, Secret};
use ridethrough_model::{Millis, Milliwatts, Mono, Ppm, Reading, Silence, SilenceKind, StatusToken, UpsId};
use std::future::{Future, poll_fn};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use upsd::{PASSWORD, Upsd, gate};

const LIMIT: Duration = Duration::from_secs(20);

fn config(port: u16) -> Config {
    let ups_id = UpsId::new("ups-a");
    Config { ups_id, host: "127.0.0.1".into(), port, ups: "alpha".into(), user: None, password: None, tls: None }
}

fn with_login(port: u16, password: &str) -> Config {
    Config { user: Some("monitor".into()), password: Some(Secret::new(password.into())), ..config(port) }
}

async fn look(nut: &Nut, limit: Duration) -> Result<Reading, Silence> {
    nut.read(&Cx::within(limit, Mono(7))).await.expect("never an error")
}

async fn silence(nut: &Nut, limit: Duration) -> Silence {
    look(nut, limit).await.expect_err("a silence")
}

/// Looks again and again until it is as wanted.
async fn until(nut: &Nut, wanted: impl Fn(&Result<Reading, Silence>) -> bool) -> Result<Reading, Silence> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        let seen = look(nut, LIMIT).await;
        if wanted(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "still {seen:?}");
        tick.tick().await;
    }
}

fn is_silent(kind: SilenceKind) -> impl Fn(&Result<Reading, Silence>) -> bool {
    move |seen| matches!(seen, Err(silence) if silence.kind == kind)
}

#[tokio::test]
async fn a_reading_is_what_upsc_says_and_follows_the_ups() {
    if !gate("nut: reading") {
        return;
    }
    let mut upsd = Upsd::start();
    let nut = Nut::new(config(upsd.port));
    // dummy-ups publishes one variable after the other; this is the last.
    let is_complete = |seen: &Result<Reading, Silence>| seen.as_ref().is_ok_and(|reading| reading.realpower_nominal.is_some());
    let reading = until(&nut, is_complete).await.expect("a reading");
    assert_eq!((reading.ups.clone(), reading.observed_at), (UpsId::new("ups-a"), Mono(7)));
    assert_eq!(reading.status.to_string(), upsd.upsc("ups.status"));
    assert_eq!(upsd.upsc("battery.charge"), "98.5");
    assert_eq!((reading.charge, reading.load), (Some(Ppm(985_000)), Some(Ppm(70_000))));
    assert_eq!(reading.runtime, Some(Millis::from_secs(upsd.upsc("battery.runtime").parse().expect("seconds"))));
    assert_eq!((reading.realpower, reading.realpower_nominal), (Some(Milliwatts(210_500)), Some(Milliwatts(1_000_000))));

    upsd.set("ups.status", "OB DISCHRG FROB");
    upsd.set("battery.runtime", "65535");
    let on_battery = |seen: &Result<Reading, Silence>| {
        seen.as_ref().is_ok_and(|reading| reading.status.has(&StatusToken::Ob) && reading.runtime.is_none())
    };
    let reading = until(&nut, on_battery).await.expect("a reading");
    assert_eq!(reading.status.to_string(), "OB DISCHRG FROB", "an unknown token is kept");
    assert_eq!(upsd.upsc("battery.runtime"), "65535", "upsd says it, we do not believe it");
}

#[tokio::test]
async fn a_wrong_name_is_refused_and_the_right_ones_are_named() {
    if !gate("nut: wrong name") {
        return;
    }
    let upsd = Upsd::start();
    let nut = Nut::new(Config { ups: "gamma ray".into(), ..with_login(upsd.port, PASSWORD) });
    let refused = silence(&nut, LIMIT).await;
    assert_eq!(refused.kind, SilenceKind::Refused);
    assert!(refused.message.contains("alpha") && refused.message.contains("gamma ray"), "{}", refused.message);
    let error = nut.verify(&Cx::within(LIMIT, Mono(0))).await.expect_err("no such UPS");
    assert_eq!(error.kind(), FailureKind::NotFound);
    assert!(error.to_string().contains("alpha"), "{error}");
    assert_eq!(nut.clients(&Cx::within(LIMIT, Mono(0))).await.expect_err("no such UPS").kind(), FailureKind::NotFound);
}

#[tokio::test]
async fn a_login_is_verified_and_a_wrong_one_does_not_keep_us_from_reading() {
    if !gate("nut: login") {
        return;
    }
    let upsd = Upsd::start();
    let cx = || Cx::within(LIMIT, Mono(0));
    let right = Nut::new(with_login(upsd.port, PASSWORD));
    until(&right, Result::is_ok).await.expect("a reading");
    assert_eq!(upsd.followers(), 1, "upsd counts us: a primary waits for us");
    right.verify(&cx()).await.expect("these are right");
    assert_eq!(right.clients(&cx()).await.expect("a list"), [], "we are not our own client");

    let wrong = Nut::new(with_login(upsd.port, "wrong"));
    let error = wrong.verify(&cx()).await.expect_err("a wrong password");
    assert_eq!(error.kind(), FailureKind::Unauthorized);
    assert!(error.to_string().contains("upsd.users") && !error.to_string().contains("wrong"), "{error}");
    assert!(look(&wrong, LIMIT).await.is_ok());
    let others: Vec<String> = wrong.clients(&cx()).await.expect("a list").into_iter().map(|client| client.address).collect();
    assert_eq!(others, ["127.0.0.1"], "the other one is logged in, this one is not");
}

#[tokio::test]
async fn a_driver_that_ends_is_lost_and_one_that_hangs_is_stale() {
    if !gate("nut: driver") {
        return;
    }
    let mut upsd = Upsd::start();
    let nut = Nut::new(config(upsd.port));
    until(&nut, Result::is_ok).await.expect("a reading");
    upsd.signal_driver("STOP");
    let stale = until(&nut, is_silent(SilenceKind::Stale)).await.expect_err("stale");
    assert_eq!((stale.ups, stale.at), (UpsId::new("ups-a"), Mono(7)));
    assert!(upsd.upsc("ups.status").contains("Data stale"), "upsc sees the same");
    upsd.signal_driver("CONT");
    until(&nut, Result::is_ok).await.expect("it is back");
    upsd.stop_driver();
    let lost = until(&nut, is_silent(SilenceKind::Disconnected)).await.expect_err("lost");
    assert!(lost.message.contains("alpha@127.0.0.1"), "{}", lost.message);
    assert!(upsd.upsc("ups.status").contains("Driver not connected"), "upsc sees the same");
    upsd.start_driver();
    until(&nut, Result::is_ok).await.expect("it is back");
}

#[tokio::test]
async fn an_upsd_that_ends_is_unreachable_and_is_found_again_and_logged_in_to() {
    if !gate("nut: upsd restarts") {
        return;
    }
    let mut upsd = Upsd::start();
    let nut = Nut::new(with_login(upsd.port, PASSWORD));
    until(&nut, Result::is_ok).await.expect("a reading");
    upsd.restart();
    let first = look(&nut, LIMIT).await;
    assert!(!is_silent(SilenceKind::Unreachable)(&first), "the closed connection is made again within the call: {first:?}");
    until(&nut, Result::is_ok).await.expect("a reading");
    assert_eq!(upsd.followers(), 1, "logged in again");
    upsd.stop();
    let gone = silence(&nut, LIMIT).await;
    assert_eq!(gone.kind, SilenceKind::Unreachable);
    assert!(gone.message.contains("alpha@127.0.0.1"), "{}", gone.message);
    upsd.restart();
    until(&nut, Result::is_ok).await.expect("it is back");
}

/// Begins to look and gives up at once, in the middle of the request.
async fn glance(nut: &Nut) {
    let cx = Cx::within(LIMIT, Mono(7));
    let mut look = pin!(nut.read(&cx));
    let is_ready = poll_fn(|task| Poll::Ready(look.as_mut().poll(task).is_ready())).await;
    assert!(!is_ready, "it was to be given up half-way");
}

#[tokio::test]
async fn another_master_is_seen_also_after_we_lost_our_own_login() {
    if !gate("nut: another master") {
        return;
    }
    let upsd = Upsd::start();
    let nut = Nut::new(with_login(upsd.port, PASSWORD));
    until(&nut, Result::is_ok).await.expect("a reading");
    let other = Nut::new(with_login(upsd.port, PASSWORD));
    until(&other, Result::is_ok).await.expect("a reading");
    assert_eq!(upsd.followers(), 2);
    let others = async || nut.clients(&Cx::within(LIMIT, Mono(0))).await.expect("a list").len();
    assert_eq!(others().await, 1, "ours is not counted");
    glance(&nut).await;
    let deadline = Instant::now() + LIMIT;
    while upsd.followers() != 1 {
        assert!(Instant::now() < deadline, "the connection of a call given up is closed");
    }
    assert_eq!(others().await, 1, "the one that is left is not ours");
}

#[tokio::test]
async fn the_late_answer_to_a_call_given_up_is_not_taken_for_a_newer_one() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answer = |status: &str| format!("BEGIN LIST VAR alpha\nVAR alpha ups.status \"{status}\"\nEND LIST VAR alpha\n");
    let (old, new) = (answer("OL"), answer("OB"));
    // The first request is answered late: with the second, and before it.
    let serve = move |mut stream: TcpStream, mut answers: std::vec::IntoIter<String>| {
        for _ in BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok) {
            if stream.write_all(answers.next().unwrap_or_else(|| new.clone()).as_bytes()).is_err() {
                return;
            }
        }
    };
    std::thread::spawn(move || {
        let late = vec![String::new(), old];
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let (serve, answers) = (serve.clone(), if number == 0 { late.clone() } else { Vec::new() });
            std::thread::spawn(move || serve(stream, answers.into_iter()));
        }
    });
    let nut = Nut::new(config(port));
    assert_eq!(silence(&nut, Duration::from_millis(200)).await.kind, SilenceKind::Unreachable);
    let reading = look(&nut, LIMIT).await.expect("a reading");
    assert_eq!(reading.status.to_string(), "OB", "mains is gone by now");
}

/// A server that answers every request with the same bytes, then keeps the connection or closes it. It ends with the test.
fn liar(answer: Vec<u8>, is_kept: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serve = move |stream: TcpStream| {
        let mut requests = BufReader::new(stream.try_clone().expect("a stream"));
        let mut stream = stream;
        let mut line = String::new();
        while requests.read_line(&mut line).is_ok_and(|read| read > 0) {
            if stream.write_all(&answer).is_err() || !is_kept {
                return;
            }
            line.clear();
        }
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_lies_is_a_silence_in_time() {
    let endless = "VAR alpha ups.status \"".to_owned() + &"O".repeat(100_000);
    let many = "BEGIN LIST VAR alpha\n".to_owned() + &"VAR alpha a.b \"1\"\n".repeat(20_000);
    let cases: [(&str, Vec<u8>, bool); 9] = [
        ("noise", vec![0xff, 0xfe, 0, 7, b'\n'], true),
        ("another protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), true),
        ("a line without end", endless.into_bytes(), true),
        ("a list without end", many.into_bytes(), true),
        ("half a list", b"BEGIN LIST VAR alpha\nVAR alpha ups.status \"OL\"\n".to_vec(), false),
        ("half a list, then silence", b"BEGIN LIST VAR alpha\nVAR alpha ups.status \"OL\"\n".to_vec(), true),
        ("the list of another UPS", b"BEGIN LIST VAR beta\nVAR beta ups.status \"OL\"\nEND LIST VAR beta\n".to_vec(), true),
        ("nothing", Vec::new(), true),
        ("a closed door", Vec::new(), false),
    ];
    for (what, answer, is_kept) in cases {
        let nut = Nut::new(config(liar(answer, is_kept)));
        let began = Instant::now();
        for _ in 0..2 {
            let seen = silence(&nut, Duration::from_millis(400)).await;
            assert_eq!(seen.kind, SilenceKind::Unreachable, "{what}: {seen:?}");
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{what} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn refusals_are_told_apart_and_odd_rows_are_skipped() {
    for (code, kind) in [
        ("DATA-STALE", SilenceKind::Stale),
        ("DRIVER-NOT-CONNECTED", SilenceKind::Disconnected),
        ("UNKNOWN-UPS", SilenceKind::Refused),
        ("ACCESS-DENIED", SilenceKind::Refused),
        ("SOMETHING-NEW", SilenceKind::Refused),
    ] {
        let seen = silence(&Nut::new(config(liar(format!("ERR {code}\n").into(), true))), LIMIT).await;
        assert_eq!(seen.kind, kind, "{code}");
    }
    let odd = "BEGIN LIST VAR alpha\r\nVAR alpha ups.status \"OB\"\nVAR alpha\nVAR alpha ups.load\nVAR alpha a \"b\" c\n\
               VAR ALPHA UPS.LOAD \"12\"\nEND LIST VAR alpha\n";
    let reading = look(&Nut::new(config(liar(odd.into(), true))), LIMIT).await.expect("a reading");
    assert_eq!((reading.status.to_string().as_str(), reading.load), ("OB", Some(Ppm(120_000))));
}

/// A server that answers LIST; to anything else it says nothing, or closes the door.
fn list_only(is_patient: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serve = move |mut stream: TcpStream| {
        for line in BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok) {
            let answer: &[u8] = b"BEGIN LIST VAR alpha\nVAR alpha ups.status \"OL\"\nEND LIST VAR alpha\n";
            let is_list = line.starts_with("LIST");
            if (is_list && stream.write_all(answer).is_err()) || (!is_list && !is_patient) {
                return;
            }
        }
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

#[tokio::test]
async fn a_login_that_gets_no_answer_does_not_keep_us_from_reading() {
    for is_patient in [true, false] {
        let nut = Nut::new(with_login(list_only(is_patient), "x"));
        let reading = look(&nut, Duration::from_secs(4)).await.expect("a reading");
        assert_eq!(reading.status.to_string(), "OL", "{is_patient}");
    }
}
