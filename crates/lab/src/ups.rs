//! A real upsd (Debian's) in the management namespace, fed by our scripted UPSes.

use crate::battery::Power;
use crate::feeder::{Driver, Feeder};
use crate::lab::Lab;
use crate::nut_client::NutClient;
use crate::process::{Process, run, until};
use crate::seed::Seed;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A battery in plain numbers.
#[derive(Clone, Copy, Debug)]
pub struct Battery {
    /// Charge in percent.
    pub charge: f64,
    /// Seconds it says it lasts.
    pub runtime_s: f64,
}

/// Who speaks to upsd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// A secondary upsmon: may log in.
    Monitor,
    /// A primary upsmon: may log in and force the shutdown.
    Primary,
    /// May set variables, force the shutdown and send every instant command, but not log in.
    Admin,
}

impl User {
    const ALL: [Self; 3] = [Self::Monitor, Self::Primary, Self::Admin];
    /// The name upsd knows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Primary => "primary",
            Self::Admin => "admin",
        }
    }
    fn rights(self) -> &'static str {
        match self {
            Self::Monitor => " upsmon secondary\n",
            Self::Primary => " upsmon primary\n",
            Self::Admin => " actions = SET\n actions = FSD\n instcmds = ALL\n",
        }
    }
}

/// upsd with its UPSes. Any number of them.
#[derive(Debug)]
pub struct Upsd {
    process: Process,
    feeders: BTreeMap<String, Feeder>,
    address: String,
    port: u16,
    password_file: PathBuf,
    dir: PathBuf,
    management: String,
}

