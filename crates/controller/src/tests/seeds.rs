//! Ring 1 by the hundred: the real loop on drawn days, paused time, one thread. The world judges each order as it comes in, and at the
//! end everything that ran must run again. `RIDETHROUGH_SEEDS_RING1` plays more than 300.
//!
//! A seed that fails prints what the world was asked and what the controller said; the same seed gives the same, byte for byte.

use super::fakes::World;
use super::{Running, armed, pass, virtual_clock};
use ridethrough_sim::dice::Dice;
use ridethrough_store::Fault;
use std::fmt::Write;

/// What came of one day.
#[derive(Debug, PartialEq, Eq)]
struct Day {
    trace: String,
    wrong: Option<String>,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Twist {
    Mains(bool),
    Silent(bool),
    Hangs(bool),
    Journal(bool),
    Killed,
}

fn script(dice: &mut Dice) -> Vec<(u64, Twist)> {
    let begins = dice.between(20, 40);
    let lasts = *dice.pick(&[5, 30, 59, 65, 90, 200, 420, 700]) + dice.between(0, 9);
    let mut script = vec![(begins, Twist::Mains(false)), (begins + lasts, Twist::Mains(true))];
    if dice.percent(25) {
        let again = begins + lasts + dice.between(5, 400);
        script.extend([(again, Twist::Mains(false)), (again + dice.between(10, 300), Twist::Mains(true))]);
    }
    let mut window = |dice: &mut Dice, percent: u64, on: Twist, off: Twist| {
        if dice.percent(percent) {
            let from = begins + dice.between(0, lasts + 100);
            script.extend([(from, on), (from + dice.between(3, 60), off)]);
        }
    };
    window(dice, 20, Twist::Silent(true), Twist::Silent(false));
    window(dice, 15, Twist::Hangs(true), Twist::Hangs(false));
    window(dice, 20, Twist::Journal(true), Twist::Journal(false));
    for _ in 0..dice.between(0, 2) {
        script.push((begins + dice.between(0, lasts + 200), Twist::Killed));
    }
    script.sort_by_key(|(at, _)| *at);
    script
}

fn site(dice: &mut Dice) -> World {
    let world = World::new();
    world.add_ups("rack-a", dice.between(200, 900));
    for host in 1..=dice.between(1, 2) {
        world.add_host(&format!("kvm{host}"));
        for vm in 0..dice.between(1, 4) {
            let tier = *dice.pick(&["critical", "web", "batch"]);
            world.add_vm(&format!("vm{host}{vm}"), &format!("kvm{host}"), tier);
        }
    }
    world
}

async fn play(seed: u64) -> Day {
    let mut dice = Dice::new(seed);
    let (world, memory, clock) = (site(&mut dice), armed(), virtual_clock());
    let script = script(&mut dice);
    let is_hampered = script.iter().any(|(_, twist)| matches!(twist, Twist::Hangs(_) | Twist::Silent(_)));
    let mut running = Running::start(&world, &memory, None, clock.clone());
    let (mut said, mut at, mut lives) = (Vec::new(), 0, true);
    for (when, twist) in &script {
        // A restart takes time, and what was to happen meanwhile happens then.
        pass(when.saturating_sub(at)).await;
        at = at.max(*when);
        match twist {
            Twist::Mains(is_there) => world.set_status("rack-a", if *is_there { "OL CHRG" } else { "OB DISCHRG" }),
            Twist::Silent(is_silent) => world.ups("rack-a", |ups| ups.is_silent = *is_silent),
            Twist::Hangs(hangs) => world.lock().start_hangs = *hangs,
            Twist::Journal(hangs) => memory.set_fault(if *hangs { Fault::Hanging } else { Fault::None }),
            Twist::Killed => {
                memory.set_fault(Fault::None);
                lives &= running.is_running();
                said.append(&mut running.heard.texts());
                running.kill().await;
                pass(3).await;
                at += 3;
                running = Running::start(&world, &memory, None, clock.clone());
            }
        }
    }
    pass(1800).await;
    lives &= running.is_running();
    said.append(&mut running.heard.texts());
    let wrong = judge(&world, &said, lives, is_hampered);
    let mut trace = format!("seed {seed}: {script:?}\n");
    for (second, asked) in &world.lock().asked {
        writeln!(trace, "{second:>5} {asked}").expect("a string takes everything");
    }
    for text in &said {
        writeln!(trace, "      {text}").expect("a string takes everything");
    }
    running.end().await;
    Day { trace, wrong }
}

fn judge(world: &World, said: &[String], lives: bool, is_hampered: bool) -> Option<String> {
    if !lives {
        return Some("the loop ended".to_owned());
    }
    if let Some(bug) = said.iter().find(|text| text.contains("A bug of Ridethrough")) {
        return Some(bug.clone());
    }
    let state = world.lock();
    if let Some(over) = state.cut_over.first().filter(|_| !is_hampered) {
        return Some(over.clone());
    }
    let off = state.off();
    (!off.is_empty()).then(|| format!("not back: {}", off.join(", ")))
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_trace() {
    for seed in [2, 17, 101] {
        let (one, other) = (play(seed).await, play(seed).await);
        assert!(one == other, "{}\n{}", one.trace, other.trace);
    }
    assert_ne!(play(1).await.trace, play(4).await.trace);
}

#[tokio::test(start_paused = true)]
async fn every_promise_holds_in_300_days_of_the_real_loop() {
    let told = std::env::var("RIDETHROUGH_SEEDS_RING1").ok();
    let last: u64 = told.map_or(300, |text| text.parse().expect("RIDETHROUGH_SEEDS_RING1 is a number"));
    let mut broken = Vec::new();
    let mut asked = 0;
    for seed in 1..=last {
        let day = play(seed).await;
        asked += usize::from(day.trace.contains("shut down VM"));
        broken.extend(day.wrong.map(|wrong| (seed, wrong, day.trace)));
    }
    let all: Vec<_> = broken.iter().map(|(seed, wrong, _)| (seed, wrong)).collect();
    assert!(broken.is_empty(), "{}\n{} days: {all:?}", broken[0].2, broken.len());
    assert!(asked as u64 * 3 > last, "most days are worth playing: {asked}");
}
