//! What the controller costs while nothing happens: memory and CPU of the built binary on a live site of two hosts and two UPSes.

use anyhow::{Context, Result};
use ridethrough_lab::{Guest, Lab, Numbers, Upsd, available, until};
use std::time::{Duration, Instant};

const UPSES: [&str; 2] = ["rack-a", "rack-b"];
const LOOK: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    if let Err(reason) = available() {
        println!("not measured: {reason}");
        return Ok(());
    }
    let lab = Lab::new(2)?;
    let upsd = Upsd::start(&lab, &UPSES)?;
    for name in ["one", "two", "three", "four"] {
        lab.start_guest(1, &Guest::new(name, &["power:normal"]))?;
    }
    let numbers = Numbers { ride_through_s: 60, move_after_s: 60, moves_per_host: 2 };
    std::fs::write(lab.config_path(), lab.config(&upsd, &UPSES, &["critical", "normal"], numbers))?;
    let controller = lab.serve(&lab.config_path(), &[])?;
    let config = lab.config_path().to_string_lossy().into_owned();
    until("the controller answers", LOOK, || {
        lab.ridethrough(&["status", "--config", &config]).is_ok_and(|output| output.status.code() != Some(3))
    })?;
    let start = Instant::now();
    let before = cpu_ticks(controller.pid())?;
    until("half a minute has passed", LOOK * 2, || start.elapsed() >= LOOK)?;
    let ticks = cpu_ticks(controller.pid())? - before;
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let share = ticks as f64 / start.elapsed().as_secs_f64();
    let build = std::env::var("RIDETHROUGH_BIN").unwrap_or_else(|_| "debug build".to_owned());
    println!("idle, 2 hosts, 4 VMs, 2 UPSes polled every second ({build}):");
    for line in status(controller.pid())?
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("RssAnon") || line.starts_with("VmHWM"))
    {
        println!("  {line}");
    }
    println!("  CPU: {share:.2} % of one core (100 ticks a second)");
    Ok(())
}

fn status(pid: u32) -> Result<String> {
    std::fs::read_to_string(format!("/proc/{pid}/status")).context("the controller runs")
}

/// User and system time in ticks of a hundredth of a second.
fn cpu_ticks(pid: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the controller runs")?;
    let after = stat.rsplit_once(')').context("its name ends")?.1;
    let fields: Vec<u64> = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Ok(fields.iter().sum())
}
