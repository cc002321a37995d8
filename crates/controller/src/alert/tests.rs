//! Alerts: what is said arrives, in order, also after trouble.

use super::{Channel, Couriers, Delivery, Exchange, Route, Undelivered};
use crate::clock::Clock;
use crate::voice::{Line, Silent, Voice};
use async_trait::async_trait;
use ridethrough_model::Severity;
use ridethrough_store::{Letter, Outbox};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Keeps what it is handed; refuses while it is told to.
#[derive(Debug, Default)]
struct Postbox {
    got: Mutex<Vec<Letter>>,
    is_down: Mutex<bool>,
    changed: Notify,
}

#[async_trait]
impl Channel for Postbox {
    async fn deliver(&self, letters: &[Letter]) -> Result<(), Undelivered> {
        let is_down = *self.is_down.lock().expect("no panic");
        if !is_down {
            self.got.lock().expect("no panic").extend_from_slice(letters);
        }
        self.changed.notify_one();
        if is_down { Err(Undelivered("the line is cut".to_owned())) } else { Ok(()) }
    }
}

impl Postbox {
    fn texts(&self) -> Vec<String> {
        self.got.lock().expect("no panic").iter().map(|letter| letter.text.clone()).collect()
    }
    fn set_down(&self, is_down: bool) {
        *self.is_down.lock().expect("no panic") = is_down;
    }
    async fn until(&self, what: impl Fn(&[String]) -> bool) {
        let waiting = async {
            while !what(&self.texts()) {
                self.changed.notified().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(3600), waiting).await;
        assert!(waited.is_ok(), "never came; there are: {:?}", self.texts());
    }
}

fn route(name: &str, severity_min: Severity, channel: &Arc<Postbox>) -> Route {
    Route { name: name.to_owned(), severity_min, channel: channel.clone() }
}

fn start(dir: &Path, routes: Vec<Route>) -> (Couriers, Arc<dyn Voice>) {
    let outbox = Outbox::open(&dir.join("outbox.db")).expect("a new outbox");
    Couriers::start(outbox, routes, Arc::new(Silent), Clock::system().expect("linux"))
}

fn line(severity: Severity, text: &str, is_milestone: bool) -> Line {
    let at = "2025-01-01T12:00:00Z".parse().expect("a moment");
    Line { at, severity, text: text.to_owned(), why: None, code: None, is_milestone }
}

/// Gives way to the others until it is so, for an hour of a clock that does not wait.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(3600), waiting).await.is_ok(), "it never came to that");
}

#[tokio::test(start_paused = true)]
async fn point_8_everybody_is_told_what_is_severe_enough_and_every_change_of_power() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mail, pager) = (Arc::new(Postbox::default()), Arc::new(Postbox::default()));
    let routes = vec![route("mail", Severity::Warning, &mail), route("pager", Severity::Alarm, &pager)];
    let (_couriers, voice) = start(dir.path(), routes);
    voice.say(line(Severity::Info, "VM a: done", false));
    voice.say(line(Severity::Info, "mains is back", true));
    voice.say(line(Severity::Warning, "a step took long", false));
    voice.say(line(Severity::Alarm, "host off?", false));
    mail.until(|texts| texts.len() == 3).await;
    pager.until(|texts| texts.len() == 2).await;
    assert_eq!(mail.texts(), ["mains is back", "a step took long", "host off?"]);
    assert_eq!(pager.texts(), ["mains is back", "host off?"]);
}

#[tokio::test(start_paused = true)]
async fn point_8_what_could_not_be_delivered_comes_later_in_order_and_others_are_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mail, pager) = (Arc::new(Postbox::default()), Arc::new(Postbox::default()));
    mail.set_down(true);
    let routes = vec![route("mail", Severity::Warning, &mail), route("pager", Severity::Warning, &pager)];
    let (couriers, voice) = start(dir.path(), routes);
    voice.say(line(Severity::Alarm, "one", false));
    pager.until(|texts| texts.iter().any(|text| text.contains("alert mail: not delivered, the line is cut"))).await;
    assert!(couriers.deliveries()["mail"].error.as_deref().is_some_and(|error| error.contains("cut")));
    voice.say(line(Severity::Alarm, "two", false));
    mail.set_down(false);
    mail.until(|texts| texts.len() == 2).await;
    assert_eq!(mail.texts(), ["one", "two"]);
    assert_eq!(pager.texts().iter().filter(|text| text.contains("not delivered")).count(), 1, "said once: {:?}", pager.texts());
}

#[tokio::test(start_paused = true)]
async fn point_8_what_waited_when_the_process_ended_is_delivered_by_the_next() {
    let dir = tempfile::tempdir().expect("a directory");
    let mail = Arc::new(Postbox::default());
    mail.set_down(true);
    let (couriers, voice) = start(dir.path(), vec![route("mail", Severity::Warning, &mail)]);
    voice.say(line(Severity::Alarm, "the last word", false));
    drop(voice);
    couriers.end(Duration::from_secs(5)).await;
    assert!(mail.texts().is_empty());
    mail.set_down(false);
    let (_couriers, _voice) = start(dir.path(), vec![route("mail", Severity::Warning, &mail)]);
    mail.until(|texts| texts.len() == 1).await;
    assert_eq!(mail.texts(), ["the last word"]);
}

#[tokio::test(start_paused = true)]
async fn point_8_how_each_delivery_does_can_be_asked_before_and_after_the_alerts_are_exchanged() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mail, pager) = (Arc::new(Postbox::default()), Arc::new(Postbox::default()));
    let exchange = Exchange::new(Arc::new(Silent), Clock::system().expect("linux"));
    assert!(exchange.deliveries().is_empty(), "nobody is alerted");
    let outbox = Arc::new(Outbox::open(&dir.path().join("outbox.db")).expect("a new outbox"));
    mail.set_down(true);
    let routes = || vec![route("mail", Severity::Warning, &mail), route("pager", Severity::Alarm, &pager)];
    exchange.put(routes(), Some(outbox.clone()));
    assert_eq!(exchange.deliveries()["pager"], Delivery::default(), "it is listed before it was told anything");

    exchange.say(line(Severity::Alarm, "host off?", false));
    pager.until(|texts| texts.iter().any(|text| text == "host off?")).await;
    mail.until(|texts| texts.is_empty()).await;
    until(|| exchange.deliveries()["mail"].error.is_some() && exchange.deliveries()["pager"].delivered_at.is_some()).await;
    let mail_does = &exchange.deliveries()["mail"];
    assert_eq!((mail_does.waiting, mail_does.delivered_at), (1, None));

    mail.set_down(false);
    exchange.put(vec![route("mail", Severity::Warning, &mail)], Some(outbox));
    mail.until(|texts| texts == ["host off?"]).await;
    until(|| exchange.deliveries()["mail"].delivered_at.is_some()).await;
    let does = exchange.deliveries();
    assert_eq!(does.keys().collect::<Vec<_>>(), ["mail"], "who is no longer configured is no longer listed");
    assert_eq!((does["mail"].waiting, &does["mail"].error), (0, &None));
}
