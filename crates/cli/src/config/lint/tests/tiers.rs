//! Tiers and where their VMs may go.

use super::{SOUND, check, check_with, said};
use expect_test::expect;

#[test]
fn a_target_on_the_same_power_is_none() {
    check(
        "[host.kvm2]\nfeeds = [{ ups = \"rack-b\" }]",
        "[host.kvm2]\nfeeds = [{ ups = \"rack-a\" }]",
        expect![[r#"
            info RT0127: domain rack-b: no host hangs on its UPSes: it is only watched.
              --> a.toml:26:8
               |
            26 | name = "rack-b"
               |        ^^^^^^^^
               = To protect something, add its hosts with their feeds.

            warning RT0116: tier critical: its VMs on kvm1, kvm2 cannot be moved in an outage, only shut down: every host they may go to is on the same power.
              --> a.toml:32:11
               |
            32 | move_to = [{ same_site = true }]
               |           ^^^^^^^^^^^^^^^^^^^^^^
               = Hang a host they may go to on another UPS and domain, or name one in `move_to` that is.
        "#]],
    );
    // Both UPSes lose power together: another UPS is no help.
    check(
        "name = \"rack-a\"\nups = [\"rack-a\"]",
        "name = \"rack-a\"\nups = [\"rack-a\", \"rack-b\"]",
        expect![[r#"
        warning RT0116: tier critical: its VMs on kvm1 cannot be moved in an outage, only shut down: every host they may go to is on the same power.
          --> a.toml:32:11
           |
        32 | move_to = [{ same_site = true }]
           |           ^^^^^^^^^^^^^^^^^^^^^^
           = Hang a host they may go to on another UPS and domain, or name one in `move_to` that is.
    "#]],
    );
    // A third host that has only the first one's power: only the second can still save its VMs, and the other way round.
    let third = "[host.kvm3]\nfeeds = [{ ups = \"rack-b\" }]\nsite = \"far\"\nshutdown = { ssh = { user = \"root\" } }\n\
        power = { ipmi = { address = \"10.0.1.3\", user = \"rt\", password = { env = \"PATH\" } } }\n";
    let with_third = SOUND.replacen("hosts = { kvm1", "hosts = { kvm3 = { uri = \"qemu+tcp://kvm3/system\" }, kvm1", 1);
    expect![[r#"
        warning RT0116: tier critical: its VMs on kvm3 cannot be moved in an outage, only shut down: every host they may go to is on the same power.
          --> a.toml:32:11
           |
        32 | move_to = [{ same_site = true }]
           |           ^^^^^^^^^^^^^^^^^^^^^^
           = Hang a host they may go to on another UPS and domain, or name one in `move_to` that is.
    "#]].assert_eq(&said(&format!("{with_third}{third}")));
}

/// With A and B feeds a host falls only with both; a target on B alone falls with it.
#[test]
fn a_host_on_two_feeds_needs_a_target_that_outlives_both() {
    check(
        "[host.kvm1]\nfeeds = [{ ups = \"rack-a\" }]",
        "[host.kvm1]\nfeeds = [{ ups = \"rack-a\" }, { ups = \"rack-b\" }]",
        expect![[r#"
            warning RT0116: tier critical: its VMs on kvm1 cannot be moved in an outage, only shut down: every host they may go to is on the same power.
              --> a.toml:32:11
               |
            32 | move_to = [{ same_site = true }]
               |           ^^^^^^^^^^^^^^^^^^^^^^
               = Hang a host they may go to on another UPS and domain, or name one in `move_to` that is.
        "#]],
    );
}

#[test]
fn tiers_that_get_no_vm() {
    check(
        "match = { tag = \"critical\" }\n",
        "",
        expect![[r#"
        error RT0117: tier critical: it says nothing about its VMs, so it has none.
          --> a.toml:28:1
           |
        28 | [[tier]]
           | ^^^^^^^^
           = Add `match = { tag = "..." }`, `{ name = "..." }` or `{ platform = "..." }`; `{ name = "*" }`
             is every VM.
    "#]],
    );
    check_with(
        "[[tier]]\nname = \"again\"\nmatch = { tag = \"critical\" }\n",
        expect![[r#"
        error RT0118: tier again: tier critical before it matches the same VMs: this one gets none.
          --> a.toml:33:1
           |
        33 | [[tier]]
           | ^^^^^^^^
           = Make the two different, or take one out.
    "#]],
    );
    check(
        &SOUND[SOUND.find("[[tier]]").expect("there is one")..],
        "",
        expect![[r#"
        warning RT0125: configuration: there is no tier: every VM is shut down as soon as its domain acts, none is moved.
          = Add a `[[tier]]` for what matters most, with `match` and `on_outage`.
    "#]],
    );
}

#[test]
fn what_is_done_with_a_tier_must_fit_together() {
    check(
        "move_to = [{ same_site = true }]\n",
        "",
        expect![[r#"
        info RT0119: tier critical: `move_to` is not said: its VMs may go to any host of their own site.
          --> a.toml:31:13
           |
        31 | on_outage = ["move", "shut-down"]
           |             ^^^^^^^^^^^^^^^^^^^^^
           = If that is meant, leave it; else add `move_to = [{ site = "..." }]`.
    "#]],
    );
    check(
        "on_outage = [\"move\", \"shut-down\"]",
        "on_outage = [\"shut-down\"]",
        expect![[r#"
        warning RT0119: tier critical: `move_to` has no effect: its VMs are not moved.
          --> a.toml:32:11
           |
        32 | move_to = [{ same_site = true }]
           |           ^^^^^^^^^^^^^^^^^^^^^^
           = Add "move" to `on_outage`, or take `move_to` out.
    "#]],
    );
    check(
        "on_outage = [\"move\", \"shut-down\"]",
        "on_outage = [\"shut-down\", \"move\"]",
        expect![[r#"
        error RT0119: tier critical: what is shut down cannot be moved any more.
          --> a.toml:31:13
           |
        31 | on_outage = ["shut-down", "move"]
           |             ^^^^^^^^^^^^^^^^^^^^^
           = Write `["move", "shut-down"]`.
    "#]],
    );
    check(
        "on_outage = [\"move\", \"shut-down\"]",
        "on_outage = [\"move\"]",
        expect![[r#"
        info RT0119: tier critical: its VMs are to be moved only; those that cannot be moved in time are shut down all the same.
          --> a.toml:31:13
           |
        31 | on_outage = ["move"]
           |             ^^^^^^^^
           = Write `["move", "shut-down"]`.
    "#]],
    );
}

#[test]
fn point_3_saving_to_disk_needs_its_rate_and_room() {
    check(
        "on_outage = [\"move\", \"shut-down\"]",
        "on_outage = [\"move\", \"suspend\", \"shut-down\"]",
        expect![[r#"
        warning RT0119: tier critical: its VMs on platform lab are never saved to disk: how fast that goes and how much room there is is not said.
          --> a.toml:31:13
           |
        31 | on_outage = ["move", "suspend", "shut-down"]
           |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = Add `suspend = { rate = "...", space = "..." }` to the platform, or take "suspend" out of
             `on_outage`.
    "#]],
    );
}

#[test]
fn what_is_no_destination() {
    check(
        "[{ same_site = true }]",
        "[{ cloud = \"eu\" }, { same_site = true }]",
        expect![[r#"
        error RT0107: tier critical: moving to a cloud is not supported yet.
          --> a.toml:32:12
           |
        32 | move_to = [{ cloud = "eu" }, { same_site = true }]
           |            ^^^^^^^^^^^^^^^^
           = Take it out; move to a site of your own.
    "#]],
    );
    check(
        "[{ same_site = true }]",
        "[{ same_site = false }]",
        expect![[r#"
        error RT0123: tier critical: `same_site = false` is no destination.
          --> a.toml:32:12
           |
        32 | move_to = [{ same_site = false }]
           |            ^^^^^^^^^^^^^^^^^^^^^
           = Leave it out to exclude the own site.
    "#]],
    );
}
