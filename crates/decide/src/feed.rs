//! From UPSes to hosts: which feeds live, and when a host's power ends.
//!
//! A feed is good only while its UPS is seen on mains. A silent UPS last seen on mains is presumed alive (nobody is stopped for
//! it) but is no place to move anything to: unknown is never OK.

use crate::source::{SourceKind, SourceState};
use ridethrough_model::{Feed, Mono, Timing, Topology, UpsId};
use std::collections::{BTreeMap, BTreeSet};

/// How a feed is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedHealth {
    /// Seen on mains now.
    Good,
    /// Not heard lately, last seen on mains.
    Presumed,
    /// Its power ends at that moment, after margin and age.
    Ending(Mono),
    /// It gives nothing, or nothing is known of it.
    Dead,
}

/// How a host's power is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRisk {
    /// Enough feeds are seen on mains.
    Safe,
    /// Enough feeds are on mains or presumed to be.
    Presumed,
    /// Too few feeds remain; its power is taken to end at that moment.
    AtRisk {
        /// When.
        ends_at: Mono,
        /// The UPSes on battery that it hangs on.
        upses: BTreeSet<UpsId>,
    },
    /// Its power is unknown: no feed is configured, or its UPSes were never heard.
    Unknown,
}

/// What the planner needs of a UPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFacts {
    /// What it is doing.
    pub kind: SourceKind,
    /// When it is taken to be empty, after margin and age.
    pub deadline: Option<Mono>,
    /// The same for outlet groups that end earlier by themselves.
    pub outlets: BTreeMap<u32, Mono>,
    /// Everybody down now.
    pub emergency: bool,
    /// Whether the deadline rests on what the UPS stated.
    pub is_stated: bool,
    /// Whether its mains was not away lately: what came back a moment ago may go again.
    pub is_settled: bool,
}

impl SourceFacts {
    pub(crate) fn of(state: &SourceState, timing: &Timing, now: Mono) -> Self {
        Self {
            kind: state.kind,
            deadline: state.deadline(timing),
            outlets: state.outlet_deadlines(timing),
            emergency: state.is_emergency(),
            is_stated: state.is_stated,
            is_settled: state.back_at.is_none_or(|back_at| now.since(back_at) >= timing.mains_stable),
        }
    }
}

/// The numbers that hold for a UPS: those of its domain; of the most careful one where it is in several; defaults in none.
pub(crate) fn timing_of(topology: &Topology, ups: &UpsId) -> Timing {
    topology.domains_of(ups).map(|(_, domain)| domain.timing.clone()).max_by_key(|timing| timing.margin).unwrap_or_default()
}

pub(crate) fn feed_health(feed: &Feed, sources: &BTreeMap<UpsId, SourceFacts>) -> FeedHealth {
    let Some(source) = sources.get(&feed.ups) else {
        return FeedHealth::Dead;
    };
    match source.kind {
        SourceKind::Online | SourceKind::Bypass => FeedHealth::Good,
        SourceKind::SilentOnMains => FeedHealth::Presumed,
        SourceKind::Unknown | SourceKind::Off => FeedHealth::Dead,
        SourceKind::OnBattery | SourceKind::LowBattery | SourceKind::Forced | SourceKind::SilentOnBattery => {
            let outlet = feed.outlet_group.and_then(|group| source.outlets.get(&group)).copied();
            source.deadline.map_or(FeedHealth::Dead, |at| FeedHealth::Ending(outlet.map_or(at, |outlet| outlet.min(at))))
        }
    }
}

/// Composes the risk of something with these feeds.
pub(crate) fn risk(feeds: &[Feed], feeds_min: u32, sources: &BTreeMap<UpsId, SourceFacts>, now: Mono) -> HostRisk {
    let needed = usize::try_from(feeds_min.max(1)).unwrap_or(usize::MAX);
    let health: Vec<(FeedHealth, &UpsId)> = feeds.iter().map(|feed| (feed_health(feed, sources), &feed.ups)).collect();
    let good = health.iter().filter(|(h, _)| *h == FeedHealth::Good).count();
    let presumed = health.iter().filter(|(h, _)| *h == FeedHealth::Presumed).count();
    if good >= needed {
        return HostRisk::Safe;
    }
    if good + presumed >= needed {
        return HostRisk::Presumed;
    }
    let mut ends: Vec<Mono> =
        health.iter().filter_map(|(h, _)| if let FeedHealth::Ending(at) = h { Some(*at) } else { None }).collect();
    let upses = health.iter().filter(|(h, _)| matches!(h, FeedHealth::Ending(_))).map(|(_, ups)| (*ups).clone()).collect();
    ends.sort_unstable_by(|a, b| b.cmp(a));
    let missing = needed - good - presumed;
    match ends.get(missing - 1) {
        Some(last) => HostRisk::AtRisk { ends_at: shared_end(*last, &ends, missing, now), upses },
        // Every feed is dead or unheard: there is no forecast to act on.
        None => HostRisk::Unknown,
    }
}

