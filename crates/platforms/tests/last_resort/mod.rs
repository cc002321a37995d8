//! The dead-man timer on a real sshd: it outlives the connection, moves, goes without a trace, and stops guests before the host.

use crate::peers::{self, Sshd, gate, processes, until};
use crate::{brief, cx};
use ridethrough_driver::{FailureKind, HostAgent, LastResort, TimerOrder, TookEffect};
use ridethrough_model::{LastResortState, Millis};
use ridethrough_platforms::ssh::{DeadManTimer, Ssh};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const LONG: u64 = 600;
const SOON: Duration = Duration::from_secs(15);

/// A host of its own, with a name that nobody else has.
struct Host {
    sshd: Sshd,
    name: String,
}

impl Host {
    fn start(what: &str) -> Option<Self> {
        if !gate(&format!("ssh: last resort: {what}"), &peers::SSHD) {
            return None;
        }
        let sshd = Sshd::start();
        let name = format!("kvm-{}", sshd.config("true").port);
        Some(Self { sshd, name })
    }

    fn runs(&self, guest: &str) {
        fs::write(self.sshd.file("guests").join(guest), "").expect("written");
    }

    fn down(&self) -> PathBuf {
        self.sshd.file("down")
    }

    fn timer(&self) -> DeadManTimer {
        // Guests seen off first are what the host's end is compared with.
        let (told, down) = (self.sshd.file("told"), self.down());
        self.timer_that(&format!("(cat {}; echo \"it's down\") >> {}.new 2>&1; mv {1}.new {1}", told.display(), down.display()))
    }

    fn timer_that(&self, command: &str) -> DeadManTimer {
        DeadManTimer::new(Arc::new(Ssh::new(self.sshd.config(command))), &self.name)
    }

    /// The timers on the host: each leads its session, unlike a child that is about to become something else.
    fn processes(&self) -> Vec<(String, String)> {
        let mark = format!(" ridethrough-last-resort {} ", self.name);
        let leads = |id: &str| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3)).is_some_and(|session| session == id)
        };
        processes().into_iter().filter(|(id, line)| line.contains(&mark) && leads(id)).collect()
    }

    /// What the timer has left on the host.
    fn traces(&self) -> Vec<PathBuf> {
        let of_ours = |path: &PathBuf| path.to_string_lossy().ends_with(&self.name);
        let list = |dir| fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path());
        list("/run").chain(list("/tmp")).filter(of_ours).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for (id, _) in self.processes() {
            let _ended = std::process::Command::new("kill").args(["-9", "--", &format!("-{id}")]).output();
        }
        for trace in self.traces() {
            let _gone = fs::remove_dir_all(trace);
        }
    }
}

fn order(seconds: u64) -> TimerOrder {
    TimerOrder { fires_in: Millis::from_secs(seconds), guests_max: Millis::from_secs(20) }
}

fn left(state: LastResortState) -> u64 {
    match state {
        LastResortState::Set { fires_in } => fires_in.0 / 1000,
        other => panic!("no timer: {other:?}"),
    }
}

#[tokio::test]
async fn point_4_last_resort_outlives_us_and_stops_guests_before_the_host() {
    let Some(mut host) = Host::start("outlives us") else { return };
    host.runs("vm-1");
    host.runs("vm-2");
    let virsh = Ssh::new(host.sshd.config(&format!("command -v virsh > {}", host.sshd.file("which").display())));
    ridethrough_driver::HostPower::shut_down(&virsh, &cx()).await.expect("ran");
    assert_eq!(fs::read_to_string(host.sshd.file("which")).expect("read").trim(), host.sshd.file("bin/virsh").to_string_lossy());
    let timer = host.timer();
    assert!(left(timer.set(&cx(), order(4)).await.expect("set")) <= 4);
    host.sshd.stop();
    host.sshd.signal_clients("KILL");
    drop(timer);
    assert!(!host.down().exists(), "not before its time");
    assert!(until(SOON, || host.down().exists()).await, "it fires without us");
    let said = fs::read_to_string(host.down()).expect("read");
    let mut lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.pop(), Some("it's down"), "guests first: {said}");
    lines.sort_unstable();
    assert_eq!(lines, ["vm-1", "vm-2"], "each told once");
}

#[tokio::test]
async fn point_4_last_resort_moves_both_ways_and_is_one() {
    let Some(host) = Host::start("moves") else { return };
    let timer = host.timer();
    assert_eq!(timer.observe(&cx()).await.expect("asked"), LastResortState::Idle);
    assert!(host.traces().is_empty(), "looking leaves nothing behind");
    assert!((LONG - 5..=LONG).contains(&left(timer.set(&cx(), order(LONG)).await.expect("set"))));
    let first = host.processes();
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(left(timer.set(&cx(), order(LONG * 2)).await.expect("set")) > LONG, "later");
    assert!(left(timer.set(&cx(), order(60)).await.expect("set")) <= 60, "earlier");
    assert!((50..=60).contains(&left(timer.observe(&cx()).await.expect("asked"))));
    assert_eq!(host.processes(), first, "one timer, the same");
    // Another process of ours, and another command: the new one takes its place.
    let other = host.timer_that("echo other");
    assert!((50..=60).contains(&left(other.observe(&cx()).await.expect("asked"))), "seen by another of us");
    assert!(left(other.set(&cx(), order(LONG)).await.expect("set")) > 60);
    assert!(until(SOON, || host.processes().len() == 1).await, "{:?}", host.processes());
    assert!(host.processes()[0].1.contains("echo other"), "{:?}", host.processes());
    assert_eq!(other.cancel(&cx()).await.expect("cancelled"), LastResortState::Idle);
}

