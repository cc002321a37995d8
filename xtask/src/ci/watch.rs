//! Starts a child and ends it when its time is over, with everything it started.
//!
//! Only when asked to (in CI): the child is then in a process group of its own, which a terminal's Ctrl-C would not reach.

use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

/// Between the polite end and the other one.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Watched {
    child: Child,
    watch: Option<(SyncSender<()>, JoinHandle<()>)>,
}

pub(crate) fn spawn(command: &mut Command, time_max: Option<Duration>) -> Result<Watched> {
    if time_max.is_some() {
        command.process_group(0);
    }
    let child = command.spawn().context("cargo could not be started")?;
    let group = child.id();
    let watch = time_max.map(|time_max| {
        let (ended, wait) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            if wait.recv_timeout(time_max) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            println!("\n=== HANGS: not done after {} s, ended", time_max.as_secs());
            signal(group, "TERM");
            if wait.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
                signal(group, "KILL");
            }
        });
        (ended, thread)
    });
    Ok(Watched { child, watch })
}

impl Watched {
    pub(crate) fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for the end; true for success.
    pub(crate) fn wait(mut self) -> Result<bool> {
        let status = self.child.wait().context("cargo got lost")?;
        if let Some((ended, thread)) = self.watch.take() {
            // The watcher may have gone already: it then has nothing left to do.
            drop(ended);
            thread.join().ok();
        }
        Ok(status.success())
    }
}

fn signal(group: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), "--", &format!("-{group}")]).status();
    if let Err(error) = sent {
        println!("=== could not end it: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_child_that_hangs_is_ended_with_what_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo begun; wait"]).stdout(Stdio::piped());
        let mut child = spawn(&mut command, Some(Duration::from_millis(200))).expect("sh can be started");
        let mut text = String::new();
        // Ends only when nobody holds the pipe any more: the sleeper as well must be gone.
        child.output().expect("it is piped").read_to_string(&mut text).expect("it is text");
        assert_eq!(text, "begun\n");
        assert!(!child.wait().expect("it can be waited for"));
    }

    #[test]
    fn a_child_that_ends_in_time_is_left_alone() {
        let mut command = Command::new("true");
        let child = spawn(&mut command, Some(Duration::from_secs(600))).expect("it can be started");
        assert!(child.wait().expect("it can be waited for"));
    }
}
