//! What systemd is told, where it started us and asked (`NOTIFY_SOCKET`, sd_notify(3)): ready with the first tick, alive with each one.
//!
//! Nothing here waits: the control loop tells it, and a systemd that does not listen must not stop an outage from being handled.

use ridethrough_controller::Pulse;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells systemd.
#[derive(Debug, Default)]
pub(super) struct Systemd {
    is_ready: AtomicBool,
}

impl Pulse for Systemd {
    fn beat(&self) {
        if !self.is_ready.load(Ordering::Relaxed) {
            self.is_ready.store(tell("READY=1"), Ordering::Relaxed);
        }
        tell("WATCHDOG=1");
    }
}

/// Tells it one thing. True if it was heard, or nobody wants to hear it; nobody who listens is no fault of ours.
pub(super) fn tell(state: &str) -> bool {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET").filter(|place| !place.is_empty()) else { return true };
    match send(&place, state) {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(%error, state, "systemd was not told");
            false
        }
    }
}

fn send(place: &OsStr, state: &str) -> io::Result<()> {
    let address = match place.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(place)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_by_path_or_abstract_name_is_told_and_a_full_one_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let name = format!("ridethrough-test-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&name).expect("a name");
        for (address, place) in [
            (SocketAddr::from_pathname(&path).expect("a path"), path.clone().into_os_string()),
            (by_name, format!("@{name}").into()),
        ] {
            let systemd = UnixDatagram::bind_addr(&address).expect("a socket");
            send(&place, "READY=1").expect("told");
            let mut text = [0; 64];
            let length = systemd.recv(&mut text).expect("heard");
            assert_eq!(&text[..length], b"READY=1");
            let refused = (0..100_000).find_map(|_| send(&place, "WATCHDOG=1").err()).expect("it is full at some time");
            assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        }
    }
}
