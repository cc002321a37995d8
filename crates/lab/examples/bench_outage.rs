//! From alarm to host off: the controller beside the same steps done by hand with virsh and ssh, on the same lab, as a ratio.
//!
//! Six guests on one host: three are shut down, three are moved to two other hosts, then the host goes down over SSH. By hand
//! nobody waits for anything that is not needed; the controller polls the UPS, writes its journal, goes tier by tier and proves
//! that the host is off.

use anyhow::{Context, Result, ensure};
use ridethrough_lab::{Guest, GuestState, Lab, Numbers, Upsd, available, until};
use std::time::{Duration, Instant};

const UPSES: [&str; 3] = ["rack-a", "rack-b", "rack-c"];
const LOW: [&str; 3] = ["low1", "low2", "low3"];
const CRITICAL: [&str; 3] = ["crit1", "crit2", "crit3"];
const LIMIT: Duration = Duration::from_secs(120);

fn main() -> Result<()> {
    if let Err(reason) = available() {
        println!("not measured: {reason}");
        return Ok(());
    }
    let lab = Lab::new(3)?;
    let upsd = Upsd::start(&lab, &UPSES)?;
    let mut by_hand = Vec::new();
    let mut by_us = Vec::new();
    for _ in 0..3 {
        everybody_home(&lab)?;
        by_hand.push(hand(&lab)?);
        everybody_home(&lab)?;
        by_us.push(controller(&lab, &upsd)?);
    }
    let (hand, us) = (median(by_hand), median(by_us));
    println!("alarm to host proven off, 6 guests (3 shed, 3 moved), median of 3:");
    println!("  by hand, virsh and ssh   {:>6.2} s", hand.as_secs_f64());
    println!("  ridethrough              {:>6.2} s   {:.2}x", us.as_secs_f64(), us.as_secs_f64() / hand.as_secs_f64());
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn everybody_home(lab: &Lab) -> Result<()> {
    if !lab.is_on(1) {
        lab.power_on(1)?;
    }
    for host in 1..=3 {
        for name in LOW.iter().chain(&CRITICAL) {
            if lab.state(host, name) == GuestState::Running {
                lab.virsh(host, &["destroy", name])?;
            }
            if host != 1 && lab.state(host, name) == GuestState::Off {
                lab.virsh(host, &["undefine", name])?;
            }
        }
    }
    for (tag, names) in [("power:batch", LOW), ("power:critical", CRITICAL)] {
        for name in names {
            let beats = lab.beats(1, name).len();
            lab.start_guest(1, &Guest::new(name, &[tag]))?;
            until(&format!("{name} beats again"), LIMIT, || lab.beats(1, name).len() > beats)?;
        }
    }
    Ok(())
}

fn hand(lab: &Lab) -> Result<Duration> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for name in LOW {
            scope.spawn(move || lab.virsh(1, &["shutdown", name, "--mode", "agent"]));
        }
        for (i, name) in CRITICAL.iter().enumerate() {
            let target = lab.libvirt_uri(2 + i % 2);
            scope.spawn(move || lab.virsh(1, &["migrate", "--live", "--p2p", "--persistent", "--undefinesource", name, &target]));
        }
    });
    until("the host is empty", LIMIT, || lab.virsh(1, &["list", "--name"]).is_ok_and(|names| names.trim().is_empty()))?;
    let key = lab.ssh_key().to_string_lossy().into_owned();
    let known = format!("UserKnownHostsFile={}", lab.known_hosts().display());
    let target = format!("root@{}", lab.host_address(1));
    let args = ["-i", &key, "-o", &known, "-o", "BatchMode=yes", &target, "shutdown -h now"].map(str::to_owned);
    ensure!(lab.command("ssh", &args)?.status.success(), "ssh is accepted");
    until("the BMC says off", LIMIT, || lab.bmc_says(1) == Some(false))?;
    Ok(start.elapsed())
}

fn controller(lab: &Lab, upsd: &Upsd) -> Result<Duration> {
    let numbers = Numbers { ride_through_s: 1, move_after_s: 1, moves_per_host: 3 };
    std::fs::write(lab.config_path(), lab.config(upsd, &UPSES, &["critical", "batch"], numbers))?;
    let mut serving = lab.serve(&lab.config_path(), &[("RIDETHROUGH_SMBIOS_UUID", "11111111-2222-4333-8444-555555555555")])?;
    let config = lab.config_path().to_string_lossy().into_owned();
    for ups in UPSES {
        let arm = || lab.ridethrough(&["arm", ups, "--config", &config]).is_ok_and(|output| output.status.success());
        until(&format!("{ups} is armed"), LIMIT, arm)?;
    }
    let start = Instant::now();
    upsd.lose_mains("rack-a", 300.0);
    until("the BMC says off", LIMIT, || lab.bmc_says(1) == Some(false)).with_context(|| serving.log())?;
    // One second of ride-through is asked for and not counted.
    let took = start.elapsed().saturating_sub(Duration::from_secs(numbers.ride_through_s));
    serving.kill();
    upsd.mains_back("rack-a", 100.0);
    std::fs::remove_dir_all(lab.dir().join("data")).context("the next round starts with an empty journal")?;
    Ok(took)
}
