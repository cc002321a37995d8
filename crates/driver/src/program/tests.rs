//! Real programs of this machine: what they can do to whoever runs them.

use super::*;
use std::time::Duration;

fn program(words: &[&str]) -> Program {
    Program::of(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).expect("a program")
}

async fn run(words: &[&str], limit: Duration) -> Result<Ended, NotEnded> {
    program(words).run([("RIDETHROUGH_PHASE", "before")], &[], Instant::now() + limit).await
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn point_5_loads_a_program_gets_a_clean_environment_and_no_shell() {
    let ended = run(&["/usr/bin/env"], LONG).await.expect("it ends");
    assert_eq!(ended.status, Some(0));
    let names: Vec<&str> = ended.said.split("; ").filter_map(|set| set.split('=').next()).collect();
    assert!(names.contains(&"RIDETHROUGH_PHASE") && names.iter().all(|n| ["PATH", "RIDETHROUGH_PHASE"].contains(n)), "{names:?}");
    let echoed = run(&["/bin/echo", "$HOME; rm -rf x"], LONG).await.expect("it ends");
    assert_eq!(echoed.said, "$HOME; rm -rf x", "no shell reads it");
    assert!(Program::of(&[]).is_none() && Program::of(&[String::new()]).is_none());
}

#[tokio::test]
async fn point_5_loads_a_program_that_hangs_is_killed_with_all_it_started() {
    let dir = tempfile::tempdir().expect("a folder");
    let pid_file = dir.path().join("pid");
    let script = format!("echo begun; sleep 600 & echo $! > {}; wait", pid_file.display());
    let begun = Instant::now();
    let error = run(&["/bin/sh", "-c", &script], Duration::from_millis(1500)).await.expect_err("it never ends by itself");
    assert!(matches!(&error, NotEnded::Killed(said) if said == "begun"), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let pid = std::fs::read_to_string(&pid_file).expect("it had begun").trim().to_owned();
    let is_gone = || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
    let limit = Instant::now() + LONG;
    while !is_gone() && Instant::now() < limit {
        tokio::task::yield_now().await;
    }
    assert!(is_gone(), "its child {pid} lives on");
}

#[tokio::test]
async fn point_5_loads_what_a_program_says_is_bounded_and_shown() {
    let script = "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo bad >&2; exit 4";
    let ended = run(&["/bin/sh", "-c", script], LONG).await.expect("a full pipe must not block it");
    assert_eq!(ended.status, Some(4));
    assert!(ended.said.chars().count() <= 300, "{}", ended.said);
    assert_eq!(run(&["/bin/sh", "-c", "kill -9 $$"], LONG).await.expect("it ends").status, None);
    assert!(matches!(run(&["/nowhere/stop-nas"], LONG).await, Err(NotEnded::NotBegun(_))));
}

#[tokio::test]
async fn point_5_loads_what_a_program_leaves_running_does_not_hold_it_up() {
    let begun = Instant::now();
    let ended = run(&["/bin/sh", "-c", "sleep 15 & echo left"], LONG).await.expect("it ends");
    assert_eq!((ended.status, ended.said.as_str()), (Some(0), "left"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn point_8_a_program_gets_its_input_whole_and_need_not_read_it() {
    let input = "0123456789".repeat(100_000);
    let fed = |words: &'static [&'static str]| {
        let input = input.clone();
        async move { program(words).run([], input.as_bytes(), Instant::now() + LONG).await.expect("it ends") }
    };
    assert_eq!(fed(&["/usr/bin/wc", "-c"]).await, Ended { status: Some(0), said: "1000000".to_owned() });
    assert_eq!(fed(&["/bin/true"]).await.status, Some(0), "it read nothing of it");
    let busy = fed(&["/bin/cat"]).await;
    assert!(busy.said.starts_with("0123456789") && busy.status == Some(0), "both ways at once: {busy:?}");
    assert_eq!(run(&["/usr/bin/wc", "-c"], LONG).await.expect("it ends").said, "0", "no input is an empty one");
}
