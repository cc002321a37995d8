//! A real upsd (Debian's) in the management namespace, fed by our scripted UPSes.

use crate::feeder::{Feeder, Power};
use crate::lab::Lab;
use crate::process::{Process, run, until};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A battery in plain numbers.
#[derive(Clone, Copy, Debug)]
pub struct Battery {
    /// Charge in percent.
    pub charge: f64,
    /// Seconds it says it lasts.
    pub runtime_s: f64,
}

/// upsd with its UPSes.
#[derive(Debug)]
pub struct Upsd {
    _process: Process,
    feeders: BTreeMap<String, Feeder>,
    address: String,
    port: u16,
    password_file: PathBuf,
    management: String,
}

const PORT: u16 = 3493;

impl Upsd {
    /// Starts upsd with UPSes of these names, all on mains and full.
    ///
    /// # Errors
    /// If upsd does not answer in time.
    pub fn start(lab: &Lab, names: &[&str]) -> Result<Self> {
        let etc = lab.dir().join("nut-etc");
        let state = lab.dir().join("nut-state");
        fs::create_dir_all(&etc)?;
        fs::create_dir_all(&state)?;
        let mut feeders = BTreeMap::new();
        let mut conf = String::new();
        for name in names {
            conf.push_str(&format!("[{name}]\n driver = rtfeed\n port = lab\n"));
            feeders.insert((*name).to_owned(), Feeder::start(&state.join(format!("rtfeed-{name}")))?);
        }
        let address = lab.controller_address();
        let password = format!("secret-{:x}", std::process::id());
        fs::write(etc.join("ups.conf"), conf)?;
        fs::write(etc.join("upsd.conf"), format!("LISTEN {address} {PORT}\nMAXAGE 4\nSTATEPATH {}\n", state.display()))?;
        let users = format!("[monitor]\n password = {password}\n upsmon secondary\n");
        fs::write(etc.join("upsd.users"), users)?;
        run("chmod", &["-R", "go-w,o-r", &etc.to_string_lossy()])?;
        let password_file = lab.dir().join("ups-password");
        fs::write(&password_file, &password)?;
        run("chmod", &["600", &password_file.to_string_lossy()])?;
        let management = lab.management();
        let (etc, state) = (etc.to_string_lossy().into_owned(), state.to_string_lossy().into_owned());
        let envs = [("NUT_CONFPATH", etc.as_str()), ("NUT_STATEPATH", state.as_str()), ("NUT_ALTPIDPATH", state.as_str())];
        let args = ["netns", "exec", &management, "/lib/nut/upsd", "-F", "-u", "root"];
        let process = Process::start("upsd", "ip", &args, &envs, &lab.dir().join("upsd.log"))?;
        let upsd = Self { _process: process, feeders, address, port: PORT, password_file, management };
        for name in names {
            until(&format!("upsd serves {name}"), Duration::from_secs(20), || upsd.asked(name, "ups.status").is_ok())
                .with_context(|| fs::read_to_string(lab.dir().join("upsd.log")).unwrap_or_default())?;
        }
        Ok(upsd)
    }

    /// What upsd says about a variable, asked by a stranger's client (`upsc`).
    ///
    /// # Errors
    /// What `upsc` says.
    pub fn asked(&self, name: &str, var: &str) -> Result<String> {
        let ups = format!("{name}@{}:{}", self.address, self.port);
        let answer = run("timeout", &["5", "ip", "netns", "exec", &self.management, "upsc", &ups, var])?;
        Ok(answer.trim().to_owned())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
    /// On which port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
    /// The password of user `monitor`.
    #[must_use]
    pub fn password_file(&self) -> &PathBuf {
        &self.password_file
    }

    fn feeder(&self, name: &str) -> &Feeder {
        &self.feeders[name]
    }

    /// Mains fails; the battery is full and lasts that long.
    pub fn lose_mains(&self, name: &str, lasts_s: f64) {
        self.feeder(name).change(|state| {
            state.power = Power::Battery { full_s: lasts_s };
            state.full_s = lasts_s;
            state.charge = 100.0;
        });
    }
    /// Mains is back; the battery charges by that many percent a second.
    pub fn mains_back(&self, name: &str, charge_per_s: f64) {
        self.feeder(name).change(|state| state.power = Power::Mains { charge_per_s });
    }
    /// Sets the charge, in percent, and how long a full battery lasts.
    pub fn set_battery(&self, name: &str, charge: f64, full_s: f64) {
        self.feeder(name).change(|state| {
            state.charge = charge;
            state.full_s = full_s;
        });
    }
    /// Adds tokens to the status, such as `LB` or `FSD`; an empty text takes them away.
    pub fn set_tokens(&self, name: &str, tokens: &str) {
        self.feeder(name).change(|state| tokens.clone_into(&mut state.extra));
    }
    /// The driver hangs: upsd says `DATA-STALE` after a few seconds. Or it does not any more.
    pub fn set_stale(&self, name: &str, is_stale: bool) {
        self.feeder(name).change(|state| state.is_stale = is_stale);
    }
    /// The driver dies: upsd says `DRIVER-NOT-CONNECTED`. Or it is back.
    pub fn set_connected(&self, name: &str, is_connected: bool) {
        self.feeder(name).change(|state| state.is_listening = is_connected);
    }
    /// What the battery says now.
    #[must_use]
    pub fn battery(&self, name: &str) -> Battery {
        self.feeder(name).change(|state| Battery { charge: state.charge, runtime_s: state.runtime_s() })
    }
    /// Commands that reached the UPS.
    #[must_use]
    pub fn commands(&self, name: &str) -> Vec<String> {
        self.feeder(name).change(|state| state.commands.clone())
    }
}
