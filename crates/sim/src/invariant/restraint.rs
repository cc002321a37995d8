//! What must never happen while a person holds the run back, has aborted it, or lets a domain only observe. The same rules of writing as its parent's.

use super::{FORCE_LEAD, SLACK, Scene, move_time};
use crate::reality::HostState;
use crate::seen::Seen;
use ridethrough_decide::Input;
use ridethrough_model::{DomainId, Feed, HostId, Millis, Mono, Op, Timing, UpsId};

/// What a look or two costs, and that a deadline is reckoned a moment later.
const TICK: Millis = Millis::from_secs(5);

/// Giving up a move is no start: it leaves the VM where it is.
pub(super) fn what_is_held_back_is_not_started(scene: &Scene<'_>) -> Option<String> {
    let why = match (scene.seen.hold, scene.seen.is_aborted) {
        (Some(_), _) => "a hold is in force",
        (None, true) => "the run is aborted",
        (None, false) => return None,
    };
    scene.judge();
    scene.first(|op| (!matches!(op, Op::AbortMove { .. } | Op::AbortSuspend { .. })).then(|| why.to_owned()))
}

/// A hold that says the last safe moment has come is right.
pub(super) fn a_hold_is_not_lifted_early(scene: &Scene<'_>) -> Option<String> {
    let reason = scene.seen.hold_ended_now.as_ref().filter(|reason| reason.contains("last safe moment"))?;
    scene.judge();
    let is_due = scene.world.config().topology.hosts.iter().any(|(id, host)| {
        let vms = scene.world.reality.vms.values().filter(|vm| vm.known.host == *id);
        let moves: Millis = vms.map(|vm| move_time(scene, &vm.known)).sum();
        let stops = scene.time_of_hooks(id) + scene.slowest_stop(id);
        let needed = host.shutdown_time + FORCE_LEAD + stops + moves + FORCE_LEAD + SLACK;
        scene.host_ends_at(id).is_none_or(|ends| scene.now() + needed + SLACK >= ends)
    });
    (!is_due).then(|| reason.clone())
}

/// While a clean stop is still possible, but not for much longer, a hold has lifted itself. Counted with the last of a host's feeds.
pub(super) fn a_hold_lifts_itself_in_time(scene: &Scene<'_>) -> Option<String> {
    let is_quiet = scene.now().since(scene.seen.lives_since) < SETTLED || scene.world.faults.is_platform_down;
    if !matches!(scene.seen.hold, Some((_, false))) || is_quiet || !matches!(scene.moment.input, Some(Input::Tick)) {
        return None;
    }
    scene.world.config().topology.hosts.iter().find_map(|(id, host)| {
        let feeds = Seen::feeds(scene.world, id);
        let is_acted_on = scene.domains_of(id).iter().all(|(domain, _)| scene.seen.armed.contains(*domain))
            && !feeds.iter().any(|ups| scene.seen.maintenance.contains_key(*ups));
        let is_on = scene.world.reality.hosts.get(id).is_some_and(|host| host.state == HostState::On);
        if !is_acted_on || !is_on {
            return None;
        }
        let policy = &scene.world.config().policy;
        let running = scene.world.reality.vms.values().filter(|vm| vm.known.host == *id && vm.known.power.is_active());
        let slowest = running.map(|vm| policy.tier_of(&vm.known).stop_budget).max()?;
        let ends: Option<Vec<_>> = feeds.into_iter().map(|ups| scene.ends_at(ups)).collect();
        let last = ends?.into_iter().max()?;
        scene.judge();
        let needed = host.shutdown_time + FORCE_LEAD + slowest + scene.time_of_needs(id);
        (scene.now() + needed > last + LATE_MAX).then(|| format!("{id} ends at {last:?}, it needs {needed}"))
    })
}

/// How late it may be: a tick, and what is heard late.
const LATE_MAX: Millis = Millis::from_secs(5);
/// A controller that has just started listens first.
const SETTLED: Millis = Millis::from_secs(45);

/// An order of another master goes through at once.
pub(super) fn a_forced_shutdown_is_never_held(scene: &Scene<'_>) -> Option<String> {
    let limit = scene.world.config().policy.silence;
    let is_fresh = |heard: &&crate::seen::Heard| heard.age(scene.now()).is_some_and(|age| age < limit);
    let is_ordered = scene.seen.upses.values().filter(is_fresh).any(|heard| heard.forced_since.is_some());
    if is_ordered {
        scene.judge();
    }
    let is_restrained = scene.seen.hold.is_some() || scene.seen.is_aborted;
    (is_ordered && is_restrained && scene.world.site().is_some()).then(|| "a forced shutdown is ordered".to_owned())
}

