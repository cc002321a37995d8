//! From edges of power to runs: an incident opens, domains act, plans follow the facts, the run ends.

use crate::domain::{DomainPhase, DomainState};
use crate::plan::{differs, plan};
use crate::plan_back::{is_past_latest, missing};
use crate::plant::Plant;
use crate::run::{ActionPhase, RunState};
use crate::site::{Live, Site};
use crate::snapshot::{Snapshot, Want};
use crate::source::SourceKind;
use ridethrough_model::entry::{Home, RunEnd};
use ridethrough_model::plan::Gate;
use ridethrough_model::{
    Action, ActionId, DomainId, DomainMode, Entry, Millis, Mono, Now, Op, PlanCause, PlanReport, PowerEvent, Record, Severity,
    UpsId, VmId,
};
use std::collections::{BTreeMap, BTreeSet};

/// A tick: what waiting once more costs.
const TICK: Millis = Millis::from_secs(1);

impl Site {
    pub(crate) fn take_edges(&mut self, edges: Vec<PowerEvent>, now: &Now) {
        for event in edges {
            match &event {
                PowerEvent::MainsLost { .. } => self.open_run(now),
                PowerEvent::Silent { ups, was_on_battery, .. } => {
                    let code = if *was_on_battery { "RT0406" } else { "RT0405" };
                    self.notice_once(&format!("silent {ups}"), Severity::Alarm, Some(code), format!("{event}."), now);
                }
                PowerEvent::Overloaded { ups, .. } => {
                    self.notice_once(&format!("overloaded {ups}"), Severity::Alarm, Some("RT0474"), format!("{event}."), now);
                }
                PowerEvent::Heard { ups } => {
                    self.told.remove(&format!("silent {ups}"));
                }
                _ => {}
            }
            self.want_plan(&event.to_string());
            let lost = if let PowerEvent::MainsLost { ups, .. } = &event { Some(ups.clone()) } else { None };
            let back = if let PowerEvent::MainsBack { ups } = &event { Some(ups.clone()) } else { None };
            self.append(Entry::PowerChanged { event }, now);
            if let Some(ups) = back {
                self.end_metering(&ups, now);
            }
            if let Some(ups) = lost {
                self.begin_metering(&ups, now);
                self.tell_overloads(&ups, now);
                self.end_abort(format!("mains was lost at UPS {ups} after it"), now);
            }
        }
    }

    pub(crate) fn note_domains(&mut self, now: &Now) {
        for (id, domain) in &self.config.topology.domains {
            let kinds = || domain.upses.iter().filter_map(|ups| self.sources.get(ups)).map(|source| source.kind);
            let any_on_battery = kinds().any(SourceKind::is_on_battery);
            let all_on_mains = kinds().all(|kind| matches!(kind, SourceKind::Online | SourceKind::Bypass));
            if let Some(state) = self.domains.get_mut(id) {
                let before = state.phase;
                state.note(any_on_battery, all_on_mains, now.mono);
                self.is_plan_due |= before != state.phase;
            }
        }
    }

    /// A run opens with the first UPS on battery, and remembers what ran where.
    pub(crate) fn open_incident(&mut self, now: &Now) {
        if self.is_on_battery() {
            self.open_run(now);
        }
    }

    fn open_run(&mut self, now: &Now) {
        if self.run.is_some() {
            return;
        }
        self.incident += 1;
        self.ids.plan_next = 1;
        self.ids.action_next = 1;
        self.run = Some(RunState::new(self.ids.run(), self.incident));
        self.live.clear();
        let homes = self.homes();
        let loads = self.sources.iter().filter_map(|(id, source)| Some((id.clone(), source.reading.as_ref()?.load?))).collect();
        self.append(Entry::IncidentOpened { homes, loads }, now);
    }

    /// Everything that runs now, and where.
    fn homes(&self) -> BTreeMap<VmId, Home> {
        let vms = self.inventories.values().flat_map(|inventory| inventory.vms.values());
        vms.filter(|vm| vm.power.is_active())
            .map(|vm| {
                let rank = self.config.policy.rank_of(vm);
                let autostart = vm.autostart.filter(|_| !self.is_planted(Plant::GuardNotPutBack));
                let home = Home { name: vm.name.clone(), host: vm.host.clone(), rank, autostart };
                (vm.id.clone(), home)
            })
            .collect()
    }

