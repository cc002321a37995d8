//! What the pollers saw, until the loop looks: one place per sender, the newest word wins, senders are served in turn.
//!
//! Not for replies: those must never be lost and come through [`crate::performer`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Bounded by the number of senders.
#[derive(Debug)]
pub(crate) struct Mailbox<K, V> {
    state: Mutex<State<K, V>>,
    arrived: Notify,
}

#[derive(Debug)]
struct State<K, V> {
    latest: BTreeMap<K, V>,
    turn: VecDeque<K>,
}

impl<K: Ord + Clone, V> Mailbox<K, V> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { latest: BTreeMap::new(), turn: VecDeque::new() }), arrived: Notify::new() }
    }

    /// Leaves a word; an unread one of the same sender is forgotten.
    pub(crate) fn put(&self, sender: K, word: V) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.latest.insert(sender.clone(), word).is_none() {
            state.turn.push_back(sender);
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// The word of whoever has waited longest. Safe to cancel. For one reader.
    pub(crate) async fn take(&self) -> V {
        loop {
            if let Some(word) = self.try_take() {
                return word;
            }
            self.arrived.notified().await;
        }
    }

    /// Forgets an unread word.
    pub(crate) fn forget(&self, sender: &K) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.latest.remove(sender).is_some() {
            state.turn.retain(|other| other != sender);
        }
    }

    fn try_take(&self) -> Option<V> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = state.turn.pop_front()?;
        state.latest.remove(&sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flooding_sender_neither_grows_nor_starves_the_others() {
        let mailbox = Mailbox::new();
        for word in 0..1000 {
            mailbox.put("loud", word);
        }
        mailbox.put("quiet", -1);
        mailbox.put("loud", 1000);
        assert_eq!(mailbox.take().await, 1000, "the newest word of the first sender");
        assert_eq!(mailbox.take().await, -1);
        let more = tokio::time::timeout(std::time::Duration::from_secs(1), mailbox.take()).await;
        assert!(more.is_err(), "nothing is left");
    }
}
