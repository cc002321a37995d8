//! A load that is told to stop or to start: what its replies mean, when it counts as off, when as on.
//!
//! Off is what a probe proves. One that only stopped answering, after it was told to stop and had accepted, is named so and never
//! called off; where nothing says anything of it, the stop fails and a person is told.

use crate::actions::OBSERVE_EVERY;
use crate::evidence::HostVerdict;
use crate::input::{Effect, StepReply};
use crate::run::{ActionPhase, ActionState};
use crate::site::Site;
use ridethrough_model::entry::Outcome;
use ridethrough_model::{
    ActionId, Entry, Failure, FailureKind, HostId, HostPowerState, LoadId, Millis, Mono, Now, Op, Severity, Started, TaskRef,
    TookEffect,
};
use std::collections::BTreeMap;

/// So long must a load that answered before say nothing before it counts as having stopped answering.
const QUIET: Millis = Millis::from_secs(20);
/// It must have answered within this time before it was told to stop; otherwise its silence says nothing.
const ANSWERED: Millis = Millis::from_secs(90);

impl Site {
    pub(crate) fn hear_load(&mut self, load: LoadId, source: &str, is_proof: bool, state: HostPowerState, now: &Now) {
        if self.config.topology.loads.contains_key(&load) {
            self.load_evidence.entry(load).or_default().hear(source, is_proof, state, now.mono);
        }
    }

    pub(crate) fn load_verdicts(&self, now: Mono) -> BTreeMap<LoadId, HostVerdict> {
        self.load_evidence.iter().map(|(id, evidence)| (id.clone(), evidence.verdict(now))).collect()
    }

    pub(crate) fn is_proven_off(&self, host: &HostId, now: Mono) -> bool {
        self.evidence.get(host).is_some_and(|evidence| evidence.verdict(now) == HostVerdict::Off)
    }

    /// Whether a load can be stood on: seen on, not being stopped, and started where we stopped it. Of one that nothing can see, that
    /// it is not stopped must do.
    pub(crate) fn is_load_ready(&self, load: &LoadId, now: Mono) -> bool {
        let Some(topology) = self.config.topology.loads.get(load) else { return true };
        let is_changing = |op: &Op| match op {
            Op::StopLoad { load: one } => one == load,
            Op::StartLoad { load: one } => one == load && !topology.can_see,
            _ => false,
        };
        let mut actions = self.run.iter().flat_map(|run| run.actions.values());
        if actions.any(|action| action.is_in_flight() && is_changing(&action.op)) {
            return false;
        }
        let is_down = self.run.as_ref().is_some_and(|run| run.loads_down.contains(load));
        if is_down && topology.can_start {
            return false;
        }
        !topology.can_see || self.load_evidence.get(load).is_some_and(|evidence| evidence.verdict(now) == HostVerdict::On)
    }

    /// Proof must be younger than the deed.
    pub(crate) fn forget_load(&mut self, op: &Op) {
        if let Some(evidence) = op.load().and_then(|load| self.load_evidence.get_mut(load)) {
            evidence.forget();
        }
    }

    pub(crate) fn take_load_reply(&mut self, action: ActionId, attempt: u32, has_task: bool, reply: StepReply, now: &Now) {
        let live = self.live.entry(action).or_default();
        live.asked_at = None;
        match reply {
            StepReply::Started(Ok(started)) => {
                live.is_ambiguous = false;
                if !has_task {
                    let task = match started {
                        Started::Task(task) => task,
                        Started::AlreadyDone => TaskRef("already".to_owned()),
                    };
                    self.append(Entry::Accepted { action, attempt, task }, now);
                }
            }
            // No answer: it may be on its way. Everything else is a plain no, and the next attempt asks again.
            StepReply::Started(Err(failure)) if is_open(&failure) => live.is_ambiguous = true,
            StepReply::Started(Err(failure)) => self.finish(action, attempt, Outcome::Failed(failure), now),
            StepReply::Polled(_) | StepReply::Observed(_) => {}
        }
    }

