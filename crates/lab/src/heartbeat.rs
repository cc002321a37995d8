//! The beats of a guest: proof that it lives on, the same one, without a restart.

use crate::lab::Lab;
use std::fs;

/// One beat on one host's console.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// The boot it belongs to.
    pub boot: String,
    /// Counts up by one from 0.
    pub count: u64,
    /// The guest's own seconds since it booted.
    pub uptime_s: f64,
}

/// Every beat on one host, in order.
pub type Beats = Vec<Beat>;

impl Lab {
    /// What a guest has written on that host's console.
    #[must_use]
    pub fn console(&self, host: usize, guest: &str) -> String {
        let bytes = fs::read(self.console_path(host, guest)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// The beats of a guest on that host. A line cut short by a migration is left out.
    #[must_use]
    pub fn beats(&self, host: usize, guest: &str) -> Beats {
        self.console(host, guest).lines().filter_map(beat).collect()
    }
}

fn beat(line: &str) -> Option<Beat> {
    let mut words = line.strip_prefix("HB ")?.split(' ');
    let boot = words.next()?.to_owned();
    let count = words.next()?.parse().ok()?;
    let uptime_s = words.next()?.parse().ok()?;
    Some(Beat { boot, count, uptime_s })
}
