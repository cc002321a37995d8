//! A small site on a stage: two racks and a recovery rack, played second by second. Not a simulator: no physics, no chance.

mod tasks;
mod timers;

use ridethrough_decide::{Command, CommandReply, Effect, Input, Site, SiteConfig, StepReply};
use ridethrough_model::policy::{Destination, ForceOff, OnOutage};
use ridethrough_model::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How the world answers.
#[derive(Default)]
pub struct World {
    /// VMs whose guest never goes down by itself.
    pub hung: BTreeSet<String>,
    /// VMs whose move fails.
    pub immovable: BTreeSet<String>,
    /// VMs to whose guests the next shutdown does not come through, though the platform took it.
    pub untold: BTreeSet<String>,
    /// VMs after whose steps the platform cannot be asked.
    pub unasked: BTreeSet<String>,
    /// Seconds a shutdown takes.
    pub stop_secs: u64,
    /// VMs that write their memory faster than any move sends it.
    pub restless: BTreeSet<String>,
    /// Seconds saving a VM to disk takes.
    pub save_secs: u64,
    /// Seconds a move takes.
    pub move_secs: u64,
    /// What a load that is off says, by its probe: `true`, that it is off; `false`, nothing (a ping).
    pub loads_prove_off: bool,
    /// Loads that do not follow what they are told.
    pub stuck_loads: BTreeSet<String>,
    /// Automation that cannot be set.
    pub stuck_guards: BTreeSet<String>,
    /// Steps whose next reply is lost, by their words.
    pub lost_replies: BTreeSet<String>,
    /// How hooks fare, by their words: seconds until they answer, and what. Others answer well after a second.
    pub hooks: BTreeMap<String, (u64, Result<(), Failure>)>,
    /// VMs whose probe answers nothing, though they run.
    pub mute: BTreeSet<String>,
    /// The journal answers.
    pub journal_works: bool,
    /// The platform answers.
    pub platform_works: bool,
    /// Dead-man timers: when each fires.
    pub timers: BTreeMap<String, u64>,
    /// Hosts that take no orders about their timer, and what they answer.
    pub deaf: BTreeMap<String, Failure>,
}

/// One line of what happened.
pub type Line = (u64, String);

/// Status, runtime in seconds, charge in percent.
pub type Said = (String, Option<u64>, Option<u32>);

pub struct Stage {
    pub site: Site,
    pub world: World,
    pub secs: u64,
    pub lines: Vec<Line>,
    pub records: Vec<Record>,
    pub answers: Vec<CommandReply>,
    pub inventory: Inventory,
    /// What each UPS says; `None`: silent.
    pub upses: BTreeMap<String, Option<Said>>,
    pub hosts_off: BTreeSet<String>,
    pub loads_off: BTreeSet<String>,
    loads: Vec<LoadId>,
    tasks: BTreeMap<String, (u64, Op)>,
    /// Hooks that were called and have not answered: when they do.
    calls: Vec<(u64, Input)>,
    undurable: Vec<(RunId, u64)>,
    inputs: VecDeque<Input>,
    pub boot: String,
}

pub fn tier(name: &str, rungs: &[OnOutage]) -> Tier {
    Tier {
        name: TierName::new(name),
        matches: TierMatch { tag: Some(format!("power:{name}")), ..TierMatch::default() },
        on_outage: rungs.to_vec(),
        move_to: vec![Destination::SameSite],
        force_off: ForceOff::AtDeadline,
        stop_budget: Millis::from_secs(60),
        runtime_goal: None,
    }
}

/// kvm1 on rack-a, kvm2 on rack-b, kvm3 on rack-c; each rack its own domain; three tiers.
pub fn config() -> SiteConfig {
    let mut config = SiteConfig::default();
    for rack in ["a", "b", "c"] {
        let ups = UpsId::new(format!("rack-{rack}"));
        config.topology.upses.insert(ups.clone(), UpsTopology { low_battery_reliable: true, ..UpsTopology::default() });
        let domain = Domain { upses: [ups].into(), timing: Timing::default() };
        config.topology.domains.insert(DomainId::new(format!("rack-{rack}")), domain);
    }
    for (host, rack) in [("kvm1", "a"), ("kvm2", "b"), ("kvm3", "c")] {
        config.topology.hosts.insert(HostId::new(host), host_on(&[rack]));
    }
    config.policy.tiers = vec![
        tier("critical", &[OnOutage::Move, OnOutage::ShutDown]),
        tier("normal", &[OnOutage::ShutDown]),
        tier("batch", &[OnOutage::ShutDown]),
    ];
    config
}

