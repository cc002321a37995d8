//! Hooks that are called: whoever stands behind one takes its time, and answers, says no, or never ends. It is ended at its limit,
//! as by the real controller, and a controller that dies loses its answer.

use super::{Event, World};
use crate::process::Kind;
use ridethrough_decide::{Input, StepReply};
use ridethrough_model::{Failure, FailureKind, Hook, Millis, Started, TaskRef, TookEffect};

/// How a hook fares, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookFate {
    /// It answers after that time.
    Answers(Millis),
    /// It says no after that time.
    Fails(Millis),
    /// Nobody is reached, at once.
    IsUnreached,
    /// It never ends by itself.
    Hangs,
}

impl World {
    pub(super) fn call_hook(&mut self, process: u64, kind: Kind, hook: &Hook) {
        let limit = self.config.topology.hooks.get(hook).copied().unwrap_or_default();
        let failed = |kind, took_effect, message: &str| Err(Failure { kind, took_effect, message: message.to_owned() });
        let killed = || failed(FailureKind::Unreachable, TookEffect::Possible, "it was not done in time and was killed");
        let answered = Ok(Started::Task(TaskRef("answered".to_owned())));
        let (takes, answer) = match self.reality.hooks.get(hook) {
            Some(HookFate::Answers(takes)) if *takes < limit => (*takes, answered),
            Some(HookFate::Fails(takes)) if *takes < limit => {
                (*takes, failed(FailureKind::Busy, TookEffect::Possible, "ended with 1"))
            }
            Some(HookFate::IsUnreached) => (Millis(5), failed(FailureKind::Unreachable, TookEffect::No, "connection refused")),
            _ => (limit, killed()),
        };
        let (run, action, attempt) = (kind.run, kind.action, kind.attempt);
        let input = Input::Reply { run, action, attempt, reply: StepReply::Started(answer) };
        self.after(takes, Event::Deliver { process, input: Box::new(input), closes: Some(kind) });
    }
}