    /// VMs seen for the first time during the incident join what is to be brought back.
    pub(crate) fn add_late_homes(&mut self, now: &Now) {
        let Some(run) = &self.run else { return };
        let late: Vec<(VmId, Home)> = self.homes().into_iter().filter(|(vm, _)| !run.homes.contains_key(vm)).collect();
        for (vm, home) in late {
            self.append(Entry::HomeAdded { vm, home }, now);
        }
    }

    pub(crate) fn change_phases(&mut self, now: &Now) {
        let ids: Vec<DomainId> = self.domains.keys().cloned().collect();
        for id in ids {
            let Some(state) = self.domains.get(&id) else { continue };
            match state.phase {
                DomainPhase::OnBattery => {
                    if let Some(reason) = self.reason_to_act(&id, now.mono) {
                        self.set(&id, |state| {
                            state.phase = DomainPhase::Acting;
                            state.acting_since.get_or_insert(now.mono);
                        });
                        self.want_plan(&reason);
                        self.append(Entry::PowerChanged { event: PowerEvent::ActingStarted { domain: id, reason } }, now);
                    }
                }
                DomainPhase::Returning if !state.is_stable => {
                    let stable_after = self.config.topology.domains.get(&id).map_or(Millis::ZERO, |d| d.timing.mains_stable);
                    let is_at_once = state.mains_since.is_some() && self.is_planted(Plant::MainsStableAtOnce);
                    if is_at_once || state.mains_since.is_some_and(|since| now.mono.since(since) >= stable_after) {
                        self.set(&id, |state| state.is_stable = true);
                        self.want_plan("mains is stable");
                        self.append(Entry::PowerChanged { event: PowerEvent::MainsStable { domain: id } }, now);
                    }
                }
                _ => {}
            }
        }
    }

    fn set(&mut self, id: &DomainId, change: impl FnOnce(&mut DomainState)) {
        if let Some(state) = self.domains.get_mut(id) {
            change(state);
        }
    }

    /// Why that domain must act now, if it must.
    fn reason_to_act(&self, id: &DomainId, now: Mono) -> Option<String> {
        let domain = self.config.topology.domains.get(id)?;
        let state = self.domains.get(id)?;
        if self.is_awaiting() || self.is_cut_off() {
            return None;
        }
        let on_battery: Vec<&UpsId> =
            domain.upses.iter().filter(|ups| self.sources.get(*ups).is_some_and(|source| source.kind.is_on_battery())).collect();
        let emergency = on_battery.iter().find(|ups| self.sources.get(**ups).is_some_and(|source| source.is_emergency()));
        if let Some(ups) = emergency {
            let words = self.sources.get(*ups).map_or("", |source| source.kind.words());
            return Some(format!("UPS {ups} says: {words}"));
        }
        if self.is_restrained() || on_battery.iter().all(|ups| self.maintenance.contains_key(*ups)) {
            return None;
        }
        let overloaded = on_battery.iter().find(|ups| self.sources.get(**ups).is_some_and(|source| source.is_overloaded()));
        if let Some(ups) = overloaded.filter(|_| !self.is_planted(Plant::OverloadIgnored)) {
            return Some(format!("UPS {ups} carries more than it is built for: it may switch off before its battery ends"));
        }
        let on_battery_for = state.on_battery_for(now);
        if on_battery_for >= domain.timing.ride_through || self.is_planted(Plant::NoRideThrough) {
            return Some(format!("on battery for {on_battery_for}, the ride-through of {} is over", domain.timing.ride_through));
        }
        let must_act = self.must_act(id, now)?;
        (now + TICK >= must_act).then(|| "waiting any longer would leave too little battery for a clean stop".to_owned())
    }

