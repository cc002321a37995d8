//! Each lint on a small text, with the words a person sees. The sound site below has none of the mistakes; each case puts one in.

mod alerts;
mod back;
mod battery;
mod bmc;
mod hosts;
mod libvirt;
mod numbers;
mod nut;
mod power;
mod tiers;
mod vsphere;

use super::lint;
use crate::config::tests::{read_texts, shown};
use expect_test::{Expect, expect};

/// A rack, a recovery rack, a load; nothing is wrong with it but what no configuration can have yet.
const SOUND: &str = r#"
[ups.rack-a.nut]
host = "10.0.0.5"
ups = "a"
[ups.rack-b.nut]
host = "10.0.0.5"
ups = "b"
[platform.lab.libvirt]
hosts = { kvm1 = { uri = "qemu+tcp://kvm1/system" }, kvm2 = { uri = "qemu+tcp://kvm2/system" } }
[load.nas.passive]
feeds = [{ ups = "rack-a" }, { ups = "rack-b" }]
[host.kvm1]
feeds = [{ ups = "rack-a" }]
needs = ["nas"]
shutdown = { ssh = { user = "root" } }
power = { ipmi = { address = "10.0.1.1", user = "rt", password = { env = "PATH" } } }
[host.kvm2]
feeds = [{ ups = "rack-b" }]
needs = ["nas"]
shutdown = { ssh = { user = "root" } }
power = { ipmi = { address = "10.0.1.2", user = "rt", password = { env = "PATH" } } }
[[domain]]
name = "rack-a"
ups = ["rack-a"]
[[domain]]
name = "rack-b"
ups = ["rack-b"]
[[tier]]
name = "critical"
match = { tag = "critical" }
on_outage = ["move", "shut-down"]
move_to = [{ same_site = true }]
"#;

/// What is said of a text, but that nobody is told and that libvirt is spoken to in clear text, which is said of most.
fn said(text: &str) -> String {
    let config = read_texts(&[text]).unwrap_or_else(|findings| panic!("{}", shown(&findings)));
    let mut findings = lint(&config);
    findings.retain(|located| !matches!(located.finding.code.as_str(), "RT0174" | "RT0182"));
    crate::config::source::sort(&mut findings);
    shown(&findings)
}

/// What is said of the sound site with one thing in it changed.
fn check(from: &str, to: &str, expect: Expect) {
    assert!(SOUND.contains(from), "the case changes nothing: {from}");
    expect.assert_eq(&said(&SOUND.replacen(from, to, 1)));
}

/// What is said of the sound site with something added.
fn check_with(more: &str, expect: Expect) {
    expect.assert_eq(&said(&format!("{SOUND}{more}")));
}

#[test]
fn a_sound_site_lacks_only_what_this_version_does_not_know() {
    assert_eq!(said(SOUND), "");
    let config = read_texts(&[SOUND]).expect("it is sound");
    expect![[r#"
        warning RT0182: platform lab: kvm1, kvm2 are reached in clear text and without a password: who comes to that port has root.
         --> a.toml:9:11
          |
        9 | hosts = { kvm1 = { uri = "qemu+tcp://kvm1/system" }, kvm2 = { uri = "qemu+tcp://kvm2/system" } }
          |           ^^^^
          = Write `qemu+ssh://root@HOST/system` or `qemu+tls://HOST/system` (docs/drivers-libvirt.md shows
            how), or keep both in a management network that nobody else reaches.

        info RT0174: alerts: nobody is told when the mains fails or a run needs somebody.
          = Add `[alert.NAME.email]`, `webhook` or `command`; docs/alerts.md shows how.
    "#]]
    .assert_eq(&shown(&lint(&config)));
}
