//! From UPSes to hosts: which feeds live, and when a host's power ends.
//!
//! A feed is good only while its UPS is seen on mains. A silent UPS last seen on mains is presumed alive (nobody is stopped for
//! it) but is no place to move anything to: unknown is never OK.

use crate::source::{SourceKind, SourceState};
use ridethrough_model::{Feed, Millis, Mono, Timing, Topology, UpsId};
use std::collections::{BTreeMap, BTreeSet};

/// How a feed is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedHealth {
    /// Seen on mains now.
    Good,
    /// Not heard lately, last seen on mains.
    Presumed,
    /// Its power ends.
    Ending {
        /// Then, after margin and age.
        at: Mono,
        /// How much of that is margin.
        margin: Millis,
    },
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
        /// By what its UPSes say now, without any margin. Only what has begun is finished on it.
        empty_at: Mono,
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
    /// How much later it would be without the margin; none where the bound of what is reckoned stands for it.
    pub margin: Millis,
    /// The deadlines of outlet groups that end earlier by themselves.
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
            margin: state.margin(timing),
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
            let ending = |at| FeedHealth::Ending { at: outlet.map_or(at, |outlet| outlet.min(at)), margin: source.margin };
            source.deadline.map_or(FeedHealth::Dead, ending)
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
    let ending = |(h, ups): &(FeedHealth, &UpsId)| match h {
        FeedHealth::Ending { at, margin } => Some(((*at, *margin), (*ups).clone())),
        _ => None,
    };
    let (mut ends, upses): (Vec<(Mono, Millis)>, BTreeSet<UpsId>) = health.iter().filter_map(ending).unzip();
    ends.sort_unstable_by(|a, b| b.cmp(a));
    let missing = needed - good - presumed;
    match ends.get(missing - 1) {
        Some(last) => HostRisk::AtRisk { ends_at: shared_end(*last, &ends, missing, now), empty_at: last.0 + last.1, upses },
        // Every feed is dead or unheard: there is no forecast to act on.
        None => HostRisk::Unknown,
    }
}

/// When the first feed dies, the survivors carry its load too and last shorter than they say now. Two fifths of what is really left
/// are counted: half the load gone over, and a battery gives less than half the time at twice the load. The margin is a share of
/// the whole discharge and stays. What has passed is known: the first one dies at its end, or now if that was expected before.
fn shared_end((last, margin): (Mono, Millis), ends: &[(Mono, Millis)], missing: usize, now: Mono) -> Mono {
    match ends.get(missing) {
        Some((first, _)) => {
            let from = (*first).max(now).min(last);
            from + ((last + margin).since(from).scaled(2, 5) - margin)
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
        SourceFacts { kind, deadline, margin: Millis::ZERO, outlets, emergency: false, is_stated: true, is_settled: true }
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
        let HostRisk::AtRisk { ends_at, upses, .. } = both else { panic!("{both:?}") };
        assert_eq!(ends_at, Mono(1_200_000), "the survivor carries both loads after 1000 s");
        assert_eq!(upses.len(), 2);
        let overdue = check(&[("a", ob(600)), ("b", ob(1200))], 1);
        assert!(matches!(overdue, HostRisk::AtRisk { ends_at: Mono(900_000), .. }), "it still gives at 700 s: {overdue:?}");
        assert!(matches!(check(&[("a", ob(600)), ("b", on())], 2), HostRisk::AtRisk { ends_at: Mono(600_000), .. }));
    }

    #[test]
    fn a_survivor_that_carries_all_keeps_its_whole_margin() {
        // 1000 s are left of it, 250 of them margin. At twice the load 400 s are, and the margin is no smaller.
        let survivor = SourceFacts { margin: Millis::from_secs(250), ..facts(SourceKind::OnBattery, Some(1750)) };
        let dying = facts(SourceKind::OnBattery, Some(1000));
        let risk = check(&[("a", dying), ("b", survivor)], 1);
        assert!(matches!(risk, HostRisk::AtRisk { ends_at: Mono(1_150_000), .. }), "{risk:?}");
        let all_margin = SourceFacts { margin: Millis::from_secs(700), ..facts(SourceKind::OnBattery, Some(1050)) };
        let risk = check(&[("a", facts(SourceKind::OnBattery, Some(1000))), ("b", all_margin)], 1);
        assert!(matches!(risk, HostRisk::AtRisk { ends_at: Mono(1_000_000), .. }), "nothing is counted on: {risk:?}");
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
