//! The hosts' last resort: the controller is cut off, or the mains comes back in time.

use crate::stage::{LATER, SOON, Stage};
use ridethrough_lab::Numbers;
use std::time::{Duration, Instant};

const RACKS: [&str; 3] = ["rack-a", "rack-b", "rack-c"];

/// What `status` says of a host's timer.
fn timer(stage: &Stage, host: usize) -> (String, Option<u64>) {
    let status = stage.status().unwrap_or_default();
    let name = format!("kvm{host}");
    let hosts = status["hosts"].as_array().cloned().unwrap_or_default();
    let timer = hosts.iter().find(|host| host["name"] == name.as_str()).map(|host| host["last_resort"].clone());
    let timer = timer.unwrap_or_default();
    (timer["state"].as_str().unwrap_or_default().to_owned(), timer["fires_in_s"].as_u64())
}

/// What a timer has left on a host.
fn traces(stage: &Stage, host: usize) -> String {
    let look = "ls -d /run/ridethrough-last-resort-* 2>/dev/null; pgrep -fl '^sh -c' | grep -c ridethrough-last-resort; true";
    stage.lab.on_host(host, &["sh", "-c", look]).expect("the host runs").trim().to_owned()
}

/// The links of all hosts are cut as soon as the first guest was told to go down: nobody reaches anybody any more.
pub fn link_cut(stage: &mut Stage) {
    let run = stage.next_run();
    let before = stage.asked();
    let downs = |stage: &Stage, host: usize, guest: &str| {
        stage.lab.console(host, guest).lines().filter(|line| line.starts_with("DOWN")).count()
    };
    let downs_before: Vec<usize> = stage.cast.iter().map(|cast| downs(stage, cast.home, cast.name())).collect();
    for rack in RACKS {
        stage.upsd.lose_mains(rack, 100.0);
    }
    stage.until("the timers are set", SOON, |stage| (1..=3).all(|host| timer(stage, host).0 == "set"));
    stage.until("the first guest is told to go down", LATER, |stage| stage.asked() != before);
    for host in 1..=3 {
        stage.lab.cut_link(host).expect("the link is cut");
    }
    let told: usize = stage.asked().iter().zip(&before).filter(|(now, before)| now.1 > before.1).count();
    println!("    {told} of {} guests were told before the link was cut", stage.cast.len());
    assert!(told < stage.cast.len(), "it is the middle of the run");
    stage.until("every host has stopped itself", LATER, |stage| (1..=3).all(|host| stage.lab.bmc_says(host) == Some(false)));
    for rack in RACKS {
        let left = stage.upsd.battery(rack).runtime_s;
        assert!(left > 0.0, "{rack} was empty before the hosts were off");
        println!("    {rack} would have lasted {left:.0} s more");
    }
    for (cast, before) in stage.cast.iter().zip(downs_before).filter(|(cast, _)| !cast.is_hung) {
        let now = downs(stage, cast.home, cast.name());
        assert_eq!(now, before + 1, "{} went down by itself, cleanly:\n{}", cast.name(), stage.log());
    }
    for host in 1..=3 {
        stage.lab.heal_link(host).expect("the link is mended");
    }
    for rack in RACKS {
        stage.upsd.mains_back(rack, 5.0);
    }
    assert_eq!(stage.until_run_ends(run), "returned", "{}\n{}", stage.last_run(), stage.log());
    stage.assert_all_home();
    for host in 1..=3 {
        stage.until("no timer is left", SOON, |stage| timer(stage, host).0 == "not-set");
        assert_eq!(traces(stage, host), "0", "kvm{host} has booted without a timer");
    }
}

/// Mains is back within the ride-through: the timer is gone when it is stable, and nothing was stopped when it would have fired.
pub fn mains_back(stage: &mut Stage) {
    stage.restart_controller(Numbers { ride_through_s: 20, move_after_s: 20, moves_per_host: 2 });
    let run = stage.next_run();
    let before = stage.asked();
    stage.upsd.lose_mains("rack-a", 80.0);
    stage.until("the timer is set", SOON, |stage| timer(stage, 1).0 == "set");
    let (_, fires_in) = timer(stage, 1);
    let fires_at = Instant::now() + Duration::from_secs(fires_in.expect("it says when"));
    println!("    the timer fires in {fires_in:?} s");
    assert!(traces(stage, 1).contains("/run/ridethrough-last-resort-0-kvm1"), "{}", traces(stage, 1));
    assert_eq!(timer(stage, 2).0, "not-set", "kvm2 keeps its mains");
    stage.upsd.mains_back("rack-a", 10.0);
    assert_eq!(stage.until_run_ends(run), "nothing-touched", "{}", stage.log());
    stage.until("the timer is cancelled", SOON, |stage| timer(stage, 1).0 == "not-set");
    assert_eq!(traces(stage, 1), "0", "nothing is left behind");
    stage.until("the moment at which it would have fired has passed", LATER, |_| {
        Instant::now() > fires_at + Duration::from_secs(3)
    });
    assert!(stage.lab.is_on(1), "a cancelled timer stops nothing");
    assert_eq!(stage.asked(), before, "no guest was told anything");
    stage.assert_all_home();
    stage.usual();
}
