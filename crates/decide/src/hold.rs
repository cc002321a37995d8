//! What people may hold back: `hold` stops the starting of further actions for a time, `abort` until mains is stable or a person
//! says `return`. Both only ever withhold starts: what is in flight settles, and giving up a move is no start.
//!
//! A hold ends by itself at the last safe moment, unless told otherwise. An abort does not: who aborts was told what it costs.
//! Neither outlives a forced shutdown; an abort does not outlive a low battery on battery either, nor another loss of mains.

use crate::domain::DomainPhase;
use crate::evidence::HostVerdict;
use crate::feed::HostRisk;
use crate::input::{CommandReply, Effect};
use crate::plan_outage::host_must_act_at;
use crate::plant::Plant;
use crate::run::Aborted;
use crate::site::Site;
use crate::source::{SourceKind, SourceState};
use ridethrough_model::{Entry, Finding, HostId, Millis, Mono, Notice, Now, Op, PlanCause, Severity, UpsId, VmId};

/// No hold is longer: it is for a person who is there.
const HOLD_MAX: Millis = Millis::from_secs(24 * 3600);
/// A tick: what waiting once more costs.
const TICK: Millis = Millis::from_secs(1);

/// A hold in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// It ends then at the latest.
    pub(crate) until: Mono,
    /// It does not end at the last safe moment.
    pub(crate) even_if_lost: bool,
    /// Who asked.
    pub(crate) by: String,
}

/// A hold, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// Time until it ends by itself: its length or the last safe moment, whichever comes first.
    pub ends_in: Millis,
    /// Time until the last safe moment of the first host whose power ends; `None` while none is at risk.
    pub last_safe_in: Option<Millis>,
    /// That host.
    pub last_safe_host: Option<HostId>,
    /// It does not end at the last safe moment.
    pub even_if_lost: bool,
    /// Who asked.
    pub by: String,
}

/// An abort, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbortView {
    /// Nothing comes back before a person says `return`; otherwise everything does once mains is stable.
    pub until_return: bool,
    /// Who asked.
    pub by: String,
}

impl Site {
    /// Whether a person holds the run back, one way or the other.
    pub(crate) fn is_restrained(&self) -> bool {
        self.hold.is_some() || self.run.as_ref().is_some_and(|run| run.aborted.is_some())
    }

    /// Whether an operation of that kind must not be started now.
    pub(crate) fn withholds(&self, op: &Op) -> bool {
        match op {
            // It leaves a VM where it is.
            Op::AbortMove { .. } | Op::AbortSuspend { .. } => false,
            Op::FinishMove { .. }
            | Op::SuspendVm { .. }
            | Op::ShutDownVm { .. }
            | Op::PowerOffVm { .. }
            | Op::StartVm { .. }
            | Op::MoveVm { .. }
            | Op::SetAutostart { .. }
            | Op::ShutDownHost { .. }
            | Op::WakeHost { .. }
            | Op::StopLoad { .. }
            | Op::StartLoad { .. }
            | Op::CallHook { .. }
            | Op::DisarmGuard { .. }
            | Op::RestoreGuard { .. } => self.is_restrained() && !self.is_planted(Plant::HoldIgnored),
        }
    }

    /// The moment from which a hold would cost a clean stop, and on which host: only of hosts that would really be acted on.
    pub(crate) fn last_safe_of_hold(&self, now: Mono) -> Option<(Mono, HostId)> {
        let snapshot = self.snapshot(now, PlanCause::Standing);
        let mut earliest: Option<(Mono, HostId)> = None;
        for (id, topology) in &self.config.topology.hosts {
            let HostRisk::AtRisk { ends_at, upses, .. } = snapshot.host_risk(id) else { continue };
            let domains: Vec<_> = snapshot.domains_of(&upses).collect();
            let is_armed = !domains.is_empty() && domains.iter().all(|domain| snapshot.armed.contains(*domain));
            let in_maintenance = upses.iter().any(|ups| self.maintenance.contains_key(ups));
            if !is_armed || in_maintenance || snapshot.hosts.get(id) == Some(&HostVerdict::Off) {
                continue;
            }
            let at = host_must_act_at(&snapshot, id, topology, ends_at);
            if earliest.as_ref().is_none_or(|(known, _)| at < *known) {
                earliest = Some((at, id.clone()));
            }
        }
        earliest
    }

