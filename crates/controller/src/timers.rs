//! Carries out what the site asks of the dead-man timers on hosts: one request per host at a time, different hosts in parallel.
//!
//! Chooses nothing and retries nothing. Every request gets exactly one answer: from the driver, for a deadline, or for a panic in
//! the driver. The site asks again only when it has its answer, or has given it up; a newer request then waits for the older one.

use crate::clock::Clock;
use crate::connect_check::Endpoints;
use crate::poller::panic_text;
use ridethrough_decide::{Input, TimerCall};
use ridethrough_driver::{Cx, LastResort, TimerOrder};
use ridethrough_model::{Failure, FailureKind, HostId, LastResortState, TookEffect};
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
    /// The newest request of a host that is still busy with an older one.
    waiting: BTreeMap<HostId, TimerCall>,
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

    /// Sends a request.
    pub(crate) fn ask(&mut self, host: HostId, call: TimerCall) {
        if self.under_way.values().any(|(busy, _)| *busy == host) {
            self.waiting.insert(host, call);
            return;
        }
        let driver = self.drivers.get(&host).cloned();
        let cx = Cx::within(self.limit, self.clock.now().mono);
        let worker = self.workers.spawn(async move { carry_out(driver, call, &cx).await });
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
            if let Some(next) = self.waiting.remove(&host) {
                self.ask(host.clone(), next);
            }
            return Input::Timer { host, call, answer };
        }
    }
}

async fn carry_out(driver: Option<Arc<dyn LastResort>>, call: TimerCall, cx: &Cx) -> Answer {
    let Some(driver) = driver else {
        let message = "no last resort is configured for the host".to_owned();
        return Err(Failure { kind: FailureKind::Config, took_effect: TookEffect::No, message });
    };
    let answer = match call {
        TimerCall::Set { fires_in, guests_max } => {
            cx.bound("set the dead-man timer", driver.set(cx, TimerOrder { fires_in, guests_max })).await
        }
        TimerCall::Cancel => cx.bound("cancel the dead-man timer", driver.cancel(cx)).await,
    };
    answer.map_err(|error| {
        let mut failure = error.to_failure();
        failure.message = format!("{}: {}", driver.name(), failure.message);
        failure
    })
}
