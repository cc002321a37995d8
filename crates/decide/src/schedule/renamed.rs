//! The same problem with everything in an order of its own, so that a plan depends on what things are and not on how they are named or
//! counted. Only things alike in every respect keep the order they came in, and then it makes no difference which is which.

use super::load::{Draft, Load, Move};
use super::problem::{Problem, Vm};
use super::solve::{Solution, Warm};

/// A problem in its own order; each list says which of the original stands there.
#[derive(Debug)]
pub(super) struct Renamed {
    pub(super) problem: Problem,
    vms: Vec<usize>,
    hosts: Vec<usize>,
    receivers: Vec<usize>,
    sources: Vec<usize>,
}

type Key = (usize, u32, u64, u64, u32, u32, Option<u32>, Option<u16>, u16);

fn key(vm: &Vm) -> Key {
    (vm.tier, vm.weight, vm.power, vm.memory, vm.cpus, vm.stop, vm.moving, vm.fixed, vm.not_before)
}

impl Renamed {
    pub(super) fn new(problem: &Problem) -> Self {
        let mut on: Vec<Vec<Key>> = vec![Vec::new(); problem.hosts.len()];
        for vm in &problem.vms {
            on[vm.host].push(key(vm));
        }
        for list in &mut on {
            list.sort_unstable();
        }
        let mut sources: Vec<usize> = (0..problem.sources.len()).collect();
        let carries = |u: usize| {
            let fed = problem.hosts.iter().enumerate().filter(|(_, host)| host.feeds.iter().any(|feed| feed.source == u));
            fed.fold((0_u64, 0_usize, 0_u64), |sum, (h, host)| {
                (sum.0 + host.idle, sum.1 + on[h].len(), sum.2 + on[h].iter().map(|key| key.2).sum::<u64>())
            })
        };
        sources.sort_by_cached_key(|u| {
            let source = &problem.sources[*u];
            (source.budget, source.base, carries(*u), source.curve.clone())
        });
        let source_at = inverse(&sources);
        let mut hosts: Vec<usize> = (0..problem.hosts.len()).collect();
        let feeds = |h: usize| problem.hosts[h].feeds.iter().map(|feed| (source_at[feed.source], feed.share)).collect::<Vec<_>>();
        let keys: Vec<_> = (0..hosts.len())
            .map(|h| {
                let host = &problem.hosts[h];
                (feeds(h), host.idle, host.shutdown, host.off, host.lanes, host.outlives.len(), &on[h])
            })
            .collect();
        hosts.sort_by(|a, b| keys[*a].cmp(&keys[*b]));
        let host_at = inverse(&hosts);
        let mut vms: Vec<usize> = (0..problem.vms.len()).collect();
        vms.sort_by_cached_key(|v| (host_at[problem.vms[*v].host], key(&problem.vms[*v])));
        let mut receivers: Vec<usize> = (0..problem.receivers.len()).collect();
        receivers.sort_by_cached_key(|r| {
            let receiver = &problem.receivers[*r];
            (receiver.memory, receiver.cpus, receiver.power, receiver.lanes.clone())
        });
        let vm_at = inverse(&vms);
        let renamed = Problem {
            grid: problem.grid.clone(),
            worth: problem.worth.clone(),
            sources: sources.iter().map(|u| problem.sources[*u].clone()).collect(),
            hosts: hosts.iter().map(|h| host(problem, *h, &source_at, &host_at)).collect(),
            vms: vms.iter().map(|v| guest(problem, *v, &host_at, &vm_at)).collect(),
            receivers: receivers.iter().map(|r| problem.receivers[*r].clone()).collect(),
            tiers: problem.tiers,
            hold: problem.hold,
            hold_firm: problem.hold_firm,
            goals: problem.goals.clone(),
        };
        Self { problem: renamed, vms, hosts, receivers, sources }
    }
    /// What was known beforehand, in this order.
    pub(super) fn warm(&self, warm: &Warm) -> Warm {
        let prices = self.sources.iter().map(|u| warm.prices.get(*u).copied().unwrap_or(0)).collect();
        let receiver_at = inverse(&self.receivers);
        let to = |moved: Move| Some(Move { to: *receiver_at.get(usize::from(moved.to))? as u16, ..moved });
        let is_whole = |draft: &&Draft| draft.moved.len() == self.vms.len() && draft.stop.len() == self.vms.len();
        let draft = warm.draft.as_ref().filter(is_whole).map(|draft| Draft {
            moved: self.vms.iter().map(|v| draft.moved[*v].and_then(to)).collect(),
            stop: self.vms.iter().map(|v| draft.stop[*v]).collect(),
        });
        Warm { prices: if warm.prices.is_empty() { Vec::new() } else { prices }, draft }
    }
    /// A solution in the order of the original.
    pub(super) fn original(&self, solution: Solution) -> Solution {
        let vm_at = inverse(&self.vms);
        let source_at = inverse(&self.sources);
        let host_at = inverse(&self.hosts);
        let to = |moved: Move| Move { to: self.receivers[usize::from(moved.to)] as u16, ..moved };
        let draft = Draft {
            moved: vm_at.iter().map(|v| solution.draft.moved[*v].map(to)).collect(),
            stop: vm_at.iter().map(|v| solution.draft.stop[*v]).collect(),
        };
        let load = Load {
            at: source_at.iter().map(|u| solution.load.at[*u].clone()).collect(),
            off: host_at.iter().map(|h| solution.load.off[*h]).collect(),
            drain: source_at.iter().map(|u| solution.load.drain[*u]).collect(),
            ends: solution.load.ends,
        };
        let prices = source_at.iter().map(|u| solution.prices[*u]).collect();
        Solution { draft, load, prices, ..solution }
    }
}

fn host(problem: &Problem, h: usize, source_at: &[usize], host_at: &[usize]) -> super::problem::Host {
    let mut host = problem.hosts[h].clone();
    for feed in &mut host.feeds {
        feed.source = source_at[feed.source];
    }
    for other in &mut host.outlives {
        *other = host_at[*other];
    }
    host.feeds.sort_unstable();
    host.outlives.sort_unstable();
    host
}

fn guest(problem: &Problem, v: usize, host_at: &[usize], vm_at: &[usize]) -> Vm {
    let mut vm = problem.vms[v].clone();
    vm.host = host_at[vm.host];
    for other in &mut vm.dependents {
        *other = vm_at[*other];
    }
    vm.dependents.sort_unstable();
    vm
}

fn inverse(order: &[usize]) -> Vec<usize> {
    let mut at = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        at[*old] = new;
    }
    at
}
