//! The lab itself, on real parts: what the stories stand on.

use ridethrough_lab::{Guest, GuestState, Lab, Upsd, gate, until};
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// One lab for all: booting guests is what takes time.
#[test]
fn the_lab_is_what_it_says() {
    if !gate("the_lab_is_what_it_says") {
        return;
    }
    let lab = Lab::new(2).expect("two hosts");
    let prefix = namespaces().into_iter().find(|name| name.ends_with("-m")).expect("a management namespace of ours");
    guests_beat_and_migrate_alive(&lab);
    a_host_goes_down_over_ssh_and_comes_back_by_its_bmc(&lab);
    a_power_cut_kills_the_guests(&lab);
    upsd_says_what_the_script_says(&lab);
    drop(lab);
    let stem = prefix.trim_end_matches("-m").to_owned();
    assert!(!namespaces().iter().any(|name| name.starts_with(&stem)), "nothing of {stem} remains");
}

fn namespaces() -> Vec<String> {
    let out = Command::new("ip").args(["netns", "list"]).output().expect("ip is there");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.split(' ').next()).filter(|name| name.starts_with("rt"));
    names.map(str::to_owned).collect()
}

fn guests_beat_and_migrate_alive(lab: &Lab) {
    let guest = Guest::new("alpha", &["power:critical"]);
    lab.start_guest(1, &guest).expect("it starts");
    lab.wait_ready(1, "alpha").expect("it beats");
    let flags = ["migrate", "--live", "--p2p", "--persistent", "--undefinesource", "alpha"];
    let mut args = flags.to_vec();
    let uri = lab.libvirt_uri(2);
    args.push(&uri);
    lab.virsh(1, &args).expect("virsh migrates it");
    assert_eq!(lab.running_on("alpha"), vec![2]);
    until("it beats on the other host", SOON, || lab.beats(2, "alpha").len() > 3).expect("it lives on");
    let (before, after) = (lab.beats(1, "alpha"), lab.beats(2, "alpha"));
    let (last, first) = (before.last().expect("it beat"), after.first().expect("it beats"));
    assert_eq!(last.boot, first.boot, "the same boot");
    assert!(first.count > last.count && first.count <= last.count + 2, "{last:?} then {first:?}");
    assert!(lab.virsh(2, &["dumpxml", "alpha"]).expect("its XML").contains("<rt:tag>power:critical</rt:tag>"));
}

fn a_host_goes_down_over_ssh_and_comes_back_by_its_bmc(lab: &Lab) {
    let target = format!("root@{}", lab.host_address(1));
    let options = [
        "-i",
        &lab.ssh_key().to_string_lossy(),
        "-o",
        &format!("UserKnownHostsFile={}", lab.known_hosts().display()),
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "BatchMode=yes",
        &target,
        "shutdown -h now",
    ]
    .map(str::to_owned);
    let told = lab.command("ssh", &options).expect("ssh runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    until("the BMC says off", SOON, || lab.bmc_says(1) == Some(false)).expect("it goes down");
    assert!(!lab.is_on(1));
    let bmc = lab.bmc(1);
    let options = [
        "-C",
        "3",
        "-I",
        "lanplus",
        "-H",
        &bmc.address,
        "-p",
        &bmc.port.to_string(),
        "-U",
        &bmc.user,
        "-f",
        &bmc.password_file.to_string_lossy(),
        "chassis",
        "power",
        "on",
    ]
    .map(str::to_owned);
    assert!(lab.command("ipmitool", &options).expect("ipmitool runs").status.success());
    lab.wait_up(1).expect("it comes back");
}

fn a_power_cut_kills_the_guests(lab: &Lab) {
    let guest = Guest::new("beta", &[]).with("rt.ignore=1 rt.noagent=1");
    lab.start_guest(1, &guest).expect("it starts");
    lab.wait_ready(1, "beta").expect("it beats");
    lab.virsh(1, &["shutdown", "beta", "--mode", "acpi"]).expect("libvirt says yes");
    until("it ignores the button", SOON, || lab.console(1, "beta").contains("IGNORED")).expect("it hangs on purpose");
    assert_eq!(lab.state(1, "beta"), GuestState::Running);
    lab.cut_power(1);
    until("the BMC sees it", SOON, || lab.bmc_says(1) == Some(false)).expect("the BMC says off");
    lab.power_on(1).expect("it boots");
    assert_eq!(lab.state(1, "beta"), GuestState::Off, "its definition has survived, the guest has not");
}

fn upsd_says_what_the_script_says(lab: &Lab) {
    let upsd = Upsd::start(lab, &["rack-a", "rack-b"]).expect("upsd");
    assert_eq!(upsd.asked("rack-a", "ups.status").expect("upsc"), "OL");
    upsd.lose_mains("rack-a", 100.0);
    until("on battery", SOON, || upsd.asked("rack-a", "ups.status").is_ok_and(|status| status == "OB DISCHRG"))
        .expect("it says so");
    let runtime: f64 = upsd.asked("rack-a", "battery.runtime").expect("upsc").parse().expect("a number");
    assert!(runtime <= 100.0 && runtime > 80.0, "{runtime}");
    assert_eq!(upsd.asked("rack-b", "ups.status").expect("upsc"), "OL");
    upsd.set_stale("rack-a", true);
    let says = |text: &str| upsd.asked("rack-a", "ups.status").is_err_and(|error| error.to_string().contains(text));
    until("stale", SOON, || says("stale")).expect("upsd notices the silence");
    upsd.set_stale("rack-a", false);
    upsd.set_connected("rack-a", false);
    until("not connected", SOON, || says("not connected")).expect("upsd notices the loss");
    upsd.set_connected("rack-a", true);
    until("back", SOON, || upsd.asked("rack-a", "ups.status").is_ok()).expect("it is back");
}
