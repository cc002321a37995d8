//! Rule 8: where the controller itself stands, it saws off last.

use crate::stage::{Stage, config};
use ridethrough_decide::{Command, CommandReply, OwnPlace, Plant};
use ridethrough_model::topology::ControllerPlace;
use ridethrough_model::*;

fn arm(stage: &mut Stage, domain: &str) -> String {
    match stage.command(Command::SetMode { domain: DomainId::new(domain), mode: DomainMode::Armed, by: "test".into() }) {
        CommandReply::Done(findings) => findings.iter().map(|finding| format!("{finding}\n")).collect(),
        CommandReply::Refused(findings) => panic!("{findings:?}"),
    }
}

fn at(stage: &Stage, text: &str) -> u64 {
    stage.at(text).unwrap_or_else(|| panic!("`{text}` did not happen:\n{}", stage.story()))
}

/// rt carries the controller, web is on a rack that lasts four times as long, db on a third.
fn all_racks_fail(plant: Option<Plant>) -> Stage {
    let mut config = config();
    config.topology.controller_named = Some(ControllerPlace::Vm("rt".into()));
    let mut stage = Stage::with(
        config,
        &[("rt", "", "kvm1"), ("ci", "batch", "kvm1"), ("web", "normal", "kvm2"), ("db", "critical", "kvm3")],
    );
    stage.inventory.vms.get_mut(&VmId::new("lab/rt")).expect("on stage").autostart = Some(true);
    if let Some(plant) = plant {
        stage.site.plant(plant);
    }
    stage.play(3);
    stage.lose_mains("rack-a", 500);
    stage.lose_mains("rack-b", 2000);
    stage.lose_mains("rack-c", 2000);
    stage
}

#[test]
fn rule_08_the_controller_knows_its_own_vm_and_host() {
    let stage = Stage::new(&[("rt", "", "kvm1")]);
    let place = |change: &dyn Fn(&mut Topology)| {
        let mut topology = config().topology;
        change(&mut topology);
        OwnPlace::of(&topology, &[(PlatformId::new("lab"), stage.inventory.clone())].into())
    };
    let (vm, host) = (Some(VmId::new("lab/rt")), Some(HostId::new("kvm1")));
    assert_eq!(place(&|_| ()), OwnPlace::default());
    let in_vm = OwnPlace { vm, host: host.clone() };
    assert_eq!(place(&|topology| topology.controller_smbios = ["uuid-of-rt".to_owned()].into()), in_vm);
    assert_eq!(place(&|topology| topology.controller_smbios = ["UUID-of-RT".to_owned()].into()), in_vm, "however it is written");
    assert_eq!(place(&|topology| topology.controller_named = Some(ControllerPlace::Vm("rt".into()))), in_vm);
    let on_host = OwnPlace { vm: None, host };
    assert_eq!(place(&|topology| topology.controller_smbios = ["uuid-of-kvm1".to_owned()].into()), on_host);
    assert_eq!(place(&|topology| topology.controller_named = Some(ControllerPlace::Host(HostId::new("kvm1")))), on_host);
    assert_eq!(place(&|topology| topology.controller_smbios = ["elsewhere".to_owned()].into()), OwnPlace::default());
}

#[test]
fn rule_08_the_domain_it_stands_in_can_be_armed_and_who_finishes_is_said() {
    let mut config = config();
    config.topology.controller_smbios = ["uuid-of-rt".to_owned()].into();
    config.topology.timers = [HostId::new("kvm1")].into();
    let mut stage = Stage::with(config, &[("rt", "batch", "kvm1")]);
    let told = arm(&mut stage, "rack-a");
    assert!(told.contains("warning RT0415: domain rack-a: The controller itself runs in VM rt on host kvm1"), "{told}");
    assert!(told.contains("kvm1 finishes by itself, and the timer on it"), "{told}");
    assert!(told.contains("rt does not start with kvm1"), "{told}");
    assert!(!arm(&mut stage, "rack-b").contains("RT0415"), "it does not stand there");

    let mut config = crate::stage::config();
    config.topology.controller_named = Some(ControllerPlace::Host(HostId::new("kvm2")));
    config.topology.hosts.get_mut(&HostId::new("kvm2")).expect("configured").can_shut_down = false;
    let mut stage = Stage::with(config, &[("web", "normal", "kvm2")]);
    let told = arm(&mut stage, "rack-b");
    assert!(told.contains("on host kvm2") && told.contains("nobody finishes: kvm2 runs until its power ends"), "{told}");
}

#[test]
fn rule_08_the_controllers_vm_moves_itself_first_and_goes_home() {
    let mut config = config();
    config.topology.controller_smbios = ["uuid-of-rt".to_owned()].into();
    let mut stage = Stage::with(config, &[("rt", "batch", "kvm1"), ("web", "normal", "kvm1")]);
    stage.lose_mains("rack-a", 600);
    stage.play_until("kvm1 proven off", 600);
    assert!(at(&stage, "start move VM rt from kvm1") <= at(&stage, "start shut down host kvm1"), "{}", stage.story());
    assert_eq!(stage.count("shut down VM rt"), 0, "{}", stage.story());
    assert_eq!(stage.count("A bug of Ridethrough"), 0);
    stage.mains_back("rack-a");
    stage.play_until("run ended Returned", 600);
    assert_eq!(stage.vm_named("rt").host, HostId::new("kvm1"));
}

#[test]
fn rule_08_where_it_cannot_move_everything_else_is_over_before_its_host_goes() {
    let mut stage = all_racks_fail(None);
    let last = stage.play_until("start shut down host kvm1", 600);
    for host in ["kvm2", "kvm3"] {
        assert!(at(&stage, &format!("{host} proven off")) <= last, "{}", stage.story());
    }
    assert!(last >= 300, "its host runs to its last safe moment, so that somebody sees the mains come back:\n{}", stage.story());
    assert_eq!(stage.count("VM rt"), 0, "it goes down with its host, and its autostart stays on:\n{}", stage.story());
    assert_eq!(stage.count("latched kvm1"), 1, "{}", stage.story());
    assert_eq!(stage.count("A bug of Ridethrough"), 0, "{}", stage.story());
}

#[test]
fn rule_08_the_planted_bug_that_its_host_is_not_last_is_seen() {
    let mut stage = all_racks_fail(Some(Plant::OwnHostNotLast));
    stage.play_until("start shut down host kvm1", 600);
    assert!(stage.count("(the-controllers-host-goes-last) was broken") > 0, "{}", stage.story());
}

#[test]
fn rule_08_what_went_down_with_it_comes_back_when_it_runs_again() {
    let mut stage = all_racks_fail(None);
    stage.play_until("start shut down host kvm1", 600);
    for rack in ["rack-a", "rack-b", "rack-c"] {
        stage.mains_back(rack);
    }
    let mut config = config();
    config.topology.controller_named = Some(ControllerPlace::Vm("rt".into()));
    stage.hosts_off.remove("kvm1");
    stage.crash(config);
    stage.play_until("run ended Returned", 1200);
    for vm in ["rt", "web", "db", "ci"] {
        assert_eq!(stage.vm_named(vm).power, VmPower::Running, "{vm}:\n{}", stage.story());
    }
    assert_eq!(stage.count("is still not off"), 0, "{}", stage.story());
}
