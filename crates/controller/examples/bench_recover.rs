//! Measures what a crash costs in the middle of a run, on a real disk: from opening the journal to the first decisions of the new
//! controller, and how big the journal of that run is. `cargo xtask bench recover`: 3,000 VMs; `cargo run -p ridethrough-controller
//! --example bench_recover -- 10000`: so many, of which making the run takes minutes. Not a test: numbers of a machine.

use ridethrough_decide::{Command, Effect, Input, Site, SiteConfig, StepReply};
use ridethrough_model::policy::{OnOutage, TierMatch};
use ridethrough_model::{
    BootId, Bytes, Domain, DomainId, DomainMode, Feed, HostId, HostInfo, HostTopology, Inventory, Millis, Mono, Now, PlatformId,
    Reading, Record, RunId, SiteId, Started, TaskRef, Tier, TierName, Timing, Topology, UpsId, UpsTopology, Vm, VmId, VmPower,
};
use ridethrough_store::{GROUP_MAX, Journal};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

const VMS: usize = 3000;
const VMS_PER_HOST: usize = 50;
const WAIT_MAX: Duration = Duration::from_secs(120);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn now(second: u64) -> Now {
    let wall = "2026-01-01T00:00:00Z".parse().expect("a moment of the calendar");
    Now { mono: Mono(1_000_000 + second * 1000), boot_id: BootId("boot".to_owned()), wall }
}

fn ups() -> UpsId {
    UpsId::new("hall")
}
fn platform() -> PlatformId {
    PlatformId::new("estate")
}
fn host(number: usize) -> HostId {
    HostId::new(format!("host{number:03}"))
}

fn config(hosts: usize) -> SiteConfig {
    let mut topology = Topology::default();
    let timing = Timing { ride_through: Millis::from_secs(5), ..Timing::default() };
    topology.domains.insert(DomainId::new("hall"), Domain { upses: [ups()].into(), timing });
    topology.upses.insert(ups(), UpsTopology { low_battery_reliable: true, ..UpsTopology::default() });
    for number in 0..hosts {
        let feeds = vec![Feed { ups: ups(), outlet_group: None }];
        let known = HostTopology {
            site: SiteId::new("main"),
            platform: Some(platform()),
            feeds,
            feeds_min: 1,
            needs: Default::default(),
            can_shut_down: true,
            can_wake: true,
            can_prove_off: true,
            shutdown_time: Millis::from_secs(60),
            boot_time: Millis::from_secs(180),
            draw: Default::default(),
        };
        topology.hosts.insert(host(number), known);
    }
    let tier = |name: &str| Tier {
        name: TierName::new(name),
        matches: TierMatch { tag: Some(name.to_owned()), ..TierMatch::default() },
        on_outage: vec![OnOutage::ShutDown],
        move_to: Vec::new(),
        force_off: Default::default(),
        stop_budget: Millis::from_secs(120),
        runtime_goal: None,
    };
    let mut config = SiteConfig { topology, ..SiteConfig::default() };
    config.policy.tiers = ["first", "second", "third"].map(tier).to_vec();
    config
}

fn inventory(vms: usize, at: Mono) -> Inventory {
    let hosts = vms.div_ceil(VMS_PER_HOST);
    let mut inventory = Inventory::empty(platform(), at);
    for number in 0..hosts {
        let id = host(number);
        inventory.hosts.insert(id.clone(), HostInfo { memory: Some(Bytes::from_mib(1 << 20)), ..HostInfo::new(id, true) });
    }
    for number in 0..vms {
        let name = format!("8f0e{number:08}-vm");
        let id = VmId::of(&platform(), &name);
        let vm = Vm::new(id.clone(), name, host(number % hosts), VmPower::Running, Bytes::from_mib(4096), 2);
        let tier = ["first", "second", "third"][number % 3];
        inventory.vms.insert(id, Vm { tags: [tier.to_owned()].into(), ..vm });
    }
    inventory
}

fn reading(second: u64, status: &str) -> Input {
    let mut reading = Reading::of_status(ups(), now(second).mono, status);
    reading.runtime = Some(Millis::from_secs(1800 - second));
    Input::Reading(reading)
}

