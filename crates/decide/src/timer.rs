//! The dead-man timer of each host: whether one is wanted now, when it is to fire, what is known of it.
//!
//! It is the safety net under everything else: set as soon as the host's power is at risk, moved with the forecast, gone when the
//! mains is stable. It fires when too little battery is left for its host's guests and itself, later than the last safe moment at
//! which a run would act. What is asked of the hosts and what they answer is in `timer_calls`.

use crate::domain::DomainPhase;
use crate::evidence::HostVerdict;
use crate::feed::HostRisk;
use crate::input::TimerCall;
use crate::site::Site;
use crate::snapshot::Snapshot;
use ridethrough_model::{DomainMode, Entry, HostId, HostTopology, Millis, Mono, Now, Op, Record, UpsId, VmId};
use std::collections::BTreeSet;

/// How long an order may be under way to its host: it counts from there, so it is given so much less.
pub(crate) const LAG: Millis = Millis::from_secs(3);
/// What a timer is pushed ahead while the mains is back and not stable yet, beyond that time: it must not fire on good mains.
pub(crate) const AHEAD: Millis = Millis::from_secs(60);

/// What is known of one host's timer. There is none for a host on which none may be set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timer {
    /// When it fires, as the host said last.
    pub(crate) fires_at: Option<Mono>,
    /// When the host confirmed it last.
    pub(crate) confirmed_at: Option<Mono>,
    /// Something may be there: it was confirmed, or an order's fate is unknown.
    pub(crate) may_be_set: bool,
    /// It has fired.
    pub(crate) has_fired: bool,
    /// What the host was asked, since when.
    pub(crate) asked: Option<(Mono, TimerCall)>,
    /// Nothing is asked again before.
    pub(crate) next_at: Mono,
    /// Why the last call failed.
    pub(crate) failure: Option<String>,
    /// The moment of firing that the journal knows.
    pub(crate) written: Option<Mono>,
}

impl Timer {
    /// The host confirmed it, and that was not long ago.
    pub(crate) fn is_confirmed(&self, now: Mono) -> bool {
        self.confirmed_at.is_some_and(|at| now.since(at) <= CONFIRMED_MAX)
    }
}

/// What is wanted of a host's timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimerWish {
    /// It is to fire then, and to wait for guests for so long.
    Fire { at: Mono, guests_max: Millis },
    /// Mains is back and not stable: if there is one, not before that moment.
    NotBefore { at: Mono, guests_max: Millis },
    /// Whatever is there stays.
    Leave,
    /// None is to be there.
    None(String),
}

/// A host's timer for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerView {
    /// One is set, or may be.
    pub may_be_set: bool,
    /// The host confirmed it, and that was not long ago.
    pub is_confirmed: bool,
    /// Time until it fires, as the host said last.
    pub fires_in: Option<Millis>,
    /// It has fired: the host stops its guests and itself.
    pub has_fired: bool,
    /// Why the last call failed.
    pub failure: Option<String>,
}

/// A host that has not confirmed its timer for so long may have lost it.
const CONFIRMED_MAX: Millis = Millis::from_secs(90);

impl Site {
    /// What is wanted of that host's timer now.
    pub(crate) fn timer_wish(&self, snapshot: &Snapshot<'_>, id: &HostId) -> TimerWish {
        let Some(topology) = self.config.topology.hosts.get(id).filter(|_| self.config.topology.timers.contains(id)) else {
            return TimerWish::None("the configuration wants none there any more".to_owned());
        };
        if snapshot.hosts.get(id) == Some(&HostVerdict::Off) {
            return TimerWish::None("the host is off".to_owned());
        }
        if let Some(aborted) = self.run.as_ref().and_then(|run| run.aborted.as_ref()) {
            return TimerWish::None(format!("{} has aborted the run", aborted.by));
        }
        if let Some(hold) = self.hold.as_ref().filter(|hold| hold.even_if_lost) {
            return TimerWish::None(format!("{} holds the run even if VMs are lost", hold.by));
        }
        if self.is_awaiting() || self.is_cut_off() {
            return TimerWish::Leave;
        }
        match snapshot.host_risk(id) {
            HostRisk::AtRisk { ends_at, upses, .. } => match self.why_no_timer(snapshot, &upses) {
                Some(reason) => TimerWish::None(reason),
                None if self.is_stopping(snapshot, id) => TimerWish::Leave,
                None => {
                    let must_end_at = ends_at - topology.shutdown_time;
                    let (at, guests_max) = guests(snapshot, id, topology).fire(must_end_at, snapshot.now);
                    TimerWish::Fire { at, guests_max }
                }
            },
            HostRisk::Safe if snapshot.has_settled_mains(topology) && self.is_calm(topology) => {
                TimerWish::None("mains is stable".to_owned())
            }
            HostRisk::Safe => {
                if let Some(reason) = self.why_no_timer(snapshot, &topology.feeds.iter().map(|feed| feed.ups.clone()).collect()) {
                    return TimerWish::None(reason);
                }
                if self.is_stopping(snapshot, id) {
                    return TimerWish::None("the host was told to shut down".to_owned());
                }
                let stable = self.config.topology.domains.values().map(|domain| domain.timing.mains_stable).max();
                let at = snapshot.now + stable.unwrap_or(Millis::ZERO) + AHEAD;
                let guests = guests(snapshot, id, topology);
                TimerWish::NotBefore { at, guests_max: guests.untold.max(guests.told) }
            }
            HostRisk::Presumed | HostRisk::Unknown => TimerWish::Leave,
        }
    }

