//! The way to libvirt hosts.

use super::{SOUND, shown};
use crate::config::lint::lint;
use crate::config::tests::read_texts;
use expect_test::expect;

const WAY: &str = "hosts = { kvm1 = { uri = \"qemu+tcp://kvm1/system\" }, kvm2 = { uri = \"qemu+tcp://kvm2/system\" } }";

/// What is said of the way to the hosts.
fn said_of(way: &str) -> String {
    assert!(SOUND.contains(WAY), "the case changes nothing");
    let config = read_texts(&[&SOUND.replacen(WAY, way, 1)]).unwrap_or_else(|findings| panic!("{}", shown(&findings)));
    let mut findings = lint(&config);
    findings.retain(|located| located.finding.code.starts_with("RT018"));
    shown(&findings)
}

#[test]
fn point_3_hosts_whose_root_anybody_on_the_way_can_become_are_warned_of() {
    expect![[r#"
        warning RT0182: platform lab: kvm1, kvm2 are reached in clear text and without a password: who comes to that port has root.
         --> a.toml:9:11
          |
        9 | hosts = { kvm1 = { uri = "qemu+tcp://kvm1/system" }, kvm2 = { uri = "qemu+tcp://kvm2/system" } }
          |           ^^^^
          = Write `qemu+ssh://root@HOST/system` or `qemu+tls://HOST/system` (docs/drivers-libvirt.md shows
            how), or keep both in a management network that nobody else reaches.
    "#]]
    .assert_eq(&said_of(WAY));
    for sound in [
        "hosts = { kvm1 = { uri = \"qemu+ssh://root@kvm1/system\" }, kvm2 = { uri = \"qemu+tcp://127.0.0.1/system\" } }",
        "hosts = { kvm1 = { uri = \"qemu:///system\" }, kvm2 = { uri = \"qemu+tcp://[::1]/system\" } }",
    ] {
        assert_eq!(said_of(sound), "");
    }
}

#[test]
fn point_3_tls_without_somebody_to_believe_is_an_error() {
    expect![[r#"
        error RT0180: platform lab: kvm1 is reached over TLS, and nothing says whom to believe.
         --> a.toml:9:11
          |
        9 | hosts = { kvm1 = { uri = "qemu+tls://kvm1/system" }, kvm2 = { uri = "qemu+ssh://root@kvm2/system" } }
          |           ^^^^
          = Add `tls = { ca = "...", certificate = "...", key = { file = "..." } }`; docs/drivers-libvirt.md
            shows how.
    "#]]
    .assert_eq(&said_of(
        "hosts = { kvm1 = { uri = \"qemu+tls://kvm1/system\" }, kvm2 = { uri = \"qemu+ssh://root@kvm2/system\" } }",
    ));
}
