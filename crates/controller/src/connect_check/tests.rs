//! What `check --connect` finds in a small site with one thing wrong at a time.

use super::*;
use crate::tests::fakes::World;
use crate::tests::{config, endpoints, one_rack};
use expect_test::{Expect, expect};

async fn check_world(world: &World, expected: Expect) {
    let mut config = config(world);
    config.policy.tiers[0].matches.name = Some("d*".to_owned());
    let findings = check(&endpoints(world), &config, Mono(1)).await;
    let lines: Vec<String> =
        findings.iter().map(|f| format!("{:?} {} {}: {}\n", f.level, f.code, f.subject, f.message)).collect();
    expected.assert_eq(&lines.concat());
}

#[tokio::test(start_paused = true)]
async fn a_site_in_order_has_no_findings() {
    check_world(&one_rack(), expect![[""]]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_ups_is_said_by_its_kind() {
    for kind in [FailureKind::Unauthorized, FailureKind::NotFound, FailureKind::Unreachable, FailureKind::Protocol] {
        let world = one_rack();
        world.ups("rack-a", |ups| ups.refuses = Some(kind));
        let findings = check(&endpoints(&world), &config(&world), Mono(1)).await;
        let code = match kind {
            FailureKind::Unauthorized => "RT0202",
            FailureKind::NotFound => "RT0203",
            FailureKind::Unreachable => "RT0201",
            _ => "RT0206",
        };
        assert_eq!(findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), [code]);
        assert!(is_bad(&findings));
    }
}

#[tokio::test(start_paused = true)]
async fn other_masters_and_vms_without_a_tier_are_found() {
    let world = one_rack();
    world.ups("rack-a", |ups| ups.clients = vec!["10.0.0.9".to_owned()]);
    world.add_vm("stray", "kvm1", "none");
    world.add_vm("odd", "kvm1", "critical");
    check_world(
        &world,
        expect![[r#"
            Warning RT0205 UPS rack-a: others follow this UPS too: 10.0.0.9. A master among them orders everybody down when its battery is low: every plan ends before that.
            Warning RT0420 VMs in no tier: odd, stray: shut down cleanly, before all others.
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tier_without_vms_and_a_vm_in_two_tiers_are_found() {
    let world = one_rack();
    let mut config = config(&world);
    config.policy.tiers[1].matches.tag = Some("*".to_owned());
    config.policy.tiers[2].matches.tag = Some("nothing-has-it".to_owned());
    let findings = check(&endpoints(&world), &config, Mono(1)).await;
    let codes: Vec<&str> = findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["RT0215", "RT0217"]);
    assert!(findings[1].message.contains("db match"), "{}", findings[1].message);
}

#[tokio::test(start_paused = true)]
async fn our_own_vm_in_a_domain_is_found() {
    let world = one_rack();
    let mut config = config(&world);
    config.topology.controller_named = Some(ridethrough_model::topology::ControllerPlace::Vm("web-1".to_owned()));
    let findings = check(&endpoints(&world), &config, Mono(1)).await;
    assert_eq!(findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), ["RT0415"]);
}
