//! A controller's API as far as the command line needs it: says what the test wants, can go away and come back at the same address.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What it says.
#[derive(Clone, Debug, Default)]
pub struct Says {
    pub status: Value,
    pub plans: Vec<Value>,
    /// Run and its number of records.
    pub records: Vec<(u64, u64)>,
    /// What was asked with POST: path and body.
    pub posted: Vec<(String, Value)>,
}

pub struct Server {
    pub says: Arc<Mutex<Says>>,
    address: SocketAddr,
    life: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Server {
    pub fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mut server = Self { says: Arc::new(Mutex::new(says)), address, life: None };
        server.live(listener);
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody answers at the address any more.
    pub fn go_away(&mut self) {
        if let Some((is_over, thread)) = self.life.take() {
            is_over.store(true, Ordering::SeqCst);
            drop(TcpStream::connect(self.address));
            thread.join().expect("it ends");
        }
    }

    pub fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the same port");
        self.live(listener);
    }

    pub fn change(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().expect("not poisoned"));
    }

    fn live(&mut self, listener: TcpListener) {
        let is_over = Arc::new(AtomicBool::new(false));
        let (says, flag) = (Arc::clone(&self.says), Arc::clone(&is_over));
        let serve = move || {
            for stream in listener.incoming() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    // A client that goes away in the middle is no matter.
                    drop(answer(stream, &says));
                }
            }
        };
        self.life = Some((is_over, std::thread::spawn(serve)));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.go_away();
    }
}

fn answer(stream: TcpStream, says: &Mutex<Says>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(told) = line.to_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().unwrap_or(0);
        }
        if head.is_empty() {
            head = line;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut says = says.lock().expect("not poisoned");
    let (status, text) = if method == "POST" {
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        says.posted.push((path.to_owned(), body));
        ("200 OK", json!({"findings": []}))
    } else {
        get(path, &says)
    };
    let text = text.to_string();
    write!(&stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len())
}

fn get(path: &str, says: &Says) -> (&'static str, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let asked = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.map(|value| value.replace("%3A", ":"))
    };
    match path.trim_start_matches("/api/v1") {
        "/status" => ("200 OK", says.status.clone()),
        "/plan" => ("200 OK", json!({"at": "2025-01-01T12:00:00Z", "plans": says.plans})),
        "/runs" => {
            let runs = says.records.iter().rev().filter(|(run, _)| *run > 0);
            let runs: Vec<Value> = runs
                .map(|(run, _)| json!({"id": run, "incident": run, "began_at": "2025-01-01T12:00:00Z", "ended_at": null, "end": "open", "missing": []}))
                .collect();
            ("200 OK", json!({"runs": runs}))
        }
        "/events" => {
            let run: Option<u64> = asked("run").and_then(|run| run.parse().ok());
            let after: Option<(u64, u64)> = asked("after").and_then(|after| {
                let (run, seq) = after.split_once(':')?;
                Some((run.parse().ok()?, seq.parse().ok()?))
            });
            let limit: usize = asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(100);
            let all = says.records.iter().filter(|(id, _)| run.is_none_or(|run| run == *id));
            let all = all.flat_map(|(run, last)| (1..=*last).map(|seq| (*run, seq)));
            let mut events: Vec<(u64, u64)> = all.filter(|place| after.is_none_or(|after| *place > after)).collect();
            let spare = events.len().saturating_sub(limit);
            if after.is_some() {
                events.truncate(limit);
            } else {
                events.drain(..spare);
            }
            let events: Vec<Value> = events.into_iter().map(event).collect();
            ("200 OK", json!({"events": events, "next": null}))
        }
        _ => ("404 Not Found", json!({"code": "RT0252", "message": "no such path", "remedy": ""})),
    }
}

fn event((run, seq): (u64, u64)) -> Value {
    json!({"run": run, "seq": seq, "incident": run, "at": format!("2025-01-01T12:{:02}:{:02}.000Z", run % 60, seq % 60), "kind": "noticed",
           "severity": "info", "text": format!("record {seq} of run {run}"), "vm": null, "host": null, "ups": null, "domain": null,
           "action": null, "attempt": null})
}