pub fn host_on(racks: &[&str]) -> HostTopology {
    HostTopology {
        site: SiteId::new("main"),
        platform: Some(PlatformId::new("lab")),
        feeds: racks.iter().map(|rack| Feed { ups: UpsId::new(format!("rack-{rack}")), outlet_group: None }).collect(),
        feeds_min: 1,
        needs: BTreeSet::new(),
        can_shut_down: true,
        can_wake: true,
        can_prove_off: true,
        shutdown_time: Millis::from_secs(30),
        boot_time: Millis::from_secs(60),
        draw: Default::default(),
    }
}

impl Stage {
    /// The usual site with these VMs: name, tier tag, host.
    pub fn new(vms: &[(&str, &str, &str)]) -> Self {
        Self::with(config(), vms)
    }

    pub fn with(config: SiteConfig, vms: &[(&str, &str, &str)]) -> Self {
        let platform = PlatformId::new("lab");
        let mut inventory = Inventory::empty(platform.clone(), Mono(0));
        for id in config.topology.hosts.keys() {
            let host = HostInfo {
                memory: Some(Bytes::from_mib(16 << 10)),
                cpus: Some(8),
                smbios_uuid: Some(format!("uuid-of-{id}")),
                ..HostInfo::new(id.clone(), true)
            };
            inventory.hosts.insert(id.clone(), host);
        }
        for (name, tag, host) in vms {
            inventory.vms.insert(VmId::of(&platform, name), vm(name, tag, host));
        }
        let upses = config
            .topology
            .upses
            .keys()
            .map(|ups| (ups.to_string(), Some(("OL CHRG".to_owned(), Some(1200), Some(100)))))
            .collect();
        let loads = config.topology.loads.iter().filter(|(_, load)| load.can_see).map(|(id, _)| id.clone()).collect();
        let boot = "boot-1".to_owned();
        let site = Site::new(config, 1, &now(0, &boot));
        let world = World {
            stop_secs: 5,
            move_secs: 4,
            save_secs: 3,
            journal_works: true,
            platform_works: true,
            loads_prove_off: true,
            ..World::default()
        };
        let mut stage = Self {
            site,
            world,
            secs: 0,
            lines: Vec::new(),
            records: Vec::new(),
            answers: Vec::new(),
            inventory,
            upses,
            hosts_off: BTreeSet::new(),
            loads_off: BTreeSet::new(),
            loads,
            tasks: BTreeMap::new(),
            calls: Vec::new(),
            undurable: Vec::new(),
            inputs: VecDeque::new(),
            boot,
        };
        stage.play(4);
        let domains: Vec<DomainId> = stage.site_domains();
        for domain in domains {
            stage.command(Command::SetMode { domain, mode: DomainMode::Armed, by: "test".into() });
        }
        stage
    }

    fn site_domains(&self) -> Vec<DomainId> {
        self.site.view(&self.now()).domains.into_iter().map(|domain| domain.id).collect()
    }

    pub fn now(&self) -> Now {
        now(self.secs, &self.boot)
    }

    pub fn command(&mut self, command: Command) -> CommandReply {
        self.give(Input::Command(command));
        self.answers.pop().expect("every command is answered in its own step")
    }

    /// Sets what a UPS says from now on.
    pub fn ups(&mut self, name: &str, status: &str, runtime_secs: Option<u64>, charge_percent: Option<u32>) {
        self.upses.insert(name.to_owned(), Some((status.to_owned(), runtime_secs, charge_percent)));
    }
    pub fn lose_mains(&mut self, name: &str, runtime_secs: u64) {
        self.ups(name, "OB DISCHRG", Some(runtime_secs), Some(90));
    }
    pub fn mains_back(&mut self, name: &str) {
        self.ups(name, "OL CHRG", Some(900), Some(80));
    }
    pub fn silence(&mut self, name: &str) {
        self.upses.insert(name.to_owned(), None);
    }

    /// Lets time pass, second by second; UPSes on battery drain in real time.
    pub fn play(&mut self, secs: u64) {
        for _ in 0..secs {
            self.second();
        }
    }

    /// Plays until a line with that text appears; returns when.
    pub fn play_until(&mut self, text: &str, limit_secs: u64) -> u64 {
        let from = self.lines.len();
        for _ in 0..limit_secs {
            self.second();
            if let Some((at, _)) = self.lines[from..].iter().find(|(_, line)| line.contains(text)) {
                return *at;
            }
        }
        panic!("`{text}` did not happen within {limit_secs} s; what did:\n{}", self.story());
    }

