//! The power of hosts against real peers on loopback: OpenSSH's sshd and OpenIPMI's ipmi_sim, each a child of its test.

mod conformance;
mod last_resort;
mod loads;
mod peers;

use peers::{Bmc, Sshd, gate, processes, until};
use ridethrough_driver::{Cx, FailureKind, HostPower, TookEffect};
use ridethrough_model::{HostPowerState, Mono};
use ridethrough_platforms::ipmi::Ipmi;
use ridethrough_platforms::ssh::Ssh;
use std::fs;
use std::time::{Duration, Instant};

fn cx() -> Cx {
    Cx::within(Duration::from_secs(20), Mono(0))
}

fn brief() -> Cx {
    Cx::within(Duration::from_millis(1500), Mono(0))
}

#[tokio::test]
async fn a_host_that_runs_is_on_and_is_told_to_shut_down_once() {
    if !gate("ssh: on and shut down", &peers::SSHD) {
        return;
    }
    let sshd = Sshd::start();
    let down = sshd.file("down");
    let ssh = Ssh::new(sshd.config(&format!("echo down >> {}", down.display())));
    assert_eq!(ssh.observe(&cx()).await.expect("observed"), HostPowerState::On);
    assert!(!down.exists(), "looking must not shut it down");
    ssh.shut_down(&cx()).await.expect("shut down");
    assert_eq!(fs::read_to_string(&down).expect("the command ran"), "down\n");
    assert_eq!(ssh.wake(&cx()).await.expect_err("ssh cannot wake").kind(), FailureKind::Unsupported);
}

#[tokio::test]
async fn a_host_that_closes_the_connection_while_going_down_has_accepted() {
    if !gate("ssh: closes while going down", &peers::SSHD) {
        return;
    }
    let sshd = Sshd::start();
    let down = sshd.file("down");
    let ssh = Ssh::new(sshd.config(&format!("echo down >> {}; kill -9 $PPID", down.display())));
    ssh.shut_down(&cx()).await.expect("accepted");
    assert_eq!(fs::read_to_string(&down).expect("the command ran"), "down\n");
}

#[tokio::test]
async fn a_connection_that_ends_on_our_side_is_not_taken_for_the_host_going_down() {
    if !gate("ssh: ends on our side", &peers::SSHD) {
        return;
    }
    let sshd = Sshd::start();
    for signal in ["KILL", "TERM"] {
        let begun = sshd.file(signal);
        let ssh = Ssh::new(sshd.config(&format!("echo x > {0}; while [ -e {0} ]; do sleep 1; done", begun.display())));
        let cx = cx();
        let cut = async {
            assert!(until(Duration::from_secs(10), || begun.exists()).await, "the command runs");
            sshd.signal_clients(signal);
        };
        let (ended, ()) = tokio::join!(ssh.shut_down(&cx), cut);
        let error = ended.expect_err("nobody knows what became of it");
        assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unreachable, TookEffect::Possible), "{signal}: {error}");
    }
}

#[tokio::test]
async fn a_command_that_fails_is_refused_in_its_own_words() {
    if !gate("ssh: command fails", &peers::SSHD) {
        return;
    }
    let sshd = Sshd::start();
    let said = |command: &str| {
        let ssh = Ssh::new(sshd.config(command));
        async move { ssh.shut_down(&cx()).await.expect_err("it failed") }
    };
    let error = said("echo 'not on Sundays' >&2; exit 3").await;
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Refused, TookEffect::Possible));
    assert!(error.to_string().contains("not on Sundays"), "{error}");
    let error = said("echo 'sudo: a password is required' >&2; exit 1").await;
    assert_eq!(error.kind(), FailureKind::Unauthorized);
    assert!(error.to_string().contains("NOPASSWD"), "{error}");
    // An exit code that ssh uses itself, over a connection that lives on.
    let error = said("echo 'no' >&2; exit 255").await;
    assert_eq!(error.kind(), FailureKind::Refused, "{error}");
}

