//! Saving to disk, and moves that take disks along or are finished by post-copy.

use super::*;
use crate::libvirt::procedure::{AbortJob, ManagedSave, Migrate, StartPostCopy};
use ridethrough_model::{Bytes, SuspendRoom};

fn save(number: u128) -> Op {
    Op::SuspendVm { vm: vm(number), host: "a".into() }
}
fn mover(number: u128) -> Op {
    Op::MoveVm { vm: vm(number), from: "a".into(), to: "b".into() }
}
const SAVING: i32 = 2;
const MOVING: i32 = 5;

async fn task(driver: &Libvirt, op: &Op) -> TaskRef {
    match driver.start(op, &cx(LIMIT)).await.unwrap() {
        Started::Task(task) => task,
        Started::AlreadyDone => panic!("{op} was done already"),
    }
}

#[tokio::test]
async fn point_3_a_saved_vm_is_off_keeps_its_image_and_starts_again() {
    let fake = Fake::new([FakeVm::running(1)]).await;
    let driver = driver(&[("a", &fake)]);
    let saving = task(&driver, &save(1)).await;
    assert_eq!(driver.poll(&saving, &cx(LIMIT)).await.unwrap(), Progress::Done { detail: None });
    assert_eq!(driver.inventory(&cx(LIMIT)).await.unwrap().vms[&vm(1)].power, VmPower::Suspended);
    assert_eq!(driver.observe(&save(1), &cx(LIMIT)).await.unwrap(), Observed::Done);
    assert_eq!(driver.start(&save(1), &cx(LIMIT)).await.unwrap(), Started::AlreadyDone);
    task(&driver, &start(1)).await;
    assert_eq!(driver.observe(&save(1), &cx(LIMIT)).await.unwrap(), Observed::NotDone);
    assert_eq!(fake.count::<ManagedSave>(), 1);
}

#[tokio::test]
async fn point_3_a_saving_under_way_is_taken_over_and_can_be_stopped() {
    let fake = Fake::new([FakeVm { state: (3, 3), job: Some(SAVING), ..FakeVm::running(1) }]).await;
    let driver = driver(&[("a", &fake)]);
    let saving = task(&driver, &save(1)).await;
    assert_eq!(fake.count::<ManagedSave>(), 0, "whoever began it, it is one saving");
    assert!(matches!(driver.observe(&save(1), &cx(LIMIT)).await.unwrap(), Observed::InTransition(_)));
    assert_eq!(driver.poll(&saving, &cx(LIMIT)).await.unwrap(), Progress::Running { done_ppm: None });
    let busy = driver.start(&shut(1), &cx(LIMIT)).await.unwrap_err();
    assert_eq!((busy.kind(), busy.took_effect()), (FailureKind::Busy, TookEffect::No), "{busy}");

    let abort = Op::AbortSuspend { vm: vm(1), host: "a".into() };
    let stop = task(&driver, &abort).await;
    assert_eq!(driver.poll(&stop, &cx(LIMIT)).await.unwrap(), Progress::Done { detail: None });
    assert!(matches!(driver.poll(&saving, &cx(LIMIT)).await.unwrap(), Progress::Failed(_)));
    assert_eq!(driver.start(&abort, &cx(LIMIT)).await.unwrap(), Started::AlreadyDone);
    assert_eq!(fake.count::<AbortJob>(), 1);
}

#[tokio::test]
async fn point_3_a_vm_that_is_just_being_saved_without_a_job_is_not_given_up() {
    let fake = Fake::new([FakeVm { state: (3, 3), ..FakeVm::running(1) }]).await;
    let driver = driver(&[("a", &fake)]);
    let saving = task(&driver, &save(1)).await;
    assert_eq!(driver.poll(&saving, &cx(LIMIT)).await.unwrap(), Progress::Running { done_ppm: None });
    assert!(matches!(driver.observe(&save(1), &cx(LIMIT)).await.unwrap(), Observed::InTransition(_)));
    assert_eq!(fake.count::<ManagedSave>(), 0);
}

#[tokio::test]
async fn point_3_a_guest_that_went_down_before_it_was_saved_is_not_pretended_to_be() {
    let fake = Fake::new([off(1)]).await;
    let driver = driver(&[("a", &fake)]);
    assert_eq!(driver.start(&save(1), &cx(LIMIT)).await.unwrap(), Started::AlreadyDone);
    let task = Task::of(&save(1)).unwrap().to_ref();
    let Progress::Done { detail: Some(detail) } = driver.poll(&task, &cx(LIMIT)).await.unwrap() else { panic!("it is off") };
    assert!(detail.contains("nothing was saved"), "{detail}");
}

#[tokio::test]
async fn point_3_the_room_for_images_is_what_is_said_less_what_lies_there() {
    let saved = FakeVm { state: (5, 5), ..FakeVm::running(2) };
    let fake = Fake::new([FakeVm::running(1), saved]).await;
    let room = |driver: Libvirt| async move { driver.inventory(&cx(LIMIT)).await.unwrap().hosts[&"a".into()].suspend };
    assert_eq!(room(driver(&[("a", &fake)])).await, SuspendRoom::default(), "nothing said, nothing known");
    let said = SuspendRoom { rate: Some(Bytes::from_mib(100)), space: Some(Bytes::from_mib(10)) };
    let known = room(driver_with(&[("a", &fake)], |config| config.suspend = said)).await;
    assert_eq!(known, SuspendRoom { space: Some(Bytes::from_mib(9)), ..said });
}

