//! What hangs on what.

use super::{check, check_with, said};
use expect_test::expect;

#[test]
fn an_empty_configuration_sees_no_outage() {
    expect![[r#"
        error RT0126: configuration: there is no UPS: no outage is ever seen.
          = Add a `[ups.NAME.nut]` and a `[[domain]]` with it; docs/configuration.md shows how.
    "#]]
    .assert_eq(&said(""));
}

#[test]
fn hosts_and_loads_on_no_feed() {
    check(
        "[host.kvm2]\nfeeds = [{ ups = \"rack-b\" }]\n",
        "[host.kvm2]\n",
        expect![[r#"
            error RT0110: host kvm2: it is on no feed: its power is unknown, so its VMs are not protected and none is moved to it.
              --> a.toml:17:7
               |
            17 | [host.kvm2]
               |       ^^^^
               = Add `feeds = [{ ups = "..." }]` with the UPS it hangs on.

            info RT0127: domain rack-b: no host hangs on its UPSes: it is only watched.
              --> a.toml:25:8
               |
            25 | name = "rack-b"
               |        ^^^^^^^^
               = To protect something, add its hosts with their feeds.

            warning RT0116: tier critical: its VMs on kvm1 cannot be moved in an outage, only shut down: every host they may go to is on the same power.
              --> a.toml:31:11
               |
            31 | move_to = [{ same_site = true }]
               |           ^^^^^^^^^^^^^^^^^^^^^^
               = Hang a host they may go to on another UPS and domain, or name one in `move_to` that is.
        "#]],
    );
    check(
        "feeds = [{ ups = \"rack-a\" }, { ups = \"rack-b\" }]",
        "feeds = []",
        expect![[r#"
        warning RT0110: load nas: it is on no feed: whether it lives in an outage is unknown, and so is whether a host that needs it does.
          --> a.toml:10:7
           |
        10 | [load.nas.passive]
           |       ^^^
           = Add `feeds = [{ ups = "..." }]` with the UPS it hangs on.
    "#]],
    );
}

#[test]
fn feeds_needs_and_domains_name_what_is_there() {
    check(
        "feeds = [{ ups = \"rack-b\" }]",
        "feeds = [{ ups = \"rack-bb\" }]",
        expect![[r#"
        error RT0111: host kvm2: it is fed by `rack-bb`, which is no UPS.
          --> a.toml:18:18
           |
        18 | feeds = [{ ups = "rack-bb" }]
           |                  ^^^^^^^^^
           = Did you mean `rack-b`?

        info RT0127: domain rack-b: no host hangs on its UPSes: it is only watched.
          --> a.toml:26:8
           |
        26 | name = "rack-b"
           |        ^^^^^^^^
           = To protect something, add its hosts with their feeds.
    "#]],
    );
    check(
        "ups = [\"rack-b\"]",
        "ups = [\"rack-b\", \"generator\"]",
        expect![[r#"
        error RT0111: domain rack-b: its UPS `generator` is not there.
          --> a.toml:27:18
           |
        27 | ups = ["rack-b", "generator"]
           |                  ^^^^^^^^^^^
           = Take one of rack-a, rack-b, or add a `[ups.generator]`.
    "#]],
    );
    check(
        "needs = [\"nas\"]",
        "needs = [\"nsa\"]",
        expect![[r#"
        error RT0111: host kvm1: it needs `nsa`, which is no load.
          --> a.toml:14:10
           |
        14 | needs = ["nsa"]
           |          ^^^^^
           = Did you mean `nas`?
    "#]],
    );
}

#[test]
fn tiers_and_the_controller_name_what_is_there() {
    check(
        "same_site = true",
        "site = \"mian\"",
        expect![[r#"
            error RT0111: tier critical: no host stands at site `mian`.
              --> a.toml:32:12
               |
            32 | move_to = [{ site = "mian" }]
               |            ^^^^^^^^^^^^^^^^^
               = Did you mean `main`?
        "#]],
    );
    check(
        "tag = \"critical\"",
        "platform = \"lib*\"",
        expect![[r#"
            error RT0111: tier critical: `lib*` is no platform: no VM is in this tier.
              --> a.toml:30:22
               |
            30 | match = { platform = "lib*" }
               |                      ^^^^^^
               = The platforms are: lab.
        "#]],
    );
    check_with(
        "[controller]\nhost = \"kvm3\"\n",
        expect![[r#"
        error RT0111: controller: it says it runs on `kvm3`, which is no host.
          --> a.toml:34:8
           |
        34 | host = "kvm3"
           |        ^^^^^^
           = Did you mean `kvm1`?
    "#]],
    );
}

#[test]
fn every_ups_is_in_a_domain_and_every_domain_has_one() {
    check(
        "ups = [\"rack-b\"]",
        "ups = []",
        expect![[r#"
        error RT0112: UPS rack-b: it is in no domain, so nothing is done for kvm2 when it goes on battery.
         --> a.toml:5:6
          |
        5 | [ups.rack-b.nut]
          |      ^^^^^^
          = Add `[[domain]]` with `name = "rack-b"` and `ups = ["rack-b"]`, or name it in a domain that is
            there.

        error RT0113: domain rack-b: it has no UPS: nothing ever happens in it.
          --> a.toml:27:7
           |
        27 | ups = []
           |       ^^
           = Name the UPSes that lose mains together: `ups = ["..."]`.
    "#]],
    );
    check_with(
        "[ups.rack-c.nut]\nhost = \"x\"\nups = \"c\"\n",
        expect![[r#"
        warning RT0112: UPS rack-c: it is in no domain: nothing is done when it goes on battery.
          --> a.toml:33:6
           |
        33 | [ups.rack-c.nut]
           |      ^^^^^^
           = Add `[[domain]]` with `name = "rack-c"` and `ups = ["rack-c"]`, or name it in a domain that is
             there.
    "#]],
    );
    expect![[r#"
        error RT0113: configuration: there is no domain: nothing is ever done.
          = Add a `[[domain]]` with the UPSes that lose mains together.
    "#]]
    .assert_eq(&said("[ups.a.nut]\nhost = \"x\"\nups = \"c\"\n"));
}

#[test]
fn a_domain_without_hosts_is_only_watched() {
    expect![[r#"
        info RT0127: domain a: no host hangs on its UPSes: it is only watched.
         --> a.toml:5:8
          |
        5 | name = "a"
          |        ^^^
          = To protect something, add its hosts with their feeds.
    "#]]
    .assert_eq(&said("[ups.a.nut]\nhost = \"x\"\nups = \"c\"\n[[domain]]\nname = \"a\"\nups = [\"a\"]\n"));
}
