//! STARTTLS: whom we believe, whom upsd believes, and that nothing of the clear part counts afterwards.

use crate::upsd::certificates::Certificates;
use crate::upsd::openssl::OpenSsl;
use crate::upsd::{PASSWORD, Upsd, gate};
use crate::{LIMIT, config, look, silence, until, with_login};
use ridethrough_devices::nut::{Config, Nut, Tls};
use ridethrough_driver::tls::{Identity, Thumbprint, Trust};
use ridethrough_driver::{Cx, Device, FailureKind, Secret};
use ridethrough_model::{Mono, SilenceKind};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc;

fn trusting(port: u16, trust: Trust) -> Config {
    Config { tls: Some(Tls { trust, identity: None, name: None }), ..with_login(port, PASSWORD) }
}

fn private(port: u16, certificates: &Certificates) -> Config {
    trusting(port, Trust::Authorities(certificates.text("ca.pem")))
}

fn pinned(port: u16, thumbprint: &str) -> Config {
    trusting(port, Trust::Pinned(Thumbprint::parse(thumbprint).expect("openssl prints it so")))
}

fn identified(port: u16, certificates: &Certificates) -> Config {
    let identity = Identity { certificates: certificates.text("client.pem"), key: Secret::new(certificates.text("client.key")) };
    let trust = Trust::Authorities(certificates.text("ca.pem"));
    Config { tls: Some(Tls { trust, identity: Some(identity), name: None }), ..with_login(port, PASSWORD) }
}

/// It is refused, and the reason is given so that a person can mend it.
async fn refused(config: Config, why: &str) {
    let nut = Nut::new(config);
    let seen = silence(&nut, LIMIT).await;
    assert_eq!(seen.kind, SilenceKind::Refused, "{seen:?}");
    assert!(seen.message.contains(why), "{why}: {}", seen.message);
    let error = nut.verify(&Cx::within(LIMIT, Mono(0))).await.expect_err("refused");
    assert!(matches!(error.kind(), FailureKind::Unauthorized | FailureKind::Unsupported), "{error:?}");
    assert!(!seen.message.contains(PASSWORD) && !format!("{error:?}{nut:?}").contains(PASSWORD));
}

/// Reads and logs in, with TLS of whatever make before that upsd.
async fn trusts(port: u16, upsd: &Upsd, certificates: &Certificates) {
    for config in [private(port, certificates), pinned(port, &certificates.thumbprint("server"))] {
        let nut = Nut::new(config);
        until(&nut, Result::is_ok).await.expect("a reading");
        assert_eq!(upsd.followers(), 1, "logged in over TLS");
        nut.verify(&Cx::within(LIMIT, Mono(0))).await.expect("all is well");
    }
    refused(trusting(port, Trust::System), "signed by nobody we trust").await;
    refused(pinned(port, &certificates.thumbprint("ca")), &certificates.thumbprint("server")).await;
    let mut another = private(port, certificates);
    another.tls.as_mut().expect("TLS").name = Some("another.example".to_owned());
    refused(another, "another.example").await;
    let mut named = private(port, certificates);
    named.tls.as_mut().expect("TLS").name = Some("ups.example".to_owned());
    assert!(look(&Nut::new(named), LIMIT).await.is_ok(), "the name it bears, though it was dialled by address");
}

#[tokio::test]
async fn point_2_nut_starttls_with_debians_upsd_of_nss() {
    if !gate("nut: STARTTLS, NSS") {
        return;
    }
    let certificates = Certificates::new();
    let upsd = Upsd::start_at("127.0.0.1", &certificates.of_nss());
    trusts(upsd.port, &upsd, &certificates).await;
}

#[tokio::test]
async fn point_2_nut_starttls_with_openssl() {
    if !gate("nut: STARTTLS, OpenSSL") {
        return;
    }
    let (certificates, upsd) = (Certificates::new(), Upsd::start());
    let front = OpenSsl::before(upsd.port, &certificates, false);
    trusts(front.port, &upsd, &certificates).await;
}

