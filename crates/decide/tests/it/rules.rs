//! One test per rule that this version holds, named by its number.

use crate::stage::{Stage, config, host_on};
use ridethrough_decide::{Command, Effect, Input, Site};
use ridethrough_model::*;

fn usual() -> Stage {
    Stage::new(&[("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm1")])
}

#[test]
fn rule_01_a_higher_tier_waits_until_the_lower_has_used_its_budget() {
    let mut stage = usual();
    stage.world.hung.insert("ci-1".into());
    stage.lose_mains("rack-a", 1800);
    let low = stage.play_until("start shut down VM ci-1", 100);
    let high = stage.play_until("start shut down VM web", 200);
    assert!((60..=62).contains(&(high - low)), "the budget of batch is 60 s, web came after {} s", high - low);
}

#[test]
fn rule_01_a_higher_tier_does_not_wait_beyond_its_own_last_safe_moment() {
    let mut stage = usual();
    stage.world.hung.insert("ci-1".into());
    stage.lose_mains("rack-a", 190);
    let low = stage.play_until("start shut down VM ci-1", 100);
    let high = stage.play_until("start shut down VM web", 100);
    assert!(high - low < 60, "web had to go before batch's budget was used:\n{}", stage.story());
}

#[test]
fn rule_01_in_an_emergency_all_stops_are_issued_at_once() {
    let mut stage = usual();
    stage.world.platform_works = true;
    stage.ups("rack-a", "FSD OB DISCHRG", Some(900), Some(90));
    stage.play(3);
    for name in ["db", "web", "ci-1"] {
        assert_eq!(stage.count(&format!("start shut down VM {name}")), 1, "{}", stage.story());
    }
}

#[test]
fn rule_02_a_host_that_is_not_proven_off_stays_unproven() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down host kvm1", 200);
    assert_eq!(stage.at("kvm1 proven off"), None, "told to shut down is not off:\n{}", stage.story());
    stage.play_until("kvm1 proven off", 30);
}

#[test]
fn rule_03_an_unknown_runtime_is_counted_from_the_last_moment_on_mains() {
    let mut stage = usual();
    stage.ups("rack-a", "OB DISCHRG", None, None);
    let acted = stage.play_until("domain rack-a acts", 120);
    let lost = stage.at("mains lost").expect("it was lost");
    assert!(acted - lost <= 10, "120 s are assumed and hardly enough: it must act at once, not after {} s", acted - lost);
}

#[test]
fn rule_03_silence_on_mains_is_an_alarm_and_nothing_else() {
    let mut stage = usual();
    stage.silence("rack-a");
    stage.play(300);
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
    assert!(stage.count("notice UPS rack-a is silent, last seen on mains") == 1, "{}", stage.story());
}

#[test]
fn rule_03_a_ups_that_was_never_heard_raises_an_alarm_until_it_is() {
    let mut stage = Stage::new(&[("db", "critical", "kvm1")]);
    let mut site = Site::new(config(), 1, &stage.now());
    let mut alarms = 0;
    for _ in 0..30 {
        stage.secs += 1;
        let effects = site.step(&stage.now(), Input::Tick);
        alarms += effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Notify(notice) if notice.text.contains("rack-a has not been heard since the start")))
            .count();
    }
    assert_eq!(alarms, 1, "said once, and not left unsaid");
}

#[test]
fn rule_03_silence_on_battery_keeps_the_forecast() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 600);
    stage.play(20);
    stage.silence("rack-a");
    stage.play_until("kvm1 proven off", 300);
    assert_eq!(stage.count("start power off"), 0, "{}", stage.story());
}

#[test]
fn rule_03_a_ups_of_unknown_state_is_no_place_to_go() {
    let mut stage = usual();
    stage.silence("rack-b");
    stage.play(20);
    stage.lose_mains("rack-a", 900);
    stage.play_until("start move VM db from kvm1 to kvm3", 100);
}

