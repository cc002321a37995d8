//! A story in a text file, played against the real state machine: what a person asks "what if" with, and what the golden scripts in
//! `scripts/` are. `docs/cli.md` has its words.
//!
//! Here: lines become commands and are carried out. The site is built in `site`, what happens is told in `say`.

mod say;
mod site;
mod words;

use crate::faults::Twist;
use crate::invariant::{INVARIANTS, Scene};
use crate::seen::Seen;
use crate::world::{Moment, World};
use ridethrough_decide::{Command, Effect, Plant, SiteConfig};
use ridethrough_model::{DomainMode, Millis};
use site::Builder;
use std::cell::Cell;
use std::fmt;
use words::Words;

/// A line that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryError {
    /// Its number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What is wrong, and what could be there instead.
    pub message: String,
}

impl fmt::Display for StoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}\n  {}", self.line, self.message, self.text)
    }
}
impl std::error::Error for StoryError {}

/// What came of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Each line and what it showed.
    pub text: String,
    /// Promises that were not kept.
    pub broken: Vec<String>,
}

/// Plays a story. `config` is what `load config` takes, where the caller has one.
///
/// # Errors
/// The first line that makes no sense. What came before it has been played, and is of no use.
pub fn play(script: &str, config: Option<&SiteConfig>) -> Result<Told, StoryError> {
    play_with(script, config, None)
}

/// The same, with a bug planted, to see it caught.
///
/// # Errors
/// As [`play`].
pub fn play_with(script: &str, config: Option<&SiteConfig>, plant: Option<Plant>) -> Result<Told, StoryError> {
    let mut teller = Teller { builder: Builder::new(config.cloned()), plant, ..Teller::default() };
    for (place, raw) in script.lines().enumerate() {
        let line = raw.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            if raw.trim_start().starts_with('#') {
                teller.out.push_str(&format!("{}\n", raw.trim_end()));
            }
            continue;
        }
        teller.out.push_str(&format!("> {line}\n"));
        let error = |message| StoryError { line: place + 1, text: line.to_owned(), message };
        teller.obey(&mut Words::of(line)).map_err(error)?;
    }
    Ok(teller.end())
}

/// No story lasts longer.
const LASTS_MAX: Millis = Millis::from_secs(7 * 24 * 3600);
/// Time given to the first looks at everything before the first command that plays.
const SETTLES: Millis = Millis::from_secs(20);

#[derive(Default)]
struct Teller {
    builder: Builder,
    plant: Option<Plant>,
    playing: Option<Playing>,
    out: String,
}

struct Playing {
    world: World,
    seen: Seen,
    broken: Vec<String>,
    /// Records told so far by `journal`.
    told: usize,
}

impl Teller {
    fn obey(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let verb = words.next("a command")?;
        match verb {
            "load" | "new" => {
                if self.playing.is_some() {
                    return Err("the site stands already: `load` and `new` come before everything that plays".to_owned());
                }
                if verb == "load" { self.builder.load(words) } else { self.builder.add(words) }
            }
            _ => self.play(verb, words),
        }?;
        words.end()
    }

    fn play(&mut self, verb: &str, words: &mut Words<'_>) -> Result<(), String> {
        if self.playing.is_none() {
            let mut setup = std::mem::take(&mut self.builder).setup()?;
            setup.plant = self.plant;
            let mut playing = Playing { world: World::new(setup, 1), seen: Seen::default(), broken: Vec::new(), told: 0 };
            playing.pass(SETTLES, &mut String::new());
            self.playing = Some(playing);
        }
        let Some(playing) = &mut self.playing else { return Ok(()) };
        playing.obey(verb, words, &mut self.out)
    }

    fn end(mut self) -> Told {
        let broken = self.playing.as_mut().map(|playing| std::mem::take(&mut playing.broken)).unwrap_or_default();
        for how in &broken {
            self.out.push_str(&format!("PROMISE BROKEN {how}\n"));
        }
        if broken.is_empty() && self.playing.is_some() {
            self.out.push_str("every promise was kept\n");
        }
        Told { text: self.out, broken }
    }
}

const VERBS: &str = "arm, disarm, ups, mains, tick, kill, journal, disk, host, platform, clock, vm, hold, release, abort, return, \
                     maintenance, plan or status";

