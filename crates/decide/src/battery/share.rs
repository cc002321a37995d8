//! What each UPS carries: its share of every host and load it feeds. A machine with two supplies draws half from each, and all from
//! the one that is left.

use ridethrough_model::{Feed, HostId, LoadId, Milliwatts, Topology, UpsId};
use std::collections::{BTreeMap, BTreeSet};

/// What hosts and loads draw, from wherever they get it. What is not in here is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostDraw {
    /// Hosts with what runs on them.
    pub hosts: BTreeMap<HostId, Milliwatts>,
    /// Other loads.
    pub loads: BTreeMap<LoadId, Milliwatts>,
    /// What a UPS carries beside them, as measured.
    pub others: BTreeMap<UpsId, Milliwatts>,
}

/// The share of something with these feeds that this UPS carries while `dead` ones carry nothing, in ppm.
#[must_use]
pub fn share_ppm(feeds: &[Feed], ups: &UpsId, dead: &BTreeSet<UpsId>) -> u32 {
    let alive = feeds.iter().filter(|feed| !dead.contains(&feed.ups));
    let (mut all, mut ours) = (0_u32, 0_u32);
    for feed in alive {
        all += 1;
        ours += u32::from(feed.ups == *ups);
    }
    if all == 0 { 0 } else { u32::try_from(u64::from(ours) * 1_000_000 / u64::from(all)).unwrap_or(1_000_000) }
}

/// What each UPS carries of all that.
#[must_use]
pub fn loads_of(topology: &Topology, draw: &HostDraw, dead: &BTreeSet<UpsId>) -> BTreeMap<UpsId, Milliwatts> {
    let mut loads: BTreeMap<UpsId, Milliwatts> = BTreeMap::new();
    let hosts = topology.hosts.iter().filter_map(|(id, host)| Some((&host.feeds, draw.hosts.get(id)?)));
    let others = topology.loads.iter().filter_map(|(id, load)| Some((&load.feeds, draw.loads.get(id)?)));
    for (feeds, watts) in hosts.chain(others) {
        let upses: BTreeSet<&UpsId> = feeds.iter().map(|feed| &feed.ups).filter(|ups| !dead.contains(*ups)).collect();
        for ups in upses {
            let share = watts.scaled(u64::from(share_ppm(feeds, ups, dead)), 1_000_000);
            let load = loads.entry(ups.clone()).or_default();
            *load = *load + share;
        }
    }
    for (ups, watts) in draw.others.iter().filter(|(ups, _)| !dead.contains(*ups)) {
        let load = loads.entry(ups.clone()).or_default();
        *load = *load + *watts;
    }
    loads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feeds(upses: &[&str]) -> Vec<Feed> {
        upses.iter().map(|ups| Feed { ups: UpsId::new(*ups), outlet_group: None }).collect()
    }

    #[test]
    fn two_supplies_share_and_the_survivor_carries_all() {
        let mut topology = Topology::default();
        topology
            .loads
            .insert(LoadId::new("switch"), ridethrough_model::LoadTopology { feeds: feeds(&["a"]), ..Default::default() });
        topology
            .loads
            .insert(LoadId::new("nas"), ridethrough_model::LoadTopology { feeds: feeds(&["a", "b"]), ..Default::default() });
        let mut draw = HostDraw::default();
        draw.loads.insert(LoadId::new("switch"), Milliwatts(50_000));
        draw.loads.insert(LoadId::new("nas"), Milliwatts(300_000));
        draw.others.insert(UpsId::new("b"), Milliwatts(10_000));
        let carried = |dead: &[&str]| -> Vec<(String, u64)> {
            let dead = dead.iter().map(|ups| UpsId::new(*ups)).collect();
            loads_of(&topology, &draw, &dead).into_iter().map(|(ups, load)| (ups.to_string(), load.0 / 1000)).collect()
        };
        assert_eq!(carried(&[]), [("a".to_owned(), 200), ("b".to_owned(), 160)]);
        assert_eq!(carried(&["a"]), [("b".to_owned(), 310)], "all of it, and the switch is dark");
        assert_eq!(share_ppm(&feeds(&["a", "a", "b"]), &UpsId::new("a"), &BTreeSet::new()), 666_666);
        assert_eq!(share_ppm(&[], &UpsId::new("a"), &BTreeSet::new()), 0);
    }
}
