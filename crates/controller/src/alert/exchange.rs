//! The alerts in force, which a reload exchanges while the controller goes on saying things. What waits in the outbox is delivered by
//! the new ones, unless it was for somebody who is no longer configured.

use super::{Couriers, Delivery, Route, Undelivered};
use crate::clock::Clock;
use crate::voice::{Line, Voice};
use ridethrough_store::Outbox;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A voice whose alerts can be exchanged. Without alerts it only says things where we run.
#[derive(Debug)]
pub struct Exchange {
    inner: Arc<dyn Voice>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    voice: Arc<dyn Voice>,
    routes: Vec<Route>,
    couriers: Option<Couriers>,
    /// Still writing down what they were told last.
    retired: Option<Couriers>,
}

impl Exchange {
    /// Without alerts.
    #[must_use]
    pub fn new(inner: Arc<dyn Voice>, clock: Clock) -> Self {
        let state = State { voice: inner.clone(), routes: Vec::new(), couriers: None, retired: None };
        Self { inner, clock, state: Mutex::new(state) }
    }

    /// These are told from now on, through that outbox; without an outbox nobody is. Must be called inside a runtime.
    pub fn put(&self, routes: Vec<Route>, outbox: Option<Arc<Outbox>>) {
        let known = routes.clone();
        let fresh = outbox.filter(|_| !routes.is_empty()).map(|outbox| {
            let (couriers, voice) = Couriers::start(outbox, routes, self.inner.clone(), self.clock.clone());
            (couriers, voice)
        });
        let mut state = self.lock();
        state.routes = known;
        state.retired = state.couriers.take();
        if let Some(retired) = &mut state.retired {
            retired.retire();
        }
        state.voice = fresh.as_ref().map_or_else(|| self.inner.clone(), |(_, voice)| voice.clone());
        state.couriers = fresh.map(|(couriers, _)| couriers);
    }

    /// Whether each of those in force could deliver now, by its name, without telling anybody anything.
    pub async fn reach(&self) -> Vec<(String, Result<&'static str, Undelivered>)> {
        let routes = self.lock().routes.clone();
        let mut reached = Vec::new();
        for route in routes {
            let outcome = route.channel.reach().await;
            reached.push((route.name, outcome));
        }
        reached
    }

    /// How each of those in force does, by its name.
    #[must_use]
    pub fn deliveries(&self) -> BTreeMap<String, Delivery> {
        self.lock().couriers.as_ref().map(Couriers::deliveries).unwrap_or_default()
    }

    /// Ends them after one last attempt each, within that time. Nothing that is said afterwards is an alert.
    pub async fn end(&self, wait_max: Duration) {
        let couriers = {
            let mut state = self.lock();
            state.voice = self.inner.clone();
            state.couriers.take()
        };
        if let Some(couriers) = couriers {
            couriers.end(wait_max).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Voice for Exchange {
    fn say(&self, line: Line) {
        let voice = self.lock().voice.clone();
        voice.say(line);
    }
}