    fn ups_that(&self, says: impl Fn(&SourceState) -> bool) -> Option<&UpsId> {
        self.sources.iter().find(|(_, source)| says(source)).map(|(id, _)| id)
    }

    /// Ends what must not go on. Before anything is decided in a step.
    pub(crate) fn lift_restraints(&mut self, now: &Now) {
        if let Some(reason) = self.reason_to_end_hold(now.mono) {
            let is_over = self.hold.as_ref().is_some_and(|hold| now.mono >= hold.until);
            self.end_hold(reason.clone(), now);
            if !is_over {
                let text = format!("The hold has lifted itself: {reason}. The run goes on.");
                self.notice(Severity::Alarm, Some("RT0440"), text, now);
            }
        }
        if let Some(reason) = self.reason_to_end_abort() {
            self.end_abort(reason, now);
        }
    }

    fn reason_to_end_hold(&self, now: Mono) -> Option<String> {
        let hold = self.hold.as_ref()?;
        let is_ordered = |source: &SourceState| source.is_forced() && !self.is_planted(Plant::ForcedShutdownHeld);
        if let Some(ups) = self.ups_that(is_ordered) {
            return Some(format!("UPS {ups} orders a forced shutdown"));
        }
        if now >= hold.until {
            return Some("its time is over".to_owned());
        }
        if hold.even_if_lost || self.is_planted(Plant::HoldForEver) {
            return None;
        }
        if let Some(ups) = self.ups_that(|source| source.kind == SourceKind::LowBattery) {
            return Some(format!("UPS {ups} says its battery is low"));
        }
        let (at, host) = self.last_safe_of_hold(now)?;
        (now + TICK >= at).then(|| format!("the last safe moment of host {host} has come"))
    }

    fn reason_to_end_abort(&self) -> Option<String> {
        let aborted = self.run.as_ref()?.aborted.as_ref()?;
        if let Some(ups) = self.ups_that(SourceState::is_forced) {
            return Some(format!("UPS {ups} orders a forced shutdown"));
        }
        if let Some(ups) = self.ups_that(|source| source.kind == SourceKind::LowBattery) {
            return Some(format!("UPS {ups} says its battery is low"));
        }
        (!aborted.until_return && self.is_stable()).then(|| "mains is stable".to_owned())
    }

    /// Whether mains is back for good in every domain.
    fn is_stable(&self) -> bool {
        let is_settled = |phase, is_stable| phase == DomainPhase::Online || phase == DomainPhase::Returning && is_stable;
        !self.is_on_battery() && self.domains.values().all(|state| is_settled(state.phase, state.is_stable))
    }

    fn end_hold(&mut self, reason: String, now: &Now) {
        self.hold = None;
        self.want_plan("a hold has ended");
        self.append_site(Entry::HoldEnded { reason }, now);
    }

    /// Lets an aborted run go on, and says so. Nothing where none is aborted.
    pub(crate) fn end_abort(&mut self, reason: String, now: &Now) {
        if self.run.as_ref().is_none_or(|run| run.aborted.is_none()) {
            return;
        }
        self.want_plan("an abort has ended");
        let text = format!("The abort has ended: {reason}. The run goes on.");
        self.append(Entry::AbortEnded { reason }, now);
        self.out.push(Effect::Notify(Notice { severity: Severity::Warning, code: Some("RT0443".to_owned()), text }));
    }