#[tokio::test]
async fn point_2_nut_a_server_that_wants_our_certificate_gets_it() {
    if !gate("nut: client certificate") {
        return;
    }
    // Debian's upsd knows no CERTREQUEST: it asks nobody for a certificate.
    let (certificates, upsd) = (Certificates::new(), Upsd::start());
    let front = OpenSsl::before(upsd.port, &certificates, true);
    until(&Nut::new(identified(front.port, &certificates)), Result::is_ok).await.expect("a reading");
    let seen = silence(&Nut::new(private(front.port, &certificates)), LIMIT).await;
    assert_eq!(seen.kind, SilenceKind::Refused, "{seen:?}");
    assert!(seen.message.contains("does it want our certificate?"), "{}", seen.message);
    assert_eq!(upsd.followers(), 0);
}

/// Set in the process that a test starts from itself: the port.
const INSIDE: &str = "RIDETHROUGH_TEST_NUT_SYSTEM";

#[tokio::test]
async fn point_2_nut_starttls_with_an_authority_of_the_machine() {
    if let Some(port) = std::env::var(INSIDE).ok().and_then(|port| port.parse().ok()) {
        until(&Nut::new(trusting(port, Trust::System)), Result::is_ok).await.expect("a reading");
        return;
    }
    if !gate("nut: STARTTLS, authorities of the machine") {
        return;
    }
    let certificates = Certificates::new();
    let upsd = Upsd::start_at("127.0.0.1", &certificates.of_nss());
    let mut inside = Command::new(std::env::current_exe().expect("a test is a program"));
    inside.args(["--exact", "point_2::secure::point_2_nut_starttls_with_an_authority_of_the_machine"]);
    let output = inside.env(INSIDE, upsd.port.to_string()).env("SSL_CERT_FILE", certificates.file("ca.pem")).output();
    let output = output.expect("a test is a program");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

#[tokio::test]
async fn point_2_nut_a_server_without_tls_never_hears_the_password() {
    if gate("nut: no TLS") {
        let upsd = Upsd::start();
        refused(trusting(upsd.port, Trust::System), "FEATURE-NOT-CONFIGURED").await;
    }
    for answer in ["ERR UNKNOWN-COMMAND\n", "OK\nOK\nOK\nOK\n", "OK STARTTLS\n", "VER 1\n"] {
        let (port, heard) = talker(answer);
        let seen = silence(&Nut::new(trusting(port, Trust::System)), LIMIT).await;
        assert!(matches!(seen.kind, SilenceKind::Refused | SilenceKind::Unreachable), "{seen:?}");
        let heard = heard.recv_timeout(LIMIT).expect("it was asked");
        assert!(heard.starts_with("STARTTLS\n"), "{heard}");
        assert!(!heard.contains("PASSWORD") && !heard.contains("alpha") && !heard.contains("monitor"), "{heard}");
    }
}

/// Says this to the first line, then listens to the end. Gives what it heard, of the first connection.
fn talker(answer: &'static str) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (tell, heard) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
        let mut bytes = Vec::new();
        reader.read_until(b'\n', &mut bytes).expect("a line");
        (&stream).write_all(answer.as_bytes()).expect("sent");
        // A client hello may come before the client leaves.
        stream.shutdown(std::net::Shutdown::Write).expect("done");
        let _ = reader.read_to_end(&mut bytes);
        tell.send(String::from_utf8_lossy(&bytes).into_owned()).expect("the test listens");
    });
    (port, heard)
}

#[tokio::test]
async fn point_2_nut_what_stands_in_clear_behind_ok_starttls_is_never_used() {
    let injected = "OK STARTTLS\nBEGIN LIST VAR alpha\nVAR alpha ups.status \"OL\"\nEND LIST VAR alpha\n";
    let (port, heard) = talker(injected);
    let seen = silence(&Nut::new(trusting(port, Trust::System)), LIMIT).await;
    assert_eq!(seen.kind, SilenceKind::Unreachable);
    assert!(seen.message.contains("in clear text behind its OK STARTTLS"), "{}", seen.message);
    assert_eq!(heard.recv_timeout(LIMIT).expect("it was asked"), "STARTTLS\n", "not even a handshake");
}

#[tokio::test]
async fn point_2_nut_tls_that_cannot_be_set_up_is_an_error_of_the_configuration() {
    let garbage = Trust::Authorities("no certificate".to_owned());
    let (port, _heard) = talker("OK STARTTLS\n");
    let nut = Nut::new(Config { tls: Some(Tls { trust: garbage, identity: None, name: None }), ..config(port) });
    let error = nut.read(&Cx::within(LIMIT, Mono(0))).await.expect_err("no call can succeed");
    assert_eq!(error.kind(), FailureKind::Config, "{error:?}");
}
