//! The state of one site: a closed [`Input`] goes in, [`Effect`]s come out. Owns everything that is known and wanted now.
//!
//! What it is not: it never waits, never reads a clock, never talks to anything. What it wants remembered it appends; what it
//! wants done it asks for. `log` keeps the journal's side, `incident` opens and ends runs, `actions` carries plans out, `replies`
//! takes answers in, `commands` is for people.

use crate::adopt::{Losses, adopt};
use crate::batteries::Battery;
use crate::domain::DomainState;
use crate::evidence::{HostEvidence, HostVerdict};
use crate::feed::timing_of;
use crate::hold::Hold;
use crate::input::{Effect, Input};
use crate::invariant::Witness;
use crate::log::Log;
use crate::plan::has_shifted;
use crate::plant::Plant;
use crate::run::{RunError, RunState};
use crate::source::{SourceKind, SourceState};
use crate::standing::StandingPlan;
use crate::timer::Timer;
use ridethrough_model::{
    ActionId, DomainId, DomainMode, DrillReport, Failure, Finding, GuardId, HostId, HostPowerState, Ids, Inventory, LoadId, Mono,
    Now, PlatformId, Policy, Reading, Record, Severity, Silence, Topology, UpsId, VmId, VmPower,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the user configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteConfig {
    /// What hangs on what.
    pub topology: Topology,
    /// What is wanted.
    pub policy: Policy,
}

/// What an action needs remembered only while this process lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    /// The start, poll or observation sent and not answered yet, since when.
    pub(crate) asked_at: Option<Mono>,
    /// Not before this moment is anything asked again.
    pub(crate) next_at: Mono,
    /// Its fate is unknown: observe before anything else.
    pub(crate) is_ambiguous: bool,
    /// Share done, where told.
    pub(crate) done_ppm: Option<u32>,
    /// When this attempt was intended, or taken up after a restart.
    pub(crate) attempt_at: Mono,
    /// It was begun by a process that died, and perhaps before its request had left: asked about once more.
    pub(crate) is_doubted: bool,
}

/// Something we did and know better than an inventory read before it.
#[derive(Clone, Debug)]
pub(crate) enum Patch {
    Power(VmPower, HostId),
    Autostart(bool),
}

/// One site.
#[derive(Clone, Debug)]
pub struct Site {
    pub(crate) config: SiteConfig,
    pub(crate) epoch: u64,
    pub(crate) sources: BTreeMap<UpsId, SourceState>,
    pub(crate) batteries: BTreeMap<UpsId, Battery>,
    pub(crate) inventories: BTreeMap<PlatformId, Inventory>,
    pub(crate) inventory_failures: BTreeMap<PlatformId, Failure>,
    pub(crate) losses: BTreeMap<PlatformId, Losses>,
    pub(crate) inventory_findings: BTreeMap<PlatformId, Vec<Finding>>,
    pub(crate) patches: BTreeMap<VmId, Vec<(Mono, Patch)>>,
    pub(crate) guard_patches: BTreeMap<GuardId, (Mono, String)>,
    pub(crate) evidence: BTreeMap<HostId, HostEvidence>,
    pub(crate) load_evidence: BTreeMap<LoadId, HostEvidence>,
    pub(crate) domains: BTreeMap<DomainId, DomainState>,
    pub(crate) modes: BTreeMap<DomainId, DomainMode>,
    pub(crate) maintenance: BTreeMap<UpsId, Mono>,
    pub(crate) hold: Option<Hold>,
    pub(crate) timers: BTreeMap<HostId, Timer>,
    /// Hosts whose timer may have fired before it was called off, and until when what it told may still go off.
    pub(crate) timers_fired: BTreeMap<HostId, Mono>,
    /// SHA-256 of the configuration in force; empty where nobody told it.
    pub(crate) digest: String,
    pub(crate) run: Option<RunState>,
    /// VMs that should run and were seen going off, not by us: since when.
    pub(crate) off_since: BTreeMap<VmId, Mono>,
    /// VMs that are waited for until they are ready.
    pub(crate) waiting: BTreeMap<VmId, crate::ready::Waiting>,
    /// What UPSes on battery have given so far.
    pub(crate) meters: BTreeMap<UpsId, crate::meter::Meter>,
    /// Who needs whom, of what runs now.
    pub(crate) needs: ridethrough_model::Needs,
    pub(crate) live: BTreeMap<ActionId, Live>,
    pub(crate) ids: Ids,
    pub(crate) incident: u64,
    pub(crate) log: Log,
    /// UPSes that must be heard, or be silent for long enough, before a run found in the journal goes on.
    pub(crate) awaiting: BTreeSet<UpsId>,
    /// Platforms not read yet since the start, and until when they are waited for: what runs where is not guessed.
    pub(crate) unread: BTreeSet<PlatformId>,
    unread_until: Mono,
    pub(crate) standing: BTreeMap<DomainId, StandingPlan>,
    pub(crate) is_standing_due: bool,
    pub(crate) is_plan_due: bool,
    pub(crate) plan_reason: String,
    pub(crate) told: BTreeSet<String>,
    /// Drills that were held, oldest first.
    pub(crate) drills: Vec<DrillReport>,
    /// What was last said of each UPS: whether hosts need its power.
    pub(crate) followed: BTreeMap<UpsId, bool>,
    pub(crate) out: Vec<Effect>,
    pub(crate) witness: Witness,
    pub(crate) plant: Option<Plant>,
}

