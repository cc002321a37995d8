//! Hosts, guests, links and BMCs.

use crate::SOON;
use ridethrough_lab::{Guest, GuestState, Lab, life, until};
use std::process::Output;
use std::time::{Duration, Instant};

pub(crate) fn a_move_is_one_life(lab: &Lab) {
    lab.wait_ready(1, "alpha").expect("it beats");
    lab.wait_ready(2, "beta").expect("it beats");
    for (from, to) in [(1, 2), (2, 1)] {
        lab.migrate("alpha", from, to).expect("virsh moves it");
        assert_eq!(lab.running_on("alpha"), vec![to]);
        let beats = lab.beats(to, "alpha").len();
        until("it beats there", SOON, || lab.beats(to, "alpha").len() > beats + 2).expect("it lives on");
    }
    let beats = lab.heartbeats("alpha");
    let life = life(&beats).expect("it has lived");
    assert_eq!((life.boots.len(), &life.hosts[..], life.repeated), (1, &[1, 2, 1][..], 0), "{beats:?}");
    assert!(life.missed_max <= 1, "{life:?}: {beats:?}");
    assert!(life.silence_max_s > 0.2 && life.silence_max_s < 15.0, "{life:?}");
    assert!(lab.virsh(1, &["dumpxml", "alpha"]).expect("its XML").contains("<rt:tag>power:critical</rt:tag>"));
    assert_eq!(lab.state(2, "alpha"), GuestState::Gone, "its definition went with it");
}

pub(crate) fn a_silence_is_seen_from_outside(lab: &Lab) {
    let beats = lab.heartbeats("alpha").len();
    lab.virsh(1, &["suspend", "alpha"]).expect("it is paused");
    let paused = lab.now_s();
    assert_eq!(lab.state(1, "alpha"), GuestState::Paused);
    until("two seconds pass", SOON, || lab.now_s() > paused + 2.0).expect("they do");
    lab.virsh(1, &["resume", "alpha"]).expect("it goes on");
    until("it beats again", SOON, || lab.heartbeats("alpha").iter().any(|beat| beat.seen_s > paused + 2.0)).expect("it lives");
    let beats = lab.heartbeats("alpha").split_off(beats - 1);
    let gap =
        beats.windows(2).max_by(|a, b| (a[1].seen_s - a[0].seen_s).total_cmp(&(b[1].seen_s - b[0].seen_s))).expect("two beats");
    assert!(gap[1].seen_s - gap[0].seen_s > 2.0, "the lab saw the silence: {gap:?}");
    assert!(gap[1].beat.uptime_s - gap[0].beat.uptime_s < 1.5, "the guest knows nothing of it: {gap:?}");
}

pub(crate) fn a_local_disk_keeps_a_guest_where_it_is(lab: &Lab) {
    let mut guest = Guest::new("disk", &["a & b <c>"]);
    guest.local_disk_mib = Some(16);
    guest.autostart = true;
    lab.define_guest(2, &guest).expect("it is defined");
    assert_eq!(lab.state(2, "disk"), GuestState::Off);
    assert!(lab.virsh(2, &["dumpxml", "disk"]).expect("its XML").contains("<rt:tag>a &amp; b &lt;c&gt;</rt:tag>"));
    assert!(lab.virsh(2, &["list", "--all", "--autostart", "--name"]).expect("a list").contains("disk"));
    lab.virsh_within(60, 2, &["start", "disk"]).expect("it starts");
    let refused = lab.migrate("disk", 2, 1).expect_err("libvirt refuses");
    assert!(refused.to_string().contains("shared storage"), "{refused}");
    assert_eq!(lab.running_on("disk"), vec![2]);
    lab.virsh(2, &["destroy", "disk"]).expect("it is switched off");
    lab.virsh(2, &["undefine", "disk"]).expect("it is forgotten");
}

pub(crate) fn links_are_limited_and_cut(lab: &Lab) {
    let fetch = |lab: &Lab| {
        let start = Instant::now();
        let got = ssh(lab, 1, "head -c 3000000 /dev/zero");
        assert_eq!(got.stdout.len(), 3_000_000, "{}", String::from_utf8_lossy(&got.stderr));
        start.elapsed()
    };
    lab.limit_link(1, Some(8)).expect("tc limits it");
    let limited = fetch(lab);
    lab.limit_link(1, None).expect("tc lifts it");
    assert!(limited > Duration::from_millis(2400), "3 MB at 8 Mbit/s take three seconds, not {limited:?}");
    assert!(fetch(lab) < limited);
    lab.cut_link(1).expect("ip cuts it");
    lab.virsh_within(2, 1, &["uri"]).expect_err("nobody answers");
    assert!(lab.on_host(1, &["virsh", "list", "--name"]).expect("its own console works").contains("alpha"));
    lab.heal_link(1).expect("ip heals it");
    lab.wait_up(1).expect("it answers again");
}