#[tokio::test]
async fn point_4_last_resort_is_cancelled_without_a_trace_by_whoever_comes() {
    let Some(host) = Host::start("cancelled") else { return };
    host.timer().set(&cx(), order(3)).await.expect("set");
    let another = host.timer();
    for _ in 0..2 {
        assert_eq!(another.cancel(&cx()).await.expect("cancelled"), LastResortState::Idle);
        assert!(host.traces().is_empty(), "{:?}", host.traces());
        assert!(until(Duration::from_secs(2), || host.processes().is_empty()).await, "{:?}", host.processes());
    }
    assert_eq!(another.observe(&cx()).await.expect("asked"), LastResortState::Idle);
    assert!(!until(Duration::from_secs(4), || host.down().exists()).await, "a cancelled timer fires");
}

#[tokio::test]
async fn point_4_last_resort_whose_process_was_killed_is_none_and_is_set_again() {
    let Some(host) = Host::start("killed") else { return };
    let timer = host.timer();
    timer.set(&cx(), order(LONG)).await.expect("set");
    let kill = |host: &Host| {
        for (id, _) in host.processes() {
            assert!(std::process::Command::new("kill").args(["-9", &id]).status().expect("ran").success());
        }
    };
    kill(&host);
    assert!(until(SOON, || host.processes().is_empty()).await);
    assert_eq!(timer.observe(&cx()).await.expect("asked"), LastResortState::Idle, "it would not fire");
    timer.set(&cx(), order(LONG)).await.expect("set");
    assert_eq!(host.processes().len(), 1);
    assert_eq!(timer.cancel(&cx()).await.expect("cancelled"), LastResortState::Idle);
}

#[tokio::test]
async fn point_4_last_resort_can_be_called_off_while_guests_stop_but_not_after() {
    let Some(host) = Host::start("called off") else { return };
    host.runs("vm-1");
    fs::write(host.sshd.file("deaf"), "").expect("written");
    let timer = host.timer();
    timer.set(&cx(), order(0)).await.expect("set");
    assert!(until(SOON, || host.sshd.file("told").exists()).await, "it stops guests");
    assert_eq!(timer.observe(&cx()).await.expect("asked"), LastResortState::Fired);
    assert_eq!(timer.set(&cx(), order(LONG)).await.expect("asked"), LastResortState::Fired, "too late to move");
    assert_eq!(timer.cancel(&cx()).await.expect("cancelled"), LastResortState::Idle);
    assert!(until(Duration::from_secs(2), || host.processes().is_empty()).await, "{:?}", host.processes());
    assert!(host.traces().is_empty(), "{:?}", host.traces());
    assert!(!host.down().exists(), "mains is back: the host stays");
    // A guest that never stops costs its time, not the host.
    let brief_guests = TimerOrder { fires_in: Millis::ZERO, guests_max: Millis::from_secs(2) };
    timer.set(&cx(), brief_guests).await.expect("set");
    assert!(until(SOON, || host.down().exists()).await, "the host goes down with a guest that does not");
    assert_eq!(timer.cancel(&cx()).await.expect("asked"), LastResortState::Fired, "it is going down");
}

#[tokio::test]
async fn point_4_last_resort_lost_contact_is_never_taken_for_set_or_cancelled() {
    let Some(mut host) = Host::start("lost contact") else { return };
    let timer = host.timer();
    timer.set(&cx(), order(LONG)).await.expect("set");
    host.sshd.stop();
    host.sshd.signal_clients("KILL");
    for error in
        [timer.set(&brief(), order(LONG)).await.err(), timer.cancel(&brief()).await.err(), timer.observe(&brief()).await.err()]
    {
        let error = error.expect("nobody there");
        assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unreachable, TookEffect::No), "{error}");
    }
    host.sshd.start_again();
    assert!(left(timer.observe(&cx()).await.expect("asked")) > 0, "it was there all the time");
    assert_eq!(timer.cancel(&cx()).await.expect("cancelled"), LastResortState::Idle);
}

#[tokio::test]
async fn point_4_last_resort_place_that_somebody_else_took_is_refused() {
    let Some(host) = Host::start("taken place") else { return };
    let timer = host.timer();
    timer.set(&cx(), order(LONG)).await.expect("set");
    let place = host.traces().pop().expect("a directory");
    assert_eq!(timer.cancel(&cx()).await.expect("cancelled"), LastResortState::Idle);
    std::os::unix::fs::symlink(host.sshd.file("elsewhere"), &place).expect("made");
    let error = timer.set(&cx(), order(LONG)).await.expect_err("refused");
    fs::remove_file(&place).expect("removed");
    assert_eq!(error.kind(), FailureKind::Refused);
    assert!(error.to_string().contains("not ours"), "{error}");
    assert!(!host.sshd.file("elsewhere").exists() && host.processes().is_empty());
}

#[tokio::test]
async fn point_4_last_resort_of_others_is_recognised() {
    let Some(host) = Host::start("agents") else { return };
    // A program of that name, as upsmon would be seen.
    let upsmon = host.sshd.file("upsmon");
    fs::copy("/bin/sleep", &upsmon).expect("copied");
    let mut child = std::process::Command::new(&upsmon).arg("60").spawn().expect("runs");
    let found = host.timer().agents(&cx()).await;
    child.kill().and_then(|()| child.wait()).expect("ended");
    let found = found.expect("asked");
    assert!(found.iter().any(|HostAgent { name, is_running, .. }| name == "upsmon" && *is_running), "{found:?}");
}
