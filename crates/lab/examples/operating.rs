//! Says what `docs/operating.md` quotes: each command of a day with Ridethrough, on two real hosts, with what it printed.
//!
//! `cargo build -p ridethrough-cli && cargo run -p ridethrough-lab --example operating`, as root. Paths of the lab are shown as
//! `/etc/ridethrough`.

use anyhow::Result;
use ridethrough_lab::{Guest, Lab, Numbers, Upsd, available, until};
use std::time::Duration;

const UPSES: [&str; 2] = ["rack-a", "rack-b"];
const GUESTS: [(&str, usize, &str); 4] =
    [("db1", 1, "power:critical"), ("ci1", 1, "power:batch"), ("web1", 2, "power:critical"), ("ci2", 2, "power:batch")];
const LIMIT: Duration = Duration::from_secs(150);

struct Day {
    lab: Lab,
    config: String,
}

impl Day {
    fn run(&self, args: &[&str]) -> Result<(i32, String)> {
        let mut all = args.to_vec();
        all.extend(["--config", &self.config]);
        let output = self.lab.ridethrough_with(&all, &[("COLUMNS", "110")])?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code().unwrap_or(-1), text.replace(&self.lab.dir().display().to_string(), "/etc/ridethrough")))
    }

    fn show(&self, args: &[&str]) -> Result<()> {
        let (code, text) = self.run(args)?;
        println!("$ ridethrough {}\n{text}[exit code {code}]\n", args.join(" "));
        Ok(())
    }

    fn until(&self, what: &str, args: &[&str], words: &str) -> Result<()> {
        until(what, LIMIT, || self.run(args).is_ok_and(|(_, text)| text.contains(words))).map(drop)
    }
}

fn main() -> Result<()> {
    if let Err(reason) = available() {
        println!("not shown: {reason}");
        return Ok(());
    }
    let lab = Lab::new(2)?;
    let upsd = Upsd::start(&lab, &UPSES)?;
    for (name, host, tag) in GUESTS {
        lab.start_guest(host, &Guest::new(name, &[tag]))?;
    }
    for (name, host, _) in GUESTS {
        lab.wait_ready(host, name)?;
    }
    let numbers = Numbers { ride_through_s: 10, move_after_s: 10, moves_per_host: 2 };
    std::fs::write(lab.config_path(), lab.config(&upsd, &UPSES, &["critical", "batch"], numbers))?;
    let day = Day { config: lab.config_path().to_string_lossy().into_owned(), lab };
    day.show(&["check"])?;
    day.show(&["check", "--connect"])?;
    let own = ("RIDETHROUGH_SMBIOS_UUID", "11111111-2222-4333-8444-555555555555");
    let mut controller = day.lab.serve(day.lab.config_path().as_path(), &[own])?;
    day.until("there is a plan", &["status"], "the plan fits the battery")?;
    day.until("every host is seen", &["status"], "kvm2  on ")?;
    for args in [
        &["status"][..],
        &["status", "--vms"],
        &["plan", "--if", "ups=rack-a"],
        &["explain", "db1"],
        &["hold", "--for", "10m", "--yes"],
        &["hold", "--release"],
        &["arm", "rack-a"],
        &["arm", "rack-b"],
        &["maintenance", "rack-b", "--for", "2h"],
        &["status"],
        &["maintenance", "rack-b", "--end"],
    ] {
        day.show(args)?;
    }
    upsd.lose_mains("rack-a", 120.0);
    until("kvm1 is off", LIMIT, || day.lab.bmc_says(1) == Some(false))?;
    day.show(&["status", "--vms"])?;
    upsd.mains_back("rack-a", 4.0);
    day.until("the run ends", &["runs"], "everything runs again")?;
    for args in [&["runs"][..], &["runs", "1"], &["events", "--limit", "60"], &["disarm", "rack-a"]] {
        day.show(args)?;
    }
    println!("What `serve` printed:\n{}", controller.log().replace(&day.lab.dir().display().to_string(), "/etc/ridethrough"));
    println!("SIGTERM: exit code {:?}", controller.terminate());
    Ok(())
}
