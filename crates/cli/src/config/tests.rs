//! What a person sees of mistakes in the form of a configuration, and what becomes of a good one.

use super::*;
use crate::output::Style;
use expect_test::{Expect, expect};
use ridethrough_model::{Bytes, Millis, Ppm};

/// Texts as files a.toml, b.toml, ...
pub(super) fn read_texts(texts: &[&str]) -> Result<Config, Vec<Located>> {
    let sources: Vec<Arc<Source>> = ('a'..)
        .zip(texts)
        .map(|(name, text)| Arc::new(Source { path: format!("{name}.toml").into(), text: (*text).to_owned() }))
        .collect();
    let Read { config, mut findings, .. } = read::read(&sources);
    source::sort(&mut findings);
    if findings.is_empty() { Ok(config) } else { Err(findings) }
}

pub(super) fn shown(findings: &[Located]) -> String {
    render(findings, &Style::plain(100, "2025-01-01T12:00:00Z"))
}

fn check(texts: &[&str], expect: Expect) {
    expect.assert_eq(&shown(&read_texts(texts).expect_err("it is wrong")));
}

#[test]
fn every_typing_mistake_in_a_table_is_shown_at_its_place_with_what_was_meant() {
    let text = "[ups.rack-a.nut]\n  hots = \"10.0.0.5\"\nups = \"ups1\"\nprot = 3493\n\
        [host.kvm1]\nfeeds = [{ ups = \"rack-a\", outlet = 2 }]\n";
    check(
        &[text],
        expect![[r#"
            error RT0103: UPS rack-a: unknown key `hots`.
             --> a.toml:2:3
              |
            2 |   hots = "10.0.0.5"
              |   ^^^^
              = Did you mean `host`? Known here: `host`, `port`, `ups`, `user`, `password`, `tls`,
                `low_battery_reliable`, `secondaries`.

            error RT0103: UPS rack-a: unknown key `prot`.
             --> a.toml:4:1
              |
            4 | prot = 3493
              | ^^^^
              = Did you mean `port`? Known here: `host`, `port`, `ups`, `user`, `password`, `tls`,
                `low_battery_reliable`, `secondaries`.

            error RT0103: host kvm1: unknown key `outlet`.
             --> a.toml:6:28
              |
            6 | feeds = [{ ups = "rack-a", outlet = 2 }]
              |                            ^^^^^^
              = Known here: `ups` or `outlet_group`.
        "#]],
    );
}

#[test]
fn typing_mistakes_in_names_of_tables_drivers_and_values_are_shown_too() {
    let text = "[controller]\nsilense = \"15s\"\n[tire]\n[ups.rack-b.nutt]\n[[tier]]\nname = \"a\"\non_outage = [\"mvoe\"]\n";
    check(
        &[text],
        expect![[r#"
            error RT0103: controller: unknown key `silense`.
             --> a.toml:2:1
              |
            2 | silense = "15s"
              | ^^^^^^^
              = Did you mean `silence`? Known here: `data_dir`, `listen`, `vm`, `host`, `journal_stall`,
                `silence`, `poll_mains`, `poll_battery`.

            error RT0103: file: unknown table `tire`.
             --> a.toml:3:2
              |
            3 | [tire]
              |  ^^^^
              = Did you mean `tier`? Known here: `alert`, `controller`, `domain`, `drill`, `host`, `load`,
                `moves`, `platform`, `return`, `tier`, `ups`, `vm`.

            error RT0103: UPS rack-b: unknown key `nutt`.
             --> a.toml:4:13
              |
            4 | [ups.rack-b.nutt]
              |             ^^^^
              = Did you mean `nut`? Known here: `nut`, `nominal_power`, `runtime_table`, `battery_installed`,
                `battery_modules`.

            error RT0103: tier a: unknown value `mvoe`.
             --> a.toml:7:14
              |
            7 | on_outage = ["mvoe"]
              |              ^^^^^^
              = Did you mean `move`? Known here: `move`, `suspend`, `shut-down`.
        "#]],
    );
}

#[test]
fn a_value_that_cannot_be_is_shown_with_what_can() {
    let text = r#"
[[domain]]
name = "ä"
ups = ["x"]
ride_through = 60
margin = "15"
[ups.x.nut]
host = "a"
port = 70000
[platform.lab.libvirt]
hosts = { kvm1 = { uri = "qemu+libssh://kvm1/system" } }
"#;
    check(
        &[text],
        expect![[r#"
            error RT0104: domain ä: invalid type: integer `60`, expected a length of time such as "90s", "1m 30s" or "2h".
             --> a.toml:5:16
              |
            5 | ride_through = 60
              |                ^^
              = Correct the value; docs/configuration.md says what is allowed.

            error RT0104: domain ä: `15` is not a percentage such as "45%".
             --> a.toml:6:10
              |
            6 | margin = "15"
              |          ^^^^
              = Correct the value; docs/configuration.md says what is allowed.

            error RT0104: UPS x: invalid value: integer `70000`, expected a whole number from 0 to 65535.
             --> a.toml:9:8
              |
            9 | port = 70000
              |        ^^^^^
              = Correct the value; docs/configuration.md says what is allowed.

            error RT0104: platform lab: `qemu+libssh://kvm1/system` is not an address of a libvirt host: write `qemu+ssh`: the system's own `ssh` is used.
              --> a.toml:11:26
               |
            11 | hosts = { kvm1 = { uri = "qemu+libssh://kvm1/system" } }
               |                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = Correct the value; docs/configuration.md says what is allowed.
        "#]],
    );
}

#[test]
fn what_is_no_toml_is_shown_at_its_place() {
    check(
        &["[ups.a.nut]\nhost = \"x\nups = \"y\"\n"],
        expect![[r#"
            error RT0102: file: this is no TOML: invalid basic string, expected `"`. The rest of this table is not looked at.
             --> a.toml:2:10
              |
            2 | host = "x
              |          ^
              = Mend it here or just before; https://toml.io shows how tables, texts and lists are written.
        "#]],
    );
    check(
        &["[a]\n[a]\n"],
        expect![[r#"
            error RT0105: file: `[a]` is there already, in line 1.
             --> a.toml:2:2
              |
            2 | [a]
              |  ^
              = Keep one of them; if two things are meant, give them two names.
        "#]],
    );
}

#[test]
fn a_table_without_its_driver_or_with_the_wrong_brackets_says_how_it_is_written() {
    check(
        &["[ups.a]\nhost = \"x\"\nups = \"y\"\n[domain]\nname = \"x\"\n[host]\nx = { shutdown = {} }\n[load]\ny = 1\n"],
        expect![[r#"
            error RT0104: UPS a: it must say with which driver, and only one: there are 2 keys here.
             --> a.toml:1:6
              |
            1 | [ups.a]
              |      ^
              = Write `[ups.a.nut]` and put its keys below that.

            error RT0104: domain: `domain` is a list.
             --> a.toml:4:2
              |
            4 | [domain]
              |  ^^^^^^
              = Write `[[domain]]` with two brackets.

            error RT0104: host x: exactly one key must stand in this table.
             --> a.toml:7:18
              |
            7 | x = { shutdown = {} }
              |                  ^^
              = Write one; docs/configuration.md lists them.

            error RT0104: load y: it must say with which driver, and only one: there are 0 keys here.
             --> a.toml:9:1
              |
            9 | y = 1
              | ^
              = Write `[load.y.passive]` and put its keys below that.
        "#]],
    );
}

#[test]
fn the_same_table_in_two_files_is_found_and_other_tables_are_taken_together() {
    let one = "[controller]\n[ups.a.nut]\nhost = \"x\"\nups = \"y\"\n[[tier]]\nname = \"first\"\n";
    let two = "[[tier]]\nname = \"second\"\n[ups.b.nut]\nhost = \"x\"\nups = \"y\"\n";
    let config = read_texts(&[one, two]).expect("it fits");
    assert_eq!(config.upses.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(config.tiers.iter().map(|tier| tier.value.name.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    check(
        &[one, one],
        expect![[r#"
            error RT0105: controller: `[controller]` is there already, in a.toml line 1.
             --> b.toml:1:2
              |
            1 | [controller]
              |  ^^^^^^^^^^
              = Keep one of them; if two things are meant, give them two names.

            error RT0105: UPS a: `[ups.a]` is there already, in a.toml line 2.
             --> b.toml:2:6
              |
            2 | [ups.a.nut]
              |      ^
              = Keep one of them; if two things are meant, give them two names.
        "#]],
    );
}

/// Neither the message nor the line shown may tell it.
#[test]
fn a_secret_in_clear_is_refused_and_shown_to_nobody() {
    let ups = "[ups.a.nut]\nhost = \"x\"\nups = \"y\"\nuser = \"monitor\"\n";
    check(
        &[&format!("{ups}password = \"hunter2\"\n")],
        expect![[r#"
            error RT0106: UPS a: a secret must not stand in the configuration itself.
             --> a.toml:5:12
              |
            5 | password = "*******"
              |            ^^^^^^^^^
              = Put it into a file of its own (mode 0600) and write `{ file = "..." }` here.
        "#]],
    );
    for line in [
        "password = 'hunter2'",
        "password = { file = \"x\", fil = 1 }, pasword = \"hunter2\"",
        "pasword = \"hunter2\"",
        "passwd = \"hunter2\"",
        "PASSWORD = \"hunter2\"",
        "password = \"hunter2",
        "password = \"\"\"\nhunter2\"\"\"",
        "password = { text = \"hunter2\" }",
        "password = [\"hunter2\"]",
        "bmc_secret = \"hunter2\"",
    ] {
        let findings = read_texts(&[&format!("{ups}{line}\n")]).expect_err("it is wrong");
        let said = shown(&findings);
        assert!(!said.contains("hunter2"), "{line}:\n{said}");
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_names_and_paths_begin_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("it is written");
    put("20-tiers.toml", "[[tier]]\nname = \"low\"\n");
    put("10-site.toml", "[controller]\ndata_dir = \"data\"\n[[tier]]\nname = \"high\"\n");
    put(".10-site.toml.swp.toml", "garbage");
    put("notes.txt", "garbage");
    let config = load(dir.path()).expect("it is sound");
    assert_eq!(config.data_dir(), dir.path().join("data"));
    assert_eq!(config.tiers.iter().map(|tier| tier.value.name.as_str()).collect::<Vec<_>>(), ["high", "low"]);
}

#[test]
fn what_cannot_be_read_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = |path: &Path| shown(&load(path).expect_err("it cannot be read")).replace(&dir.path().display().to_string(), "DIR");
    expect![[r#"
        error RT0101: DIR/no.toml: it cannot be read: No such file or directory (os error 2).
          = Name the file or folder with --config, or RIDETHROUGH_CONFIG.
    "#]]
    .assert_eq(&said(&dir.path().join("no.toml")));
    expect![[r#"
        error RT0101: DIR: the folder holds no `*.toml`.
          = Put the configuration there, or name another place.
    "#]]
    .assert_eq(&said(dir.path()));
    std::fs::write(dir.path().join("latin1.toml"), b"# \xe4\n").expect("it is written");
    expect![[r#"
        error RT0101: DIR/latin1.toml: it is not UTF-8.
          = Save it as UTF-8.
    "#]]
    .assert_eq(&said(dir.path()));
}

const SITE: &str = r#"
        [controller]
        silence = "20s"
        poll_mains = "2s"
        host = "kvm1"
        [moves]
        bandwidth = "1GiB"
        per_host = 4
        [ups.a.nut]
        host = "10.0.0.5"
        ups = "u"
        low_battery_reliable = false
        [platform.lab.libvirt]
        hosts = { kvm1 = { uri = "qemu+tcp://kvm1/system" } }
        bandwidth = "512MiB"
        [load.nas.passive]
        feeds = [{ ups = "a" }]
        [host.kvm1]
        site = "north"
        feeds = [{ ups = "a", outlet_group = 1 }, { ups = "b" }]
        feeds_min = 2
        needs = ["nas"]
        power = { ipmi = { address = "10.0.1.1", user = "rt", password = { env = "X" } } }
        [[domain]]
        name = "a"
        ups = ["a"]
        ride_through = "90s"
        margin = "25%"
        [[tier]]
        name = "critical"
        match = { tag = "power:critical", platform = "l*" }
        on_outage = ["move", "shut-down"]
        move_to = [{ site = "dr" }, { same_site = true }]
        force_off = "never"
        runtime_goal = "30m"
        [[tier]]
        name = "usual"
        on_outage = ["move"]
    "#;

#[test]
fn a_site_becomes_topology_and_policy() {
    let config = read_texts(&[SITE]).expect("it is sound");
    let topology = topology(&config);
    let host = &topology.hosts[&"kvm1".into()];
    assert_eq!(host.platform.as_ref().map(ToString::to_string).as_deref(), Some("lab"));
    assert_eq!((host.site.as_str(), host.feeds.len(), host.feeds_min), ("north", 2, 2));
    assert_eq!((host.can_shut_down, host.can_wake, host.can_prove_off), (false, true, true));
    assert!(host.needs.contains(&"nas".into()) && topology.loads.contains_key(&"nas".into()));
    assert!(!topology.upses[&"a".into()].low_battery_reliable);
    let timing = &topology.domains[&"a".into()].timing;
    assert_eq!((timing.ride_through, timing.move_after), (Millis::from_secs(90), Millis::from_secs(90)));
    assert_eq!(timing.margin, Ppm::from_percent(25));
    let policy = policy(&config);
    assert_eq!((policy.silence, policy.moves_per_host), (Millis::from_secs(20), 4));
    assert_eq!(policy.move_bandwidth, Bytes::from_mib(1024));
    assert_eq!(pace(&config).ups_mains.as_secs(), 2);
    let section::Platform::Libvirt(libvirt) = &config.platforms["lab"].value else { panic!("it is libvirt") };
    assert_eq!(libvirt.to_libvirt("lab").expect("no certificates").bandwidth_mib_s, Some(512));
}

#[test]
fn tiers_keep_their_order_and_what_is_not_said_is_the_default() {
    let policy = policy(&read_texts(&[SITE]).expect("it is sound"));
    let line = |tier: &ridethrough_model::Tier| {
        let matches = [&tier.matches.tag, &tier.matches.name, &tier.matches.platform];
        let matches: Vec<&str> = matches.map(|key| key.as_deref().unwrap_or("-")).to_vec();
        let goal = tier.runtime_goal.map_or("none".to_owned(), |goal| goal.to_string());
        let (name, budget) = (&tier.name, tier.stop_budget);
        format!("{name}: {matches:?} {:?} {:?} {:?} {budget} {goal}\n", tier.on_outage, tier.move_to, tier.force_off)
    };
    expect![[r#"
        critical: ["power:critical", "-", "l*"] [Move, ShutDown] [Site(dr), SameSite] Never 2m 30m
        usual: ["-", "-", "-"] [Move] [SameSite] AtDeadline 2m none
    "#]]
    .assert_eq(&policy.tiers.iter().map(line).collect::<String>());
}

/// Wherever a text is cut off or loses a character, something is said, and the reader does not fall over.
#[test]
fn no_broken_text_breaks_the_reader() {
    let text = include_str!("../../../../examples/two-racks.toml");
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).step_by(11).collect();
    let mut refused = 0;
    for at in places {
        let (before, after) = text.split_at(at);
        let shorter = after.chars().next().map_or("", |first| &after[first.len_utf8()..]);
        for broken in [before.to_owned(), format!("{before}{shorter}"), format!("{before}\u{1b}ä\"{after}")] {
            match read_texts(&[&broken]) {
                Ok(config) => drop(shown(&config.lint())),
                Err(findings) => {
                    refused += 1;
                    assert!(findings.iter().all(|located| located.place.is_some()), "each has its place");
                    assert!(!shown(&findings).contains('\u{1b}'), "nothing steers the terminal");
                }
            }
        }
    }
    assert!(refused > 300, "most of them are refused, not {refused}");
}
