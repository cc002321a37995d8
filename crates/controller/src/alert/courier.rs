//! Carries messages from the loop to the outbox, and from the outbox to each channel. Retries; chooses nothing else.

use super::Route;
use crate::clock::Clock;
use crate::narrate::severity_word;
use crate::voice::{Line, Voice};
use jiff::Timestamp;
use ridethrough_model::Severity;
use ridethrough_store::{Letter, Outbox};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

/// Lines that wait for the outbox's disk. More are not kept, and this is said.
const HANDED_MAX: usize = 1024;
/// Messages in one delivery.
const TOGETHER_MAX: u32 = 50;
/// What is said within this time goes in one delivery: an outage says many things at once.
const GATHER: Duration = Duration::from_secs(1);
/// The pause after a failed delivery; it doubles with each one after it.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// And ends here: on battery the network may be back for minutes only.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How one channel does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Messages that wait.
    pub waiting: u32,
    /// When something was delivered last since the start of this process.
    pub delivered_at: Option<Timestamp>,
    /// Why the latest attempt failed, if it did.
    pub error: Option<String>,
}

type Deliveries = Arc<Mutex<BTreeMap<String, Delivery>>>;

/// All that carries messages. Dropping it ends the deliveries; what waits is delivered after the next start.
#[derive(Debug)]
pub struct Couriers {
    deliveries: Deliveries,
    ending: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Writes to the outbox; ends by itself when the voice is gone.
    keeper: JoinSet<()>,
}

/// Says each line where it was said before, and to whoever is to be alerted.
#[derive(Debug)]
struct Teller {
    inner: Arc<dyn Voice>,
    routes: Vec<(String, Severity)>,
    handed: mpsc::Sender<(Letter, Vec<String>)>,
    lost: Arc<AtomicU64>,
}

impl Voice for Teller {
    fn say(&self, line: Line) {
        let wants = |least: &Severity| line.is_milestone || rank(line.severity) >= rank(*least);
        let to: Vec<String> = self.routes.iter().filter(|(_, least)| wants(least)).map(|(name, _)| name.clone()).collect();
        if !to.is_empty() {
            let letter = Letter {
                at_ms: line.at.as_millisecond(),
                severity: severity_word(line.severity).to_owned(),
                text: line.text.clone(),
                why: line.why.clone(),
                code: line.code.clone(),
            };
            if self.handed.try_send((letter, to)).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.inner.say(line);
    }
}

fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Alarm => 2,
    }
}

/// What one channel's task needs.
struct Post {
    route: Route,
    others: Vec<String>,
    outbox: Arc<Outbox>,
    arrived: Arc<Notify>,
    deliveries: Deliveries,
    inner: Arc<dyn Voice>,
    clock: Clock,
    ending: watch::Receiver<bool>,
}

impl Couriers {
    /// Starts them, and gives the voice that feeds them; it also says each line to `inner`. Must be called inside a runtime.
    #[must_use]
    pub fn start(
        outbox: impl Into<Arc<Outbox>>,
        routes: Vec<Route>,
        inner: Arc<dyn Voice>,
        clock: Clock,
    ) -> (Self, Arc<dyn Voice>) {
        let outbox = outbox.into();
        let names: Vec<String> = routes.iter().map(|route| route.name.clone()).collect();
        let (handed, receiver) = mpsc::channel(HANDED_MAX);
        let (ending, ended) = watch::channel(false);
        let deliveries: Deliveries = Arc::new(Mutex::new(names.iter().map(|name| (name.clone(), Delivery::default())).collect()));
        let lost = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        let mut arrived = BTreeMap::new();
        let told = routes.iter().map(|route| (route.name.clone(), route.severity_min)).collect();
        for route in routes {
            let poke = Arc::new(Notify::new());
            poke.notify_one();
            arrived.insert(route.name.clone(), poke.clone());
            let others = names.iter().filter(|name| **name != route.name).cloned().collect();
            let post = Post {
                route,
                others,
                outbox: outbox.clone(),
                arrived: poke,
                deliveries: deliveries.clone(),
                inner: inner.clone(),
                clock: clock.clone(),
                ending: ended.clone(),
            };
            tasks.spawn(post.carry());
        }
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(receiver, outbox, names, arrived, lost.clone()));
        let teller = Teller { inner, routes: told, handed, lost };
        (Self { deliveries, ending, tasks, keeper }, Arc::new(teller))
    }

    /// How each channel does, by its name.
    #[must_use]
    pub fn deliveries(&self) -> BTreeMap<String, Delivery> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Delivers nothing more, but still writes down what was said: others deliver it.
    pub(crate) fn retire(&mut self) {
        self.tasks.abort_all();
    }

    /// Ends them after one last attempt each, within that time. Drop the voice first, or what it was told last may not be kept.
    pub async fn end(mut self, wait_max: Duration) {
        // Without receivers nothing is left to end.
        let _nobody = self.ending.send(true);
        let all = async {
            while self.keeper.join_next().await.is_some() {}
            while self.tasks.join_next().await.is_some() {}
        };
        if tokio::time::timeout(wait_max, all).await.is_err() {
            tracing::warn!("alerts still wait in the outbox; they are delivered after the next start");
        }
    }
}