#[test]
fn rule_04_a_tier_starts_only_when_a_second_outage_could_be_survived() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 200);
    stage.ups("rack-a", "OL CHRG", Some(60), Some(30));
    stage.play(600);
    assert_eq!(stage.count("start wake host kvm1"), 0, "60 s are too little:\n{}", stage.story());
    stage.ups("rack-a", "OL CHRG", Some(900), Some(80));
    stage.play_until("run ended Returned", 200);
}

#[test]
fn rule_04_unknown_charge_waits_for_return_latest_and_says_so() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 200);
    stage.ups("rack-a", "OL", None, None);
    stage.play(7000);
    assert_eq!(stage.count("start wake host kvm1"), 0, "{}", stage.story());
    stage.play_until("start wake host kvm1", 600);
    assert_eq!(stage.count("notice host kvm1: Its VMs are started although a second outage might not be survived"), 1);
    stage.play_until("run ended Returned", 300);
}

#[test]
fn rule_05_nothing_is_started_before_its_intent_is_durable() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play(60);
    stage.world.journal_works = false;
    stage.play(1);
    assert_eq!(stage.count("domain rack-a acts"), 1);
    assert_eq!(stage.count("start "), 0, "the journal has not answered yet:\n{}", stage.story());
    stage.flush();
    assert!(stage.count("start ") > 0, "{}", stage.story());
}

#[test]
fn rule_06_a_hanging_journal_does_not_stop_a_shutdown_on_battery() {
    let mut stage = usual();
    stage.world.journal_works = false;
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 300);
    assert_eq!(stage.count("journal degraded"), 1, "{}", stage.story());
    assert!(stage.count("notice The journal does not keep up on battery") == 1);
    stage.mains_back("rack-a");
    stage.world.journal_works = true;
    stage.flush();
    stage.play_until("run ended Returned", 400);
    let seqs: Vec<u64> = stage.records.iter().filter(|record| record.run == RunId(1)).map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "nothing was lost");
}

#[test]
fn rule_09_a_plan_is_ready_before_the_outage_and_follows_what_changes() {
    let mut stage = usual();
    stage.play(3);
    let standing = |stage: &Stage| {
        let view = stage.site.view(&stage.now());
        let domain = view.domains.into_iter().find(|domain| domain.id.as_str() == "rack-a").expect("configured");
        domain.standing.expect("a plan is kept ready")
    };
    let (plan, report, lint) = standing(&stage);
    assert_eq!((report.fates.len(), lint), (3, Vec::new()));
    assert!(plan.actions.values().any(|action| matches!(action.op, Op::ShutDownHost { .. })));
    let late = crate::stage::vm("late", "batch", "kvm1");
    stage.inventory.vms.insert(late.id.clone(), late);
    stage.play(5);
    assert_eq!(standing(&stage).1.fates.len(), 4);
}

#[test]
fn rule_10_autostart_is_paused_and_put_back() {
    let mut stage = usual();
    let web = VmId::of(&PlatformId::new("lab"), "web");
    stage.inventory.vms.get_mut(&web).expect("on stage").autostart = Some(true);
    stage.play(3);
    stage.lose_mains("rack-a", 900);
    stage.play_until("kvm1 proven off", 200);
    assert!(stage.at("start pause autostart of VM web") < stage.at("start shut down host kvm1"));
    assert_eq!(stage.vm_named("web").autostart, Some(false));
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 400);
    assert_eq!(stage.vm_named("web").autostart, Some(true));
}

#[test]
fn rule_11_a_second_outage_starts_from_nothing() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play(50);
    stage.mains_back("rack-a");
    stage.play_until("run ended NothingTouched", 200);
    stage.lose_mains("rack-a", 900);
    stage.play(50);
    assert_eq!(stage.count("start "), 0, "the 50 s of the first outage must not count:\n{}", stage.story());
}

#[test]
fn rule_11_within_one_incident_the_ride_through_is_cumulative() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play(50);
    stage.mains_back("rack-a");
    stage.play(30);
    stage.lose_mains("rack-a", 900);
    let again = stage.secs;
    let acted = stage.play_until("domain rack-a acts", 30);
    assert!(acted - again <= 12, "50 s were used already");
}

