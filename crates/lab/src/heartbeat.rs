//! The beats of a guest: proof that it lives on, the same one, without a restart, and never twice at a time.

use crate::host::Host;
use crate::lab::Lab;
use crate::witness::Line;
use std::fs;
use std::path::PathBuf;

/// One beat on one host's console.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// The boot it belongs to.
    pub boot: String,
    /// Counts up by one from 0.
    pub count: u64,
    /// The guest's own seconds since it booted. They stand still while it is moved.
    pub uptime_s: f64,
}

/// Every beat on one host, in order.
pub type Beats = Vec<Beat>;

/// A beat as the lab saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// The host on whose console it appeared, counted from 1.
    pub host: usize,
    /// When, in seconds since the lab was made, by the lab's own clock.
    pub seen_s: f64,
    /// What it said.
    pub beat: Beat,
}

/// A guest's life in a few numbers, from its heartbeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    /// The boots, the oldest first. More than one: it was restarted.
    pub boots: Vec<String>,
    /// The hosts it ran on, in order; each change is a move or a start elsewhere.
    pub hosts: Vec<usize>,
    /// The most beats missing between two that were seen in one boot. A move may cut one.
    pub missed_max: u64,
    /// The longest silence within one boot, in seconds of the lab's clock.
    pub silence_max_s: f64,
    /// Beats that were not newer than the one seen before them in the same boot: a copy runs elsewhere, or time went back.
    pub repeated: usize,
}

/// Looks a guest's heartbeats over. None have been seen: `None`.
#[must_use]
pub fn life(beats: &[Heartbeat]) -> Option<Life> {
    let first = beats.first()?;
    let mut life =
        Life { boots: vec![first.beat.boot.clone()], hosts: vec![first.host], missed_max: 0, silence_max_s: 0.0, repeated: 0 };
    for pair in beats.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        if life.hosts.last() != Some(&after.host) {
            life.hosts.push(after.host);
        }
        if after.beat.boot != before.beat.boot {
            // A boot that comes back after another one began has run beside it.
            life.repeated += usize::from(life.boots.contains(&after.beat.boot));
            life.boots.push(after.beat.boot.clone());
            continue;
        }
        match after.beat.count.checked_sub(before.beat.count) {
            None | Some(0) => life.repeated += 1,
            Some(step) => life.missed_max = life.missed_max.max(step - 1),
        }
        life.silence_max_s = life.silence_max_s.max(after.seen_s - before.seen_s);
    }
    Some(life)
}

impl Lab {
    /// Where a guest's console on that host is written.
    #[must_use]
    pub fn console_path(&self, host: usize, guest: &str) -> PathBuf {
        Host::log_dir(self.dir(), host).join(format!("{guest}.serial"))
    }

    /// What a guest has written on that host's console.
    #[must_use]
    pub fn console(&self, host: usize, guest: &str) -> String {
        let bytes = fs::read(self.console_path(host, guest)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// The beats of a guest on that host. A line cut short by a migration is left out.
    #[must_use]
    pub fn beats(&self, host: usize, guest: &str) -> Beats {
        self.console(host, guest).lines().flat_map(beats_in).collect()
    }

    /// The beats of a guest on all hosts, in the order in which they were seen, with the time by the lab's clock.
    #[must_use]
    pub fn heartbeats(&self, guest: &str) -> Vec<Heartbeat> {
        let with = |line: Line| {
            let (host, seen_s) = (line.host, line.seen_s);
            beats_in(&line.text).into_iter().map(move |beat| Heartbeat { host, seen_s, beat })
        };
        self.witness().lines(guest).into_iter().flat_map(with).collect()
    }

    /// Everything a guest has said on all hosts, in the order in which it was seen: `READY`, `HB`, `ASKED`, `IGNORED`, `DOWN`.
    #[must_use]
    pub fn said(&self, guest: &str) -> Vec<Line> {
        self.witness().lines(guest)
    }

    /// Seconds since the lab was made: the clock of [`Heartbeat`] and [`Line`].
    #[must_use]
    pub fn now_s(&self) -> f64 {
        self.witness().now_s()
    }
}

/// Usually one. A line cut by a move away is continued by the next one after the guest has come home.
fn beats_in(line: &str) -> Vec<Beat> {
    line.split("HB ").skip(1).filter_map(beat).collect()
}

/// Strict, so that what a move cut off a number is not taken for a smaller one.
fn beat(text: &str) -> Option<Beat> {
    let mut words = text.split(' ');
    let (boot, count, uptime) = (words.next()?, words.next()?, words.next()?);
    let is_whole = boot.len() == 8 && uptime.split_once('.').is_some_and(|(_, after)| after.len() == 2) && words.next().is_none();
    let (count, uptime_s) = (count.parse().ok()?, uptime.parse().ok()?);
    is_whole.then(|| Beat { boot: boot.to_owned(), count, uptime_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(host: usize, seen_s: f64, boot: &str, count: u64) -> Heartbeat {
        Heartbeat { host, seen_s, beat: Beat { boot: boot.to_owned(), count, uptime_s: 0.0 } }
    }

    #[test]
    fn a_cut_line_is_never_taken_for_a_beat() {
        let whole = "HB 0a1b2c3d 124 31.50";
        assert_eq!(beats_in(whole), [Beat { boot: "0a1b2c3d".to_owned(), count: 124, uptime_s: 31.5 }]);
        for end in 0..whole.len() {
            assert_eq!(beats_in(&whole[..end]), [], "{}", &whole[..end]);
            let counts: Vec<u64> = beats_in(&format!("{}HB 0a1b2c3d 130 33.00", &whole[..end])).iter().map(|b| b.count).collect();
            assert_eq!(counts, [130], "what follows a cut line counts");
        }
        assert_eq!(beats_in("B 0a1b2c3d 124 31.50"), []);
        assert_eq!(beats_in(&format!("{whole}HB 0a1b2c3d 125 31.75")).len(), 2);
    }

    #[test]
    fn a_move_is_one_life_and_a_copy_is_not() {
        let moved = [seen(1, 1.0, "a", 0), seen(1, 1.3, "a", 1), seen(2, 2.0, "a", 3), seen(2, 2.3, "a", 4)];
        let told = life(&moved).expect("beats");
        assert_eq!((told.boots.len(), told.hosts, told.missed_max, told.repeated), (1, vec![1, 2], 1, 0));
        assert!((told.silence_max_s - 0.7).abs() < 1e-9);
        let copied = [seen(1, 1.0, "a", 0), seen(2, 1.1, "a", 1), seen(1, 1.2, "a", 1)];
        assert_eq!(life(&copied).expect("beats").repeated, 1);
        let beside = [seen(1, 1.0, "a", 0), seen(2, 1.1, "b", 0), seen(1, 1.2, "a", 1)];
        assert_eq!(life(&beside).expect("beats").repeated, 1);
        let restarted = [seen(1, 1.0, "a", 9), seen(1, 5.0, "b", 0)];
        let told = life(&restarted).expect("beats");
        assert_eq!((told.boots.len(), told.repeated, told.silence_max_s), (2, 0, 0.0));
        assert_eq!(life(&[]), None);
    }
}
