//! A drill on paper: a copy of the site is played through a whole outage of one domain, second by second, in a world where
//! everything takes as long as the configuration allows and nothing fails. Touches nothing; may take a while.
//!
//! The battery gives what its UPS states now, less a second each second: what is shed does not lengthen it.

use crate::evidence::HostVerdict;
use crate::hold::Hold;
use crate::input::{Effect, Input, StepReply, TimerCall};
use crate::site::Site;
use ridethrough_model::{
    ActionId, DomainId, DomainMode, DrillPart, Entry, Finding, FindingLevel, HostId, HostPowerState, Inventory, LastResortState,
    LoadId, Millis, Mono, Now, Observed, Op, Progress, Reading, RunId, Started, StatusToken, TaskRef, UpsId, VmPower,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An outage is played for no longer than this.
const OUTAGE_MAX: Millis = Millis::from_secs(6 * 3600);
/// And its return.
const RETURN_MAX: Millis = Millis::from_secs(12 * 3600);
/// How long a VM takes to start; its platform says no better.
const START_TAKES: Millis = Millis::from_secs(20);
/// Between steps while nothing is under way.
const STRIDE: Millis = Millis::from_secs(5);
const SECOND: Millis = Millis::from_secs(1);

struct Stage {
    site: Site,
    now: Now,
    began_at: Mono,
    lost: BTreeSet<UpsId>,
    readings: BTreeMap<UpsId, Reading>,
    is_back: bool,
    inventories: Vec<Inventory>,
    hosts_off: BTreeSet<HostId>,
    loads_off: BTreeSet<LoadId>,
    tasks: BTreeMap<Op, Mono>,
    /// Answers of hooks that are being called.
    calls: Vec<(Mono, Input)>,
    inputs: VecDeque<Input>,
    moved: usize,
    stopped: usize,
    forced: Vec<String>,
    unfit: BTreeSet<String>,
    acted_at: Option<Mono>,
    ended: Option<String>,
}

/// Plays an outage of that domain with what is known now.
#[must_use]
pub fn rehearse(site: &Site, now: &Now, domain: &DomainId) -> DrillPart {
    let mut part = DrillPart { subject: format!("domain {domain}"), ..DrillPart::default() };
    let Some(standing) = site.standing.get(domain) else {
        part.failures.push("there is no standing plan: what runs there is not known".to_owned());
        return part;
    };
    part.failures.extend(standing.lint.iter().filter(|finding| finding.level == FindingLevel::Error).map(words));
    let mut stage = Stage::new(site, now, domain);
    let hosts: Vec<HostId> = site.hosts_of(domain).cloned().collect();
    let runtime = stage.lost.iter().filter_map(|ups| stage.readings.get(ups)?.runtime).min();
    let Some(runtime) = runtime else {
        part.failures.push("no UPS of it says how long its battery lasts".to_owned());
        return part;
    };
    let goes_down = |id: &&HostId| site.config.topology.hosts.get(*id).is_some_and(|host| host.can_shut_down);
    let off_at = stage.until(OUTAGE_MAX.min(runtime), |stage| {
        stage.acted_at.is_some()
            && stage.tasks.is_empty()
            && hosts.iter().filter(goes_down).filter(|id| stage.falls(id)).all(|id| stage.hosts_off.contains(id))
    });
    part.duration = off_at.map(|at| at.since(stage.began_at));
    part.margin = part.duration.map(|took| runtime - took);
    let running = stage.running(&hosts);
    if off_at.is_none() && !running.is_empty() {
        part.failures.push(format!("still running when the battery is empty: {}", running.join(", ")));
    } else if off_at.is_none() {
        part.failures.push("not everything is off when the battery is empty".to_owned());
    }
    part.failures.extend(stage.forced.iter().map(|vm| format!("powered off without a clean end: {vm}")));
    part.failures.extend(stage.unfit.iter().cloned());
    let fallen = hosts.iter().filter(|id| !goes_down(id)).map(HostId::as_str).collect::<Vec<_>>();
    if !fallen.is_empty() {
        part.warnings.push(format!("fall with the battery, as nothing can tell them to shut down: {}", fallen.join(", ")));
    }
    part.notes.push(format!("the battery lasts {runtime} by what its UPS says now"));
    part.notes.extend(stage.acted_at.map(|at| format!("begins to act after {}", at.since(stage.began_at))));
    part.notes.push(format!("{} moved, {} shut down", vms(stage.moved), vms(stage.stopped)));
    if off_at.is_some() {
        stage.come_back(&mut part);
    }
    part
}

fn vms(count: usize) -> String {
    if count == 1 { "1 VM".to_owned() } else { format!("{count} VMs") }
}

fn words(finding: &Finding) -> String {
    format!("{}: {}", finding.subject, finding.message)
}

impl Stage {
    fn new(site: &Site, now: &Now, domain: &DomainId) -> Self {
        let mut copy = site.clone();
        copy.hold = None::<Hold>;
        copy.modes = copy.config.topology.domains.keys().map(|id| (id.clone(), DomainMode::Armed)).collect();
        let lost = copy.config.topology.domains.get(domain).map(|domain| domain.upses.clone()).unwrap_or_default();
        copy.maintenance.retain(|ups, _| !lost.contains(ups));
        let reading = |(id, source): (&UpsId, &crate::SourceState)| {
            let mut reading = source.reading.clone()?;
            let assumed = crate::feed::timing_of(&site.config.topology, id).runtime_assumed;
            reading.runtime = reading.runtime.or(Some(assumed));
            reading.charge = reading.charge.or(Some(ridethrough_model::Ppm::from_percent(100)));
            Some((id.clone(), reading))
        };
        let readings = site.sources.iter().filter_map(reading).collect();
        let off = |id: &&HostId| site.evidence.get(*id).is_some_and(|evidence| evidence.verdict(now.mono) == HostVerdict::Off);
        Self {
            inventories: copy.inventories.values().cloned().collect(),
            hosts_off: copy.config.topology.hosts.keys().filter(off).cloned().collect(),
            site: copy,
            now: now.clone(),
            began_at: now.mono,
            lost,
            readings,
            is_back: false,
            loads_off: BTreeSet::new(),
            tasks: BTreeMap::new(),
            calls: Vec::new(),
            inputs: VecDeque::new(),
            moved: 0,
            stopped: 0,
            forced: Vec::new(),
            unfit: BTreeSet::new(),
            acted_at: None,
            ended: None,
        }
    }

    /// Whether that host's power ends in this outage.
    fn falls(&self, id: &HostId) -> bool {
        let topology = self.site.config.topology.hosts.get(id);
        topology.is_some_and(|host| {
            let alive = host.feeds.iter().filter(|feed| !self.lost.contains(&feed.ups)).count();
            u32::try_from(alive).unwrap_or(u32::MAX) < host.feeds_min.max(1)
        })
    }

    fn running(&self, hosts: &[HostId]) -> Vec<String> {
        let all = self.inventories.iter().flat_map(|inventory| inventory.vms.values());
        let is_there = |vm: &&ridethrough_model::Vm| vm.power.is_active() && hosts.contains(&vm.host) && self.falls(&vm.host);
        all.filter(is_there).map(|vm| vm.name.clone()).collect()
    }

    /// Plays until it is so; returns when. `None`: it has not come to that within the time.
    fn until(&mut self, limit: Millis, is_so: impl Fn(&Self) -> bool) -> Option<Mono> {
        let from = self.now.mono;
        while self.now.mono.since(from) < limit {
            self.pass(if self.tasks.is_empty() && self.calls.is_empty() { STRIDE } else { SECOND });
            if is_so(self) {
                return Some(self.now.mono);
            }
        }
        None
    }

    fn come_back(&mut self, part: &mut DrillPart) {
        self.is_back = true;
        let from = self.now.mono;
        match self.until(RETURN_MAX, |stage| stage.ended.is_some()) {
            Some(at) => {
                part.notes.push(format!("back as before {} after the mains is back, if the charge is enough", at.since(from)))
            }
            None => part.failures.push(format!("it has not come back {RETURN_MAX} after the mains")),
        }
        part.failures.extend(self.ended.take().filter(|end| !end.is_empty()));
    }

    fn pass(&mut self, time: Millis) {
        self.now.mono = self.now.mono + time;
        let at = self.now.mono;
        let due: Vec<Op> = self.tasks.iter().filter(|(_, until)| **until <= at).map(|(op, _)| op.clone()).collect();
        for op in due {
            self.tasks.remove(&op);
            self.happen(&op);
        }
        let (due, later) = std::mem::take(&mut self.calls).into_iter().partition(|(until, _)| *until <= at);
        self.calls = later;
        for (_, reply) in due {
            self.give(reply);
        }
        for (id, reading) in self.readings.clone() {
            let said = self.says(&id, reading);
            self.give(Input::Reading(said));
        }
        for host in self.site.config.topology.hosts.keys().cloned().collect::<Vec<_>>() {
            let said = self.host_says(host);
            self.give(said);
        }
        for load in
            self.site.config.topology.loads.iter().filter(|(_, load)| load.can_see).map(|(id, _)| id.clone()).collect::<Vec<_>>()
        {
            let said = self.load_says(load);
            self.give(said);
        }
        self.look();
        self.give(Input::Tick);
    }

    fn says(&self, id: &UpsId, mut reading: Reading) -> Reading {
        let gone = self.now.mono.since(self.began_at);
        reading.observed_at = self.now.mono;
        if self.lost.contains(id) && !self.is_back {
            for token in [StatusToken::Ol, StatusToken::Chrg] {
                reading.status.0.remove(&token);
            }
            reading.status.0.insert(StatusToken::Ob);
            reading.runtime = reading.runtime.map(|runtime| runtime - gone);
        }
        reading
    }

    fn host_says(&self, host: HostId) -> Input {
        let state = if self.hosts_off.contains(&host) { HostPowerState::Off } else { HostPowerState::On };
        Input::HostPower { host, source: "paper".to_owned(), is_proof: true, state }
    }

    fn load_says(&self, load: LoadId) -> Input {
        let state = if self.loads_off.contains(&load) { HostPowerState::Off } else { HostPowerState::On };
        Input::LoadPower { load, source: "paper".to_owned(), is_proof: true, state }
    }

    fn look(&mut self) {
        for mut seen in self.inventories.clone() {
            seen.observed_at = self.now.mono;
            for host in seen.hosts.values_mut() {
                host.connected = !self.hosts_off.contains(&host.id);
            }
            seen.vms.retain(|_, vm| !self.hosts_off.contains(&vm.host));
            self.give(Input::Inventory(seen));
        }
    }

    fn give(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let effects = self.site.step(&self.now, input);
            for effect in effects {
                self.carry_out(effect);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        let input = match effect {
            Effect::Append(record) => {
                self.note(&record.entry);
                Input::Durable { run: record.run, seq: record.seq }
            }
            Effect::Start { run, action, attempt, op } => return self.start(run, action, attempt, op),
            Effect::Poll { run, action, attempt, op, .. } => {
                let is_running = self.tasks.contains_key(&op);
                let progress = if is_running { Progress::Running { done_ppm: None } } else { Progress::Done { detail: None } };
                Input::Reply { run, action, attempt, reply: StepReply::Polled(Ok(progress)) }
            }
            Effect::Observe { run, action, attempt, .. } => {
                Input::Reply { run, action, attempt, reply: StepReply::Observed(Ok(Observed::Done)) }
            }
            Effect::Timer { host, call } => {
                let state = match call {
                    TimerCall::Set { fires_in, .. } => LastResortState::Set { fires_in },
                    TimerCall::Cancel => LastResortState::Idle,
                };
                Input::Timer { host, call, answer: Ok(state) }
            }
            Effect::ObserveHost(host) => self.host_says(host),
            Effect::ObserveLoad(load) => self.load_says(load),
            Effect::Probe { vm, probe } => Input::Probed { vm, probe, answer: Ok(()) },
            Effect::ReadInventory(_) | Effect::Follow { .. } | Effect::Notify(_) | Effect::Answer(_) => return,
        };
        self.inputs.push_back(input);
    }

    fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::PowerChanged { event: ridethrough_model::PowerEvent::ActingStarted { .. } } => {
                self.acted_at.get_or_insert(self.now.mono);
            }
            Entry::PlanCommitted { report, .. } if !report.fits => {
                let errors = report.findings.iter().filter(|finding| finding.level == FindingLevel::Error);
                self.unfit.extend(errors.map(words));
            }
            Entry::RunEnded { end } => {
                self.ended = Some(match end {
                    ridethrough_model::entry::RunEnd::ReturnedIncomplete(missing) => {
                        format!("does not come back: {}", missing.join("; "))
                    }
                    _ => String::new(),
                });
            }
            _ => {}
        }
    }

    fn start(&mut self, run: RunId, action: ActionId, attempt: u32, op: Op) {
        let state = self.site.run.as_ref().and_then(|run| run.actions.get(&action));
        let budget = state.map_or(SECOND, |state| state.budget);
        let takes = match &op {
            Op::StartVm { .. } => START_TAKES,
            Op::MoveVm { .. } => budget - self.site.config.policy.move_slack,
            Op::SetAutostart { .. } | Op::AbortMove { .. } | Op::PowerOffVm { .. } => Millis::ZERO,
            _ => budget - SECOND,
        };
        let started = Started::Task(TaskRef("paper".to_owned()));
        let reply = Input::Reply { run, action, attempt, reply: StepReply::Started(Ok(started)) };
        if op.hook().is_some() {
            // Its answer is its end.
            return self.calls.push((self.now.mono + takes, reply));
        }
        if takes == Millis::ZERO {
            self.happen(&op);
        } else {
            self.tasks.insert(op, self.now.mono + takes);
        }
        self.inputs.push_back(reply);
    }

    /// The world changes as the operation says.
    fn happen(&mut self, op: &Op) {
        match op {
            Op::ShutDownHost { host } => {
                self.hosts_off.insert(host.clone());
                let vms = self.inventories.iter_mut().flat_map(|inventory| inventory.vms.values_mut());
                vms.filter(|vm| vm.host == *host).for_each(|vm| vm.power = VmPower::Off);
            }
            Op::WakeHost { host } => {
                self.hosts_off.remove(host);
            }
            Op::StopLoad { load } => {
                self.loads_off.insert(load.clone());
            }
            Op::StartLoad { load } => {
                self.loads_off.remove(load);
            }
            _ => self.happen_to_vm(op),
        }
    }

    fn happen_to_vm(&mut self, op: &Op) {
        let Some(id) = op.vm() else { return };
        let Some(vm) = self.inventories.iter_mut().find_map(|inventory| inventory.vms.get_mut(id)) else { return };
        match op {
            Op::MoveVm { to, .. } => {
                vm.host = to.clone();
                self.moved += usize::from(!self.is_back);
            }
            Op::StartVm { .. } => vm.power = VmPower::Running,
            Op::SetAutostart { enabled, .. } => vm.autostart = Some(*enabled),
            Op::PowerOffVm { .. } => {
                if vm.power.is_active() {
                    self.forced.push(vm.name.clone());
                }
                vm.power = VmPower::Off;
            }
            op if op.is_clean_stop() => {
                vm.power = VmPower::Off;
                self.stopped += 1;
            }
            _ => {}
        }
    }
}