const PORT: u16 = 3493;
/// Seconds of silence after which upsd calls a UPS stale.
const SILENCE_MAX_S: u32 = 4;

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
        fs::write(etc.join("ups.conf"), conf)?;
        let (listen, state_dir) = (format!("LISTEN {address} {PORT}"), state.display());
        fs::write(etc.join("upsd.conf"), format!("{listen}\nMAXAGE {SILENCE_MAX_S}\nSTATEPATH {state_dir}\n"))?;
        let mut users = String::new();
        for user in User::ALL {
            let password = format!("{}-{:x}", user.name(), Seed::draw_silently().number());
            users.push_str(&format!("[{}]\n password = {password}\n{}", user.name(), user.rights()));
            let file = password_path(lab.dir(), user);
            fs::write(&file, &password)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        fs::write(etc.join("upsd.users"), users)?;
        run("chmod", &["-R", "go-w,o-r", &etc.to_string_lossy()])?;
        let password_file = password_path(lab.dir(), User::Monitor);
        let management = lab.management();
        let (etc, state) = (etc.to_string_lossy().into_owned(), state.to_string_lossy().into_owned());
        let envs = [("NUT_CONFPATH", etc.as_str()), ("NUT_STATEPATH", state.as_str()), ("NUT_ALTPIDPATH", state.as_str())];
        let args = ["netns", "exec", &management, "/lib/nut/upsd", "-F", "-u", "root"];
        let process = Process::start("upsd", "ip", &args, &envs, &lab.dir().join("upsd.log"))?;
        let dir = lab.dir().to_owned();
        let upsd = Self { process, feeders, address, port: PORT, password_file, dir, management };
        for name in names {
            // WAIT is what upsd says of its own while the first dump is on its way.
            let is_served = || upsd.asked(name, "ups.status").is_ok_and(|status| status != "WAIT");
            until(&format!("upsd serves {name}"), Duration::from_secs(20), is_served)
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
    /// The password of any user, readable by its owner only.
    #[must_use]
    pub fn password_of(&self, user: User) -> PathBuf {
        password_path(&self.dir, user)
    }
    /// The UPSes it serves.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.feeders.keys().map(String::as_str)
    }
    /// Whether upsd still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Another client, with a connection of its own, as that user. It is another master of a UPS after `LOGIN`.
    ///
    /// # Errors
    /// If upsd does not take it.
    pub fn client(&self, user: User) -> Result<NutClient> {
        let password = fs::read_to_string(self.password_of(user)).context("the user's password")?;
        let mut client = NutClient::connect(&self.management, &self.address, self.port)?;
        for line in [format!("USERNAME {}", user.name()), format!("PASSWORD {password}")] {
            let answer = client.ask(&line)?;
            anyhow::ensure!(answer == "OK", "upsd says {answer}");
        }
        Ok(client)
    }

    fn feeder(&self, name: &str) -> &Feeder {
        self.feeders.get(name).unwrap_or_else(|| panic!("there is no UPS {name}, only {:?}", self.feeders.keys()))
    }

    /// Says this variable with this value from now on, whatever the battery would say.
    pub fn set(&self, name: &str, var: &str, value: &str) {
        self.set_many(name, &[(var, value)]);
    }
    /// Several at once: upsd never shows one without the others for longer than it takes to read them.
    pub fn set_many(&self, name: &str, vars: &[(&str, &str)]) {
        self.feeder(name).change(|state| {
            state.said.extend(vars.iter().map(|(var, value)| ((*var).to_owned(), Some((*value).to_owned()))));
        });
    }
    /// Never says this variable: a UPS that does not know its runtime.
    pub fn hide(&self, name: &str, var: &str) {
        self.feeder(name).change(|state| state.said.insert(var.to_owned(), None));
    }
    /// Takes back what was set or hidden; the battery speaks again.
    pub fn unset(&self, name: &str, var: &str) {
        self.feeder(name).change(|state| state.said.remove(var));
    }

    /// Mains fails; the battery is full and lasts that long under the present load.
    pub fn lose_mains(&self, name: &str, lasts_s: f64) {
        self.feeder(name).change(|state| {
            state.pack.power = Power::Battery;
            state.pack.lasts(lasts_s);
            state.pack.charge = 100.0;
        });
    }
    /// Mains fails again; the battery goes on from where it is.
    pub fn lose_mains_again(&self, name: &str) {
        self.feeder(name).change(|state| state.pack.power = Power::Battery);
    }
    /// Mains is back; the battery charges by that many percent a second.
    pub fn mains_back(&self, name: &str, charge_per_s: f64) {
        self.feeder(name).change(|state| state.pack.power = Power::Mains { charge_per_s });
    }
    /// The load on it from now on, in watts of 1000: half the load is twice the runtime.
    pub fn set_load(&self, name: &str, watts: f64) {
        self.feeder(name).change(|state| state.pack.load_w = watts.max(1.0));
    }
    /// Sets the charge, in percent, and how long a full battery lasts.
    pub fn set_battery(&self, name: &str, charge: f64, full_s: f64) {
        self.feeder(name).change(|state| {
            state.pack.charge = charge;
            state.pack.lasts(full_s);
        });
    }
    /// Adds tokens to the status, such as `LB` or `FSD`; an empty text takes them away.
    pub fn set_tokens(&self, name: &str, tokens: &str) {
        self.feeder(name).change(|state| tokens.clone_into(&mut state.tokens));
    }
    /// The driver hangs: upsd says `DATA-STALE` after a few seconds. Or it does not any more.
    pub fn set_stale(&self, name: &str, is_stale: bool) {
        self.behave(name, if is_stale { Driver::Hangs } else { Driver::Well });
    }
    /// The driver says itself that it has lost its UPS: upsd says `DATA-STALE` at once. Or it has found it again.
    pub fn set_lost(&self, name: &str, is_lost: bool) {
        self.behave(name, if is_lost { Driver::SaysStale } else { Driver::Well });
    }
    /// The driver dies: upsd says `DRIVER-NOT-CONNECTED`. Or it is back.
    pub fn set_connected(&self, name: &str, is_connected: bool) {
        self.behave(name, if is_connected { Driver::Well } else { Driver::Gone });
    }
    fn behave(&self, name: &str, driver: Driver) {
        self.feeder(name).change(|state| state.driver = driver);
    }
    /// Whether commands and settings fail; TRACKING then says so.
    pub fn set_refusing(&self, name: &str, refuses: bool) {
        self.feeder(name).change(|state| state.refuses = refuses);
    }
    /// What the battery says now.
    #[must_use]
    pub fn battery(&self, name: &str) -> Battery {
        self.feeder(name).change(|state| Battery { charge: state.pack.charge, runtime_s: state.pack.runtime_s() })
    }
    /// Commands and settings that reached the UPS, as upsd passed them on: `INSTCMD shutdown.return TRACKING ...`.
    #[must_use]
    pub fn commands(&self, name: &str) -> Vec<String> {
        self.feeder(name).change(|state| state.commands.clone())
    }
}

fn password_path(lab: &Path, user: User) -> PathBuf {
    lab.join(format!("ups-password-{}", user.name()))
}
