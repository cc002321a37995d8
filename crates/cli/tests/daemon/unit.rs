//! The service's unit file, read by systemd's own tools. No systemd runs here: that it starts is seen on a real machine only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/ridethrough.service")
}

fn analyze(args: &[&str], file: &Path) -> Output {
    Command::new("systemd-analyze").args(args).arg(file).output().expect("systemd-analyze runs")
}

/// What they say, on both outputs.
fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn point_7_the_unit_file_is_one_that_systemd_takes_and_calls_hardened() {
    if !crate::gate("daemon::unit", "systemd", Command::new("systemd-analyze").arg("--version")) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let installed =
        fs::read_to_string(unit()).expect("text").replace("/usr/local/bin/ridethrough", env!("CARGO_BIN_EXE_ridethrough"));
    let verify = |text_: &str| {
        let path = dir.path().join("ridethrough.service");
        fs::write(&path, text_).expect("written");
        let output = analyze(&["verify", "--man=no"], &path);
        (output.status.success(), text(&output))
    };
    let (is_taken, said) = verify(&installed);
    assert!(is_taken && !said.contains("ridethrough.service:"), "{said}");
    let (_, said) = verify(&installed.replace("WatchdogSec=", "WatchdogSecs="));
    assert!(said.contains("WatchdogSecs"), "it does read it: {said}");
    // 10 is bare, 0 is shut off from everything. The threshold is ten times the level.
    let output = analyze(&["security", "--offline=true", "--threshold=20"], &unit());
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn point_7_the_unit_file_says_what_protection_needs() {
    let text = fs::read_to_string(unit()).expect("text");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for needed in ["Type=notify", "Restart=always", "StartLimitIntervalSec=0", "KillMode=mixed", "StateDirectory=ridethrough"] {
        assert!(lines.contains(&needed), "{needed}");
    }
    assert!(
        lines.contains(&"ExecReload=/usr/local/bin/ridethrough reload")
            && lines.iter().any(|line| line.starts_with("WatchdogSec="))
    );
    for tied in ["Requires=", "BindsTo=", "PartOf=", "Requisite=", "Conflicts="] {
        assert!(!lines.iter().any(|line| line.starts_with(tied)), "{tied} would take it down with something else");
    }
}
