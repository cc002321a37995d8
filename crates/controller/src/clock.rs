//! The one place that reads clocks. Deadlines live on `CLOCK_BOOTTIME`, which counts through a suspend; the wall clock is for
//! people. Not a timer: waiting is tokio's.

use jiff::Timestamp;
use ridethrough_model::{BootId, Millis, Mono, Now};
use std::io;

/// Tells the time.
#[derive(Clone, Debug)]
pub struct Clock {
    boot_id: BootId,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Tokio { start: tokio::time::Instant, wall: Timestamp },
}

impl Clock {
    /// The clock of this machine.
    ///
    /// # Errors
    /// When the kernel does not tell its boot id: without it a deadline of an earlier boot could be taken for one of ours.
    pub fn system() -> io::Result<Self> {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self { boot_id: BootId(boot_id.trim().to_owned()), source: Source::System })
    }

    /// A clock that follows tokio's, so that it stands still and jumps with it. Begins at 1 000 s after a boot of that name.
    #[must_use]
    pub fn following_tokio(boot: &str, wall: Timestamp) -> Self {
        Self { boot_id: BootId(boot.to_owned()), source: Source::Tokio { start: tokio::time::Instant::now(), wall } }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Now {
        let (mono, wall) = match &self.source {
            Source::System => (boottime(), Timestamp::now()),
            Source::Tokio { start, wall } => {
                let passed = start.elapsed();
                let passed_ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
                let wall = wall.checked_add(passed).unwrap_or(Timestamp::MAX);
                (Mono(1_000_000) + Millis(passed_ms), wall)
            }
        };
        Now { mono, boot_id: self.boot_id.clone(), wall }
    }
}

fn boottime() -> Mono {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Mono(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_moves_with_tokio_only() {
        let clock = Clock::following_tokio("test", Timestamp::UNIX_EPOCH);
        let before = clock.now();
        assert_eq!(clock.now(), before);
        tokio::time::advance(Duration::from_millis(2500)).await;
        let after = clock.now();
        assert_eq!(after.mono.since(before.mono), Millis(2500));
        assert_eq!(after.wall.as_millisecond(), 2500);
    }

    #[test]
    fn the_system_clock_knows_its_boot() {
        let clock = Clock::system().expect("Linux tells its boot id");
        let (one, two) = (clock.now(), clock.now());
        assert!(!one.boot_id.0.is_empty() && one.mono > Mono(0) && two.mono >= one.mono);
    }
}