    pub fn story(&self) -> String {
        self.lines.iter().map(|(at, line)| format!("{at:>5} {line}\n")).collect()
    }
    /// When the first line with that text happened.
    pub fn at(&self, text: &str) -> Option<u64> {
        self.lines.iter().find(|(_, line)| line.contains(text)).map(|(at, _)| *at)
    }
    pub fn count(&self, text: &str) -> usize {
        self.lines.iter().filter(|(_, line)| line.contains(text)).count()
    }
    pub fn vm_named(&self, name: &str) -> &Vm {
        self.inventory.vms.values().find(|vm| vm.name == name).expect("the test names a VM of its own")
    }

    fn second(&mut self) {
        self.secs += 1;
        let at = Mono(self.secs * 1000);
        for (name, state) in self.upses.clone() {
            let id = UpsId::new(name.clone());
            match state {
                Some((status, runtime, charge)) => {
                    let mut reading = Reading::of_status(id, at, &status);
                    reading.runtime = runtime.map(Millis::from_secs);
                    reading.charge = charge.map(Ppm::from_percent);
                    reading.load = Some(Ppm::from_percent(40));
                    if status.contains("OB") {
                        let left = runtime.map(|runtime| runtime.saturating_sub(1));
                        self.upses.insert(name, Some((status, left, charge)));
                    }
                    self.give(Input::Reading(reading));
                }
                None => {
                    let message = "connection refused".to_owned();
                    self.give(Input::Silence(Silence { ups: id, at, kind: SilenceKind::Unreachable, message }));
                }
            }
        }
        self.finish_tasks();
        self.answer_calls();
        self.fire_timers();
        if self.secs.is_multiple_of(3) && self.world.platform_works {
            self.give_inventory();
        } else if !self.world.platform_works {
            let failure = Failure { kind: FailureKind::Unreachable, took_effect: TookEffect::No, message: "no route".into() };
            self.give(Input::InventoryFailed { platform: PlatformId::new("lab"), failure });
        }
        if self.secs.is_multiple_of(3) {
            for load in self.loads.clone() {
                let said = self.load_says(load);
                self.give(said);
            }
        }
        self.give(Input::Tick);
    }

    fn load_says(&self, load: LoadId) -> Input {
        let is_proof = self.world.loads_prove_off;
        let state = match self.loads_off.contains(load.as_str()) {
            true if is_proof => HostPowerState::Off,
            true => HostPowerState::Unknown,
            false => HostPowerState::On,
        };
        Input::LoadPower { load, source: "probe".into(), is_proof, state }
    }

    pub fn give_inventory(&mut self) {
        let seen = self.seen();
        self.give(Input::Inventory(seen));
    }

    fn seen(&self) -> Inventory {
        let mut seen = self.inventory.clone();
        seen.observed_at = Mono(self.secs * 1000);
        for host in seen.hosts.values_mut() {
            host.connected = !self.hosts_off.contains(host.id.as_str());
        }
        seen.vms.retain(|_, vm| !self.hosts_off.contains(vm.host.as_str()));
        seen
    }

    pub fn give(&mut self, input: Input) {
        self.inputs.push_back(input);
        self.settle();
    }

    /// Hands in what is queued, one after the other, as the controller does.
    fn settle(&mut self) {
        let mut steps = 0;
        while let Some(input) = self.inputs.pop_front() {
            steps += 1;
            assert!(steps < 10_000, "it goes round in circles:\n{}", self.story());
            let effects = self.site.step(&self.now(), input);
            self.carry_out(effects);
        }
    }

