//! What a UPS would carry if another one gave nothing any more: whatever has a supply on both then draws all from the one that is left,
//! and that may be more than it is built for.
//!
//! Known only where both say their load in watts and the survivor what it is built for. Not here: how long a UPS carries more than
//! that. It is taken not to.

use crate::battery::share_ppm;
use crate::evidence::HostVerdict;
use crate::feed::SourceFacts;
use crate::fixed::mul_div;
use crate::plant::Plant;
use crate::site::Site;
use crate::source::SourceKind;
use ridethrough_model::{Feed, Finding, HostId, Millis, Milliwatts, Mono, Now, Severity, Topology, UpsId};
use std::collections::{BTreeMap, BTreeSet};

/// So near its end nobody knows whether a UPS still gives.
const HANDED_OVER: Millis = Millis::from_secs(5);

/// A UPS that cannot carry what another one leaves to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overload {
    /// The one that would be lost.
    pub(crate) lost: UpsId,
    /// The one that would carry its part.
    pub(crate) survivor: UpsId,
    /// What it would carry.
    pub(crate) carries: Milliwatts,
    /// What it is built for.
    pub(crate) nominal: Milliwatts,
}

impl Overload {
    fn percent(&self) -> u64 {
        mul_div(self.carries.0, 100, self.nominal.0.max(1))
    }
    fn text(&self) -> String {
        let Self { lost, survivor, carries, nominal } = self;
        format!(
            "If UPS {lost} fails, UPS {survivor} would carry {} % of what it is built for: {carries} of {nominal}.",
            self.percent()
        )
    }
}

/// What `survivor` would carry without `lost`. Who draws how much of the lost one's load is known where the draw of everything on it is
/// said; elsewhere hosts count alike, and a load with an unknown draw only where it would come over.
fn would_carry(
    topology: &Topology,
    watts: &BTreeMap<UpsId, Milliwatts>,
    (lost, survivor): (&UpsId, &UpsId),
    (dead, off): (&BTreeSet<UpsId>, &BTreeSet<HostId>),
) -> Option<Milliwatts> {
    let (own, theirs) = (watts.get(survivor)?, watts.get(lost)?);
    let mut without = dead.clone();
    without.insert(lost.clone());
    let on_lost = |feeds: &[Feed]| feeds.iter().any(|feed| feed.ups == *lost);
    let hosts = topology.hosts.iter().filter(|(id, _)| !off.contains(*id)).map(|(_, host)| (&host.feeds, host.draw.idle, true));
    let loads = topology.loads.values().map(|load| (&load.feeds, load.draw, false));
    let fed: Vec<_> = hosts.chain(loads).filter(|(feeds, ..)| on_lost(feeds)).collect();
    let is_known = fed.iter().all(|(_, draw, _)| draw.is_some());
    let (mut part, mut gained) = (0_u64, 0_u64);
    for (feeds, draw, is_host) in fed {
        let more = share_ppm(feeds, survivor, &without).saturating_sub(share_ppm(feeds, survivor, dead));
        let counts = is_host || more > 0;
        let weight = if is_known { draw.map_or(0, |draw| draw.0) } else { u64::from(counts) };
        part = part.saturating_add(weight.saturating_mul(u64::from(share_ppm(feeds, lost, dead))));
        gained = gained.saturating_add(weight.saturating_mul(u64::from(more)));
    }
    (gained > 0).then(|| *own + Milliwatts(mul_div(theirs.0, gained.min(part), part.max(1))))
}

impl Site {
    /// Every pair of UPSes that give power of which one could not carry what the other leaves to it.
    fn overloads(&self, sources: &BTreeMap<UpsId, SourceFacts>, now: Mono) -> Vec<Overload> {
        let gives = |kind: SourceKind| !matches!(kind, SourceKind::Unknown | SourceKind::Off);
        let (alive, dead): (Vec<_>, Vec<_>) = sources.iter().partition(|(_, source)| gives(source.kind));
        let dead: BTreeSet<UpsId> = dead.into_iter().map(|(id, _)| id.clone()).collect();
        let off: BTreeSet<HostId> =
            self.verdicts(now).into_iter().filter(|(_, verdict)| *verdict == HostVerdict::Off).map(|(id, _)| id).collect();
        let watts = self.sources.iter().filter_map(|(id, source)| self.watts_of(id, source)).collect();
        let mut found = Vec::new();
        for (survivor, _) in &alive {
            let Some(nominal) = self.nominal_of(survivor) else { continue };
            for (lost, _) in alive.iter().filter(|(lost, _)| lost != survivor) {
                let carries = would_carry(&self.config.topology, &watts, (lost, survivor), (&dead, &off));
                if let Some(carries) = carries.filter(|carries| *carries > nominal) {
                    found.push(Overload { lost: (*lost).clone(), survivor: (*survivor).clone(), carries, nominal });
                }
            }
        }
        found
    }

    /// On battery, a UPS that cannot carry what another one leaves to it ends with that one at the latest.
    pub(crate) fn end_with_partners(&self, sources: &mut BTreeMap<UpsId, SourceFacts>, now: Mono) {
        if self.is_planted(Plant::OverloadIgnored) {
            return;
        }
        let ends: BTreeMap<UpsId, (Mono, Millis)> =
            sources.iter().filter_map(|(id, source)| Some((id.clone(), (source.deadline?, source.margin)))).collect();
        if ends.len() < 2 {
            return;
        }
        for overload in self.overloads(sources, now) {
            let Some((at, margin)) = ends.get(&overload.lost) else { continue };
            // At its very end it may have handed over already: then the survivor's own load says it, and counting twice would be wrong.
            if *at + *margin <= now + HANDED_OVER {
                continue;
            }
            if let Some(source) = sources.get_mut(&overload.survivor)
                && source.deadline.is_some_and(|own| *at < own)
            {
                source.deadline = Some(*at);
                source.margin = *margin;
            }
        }
    }

    /// The same for a person, while there is time to mend it.
    pub(crate) fn overload_findings(&self, now: Mono) -> Vec<Finding> {
        let overloads = self.overloads(&self.all_source_facts(now), now);
        let finding = |overload: Overload| {
            Finding::warning(
                "RT0473",
                format!("UPS {}", overload.survivor),
                overload.text(),
                "Take load off one of the two, or spread it over more UPSes: a UPS that carries too much switches off.",
            )
        };
        overloads.into_iter().map(finding).collect()
    }

    /// Says it when it is about to happen: mains was lost at the one, and the other is all that is left.
    pub(crate) fn tell_overloads(&mut self, lost: &UpsId, now: &Now) {
        let overloads = self.overloads(&self.all_source_facts(now.mono), now.mono);
        for overload in overloads.into_iter().filter(|overload| overload.lost == *lost) {
            let told = format!("overload {} {}", overload.lost, overload.survivor);
            self.notice_once(&told, Severity::Alarm, Some("RT0473"), overload.text(), now);
        }
    }
}
