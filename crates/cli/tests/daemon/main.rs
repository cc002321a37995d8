//! The controller as a service: what systemd is told, what monitoring reads. The readers are not ours where there are such.

#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod drills;
mod hooks;
mod loads;
mod peers;
mod reload;
mod service;
mod sigterm;
mod unit;
mod vsphere;

use service::{LONG, Service, UNHEARD};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Debian's Python sees Debian's packages; another one in the path may not.
const PYTHON: &str = "/usr/bin/python3";

/// Whether what the test needs is there. If not, it says so where the summary of a run reads it; on CI it fails.
fn gate(test: &str, package: &str, probe: &mut Command) -> bool {
    if probe.output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let reason = format!("{package} is not installed (run `make setup`)");
    println!("SKIPPED: {test}: {reason}");
    let own = std::env::current_exe().expect("a test is a program");
    let list = own.ancestors().nth(3).expect("in the target directory").join("skipped.txt");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(list).expect("the list of skipped tests");
    writeln!(file, "{test}: {reason}").expect("written");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "on CI nothing may be skipped: {test}: {reason}");
    false
}

/// What the reference parser makes of a text: `name{labels} value`, sorted.
fn parsed(text: &str, dir: &Path) -> Vec<String> {
    let script = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as families\n\
                  for f in families(sys.stdin.read()):\n for s in f.samples: print(s.name, dict(sorted(s.labels.items())), s.value)";
    let input = dir.join("metrics");
    fs::write(&input, text).expect("written");
    let input = fs::File::open(input).expect("just written");
    let output = Command::new(PYTHON).args(["-c", script]).stdin(Stdio::from(input)).output().expect("python runs");
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn point_7_systemd_is_told_ready_alive_by_the_loop_and_stopping() {
    let dir = tempfile::tempdir().expect("a directory");
    let service = Service::with(dir.path(), UNHEARD);
    assert_eq!(service.told(), "READY=1");
    for _ in 0..3 {
        assert_eq!(service.told(), "WATCHDOG=1");
    }
    service.signal("STOP");
    while service.systemd.set_nonblocking(true).is_ok() && service.systemd.recv(&mut [0; 64]).is_ok() {}
    service.systemd.set_nonblocking(false).expect("as before");
    service.systemd.set_read_timeout(Some(Duration::from_secs(3))).expect("a time limit");
    assert!(service.systemd.recv(&mut [0; 64]).is_err(), "a loop that hangs is not told to be alive");
    service.systemd.set_read_timeout(Some(LONG)).expect("as before");
    service.signal("CONT");
    assert_eq!(service.told(), "WATCHDOG=1");
    service.signal("TERM");
    let last = std::iter::repeat_with(|| service.told()).take(5).find(|told| told == "STOPPING=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[test]
fn point_7_health_needs_no_token_and_metrics_do_and_the_unknown_has_no_sample() {
    let mut probe = Command::new(PYTHON);
    probe.args(["-c", "import prometheus_client.openmetrics.parser"]);
    if !gate("daemon::metrics", "python3-prometheus-client", &mut probe) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let service = Service::with(dir.path(), UNHEARD);
    let (status, body) = service.get("/healthz", None);
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 200 OK", r#"{"status":"ok"}"#));
    let (status, body) = service.get("/metrics", None);
    assert!(status.contains("401") && !body.contains("rack-a"), "{status} {body}");
    let (status, body) = service.get("/metrics", Some(&service.token()));
    assert_eq!(status, "HTTP/1.1 200 OK");
    let samples = parsed(&body, dir.path());
    let has = |sample: &str| samples.iter().any(|line| line == sample);
    assert!(has("ridethrough_ups_state {'state': 'unknown', 'ups': 'rack-a'} 1.0"), "{samples:#?}");
    assert!(has("ridethrough_domain_armed {'domain': 'rack-a'} 0.0") && has("ridethrough_at_risk {} 0.0"), "{samples:#?}");
    for unknown in ["charge", "runtime", "load", "reading_age", "realpower"] {
        assert!(!samples.iter().any(|line| line.contains(unknown)), "{unknown} of a UPS never heard: {samples:#?}");
    }
}
