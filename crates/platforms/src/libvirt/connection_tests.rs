//! A connection over a pipe and a clock of our own: silence, keep-alive, what is left when it ends.

use super::*;
use crate::libvirt::procedure::GetNodeInfo;
use tokio::io::{DuplexStream, duplex, split};

const LATER: Duration = Duration::from_secs(3600);

fn connection() -> (Connection, DuplexStream, Workers) {
    let (ours, theirs) = duplex(1 << 16);
    let (reader, writer) = split(ours);
    let workers = Workers::new();
    (Connection::over(reader, writer, &workers), theirs, workers)
}

async fn frame(stream: &mut DuplexStream) -> Header {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.unwrap();
    let mut rest = vec![0; wire::rest_of_frame(length).unwrap()];
    stream.read_exact(&mut rest).await.unwrap();
    wire::parse(&rest).unwrap().0
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_gone_without_a_word_is_asked_and_then_given_up() {
    let (connection, mut daemon, _workers) = connection();
    let begun = Instant::now();
    let call = connection.call(&GetNodeInfo {}, begun + LATER);
    let watch = async {
        assert!(!frame(&mut daemon).await.is_ping(), "the call itself");
        for _ in 0..PINGS_MAX {
            assert!(frame(&mut daemon).await.is_ping());
        }
    };
    let (answer, ()) = tokio::join!(call, watch);
    assert!(matches!(answer, Err(CallError::Lost(_))), "{answer:?}");
    assert_eq!(begun.elapsed(), PING_AFTER * (PINGS_MAX + 1));
    assert!(!connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_long_call_is_waited_for_as_long_as_the_daemon_gives_a_sign_of_life() {
    let (connection, mut daemon, _workers) = connection();
    let begun = Instant::now();
    let call = connection.call(&GetNodeInfo {}, begun + LATER);
    let watch = async {
        let asked = frame(&mut daemon).await;
        for _ in 0..100 {
            assert!(frame(&mut daemon).await.is_ping());
            daemon.write_all(&wire::pong()).await.unwrap();
        }
        let mut body = Encoder::default();
        body.fixed(&[0; 128]);
        body.u64(1024);
        body.u32(2);
        daemon.write_all(&wire::frame(Header { kind: Kind::Reply, ..asked }, &body.finish())).await.unwrap();
    };
    let (answer, ()) = tokio::join!(call, watch);
    assert_eq!(answer.unwrap().cpus, 2);
    assert!(begun.elapsed() >= PING_AFTER * 100);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_makes_the_connection_suspect_but_takes_nothing_from_others() {
    let (connection, mut daemon, _workers) = connection();
    let begun = Instant::now();
    let patient = connection.call(&GetNodeInfo {}, begun + LATER);
    let hasty = async {
        let answer = connection.call(&GetNodeInfo {}, begun + Duration::from_secs(1)).await;
        assert!(matches!(answer, Err(CallError::TooLate { sent: true })), "{answer:?}");
        assert!(!connection.is_open(), "new callers dial anew");
        let asked = frame(&mut daemon).await;
        let error = wire::frame(Header { kind: Kind::Reply, is_error: true, ..asked }, &[0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 0]);
        daemon.write_all(&error).await.unwrap();
    };
    let (answer, ()) = tokio::join!(patient, hasty);
    assert!(matches!(answer, Err(CallError::Remote(remote)) if remote.code == 42));
}

#[tokio::test(start_paused = true)]
async fn places_of_calls_that_were_given_up_stay_taken_until_they_are_answered() {
    let (connection, mut daemon, _workers) = connection();
    let soon = Instant::now() + Duration::from_secs(1);
    for _ in 0..IN_FLIGHT_MAX {
        assert!(matches!(connection.call(&GetNodeInfo {}, soon).await, Err(CallError::TooLate { sent: true })));
    }
    let one_more = connection.call(&GetNodeInfo {}, Instant::now() + Duration::from_secs(1)).await;
    assert!(matches!(one_more, Err(CallError::TooLate { sent: false })), "the daemon has enough to do: {one_more:?}");
    let asked = frame(&mut daemon).await;
    daemon.write_all(&wire::frame(Header { kind: Kind::Reply, is_error: true, ..asked }, &[0; 12])).await.unwrap();
    let now = connection.call(&GetNodeInfo {}, Instant::now() + Duration::from_secs(1)).await;
    assert!(matches!(now, Err(CallError::TooLate { sent: true })), "there is a place again: {now:?}");
}

#[tokio::test(start_paused = true)]
async fn workers_that_end_leave_nobody_waiting() {
    let (connection, daemon, workers) = connection();
    let call = connection.call(&GetNodeInfo {}, Instant::now() + LATER);
    let (answer, ()) = tokio::join!(call, async { drop(daemon) });
    assert!(matches!(answer, Err(CallError::Lost(_) | CallError::NoConnection(_))), "{answer:?}");
    let after = connection.call(&GetNodeInfo {}, Instant::now() + LATER).await;
    assert!(matches!(after, Err(CallError::NoConnection(_))), "nothing is sent into a closed connection: {after:?}");
    drop(workers);
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_stay_behind_in_a_way_that_holds_bytes_back() {
    let (ours, mut theirs) = duplex(1 << 16);
    let workers = Workers::new();
    let (reader, writer) = split(ours);
    // As TLS does where the socket is full: what is written is kept until it is flushed.
    let connection = Connection::over(reader, tokio::io::BufWriter::new(writer), &workers);
    let begun = Instant::now();
    let call = connection.call(&GetNodeInfo {}, begun + LATER);
    tokio::select! {
        biased;
        answer = call => panic!("nobody answers: {answer:?}"),
        header = frame(&mut theirs) => assert!(!header.is_ping(), "the call itself"),
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