#[tokio::test]
async fn unknown_and_changed_host_keys_and_unknown_accounts_are_refused_with_a_remedy() {
    if !gate("ssh: keys", &peers::SSHD) {
        return;
    }
    let sshd = Sshd::start();
    let mut config = sshd.config("true");
    for (known, remedy) in [(String::new(), "ssh-keyscan"), (sshd.wrong_known_hosts(), "not the one in")] {
        let file = sshd.file("other_known_hosts");
        fs::write(&file, known).expect("written");
        config.known_hosts = Some(file);
        let ssh = Ssh::new(config.clone());
        for error in [ssh.observe(&cx()).await.err(), ssh.shut_down(&cx()).await.err()] {
            let error = error.expect("refused");
            assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unauthorized, TookEffect::No), "{error}");
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }
    let mut config = sshd.config("true");
    config.key = Some(sshd.other_key());
    let error = Ssh::new(config.clone()).observe(&cx()).await.expect_err("this key is not known there");
    assert_eq!(error.kind(), FailureKind::Unauthorized);
    assert!(error.to_string().contains("authorized_keys"), "{error}");
    config.key = Some(sshd.file("no-such-key"));
    assert_eq!(Ssh::new(config).observe(&cx()).await.expect_err("no key").kind(), FailureKind::Config);
}

#[tokio::test]
async fn names_of_files_may_hold_what_ssh_would_replace() {
    if !gate("ssh: odd names", &peers::SSHD) {
        return;
    }
    let sshd = Sshd::start();
    let mut config = sshd.config("true");
    for (place, name) in [(&mut config.known_hosts, "50% known %h"), (&mut config.key, "100% key %d")] {
        let odd = sshd.file(name);
        fs::copy(place.as_ref().expect("a file"), &odd).expect("copied");
        *place = Some(odd);
    }
    assert_eq!(Ssh::new(config).observe(&cx()).await.expect("observed"), HostPowerState::On);
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_unknown_in_time_never_off() {
    if !gate("ssh: silence", &peers::SSHD) {
        return;
    }
    let sshd = Sshd::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut config = sshd.config("true");
    config.port = silent.local_addr().expect("an address").port();
    let began = Instant::now();
    let ssh = Ssh::new(config.clone());
    assert_eq!(ssh.observe(&brief()).await.expect("no error"), HostPowerState::Unknown);
    let error = ssh.shut_down(&brief()).await.expect_err("nobody there");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unreachable, TookEffect::No));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop(silent);
    assert_eq!(Ssh::new(config).observe(&brief()).await.expect("no error"), HostPowerState::Unknown, "refused");
}

#[tokio::test]
async fn the_connection_is_kept_and_made_again_after_it_broke() {
    if !gate("ssh: warm", &peers::SSHD) {
        return;
    }
    let mut sshd = Sshd::start();
    let ssh = Ssh::new(sshd.config("kill -9 $PPID"));
    assert_eq!(ssh.observe(&cx()).await.expect("observed"), HostPowerState::On);
    sshd.stop();
    assert_eq!(ssh.observe(&cx()).await.expect("observed"), HostPowerState::On, "no new connection was needed");
    ssh.shut_down(&cx()).await.expect("over the connection kept");
    assert_eq!(ssh.observe(&cx()).await.expect("no error"), HostPowerState::Unknown, "it is gone now");
    sshd.start_again();
    assert_eq!(ssh.observe(&cx()).await.expect("observed"), HostPowerState::On, "dialled again");
}

#[tokio::test]
async fn no_process_outlives_the_driver_or_a_call_given_up() {
    if !gate("ssh: children", &peers::SSHD) {
        return;
    }
    let sshd = Sshd::start();
    let begun = sshd.file("begun");
    // It runs on without us, until the test takes its folder away.
    let ssh = Ssh::new(sshd.config(&format!("echo x > {0}; while [ -e {0} ]; do sleep 1; done", begun.display())));
    assert_eq!(ssh.observe(&cx()).await.expect("observed"), HostPowerState::On);
    let limit = Cx::within(Duration::from_secs(5), Mono(0));
    let error = ssh.shut_down(&limit).await.expect_err("it takes too long");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unreachable, TookEffect::Possible), "{error}");
    assert!(begun.exists(), "the command was running");
    assert!(sshd.clients() > 0, "the connection is kept");
    drop(ssh);
    assert!(until(Duration::from_secs(10), || sshd.clients() == 0).await, "ssh runs on");
}

