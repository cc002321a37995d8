//! Loads against real peers: commands over OpenSSH's sshd, programs and `ping` of this machine.

use crate::peers::{self, Sshd, gate};
use ridethrough_driver::program::Program;
use ridethrough_driver::{Cx, FailureKind, HostPower, Order, TookEffect};
use ridethrough_model::{HostPowerState, Mono};
use ridethrough_platforms::load::{Commanded, Orders, Ping};
use ridethrough_platforms::order::Local;
use ridethrough_platforms::ssh::Ssh;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn cx() -> Cx {
    Cx::within(Duration::from_secs(20), Mono(0))
}

fn of(orders: [Option<Arc<dyn Order>>; 3]) -> Commanded {
    let [stop, probe, start] = orders;
    Commanded::new(Orders { stop, probe, start, time_max: Duration::from_secs(10) })
}

fn ssh(sshd: &Sshd, command: &str) -> Option<Arc<dyn Order>> {
    Some(Arc::new(Ssh::new(sshd.config(command))))
}

fn script(text: &str) -> Option<Arc<dyn Order>> {
    let words = ["/bin/sh", "-c", text].map(str::to_owned);
    Some(Arc::new(Local::new(Program::of(&words).expect("words"))))
}

/// Told, and seen by its own words: on, off, on.
async fn goes_down_and_up(load: &Commanded) {
    assert_eq!(load.observe(&cx()).await.expect("observed"), HostPowerState::On);
    load.shut_down(&cx()).await.expect("stopped");
    assert_eq!(load.observe(&cx()).await.expect("observed"), HostPowerState::Off);
    load.shut_down(&cx()).await.expect("told twice");
    load.wake(&cx()).await.expect("started");
    assert_eq!(load.observe(&cx()).await.expect("observed"), HostPowerState::On);
}

fn words(file: &Path) -> [String; 3] {
    let file = file.display();
    [format!("touch {file}"), format!("! test -e {file} || exit 3"), format!("rm {file}")]
}

#[tokio::test]
async fn point_5_loads_over_ssh_one_is_stopped_seen_off_and_started() {
    if !gate("loads: ssh", &peers::SSHD) {
        return;
    }
    let sshd = Sshd::start();
    let [stop, probe, start] = words(&sshd.file("off"));
    goes_down_and_up(&of([ssh(&sshd, &stop), ssh(&sshd, &probe), ssh(&sshd, &start)])).await;
}

#[tokio::test]
async fn point_5_loads_by_a_program_one_is_stopped_seen_off_and_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let [stop, probe, start] = words(&dir.path().join("off"));
    goes_down_and_up(&of([script(&stop), script(&probe), script(&start)])).await;
}

#[tokio::test]
async fn point_5_loads_a_stop_that_takes_the_network_down_is_heard_and_a_probe_that_is_cut_says_nothing() {
    if !gate("loads: ssh cut", &peers::SSHD) {
        return;
    }
    let sshd = Sshd::start();
    let told = sshd.file("told");
    let load = of([ssh(&sshd, &format!("touch {}; kill -9 $PPID", told.display())), ssh(&sshd, "kill -9 $PPID"), None]);
    load.shut_down(&cx()).await.expect("heard");
    assert!(told.exists(), "it was run");
    assert_eq!(load.observe(&cx()).await.expect("observed"), HostPowerState::Unknown, "a cut connection is neither on nor off");
}

#[tokio::test]
async fn point_5_loads_what_says_neither_is_unknown_and_what_fails_is_told_with_its_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let load = of([script("echo the array is busy >&2; exit 1"), script("exit 1"), None]);
    assert_eq!(load.observe(&cx()).await.expect("observed"), HostPowerState::Unknown, "a broken probe is not off");
    let failed = load.shut_down(&cx()).await.expect_err("it said no");
    assert_eq!((failed.kind(), failed.took_effect()), (FailureKind::Busy, TookEffect::Possible));
    assert!(failed.to_failure().message.contains("the array is busy"), "{}", failed.to_failure().message);
    assert_eq!(load.wake(&cx()).await.expect_err("no order for it").kind(), FailureKind::Unsupported);
    let missing = Program::of(&[dir.path().join("nothing").to_string_lossy().into_owned()]).expect("words");
    let load = of([Some(Arc::new(Local::new(missing))), None, None]);
    let failed = load.shut_down(&cx()).await.expect_err("no such program");
    assert_eq!((failed.kind(), failed.took_effect()), (FailureKind::Config, TookEffect::No));
}

#[tokio::test]
async fn point_5_loads_one_that_hangs_is_ended_with_all_it_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pid");
    let text = format!("sleep 1000 & echo $! > {}; wait", file.display());
    let orders = Orders { stop: script(&text), probe: None, start: None, time_max: Duration::from_millis(800) };
    let hung = Commanded::new(orders).shut_down(&cx()).await.expect_err("it hangs");
    assert_eq!((hung.kind(), hung.took_effect()), (FailureKind::Unreachable, TookEffect::Possible));
    let pid = fs::read_to_string(&file).expect("it was begun");
    // A signal that was sent is not yet one that has ended somebody.
    let has_ended = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    assert!(peers::until(Duration::from_secs(20), has_ended).await, "its child has ended too");
}

#[tokio::test]
async fn point_5_loads_a_ping_says_on_and_never_off() {
    if !gate("loads: ping", &["/bin/ping"]) {
        return;
    }
    assert_eq!(Ping::new("127.0.0.1".to_owned()).observe(&cx()).await.expect("observed"), HostPowerState::On);
    assert_eq!(Ping::new("no.such.host.invalid".to_owned()).observe(&cx()).await.expect("observed"), HostPowerState::Unknown);
    assert!(!Ping::new("127.0.0.1".to_owned()).capability().can_prove_off);
}