    /// Every UPS is silent and no platform answers: then we are cut off, and it is the hosts' last resort's turn.
    pub(crate) fn is_cut_off(&self) -> bool {
        let is_silent = |kind: SourceKind| matches!(kind, SourceKind::SilentOnBattery | SourceKind::SilentOnMains);
        let all_silent = !self.sources.is_empty() && self.sources.values().all(|source| is_silent(source.kind));
        let hosts = || self.inventories.values().flat_map(|inventory| inventory.hosts.values());
        all_silent && !hosts().any(|host| host.connected)
    }

    /// Makes a plan from the facts; brings it into force if it says something new; ends the run if nothing is left to do.
    pub(crate) fn replan(&mut self, now: &Now) {
        if self.run.is_none() || self.is_awaiting() {
            return;
        }
        if self.is_cut_off() {
            let text = "Every UPS is silent and no platform answers: the controller is cut off. Nothing is started; the hosts' last resort must act.";
            self.notice_once("cut off", Severity::Alarm, Some("RT0407"), text.to_owned(), now);
            return;
        }
        self.told.remove("cut off");
        self.settle_guards(now);
        let Some(run) = &self.run else { return };
        let snapshot = self.snapshot(now.mono, PlanCause::Standing);
        let cause = cause(&snapshot, run, &self.plan_reason);
        let snapshot = Snapshot { cause, ..snapshot };
        let mut ids = self.ids.clone();
        let (new, report) = plan(&snapshot, &mut ids);
        let is_moot = |action: &Action| is_moot(&snapshot, run, action);
        let is_news = run.plan.as_ref().map_or(!new.actions.is_empty(), |old| differs(old, &new, is_moot));
        let end = self.end_of_run(&snapshot, run, &new.actions, &report);
        let findings = report.findings.clone();
        if is_news {
            self.ids = ids;
            self.append(Entry::PlanCommitted { plan: Box::new(new), report: Box::new(report) }, now);
        }
        for finding in findings {
            let severity =
                if finding.level == ridethrough_model::FindingLevel::Error { Severity::Alarm } else { Severity::Warning };
            let text = format!("{}: {} {}", finding.subject, finding.message, finding.remedy);
            self.notice_once(&format!("{} {}", finding.code, finding.subject), severity, Some(&finding.code), text, now);
        }
        if let Some(end) = end {
            self.end_run(end, now);
        }
    }

    fn end_of_run(
        &self,
        snapshot: &Snapshot<'_>,
        run: &RunState,
        actions: &BTreeMap<ActionId, Action>,
        report: &PlanReport,
    ) -> Option<RunEnd> {
        let is_over = |state: &DomainState| match state.phase {
            DomainPhase::Online => true,
            DomainPhase::Returning => state.is_stable,
            DomainPhase::OnBattery | DomainPhase::Acting => false,
        };
        // A UPS outside every domain still holds the run open while it is on battery.
        if self.is_on_battery() || !self.domains.values().all(is_over) || run.actions.values().any(|action| action.is_in_flight())
        {
            return None;
        }
        if self.is_planted(Plant::EndsTooEarly) && !run.is_untouched() {
            return Some(RunEnd::Returned);
        }
        let is_left = |id: &ActionId| run.actions.get(id).is_none_or(|action| !action.is_failed_for_good());
        let is_past_latest = is_past_latest(snapshot);
        let hopeless = self.hopeless(snapshot, run, actions, is_past_latest);
        if actions.values().any(|action| !action.observe_only && is_left(&action.id) && !hopeless.contains(&action.id)) {
            return None;
        }
        if (!report.waiting.is_empty() || self.is_wondering(snapshot.now) || !self.unready().is_empty()) && !is_past_latest {
            return None;
        }
        if run.is_untouched() {
            let has_planned = run.plan.is_some();
            return Some(if has_planned { RunEnd::ObservedOnly } else { RunEnd::NothingTouched });
        }
        let missing = missing(snapshot);
        Some(if missing.is_empty() { RunEnd::Returned } else { RunEnd::ReturnedIncomplete(missing) })
    }

