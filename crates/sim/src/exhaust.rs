//! A small scope, searched whole: two VMs of two tiers on one host whose power ends, one crash, one lost reply, and every order in
//! which answers, the journal and the clock can meet. What dice find sometimes is found here always, if it is this small.
//!
//! Not here: batteries, links, loss in numbers. A node is a site and its little world; a choice is what happens next.

use ridethrough_decide::{Effect, Input, Plant, Site, SiteConfig, StepReply};
use ridethrough_model::{
    ActionId, BootId, Domain, DomainId, DomainMode, Entry, Failure, FailureKind, Feed, HostId, HostInfo, HostPowerState,
    Inventory, Millis, Mono, Now, Observed, Op, PlatformId, Progress, Reading, Record, RunId, Started, TaskRef, Tier, Timing,
    TookEffect, UpsId, UpsTopology, Vm, VmId, VmPower,
};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What the search saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Different states.
    pub states: usize,
    /// Ways from one to another.
    pub moves: usize,
    /// States in which nothing is left to choose within the bound.
    pub ends: usize,
    /// The scope has grown out of its bound: not everything was seen.
    pub is_cut: bool,
    /// What was broken first, with the way there.
    pub broken: Option<String>,
}

/// How far the clock may go, in steps of [`STEP`].
pub const TICKS_MAX: u32 = 16;
const STEP: Millis = Millis::from_secs(10);
/// How long the battery lasts.
const RUNTIME: Millis = Millis::from_secs(150);
const STATES_MAX: usize = 400_000;

/// A question on its way, or at the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Start(ActionId, u32, Op),
    Look(ActionId, u32, Op, bool),
}

#[derive(Clone, Debug)]
struct Node {
    site: Site,
    at: Mono,
    ticks: u32,
    crashes_left: u32,
    losses_left: u32,
    durable: Vec<Record>,
    tail: Vec<Record>,
    tail_since: u32,
    /// With the tick in which it was asked.
    asked: Vec<(u32, Asked)>,
    /// Of VM 0 and 1: on, going down since that tick, off.
    vms: [Power; 2],
    host: Power,
    sent: BTreeSet<(RunId, ActionId, u32)>,
    /// Of which nobody knows whether it happened.
    doubts: BTreeSet<ActionId>,
    lives: u64,
    plant: Option<Plant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Power {
    On,
    Falling(u32),
    Off,
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Tick,
    Sync,
    Answer(usize),
    Lose(usize),
    Crash,
}

/// Searches everything within the bound.
#[must_use]
pub fn search(plant: Option<Plant>) -> Searched {
    let mut searched = Searched::default();
    let mut seen = BTreeSet::new();
    let mut open = vec![(Node::first(plant), Vec::<Choice>::new())];
    while let Some((node, way)) = open.pop() {
        if !seen.insert(node.print()) {
            continue;
        }
        searched.states += 1;
        if searched.states >= STATES_MAX {
            searched.is_cut = true;
            return searched;
        }
        let choices = node.choices();
        if choices.is_empty() {
            searched.ends += 1;
            if let Some(how) = node.wrong_at_the_end() {
                searched.broken = Some(format!("{how}\nafter {way:?}"));
                return searched;
            }
        }
        for choice in choices {
            searched.moves += 1;
            let mut next = node.clone();
            let mut way = way.clone();
            way.push(choice);
            if let Some(how) = next.make(choice) {
                searched.broken = Some(format!("{how}\nafter {way:?}"));
                return searched;
            }
            open.push((next, way));
        }
    }
    searched
}

fn ups() -> UpsId {
    UpsId::new("ups")
}
fn host() -> HostId {
    HostId::new("host")
}
fn platform() -> PlatformId {
    PlatformId::new("sim")
}
fn vm(number: usize) -> VmId {
    VmId::of(&platform(), if number == 0 { "first" } else { "second" })
}

fn config() -> SiteConfig {
    let mut config = SiteConfig::default();
    let timing = Timing { ride_through: Millis::ZERO, move_after: Millis::ZERO, ..Timing::default() };
    config.topology.domains.insert(DomainId::new("domain"), Domain { upses: [ups()].into(), timing });
    config.topology.upses.insert(ups(), UpsTopology { low_battery_reliable: true, ..UpsTopology::default() });
    let topology = ridethrough_model::HostTopology {
        platform: Some(platform()),
        feeds: vec![Feed { ups: ups(), outlet_group: None }],
        shutdown_time: Millis::from_secs(20),
        boot_time: Millis::from_secs(60),
        ..crate::demo::a_host()
    };
    config.topology.hosts.insert(host(), topology);
    // A sync may take a tick here.
    config.policy.journal_stall = Millis::from_secs(60);
    config.policy.tiers = ["first", "second"].map(tier).to_vec();
    config
}

fn tier(name: &str) -> Tier {
    Tier { stop_budget: Millis::from_secs(30), ..crate::demo::a_tier(name) }
}

impl Node {
    /// On battery with everything known and the run just open.
    fn first(plant: Option<Plant>) -> Self {
        let mut site = Site::new(config(), 1, &now(Mono(1_000_000)));
        plant.into_iter().for_each(|plant| site.plant(plant));
        let mut node = Self {
            site,
            at: Mono(1_000_000),
            ticks: 0,
            crashes_left: 1,
            losses_left: 1,
            durable: Vec::new(),
            tail: Vec::new(),
            tail_since: 0,
            asked: Vec::new(),
            vms: [Power::On; 2],
            host: Power::On,
            sent: BTreeSet::new(),
            doubts: BTreeSet::new(),
            lives: 1,
            plant,
        };
        let armed = ridethrough_decide::Command::SetMode {
            domain: DomainId::new("domain"),
            mode: DomainMode::Armed,
            by: "search".to_owned(),
        };
        node.look(true);
        node.tell(Input::Command(armed));
        node.sync();
        node.tell(Input::Tick);
        node.look(false);
        node.sync();
        node
    }

    fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        if !self.tail.is_empty() {
            choices.push(Choice::Sync);
        }
        for place in 0..self.asked.len() {
            choices.push(Choice::Answer(place));
            if self.losses_left > 0 {
                choices.push(Choice::Lose(place));
            }
        }
        if self.crashes_left > 0 {
            choices.push(Choice::Crash);
        }
        // What is asked is answered, and what is written is durable, before the second tick after it.
        let is_fair =
            self.asked.iter().all(|(tick, _)| *tick == self.ticks) && (self.tail.is_empty() || self.tail_since == self.ticks);
        if self.ticks < TICKS_MAX && self.host != Power::Off && is_fair {
            choices.push(Choice::Tick);
        }
        choices
    }

    /// Makes a choice; returns what was broken by it.
    fn make(&mut self, choice: Choice) -> Option<String> {
        match choice {
            Choice::Sync => self.sync(),
            Choice::Answer(place) => self.answer(place, false),
            Choice::Lose(place) => {
                self.losses_left -= 1;
                self.answer(place, true)
            }
            Choice::Crash => self.crash(),
            Choice::Tick => {
                self.ticks += 1;
                self.at = self.at + STEP;
                self.fall();
                let looked = self.look(false);
                looked.or_else(|| self.tell(Input::Tick))
            }
        }
    }

    fn sync(&mut self) -> Option<String> {
        let mut marks = std::collections::BTreeMap::new();
        for record in std::mem::take(&mut self.tail) {
            marks.insert(record.run, record.seq);
            self.durable.push(record);
        }
        marks.into_iter().find_map(|(run, seq)| self.tell(Input::Durable { run, seq }))
    }

    fn crash(&mut self) -> Option<String> {
        self.crashes_left -= 1;
        self.tail.clear();
        // What it had asked reaches its place; nobody waits for the answer.
        for (_, asked) in std::mem::take(&mut self.asked) {
            if let Asked::Start(action, _, op) = asked {
                self.take_effect(&op);
                self.doubts.extend(op.vm().map(|_| action));
            }
        }
        self.lives += 1;
        let of = |site: bool| -> Vec<Record> {
            self.durable.iter().filter(|record| (record.run == RunId::SITE) == site).cloned().collect()
        };
        let (log, run) = (of(true), of(false));
        let runs_seen = run.last().map_or(0, |record| record.run.0);
        let ended = run.iter().any(|record| matches!(record.entry, Entry::RunEnded { .. }));
        let open = if ended { Vec::new() } else { run };
        let recovered = Site::recover(config(), self.lives, &now(self.at), &log, &open, runs_seen, 1);
        let (site, effects) = recovered.expect("what the site wrote can be read again");
        self.site = site;
        self.plant.into_iter().for_each(|plant| self.site.plant(plant));
        self.take(effects).or_else(|| self.look(true))
    }

