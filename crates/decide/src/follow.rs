//! For which UPSes another master is to wait for us: those whose power a host of ours still needs.
//!
//! Login with a NUT server is such a word: its primary, about to order the UPS off, waits until those who follow it have gone.

use crate::evidence::HostVerdict;
use crate::input::Effect;
use crate::site::Site;
use ridethrough_model::{DomainMode, HostId, Mono, UpsId};

impl Site {
    /// Says of which UPSes the need has changed since it was last said.
    pub(crate) fn follow_upses(&mut self, now: Mono) {
        let ids: Vec<UpsId> = self.sources.keys().cloned().collect();
        for ups in ids {
            let is_needed = self.needs(&ups, now);
            if self.followed.insert(ups.clone(), is_needed) != Some(is_needed) {
                self.out.push(Effect::Follow { ups, is_needed });
            }
        }
    }

    /// Whether we act for that UPS and any host on it is not proven off. A host we have seen off stays so in this run, however
    /// long its BMC can still be asked.
    fn needs(&self, ups: &UpsId, now: Mono) -> bool {
        let is_armed = self.config.topology.domains_of(ups).any(|(domain, _)| self.mode(domain) == DomainMode::Armed);
        let was_seen_off = |host: &HostId| self.run.as_ref().is_some_and(|run| run.was_seen_off(host));
        let is_off = |host: &HostId| {
            was_seen_off(host) || self.evidence.get(host).is_some_and(|evidence| evidence.verdict(now) == HostVerdict::Off)
        };
        let mut hosts = self.config.topology.hosts.iter().filter(|(_, host)| host.feeds.iter().any(|feed| feed.ups == *ups));
        is_armed && hosts.any(|(host, _)| !is_off(host))
    }
}