impl Playing {
    fn obey(&mut self, verb: &str, words: &mut Words<'_>, out: &mut String) -> Result<(), String> {
        match verb {
            "tick" => {
                let time = words.time("how long, as 30s, 10m or 2h")?;
                if self.world.reality.at + time > LASTS_MAX {
                    return Err("a story lasts a week at most".to_owned());
                }
                self.pass(time, out);
            }
            "arm" | "disarm" => {
                let mode = if verb == "arm" { DomainMode::Armed } else { DomainMode::Observe };
                let known: Vec<_> = self.world.config().topology.domains.keys().cloned().collect();
                let chosen = match words.next_if_any() {
                    None => known,
                    Some(name) => vec![words.one_of("domain", name, known)?],
                };
                for domain in chosen {
                    self.happen(Twist::Command(Command::SetMode { domain, mode, by: "sim".to_owned() }), out);
                }
            }
            "mains" => {
                let is_there = words.choice(&[("back", true), ("lost", false)])?;
                let upses: Vec<_> = self.world.reality.upses.keys().cloned().collect();
                for ups in upses {
                    self.happen(Twist::Mains(ups, is_there), out);
                }
            }
            "ups" => self.ups(words, out)?,
            "vm" => self.vm(words, out)?,
            "host" => {
                let known = self.world.reality.hosts.keys().cloned().collect();
                let host = words.name("host", known)?;
                let has_network = words.choice(&[("unreachable", false), ("reachable", true)])?;
                self.happen(Twist::Network(host, has_network), out);
            }
            "platform" => {
                let works = words.choice(&[("down", false), ("up", true)])?;
                self.happen(Twist::Platform(works), out);
            }
            "disk" => {
                use crate::disk::DiskState;
                let state =
                    words.choice(&[("hangs", DiskState::Hangs), ("full", DiskState::Fails), ("works", DiskState::Works)])?;
                self.happen(Twist::Disk(state), out);
            }
            "clock" => {
                let is_back = words.choice(&[("forward", false), ("back", true)])?;
                let by = i64::try_from(words.time("by how much")?.as_secs()).unwrap_or(0);
                self.happen(Twist::WallClock(if is_back { -by } else { by }), out);
            }
            "kill" => {
                let down_for = if words.has("for") { words.time("for how long")? } else { Millis::from_secs(5) };
                let reboots = words.has("reboot");
                self.happen(Twist::ControllerDies { down_for, reboots }, out);
            }
            "hold" | "release" | "abort" | "return" | "maintenance" => self.restrain(verb, words, out)?,
            "plan" => out.push_str(&say::plan(&self.world, self.seen.plan.as_ref())),
            "status" => out.push_str(&say::status(&self.world)),
            "journal" => {
                let records = self.world.disk.durable.iter().chain(&self.world.disk.tail);
                let fresh: Vec<_> = records.skip(self.told).collect();
                self.told += fresh.len();
                for record in fresh {
                    out.push_str(&say::record(&self.world, record));
                }
            }
            other => return Err(format!("`{other}` is no command: say load or new, then {VERBS}")),
        }
        Ok(())
    }

    /// What people say to the controller in an outage.
    fn restrain(&mut self, verb: &str, words: &mut Words<'_>, out: &mut String) -> Result<(), String> {
        let by = || "sim".to_owned();
        match verb {
            "hold" => {
                let duration = words.time("for how long")?;
                let even_if_lost = words.has("even-if-lost");
                self.happen(Twist::Command(Command::Hold { duration, even_if_lost, by: by() }), out);
            }
            "release" => self.happen(Twist::Command(Command::ReleaseHold { by: by() }), out),
            "abort" => self.happen(Twist::Command(Command::Abort { by: by() }), out),
            "maintenance" => {
                let known = self.world.reality.upses.keys().cloned().collect();
                let ups = words.name("UPS", known)?;
                let duration = if words.has("ends") { None } else { Some(words.time("for how long, or `ends`")?) };
                self.happen(Twist::Command(Command::Maintenance { ups, duration, by: by() }), out);
            }
            _ => self.happen(Twist::Command(Command::Return { by: by() }), out),
        }
        Ok(())
    }

