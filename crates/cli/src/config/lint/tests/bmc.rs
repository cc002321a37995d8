//! BMCs and network cards: what proves, what only wakes, and what two hosts must not share.

use super::*;

const KVM2: &str = r#"power = { ipmi = { address = "10.0.1.2", user = "rt", password = { env = "PATH" } } }"#;
const REDFISH: &str = r#"redfish = { url = "https://10.0.1.2", user = "rt", password = { env = "PATH" } }"#;

#[test]
fn redfish_is_as_good_as_ipmi_and_wake_on_lan_may_stand_beside_it() {
    check(KVM2, &format!("power = {{ {REDFISH} }}"), expect![[""]]);
    check(KVM2, &format!("power = {{ {REDFISH}, wol = {{ mac = \"52:54:00:00:00:02\" }} }}"), expect![[""]]);
}

#[test]
fn what_wakes_but_proves_nothing_is_said_and_so_is_an_empty_table() {
    check(
        KVM2,
        "power = { wol = { mac = \"52:54:00:00:00:02\", port = 0 } }",
        expect![[r#"
            warning RT0156: host kvm2: Wake-on-LAN only wakes it: nothing can prove that it is off.
              --> a.toml:21:25
               |
            21 | power = { wol = { mac = "52:54:00:00:00:02", port = 0 } }
               |                         ^^^^^^^^^^^^^^^^^^^
               = Add its BMC beside it (`ipmi` or `redfish`), if it has one; else its shutdown ends as not
                 proven.

            error RT0123: host kvm2: port 0 is none.
              --> a.toml:21:53
               |
            21 | power = { wol = { mac = "52:54:00:00:00:02", port = 0 } }
               |                                                     ^
               = Take it out to have the usual port.
        "#]],
    );
    check(
        KVM2,
        "power = { }",
        expect![[r#"
        error RT0104: host kvm2: its `power` is empty: that it is off cannot be proven, and it is not woken when the mains is back.
          --> a.toml:21:9
           |
        21 | power = { }
           |         ^^^
           = Name its BMC (`ipmi` or `redfish`), or its network card (`wol`).
    "#]],
    );
}

#[test]
fn a_host_that_only_its_bmc_can_tell_to_shut_down_is_told_of() {
    let kvm2 = format!("shutdown = {{ ssh = {{ user = \"root\" }} }}\n{KVM2}");
    check(
        &kvm2,
        &format!("power = {{ {REDFISH} }}"),
        expect![[r#"
            warning RT0155: host kvm2: only its BMC can tell it to shut down: whether its operating system follows is known when it is off.
              --> a.toml:20:29
               |
            20 | power = { redfish = { url = "https://10.0.1.2", user = "rt", password = { env = "PATH" } } }
               |                             ^^^^^^^^^^^^^^^^^^
               = Try it once, and add `shutdown = { ssh = { ... } }`: then the BMC is the second way.

            warning RT0120: hosts: kvm2 has no last resort: if controller or network fail in an outage, nothing stops it before its battery ends.
              = Add `shutdown = { ssh = { ... } }`: then a timer is set on it in an outage. Or give it an upsmon
                or the vendor's agent that shuts it down at low battery, and say `last_resort = "upsmon"` or
                `"agent"`.
        "#]],
    );
    let never = REDFISH.replace("user", "graceful_shutdown = false, user");
    check(
        &kvm2,
        &format!("power = {{ {never} }}"),
        expect![[r#"
            warning RT0121: host kvm2: it cannot be told to shut down: in a long outage it falls when the battery ends.
              --> a.toml:17:7
               |
            17 | [host.kvm2]
               |       ^^^^
               = Add `shutdown = { ssh = { user = "...", key = { file = "..." } } }`.

            warning RT0120: hosts: kvm2 has no last resort: if controller or network fail in an outage, nothing stops it before its battery ends.
              = Add `shutdown = { ssh = { ... } }`: then a timer is set on it in an outage. Or give it an upsmon
                or the vendor's agent that shuts it down at low battery, and say `last_resort = "upsmon"` or
                `"agent"`.
        "#]],
    );
}

#[test]
fn certificates_that_cannot_be_believed_are_shown() {
    let with = |keys: &str| format!("power = {{ {} }}", REDFISH.replace("user", &format!("{keys}, user")));
    let pin = "ab".repeat(32);
    check(
        KVM2,
        &with(&format!("ca = \"/dev/null\", thumbprint = \"{pin}\"")),
        expect![[r#"
        error RT0157: host kvm2: `ca` and `thumbprint` are both there: which one is believed?
          --> a.toml:21:80
           |
        21 | power = { redfish = { url = "https://10.0.1.2", ca = "/dev/null", thumbprint = "abababababababababababababababababababababababababababababababab", user = "rt",
           |                                                                                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = Keep one of them.
    "#]],
    );
    check(
        KVM2,
        &with("ca = \"/dev/null\", system = \"Systems/1\""),
        expect![[r#"
        error RT0157: host kvm2: the file /dev/null of its certificate authority cannot be used: what is named as certificate authority holds no certificate in PEM.
          --> a.toml:21:54
           |
        21 | power = { redfish = { url = "https://10.0.1.2", ca = "/dev/null", system = "Systems/1", user = "rt", password = { env = "PATH" } } }
           |                                                      ^^^^^^^^^^^
           = Put the authority's certificate there, in PEM (it begins with -----BEGIN CERTIFICATE-----).

        error RT0104: host kvm2: `Systems/1` cannot be the name of a system.
          --> a.toml:21:76
           |
        21 | power = { redfish = { url = "https://10.0.1.2", ca = "/dev/null", system = "Systems/1", user = "rt", password = { env = "PATH" } } }
           |                                                                            ^^^^^^^^^^^
           = Write only its name, the last part of the path that `/redfish/v1/Systems` lists.
    "#]],
    );
    check(
        KVM2,
        &with("ca = \"/does/not/exist\""),
        expect![[r#"
        error RT0157: host kvm2: the file /does/not/exist of its certificate authority cannot be read: No such file or directory (os error 2).
          --> a.toml:21:54
           |
        21 | power = { redfish = { url = "https://10.0.1.2", ca = "/does/not/exist", user = "rt", password = { env = "PATH" } } }
           |                                                      ^^^^^^^^^^^^^^^^^
           = Put the authority's certificate there, in PEM (it begins with -----BEGIN CERTIFICATE-----).
    "#]],
    );
}

#[test]
fn two_hosts_must_not_share_a_bmc_or_a_card() {
    check(
        "10.0.1.2",
        "10.0.1.1",
        expect![[r#"
        error RT0158: host kvm2: the BMC 10.0.1.1 port 623 is that of host kvm1 too: one of them would be proven off, or woken, as the other.
          --> a.toml:21:30
           |
        21 | power = { ipmi = { address = "10.0.1.1", user = "rt", password = { env = "PATH" } } }
           |                              ^^^^^^^^^^
           = Give each host its own.
    "#]],
    );
}

#[test]
fn addresses_that_cannot_be_are_shown_with_what_can() {
    let text = "[host.a]\npower = { wol = { mac = \"52:54:00\", broadcast = \"10.0.0\" }, redfish = { url = \"http://10.0.0.1\", \
        user = \"u\", password = { env = \"X\" }, thumbprint = \"ab:cd\" } }\n";
    expect![[r#"
        error RT0104: host a: `52:54:00` is not the address of one network card such as "52:54:00:12:34:56".
         --> a.toml:2:25
          |
        2 | power = { wol = { mac = "52:54:00", broadcast = "10.0.0" }, redfish = { url = "http://10.0.0.1", user = "u", password = { env = "X" }, thumbprint = "ab:cd" } }
          |                         ^^^^^^^^^^
          = Correct the value; docs/configuration.md says what is allowed.

        error RT0104: host a: invalid IPv4 address syntax.
         --> a.toml:2:49
          |
        2 | power = { wol = { mac = "52:54:00", broadcast = "10.0.0" }, redfish = { url = "http://10.0.0.1", user = "u", password = { env = "X" }, thumbprint = "ab:cd" } }
          |                                                 ^^^^^^^^
          = Correct the value; docs/configuration.md says what is allowed.

        error RT0104: host a: over plain http everybody could read the password: write https://.
         --> a.toml:2:79
          |
        2 | power = { wol = { mac = "52:54:00", broadcast = "10.0.0" }, redfish = { url = "http://10.0.0.1", user = "u", password = { env = "X" }, thumbprint = "ab:cd" } }
          |                                                                               ^^^^^^^^^^^^^^^^^
          = Correct the value; docs/configuration.md says what is allowed.

        error RT0104: host a: a thumbprint is the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons.
         --> a.toml:2:149
          |
        2 | = { url = "http://10.0.0.1", user = "u", password = { env = "X" }, thumbprint = "ab:cd" } }
          |                                                                                 ^^^^^^^
          = Correct the value; docs/configuration.md says what is allowed.
    "#]].assert_eq(&shown(&read_texts(&[text]).expect_err("it is wrong")));
}
