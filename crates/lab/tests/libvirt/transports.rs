//! The ways to a real libvirtd: TLS with certificates both ways, SSH with `virt-ssh-helper`. What is wrong is said, never worked around.

use crate::estate::{Estate, cx, leads_to, op_shut};
use ridethrough_driver::tls::{Identity, Trust};
use ridethrough_driver::{FailureKind, Platform, Secret};
use ridethrough_lab::{Guest, GuestState, gate};
use ridethrough_model::Progress;
use ridethrough_platforms::libvirt::{Libvirt, SshLogin, Tls};
use std::fs;

const TLS_PORT: u16 = 16514;

fn with(estate: &Estate, ca: &str, who: Option<&str>) -> Tls {
    let pem = |file: String| estate.lab.pem(&file).expect("made with the lab");
    let identity =
        who.map(|who| Identity { certificates: pem(format!("{who}.pem")), key: Secret::new(pem(format!("{who}.key"))) });
    Tls { trust: Trust::Authorities(pem(format!("{ca}.pem"))), identity }
}

async fn refusal(driver: &Libvirt) -> (FailureKind, String) {
    let failure = driver.inventory(&cx()).await.expect_err("refused").to_failure();
    (failure.kind, failure.message)
}

/// What is known of the guest over that way, and that it goes down by it.
async fn is_seen_and_stopped(estate: &Estate, driver: &Libvirt, guest: &str) {
    let inventory = driver.inventory(&cx()).await.expect("an inventory");
    assert_eq!(inventory.vms[&estate.vm(guest)].name, guest);
    let task = estate.begin(driver, &op_shut(&estate.vm(guest), 1)).await;
    let (end, _) = estate.watch(driver, &task).await;
    assert!(matches!(end, Progress::Done { .. }), "{end:?}");
    assert_eq!(estate.lab.state(1, guest), GuestState::Off);
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_libvirt_tls_is_spoken_with_certificates_both_ways_and_nothing_less() {
    if !gate("libvirt: tls") {
        return;
    }
    let estate = Estate::new(1);
    estate.start(1, &Guest::new("web", &[]));
    let relay = estate.lab.relay(1, TLS_PORT).expect("a way in");
    let (address, _workers) = leads_to(relay.socket().to_owned()).await;
    let uri = format!("qemu+tls://{address}/system");
    let over = |uri: &str, tls| estate.driver_over(uri, tls, SshLogin::default());

    let (kind, said) = refusal(&over(&uri, Some(with(&estate, "other-ca", Some("client"))))).await;
    assert!(kind == FailureKind::Unauthorized && said.contains("signed by nobody we trust"), "{kind:?} {said}");
    let by_name = format!("qemu+tls://localhost:{}/system", address.port());
    let (kind, said) = refusal(&over(&by_name, Some(with(&estate, "ca", Some("client"))))).await;
    assert!(kind == FailureKind::Unauthorized && said.contains("name"), "{kind:?} {said}");
    for who in [None, Some("stranger")] {
        let (kind, said) = refusal(&over(&uri, Some(with(&estate, "ca", who)))).await;
        assert!(kind == FailureKind::Unauthorized && said.contains("our certificate"), "{who:?}: {kind:?} {said}");
    }
    let (kind, said) = refusal(&over(&uri, None)).await;
    assert!(kind == FailureKind::Unauthorized && said.contains("`tls`"), "{kind:?} {said}");

    is_seen_and_stopped(&estate, &over(&uri, Some(with(&estate, "ca", Some("client")))), "web").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn point_3_libvirt_ssh_is_spoken_with_virt_ssh_helper_and_a_known_host_only() {
    if !gate("libvirt: ssh") {
        return;
    }
    let estate = Estate::new(1);
    estate.start(1, &Guest::new("web", &[]));
    let relay = estate.lab.relay(1, 22).expect("a way in");
    let (address, _workers) = leads_to(relay.socket().to_owned()).await;
    let uri = format!("qemu+ssh://root@{address}/system");
    let known_hosts = estate.lab.dir().join("known-through-the-relay");
    let key = fs::read_to_string(estate.lab.dir().join("ssh-host-key.pub")).expect("made with the lab");
    fs::write(&known_hosts, format!("[127.0.0.1]:{} {key}", address.port())).expect("written");
    let login = SshLogin { key: Some(estate.lab.ssh_key()), known_hosts: Some(known_hosts) };

    let nobody = estate.lab.dir().join("known-nobody");
    fs::write(&nobody, "").expect("written");
    let (kind, said) = refusal(&estate.driver_over(&uri, None, SshLogin { known_hosts: Some(nobody), ..login.clone() })).await;
    assert!(kind == FailureKind::Unauthorized && said.contains("host key"), "{kind:?} {said}");
    let wrong = SshLogin { key: Some(estate.lab.dir().join("ssh-host-key")), ..login.clone() };
    let (kind, said) = refusal(&estate.driver_over(&uri, None, wrong)).await;
    assert!(kind == FailureKind::Unauthorized && said.contains("does not let us in"), "{kind:?} {said}");

    is_seen_and_stopped(&estate, &estate.driver_over(&uri, None, login), "web").await;
}
