//! Hot reload of the built binary: a good configuration comes into force without losing anything, a bad one never does.

use crate::peers::{Bmc, Upsd};
use crate::service::Service;
use std::fs;
use std::path::Path;

/// One UPS, one host with a BMC, one domain.
pub fn site(upsd: &Upsd, bmcs: &[&Bmc]) -> String {
    let mut text = format!(
        "[controller]\ndata_dir = \"data\"\nlisten = \"127.0.0.1:0\"\n\n[ups.\"rack-a\".nut]\nhost = \"127.0.0.1\"\nport = {}\n\
         ups = \"ups1\"\n\n[[domain]]\nname = \"rack-a\"\nups = [\"rack-a\"]\nride_through = \"0s\"\nmains_stable = \"5s\"\n",
        upsd.address.port()
    );
    for (number, bmc) in (1..).zip(bmcs) {
        text.push_str(&format!(
            "\n[host.kvm{number}]\nfeeds = [{{ ups = \"rack-a\" }}]\npower = {{ redfish = {{ url = \"http://{}\", system = \"1\", \
             user = \"rt\", password = {{ file = \"secret\" }} }} }}\n",
            bmc.address
        ));
    }
    text
}

/// A controller of that site, with the UPS heard.
pub fn serving(dir: &Path, text: &str) -> Service {
    fs::write(dir.join("secret"), "s3cret\n").expect("written");
    let secret = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    fs::set_permissions(dir.join("secret"), secret).expect("set");
    let service = Service::with(dir, text);
    service.until("the UPS is heard", |status| status["upses"][0]["state"] == "online");
    service
}

fn write(dir: &Path, text: &str) {
    fs::write(dir.join("site.toml"), text).expect("written");
}

#[test]
fn point_7_reload_a_good_file_comes_into_force_and_what_did_not_change_stays() {
    let (upsd, dir) = (Upsd::start(), tempfile::tempdir().expect("a directory"));
    let text = site(&upsd, &[]);
    let service = serving(dir.path(), &text);
    assert_eq!(service.command(&["arm", "rack-a"]).0, 0);
    let before = service.status();
    write(dir.path(), &text.replace("mains_stable = \"5s\"", "mains_stable = \"90s\"\nmargin = \"20%\""));
    let (code, said) = service.command(&["reload"]);
    assert_eq!(code, 0, "{said}");
    let after = service.status();
    assert_ne!(before["configuration"]["digest"], after["configuration"]["digest"]);
    assert!(said.contains(&after["configuration"]["digest"].as_str().expect("a digest")[..12]), "{said}");
    let sum = std::process::Command::new("sha256sum").arg(dir.path().join("site.toml")).output().expect("sha256sum runs");
    assert!(String::from_utf8_lossy(&sum.stdout).starts_with(after["configuration"]["digest"].as_str().expect("a digest")));
    assert_eq!(after["domains"][0]["mode"], "armed", "{after:#}");
    assert!(after["upses"][0]["age_s"].is_u64(), "the UPS is known without being asked again: {after:#}");
    let (_, events) = service.command(&["events", "--json"]);
    assert_eq!(events.matches("\"configured\"").count(), 2, "once at the start, once now: {events}");

    // The same by a signal; and what only moves lines around changes nothing that is known.
    write(dir.path(), &format!("# a comment\n{text}"));
    service.signal("HUP");
    service.until("it is in force", |status| status["configuration"]["digest"] != after["configuration"]["digest"]);
}

