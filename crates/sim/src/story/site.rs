//! The site of a story: the demo's, the user's own configuration, or built line by line.

use super::words::{Words, time};
use crate::battery::{Battery, RuntimeTable};
use crate::demo::{self, Scenario};
use crate::faults::Faults;
use crate::reality::{Host, Reality, Ups, Vm};
use crate::remote::Estate;
use crate::world::Setup;
use ridethrough_decide::SiteConfig;
use ridethrough_model::policy::OnOutage;
use ridethrough_model::{
    Bytes, Domain, DomainId, Feed, ForceOff, HostId, HostInfo, HostTopology, Millis, Milliwatts, PlatformId, Tier, Timing, UpsId,
    UpsTopology, VmId, VmPower,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the site so far.
#[derive(Default)]
pub(super) struct Builder {
    given: Option<SiteConfig>,
    config: SiteConfig,
    is_demo: bool,
    vms: BTreeMap<VmId, Vm>,
    /// How long each battery lasts at the load the site has at first.
    lasts: BTreeMap<UpsId, Millis>,
    /// What each UPS is built for, where it switches off beyond.
    built_for: BTreeMap<UpsId, Milliwatts>,
}

/// What a battery lasts where nothing is said.
const LASTS: Millis = Millis::from_secs(900);
/// What hosts and VMs draw, and have.
const HOST_POWER: Milliwatts = Milliwatts(120_000);
const VM_POWER: Milliwatts = Milliwatts(15_000);
const HOST_MEMORY: Bytes = Bytes::from_mib(256 << 10);

impl Builder {
    pub(super) fn new(given: Option<SiteConfig>) -> Self {
        Self { given, ..Self::default() }
    }

    pub(super) fn load(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        match words.next("demo or config")? {
            "demo" => self.is_demo = true,
            "config" => {
                let missing = "there is no configuration here: name it with --config".to_owned();
                self.config = self.given.clone().ok_or(missing)?;
            }
            other => return Err(format!("`{other}` cannot be loaded: say demo or config, or build a site with `new`")),
        }
        Ok(())
    }

    pub(super) fn add(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        match words.next("ups, host, vm or tier")? {
            "ups" => self.add_ups(words),
            "host" => self.add_host(words),
            "vm" => self.add_vm(words),
            "tier" => self.add_tier(words),
            other => Err(format!("`{other}` cannot be made: say ups, host, vm or tier")),
        }
    }

    fn add_ups(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let id = UpsId::new(words.next("a name")?);
        let mut timing = Timing::default();
        if let Some(time) = words.setting("ride-through")? {
            (timing.ride_through, timing.move_after) = (time, time);
        }
        timing.mains_stable = words.setting("mains-stable")?.unwrap_or(timing.mains_stable);
        if let Some(lasts) = words.setting("lasts")? {
            self.lasts.insert(id.clone(), lasts);
        }
        if let Some(watts) = words.value("built-for") {
            let watts: Option<u64> = watts.trim_end_matches('W').parse().ok().filter(|watts| (1..=1_000_000).contains(watts));
            self.built_for.insert(id.clone(), Milliwatts(watts.ok_or("built-for is a number of watts")? * 1000));
        }
        let reliable = UpsTopology { low_battery_reliable: true, ..UpsTopology::default() };
        let topology = &mut self.config.topology;
        topology.upses.entry(id.clone()).or_insert(reliable);
        if topology.domains_of(&id).next().is_none() {
            topology.domains.insert(DomainId::new(id.as_str()), Domain { upses: [id].into(), timing });
        }
        Ok(())
    }

    fn add_host(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let id = HostId::new(words.next("a name")?);
        let feeds = words.value("feeds").ok_or("say on what it hangs: feeds=rack-a or feeds=rack-a,rack-b")?;
        let known: Vec<UpsId> = self.config.topology.upses.keys().cloned().collect();
        let feeds: Result<Vec<Feed>, String> = feeds
            .split(',')
            .map(|name| words.one_of("UPS", name, known.clone()).map(|ups| Feed { ups, outlet_group: None }))
            .collect();
        let host = HostTopology {
            platform: Some(PlatformId::new("sim")),
            feeds: feeds?,
            shutdown_time: words.setting("shutdown")?.unwrap_or(Millis::from_secs(60)),
            boot_time: words.setting("boot")?.unwrap_or(Millis::from_secs(120)),
            ..demo::a_host()
        };
        if words.has("timer") {
            self.config.topology.timers.insert(id.clone());
        }
        self.config.topology.hosts.insert(id, host);
        Ok(())
    }

    fn add_vm(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let name = words.next("a name")?.to_owned();
        if !words.has("on") {
            return Err(format!("say where it runs: new vm {name} on HOST"));
        }
        let host = words.name("host", self.config.topology.hosts.keys().cloned().collect())?;
        let platform = self.config.topology.hosts.get(&host).and_then(|host| host.platform.clone());
        let mut vm = vm(&platform.unwrap_or_else(|| PlatformId::new("sim")), &name, host);
        if let Some(tags) = words.value("tags") {
            vm.known.tags = tags.split(',').map(str::to_owned).collect();
        }
        if let Some(gib) = words.value("memory") {
            let gib: u64 = gib.parse().ok().filter(|gib| (1..=4096).contains(gib)).ok_or("memory is a number of GiB")?;
            vm.known.memory = Bytes::from_mib(gib << 10);
        }
        if let Some(takes) = words.value("stops-in") {
            vm.stop_takes = time(takes)?;
        }
        if words.has("autostart") {
            vm.known.autostart = Some(true);
        }
        self.vms.insert(vm.known.id.clone(), vm);
        Ok(())
    }

    /// The first is the most important one. VMs are in it by a tag of its name.
    fn add_tier(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let name = words.next("a name")?;
        let stop_budget = words.setting("stop")?.unwrap_or(Millis::from_secs(60));
        let runtime_goal = words.setting("runs-for")?;
        let on_outage = if words.has("moves") { vec![OnOutage::Move, OnOutage::ShutDown] } else { vec![OnOutage::ShutDown] };
        self.config.policy.tiers.push(Tier {
            on_outage,
            force_off: if words.has("never-force") { ForceOff::Never } else { ForceOff::AtDeadline },
            stop_budget,
            runtime_goal,
            ..demo::a_tier(name)
        });
        Ok(())
    }

    pub(super) fn setup(self) -> Result<Setup, String> {
        if self.is_demo {
            let mut setup = demo::setup(Scenario::TwoRacks, 1);
            setup.script.clear();
            return Ok(setup);
        }
        let topology = &self.config.topology;
        if topology.upses.is_empty() || topology.hosts.is_empty() {
            return Err("there is no site yet: `load demo`, `load config`, or `new ups` and `new host`".to_owned());
        }
        let host =
            |topology: &HostTopology| Host::new(HOST_POWER, topology.shutdown_time.scaled(1, 2), topology.boot_time.scaled(1, 2));
        let hosts = topology.hosts.iter().map(|(id, topology)| (id.clone(), host(topology))).collect();
        let table = || RuntimeTable::new(&[(50, 3600), (5000, 30)]);
        let upses = topology
            .upses
            .keys()
            .map(|id| (id.clone(), Ups::new(Battery::full(table(), Millis::from_secs(3600)), Milliwatts(2_000_000))))
            .collect();
        let platforms: BTreeSet<PlatformId> = topology.hosts.values().filter_map(|host| host.platform.clone()).collect();
        if platforms.len() > 1 {
            return Err("a story plays one platform, and this configuration has several".to_owned());
        }
        let platform = platforms.into_iter().next().unwrap_or_else(|| PlatformId::new("sim"));
        let mut reality = Reality::new(topology.clone(), upses, hosts, self.vms, Vec::new());
        for id in topology.upses.keys() {
            reality.set_runtime(id, self.lasts.get(id).copied().unwrap_or(LASTS));
            if let (Some(ups), Some(watts)) = (reality.upses.get_mut(id), self.built_for.get(id)) {
                (ups.nominal, ups.trips) = (*watts, true);
            }
        }
        let info = |id: &HostId| HostInfo { memory: Some(HOST_MEMORY), cpus: Some(32), ..HostInfo::new(id.clone(), true) };
        let hosts = reality.hosts.keys().map(|id| (id.clone(), info(id))).collect();
        let policy = &self.config.policy;
        let move_rate = policy.move_bandwidth.scaled(1, u64::from(policy.moves_per_host.max(1)));
        let estate = Estate {
            platform,
            hosts,
            move_rate,
            moves_fail_percent: 0,
            tells_why_off: true,
            save_rate: Bytes::ZERO,
            saves_fail_percent: 0,
        };
        let (faults, script) = (Faults::default(), Vec::new());
        Ok(Setup { config: self.config, reality, estate, faults, script, plant: None })
    }
}

/// A running VM of that name.
pub(super) fn vm(platform: &PlatformId, name: &str, host: HostId) -> Vm {
    let id = VmId::of(platform, name);
    let known = ridethrough_model::Vm {
        autostart: Some(false),
        ..ridethrough_model::Vm::new(id, name.to_owned(), host, VmPower::Running, Bytes::from_mib(4 << 10), 2)
    };
    Vm::new(known, VM_POWER, Millis::from_secs(15), Millis::from_secs(5))
}