/// When the first feed dies, the survivors carry its load too and last shorter than they say now. Two fifths of the difference
/// are counted: half the load gone over, and a battery gives less than half the time at twice the load. What has passed is known:
/// the difference is counted from the first one's end, or from now if that was expected before.
fn shared_end(last: Mono, ends: &[Mono], missing: usize, now: Mono) -> Mono {
    match ends.get(missing) {
        Some(first) => {
            let from = (*first).max(now).min(last);
            from + last.since(from).scaled(2, 5)
        }
        None => last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: SourceKind, deadline: Option<u64>) -> SourceFacts {
        let outlets = deadline.map(|s| (2, Mono((s - 100) * 1000))).into_iter().collect();
        let deadline = deadline.map(|s| Mono(s * 1000));
        SourceFacts { kind, deadline, outlets, emergency: false, is_stated: true, is_settled: true }
    }

    fn check(sources: &[(&str, SourceFacts)], feeds_min: u32) -> HostRisk {
        let feeds: Vec<Feed> = sources.iter().map(|(name, _)| Feed { ups: UpsId::new(*name), outlet_group: None }).collect();
        risk(&feeds, feeds_min, &sources.iter().map(|(n, f)| (UpsId::new(*n), f.clone())).collect(), Mono(700_000))
    }

    #[test]
    fn a_host_with_two_feeds_is_at_risk_only_when_both_are_on_battery() {
        let on = || facts(SourceKind::Online, None);
        let ob = |s| facts(SourceKind::OnBattery, Some(s));
        assert_eq!(check(&[("a", ob(600)), ("b", on())], 1), HostRisk::Safe);
        let both = check(&[("a", ob(1000)), ("b", ob(1500))], 1);
        let HostRisk::AtRisk { ends_at, upses } = both else { panic!("{both:?}") };
        assert_eq!(ends_at, Mono(1_200_000), "the survivor carries both loads after 1000 s");
        assert_eq!(upses.len(), 2);
        let overdue = check(&[("a", ob(600)), ("b", ob(1200))], 1);
        assert!(matches!(overdue, HostRisk::AtRisk { ends_at: Mono(900_000), .. }), "it still gives at 700 s: {overdue:?}");
        assert!(matches!(check(&[("a", ob(600)), ("b", on())], 2), HostRisk::AtRisk { ends_at: Mono(600_000), .. }));
    }

    #[test]
    fn point_9_an_outlet_that_switches_itself_off_ends_only_what_hangs_on_it() {
        let sources = [(UpsId::new("a"), facts(SourceKind::OnBattery, Some(1000)))].into();
        let end = |outlet_group| risk(&[Feed { ups: UpsId::new("a"), outlet_group }], 1, &sources, Mono(700_000));
        assert!(matches!(end(Some(2)), HostRisk::AtRisk { ends_at: Mono(900_000), .. }));
        assert!(matches!(end(Some(1)), HostRisk::AtRisk { ends_at: Mono(1_000_000), .. }));
        assert!(matches!(end(None), HostRisk::AtRisk { ends_at: Mono(1_000_000), .. }));
    }

    #[test]
    fn rule_3_silence_and_the_unheard_are_no_health() {
        let silent = || facts(SourceKind::SilentOnMains, None);
        assert_eq!(check(&[("a", silent())], 1), HostRisk::Presumed);
        assert_eq!(check(&[("a", facts(SourceKind::Unknown, None))], 1), HostRisk::Unknown);
        assert_eq!(check(&[], 1), HostRisk::Unknown);
    }
}
