//! What is worked out once per problem: who belongs together, in which order hosts depend on each other, how late is too late.

use super::load::{Draft, Load, load_of};
use super::problem::{Feeding, Problem, Vm};

/// A problem with its groups: the free VMs of one host and tier.
#[derive(Clone, Debug)]
pub(super) struct Shape<'a> {
    pub(super) problem: &'a Problem,
    /// Worth of a VM of weight 1 that serves until a slot.
    pub(super) worth_until: Vec<u64>,
    /// Members of group `host * tiers + tier` are `members[groups[g]..groups[g + 1]]`, the cheapest to keep first.
    pub(super) groups: Vec<u32>,
    pub(super) members: Vec<u32>,
    /// VMs of which nothing is to be decided, host after host.
    settled_of: Vec<u32>,
    settled: Vec<u32>,
    /// The different ways hosts are fed.
    pub(super) classes: Vec<Vec<Feeding>>,
    pub(super) class_of: Vec<u16>,
    /// Hosts, those first that others outlive.
    pub(super) host_order: Vec<usize>,
    /// Hosts that go down later when this one does, in that order.
    pub(super) later: Vec<Vec<usize>>,
    /// Per VM: the last slot in which its stop may begin.
    pub(super) latest: Vec<u16>,
    /// Per VM: the first one.
    pub(super) floors: Vec<u16>,
    /// VMs that others need, each after those that need it.
    pub(super) needed: Vec<usize>,
    /// Per VM: those it needs.
    pub(super) needs: Vec<Vec<usize>>,
}

impl<'a> Shape<'a> {
    pub(super) fn new(problem: &'a Problem) -> Self {
        let mut worth_until = vec![0_u64];
        for (t, worth) in problem.worth.iter().enumerate() {
            worth_until.push(worth_until[t] + u64::from(*worth));
        }
        let (groups, members) = group(problem);
        let mut settled: Vec<u32> = (0..problem.vms.len() as u32).filter(|v| problem.vms[*v as usize].fixed.is_some()).collect();
        settled.sort_by_key(|v| problem.vms[*v as usize].host);
        let before = |host: usize| settled.partition_point(|v| problem.vms[*v as usize].host < host) as u32;
        let settled_of = (0..=problem.hosts.len()).map(before).collect();
        let mut classes: Vec<Vec<Feeding>> = problem.hosts.iter().map(|host| host.feeds.clone()).collect();
        classes.sort();
        classes.dedup();
        let class_of = problem.hosts.iter().map(|host| classes.binary_search(&host.feeds).unwrap_or(0) as u16).collect();
        let edges: Vec<&[usize]> = problem.hosts.iter().map(|host| host.outlives.as_slice()).collect();
        let host_order = in_order(&edges);
        let later = (0..problem.hosts.len()).map(|h| later_than(problem, &host_order, h)).collect();
        let edges: Vec<&[usize]> = problem.vms.iter().map(|vm| vm.dependents.as_slice()).collect();
        let any = edges.iter().any(|list| !list.is_empty());
        let mut needed = if any { in_order(&edges) } else { Vec::new() };
        needed.retain(|v| !problem.vms[*v].dependents.is_empty());
        let mut needs = vec![Vec::new(); problem.vms.len()];
        for provider in &needed {
            for user in &problem.vms[*provider].dependents {
                needs[*user].push(*provider);
            }
        }
        let latest = latest(problem, &host_order);
        let floors = vec![0; problem.vms.len()];
        let mut shape = Self {
            problem,
            worth_until,
            groups,
            members,
            settled_of,
            settled,
            classes,
            class_of,
            host_order,
            later,
            latest,
            floors,
            needed,
            needs,
        };
        shape.set_floors(&vec![0; problem.tiers], 0);
        shape
    }
    /// The free VMs of one host and tier.
    pub(super) fn group(&self, host: usize, tier: usize) -> &[u32] {
        let g = host * self.problem.tiers + tier;
        &self.members[self.groups[g] as usize..self.groups[g + 1] as usize]
    }
    /// The VMs of one host of which nothing is to be decided.
    pub(super) fn fixed(&self, host: usize) -> impl Iterator<Item = &'a Vm> {
        self.settled[self.settled_of[host] as usize..self.settled_of[host + 1] as usize]
            .iter()
            .map(|v| &self.problem.vms[*v as usize])
    }
    /// Nobody moves, everybody stops as soon as allowed.
    pub(super) fn stop_all(&self) -> Draft {
        Draft { moved: vec![None; self.problem.vms.len()], stop: self.floors.clone() }
    }
    pub(super) fn load(&self, draft: &Draft) -> Load {
        load_of(self, draft)
    }
    /// What a draft is worth.
    pub(super) fn value(&self, draft: &Draft) -> u64 {
        let whole = self.worth_until[self.worth_until.len() - 1];
        let free = self.problem.vms.iter().enumerate().filter(|(_, vm)| vm.fixed.is_none());
        free.map(|(v, vm)| {
            let worth = if draft.moved[v].is_some() { whole } else { self.worth_until[usize::from(draft.stop[v])] };
            worth * u64::from(vm.weight)
        })
        .sum()
    }
    /// The weight of the VMs of the first tier that are saved.
    pub(super) fn saved(&self, draft: &Draft) -> u64 {
        let vms = self.problem.vms.iter().zip(&draft.moved);
        vms.filter(|(vm, moved)| vm.tier == 0 && moved.is_some()).map(|(vm, _)| u64::from(vm.weight)).sum()
    }
}

