//! What a battery is said to be.

use super::check_with;
use expect_test::expect;

#[test]
fn a_runtime_table_that_cannot_be_is_refused_at_the_point_that_is_wrong() {
    check_with(
        "[ups.rack-c]\nruntime_table = [[\"500W\", \"22m\"], [\"1kW\", \"25m\"], [\"0W\", \"3h\"]]\n\
         [ups.rack-c.nut]\nhost = \"10.0.0.5\"\nups = \"c\"\n[[domain]]\nname = \"c\"\nups = [\"rack-c\"]\n",
        expect![[r#"
            error RT0128: UPS rack-c: the runtime table says that 1000 W lasts longer than 500 W.
              --> a.toml:34:35
               |
            34 | runtime_table = [["500W", "22m"], ["1kW", "25m"], ["0W", "3h"]]
               |                                   ^^^^^^^^^^^^^^
               = Look at both points in the vendor's table: more load never lasts longer.

            error RT0128: UPS rack-c: point 3 of the runtime table is for no load at all.
              --> a.toml:34:51
               |
            34 | runtime_table = [["500W", "22m"], ["1kW", "25m"], ["0W", "3h"]]
               |                                                   ^^^^^^^^^^^^
               = Leave the point out.

            info RT0127: domain c: no host hangs on its UPSes: it is only watched.
              --> a.toml:39:8
               |
            39 | name = "c"
               |        ^^^
               = To protect something, add its hosts with their feeds.
        "#]],
    );
}

#[test]
fn numbers_of_a_battery_that_make_no_sense_are_said() {
    check_with(
        "[ups.rack-c]\nnominal_power = \"0W\"\nbattery_installed = 1979-05-01\nbattery_modules = 3\n\
         [ups.rack-c.nut]\nhost = \"10.0.0.5\"\nups = \"c\"\n[[domain]]\nname = \"c\"\nups = [\"rack-c\"]\n",
        expect![[r#"
            error RT0129: UPS rack-c: a UPS of no watts carries nothing.
              --> a.toml:34:17
               |
            34 | nominal_power = "0W"
               |                 ^^^^
               = Take the watts (not the VA) from its data sheet, or leave it out where the UPS says them
                 itself.

            error RT0129: UPS rack-c: its battery would be from 1979-05-01.
              --> a.toml:35:21
               |
            35 | battery_installed = 1979-05-01
               |                     ^^^^^^^^^^
               = Write the day the battery was put in, as 2024-05-01.

            warning RT0129: UPS rack-c: `battery_modules` is of no use without a `runtime_table`.
              --> a.toml:36:19
               |
            36 | battery_modules = 3
               |                   ^
               = Add the vendor's table, or take it out.

            info RT0127: domain c: no host hangs on its UPSes: it is only watched.
              --> a.toml:41:8
               |
            41 | name = "c"
               |        ^^^
               = To protect something, add its hosts with their feeds.
        "#]],
    );
}

#[test]
fn draws_of_hosts_and_loads_that_make_no_sense_are_said() {
    check_with(
        "[load.switch.passive]\nfeeds = [{ ups = \"rack-a\" }]\ndraws = \"0W\"\n\
         [host.kvm3]\nfeeds = [{ ups = \"rack-a\" }]\npower = { idle = \"300W\", max = \"100W\" }\n",
        expect![[r#"
            error RT0129: load switch: `draws` of nothing makes no sense.
              --> a.toml:35:9
               |
            35 | draws = "0W"
               |         ^^^^
               = Write what it draws, or leave it out: it is then learned.

            warning RT0121: host kvm3: it cannot be told to shut down: in a long outage it falls when the battery ends.
              --> a.toml:36:7
               |
            36 | [host.kvm3]
               |       ^^^^
               = Add `shutdown = { ssh = { user = "...", key = { file = "..." } } }`.

            info RT0115: host kvm3: it is in no platform: it counts as a plain server without VMs, and is shut down when its domain acts.
              --> a.toml:36:7
               |
            36 | [host.kvm3]
               |       ^^^^
               = If it carries VMs, name it among the `hosts` of its platform, spelt the same.

            error RT0129: host kvm3: it would draw 300 W idle and 100 W at its most.
              --> a.toml:38:32
               |
            38 | power = { idle = "300W", max = "100W" }
               |                                ^^^^^^
               = `idle` is the smaller one of the two.

            warning RT0120: hosts: kvm3 has no last resort: if controller or network fail in an outage, nothing stops it before its battery ends.
              = Add `shutdown = { ssh = { ... } }`: then a timer is set on it in an outage. Or give it an upsmon
                or the vendor's agent that shuts it down at low battery, and say `last_resort = "upsmon"` or
                `"agent"`.
        "#]],
    );
}

#[test]
fn a_table_that_bends_or_says_little_is_taken_with_a_word() {
    check_with(
        "[ups.rack-c]\nnominal_power = \"3kW\"\nbattery_installed = 2024-05-01\n\
         runtime_table = [[\"500W\", \"30m\"], [\"1kW\", \"500s\"], [\"1.4kW\", \"450s\"]]\n\
         [ups.rack-c.nut]\nhost = \"10.0.0.5\"\nups = \"c\"\n[[domain]]\nname = \"c\"\nups = [\"rack-c\"]\n",
        expect![[r#"
            warning RT0128: UPS rack-c: the runtime table ends at 1400 W, less than half of its nominal 3000 W.
              --> a.toml:36:17
               |
            36 | runtime_table = [["500W", "30m"], ["1kW", "500s"], ["1.4kW", "450s"]]
               |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = Add points up to the greatest load that occurs: beyond the last one the table is a guess.

            warning RT0128: UPS rack-c: the runtime table's 7m 30s at 1400 W does not go with its neighbours; 5m 16s is counted on.
              --> a.toml:36:17
               |
            36 | runtime_table = [["500W", "30m"], ["1kW", "500s"], ["1.4kW", "450s"]]
               |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = Look at the point and its neighbours in the vendor's table, or leave it: less is counted on.

            info RT0127: domain c: no host hangs on its UPSes: it is only watched.
              --> a.toml:41:8
               |
            41 | name = "c"
               |        ^^^
               = To protect something, add its hosts with their feeds.
        "#]],
    );
}
