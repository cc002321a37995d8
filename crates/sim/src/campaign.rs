//! Many seeds: each a site and its bad day, watched by every invariant after every event, then healed; then it must come back.

mod orphans;

use crate::draw::{Drawn, GENERATION, draw_as};
use crate::faults::Twist;
use crate::invariant::{INVARIANTS, Scene};
use crate::reality::{Doing, HostState};
use crate::seen::Seen;
use crate::trace;
use crate::world::World;
use orphans::Orphans;
use ridethrough_decide::{Input, Plant};
use ridethrough_model::entry::RunEnd;
use ridethrough_model::{HostId, Millis, Op, VmId};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What came of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// One line about it.
    pub about: String,
    /// What was broken, and how; `None` where all held.
    pub broken: Option<Broken>,
    /// VMs that were lost.
    pub lost: usize,
    /// Attempts that were sent.
    pub started: usize,
    /// Runs that ended.
    pub runs: usize,
    /// Attempts to save a VM to disk.
    pub saved: usize,
    /// Attempts to finish a move by post-copy.
    pub finished: usize,
    /// How much time passed in it.
    pub lasted: Millis,
    /// A fingerprint of everything that happened.
    pub print: u64,
    /// Times the controller died.
    pub crashes: usize,
    /// What went wrong in it, by kind.
    pub faults: BTreeSet<&'static str>,
    /// Cases judged by each of [`INVARIANTS`], in their order.
    pub judged: Vec<u64>,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its name.
    pub name: String,
    /// When.
    pub at: Millis,
    /// How.
    pub how: String,
}

/// Plays the seeds, in order.
#[must_use]
pub fn campaign(seeds: Range<u64>) -> Vec<Outcome> {
    seeds.map(|seed| Day::of(seed).play()).collect()
}

/// What is played: a seed, how it is drawn, and a bug to be caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The seed.
    pub seed: u64,
    /// How seeds were drawn when it found something.
    pub generation: u32,
    /// A planted bug.
    pub plant: Option<Plant>,
}

impl Day {
    /// As seeds are drawn now.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, generation: GENERATION, plant: None }
    }

    /// `186`, or `186@1` as it was drawn in generation 1.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seed, generation) = match text.split_once('@') {
            Some((seed, generation)) => (seed, generation.parse().ok()?),
            None => (text, GENERATION),
        };
        Some(Self { generation, ..Self::of(seed.parse().ok()?) })
    }

    /// Plays it.
    #[must_use]
    pub fn play(self) -> Outcome {
        run(self, &mut |_| ())
    }

    fn name(self) -> String {
        let generation = if self.generation == GENERATION { String::new() } else { format!("@{}", self.generation) };
        format!("{}{generation}", self.seed)
    }
}

/// Plays one seed again and tells its trace, one line per event, and what was broken at its end.
#[must_use]
pub fn replay(day: Day) -> String {
    let mut text = site_text(&draw_as(day.seed, day.generation));
    let outcome = run(day, &mut |line| {
        text.push_str(line);
        text.push('\n');
    });
    let broken = outcome.broken.map_or_else(|| "all held".to_owned(), |b| format!("{} BROKEN {}: {}", b.at, b.name, b.how));
    let name = day.name();
    format!("{text}seed {name}: {}\n{broken}\nagain: cargo xtask seeds --replay {name}\n", outcome.about)
}

fn site_text(drawn: &Drawn) -> String {
    let mut text = String::new();
    let topology = &drawn.setup.config.topology;
    for (id, domain) in &topology.domains {
        text.push_str(&format!("domain {id}: {:?} {:?}\n", domain.upses, domain.timing));
    }
    for (id, host) in &topology.hosts {
        let feeds: Vec<&str> = host.feeds.iter().map(|feed| feed.ups.as_str()).collect();
        let can = [(host.can_shut_down, "stop"), (host.can_wake, "wake"), (host.can_prove_off, "prove")];
        let can: Vec<&str> = can.iter().filter(|(is_so, _)| *is_so).map(|(_, word)| *word).collect();
        let vms = drawn.setup.reality.vms.values().filter(|vm| vm.known.host == *id);
        let vms: Vec<String> = vms.map(|vm| format!("{} {:?}", vm.known.name, vm.known.tags)).collect();
        let (feeds, can, vms) = (feeds.join("+"), can.join(" "), vms.join(", "));
        text.push_str(&format!("host {id}: {} of {feeds}; can {can}; {vms}\n", host.feeds_min));
    }
    text
}

/// After everything is mended a run must end within this, beside its own numbers.
const GRACE: Millis = Millis::from_secs(1200);

