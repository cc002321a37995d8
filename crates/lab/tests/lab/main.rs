//! The lab itself, on real parts: what the stories stand on. Judged by strangers: virsh, ssh, ipmitool, upsc, upscmd, /proc.
//!
//! One lab for all checks, because booting guests is what takes time.

mod hosts;
mod leftovers;
mod upses;

use leftovers::Traces;
use ridethrough_lab::{Guest, Lab, gate};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) const SOON: Duration = Duration::from_secs(20);

type Check = (&'static str, fn(&Lab));

const CHECKS: [Check; 10] = [
    ("a guest that is moved lives on", hosts::a_move_is_one_life),
    ("a silence is measured by a clock that does not stand still", hosts::a_silence_is_seen_from_outside),
    ("a guest with a disk of its own stays", hosts::a_local_disk_keeps_a_guest_where_it_is),
    ("a limited link is slow, a cut one dead", hosts::links_are_limited_and_cut),
    ("a host goes down over SSH and comes back by its BMC", hosts::down_over_ssh_and_back_by_bmc),
    ("a planned shutdown can be called off", hosts::a_planned_shutdown_is_called_off),
    ("a power cut kills the guests and leaves their definitions", hosts::a_power_cut_kills_the_guests),
    ("upsd says what the script says", upses::upsd_says_what_the_script_says),
    ("stale, lost and disconnected", upses::stale_lost_and_disconnected),
    ("commands, settings and other masters", upses::commands_and_other_masters),
];

#[test]
fn the_lab_is_what_it_says() {
    if !gate("the_lab_is_what_it_says") {
        return;
    }
    let lab = Lab::new(2).expect("two hosts");
    let traces = Traces::of(&lab);
    assert!(traces.processes().len() > 6, "the hosts' daemons are found: {:?}", traces.processes());
    for (guest, host, words) in [("alpha", 1, ""), ("beta", 2, "rt.ignore=1 rt.noagent=1")] {
        lab.start_guest(host, &Guest::new(guest, &["power:critical"]).with(words)).expect("it starts");
    }
    for (name, check) in CHECKS {
        let start = Instant::now();
        check(&lab);
        println!("{name}: {:.1} s", start.elapsed().as_secs_f64());
    }
    drop(lab);
    traces.assert_gone();
}

#[test]
fn a_killed_test_leaves_nothing() {
    const VICTIM: &str = "RIDETHROUGH_LAB_VICTIM";
    if let Some(file) = std::env::var_os(VICTIM).map(PathBuf::from) {
        let lab = Lab::new(1).expect("one host");
        Traces::of(&lab).write(&file);
        loop {
            std::thread::park();
        }
    }
    if !gate("a_killed_test_leaves_nothing") {
        return;
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    let traces = leftovers::of_a_killed_test("a_killed_test_leaves_nothing", VICTIM, file.path());
    traces.assert_gone();
}
