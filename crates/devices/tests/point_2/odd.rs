//! Servers that are not upsd 2.8: they know less, say more, or say it without end.

use crate::{LIMIT, config, look, silence, with_login};
use ridethrough_devices::nut::Nut;
use ridethrough_driver::{Cx, Device, FailureKind, TookEffect, UpsOrder};
use ridethrough_model::{Mono, SilenceKind};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What a server says to a line; `None`: it closes the connection.
type Say = fn(&str, usize) -> Option<String>;

struct Server {
    port: u16,
    /// Everything it was told, in order.
    heard: Arc<Mutex<Vec<String>>>,
    /// Bytes that somebody took from it.
    sent: Arc<AtomicUsize>,
}

/// Serves until the test ends. `say` is told how many lines came before on any connection.
fn server(say: Say) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (heard, sent) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (lines, bytes) = (Arc::clone(&heard), Arc::clone(&sent));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (lines, bytes) = (Arc::clone(&lines), Arc::clone(&bytes));
            std::thread::spawn(move || {
                let mut writer = stream.try_clone().expect("a stream");
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let before = {
                        let mut lines = lines.lock().expect("not poisoned");
                        lines.push(line.clone());
                        lines.len() - 1
                    };
                    let Some(answer) = say(&line, before) else { return };
                    for part in answer.as_bytes().chunks(16_384) {
                        if writer.write_all(part).is_err() {
                            return;
                        }
                        bytes.fetch_add(part.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Server { port, heard, sent }
}

impl Server {
    fn heard(&self, start: &str) -> usize {
        self.heard.lock().expect("not poisoned").iter().filter(|line| line.starts_with(start)).count()
    }
}

fn cx() -> Cx {
    Cx::within(LIMIT, Mono(0))
}

fn list(status: &str) -> String {
    format!("BEGIN LIST VAR alpha\nVAR alpha ups.load \"7\"\n{status}END LIST VAR alpha\n")
}

#[tokio::test]
async fn point_2_nut_a_server_that_knows_list_var_only_loses_nothing_else() {
    let server = server(|line, _| {
        let ok = || list("VAR alpha ups.status \"OL\"\n");
        Some(if line == "LIST VAR alpha" { ok() } else { "ERR UNKNOWN-COMMAND\n".to_owned() })
    });
    for nut in [Nut::new(config(server.port)), Nut::new(with_login(server.port, "x"))] {
        assert_eq!(look(&nut, LIMIT).await.expect("a reading").status.to_string(), "OL");
        let variables = nut.variables(&cx()).await.expect("a list");
        assert!(variables.len() == 2 && variables.iter().all(|one| one.is_writable.is_none()), "not told: {variables:?}");
        let error = nut.commands(&cx()).await.expect_err("it knows none");
        assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unsupported, TookEffect::No));
        assert_eq!(nut.clients(&cx()).await.expect_err("it does not tell").kind(), FailureKind::Unsupported);
    }
    Nut::new(config(server.port)).verify(&cx()).await.expect("a UPS without a description is one");
}

#[tokio::test]
async fn point_2_nut_descriptions_that_fail_cost_nothing_but_themselves() {
    let says: [Say; 4] = [
        |line, _| (!line.starts_with("GET")).then(commands),
        |line, _| Some(if line.starts_with("GET") { "ERR INVALID-ARGUMENT\n".to_owned() } else { commands() }),
        |line, _| Some(if line.starts_with("GET") { String::new() } else { commands() }),
        |line, _| Some(if line.starts_with("GET") { "O".repeat(1 << 20) } else { commands() }),
    ];
    for say in says {
        let nut = Nut::new(config(server(say).port));
        let cx = Cx::within(std::time::Duration::from_secs(2), Mono(0));
        let names: Vec<_> = nut.commands(&cx).await.expect("a list").into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["load.off", "load.on"]);
    }
}

fn commands() -> String {
    "BEGIN LIST CMD alpha\nCMD alpha load.on\nCMD alpha load.off\nEND LIST CMD alpha\n".to_owned()
}

#[tokio::test]
async fn point_2_nut_a_ups_that_says_no_status_is_unknown_never_on_mains() {
    let says: [Say; 3] = [
        |_, _| Some(list("")),
        |_, _| Some(list("VAR alpha ups.status \"\"\n")),
        |_, _| Some(list("VAR alpha ups.status OL OL\n")),
    ];
    for say in says {
        let reading = look(&Nut::new(config(server(say).port)), LIMIT).await.expect("it does say something");
        assert_eq!(reading.status.to_string(), "", "{reading:?}");
        assert!(reading.load.is_some());
    }
}

