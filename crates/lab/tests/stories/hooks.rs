//! Hooks before and after a tier and a host: a program on the controller's machine, a command on the host over its sshd.

use crate::stage::{LATER, SOON, Stage, asked_before};

/// The hook of the least important tier is called before its guests are told anything, that of kvm1 when its guests are down, and
/// both again on the way back, the host's first.
pub fn around_tier_and_host(stage: &mut Stage) {
    let notes = stage.lab.dir().join("hooks-called");
    let first = stage.tier(2).next().expect("it has guests").clone();
    let console = stage.lab.console_path(first.home, first.name());
    let asked = asked_before(&stage.asked(), first.name());
    stage.restart_with(&format!(
        "[tier.hooks]\ntime_limit = \"3s\"\n{tier}{host}",
        tier = program(
            "before_stop",
            &format!(
                "echo \"$RIDETHROUGH_HOOK $RIDETHROUGH_TIER $(grep -acE '^(ASKED|IGNORED)' {}) $RIDETHROUGH_RUN\" >> {}",
                console.display(),
                notes.display()
            )
        ) + &program(
            "after_start",
            &format!("echo \"$RIDETHROUGH_HOOK $RIDETHROUGH_TIER $RIDETHROUGH_RUN\" >> {}", notes.display())
        ),
        host = host_hooks(stage, &notes.display().to_string()),
    ));
    let run = stage.next_run();
    stage.upsd.lose_mains("rack-a", 120.0);
    stage.until("kvm1 is off", LATER, |stage| stage.lab.bmc_says(1) == Some(false));
    assert!(stage.times_asked(first.name()) > asked, "{} was told to go down:\n{}", first.name(), stage.log());
    stage.upsd.mains_back("rack-a", 4.0);
    assert_eq!(stage.until_run_ends(run), "returned", "{}\n{}", stage.last_run(), stage.log());
    stage.until("the last hook is called", SOON, |_| called(&notes).len() >= 4);
    let tier = stage.tiers[2];
    let want = [
        format!("before-stop {tier} {asked} {run}"),
        format!("before-stop kvm1 {run}"),
        format!("after-start kvm1 {run}"),
        format!("after-start {tier} {run}"),
    ];
    assert_eq!(called(&notes), want, "{}", stage.log());
    stage.assert_all_home();
    stage.usual();
}

fn called(notes: &std::path::Path) -> Vec<String> {
    std::fs::read_to_string(notes).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn program(moment: &str, command: &str) -> String {
    format!("{moment} = {{ program = [\"/bin/sh\", \"-c\", '''{command}'''] }}\n")
}

fn host_hooks(stage: &Stage, notes: &str) -> String {
    let lab = &stage.lab;
    let ssh = |moment: &str| {
        format!(
            "{moment} = {{ ssh = {{ address = \"{}\", user = \"root\", key = {{ file = \"{}\" }}, known_hosts = \"{}\", \
             command = '''echo \"$RIDETHROUGH_HOOK $RIDETHROUGH_HOST $RIDETHROUGH_RUN\" >> {notes}''' }} }}\n",
            lab.host_address(1),
            lab.ssh_key().display(),
            lab.known_hosts().display(),
        )
    };
    format!("[host.kvm1.hooks]\ntime_limit = \"3s\"\n{}{}", ssh("before_stop"), ssh("after_start"))
}
