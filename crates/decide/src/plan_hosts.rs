//! Emptied hosts are shut down; before that, nothing may start by itself when they come back (rule 10).

use crate::evidence::HostVerdict;
use crate::plan::{Need, Step};
use crate::plan_outage::{ActingHost, FORCE_LEAD};
use crate::snapshot::Snapshot;
use ridethrough_model::{ForceOff, Millis, Mono, Op};

/// Drafts the end of every host at risk that can be told to shut down.
pub(crate) fn draft(snapshot: &Snapshot<'_>, hosts: &[ActingHost<'_>], steps: &mut Vec<Step>) {
    for host in hosts.iter().filter(|host| host.topology.can_shut_down) {
        if snapshot.hosts.get(host.id) == Some(&HostVerdict::Off) {
            continue;
        }
        let op = Op::ShutDownHost { host: host.id.clone() };
        let carries_vms = host.topology.platform.is_some();
        let (not_before, text) = if carries_vms && !snapshot.own.is_host(host.id) {
            (host.since, format!("{} saves the battery as soon as it is empty.", host.id))
        } else {
            (host.shut_down_at(), format!("{} runs to its last safe moment.", host.id))
        };
        let mut step = Step::new(op, not_before, host.topology.shutdown_time, "empty hosts are shut down", text);
        step.upses.clone_from(&host.upses);
        step.last_safe = Some(after_force(host, steps));
        step.observe_only = host.observe_only;
        if carries_vms {
            let paused = pause_autostart(snapshot, host, steps);
            step.needs.extend(paused.into_iter().map(Need::Settled));
            let is_never = snapshot.vms().any(|vm| {
                vm.host == *host.id
                    && vm.power.is_active()
                    && !snapshot.is_own(vm)
                    && snapshot.policy.tier_of(vm).force_off == ForceOff::Never
            });
            let empty = Need::HostEmpty(host.id.clone());
            if is_never { step.needs_hard.push(empty) } else { step.needs.push(empty) }
        }
        steps.push(step);
    }
}

/// The last moment for the host: its own, or when the last of its VMs that began too late has been forced.
fn after_force(host: &ActingHost<'_>, steps: &[Step]) -> Mono {
    let forced = steps.iter().filter(|step| matches!(&step.op, Op::PowerOffVm { host: at, .. } if at == host.id));
    let last = forced.map(|step| step.not_before + FORCE_LEAD + host.hook_time).max();
    last.map_or(host.shut_down_at(), |last| last.max(host.shut_down_at()))
}

fn pause_autostart(snapshot: &Snapshot<'_>, host: &ActingHost<'_>, steps: &mut Vec<Step>) -> Vec<Op> {
    let mut paused = Vec::new();
    for vm in snapshot.vms().filter(|vm| vm.host == *host.id && vm.autostart == Some(true) && !snapshot.is_own(vm)) {
        let is_moving = steps.iter().any(|step| matches!(&step.op, Op::MoveVm { vm: moving, .. } if *moving == vm.id));
        if is_moving {
            // Its definition leaves with it.
            continue;
        }
        let op = Op::SetAutostart { vm: vm.id.clone(), host: host.id.clone(), enabled: false };
        let text = format!("{} must come back in order and only with enough charge, not by itself.", vm.name);
        let mut step = Step::new(op.clone(), host.since, Millis::from_secs(15), "automation is paused", text);
        step.observe_only = host.observe_only;
        steps.push(step);
        paused.push(op);
    }
    paused
}
