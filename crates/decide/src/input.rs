//! What goes into the state machine and what comes out. Both closed.

use crate::reconfigure::Proposal;
use ridethrough_model::{
    ActionId, DomainId, DomainMode, DrillLevel, DrillPart, Failure, Finding, HostId, HostPowerState, Inventory, LastResortState,
    LoadId, Millis, Notice, Observed, Op, PlatformId, Probe, Progress, Reading, Record, RunId, Silence, Started, TaskRef, UpsId,
    VmId,
};
use std::collections::BTreeSet;

/// Everything that can happen to a site.
#[derive(Clone, Debug)]
pub enum Input {
    /// A look at a UPS.
    Reading(Reading),
    /// A look at a UPS that saw nothing.
    Silence(Silence),
    /// A server told who follows a UPS beside us, by address.
    Followed {
        /// Which UPS.
        ups: UpsId,
        /// The others' addresses.
        clients: BTreeSet<String>,
    },
    /// A platform told what runs where. Handed in as read; whether it is believed is decided here.
    Inventory(Inventory),
    /// A platform could not be read.
    InventoryFailed {
        /// Which.
        platform: PlatformId,
        /// Why.
        failure: Failure,
    },
    /// One source said something about a host's power.
    HostPower {
        /// Which host.
        host: HostId,
        /// Who said it: "ssh", "ipmi".
        source: String,
        /// Whether this source's "off" is proof.
        is_proof: bool,
        /// What it said.
        state: HostPowerState,
    },
    /// The answer to an effect about a host's dead-man timer.
    Timer {
        /// Which host.
        host: HostId,
        /// What was asked.
        call: TimerCall,
        /// What the host says now.
        answer: Result<LastResortState, Failure>,
    },
    /// One source said something about a load that is no host.
    LoadPower {
        /// Which load.
        load: LoadId,
        /// Who said it: "probe", "ping".
        source: String,
        /// Whether this source's "off" is proof.
        is_proof: bool,
        /// What it said.
        state: HostPowerState,
    },
    /// The answer to a question whether a VM does its work.
    Probed {
        /// Which VM.
        vm: VmId,
        /// What was asked.
        probe: Probe,
        /// It does, or what was seen instead.
        answer: Result<(), String>,
    },
    /// The answer to an effect about an action.
    Reply {
        /// Which run.
        run: RunId,
        /// Which action.
        action: ActionId,
        /// Which attempt.
        attempt: u32,
        /// The answer.
        reply: StepReply,
    },
    /// The journal holds everything up to this record of this run.
    Durable {
        /// Which run.
        run: RunId,
        /// Up to and including.
        seq: u64,
    },
    /// The journal said it cannot write.
    JournalFailed {
        /// Why.
        reason: String,
    },
    /// A person asks for something.
    Command(Command),
    /// A second has passed.
    Tick,
}

/// The answer to an effect about an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepReply {
    /// To [`Effect::Start`].
    Started(Result<Started, Failure>),
    /// To [`Effect::Poll`].
    Polled(Result<Progress, Failure>),
    /// To [`Effect::Observe`].
    Observed(Result<Observed, Failure>),
}

/// What is asked of a host's dead-man timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerCall {
    /// Be set, or moved.
    Set {
        /// It fires so long after the host has taken this.
        fires_in: Millis,
        /// Then guests are waited for so long.
        guests_max: Millis,
    },
    /// Be gone.
    Cancel,
}

/// What a person can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Let a domain act, or only observe.
    SetMode {
        /// Which.
        domain: DomainId,
        /// To what.
        mode: DomainMode,
        /// Who asks, for the journal.
        by: String,
    },
    /// Suspend acting for a UPS. A forced shutdown, or low battery on battery, is never suspended.
    Maintenance {
        /// Which.
        ups: UpsId,
        /// For how long; `None` ends it.
        duration: Option<Millis>,
        /// Who asks.
        by: String,
    },
    /// Start nothing more for a time. Lifts itself at the last safe moment; a forced shutdown is never held.
    Hold {
        /// For how long at most.
        duration: Millis,
        /// Do not lift it at the last safe moment, whatever is lost.
        even_if_lost: bool,
        /// Who asks.
        by: String,
    },
    /// End the hold now.
    ReleaseHold {
        /// Who asks.
        by: String,
    },
    /// Start nothing more in the open run until mains is stable; where it is stable already, until a person says `return`.
    Abort {
        /// Who asks.
        by: String,
    },
    /// Let the aborted run go on: on mains, bring back what is missing.
    Return {
        /// Who asks.
        by: String,
    },
    /// Keep the report of a drill that touched nothing.
    KeepDrill {
        /// How far it went.
        level: DrillLevel,
        /// What came of it.
        parts: Vec<DrillPart>,
        /// Who asked for it.
        by: String,
    },
    /// Put another configuration in force.
    Configure(Box<Proposal>),
    /// Say that another configuration was not put in force: it cannot be read or makes no sense.
    NoteUnfit {
        /// `RTnnnn`.
        code: String,
        /// Why, in a sentence.
        text: String,
    },
}

/// The answer to a command, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandReply {
    /// Done and written down. The findings are what is not proven.
    Done(Vec<Finding>),
    /// Not done, for these reasons.
    Refused(Vec<Finding>),
}

/// Everything a site can want done. In order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write this down; report `Durable`. Never wait for it before performing the other effects: what must wait is held back here.
    Append(Record),
    /// Start an operation; answer with [`StepReply::Started`]. Its intent is durable.
    Start {
        /// Which run.
        run: RunId,
        /// Which action.
        action: ActionId,
        /// Which attempt.
        attempt: u32,
        /// What.
        op: Op,
    },
    /// Ask how far it is; answer with [`StepReply::Polled`].
    Poll {
        /// Which run.
        run: RunId,
        /// Which action.
        action: ActionId,
        /// Which attempt.
        attempt: u32,
        /// What it is about: says which driver to ask.
        op: Op,
        /// The handle.
        task: TaskRef,
    },
    /// Ask whether the wanted state holds; answer with [`StepReply::Observed`].
    Observe {
        /// Which run.
        run: RunId,
        /// Which action.
        action: ActionId,
        /// Which attempt.
        attempt: u32,
        /// What.
        op: Op,
    },
    /// Whether hosts still need that UPS's power: its other masters are to wait for us, or no longer.
    Follow {
        /// Which UPS.
        ups: UpsId,
        /// Whether they do.
        is_needed: bool,
    },
    /// Ask that of a host's dead-man timer; answer with [`Input::Timer`].
    Timer {
        /// Which host.
        host: HostId,
        /// What.
        call: TimerCall,
    },
    /// Ask all sources of a host's power; answer with [`Input::HostPower`] for each.
    ObserveHost(HostId),
    /// Ask all sources about a load; answer with [`Input::LoadPower`] for each.
    ObserveLoad(LoadId),
    /// Ask once whether that VM does its work; answer with [`Input::Probed`], always.
    Probe {
        /// Which VM.
        vm: VmId,
        /// What to ask.
        probe: Probe,
    },
    /// Read that platform's inventory soon.
    ReadInventory(PlatformId),
    /// Tell a person.
    Notify(Notice),
    /// The answer to the command of this step.
    Answer(CommandReply),
}