#[tokio::test]
async fn a_bmc_says_off_and_on_and_wakes_the_host() {
    if !gate("ipmi: power", &peers::IPMI) {
        return;
    }
    let bmc = Bmc::start();
    let ipmi = Ipmi::new(bmc.config("admin", "secret", 3));
    assert_eq!(ipmi.observe(&cx()).await.expect("observed"), HostPowerState::Off);
    for _ in 0..2 {
        ipmi.wake(&cx()).await.expect("woken, and a host that is on stays on");
        assert!(bmc.is_on(), "the BMC switched it on");
        assert_eq!(ipmi.observe(&cx()).await.expect("observed"), HostPowerState::On);
    }
    bmc.switch_off();
    assert_eq!(ipmi.observe(&cx()).await.expect("observed"), HostPowerState::Off);
    let capability = ipmi.capability();
    assert!(capability.can_wake && capability.can_prove_off && !capability.can_shut_down);
    assert_eq!(ipmi.shut_down(&cx()).await.expect_err("cannot").kind(), FailureKind::Unsupported);
}

#[tokio::test]
async fn what_a_person_must_mend_at_a_bmc_is_an_error_and_wakes_nothing() {
    if !gate("ipmi: refusals", &peers::IPMI) {
        return;
    }
    let bmc = Bmc::start();
    let cases = [
        (bmc.config("admin", "wrong", 3), FailureKind::Unauthorized, "password"),
        (bmc.config("nobody", "secret", 3), FailureKind::Unauthorized, "user"),
        (bmc.config("admin", "secret", 17), FailureKind::Config, "cipher suite"),
        (bmc.config("admin", "a password of 25 bytes...", 3), FailureKind::Config, "20 bytes"),
    ];
    for (config, kind, remedy) in cases {
        let ipmi = Ipmi::new(config.clone());
        for error in [ipmi.observe(&cx()).await.err(), ipmi.wake(&cx()).await.err()] {
            let error = error.unwrap_or_else(|| panic!("{config:?} was let in"));
            assert_eq!((error.kind(), error.took_effect()), (kind, TookEffect::No), "{config:?}: {error}");
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }
    assert!(!bmc.is_on(), "nobody may have woken it");
}

#[tokio::test]
async fn a_bmc_that_does_not_answer_is_unknown_in_time_never_off() {
    if !gate("ipmi: silence", &peers::IPMI) {
        return;
    }
    let bmc = Bmc::start();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut config = bmc.config("admin", "secret", 3);
    config.port = silent.local_addr().expect("an address").port();
    let ipmi = Ipmi::new(config);
    let began = Instant::now();
    assert_eq!(ipmi.observe(&brief()).await.expect("no error"), HostPowerState::Unknown);
    assert_eq!(ipmi.wake(&brief()).await.expect_err("nobody there").kind(), FailureKind::Unreachable);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn no_ipmitool_outlives_a_call_given_up() {
    if !gate("ipmi: the child", &peers::IPMI) {
        return;
    }
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut config = Bmc::start().config("admin", "secret", 3);
    config.port = silent.local_addr().expect("an address").port();
    let mark = config.port.to_string();
    let calls = || processes().iter().filter(|(_, line)| line.contains("ipmitool") && line.contains(&mark)).count();
    let ipmi = Ipmi::new(config);
    silent.set_nonblocking(true).expect("set");
    {
        let cx = cx();
        let is_asked = async { until(Duration::from_secs(10), || silent.recv(&mut [0; 64]).is_ok()).await };
        tokio::select! {
            biased;
            is_asked = is_asked => assert!(is_asked, "ipmitool asks"),
            ended = ipmi.observe(&cx) => panic!("it ended too early: {ended:?}"),
        }
    }
    // By itself it would wait for the BMC for six seconds.
    assert!(until(Duration::from_secs(3), || calls() == 0).await, "ipmitool runs on");
}
