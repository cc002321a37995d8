//! A hook that was called: what its reply means. Nobody can be asked what a hook has done, so nothing is observed.
//!
//! One that answered, however, is not called again; one that was lost with the controller, or never reached, is. So a hook is
//! called at least once, and can tell a repetition by its key: run and action stay, the attempt counts up.

use crate::actions::ANSWER_MAX;
use crate::input::StepReply;
use crate::run::ActionState;
use crate::site::Site;
use ridethrough_model::entry::Outcome;
use ridethrough_model::{ActionId, Failure, FailureKind, Hook, Millis, Mono, Now, Op, Severity, TookEffect};

impl Site {
    pub(crate) fn take_hook_reply(&mut self, action: ActionId, attempt: u32, reply: StepReply, now: &Now) {
        let StepReply::Started(answer) = reply else { return };
        let outcome = match answer {
            Ok(_) => Outcome::Done { detail: None },
            Err(failure) if failure.kind == FailureKind::Busy => {
                // It said itself that it has not done it: to ask again would hold things up for the same answer.
                Outcome::Failed(Failure { kind: FailureKind::Refused, ..failure })
            }
            Err(failure) => Outcome::Failed(failure),
        };
        self.finish(action, attempt, outcome, now);
    }

    /// Nothing is polled: whoever calls it tells of its end. What was called by a process that died is called again.
    pub(crate) fn ask_after_hook(&mut self, id: ActionId, state: &ActionState, now: &Now) {
        let live = self.live.entry(id).or_default();
        let waited = now.mono.since(live.attempt_at);
        let failed = |kind, message: &str| {
            Outcome::Failed(Failure { kind, took_effect: TookEffect::Possible, message: message.to_owned() })
        };
        if live.is_ambiguous {
            let message = "the controller was restarted before it had answered: what it did is not known";
            self.finish(id, state.attempts, failed(FailureKind::Busy, message), now);
        } else if waited >= state.budget + ANSWER_MAX {
            self.finish(id, state.attempts, failed(FailureKind::Refused, "nobody told what became of it"), now);
        }
    }

    /// How long it has been held up for, over all attempts. Of another boot nothing is known: then it has been long enough.
    pub(crate) fn hook_waited(&self, id: ActionId, state: &ActionState, now: Mono) -> Millis {
        let attempt_at = self.live.get(&id).map(|live| live.attempt_at).into_iter();
        let first = attempt_at.chain(state.since.filter(|since| *since <= now)).min();
        first.map_or(Millis::ZERO, |first| now.since(first))
    }

    /// Says loudly that the run goes on without it.
    pub(crate) fn note_hook_failed(&mut self, hook: &Hook, words: &str, now: &Now) {
        let text = format!("The hook {hook} {words}. The run goes on without it.");
        let key = format!("hook {hook} {}", if words.starts_with("failed") { "failed" } else { "slow" });
        self.notice_once(&key, Severity::Alarm, Some("RT0434"), text, now);
    }
}

/// Whether that failure of a hook is its last word: it was reached, or may have been.
pub(crate) fn is_last_word(op: &Op, failure: &Failure) -> bool {
    op.hook().is_some() && failure.kind == FailureKind::Unreachable && failure.took_effect == TookEffect::Possible
}