    fn ups(&mut self, words: &mut Words<'_>, out: &mut String) -> Result<(), String> {
        use ridethrough_model::SilenceKind;
        let known = self.world.reality.upses.keys().cloned().collect();
        let ups = words.name("UPS", known)?;
        let verbs = "on-battery, mains, silent, stale, speaks, forced, low, not-low or states=PERCENT";
        let word = words.next(verbs)?;
        let twist = match word {
            "on-battery" => {
                if let Some(lasts) = words.setting("runtime")? {
                    self.world.reality.set_runtime(&ups, lasts);
                }
                Twist::Mains(ups, false)
            }
            "mains" => Twist::Mains(ups, true),
            "silent" => Twist::Silence(ups, Some(SilenceKind::Unreachable)),
            "stale" => Twist::Silence(ups, Some(SilenceKind::Stale)),
            "speaks" => Twist::Silence(ups, None),
            "forced" => Twist::Forced(ups),
            "low" => Twist::SaysLow(ups, true),
            "not-low" => Twist::SaysLow(ups, false),
            other => match other.strip_prefix("states=").map(|share| share.trim_end_matches('%').parse()) {
                Some(Ok(percent)) => Twist::Lies(ups, percent),
                _ => return Err(format!("`{other}` is nothing a UPS can do here: say {verbs}")),
            },
        };
        self.happen(twist, out);
        Ok(())
    }

    fn vm(&mut self, words: &mut Words<'_>, out: &mut String) -> Result<(), String> {
        let name = words.next("a VM's name")?.to_owned();
        let known = self.world.reality.vms.values().find(|vm| vm.known.name == name).map(|vm| vm.known.clone());
        let hosts: Vec<_> = self.world.reality.hosts.keys().cloned().collect();
        let verbs = "off, on, moved HOST, deleted, created HOST, hangs, obeys, refuses or allows";
        let word = words.next(verbs)?;
        if word == "created" {
            let host = words.name("host", hosts)?;
            let vm = site::vm(&self.world.estate.platform, &name, host);
            self.happen(Twist::VmCreated(Box::new(vm)), out);
            return Ok(());
        }
        let Some(vm) = known else {
            let names: Vec<_> = self.world.reality.vms.values().map(|vm| vm.known.name.as_str()).collect();
            return Err(format!("there is no VM `{name}`; there are {}", names.join(", ")));
        };
        let twist = match word {
            "off" => Twist::VmPowered(vm.id, false),
            "on" => Twist::VmPowered(vm.id, true),
            "moved" => Twist::VmMoved(vm.id, words.name("host", hosts)?),
            "deleted" => Twist::VmDeleted(vm.id),
            "hangs" => Twist::Hung(vm.id, true),
            "obeys" => Twist::Hung(vm.id, false),
            "refuses" => Twist::Refuses(vm.id, true),
            "allows" => Twist::Refuses(vm.id, false),
            other => return Err(format!("`{other}` is nothing that happens to a VM: say {verbs}")),
        };
        self.happen(twist, out);
        Ok(())
    }

    /// Something happens now, and what it causes at once.
    fn happen(&mut self, twist: Twist, out: &mut String) {
        let at = self.world.reality.at;
        self.world.will(at, twist);
        self.play_until(at, out);
    }

    fn pass(&mut self, time: Millis, out: &mut String) {
        let until = self.world.reality.at + time;
        self.play_until(until, out);
        self.world.reality.advance(until);
    }

    fn play_until(&mut self, until: Millis, out: &mut String) {
        while self.world.next_at().is_some_and(|at| at <= until) {
            let losses = self.world.reality.losses.len();
            let Some(moment) = self.world.step() else { return };
            self.watch(&moment);
            out.push_str(&say::moment(&self.world, &moment));
            out.push_str(&say::losses(&self.world, losses));
        }
    }

    fn watch(&mut self, moment: &Moment) {
        self.seen.listen(&self.world, moment);
        let scene = Scene { world: &self.world, moment, seen: &self.seen, judged: Cell::new(0) };
        for (name, check) in INVARIANTS {
            if let Some(how) = check(&scene).filter(|_| !self.broken.iter().any(|known| known.starts_with(name))) {
                self.broken.push(format!("{name}: {how}"));
            }
        }
        let starts = moment.effects.iter().filter_map(|effect| match effect {
            Effect::Start { run, action, attempt, .. } => Some((*run, *action, *attempt)),
            _ => None,
        });
        self.seen.started.extend(starts);
    }
}
