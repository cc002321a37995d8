//! How fast the demo is played: so many times as fast, or by itself: slowly where something happens, quickly where nothing does.

use ridethrough_model::{Entry, Millis};
use ridethrough_sim::demo::Demo;

/// For each second of the demo, when it begins on the clock of who watches, in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Pace(Vec<u64>);

/// How long it takes by itself, beside what is fixed.
const LASTS_MS: u64 = 58_000;
/// Seconds before something that are played slowly, and after.
const AROUND: (usize, usize) = (3, 9);
/// How much slower.
const SLOWER: u64 = 4;

impl Pace {
    /// So many times as fast.
    pub(super) fn times(times: u32, demo: &Demo) -> Self {
        let secs = demo.ends_at().as_secs() + 2;
        Self((0..=secs).map(|second| second * 1000 / u64::from(times.max(1))).collect())
    }

    /// By itself.
    pub(super) fn by_itself(demo: &Demo) -> Self {
        let (records, secs) = demo.look_ahead();
        let secs = usize::try_from(secs.as_secs()).unwrap_or(0) + 2;
        let mut weights = vec![1; secs];
        let is_worth_a_look = |entry: &Entry| {
            matches!(entry, Entry::Intended { .. } | Entry::Finished { .. } | Entry::PowerChanged { .. } | Entry::RunEnded { .. })
        };
        for (at, _) in records.iter().filter(|(_, record)| is_worth_a_look(&record.entry)) {
            let second = usize::try_from(at.as_secs()).unwrap_or(0);
            let end = (second + AROUND.1).min(secs);
            weights[second.saturating_sub(AROUND.0).min(end)..end].fill(SLOWER);
        }
        let whole: u64 = weights.iter().sum();
        let mut so_far = 0;
        let mut begins = vec![0];
        for weight in weights {
            so_far += weight;
            begins.push(so_far * LASTS_MS / whole.max(1));
        }
        Self(begins)
    }

    /// Where the demo is after so long.
    pub(super) fn at(&self, elapsed_ms: u64) -> Millis {
        let second = self.0.partition_point(|begins| *begins <= elapsed_ms).saturating_sub(1);
        let begins = self.0.get(second).copied().unwrap_or(0);
        let lasts = self.0.get(second + 1).map_or(1000, |next| (next - begins).max(1));
        Millis(
            second as u64 * 1000
                + ((elapsed_ms - begins) * 1000 / lasts).min(if second + 1 < self.0.len() { 999 } else { u64::MAX }),
        )
    }

    /// How many times as fast it is played there.
    pub(super) fn speed(&self, at: Millis) -> u64 {
        let second = usize::try_from(at.as_secs()).unwrap_or(0).min(self.0.len().saturating_sub(3));
        match (self.0.get(second), self.0.get(second + 2)) {
            (Some(begins), Some(ends)) if ends > begins => 2000 / (ends - begins).max(1),
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridethrough_sim::demo::Scenario;

    #[test]
    fn by_itself_it_takes_about_a_minute_and_time_never_runs_back() {
        let demo = Demo::new(Scenario::TwoRacks, 1);
        let pace = Pace::by_itself(&demo);
        let ends_at = demo.ends_at();
        assert!(pace.at(LASTS_MS + 2000) >= ends_at, "{}", pace.at(LASTS_MS + 2000));
        let moments: Vec<Millis> = (0..600).map(|tenth| pace.at(tenth * 100)).collect();
        assert!(moments.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(pace.speed(Millis::from_secs(102)) < pace.speed(Millis::from_secs(20)));
    }

    #[test]
    fn twice_as_fast_is_twice_as_fast() {
        let pace = Pace::times(2, &Demo::new(Scenario::Short, 1));
        assert_eq!(pace.at(10_500), Millis(21_000));
        assert_eq!(pace.speed(Millis::from_secs(10)), 2);
    }
}
