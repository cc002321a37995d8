//! A load of the built binary: it stops after the host that needs it, and starts before that host, in the operator's own words.

use crate::peers::{Bmc, Upsd};
use crate::reload::{serving, site};
use std::fs;

#[test]
fn point_5_loads_a_nas_stops_after_its_host_is_proven_off_and_starts_before_it() {
    let (upsd, bmc, dir) = (Upsd::start(), Bmc::start(), tempfile::tempdir().expect("a directory"));
    let (off, told) = (dir.path().join("off"), dir.path().join("told"));
    let (off, told) = (off.display(), told.display());
    let program = |text: String| format!("{{ program = [\"/bin/sh\", \"-c\", \"{text}\"] }}");
    let text = format!(
        "{}needs = [\"nas\"]\n\n[load.nas.command]\nfeeds = [{{ ups = \"rack-a\" }}]\nstop = {}\nprobe = {}\nstart = {}\n\
         stop_time = \"20s\"\nstart_time = \"60s\"\n",
        site(&upsd, &[&bmc]),
        program(format!("echo stop >> {told}; touch {off}")),
        program(format!("! test -e {off} || exit 3")),
        program(format!("echo start >> {told}; rm {off}")),
    );
    let service = serving(dir.path(), &text);
    service.until("host and load are seen", |status| status["hosts"][0]["state"] == "on" && status["loads"][0]["state"] == "on");
    assert_eq!(service.command(&["arm", "rack-a"]).0, 0);
    upsd.say("OB DISCHRG");
    service.until("the host is told", |_| bmc.asked() == ["GracefulShutdown"]);
    service.line("shut down host kvm1");
    assert!(!dir.path().join("told").exists(), "the host is not proven off yet: its storage stays");
    bmc.turn(false);
    service.until("the load is off", |status| status["loads"][0]["state"] == "off");
    assert_eq!(fs::read_to_string(dir.path().join("told")).expect("told"), "stop\n");
    upsd.say("OL");
    service.until("the host is woken", |_| bmc.asked().last().is_some_and(|asked| asked == "On"));
    assert_eq!(fs::read_to_string(dir.path().join("told")).expect("told"), "stop\nstart\n", "the load came first, and once");
    bmc.turn(true);
    service.until("the run ends", |status| status["run"].is_null());
    let (code, shown) = service.command(&["status"]);
    assert!(code == 0 && shown.contains("nas"), "{shown}");
}
