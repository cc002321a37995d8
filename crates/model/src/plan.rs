//! What is intended: a plan is complete and immutable; its executor has nothing left to choose.

use crate::finding::Finding;
use crate::guard::GuardId;
use crate::hook::Hook;
use crate::id::{ActionId, DomainId, HostId, LoadId, PlanId, PlatformId, TierName, UpsId, VmId};
use crate::time::Mono;
use crate::unit::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One thing to be done to one object. Two equal operations are the same wish.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "op")]
pub enum Op {
    /// Shut the guest down cleanly. Wanted state: the VM is off.
    ShutDownVm {
        /// Which.
        vm: VmId,
        /// Where it runs.
        host: HostId,
    },
    /// Cut the VM's virtual power. Wanted state: the VM is off.
    PowerOffVm {
        /// Which.
        vm: VmId,
        /// Where it runs.
        host: HostId,
    },
    /// Start the VM. Wanted state: it runs on that host.
    StartVm {
        /// Which.
        vm: VmId,
        /// Where.
        host: HostId,
    },
    /// Move the VM while it runs. Wanted state: it runs on `to`.
    MoveVm {
        /// Which.
        vm: VmId,
        /// From where.
        from: HostId,
        /// To where.
        to: HostId,
    },
    /// Stop a move under way. Wanted state: no move, the VM runs where it was.
    AbortMove {
        /// Which.
        vm: VmId,
        /// Where it still runs.
        from: HostId,
        /// Where it was going.
        to: HostId,
    },
    /// Bring a move under way to its end by running the VM at its target at once, memory following (post-copy). From then on the
    /// move can be neither stopped nor outlived by either host. Wanted state: it runs on `to`.
    FinishMove {
        /// Which.
        vm: VmId,
        /// From where.
        from: HostId,
        /// To where.
        to: HostId,
    },
    /// Save the VM's memory to its host's disk. Wanted state: the VM is not active: saved, or off because its guest went down by
    /// itself before.
    SuspendVm {
        /// Which.
        vm: VmId,
        /// Where it runs.
        host: HostId,
    },
    /// Give a saving under way up. Wanted state: nothing is being saved, the VM runs.
    AbortSuspend {
        /// Which.
        vm: VmId,
        /// Where it is.
        host: HostId,
    },
    /// Have the platform start the VM with its host, or not. Wanted state: as `enabled` says.
    SetAutostart {
        /// Which.
        vm: VmId,
        /// Where it is defined.
        host: HostId,
        /// The wanted setting.
        enabled: bool,
    },
    /// Tell the host's operating system to shut down. Wanted state: the host is proven off.
    ShutDownHost {
        /// Which.
        host: HostId,
    },
    /// Wake the host. Wanted state: it is on.
    WakeHost {
        /// Which.
        host: HostId,
    },
    /// Tell a load that is no host to stop. Wanted state: it is off.
    StopLoad {
        /// Which.
        load: LoadId,
    },
    /// Start a load that is no host. Wanted state: it is on.
    StartLoad {
        /// Which.
        load: LoadId,
    },
    /// Call a hook. There is no wanted state: what it did only it knows.
    CallHook {
        /// Which.
        hook: Hook,
    },
    /// Keep an automation of the platform from acting against a run. Wanted state: its value is `disarmed`.
    DisarmGuard {
        /// Which.
        guard: GuardId,
        /// What it was found at. Where it is neither this nor `disarmed`, somebody else has changed it: refused, nothing is set.
        value: String,
        /// What it is set to.
        disarmed: String,
    },
    /// Put an automation of the platform back. Wanted state: its value is `value`.
    RestoreGuard {
        /// Which.
        guard: GuardId,
        /// What it is set to: what it was before.
        value: String,
        /// What we had set it to. Where it is neither this nor `value`, somebody else has changed it: refused, nothing is set.
        disarmed: String,
    },
}