/// Writes what is handed over to the outbox. Ends when nobody can hand over any more.
async fn keep(
    mut handed: mpsc::Receiver<(Letter, Vec<String>)>,
    outbox: Arc<Outbox>,
    names: Vec<String>,
    arrived: BTreeMap<String, Arc<Notify>>,
    lost: Arc<AtomicU64>,
) {
    let known = names.clone();
    on_disk(&outbox, move |outbox| outbox.keep_only(&known).map(|_| ())).await;
    while let Some((letter, to)) = handed.recv().await {
        let mut batch = vec![(letter, to)];
        while let Ok(more) = handed.try_recv() {
            batch.push(more);
        }
        let missed = lost.swap(0, Ordering::Relaxed);
        if missed > 0
            && let Some((last, _)) = batch.last()
        {
            let text = format!("{missed} messages were not kept: more was said at once than the outbox could write down.");
            let letter =
                Letter { at_ms: last.at_ms, severity: "warning".to_owned(), text, why: None, code: Some("RT0170".to_owned()) };
            batch.push((letter, names.clone()));
        }
        let pokes: Vec<Arc<Notify>> = batch.iter().flat_map(|(_, to)| to).filter_map(|name| arrived.get(name).cloned()).collect();
        on_disk(&outbox, move |outbox| batch.iter().try_for_each(|(letter, to)| outbox.put(letter, to))).await;
        pokes.iter().for_each(|poke| poke.notify_one());
    }
}

/// Does something with the outbox off the runtime's threads. A failure is logged: an alert must never stop anything.
async fn on_disk<T: Send + 'static>(
    outbox: &Arc<Outbox>,
    work: impl FnOnce(&Outbox) -> Result<T, ridethrough_store::OutboxError> + Send + 'static,
) -> Option<T> {
    let outbox = outbox.clone();
    match tokio::task::spawn_blocking(move || work(&outbox)).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(code = "RT0170", %error, cause, "the outbox of alerts fails; messages may be lost or come twice");
            None
        }
        Err(_) => None,
    }
}

impl Post {
    async fn carry(mut self) {
        let mut pause = PAUSE_MIN;
        loop {
            let is_last = *self.ending.borrow();
            if !is_last {
                self.wait(&self.arrived.clone(), None).await;
                self.wait(&Notify::new(), Some(GATHER)).await;
            }
            while let Some(worked) = self.deliver_some().await {
                if worked {
                    pause = PAUSE_MIN;
                    continue;
                }
                if *self.ending.borrow() {
                    break;
                }
                self.wait(&Notify::new(), Some(pause)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            if is_last {
                return;
            }
        }
    }

    /// Until something arrives, the time has passed, or all ends. The end first: it must not wait for mail.
    async fn wait(&mut self, arrived: &Notify, time: Option<Duration>) {
        let over = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! { biased;
            _ = self.ending.wait_for(|ending| *ending) => {}
            () = arrived.notified() => {}
            () = over => {}
        }
    }

    /// Delivers the oldest that wait. `None`: nothing waits. `Some(false)`: it failed.
    async fn deliver_some(&self) -> Option<bool> {
        let name = self.route.name.clone();
        let waiting = on_disk(&self.outbox, move |outbox| {
            let (count, dropped) = outbox.counts(&name)?;
            Ok((outbox.waiting(&name, TOGETHER_MAX)?, count, dropped))
        })
        .await;
        let (mut waiting, count, dropped) = waiting?;
        self.note(|delivery| delivery.waiting = count);
        if dropped > 0
            && let Some((id, first)) = waiting.first()
        {
            let text = format!("{dropped} older messages were dropped: too many waited.");
            let letter = Letter { at_ms: first.at_ms, severity: "warning".into(), text, why: None, code: Some("RT0170".into()) };
            waiting.insert(0, (*id, letter));
        }
        if waiting.is_empty() {
            return None;
        }
        let (ids, letters): (Vec<i64>, Vec<Letter>) = waiting.into_iter().unzip();
        match self.route.channel.deliver(&letters).await {
            Ok(()) => {
                let name = self.route.name.clone();
                let left = count.saturating_sub(u32::try_from(ids.len()).unwrap_or(u32::MAX));
                on_disk(&self.outbox, move |outbox| {
                    outbox.delivered(&name, &ids)?;
                    outbox.dropped_was_told(&name)
                })
                .await?;
                self.delivered(left);
                Some(true)
            }
            Err(error) => {
                self.failed(error.to_string()).await;
                Some(false)
            }
        }
    }

    fn delivered(&self, left: u32) {
        let at = self.clock.now().wall;
        let was_failing = self.note(|delivery| {
            delivery.waiting = left;
            delivery.delivered_at = Some(at);
            delivery.error.take().is_some()
        });
        if was_failing {
            self.say(at, Severity::Info, format!("alert {}: delivered again", self.route.name), None);
        }
    }

    /// Says it once where we run, and tells the other channels.
    async fn failed(&self, error: String) {
        let is_news = self.note(|delivery| delivery.error.replace(error.clone()).is_none());
        tracing::debug!(channel = self.route.name, error, "an alert was not delivered");
        if !is_news {
            return;
        }
        let at = self.clock.now().wall;
        let text = format!("alert {}: not delivered, {error}; it is tried again", self.route.name);
        let letter = Letter {
            at_ms: at.as_millisecond(),
            severity: "warning".to_owned(),
            text: text.clone(),
            why: None,
            code: Some("RT0171".to_owned()),
        };
        let others = self.others.clone();
        if !others.is_empty() {
            on_disk(&self.outbox, move |outbox| outbox.put(&letter, &others)).await;
        }
        self.say(at, Severity::Warning, text, Some("RT0171".to_owned()));
    }

    fn say(&self, at: Timestamp, severity: Severity, text: String, code: Option<String>) {
        self.inner.say(Line { at, severity, text, why: None, code, is_milestone: false });
    }

    fn note<T>(&self, change: impl FnOnce(&mut Delivery) -> T) -> T {
        let mut all = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(self.route.name.clone()).or_default())
    }
}
