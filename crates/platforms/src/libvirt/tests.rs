//! What the driver owes whoever calls it, shown with a daemon that fails on demand: `docs/drivers-libvirt.md` says the rules.

use super::fake::{Fake, FakeVm, Fault};
use super::procedure::{AuthList, Create, GetNodeInfo, GetState, GetXml, ListDomains, LookUp, Open, Procedure, ShutDown};
use super::*;
use ridethrough_model::{Mono, TookEffect, VmPower};
use std::future::poll_fn;
use std::task::Poll;

mod rungs;

const LIMIT: Duration = Duration::from_secs(10);

fn cx(limit: Duration) -> Cx {
    Cx::within(limit, Mono(7))
}

fn driver(fakes: &[(&str, &Fake)]) -> Libvirt {
    driver_with(fakes, |_| ())
}

fn driver_with(fakes: &[(&str, &Fake)], change: impl FnOnce(&mut Config)) -> Libvirt {
    let host = |(name, fake): &(&str, &Fake)| (HostId::new(*name), HostConfig::at(fake.uri.parse().unwrap()));
    let hosts = fakes.iter().map(host).collect();
    let mut config = Config {
        platform: PlatformId::new("lab"),
        hosts,
        bandwidth_mib_s: None,
        convergence: Convergence::default(),
        copy_disks: false,
        suspend: SuspendRoom::default(),
        shared_paths: Vec::new(),
        tls: None,
        ssh: SshLogin::default(),
    };
    change(&mut config);
    Libvirt::new(config, Workers::new()).unwrap()
}

fn vm(number: u128) -> VmId {
    VmId::of(&PlatformId::new("lab"), &Uuid::from_bytes(number.to_be_bytes()).to_string())
}
fn start(number: u128) -> Op {
    Op::StartVm { vm: vm(number), host: "a".into() }
}
fn shut(number: u128) -> Op {
    Op::ShutDownVm { vm: vm(number), host: "a".into() }
}
fn off(number: u128) -> FakeVm {
    FakeVm { state: (5, 1), ..FakeVm::running(number) }
}

#[tokio::test]
async fn a_host_that_hangs_is_missing_and_holds_nobody_up() {
    for hang in [AuthList::NUMBER, Open::NUMBER, GetNodeInfo::NUMBER, ListDomains::NUMBER, GetState::NUMBER, GetXml::NUMBER] {
        let (good, bad) = (Fake::new([FakeVm::running(1)]).await, Fake::new([FakeVm::running(2)]).await);
        bad.world().faults.insert(hang, Fault::Stall);
        let driver = driver(&[("a", &good), ("b", &bad)]);
        let waited = tokio::time::timeout(LIMIT, driver.inventory(&cx(Duration::from_millis(1500)))).await;
        let inventory = waited.expect("nobody waits for the silent host").unwrap();
        assert_eq!(inventory.observed_at, Mono(7));
        assert!(inventory.hosts[&"a".into()].connected, "call {hang}");
        assert!(!inventory.hosts[&"b".into()].connected, "call {hang}");
        assert_eq!(inventory.vms.keys().collect::<Vec<_>>(), [&vm(1)], "call {hang}");

        // The silent connection is not waited on twice.
        bad.world().faults.clear();
        let inventory = driver.inventory(&cx(LIMIT)).await.unwrap();
        assert_eq!(inventory.vms.len(), 2, "call {hang}");
        assert_eq!(good.world().connections, 1);
    }
}

