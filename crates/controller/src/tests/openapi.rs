//! Real answers of a running controller against the OpenAPI document, read by a validator that is not ours.

use super::http::TOKEN;
use super::{Running, config, one_rack, parts};
use crate::{Clock, Fresh, Pace, Parts, Prints, Reloading, Reread, ServerParts, Token, Unfit, listen};
use ridethrough_api::openapi;
use ridethrough_model::Millis;
use ridethrough_store::Memory;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SCRIPT: &str = include_str!("answers.py");

/// Where `scripts/setup.sh test` puts what is written in Python.
fn python() -> String {
    let own = std::env::current_exe().expect("a test is a program");
    own.ancestors().nth(3).expect("in the target directory").join("peers/python/bin/python").to_string_lossy().into_owned()
}

/// Whether the validators are there. If not, it says so where the summary of a run reads it; on CI it fails.
fn gate(test: &str) -> bool {
    let has = Command::new(python()).args(["-c", "import jsonschema, openapi_spec_validator"]).output();
    if has.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let reason = "openapi-spec-validator is not installed (run `scripts/setup.sh test`)";
    println!("SKIPPED: {test}: {reason}");
    let own = std::env::current_exe().expect("a test is a program");
    let list = own.ancestors().nth(3).expect("in the target directory").join("skipped.txt");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(list).expect("the list of skipped tests");
    writeln!(file, "{test}: {reason}").expect("written");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "on CI nothing may be skipped: {test}: {reason}");
    false
}

