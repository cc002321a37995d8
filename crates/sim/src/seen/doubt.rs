//! Attempts of which nobody knows whether they took effect: sent, and their answer was lost, or their controller died. Whoever
//! tries again must have looked first.

use super::Attempt;
use ridethrough_decide::{Input, StepReply};
use ridethrough_model::entry::Outcome;
use ridethrough_model::{Entry, Op, Record, TookEffect};
use std::collections::{BTreeMap, BTreeSet};

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Doubts {
    /// In doubt.
    open: BTreeSet<Attempt>,
    /// Over, as written down.
    ended: BTreeSet<Attempt>,
    /// Sent by this controller.
    sent: BTreeSet<Attempt>,
    /// Of which this controller was told anything.
    heard: BTreeSet<Attempt>,
    /// The last attempt of each action, as written down.
    last: BTreeMap<(ridethrough_model::RunId, ridethrough_model::ActionId), u32>,
}

impl Doubts {
    /// Whether an attempt before that one is in doubt.
    #[must_use]
    pub fn is_before(&self, (run, action, attempt): &Attempt) -> bool {
        self.open.iter().any(|(r, a, n)| (r, a) == (run, action) && n < attempt)
    }

    /// Takes in what the controller is told.
    pub(super) fn hear(&mut self, input: &Input) {
        let Input::Reply { run, action, attempt, reply } = input else { return };
        let key = (*run, *action, *attempt);
        self.heard.insert(key);
        match reply {
            StepReply::Started(Err(failure))
                if failure.took_effect == TookEffect::Possible
                    && !self.ended.contains(&key)
                    && self.last.get(&(*run, *action)) == Some(attempt) =>
            {
                self.open.insert(key);
            }
            StepReply::Observed(Ok(_)) | StepReply::Polled(Ok(_)) => {
                self.open.remove(&key);
            }
            _ => {}
        }
    }

    /// It sends an attempt.
    pub(super) fn send(&mut self, attempt: Attempt) {
        self.sent.insert(attempt);
    }

    /// Takes in what it writes.
    pub(super) fn note(&mut self, record: &Record) {
        match &record.entry {
            Entry::Intended { action, attempt, .. } => {
                self.last.insert((record.run, *action), *attempt);
            }
            Entry::Finished { action, attempt, outcome } => {
                let key = (record.run, *action, *attempt);
                self.ended.insert(key);
                // Failed, and nobody has said so: the answer was to another one.
                if matches!(outcome, Outcome::Failed(_)) && self.sent.contains(&key) && !self.heard.contains(&key) {
                    self.open.insert(key);
                }
            }
            _ => {}
        }
    }

    /// A new controller knows what the journal says of the open run; what has no outcome there is in doubt.
    pub(super) fn begin_again(&mut self, open_run: &[Record]) {
        *self = Self::default();
        let mut intended = BTreeSet::new();
        for record in open_run {
            if let Entry::Intended { action, attempt, op } = &record.entry
                && is_asked_about(op)
            {
                intended.insert((record.run, *action, *attempt));
            }
            self.note(record);
        }
        self.open = intended.difference(&self.ended).copied().collect();
    }
}

/// Hosts and loads are watched by other means than the attempt's own answers.
fn is_asked_about(op: &Op) -> bool {
    op.vm().is_some()
}