#[tokio::test]
async fn each_fault_says_its_kind_and_whether_it_may_have_happened() {
    let cases = [
        (Create::NUMBER, Fault::Stall, None),
        (Create::NUMBER, Fault::Garbage, Some((FailureKind::Protocol, TookEffect::Possible))),
        (Create::NUMBER, Fault::Truncated, Some((FailureKind::Unreachable, TookEffect::Possible))),
        (Create::NUMBER, Fault::DroppedAfterEffect, Some((FailureKind::Unreachable, TookEffect::Possible))),
        (Create::NUMBER, Fault::Error(1), Some((FailureKind::Refused, TookEffect::Possible))),
        (Create::NUMBER, Fault::Error(55), Some((FailureKind::Refused, TookEffect::No))),
        (Create::NUMBER, Fault::Error(88), Some((FailureKind::Unauthorized, TookEffect::No))),
        (GetState::NUMBER, Fault::Garbage, Some((FailureKind::Protocol, TookEffect::No))),
        (GetState::NUMBER, Fault::Unreadable, Some((FailureKind::Protocol, TookEffect::No))),
        (GetState::NUMBER, Fault::DroppedAfterEffect, Some((FailureKind::Unreachable, TookEffect::No))),
        (LookUp::NUMBER, Fault::Stall, Some((FailureKind::Unreachable, TookEffect::No))),
        (LookUp::NUMBER, Fault::Error(42), Some((FailureKind::NotFound, TookEffect::No))),
        (Open::NUMBER, Fault::Error(45), Some((FailureKind::Unreachable, TookEffect::No))),
        (AuthList::NUMBER, Fault::Truncated, Some((FailureKind::Unreachable, TookEffect::No))),
        (AuthList::NUMBER, Fault::Garbage, Some((FailureKind::Protocol, TookEffect::No))),
    ];
    for (procedure, fault, expected) in cases {
        let fake = Fake::new([off(1)]).await;
        fake.world().faults.insert(procedure, fault);
        let driver = driver(&[("a", &fake)]);
        let answer = driver.start(&start(1), &cx(Duration::from_millis(600))).await;
        let seen = answer.as_ref().err().map(|error| (error.kind(), error.took_effect()));
        assert_eq!(seen, expected, "{procedure} {fault:?}: {answer:?}");
        assert!(fake.count::<Create>() <= 1, "nothing is sent twice: {procedure} {fault:?}");
    }
    let closed = driver(&[("a", &Fake::new([]).await)]);
    let error = closed.start(&start(1), &cx(LIMIT)).await.unwrap_err();
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unreachable, TookEffect::No), "nobody listens");
}

#[tokio::test]
async fn who_wants_a_password_is_told_apart_from_who_is_away() {
    let fake = Fake::new([FakeVm::running(1)]).await;
    let driver = driver(&[("a", &fake)]);
    fake.world().auth = vec![1];
    let error = driver.inventory(&cx(LIMIT)).await.unwrap_err();
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unauthorized, TookEffect::No));
    assert!(error.to_string().contains("SASL"), "{error}");

    fake.world().auth = vec![2];
    fake.world().polkit_refuses = true;
    let error = driver.inventory(&cx(LIMIT)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unauthorized);
    fake.world().polkit_refuses = false;
    assert_eq!(driver.inventory(&cx(LIMIT)).await.unwrap().vms.len(), 1);
}

