//! The stage of every story: three hosts on three UPSes, guests of three tiers drawn from the seed, the controller.

use ridethrough_lab::{Controller, Guest, Lab, Numbers, Seed, Upsd, until};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Long enough for a busy machine of two cores.
pub const SOON: Duration = Duration::from_secs(30);
pub const LATER: Duration = Duration::from_secs(150);

/// Time between two beats, in milliseconds.
pub const TICK_MS: u64 = 500;

/// A guest and its part.
#[derive(Clone, Debug)]
pub struct Cast {
    pub guest: Guest,
    /// 0 is the most important.
    pub rank: usize,
    pub home: usize,
    /// It does not go down by itself.
    pub is_hung: bool,
}

impl Cast {
    pub fn name(&self) -> &str {
        &self.guest.name
    }
}

pub struct Stage {
    // In the order of dropping.
    pub controller: Option<Controller>,
    pub upsd: Upsd,
    pub lab: Lab,
    pub seed: Seed,
    pub cast: Vec<Cast>,
    pub tiers: Vec<&'static str>,
}

const RACKS: [&str; 3] = ["rack-a", "rack-b", "rack-c"];
const USUAL: Numbers = Numbers { ride_through_s: 4, move_after_s: 4, moves_per_host: 2 };

impl Stage {
    /// Boots everything; the controller runs and all domains are armed.
    pub fn set() -> Self {
        let mut seed = Seed::draw();
        let lab = Lab::new(3).expect("three hosts");
        let upsd = Upsd::start(&lab, &RACKS).expect("upsd");
        let tiers =
            seed.one_of(&[["critical", "normal", "batch"], ["gold", "silver", "bronze"], ["prod", "test", "ci"]]).to_vec();
        let cast = draw_cast(&mut seed, &tiers);
        for cast in &cast {
            lab.start_guest(cast.home, &cast.guest).expect("a guest starts");
        }
        for cast in &cast {
            lab.wait_ready(cast.home, cast.name()).expect("a guest beats");
            println!(
                "    {} on kvm{}, tier {}, {} MiB{}",
                cast.name(),
                cast.home,
                tiers[cast.rank],
                cast.guest.memory_mib,
                if cast.is_hung { ", hangs" } else { "" }
            );
        }
        let mut stage = Self { controller: None, upsd, lab, seed, cast, tiers };
        stage.start_controller(USUAL, "");
        stage
    }

    pub fn config_path(&self) -> PathBuf {
        self.lab.config_path()
    }

    /// Writes the configuration with `more` behind its last tier, starts the controller, waits until it sees everything, arms all
    /// domains.
    pub fn start_controller(&mut self, numbers: Numbers, more: &str) {
        let text = self.lab.config(&self.upsd, &RACKS, &self.tiers, numbers) + more;
        std::fs::write(self.config_path(), text).expect("the configuration is written");
        self.serve(&[]);
        for rack in RACKS {
            self.arm(rack);
        }
    }

    /// Starts the controller and waits until it sees everything.
    pub fn serve(&mut self, envs: &[(&str, &str)]) {
        let all: Vec<(&str, &str)> = [("RIDETHROUGH_SMBIOS_UUID", "11111111-2222-4333-8444-555555555555")]
            .into_iter()
            .chain(envs.iter().copied())
            .collect();
        // The last one of a name counts.
        self.controller = Some(self.lab.serve(&self.config_path(), &all).expect("the controller starts"));
        let guests = self.cast.len();
        self.until("the controller sees every UPS and VM", SOON, |stage| {
            let Some(status) = stage.status() else { return false };
            let heard = status["upses"].as_array().is_some_and(|upses| upses.iter().all(|ups| ups["status"].is_string()));
            heard && status["vms"].as_array().is_some_and(|vms| vms.len() >= guests)
        });
    }

    pub fn restart_controller(&mut self, numbers: Numbers) {
        self.end_controller();
        self.start_controller(numbers, "");
    }

    /// With the usual numbers, and `more` in the configuration.
    pub fn restart_with(&mut self, more: &str) {
        self.end_controller();
        self.start_controller(USUAL, more);
    }

    fn end_controller(&mut self) {
        if let Some(mut controller) = self.controller.take() {
            assert_eq!(controller.terminate(), Some(0), "a clean end:\n{}", controller.log());
        }
    }

    /// Back to the usual numbers.
    pub fn usual(&mut self) {
        self.restart_controller(USUAL);
    }

