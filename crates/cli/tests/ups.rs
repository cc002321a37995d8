//! `ridethrough ups` with the built binary, against Debian's upsd with a driver of the test's own behind it.

#[path = "../../devices/tests/upsd/certificates.rs"]
mod certificates;
#[path = "../../devices/tests/upsd/driver.rs"]
mod driver;

use certificates::Certificates;
use driver::TestDriver;
use expect_test::expect;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAMS: [&str; 3] = ["/lib/nut/upsd", "/usr/bin/certutil", "/usr/bin/openssl"];
const UPSD: &str = PROGRAMS[0];

/// Whether these tests can run here. If not, it says so where the summary of a run reads it; on CI it fails.
fn gate(test: &str) -> bool {
    let Some(missing) = PROGRAMS.iter().find(|program| !Path::new(program).exists()) else { return true };
    let reason = format!("{missing} is not installed (run `make setup`)");
    println!("SKIPPED: {test}: {reason}");
    let own = std::env::current_exe().expect("a test is a program");
    let list = own.ancestors().nth(3).expect("in the target directory").join("skipped.txt");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(list).expect("the list of skipped tests");
    writeln!(file, "{test}: {reason}").expect("written");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "on CI nothing may be skipped: {test}: {reason}");
    false
}

struct Site {
    upsd: Child,
    driver: TestDriver,
    dir: TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        let ended = (self.upsd.kill(), self.upsd.wait());
        assert!(ended.1.is_ok(), "upsd could not be ended: {ended:?}");
    }
}

impl Site {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With more in upsd.conf.
    fn start_with(more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        write("ups.conf", "[a]\n driver = dummy-ups\n port = none\n");
        write("upsd.conf", &format!("LISTEN 127.0.0.1 {port}\nSTATEPATH {}\n{more}", dir.path().display()));
        write("upsd.users", "[rt]\n password = pw\n instcmds = ALL\n actions = SET\n");
        write("password", "pw\n");
        let ups = format!("[ups.rack-a.nut]\nhost = \"127.0.0.1\"\nport = {port}\nups = \"a\"\n");
        let rest = "[[domain]]\nname = \"d\"\nups = [\"rack-a\"]\n[load.nas.passive]\nfeeds = [{ ups = \"rack-a\" }]\n[[tier]]\nname = \"t\"\nmatch = { tag = \"x\" }\n\
                    on_outage = [\"shut-down\"]\n";
        write("site.toml", &format!("{ups}user = \"rt\"\npassword = {{ file = \"password\" }}\n{rest}"));
        let driver = TestDriver::at(dir.path().join("dummy-ups-a"));
        let mut upsd = Command::new(UPSD);
        upsd.args(["-F", "-u", "root"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        for name in ["NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH"] {
            upsd.env(name, dir.path());
        }
        let site = Self { upsd: upsd.spawn().expect("upsd runs"), driver, dir };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "upsd does not listen");
            std::thread::yield_now();
        }
        // Until upsd has all that its driver tells.
        loop {
            let (_, text, error) = site.ups(&["variables"]);
            if text.contains("ups.status") {
                return site;
            }
            assert!(Instant::now() < deadline, "upsd has lost the driver: {error}");
        }
    }

    /// Exit code, stdout, stderr.
    fn ups(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ridethrough"));
        command.args(["ups", "rack-a"]).args(words).arg("--config").arg(self.dir.path().join("site.toml"));
        let output = command.output().expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn point_2_nut_a_user_runs_a_self_test_and_cannot_cut_power_by_mistake() {
    if !gate("ridethrough ups") {
        return;
    }
    let site = Site::start();
    let (code, text, _) = site.ups(&["commands"]);
    expect![[r#"
        0
          COMMAND                                 WHAT IT DOES
          load.off                  --cuts-power  Turn off the load immediately
          load.off.delay            --cuts-power  Turn off the load with a delay (seconds)
          test.battery.start.quick                Start a quick battery test
    "#]]
    .assert_eq(&format!("{code}\n{text}"));
    let (code, text, _) = site.ups(&["variables"]);
    expect![[r#"
        0
          VARIABLE                VALUE
          battery.charge.low  rw  20
          ups.mfr                 a test
          ups.status              OL
    "#]]
    .assert_eq(&format!("{code}\n{text}"));

    let (code, text, _) = site.ups(&["run", "test.battery.start.quick"]);
    assert_eq!((code, text.as_str()), (0, "rack-a: test.battery.start.quick: done, says its driver.\n"));
    let (code, text, _) = site.ups(&["set", "battery.charge.low", "35", "--json"]);
    let said: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &said["confirmed"]), (0, &Value::Bool(true)), "{text}");
    let before = ["INSTCMD test.battery.start.quick", "SET battery.charge.low \"35\""];
    assert_eq!(site.driver.orders(), before);

    for order in [&["run", "load.off"][..], &["run", "load.off.delay", "60"], &["set", "outlet.1.switch", "off"]] {
        let (code, text, error) = site.ups(order);
        assert!(code == 1 && text.is_empty() && error.contains("RT0231") && error.contains("--cuts-power"), "{error}");
    }
    assert_eq!(site.driver.orders(), before, "nothing of it was sent");
    assert_eq!(site.ups(&["run", "load.off.delay", "60", "--cuts-power"]).0, 0);
    assert_eq!(site.driver.orders().last().map(String::as_str), Some("INSTCMD load.off.delay 60"));

    site.driver.answers(Some(3));
    let (code, _, error) = site.ups(&["run", "test.battery.start.quick"]);
    assert!(code == 1 && error.contains("RT0230") && error.contains("may have been done all the same"), "{error}");
    let (code, _, error) = site.ups(&["run", "no.such.command", "--cuts-power"]);
    assert!(code == 1 && error.contains("CMD-NOT-SUPPORTED") && error.contains("Nothing was done"), "{error}");
}

#[test]
fn point_2_nut_tls_as_it_is_configured_reaches_upsd_or_says_why_not() {
    if !gate("ridethrough ups over TLS") {
        return;
    }
    let certificates = Certificates::new();
    let site = Site::start_with(&certificates.of_nss());
    let config = site.dir.path().join("site.toml");
    let clear = fs::read_to_string(&config).expect("written");
    // A path in the configuration begins at its folder.
    fs::write(site.dir.path().join("ca.pem"), certificates.text("ca.pem")).expect("written");
    fs::copy(certificates.file("client.pem"), site.dir.path().join("other.pem")).expect("copied");
    let with = |tls: &str| {
        fs::write(&config, clear.replacen("password", &format!("tls = {{ {tls} }}\npassword"), 1)).expect("written");
        site.ups(&["run", "test.battery.start.quick"])
    };
    let pin = |name: &str| format!("thumbprint = \"{}\"", certificates.thumbprint(name));
    for tls in ["ca = \"ca.pem\"", "ca = \"ca.pem\", name = \"ups.example\"", &pin("server")] {
        let (code, _, error) = with(tls);
        assert_eq!(code, 0, "{tls}: {error}");
    }
    let orders = site.driver.orders().len();
    assert_eq!(orders, 3);
    for (tls, why) in [
        ("", "signed by nobody we trust"),
        ("ca = \"other.pem\"", "certificate"),
        ("ca = \"ca.pem\", name = \"another.example\"", "another.example"),
        (&pin("client"), "certificate"),
        ("ca = \"nowhere.pem\"", "RT0141"),
    ] {
        let (code, text, error) = with(tls);
        assert!(code == 1 && text.is_empty() && error.contains(why), "{tls}: {error}");
    }
    assert_eq!(site.driver.orders().len(), orders, "nothing was said to one that is not believed");
}
