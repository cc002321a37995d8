//! What cleans up, whatever becomes of the test: a process of its own that waits for the lab's end.
//!
//! It holds one end of a pipe. When the lab is dropped, or its process is killed, the pipe closes; then it kills whatever still lives
//! in the lab's network namespaces, deletes them and removes the lab's directory. A drop goes the same way as a crash, so that the way
//! of the crash is tried each time. It knows nothing of hosts or guests.

use crate::process::fleeting;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Arguments: the directory, then the namespaces. `setsid` before it keeps a Ctrl-C or the killing of our group away.
const SWEEP: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
dir=$1; shift
for round in $(seq 100); do
  left=
  for ns; do left="$left $(ip netns pids "$ns" 2>/dev/null | tr '\n' ' ')"; done
  case $left in *[0-9]*) kill -9 $left 2>/dev/null; sleep 0.05;; *) break;; esac
done
for ns; do ip netns del "$ns" 2>/dev/null; done
rm -rf "$dir"
"#;

/// Dropping it cleans up and waits for the end of it.
#[derive(Debug)]
pub(crate) struct Sweeper {
    child: Child,
}

impl Sweeper {
    /// To be started before anything it is to remove is made.
    pub(crate) fn start(dir: &Path, namespaces: &[String]) -> Result<Self> {
        let child = Command::new("setsid")
            .args(["sh", "-c", SWEEP, "lab-sweeper"])
            .arg(dir)
            .args(namespaces)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start the sweeper")?;
        Ok(Self { child })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        fleeting(self.child.wait());
    }
}
