//! A certificate and its key, made anew by `openssl`: no key is committed, not even one for tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Puts `libvirt.pem` and `libvirt.key` there, as the examples name them.
pub(crate) fn for_libvirt(secrets: &Path) {
    let (certificate, key) = (secrets.join("libvirt.pem"), secrets.join("libvirt.key"));
    let args = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test -out";
    let output = Command::new("openssl").args(args.split(' ')).arg(certificate).arg("-keyout").arg(&key).output();
    let output = output.expect("openssl is installed by `make setup`");
    assert!(output.status.success(), "{output:?}");
    fs::set_permissions(key, PermissionsExt::from_mode(0o600)).expect("it is ours");
}
