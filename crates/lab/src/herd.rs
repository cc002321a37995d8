//! Many UPSes behind one real upsd, for measurements: each a driver socket on which a thread waits, at rest unless upsd speaks.
//!
//! What it is not: a script. These UPSes stay on mains, and only their load changes. [`crate::Upsd`] is what tests drive.

use crate::lab::Lab;
use crate::process::{Process, run, until};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PORT: u16 = 3493;
/// What a driver tells at first, about as much as a common USB device.
const SAID: [(&str, &str); 14] = [
    ("device.type", "ups"),
    ("ups.mfr", "Ridethrough"),
    ("ups.model", "herd"),
    ("ups.serial", "0"),
    ("ups.status", "OL"),
    ("ups.load", "40"),
    ("ups.realpower", "400"),
    ("ups.realpower.nominal", "1000"),
    ("battery.charge", "100"),
    ("battery.charge.low", "20"),
    ("battery.runtime", "1800"),
    ("battery.voltage", "54.6"),
    ("input.voltage", "230.0"),
    ("output.voltage", "230.0"),
];

/// upsd with that many UPSes, `u0001` and so on.
#[derive(Debug)]
pub struct Herd {
    upsd: Process,
    names: Vec<String>,
    address: String,
    management: String,
    dir: PathBuf,
}

impl Herd {
    /// Starts them and waits until upsd serves the last one.
    ///
    /// # Errors
    /// If upsd does not in a minute.
    pub fn start(lab: &Lab, count: usize) -> Result<Self> {
        let dir = lab.dir().join("herd");
        fs::create_dir_all(&dir)?;
        let names: Vec<String> = (1..=count).map(|number| format!("u{number:04}")).collect();
        let mut conf = String::new();
        for name in &names {
            writeln!(conf, "[{name}]\n driver = rtherd\n port = lab").context("a String takes everything")?;
            drive(&dir.join(format!("rtherd-{name}")))?;
        }
        let address = lab.controller_address();
        fs::write(dir.join("ups.conf"), conf)?;
        // Each driver counts as a connection too, and so do the two that will follow them all.
        let most = count * 3 + 100;
        fs::write(dir.join("upsd.conf"), format!("LISTEN {address} {PORT}\nMAXCONN {most}\nSTATEPATH {}\n", dir.display()))?;
        fs::write(dir.join("upsd.users"), "[monitor]\n password = herd\n upsmon secondary\n")?;
        run("chmod", &["-R", "go-w,o-r", &dir.to_string_lossy()])?;
        let management = lab.management();
        let etc = dir.to_string_lossy().into_owned();
        let envs = [("NUT_CONFPATH", etc.as_str()), ("NUT_STATEPATH", etc.as_str()), ("NUT_ALTPIDPATH", etc.as_str())];
        let args = ["netns", "exec", &management, "/lib/nut/upsd", "-F", "-u", "root"];
        let upsd = Process::start("upsd", "ip", &args, &envs, &dir.join("upsd.log"))?;
        let herd = Self { upsd, names, address, management, dir };
        let last = format!("{}@{}:{PORT}", herd.names.last().context("a herd has somebody")?, herd.address);
        let asked = ["10", "ip", "netns", "exec", herd.management.as_str(), "upsc", last.as_str(), "ups.status"];
        until("upsd serves them all", Duration::from_secs(60), || run("timeout", &asked).is_ok_and(|said| said.trim() == "OL"))
            .with_context(|| fs::read_to_string(herd.dir.join("upsd.log")).unwrap_or_default())?;
        Ok(herd)
    }

    /// What upsd calls them.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> (&str, u16) {
        (&self.address, PORT)
    }

    /// upsd's own process.
    #[must_use]
    pub fn upsd_pid(&self) -> u32 {
        self.upsd.pid()
    }

    /// Starts Debian's `upsmon` on all of them, as a secondary that shuts nothing down, asking every five seconds as it is used to.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn upsmon(&self) -> Result<Upsmon> {
        let dir = self.dir.join("upsmon");
        fs::create_dir_all(&dir)?;
        let mut conf = String::from("MINSUPPLIES 0\nSHUTDOWNCMD /bin/true\nPOLLFREQ 5\nPOLLFREQALERT 5\nRUN_AS_USER root\n");
        for name in &self.names {
            writeln!(conf, "MONITOR {name}@{}:{PORT} 0 monitor herd secondary", self.address)
                .context("a String takes everything")?;
        }
        writeln!(conf, "POWERDOWNFLAG {}/killpower", dir.display()).context("a String takes everything")?;
        fs::write(dir.join("upsmon.conf"), conf)?;
        run("chmod", &["-R", "go-w,o-r", &dir.to_string_lossy()])?;
        let etc = dir.to_string_lossy().into_owned();
        let envs = [("NUT_CONFPATH", etc.as_str()), ("NUT_STATEPATH", etc.as_str()), ("NUT_ALTPIDPATH", etc.as_str())];
        // `-p`: one process, without the privileged half that would only wait.
        let args = ["netns", "exec", &self.management, "/lib/nut/upsmon", "-F", "-p"];
        Ok(Upsmon { process: Process::start("upsmon", "ip", &args, &envs, &dir.join("upsmon.log"))? })
    }
}

/// A running `upsmon`.
#[derive(Debug)]
pub struct Upsmon {
    process: Process,
}

impl Upsmon {
    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Serves one driver socket until upsd goes.
fn drive(socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            // It ends when upsd goes.
            drop(answer(&stream));
        }
    })?;
    Ok(())
}

fn answer(stream: &UnixStream) -> std::io::Result<()> {
    let mut said = 0_u32;
    for line in BufReader::with_capacity(256, stream.try_clone()?).lines() {
        let mut text = String::new();
        match line?.trim() {
            "DUMPALL" => {
                for (name, value) in SAID {
                    text.push_str(&format!("SETINFO {name} \"{value}\"\n"));
                }
                text.push_str("DATAOK\nDUMPDONE\n");
            }
            "PING" => {
                said += 1;
                text = format!("SETINFO ups.load \"{}\"\nPONG\n", 40 + said % 10);
            }
            _ => continue,
        }
        let mut stream = stream;
        stream.write_all(text.as_bytes())?;
    }
    Ok(())
}