    pub fn perform(&mut self, effects: Vec<Effect>) {
        self.carry_out(effects);
        self.settle();
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Append(record) => {
                    self.note(&record.entry);
                    self.undurable.push((record.run, record.seq));
                    self.records.push(record);
                }
                Effect::Start { run, action, attempt, op } => self.start(run, action, attempt, op),
                Effect::Poll { run, action, attempt, op, .. } => {
                    let reply = StepReply::Polled(self.answer(&op));
                    self.inputs.push_back(Input::Reply { run, action, attempt, reply });
                }
                Effect::Observe { run, action, attempt, op } => {
                    self.line(format!("observe {}", self.text(&op)));
                    let observed = match self.progress(&op) {
                        Progress::Done { .. } => Observed::Done,
                        Progress::Running { .. } => Observed::InTransition(TaskRef(op.to_string())),
                        Progress::Failed(_) => Observed::NotDone,
                    };
                    self.inputs.push_back(Input::Reply { run, action, attempt, reply: StepReply::Observed(Ok(observed)) });
                }
                Effect::Timer { host, call } => self.order_timer(host, call),
                Effect::ObserveHost(host) => {
                    let state = if self.hosts_off.contains(host.as_str()) { HostPowerState::Off } else { HostPowerState::On };
                    self.inputs.push_back(Input::HostPower { host, source: "ipmi".into(), is_proof: true, state });
                }
                Effect::Probe { vm, probe } => {
                    let is_up = self
                        .inventory
                        .vms
                        .get(&vm)
                        .is_some_and(|vm| vm.power == VmPower::Running && !self.world.mute.contains(&vm.name));
                    let answer = if is_up { Ok(()) } else { Err("the port takes no connection".to_owned()) };
                    self.inputs.push_back(Input::Probed { vm, probe, answer });
                }
                Effect::Follow { ups, is_needed } => self.line(format!("follow {ups}: {is_needed}")),
                Effect::ObserveLoad(load) => {
                    if self.loads.contains(&load) {
                        self.inputs.push_back(self.load_says(load));
                    }
                }
                Effect::ReadInventory(_) if self.world.platform_works => {
                    let seen = self.seen();
                    self.inputs.push_back(Input::Inventory(seen));
                }
                Effect::ReadInventory(_) => {}
                Effect::Notify(notice) => self.line(format!("notice {}", notice.text)),
                Effect::Answer(reply) => self.answers.push(reply),
            }
        }
        if self.world.journal_works {
            self.make_durable();
        }
    }

    /// Everything appended so far becomes durable.
    pub fn flush(&mut self) {
        self.make_durable();
        self.settle();
    }

    fn make_durable(&mut self) {
        for (run, seq) in std::mem::take(&mut self.undurable) {
            self.inputs.push_back(Input::Durable { run, seq });
        }
    }

    fn text(&self, op: &Op) -> String {
        op.to_string().replace("lab/", "")
    }

    fn line(&mut self, line: String) {
        self.lines.push((self.secs, line));
    }

    fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::PowerChanged { event } => self.line(event.to_string()),
            Entry::RunEnded { end } => self.line(format!("run ended {end:?}")),
            Entry::HostProvenOff { host, .. } => self.line(format!("{host} proven off")),
            Entry::Overran { action, .. } => self.line(format!("action {action} overran")),
            Entry::Latched { host, .. } => self.line(format!("latched {host}")),
            Entry::VmReady { vm, .. } => self.line(format!("ready {vm}").replace("lab/", "")),
            Entry::VmNotReady { vm, .. } => self.line(format!("not ready {vm}").replace("lab/", "")),
            Entry::JournalDegraded { .. } => self.line("journal degraded".into()),
            Entry::HoldEnded { reason } => self.line(format!("hold ended: {reason}")),
            Entry::TimerIntended { host, .. } => self.line(format!("timer of {host} intended")),
            Entry::TimerEnded { host, reason } => self.line(format!("timer of {host} ended: {reason}")),
            Entry::AbortEnded { reason } => self.line(format!("abort ended: {reason}")),
            _ => {}
        }
    }

    /// The controller dies and another one takes over with what was durable.
    pub fn crash(&mut self, config: SiteConfig) {
        let durable: Vec<Record> =
            self.records.iter().filter(|record| !self.undurable.contains(&(record.run, record.seq))).cloned().collect();
        self.undurable.clear();
        self.calls.clear();
        self.records.clone_from(&durable);
        let site_log: Vec<Record> = durable.iter().filter(|record| record.run == RunId::SITE).cloned().collect();
        let last = durable.iter().map(|record| record.run).max().unwrap_or(RunId::SITE);
        let open: Vec<Record> = durable.iter().filter(|record| record.run == last && last != RunId::SITE).cloned().collect();
        let incident = durable.iter().map(|record| record.incident).max().unwrap_or(0);
        self.line("crash".into());
        let (site, effects) =
            Site::recover(config, 2, &self.now(), &site_log, &open, last.0, incident).expect("our own journal is legal");
        self.site = site;
        self.perform(effects);
    }
}

fn now(secs: u64, boot: &str) -> Now {
    let wall = Timestamp::from_second(1_790_000_000 + i64::try_from(secs).expect("tests are short")).expect("in range");
    Now { mono: Mono(secs * 1000), boot_id: BootId(boot.to_owned()), wall }
}

use jiff::Timestamp;

pub fn vm(name: &str, tag: &str, host: &str) -> Vm {
    let id = VmId::of(&PlatformId::new("lab"), name);
    Vm {
        tags: if tag.is_empty() { BTreeSet::new() } else { [format!("power:{tag}")].into() },
        autostart: Some(false),
        smbios_uuid: Some(format!("uuid-of-{name}")),
        ..Vm::new(id, name.to_owned(), HostId::new(host), VmPower::Running, Bytes::from_mib(2048), 2)
    }
}
