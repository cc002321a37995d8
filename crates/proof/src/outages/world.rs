//! One outage in slots of 30 s: hosts on one battery, one host with good power, a battery after a power law that nobody knows exactly.

use crate::dice::Dice;
use crate::draw::Law;
use serde::Serialize;

/// Seconds per slot.
pub const SLOT_S: f64 = 30.0;
const VMS: usize = 12;
const HOSTS: usize = 3;
const LANES: usize = 2;
/// Slots after which an outage is as bad as it gets.
const SLOTS_MAX: usize = 2_000;
/// Minutes lost by one VM that are counted at most.
const LOST_MAX_MIN: f64 = 240.0;

/// What goes wrong that nobody is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Trouble {
    /// Nothing: estimates are as good as estimates are.
    None,
    /// The battery gives 60 % of what is thought.
    Aged,
    /// Hung guests, failed moves, a wrong table, unknown load, old readings.
    Faults,
}

/// A host.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// Watts without VMs.
    pub idle_w: f64,
    /// Slots to go down: planned.
    pub down_planned: usize,
    /// In truth.
    pub down_true: usize,
}

/// A VM.
#[derive(Clone, Debug, Serialize)]
pub struct Guest {
    /// Where.
    pub host: usize,
    /// 0 is critical.
    pub tier: usize,
    /// Memory.
    pub ram_gib: f64,
    /// Watts.
    pub watts: f64,
    /// Slots for its stop: planned (99 of 100 are quicker) and true.
    pub stop_planned: usize,
    /// In truth; `None`: it hangs.
    pub stop_true: Option<usize>,
    /// Slots for its move, planned and true.
    pub move_planned: usize,
    /// In truth.
    pub move_true: usize,
    /// Its first move fails when it is nearly over.
    pub move_fails: bool,
}

/// A drawn outage.
#[derive(Clone, Debug, Serialize)]
pub struct Outage {
    /// Its number.
    pub seed: u64,
    /// The hosts on battery.
    pub servers: Vec<Server>,
    /// The VMs.
    pub guests: Vec<Guest>,
    /// Free memory where power is good.
    pub receiver_gib: f64,
    /// The battery: seconds at the load before the outage, with a whole battery.
    pub rated_s: f64,
    /// That load.
    pub rated_w: f64,
    /// The true power of its law.
    pub k_true: f64,
    /// The true share of its capacity.
    pub capacity_true: f64,
    /// The estimated one.
    pub capacity_thought: f64,
    /// Watts on the UPS that nobody knows of.
    pub unknown_w: f64,
    /// Readings are so many slots old.
    pub stale: usize,
    /// When power returns, in slots.
    pub returns: usize,
}

impl Outage {
    /// Draws one.
    #[must_use]
    pub fn draw(seed: u64, trouble: Trouble) -> Self {
        let mut dice = Dice::new(seed);
        let servers: Vec<Server> = (0..HOSTS)
            .map(|_| Server { idle_w: dice.whole(110, 190) as f64, down_planned: 2, down_true: dice.pick(&[1, 1, 2, 2]) })
            .collect();
        let mut tiers: Vec<usize> = (0..VMS).map(|v| v * 3 / VMS).collect();
        for i in (1..VMS).rev() {
            tiers.swap(i, dice.whole(0, i as u64) as usize);
        }
        let link = dice.pick(&[0.11, 0.11, 1.1]);
        let receiver_gib = dice.pick(&[48.0, 64.0, 96.0, 128.0, 192.0]);
        let guests: Vec<Guest> = (0..VMS).map(|v| guest(&mut dice, v, tiers[v], link)).collect();
        let rated_w =
            servers.iter().map(|server| server.idle_w).sum::<f64>() + guests.iter().map(|guest| guest.watts).sum::<f64>();
        let mut outage = Self {
            seed,
            servers,
            guests,
            receiver_gib,
            rated_s: dice.between(6.0, 15.0) * 60.0,
            rated_w,
            k_true: dice.between(1.08, 1.35),
            capacity_true: 1.0,
            capacity_thought: 1.0 + (dice.bell() * 0.06).clamp(-0.15, 0.15),
            unknown_w: 0.0,
            stale: 0,
            returns: (length_s(&mut dice) / SLOT_S).ceil().max(1.0) as usize,
        };
        match trouble {
            Trouble::None => {}
            Trouble::Aged => outage.capacity_true = 0.6,
            Trouble::Faults => outage.trouble(&mut dice),
        }
        outage
    }
    fn trouble(&mut self, dice: &mut Dice) {
        for guest in &mut self.guests {
            if dice.chance(0.02) {
                guest.stop_true = None;
            }
            guest.move_fails = dice.chance(0.05);
        }
        self.capacity_thought *= if dice.chance(0.5) { 1.2 } else { 0.8 };
        self.unknown_w = 0.15 * self.rated_w;
        self.stale = 1;
    }
    /// What a second drains in truth.
    fn drain(&self, watts: f64) -> f64 {
        Law { rated_s: self.rated_s, rated_watts: self.rated_w, k: self.k_true }.drain(watts) / self.capacity_true
    }
    /// The law that everybody takes it for.
    #[must_use]
    pub fn thought(&self) -> Law {
        Law { rated_s: self.rated_s * self.capacity_thought, rated_watts: self.rated_w, k: 1.2 }
    }
    /// Whether the battery would be empty before power returns if nobody did anything.
    fn is_long(&self) -> bool {
        self.returns as f64 * SLOT_S * self.drain(self.rated_w + self.unknown_w) >= 1.0
    }
}

