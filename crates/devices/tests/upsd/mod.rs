//! Debian's upsd with one dummy-ups, as children on a free port of loopback that end with their test.

pub(crate) mod certificates;
pub(crate) mod driver;
pub(crate) mod openssl;

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAMS: [&str; 5] = ["/lib/nut/upsd", "/lib/nut/dummy-ups", "/usr/bin/upsc", "/usr/bin/certutil", "/usr/bin/openssl"];
/// A password with everything that NUT's parser treats specially.
pub(crate) const PASSWORD: &str = "a b\"c\\d#e=f";

/// Whether these tests can run here. If not, it says so where the summary of a run reads it; on CI it fails.
pub(crate) fn gate(test: &str) -> bool {
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

#[derive(Debug)]
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let ended = (self.0.kill(), self.0.wait());
        assert!(ended.1.is_ok(), "a peer could not be ended: {ended:?}");
    }
}

#[derive(Debug)]
pub(crate) struct Upsd {
    server: Option<Peer>,
    driver: Option<Peer>,
    vars: Vec<(&'static str, String)>,
    dir: TempDir,
    /// Where it listens: `127.0.0.1`, `::1`.
    address: &'static str,
    pub(crate) port: u16,
}

impl Upsd {
    /// With the UPS `alpha`, on mains, and the user `monitor`.
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1", "")
    }

    /// Listens there, with more in its upsd.conf.
    pub(crate) fn start_at(address: &'static str, more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = TcpListener::bind((address, 0)).and_then(|socket| socket.local_addr()).expect("a port").port();
        let at = dir.path().display();
        let write = |name: &str, text: String| fs::write(dir.path().join(name), text).expect("written");
        write(
            "ups.conf",
            format!("[alpha]\n driver = dummy-ups\n port = {at}/alpha.dev\n mode = dummy-loop\n desc = \"Rack \\\"A\\\"\"\n"),
        );
        write("upsd.conf", format!("LISTEN {address} {port}\nMAXAGE 3\nSTATEPATH {at}\n{more}"));
        let secondary = "[monitor]\n password = \"a b\\\"c\\\\d\\#e=f\"\n upsmon secondary\n";
        let operator = "[operator]\n password = pw\n instcmds = ALL\n actions = SET\n";
        write("upsd.users", format!("{secondary}[primary]\n password = pw\n upsmon primary\n{operator}"));
        let vars = [
            ("ups.status", "OL CHRG"),
            ("battery.charge", "98.5"),
            ("battery.runtime", "11520"),
            ("ups.load", "7"),
            ("ups.realpower", "210.5"),
            ("ups.realpower.nominal", "1000"),
        ];
        let vars = vars.map(|(name, value)| (name, value.to_owned())).to_vec();
        let mut upsd = Self { server: None, driver: None, vars, dir, address, port };
        upsd.write_device();
        upsd.start_driver();
        upsd.restart();
        upsd
    }

    fn command(&self, program: &str) -> Command {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.file("log")).expect("a log");
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        for name in ["NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH"] {
            command.env(name, self.dir.path());
        }
        command
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.server = Some(Peer(self.command("/lib/nut/upsd").args(["-F", "-u", "root"]).spawn().expect("upsd runs")));
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((self.address, self.port)).is_err() {
            assert!(Instant::now() < deadline, "upsd: {:?}", fs::read_to_string(self.file("log")));
            std::thread::yield_now();
        }
    }

    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    pub(crate) fn start_driver(&mut self) {
        self.driver = None;
        let mut command = self.command("/lib/nut/dummy-ups");
        self.driver = Some(Peer(command.args(["-F", "-a", "alpha", "-u", "root"]).spawn().expect("dummy-ups runs")));
    }

    pub(crate) fn stop_driver(&mut self) {
        self.driver = None;
    }

    /// Puts a driver of the test's own in the place of dummy-ups.
    pub(crate) fn replace_driver(&mut self) -> driver::TestDriver {
        self.stop_driver();
        driver::TestDriver::at(self.file("dummy-ups-alpha"))
    }

    pub(crate) fn signal_driver(&self, signal: &str) {
        let driver = self.driver.as_ref().expect("the driver runs").0.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &driver]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// What the UPS says from now on.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.vars.retain(|(known, _)| *known != name);
        self.vars.push((name, value.to_owned()));
        self.write_device();
    }

    fn write_device(&self) {
        let text: String = self.vars.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let new = self.file("alpha.new");
        fs::write(&new, text + "TIMER 1\n").expect("written");
        fs::rename(new, self.file("alpha.dev")).expect("replaced");
    }

    /// What a stranger's client is told about a variable, be it an error.
    pub(crate) fn upsc(&self, name: &str) -> String {
        let at = format!("alpha@127.0.0.1:{}", self.port);
        let output = Command::new("upsc").args([&at, name]).output().expect("upsc runs");
        let said = if output.status.success() { output.stdout } else { output.stderr };
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// How many have logged in.
    pub(crate) fn followers(&self) -> usize {
        let at = format!("alpha@127.0.0.1:{}", self.port);
        let output = Command::new("upsc").args(["-c", &at]).output().expect("upsc runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).lines().filter(|line| *line == "127.0.0.1").count()
    }
}

/// Debian's upsmon as the primary, in a mount namespace of its own: its pid file has one place for all of a machine.
#[derive(Debug)]
pub(crate) struct Primary {
    _upsmon: Peer,
    ended: PathBuf,
}

impl Primary {
    /// Whether it has run its command that ends the machine, and with it the UPS.
    pub(crate) fn has_ended_it(&self) -> bool {
        self.ended.exists()
    }
}

impl Upsd {
    /// Waits for others for a minute; its end is a file.
    pub(crate) fn start_primary(&self) -> Primary {
        let ended = self.file("ended");
        let text = format!(
            "MONITOR alpha@127.0.0.1:{} 1 primary pw primary\nMINSUPPLIES 1\nSHUTDOWNCMD \"touch {}\"\nPOLLFREQ 1\nPOLLFREQALERT 1\n\
             HOSTSYNC 60\nDEADTIME 15\nFINALDELAY 0\nRUN_AS_USER root\nPOWERDOWNFLAG {}\n",
            self.port,
            ended.display(),
            self.file("powerdown").display()
        );
        fs::write(self.file("upsmon.conf"), text).expect("written");
        let start = "mkdir -p /run/nut && mount -t tmpfs none /run/nut && exec /lib/nut/upsmon -F -u root";
        let upsmon = self.command("unshare").args(["--mount", "sh", "-c", start]).spawn().expect("upsmon runs");
        Primary { _upsmon: Peer(upsmon), ended }
    }
}
