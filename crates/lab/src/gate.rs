//! Whether the lab can run here. Where it cannot, its tests are skipped loudly, and on CI that is a failure.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAMS: [&str; 10] = [
    "/usr/sbin/libvirtd",
    "/usr/bin/virsh",
    "/usr/bin/qemu-system-x86_64",
    "/usr/bin/ipmi_sim",
    "/usr/bin/ipmitool",
    "/usr/sbin/sshd",
    "/lib/nut/upsd",
    "/usr/bin/cpio",
    "/usr/bin/nsenter",
    "/usr/bin/gcc",
];

/// Says exactly why the lab cannot run, if it cannot.
///
/// # Errors
/// The first thing that is missing.
pub fn available() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("it needs root for network namespaces".to_owned());
    }
    if let Some(missing) = PROGRAMS.iter().find(|program| !Path::new(program).exists()) {
        return Err(format!("{missing} is not installed (run `make setup`)"));
    }
    let made = Command::new("unshare").args(["--net", "--mount", "--pid", "--fork", "true"]).status();
    match made {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("namespaces are refused here (unshare: {status})")),
        Err(error) => Err(format!("unshare cannot be run: {error}")),
    }
}

/// Whether a test that needs the lab may run. Otherwise says so, loudly, where `make test` repeats it; on CI it fails.
///
/// # Panics
/// With `CI=true`, if the lab cannot run.
#[must_use]
pub fn gate(test: &str) -> bool {
    let Err(reason) = available() else { return true };
    println!("SKIPPED: {test}: {reason}");
    let list = target_dir().join("skipped.txt");
    if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(list) {
        let written = writeln!(file, "{test}: {reason}");
        drop(written);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "on CI nothing may be skipped: {test}: {reason}");
    false
}

/// The target directory this test was built into.
pub(crate) fn target_dir() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("target/debug/deps/x"));
    own.ancestors().nth(3).map_or_else(|| PathBuf::from("target"), Path::to_path_buf)
}
