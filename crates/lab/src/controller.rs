//! The program under test: the built binary, run in the management namespace as an operator would.

use crate::gate::profile_dir;
use crate::lab::Lab;
use crate::process::Process;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A running `ridethrough serve`.
#[derive(Debug)]
pub struct Controller {
    process: Process,
    log: PathBuf,
}

/// The binary: `RIDETHROUGH_BIN`, or the one beside this test.
fn binary() -> Result<PathBuf> {
    let path = std::env::var_os("RIDETHROUGH_BIN").map_or_else(|| profile_dir().join("ridethrough"), PathBuf::from);
    if !path.exists() {
        bail!("{} is not built: cargo build -p ridethrough-cli", path.display());
    }
    Ok(path)
}

/// Wraps a command so that it runs in the management namespace and knows the hosts' names.
const WITH_NAMES: &str = "mount --make-rprivate / && mount --bind \"$0\" /etc/hosts && exec \"$@\"";

impl Lab {
    fn inside(&self) -> Vec<String> {
        let hosts = self.dir().join("hosts").to_string_lossy().into_owned();
        ["netns", "exec", &self.management(), "unshare", "--mount", "sh", "-c", WITH_NAMES, &hosts].map(str::to_owned).to_vec()
    }

    /// Starts `ridethrough serve` with this configuration.
    ///
    /// # Errors
    /// If the binary is not built or cannot be started.
    pub fn serve(&self, config: &Path, envs: &[(&str, &str)]) -> Result<Controller> {
        let log = self.dir().join("controller.log");
        let mut args = self.inside();
        let config = config.to_string_lossy().into_owned();
        args.extend([binary()?.to_string_lossy().into_owned(), "serve".to_owned(), "--config".to_owned(), config]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Ok(Controller { process: Process::start("controller", "ip", &args, envs, &log)?, log })
    }

    /// Runs one command of the binary to its end.
    ///
    /// # Errors
    /// If it cannot be started. Its exit code is the caller's to judge.
    pub fn ridethrough(&self, args: &[&str]) -> Result<Output> {
        self.ridethrough_with(args, &[])
    }

    /// The same with an environment.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn ridethrough_with(&self, args: &[&str], envs: &[(&str, &str)]) -> Result<Output> {
        let mut command = Command::new("ip");
        command.args(self.inside()).arg(binary()?).args(args).envs(envs.iter().copied()).stdin(Stdio::null());
        command.output().context("run the binary")
    }
}

impl Lab {
    /// Runs any program in the management namespace.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn command(&self, program: &str, args: &[String]) -> Result<Output> {
        let mut command = Command::new("timeout");
        command.arg("60").arg("ip").args(self.inside()).arg(program).args(args).stdin(Stdio::null());
        command.output().with_context(|| format!("run {program}"))
    }
}

impl Controller {
    /// Dies at once, as in a crash.
    pub fn kill(&mut self) {
        self.process.kill();
    }
    /// Is told to end; its exit code, if it ends in time.
    pub fn terminate(&mut self) -> Option<i32> {
        self.process.terminate(Duration::from_secs(15))
    }
    /// Its exit code, if it ends by itself in time.
    pub fn wait_exit(&mut self, limit: Duration) -> Option<i32> {
        self.process.wait_exit(limit)
    }
    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }
    /// Everything it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
    /// The last so many lines of it, for the message of a failed assertion.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
    /// Its process number, for measuring.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}
