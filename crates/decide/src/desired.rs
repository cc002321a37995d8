//! What should run, told apart from what somebody wished off or elsewhere.
//!
//! The desired state is what ran where when the incident began, in the journal, whoever stopped it since. A VM that is off now and
//! was not stopped by us either fell (with its host, or nobody knows how) and is brought back, or was stopped by a person or by its
//! own guest while its host ran on, and stays as it is. In this order:
//!
//! 1. The platform says that it was told to stop since its host came up: it was wished off.
//! 2. The last resort of its host may have fired before it was called off, and it went off soon after: it fell.
//! 3. It was seen going off while its host stayed within reach for longer than the host would take to go down itself: wished off.
//! 4. Its host went down, or was out of reach when it went off, or nobody was there to see it: it fell.
//!
//! In doubt what ran is brought back: a VM too many is switched off by hand, a VM too few is an outage that goes on. Where somebody
//! moved a VM to is told by what we did not move there. Begin in [`Site::tell_fallen_from_wished`].

use crate::domain::DomainPhase;
use crate::run::RunState;
use crate::site::Site;
use ridethrough_model::{Entry, HostId, Inventory, Millis, Mono, Now, Op, PlatformId, Vm, VmId};
use std::collections::{BTreeMap, BTreeSet};

/// What a VM that is off means.
enum Off {
    /// Nothing yet: it was seen going off, and its host may be following.
    Perhaps,
    /// Somebody wished it.
    Wished(String),
    /// It is brought back.
    Fell(String),
}

impl Site {
    /// Looks through what should run after an inventory. `old` is the one before it, in this process.
    pub(crate) fn tell_fallen_from_wished(&mut self, platform: &PlatformId, old: Option<&Inventory>, now: &Now) {
        let Some(run) = &self.run else {
            self.off_since.clear();
            return;
        };
        let Some(new) = self.inventories.get(platform) else { return };
        let mut off_since = std::mem::take(&mut self.off_since);
        let mut fallen: BTreeMap<(HostId, String), Vec<VmId>> = BTreeMap::new();
        let mut wished: Vec<(VmId, String)> = Vec::new();
        for id in run.homes.keys().filter(|id| id.platform() == *platform) {
            let Some(vm) = new.vms.get(id).filter(|vm| is_to_be_judged(run, new, vm)) else {
                off_since.remove(id);
                continue;
            };
            let was_seen = off_since.contains_key(id) || old.is_some_and(|old| was_seen(old, vm));
            let since = if was_seen { Some(*off_since.entry(id.clone()).or_insert(now.mono)) } else { None };
            match self.judge(new, vm, since, now.mono) {
                Off::Perhaps => {}
                Off::Wished(reason) => wished.push((id.clone(), reason)),
                Off::Fell(reason) => fallen.entry((vm.host.clone(), reason)).or_default().push(id.clone()),
            }
        }
        self.off_since = off_since;
        for (vm, reason) in wished {
            self.off_since.remove(&vm);
            self.append(Entry::VmLeftOff { vm, reason }, now);
            self.want_plan("somebody has stopped a VM");
        }
        for ((host, reason), vms) in fallen {
            for vm in &vms {
                self.off_since.remove(vm);
            }
            self.append(Entry::VmsFell { host, vms, reason }, now);
            self.want_plan("VMs have fallen with their host");
        }
    }

    fn judge(&self, inventory: &Inventory, vm: &Vm, seen_off_since: Option<Mono>, now: Mono) -> Off {
        let seen_at = seen_off_since.unwrap_or(now);
        let is_timers = self.timers_fired.get(&vm.host).is_some_and(|until| seen_at <= *until);
        let is_told = inventory.told_off.contains(&vm.id) && !is_timers && !self.may_have_been_stopped_by_timer(&vm.host, now);
        match seen_off_since {
            Some(_) if is_timers => Off::Fell("the last resort of its host had fired before it was called off".to_owned()),
            // Told by whom, its platform does not say: a host that goes down tells its guests too.
            Some(since)
                if now.since(since) < self.leaving_max(&vm.host) || self.may_have_been_stopped_by_timer(&vm.host, now) =>
            {
                Off::Perhaps
            }
            Some(_) => Off::Wished("it was shut down by somebody, or by its own guest, while its host ran on".to_owned()),
            None if is_told => Off::Wished("its platform says that it was told to stop since its host came up".to_owned()),
            None if !self.is_concerned(&vm.host) => Off::Perhaps,
            None => Off::Fell("it ran when the incident began, and nobody is known to have stopped it".to_owned()),
        }
    }