/// A domain that is not armed only says what it would do. Putting back what was paused is no deed but the end of one (rule 10).
pub(super) fn who_observes_does_nothing(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        scene.judge();
        let is_observing = |(domain, _): &(&DomainId, &Timing)| !scene.seen.armed.contains(*domain);
        if scene.is_stop(op) {
            let observing = scene.domains_at_risk(op.host()?).into_iter().find(is_observing);
            return observing.map(|(domain, _)| format!("domain {domain} only observes"));
        }
        // A move of ours that does not end is given up when the mains is back, whoever disarmed meanwhile: it leaves the VM at home.
        let is_calm = |host: &HostId| !Seen::feeds(scene.world, host).into_iter().any(|ups| scene.was_lost(ups));
        let is_put_back =
            matches!(op, Op::SetAutostart { enabled: true, .. }) || matches!(op, Op::AbortMove { from, .. } if is_calm(from));
        let host =
            if let Op::MoveVm { to, .. } | Op::AbortMove { to, .. } | Op::FinishMove { to, .. } = op { to } else { op.host()? };
        let is_abort = matches!(op, Op::AbortMove { .. } | Op::FinishMove { .. });
        let all_observe = scene.domains_of(host).iter().all(is_observing)
            && (!is_abort || scene.domains_of(op.host()?).iter().all(is_observing));
        (all_observe && !is_put_back).then(|| format!("no domain of {host} is armed"))
    })
}

/// A domain begins to act when its ride-through is over, not before, unless waiting would be unsafe or the UPS orders it.
pub(super) fn the_ride_through_is_kept(scene: &Scene<'_>) -> Option<String> {
    // How long it had been on battery before its machine started anew nobody knows.
    if scene.seen.has_rebooted {
        return None;
    }
    scene.seen.acted_now.iter().find_map(|id| {
        let topology = &scene.world.config().topology;
        let domain = topology.domains.get(id)?;
        if domain.upses.iter().any(|ups| scene.is_emergency(ups) || scene.is_overloaded(ups)) {
            return None;
        }
        scene.judge();
        // What passed while the controller was dead counts too.
        let lost_at = domain.upses.iter().filter_map(|ups| scene.seen.lost_at.get(ups)).min();
        let since_lost = lost_at.map_or(Millis::ZERO, |lost_at| scene.now().since(*lost_at));
        let waited = scene.seen.on_battery.get(id).copied().unwrap_or_default().max(since_lost);
        let hangs_on = |feeds: &[Feed]| feeds.iter().any(|feed| domain.upses.contains(&feed.ups));
        let mut hosts = topology.hosts.iter().filter(|(_, host)| hangs_on(&host.feeds));
        let mut loads = topology.loads.values().filter(|load| load.can_stop && hangs_on(&load.feeds));
        let is_late = |ends: Option<Mono>, needed: Millis| ends.is_none_or(|ends| scene.now() + needed >= ends);
        let is_unsafe = hosts.any(|(host, _)| is_late(scene.host_ends_at(host), time_needed(scene, host)))
            || loads.any(|load| is_late(scene.first_end(&ups_of(&load.feeds)), load.stop_time + TICK));
        let timing = &domain.timing;
        (waited + SLACK < timing.ride_through && !is_unsafe)
            .then(|| format!("{id} acts after {waited} on battery, its ride-through is {}", timing.ride_through))
    })
}

fn ups_of(feeds: &[Feed]) -> Vec<&UpsId> {
    feeds.iter().map(|feed| &feed.ups).collect()
}

/// What everything on that host may take until it is off.
fn time_needed(scene: &Scene<'_>, host: &HostId) -> Millis {
    let there = scene.world.reality.vms.values().filter(|vm| vm.known.host == *host);
    let moves: Millis = there.map(|vm| move_time(scene, &vm.known)).sum();
    let shutdown = scene.world.config().topology.hosts.get(host).map_or(Millis::ZERO, |host| host.shutdown_time);
    let give_up = if moves == Millis::ZERO { moves } else { FORCE_LEAD };
    shutdown + scene.time_of_hooks(host) + FORCE_LEAD + scene.slowest_stop(host) + moves + give_up + TICK
}