fn group(problem: &Problem) -> (Vec<u32>, Vec<u32>) {
    let count = problem.hosts.len() * problem.tiers;
    let mut groups = vec![0_u32; count + 1];
    let mut free: Vec<usize> = (0..problem.vms.len()).filter(|v| problem.vms[*v].fixed.is_none()).collect();
    free.sort_by_cached_key(|v| {
        let vm = &problem.vms[*v];
        (vm.host * problem.tiers + vm.tier, (vm.power << 16) / u64::from(vm.weight.max(1)), *v)
    });
    for v in &free {
        groups[problem.vms[*v].host * problem.tiers + problem.vms[*v].tier + 1] += 1;
    }
    for g in 0..count {
        groups[g + 1] += groups[g];
    }
    (groups, free.into_iter().map(|v| v as u32).collect())
}

/// All numbers, each after those in its list. What is in a circle comes as it is counted.
pub(super) fn in_order(edges: &[&[usize]]) -> Vec<usize> {
    let mut waits: Vec<usize> = edges.iter().map(|list| list.len()).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (node, list) in edges.iter().enumerate() {
        for other in *list {
            users[*other].push(node);
        }
    }
    let mut order: Vec<usize> = (0..edges.len()).filter(|node| waits[*node] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for user in &users[order[next]] {
            waits[*user] -= 1;
            if waits[*user] == 0 {
                order.push(*user);
            }
        }
        next += 1;
    }
    order.extend((0..edges.len()).filter(|node| waits[*node] > 0));
    order
}

fn later_than(problem: &Problem, order: &[usize], host: usize) -> Vec<usize> {
    let mut later = vec![host];
    for other in order {
        if *other != host && problem.hosts[*other].outlives.iter().any(|one| later.contains(one)) {
            later.push(*other);
        }
    }
    later.remove(0);
    later
}

/// The last slot for each VM's stop with which its host, and the hosts that outlive it, are off before the plan ends.
fn latest(problem: &Problem, host_order: &[usize]) -> Vec<u16> {
    let grid = &problem.grid;
    let mut off_by: Vec<u16> = vec![grid.slots() - 1; problem.hosts.len()];
    for h in host_order.iter().rev() {
        let begins = grid.latest(off_by[*h], problem.hosts[*h].shutdown).unwrap_or(0);
        for other in &problem.hosts[*h].outlives {
            off_by[*other] = off_by[*other].min(begins);
        }
    }
    let end_by = |h: usize| grid.latest(off_by[h], problem.hosts[h].shutdown).unwrap_or(0);
    problem.vms.iter().map(|vm| grid.latest(end_by(vm.host), vm.stop).unwrap_or(0)).collect()
}
