//! The NUT driver and bytes that are almost what upsd sends.

use ridethrough_devices::nut::{Config, Nut, map, wire};
use ridethrough_driver::conformance::fuzz;
use ridethrough_driver::{Accepted, Cx, Device, Secret, UpsOrder, Workers};
use ridethrough_model::{Millis, Mono, Ppm, UpsId};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LINES: [&[u8]; 8] = [
    b"VAR alpha ups.status \"OL CHRG\"\n",
    b"VAR alpha ups.desc \"Rack \\\"A\\\" \\\\ left\"\r\n",
    b"BEGIN LIST VAR alpha\n",
    b"END LIST VAR alpha\n",
    b"CLIENT alpha 192.0.2.7\n",
    b"ERR DATA-STALE\n",
    b"ERR ACCESS-DENIED because \"of this\"\n",
    b"OK TRACKING 1bd31808-cb49-4aec-9d75-d056e6f018d2\n",
];

const VALUES: [&[u8]; 8] =
    [b"98.5", b"65535", b"-1", b"4294967295", b"OL CHRG LB FROB", b"1800.00", b"0", b"18446744073709551615.999"];

#[test]
fn point_1_bytes_almost_of_upsd_are_read_or_refused() {
    fuzz::feed("a line of NUT", &LINES, |bytes| {
        let line = String::from_utf8_lossy(bytes);
        let Ok(words) = wire::words(&line) else { return };
        assert!(words.iter().map(String::len).sum::<usize>() <= line.len(), "more came out than went in");
        assert!(wire::shown(&words).chars().count() <= 80);
        let _ = (wire::refusal(&words), wire::row(&words, &["VAR", "alpha"]), wire::is_begin(&words, &["VAR", "alpha"]));
        let again = words.iter().map(|word| wire::quoted(word)).collect::<Vec<_>>().join(" ");
        assert!(!again.contains(['\n', '\r', '\0']), "a request is one line");
    });
}

#[test]
fn point_1_values_almost_of_a_ups_are_in_bounds_or_unknown() {
    const WEEK: Millis = Millis::from_secs(7 * 24 * 3600);
    let names = ["battery.charge", "battery.runtime", "battery.runtime.low", "ups.load", "ups.realpower", "ups.status"];
    fuzz::feed("a value of NUT", &VALUES, |bytes| {
        let value = String::from_utf8_lossy(bytes).into_owned();
        let vars: BTreeMap<String, String> = names.map(|name| (name.to_owned(), value.clone())).into();
        let reading = map::reading(UpsId::new("kit"), Mono(0), &vars);
        assert!(reading.charge.is_none_or(|charge| charge <= Ppm(1_000_000)), "{value}: {reading:?}");
        assert!(reading.load.is_none_or(|load| load <= Ppm(4_000_000)), "{value}: {reading:?}");
        assert!(reading.runtime.is_none_or(|runtime| runtime < Millis(WEEK.0 + 1000)), "{value}: {reading:?}");
        assert!(reading.status.0.len() <= value.len(), "{value}: {reading:?}");
    });
}

/// Answers to a whole look, as one stream.
const TALKS: [&[u8]; 4] = [
    include_bytes!("upsd-2.8.0.txt"),
    b"BEGIN LIST VAR alpha\nVAR alpha ups.status \"OB\"\nEND LIST VAR alpha\n",
    b"ERR UNKNOWN-UPS\nBEGIN LIST UPS\nUPS alpha \"a\"\nEND LIST UPS\n",
    b"ERR DRIVER-NOT-CONNECTED\n",
];

#[tokio::test]
async fn point_1_a_server_that_sends_almost_an_answer_gets_a_reading_or_a_silence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let workers = Workers::new();
    workers.start(async move {
        let mut seed = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            seed += 1;
            let mut request = [0; 64];
            if stream.read(&mut request).await.is_ok() {
                let _ = stream.write_all(&fuzz::mutant(seed, &TALKS)).await;
            }
        }
    });
    let config = Config {
        ups_id: UpsId::new("kit"),
        host: "127.0.0.1".into(),
        port,
        ups: "alpha".into(),
        user: None,
        password: None,
        tls: None,
    };
    for _ in 0..fuzz::cases() / 10 {
        // A driver of its own each time, so that each seed is met in the same state.
        let seen = Nut::new(config.clone()).read(&Cx::within(Duration::from_secs(20), Mono(0))).await;
        assert!(seen.is_ok(), "both are facts: {seen:?}");
    }
}

/// What a server says to the lines of an order, and to the question what became of it.
const ANSWERS: [&[u8]; 5] =
    [b"OK\n", b"OK TRACKING 1bd31808-cb49-4aec-9d75-d056e6f018d2\n", b"PENDING\n", b"SUCCESS\n", b"ERR INVALID-ARGUMENT\n"];

#[tokio::test]
async fn point_2_nut_almost_an_answer_to_an_order_is_an_outcome_or_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let workers = Workers::new();
    workers.start(async move {
        let mut seed = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 256];
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                seed += 1;
                // Every other answer is sound, or no order would come far.
                let answer = if seed % 2 == 0 { fuzz::mutant(seed, &ANSWERS) } else { ANSWERS[1].to_vec() };
                if stream.write_all(&answer).await.is_err() {
                    break;
                }
            }
        }
    });
    let nut = Nut::new(Config {
        ups_id: UpsId::new("kit"),
        host: "127.0.0.1".into(),
        port,
        ups: "alpha".into(),
        user: Some("monitor".into()),
        password: Some(Secret::new("secret-4711".into())),
        tls: None,
    });
    let order = UpsOrder::Run { command: "load.off".into(), value: None };
    for _ in 0..fuzz::cases() / 40 {
        let cx = || Cx::within(Duration::from_millis(50), Mono(0));
        if let Ok(Accepted { task: Some(task) }) = nut.order(&order, &cx()).await {
            assert!(wire::is_sendable(&task), "{task:?} will be sent back");
            let _ = nut.progress(&task, &cx()).await;
        }
    }
}