pub(crate) fn down_over_ssh_and_back_by_bmc(lab: &Lab) {
    let told = ssh(lab, 1, "shutdown -h now");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    until("the BMC says off", SOON, || lab.bmc_says(1) == Some(false)).expect("it goes down");
    assert_eq!(lab.shutdowns_asked(1), ["shutdown -h now"]);
    assert!(!lab.is_on(1) && lab.is_on(2), "it alone");
    assert_eq!(lab.running_on("alpha"), Vec::<usize>::new());
    ipmi(lab, 1, "on");
    lab.wait_up(1).expect("it comes back");
    assert_eq!(lab.bmc_says(1), Some(true));
    ipmi(lab, 1, "soft");
    until("the BMC says off", SOON, || lab.bmc_says(1) == Some(false)).expect("the button works");
    ipmi(lab, 1, "on");
    lab.wait_up(1).expect("it comes back");
    ipmi(lab, 1, "off");
    assert_eq!(lab.bmc_says(1), Some(false), "at once");
    lab.power_on(1).expect("the lab's own button works");
    assert_eq!(lab.bmc_says(1), Some(true));
}

pub(crate) fn a_planned_shutdown_is_called_off(lab: &Lab) {
    let is_pending = |lab: &Lab| lab.on_host(1, &["pgrep", "-x", "-f", "sleep 300"]).is_ok();
    assert!(ssh(lab, 1, "shutdown +5").status.success());
    assert!(is_pending(lab), "it waits for five minutes");
    assert!(ssh(lab, 1, "shutdown -c").status.success());
    until("nothing waits any more", SOON, || !is_pending(lab)).expect("it is called off");
    assert!(!ssh(lab, 1, "shutdown -r now").status.success(), "what the lab cannot play is refused");
    assert!(lab.is_on(1));
}

pub(crate) fn a_power_cut_kills_the_guests(lab: &Lab) {
    lab.virsh(2, &["shutdown", "beta", "--mode", "acpi"]).expect("libvirt says yes");
    until("it ignores the button", SOON, || lab.console(2, "beta").contains("IGNORED")).expect("it hangs on purpose");
    assert_eq!(lab.state(2, "beta"), GuestState::Running);
    lab.cut_power(2);
    let beats = lab.beats(2, "beta").len();
    until("the BMC sees it", SOON, || lab.bmc_says(2) == Some(false)).expect("the BMC says off");
    assert_eq!(lab.beats(2, "beta").len(), beats, "nothing beats after the power is gone");
    lab.power_on(2).expect("it boots");
    assert_eq!(lab.state(2, "beta"), GuestState::Off, "its definition has survived, the guest has not");
    assert!(lab.said("beta").iter().all(|line| line.host == 2 && !line.text.starts_with("DOWN")), "it never went down cleanly");
}

fn ssh(lab: &Lab, host: usize, command: &str) -> Output {
    let known = format!("UserKnownHostsFile={}", lab.known_hosts().display());
    let key = lab.ssh_key().to_string_lossy().into_owned();
    let target = format!("root@{}", lab.host_name(host));
    let options =
        ["-i", &key, "-o", &known, "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", &target, command].map(str::to_owned);
    lab.command("ssh", &options).expect("ssh runs")
}

fn ipmi(lab: &Lab, host: usize, power: &str) {
    let (bmc, port) = (lab.bmc(host), lab.bmc(host).port.to_string());
    let password = bmc.password_file.to_string_lossy().into_owned();
    let access = ["-C", "3", "-I", "lanplus", "-H", &bmc.address, "-p", &port, "-U", &bmc.user, "-f", &password];
    let args: Vec<String> = access.into_iter().chain(["chassis", "power", power]).map(str::to_owned).collect();
    let told = lab.command("ipmitool", &args).expect("ipmitool runs");
    assert!(told.status.success(), "power {power}: {}", String::from_utf8_lossy(&told.stderr));
}
