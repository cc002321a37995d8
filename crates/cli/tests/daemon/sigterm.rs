//! SIGTERM in the middle of a run: it ends soon and cleanly, and the next start finishes the run without doing anything twice.

use crate::peers::{Bmc, Upsd};
use crate::reload::{serving, site};
use crate::service::Service;
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

/// As docs/operating.md promises.
const END_MAX: Duration = Duration::from_secs(13);

#[test]
fn point_7_sigterm_in_mid_run_the_successor_finishes_it_and_nothing_is_done_twice() {
    let (upsd, bmcs, dir) = (Upsd::start(), [Bmc::start(), Bmc::start()], tempfile::tempdir().expect("a directory"));
    let mut service = serving(dir.path(), &site(&upsd, &[&bmcs[0], &bmcs[1]]));
    service.until("the hosts are seen", |status| {
        status["hosts"].as_array().is_some_and(|all| all.iter().all(|h| h["state"] == "on"))
    });
    assert_eq!(service.command(&["arm", "rack-a"]).0, 0);
    upsd.say("OB DISCHRG");
    service.until("both hosts are told", |_| bmcs.iter().all(|bmc| bmc.asked() == ["GracefulShutdown"]));
    bmcs[0].turn(false);
    service.signal("TERM");
    let (code, took) = service.wait();
    assert_eq!(code, Some(0));
    assert!(took < END_MAX, "it took {took:?}");
    service.line("Ending in the middle of an incident.");
    service.line("Ended.");

    let next = Service::start(&dir.path().join("site.toml"));
    next.line("run 1 did not end before the last stop; it is taken up");
    let open = next.until("it goes on", |status| status["hosts"][0]["state"] == "off" && status["run"]["id"] == 1);
    assert_eq!(open["domains"][0]["mode"], "armed");
    bmcs[1].turn(false);
    next.until("the other host is off", |status| status["hosts"][1]["state"] == "off");
    assert!(bmcs.iter().all(|bmc| bmc.asked() == ["GracefulShutdown"]), "nobody was told twice");
    upsd.say("OL");
    next.until("both are woken", |_| bmcs.iter().all(|bmc| bmc.asked().len() == 2));
    bmcs.iter().for_each(|bmc| bmc.turn(true));
    next.until("the run ends", |status| status["run"].is_null());
    assert!(bmcs.iter().all(|bmc| bmc.asked() == ["GracefulShutdown", "On"]), "{:?} {:?}", bmcs[0].asked(), bmcs[1].asked());
    let (_, runs) = next.command(&["runs", "--json"]);
    assert!(runs.contains("\"end\": \"returned\"") && !runs.contains("\"id\": 2"), "{runs}");
}

#[test]
fn point_7_sigterm_a_second_one_ends_at_once() {
    // Somebody who is alerted and never answers: the first signal waits for the last delivery.
    let (upsd, dir) = (Upsd::start(), tempfile::tempdir().expect("a directory"));
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let alert =
        format!("\n[alert.ops.webhook]\nurl = \"http://{}/\"\nseverity = \"info\"\n", hanging.local_addr().expect("bound"));
    let mut service = serving(dir.path(), &format!("{}{alert}", site(&upsd, &[])));
    assert_eq!(service.command(&["arm", "rack-a"]).0, 0);
    let (_held, _) = hanging.accept().expect("the alert is delivered, or would be");
    service.signal("TERM");
    service.line("A second signal ends at once");
    service.signal("TERM");
    let (code, took) = service.wait();
    assert_eq!(code, Some(143), "as if the signal had ended it: work was left undone");
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    let journal = fs::metadata(dir.path().join("data/journal.db")).expect("it is there");
    assert!(journal.len() > 0);
}
