//! What is written down: past-tense facts. Views and crash recovery are the same fold over them.

use crate::battery::BatteryState;
use crate::drill::DrillReport;
use crate::event::{PowerEvent, TaskRef};
use crate::failure::Failure;
use crate::guard::{GuardId, GuardState};
use crate::id::{ActionId, DomainId, HostId, RunId, UpsId, VmId};
use crate::plan::{Op, Plan, PlanReport};
use crate::time::{Mono, Now};
use crate::unit::{Millis, Ppm};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a VM was when the incident began: its desired state afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Its name, for people.
    pub name: String,
    /// The host it ran on.
    pub host: HostId,
    /// Its tier's rank.
    pub rank: usize,
    /// Whether the platform started it with its host.
    pub autostart: Option<bool>,
}

/// What a UPS said at a turn of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpsFacts {
    /// Charge.
    pub charge: Option<Ppm>,
    /// Runtime, as it stated it.
    pub runtime: Option<Millis>,
    /// Load.
    pub load: Option<Ppm>,
    /// What it gave while it was on battery just before, in mWh; `None` where a part of that was not measured.
    pub energy_mwh: Option<u64>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The wanted state was observed.
    Done {
        /// What a person may want to know.
        detail: Option<String>,
    },
    /// It was so before we did anything.
    AlreadyDone,
    /// It failed.
    Failed(Failure),
    /// Not needed any more, or not possible; nothing was sent.
    Dropped(String),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEnd {
    /// Mains came back before anything was touched.
    NothingTouched,
    /// Everything that ran before runs again.
    Returned,
    /// Something did not come back.
    ReturnedIncomplete(Vec<String>),
    /// The domains only observe; nothing was done.
    ObservedOnly,
}

/// A fact of the journal. Externally tagged: an internal tag would make serde buffer the content and lose integer map keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A domain was armed (run 0).
    Armed {
        /// Which.
        domain: DomainId,
        /// By whom.
        by: String,
    },
    /// A domain was set back to observing (run 0).
    Disarmed {
        /// Which.
        domain: DomainId,
        /// By whom.
        by: String,
    },
    /// Acting was suspended for a UPS (run 0).
    MaintenanceBegun {
        /// Which.
        ups: UpsId,
        /// For how long from this record on.
        duration: Millis,
        /// By whom.
        by: String,
    },
    /// Maintenance ended by itself or by a person (run 0).
    MaintenanceEnded {
        /// Which.
        ups: UpsId,
        /// Why.
        reason: String,
    },
    /// A person held the starting of further actions back (run 0).
    HoldBegun {
        /// For how long from this record on, at most.
        duration: Millis,
        /// It does not lift itself at the last safe moment.
        even_if_lost: bool,
        /// By whom.
        by: String,
    },
    /// A hold ended by itself or by a person (run 0).
    HoldEnded {
        /// Why.
        reason: String,
    },
    /// A person aborted the run: it starts nothing more.
    RunAborted {
        /// Mains was stable already: nothing comes back before a person says so. Otherwise until mains is stable.
        until_return: bool,
        /// By whom.
        by: String,
    },
    /// The run goes on.
    AbortEnded {
        /// Why.
        reason: String,
    },
    /// Another configuration came into force (run 0).
    Configured {
        /// SHA-256 of its files, in small hex digits.
        digest: String,
        /// UPSes, platforms and hosts that are new, gone or reached in another way, in words.
        parts: Vec<String>,
        /// By whom; "start" for the one that the controller started with.
        by: String,
    },
    /// Something was learned of a UPS's battery (run 0). The last one of a UPS holds.
    BatteryLearned {
        /// Which.
        ups: UpsId,
        /// All that is believed of it now.
        state: Box<BatteryState>,
        /// What taught it, in words.
        why: String,
    },
    /// Power changed.
    PowerChanged {
        /// How.
        event: PowerEvent,
    },
    /// What a UPS said when its mains was lost, and when it was back.
    UpsNoted {
        /// Which.
        ups: UpsId,
        /// What.
        facts: UpsFacts,
    },
    /// An incident began: this is what ran where.
    IncidentOpened {
        /// Desired state for the return.
        homes: BTreeMap<VmId, Home>,
        /// The load of each UPS before anything was shed, where it was told.
        loads: BTreeMap<UpsId, Ppm>,
    },
    /// A VM or host was first seen during the incident by a late inventory: it joins the desired state.
    HomeAdded {
        /// Which.
        vm: VmId,
        /// Where.
        home: Home,
    },
    /// A plan came into force. It supersedes the one before.
    PlanCommitted {
        /// The plan.
        plan: Box<Plan>,
        /// What the planner had to say.
        report: Box<PlanReport>,
    },
    /// An attempt is about to be made.
    Intended {
        /// Which action.
        action: ActionId,
        /// Which attempt, from 1, never used twice.
        attempt: u32,
        /// What.
        op: Op,
    },
    /// The remote gave a handle.
    Accepted {
        /// Which action.
        action: ActionId,
        /// Which attempt.
        attempt: u32,
        /// The handle.
        task: TaskRef,
    },
    /// An attempt ended.
    Finished {
        /// Which action.
        action: ActionId,
        /// Which attempt.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// An action used its budget and is not done.
    Overran {
        /// Which action.
        action: ActionId,
        /// The budget.
        budget: Millis,
    },
    /// No way back for this host: what is begun is finished, then it returns.
    Latched {
        /// Which host.
        host: HostId,
        /// Why.
        reason: String,
    },
    /// A host was proven off.
    HostProvenOff {
        /// Which.
        host: HostId,
        /// The proof.
        proof: String,
        /// VMs that went down with it: those still taken for active there, and those at home there if its last resort may have acted.
        vms: Vec<VmId>,
    },
    /// VMs that ran when the incident began are off on a host within reach, and nobody is known to have stopped them: they are
    /// brought back.
    VmsFell {
        /// On which host.
        host: HostId,
        /// Which.
        vms: Vec<VmId>,
        /// Why they are taken to have fallen.
        reason: String,
    },
    /// Somebody else stopped a VM that ran when the incident began: it stays off.
    VmLeftOff {
        /// Which.
        vm: VmId,
        /// Why that is believed.
        reason: String,
    },
    /// A VM that was brought back does its work.
    VmReady {
        /// Which.
        vm: VmId,
        /// How long it was waited for.
        after: Millis,
        /// What answered.
        how: String,
    },
    /// A VM that was brought back was not seen to do its work in its time. It is waited for no longer.
    VmNotReady {
        /// Which.
        vm: VmId,
        /// The time it had.
        within: Millis,
        /// What was seen instead.
        reason: String,
    },
    /// An automation of a platform was found so and is about to be disarmed: what it is put back to. Before the attempt itself.
    GuardRecorded {
        /// Which.
        guard: GuardId,
        /// As it was found.
        state: GuardState,
    },
    /// An automation that was disarmed needs no putting back by us.
    GuardReleased {
        /// Which.
        guard: GuardId,
        /// Why.
        reason: String,
    },
    /// A dead-man timer is about to be set on a host (run 0). From here on one may be set there.
    TimerIntended {
        /// Which host.
        host: HostId,
        /// It is to fire so long after this record.
        fires_in: Millis,
    },
    /// The host confirmed its timer (run 0). Written again when the time has moved much.
    TimerSet {
        /// Which host.
        host: HostId,
        /// It fires so long after this record, unless it is moved or cancelled.
        fires_in: Millis,
    },
    /// The timer has fired: the host stops its guests and itself (run 0).
    TimerFired {
        /// Which host.
        host: HostId,
    },
    /// No timer is set on the host any more (run 0).
    TimerEnded {
        /// Which host.
        host: HostId,
        /// Why.
        reason: String,
    },
    /// The journal did not answer in time while on battery; records are kept in memory.
    JournalDegraded {
        /// What it said or did not say.
        reason: String,
    },
    /// Something a person should know.
    Noticed {
        /// How bad, what.
        notice: Notice,
    },
    /// The controller started and took this run up again.
    Recovered {
        /// Attempts whose fate was unknown and was observed.
        ambiguous: Vec<ActionId>,
    },
    /// A drill was held: this is what came of it (run 0).
    DrillHeld {
        /// What.
        report: Box<DrillReport>,
    },
    /// The run is over.
    RunEnded {
        /// How.
        end: RunEnd,
    },
}

