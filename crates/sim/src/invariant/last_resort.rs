//! What must hold of the dead-man timers on hosts. The same rules of writing as its parent's.

use super::{SLACK, Scene};
use crate::reality::HostState;
use crate::seen::Seen;
use ridethrough_decide::{Effect, Input, TimerCall};
use ridethrough_model::{DomainId, HostId, Millis, Op, RunId};

/// How long everything takes that must happen first: a start, an intent on a slow disk, an order on a slow link.
const SETTLED: Millis = Millis::from_secs(45);
/// How long after the mains is back, at the latest, its timer has been moved or taken away.
const MOVED_AFTER: Millis = Millis::from_secs(20);

impl Scene<'_> {
    /// The hosts whose timer is ordered in this event.
    fn timers_ordered(&self) -> impl Iterator<Item = &HostId> {
        self.moment.effects.iter().filter_map(|effect| match effect {
            Effect::Timer { host, call: TimerCall::Set { .. } } => Some(host),
            _ => None,
        })
    }
    fn first_timer(&self, wrong: impl Fn(&HostId) -> Option<String>) -> Option<String> {
        self.timers_ordered().find_map(|host| wrong(host).map(|why| format!("a timer was ordered on {host}: {why}")))
    }
    /// The controller lives and hears, its orders arrive, and the host answers, all that for a while.
    fn is_settled(&self, host: &HostId) -> bool {
        let faults = &self.world.faults;
        let is_lossless = faults.request_lost_percent + faults.reply_lost_percent == 0;
        let is_reachable = self.world.reality.hosts.get(host).is_some_and(|host| host.has_network && host.state == HostState::On);
        let is_old = |since: Millis| self.moment.at.0 > since.0 + SETTLED.0;
        self.world.process.is_some()
            && self.now().since(self.seen.lives_since) > SETTLED
            && is_lossless
            && is_reachable
            && !faults.is_platform_down
            && self.seen.links_changed_at.get(host).copied().is_none_or(is_old)
    }
}

/// Rule 5 holds for timers too: once one may be there, every later controller knows.
pub(super) fn a_timer_is_intended_before_it_is_ordered(scene: &Scene<'_>) -> Option<String> {
    scene.first_timer(|host| {
        scene.judge();
        let Some((intended, None)) = scene.seen.timers.get(host) else { return Some("no intent is open".to_owned()) };
        // The disk itself is asked: what several runs have written becomes durable in one event.
        let on_disk = scene.world.disk.durable.iter().filter(|record| record.run == RunId::SITE).map(|record| record.seq).max();
        let is_durable = on_disk.is_some_and(|last| *intended <= last) || scene.seen.is_degraded;
        (!is_durable).then(|| "its intent is not durable".to_owned())
    })
}

/// Where nothing is done, nothing is done by a timer.
pub(super) fn a_timer_is_ordered_only_where_the_site_acts(scene: &Scene<'_>) -> Option<String> {
    scene.first_timer(|host| {
        scene.judge();
        if matches!(scene.seen.hold, Some((_, true))) {
            return Some("a person holds everything back".to_owned());
        }
        if scene.seen.is_aborted {
            return Some("the run is aborted".to_owned());
        }
        let is_observing = |(domain, _): &(&DomainId, _)| !scene.seen.armed.contains(*domain);
        let is_all = scene.domains_of(host).iter().all(is_observing);
        is_all.then(|| "none of its domains is armed".to_owned())
    })
}

/// On mains a timer is moved, or taken away, and never made.
pub(super) fn no_timer_is_made_on_mains(scene: &Scene<'_>) -> Option<String> {
    scene.first_timer(|host| {
        scene.judge();
        let has_none = !scene.world.timers().contains_key(host) && !scene.seen.timers_ordered.contains(host);
        let feeds = Seen::feeds(scene.world, host);
        let is_on_mains = feeds.iter().all(|ups| scene.is_good(ups));
        (has_none && is_on_mains).then(|| "none was there, and all its UPSes are on mains".to_owned())
    })
}

/// A controller that can reach its hosts never lets one fire on mains.
pub(super) fn no_timer_fires_on_mains(scene: &Scene<'_>) -> Option<String> {
    let (at, host) = scene.world.timers_fired().last().filter(|(at, _)| *at == scene.moment.at)?;
    scene.judge();
    let feeds = Seen::feeds(scene.world, host);
    let is_back = |ups: &&ridethrough_model::UpsId| {
        let since = scene.heard(ups).and_then(|heard| heard.mains_since.filter(|_| heard.says_mains()));
        since.is_some_and(|since| scene.now().since(since) > MOVED_AFTER) && scene.is_good(ups)
    };
    (scene.is_settled(host) && feeds.iter().all(is_back)).then(|| format!("the timer of {host} fired at {at}"))
}

/// A host whose power ends has a timer, as long as it can be told, until it is told to shut down.
pub(super) fn every_host_at_risk_has_a_timer(scene: &Scene<'_>) -> Option<String> {
    let is_held = matches!(scene.seen.hold, Some((_, true))) || scene.seen.is_aborted;
    if !matches!(scene.moment.input, Some(Input::Tick)) || is_held || scene.seen.resumed_at > scene.now() - SETTLED {
        return None;
    }
    let is_told = |host: &HostId| scene.seen.intents.values().any(|intent| intent.op == Op::ShutDownHost { host: host.clone() });
    scene.world.config().topology.timers.iter().find_map(|host| {
        let feeds = Seen::feeds(scene.world, host);
        let is_lost = |ups: &&ridethrough_model::UpsId| {
            let since = scene.heard(ups).and_then(|heard| heard.battery_since.filter(|_| heard.says_battery()));
            since.is_some_and(|since| scene.now().since(since) > SETTLED)
                && !scene.seen.maintenance.contains_key(*ups)
                && scene.seen.upses.get(*ups).and_then(|heard| heard.age(scene.now())).is_some_and(|age| age < MOVED_AFTER)
        };
        let is_armed = scene.domains_of(host).iter().all(|(domain, _)| {
            scene.seen.armed.contains(*domain)
                && scene.seen.armed_at.get(*domain).is_some_and(|at| scene.now().since(*at) > SETTLED)
        });
        let is_bare = scene.is_settled(host) && feeds.iter().all(is_lost) && is_armed && !is_told(host);
        if is_bare {
            scene.judge();
        }
        (is_bare && !scene.world.timers().contains_key(host)).then(|| format!("{host} has none"))
    })
}

/// One that fires with nobody there leaves its guests and its host the time they may take, by what was heard last. Where that was too
/// little from the beginning it fires at once.
pub(super) fn a_timer_leaves_time_for_a_clean_stop(scene: &Scene<'_>) -> Option<String> {
    let (at, host) =
        scene.world.timers_fired().last().filter(|(at, _)| *at == scene.moment.at && scene.world.process.is_none())?;
    if *at < scene.seen.died_at + SETTLED {
        return None;
    }
    let ends = Seen::feeds(scene.world, host).into_iter().filter_map(|ups| scene.ends_at(ups)).max()?;
    scene.judge();
    let shutdown = scene.world.config().topology.hosts.get(host)?.shutdown_time;
    let policy = &scene.world.config().policy;
    let running = scene.world.reality.vms.values().filter(|vm| vm.known.host == *host && vm.known.power.is_active());
    let waits = running.map(|vm| policy.tier_of(&vm.known).stop_budget).max().unwrap_or_default();
    let is_late = scene.now() + waits + shutdown > ends + SLACK;
    is_late.then(|| format!("the timer of {host} fired at {at}, {waits} and {shutdown} before {ends:?} were needed"))
}