#[test]
fn rule_15_low_battery_counts_on_battery_after_two_reads_only() {
    let mut stage = usual();
    stage.ups("rack-a", "OL LB CHRG", Some(900), Some(90));
    stage.play(30);
    assert_eq!(stage.count("start "), 0, "LB on mains is no emergency");
    stage.ups("rack-a", "OB LB", Some(900), Some(90));
    stage.play(1);
    assert_eq!(stage.count("acts"), 0, "one read is not believed:\n{}", stage.story());
    stage.play(2);
    assert_eq!(stage.count("domain rack-a acts: UPS rack-a says: battery low"), 1, "{}", stage.story());
    assert_eq!(stage.count("start shut down VM"), 3);
}

#[test]
fn rule_15_an_unreliable_low_battery_flag_does_not_count_alone() {
    let mut config = config();
    config.topology.upses.insert(UpsId::new("rack-a"), UpsTopology { low_battery_reliable: false, ..UpsTopology::default() });
    let mut stage = Stage::with(config, &[("web", "normal", "kvm1")]);
    stage.ups("rack-a", "OB LB", Some(900), Some(90));
    stage.play(30);
    assert_eq!(stage.count("start "), 0, "{}", stage.story());
}

#[test]
fn rule_15_a_forced_shutdown_is_an_order_even_in_maintenance() {
    let mut stage = usual();
    let hour = Some(Millis::from_secs(3600));
    stage.command(Command::Maintenance { ups: UpsId::new("rack-a"), duration: hour, by: "test".into() });
    stage.lose_mains("rack-a", 900);
    stage.play(120);
    assert_eq!(stage.count("start "), 0, "maintenance suspends acting:\n{}", stage.story());
    stage.ups("rack-a", "FSD OB", Some(700), Some(80));
    stage.play(3);
    assert_eq!(stage.count("start shut down VM"), 3, "{}", stage.story());
}

#[test]
fn rule_16_lost_tags_change_no_plan_while_on_battery() {
    let mut stage = usual();
    stage.lose_mains("rack-a", 900);
    stage.play(30);
    for vm in stage.inventory.vms.values_mut() {
        vm.tags.clear();
    }
    stage.play_until("start shut down VM ci-1", 60);
    stage.play_until("start shut down VM web", 60);
    assert_eq!(stage.count("start shut down VM db"), 0, "db is still known as critical:\n{}", stage.story());
}

#[test]
fn rule_16_vms_of_no_tier_go_first() {
    let mut stage = Stage::new(&[("ci-1", "batch", "kvm1"), ("stray", "", "kvm1")]);
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down host kvm1", 200);
    assert!(stage.at("start shut down VM stray") < stage.at("start shut down VM ci-1"), "{}", stage.story());
}

#[test]
fn a_host_with_a_vm_that_must_never_be_forced_stays_on() {
    let mut config = config();
    config.policy.tiers[1].force_off = ForceOff::Never;
    let mut stage = Stage::with(config, &[("web", "normal", "kvm1")]);
    stage.world.hung.insert("web".into());
    stage.lose_mains("rack-a", 300);
    stage.play(290);
    assert_eq!(stage.count("start power off"), 0);
    assert_eq!(stage.count("start shut down host"), 0, "{}", stage.story());
}

#[test]
fn a_host_that_cannot_be_woken_is_latched_before_it_goes_down() {
    let mut config = config();
    let mut host = host_on(&["a"]);
    host.can_wake = false;
    config.topology.hosts.insert(HostId::new("kvm1"), host);
    let mut stage = Stage::with(config, &[("web", "normal", "kvm1")]);
    stage.lose_mains("rack-a", 900);
    stage.play_until("start shut down host kvm1", 200);
    assert!(stage.at("latched kvm1").is_some(), "{}", stage.story());
}
