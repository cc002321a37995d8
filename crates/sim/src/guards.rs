//! Automation of the site's platform: what is set, who set it last, and what it answers when told. Compares before it sets, as the
//! contract of `driver::Platform` asks.

use crate::dice::Dice;
use crate::reality::Reality;
use ridethrough_model::{
    Failure, FailureKind, GuardId, GuardKind, GuardScope, GuardState, GuardedStep, HostId, Observed, Op, PlatformId, Started,
    TookEffect, Topology,
};
use std::collections::{BTreeMap, BTreeSet};

/// One automation: as it is, and what somebody who is not us set last.
#[derive(Clone, Debug)]
pub struct Automation {
    /// As its platform tells it.
    pub state: GuardState,
    /// What it must be again in the end.
    pub wish: String,
    /// Somebody else has set it while a run was open.
    pub is_meddled: bool,
}

impl Automation {
    /// So it is, and so it was meant.
    #[must_use]
    pub fn new(state: GuardState) -> Self {
        let wish = state.value.clone();
        Self { state, wish, is_meddled: false }
    }
}

/// Clusters of the drawn hosts, most with automation over them.
pub(crate) fn draw(dice: &mut Dice, topology: &Topology) -> BTreeMap<GuardId, Automation> {
    let mut guards = BTreeMap::new();
    if dice.percent(40) {
        return guards;
    }
    let hosts: Vec<&HostId> = topology.hosts.keys().collect();
    let middle = if dice.percent(50) { hosts.len() } else { hosts.len().div_ceil(2) };
    for (name, hosts) in [("prod", &hosts[..middle]), ("dev", &hosts[middle..])] {
        use GuardedStep::{MoveVm, ShutDownHost, StopVm};
        let kinds: [(&str, GuardKind, &[GuardedStep]); 3] = [
            ("ha", GuardKind::Restart, &[StopVm, ShutDownHost]),
            ("admission", GuardKind::Admission, &[MoveVm]),
            ("fencing", GuardKind::Fencing, &[ShutDownHost]),
        ];
        for (what, kind, before) in kinds {
            if !dice.percent(60) {
                continue;
            }
            let state = GuardState {
                name: format!("{what} of cluster {name}"),
                kind,
                scope: GuardScope::Cluster(name.to_owned()),
                hosts: hosts.iter().map(|host| (*host).clone()).collect(),
                before: before.iter().copied().collect::<BTreeSet<_>>(),
                value: if dice.percent(85) { "on" } else { "off" }.to_owned(),
                disarmed: "off".to_owned(),
            };
            guards.insert(GuardId::of(&PlatformId::new("sim"), &format!("{what}-{name}")), Automation::new(state));
        }
    }
    guards
}

impl Reality {
    /// Somebody else sets it.
    pub(crate) fn meddle(&mut self, id: &GuardId, value: &str) {
        if let Some(guard) = self.guards.get_mut(id) {
            value.clone_into(&mut guard.state.value);
            value.clone_into(&mut guard.wish);
            guard.is_meddled = true;
        }
    }

    fn answers(&self) -> Result<(), Failure> {
        if self.hosts.keys().any(|host| self.is_reachable(host)) {
            return Ok(());
        }
        let message = "the platform does not answer".to_owned();
        Err(Failure { kind: FailureKind::Unreachable, took_effect: TookEffect::No, message })
    }

    pub(crate) fn set_guard(&mut self, op: &Op) -> Result<Started, Failure> {
        self.answers()?;
        let Some((guard, from, to)) = change(op) else { return Ok(Started::AlreadyDone) };
        let refuse = |kind, message: String| Err(Failure { kind, took_effect: TookEffect::No, message });
        let Some(known) = self.guards.get_mut(guard) else { return refuse(FailureKind::NotFound, format!("no {guard}")) };
        if known.state.value != *to && known.state.value != *from {
            return refuse(FailureKind::Refused, format!("somebody else has set it to {}", known.state.value));
        }
        known.state.value.clone_from(to);
        Ok(Started::AlreadyDone)
    }

    pub(crate) fn observe_guard(&self, op: &Op) -> Result<Observed, Failure> {
        self.answers()?;
        let value = change(op).and_then(|(guard, _, to)| Some((&self.guards.get(guard)?.state.value, to)));
        Ok(match value {
            Some((value, to)) if value == to => Observed::Done,
            Some(_) => Observed::NotDone,
            None => Observed::Gone,
        })
    }
}

/// Which, from what, to what.
fn change(op: &Op) -> Option<(&GuardId, &String, &String)> {
    match op {
        Op::DisarmGuard { guard, value, disarmed } => Some((guard, value, disarmed)),
        Op::RestoreGuard { guard, value, disarmed } => Some((guard, disarmed, value)),
        _ => None,
    }
}