    /// Where nothing is done, nothing is done by a timer either.
    fn why_no_timer(&self, snapshot: &Snapshot<'_>, upses: &BTreeSet<UpsId>) -> Option<String> {
        let mut domains = snapshot.domains_of(upses).peekable();
        if domains.peek().is_none() {
            return Some("its UPSes are in no domain".to_owned());
        }
        if let Some(domain) = domains.find(|domain| self.mode(domain) != DomainMode::Armed) {
            return Some(format!("domain {domain} only observes"));
        }
        let is_emergency = upses.iter().all(|ups| snapshot.sources.get(ups).is_some_and(|source| source.emergency));
        let in_maintenance = upses.iter().find(|ups| self.maintenance.contains_key(*ups)).filter(|_| !is_emergency)?;
        Some(format!("UPS {in_maintenance} is in maintenance"))
    }

    /// Told to shut down: a timer set before stays as it is, and nobody is surprised that the host does not answer.
    pub(crate) fn is_stopping(&self, snapshot: &Snapshot<'_>, id: &HostId) -> bool {
        snapshot.is_going_down(id) || self.run.as_ref().is_some_and(|run| run.hosts_down.contains(id))
    }

    /// Every domain that feeds the host is on mains for good.
    fn is_calm(&self, topology: &HostTopology) -> bool {
        let mut domains = topology.feeds.iter().flat_map(|feed| self.config.topology.domains_of(&feed.ups));
        // A host with a second feed needs no other to be stable: that is seen by its own settled mains.
        let is_settled = |phase, is_stable| phase == DomainPhase::Online || phase == DomainPhase::Returning && is_stable;
        topology.feeds.len() > 1
            || domains.all(|(id, _)| self.domains.get(id).is_none_or(|state| is_settled(state.phase, state.is_stable)))
    }

    /// Whether that request is still what its host is asked.
    pub(crate) fn is_timer_asked(&self, host: &HostId, call: TimerCall) -> bool {
        self.timers.get(host).and_then(|timer| timer.asked).is_some_and(|(_, asked)| asked == call)
    }

    /// Takes in what the journal says at start.
    pub(crate) fn recall_timer(&mut self, record: &Record, now: &Now) {
        match &record.entry {
            Entry::TimerIntended { host, fires_in } | Entry::TimerSet { host, fires_in } => {
                let fires_at = record.mono_in(now).map(|at| at + *fires_in);
                // Nobody knows whether it got there: it is cancelled all the same.
                let timer = Timer { fires_at, may_be_set: true, written: fires_at, ..Timer::default() };
                self.timers.insert(host.clone(), timer);
            }
            Entry::TimerFired { host } => {
                if let Some(timer) = self.timers.get_mut(host) {
                    timer.has_fired = true;
                }
            }
            Entry::TimerEnded { host, .. } => match record.mono_in(now) {
                Some(at) => self.forget_timer(host, at),
                // It ended under another boot's clock: what it told then is long off.
                None => {
                    self.timers.remove(host);
                }
            },
            _ => {}
        }
    }

    /// It is not there any more. One that may have fired has told its guests: what goes off of them is not somebody's wish.
    pub(crate) fn forget_timer(&mut self, host: &HostId, at: Mono) {
        let Some(timer) = self.timers.remove(host) else { return };
        // Of one that was set under another boot's clock nobody knows.
        let is_past = timer.fires_at.or(timer.written).is_none_or(|fires_at| fires_at <= at);
        if timer.has_fired || timer.may_be_set && is_past {
            self.timers_fired.insert(host.clone(), at + self.leaving_max(host));
        }
    }

