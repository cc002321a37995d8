//! Whether a new inventory is believed (rule 16).
//!
//! A bad read changes nothing: VMs that vanished and tags that were lost keep their last good state until the same is read
//! three times on mains; none is adopted while on battery. Power states and places are news, not a shrinking, and are taken at
//! once.

use ridethrough_model::{Finding, Inventory, VmId};
use std::collections::BTreeMap;

/// Reads that must agree before a loss is believed.
pub(crate) const CONFIRMATIONS_MIN: u8 = 3;

/// How often each loss has been read in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    vanished: BTreeMap<VmId, u8>,
    untagged: BTreeMap<VmId, u8>,
}

/// Merges a new read into the last good one; returns what is believed now and what is not believed yet.
#[must_use]
pub fn adopt(last: Option<&Inventory>, new: Inventory, losses: &mut Losses, on_battery: bool) -> (Inventory, Vec<Finding>) {
    let Some(last) = last else {
        return (new, Vec::new());
    };
    let mut believed = new;
    let mut findings = Vec::new();
    for (id, host) in &last.hosts {
        believed.hosts.entry(id.clone()).or_insert_with(|| {
            let mut host = host.clone();
            host.connected = false;
            host
        });
    }
    for (id, vm) in &last.vms {
        let Some(now) = believed.vms.get_mut(id) else {
            let host_is_dark = believed.hosts.get(&vm.host).is_none_or(|host| !host.connected);
            let reads = losses.vanished.entry(id.clone()).or_default();
            if !host_is_dark && !on_battery {
                *reads = reads.saturating_add(1);
            }
            if *reads >= CONFIRMATIONS_MIN {
                losses.vanished.remove(id);
                continue;
            }
            if !host_is_dark {
                findings.push(lost(&vm.name, "is missing from the last inventory"));
            }
            believed.vms.insert(id.clone(), vm.clone());
            continue;
        };
        losses.vanished.remove(id);
        let lost_tags = !vm.tags.is_subset(&now.tags);
        if !lost_tags {
            losses.untagged.remove(id);
            continue;
        }
        let reads = losses.untagged.entry(id.clone()).or_default();
        if !on_battery {
            *reads = reads.saturating_add(1);
        }
        if *reads >= CONFIRMATIONS_MIN {
            losses.untagged.remove(id);
            continue;
        }
        findings.push(lost(&vm.name, "has lost tags since the last inventory"));
        now.tags.clone_from(&vm.tags);
    }
    (believed, findings)
}

fn lost(name: &str, what: &str) -> Finding {
    Finding::warning(
        "RT0401",
        format!("VM {name}"),
        format!("It {what}; its last good state is kept until this is confirmed on mains."),
        "If you meant it, nothing is to be done: it is believed after three reads. If not, look at the platform.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridethrough_model::{Bytes, HostId, HostInfo, Mono, PlatformId, Vm, VmPower};

    fn inventory(vms: &[(&str, &[&str])]) -> Inventory {
        let platform = PlatformId::new("lab");
        let mut inventory = Inventory::empty(platform.clone(), Mono(0));
        let host = HostInfo::new(HostId::new("kvm1"), true);
        inventory.hosts.insert(host.id.clone(), host);
        for (name, tags) in vms {
            let id = VmId::of(&platform, name);
            let (name, host) = ((*name).to_owned(), HostId::new("kvm1"));
            let mut vm = Vm::new(id.clone(), name, host, VmPower::Running, Bytes::from_mib(64), 1);
            vm.tags = tags.iter().map(|t| (*t).to_owned()).collect();
            inventory.vms.insert(id, vm);
        }
        inventory
    }

    #[test]
    fn rule_16_a_shrunken_inventory_is_believed_only_when_confirmed_on_mains() {
        let mut losses = Losses::default();
        let (mut last, _) = adopt(None, inventory(&[("db", &["power:critical"]), ("ci", &[])]), &mut losses, false);
        for read in 1..=2 {
            let (now, findings) = adopt(Some(&last), inventory(&[("db", &["power:critical"])]), &mut losses, false);
            assert_eq!((now.vms.len(), findings.len()), (2, 1), "read {read}");
            last = now;
        }
        let (now, findings) = adopt(Some(&last), inventory(&[("db", &["power:critical"])]), &mut losses, false);
        assert_eq!((now.vms.len(), findings.len()), (1, 0), "the third read is believed");
    }

    #[test]
    fn rule_16_nothing_is_lost_while_on_battery() {
        let mut losses = Losses::default();
        let (mut last, _) = adopt(None, inventory(&[("db", &["power:critical"])]), &mut losses, false);
        for _ in 0..10 {
            let (now, _) = adopt(Some(&last), inventory(&[("db", &[])]), &mut losses, true);
            assert!(now.vms.values().all(|vm| vm.tags.contains("power:critical")));
            last = now;
        }
    }
}
