//! Drills of the built binary: on paper, preflight, in full, by the clock; their reports are kept over a restart and compared.

use crate::peers::{Bmc, Upsd};
use crate::reload::{serving, site};
use crate::service::Service;
use serde_json::Value;

fn shown(service: &Service, args: &[&str]) -> (i32, Value) {
    let all: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let (code, text) = service.command(&all);
    (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

#[test]
fn point_7_drills_paper_and_preflight_touch_nothing_and_say_what_got_worse() {
    let (upsd, bmc, dir) = (Upsd::start(), Bmc::start(), tempfile::tempdir().expect("a directory"));
    let pager =
        "[alert.pager.command]\nrun = [\"/bin/cat\"]\nseverity = \"alarm\"\n[alert.gone.command]\nrun = [\"/no/such/program\"]\n";
    let text = format!("{}shutdown_time = \"30s\"\n{pager}", site(&upsd, &[&bmc]));
    let mut service = serving(dir.path(), &text);
    service.until("the host is seen", |status| status["hosts"][0]["state"] == "on");
    let (code, paper) = shown(&service, &["drill", "paper"]);
    assert_eq!(code, 0, "{paper:#}");
    let part = &paper["parts"][0];
    assert_eq!((part["subject"].as_str(), &paper["level"]), (Some("domain rack-a"), &Value::from("paper")), "{paper:#}");
    assert!(part["duration_s"].is_u64() && part["margin_s"].as_u64().is_some_and(|left| left > 0), "{paper:#}");

    let (code, preflight) = shown(&service, &["drill", "preflight"]);
    let of = |drill: &Value, subject: &str| {
        let parts = drill["parts"].as_array().cloned().unwrap_or_default();
        parts.into_iter().find(|part| part["subject"] == subject).unwrap_or_else(|| panic!("{subject}: {drill:#}"))
    };
    let failed = |drill: &Value, subject: &str| of(drill, subject)["failures"].to_string();
    assert!(code == 1 && failed(&preflight, "alert gone").contains("/no/such/program"), "{preflight:#}");
    assert!(["alert pager", "UPS rack-a", "host kvm1"].iter().all(|asked| failed(&preflight, asked) == "[]"), "{preflight:#}");
    let was = bmc.asked();
    assert!(was.is_empty(), "nobody was told to do anything: {was:?}");

    // The BMC goes; the next preflight says that this is new.
    drop(service);
    let text = text.replace(&format!("http://{}", bmc.address), "http://127.0.0.1:9");
    service = serving(dir.path(), &text);
    let (code, worse) = shown(&service, &["drill", "preflight"]);
    assert_eq!((code, &worse["id"], &worse["compared_with"]), (1, &Value::from(3), &Value::from(2)), "numbers go on: {worse:#}");
    assert!(of(&worse, "host kvm1")["warnings"].to_string().contains("redfish"), "{worse:#}");
    assert!(worse["worse"].to_string().contains("host kvm1: new warning: RT0221"), "{worse:#}");
    let (code, list) = shown(&service, &["drill", "list"]);
    assert!(code == 0 && list["drills"].as_array().is_some_and(|drills| drills.len() == 3), "{list:#}");
    let (code, text) = service.command(&["drill", "show", "1"]);
    assert!(code == 0 && text.contains("Drill 1, paper") && text.contains("of battery left"), "{text}");
    let (_, text) = service.command(&["drill", "show", "3"]);
    assert!(text.contains("Beside drill 2") && text.contains("FAILED   /no/such/program"), "{text}");
    assert_eq!(service.command(&["drill", "show", "9"]).0, 1);
    let (_, events) = service.command(&["events"]);
    assert!(events.contains("Drill 2 (preflight) has failed") || events.contains("drill 2 (preflight)"), "{events}");
}

#[test]
fn point_7_drills_are_held_by_the_clock() {
    let (upsd, dir) = (Upsd::start(), tempfile::tempdir().expect("a directory"));
    // Of the present day, so due as soon as the controller runs.
    let text = format!("{}\n[drill]\npaper = {{ every = \"1d\", at = \"00:00\" }}\n", site(&upsd, &[]));
    let service = serving(dir.path(), &text);
    service.until("it was held", |_| shown(&service, &["drill", "list"]).1["drills"][0]["by"] == "schedule");
}