#[tokio::test]
async fn point_2_nut_an_old_answer_behind_an_answer_is_not_the_next_reading() {
    // The first answer comes twice; by the second look the mains is gone.
    let server = server(|_, before| {
        let on_mains = list("VAR alpha ups.status \"OL\"\n");
        Some(if before == 0 { on_mains.repeat(2) } else { list("VAR alpha ups.status \"OB\"\n") })
    });
    let nut = Nut::new(config(server.port));
    assert_eq!(look(&nut, LIMIT).await.expect("a reading").status.to_string(), "OL");
    assert_eq!(look(&nut, LIMIT).await.expect("a reading").status.to_string(), "OB");
}

#[tokio::test]
async fn point_2_nut_what_never_ends_is_given_up_long_before_it_fills_the_memory() {
    let says: [Say; 3] = [
        |_, _| Some("O".repeat(64 << 20)),
        |_, _| Some("BEGIN LIST VAR alpha\n".to_owned() + &format!("VAR alpha a \"{}\"\n", "x".repeat(4000)).repeat(16_000)),
        |_, _| Some("BEGIN LIST VAR alpha\n".to_owned() + &"VAR alpha a.b \"\"\n".repeat(4 << 20)),
    ];
    for (index, say) in says.into_iter().enumerate() {
        let server = server(say);
        let seen = silence(&Nut::new(config(server.port)), LIMIT).await;
        assert_eq!(seen.kind, SilenceKind::Unreachable, "{seen:?}");
        assert!(seen.message.contains("a line without end") || seen.message.contains("a list of more than"), "{}", seen.message);
        // What the system's own buffers take counts too.
        let sent = server.sent.load(Ordering::Relaxed);
        assert!(sent < 16 << 20, "case {index}: {sent} bytes were taken");
    }
}

#[tokio::test]
async fn point_2_nut_an_older_upsd_is_given_orders_but_never_a_value_it_would_drop() {
    let server = server(|line, _| {
        Some(match line.split(' ').next() {
            Some("NETVER") => "1.2\n".to_owned(),
            Some("USERNAME" | "PASSWORD" | "INSTCMD") => "OK\n".to_owned(),
            _ => "ERR UNKNOWN-COMMAND\n".to_owned(),
        })
    });
    let nut = Nut::new(with_login(server.port, "x"));
    let order = |value: Option<&str>| UpsOrder::Run { command: "load.off.delay".into(), value: value.map(str::to_owned) };
    let accepted = nut.order(&order(None), &cx()).await.expect("accepted");
    assert_eq!(accepted.task, None, "nobody will tell what became of it");
    assert_eq!(server.heard("INSTCMD"), 1);
    let error = nut.order(&order(Some("300")), &cx()).await.expect_err("it would be carried out at once");
    assert_eq!((error.kind(), error.took_effect()), (FailureKind::Unsupported, TookEffect::No), "{error:?}");
    assert_eq!(server.heard("INSTCMD"), 1, "it was not sent");
}

#[tokio::test]
async fn point_2_nut_an_order_without_a_clear_answer_may_have_taken_effect_and_is_not_sent_again() {
    let says: [Say; 4] = [
        |line, _| (!line.starts_with("INSTCMD")).then(|| "OK\n".to_owned()),
        |line, _| Some(if line.starts_with("INSTCMD") { "\u{fffd}\0?\n" } else { "OK\n" }.to_owned()),
        |line, _| Some(if line.starts_with("INSTCMD") { "O" } else { "OK\n" }.to_owned()),
        |line, _| Some(if line.starts_with("INSTCMD") { "ERR INSTCMD-FAILED\n" } else { "OK\n" }.to_owned()),
    ];
    let order = UpsOrder::Run { command: "load.off".into(), value: None };
    for say in says {
        let server = server(say);
        let nut = Nut::new(with_login(server.port, "x"));
        let limit = std::time::Duration::from_millis(500);
        let error = nut.order(&order, &Cx::within(limit, Mono(0))).await.expect_err("no clear answer");
        assert_eq!(error.took_effect(), TookEffect::Possible, "{error:?}");
        assert_eq!(server.heard("INSTCMD"), 1, "once");
    }
    let server = server(|line, _| line.starts_with("USERNAME").then(|| "OK\n".to_owned()));
    let error = Nut::new(with_login(server.port, "x")).order(&order, &cx()).await.expect_err("it hung up");
    assert_eq!((error.took_effect(), server.heard("INSTCMD")), (TookEffect::No, 0), "{error:?}");
}
