//! What the user wants: tiers in a hard order, most important first.

use crate::id::{SiteId, TierName, VmId};
use crate::inventory::Vm;
use crate::ready::VmRule;
use crate::unit::{Bytes, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A rung of the ladder a VM goes down in an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnOutage {
    /// Move it, running, to a host that keeps power.
    Move,
    /// Save its memory to its host's disk, where size, rate and space are known and it fits the time.
    Suspend,
    /// Shut its guest down cleanly.
    ShutDown,
}

/// When a VM that does not go down by itself may be powered off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForceOff {
    /// Only at its host's last safe moment.
    #[default]
    AtDeadline,
    /// Never; its host then stays on until the battery ends.
    Never,
}

/// Where VMs of a tier may be moved, in order of preference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// Any host of the VM's own site.
    SameSite,
    /// Any host of that site.
    Site(SiteId),
}

/// Which VMs belong to a tier. All keys that are there must match; `*` and `?` are globs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierMatch {
    /// A tag of the platform.
    pub tag: Option<String>,
    /// The VM's name.
    pub name: Option<String>,
    /// The platform's name.
    pub platform: Option<String>,
}

impl TierMatch {
    /// Whether the VM matches. A match without any key matches nothing.
    #[must_use]
    pub fn matches(&self, vm: &Vm) -> bool {
        if self.tag.is_none() && self.name.is_none() && self.platform.is_none() {
            return false;
        }
        let one = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|p| glob(p, text));
        self.tag.as_ref().is_none_or(|p| vm.tags.iter().any(|tag| glob(p, tag)))
            && one(&self.name, &vm.name)
            && one(&self.platform, vm.id.platform().as_str())
    }
}

/// One tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Its name.
    pub name: TierName,
    /// Which VMs.
    pub matches: TierMatch,
    /// What is tried, in this order.
    pub on_outage: Vec<OnOutage>,
    /// Where they may go.
    pub move_to: Vec<Destination>,
    /// Whether force is allowed.
    pub force_off: ForceOff,
    /// How long a clean shutdown of one of its guests may take.
    pub stop_budget: Millis,
    /// Time on battery they should run for, if the battery allows. `None`: the first tier runs to its last safe moment, every
    /// other one is shed as soon as the domain acts.
    pub runtime_goal: Option<Millis>,
}

/// The name of the last tier, which holds every VM that no tier matches.
pub const UNASSIGNED: &str = "(unassigned)";

/// Tiers and the numbers that hold for the whole site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Most important first. The order is hard.
    pub tiers: Vec<Tier>,
    /// What some VMs need, and when they count as ready.
    pub rules: Vec<VmRule>,
    /// How many VMs may be starting on one host at once; one that is waited for until it is ready counts as starting.
    pub starts_per_host: u32,
    /// How many at the whole site.
    pub starts_per_site: u32,
    /// VMs lifted above their own tier by what needs them; learnt from what runs, not configured.
    #[serde(skip)]
    pub lifted: BTreeMap<VmId, usize>,
    /// How long a UPS may be silent before it counts as silent.
    pub silence: Millis,
    /// How long a journal commit may take before the journal counts as stalled.
    pub journal_stall: Millis,
    /// What one host's link carries for moves, in bytes per second.
    pub move_bandwidth: Bytes,
    /// How many moves may leave or reach one host at once.
    pub moves_per_host: u32,
    /// How long a move may last beyond its forecast before it counts as overrun.
    pub move_slack: Millis,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            tiers: Vec::new(),
            rules: Vec::new(),
            starts_per_host: 4,
            starts_per_site: 20,
            lifted: BTreeMap::new(),
            silence: Millis::from_secs(15),
            journal_stall: Millis::from_secs(2),
            move_bandwidth: Bytes::from_mib(100),
            moves_per_host: 2,
            move_slack: Millis::from_secs(30),
        }
    }
}

impl Policy {
    /// The rank of the VM's tier, or of a more important one that needs it: 0 is the most important; `tiers.len()` is the implicit
    /// last tier.
    #[must_use]
    pub fn rank_of(&self, vm: &Vm) -> usize {
        let own = self.own_rank_of(vm);
        self.lifted.get(&vm.id).map_or(own, |lifted| own.min(*lifted))
    }
    /// The tier whose order that VM follows. What is its own stays where something lifted it there: it gets as long for its clean stop
    /// as its own tier says, and is never powered off if that says so.
    #[must_use]
    pub fn tier_of(&self, vm: &Vm) -> Tier {
        let mut tier = self.tier(self.rank_of(vm));
        let own = self.tier(self.own_rank_of(vm));
        tier.stop_budget = tier.stop_budget.max(own.stop_budget);
        if own.force_off == ForceOff::Never {
            tier.force_off = ForceOff::Never;
        }
        tier
    }
    /// The rank of the tier that the VM matches itself. First match wins.
    #[must_use]
    pub fn own_rank_of(&self, vm: &Vm) -> usize {
        self.tiers.iter().position(|tier| tier.matches.matches(vm)).unwrap_or(self.tiers.len())
    }
    /// The tier of a rank; every rank beyond the last is the implicit last tier: shut down cleanly, first.
    #[must_use]
    pub fn tier(&self, rank: usize) -> Tier {
        self.tiers.get(rank).cloned().unwrap_or_else(|| Tier {
            name: TierName::new(UNASSIGNED),
            matches: TierMatch::default(),
            on_outage: vec![OnOutage::ShutDown],
            move_to: Vec::new(),
            force_off: ForceOff::AtDeadline,
            stop_budget: Millis::from_secs(120),
            runtime_goal: None,
        })
    }
}

/// Matches `*` (any text) and `?` (any one character); everything else is itself. Linear in practice, never recursive.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((sp, st)) => {
                    p = sp + 1;
                    t = st + 1;
                    star = Some((sp, st + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lifted_keeps_its_own_time_and_what_must_never_be_done_to_it() {
        let tier = |name: &str, secs, force_off| Tier {
            name: TierName::new(name),
            matches: TierMatch { tag: Some(name.to_owned()), ..TierMatch::default() },
            on_outage: vec![OnOutage::ShutDown],
            move_to: Vec::new(),
            force_off,
            stop_budget: Millis::from_secs(secs),
            runtime_goal: None,
        };
        let tiers = vec![tier("app", 30, ForceOff::AtDeadline), tier("db", 600, ForceOff::Never)];
        let platform = crate::id::PlatformId::new("kvm");
        let id = VmId::of(&platform, "1");
        let mut db = Vm::new(id.clone(), "db1".to_owned(), "h1".into(), crate::inventory::VmPower::Running, Bytes(0), 1);
        db.tags = ["db".to_owned()].into();
        let policy = Policy { tiers, lifted: [(id, 0)].into(), ..Policy::default() };
        let followed = policy.tier_of(&db);
        assert_eq!(followed.name.as_str(), "app", "it goes with what needs it");
        assert_eq!((followed.stop_budget, followed.force_off), (Millis::from_secs(600), ForceOff::Never));
    }

    #[test]
    fn globs_match_as_people_expect() {
        for (pattern, text, expected) in [
            ("ci-*", "ci-7", true),
            ("ci-*", "xci-7", false),
            ("*", "", true),
            ("power:?ritical", "power:critical", true),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            ("", "x", false),
            ("äö*", "äöü", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} against {text}");
        }
    }
}
