//! Processes that die with the lab, and waiting for what can be observed.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
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
        fleeting(self.child.kill());
        fleeting(self.child.wait());
    }
    /// SIGTERM; returns its exit code if it ends in time.
    pub(crate) fn terminate(&mut self, limit: Duration) -> Option<i32> {
        let pid = Pid::from_child(&self.child);
        if self.is_running() && rustix::process::kill_process(pid, Signal::TERM).is_err() {
            return None;
        }
        self.wait_exit(limit)
    }
    /// Its exit code, if it ends in time by itself.
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> Option<i32> {
        let mut code = None;
        let ended = until("a process ends", limit, || match self.child.try_wait() {
            Ok(Some(status)) => {
                code = status.code();
                true
            }
            _ => false,
        });
        ended.ok().and(code)
    }
}

/// A process that is not our child, known by its number and by when it started: numbers come back, this pair does not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pid: i32,
    started: String,
}

impl Instance {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything; what follows its closing bracket starts with field 3. Field 22 is the start.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.to_owned();
        (!matches!(state, "Z" | "X")).then_some(Self { pid, started })
    }
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }
    /// The first child of a process.
    pub(crate) fn child_of(parent: u32) -> Option<Self> {
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        Self::of(children.split_whitespace().next()?.parse().ok()?)
    }
    /// Whether exactly this one still lives.
    pub(crate) fn is_there(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }
    /// Signals exactly this one: the handle is taken first, then it is made sure whose it is.
    pub(crate) fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        if self.is_there() {
            fleeting(pidfd_send_signal(handle, signal));
        }
    }
}

/// What may fail because it is already so: a process that has ended, a file that is gone.
pub(crate) fn fleeting<T, E>(result: std::result::Result<T, E>) {
    drop(result);
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