    /// A load's state is composed here, from everything that says something about it.
    pub(crate) fn ask_after_load(&mut self, id: ActionId, load: &LoadId, state: &ActionState, now: &Now) {
        let live = self.live.entry(id).or_default();
        let (since, is_ambiguous) = (live.attempt_at, live.is_ambiguous);
        if now.mono >= live.next_at {
            live.next_at = now.mono + OBSERVE_EVERY;
            self.out.push(Effect::ObserveLoad(load.clone()));
        }
        match &state.op {
            Op::StopLoad { .. } => self.ask_after_stop(id, load, state, (since, is_ambiguous), now),
            _ => self.ask_after_start(id, load, state, since, now),
        }
    }

    fn ask_after_stop(
        &mut self,
        id: ActionId,
        load: &LoadId,
        state: &ActionState,
        (since, is_ambiguous): (Mono, bool),
        now: &Now,
    ) {
        let Some(topology) = self.config.topology.loads.get(load).cloned() else { return };
        let evidence = self.load_evidence.get(load).cloned().unwrap_or_default();
        let fresh = evidence.since(since);
        let waited = now.mono.since(since);
        let has_accepted = matches!(state.phase, ActionPhase::Accepted(_));
        let done = |detail: String| Outcome::Done { detail: Some(detail) };
        if fresh.verdict(now.mono) == HostVerdict::Off {
            self.finish(id, state.attempts, done(format!("proven off by {}", fresh.proof())), now);
        } else if is_ambiguous && fresh.verdict(now.mono) == HostVerdict::On && waited >= topology.stop_time.scaled(1, 2) {
            self.not_carried_out(id, state.attempts, "its answer was lost, and the load is still on", now);
        } else if has_accepted
            && (!topology.can_prove_off || state.has_overrun)
            && evidence.on_at().is_some_and(|on_at| on_at + ANSWERED >= since && evidence.is_quiet_since(on_at + QUIET))
        {
            // Contact lost is no proof: only together with the accepted order, and under its own name.
            self.finish(
                id,
                state.attempts,
                done("stopped answering after it was told to stop; nothing proves it off".to_owned()),
                now,
            );
        } else if state.has_overrun && !topology.can_see {
            let message = format!("nothing can tell whether load {load} is off: it has neither probe nor ping");
            self.fail(id, state.attempts, FailureKind::Unsupported, message, now);
        } else if waited >= topology.stop_time.scaled(2, 1) {
            let message = format!("load {load} is still not off {waited} after it was told to stop");
            self.notice_once(&format!("load not off {load}"), Severity::Alarm, Some("RT0430"), format!("{message}."), now);
            self.fail(id, state.attempts, FailureKind::Unreachable, message, now);
        }
    }

    fn ask_after_start(&mut self, id: ActionId, load: &LoadId, state: &ActionState, since: Mono, now: &Now) {
        let Some(topology) = self.config.topology.loads.get(load).cloned() else { return };
        let fresh = self.load_evidence.get(load).map(|evidence| evidence.since(since)).unwrap_or_default();
        let waited = now.mono.since(since);
        let has_accepted = matches!(state.phase, ActionPhase::Accepted(_));
        if fresh.verdict(now.mono) == HostVerdict::On {
            self.finish(id, state.attempts, Outcome::Done { detail: Some(format!("up after {waited}")) }, now);
        } else if has_accepted && !topology.can_see && waited >= topology.start_time {
            let detail = "told to start; nothing can tell whether it is on".to_owned();
            self.finish(id, state.attempts, Outcome::Done { detail: Some(detail) }, now);
        } else if waited >= topology.start_time && (topology.can_see || !has_accepted) {
            let message = format!("load {load} did not come up within {}", topology.start_time);
            self.notice_once(&format!("load not up {load}"), Severity::Alarm, Some("RT0431"), format!("{message}."), now);
            self.fail(id, state.attempts, FailureKind::Unreachable, message, now);
        }
    }
}

/// Whether a failure leaves it open what happened: there was no answer. A load that answers "no" has answered.
fn is_open(failure: &Failure) -> bool {
    failure.took_effect == TookEffect::Possible && matches!(failure.kind, FailureKind::Unreachable | FailureKind::Protocol)
}
