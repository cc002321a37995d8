//! Numbers and addresses.

use super::{SOUND, check, check_with, said};
use expect_test::expect;

#[test]
fn numbers_of_domains_that_make_no_sense() {
    let domain = "[[domain]]\nname = \"c\"\nups = [\"rack-a\"]\n";
    check_with(
        &format!("{domain}margin = \"100%\"\nreturn_charge = \"120%\"\nride_through = \"25h\"\nmains_stable = \"0s\"\n"),
        expect![[r#"
            error RT0123: domain c: `margin = 100%`: nothing of the runtime would be counted on.
              --> a.toml:36:10
               |
            36 | margin = "100%"
               |          ^^^^^^
               = Take a share below 100%.

            error RT0123: domain c: `return_charge = 120%`: no battery ever gets there.
              --> a.toml:37:17
               |
            37 | return_charge = "120%"
               |                 ^^^^^^
               = Take a share below 100%.

            error RT0123: domain c: `ride_through` is longer than a day: no battery lasts that long.
              --> a.toml:38:16
               |
            38 | ride_through = "25h"
               |                ^^^^^
               = Take seconds or minutes: "60s" is usual.

            error RT0123: domain c: `mains_stable` of nothing makes no sense.
              --> a.toml:39:16
               |
            39 | mains_stable = "0s"
               |                ^^^^
               = Take it out to have the default, or write what it is in truth.
        "#]],
    );
    check_with(
        &format!("{domain}margin = \"0%\"\nride_through = \"0s\"\nmove_after = \"0s\"\n"),
        expect![[r#"
        warning RT0123: domain c: without `margin` the plan trusts the UPS's runtime to the second; UPSes are rarely that right.
          --> a.toml:36:10
           |
        36 | margin = "0%"
           |          ^^^^
           = Take 10% or more.
    "#]],
    );
}

#[test]
fn limits_and_intervals_that_make_no_sense() {
    check_with(
        "[moves]\nbandwidth = \"0MiB\"\nper_host = 0\n",
        expect![[r#"
        error RT0123: moves: `bandwidth` of nothing makes no sense.
          --> a.toml:34:13
           |
        34 | bandwidth = "0MiB"
           |             ^^^^^^
           = Take it out to have the default, or write what it is in truth.

        error RT0123: moves: with `per_host = 0` no move ever starts.
          --> a.toml:35:12
           |
        35 | per_host = 0
           |            ^
           = Take at least 1; to move nothing, leave "move" out of the tiers.
    "#]],
    );
    check_with(
        "[controller]\nsilence = \"3s\"\npoll_mains = \"5s\"\npoll_battery = \"0s\"\n",
        expect![[r#"
        error RT0123: controller: `poll_mains` is 5s: each UPS would count as silent (after 3s) between two looks.
          --> a.toml:35:14
           |
        35 | poll_mains = "5s"
           |              ^^^^
           = Make it at most a third of `silence`.

        error RT0123: controller: `poll_battery` of nothing makes no sense.
          --> a.toml:36:16
           |
        36 | poll_battery = "0s"
           |                ^^^^
           = Take it out to have the default, or write what it is in truth.
    "#]],
    );
}

#[test]
fn numbers_of_hosts_that_make_no_sense() {
    check(
        "[host.kvm2]\n",
        "[host.kvm2]\nfeeds_min = 3\nboot_time = \"0s\"\n",
        expect![[r#"
        error RT0123: host kvm2: `feeds_min = 3` makes no sense with 1 feeds.
          --> a.toml:18:13
           |
        18 | feeds_min = 3
           |             ^
           = Say how many of its feeds it needs: at least 1.

        error RT0123: host kvm2: `boot_time` of nothing makes no sense.
          --> a.toml:19:13
           |
        19 | boot_time = "0s"
           |             ^^^^
           = Take it out to have the default, or write what it is in truth.

        warning RT0116: tier critical: its VMs on kvm1 cannot be moved in an outage, only shut down: every host they may go to is on the same power.
          --> a.toml:34:11
           |
        34 | move_to = [{ same_site = true }]
           |           ^^^^^^^^^^^^^^^^^^^^^^
           = Hang a host they may go to on another UPS and domain, or name one in `move_to` that is.
    "#]],
    );
    check(
        "address = \"10.0.1.2\",",
        "address = \"10.0.1.2\", port = 0, cipher_suite = 0,",
        expect![[r#"
        error RT0123: host kvm2: port 0 is none.
          --> a.toml:21:49
           |
        21 | power = { ipmi = { address = "10.0.1.2", port = 0, cipher_suite = 0, user = "rt", password = { env = "PATH" } } }
           |                                                 ^
           = Take it out to have the usual port.

        error RT0107: host kvm2: cipher suite 0 is not supported.
          --> a.toml:21:67
           |
        21 | power = { ipmi = { address = "10.0.1.2", port = 0, cipher_suite = 0, user = "rt", password = { env = "PATH" } } }
           |                                                                   ^
           = Take 17, or 3 where the BMC knows no better.
    "#]],
    );
}

#[test]
fn the_controller_listens_on_loopback_only() {
    check_with(
        "[controller]\nlisten = \"0.0.0.0:7878\"\nvm = \"a\"\nhost = \"kvm1\"\n",
        expect![[r#"
        error RT0124: controller: it would listen at 0.0.0.0:7878, which others can reach; there is no encryption here.
          --> a.toml:34:10
           |
        34 | listen = "0.0.0.0:7878"
           |          ^^^^^^^^^^^^^^
           = Take a loopback address such as "127.0.0.1:7878"; from elsewhere, go through an SSH tunnel.

        error RT0123: controller: `vm` and `host` cannot both be where it runs.
          --> a.toml:35:6
           |
        35 | vm = "a"
           |      ^^^
           = Keep `vm` if it runs in a VM, else `host`.
    "#]],
    );
    assert_eq!(said(&format!("{SOUND}[controller]\nlisten = \"[::1]:7878\"\n")), "");
}
