//! Storage outlives whatever uses it, and is there before it.

use super::{FORCE_LEAD, SLACK, Scene};
use crate::reality::HostState;
use ridethrough_model::{HostId, Millis, Op};

impl Scene<'_> {
    /// What the loads a host needs take to stop after it.
    pub(super) fn time_of_needs(&self, host: &HostId) -> Millis {
        let topology = &self.world.config().topology;
        let needs = topology.hosts.get(host).into_iter().flat_map(|host| &host.needs).filter_map(|need| topology.loads.get(need));
        needs.filter(|load| load.can_stop).map(|load| load.stop_time + FORCE_LEAD).max().unwrap_or_default()
    }
}

/// A load is never told to stop while a host that needs it is not off.
pub(super) fn a_load_outlives_what_uses_it(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let Op::StopLoad { load } = op else { return None };
        scene.judge();
        let hosts = scene.world.config().topology.hosts.iter().filter(|(_, host)| host.needs.contains(load));
        let is_off = |id: &HostId| {
            scene.world.reality.hosts.get(id).is_some_and(|host| matches!(host.state, HostState::Off | HostState::Dark))
        };
        let user = hosts.map(|(id, _)| id).find(|id| !is_off(id))?;
        Some(format!("{user} still runs on it"))
    })
}

/// A load is left alone on mains, and where its domain only observes.
pub(super) fn a_load_stops_only_in_an_armed_outage(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let Op::StopLoad { load } = op else { return None };
        scene.judge();
        let topology = &scene.world.config().topology;
        let feeds: Vec<_> = topology.loads.get(load)?.feeds.iter().map(|feed| &feed.ups).collect();
        if let Some(good) = feeds.iter().find(|ups| scene.is_good(ups)) {
            return Some(format!("{good} is on mains"));
        }
        let of = |domain: &ridethrough_model::Domain| feeds.iter().any(|ups| domain.upses.contains(*ups) && scene.was_lost(ups));
        let domains = topology.domains.iter().filter(|(_, domain)| of(domain));
        let observing = domains.map(|(id, _)| id).find(|id| !scene.seen.armed.contains(*id))?;
        Some(format!("domain {observing} only observes"))
    })
}

/// No host is woken onto storage that is off, but after mains has been stable for very long.
pub(super) fn storage_comes_before_hosts(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let Op::WakeHost { host } = op else { return None };
        let needs = &scene.world.config().topology.hosts.get(host)?.needs;
        if !needs.is_empty() {
            scene.judge();
        }
        let is_off =
            |load: &&ridethrough_model::LoadId| scene.world.reality.stoppables.get(*load).is_some_and(|load| !load.is_on);
        let load = needs.iter().find(is_off)?;
        let latest = scene.domains_of(host).into_iter().map(|(_, timing)| timing.return_latest).max()?;
        let is_latest = scene
            .domains_of(host)
            .iter()
            .filter_map(|(id, _)| scene.world.config().topology.domains.get(*id))
            .flat_map(|domain| &domain.upses)
            .filter_map(|ups| scene.heard(ups).and_then(|heard| heard.mains_since))
            .any(|since| scene.now().since(since) + SLACK >= latest);
        (!is_latest).then(|| format!("{load} is off"))
    })
}
