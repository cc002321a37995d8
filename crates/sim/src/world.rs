//! A site, its controller's mind, and everything between them, on one heap of events ordered by time and then by order of asking.
//!
//! Drives `decide::Site` as the real controller does: one request per object at a time, exactly one reply to each, polls that go
//! faster at risk, a journal that syncs in groups. Has no clock: time is the time of the next event. Begin in [`World::step`].

mod hooks;
mod loads;
mod looks;
mod probes;
mod timers;
mod twists;

use crate::dice::Dice;
use crate::disk::{Disk, DiskState};
use crate::faults::{Faults, Twist};
use crate::process::{Kind, Process, Request};
use crate::reality::{Due, Reality};
use crate::remote::Estate;
pub use hooks::HookFate;
use ridethrough_decide::{Effect, Input, Plant, Site, SiteConfig, StepReply, TimerCall};
use ridethrough_model::{
    BootId, Failure, FailureKind, HostId, LoadId, Millis, Mono, Now, RunId, Silence, SilenceKind, TookEffect, UpsId,
};
use std::collections::BTreeMap;
pub use timers::HostTimer;
use timers::Timers;

/// Everything a world is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What the user configured.
    pub config: SiteConfig,
    /// What is true at the beginning.
    pub reality: Reality,
    /// What the platform tells of its hosts.
    pub estate: Estate,
    /// How well things go.
    pub faults: Faults,
    /// What happens from outside, and when.
    pub script: Vec<(Millis, Twist)>,
    /// A bug planted in every controller, to see it caught.
    pub plant: Option<Plant>,
}

/// What may happen next.
#[derive(Clone, Debug)]
enum Event {
    Twist(Twist),
    Due(Due),
    Tick { process: u64 },
    LookAtUps { process: u64, turn: u64, ups: UpsId },
    LookAtPlatform { process: u64, turn: u64 },
    LookAtHost { process: u64, turn: u64, host: HostId },
    LookAtLoad { process: u64, turn: u64, load: LoadId },
    Sync { process: u64 },
    Arrive(Box<Request>),
    TakeEffect(Box<ridethrough_model::Op>),
    TimerOrder { process: u64, host: HostId, call: TimerCall },
    TimerLook { host: HostId },
    Deliver { process: u64, input: Box<Input>, closes: Option<Kind> },
    Revive,
}

/// One event and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// When.
    pub at: Millis,
    /// What happened from outside.
    pub twist: Option<Twist>,
    /// What the controller was told.
    pub input: Option<Input>,
    /// What it wanted.
    pub effects: Vec<Effect>,
    /// A new controller took over in this event.
    pub is_recovery: bool,
}

/// A site and its controller.
#[derive(Clone, Debug)]
pub struct World {
    /// What is true.
    pub reality: Reality,
    /// What the platform tells of its hosts.
    pub estate: Estate,
    /// The journal.
    pub disk: Disk,
    /// The controller, while it lives.
    pub process: Option<Process>,
    /// How well things go.
    pub faults: Faults,
    config: SiteConfig,
    dice: Dice,
    heap: BTreeMap<(Millis, u64), Event>,
    ordinal: u64,
    processes: u64,
    boot: u64,
    booted_at: Millis,
    wall_shift_s: i64,
    timers: Timers,
    plant: Option<Plant>,
}

/// The wall clock at the beginning: any moment, always the same.
const WALL_AT_START_S: i64 = 1_790_000_000;
/// The world is older than its first event, so that "before" exists on the monotonic clock.
const UPTIME_AT_START: Millis = Millis::from_secs(3600);
/// How long a platform or host may take to answer a request.
const CALL_DEADLINE: Millis = Millis::from_secs(10);

