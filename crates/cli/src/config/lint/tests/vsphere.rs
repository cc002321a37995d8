//! vSphere: what is not proven, and hosts that only vCenter reaches.

use super::{SOUND, shown};
use crate::config::lint::lint;
use crate::config::tests::read_texts;
use expect_test::expect;

const PLATFORM: &str = "[platform.lab.libvirt]\nhosts = { kvm1 = { uri = \"qemu+tcp://kvm1/system\" }, kvm2 = { uri = \"qemu+tcp://kvm2/system\" } }\n";
const SHUTDOWN: &str = "needs = [\"nas\"]\nshutdown = { ssh = { user = \"root\" } }\npower = { ipmi = { address = \"10.0.1.1\"";

/// What is said of a vSphere platform with these lines, and of a host that is shut down so.
fn said(platform: &str, shutdown: &str) -> String {
    assert!(SOUND.contains(PLATFORM) && SOUND.contains(SHUTDOWN), "the case changes nothing");
    let head = "[platform.lab.vsphere]\nurl = \"https://10.0.0.9\"\nuser = \"rt@vsphere.local\"\npassword = { env = \"PATH\" }\n";
    let shutdown = SHUTDOWN.replacen("{ ssh = { user = \"root\" } }", shutdown, 1);
    let text = SOUND.replacen(PLATFORM, &format!("{head}{platform}"), 1).replacen(SHUTDOWN, &shutdown, 1);
    let config = match read_texts(&[&text]) {
        Ok(config) => config,
        Err(findings) => return shown(&findings),
    };
    let mut findings = lint(&config);
    findings.retain(|located| located.finding.code.starts_with("RT018") || located.finding.code == "RT0104");
    crate::config::source::sort(&mut findings);
    shown(&findings)
}

#[test]
fn hosts_that_only_vcenter_reaches_are_warned_of() {
    expect![[r#"
        warning RT0186: platform lab: kvm1, kvm2 cannot be reached without vCenter: once that has no power, nobody stops what runs there.
         --> a.toml:8:11
          |
        8 | [platform.lab.vsphere]
          |           ^^^
          = Add `direct = { user = "...", password = { file = "..." }, thumbprint = "..." }` to each, or run
            vCenter where it outlives them.
    "#]].assert_eq(&said("hosts = { kvm1 = {}, kvm2 = {} }\n", "{ ssh = { user = \"root\" } }"));
    let direct = "{ direct = { user = \"root\", password = { env = \"PATH\" } } }";
    assert_eq!(said(&format!("hosts = {{ kvm1 = {direct}, kvm2 = {direct} }}\n"), "{ ssh = { user = \"root\" } }"), "");
}

#[test]
fn what_only_an_imitation_has_shown_is_refused_until_it_is_wanted() {
    let direct = "{ direct = { user = \"root\", password = { env = \"PATH\" } } }";
    let hosts = format!("hosts = {{ kvm1 = {direct}, kvm2 = {direct} }}\n");
    expect![[r#"
        error RT0185: host kvm1: that vSphere shuts its hosts down was tried on our own imitation of it only.
          --> a.toml:18:24
           |
        18 | shutdown = { vsphere = { maintenance = true } }
           |                        ^^^^^^^^^^^^^^^^^^^^^^
           = Read docs/vsphere.md, try it on one host, and say `experimental = true` in its platform; or use
             `ssh`.
    "#]]
    .assert_eq(&said(&hosts, "{ vsphere = { maintenance = true } }"));
    assert_eq!(said(&format!("{hosts}experimental = true\n"), "{ vsphere = { maintenance = true } }"), "");
}

#[test]
fn mistakes_in_the_table_are_shown_in_their_place() {
    expect![[r#"
        error RT0105: file: `url` is there already, in line 9.
          --> a.toml:12:1
           |
        12 | url = 7
           | ^^^
           = Keep one of them; if two things are meant, give them two names.
    "#]]
    .assert_eq(&said("url = 7\nhosts = { kvm1 = {}, kvm2 = {} }\n", "{ vsphere = {} }"));
    expect![[r#"
        error RT0106: platform lab: a secret must not stand in the configuration itself.
          --> a.toml:12:57
           |
        12 | hosts = { kvm1 = { direct = { user = "root", password = "******"***************"**"*****************
           |                                                         ^^^^^^^^
           = Put it into a file of its own (mode 0600) and write `{ file = "..." }` here.

        error RT0104: platform lab: a thumbprint is the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons.
          --> a.toml:12:80
           |
        12 | hosts = { kvm1 = { direct = { user = "root", password = "******"***************"**"*****************
           |                                                                                ^^^^
           = Correct the value; docs/configuration.md says what is allowed.
    "#]]
    .assert_eq(&said(
        "hosts = { kvm1 = { direct = { user = \"root\", password = \"geheim\", thumbprint = \"ab\" } }, kvm2 = {} }\n",
        "{ ssh = { user = \"root\" } }",
    ));
}