struct Watch {
    seen: Seen,
    broken: Option<Broken>,
    /// A moment in which a clean stop was not possible any more has been there: then losses are nobody's fault.
    is_doomed: bool,
    /// A hold is in force in this outage, or has lifted itself: it promised to leave enough for a clean stop.
    was_held: bool,
    print: u64,
    started: usize,
    crashes: usize,
    judged: Vec<u64>,
    saved: usize,
    finished: usize,
    /// On days on which the controller is lost.
    orphans: Option<Orphans>,
}

fn run(day: Day, tell: &mut dyn FnMut(&str)) -> Outcome {
    let seed = day.seed;
    let Drawn { mut setup, is_calm, is_orphaned, heals_at, about } = draw_as(seed, day.generation);
    setup.plant = day.plant;
    let twists = setup.script.iter().filter_map(|(_, twist)| twist.kind());
    let faults = twists.chain(setup.faults.kinds()).collect();
    let mut world = World::new(setup, seed);
    let before = Before::of(&world);
    let mut watch = Watch {
        seen: Seen::default(),
        broken: None,
        is_doomed: false,
        was_held: false,
        print: 0,
        started: 0,
        crashes: 0,
        judged: vec![0; INVARIANTS.len()],
        saved: 0,
        finished: 0,
        orphans: is_orphaned.then(Orphans::default),
    };
    let ends_at = heals_at + longest_return(&world);
    while watch.broken.is_none() && world.next_at().is_some_and(|at| at <= ends_at) {
        watch.step(&mut world, is_calm, tell);
        let is_idle = world.reality.at > heals_at + Millis::from_secs(200) && world.site().is_some_and(|site| !site.is_at_risk());
        if is_idle && world.timers().is_empty() {
            break;
        }
    }
    let broken = watch.broken.take().or_else(|| before.not_kept(&world, &watch.seen, is_calm, is_orphaned));
    Outcome {
        seed,
        about,
        broken,
        lost: world.reality.losses.len(),
        started: watch.started,
        saved: watch.saved,
        finished: watch.finished,
        runs: watch.seen.ends.len(),
        lasted: world.reality.at,
        print: watch.print,
        crashes: watch.crashes,
        faults,
        judged: watch.judged,
    }
}

/// How long the slowest return may take by the site's own numbers.
fn longest_return(world: &World) -> Millis {
    let topology = &world.config().topology;
    let latest = topology.domains.values().map(|d| d.timing.return_latest + d.timing.mains_stable).max().unwrap_or_default();
    let boot = topology.hosts.values().map(|host| host.boot_time).max().unwrap_or_default();
    latest + boot + boot + GRACE
}

impl Watch {
    fn step(&mut self, world: &mut World, is_calm: bool, tell: &mut dyn FnMut(&str)) {
        let losses = world.reality.losses.len();
        let fired = world.timers_fired().len();
        let stopping = if is_calm { stopping(world) } else { BTreeSet::new() };
        let Some(moment) = world.step() else { return };
        for line in trace::lines(&moment) {
            self.print = fingerprint(self.print, &line);
            tell(&line);
        }
        self.seen.listen(world, &moment);
        self.crashes += usize::from(matches!(moment.twist, Some(Twist::ControllerDies { .. })));
        let scene = Scene { world, moment: &moment, seen: &self.seen, judged: Cell::new(0) };
        for (place, (name, check)) in INVARIANTS.iter().enumerate() {
            let how = check(&scene);
            self.judged[place] += scene.judged.take();
            self.broken = how.map(|how| Broken { name: (*name).to_owned(), at: moment.at, how });
            if self.broken.is_some() {
                break;
            }
        }
        let starts: Vec<_> = self.seen.starts_now.iter().map(|(attempt, _)| *attempt).collect();
        self.started += starts.len();
        self.saved += self.seen.starts_now.iter().filter(|(_, op)| matches!(op, Op::SuspendVm { .. })).count();
        self.finished += self.seen.starts_now.iter().filter(|(_, op)| matches!(op, Op::FinishMove { .. })).count();
        self.seen.started.extend(starts);
        let may_doom = matches!(moment.input, Some(Input::Tick)) || moment.twist.is_some();
        let ended = self.seen.hold_ended_now.as_deref();
        let is_over = world.reality.upses.values().all(|ups| ups.has_mains)
            || ended.is_some_and(|reason| reason.contains("time is over") || reason.contains("released"));
        self.was_held = !is_over && (self.was_held || self.seen.hold.is_some());
        self.is_doomed |= is_calm && may_doom && !self.was_held && is_doomed(world);
        if is_calm && !self.is_doomed && self.broken.is_none() {
            self.broken = world.timers_fired().get(fired).and_then(|(at, host)| fired_too_early(world, host, &stopping, *at));
        }
        if let (Some(orphans), None) = (&mut self.orphans, &self.broken) {
            self.broken = orphans.watch(world, &moment);
        }
        for (at, vm, kind) in &world.reality.losses[losses..] {
            let line = format!("{:>5}.{:03} LOST   {vm} {kind:?}", at.0 / 1000, at.0 % 1000);
            self.print = fingerprint(self.print, &line);
            tell(&line);
            if is_calm && !self.is_doomed && self.broken.is_none() {
                let how = format!("{vm} was lost ({kind:?}) although nothing went wrong but the mains");
                self.broken = Some(Broken { name: "nothing-is-lost-when-all-is-well".to_owned(), at: *at, how });
            }
        }
    }
}