impl World {
    /// A world at its beginning, with a controller that knows nothing yet.
    #[must_use]
    pub fn new(setup: Setup, seed: u64) -> Self {
        let Setup { config, reality, estate, faults, script, plant } = setup;
        let mut world = Self {
            reality,
            estate,
            disk: Disk::default(),
            process: None,
            faults,
            config,
            dice: Dice::new(seed),
            heap: BTreeMap::new(),
            ordinal: 0,
            processes: 0,
            boot: 1,
            booted_at: Millis::ZERO,
            wall_shift_s: 0,
            timers: Timers::new(seed),
            plant,
        };
        for (at, twist) in script {
            world.schedule(at, Event::Twist(twist));
        }
        let site = Site::new(world.config.clone(), 1, &world.now());
        world.live(site);
        world
    }

    /// The present as the controller's machine sees it.
    #[must_use]
    pub fn now(&self) -> Now {
        let at = self.reality.at;
        let second = WALL_AT_START_S + self.wall_shift_s + i64::try_from(at.as_secs()).unwrap_or(0);
        let wall = jiff::Timestamp::from_second(second).expect("simulations last days, not ages");
        Now { mono: self.mono(at), boot_id: BootId(format!("boot-{}", self.boot)), wall }
    }

    fn mono(&self, at: Millis) -> Mono {
        let uptime = if self.boot == 1 { UPTIME_AT_START } else { Millis::from_secs(30) };
        Mono((uptime + (at - self.booted_at)).0)
    }

    /// When a moment of the controller's monotonic clock is, or was.
    #[must_use]
    pub fn at_of(&self, moment: Mono) -> Millis {
        let now = self.mono(self.reality.at);
        if moment >= now { self.reality.at + moment.since(now) } else { self.reality.at - now.since(moment) }
    }

    /// What the user configured.
    #[must_use]
    pub fn config(&self) -> &SiteConfig {
        &self.config
    }

    /// The controller's state, while it lives.
    #[must_use]
    pub fn site(&self) -> Option<&Site> {
        self.process.as_ref().map(|process| &process.site)
    }

