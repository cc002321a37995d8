//! What others do, as their documentation says: everything at low battery (NUT), and a sequence of fixed durations that is always
//! waited out (PowerChute and its kin). Modelled, not run; they react at once and never fail to start what they start.

use super::world::{Conduct, Deed, Doing, Power, SLOT_S, View};

/// What a UPS shows: what is left, at the present load for ever.
fn remaining_s(view: &View<'_>) -> f64 {
    (1.0 - view.drained) / view.outage.thought().drain(view.watts).max(1e-12)
}

fn empty_hosts(view: &View<'_>) -> impl Iterator<Item = Deed> {
    let is_empty = |h: usize| {
        let here = view.outage.guests.iter().zip(view.guests).filter(|(guest, _)| guest.host == h);
        here.into_iter().all(|(_, doing)| matches!(doing, Doing::Off(_) | Doing::Away | Doing::Cut(_)))
    };
    let hosts: Vec<usize> = (0..view.servers.len()).filter(|h| view.servers[*h] == Power::On && is_empty(*h)).collect();
    hosts.into_iter().map(Deed::Down)
}

fn stop_all(view: &View<'_>, is_meant: impl Fn(usize) -> bool) -> Vec<Deed> {
    let running = (0..view.guests.len()).filter(|v| view.guests[*v] == Doing::Runs);
    running.filter(|v| is_meant(view.outage.guests[*v].tier)).map(Deed::Stop).collect()
}

/// Everything runs until the UPS says low battery; then everything stops at once.
#[derive(Debug)]
pub struct AtLowBattery {
    threshold_s: f64,
    is_low: bool,
}

impl AtLowBattery {
    /// Low is so many seconds left; at 120 also 20 % of charge.
    #[must_use]
    pub fn new(threshold_s: f64) -> Self {
        Self { threshold_s, is_low: false }
    }
}

impl Conduct for AtLowBattery {
    fn act(&mut self, view: &View<'_>) -> Vec<Deed> {
        self.is_low |= remaining_s(view) <= self.threshold_s || (self.threshold_s <= 120.0 && 1.0 - view.drained <= 0.2);
        if !self.is_low {
            return Vec::new();
        }
        let mut deeds = stop_all(view, |_| true);
        deeds.extend(empty_hosts(view));
        deeds
    }
}

/// Moves for 180 s, then low, normal and critical VMs for 120 s each, then the hosts, whatever still runs.
#[derive(Debug)]
pub struct Sequence {
    after_s: Option<f64>,
    begun: Option<usize>,
}

const MOVES_S: f64 = 180.0;
const GROUP_S: f64 = 120.0;

impl Sequence {
    /// Begins after so long on battery.
    #[must_use]
    pub fn after(seconds: f64) -> Self {
        Self { after_s: Some(seconds), begun: None }
    }
    /// Begins when the runtime shown is what the sequence takes and a minute.
    #[must_use]
    pub fn by_runtime() -> Self {
        Self { after_s: None, begun: None }
    }
}

impl Conduct for Sequence {
    fn act(&mut self, view: &View<'_>) -> Vec<Deed> {
        let is_due = match self.after_s {
            Some(after) => view.now as f64 * SLOT_S >= after,
            None => remaining_s(view) <= MOVES_S + 3.0 * GROUP_S + 120.0,
        };
        if self.begun.is_none() && is_due {
            self.begun = Some(view.now);
        }
        let Some(begun) = self.begun else { return Vec::new() };
        let elapsed = (view.now - begun) as f64 * SLOT_S;
        let mut deeds = Vec::new();
        if elapsed < MOVES_S {
            let critical = |v: &usize| view.outage.guests[*v].tier == 0 && view.guests[*v] == Doing::Runs;
            deeds.extend((0..view.guests.len()).filter(critical).map(Deed::Move));
        }
        for (step, tier) in [2, 1, 0].into_iter().enumerate() {
            if elapsed >= MOVES_S + step as f64 * GROUP_S {
                deeds.extend(stop_all(view, |of| of == tier));
            }
        }
        if elapsed >= MOVES_S + 3.0 * GROUP_S {
            deeds.extend((0..view.servers.len()).filter(|h| view.servers[*h] == Power::On).map(Deed::Down));
        }
        deeds
    }
}