/// VMs that are going down.
fn stopping(world: &World) -> BTreeSet<VmId> {
    let is_stopping = |vm: &&crate::reality::Vm| matches!(vm.doing, Doing::Stopping | Doing::Saving);
    world.reality.vms.values().filter(is_stopping).map(|vm| vm.known.id.clone()).collect()
}

/// While all is well the run comes first: what a timer finds was told to stop already.
fn fired_too_early(world: &World, host: &HostId, stopping: &BTreeSet<VmId>, at: Millis) -> Option<Broken> {
    let of_host = world.reality.vms.values().filter(|vm| vm.known.host == *host && vm.known.power.is_active());
    let untold = of_host.map(|vm| &vm.known.id).find(|id| !stopping.contains(*id))?;
    let how =
        format!("the timer of {host} fired and {untold} had not been told to stop, although nothing went wrong but the mains");
    Some(Broken { name: "the-run-comes-before-the-timer".to_owned(), at, how })
}

/// Whether, at this moment, some host with running VMs has less battery than a clean stop takes, by what its UPS states.
fn is_doomed(world: &World) -> bool {
    let topology = &world.config().topology;
    let policy = &world.config().policy;
    if world.reality.upses.values().all(|ups| ups.has_mains) {
        return false;
    }
    let mut reality = world.reality.clone();
    let drawn = reality.draw();
    reality.hosts.iter().any(|(id, host)| {
        let Some(configured) = topology.hosts.get(id).filter(|_| host.state == HostState::On) else { return false };
        let running = reality.vms.values().filter(|vm| vm.known.host == *id && vm.known.power.is_active());
        let Some(slowest) = running.map(|vm| policy.tier_of(&vm.known).stop_budget).max() else { return false };
        let lasts = |ups: &ridethrough_model::UpsId| {
            let known = reality.upses.get(ups)?;
            let load = drawn.get(ups).copied().unwrap_or_default();
            let margin =
                topology.domains.values().filter(|d| d.upses.contains(ups)).map(|d| d.timing.margin.0).max().unwrap_or(0);
            let stated = known.battery.stated(load);
            Some(if known.has_mains { Millis(u64::MAX) } else { stated - stated.scaled(u64::from(margin), 1_000_000) })
        };
        let mut feeds: Vec<Millis> = configured.feeds.iter().filter_map(|feed| lasts(&feed.ups)).collect();
        feeds.sort_unstable_by(|a, b| b.cmp(a));
        let needed = slowest + configured.shutdown_time + Millis::from_secs(30);
        feeds.get(configured.feeds_min.max(1) as usize - 1).is_none_or(|lasts| *lasts < needed)
    })
}

/// What was true before the first outage and must be true again.
struct Before {
    vms: BTreeMap<VmId, (HostId, Option<bool>)>,
}

impl Before {
    fn of(world: &World) -> Self {
        let running = world.reality.vms.values().filter(|vm| vm.known.power.is_active());
        Self { vms: running.map(|vm| (vm.known.id.clone(), (vm.known.host.clone(), vm.known.autostart))).collect() }
    }

