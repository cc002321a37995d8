//! Order, limits and replies of requests, against the fake platform.

use super::*;
use crate::tests::fakes::{Lab, PLATFORM, World};
use crate::tests::virtual_clock;

fn performers(world: &World) -> Performers {
    let platforms = BTreeMap::from([(PlatformId::from(PLATFORM), Arc::new(Lab(world.clone())) as Arc<dyn Platform>)]);
    Performers::new(virtual_clock(), Arc::new(Pace::default()), Endpoints { platforms, ..Endpoints::default() })
}

fn stop(name: &str, host: &str) -> Call {
    let vm = VmId::of(&PlatformId::from(PLATFORM), name);
    Call::Start(Op::ShutDownVm { vm, host: HostId::from(host) })
}

fn ticket(action: u64) -> Ticket {
    Ticket { run: RunId(1), action: ActionId(action), attempt: 1 }
}

async fn replies(performers: &mut Performers, count: usize) -> Vec<(u64, bool)> {
    performers.dispatch();
    let mut replies = Vec::new();
    while replies.len() < count {
        let replied = performers.next().await;
        replies.push((replied.ticket.action.0, matches!(replied.reply, StepReply::Started(Ok(_)))));
    }
    replies
}

#[tokio::test(start_paused = true)]
async fn no_more_in_flight_than_the_platform_takes_and_a_host_gets_half() {
    let world = World::new();
    for host in ["kvm1", "kvm2", "kvm3"] {
        world.add_host(host);
        for place in 0..6 {
            world.add_vm(&format!("{host}-{place}"), host, "web");
        }
    }
    let mut performers = performers(&world);
    for place in 0..6 {
        performers.ask(ticket(place), stop(&format!("kvm1-{place}"), "kvm1"));
    }
    assert_eq!(replies(&mut performers, 6).await.len(), 6);
    assert_eq!(world.lock().in_flight_seen, 2, "one host alone gets half of four");
    for (index, host) in ["kvm1", "kvm2", "kvm3"].iter().enumerate() {
        for place in 0..6 {
            performers.ask(ticket(100 + 10 * index as u64 + place), stop(&format!("{host}-{place}"), host));
        }
    }
    assert_eq!(replies(&mut performers, 18).await.len(), 18);
    assert_eq!(world.lock().in_flight_seen, 4);
}

#[tokio::test(start_paused = true)]
async fn requests_about_one_vm_keep_their_order_and_others_do_not_wait() {
    let world = World::new();
    world.add_host("kvm1");
    world.add_host("kvm2");
    world.add_vm("a", "kvm1", "web");
    world.add_vm("b", "kvm2", "web");
    let mut performers = performers(&world);
    let force = Call::Start(Op::PowerOffVm { vm: VmId::of(&PlatformId::from(PLATFORM), "a"), host: HostId::from("kvm1") });
    performers.ask(ticket(1), stop("a", "kvm1"));
    performers.ask(ticket(2), force);
    performers.ask(ticket(3), stop("b", "kvm2"));
    performers.ask(ticket(3), stop("b", "kvm2"));
    assert_eq!(replies(&mut performers, 3).await, [(1, true), (3, true), (2, true)]);
    let asked = world.asked();
    assert_eq!(
        asked,
        ["shut down VM lab/a on kvm1", "shut down VM lab/b on kvm2", "power off VM lab/a on kvm1"],
        "the same request twice is sent once"
    );
}

#[tokio::test(start_paused = true)]
async fn every_request_gets_a_reply_also_from_a_hung_or_panicking_or_missing_driver() {
    let world = World::new();
    world.add_host("kvm1");
    world.add_vm("a", "kvm1", "web");
    let mut performers = performers(&world);
    world.lock().start_hangs = true;
    performers.ask(ticket(1), stop("a", "kvm1"));
    performers.dispatch();
    let hung = performers.next().await;
    let StepReply::Started(Err(failure)) = hung.reply else { panic!("a hung driver is a failure: {hung:?}") };
    assert_eq!((failure.kind, failure.took_effect), (FailureKind::Unreachable, TookEffect::Possible));
    world.lock().start_panics = true;
    performers.ask(ticket(2), stop("a", "kvm1"));
    performers.dispatch();
    let panicked = performers.next().await;
    let StepReply::Started(Err(failure)) = panicked.reply else { panic!("a panic is a failure: {panicked:?}") };
    assert!(failure.message.contains("a planted panic") && failure.took_effect == TookEffect::Possible);
    performers.ask(ticket(3), Call::Start(Op::WakeHost { host: HostId::from("nowhere") }));
    performers.dispatch();
    let missing = performers.next().await;
    let StepReply::Started(Err(failure)) = missing.reply else { panic!("no means is a failure: {missing:?}") };
    assert_eq!((failure.kind, failure.took_effect), (FailureKind::Config, TookEffect::No));
}

/// Takes every order to wake and tells who it was.
#[derive(Debug)]
struct Means(&'static str, Arc<std::sync::Mutex<Vec<&'static str>>>);

#[async_trait::async_trait]
impl HostPower for Means {
    fn name(&self) -> &'static str {
        self.0
    }
    fn capability(&self) -> ridethrough_driver::HostPowerCapability {
        ridethrough_driver::HostPowerCapability { can_shut_down: true, can_wake: self.0 != "ssh", can_prove_off: false }
    }
    async fn observe(&self, _: &Cx) -> ridethrough_driver::Result<ridethrough_model::HostPowerState> {
        Ok(ridethrough_model::HostPowerState::Unknown)
    }
    async fn shut_down(&self, _: &Cx) -> ridethrough_driver::Result<()> {
        Ok(())
    }
    async fn wake(&self, _: &Cx) -> ridethrough_driver::Result<()> {
        self.1.lock().expect("whole").push(self.0);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_come_is_woken_another_way_the_next_time() {
    let world = World::new();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut performers = performers(&world);
    let host = HostId::from("kvm1");
    let means = ["ssh", "ipmi", "wol"].map(|name| Arc::new(Means(name, asked.clone())) as Arc<dyn HostPower>);
    performers.hosts.insert(host.clone(), means.into());
    for attempt in 1..=3 {
        let ticket = Ticket { attempt, ..ticket(1) };
        performers.ask(ticket, Call::Start(Op::WakeHost { host: host.clone() }));
        replies(&mut performers, 1).await;
    }
    assert_eq!(*asked.lock().expect("whole"), ["ipmi", "wol", "ipmi"]);
}