    fn tell(&mut self, input: Input) -> Option<String> {
        let effects = self.site.step(&now(self.at), input);
        self.take(effects)
    }

    fn take(&mut self, effects: Vec<Effect>) -> Option<String> {
        for effect in effects {
            match effect {
                Effect::Append(record) => {
                    if self.tail.is_empty() {
                        self.tail_since = self.ticks;
                    }
                    self.tail.push(record);
                }
                Effect::Start { run, action, attempt, op } => {
                    let is_durable = self.durable.iter().any(|record| {
                        record.run == run
                            && matches!(&record.entry, Entry::Intended { action: a, attempt: n, .. } if (*a, *n) == (action, attempt))
                    });
                    if !is_durable {
                        return Some(format!("{op} was sent and is not in the journal"));
                    }
                    if !self.sent.insert((run, action, attempt)) {
                        return Some(format!("attempt {attempt} of {op} was sent twice"));
                    }
                    if self.doubts.contains(&action) {
                        return Some(format!("attempt {attempt} of {op} although nobody looked what came of the one before"));
                    }
                    if let Some(how) = self.wrong(&op) {
                        return Some(how);
                    }
                    self.asked.push((self.ticks, Asked::Start(action, attempt, op)));
                }
                Effect::Poll { action, attempt, op, .. } => self.ask(Asked::Look(action, attempt, op, true)),
                Effect::Observe { action, attempt, op, .. } => self.ask(Asked::Look(action, attempt, op, false)),
                Effect::Notify(notice) if notice.code.as_deref() == Some("RT0490") => return Some(notice.text),
                _ => {}
            }
        }
        None
    }

    fn ask(&mut self, asked: Asked) {
        if !self.asked.iter().any(|(_, known)| *known == asked) {
            self.asked.push((self.ticks, asked));
        }
    }

    /// What is wrong with sending that now.
    fn wrong(&self, op: &Op) -> Option<String> {
        let second_is_up = self.vms[1] == Power::On;
        match op {
            Op::ShutDownVm { vm: id, .. } if *id == vm(0) && second_is_up && self.is_early() => {
                Some("the first tier is stopped while the second has not been told".to_owned())
            }
            Op::ShutDownHost { .. } if self.vms.iter().any(|power| *power != Power::Off) && self.is_early() => {
                Some("the host is shut down while VMs run".to_owned())
            }
            Op::StartVm { .. } | Op::WakeHost { .. } | Op::MoveVm { .. } => Some(format!("{op} on battery")),
            _ => None,
        }
    }

    /// Before the last safe moment of anything.
    fn is_early(&self) -> bool {
        self.at < Mono(1_000_000) + Millis::from_secs(60)
    }

    fn power(&mut self, op: &Op) -> Option<&mut Power> {
        match op {
            Op::ShutDownVm { vm: id, .. } | Op::PowerOffVm { vm: id, .. } => self.vms.get_mut(usize::from(*id != vm(0))),
            Op::ShutDownHost { .. } => Some(&mut self.host),
            _ => None,
        }
    }

    fn take_effect(&mut self, op: &Op) {
        let (ticks, is_force) = (self.ticks, matches!(op, Op::PowerOffVm { .. }));
        if self.host == Power::Off {
            return;
        }
        if let Some(power) = self.power(op) {
            *power = match *power {
                Power::On if !is_force => Power::Falling(ticks),
                Power::On | Power::Falling(_) if is_force => Power::Off,
                other => other,
            };
        }
    }

    /// A guest or host told to go down is off after two ticks.
    fn fall(&mut self) {
        let ticks = self.ticks;
        for power in self.vms.iter_mut().chain([&mut self.host]) {
            if matches!(*power, Power::Falling(since) if ticks >= since + 2) {
                *power = Power::Off;
            }
        }
        if self.host == Power::Off {
            self.vms = [Power::Off; 2];
        }
    }

