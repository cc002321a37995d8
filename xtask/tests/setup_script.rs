//! `scripts/setup.sh` against a machine made of stubs: what it installs, that no service starts meanwhile, what it leaves behind.
//!
//! Nothing is installed here and apt is never called: stubs of the same names stand first on the path and write down how they
//! were called. Whether Debian really has the packages is seen by `make test` on a fresh machine only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const EVERYTHING: &str = "gcc libc6-dev libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 qemu-utils \
     socat cpio ipmitool openipmi openssh-server openssh-client nut-server nut-client libnss3-tools iproute2 iputils-ping openssl \
     python3-venv python3-aiosmtpd python3-prometheus-client systemd";
const PYTHON_PEERS: &str = "sushy-tools==2.2.0 bcrypt==5.0.0 jsonschema==4.26.0 openapi-spec-validator==0.9.0 pyvmomi==9.1.1.0";
const GO_PEERS: &str = "github.com/vmware/govmomi/vcsim@v0.46.3 github.com/vmware/govmomi/govc@v0.46.3";
/// Makes a folder whose `pip` writes down how it was called.
const PYTHON3: &str = r#"
mkdir -p "$3/bin"
printf '#!/bin/bash\necho "$*" >>"$STATE/pip_calls"\n[ ! -e "$STATE/pip_fails" ]\n' >"$3/bin/pip"
chmod 755 "$3/bin/pip"
"#;

/// Answers as dpkg does, from `$STATE/installed` with lines `PACKAGE VERSION`.
const DPKG_QUERY: &str = r#"
shift; format=$1; shift
for package in "$@"; do
  version=$(awk -v p="$package" '$1 == p { print $2 }' "$STATE/installed")
  [ -n "$version" ] || continue
  case $format in
    *Version*) printf 'installed %s' "$version" ;;
    *) printf 'installed %s\n' "$package" ;;
  esac
done
"#;
const APT_CACHE: &str = r#"
case $1 in
  policy) printf '  Candidate: 7.2-suite\n' ;;
  madison) printf '%s | 7.2-suite | a bookworm/main\n' "$2" ;;
esac
"#;
/// Writes down the call and what a service would have been told at that moment.
const APT_GET: &str = r#"
echo "$*" >>"$STATE/calls"
[ "$1" = install ] || exit 0
if [ -x "$RIDETHROUGH_POLICY_RC_D" ]; then
  "$RIDETHROUGH_POLICY_RC_D" libvirtd start
  echo "$?" >"$STATE/policy_answer"
fi
[ ! -e "$STATE/apt_fails" ]
"#;

struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// Root, with a compiler, a recent Rust, and these packages of the suite's own version.
    fn with(installed: &str) -> Self {
        let machine = Self { folder: tempfile::tempdir().expect("a scratch folder can be made") };
        fs::create_dir(machine.path("bin")).expect("a scratch folder can be made");
        machine.stub("cargo", "echo 'cargo 1.89.0 (abc 2025-08-01)'");
        machine.stub("gcc", "");
        machine.stub("cc", "");
        machine.stub("id", "echo 0");
        machine.stub("dpkg-query", DPKG_QUERY);
        machine.stub("apt-cache", APT_CACHE);
        machine.stub("apt-get", APT_GET);
        machine.stub("python3", PYTHON3);
        fs::create_dir(machine.path("python")).expect("a scratch folder can be made");
        machine.write("python/complete", PYTHON_PEERS);
        machine.stub("go", "echo \"$*\" >>\"$STATE/go_calls\"\n[ ! -e \"$STATE/go_fails\" ]");
        fs::create_dir(machine.path("go")).expect("a scratch folder can be made");
        machine.write("go/complete", GO_PEERS);
        let lines: Vec<String> = installed.split_whitespace().map(|package| format!("{package} 7.2-suite")).collect();
        machine.write("installed", &lines.join("\n"));
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a scratch file can be written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn stub(&self, name: &str, script: &str) {
        let path = format!("bin/{name}");
        self.write(&path, &format!("#!/bin/bash\n{script}\n"));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path(&path), mode).expect("a scratch file can be made executable");
    }

    fn set_up(&self, what: &str, variables: &[(&str, &str)]) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/setup.sh");
        Command::new("bash")
            .args([script, what])
            .env_remove("CI")
            .env_remove("YES")
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .env("STATE", self.folder.path())
            .env("RIDETHROUGH_POLICY_RC_D", self.path("policy-rc.d"))
            .env("RIDETHROUGH_PYTHON_PEERS", self.path("python"))
            .env("RIDETHROUGH_GO_PEERS", self.path("go"))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("bash can be started")
    }

    fn without(&self, packages: &[&str]) {
        let kept: Vec<String> = self
            .read("installed")
            .lines()
            .filter(|line| !packages.iter().any(|package| line.starts_with(&format!("{package} "))))
            .map(str::to_owned)
            .collect();
        self.write("installed", &kept.join("\n"));
    }

    fn install_call(&self) -> String {
        let calls = self.read("calls");
        calls.lines().find(|line| line.starts_with("install")).unwrap_or_default().to_owned()
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn says_and_does_nothing_when_all_is_there() {
    let machine = Machine::with(EVERYTHING);
    for what in ["build", "test"] {
        let output = machine.set_up(what, &[]);
        assert!(output.status.success());
        assert_eq!(words(&output), "");
    }
    assert_eq!(machine.read("calls"), "");
}

#[test]
fn what_is_written_in_python_is_installed_once_and_for_the_tests_only() {
    let machine = Machine::with(EVERYTHING);
    machine.write("python/complete", "an older list");
    machine.write("pip_fails", "");
    let failed = machine.set_up("test", &[]);
    assert!(failed.status.success() && words(&failed).contains("SKIPPED"), "{}", words(&failed));
    assert!(machine.set_up("build", &[]).status.success());
    fs::remove_file(machine.path("pip_fails")).expect("it was there");
    for _ in 0..2 {
        assert!(machine.set_up("test", &[]).status.success());
    }
    let calls = machine.read("pip_calls");
    assert_eq!(calls.matches(PYTHON_PEERS).count(), 2, "once in vain, once for good: {calls}");
}

#[test]
fn what_is_written_in_go_is_built_once_and_for_the_tests_only() {
    let machine = Machine::with(EVERYTHING);
    machine.write("go/complete", "an older list");
    machine.write("go_fails", "");
    let failed = machine.set_up("test", &[]);
    assert!(failed.status.success() && words(&failed).contains("SKIPPED"), "{}", words(&failed));
    assert!(machine.set_up("build", &[]).status.success());
    fs::remove_file(machine.path("go_fails")).expect("it was there");
    for _ in 0..2 {
        assert!(machine.set_up("test", &[]).status.success());
    }
    assert_eq!(
        machine.read("go_calls").matches(GO_PEERS).count(),
        2,
        "once in vain, once for good: {}",
        machine.read("go_calls")
    );
}

#[test]
fn installs_only_what_is_missing_and_no_service_starts_meanwhile() {
    let machine = Machine::with(EVERYTHING);
    machine.without(&["nut-server", "socat"]);
    let output = machine.set_up("test", &[("CI", "true")]);
    assert!(output.status.success(), "{}", words(&output));
    let call = machine.install_call();
    assert!(call.ends_with(" socat nut-server"), "{call}");
    assert!(call.contains("--no-remove") && call.contains("--no-install-recommends"), "{call}");
    assert_eq!(machine.read("policy_answer").trim(), "101");
    assert!(!machine.path("policy-rc.d").exists());
}

#[test]
fn a_policy_that_was_there_before_comes_back_also_when_apt_fails() {
    let machine = Machine::with(EVERYTHING);
    machine.without(&["socat"]);
    machine.stub("../policy-rc.d", "exit 7");
    let before = machine.read("policy-rc.d");
    machine.write("apt_fails", "");
    let output = machine.set_up("test", &[("YES", "1")]);
    assert!(!output.status.success());
    assert!(words(&output).contains("the install failed"), "{}", words(&output));
    assert_eq!(machine.read("policy_answer").trim(), "101");
    assert_eq!(machine.read("policy-rc.d"), before);
}

#[test]
fn what_a_killed_run_left_behind_is_put_right() {
    let machine = Machine::with(EVERYTHING);
    machine.without(&["socat"]);
    let mark = "# ridethrough scripts/setup.sh: no service starts during the install; safe to delete";
    machine.write("policy-rc.d", &format!("#!/bin/sh\n{mark}\nexit 101\n"));
    machine.write("policy-rc.d.before-ridethrough", "#!/bin/sh\nexit 0\n");
    assert!(machine.set_up("test", &[("CI", "true")]).status.success());
    assert_eq!(machine.read("policy-rc.d"), "#!/bin/sh\nexit 0\n");
    assert!(!machine.path("policy-rc.d.before-ridethrough").exists());
}

#[test]
fn a_qemu_package_of_no_configured_source_goes_to_the_suites_version() {
    let machine = Machine::with("gcc libc6-dev qemu-utils");
    let installed = machine.read("installed").replace("qemu-utils 7.2-suite", "qemu-utils 10.0-backports");
    machine.write("installed", &installed);
    let output = machine.set_up("test", &[("CI", "true")]);
    assert!(output.status.success(), "{}", words(&output));
    let call = machine.install_call();
    assert!(call.contains("--allow-downgrades"), "{call}");
    assert!(call.ends_with(" qemu-utils=7.2-suite"), "{call}");
    assert!(call.contains(" qemu-system-x86 "), "{call}");
}

#[test]
fn without_root_or_consent_nothing_is_installed_and_the_skip_is_said() {
    let machine = Machine::with(EVERYTHING);
    machine.without(&["qemu-system-x86"]);
    let asked_nobody = machine.set_up("test", &[]);
    machine.stub("id", "echo 1000");
    let not_root = machine.set_up("test", &[("CI", "true")]);
    for output in [&asked_nobody, &not_root] {
        assert!(output.status.success());
        let words = words(output);
        assert!(words.contains("NOT INSTALLED") && words.contains("SKIPPED"), "{words}");
        assert!(words.contains("qemu-system-x86"), "{words}");
    }
    assert!(words(&not_root).contains("sudo apt-get install"));
    assert_eq!(machine.read("calls"), "");
}

#[test]
fn a_rust_that_is_too_old_is_named_with_the_one_that_is_needed() {
    let machine = Machine::with(EVERYTHING);
    machine.stub("cargo", "echo 'cargo 1.63.0'");
    let output = machine.set_up("build", &[]);
    assert!(!output.status.success());
    let words = words(&output);
    assert!(words.contains("cargo 1.63.0 is too old") && words.contains("1.89"), "{words}");
}

#[test]
fn a_demo_asks_for_nothing_but_a_compiler() {
    let machine = Machine::with("gcc libc6-dev");
    let output = machine.set_up("build", &[]);
    assert!(output.status.success());
    assert_eq!(words(&output), "");
}