impl Site {
    /// A site of which nothing is known yet.
    #[must_use]
    pub fn new(config: SiteConfig, epoch: u64, now: &Now) -> Self {
        let sources = config.topology.upses.keys().map(|id| (id.clone(), SourceState::new(now.mono))).collect();
        let upses = config.topology.upses.iter();
        let batteries = upses.map(|(id, ups)| (id.clone(), Battery::new(&ups.battery, now.mono))).collect();
        let domains = config.topology.domains.keys().map(|id| (id.clone(), DomainState::default())).collect();
        let unread = config.topology.hosts.values().filter_map(|host| host.platform.clone()).collect();
        let unread_until = now.mono + config.policy.silence;
        Self {
            config,
            epoch,
            sources,
            batteries,
            inventories: BTreeMap::new(),
            inventory_failures: BTreeMap::new(),
            losses: BTreeMap::new(),
            inventory_findings: BTreeMap::new(),
            patches: BTreeMap::new(),
            guard_patches: BTreeMap::new(),
            evidence: BTreeMap::new(),
            load_evidence: BTreeMap::new(),
            domains,
            modes: BTreeMap::new(),
            maintenance: BTreeMap::new(),
            hold: None,
            timers: BTreeMap::new(),
            timers_fired: BTreeMap::new(),
            digest: String::new(),
            run: None,
            off_since: BTreeMap::new(),
            waiting: BTreeMap::new(),
            meters: BTreeMap::new(),
            needs: ridethrough_model::Needs::default(),
            live: BTreeMap::new(),
            ids: Ids::default(),
            incident: 0,
            log: Log::default(),
            awaiting: BTreeSet::new(),
            unread,
            unread_until,
            standing: BTreeMap::new(),
            is_standing_due: true,
            is_plan_due: false,
            plan_reason: String::new(),
            told: BTreeSet::new(),
            drills: Vec::new(),
            followed: BTreeMap::new(),
            out: Vec::new(),
            witness: Witness::default(),
            plant: None,
        }
    }

