//! Guards (rule 10): automation of a platform that would act against a run. What is known of each, what this run has disarmed and
//! from which value, and who holds the last word about it.
//!
//! The value of before is written down before a guard is disarmed. Whoever else sets it meanwhile has the last word: while hosts
//! are being emptied it is disarmed again, a bounded number of times, and his value is the one it is put back to; once mains is
//! stable his value stays and ours is forgotten, with a word to a person.

use crate::domain::DomainPhase;
use crate::run::RunState;
use crate::site::Site;
use ridethrough_model::{
    ActionId, Entry, GuardId, GuardKind, GuardState, HostId, Inventory, Mono, Now, Op, PlatformId, Severity,
};
use std::collections::BTreeMap;

/// A guard for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardView {
    /// Its id.
    pub id: GuardId,
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: GuardKind,
    /// The hosts it acts on.
    pub hosts: Vec<HostId>,
    /// Its value now.
    pub value: String,
    /// It would act against a run.
    pub is_armed: bool,
    /// What it is put back to, while we have disarmed it.
    pub put_back_to: Option<String>,
}

impl Site {
    fn guard(&self, id: &GuardId) -> Option<&GuardState> {
        self.inventories.get(&id.platform())?.guards.get(id)
    }

    /// Its name for people, also of one that the platform does not tell of any more.
    pub(crate) fn guard_name(&self, id: &GuardId) -> String {
        let held = self.run.as_ref().and_then(|run| run.guards.get(id));
        self.guard(id).or(held).map_or_else(|| id.to_string(), |guard| guard.name.clone())
    }

    /// Remembers what we have set until an inventory read after it tells the same.
    pub(crate) fn patch_guard(&mut self, id: &GuardId, value: &str, now: Mono) {
        if let Some(guard) = self.inventories.get_mut(&id.platform()).and_then(|inventory| inventory.guards.get_mut(id)) {
            value.clone_into(&mut guard.value);
        }
        self.guard_patches.insert(id.clone(), (now, value.to_owned()));
    }

    /// What is believed of guards: what we have set since that look, and one that is disarmed does not vanish for a look.
    pub(crate) fn believe_guards(&mut self, new: &mut Inventory) {
        let held = self.run.iter().flat_map(|run| run.guards.keys());
        let last = self.inventories.get(&new.platform);
        for id in held.filter(|id| id.platform() == new.platform) {
            if let Some(known) = last.and_then(|last| last.guards.get(id)).filter(|_| !new.guards.contains_key(id)) {
                new.guards.insert(id.clone(), known.clone());
            }
        }
        self.guard_patches.retain(|id, (at, _)| id.platform() != new.platform || *at >= new.observed_at);
        for (id, (_, value)) in &self.guard_patches {
            if let Some(guard) = new.guards.get_mut(id) {
                guard.value.clone_from(value);
            }
        }
    }

    /// Writes down what a guard is put back to, before the attempt to disarm it. `false`: nothing is known of it any more.
    pub(crate) fn record_guard(&mut self, op: &Op, now: &Now) -> bool {
        let Op::DisarmGuard { guard, value, disarmed } = op else { return true };
        let held = self.run.as_ref().and_then(|run| run.guards.get(guard));
        let Some(known) = self.guard(guard).or(held) else { return false };
        if held.is_none_or(|held| held.value != *value || held.disarmed != *disarmed) {
            let state = GuardState { value: value.clone(), disarmed: disarmed.clone(), ..known.clone() };
            self.append(Entry::GuardRecorded { guard: guard.clone(), state }, now);
        }
        true
    }