#[test]
fn point_7_reload_a_bad_file_is_refused_with_its_place_and_the_good_one_goes_on() {
    let (upsd, bmc, dir) = (Upsd::start(), Bmc::start(), tempfile::tempdir().expect("a directory"));
    let text = site(&upsd, &[&bmc]);
    let service = serving(dir.path(), &text);
    service.until("the host is seen", |status| status["hosts"][0]["state"] == "on");
    assert_eq!(service.command(&["arm", "rack-a"]).0, 0);
    let path = dir.path().join("site.toml");
    let digest = service.status()["configuration"]["digest"].clone();
    let cut_at = |place: &str| text[..text.find(place).expect("it is in it")].to_owned();
    let cases: [(&str, Option<String>, &[&str]); 9] = [
        ("bad TOML", Some(text.replace("[[domain]]", "[[domain]")), &["RT0190", "site.toml:", "RT0102"]),
        ("an unknown key", Some(text.replace("ups = \"ups1\"", "ups = \"ups1\"\nupps = 1")), &["RT0190", ":9:1", "RT0103"]),
        ("half a file, in a table", Some(cut_at("ride_through")[..].trim_end().trim_end_matches(']').to_owned()), &["RT0190"]),
        ("half a file, between tables", Some(cut_at("[[domain]]")), &["RT0190", "RT0113"]),
        ("no armed domain any more", Some(text.replace("name = \"rack-a\"", "name = \"rack-b\"")), &["RT0451", "disarm rack-a"]),
        ("an empty file", Some(String::new()), &["RT0190", "RT0126"]),
        ("no file", None, &["RT0190", "RT0101"]),
        ("another listen", Some(text.replace(":0\"", ":1\"")), &["RT0191", "listen"]),
        ("a UPS that does not answer", Some(text.replace("ups = \"ups1\"", "ups = \"ups2\"")), &["RT0454", "RT0413", "RT0452"]),
    ];
    for (what, file, expected) in cases {
        match file {
            Some(file) => write(dir.path(), &file),
            None => fs::remove_file(&path).expect("it was there"),
        }
        let (code, said) = service.command(&["reload"]);
        assert_eq!(code, 1, "{what}: {said}");
        let status = service.status();
        for part in expected {
            let everything = format!("{said}{}", status["configuration"]["refused"]);
            assert!(everything.contains(part) || status["findings"].to_string().contains(part), "{what}: no {part} in {said}");
        }
        assert_eq!(status["configuration"]["digest"], digest, "{what}");
        assert_eq!((&status["domains"][0]["mode"], &status["upses"][0]["state"]), (&"armed".into(), &"online".into()), "{what}");
        let shown = service.command(&["status"]).1.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains("the newer file was refused"), "{what}: {shown}");
        service.line("The configuration was not reloaded, the one before goes on");
    }
    write(dir.path(), &text);
    fs::remove_file(dir.path().join("secret")).expect("it was there");
    let (code, said) = service.command(&["reload"]);
    assert!(code == 1 && said.contains("RT0108") && said.contains("site.toml:"), "{said}");
    fs::write(dir.path().join("secret"), "s3cret\n").expect("written");
    fs::set_permissions(dir.path().join("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    assert_eq!(service.command(&["reload"]).0, 0);
    let status = service.status();
    assert!(status["configuration"]["refused"].is_null(), "a reload that goes well ends the complaint: {status:#}");
}

#[test]
fn point_7_reload_in_an_outage_only_what_no_plan_stands_on() {
    let (upsd, bmc, dir) = (Upsd::start(), Bmc::start(), tempfile::tempdir().expect("a directory"));
    let text = site(&upsd, &[&bmc]);
    let service = serving(dir.path(), &text);
    service.until("the host is seen", |status| status["hosts"][0]["state"] == "on");
    assert_eq!(service.command(&["arm", "rack-a"]).0, 0);
    upsd.say("OB DISCHRG");
    service.until("the run acts", |status| status["run"]["hosts_down"][0] == "kvm1");
    write(dir.path(), &text.replace("ride_through = \"0s\"", "ride_through = \"10m\""));
    let (code, said) = service.command(&["reload"]);
    assert!(code == 1 && said.contains("RT0450"), "{said}");
    let alerts = "\n[alert.log.command]\nrun = [\"/bin/true\"]\n";
    write(dir.path(), &format!("{}{alerts}", text.replace("listen =", "poll_battery = \"2s\"\nlisten =")));
    let (code, said) = service.command(&["reload"]);
    assert_eq!(code, 0, "{said}");
    bmc.turn(false);
    service.until("the host is off", |status| status["hosts"][0]["state"] == "off");
    upsd.say("OL");
    service.line("run");
    let woken = service.until("the host is woken", |_| bmc.asked().last().is_some_and(|asked| asked == "On"));
    assert_eq!(woken["run"]["id"], 1);
    bmc.turn(true);
    service.until("the run ends", |status| status["run"].is_null());
    assert_eq!(bmc.asked(), ["GracefulShutdown", "On"]);
}

/// Threads, open files and memory in KiB of a process.
fn size(pid: u32) -> (usize, usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).expect("it lives").count();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    (count("task"), count("fd"), memory.trim().trim_end_matches(" kB").parse().expect("a number"))
}

#[test]
fn point_7_reload_a_hundred_times_leaks_nothing() {
    let (upsd, bmc, dir) = (Upsd::start(), Bmc::start(), tempfile::tempdir().expect("a directory"));
    let alerts = "\n[alert.log.command]\nrun = [\"/bin/true\"]\n";
    let text = format!("{}{alerts}", site(&upsd, &[&bmc]));
    let service = serving(dir.path(), &text);
    let reload = |number: usize| {
        // Every part is another one each time: a new way to the UPS, the host and the alert, and every third file is bad.
        let user = format!("user = \"rt{number}\"");
        let other = text.replace("user = \"rt\"", &user).replace("/bin/true\"", &format!("/bin/true\", \"{number}\""));
        let other =
            other.replace("ups = \"ups1\"", &format!("ups = \"ups1\"\nlow_battery_reliable = {}", number.is_multiple_of(2)));
        let is_bad = number.is_multiple_of(3);
        write(dir.path(), &if is_bad { other.replace("[[domain]]", "[[domian]]") } else { other });
        let (code, said) = service.command(&["reload"]);
        assert_eq!(code, i32::from(is_bad), "{said}");
    };
    (0..10).for_each(reload);
    let before = size(service.child.id());
    (10..110).for_each(reload);
    let after = size(service.child.id());
    let grown = |before: usize, after: usize, by: usize| after > before + by;
    let leaks = grown(before.0, after.0, 4) || grown(before.1, after.1, 4) || grown(before.2, after.2, 16 << 10);
    assert!(!leaks, "threads, files, KiB: {before:?} became {after:?}");
    service.until("it goes on", |status| status["upses"][0]["state"] == "online");
}