impl Entry {
    /// The name of the kind of fact, as in the journal's `kind` column.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Armed { .. } => "armed",
            Self::Disarmed { .. } => "disarmed",
            Self::MaintenanceBegun { .. } => "maintenance-begun",
            Self::MaintenanceEnded { .. } => "maintenance-ended",
            Self::HoldBegun { .. } => "hold-begun",
            Self::HoldEnded { .. } => "hold-ended",
            Self::RunAborted { .. } => "run-aborted",
            Self::AbortEnded { .. } => "abort-ended",
            Self::Configured { .. } => "configured",
            Self::BatteryLearned { .. } => "battery-learned",
            Self::PowerChanged { .. } => "power-changed",
            Self::UpsNoted { .. } => "ups-noted",
            Self::IncidentOpened { .. } => "incident-opened",
            Self::HomeAdded { .. } => "home-added",
            Self::PlanCommitted { .. } => "plan-committed",
            Self::Intended { .. } => "intended",
            Self::Accepted { .. } => "accepted",
            Self::Finished { .. } => "finished",
            Self::Overran { .. } => "overran",
            Self::Latched { .. } => "latched",
            Self::HostProvenOff { .. } => "host-proven-off",
            Self::VmsFell { .. } => "vms-fell",
            Self::VmLeftOff { .. } => "vm-left-off",
            Self::VmReady { .. } => "vm-ready",
            Self::VmNotReady { .. } => "vm-not-ready",
            Self::GuardRecorded { .. } => "guard-recorded",
            Self::GuardReleased { .. } => "guard-released",
            Self::TimerIntended { .. } => "timer-intended",
            Self::TimerSet { .. } => "timer-set",
            Self::TimerFired { .. } => "timer-fired",
            Self::TimerEnded { .. } => "timer-ended",
            Self::JournalDegraded { .. } => "journal-degraded",
            Self::Noticed { .. } => "noticed",
            Self::Recovered { .. } => "recovered",
            Self::DrillHeld { .. } => "drill-held",
            Self::RunEnded { .. } => "run-ended",
        }
    }
}

/// How urgent a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A transition.
    Info,
    /// Degraded but protected.
    Warning,
    /// Protection is lost or in doubt.
    Alarm,
}

/// Something to tell a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// How urgent.
    pub severity: Severity,
    /// Stable code `RTnnnn` where there is a page for it.
    pub code: Option<String>,
    /// One sentence.
    pub text: String,
}

/// A fact with its place and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its run; 0 is the site's log.
    pub run: RunId,
    /// Its place in the run, from 1 without gaps.
    pub seq: u64,
    /// The number of the incident; 0 outside.
    pub incident: u64,
    /// The writer's fencing number.
    pub epoch: u64,
    /// When.
    pub at: Now,
    /// What.
    pub entry: Entry,
}

impl Record {
    /// The monotonic moment, if it belongs to that boot; otherwise it says nothing here.
    #[must_use]
    pub fn mono_in(&self, now: &Now) -> Option<Mono> {
        (self.at.boot_id == now.boot_id).then_some(self.at.mono)
    }
}