    fn answer(&mut self, place: usize, is_lost: bool) -> Option<String> {
        let (_, asked) = self.asked.remove(place);
        let run = RunId(1);
        let lost = || Failure {
            kind: FailureKind::Unreachable,
            took_effect: TookEffect::Possible,
            message: "no answer within the deadline".to_owned(),
        };
        let is_gone = self.host == Power::Off;
        let (action, attempt, reply) = match asked {
            Asked::Start(action, attempt, op) => {
                self.take_effect(&op);
                let failed = is_lost || is_gone;
                self.doubts.extend(op.vm().filter(|_| failed).map(|_| action));
                (
                    action,
                    attempt,
                    StepReply::Started(if failed { Err(lost()) } else { Ok(Started::Task(TaskRef(op.to_string()))) }),
                )
            }
            Asked::Look(action, attempt, op, is_poll) => {
                let power = self.power(&op).copied().unwrap_or(Power::Off);
                if !is_lost && !is_gone {
                    self.doubts.remove(&action);
                }
                let reply = match (is_poll, is_lost || is_gone) {
                    (true, true) => StepReply::Polled(Err(lost())),
                    (false, true) => StepReply::Observed(Err(lost())),
                    (true, false) => StepReply::Polled(Ok(match power {
                        Power::Off => Progress::Done { detail: None },
                        Power::On | Power::Falling(_) => Progress::Running { done_ppm: None },
                    })),
                    (false, false) => StepReply::Observed(Ok(match power {
                        Power::Off => Observed::Done,
                        Power::Falling(_) => Observed::InTransition(TaskRef(op.to_string())),
                        Power::On => Observed::NotDone,
                    })),
                };
                (action, attempt, reply)
            }
        };
        self.tell(Input::Reply { run, action, attempt, reply })
    }

    /// A look at everything.
    fn look(&mut self, is_first: bool) -> Option<String> {
        let is_before = self.durable.is_empty() && self.tail.is_empty() && is_first && self.lives == 1;
        let mut reading = Reading::of_status(ups(), self.at, if is_before { "OL" } else { "OB DISCHRG" });
        reading.runtime = Some(RUNTIME - self.at.since(Mono(1_000_000)));
        let mut inventory = Inventory::empty(platform(), self.at);
        let is_up = self.host == Power::On;
        inventory.hosts.insert(host(), HostInfo { memory: Some(GIB), ..HostInfo::new(host(), is_up) });
        for number in 0..2 {
            let is_on = self.vms[number] != Power::Off;
            let name = vm(number).native().to_owned();
            let power = if is_on { VmPower::Running } else { VmPower::Off };
            let known = Vm { tags: [name.clone()].into(), ..Vm::new(vm(number), name, host(), power, GIB.scaled(1, 16), 1) };
            if is_up {
                inventory.vms.insert(vm(number), known);
            }
        }
        let state = if self.host == Power::Off { HostPowerState::Off } else { HostPowerState::On };
        let power = Input::HostPower { host: host(), source: "bmc".to_owned(), is_proof: true, state };
        let told = self.tell(Input::Inventory(inventory));
        told.or_else(|| self.tell(power)).or_else(|| self.tell(Input::Reading(reading)))
    }

    /// From here on nothing more goes wrong: everything must be off, cleanly, before the battery is empty.
    fn wrong_at_the_end(&self) -> Option<String> {
        (self.host != Power::Off)
            .then(|| format!("the host is still {:?} after {} ticks, VMs {:?}", self.host, self.ticks, self.vms))
    }

    /// Two nodes that will do the same have the same print.
    fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        format!("{:?}{:?}{:?}", self.site, self.tail, self.asked).hash(&mut hasher);
        (self.at, self.ticks, self.crashes_left, self.losses_left, self.lives).hash(&mut hasher);
        (self.vms, self.host, self.durable.len()).hash(&mut hasher);
        hasher.finish()
    }
}

const GIB: ridethrough_model::Bytes = ridethrough_model::Bytes::from_mib(64 << 10);

fn now(mono: Mono) -> Now {
    let wall = jiff::Timestamp::from_second(1_790_000_000).expect("a moment of the calendar");
    Now { mono, boot_id: BootId("boot".to_owned()), wall }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_vms_one_host_one_crash_one_lost_reply_in_every_order() {
        let searched = search(None);
        println!("{} states, {} moves, {} ends", searched.states, searched.moves, searched.ends);
        assert_eq!(searched.broken, None);
        assert!(!searched.is_cut && searched.states > 1000 && searched.ends > 0, "{searched:?}");
    }

    /// What dice find once in hundreds of days.
    #[test]
    fn bugs_that_need_a_crash_or_a_lost_reply_are_found_here_for_certain() {
        for plant in [Plant::CrashIsFailure, Plant::LostReplyIsFailure, Plant::StartBeforeDurable] {
            assert!(search(Some(plant)).broken.is_some(), "nobody catches {plant:?}");
        }
    }
}