    /// Runs a command of the binary with the stage's configuration.
    pub fn run(&self, args: &[&str]) -> (i32, String) {
        let config = self.config_path().to_string_lossy().into_owned();
        let mut all = args.to_vec();
        all.extend(["--config", &config]);
        let output = self.lab.ridethrough(&all).expect("the binary runs");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap_or(-1), text)
    }

    fn json(&self, args: &[&str]) -> Option<Value> {
        let config = self.config_path().to_string_lossy().into_owned();
        let mut all = args.to_vec();
        all.extend(["--json", "--config", &config]);
        let output = self.lab.ridethrough(&all).ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    pub fn status(&self) -> Option<Value> {
        self.json(&["status"])
    }

    pub fn arm(&mut self, domain: &str) {
        let mut last = String::new();
        let armed = until(&format!("{domain} is armed"), SOON, || {
            let (code, text) = self.run(&["arm", domain]);
            last = text;
            code == 0
        });
        if let Err(error) = armed {
            panic!("{error}: {last}\n{}", self.log());
        }
    }

    /// The latest run, in one line of JSON.
    pub fn last_run(&self) -> Value {
        self.json(&["runs"])
            .and_then(|runs| runs["runs"].as_array().and_then(|runs| runs.first().cloned()))
            .unwrap_or(Value::Null)
    }

    /// Everything about the latest run.
    pub fn last_run_detail(&self) -> Value {
        let id = self.last_run()["id"].to_string();
        self.json(&["runs", &id]).unwrap_or(Value::Null)
    }

    /// Waits until run number `id` has ended; returns how.
    pub fn until_run_ends(&self, id: u64) -> String {
        self.until(&format!("run {id} ends"), LATER, |stage| {
            let run = stage.last_run();
            run["id"].as_u64() == Some(id) && run["ended_at"].is_string()
        });
        self.last_run()["end"].as_str().unwrap_or_default().to_owned()
    }

    /// The number the next run will have.
    pub fn next_run(&self) -> u64 {
        self.last_run()["id"].as_u64().unwrap_or(0) + 1
    }

    pub fn until(&self, what: &str, limit: Duration, seen: impl Fn(&Self) -> bool) {
        if let Err(error) = until(what, limit, || seen(self)) {
            panic!("{error}\n{}", self.log());
        }
    }

    /// What the controller has printed lately.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.lab.dir().join("controller.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(120)..].join("\n")
    }

    pub fn tier(&self, rank: usize) -> impl Iterator<Item = &Cast> {
        self.cast.iter().filter(move |cast| cast.rank == rank)
    }

    /// Everybody runs at home, once.
    pub fn assert_all_home(&self) {
        for cast in &self.cast {
            assert_eq!(self.lab.running_on(cast.name()), vec![cast.home], "{} must run at home:\n{}", cast.name(), self.log());
        }
    }

    /// How often a guest was told to go down, by its own console, on all hosts.
    pub fn times_asked(&self, guest: &str) -> usize {
        (1..=3)
            .map(|host| {
                self.lab
                    .console(host, guest)
                    .lines()
                    .filter(|line| line.starts_with("ASKED") || line.starts_with("IGNORED"))
                    .count()
            })
            .sum()
    }

    /// Which guests were told to go down so far, and how often.
    pub fn asked(&self) -> Vec<(String, usize)> {
        self.cast.iter().map(|cast| (cast.name().to_owned(), self.times_asked(cast.name()))).collect()
    }
}

/// How often a guest had been told to go down, of what `Stage::asked` said before.
pub fn asked_before(before: &[(String, usize)], guest: &str) -> usize {
    before.iter().find(|(name, _)| name == guest).map_or(0, |(_, times)| *times)
}

/// Two critical guests on kvm1, the others on kvm1 and kvm2; one of the unimportant ones hangs.
fn draw_cast(seed: &mut Seed, tiers: &[&'static str]) -> Vec<Cast> {
    let names = [["erp", "mail", "wiki", "git", "ci", "lab"], ["db", "app", "www", "docs", "build", "test"]];
    let names = seed.one_of(&names).to_owned();
    let hung = seed.between(2, 6);
    let mut cast = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let rank = i / 2;
        // The first of each pair stands on kvm1, so that every tier is there; the second may stand on kvm2.
        let home = if rank == 0 || i.is_multiple_of(2) { 1 } else { *seed.one_of(&[1, 2]) };
        let is_hung = i as u64 == hung && home == 1;
        let words = if is_hung { format!("rt.tick={TICK_MS} rt.ignore=1 rt.noagent=1") } else { format!("rt.tick={TICK_MS}") };
        let tag = format!("power:{}", tiers[rank]);
        let suffix = seed.between(1, 100);
        let mut guest = Guest::new(&format!("{name}-{suffix}"), &[&tag]).with(&words);
        guest.memory_mib = u32::try_from(seed.between(6, 9)).unwrap_or(6) * 16;
        guest.autostart = rank == 1;
        cast.push(Cast { guest, rank, home, is_hung });
    }
    cast
}