fn guest(dice: &mut Dice, v: usize, tier: usize, link: f64) -> Guest {
    let ram_gib = dice.pick(&[4.0, 8.0, 8.0, 16.0, 16.0, 32.0, 64.0]);
    let watts = dice.whole(10, 60) as f64;
    let median = dice.between(12_f64.ln(), 45_f64.ln()).exp();
    let stop_true = median * (0.5 * dice.bell().clamp(-2.5, 2.5)).exp();
    let stop_planned = median * (0.5_f64 * 2.33).exp();
    let dirty = dice.between(0.02, 0.4);
    let seconds = ram_gib / (link / LANES as f64) / (1.0 - dirty);
    let slots = |seconds: f64| (seconds / SLOT_S).ceil().max(1.0) as usize;
    Guest {
        host: v % HOSTS,
        tier,
        ram_gib,
        watts,
        stop_planned: slots(stop_planned),
        stop_true: Some(slots(stop_true)),
        move_planned: slots(seconds * 1.15),
        move_true: slots(seconds * dice.between(0.9, 1.15)),
        move_fails: false,
    }
}

/// How long an outage lasts, in seconds: a third are over in a minute, one in twenty takes hours.
fn length_s(dice: &mut Dice) -> f64 {
    const PARTS: [(f64, f64, f64); 6] =
        [(0.31, 0.1, 1.0), (0.27, 1.0, 5.0), (0.14, 5.0, 30.0), (0.17, 30.0, 120.0), (0.06, 120.0, 240.0), (0.05, 240.0, 600.0)];
    let throw = dice.unit();
    let mut below = 0.0;
    for (part, from, to) in PARTS {
        if throw < below + part {
            return from * (to / from).powf((throw - below) / part) * 60.0;
        }
        below += part;
    }
    36_000.0
}

/// What a VM does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Runs.
    Runs,
    /// Stops since that slot.
    Stops(usize),
    /// Moves since that slot.
    Moves(usize),
    /// Is off.
    Off(usize),
    /// Runs where power is good.
    Away,
    /// Lost its power while it ran.
    Cut(usize),
}

/// What a host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Is on.
    On,
    /// Goes down since that slot.
    GoesDown(usize),
    /// Is off.
    Off,
}

/// What can be seen.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The facts; only what is planned or thought of them may be used.
    pub outage: &'a Outage,
    /// The slot.
    pub now: usize,
    /// The VMs.
    pub guests: &'a [Doing],
    /// The hosts.
    pub servers: &'a [Power],
    /// The share of the battery drained, as last read.
    pub drained: f64,
    /// Watts, as last read.
    pub watts: f64,
    /// Memory taken where power is good.
    pub taken_gib: f64,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Stop a VM.
    Stop(usize),
    /// Move it.
    Move(usize),
    /// Shut a host down, whatever runs on it.
    Down(usize),
}

/// A rule of conduct.
pub trait Conduct {
    /// What to do now.
    fn act(&mut self, view: &View<'_>) -> Vec<Deed>;
}

/// What became of an outage.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// VMs that lost power while they ran.
    pub unclean: usize,
    /// Of these, guests that hang: nobody could have stopped them cleanly.
    pub hung: usize,
    /// Critical VMs that run when power returns.
    pub critical_alive: usize,
    /// Critical VMs.
    pub critical: usize,
    /// Minutes lost per tier.
    pub lost_min: [f64; 3],
    /// VMs stopped although power came back in time for all.
    pub needless: usize,
    /// Whether the battery alone would not have lasted.
    pub is_long: bool,
}

