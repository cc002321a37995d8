//! IPv6, from one end to the other. Names with several addresses are looked at beside the code.

use crate::upsd::certificates::Certificates;
use crate::upsd::{PASSWORD, Upsd, gate};
use crate::{LIMIT, silence, until, with_login};
use ridethrough_devices::nut::{Config, Nut, Tls};
use ridethrough_driver::tls::Trust;
use ridethrough_driver::{Cx, Device};
use ridethrough_model::{Mono, SilenceKind};

fn at(host: &str, port: u16) -> Config {
    Config { host: host.to_owned(), ..with_login(port, PASSWORD) }
}

#[tokio::test]
async fn point_2_nut_an_upsd_on_ipv6_is_reached_however_it_is_written() {
    if !gate("nut: IPv6") {
        return;
    }
    let certificates = Certificates::new();
    let mut upsd = Upsd::start_at("::1", &certificates.of_nss());
    for host in ["::1", "[::1]"] {
        let nut = Nut::new(at(host, upsd.port));
        until(&nut, Result::is_ok).await.unwrap_or_else(|seen| panic!("{host}: {seen:?}"));
        assert_eq!(nut.clients(&Cx::within(LIMIT, Mono(0))).await.expect("a list"), [], "{host}: we are not our own client");
        let tls = Tls { trust: Trust::Authorities(certificates.text("ca.pem")), identity: None, name: None };
        until(&Nut::new(Config { tls: Some(tls), ..at(host, upsd.port) }), Result::is_ok).await.expect("over TLS too");
    }
    upsd.stop();
    let gone = silence(&Nut::new(at("::1", upsd.port)), LIMIT).await;
    assert_eq!(gone.kind, SilenceKind::Unreachable);
    assert!(gone.message.contains(&format!("alpha@[::1]:{}", upsd.port)), "{}", gone.message);
}
