//! Looking on: what runs where, moment by moment, and whether a guest lived on.

use crate::stage::{Stage, TICK_MS};
use ridethrough_lab::life;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What was seen, and when, since watching began.
#[derive(Default)]
pub struct Watched {
    /// When a guest was first seen not running anywhere.
    pub down_at: BTreeMap<String, Duration>,
    /// The hosts a guest was seen running on.
    pub seen_on: BTreeMap<String, Vec<usize>>,
}

/// Watches until `end`, or until the limit has passed.
pub fn watch(stage: &Stage, limit: Duration, mut end: impl FnMut(&Watched) -> bool) -> Watched {
    let start = Instant::now();
    let mut watched = Watched::default();
    while !end(&watched) {
        assert!(start.elapsed() < limit, "watched for {limit:?} in vain; down: {:?}\n{}", watched.down_at, stage.log());
        // One moment for all that one look sees: it cannot tell which of two came first.
        let looked_at = start.elapsed();
        let running: Vec<(usize, String)> = (1..=3)
            .filter(|host| stage.lab.is_on(*host))
            .filter_map(|host| stage.lab.virsh(host, &["list", "--name"]).ok().map(|names| (host, names)))
            .collect();
        for cast in &stage.cast {
            let on: Vec<usize> = running
                .iter()
                .filter(|(_, names)| names.lines().any(|name| name == cast.name()))
                .map(|(host, _)| *host)
                .collect();
            if on.is_empty() {
                watched.down_at.entry(cast.name().to_owned()).or_insert(looked_at);
            }
            let seen = watched.seen_on.entry(cast.name().to_owned()).or_default();
            for host in on {
                if !seen.contains(&host) {
                    seen.push(host);
                }
            }
        }
    }
    watched
}

/// A guest that moved lived on: one boot, a counter that never goes back and misses at most the beat cut by a move, and across a
/// move no silence, by the lab's own clock, longer than the downtime the source reported plus two beats.
pub fn assert_lived_on(stage: &Stage, guest: &str, downtime_ms: u64) {
    let beats = stage.lab.heartbeats(guest);
    let life = life(&beats).unwrap_or_else(|| panic!("{guest} has never beaten"));
    assert_eq!(life.boots.len(), 1, "{guest} was restarted: {life:?}");
    assert_eq!(life.repeated, 0, "{guest} ran twice, or went back in time: {life:?}");
    assert!(life.missed_max <= 1, "{guest} has lost beats: {life:?}");
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a test")]
    let allowed_ms = (downtime_ms + 2 * TICK_MS) as f64;
    for pair in beats.windows(2).filter(|pair| pair[0].host != pair[1].host) {
        let silence_ms = (pair[1].seen_s - pair[0].seen_s) * 1000.0;
        println!("    {guest} went from kvm{} to kvm{}: silent for {silence_ms:.0} ms", pair[0].host, pair[1].host);
        assert!(silence_ms <= allowed_ms, "{guest} was silent for {silence_ms:.0} ms in its move, {allowed_ms} ms are allowed");
    }
}

/// The downtimes of the latest run's moves of a guest, in milliseconds, as its source reported them.
pub fn downtimes(stage: &Stage, guest: &str) -> Vec<u64> {
    let detail = stage.last_run_detail();
    let actions = detail["run"]["actions"].as_array().cloned().unwrap_or_default();
    let of = |action: &serde_json::Value| -> Option<u64> {
        let text = action["text"].as_str()?;
        let words = action["detail"].as_str()?;
        if !text.starts_with("move") || !text.contains(guest) {
            return None;
        }
        let after = words.split("downtime ").nth(1)?;
        after.split(' ').next()?.parse().ok()
    };
    actions.iter().filter_map(of).collect()
}