    /// A site as the journal knows it: modes and maintenance from run 0, and the last run if it has not ended. Attempts whose
    /// fate is unknown are observed before anything is done again; nothing is started before every UPS of the run was heard.
    ///
    /// # Errors
    /// A journal whose records cannot follow each other.
    pub fn recover(
        config: SiteConfig,
        epoch: u64,
        now: &Now,
        site_log: &[Record],
        open_run: &[Record],
        runs_seen: u64,
        incident_last: u64,
    ) -> Result<(Self, Vec<Effect>), RunError> {
        let mut site = Self::new(config, epoch, now);
        site.ids.run_next = runs_seen + 1;
        site.incident = incident_last;
        for record in site_log {
            site.recall(record, now);
        }
        if let Some(first) = open_run.first() {
            site.take_up(first, open_run, now)?;
        }
        let effects = std::mem::take(&mut site.out);
        Ok((site, effects))
    }

    /// Takes one input in; returns what is wanted, in order.
    pub fn step(&mut self, now: &Now, input: Input) -> Vec<Effect> {
        let is_tick = matches!(input, Input::Tick);
        let is_look = is_tick || matches!(input, Input::HostPower { .. } | Input::LoadPower { .. });
        match input {
            Input::Reading(reading) => self.hear(reading, now),
            Input::Followed { ups, clients } => self.note_followers(&ups, clients),
            Input::Silence(silence) => self.hear_nothing(silence, now),
            Input::Inventory(inventory) => self.take_inventory(inventory, now),
            Input::InventoryFailed { platform, failure } => self.lose_platform(platform, failure),
            Input::HostPower { host, source, is_proof, state } => self.hear_host(host, &source, is_proof, state, now),
            Input::Timer { host, call, answer } => self.take_timer_answer(&host, call, answer, now),
            Input::LoadPower { load, source, is_proof, state } => self.hear_load(load, &source, is_proof, state, now),
            Input::Probed { vm, probe, answer } => self.take_probe_answer(&vm, &probe, answer, now),
            Input::Reply { run, action, attempt, reply } => self.take_reply(run, action, attempt, reply, now),
            Input::Durable { run, seq } => self.be_durable(run, seq, now),
            Input::JournalFailed { reason } => self.journal_failed(reason, now),
            Input::Command(command) => self.command(command, now),
            Input::Tick => self.pass_time(now),
        }
        self.advance(now, is_tick, is_look);
        let effects = std::mem::take(&mut self.out);
        self.judged(effects, now)
    }

    /// What the user configured.
    #[must_use]
    pub fn config(&self) -> &SiteConfig {
        &self.config
    }

    /// Whether anything is on battery or a run is open: then look more often.
    #[must_use]
    pub fn is_at_risk(&self) -> bool {
        self.run.is_some() || self.is_on_battery()
    }

    pub(crate) fn is_on_battery(&self) -> bool {
        self.sources.values().any(|source| source.kind.is_on_battery())
    }

    fn advance(&mut self, now: &Now, is_tick: bool, is_look: bool) {
        self.note_domains(now);
        self.open_incident(now);
        self.lift_restraints(now);
        self.change_phases(now);
        if self.is_plan_due || is_tick {
            self.is_plan_due = false;
            self.replan(now);
        }
        if is_look {
            self.look_after(now);
        }
        self.start_due(now);
        if is_tick {
            self.tend_readiness(now);
            self.tend_timers(now);
        }
        self.watch_journal(now);
        if is_look {
            self.follow_upses(now.mono);
        }
        if is_tick && self.is_standing_due && self.run.is_none() {
            self.is_standing_due = false;
            self.make_standing(now);
        }
    }

    pub(crate) fn hear(&mut self, reading: Reading, now: &Now) {
        let reading = self.misread(reading, now.mono);
        self.meter(&reading);
        let id = reading.ups.clone();
        self.hear_battery(&reading, now);
        let (Some(source), Some(ups)) = (self.sources.get_mut(&id), self.config.topology.upses.get(&id)) else { return };
        let timing = timing_of(&self.config.topology, &id);
        let before = (source.reading.as_ref().and_then(|reading| reading.runtime), source.deadline(&timing));
        let edges = source.read(reading, ups, &timing);
        let after = (source.reading.as_ref().and_then(|reading| reading.runtime), source.deadline(&timing));
        self.is_standing_due |= before.0 != after.0;
        if has_shifted(before.1, after.1, now.mono) {
            // Nothing is forced by a forecast that has just been revised.
            self.want_plan(&format!("UPS {id} has revised its runtime"));
        }
        self.stop_awaiting(&id);
        self.take_edges(edges, now);
    }

