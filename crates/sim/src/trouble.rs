//! More that goes wrong on a rough day: UPSes that lie, platforms that leave out or refuse, people who work past us, and messages
//! that come much too late. Of their own dice, so that everything else of a seed stays as it is.

use crate::dice::Dice;
use crate::faults::{Faults, Twist};
use crate::reality::{Reality, Vm};
use ridethrough_model::{HostId, Millis, Milliwatts, VmId, VmPower};

pub(crate) const MORE: u64 = 0x2b1e_77c3;

const KINDS: [&str; 13] = [
    "says low",
    "lies",
    "shrinks",
    "refuses",
    "created",
    "deleted",
    "moved",
    "stopped",
    "started",
    "late readings",
    "late effects",
    "mains back at any moment",
    "second feed later",
];

/// Draws it; returns what to say of it.
pub(crate) fn draw(
    dice: &mut Dice,
    reality: &Reality,
    heals_at: Millis,
    faults: &mut Faults,
    script: &mut Vec<(Millis, Twist)>,
) -> String {
    let mut said = String::new();
    for _ in 0..dice.between(0, 2) {
        let kind = *dice.pick(&KINDS);
        let first = script.iter().filter(|(_, twist)| matches!(twist, Twist::Mains(_, false))).map(|(at, _)| at.0).min();
        let from = first.unwrap_or(60_000).saturating_sub(20_000);
        let at = Millis(dice.between(from, heals_at.0.max(from + 1) - 1));
        let until = Millis((at.0 + dice.secs(5, 400).0).min(heals_at.0 - 1));
        happen(kind, dice, reality, (at, until), faults, script);
        said.push_str(", ");
        said.push_str(kind);
    }
    said
}

fn happen(
    kind: &str,
    dice: &mut Dice,
    reality: &Reality,
    (at, until): (Millis, Millis),
    faults: &mut Faults,
    script: &mut Vec<(Millis, Twist)>,
) {
    let ups = pick_of(dice, reality.upses.keys());
    let vm = pick_of(dice, reality.vms.keys());
    let host = pick_of(dice, reality.hosts.keys());
    let mut will = |at: Millis, twist: Twist| script.push((at, twist));
    match kind {
        "says low" => {
            will(at, Twist::SaysLow(ups.clone(), true));
            will(until, Twist::SaysLow(ups, false));
        }
        "lies" => {
            let share = *dice.pick(&[20, 50, 80, 150, 300]);
            will(at, Twist::Lies(ups.clone(), share));
            will(until, Twist::Lies(ups, 100));
        }
        "shrinks" => {
            will(at, Twist::Shrinks(true));
            // On mains a loss that lasts is believed, and rightly.
            will(Millis((at.0 + 20_000).min(until.0)), Twist::Shrinks(false));
        }
        "refuses" => will(at, Twist::Refuses(vm, true)),
        "created" => will(at, Twist::VmCreated(Box::new(another(dice, reality, host)))),
        "deleted" => will(at, Twist::VmDeleted(vm)),
        "moved" => will(at, Twist::VmMoved(vm, host)),
        "stopped" => will(at, Twist::VmPowered(vm, false)),
        "started" => will(at, Twist::VmPowered(vm, true)),
        "late readings" => faults.reading_late_percent = *dice.pick(&[3, 20]),
        "late effects" => faults.late_effect_percent = *dice.pick(&[2, 10]),
        "mains back at any moment" => {
            will(at, Twist::Mains(ups.clone(), true));
            if dice.percent(60) {
                will(until, Twist::Mains(ups, false));
            }
        }
        _ => {
            will(at, Twist::Mains(ups.clone(), false));
            will(until, Twist::Mains(ups, true));
        }
    }
}

fn pick_of<'a, T: Clone + 'a>(dice: &mut Dice, all: impl Iterator<Item = &'a T>) -> T {
    let all: Vec<&T> = all.collect();
    (*dice.pick(&all)).clone()
}

fn another(dice: &mut Dice, reality: &Reality, host: HostId) -> Vm {
    let model: Vec<&Vm> = reality.vms.values().collect();
    let mut known = dice.pick(&model).known.clone();
    known.name = "late".to_owned();
    known.id = VmId::of(&known.id.platform(), "late");
    known.host = host;
    known.power = VmPower::Running;
    Vm::new(known, Milliwatts(10_000), dice.secs(2, 15), dice.secs(2, 15))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::draw_as;

    #[test]
    fn an_older_generation_is_drawn_as_it_was() {
        let old = draw_as(186, 1);
        let new = draw_as(186, 2);
        assert!(old.setup.script.len() <= new.setup.script.len());
        assert!(old.setup.script.iter().all(|(_, twist)| !matches!(twist, Twist::VmMoved(..) | Twist::Lies(..))));
        assert_eq!(old.setup.faults.late_effect_percent, 0);
    }
}
