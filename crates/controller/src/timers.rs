//! Carries out what the site asks of the dead-man timers on hosts: one request per host at a time, different hosts in parallel.
//!
//! Chooses nothing and retries nothing. Every request gets exactly one answer: from the driver, for a deadline, or for a panic in
//! the driver. The site asks again only when it has its answer, or has given it up; a newer request then waits for the older one.

use crate::clock::Clock;
use crate::connect_check::Endpoints;
use crate::poller::panic_text;
use ridethrough_decide::{Input, TimerCall};
use ridethrough_driver::{Cx, LastResort, TimerOrder};
use ridethrough_model::{Failure, FailureKind, HostId, LastResortState, Millis, Mono, TookEffect};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinSet};

type Answer = Result<LastResortState, Failure>;

/// All requests about timers. Owned by the loop.
#[derive(Debug)]
pub(crate) struct Timers {
    clock: Clock,
    limit: Duration,
    drivers: BTreeMap<HostId, Arc<dyn LastResort>>,
    workers: JoinSet<Answer>,
    under_way: HashMap<Id, (HostId, TimerCall)>,
    /// The newest request of a host that is still busy with an older one, and when it was made.
    waiting: BTreeMap<HostId, (TimerCall, Mono)>,
}

impl Timers {
    /// Each call may take `limit`.
    pub(crate) fn new(clock: Clock, limit: Duration, drivers: BTreeMap<HostId, Arc<dyn LastResort>>) -> Self {
        Self { clock, limit, drivers, workers: JoinSet::new(), under_way: HashMap::new(), waiting: BTreeMap::new() }
    }

    /// From now on these are asked. A host that is no longer configured keeps its driver: a timer set on it is still to be cancelled.
    pub(crate) fn exchange(&mut self, endpoints: &Endpoints, limit: Duration) {
        self.drivers.extend(endpoints.last_resorts.iter().map(|(host, driver)| (host.clone(), driver.clone())));
        self.limit = limit;
    }

    /// Sends a request. One that has to wait is not carried out later for it: its time counts from here.
    pub(crate) fn ask(&mut self, host: HostId, call: TimerCall) {
        let now = self.clock.now().mono;
        if self.under_way.values().any(|(busy, _)| *busy == host) {
            self.waiting.insert(host, (call, now));
        } else {
            self.send(host, call, Millis::ZERO);
        }
    }

    fn send(&mut self, host: HostId, call: TimerCall, waited: Millis) {
        let driver = self.drivers.get(&host).cloned();
        let cx = Cx::within(self.limit, self.clock.now().mono);
        let worker = self.workers.spawn(async move { carry_out(driver, call, waited, &cx).await });
        self.under_way.insert(worker.id(), (host, call));
    }

    /// The next answer. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Input {
        loop {
            let (id, result) = match self.workers.join_next_with_id().await {
                Some(Ok((id, answer))) => (id, Ok(answer)),
                Some(Err(error)) => (error.id(), Err(panic_text(error))),
                None => std::future::pending().await,
            };
            let Some((host, call)) = self.under_way.remove(&id) else { continue };
            let answer = result.unwrap_or_else(|panic| {
                tracing::error!(%host, panic, "a driver panicked; the request about the host's timer counts as failed");
                let message = format!("our driver failed inside: {panic}");
                Err(Failure { kind: FailureKind::Protocol, took_effect: TookEffect::Possible, message })
            });
            if let Some((next, since)) = self.waiting.remove(&host) {
                self.send(host.clone(), next, self.clock.now().mono.since(since));
            }
            return Input::Timer { host, call, answer };
        }
    }
}