    /// When the next event happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Millis> {
        self.heap.first_key_value().map(|((at, _), _)| *at)
    }

    /// Puts something from outside on the heap.
    pub fn will(&mut self, at: Millis, twist: Twist) {
        self.schedule(at.max(self.reality.at), Event::Twist(twist));
    }

    /// Plays until that moment.
    pub fn play_until(&mut self, until: Millis) {
        while self.next_at().is_some_and(|at| at <= until) {
            self.step();
        }
        self.reality.advance(until.max(self.reality.at));
    }

    fn schedule(&mut self, at: Millis, event: Event) {
        self.ordinal += 1;
        self.heap.insert((at, self.ordinal), event);
    }

    fn after(&mut self, delay: Millis, event: Event) {
        self.schedule(self.reality.at + delay, event);
    }

    fn delay(&mut self, low: u64, high: u64) -> Millis {
        Millis(self.dice.between(low, high))
    }

    /// The next event. `None` at the end of the world.
    pub fn step(&mut self) -> Option<Moment> {
        let ((at, _), event) = self.heap.pop_first()?;
        self.reality.advance(at);
        self.forget_dead_timers();
        let mut moment = Moment { at, ..Moment::default() };
        match event {
            Event::Twist(twist) => {
                moment.twist = Some(twist.clone());
                self.twist(twist, &mut moment);
            }
            Event::Due(due) => self.reality.come_due(due),
            Event::Tick { process } if self.lives(process) => {
                self.after(Millis::from_secs(1), Event::Tick { process });
                self.tell(Input::Tick, &mut moment);
            }
            Event::LookAtUps { process, turn, ups } if self.lives(process) => self.look_at_ups(process, turn, ups),
            Event::LookAtPlatform { process, turn } if self.lives(process) => self.look_at_platform(process, turn),
            Event::LookAtLoad { process, turn, load } if self.lives(process) => self.look_at_load(process, turn, load),
            Event::LookAtHost { process, turn, host } if self.lives(process) => self.look_at_host(process, turn, host),
            Event::Sync { process } if self.lives(process) => self.sync(process, &mut moment),
            Event::TimerOrder { process, host, call } => self.take_timer_order(process, host, call),
            Event::TimerLook { host } => self.look_at_timer(host),
            Event::Arrive(request) => self.arrive(*request),
            Event::TakeEffect(op) => self.take_effect(&op),
            Event::Deliver { process, input, closes } if self.lives(process) => {
                if let (Some(kind), Some(process)) = (closes, &mut self.process) {
                    process.open.remove(&kind);
                }
                self.tell(*input, &mut moment);
            }
            Event::Revive if self.process.is_none() => self.recover(&mut moment),
            _ => {}
        }
        for (at, due) in std::mem::take(&mut self.reality.dues) {
            self.schedule(at.max(self.reality.at), Event::Due(due));
        }
        Some(moment)
    }

    fn lives(&self, number: u64) -> bool {
        self.process.as_ref().is_some_and(|process| process.number == number)
    }

    /// Hands an input in and carries out what is wanted.
    pub(crate) fn tell(&mut self, input: Input, moment: &mut Moment) {
        let now = self.now();
        let Some(process) = &mut self.process else { return };
        moment.input = Some(input.clone());
        let effects = process.site.step(&now, input);
        self.carry_out(&effects);
        moment.effects.extend(effects);
    }

    fn live(&mut self, mut site: Site) {
        if let Some(plant) = self.plant {
            site.plant(plant);
        }
        self.processes += 1;
        let number = self.processes;
        self.process = Some(Process::new(number, site));
        let delay = self.delay(0, 999);
        self.after(delay, Event::Tick { process: number });
        let upses: Vec<UpsId> = self.reality.upses.keys().cloned().collect();
        for ups in upses {
            let delay = self.delay(50, 900);
            self.after(delay, Event::LookAtUps { process: number, turn: 0, ups });
        }
        let hosts: Vec<HostId> = self.reality.hosts.keys().cloned().collect();
        for host in hosts {
            let delay = self.delay(100, 2000);
            self.after(delay, Event::LookAtHost { process: number, turn: 0, host });
        }
        let loads: Vec<LoadId> = self.reality.stoppables.keys().cloned().collect();
        for load in loads {
            let delay = self.delay(100, 2000);
            self.after(delay, Event::LookAtLoad { process: number, turn: 0, load });
        }
        let delay = self.delay(100, 900);
        self.after(delay, Event::LookAtPlatform { process: number, turn: 0 });
    }

    fn recover(&mut self, moment: &mut Moment) {
        let found = self.disk.find();
        let now = self.now();
        let epoch = self.processes + 1;
        let (site, effects) = Site::recover(
            self.config.clone(),
            epoch,
            &now,
            &found.site_log,
            &found.open_run,
            found.runs_seen,
            found.incident_last,
        )
        .expect("what our own site wrote can be read again");
        self.live(site);
        self.carry_out(&effects);
        moment.is_recovery = true;
        moment.effects.extend(effects);
    }

    fn carry_out(&mut self, effects: &[Effect]) {
        let mut has_appended = false;
        for effect in effects {
            match effect {
                Effect::Append(record) => {
                    self.disk.tail.push(record.clone());
                    has_appended = true;
                }
                Effect::Start { run, action, attempt, op } => self.ask(Kind::start(*run, *action, *attempt), op.clone()),
                Effect::Poll { run, action, attempt, op, .. } => self.ask(Kind::poll(*run, *action, *attempt), op.clone()),
                Effect::Observe { run, action, attempt, op } => self.ask(Kind::observe(*run, *action, *attempt), op.clone()),
                Effect::Timer { host, call } => self.ask_timer(host, *call),
                Effect::ObserveHost(host) => self.hasten_host(host),
                Effect::ObserveLoad(load) => self.hasten_load(load),
                Effect::Probe { vm, probe } => self.probe(vm, probe),
                Effect::ReadInventory(_) => self.hasten_platform(),
                Effect::Follow { .. } | Effect::Notify(_) | Effect::Answer(_) => {}
            }
        }
        if has_appended {
            self.want_sync();
        }
    }

    fn want_sync(&mut self) {
        let delay = if self.dice.percent(3) { self.dice.between(20, 90) } else { self.dice.between(1, 5) };
        let Some(process) = self.process.as_mut().filter(|process| !process.is_syncing) else { return };
        process.is_syncing = true;
        let number = process.number;
        self.after(Millis(delay), Event::Sync { process: number });
    }

    fn sync(&mut self, number: u64, moment: &mut Moment) {
        match self.disk.state {
            DiskState::Works => {
                if let Some(process) = &mut self.process {
                    process.is_syncing = false;
                }
                let marks: BTreeMap<RunId, u64> = self.disk.sync(self.reality.at);
                for (run, seq) in marks {
                    self.tell(Input::Durable { run, seq }, moment);
                }
            }
            DiskState::Hangs => self.after(Millis(200), Event::Sync { process: number }),
            DiskState::Fails => {
                self.after(Millis::from_secs(1), Event::Sync { process: number });
                self.tell(Input::JournalFailed { reason: "No space left on device".to_owned() }, moment);
            }
        }
    }

    /// Sends a request, after those about the same object that have no answer yet. The same one again is the same request.
    fn ask(&mut self, kind: Kind, op: ridethrough_model::Op) {
        let travel = Millis(self.dice.between(2, 40));
        let at = self.reality.at;
        let Some(process) = &mut self.process else { return };
        if !process.open.insert(kind) {
            return;
        }
        let object = process.object_free_at.entry(Process::object(&op)).or_default();
        let arrives = (at + travel).max(*object);
        *object = arrives + Millis(1);
        let request = Request { process: process.number, kind, op };
        self.schedule(arrives, Event::Arrive(Box::new(request)));
    }

    /// A request reaches the platform or host. It is carried out even if who asked is dead by then.
    fn arrive(&mut self, request: Request) {
        let Request { process, kind, op } = request;
        if let Some(hook) = op.hook() {
            return self.call_hook(process, kind, hook);
        }
        if self.comes_late(process, kind, &op) {
            return;
        }
        let is_lost_before = self.dice.percent(self.faults.request_lost_percent);
        let is_lost_after = self.dice.percent(self.faults.reply_lost_percent);
        let mut delay = Millis(self.dice.between(2, 300));
        if self.dice.percent(self.faults.slow_percent) {
            delay = Millis(self.dice.between(300, 9500));
        }
        let reply = if is_lost_before { None } else { Some(self.answer(kind, &op)) };
        let reply = match reply {
            Some(reply) if !is_lost_after => reply,
            _ => {
                delay = CALL_DEADLINE;
                kind.failed(Failure {
                    kind: FailureKind::Unreachable,
                    took_effect: TookEffect::Possible,
                    message: "no answer within the deadline".to_owned(),
                })
            }
        };
        let (run, action, attempt) = (kind.run, kind.action, kind.attempt);
        let input = Input::Reply { run, action, attempt, reply };
        if self.dice.percent(self.faults.duplicate_percent) {
            let late = Millis(self.dice.between(0, 95_000));
            self.after(delay + late, Event::Deliver { process, input: Box::new(input.clone()), closes: None });
        }
        let free_at = self.reality.at + delay;
        if let Some(process) = self.process.as_mut().filter(|alive| alive.number == process) {
            let object = process.object_free_at.entry(Process::object(&op)).or_default();
            *object = (*object).max(free_at);
        }
        self.after(delay, Event::Deliver { process, input: Box::new(input), closes: Some(kind) });
    }

    fn answer(&mut self, kind: Kind, op: &ridethrough_model::Op) -> StepReply {
        match kind.asks {
            crate::process::Asks::Start => StepReply::Started(self.reality.start(op, &self.estate, &mut self.dice)),
            crate::process::Asks::Poll => StepReply::Polled(self.reality.poll(op)),
            crate::process::Asks::Observe => StepReply::Observed(self.reality.observe(op)),
        }
    }

    fn is_at_risk(&self) -> bool {
        self.site().is_some_and(Site::is_at_risk)
    }
}
