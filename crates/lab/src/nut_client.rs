//! A line by line client of upsd, to play another master of a UPS. `socat` carries it into the management namespace.
//!
//! It is not the product's client and shares nothing with it; it says what the test says.

use crate::process::fleeting;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A connection to upsd. Dropping it closes it, which ends its logins.
#[derive(Debug)]
pub struct NutClient {
    child: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl NutClient {
    pub(crate) fn connect(management: &str, address: &str, port: u16) -> Result<Self> {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "ip", "netns", "exec", management, "socat", "-T", "600", "-"])
            .arg(format!("TCP:{address}:{port}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start socat")?;
        let (say, hear) = (child.stdin.take().context("its input is piped")?, child.stdout.take().context("its output too")?);
        Ok(Self { child, say, hear: BufReader::new(hear) })
    }

    /// Says a line; the line that is answered. `LOGIN rack-a`, `PRIMARY rack-a`, `FSD rack-a`, `GET NUMLOGINS rack-a` and the like.
    ///
    /// # Errors
    /// If the connection is closed.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.say, "{line}").context("upsd has gone")?;
        let mut answer = String::new();
        ensure!(self.hear.read_line(&mut answer).context("upsd has gone")? > 0, "upsd closed the connection after {line}");
        Ok(answer.trim_end().to_owned())
    }

    /// Says `LIST ...`; its rows without the frame.
    ///
    /// # Errors
    /// If it is refused.
    pub fn list(&mut self, what: &str) -> Result<Vec<String>> {
        let begin = self.ask(&format!("LIST {what}"))?;
        ensure!(begin.starts_with("BEGIN LIST"), "upsd says {begin}");
        let mut rows = Vec::new();
        loop {
            let mut row = String::new();
            ensure!(self.hear.read_line(&mut row).context("upsd has gone")? > 0, "upsd closed the connection in a list");
            if row.starts_with("END LIST") {
                return Ok(rows);
            }
            rows.push(row.trim_end().to_owned());
        }
    }
}

impl Drop for NutClient {
    fn drop(&mut self) {
        fleeting(self.child.kill());
        fleeting(self.child.wait());
    }
}
