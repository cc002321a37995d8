//! Outages, seen from the world.

use super::{Running, armed, one_rack, pass, virtual_clock};
use ridethrough_store::{Fault, Memory};

#[tokio::test(start_paused = true)]
async fn after_the_ride_through_tiers_go_down_in_order_then_the_host() {
    let (world, memory) = (one_rack(), armed());
    let running = Running::start(&world, &memory, None, virtual_clock());
    pass(20).await;
    world.set_status("rack-a", "OB DISCHRG");
    pass(55).await;
    assert_eq!(world.asked(), [] as [&str; 0], "nothing is touched within the ride-through");
    pass(15).await;
    let first = world.asked();
    assert_eq!(first.first().map(String::as_str), Some("shut down VM lab/ci on kvm1"), "the least important tier first");
    pass(560).await;
    assert_eq!(
        world.asked(),
        [
            "shut down VM lab/ci on kvm1",
            "shut down VM lab/web-1 on kvm1",
            "shut down VM lab/web-2 on kvm1",
            "shut down VM lab/db on kvm1",
            "shut down host kvm1",
        ]
    );
    assert!(!world.is_host_on("kvm1") && running.heard.has("host kvm1 is proven off"), "{:#?}", running.heard.texts());
    world.set_status("rack-a", "OL CHRG");
    pass(600).await;
    assert!(world.is_host_on("kvm1"), "the host is woken");
    for vm in ["db", "web-1", "web-2", "ci"] {
        assert!(world.is_vm_on(vm), "{vm} runs again: {:#?}", running.heard.texts());
    }
    assert!(running.heard.has("everything that ran before runs again"), "{:#?}", running.heard.texts());
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn mains_back_within_the_ride_through_touches_nothing() {
    let (world, memory) = (one_rack(), armed());
    let running = Running::start(&world, &memory, None, virtual_clock());
    pass(20).await;
    world.set_status("rack-a", "OB");
    pass(10).await;
    world.set_status("rack-a", "OL");
    pass(300).await;
    assert_eq!(world.asked(), [] as [&str; 0]);
    assert!(running.heard.has("mains came back before anything was touched"), "{:#?}", running.heard.texts());
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_observing_domain_says_what_it_would_do_and_does_nothing() {
    let (world, memory) = (one_rack(), Memory::new());
    let running = Running::start(&world, &memory, None, virtual_clock());
    pass(20).await;
    world.set_status("rack-a", "OB");
    pass(90).await;
    assert_eq!(world.asked(), [] as [&str; 0]);
    assert!(running.heard.has("would shut down VM ci on kvm1"), "{:#?}", running.heard.texts());
    let said = running.heard.texts().iter().filter(|text| text.starts_with("would shut down VM ci ")).count();
    assert_eq!(said, 1, "said once, however often the plan is made anew");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn silence_on_mains_alarms_and_does_nothing() {
    let (world, memory) = (one_rack(), armed());
    let running = Running::start(&world, &memory, None, virtual_clock());
    pass(20).await;
    world.ups("rack-a", |ups| ups.is_silent = true);
    pass(300).await;
    assert!(running.heard.has("UPS rack-a is silent"), "{:#?}", running.heard.texts());
    assert_eq!(world.asked(), [] as [&str; 0]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn silence_on_battery_counts_down_the_last_forecast() {
    let (world, memory) = (one_rack(), armed());
    let running = Running::start(&world, &memory, None, virtual_clock());
    pass(20).await;
    world.set_status("rack-a", "OB");
    pass(10).await;
    world.ups("rack-a", |ups| ups.is_silent = true);
    pass(600).await;
    assert!(!world.is_host_on("kvm1"), "{:#?}", running.heard.texts());
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_panics_while_it_looks_is_tried_again() {
    let (world, memory) = (one_rack(), armed());
    let running = Running::start(&world, &memory, None, virtual_clock());
    pass(20).await;
    world.ups("rack-a", |ups| ups.panics = 2);
    pass(10).await;
    world.set_status("rack-a", "OB");
    pass(90).await;
    assert!(running.is_running());
    assert!(!world.asked().is_empty(), "the outage after the panics is handled");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_panics_or_hangs_while_it_acts_gives_a_failure_and_the_rest_goes_on() {
    let (world, memory) = (one_rack(), armed());
    let running = Running::start(&world, &memory, None, virtual_clock());
    pass(20).await;
    world.lock().start_panics = true;
    world.set_status("rack-a", "OB");
    pass(70).await;
    assert!(running.is_running() && running.heard.has("failed"), "{:#?}", running.heard.texts());
    world.lock().start_panics = false;
    world.lock().start_hangs = true;
    pass(30).await;
    world.lock().start_hangs = false;
    pass(500).await;
    assert!(!world.is_host_on("kvm1"), "{:#?}", running.heard.texts());
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn killed_in_the_middle_the_next_start_takes_the_run_up() {
    let (world, memory) = (one_rack(), armed());
    let clock = virtual_clock();
    let running = Running::start(&world, &memory, None, clock.clone());
    pass(20).await;
    world.set_status("rack-a", "OB");
    pass(66).await;
    let before = world.asked();
    assert!(!before.is_empty() && before.len() < 5, "it is in the middle: {before:?}");
    running.kill().await;
    pass(5).await;
    let running = Running::start(&world, &memory, None, clock);
    pass(560).await;
    assert!(running.heard.has("it is taken up"), "{:#?}", running.heard.texts());
    let mut asked = world.asked();
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!((asked.len(), all), (5, 5), "everything once: {:?}", world.asked());
    assert!(!world.is_host_on("kvm1"));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_hanging_journal_on_battery_does_not_stop_the_shutdown() {
    let (world, memory) = (one_rack(), armed());
    let running = Running::start(&world, &memory, None, virtual_clock());
    pass(20).await;
    world.set_status("rack-a", "OB");
    pass(30).await;
    memory.set_fault(Fault::Hanging);
    pass(570).await;
    assert!(!world.is_host_on("kvm1"), "{:#?}", running.heard.texts());
    assert!(running.heard.has("journal does not keep up"), "{:#?}", running.heard.texts());
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_run_twice_says_the_same() {
    let mut told = Vec::new();
    for _ in 0..2 {
        let (world, memory) = (one_rack(), armed());
        let running = Running::start(&world, &memory, None, virtual_clock());
        pass(20).await;
        world.set_status("rack-a", "OB");
        pass(600).await;
        told.push((world.lock().asked.clone(), running.heard.texts()));
        running.end().await;
    }
    assert_eq!(told[0], told[1]);
}
