//! Mains comes back, or goes again, at every moment there is: the same story played once for each second of it.

use crate::stage::{Stage, config, host_on};
use ridethrough_decide::SiteConfig;
use ridethrough_model::undoing::{UNDOINGS, Undoing};
use ridethrough_model::*;
use std::collections::BTreeSet;

/// What a stop, a move, force, a host, a paused autostart and a load need to be in it.
fn site() -> SiteConfig {
    let mut config = config();
    let nas = LoadTopology {
        feeds: vec![Feed { ups: UpsId::new("rack-a"), outlet_group: None }],
        can_stop: true,
        can_start: true,
        can_see: true,
        can_prove_off: true,
        stop_time: Millis::from_secs(20),
        start_time: Millis::from_secs(20),
        ..LoadTopology::default()
    };
    config.topology.loads.insert(LoadId::new("nas"), nas);
    let kvm1 = HostTopology { needs: [LoadId::new("nas")].into(), ..host_on(&["a"]) };
    config.topology.hosts.insert(HostId::new("kvm1"), kvm1);
    config
}

fn stage() -> Stage {
    let vms = [("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("hung", "batch", "kvm1"), ("ci", "batch", "kvm1")];
    let mut stage = Stage::with(site(), &vms);
    stage.world.hung.insert("hung".into());
    let web = VmId::of(&PlatformId::new("lab"), "web");
    stage.inventory.vms.get_mut(&web).expect("on stage").autostart = Some(true);
    stage.play(3);
    stage.lose_mains("rack-a", 420);
    stage
}

/// How the whole story goes when nothing disturbs it: until the load is off, then until all is back.
fn lengths() -> (u64, u64) {
    let mut stage = stage();
    let begun = stage.secs;
    stage.play_until("start stop load nas", 600);
    stage.play(40);
    let down = stage.secs - begun;
    stage.mains_back("rack-a");
    let back = stage.secs;
    stage.play_until("run ended Returned", 900);
    (down, stage.secs - back)
}

/// Operations that were begun, by the word of the table.
fn begun(stage: &Stage) -> Vec<(u64, Op)> {
    let intended = |record: &Record| match &record.entry {
        Entry::Intended { op, .. } => Some((record.at.mono.0 / 1000, op.clone())),
        _ => None,
    };
    stage.records.iter().filter_map(intended).collect()
}

fn is_whole_again(stage: &Stage) {
    for vm in stage.inventory.vms.values() {
        let is_back = vm.power == VmPower::Running && vm.host.as_str() == "kvm1" && vm.autostart == Some(vm.name == "web");
        assert!(is_back, "{} is {:?} on {}:\n{}", vm.name, vm.power, vm.host, stage.story());
    }
    assert!(stage.hosts_off.is_empty() && stage.loads_off.is_empty(), "{}", stage.story());
}

/// Whatever was begun before mains came back is made up for as the table says, and nothing that takes load away is begun after.
#[test]
fn mains_back_at_every_moment_of_an_outage() {
    let (down, _) = lengths();
    let mut seen: BTreeSet<&'static str> = BTreeSet::new();
    for moment in 1..down {
        let mut stage = stage();
        stage.play(moment);
        let back = stage.secs;
        stage.mains_back("rack-a");
        stage.play_until("run ended", 1200);
        is_whole_again(&stage);
        let ops = begun(&stage);
        for (at, op) in &ops {
            let takes_away = op.is_stop() || matches!(op, Op::ShutDownHost { .. } | Op::StopLoad { .. });
            assert!(!takes_away || *at <= back + 1, "{op} was begun {} s after mains was back:\n{}", at - back, stage.story());
            seen.insert(op.word());
            let row = op.undoing().expect("every operation is in the table");
            let (Undoing::MadeUpFor { by } | Undoing::CalledOff { then: by, .. }) = row.undoing else { continue };
            let is_of_outage = takes_away || matches!(op, Op::SetAutostart { enabled: false, .. });
            let is_same = |other: &Op| op.vm() == other.vm() && (op.vm().is_some() || op.host() == other.host());
            let is_made_up_for = ops.iter().any(|(later, other)| later > at && other.word() == by && is_same(other));
            // What was dropped unsent or failed has nothing to make up for; that all is back was seen above.
            let was_done = stage.records.iter().any(|record| {
                matches!(&record.entry, Entry::Finished { action, outcome, .. }
                if is_done(outcome) && is_action(&stage, *action, op))
            });
            assert!(!is_of_outage || !was_done || is_made_up_for, "{op} was not made up for by {by}:\n{}", stage.story());
        }
    }
    for word in [
        "shut-down-vm",
        "power-off-vm",
        "move-vm",
        "set-autostart",
        "shut-down-host",
        "wake-host",
        "stop-load",
        "start-load",
        "start-vm",
    ] {
        assert!(seen.contains(word), "{word} is not in the story: {seen:?}");
    }
}

fn is_done(outcome: &ridethrough_model::entry::Outcome) -> bool {
    matches!(outcome, ridethrough_model::entry::Outcome::Done { .. } | ridethrough_model::entry::Outcome::AlreadyDone)
}

fn is_action(stage: &Stage, action: ActionId, op: &Op) -> bool {
    stage.records.iter().any(
        |record| matches!(&record.entry, Entry::Intended { action: id, op: intended, .. } if *id == action && intended == op),
    )
}

/// Mains is lost again at every moment of the return: the same incident, what runs again is stopped without a second ride-through,
/// and in the end all is back.
#[test]
fn mains_lost_again_at_every_moment_of_a_return() {
    let (down, back) = lengths();
    for moment in 1..back {
        let mut stage = stage();
        stage.play(down);
        stage.mains_back("rack-a");
        stage.play(moment);
        if stage.count("run ended") > 0 {
            break;
        }
        let again = stage.secs;
        stage.lose_mains("rack-a", 420);
        stage.play(45);
        // What ran by then is gone or going, though the ride-through is 60 s.
        let untold = stage.inventory.vms.values().filter(|vm| vm.power == VmPower::Running && vm.host.as_str() == "kvm1");
        let told: BTreeSet<VmId> = begun(&stage)
            .into_iter()
            .filter(|(at, op)| *at >= again && !matches!(op, Op::StartVm { .. }))
            .filter_map(|(_, op)| op.vm().cloned())
            .collect();
        for vm in untold.filter(|vm| vm.name != "db") {
            assert!(told.contains(&vm.id), "{} still runs untold 45 s after mains was lost again:\n{}", vm.name, stage.story());
        }
        stage.play(400);
        stage.mains_back("rack-a");
        stage.play_until("run ended", 1500);
        is_whole_again(&stage);
        let incidents: BTreeSet<u64> =
            stage.records.iter().map(|record| record.incident).filter(|incident| *incident > 0).collect();
        assert_eq!(incidents.len(), 1, "{}", stage.story());
    }
}

#[test]
fn the_table_of_undoings_has_one_line_for_each_operation_and_names_only_operations() {
    let words: BTreeSet<&str> = UNDOINGS.iter().map(|row| row.op).collect();
    assert_eq!(words.len(), UNDOINGS.len(), "one line each");
    let guide = include_str!("../../../../docs/operating.md");
    for row in UNDOINGS {
        assert!(guide.contains(row.on_mains_back), "the guide tells something else of {}", row.op);
        let named = match row.undoing {
            Undoing::CalledOff { by, then } => vec![by, then],
            Undoing::MadeUpFor { by } => vec![by],
            Undoing::Final => Vec::new(),
        };
        assert!(named.iter().all(|word| words.contains(word)), "{}", row.op);
        assert!(!row.on_mains_back.is_empty() && !row.on_mains_back.ends_with('.'), "{}", row.op);
    }
}