const WITH_DISKS: &str = "<domain><memory unit='KiB'>1024</memory><vcpu>1</vcpu><devices>\
     <disk type='file' device='disk'><source file='/images/a.qcow2'/><target dev='vda'/></disk>\
     <disk type='network' device='disk'><source protocol='rbd' name='x'/><target dev='vdb'/></disk></devices></domain>";

#[tokio::test]
async fn point_3_disks_are_copied_only_where_that_is_allowed_and_only_those_that_are_local() {
    let with_disks = || FakeVm { xml: WITH_DISKS.to_owned(), ..FakeVm::running(1) };
    let (a, b) = (Fake::new([with_disks()]).await, Fake::new([]).await);
    for fake in [&a, &b] {
        let mut world = fake.world();
        (world.disk, world.pools) = ((5 << 20, 50 << 20), vec![("/images", 7 << 30)]);
    }
    let seen = driver(&[("a", &a), ("b", &b)]).inventory(&cx(LIMIT)).await.unwrap();
    assert_eq!(seen.vms[&vm(1)].move_blockers, ["disk vda is a local file and `copy_disks` is off"]);
    assert!(seen.vms[&vm(1)].disks_to_copy.is_empty() && seen.hosts[&"b".into()].stores.is_empty());

    let copying = driver_with(&[("a", &a), ("b", &b)], |config| config.copy_disks = true);
    let seen = copying.inventory(&cx(LIMIT)).await.unwrap();
    assert!(seen.vms[&vm(1)].move_blockers.is_empty());
    assert_eq!(seen.vms[&vm(1)].disks_to_copy, [("/images".to_owned(), Bytes::from_mib(5))].into());
    assert_eq!(seen.hosts[&"b".into()].stores, [("/images".to_owned(), Bytes::from_mib(7 << 10))].into());
    task(&copying, &mover(1)).await;
    let moves = a.world().moves.clone();
    assert_eq!(moves.len(), 1);
    assert_eq!((moves[0].0 & 64, moves[0].2.as_slice()), (64, ["Text(\"vda\")".to_owned()].as_slice()), "{moves:?}");
}

#[tokio::test]
async fn point_3_post_copy_is_begun_only_when_it_is_ordered() {
    let (a, b) = (Fake::new([FakeVm::running(1)]).await, Fake::new([]).await);
    let plain = driver(&[("a", &a), ("b", &b)]);
    task(&plain, &mover(1)).await;
    let allowed = driver_with(&[("a", &a), ("b", &b)], |config| config.convergence.post_copy = true);
    assert!(allowed.inventory(&cx(LIMIT)).await.unwrap().vms[&vm(1)].can_post_copy);
    task(&allowed, &mover(1)).await;
    let flags: Vec<u32> = a.world().moves.iter().map(|(flags, ..)| flags >> 15 & 1).collect();
    assert_eq!((flags.as_slice(), a.count::<Migrate>(), a.count::<StartPostCopy>()), ([0, 1].as_slice(), 2, 0));

    let finish = Op::FinishMove { vm: vm(1), from: "a".into(), to: "b".into() };
    let refused = allowed.start(&finish, &cx(LIMIT)).await.unwrap_err();
    assert_eq!((refused.kind(), refused.took_effect()), (FailureKind::Refused, TookEffect::No), "no move is under way");
    a.world().vms.values_mut().for_each(|vm| vm.job = Some(MOVING));
    let lost = allowed.observe(&finish, &cx(LIMIT)).await.unwrap();
    assert_eq!(lost, Observed::NotDone, "the move goes on as it began: an order whose answer was lost is given again");
    task(&allowed, &finish).await;
    assert_eq!(a.count::<StartPostCopy>(), 1);
    a.world().vms.values_mut().for_each(|vm| vm.state = (3, 9));
    let seen = allowed.observe(&finish, &cx(LIMIT)).await.unwrap();
    assert!(matches!(seen, Observed::InTransition(_)), "{seen:?}");
    b.world().vms.insert(Uuid::from_bytes(1u128.to_be_bytes()), FakeVm { state: (1, 10), ..FakeVm::running(1) });
    let seen = allowed.inventory(&cx(LIMIT)).await.unwrap();
    assert_eq!(
        (seen.vms[&vm(1)].host.as_str(), seen.vms[&vm(1)].power),
        ("a", VmPower::Running),
        "the source still holds a half"
    );
}

#[tokio::test]
async fn point_3_writing_is_measured_one_vm_at_a_time_the_longest_unmeasured_first() {
    let measured = |number, at| FakeVm { dirty: Some((at, 30)), ..FakeVm::running(number) };
    let fake = Fake::new([measured(1, 900), measured(2, 100), FakeVm::running(3), off(4)]).await;
    let driver = driver(&[("a", &fake)]);
    driver.measure(&cx(LIMIT)).await.unwrap();
    fake.world().vms.values_mut().for_each(|vm| vm.dirty = vm.dirty.or(Some((1000, 7))));
    driver.measure(&cx(LIMIT)).await.unwrap();
    assert_eq!(fake.world().measured, [3u128, 2].map(|number| Uuid::from_bytes(number.to_be_bytes())));
    let seen = driver.inventory(&cx(LIMIT)).await.unwrap();
    let rates: Vec<Option<Bytes>> = seen.vms.values().map(|vm| vm.dirty_rate).collect();
    assert_eq!(rates, [Some(Bytes::from_mib(30)), Some(Bytes::from_mib(30)), Some(Bytes::from_mib(7)), None]);
}
