//! The binary on a terminal of its own: a pseudo-terminal whose other end the test reads.

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub struct Pty {
    child: Child,
    near: Arc<OwnedFd>,
    far: File,
    read: Arc<Mutex<Vec<u8>>>,
}

impl Pty {
    /// Starts the binary on a terminal of that size.
    pub fn run(args: &[&str], columns: u16, rows: u16) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&near).expect("granted");
        unlockpt(&near).expect("unlocked");
        let name = ptsname(&near, Vec::new()).expect("its name");
        let path = name.to_str().expect("a path").to_owned();
        let open = || OpenOptions::new().read(true).write(true).open(&path).expect("its far end");
        tcsetwinsize(&near, size(columns, rows)).expect("a size");
        let child = Command::new(env!("CARGO_BIN_EXE_ridethrough"))
            .args(args)
            .env("TERM", "xterm-256color")
            .env_remove("COLUMNS")
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::from(open()))
            .spawn()
            .expect("the binary starts");
        let (near, read) = (Arc::new(near), Arc::new(Mutex::new(Vec::new())));
        let (from, into) = (Arc::clone(&near), Arc::clone(&read));
        std::thread::spawn(move || {
            let mut from = File::from(from.try_clone().expect("another handle"));
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                into.lock().expect("not poisoned").extend_from_slice(&buffer[..count]);
            }
        });
        Self { child, near, far: open(), read }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.read.lock().expect("not poisoned")).into_owned()
    }

    /// Waits until that is on the screen, after the first so many bytes.
    pub fn until(&self, what: &str, after: usize) {
        let begun = Instant::now();
        while !self.text().get(after..).is_some_and(|text| text.contains(what)) {
            assert!(begun.elapsed() < Duration::from_secs(60), "`{what}` never came:\n{}", self.text());
            std::thread::yield_now();
        }
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        tcsetwinsize(&self.near, size(columns, rows)).expect("a size");
        self.signal(Signal::WINCH);
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill_process(Pid::from_raw(id).expect("not zero"), signal).expect("it lives");
    }

    /// Whether what is typed is shown and taken line by line, as a shell wants it.
    pub fn is_as_usual(&self) -> bool {
        let modes = tcgetattr(&self.far).expect("a terminal").local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    pub fn end(&mut self) -> i32 {
        self.child.wait().expect("it ends").code().expect("by itself, not by the signal")
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