impl Op {
    /// The VM it is about, if it is about one.
    #[must_use]
    pub fn vm(&self) -> Option<&VmId> {
        match self {
            Self::ShutDownVm { vm, .. }
            | Self::PowerOffVm { vm, .. }
            | Self::StartVm { vm, .. }
            | Self::MoveVm { vm, .. }
            | Self::AbortMove { vm, .. }
            | Self::FinishMove { vm, .. }
            | Self::SuspendVm { vm, .. }
            | Self::AbortSuspend { vm, .. }
            | Self::SetAutostart { vm, .. } => Some(vm),
            Self::ShutDownHost { .. }
            | Self::WakeHost { .. }
            | Self::StopLoad { .. }
            | Self::StartLoad { .. }
            | Self::CallHook { .. }
            | Self::DisarmGuard { .. }
            | Self::RestoreGuard { .. } => None,
        }
    }
    /// The hook it calls, if it calls one.
    #[must_use]
    pub fn hook(&self) -> Option<&Hook> {
        if let Self::CallHook { hook } = self { Some(hook) } else { None }
    }
    /// The automation it acts on, if it acts on one.
    #[must_use]
    pub fn guard(&self) -> Option<&GuardId> {
        match self {
            Self::DisarmGuard { guard, .. } | Self::RestoreGuard { guard, .. } => Some(guard),
            _ => None,
        }
    }
    /// The platform that carries it out; `None` for what goes to hosts and loads themselves.
    #[must_use]
    pub fn platform(&self) -> Option<PlatformId> {
        self.vm().map(VmId::platform).or_else(|| self.guard().map(GuardId::platform))
    }
    /// The load that is no host it acts on, if it acts on one.
    #[must_use]
    pub fn load(&self) -> Option<&LoadId> {
        match self {
            Self::StopLoad { load } | Self::StartLoad { load } => Some(load),
            _ => None,
        }
    }
    /// The host it acts on, if it acts on one (for a move: the one it leaves).
    #[must_use]
    pub fn host(&self) -> Option<&HostId> {
        match self {
            Self::ShutDownVm { host, .. }
            | Self::PowerOffVm { host, .. }
            | Self::StartVm { host, .. }
            | Self::SuspendVm { host, .. }
            | Self::AbortSuspend { host, .. }
            | Self::SetAutostart { host, .. }
            | Self::ShutDownHost { host }
            | Self::WakeHost { host } => Some(host),
            Self::MoveVm { from, .. } | Self::AbortMove { from, .. } | Self::FinishMove { from, .. } => Some(from),
            Self::StopLoad { .. }
            | Self::StartLoad { .. }
            | Self::CallHook { .. }
            | Self::DisarmGuard { .. }
            | Self::RestoreGuard { .. } => None,
        }
    }
    /// Whether it takes load away: shutting down, saving to disk or powering off.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        self.is_clean_stop() || matches!(self, Self::PowerOffVm { .. })
    }
    /// Whether it takes load away and loses nothing: shutting down or saving to disk.
    #[must_use]
    pub fn is_clean_stop(&self) -> bool {
        matches!(self, Self::ShutDownVm { .. } | Self::SuspendVm { .. })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutDownVm { vm, host } => write!(f, "shut down VM {vm} on {host}"),
            Self::PowerOffVm { vm, host } => write!(f, "power off VM {vm} on {host}"),
            Self::StartVm { vm, host } => write!(f, "start VM {vm} on {host}"),
            Self::MoveVm { vm, from, to } => write!(f, "move VM {vm} from {from} to {to}"),
            Self::AbortMove { vm, from, to } => {
                write!(f, "stop the move of VM {vm} from {from} to {to}")
            }
            Self::FinishMove { vm, from, to } => write!(f, "finish the move of VM {vm} from {from} to {to} by post-copy"),
            Self::SuspendVm { vm, host } => write!(f, "save VM {vm} to disk on {host}"),
            Self::AbortSuspend { vm, host } => write!(f, "stop the saving of VM {vm} on {host}"),
            Self::SetAutostart { vm, host, enabled: false } => write!(f, "pause autostart of VM {vm} on {host}"),
            Self::SetAutostart { vm, host, enabled: true } => write!(f, "put back autostart of VM {vm} on {host}"),
            Self::ShutDownHost { host } => write!(f, "shut down host {host}"),
            Self::WakeHost { host } => write!(f, "wake host {host}"),
            Self::StopLoad { load } => write!(f, "stop load {load}"),
            Self::StartLoad { load } => write!(f, "start load {load}"),
            Self::CallHook { hook } => write!(f, "call the hook {hook}"),
            Self::DisarmGuard { guard, value, disarmed } => write!(f, "disarm {guard} ({value} -> {disarmed})"),
            Self::RestoreGuard { guard, value, disarmed } => write!(f, "put back {guard} ({disarmed} -> {value})"),
        }
    }
}

