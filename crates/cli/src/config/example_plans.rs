//! The examples of `examples/`, played offline: each with two VMs on every host, and its first domain losing the mains.

use super::tests::shown;
use super::{Config, check, policy, topology};
use expect_test::expect;
use ridethrough_decide::{Input, Site, SiteConfig};
use ridethrough_model::{
    BootId, Bytes, FindingLevel, HostId, HostInfo, Inventory, Millis, Mono, Now, PlatformId, Ppm, Reading, UpsId, Vm, VmId,
    VmPower,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn example(name: &str) -> Config {
    let (config, mut findings) = check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name));
    // Its secrets are not here.
    findings.retain(|one| {
        one.finding.level == FindingLevel::Error
            && !matches!(one.finding.code.as_str(), "RT0108" | "RT0141" | "RT0157" | "RT0181")
    });
    assert!(findings.is_empty(), "{}", shown(&findings));
    config.expect("it can be read")
}

/// One VM of the first tier and one of the last on each host.
fn inventory(config: &Config, platform: &str, hosts: &[HostId]) -> Inventory {
    let first = &config.tiers[0].value.matches;
    let mut inventory = Inventory::empty(PlatformId::new(platform), Mono(0));
    for id in hosts {
        let host = HostInfo { memory: Some(Bytes::from_mib(65_536)), cpus: Some(16), ..HostInfo::new(id.clone(), true) };
        inventory.hosts.insert(id.clone(), host);
        let name = first.name.as_ref().map_or("vip-*", |name| name.as_str()).replace('*', id.as_str());
        for (name, tag) in [(name, first.tag.as_ref()), (format!("other-{id}"), None)] {
            let vm_id = VmId::new(format!("{platform}/{name}"));
            let vm = Vm {
                tags: tag.iter().map(|tag| tag.to_string()).collect(),
                autostart: Some(true),
                ..Vm::new(vm_id, name.clone(), id.clone(), VmPower::Running, Bytes::from_mib(4096), 2)
            };
            inventory.vms.insert(vm.id.clone(), vm);
        }
    }
    inventory
}

/// What would be done, one line each, in the order of the plan.
fn plan(name: &str) -> String {
    let config = example(name);
    let now = Now { mono: Mono(0), boot_id: BootId("boot".into()), wall: jiff::Timestamp::UNIX_EPOCH };
    let topology = topology(&config);
    let upses: BTreeSet<UpsId> = topology.domains[&config.domains[0].value.name.as_str().into()].upses.clone();
    let mut hosts: BTreeMap<PlatformId, Vec<HostId>> = BTreeMap::new();
    for (id, host) in &topology.hosts {
        hosts.entry(host.platform.clone().expect("all carry VMs")).or_default().push(id.clone());
    }
    let all: Vec<UpsId> = topology.upses.keys().cloned().collect();
    let mut site = Site::new(SiteConfig { topology, policy: policy(&config) }, 1, &now);
    for ups in all {
        let reading = Reading {
            charge: Some(Ppm::from_percent(100)),
            runtime: Some(Millis::from_secs(1200)),
            ..Reading::of_status(ups, now.mono, "OL")
        };
        site.step(&now, Input::Reading(reading));
    }
    for (platform, hosts) in &hosts {
        site.step(&now, Input::Inventory(inventory(&config, platform.as_str(), hosts)));
    }
    let (plan, report, lint) = site.plan_if(&now, &upses);
    assert!(lint.iter().all(|finding| finding.level != FindingLevel::Error), "{lint:?}");
    assert!(!plan.emergency, "twenty minutes are enough: {report:?}");
    plan.actions.values().map(|action| format!("{}\n", action.op)).collect()
}

#[test]
fn point_6_a_home_lab_has_a_plan() {
    expect![[r#"
        shut down VM home/house-bigbox on bigbox
        power off VM home/house-bigbox on bigbox
        shut down VM home/other-bigbox on bigbox
        power off VM home/other-bigbox on bigbox
        pause autostart of VM home/house-bigbox on bigbox
        pause autostart of VM home/other-bigbox on bigbox
        shut down host bigbox
    "#]]
    .assert_eq(&plan("home-lab.toml"));
}

#[test]
fn point_6_two_racks_has_a_plan() {
    expect![[r#"
        move VM lab/vip-kvm1 from kvm1 to kvm3
        move VM lab/vip-kvm2 from kvm2 to kvm3
        shut down VM lab/other-kvm1 on kvm1
        power off VM lab/other-kvm1 on kvm1
        shut down VM lab/other-kvm2 on kvm2
        power off VM lab/other-kvm2 on kvm2
        pause autostart of VM lab/other-kvm1 on kvm1
        shut down host kvm1
        pause autostart of VM lab/other-kvm2 on kvm2
        shut down host kvm2
    "#]]
    .assert_eq(&plan("two-racks.toml"));
}

#[test]
fn point_6_hosts_with_a_shared_nas_has_a_plan() {
    expect![[r#"
        shut down VM cluster/vip-kvm1 on kvm1
        shut down VM cluster/vip-kvm2 on kvm2
        shut down VM cluster/vip-kvm3 on kvm3
        shut down VM cluster/other-kvm1 on kvm1
        power off VM cluster/other-kvm1 on kvm1
        shut down VM cluster/other-kvm2 on kvm2
        power off VM cluster/other-kvm2 on kvm2
        shut down VM cluster/other-kvm3 on kvm3
        power off VM cluster/other-kvm3 on kvm3
        pause autostart of VM cluster/other-kvm1 on kvm1
        pause autostart of VM cluster/vip-kvm1 on kvm1
        shut down host kvm1
        pause autostart of VM cluster/other-kvm2 on kvm2
        pause autostart of VM cluster/vip-kvm2 on kvm2
        shut down host kvm2
        pause autostart of VM cluster/other-kvm3 on kvm3
        pause autostart of VM cluster/vip-kvm3 on kvm3
        shut down host kvm3
        stop load nas
    "#]]
    .assert_eq(&plan("shared-nas.toml"));
}

#[test]
fn point_6_a_branch_office_has_a_plan() {
    expect![[r#"
        shut down VM branch/till-server1 on server1
        power off VM branch/till-server1 on server1
        shut down VM branch/till-server2 on server2
        power off VM branch/till-server2 on server2
        shut down VM branch/other-server1 on server1
        power off VM branch/other-server1 on server1
        shut down VM branch/other-server2 on server2
        power off VM branch/other-server2 on server2
        pause autostart of VM branch/other-server1 on server1
        pause autostart of VM branch/till-server1 on server1
        shut down host server1
        pause autostart of VM branch/other-server2 on server2
        pause autostart of VM branch/till-server2 on server2
        shut down host server2
    "#]]
    .assert_eq(&plan("branch-office.toml"));
}

#[test]
fn point_6_two_sites_has_a_plan() {
    expect![[r#"
        move VM campus/vip-north1 from north1 to south1
        move VM campus/vip-north2 from north2 to south1
        shut down VM campus/other-north1 on north1
        power off VM campus/other-north1 on north1
        shut down VM campus/other-north2 on north2
        power off VM campus/other-north2 on north2
        pause autostart of VM campus/other-north1 on north1
        shut down host north1
        pause autostart of VM campus/other-north2 on north2
        shut down host north2
    "#]]
    .assert_eq(&plan("two-sites"));
}