/// Plays into the middle of the run; returns everything written.
fn outage(vms: usize) -> Vec<Record> {
    let mut site = Site::new(config(vms.div_ceil(VMS_PER_HOST)), 1, &now(0));
    let mut written = Vec::new();
    let mut inputs = vec![Input::Inventory(inventory(vms, now(0).mono)), reading(0, "OL")];
    let domain = DomainId::new("hall");
    inputs.push(Input::Command(Command::SetMode { domain, mode: DomainMode::Armed, by: "bench".to_owned() }));
    for second in 1..40 {
        inputs.push(reading(second, if second < 3 { "OL" } else { "OB DISCHRG" }));
        inputs.push(Input::Tick);
        let mut next = Vec::new();
        for input in inputs.drain(..) {
            take(site.step(&now(second), input), &mut written, &mut next);
        }
        // What it wrote is durable, and what it asked is answered, within the second.
        while !next.is_empty() {
            let mut further = Vec::new();
            for input in next.drain(..) {
                take(site.step(&now(second), input), &mut written, &mut further);
            }
            next = further;
        }
    }
    written
}

fn take(effects: Vec<Effect>, written: &mut Vec<Record>, next: &mut Vec<Input>) {
    let mut last: Option<(RunId, u64)> = None;
    for effect in effects {
        match effect {
            Effect::Append(record) => {
                if let Some((run, seq)) = last.filter(|(run, _)| *run != record.run) {
                    next.push(Input::Durable { run, seq });
                }
                last = Some((record.run, record.seq));
                written.push(record);
            }
            Effect::Start { run, action, attempt, op } => {
                let reply = StepReply::Started(Ok(Started::Task(TaskRef(op.to_string()))));
                next.push(Input::Reply { run, action, attempt, reply });
            }
            _ => {}
        }
    }
    next.extend(last.map(|(run, seq)| Input::Durable { run, seq }));
}

fn main() -> Outcome<()> {
    let vms = std::env::args().nth(1).map_or(Ok(VMS), |word| word.parse())?;
    if vms == 0 {
        return Err("say how many VMs: a number from 1 on".into());
    }
    let dir = tempfile::tempdir_in(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))?;
    let path = dir.path().join("journal.db");
    let begun = Instant::now();
    let records = outage(vms);
    println!("{vms} VMs, 37 s into the outage: {} records in {:.1} s", records.len(), begun.elapsed().as_secs_f64());
    let journal = Journal::open(&path, Box::new(|_| {}))?;
    let epoch = journal.epoch();
    let begun = Instant::now();
    for group in records.chunks(GROUP_MAX) {
        journal.append(group.iter().map(|record| Record { epoch, ..record.clone() }).collect())?;
    }
    journal.close(WAIT_MAX)?;
    let bytes: u64 = std::fs::read_dir(dir.path())?.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum();
    let per_vm = bytes / vms as u64;
    println!("journal: {:.1} MB, {per_vm} bytes a VM, written in {:.1} s", bytes as f64 / 1e6, begun.elapsed().as_secs_f64());
    for _ in 0..3 {
        resume(vms, &path)?;
    }
    Ok(())
}

/// What a new controller does before its first decision.
fn resume(vms: usize, path: &Path) -> Outcome<()> {
    let begun = Instant::now();
    let journal = Journal::open(path, Box::new(|_| {}))?;
    let reader = journal.reader()?;
    let site_log = reader.read_run(RunId::SITE)?;
    let open = reader.read_run(RunId(1))?;
    let read = begun.elapsed();
    let (mut site, _) = Site::recover(config(vms.div_ceil(VMS_PER_HOST)), journal.epoch(), &now(50), &site_log, &open, 1, 1)?;
    let folded = begun.elapsed();
    let inventory = inventory(vms, now(50).mono);
    let heard = Instant::now();
    let mut effects = site.step(&now(50), Input::Inventory(inventory));
    effects.extend(site.step(&now(50), reading(50, "OB DISCHRG")));
    effects.extend(site.step(&now(51), Input::Tick));
    let decided = heard.elapsed();
    println!(
        "crash to resumed: {:.0} ms (journal {:.0}, fold {:.0}, first decisions {:.0}), {} effects",
        (folded + decided).as_secs_f64() * 1e3,
        read.as_secs_f64() * 1e3,
        (folded - read).as_secs_f64() * 1e3,
        decided.as_secs_f64() * 1e3,
        effects.len()
    );
    journal.close(WAIT_MAX)?;
    Ok(())
}