    fn note_followers(&mut self, ups: &UpsId, clients: BTreeSet<String>) {
        if let (Some(source), Some(topology)) = (self.sources.get_mut(ups), self.config.topology.upses.get(ups)) {
            source.follow(clients, topology);
        }
    }

    fn hear_nothing(&mut self, silence: Silence, now: &Now) {
        let id = silence.ups.clone();
        let timing = timing_of(&self.config.topology, &id);
        let limit = self.config.policy.silence;
        let Some(source) = self.sources.get_mut(&id) else { return };
        let edges = source.be_silent(&id, Some(silence), now.mono, limit, &timing);
        if !edges.is_empty() {
            self.stop_awaiting(&id);
        }
        self.take_edges(edges, now);
    }

    fn pass_time(&mut self, now: &Now) {
        let ids: Vec<UpsId> = self.sources.keys().cloned().collect();
        for id in ids {
            let timing = timing_of(&self.config.topology, &id);
            let limit = self.config.policy.silence;
            let Some(source) = self.sources.get_mut(&id) else { continue };
            let edges = source.be_silent(&id, None, now.mono, limit, &timing);
            if source.kind == SourceKind::SilentOnBattery && cfg!(debug_assertions) && self.plant == Some(Plant::SilenceIsHealth)
            {
                source.kind = SourceKind::SilentOnMains;
            }
            let is_overdue = now.mono.since(source.heard_at) >= limit;
            let is_unheard = is_overdue && source.kind == SourceKind::Unknown;
            let reason = source.silence.as_ref().map_or("no answer", |silence| silence.message.as_str()).to_owned();
            if is_overdue {
                self.stop_awaiting(&id);
            }
            if is_unheard {
                let text = format!("UPS {id} has not been heard since the start: {reason}.");
                self.notice_once(&format!("unheard {id}"), Severity::Alarm, Some("RT0405"), text, now);
            }
            self.take_edges(edges, now);
        }
        if !self.unread.is_empty() && now.mono >= self.unread_until {
            self.unread.clear();
            self.want_plan("a platform has not been read in time since the start");
        }
        self.pass_batteries(now.mono);
        self.end_maintenance(now);
    }

    /// Whether too little is known yet to do anything: after a start every platform is read first, after a restart in the middle of
    /// a run every UPS is heard too, or has been silent for long enough.
    pub(crate) fn is_awaiting(&self) -> bool {
        !self.awaiting.is_empty() || !self.unread.is_empty()
    }

    /// One platform less to wait for after a start, however its first read ended.
    fn stop_unread(&mut self, platform: &PlatformId) {
        if self.unread.remove(platform) && self.unread.is_empty() {
            self.want_plan("every platform has been read since the start");
        }
    }

    /// One UPS less to wait for after a restart. With the last one the plan of before is replaced by one from what is true now.
    fn stop_awaiting(&mut self, ups: &UpsId) {
        if self.awaiting.remove(ups) && self.awaiting.is_empty() {
            self.want_plan("every UPS has been heard since the restart");
        }
    }