    fn not_kept(&self, world: &World, seen: &Seen, is_calm: bool, is_orphaned: bool) -> Option<Broken> {
        let broken = |name: &str, how: String| Some(Broken { name: name.to_owned(), at: world.reality.at, how });
        if let Some(host) = world.timers().keys().next() {
            return broken("no-timer-outlasts-the-outage", format!("the timer of {host} is still set"));
        }
        if seen.run.is_some() && !seen.ends.iter().any(|(run, _)| Some(*run) == seen.run) {
            return broken("every-run-ends", format!("run {:?} is still open", seen.run));
        }
        if seen.has_forgotten || !is_calm && seen.ends.iter().any(|(_, end)| matches!(end, RunEnd::ReturnedIncomplete(_))) {
            return None;
        }
        let incomplete = seen.ends.iter().find_map(|(run, end)| match end {
            RunEnd::ReturnedIncomplete(what) => Some((run, what)),
            _ => None,
        });
        if let Some((run, what)) = incomplete {
            return broken("a-calm-run-ends-complete", format!("run {run}: {what:?}"));
        }
        let touched: BTreeSet<&VmId> = seen.intents.values().filter_map(|intent| intent.op.vm()).collect();
        let lost: BTreeSet<&VmId> = world.reality.losses.iter().map(|(_, vm, _)| vm).collect();
        let by_timer: BTreeSet<&HostId> = world.timers_fired().iter().map(|(_, host)| host).collect();
        let wrong = self.vms.iter().find(|(id, (host, autostart))| {
            let Some(vm) = world.reality.vms.get(*id) else { return false };
            // Who moves a VM past us need not find it at home, and who switches it off need not find it running.
            let theirs = world.reality.meddled.get(*id).copied().unwrap_or_default();
            let is_back = vm.known.power.is_active()
                && (vm.known.host == *host || theirs.was_moved)
                && vm.known.autostart == *autostart
                && (vm.doing == Doing::Nothing || vm.is_hung);
            // What fell while nobody was there and no run was open was in no journal to be brought back from.
            let mut losses = world.reality.losses.iter();
            let is_nobodys = is_orphaned && !seen.died_in_run && losses.any(|(at, vm, _)| vm == *id && *at > seen.died_at);
            // A guest that obeys an hour later, when nobody waits for it any more, is beyond us.
            let was_hung = seen.stop_given_up.contains(*id);
            !was_hung
                && !is_nobodys
                && !seen.wished.contains(*id)
                && !theirs.is_left_off
                && (touched.contains(id) || lost.contains(id) && is_calm || by_timer.contains(host) && is_orphaned)
                && !is_back
        });
        let (id, (host, _)) = wrong?;
        let vm = world.reality.vms.get(id)?;
        broken(
            "everything-comes-back",
            format!(
                "{id} ran on {host}, now it is {:?} on {} with autostart {:?}, {:?}",
                vm.known.power, vm.known.host, vm.known.autostart, vm.doing
            ),
        )
    }
}

fn fingerprint(so_far: u64, line: &str) -> u64 {
    line.bytes().fold(so_far ^ 0xcbf2_9ce4_8422_2325, |print, byte| (print ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds of `make nightly`, or those of every run.
    fn seeds() -> u64 {
        let told = std::env::var("RIDETHROUGH_SEEDS").ok();
        told.map_or(300, |text| text.parse().expect("RIDETHROUGH_SEEDS is a number"))
    }

    #[test]
    fn every_promise_holds_in_every_seed() {
        let lanes = std::thread::available_parallelism().map_or(1, |count| count.get() as u64).min(8);
        let last = seeds();
        let lane = |first: u64| {
            let mine = (first..=last).step_by(usize::try_from(lanes).unwrap_or(1));
            mine.flat_map(|seed| campaign(seed..seed + 1)).filter(|outcome| outcome.broken.is_some()).collect::<Vec<_>>()
        };
        let broken: Vec<Outcome> = std::thread::scope(|scope| {
            let lanes: Vec<_> = (1..=lanes).map(|first| scope.spawn(move || lane(first))).collect();
            lanes.into_iter().flat_map(|lane| lane.join().expect("a seed that panics is a bug of its own")).collect()
        });
        if let Some(first) = broken.iter().min_by_key(|outcome| outcome.seed) {
            let all: Vec<u64> = broken.iter().map(|outcome| outcome.seed).collect();
            panic!("{}\n{} of {last} seeds: {all:?}", replay(Day::of(first.seed)), all.len());
        }
    }

    #[test]
    fn the_same_seed_is_the_same_day() {
        let twice = |seed| (campaign(seed..seed + 1), campaign(seed..seed + 1));
        for seed in [3, 11, 64, 503] {
            let (one, other) = twice(seed);
            assert_eq!(one, other);
        }
        assert_ne!(campaign(1..2)[0].print, campaign(2..3)[0].print);
    }

    #[test]
    fn the_seeds_are_worth_playing() {
        let outcomes = campaign(1..80);
        let count = |is_so: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is_so(outcome)).count();
        assert!(count(&|outcome| outcome.started > 0) > 40, "outages that make it act");
        assert!(count(&|outcome| outcome.started == 0 && outcome.runs > 0) > 5, "outages that are ridden through");
        assert!(count(&|outcome| outcome.lost > 0) > 0, "days on which something cannot be saved");
        assert!(count(&|outcome| outcome.about.starts_with("calm")) > 15, "days on which everything must be");
        assert!(count(&|outcome| outcome.about.contains("crash")) > 5, "crashes");
        assert!(count(&|outcome| outcome.about.contains("hold")) > 10, "holds");
        assert!(count(&|outcome| outcome.about.contains("abort")) > 3, "aborts");
        assert!(count(&|outcome| outcome.about.starts_with("orphaned")) > 3, "lost controllers");
        assert!(count(&|outcome| outcome.saved > 0) > 5, "VMs that are saved to disk");
        assert!(count(&|outcome| outcome.finished > 0) > 0, "moves that are finished by post-copy");
    }
}
