//! The outage stories: the built binary on real libvirt hosts, real guests, a real upsd, real BMCs. Judged only from outside.
//!
//! One seed draws names, sizes, places, the hung guest and the battery. One lab for all stories: booting is what takes time.

#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod bad_input;
mod hooks;
mod last_resort;
mod outage;
mod restraint;
mod stage;
mod survive;
mod watch;

use ridethrough_lab::gate;
use stage::Stage;
use std::time::Instant;

type Story = (&'static str, fn(&mut Stage));

const STORIES: [Story; 14] = [
    ("bad input gets an error a person can act on", bad_input::wrong_credentials_and_names),
    ("a domain observes until it is armed, and the one the controller stands in says who finishes the job", bad_input::arming),
    ("rule 12: it calls nobody who is not configured", bad_input::rule_12_calls_nobody_else),
    ("mains back after seconds: nothing was touched", outage::short),
    ("mains lost, shed, moved, host off, mains back, everything home", outage::whole),
    ("mains back while acting: nothing more is begun", survive::mains_back_in_acting),
    ("point 7: a hold begins nothing, and lifts itself while everything can still stop", restraint::hold_lifts_itself),
    ("point 7: an abort in mid-run leaves the rest alone", restraint::abort_leaves_the_rest),
    ("the controller is killed in the middle of a move", survive::killed_in_mid_move),
    ("a ride-through that would be fatal is cut short", outage::fatal_ride_through),
    ("point 5: hooks are called before a tier and a host go down, and after they are back", hooks::around_tier_and_host),
    ("all UPSes fail: nothing moves, everything stops in order and returns", outage::all_fail),
    ("point_4_last_resort: the link is cut in mid-run, every host stops its guests and itself", last_resort::link_cut),
    ("point_4_last_resort: the mains is back, the timer is cancelled and nothing stops", last_resort::mains_back),
];

#[test]
fn stories() {
    if !gate("the lab stories") {
        return;
    }
    let only = std::env::var("RIDETHROUGH_STORY").unwrap_or_default();
    let mut stage = Stage::set();
    for (name, story) in STORIES.iter().filter(|(name, _)| name.contains(&only)) {
        println!("--- {name}");
        let start = Instant::now();
        story(&mut stage);
        println!("    told in {:.0} s", start.elapsed().as_secs_f64());
    }
}