async fn carry_out(driver: Option<Arc<dyn LastResort>>, call: TimerCall, waited: Millis, cx: &Cx) -> Answer {
    let Some(driver) = driver else {
        let message = "no last resort is configured for the host".to_owned();
        return Err(Failure { kind: FailureKind::Config, took_effect: TookEffect::No, message });
    };
    let answer = match call {
        TimerCall::Set { fires_in, guests_max } => {
            let order = TimerOrder { fires_in: fires_in - waited, guests_max };
            cx.bound("set the dead-man timer", driver.set(cx, order)).await
        }
        TimerCall::Cancel => cx.bound("cancel the dead-man timer", driver.cancel(cx)).await,
    };
    answer.map_err(|error| {
        let mut failure = error.to_failure();
        failure.message = format!("{}: {}", driver.name(), failure.message);
        failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use ridethrough_driver::Result;

    /// Takes its time, and panics where it is told to wait for no guests.
    #[derive(Debug)]
    struct Slow(Duration);

    #[async_trait]
    impl LastResort for Slow {
        fn name(&self) -> &'static str {
            "slow"
        }
        async fn set(&self, _: &Cx, order: TimerOrder) -> Result<LastResortState> {
            assert!(order.guests_max > Millis::ZERO, "planted");
            tokio::time::sleep(self.0).await;
            Ok(LastResortState::Set { fires_in: order.fires_in })
        }
        async fn cancel(&self, _: &Cx) -> Result<LastResortState> {
            tokio::time::sleep(self.0).await;
            Ok(LastResortState::Idle)
        }
        async fn observe(&self, _: &Cx) -> Result<LastResortState> {
            Ok(LastResortState::Idle)
        }
        async fn agents(&self, _: &Cx) -> Result<Vec<ridethrough_driver::HostAgent>> {
            Ok(Vec::new())
        }
    }

    fn timers(takes: u64) -> Timers {
        let clock = Clock::following_tokio("boot-1", "2025-01-01T00:00:00Z".parse().expect("a moment"));
        let driver: Arc<dyn LastResort> = Arc::new(Slow(Duration::from_secs(takes)));
        let drivers = ["kvm1", "kvm2"].map(|host| (HostId::new(host), driver.clone()));
        Timers::new(clock, Duration::from_secs(15), drivers.into())
    }

    fn set(secs: u64) -> TimerCall {
        TimerCall::Set { fires_in: Millis::from_secs(secs), guests_max: Millis::from_secs(60) }
    }

    async fn next(timers: &mut Timers) -> (String, Answer) {
        let Input::Timer { host, answer, .. } = timers.next().await else { panic!("answers about timers only") };
        (host.to_string(), answer)
    }

    #[tokio::test(start_paused = true)]
    async fn point_4_last_resort_order_that_had_to_wait_fires_no_later_for_it() {
        let mut timers = timers(10);
        for (host, secs) in [("kvm1", 500), ("kvm1", 400), ("kvm1", 300), ("kvm2", 200)] {
            timers.ask(HostId::new(host), set(secs));
        }
        let fires_in = |secs| Ok(LastResortState::Set { fires_in: Millis::from_secs(secs) });
        let mut first = [next(&mut timers).await, next(&mut timers).await];
        first.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = [("kvm1".to_owned(), fires_in(500)), ("kvm2".to_owned(), fires_in(200))];
        assert_eq!(first, expected, "different hosts at the same time");
        assert_eq!(next(&mut timers).await, ("kvm1".to_owned(), fires_in(290)), "of two that wait the newer, 10 s nearer");
    }

    #[tokio::test(start_paused = true)]
    async fn point_4_last_resort_request_gets_an_answer_whatever_happens() {
        let mut timers = timers(60);
        timers.ask(HostId::new("kvm1"), set(500));
        let failure = next(&mut timers).await.1.expect_err("it takes longer than it may");
        assert_eq!(failure.took_effect, TookEffect::Possible, "{failure}");
        timers.ask(HostId::new("kvm1"), TimerCall::Set { fires_in: Millis::from_secs(9), guests_max: Millis::ZERO });
        let failure = next(&mut timers).await.1.expect_err("the driver panics");
        assert!(failure.message.contains("planted") && failure.took_effect == TookEffect::Possible, "{failure}");
        timers.ask(HostId::new("nobody"), TimerCall::Cancel);
        let failure = next(&mut timers).await.1.expect_err("there is none");
        assert_eq!((failure.kind, failure.took_effect), (FailureKind::Config, TookEffect::No));
    }
}
