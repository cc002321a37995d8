//! Carries out the questions whether guests do their work. One at a time per VM, so many at once in all; a question beyond that, or
//! one that no prober is configured for, is answered at once: it is asked again.

use crate::clock::Clock;
use ridethrough_decide::Input;
use ridethrough_driver::{Cx, Prober};
use ridethrough_model::{Probe, VmId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Questions under way at once.
const PROBES_MAX: usize = 64;
/// How long one may take: guests that answer later are not ready.
const LIMIT: Duration = Duration::from_secs(5);

/// All questions under way. Owned by the loop.
#[derive(Debug)]
pub(crate) struct Probes {
    clock: Clock,
    prober: Option<Arc<dyn Prober>>,
    workers: JoinSet<Input>,
    under_way: BTreeSet<VmId>,
}

impl Probes {
    pub(crate) fn new(clock: Clock, prober: Option<Arc<dyn Prober>>) -> Self {
        Self { clock, prober, workers: JoinSet::new(), under_way: BTreeSet::new() }
    }

    pub(crate) fn ask(&mut self, vm: VmId, probe: Probe) {
        if self.under_way.contains(&vm) {
            return;
        }
        let prober = self.prober.clone().filter(|_| self.under_way.len() < PROBES_MAX);
        let is_full = self.under_way.len() >= PROBES_MAX;
        let cx = Cx::within(LIMIT, self.clock.now().mono);
        self.under_way.insert(vm.clone());
        self.workers.spawn(async move {
            let answer = match prober {
                Some(prober) => {
                    cx.bound("probe", prober.probe(&probe, &cx)).await.map_err(|error| error.to_failure().to_string())
                }
                None if is_full => Err(format!("{PROBES_MAX} others are being asked already")),
                None => Err("nothing here can ask that".to_owned()),
            };
            Input::Probed { vm, probe, answer }
        });
    }

    /// The next answer. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Input {
        loop {
            match self.workers.join_next().await {
                Some(Ok(input)) => {
                    if let Input::Probed { vm, .. } = &input {
                        self.under_way.remove(vm);
                    }
                    return input;
                }
                Some(Err(error)) => {
                    // Whose question it was is lost: all may be asked again, those still under way will answer twice.
                    tracing::error!(%error, "a prober panicked");
                    self.under_way.clear();
                }
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use ridethrough_driver::Result;
    use ridethrough_model::PlatformId;

    /// Never answers.
    #[derive(Debug)]
    struct Mute;

    #[async_trait]
    impl Prober for Mute {
        async fn probe(&self, _: &Probe, _: &Cx) -> Result<()> {
            std::future::pending().await
        }
    }

    fn vm(number: usize) -> VmId {
        VmId::of(&PlatformId::new("lab"), &number.to_string())
    }

    fn probes(prober: Option<Arc<dyn Prober>>) -> Probes {
        Probes::new(Clock::following_tokio("boot-1", "2025-01-01T00:00:00Z".parse().expect("a moment")), prober)
    }

    async fn answer(probes: &mut Probes) -> String {
        let Input::Probed { answer, .. } = probes.next().await else { panic!("answers to probes only") };
        answer.expect_err("nobody is ready")
    }

    #[tokio::test(start_paused = true)]
    async fn every_question_is_answered_also_where_nobody_answers() {
        let mut probes = probes(Some(Arc::new(Mute)));
        for number in 0..=PROBES_MAX {
            probes.ask(vm(number), Probe::Tcp("db:5432".to_owned()));
        }
        assert_eq!(answer(&mut probes).await, "64 others are being asked already", "one too many is told at once");
        for _ in 0..PROBES_MAX {
            assert!(answer(&mut probes).await.contains("no answer before the deadline"));
        }
        let mut none = self::probes(None);
        none.ask(vm(1), Probe::Tcp("db:5432".to_owned()));
        assert_eq!(answer(&mut none).await, "nothing here can ask that");
    }
}
