//! The controller dies in the middle and another one takes over.

use crate::stage::{Stage, config};
use ridethrough_model::*;

fn usual() -> Stage {
    Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm1")])
}

#[test]
fn a_move_under_way_is_adopted_and_nothing_is_done_twice() {
    let mut stage = usual();
    stage.world.move_secs = 20;
    stage.lose_mains("rack-a", 900);
    stage.play_until("start move VM db", 100);
    stage.play(2);
    stage.crash(config());
    stage.play_until("kvm1 proven off", 200);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 400);
    assert_eq!(stage.count("start move VM db from kvm1"), 1, "{}", stage.story());
    for what in ["start shut down VM web", "start shut down VM ci-1", "start shut down host kvm1"] {
        assert_eq!(stage.count(what), 1, "{what}:\n{}", stage.story());
    }
}

#[test]
fn a_guest_that_was_perhaps_never_told_to_go_down_is_told_again_in_time() {
    let mut stage = usual();
    stage.world.untold.insert("web".into());
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down VM web", 200);
    stage.play(1);
    stage.crash(config());
    let crashed = stage.secs;
    stage.play_until("kvm1 proven off", 300);
    assert_eq!(stage.count("start shut down VM web"), 2, "{}", stage.story());
    assert_eq!(stage.count("start power off VM web"), 0, "it only had to be told:\n{}", stage.story());
    assert!(stage.secs - crashed < 60, "not only when its whole time is used up:\n{}", stage.story());
}

#[test]
fn an_intent_that_was_never_sent_is_observed_and_then_done() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play(60);
    stage.world.journal_works = false;
    stage.play(1);
    assert_eq!(stage.count("start "), 0, "held back until it is durable");
    stage.world.journal_works = true;
    // It reached the disk, but the controller died before it was told.
    let mut died = stage.records.clone();
    died.retain(|record| record.run == RunId(1));
    assert!(died.iter().any(|record| matches!(record.entry, Entry::Intended { .. })), "{}", stage.story());
    let (site, effects) = ridethrough_decide::Site::recover(config(), 2, &stage.now(), &site_log(&stage), &died, 1, 1)
        .expect("our own journal is legal");
    stage.site = site;
    stage.perform(effects);
    stage.play_until("kvm1 proven off", 200);
    assert!(stage.at("observe shut down VM ci-1") < stage.at("start shut down VM ci-1"), "{}", stage.story());
}

fn site_log(stage: &Stage) -> Vec<Record> {
    stage.records.iter().filter(|record| record.run == RunId::SITE).cloned().collect()
}

#[test]
fn mains_that_came_back_while_the_controller_was_dead_starts_no_stop() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down VM ci-1", 100);
    stage.mains_back("rack-a");
    let before = stage.count("start shut down");
    stage.crash(config());
    stage.play_until("run ended Returned", 400);
    assert_eq!(stage.count("start shut down"), before, "{}", stage.story());
    assert!(stage.inventory.vms.values().all(|vm| vm.power == VmPower::Running));
}

#[test]
fn a_restart_of_the_machine_makes_old_moments_meaningless_and_the_run_goes_on() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down VM ci-1", 100);
    stage.boot = "boot-2".to_owned();
    stage.secs = 5;
    stage.crash(config());
    stage.play_until("kvm1 proven off", 300);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 500);
}

#[test]
fn armed_domains_stay_armed_over_a_restart() {
    let mut stage = usual();
    stage.crash(config());
    stage.play(2);
    let modes: Vec<DomainMode> = stage.site.view(&stage.now()).domains.iter().map(|domain| domain.mode).collect();
    assert_eq!(modes, vec![DomainMode::Armed; 3]);
}
