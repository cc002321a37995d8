//! One `ssh` connection that stays open, and commands run over it. Each is a child process that dies with its owner.
//!
//! The connection is an ssh multiplexing master in the foreground that reads from us: no daemon outlives us, however we end. The one
//! exception: if we are killed while a command runs on the host, it ends with that command. A call given up half-way leaves nothing
//! behind. It knows nothing of power; what failed is said in ssh's own words, [`super`] gives them a meaning.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// How much of what ssh or a command writes is kept, in bytes.
const SAID_MAX: u64 = 4096;
/// How many names for a directory are tried.
const TRIES_MAX: u32 = 1000;

/// Where ssh says it has dialled when it finds no connection and falls back on our `ProxyCommand=false`. A command that was handed
/// over never has it (60 of 60 tries with OpenSSH 9.2).
const UNSENT: &str = "UNKNOWN port 65535";

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Master {
    process: Mutex<Child>,
    // After the process, so that its socket is there as long as it.
    dir: Directory,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// `None`: ssh itself was killed. 255 is also ssh's own, where it lost the connection.
    pub(super) code: Option<i32>,
    /// What the command wrote to its standard error, shortened.
    pub(super) said: String,
}

impl Ended {
    /// The connection was gone already: the command was not handed over.
    pub(super) fn is_unsent(&self) -> bool {
        self.said.contains(UNSENT)
    }
}

/// How the connection ended.
#[derive(Debug)]
pub(super) struct Closed {
    code: Option<i32>,
    /// What ssh logged.
    pub(super) log: String,
}

impl Closed {
    /// It was our own process that was killed: says nothing about the host.
    pub(super) fn is_killed(&self) -> bool {
        self.code.is_none() || self.log.contains("Killed by signal")
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NotConnected {
    /// ssh could not be run here.
    Local(io::Error),
    /// ssh gave up; this is what it logged.
    Said(String),
}

impl Master {
    /// Connects. Done when commands can be run; the caller bounds the time.
    pub(super) async fn open(options: &[OsString]) -> Result<Self, NotConnected> {
        let dir = Directory::new().map_err(NotConnected::Local)?;
        let mut process = Command::new("ssh")
            .arg("-E")
            .arg(dir.log())
            .arg("-S")
            .arg(dir.socket())
            .args(["-M", "-T", "-o", "ControlPersist=no"])
            // Says so when it is connected: nothing has to ask again and again.
            .args(["-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo connected"])
            .args(options)
            // Ends when its input does, so also when we are killed and can drop nothing.
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(NotConnected::Local)?;
        let mut said = [0_u8; 16];
        let read = match process.stdout.take() {
            Some(mut stdout) => stdout.read(&mut said).await.map_err(NotConnected::Local)?,
            None => 0,
        };
        if read == 0 {
            return Err(NotConnected::Said(dir.logged()));
        }
        Ok(Self { process: Mutex::new(process), dir })
    }

    /// Runs a command line in the account's shell and waits for its end.
    pub(super) async fn run(&self, command: &str) -> io::Result<Ended> {
        let mut child = self.command(command).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut said = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            stderr.take(SAID_MAX).read_to_end(&mut said).await?;
        }
        let code = child.wait().await?.code();
        Ok(Ended { code, said: String::from_utf8_lossy(&said).trim().to_owned() })
    }

    /// Gives a script to `sh` there and waits for its end. Also what it wrote to its standard output, shortened.
    pub(super) async fn run_script(&self, script: &str) -> io::Result<(Ended, String)> {
        let mut child = self.command("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut answer, mut said) = (Vec::new(), Vec::new());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // Whoever does not read it has ended, and says why.
                let _unread = stdin.write_all(script.as_bytes()).await;
            }
            Ok(())
        };
        let listen = async {
            match stdout {
                Some(stdout) => stdout.take(SAID_MAX).read_to_end(&mut answer).await.map(drop),
                None => Ok(()),
            }
        };
        let complaints = async {
            match stderr {
                Some(stderr) => stderr.take(SAID_MAX).read_to_end(&mut said).await.map(drop),
                None => Ok(()),
            }
        };
        tokio::try_join!(feed, listen, complaints)?;
        let code = child.wait().await?.code();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Ok((Ended { code, said: text(&said) }, text(&answer)))
    }

    fn command(&self, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-T", "-o", "BatchMode=yes", "-o", "ControlMaster=no"])
            // Without its master it must fail, never dial by itself.
            .args(["-o", "ProxyCommand=false", "-S"])
            .arg(self.dir.socket())
            .args(["--", "none", command])
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        ssh
    }

    /// Waits until the connection is closed.
    pub(super) async fn closed(&self) -> Closed {
        let mut process = self.process.lock().await;
        // `wait` would close its input, which ends it.
        let input = process.stdin.take();
        let waited = process.wait().await;
        drop(input);
        // An error means that it cannot be waited for because it is gone.
        Closed { code: waited.ok().and_then(|status| status.code()), log: self.dir.logged() }
    }
}

/// A directory of ours for the socket and the log; nobody else can look into it.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        for _ in 0..TRIES_MAX {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("ridethrough-ssh-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                // Left by an earlier process of the same number, or planted: never used.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no free name for a directory"))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    fn logged(&self) -> String {
        let read = |path: &Path| -> io::Result<String> {
            let mut bytes = Vec::new();
            std::fs::File::open(path)?.take(SAID_MAX).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        read(&self.log()).unwrap_or_default()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is an empty directory of ours in the place for such.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_without_its_connection_is_known_as_unsent() {
        if std::process::Command::new("ssh").arg("-V").output().is_err() {
            let line = "ssh: unsent: ssh is not installed (run `make setup`)";
            println!("SKIPPED: {line}");
            let own = std::env::current_exe().expect("a test is a program");
            let list = own.ancestors().nth(3).expect("in the target directory").join("skipped.txt");
            let mut list = std::fs::OpenOptions::new().create(true).append(true).open(list).expect("the list of skipped tests");
            std::io::Write::write_all(&mut list, format!("{line}\n").as_bytes()).expect("written");
            assert!(std::env::var("CI").as_deref() != Ok("true"), "on CI nothing may be skipped");
            return;
        }
        // Stands for a master that is gone.
        let process = Command::new("cat").stdin(Stdio::piped()).kill_on_drop(true).spawn().expect("cat runs");
        let master = Master { process: Mutex::new(process), dir: Directory::new().expect("a directory") };
        for is_socket_left in [false, true] {
            if is_socket_left {
                drop(std::os::unix::net::UnixListener::bind(master.dir.socket()).expect("a socket"));
            }
            let ended = master.run("true").await.expect("ssh runs");
            assert!(ended.code == Some(255) && ended.is_unsent(), "{ended:?}");
        }
    }
}