    /// What of a plan nothing can begin any more: its host does not come. When it is late, what waits for such an action is lost with
    /// it, and a hook about what does not come is not called.
    fn hopeless(
        &self,
        snapshot: &Snapshot<'_>,
        run: &RunState,
        actions: &BTreeMap<ActionId, Action>,
        is_past_latest: bool,
    ) -> BTreeSet<ActionId> {
        let is_woken = |host: &ridethrough_model::HostId| {
            actions
                .values()
                .any(|action| !action.observe_only && matches!(&action.op, Op::WakeHost { host: woken } if woken == host))
        };
        let is_late = |host: &ridethrough_model::HostId| is_past_latest && !snapshot.is_ready(host) && !is_woken(host);
        let is_gone = |gate: &Gate| matches!(gate, Gate::HostReady(host) if self.is_lost(host, run, snapshot) || is_late(host));
        let mut hopeless: BTreeSet<ActionId> =
            actions.values().filter(|action| action.gates_hard.iter().any(is_gone)).map(|action| action.id).collect();
        if !is_past_latest || hopeless.is_empty() {
            return hopeless;
        }
        loop {
            let waits = |gate: &Gate| matches!(gate, Gate::Settled(other) | Gate::Done(other) if hopeless.contains(other));
            let is_stuck =
                |action: &&Action| action.op.hook().is_some() || action.gates.iter().chain(&action.gates_hard).any(waits);
            let more: Vec<ActionId> = actions.values().filter(is_stuck).map(|action| action.id).collect();
            let before = hopeless.len();
            hopeless.extend(more);
            if hopeless.len() == before {
                return hopeless;
            }
        }
    }

    /// A host that was to be woken and did not come, or that nothing here can wake.
    fn is_lost(&self, host: &ridethrough_model::HostId, run: &RunState, snapshot: &Snapshot<'_>) -> bool {
        let is_out_of_reach = snapshot.topology.hosts.get(host).is_none_or(|topology| !topology.can_wake);
        if is_out_of_reach && !snapshot.is_ready(host) {
            return true;
        }
        run.actions
            .values()
            .any(|action| matches!(&action.op, Op::WakeHost { host: woken } if woken == host) && action.is_failed_for_good())
    }

    fn end_run(&mut self, end: RunEnd, now: &Now) {
        if let RunEnd::ReturnedIncomplete(missing) = &end {
            let text = format!("Not everything came back: {}.", missing.join("; "));
            self.notice(Severity::Alarm, Some("RT0408"), text, now);
        }
        self.tell_in_short(now);
        self.append(Entry::RunEnded { end }, now);
        self.run = None;
        self.meters.clear();
        self.live.clear();
        self.off_since.clear();
        self.waiting.clear();
        self.told.clear();
        // What was patched stays until an inventory is newer: one that is under way may still tell of before.
        let is_kept = self.is_planted(Plant::LastOutageCounts);
        for state in self.domains.values_mut() {
            let on_battery_before = if is_kept { state.on_battery_before } else { Millis::ZERO };
            *state = DomainState { on_battery_before, ..DomainState::default() };
        }
        self.is_standing_due = true;
    }