/// What the foreign readers find wrong.
fn complaints(document: &Value, answers: &[Value]) -> Vec<String> {
    let mut child =
        Command::new(python()).args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python runs");
    let input = json!({ "document": document, "answers": answers }).to_string();
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// Asks as any client would, and keeps what came back.
struct Asker {
    address: String,
    answers: Vec<Value>,
}

impl Asker {
    async fn ask(&mut self, id: &str, path: &str, body: Option<&Value>) -> (u64, Value) {
        self.send(id, path, body, Some(TOKEN)).await
    }

    async fn send(&mut self, id: &str, path: &str, body: Option<&Value>, token: Option<&str>) -> (u64, Value) {
        let mut stream = tokio::net::TcpStream::connect(&self.address).await.expect("it listens");
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.map_or_else(String::new, ToString::to_string);
        let token = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\n{token}connection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
        let status: u64 = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        let media = head.lines().find_map(|line| line.strip_prefix("content-type: ")).expect("a media type");
        self.answers.push(json!({ "id": id, "status": status, "media": media, "body": body }));
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Asks until the condition holds; a deadline, not a sleep, ends it. Only the last answer is kept.
    async fn until(&mut self, id: &str, path: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let work = async {
            loop {
                let (_, answer) = self.ask(id, path, None).await;
                if condition(&answer) {
                    return answer;
                }
                last = answer;
                self.answers.pop();
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), work).await.unwrap_or_else(|_| panic!("{path} never says so: {last}"))
    }
}

#[tokio::test]
async fn point_7_openapi_real_answers_are_what_the_document_says_to_a_strict_foreign_reader() {
    if !gate("controller::openapi") {
        return;
    }
    let world = one_rack();
    let listener = listen("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let server = ServerParts { listener, token: Token::new(TOKEN), alerts: None };
    let (mut parts, heard) = parts(&world, &Memory::new(), Some(server), Clock::system().expect("Linux"));
    parts.config = config(&world);
    for domain in parts.config.topology.domains.values_mut() {
        domain.timing.ride_through = Millis::ZERO;
    }
    parts.pace = Pace { ups_mains: Duration::from_millis(300), ..Pace::default() };
    let (_nobody, wishes) = tokio::sync::mpsc::channel(1);
    let source = Arc::new(OnceAsBefore(Mutex::new(Some(fresh(&parts)))));
    parts.reload = Some(Reloading { source, prints: Prints::default(), digest: "5f3c".to_owned(), wishes });
    let running = Running::of(parts, heard);
    let mut asker = Asker { address, answers: Vec::new() };
    on_mains(&mut asker).await;
    world.set_status("rack-a", "OB DISCHRG");
    in_an_outage(&mut asker).await;
    refusals(&mut asker).await;
    running.end().await;
    let document = openapi::document();
    assert_eq!(complaints(&document, &asker.answers), [] as [&str; 0]);
    assert_eq!(unseen(&document, &asker.answers), [] as [&str; 0], "described and never seen");
    // The readers do read: a field too many, a field too few, a status nobody spoke of.
    let status = asker.answers.iter().find(|answer| answer["id"] == "status").expect("it was asked");
    for (from, to) in [("\"up_s\":", "\"up_secs\":"), ("\"version\":\"", "\"version\":7,\"x\":\"")] {
        let mut broken = status.clone();
        broken["body"] = json!(status["body"].as_str().expect("text").replacen(from, to, 1));
        assert!(!complaints(&document, &[broken]).is_empty(), "{from} became {to} and nobody minded");
    }
}

/// A file that says what is in force, and at the next look cannot be read.
#[derive(Debug)]
struct OnceAsBefore(Mutex<Option<Fresh>>);

impl Reread for OnceAsBefore {
    fn read(&self) -> Result<Fresh, Unfit> {
        self.0.lock().expect("not poisoned").take().ok_or_else(|| Unfit {
            code: "RT0190".to_owned(),
            message: "site.toml cannot be used.".to_owned(),
            remedy: "Mend it.".to_owned(),
            findings: Vec::new(),
        })
    }
}

fn fresh(parts: &Parts) -> Fresh {
    Fresh {
        config: parts.config.clone(),
        pace: parts.pace.clone(),
        endpoints: parts.endpoints.clone(),
        prints: Prints::default(),
        digest: "5f3d".to_owned(),
        place: Box::new(|| {}),
    }
}

async fn on_mains(asker: &mut Asker) {
    asker.until("status", "/api/v1/status", |status| status["domains"][0]["does_standing_plan_fit"] == true).await;
    asker.ask("plan", "/api/v1/plan", None).await;
    asker.ask("plan", "/api/v1/plan?if=ups=rack-a", None).await;
    asker.ask("healthz", "/healthz", None).await;
    asker.ask("openapi", "/api/v1/openapi.json", None).await;
    let by = json!({ "by": "ada" });
    asker.ask("arm", "/api/v1/domains/rack-a/arm", Some(&by)).await;
    asker.ask("disarm", "/api/v1/domains/rack-a/disarm", Some(&by)).await;
    let hold = json!({ "by": "ada", "duration_ms": 60_000 });
    asker.ask("hold", "/api/v1/hold", Some(&hold)).await;
    let (_, status) = asker.ask("status", "/api/v1/status", None).await;
    assert_eq!(status["hold"]["by"], "ada");
    asker.ask("releaseHold", "/api/v1/hold/release", Some(&by)).await;
    for duration in [json!(60_000), Value::Null] {
        let body = json!({ "by": "ada", "duration_ms": duration });
        asker.ask("maintenance", "/api/v1/ups/rack-a/maintenance", Some(&body)).await;
    }
    for (id, level) in [("drillOnPaper", "paper"), ("drillPreflight", "preflight")] {
        let (status, said) = asker.ask(id, &format!("/api/v1/drills/{level}"), Some(&by)).await;
        assert_eq!((status, &said["level"]), (200, &json!(level)), "{said}");
    }
    asker.ask("drills", "/api/v1/drills", None).await;
    asker.ask("drill", "/api/v1/drills/1", None).await;
    asker.ask("arm", "/api/v1/domains/rack-a/arm", Some(&by)).await;
    for expected in [200, 409] {
        let (status, said) = asker.ask("reload", "/api/v1/reload", Some(&by)).await;
        assert_eq!(status, expected, "{said}");
    }
}

async fn in_an_outage(asker: &mut Asker) {
    asker.until("status", "/api/v1/status", |status| status["run"]["stopped"][0] == "ci").await;
    asker.ask("plan", "/api/v1/plan", None).await;
    asker.ask("runs", "/api/v1/runs", None).await;
    asker.until("run", "/api/v1/runs/1", is_any_done).await;
    let (_, page) = asker.ask("events", "/api/v1/events?run=1&limit=3", None).await;
    let next = page["next"].as_str().expect("a place");
    asker.ask("events", &format!("/api/v1/events?after={next}"), None).await;
    asker.ask("abort", "/api/v1/abort", Some(&json!({ "by": "ada" }))).await;
    let (_, status) = asker.ask("status", "/api/v1/status", None).await;
    assert_eq!(status["run"]["aborted"]["by"], "ada");
    asker.ask("return", "/api/v1/return", Some(&json!({ "by": "ada" }))).await;
    asker.ask("metrics", "/metrics", None).await;
}

fn is_any_done(run: &Value) -> bool {
    run["run"]["actions"].as_array().expect("actions").iter().any(|action| action["phase"] == "done")
}

async fn refusals(asker: &mut Asker) {
    let by = json!({ "by": "ada" });
    for (id, path, body) in [
        ("plan", "/api/v1/plan?if=host=a", None),
        ("plan", "/api/v1/plan?if=ups=no-such", None),
        ("events", "/api/v1/events?after=x", None),
        ("events", "/api/v1/events?after=7:7", None),
        ("run", "/api/v1/runs/7", None),
        ("drill", "/api/v1/drills/7", None),
        ("drillOnPaper", "/api/v1/drills/paper", Some(&by)),
        ("drillPreflight", "/api/v1/drills/preflight", Some(&by)),
        ("arm", "/api/v1/domains/no-such/arm", Some(&by)),
        ("disarm", "/api/v1/domains/no-such/disarm", Some(&by)),
        ("maintenance", "/api/v1/ups/no-such/maintenance", Some(&json!({ "by": "ada", "duration_ms": 60_000 }))),
        ("hold", "/api/v1/hold", Some(&json!({ "by": "ada", "duration_ms": 0 }))),
        ("releaseHold", "/api/v1/hold/release", Some(&by)),
        ("return", "/api/v1/return", Some(&by)),
        ("abort", "/api/v1/abort", Some(&by)),
        ("abort", "/api/v1/abort", Some(&by)),
    ] {
        asker.ask(id, path, body).await;
    }
    for operation in openapi::operations() {
        let path = operation.path.replace("{name}", "rack-a").replace("{id}", "1");
        let body = operation.body.map(|_| json!({ "who": "ada" }));
        if operation.body.is_some() {
            asker.ask(operation.id, &path, body.as_ref()).await;
        }
        if !operation.is_open {
            asker.send(operation.id, &path, body.as_ref(), None).await;
        }
    }
}

/// What is described and was not answered. A journal that cannot be read and a loop that hangs are not made here.
fn unseen(document: &Value, answers: &[Value]) -> Vec<String> {
    let seen: BTreeSet<String> = answers.iter().map(|answer| format!("{} {}", answer["id"], answer["status"])).collect();
    let mut unseen = Vec::new();
    for operation in document["paths"].as_object().expect("paths").values().flat_map(|path| path.as_object().expect("methods")) {
        let (_, operation) = operation;
        for status in operation["responses"].as_object().expect("responses").keys() {
            let name = format!("{} {status}", operation["operationId"]);
            if !matches!(status.as_str(), "500" | "503") && !seen.contains(&name) {
                unseen.push(name);
            }
        }
    }
    unseen
}
