//! The API over a real socket, in real time.

use super::{Running, one_rack};
use crate::alert::{Channel, Exchange, Route, Undelivered};
use crate::voice::{Line, Silent, Voice};
use crate::{Clock, ServerParts, Token, listen};
use ridethrough_api::{Client, ClientError, code};
use ridethrough_model::Severity;
use ridethrough_store::{Letter, Memory, Outbox};
use std::sync::Arc;
use std::time::Duration;

pub(super) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

async fn serve(world: &super::World) -> (Running, String) {
    serve_with(world, None).await
}

async fn serve_with(world: &super::World, alerts: Option<Arc<Exchange>>) -> (Running, String) {
    let listener = listen("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let parts = ServerParts { listener, token: Token::new(TOKEN), alerts };
    let running = Running::start(world, &Memory::new(), Some(parts), Clock::system().expect("Linux"));
    (running, url)
}

fn refused(result: Result<impl std::fmt::Debug, ClientError>) -> ridethrough_api::ApiError {
    match result {
        Err(ClientError::Refused(error)) => error,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Asks until the condition holds; a deadline, not a sleep, ends it.
async fn until<T>(client: &Client, condition: impl Fn(&ridethrough_api::Status) -> Option<T>) -> T {
    let work = async {
        loop {
            if let Some(found) = condition(&client.status().await.expect("it answers")) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("it comes true")
}

#[tokio::test]
async fn without_the_token_nothing_is_told_and_nothing_is_done() {
    let (running, url) = serve(&one_rack()).await;
    for token in ["", "wrong", "0123456789abcdef0123456789abcdeF"] {
        let client = Client::new(&url, token).expect("a client");
        assert_eq!(refused(client.status().await).code, code::UNAUTHORIZED);
        assert_eq!(refused(client.arm("rack-a", "thief").await).code, code::UNAUTHORIZED);
        assert_eq!(refused(client.run(999).await).code, code::UNAUTHORIZED, "not even what is not there");
    }
    let client = Client::new(&url, TOKEN).expect("a client");
    let armed = client.status().await.expect("it answers").domains.iter().any(|domain| domain.mode == "armed");
    assert!(!armed);
    running.end().await;
}

#[tokio::test]
async fn a_domain_is_armed_and_disarmed_and_the_journal_tells_by_whom() {
    let (running, url) = serve(&one_rack()).await;
    let client = Client::new(&url, TOKEN).expect("a client");
    until(&client, |status| status.domains[0].does_standing_plan_fit).await;
    client.arm("rack-a", "ada").await.expect("armed");
    assert_eq!(client.status().await.expect("it answers").domains[0].mode, "armed");
    client.disarm("rack-a", "ada").await.expect("disarmed");
    let events = client.events(Some(0), None, 10).await.expect("events").events;
    let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(texts, ["domain rack-a armed by ada: it acts from now on", "domain rack-a disarmed by ada: it only observes"]);
    let after = client.events(None, Some("0:1"), 10).await.expect("events").events;
    assert_eq!(after.len(), 1, "only what came after");
    running.end().await;
}

#[tokio::test]
async fn what_is_not_there_or_makes_no_sense_is_said_with_a_code() {
    let (running, url) = serve(&one_rack()).await;
    let client = Client::new(&url, TOKEN).expect("a client");
    let unknown = refused(client.arm("no-such", "ada").await);
    assert_eq!(unknown.code, code::REFUSED);
    assert!(unknown.findings[0].remedy.contains("rack-a"), "it says which domains there are: {unknown:?}");
    assert_eq!(refused(client.run(7).await).code, code::NOT_FOUND);
    assert_eq!(refused(client.plan(&["no-such".to_owned()]).await).code, code::NOT_FOUND);
    assert_eq!(refused(client.events(None, Some("x"), 1).await).code, code::MALFORMED);
    assert_eq!(refused(client.events(None, Some("3:9"), 1).await).code, code::NOT_FOUND);
    assert_eq!(refused(client.maintenance("rack-a", Some(60_000), &"x".repeat(300)).await).code, code::MALFORMED);
    running.end().await;
}

#[tokio::test]
async fn what_would_happen_is_told_for_any_ups() {
    let (running, url) = serve(&one_rack()).await;
    let client = Client::new(&url, TOKEN).expect("a client");
    until(&client, |status| (status.vms.len() == 4 && status.upses[0].state == "online").then_some(())).await;
    let answer = client.plan(&["rack-a".to_owned()]).await.expect("a plan");
    let plan = &answer.plans[0];
    assert_eq!(plan.upses[0].ups, "rack-a");
    let first = plan.actions.iter().find(|action| action.op == "shut-down-vm").expect("a VM is shut down");
    assert_eq!(first.text, "shut down VM ci on kvm1");
    assert_eq!(plan.fates.len(), 4);
    running.end().await;
}

#[tokio::test]
async fn maintenance_is_begun_and_ended() {
    let (running, url) = serve(&one_rack()).await;
    let client = Client::new(&url, TOKEN).expect("a client");
    client.maintenance("rack-a", Some(7_200_000), "ada").await.expect("begun");
    let left = client.status().await.expect("it answers").upses[0].maintenance_left_s;
    assert!(left.is_some_and(|left| (7100..=7200).contains(&left)), "{left:?}");
    client.maintenance("rack-a", None, "ada").await.expect("ended");
    assert_eq!(client.status().await.expect("it answers").upses[0].maintenance_left_s, None);
    running.end().await;
}

#[tokio::test]
async fn point_7_a_hold_is_begun_seen_with_its_countdown_released_and_told() {
    let (running, url) = serve(&one_rack()).await;
    let client = Client::new(&url, TOKEN).expect("a client");
    client.hold(300_000, false, "ada").await.expect("begun");
    let hold = client.status().await.expect("it answers").hold.expect("it is seen");
    assert!((295..=300).contains(&hold.ends_in_s) && !hold.even_if_lost && hold.by == "ada", "{hold:?}");
    client.release_hold("bob").await.expect("released");
    assert_eq!(client.status().await.expect("it answers").hold, None);
    assert_eq!(refused(client.release_hold("bob").await).findings[0].code, "RT0441");
    assert_eq!(refused(client.hold(0, true, "ada").await).findings[0].code, "RT0441");
    assert_eq!(refused(client.abort("ada").await).findings[0].code, "RT0442");
    assert_eq!(refused(client.bring_back("ada").await).findings[0].code, "RT0442");
    let events = client.events(Some(0), Some("0:0"), 10).await.expect("events, from the first on").events;
    let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
    assert!(texts[0].starts_with("held by ada for 5m"), "{texts:?}");
    assert_eq!(texts[1], "the hold has ended: released by bob");
    running.end().await;
}

/// A line that is cut.
#[derive(Debug)]
struct Cut;

#[async_trait::async_trait]
impl Channel for Cut {
    async fn deliver(&self, _: &[Letter]) -> Result<(), Undelivered> {
        Err(Undelivered("the line is cut".to_owned()))
    }
}

#[tokio::test]
async fn point_8_status_and_metrics_tell_that_an_alert_does_not_arrive() {
    let dir = tempfile::tempdir().expect("a directory");
    let outbox = Arc::new(Outbox::open(&dir.path().join("outbox.db")).expect("a new outbox"));
    let exchange = Arc::new(Exchange::new(Arc::new(Silent), Clock::system().expect("Linux")));
    let cut = Route { name: "mail".to_owned(), severity_min: Severity::Warning, channel: Arc::new(Cut) };
    exchange.put(vec![cut], Some(outbox));
    let (running, url) = serve_with(&one_rack(), Some(exchange.clone())).await;
    let client = Client::new(&url, TOKEN).expect("a client");
    let before = client.status().await.expect("it answers").alerts;
    assert_eq!(before.iter().map(|alert| (alert.name.as_str(), &alert.error)).collect::<Vec<_>>(), [("mail", &None)]);

    let at = "2025-01-01T12:00:00Z".parse().expect("a moment");
    let text = "host off?".to_owned();
    exchange.say(Line { at, severity: Severity::Alarm, text, why: None, code: None, is_milestone: false });
    let (alert, finding) = until(&client, |status| {
        let finding = status.findings.iter().find(|finding| finding.code == "RT0171")?;
        Some((status.alerts[0].clone(), finding.clone()))
    })
    .await;
    assert_eq!((alert.waiting, alert.error.as_deref(), alert.delivered_at), (1, Some("the line is cut"), None));
    assert_eq!(finding.message, "Not delivered, the line is cut; 1 message waits. It is tried again.");
    assert!(finding.subject == "alert mail" && finding.remedy.contains("ridethrough alert test mail"), "{finding:?}");
    let (_, metrics) = raw(&url, &format!("GET /metrics HTTP/1.1\r\nauthorization: Bearer {TOKEN}"), "").await;
    for sample in ["ridethrough_alert_waiting{alert=\"mail\"} 1.0", "ridethrough_alert_failing{alert=\"mail\"} 1.0"] {
        assert!(metrics.contains(sample), "{sample} is not in:\n{metrics}");
    }
    running.end().await;
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let error = listen("0.0.0.0:0".parse().expect("an address")).await.expect_err("not loopback");
    assert_eq!(error.to_api().code, code::LISTEN);
}

#[tokio::test]
async fn nobody_there_is_told_apart_from_a_refusal() {
    let listener = listen("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let client = Client::new(&url, TOKEN).expect("a client");
    assert!(matches!(client.status().await, Err(ClientError::Unreachable { .. })));
}

/// One raw request; the answer's status line and body.
async fn raw(url: &str, head: &str, body: &str) -> (String, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.expect("it listens");
    let request = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[tokio::test]
async fn odd_requests_get_an_answer_with_code_and_remedy() {
    let (running, url) = serve(&one_rack()).await;
    let auth = format!("authorization: Bearer {TOKEN}");
    let json = "content-type: application/json";
    let large = format!("{{\"by\": \"{}\"}}", "x".repeat(20_000));
    for (request, body, status, code) in [
        (format!("GET /nowhere HTTP/1.1\r\n{auth}"), "", "404", code::NOT_FOUND),
        (format!("DELETE /api/v1/status HTTP/1.1\r\n{auth}"), "", "405", code::MALFORMED),
        ("DELETE /healthz HTTP/1.1".to_owned(), "", "405", code::MALFORMED),
        (format!("POST /api/v1/domains/rack-a/arm HTTP/1.1\r\n{auth}\r\n{json}"), "{", "400", code::MALFORMED),
        (format!("POST /api/v1/domains/rack-a/arm HTTP/1.1\r\n{auth}\r\n{json}"), &large, "400", code::MALFORMED),
        (format!("GET /api/v1/plan?if=host=a HTTP/1.1\r\n{auth}"), "", "400", code::MALFORMED),
        (format!("GET /api/v1/events?limit=many HTTP/1.1\r\n{auth}"), "", "400", code::MALFORMED),
        ("GET /nowhere HTTP/1.1".to_owned(), "", "401", code::UNAUTHORIZED),
    ] {
        let (line, body) = raw(&url, &request, body).await;
        assert!(line.contains(status), "{request}: {line}");
        let error: ridethrough_api::ApiError = serde_json::from_str(&body).expect("an error of ours");
        assert!(error.code == code && !error.remedy.is_empty(), "{request}: {error:?}");
    }
    running.end().await;
}