    pub(crate) fn begin_hold(&mut self, duration: Millis, even_if_lost: bool, by: String, now: &Now) -> CommandReply {
        if let Some(refusal) = self.hold_refusal(duration, even_if_lost, now.mono) {
            return CommandReply::Refused(vec![refusal]);
        }
        self.hold = Some(Hold { until: now.mono + duration, even_if_lost, by: by.clone() });
        self.append_site(Entry::HoldBegun { duration, even_if_lost, by: by.clone() }, now);
        self.want_plan("a hold has begun");
        let text = if even_if_lost {
            format!("{by} holds the run for {duration}, EVEN IF VMs ARE LOST: only a forced shutdown goes through.")
        } else {
            format!("{by} holds the run for {duration}, at most to the last safe moment.")
        };
        let severity = if even_if_lost { Severity::Alarm } else { Severity::Warning };
        self.out.push(Effect::Notify(Notice { severity, code: Some("RT0440".to_owned()), text }));
        CommandReply::Done(self.hold_warnings(even_if_lost, now.mono))
    }

    fn hold_refusal(&self, duration: Millis, even_if_lost: bool, now: Mono) -> Option<Finding> {
        let refuse = |message: String, remedy: &str| Some(Finding::error("RT0441", "hold", message, remedy));
        if duration == Millis::ZERO || duration > HOLD_MAX {
            let message = format!("{duration} is no length for a hold: it must end by itself within {HOLD_MAX}.");
            return refuse(message, "Ask for less, and again when it is over.");
        }
        if let Some(ups) = self.ups_that(SourceState::is_forced) {
            let message = format!("UPS {ups} orders a forced shutdown, and that is never held.");
            return refuse(message, "Cancel the order at the UPS or at the master that gave it.");
        }
        if even_if_lost {
            return None;
        }
        if let Some(ups) = self.ups_that(|source| source.kind == SourceKind::LowBattery) {
            let message = format!("UPS {ups} says its battery is low: there is no time left to hold.");
            return refuse(message, "With --even-if-lost it is held all the same, and what runs may be lost.");
        }
        let (at, host) = self.last_safe_of_hold(now)?;
        if now + TICK < at {
            return None;
        }
        let message = format!("The last safe moment of host {host} has come: a hold would lift itself at once.");
        refuse(message, "With --even-if-lost it is held all the same, and what runs may be lost.")
    }

    fn hold_warnings(&self, even_if_lost: bool, now: Mono) -> Vec<Finding> {
        let timers = self.timers_given_up("RT0440").filter(|_| even_if_lost);
        let Some((at, host)) = self.last_safe_of_hold(now) else { return timers.collect() };
        let left = at.since(now);
        let (message, remedy) = if even_if_lost {
            (
                format!(
                    "In {left} its last safe moment comes. The hold stays, and what runs there then may lose its power uncleanly."
                ),
                "End it in time with `ridethrough hold --release`.",
            )
        } else {
            (
                format!("In {left} its last safe moment comes: then the hold lifts itself and the run goes on."),
                "Nothing to do; `ridethrough hold --release` ends it earlier.",
            )
        };
        [Finding::warning("RT0440", format!("host {host}"), message, remedy)].into_iter().chain(timers).collect()
    }

    /// Hosts whose last resort goes too: what a person holds against everything must not be done by a timer.
    fn timers_given_up(&self, code: &'static str) -> impl Iterator<Item = Finding> {
        let message = "The dead-man timer on it is cancelled: nothing stops it before its battery ends.";
        let remedy = "It is set again as soon as the run goes on.";
        self.timers.keys().map(move |host| Finding::warning(code, format!("host {host}"), message, remedy))
    }

    pub(crate) fn release_hold(&mut self, by: &str, now: &Now) -> CommandReply {
        if self.hold.is_none() {
            let remedy = "Nothing to do: whatever is to be started is started.";
            return CommandReply::Refused(vec![Finding::error("RT0441", "hold", "No hold is in force.", remedy)]);
        }
        self.end_hold(format!("released by {by}"), now);
        CommandReply::Done(Vec::new())
    }

