//! Bugs planted on purpose, one at a time, so that a test can see that a check catches each. docs/testing.md lists by what.
//!
//! A build without debug assertions, as it is released, has none of this: the question whether one is planted is `false` there
//! before the program runs. Nothing but a test plants any.

use crate::site::Site;
use crate::snapshot::ChargeFacts;
use ridethrough_model::policy::ForceOff;
use ridethrough_model::{Millis, Mono, Ppm, Reading, StatusToken};

macro_rules! plants {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// One bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Plant {
            $($(#[$doc])* $name),+
        }
        impl Plant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

plants! {
    /// An effect goes out before its intent is durable.
    StartBeforeDurable,
    /// Numbers of records are left out.
    RecordsLeaveGaps,
    /// The answer to an older attempt counts for the one under way.
    ReplyOfOldAttempt,
    /// An answer that was lost counts as "it did not happen": it is done again without a look.
    LostReplyIsFailure,
    /// After a crash what was intended counts as not begun: it is done again without a look.
    CrashIsFailure,
    /// Effects are sent twice.
    SentTwice,
    /// A step is tried again for ever.
    AttemptsWithoutBound,
    /// What a domain that only observes would do is done.
    ObserverActs,
    /// The order of tiers is ignored.
    TiersTogether,
    /// A host goes down over VMs that run.
    HostCutWhileRunning,
    /// Storage goes down under hosts that run.
    LoadCutUnderHosts,
    /// Hosts are woken before the storage they need.
    StorageNotAwaited,
    /// A hold holds nothing.
    HoldIgnored,
    /// A hold never lifts itself.
    HoldForEver,
    /// A hold holds a forced shutdown too.
    ForcedShutdownHeld,
    /// The time on battery of the last outage counts in the next.
    LastOutageCounts,
    /// A domain acts with the first reading on battery.
    NoRideThrough,
    /// The ride-through is kept even if there is no time for a clean stop after it.
    RideThroughToTheEnd,
    /// Mains counts as stable as soon as it is back.
    MainsStableAtOnce,
    /// Every battery counts as charged.
    ChargeIgnored,
    /// A run ends as soon as mains is stable, whatever is missing.
    EndsTooEarly,
    /// What was paused of the platform's own automation is not put back.
    GuardNotPutBack,
    /// A UPS that does not say its runtime counts as endless.
    UnknownRuntimeEndless,
    /// How old a reading is when it arrives is not counted.
    ReadingAgeIgnored,
    /// The margin is forgotten.
    MarginForgotten,
    /// Low battery counts on mains too.
    LowBatteryOnMains,
    /// An inventory that has shrunk is believed while on battery.
    LostInventoryBelieved,
    /// A UPS that falls silent on battery counts as one on mains.
    SilenceIsHealth,
    /// A UPS that is silent, last seen on mains, counts as seen on mains: VMs are moved to it.
    PresumedIsGood,
    /// There is no bound on moves at once.
    MovesWithoutBound,
    /// What must never be forced is forced.
    NeverForceIgnored,
    /// What a UPS would carry without another one is not looked at.
    OverloadIgnored,
    /// VMs are powered off as soon as their clean stop begins.
    ForcedAtOnce,
    /// No dead-man timer is set.
    NoTimer,
    /// Dead-man timers are not moved while mains is back.
    TimerLeftOnMains,
    /// Records are written in the name of an older controller.
    StaleEpoch,
    /// What a later plan does not want any more is started all the same.
    SupersededStarts,
    /// The controller's own host goes down as soon as anything does.
    OwnHostNotLast,
}

/// What a charge would be if nobody asked.
pub(crate) fn charged() -> ChargeFacts {
    let day = Some(Millis::from_secs(24 * 3600));
    ChargeFacts { charge: Some(Ppm::from_percent(100)), on_mains_for: Millis::ZERO, runtime: day, load: None, load_before: None }
}

impl Site {
    /// Plants a bug. For tests; does nothing in a build without debug assertions.
    pub fn plant(&mut self, plant: Plant) {
        self.plant = Some(plant);
        let (topology, policy) = (&mut self.config.topology, &mut self.config.policy);
        match plant {
            Plant::MarginForgotten => topology.domains.values_mut().for_each(|domain| domain.timing.margin = Ppm(0)),
            Plant::MovesWithoutBound => policy.moves_per_host = 64,
            Plant::NeverForceIgnored => policy.tiers.iter_mut().for_each(|tier| tier.force_off = ForceOff::AtDeadline),
            _ => {}
        }
        if !cfg!(debug_assertions) {
            self.plant = None;
        }
    }

    /// Whether that bug is planted. Never in a release.
    pub(crate) fn is_planted(&self, plant: Plant) -> bool {
        cfg!(debug_assertions) && self.plant == Some(plant)
    }

    /// A reading as a planted bug would have it.
    pub(crate) fn misread(&self, mut reading: Reading, now: Mono) -> Reading {
        if self.is_planted(Plant::UnknownRuntimeEndless) && reading.runtime.is_none() {
            reading.runtime = Some(Millis::from_secs(24 * 3600));
        }
        if self.is_planted(Plant::ReadingAgeIgnored) {
            reading.observed_at = now;
        }
        if self.is_planted(Plant::LowBatteryOnMains) && reading.status.has(&StatusToken::Lb) {
            reading.status.0.remove(&StatusToken::Ol);
            reading.status.0.insert(StatusToken::Ob);
        }
        reading
    }
}
