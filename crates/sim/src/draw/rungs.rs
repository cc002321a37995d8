//! What is drawn about saving to disk, restless guests and disks that are copied. Of its own dice, so that everything else of a seed
//! stays as it was before these existed.

use super::Drawn;
use crate::dice::Dice;
use ridethrough_model::policy::OnOutage;
use ridethrough_model::{Bytes, SuspendRoom};

const RUNGS: u64 = 0x5a7e_d15c;
/// Where disks lie.
const STORE: &str = "/images";

/// Adds to what was drawn.
pub(super) fn add(seed: u64, drawn: &mut Drawn) {
    let mut dice = Dice::new(seed ^ RUNGS);
    // On such a day nothing but the mains may go wrong.
    let is_calm = drawn.is_calm || drawn.is_orphaned;
    if dice.percent(35) {
        savings(&mut dice, is_calm, drawn);
        drawn.about.push_str(", savings");
    }
    if dice.percent(30) {
        writers(&mut dice, drawn);
        drawn.about.push_str(", writers");
    }
    if dice.percent(20) {
        disks(&mut dice, drawn);
        drawn.about.push_str(", disks");
    }
}

fn savings(dice: &mut Dice, is_calm: bool, drawn: &mut Drawn) {
    for tier in drawn.setup.config.policy.tiers.iter_mut().filter(|_| dice.percent(60)) {
        let last = tier.on_outage.len().saturating_sub(1);
        tier.on_outage.insert(last, OnOutage::Suspend);
    }
    let stated = Bytes::from_mib(*dice.pick(&[100, 300, 1000]));
    let estate = &mut drawn.setup.estate;
    estate.save_rate = stated.scaled(if is_calm { dice.between(100, 150) } else { dice.between(40, 150) }, 100);
    estate.saves_fail_percent = if is_calm { 0 } else { *dice.pick(&[0, 0, 20]) };
    for host in estate.hosts.values_mut() {
        let space = Bytes::from_mib(*dice.pick(&[8, 32, 128]) << 10);
        host.suspend = SuspendRoom { rate: dice.percent(85).then_some(stated), space: dice.percent(85).then_some(space) };
    }
}

/// Guests of which it is known how much of their memory they write, or of which it is not and who write too much.
fn writers(dice: &mut Dice, drawn: &mut Drawn) {
    let policy = &drawn.setup.config.policy;
    let lane = policy.move_bandwidth.scaled(1, u64::from(policy.moves_per_host.max(1)));
    for vm in drawn.setup.reality.vms.values_mut() {
        vm.known.can_post_copy = dice.percent(50);
        vm.is_restless = dice.percent(30);
        let share = if vm.is_restless { dice.between(100, 300) } else { dice.between(0, 60) };
        vm.known.dirty_rate = dice.percent(60).then_some(lane.scaled(share, 100));
    }
}

fn disks(dice: &mut Dice, drawn: &mut Drawn) {
    for vm in drawn.setup.reality.vms.values_mut() {
        if !dice.percent(30) {
            continue;
        }
        vm.known.disks_to_copy = [(STORE.to_owned(), Bytes::from_mib(dice.between(1, 40) << 10))].into();
    }
    for host in drawn.setup.estate.hosts.values_mut() {
        if !dice.percent(80) {
            continue;
        }
        host.stores = [(STORE.to_owned(), Bytes::from_mib(*dice.pick(&[20, 100, 400]) << 10))].into();
    }
}
