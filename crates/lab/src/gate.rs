//! Whether the lab can run here. Where it cannot, its tests are skipped loudly, and on CI that is a failure.

use crate::process::fleeting;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAMS: [&str; 16] = [
    "apt-get",
    "cpio",
    "gcc",
    "ip",
    "ipmi_sim",
    "ipmitool",
    "libvirtd",
    "nsenter",
    "qemu-system-x86_64",
    "setpriv",
    "socat",
    "ssh-keygen",
    "sshd",
    "tc",
    "upsc",
    "virsh",
];
const UPSD: &str = "/lib/nut/upsd";
const DIRECTORIES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

fn is_installed(program: &str) -> bool {
    DIRECTORIES.iter().any(|directory| Path::new(directory).join(program).exists())
}

/// Says exactly why the lab cannot run, if it cannot.
///
/// # Errors
/// The first thing that is missing.
pub fn available() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("it needs root for network namespaces".to_owned());
    }
    let missing = PROGRAMS.into_iter().find(|program| !is_installed(program));
    if let Some(missing) = missing.or((!Path::new(UPSD).exists()).then_some(UPSD)) {
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
    // Not `println!`: the harness shows that of failed tests only.
    fleeting(writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}"));
    let list = target_dir().join("skipped.txt");
    if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(list) {
        fleeting(writeln!(file, "{test}: {reason}"));
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "on CI nothing may be skipped: {test}: {reason}");
    false
}

/// The target directory this test was built into.
pub(crate) fn target_dir() -> PathBuf {
    profile_dir().parent().map_or_else(|| PathBuf::from("target"), Path::to_path_buf)
}

/// The directory of the profile this test was built with: the product's binary lies there too.
pub(crate) fn profile_dir() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("target/debug/deps/x"));
    own.ancestors().nth(2).map_or_else(|| PathBuf::from("target/debug"), Path::to_path_buf)
}