#[tokio::test]
async fn a_broken_connection_is_dialled_anew_by_the_next_call() {
    let fake = Fake::new([FakeVm::running(1)]).await;
    let driver = driver(&[("a", &fake)]);
    for round in 1..=3 {
        assert_eq!(driver.inventory(&cx(LIMIT)).await.unwrap().vms.len(), 1, "round {round}");
        assert_eq!(fake.world().connections, round);
        fake.restart();
        // Until the driver has seen the end, a call may still fail; it does not hang and nothing is kept of it.
        while driver.host(&"a".into(), "test").unwrap().has_connection() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_ping_is_answered_at_once() {
    let fake = Fake::new([FakeVm::running(1)]).await;
    fake.fail::<GetNodeInfo>(Fault::PingFirst);
    let driver = driver(&[("a", &fake)]);
    assert!(driver.inventory(&cx(LIMIT)).await.unwrap().hosts[&"a".into()].connected);
    assert!(fake.world().pongs >= 1);
}

#[tokio::test]
async fn a_call_dropped_at_any_point_leaves_the_driver_usable() {
    let fake = Fake::new((1..=20).map(FakeVm::running)).await;
    let driver = driver(&[("a", &fake)]);
    for polls in 0..60 {
        let context = cx(LIMIT);
        let mut call = driver.inventory(&context);
        for _ in 0..polls {
            let once = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
            if once {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
    }
    assert_eq!(driver.inventory(&cx(LIMIT)).await.unwrap().vms.len(), 20);
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_a_daemon_reads() {
    let fake = Fake::new((1..=200).map(FakeVm::running)).await;
    fake.fail::<GetState>(Fault::Patience);
    fake.fail::<GetXml>(Fault::Patience);
    let driver = driver(&[("a", &fake)]);
    let (context, other) = (cx(LIMIT), cx(LIMIT));
    let (first, second) = tokio::join!(driver.inventory(&context), driver.inventory(&other));
    assert_eq!((first.unwrap().vms.len(), second.unwrap().vms.len()), (200, 200));
    let peak = fake.world().in_flight_peak;
    assert_eq!(peak, 4, "all there may be, and no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_vms_are_read_in_time_and_always_in_the_same_order() {
    let mut fakes = Vec::new();
    for host in 0..4_u128 {
        fakes.push(Fake::new((0..2500).map(|number| FakeVm::running(host * 10_000 + number))).await);
    }
    let named: Vec<(&str, &Fake)> = ["a", "b", "c", "d"].into_iter().zip(&fakes).collect();
    let driver = driver(&named);
    let first = driver.inventory(&cx(Duration::from_secs(60))).await.unwrap();
    assert_eq!(first.vms.len(), 10_000);
    assert_eq!(driver.inventory(&cx(Duration::from_secs(60))).await.unwrap(), first);
}

#[tokio::test]
async fn a_vm_known_twice_is_where_it_is_active() {
    let mut stale = off(1);
    stale.autostart = true;
    let half = FakeVm { state: (3, 2), ..FakeVm::running(2) };
    let first = Fake::new([stale, half]).await;
    let second = Fake::new([FakeVm::running(1), FakeVm::running(2)]).await;
    let driver = driver(&[("a", &first), ("b", &second)]);
    let inventory = driver.inventory(&cx(LIMIT)).await.unwrap();
    for number in [1, 2] {
        let seen = &inventory.vms[&vm(number)];
        assert_eq!((seen.host.as_str(), seen.power, seen.autostart), ("b", VmPower::Running, Some(false)));
    }
}

#[tokio::test]
async fn a_definition_that_cannot_be_read_keeps_its_vm_in_the_inventory() {
    let fake = Fake::new([FakeVm { xml: "<domain><oops".into(), ..FakeVm::running(1) }]).await;
    let inventory = driver(&[("a", &fake)]).inventory(&cx(LIMIT)).await.unwrap();
    let seen = &inventory.vms[&vm(1)];
    assert_eq!(seen.power, VmPower::Running);
    assert!(seen.move_blockers[0].starts_with("its definition cannot be read"), "{:?}", seen.move_blockers);
}

#[tokio::test]
async fn a_guest_that_is_off_before_its_agent_has_answered_is_off_and_not_refused() {
    let fake = Fake::new([FakeVm::running(1)]).await;
    fake.world().calls_off_a_failure = true;
    let driver = driver(&[("a", &fake)]);
    let Started::Task(task) = driver.start(&shut(1), &cx(LIMIT)).await.unwrap() else { panic!("it ran before") };
    assert_eq!(driver.poll(&task, &cx(LIMIT)).await.unwrap(), Progress::Done { detail: None });
}

#[tokio::test]
async fn guests_beyond_what_the_daemon_can_wait_for_get_the_power_button() {
    let fake = Fake::new((1..=8).map(FakeVm::running)).await;
    let driver = driver(&[("a", &fake)]);
    // Each agent takes its time: the daemon does not answer.
    fake.fail::<ShutDown>(Fault::Stall);
    for number in 1..=6 {
        assert!(matches!(driver.start(&shut(number), &cx(LIMIT)).await.unwrap(), Started::Task(_)));
    }
    fake.world().faults.clear();
    for number in 7..=8 {
        assert!(matches!(driver.start(&shut(number), &cx(LIMIT)).await.unwrap(), Started::Task(_)));
    }
    assert_eq!(fake.world().shutdown_flags, [1, 1], "the button only");
    assert_eq!(fake.count::<ShutDown>(), 8);
    // Asking again while the first request is open sends nothing.
    driver.start(&shut(1), &cx(LIMIT)).await.unwrap();
    assert_eq!(fake.count::<ShutDown>(), 8);
}

#[tokio::test]
async fn what_a_job_holds_is_not_touched() {
    let moving = FakeVm { job: Some(5), ..FakeVm::running(1) };
    let saving = FakeVm { job: Some(2), ..FakeVm::running(2) };
    let fake = Fake::new([moving, saving]).await;
    let driver = driver(&[("a", &fake)]);
    for number in [1, 2] {
        let error = driver.start(&shut(number), &cx(LIMIT)).await.unwrap_err();
        assert_eq!((error.kind(), error.took_effect()), (FailureKind::Busy, TookEffect::No), "{error}");
    }
    assert_eq!(fake.count::<ShutDown>(), 0);
}

#[tokio::test]
async fn a_start_whose_answer_was_lost_is_seen_to_have_happened() {
    let fake = Fake::new([off(1)]).await;
    fake.fail::<Create>(Fault::DroppedAfterEffect);
    let driver = driver(&[("a", &fake)]);
    let error = driver.start(&start(1), &cx(LIMIT)).await.unwrap_err();
    assert_eq!(error.took_effect(), TookEffect::Possible);
    assert_eq!(driver.observe(&start(1), &cx(LIMIT)).await.unwrap(), Observed::Done);
    assert_eq!(driver.start(&start(1), &cx(LIMIT)).await.unwrap(), Started::AlreadyDone);
    assert_eq!(fake.count::<Create>(), 1);
}

#[tokio::test]
async fn what_is_not_ours_is_refused_by_name() {
    let fake = Fake::new([]).await;
    let driver = driver(&[("a", &fake)]);
    let kind = |result: Result<Started>| result.map_err(|error| (error.kind(), error.took_effect()));
    let host = Op::WakeHost { host: "a".into() };
    assert_eq!(kind(driver.start(&host, &cx(LIMIT)).await), Err((FailureKind::Unsupported, TookEffect::No)));
    let strange = Op::StartVm { vm: "lab/vm-42".into(), host: "a".into() };
    assert_eq!(kind(driver.start(&strange, &cx(LIMIT)).await), Err((FailureKind::NotFound, TookEffect::No)));
    let elsewhere = Op::StartVm { vm: vm(1), host: "z".into() };
    assert_eq!(kind(driver.start(&elsewhere, &cx(LIMIT)).await), Err((FailureKind::Config, TookEffect::No)));
    let task = driver.poll(&TaskRef("task-123".into()), &cx(LIMIT)).await.unwrap_err();
    assert_eq!(task.kind(), FailureKind::NotFound);
    assert_eq!(fake.world().connections, 0, "nobody was bothered");
    assert!(
        Libvirt::new(
            Config {
                platform: "lab".into(),
                hosts: BTreeMap::new(),
                bandwidth_mib_s: None,
                convergence: Convergence::default(),
                copy_disks: false,
                suspend: SuspendRoom::default(),
                shared_paths: vec![],
                tls: None,
                ssh: SshLogin::default()
            },
            Workers::new()
        )
        .is_err()
    );
}