    /// Goes on with a run that was found in the journal.
    pub(crate) fn resume(&mut self, mut run: RunState, records: &[Record], now: &Now) {
        Self::restart_clocks(&mut run, records, now);
        let last = records.last();
        let same_boot = last.is_some_and(|record| record.at.boot_id == now.boot_id);
        for (ups, since) in &run.lost {
            let deadline = run.plan.as_ref().and_then(|plan| plan.deadlines.get(ups)).filter(|_| same_boot).copied();
            if let Some(source) = self.sources.get_mut(ups) {
                source.resume_on_battery(now.mono, same_boot.then_some(*since), deadline, run.forced.contains(ups));
                self.awaiting.insert(ups.clone());
            }
        }
        // Every UPS must be heard before anything goes on: mains may have come back meanwhile, or been lost elsewhere.
        self.awaiting.extend(self.sources.keys().cloned());
        for (id, domain) in &self.config.topology.domains {
            let lost: Vec<Mono> = domain.upses.iter().filter_map(|ups| run.lost.get(ups)).copied().collect();
            let has_acted = run.acted.contains(id);
            let Some(state) = self.domains.get_mut(id) else { continue };
            if has_acted || !same_boot {
                state.on_battery_before = domain.timing.ride_through;
            }
            if !lost.is_empty() {
                let since = lost.iter().min().copied().filter(|_| same_boot).unwrap_or(now.mono);
                state.on_battery_since = Some(since);
                state.phase = if has_acted { DomainPhase::Acting } else { DomainPhase::OnBattery };
            } else if has_acted || domain.upses.iter().any(|ups| run.loads.contains_key(ups)) {
                state.phase = DomainPhase::Returning;
            }
            state.acting_since = has_acted.then_some(now.mono);
        }
        let ambiguous: Vec<ActionId> =
            run.actions.iter().filter(|(_, action)| action.is_in_flight()).map(|(id, _)| *id).collect();
        for id in &ambiguous {
            let has_task = matches!(run.actions.get(id).map(|a| &a.phase), Some(ActionPhase::Accepted(_)));
            let live = Live { is_ambiguous: !has_task, attempt_at: now.mono, is_doubted: true, ..Live::default() };
            self.live.insert(*id, live);
        }
        self.run = Some(run);
        self.append(Entry::Recovered { ambiguous }, now);
    }

    /// When something was begun under another boot's clock is not known: what is under way counts from now, what is over is past.
    fn restart_clocks(run: &mut RunState, records: &[Record], now: &Now) {
        for record in records.iter().filter(|record| record.at.boot_id != now.boot_id) {
            let Entry::Intended { action, .. } = &record.entry else { continue };
            let Some(state) = run.actions.get_mut(action) else { continue };
            state.since = Some(if state.is_in_flight() { now.mono } else { Mono::default() });
        }
    }

    /// Hosts that lost their power or went down during the incident, whoever did it: their VMs are off, and they are brought back.
    pub(crate) fn note_hosts_off(&mut self, now: &Now) {
        let Some(run) = &self.run else { return };
        let is_news = |id: &ridethrough_model::HostId| {
            let is_waking =
                || run.actions.values().any(|a| matches!(&a.op, Op::WakeHost { host } if host == id) && a.is_in_flight());
            let mut vms = self.inventories.values().flat_map(|inventory| inventory.vms.values());
            let mut has_vms = || vms.any(|vm| vm.host == *id && vm.power.is_active());
            self.is_proven_off(id, now.mono)
                && (!run.hosts_down.contains(id) || has_vms())
                && !is_waking()
                && self.is_concerned(id)
        };
        let off: Vec<_> = self.config.topology.hosts.keys().filter(|id| is_news(id)).cloned().collect();
        for host in off {
            let proof = self.evidence.get(&host).map(crate::evidence::HostEvidence::proof).unwrap_or_default();
            self.host_is_off(&host, proof, now);
        }
    }
}

fn cause(snapshot: &Snapshot<'_>, run: &RunState, reason: &str) -> PlanCause {
    let wants = || snapshot.wants.values();
    if wants().any(|want| matches!(want, Want::Save { .. })) {
        return if run.plan.is_some() { PlanCause::FactsChanged(reason.to_owned()) } else { PlanCause::Outage };
    }
    if wants().any(|want| matches!(want, Want::Return { .. })) { PlanCause::Return } else { PlanCause::MainsBack }
}

/// A step of the plan in force that nobody misses: it is done, or its VM is off already.
fn is_moot(snapshot: &Snapshot<'_>, run: &RunState, action: &Action) -> bool {
    let is_over =
        run.actions.get(&action.id).is_some_and(|state| matches!(state.phase, ActionPhase::Done | ActionPhase::Dropped(_)));
    let is_off = action.op.is_stop() && action.op.vm().and_then(|vm| snapshot.vm(vm)).is_some_and(|vm| !vm.power.is_active());
    is_over || is_off
}

/// Whether a domain acts or observes.
impl Site {
    pub(crate) fn mode(&self, domain: &DomainId) -> DomainMode {
        self.modes.get(domain).copied().unwrap_or_default()
    }
}
