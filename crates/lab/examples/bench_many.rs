//! What a thousand UPSes cost: memory and CPU of the built binary that reads all of them from one upsd, beside Debian's `upsmon`
//! that does the same in the same minute. Every UPS must be known as on mains before the clock runs, and still afterwards.

use anyhow::{Context, Result, ensure};
use ridethrough_lab::{Herd, Lab, available, until};
use std::fmt::Write;
use std::time::{Duration, Instant};

const COUNT: usize = 1000;
const LOOK: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    if let Err(reason) = available() {
        println!("not measured: {reason}");
        return Ok(());
    }
    let lab = Lab::new(0)?;
    let herd = Herd::start(&lab, COUNT)?;
    let config = lab.write_config(&config(&lab, &herd)?)?;
    let controller = lab.serve(&config, &[])?;
    let config = config.to_string_lossy().into_owned();
    let known = || -> Result<usize> {
        let output = lab.ridethrough(&["status", "--json", "--config", &config])?;
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).context("status is JSON")?;
        let on_mains = |ups: &&serde_json::Value| ups["state"] == "online";
        Ok(status["upses"].as_array().map_or(0, |upses| upses.iter().filter(on_mains).count()))
    };
    let took = until("all are known", LOOK * 2, || known().is_ok_and(|count| count == COUNT))
        .with_context(|| controller.log_tail(20))?;
    println!("{COUNT} UPSes on one upsd, each read every 5 s; all known {:.1} s after the start", took.as_secs_f64());
    let upsmon = herd.upsmon()?;
    let asked_until = Instant::now() + Duration::from_secs(20);
    until("upsmon has logged in to all", LOOK, || Instant::now() >= asked_until)?;
    let who = [("ridethrough", controller.pid()), ("upsmon", upsmon.pid()), ("upsd", herd.upsd_pid())];
    let start = Instant::now();
    let before: Vec<u64> = who.iter().map(|(_, pid)| cpu_ticks(*pid)).collect::<Result<_>>()?;
    until("a minute has passed", LOOK * 2, || start.elapsed() >= LOOK)?;
    let passed = start.elapsed().as_secs_f64();
    let build = std::env::var("RIDETHROUGH_BIN").unwrap_or_else(|_| "development build".to_owned());
    println!("ridethrough: {build}; ticks of a hundredth of a second over {passed:.0} s");
    for ((name, pid), before) in who.iter().zip(before) {
        let ticks = cpu_ticks(*pid)? - before;
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = ticks as f64 / passed;
        println!("  {name:<12} {share:5.2} % of one core, {}", memory(*pid)?);
    }
    ensure!(known()? == COUNT, "some are not known any more:\n{}", controller.log_tail(20));
    Ok(())
}

fn config(lab: &Lab, herd: &Herd) -> Result<String> {
    let mut text = format!("[controller]\ndata_dir = \"{}/data\"\nlisten = \"127.0.0.1:7878\"\n", lab.dir().display());
    let (address, port) = herd.address();
    for name in herd.names() {
        writeln!(text, "[ups.{name}.nut]\nhost = \"{address}\"\nport = {port}\nups = \"{name}\"")?;
    }
    let all: Vec<String> = herd.names().iter().map(|name| format!("\"{name}\"")).collect();
    writeln!(text, "[[domain]]\nname = \"hall\"\nups = [{}]", all.join(", "))?;
    Ok(text)
}

fn memory(pid: u32) -> Result<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("it runs")?;
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
    };
    Ok(format!("{:.1} MiB resident, of it {:.1} not of a file", of("VmRSS:"), of("RssAnon:")))
}

/// User and system time in ticks of a hundredth of a second.
fn cpu_ticks(pid: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("it runs")?;
    let after = stat.rsplit_once(')').context("its name ends")?.1;
    let fields: Vec<u64> = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Ok(fields.iter().sum())
}