    pub(crate) fn abort_run(&mut self, by: String, now: &Now) -> CommandReply {
        let refuse =
            |message: &str, remedy: &str| CommandReply::Refused(vec![Finding::error("RT0442", "abort", message, remedy)]);
        let Some(run) = &self.run else {
            return refuse("No run is open: there is nothing to abort.", "To keep one from acting, use `ridethrough hold`.");
        };
        if run.aborted.is_some() {
            return refuse("The run is aborted already.", "`ridethrough return` lets it go on.");
        }
        if let Some(ups) = self.ups_that(SourceState::is_emergency) {
            let message = format!("UPS {ups} orders everything down, or says its battery is low: that is never aborted.");
            return refuse(&message, "Let it finish; everything comes back when the mains is stable.");
        }
        let until_return = self.is_stable();
        self.append(Entry::RunAborted { until_return, by: by.clone() }, now);
        self.want_plan("the run was aborted");
        let what = if until_return { "nothing more comes back before a person says `return`" } else { "nothing more is started" };
        let text = format!("{by} has aborted the run: {what}.");
        self.out.push(Effect::Notify(Notice { severity: Severity::Alarm, code: Some("RT0443".to_owned()), text }));
        CommandReply::Done(self.stays(until_return))
    }

    /// What an abort leaves as it is.
    fn stays(&self, until_return: bool) -> Vec<Finding> {
        let Some(run) = &self.run else { return Vec::new() };
        let remedy = if until_return { "`ridethrough return` brings it back." } else { "It comes back once mains is stable." };
        let name = |vm: &VmId| run.homes.get(vm).map_or_else(|| vm.to_string(), |home| home.name.clone());
        let vms = run.stopped.iter().map(|vm| (format!("VM {}", name(vm)), "It stays stopped."));
        let moved = run.moved.iter().map(|vm| (format!("VM {}", name(vm)), "It stays where it was moved to."));
        let hosts = run.hosts_down.iter().map(|host| (format!("host {host}"), "It stays down."));
        let stays = vms.chain(moved).chain(hosts).map(|(subject, message)| Finding::warning("RT0443", subject, message, remedy));
        let guards = run.guards.values().map(|held| {
            let message = format!("It stays disarmed; it was {} before.", held.value);
            Finding::warning("RT0443", held.name.clone(), message, remedy)
        });
        stays.chain(guards).chain(self.timers_given_up("RT0443")).collect()
    }

    pub(crate) fn resume_run(&mut self, by: &str, now: &Now) -> CommandReply {
        if self.run.as_ref().is_none_or(|run| run.aborted.is_none()) {
            let remedy = "Nothing to do: what is missing comes back by itself once mains is stable and the charge is enough.";
            return CommandReply::Refused(vec![Finding::error("RT0442", "return", "No run is aborted.", remedy)]);
        }
        self.end_abort(format!("{by} said so"), now);
        CommandReply::Done(Vec::new())
    }

    pub(crate) fn hold_view(&self, now: Mono) -> Option<HoldView> {
        let hold = self.hold.as_ref()?;
        let last_safe = self.last_safe_of_hold(now);
        let left = hold.until.since(now);
        let last_safe_in = last_safe.as_ref().map(|(at, _)| at.since(now));
        let ends_in = last_safe_in.filter(|_| !hold.even_if_lost).map_or(left, |safe| safe.min(left));
        let last_safe_host = last_safe.map(|(_, host)| host);
        Some(HoldView { ends_in, last_safe_in, last_safe_host, even_if_lost: hold.even_if_lost, by: hold.by.clone() })
    }
}

impl From<&Aborted> for AbortView {
    fn from(aborted: &Aborted) -> Self {
        Self { until_return: aborted.until_return, by: aborted.by.clone() }
    }
}