    /// How long a host may take from stopping its first guest until it is out of reach, when it goes down by itself.
    pub(crate) fn leaving_max(&self, host: &HostId) -> Millis {
        let policy = &self.config.policy;
        let slowest = (0..=policy.tiers.len()).map(|rank| policy.tier(rank).stop_budget).max().unwrap_or_default();
        slowest + self.config.topology.hosts.get(host).map_or(Millis::ZERO, |topology| topology.shutdown_time)
    }

    fn may_have_been_stopped_by_timer(&self, host: &HostId, now: Mono) -> bool {
        let has_fired = |timer: &crate::timer::Timer| {
            timer.has_fired || timer.may_be_set && timer.fires_at.is_none_or(|fires_at| fires_at <= now)
        };
        self.timers.get(host).is_some_and(has_fired)
    }

    /// VMs that we moved and that are now where somebody else moved them.
    pub(crate) fn moved_by_others(&self, run: &RunState) -> BTreeSet<VmId> {
        let place =
            |id: &VmId| self.inventories.get(&id.platform()).and_then(|inventory| inventory.vms.get(id)).map(|vm| &vm.host);
        run.moved.iter().filter(|id| place(id).is_some_and(|host| run.was_moved_by_others(id, host))).cloned().collect()
    }

    /// VMs seen going off of which it is not known yet why, or that a last resort may have told to: nothing ends before it is known.
    pub(crate) fn is_wondering(&self, now: Mono) -> bool {
        let is_seen_going = self.off_since.keys().any(|id| {
            let vm = self.inventories.get(&id.platform()).and_then(|inventory| inventory.vms.get(id));
            vm.is_some_and(|vm| self.is_concerned(&vm.host))
        });
        let runs_there = |host: &HostId| {
            let mut vms = self.inventories.values().flat_map(|inventory| inventory.vms.values());
            vms.any(|vm| vm.host == *host && vm.power.is_active())
        };
        let may_go = |(host, until): (&HostId, &Mono)| now <= *until && self.is_concerned(host) && runs_there(host);
        is_seen_going || self.timers_fired.iter().any(may_go)
    }

    /// Whether the incident is about that host: one of its domains is not simply on mains.
    pub(crate) fn is_concerned(&self, host: &HostId) -> bool {
        let feeds = self.config.topology.hosts.get(host).map(|topology| &topology.feeds);
        let mut domains = feeds.into_iter().flatten().flat_map(|feed| self.config.topology.domains_of(&feed.ups));
        domains.any(|(id, _)| self.domains.get(id).is_some_and(|state| state.phase != DomainPhase::Online))
    }
}

/// It is off on a host within reach, we did not stop it, and nothing was concluded from that yet.
fn is_to_be_judged(run: &RunState, inventory: &Inventory, vm: &Vm) -> bool {
    let is_within_reach = inventory.hosts.get(&vm.host).is_some_and(|host| host.connected);
    let is_busy = || run.actions.values().any(|action| action.is_in_flight() && action.op.vm() == Some(&vm.id));
    is_within_reach && !vm.power.is_active() && !run.stopped.contains(&vm.id) && !run.left_off.contains_key(&vm.id) && !is_busy()
}

/// Its host was within reach in the inventory before too, and it was known there.
fn was_seen(old: &Inventory, vm: &Vm) -> bool {
    old.vms.contains_key(&vm.id) && old.hosts.get(&vm.host).is_some_and(|host| host.connected)
}

impl RunState {
    /// Whether that VM is where somebody else moved it: neither at home nor where we ever sent it.
    pub(crate) fn was_moved_by_others(&self, vm: &VmId, at: &HostId) -> bool {
        let is_ours = |op: &Op| matches!(op, Op::MoveVm { vm: moved, to, .. } if moved == vm && to == at);
        self.homes.get(vm).is_some_and(|home| home.host != *at)
            && !self.actions.values().any(|action| action.attempts > 0 && is_ours(&action.op))
    }
}
