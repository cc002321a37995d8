//! When a VM that was started does its work, and what it needs before it is started.

use crate::id::VmId;
use crate::inventory::Vm;
use crate::policy::{Policy, TierMatch, glob};
use crate::unit::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is asked to know whether a VM does its work. `{name}` in an address stands for the VM's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Its platform says that its guest agent has connected.
    Agent,
    /// A TCP connection to that `host:port` is taken.
    Tcp(String),
    /// A GET of that URL is answered as by something that works.
    Http(String),
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("its guest agent"),
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Http(url) => f.write_str(url),
        }
    }
}

/// How it is known that a VM does its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// What is asked.
    pub probe: Probe,
    /// How long after its start it is waited for. Then what waits for it goes on without it, and a person is told.
    pub within: Millis,
}

/// What holds for some VMs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmRule {
    /// Which.
    pub matches: TierMatch,
    /// Names of VMs they need; `*` and `?` are globs. Those are started and ready before them, and stopped after them.
    pub needs: Vec<String>,
    /// How it is known that they do their work.
    pub ready: Option<Ready>,
}

/// Who needs whom, without circles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What each VM needs directly.
    pub of: BTreeMap<VmId, BTreeSet<VmId>>,
    /// Pairs of names that would close a circle: the first is not taken to need the second.
    pub circles: BTreeSet<(String, String)>,
}

impl Needs {
    /// Who needs whom among these VMs.
    #[must_use]
    pub fn among(policy: &Policy, vms: &[&Vm]) -> Self {
        let mut needs = Self::default();
        for rule in policy.rules.iter().filter(|rule| !rule.needs.is_empty()) {
            let needed: Vec<&&Vm> = vms.iter().filter(|vm| rule.needs.iter().any(|name| glob(name, &vm.name))).collect();
            for vm in vms.iter().filter(|vm| rule.matches.matches(vm)) {
                for needed in needed.iter().filter(|needed| needed.id != vm.id) {
                    if needs.reaches(&needed.id, &vm.id) {
                        needs.circles.insert((vm.name.clone(), needed.name.clone()));
                    } else {
                        needs.of.entry(vm.id.clone()).or_default().insert(needed.id.clone());
                    }
                }
            }
        }
        needs
    }

    /// Whether the first needs the second, if only through others.
    #[must_use]
    pub fn reaches(&self, from: &VmId, to: &VmId) -> bool {
        let mut seen = BTreeSet::new();
        let mut left = vec![from];
        while let Some(vm) = left.pop() {
            if vm == to {
                return true;
            }
            if seen.insert(vm) {
                left.extend(self.of.get(vm).into_iter().flatten());
            }
        }
        false
    }

    /// The ranks of VMs that something more important needs: a dependency lifts what it needs to its own tier.
    #[must_use]
    pub fn lifted(&self, policy: &Policy, vms: &[&Vm]) -> BTreeMap<VmId, usize> {
        let mut by_rank: Vec<(usize, &VmId)> =
            vms.iter().filter(|vm| self.of.contains_key(&vm.id)).map(|vm| (policy.own_rank_of(vm), &vm.id)).collect();
        by_rank.sort_unstable();
        let mut lifted: BTreeMap<VmId, usize> = BTreeMap::new();
        for (rank, vm) in by_rank {
            let mut left: Vec<&VmId> = self.of.get(vm).into_iter().flatten().collect();
            while let Some(needed) = left.pop() {
                // Whoever reached it before was at least as important.
                if !lifted.contains_key(needed) {
                    lifted.insert(needed.clone(), rank);
                    left.extend(self.of.get(needed).into_iter().flatten());
                }
            }
        }
        lifted
    }
}

impl Policy {
    /// How it is known that this VM does its work; `None`: that it runs is enough. The first rule that says it counts.
    #[must_use]
    pub fn ready_of(&self, vm: &Vm) -> Option<Ready> {
        let rule = self.rules.iter().find(|rule| rule.ready.is_some() && rule.matches.matches(vm))?;
        let ready = rule.ready.as_ref()?;
        let named = |text: &String| text.replace("{name}", &vm.name);
        let probe = match &ready.probe {
            Probe::Agent => Probe::Agent,
            Probe::Tcp(address) => Probe::Tcp(named(address)),
            Probe::Http(url) => Probe::Http(named(url)),
        };
        Some(Ready { probe, within: ready.within })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{HostId, PlatformId, TierName};
    use crate::inventory::VmPower;
    use crate::policy::{ForceOff, Tier};
    use crate::unit::Bytes;

    fn vm(name: &str) -> Vm {
        let id = VmId::of(&PlatformId::new("lab"), name);
        Vm::new(id, name.to_owned(), HostId::new("kvm1"), VmPower::Running, Bytes::from_mib(64), 1)
    }

    fn named(name: &str) -> TierMatch {
        TierMatch { name: Some(name.to_owned()), ..TierMatch::default() }
    }

    fn needs(who: &str, whom: &[&str]) -> VmRule {
        VmRule { matches: named(who), needs: whom.iter().map(|name| (*name).to_owned()).collect(), ready: None }
    }

    fn policy(rules: Vec<VmRule>) -> Policy {
        let tier = |name: &str| Tier {
            name: TierName::new(name),
            matches: named(&format!("{name}-*")),
            on_outage: Vec::new(),
            move_to: Vec::new(),
            force_off: ForceOff::Never,
            stop_budget: Millis::from_secs(60),
            runtime_goal: None,
        };
        Policy { tiers: vec![tier("gold"), tier("iron")], rules, ..Policy::default() }
    }

    #[test]
    fn what_is_needed_rises_to_the_tier_of_who_needs_it_also_through_others() {
        let policy = policy(vec![needs("gold-app", &["iron-db"]), needs("iron-db", &["dns"])]);
        let vms = ["gold-app", "iron-db", "dns", "iron-other"].map(vm);
        let all: Vec<&Vm> = vms.iter().collect();
        let found = Needs::among(&policy, &all);
        assert!(found.circles.is_empty());
        let lifted = Policy { lifted: found.lifted(&policy, &all), ..policy };
        let ranks: Vec<usize> = all.iter().map(|vm| lifted.rank_of(vm)).collect();
        assert_eq!(ranks, [0, 0, 0, 1]);
    }

    #[test]
    fn a_circle_is_cut_and_named() {
        let policy = policy(vec![needs("gold-a", &["gold-b"]), needs("gold-b", &["gold-*"])]);
        let vms = ["gold-a", "gold-b", "gold-c"].map(vm);
        let all: Vec<&Vm> = vms.iter().collect();
        let found = Needs::among(&policy, &all);
        assert_eq!(found.circles.into_iter().collect::<Vec<_>>(), [("gold-b".to_owned(), "gold-a".to_owned())]);
        assert_eq!(found.of[&vms[1].id].iter().collect::<Vec<_>>(), [&vms[2].id], "itself is not meant");
    }

    #[test]
    fn an_address_may_bear_the_name_of_the_vm() {
        let ready = Ready { probe: Probe::Tcp("{name}.example:22".to_owned()), within: Millis::from_secs(60) };
        let policy = policy(vec![VmRule { matches: named("*"), needs: Vec::new(), ready: Some(ready) }]);
        assert_eq!(policy.ready_of(&vm("web")).map(|ready| ready.probe), Some(Probe::Tcp("web.example:22".to_owned())));
    }
}