    /// Lets go of guards that need no putting back: they are as they were, or somebody else has set them. Only where mains is
    /// stable, the platform answers, and nothing is under way.
    pub(crate) fn settle_guards(&mut self, now: &Now) {
        let Some(run) = self.run.as_ref().filter(|run| !run.guards.is_empty()) else { return };
        let mut released = Vec::new();
        for (id, held) in &run.guards {
            let is_busy = run.actions.values().any(|action| action.is_in_flight() && action.op.guard() == Some(id));
            let Some(present) = self.guard(id).filter(|_| !is_busy && self.answers(&id.platform())) else { continue };
            if present.value == held.disarmed || !held.hosts.iter().all(|host| self.is_calm_at(host)) {
                continue;
            }
            let is_foreign = (present.value != held.value).then(|| present.value.clone());
            released.push((id.clone(), held.clone(), is_foreign));
        }
        for (guard, held, foreign) in released {
            let reason = match &foreign {
                None => "it is as it was before".to_owned(),
                Some(value) => format!("somebody else has set it to {value} meanwhile: that stays"),
            };
            self.append(Entry::GuardReleased { guard, reason }, now);
            if let Some(value) = foreign {
                let text = format!(
                    "{} was set to {value} by somebody else during the run: that stays. Before the run it was {}.",
                    held.name, held.value
                );
                self.notice(Severity::Warning, Some("RT0460"), text, now);
            }
        }
    }

    fn answers(&self, platform: &PlatformId) -> bool {
        let inventory = self.inventories.get(platform).filter(|_| !self.inventory_failures.contains_key(platform));
        inventory.is_some_and(|inventory| inventory.hosts.values().any(|host| host.connected))
    }

    /// Every domain that feeds that host is on mains for good.
    fn is_calm_at(&self, host: &HostId) -> bool {
        let feeds = self.config.topology.hosts.get(host).map(|topology| &topology.feeds);
        let mut domains = feeds.into_iter().flatten().flat_map(|feed| self.config.topology.domains_of(&feed.ups));
        domains.all(|(id, _)| {
            self.domains.get(id).is_none_or(|state| match state.phase {
                DomainPhase::Online => true,
                DomainPhase::Returning => state.is_stable,
                DomainPhase::OnBattery | DomainPhase::Acting => false,
            })
        })
    }

    pub(crate) fn guard_views(&self) -> Vec<GuardView> {
        let known = self.inventories.values().flat_map(|inventory| &inventory.guards);
        let held = self.run.as_ref().map(|run| &run.guards);
        let all: BTreeMap<&GuardId, &GuardState> = held.into_iter().flatten().chain(known).collect();
        all.into_iter()
            .map(|(id, guard)| GuardView {
                id: id.clone(),
                name: guard.name.clone(),
                kind: guard.kind,
                hosts: guard.hosts.iter().cloned().collect(),
                value: guard.value.clone(),
                is_armed: guard.is_armed(),
                put_back_to: held.and_then(|held| held.get(id)).map(|held| held.value.clone()),
            })
            .collect()
    }
}

impl RunState {
    /// How often each guard was disarmed since power last changed.
    pub(crate) fn guard_disarms(&self) -> BTreeMap<GuardId, u32> {
        let mut counts = BTreeMap::new();
        for action in self.actions.values().filter(|action| action.attempts > 0 && action.tried_in > self.turned) {
            if let Op::DisarmGuard { guard, .. } = &action.op {
                *counts.entry(guard.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// A guard was put back: it is not held any more, unless it was disarmed again since.
    pub(crate) fn note_put_back(&mut self, guard: &GuardId, tried_in: Option<u64>) {
        let is_again = |op: &Op| matches!(op, Op::DisarmGuard { guard: again, .. } if again == guard);
        if !self.actions.values().any(|action| action.attempts > 0 && action.tried_in > tried_in && is_again(&action.op)) {
            self.guards.remove(guard);
        }
    }

    /// A guard whose disarming was never sent is as it was, unless it was sent before.
    pub(crate) fn take_back_guard(&mut self, action: ActionId, guard: &GuardId) {
        let is_same = |op: &Op| matches!(op, Op::DisarmGuard { guard: other, .. } if other == guard);
        if !self.actions.iter().any(|(id, other)| *id != action && other.attempts > 0 && is_same(&other.op)) {
            self.guards.remove(guard);
        }
    }
}

/// The hosts of a guard that are named in the configuration.
pub(crate) fn covers(guard: &GuardState, host: Option<&HostId>) -> bool {
    host.is_some_and(|host| guard.hosts.contains(host))
}
