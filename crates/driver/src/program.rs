//! Runs a local program with bounds: no shell, a clean environment, a deadline, all it started killed, little of what it says kept.
//!
//! It does not judge: an exit status is a number here.

use std::io;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio::time::Instant;

/// Bytes kept of what it writes to its standard output and error together.
const SAID_MAX: usize = 2_000;
/// How long what it left running may keep its output open after its own end.
const CLOSING_MAX: Duration = Duration::from_millis(200);

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program's path, or a name in `PATH`.
    pub path: String,
    /// Its arguments, as they are.
    pub arguments: Vec<String>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// The beginning of what it wrote, on one line.
    pub said: String,
}

/// Why there is no end.
#[derive(Debug, thiserror::Error)]
pub enum NotEnded {
    /// It could not be started: nothing has happened.
    #[error("it cannot be run")]
    NotBegun(#[source] io::Error),
    /// It was killed at the deadline, and everything it had started.
    #[error("it was not done in time and was killed; it had said: {0}")]
    Killed(String),
    /// It was lost.
    #[error("it was lost")]
    Lost(#[source] io::Error),
}

impl Program {
    /// A program with its arguments; `None` of an empty list.
    #[must_use]
    pub fn of(words: &[String]) -> Option<Self> {
        let (path, arguments) = words.split_first().filter(|(path, _)| !path.is_empty())?;
        Some(Self { path: path.clone(), arguments: arguments.to_vec() })
    }

    /// Runs it until the deadline. Its environment is `PATH` and these names, nothing else. A program that does not read its input
    /// to the end does no harm. What it left running when it ended by itself runs on.
    ///
    /// # Errors
    /// As [`NotEnded`] says.
    pub async fn run<'a>(
        &self,
        environment: impl IntoIterator<Item = (&'a str, &'a str)> + Send,
        input: &[u8],
        deadline: Instant,
    ) -> Result<Ended, NotEnded> {
        let mut child = tokio::process::Command::new(&self.path)
            .args(&self.arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(environment)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(NotEnded::NotBegun)?;
        let mut group = Group(child.id());
        let mut said = Vec::new();
        let ended = listen(&mut child, input, &mut said, deadline).await;
        let said = line(&said);
        match ended {
            Some(Ok(status)) => {
                group.0 = None;
                Ok(Ended { status: status.code(), said })
            }
            Some(Err(cause)) => Err(NotEnded::Lost(cause)),
            None => Err(NotEnded::Killed(said)),
        }
    }
}

/// Waits for its end, gives it its input and takes in what it writes, so that it never blocks on a full pipe. `None`: the deadline
/// came first.
async fn listen(
    child: &mut Child,
    input: &[u8],
    said: &mut Vec<u8>,
    deadline: Instant,
) -> Option<io::Result<std::process::ExitStatus>> {
    let mut feeding = pin!(feed(child.stdin.take(), input));
    let mut is_fed = false;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let mut until = deadline;
    let mut ended = None;
    while ended.is_none() || stdout.is_some() || stderr.is_some() {
        let (mut some, mut more) = ([0_u8; 1024], [0_u8; 1024]);
        tokio::select! {
            biased;
            // Words first, so that none are lost at its end; the deadline ends it all the same, because it is looked at below.
            read = next(&mut stderr, &mut some) => keep(read, &some, said, &mut stderr),
            read = next(&mut stdout, &mut more) => keep(read, &more, said, &mut stdout),
            () = &mut feeding, if !is_fed => is_fed = true,
            status = child.wait(), if ended.is_none() => {
                ended = Some(status);
                until = until.min(Instant::now() + CLOSING_MAX);
            }
            () = tokio::time::sleep_until(until) => break,
        }
        if Instant::now() >= until {
            break;
        }
    }
    ended
}

/// Closes the input when all is written or nobody reads any more.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _unread = stdin.write_all(input).await;
    }
}

async fn next(from: &mut Option<impl AsyncRead + Unpin>, into: &mut [u8]) -> usize {
    match from {
        // An error is the end of it too.
        Some(from) => from.read(into).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

fn keep<T>(read: usize, from: &[u8], said: &mut Vec<u8>, stream: &mut Option<T>) {
    if read == 0 {
        *stream = None;
    }
    let room = SAID_MAX.saturating_sub(said.len()).min(read);
    said.extend(from.iter().take(room));
}

/// Words from outside, on one short line.
#[must_use]
pub fn line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    line.chars().filter(|letter| !letter.is_control()).take(300).collect()
}

/// Ends all processes of a group when it goes, a script's children too, unless it was emptied.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may just have ended by itself.
            let _gone = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests;