    /// Guests that the timer of a host that is off may have stopped before it, with nobody there to see it: what was at home there.
    pub(crate) fn stopped_by_timer(&self, host: &HostId) -> impl Iterator<Item = VmId> {
        let run = self.run.as_ref().filter(|_| self.timers.get(host).is_some_and(|timer| timer.may_be_set || timer.has_fired));
        let vm = |id: &VmId| self.inventories.get(&id.platform()).and_then(|inventory| inventory.vms.get(id));
        run.into_iter().flat_map(move |run| {
            let is_there = move |id: &&VmId| vm(id).map_or(!run.moved.contains(*id), |vm| vm.host == *host);
            // What this run has stopped and is seen off did not fall.
            let is_ours = move |id: &&VmId| run.stopped.contains(*id) && vm(id).is_some_and(|vm| !vm.power.is_active());
            run.homes
                .iter()
                .filter(|(_, home)| home.host == *host)
                .map(|(id, _)| id)
                .filter(is_there)
                .filter(move |id| !is_ours(id))
                .cloned()
        })
    }

    pub(crate) fn timer_view(&self, id: &HostId, now: Mono) -> Option<TimerView> {
        let none = Timer::default();
        let timer = match self.timers.get(id) {
            Some(timer) => timer,
            None if self.config.topology.timers.contains(id) => &none,
            None => return None,
        };
        Some(TimerView {
            may_be_set: timer.may_be_set,
            is_confirmed: timer.is_confirmed(now),
            fires_in: timer.fires_at.filter(|_| timer.may_be_set).map(|at| at.since(now)),
            has_fired: timer.has_fired,
            failure: timer.failure.clone(),
        })
    }
}

/// How long the slowest guests of a host may still take to stop: of those told to stop, and of the others.
#[derive(Clone, Copy, Debug, Default)]
struct Guests {
    untold: Millis,
    told: Millis,
}

impl Guests {
    /// When a timer must fire so that all have ended by then, and how long it then waits. What has been told ends no sooner by being
    /// told once more: it does not have the others stopped before they must be, and it is waited for, also where it is too late.
    fn fire(self, must_end_at: Mono, now: Mono) -> (Mono, Millis) {
        let at = match self.untold {
            Millis::ZERO if now + self.told <= must_end_at - LAG => must_end_at - self.told,
            untold => must_end_at - untold,
        };
        (at, self.untold.max(self.told - at.since(now)))
    }
}

/// What has been told to stop has used a part of its time.
fn guests(snapshot: &Snapshot<'_>, id: &HostId, topology: &HostTopology) -> Guests {
    let inventory = topology.platform.as_ref().map(|platform| snapshot.inventories.get(platform));
    match inventory {
        None => Guests::default(),
        // What runs there is not known: the slowest of all.
        Some(None) => {
            let budgets = (0..=snapshot.policy.tiers.len()).map(|rank| snapshot.policy.tier(rank).stop_budget);
            Guests { untold: budgets.max().unwrap_or_default(), told: Millis::ZERO }
        }
        Some(Some(inventory)) => {
            let mut guests = Guests::default();
            for vm in inventory.vms.values().filter(|vm| vm.host == *id && vm.power.is_active()) {
                let stop = Op::ShutDownVm { vm: vm.id.clone(), host: id.clone() };
                let begun = snapshot.known.get(&stop).filter(|known| known.is_in_flight).and_then(|known| known.since);
                let budget = snapshot.policy.tier_of(vm).stop_budget;
                match begun {
                    Some(since) => guests.told = guests.told.max(budget - snapshot.now.since(since)),
                    None => guests.untold = guests.untold.max(budget),
                }
            }
            guests
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_was_told_does_not_have_the_others_stopped_sooner() {
        let (now, must_end_at) = (Mono(1_000_000), Mono(1_120_000));
        let fire = |untold: u64, told: u64| {
            let guests = Guests { untold: Millis::from_secs(untold), told: Millis::from_secs(told) };
            let (at, waits) = guests.fire(must_end_at, now);
            (at.since(now), waits)
        };
        let secs = |at: u64, waits: u64| (Millis::from_secs(at), Millis::from_secs(waits));
        assert_eq!(fire(30, 0), secs(90, 30), "the slowest of those not told sets the moment");
        assert_eq!(fire(30, 115), secs(90, 30), "one told that ends in time is down with them");
        assert_eq!(fire(30, 200), secs(90, 110), "one told too late is waited for");
        assert_eq!(fire(0, 100), secs(20, 80), "where all were told it asks them once more");
        assert_eq!(fire(0, 200), secs(120, 80), "it does not cut short what nothing can save");
    }
}