    pub(crate) fn take_inventory(&mut self, inventory: Inventory, now: &Now) {
        let platform = inventory.platform.clone();
        self.stop_unread(&platform);
        let on_battery = self.is_on_battery();
        if on_battery && self.is_planted(Plant::LostInventoryBelieved) {
            self.inventories.remove(&platform);
        }
        let observed_at = inventory.observed_at;
        if self.inventories.get(&platform).is_some_and(|newest| observed_at < newest.observed_at) {
            // It was under way for longer than a later one: what it says of moves and stops is no longer so.
            return;
        }
        let losses = self.losses.entry(platform.clone()).or_default();
        let (mut believed, findings) = adopt(self.inventories.get(&platform), inventory, losses, on_battery);
        self.patches.retain(|vm, patches| {
            if vm.platform() != platform {
                return true;
            }
            patches.retain(|(at, _)| *at >= observed_at);
            let vm = believed.vms.get_mut(vm);
            if let Some(vm) = vm {
                for (_, patch) in patches.iter() {
                    apply_patch(vm, patch);
                }
            }
            !patches.is_empty()
        });
        self.believe_guards(&mut believed);
        for vm in believed.vms.values_mut().filter(|vm| vm.power.is_active()) {
            let is_dark = believed.hosts.get(&vm.host).is_some_and(|host| !host.connected);
            let verdict = self.evidence.get(&vm.host).map_or(HostVerdict::Unknown, |evidence| evidence.verdict(now.mono));
            if is_dark && verdict == HostVerdict::Off {
                vm.power = VmPower::Off;
            }
        }
        self.inventory_failures.remove(&platform);
        self.inventory_findings.insert(platform.clone(), findings);
        let old = self.inventories.insert(platform.clone(), believed);
        let new = self.inventories.get(&platform);
        let same = |old: &Inventory, new: &Inventory| old.vms == new.vms && old.hosts == new.hosts && old.guards == new.guards;
        let has_changed = old.as_ref().zip(new).is_none_or(|(old, new)| !same(old, new));
        self.is_standing_due |= has_changed;
        if has_changed {
            self.learn_needs();
            self.want_plan("what runs where has changed");
            self.add_late_homes(now);
        }
        self.tell_fallen_from_wished(&platform, old.as_ref(), now);
    }

    fn lose_platform(&mut self, platform: PlatformId, failure: Failure) {
        self.stop_unread(&platform);
        if let Some(inventory) = self.inventories.get_mut(&platform) {
            for host in inventory.hosts.values_mut() {
                host.connected = false;
            }
        }
        self.inventory_failures.insert(platform, failure);
    }

    fn hear_host(&mut self, host: HostId, source: &str, is_proof: bool, state: HostPowerState, now: &Now) {
        self.evidence.entry(host).or_default().hear(source, is_proof, state, now.mono);
        self.note_hosts_off(now);
    }

    /// Remembers something done until an inventory read after it tells the same.
    pub(crate) fn patch(&mut self, vm: &VmId, patch: Patch, now: Mono) {
        let known = self.inventories.get_mut(&vm.platform()).and_then(|inventory| inventory.vms.get_mut(vm));
        if let Some(known) = known {
            apply_patch(known, &patch);
        }
        self.patches.entry(vm.clone()).or_default().push((now, patch));
    }

    pub(crate) fn want_plan(&mut self, reason: &str) {
        self.is_plan_due = true;
        reason.clone_into(&mut self.plan_reason);
    }

    pub(crate) fn verdicts(&self, now: Mono) -> BTreeMap<HostId, HostVerdict> {
        let verdict = |id: &HostId| self.evidence.get(id).map_or(HostVerdict::Unknown, |evidence| evidence.verdict(now));
        self.config.topology.hosts.keys().map(|id| (id.clone(), verdict(id))).collect()
    }

    /// What is wrong with what the platforms say now.
    pub(crate) fn platform_findings(&self) -> impl Iterator<Item = &Finding> {
        self.inventory_findings.values().flatten()
    }
}

fn apply_patch(vm: &mut ridethrough_model::Vm, patch: &Patch) {
    match patch {
        Patch::Power(power, host) => {
            vm.power = *power;
            vm.host.clone_from(host);
        }
        Patch::Autostart(enabled) => vm.autostart = Some(*enabled),
    }
}