/// Why an action is in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The rule of DESIGN that asks for it, e.g. "tier order".
    pub rule: String,
    /// The reason in one sentence for a person.
    pub text: String,
}

/// What must hold before an action starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// That action is done, has failed for good, or has used its budget.
    Settled(ActionId),
    /// Every stop in this plan that takes load from that UPS and has a greater rank (is less important) is settled.
    LowerTiers {
        /// On which UPS.
        ups: UpsId,
        /// The rank that waits.
        rank: usize,
    },
    /// Every start in this plan with a smaller rank (more important) is settled.
    HigherTiers {
        /// The rank that waits.
        rank: usize,
    },
    /// That action is observed done.
    Done(ActionId),
    /// No VM is observed active on that host.
    HostEmpty(HostId),
    /// The platform reaches that host.
    HostReady(HostId),
    /// That host is proven off.
    HostOff(HostId),
    /// That load is seen on, and is not being stopped.
    LoadReady(LoadId),
    /// Some stop in this plan with that rank waits for nothing but its tier's hook, and perhaps its moment.
    StopDue {
        /// The rank.
        rank: usize,
    },
    /// Some start in this plan with that rank waits for nothing but its tier's hook.
    StartDue {
        /// The rank.
        rank: usize,
    },
    /// Every stop in this plan with that rank is settled.
    TierStopped {
        /// The rank.
        rank: usize,
    },
    /// That VM runs and is ready, or was waited for long enough, or is not coming back.
    VmReady(VmId),
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its number, unique in the run.
    pub id: ActionId,
    /// What to do.
    pub op: Op,
    /// The tier it belongs to, for people; `None` for hosts.
    pub tier: Option<TierName>,
    /// That tier's rank; 0 is the most important.
    pub rank: Option<usize>,
    /// The UPSes it takes load from or brings load to.
    pub upses: BTreeSet<UpsId>,
    /// All must hold, unless `last_safe` has come.
    pub gates: BTreeSet<Gate>,
    /// All must hold, always.
    pub gates_hard: BTreeSet<Gate>,
    /// Not before this moment.
    pub not_before: Mono,
    /// From this moment on it starts whatever `gates` and `not_before` say. `None`: it has no such moment.
    pub last_safe: Option<Mono>,
    /// How long it may take before it counts as overrun.
    pub budget: Millis,
    /// How often it may be tried.
    pub attempts_max: u32,
    /// Only said, not done: its domain is not armed.
    pub observe_only: bool,
    /// Why.
    pub why: Why,
}

/// What made a plan necessary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanCause {
    /// Nothing happened: the plan kept ready for the day.
    Standing,
    /// Domains at risk have waited long enough.
    Outage,
    /// The facts changed under a plan being carried out.
    FactsChanged(String),
    /// Mains is back: nothing more is started.
    MainsBack,
    /// Mains is stable: load is brought back.
    Return,
}

/// A complete, immutable intention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its number.
    pub id: PlanId,
    /// The plan it supersedes.
    pub parent: Option<PlanId>,
    /// Why it was made.
    pub cause: PlanCause,
    /// When.
    pub made_at: Mono,
    /// When each UPS at risk is taken to be empty, after margin and age.
    pub deadlines: BTreeMap<UpsId, Mono>,
    /// The domains it acts in.
    pub domains: BTreeSet<DomainId>,
    /// Everything stops at once: nothing else fits.
    pub emergency: bool,
    /// Its steps.
    pub actions: BTreeMap<ActionId, Action>,
}

/// What the planner found out on the way. An unread report is not actionable.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// For each VM at risk: what becomes of it, and why, in one line.
    pub fates: BTreeMap<VmId, Fate>,
    /// For each host at risk: its last safe moment.
    pub host_deadlines: BTreeMap<HostId, Mono>,
    /// What the plan is waiting for, in sentences.
    pub waiting: Vec<String>,
    /// What is wrong or missing.
    pub findings: Vec<Finding>,
    /// Whether everything fits the battery.
    pub fits: bool,
}

/// What becomes of a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// Its name.
    pub name: String,
    /// Its tier.
    pub tier: TierName,
    /// In one or two words: "moves to kvm3", "saved to disk", "shut down", "stays".
    pub fate: String,
    /// Why, in one sentence.
    pub reason: String,
    /// The last moment at which its clean stop can begin.
    pub last_safe: Option<Mono>,
}
