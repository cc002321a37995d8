//! Processes that die with the lab, and waiting for what can be observed.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A child that is killed on drop, and by the kernel if this process dies first.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program; its output goes to a file.
    pub(crate) fn start(name: &str, program: &str, args: &[&str], envs: &[(&str, &str)], log: &Path) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log).with_context(|| format!("log {}", log.display()))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", program])
            .args(args)
            .envs(envs.iter().copied())
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self { child })
    }
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
    /// SIGKILL, and waits until it is gone. The child handle makes sure that it is ours and no other of the same number.
    pub(crate) fn kill(&mut self) {
        let killed = self.child.kill();
        drop(killed);
        let waited = self.child.wait();
        drop(waited);
    }
    /// SIGTERM; returns its exit code if it ends in time.
    pub(crate) fn terminate(&mut self, limit: Duration) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        if rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_err() {
            return None;
        }
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.code();
            }
            pause();
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end; its output, or everything about its failure.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().with_context(|| format!("run {program}"))?;
    checked(program, args, &output)
}

fn checked(program: &str, args: &[&str], output: &Output) -> Result<String> {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let err = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}: {out}{err}", args.join(" "), output.status);
    }
    Ok(out)
}

/// Waits until something can be observed. The one place in the lab that lets time pass.
///
/// # Errors
/// If it cannot be observed in time; says what was waited for.
pub fn until(what: &str, limit: Duration, mut seen: impl FnMut() -> bool) -> Result<Duration> {
    let start = Instant::now();
    loop {
        if seen() {
            return Ok(start.elapsed());
        }
        if start.elapsed() > limit {
            bail!("waited {limit:?} in vain: {what}");
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "the lab's one pause between two looks at the outside")]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