/// Plays an outage to its end.
pub fn play(outage: &Outage, conduct: &mut dyn Conduct) -> Fate {
    let mut guests = vec![Doing::Runs; outage.guests.len()];
    let mut servers = vec![Power::On; outage.servers.len()];
    let mut failed = vec![false; guests.len()];
    let mut drained = 0.0_f64;
    let mut taken_gib = 0.0;
    let mut readings = vec![(0.0, outage.rated_w + outage.unknown_w)];
    let mut dead = false;
    for now in 0..outage.returns.min(SLOTS_MAX) {
        settle(outage, now, (&mut guests, &mut servers), (&mut failed, &mut taken_gib));
        if servers.iter().all(|server| *server == Power::Off) {
            break;
        }
        readings.push((drained, load(outage, &guests, &servers)));
        let (seen, watts) = readings[(readings.len() - 1).saturating_sub(outage.stale)];
        let view = View { outage, now, guests: &guests, servers: &servers, drained: seen, watts, taken_gib };
        for deed in conduct.act(&view) {
            match deed {
                Deed::Stop(v) if guests[v] == Doing::Runs => guests[v] = Doing::Stops(now),
                Deed::Move(v) if guests[v] == Doing::Runs => {
                    let under_way = guests.iter().filter(|doing| matches!(doing, Doing::Moves(_))).count();
                    if taken_gib + outage.guests[v].ram_gib <= outage.receiver_gib && under_way < LANES {
                        guests[v] = Doing::Moves(now);
                        taken_gib += outage.guests[v].ram_gib;
                    }
                }
                Deed::Down(h) if servers[h] == Power::On => servers[h] = Power::GoesDown(now),
                _ => {}
            }
        }
        drained += outage.drain(load(outage, &guests, &servers)) * SLOT_S;
        if drained >= 1.0 {
            dead = true;
            for doing in &mut guests {
                if matches!(doing, Doing::Runs | Doing::Stops(_) | Doing::Moves(_)) {
                    *doing = Doing::Cut(now + 1);
                }
            }
            break;
        }
    }
    fate(outage, &guests, &servers, dead)
}

fn settle(
    outage: &Outage,
    now: usize,
    (guests, servers): (&mut [Doing], &mut [Power]),
    (failed, taken_gib): (&mut [bool], &mut f64),
) {
    for (v, guest) in outage.guests.iter().enumerate() {
        match guests[v] {
            Doing::Stops(since) if guest.stop_true.is_some_and(|slots| now - since >= slots) => guests[v] = Doing::Off(since),
            Doing::Moves(since) if now - since >= guest.move_true => {
                if guest.move_fails && !failed[v] {
                    failed[v] = true;
                    *taken_gib -= guest.ram_gib;
                    guests[v] = Doing::Runs;
                } else {
                    guests[v] = Doing::Away;
                }
            }
            _ => {}
        }
    }
    for (h, server) in outage.servers.iter().enumerate() {
        if matches!(servers[h], Power::GoesDown(since) if now - since >= server.down_true) {
            servers[h] = Power::Off;
            for (v, guest) in outage.guests.iter().enumerate() {
                if guest.host == h && matches!(guests[v], Doing::Runs | Doing::Stops(_) | Doing::Moves(_)) {
                    guests[v] = Doing::Cut(now);
                }
            }
        }
    }
}

fn load(outage: &Outage, guests: &[Doing], servers: &[Power]) -> f64 {
    let on = outage.servers.iter().zip(servers).filter(|(_, power)| **power != Power::Off).map(|(server, _)| server.idle_w);
    let draws = |doing: &Doing| matches!(doing, Doing::Runs | Doing::Stops(_) | Doing::Moves(_));
    let running = outage.guests.iter().zip(guests).filter(|(_, doing)| draws(doing)).map(|(guest, _)| guest.watts);
    outage.unknown_w + on.sum::<f64>() + running.sum::<f64>()
}

fn fate(outage: &Outage, guests: &[Doing], servers: &[Power], dead: bool) -> Fate {
    const BOOT_VM: usize = 4;
    const BOOT_HOST: usize = 10;
    let mut fate = Fate { is_long: outage.is_long(), ..Fate::default() };
    let mut stopped = 0;
    for (guest, doing) in outage.guests.iter().zip(guests) {
        fate.critical += usize::from(guest.tier == 0);
        let since = match doing {
            Doing::Runs | Doing::Moves(_) | Doing::Away => {
                fate.critical_alive += usize::from(guest.tier == 0);
                continue;
            }
            Doing::Stops(since) | Doing::Off(since) | Doing::Cut(since) => *since,
        };
        let is_host_off = dead || servers[guest.host] != Power::On;
        let mut slots = outage.returns.saturating_sub(since) + BOOT_VM + if is_host_off { BOOT_HOST } else { 0 };
        if let (Doing::Stops(_), Some(stop)) = (doing, guest.stop_true) {
            slots = slots.max(stop + BOOT_VM);
        }
        fate.lost_min[guest.tier] += (slots as f64 * SLOT_S / 60.0).min(LOST_MAX_MIN);
        stopped += 1;
        if matches!(doing, Doing::Cut(_)) {
            fate.unclean += 1;
            fate.hung += usize::from(guest.stop_true.is_none());
        }
    }
    fate.needless = if fate.is_long { 0 } else { stopped };
    fate
}
