//! Whether a host is on, from everything that says something about it.
//!
//! Off only if a trusted proof says off and nothing says on. Lost contact and "not responding" are never proof.

use ridethrough_model::{HostPowerState, Millis, Mono};
use std::collections::BTreeMap;

/// What is concluded about a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostVerdict {
    /// Something says it runs.
    On,
    /// Proven off.
    Off,
    /// Neither.
    #[default]
    Unknown,
}

/// What one source said, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word {
    state: HostPowerState,
    is_proof: bool,
    at: Mono,
}

/// Everything heard about one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostEvidence {
    words: BTreeMap<String, Word>,
    /// When something last said that it is on.
    on_at: Option<Mono>,
}

/// A word older than this says nothing any more.
const WORD_AGE_MAX: Millis = Millis::from_secs(90);

impl HostEvidence {
    /// Takes in what a source says.
    pub fn hear(&mut self, source: &str, is_proof: bool, state: HostPowerState, at: Mono) {
        if state == HostPowerState::On {
            self.on_at = Some(at);
        }
        self.words.insert(source.to_owned(), Word { state, is_proof, at });
    }

    /// Forgets everything said before a change we made ourselves.
    pub fn forget(&mut self) {
        self.words.clear();
    }

    /// Forgets what was said before that moment: proof must be younger than the deed it proves.
    #[must_use]
    pub fn since(&self, moment: Mono) -> Self {
        let words = self.words.iter().filter(|(_, w)| w.at >= moment).map(|(s, w)| (s.clone(), *w)).collect();
        Self { words, on_at: self.on_at.filter(|at| *at >= moment) }
    }

    /// What is concluded now.
    #[must_use]
    pub fn verdict(&self, now: Mono) -> HostVerdict {
        let fresh = || self.words.values().filter(|word| now.since(word.at) <= WORD_AGE_MAX);
        if fresh().any(|word| word.state == HostPowerState::On) {
            return HostVerdict::On;
        }
        if fresh().any(|word| word.state == HostPowerState::Off && word.is_proof) {
            return HostVerdict::Off;
        }
        HostVerdict::Unknown
    }

    /// When something last said that it is on, also of what was forgotten since.
    #[must_use]
    pub fn on_at(&self) -> Option<Mono> {
        self.on_at
    }

    /// Whether every source has been asked again since that moment, and none knew anything.
    #[must_use]
    pub fn is_quiet_since(&self, moment: Mono) -> bool {
        !self.words.is_empty() && self.words.values().all(|word| word.at >= moment && word.state == HostPowerState::Unknown)
    }

    /// Who proves it off, for the journal.
    #[must_use]
    pub fn proof(&self) -> String {
        let says: Vec<&str> = self
            .words
            .iter()
            .filter(|(_, word)| word.is_proof && word.state == HostPowerState::Off)
            .map(|(source, _)| source.as_str())
            .collect();
        says.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_2_only_an_undisputed_proof_is_off() {
        let at = Mono(1000);
        let verdict = |words: &[(&str, bool, HostPowerState)]| {
            let mut evidence = HostEvidence::default();
            for (source, is_proof, state) in words {
                evidence.hear(source, *is_proof, *state, at);
            }
            evidence.verdict(at)
        };
        use HostPowerState::{Off, On, Unknown};
        assert_eq!(verdict(&[("ipmi", true, Off), ("ssh", false, Unknown)]), HostVerdict::Off);
        assert_eq!(verdict(&[("ipmi", true, Off), ("ssh", false, On)]), HostVerdict::On, "contradiction is not off");
        assert_eq!(verdict(&[("ssh", false, Unknown)]), HostVerdict::Unknown, "lost contact is not off");
        assert_eq!(verdict(&[("ssh", false, Off)]), HostVerdict::Unknown, "who cannot know cannot prove");
        assert_eq!(verdict(&[]), HostVerdict::Unknown);
    }

    #[test]
    fn old_proof_is_no_proof() {
        let mut evidence = HostEvidence::default();
        evidence.hear("ipmi", true, HostPowerState::Off, Mono(0));
        assert_eq!(evidence.verdict(Mono(90_000)), HostVerdict::Off);
        assert_eq!(evidence.verdict(Mono(90_001)), HostVerdict::Unknown);
        assert_eq!(evidence.since(Mono(1)).verdict(Mono(2)), HostVerdict::Unknown);
    }
}
