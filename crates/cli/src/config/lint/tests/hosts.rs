//! Names, hosts, platforms, secrets.

use super::{SOUND, check, check_with, said};
use expect_test::expect;

#[test]
fn names_are_given_once_and_can_be_typed() {
    check(
        "name = \"rack-b\"",
        "name = \"rack-a\"",
        expect![[r#"
        error RT0105: domain rack-a: there is another domain of that name, in line 23.
          --> a.toml:26:8
           |
        26 | name = "rack-a"
           |        ^^^^^^^^
           = Give each its own name.
    "#]],
    );
    check(
        "name = \"critical\"",
        "name = \"very critical\"",
        expect![[r#"
        error RT0104: tier very critical: `very critical` cannot be used as a name.
          --> a.toml:29:8
           |
        29 | name = "very critical"
           |        ^^^^^^^^^^^^^^^
           = Take letters, digits, `-`, `_` and `.`: it is typed on command lines and is part of VM ids.
    "#]],
    );
    check_with(
        "[platform.other.libvirt]\nhosts = { kvm1 = { uri = \"qemu+tcp://kvm1/system\" } }\n",
        expect![[r#"
        error RT0105: platform other: its host kvm1 is one of platform lab already.
          --> a.toml:34:11
           |
        34 | hosts = { kvm1 = { uri = "qemu+tcp://kvm1/system" } }
           |           ^^^^
           = A host belongs to one platform: take it out of the other.
    "#]],
    );
}

#[test]
fn platforms_and_hosts_know_each_other() {
    check(
        "kvm2 = { uri",
        "kvm02 = { uri",
        expect![[r#"
            error RT0114: platform lab: its host kvm02 has no `[host.kvm02]`: its power is unknown, its VMs are not protected.
             --> a.toml:9:54
              |
            9 | hosts = { kvm1 = { uri = "qemu+tcp://kvm1/system" }, kvm02 = { uri = "qemu+tcp://kvm2/system" } }
              |                                                      ^^^^^
              = Did you mean `kvm2`? Both must have the same name.

            info RT0115: host kvm2: it is in no platform: it counts as a plain server without VMs, and is shut down when its domain acts.
              --> a.toml:17:7
               |
            17 | [host.kvm2]
               |       ^^^^
               = If it carries VMs, name it among the `hosts` of its platform, spelt the same.

            warning RT0116: tier critical: its VMs on kvm1 cannot be moved in an outage, only shut down: every host they may go to is on the same power.
              --> a.toml:32:11
               |
            32 | move_to = [{ same_site = true }]
               |           ^^^^^^^^^^^^^^^^^^^^^^
               = Hang a host they may go to on another UPS and domain, or name one in `move_to` that is.
        "#]],
    );
    check(
        "hosts = { kvm1 = { uri = \"qemu+tcp://kvm1/system\" }, kvm2 = { uri = \"qemu+tcp://kvm2/system\" } }",
        "hosts = {}",
        expect![[r#"
            error RT0104: platform lab: it has no hosts.
             --> a.toml:8:11
              |
            8 | [platform.lab.libvirt]
              |           ^^^
              = Name its hosts: `hosts = { NAME = { uri = "..." } }`.

            info RT0115: host kvm1: it is in no platform: it counts as a plain server without VMs, and is shut down when its domain acts.
              --> a.toml:12:7
               |
            12 | [host.kvm1]
               |       ^^^^
               = If it carries VMs, name it among the `hosts` of its platform, spelt the same.

            info RT0115: host kvm2: it is in no platform: it counts as a plain server without VMs, and is shut down when its domain acts.
              --> a.toml:17:7
               |
            17 | [host.kvm2]
               |       ^^^^
               = If it carries VMs, name it among the `hosts` of its platform, spelt the same.
        "#]],
    );
}

#[test]
fn hosts_that_cannot_be_shut_down_or_woken() {
    check(
        "shutdown = { ssh = { user = \"root\" } }\n",
        "",
        expect![[r#"
            warning RT0121: host kvm1: it cannot be told to shut down: in a long outage it falls when the battery ends.
              --> a.toml:12:7
               |
            12 | [host.kvm1]
               |       ^^^^
               = Add `shutdown = { ssh = { user = "...", key = { file = "..." } } }`.

            warning RT0120: hosts: kvm1 has no last resort: if controller or network fail in an outage, nothing stops it before its battery ends.
              = Add `shutdown = { ssh = { ... } }`: then a timer is set on it in an outage. Or give it an upsmon
                or the vendor's agent that shuts it down at low battery, and say `last_resort = "upsmon"` or
                `"agent"`.
        "#]],
    );
    check(
        "power = { ipmi = { address = \"10.0.1.2\", user = \"rt\", password = { env = \"PATH\" } } }\n",
        "",
        expect![[r#"
        warning RT0122: host kvm2: nothing controls its power: that it is off cannot be proven, and it is not woken when the mains is back.
          --> a.toml:17:7
           |
        17 | [host.kvm2]
           |       ^^^^
           = Add its BMC: `power = { ipmi = { address = "...", user = "...", password = { file = "..." } }
             }`.
    "#]],
    );
}

#[test]
fn secrets_are_there_and_nobody_else_can_read_them() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str, mode: u32| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("it is ours");
        path.display().to_string()
    };
    let said = |reference: &str| {
        let text = SOUND.replacen(
            "ups = \"a\"\n",
            &format!("ups = \"a\"\nuser = \"monitor\"\npassword = {{ {reference} }}\ntls = {{}}\n"),
            1,
        );
        // The rest depends on the length of the folder's name.
        let said = said(&text).replace(&dir.path().display().to_string(), "DIR");
        said.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(said(&format!("file = \"{}\"", file("good", "hunter2\n", 0o600))), "");
    expect!["warning RT0109: UPS rack-a: the file DIR/open with a secret is open to other users (mode 0644)."]
        .assert_eq(&said(&format!("file = \"{}\"", file("open", "hunter2\n", 0o644))));
    expect!["error RT0108: UPS rack-a: the file DIR/empty is empty."]
        .assert_eq(&said(&format!("file = \"{}\"", file("empty", "\n", 0o600))));
    expect!["error RT0108: UPS rack-a: the file DIR/none cannot be read: No such file or directory (os error 2)."]
        .assert_eq(&said(&format!("file = \"{}/none\"", dir.path().display())));
    expect!["error RT0108: UPS rack-a: the environment variable RIDETHROUGH_NO_SUCH_SECRET is not set."]
        .assert_eq(&said("env = \"RIDETHROUGH_NO_SUCH_SECRET\""));
    check(
        "ups = \"a\"\n",
        "ups = \"a\"\nuser = \"monitor\"\n",
        expect![[r#"
        error RT0104: UPS rack-a: there is a user without a password.
         --> a.toml:5:8
          |
        5 | user = "monitor"
          |        ^^^^^^^^^
          = Add its `password = { file = "..." }`, or take it out: reading needs neither.
    "#]],
    );
}

#[test]
fn keys_and_known_hosts_are_files_that_are_there() {
    check(
        "user = \"root\"",
        "user = \"root\", key = \"/nonexistent/key\", known_hosts = \"/nonexistent/hosts\"",
        expect![[r#"
        error RT0108: host kvm1: the file /nonexistent/key cannot be read: No such file or directory (os error 2).
          --> a.toml:15:43
           |
        15 | shutdown = { ssh = { user = "root", key = "/nonexistent/key", known_hosts = "/nonexistent/hosts" } }
           |                                           ^^^^^^^^^^^^^^^^^^
           = Make the file (mode 0600, owned by the controller's user), or correct the path.

        error RT0108: host kvm1: the file /nonexistent/hosts of known hosts cannot be read: No such file or directory (os error 2).
          --> a.toml:15:77
           |
        15 | shutdown = { ssh = { user = "root", key = "/nonexistent/key", known_hosts = "/nonexistent/hosts" } }
           |                                                                             ^^^^^^^^^^^^^^^^^^^^
           = Make it: `ssh-keyscan HOST > FILE`, and compare what it wrote with the host's own key.
    "#]],
    );
}
