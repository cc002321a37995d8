//! The operator's tools as a person or a script meets them: the built binary, a controller's API that says what the test wants, pipes
//! and a terminal.

#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod pty;
mod server;

use pty::Pty;
use rustix::process::Signal;
use serde_json::{Value, json};
use server::{Says, Server};
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Lines that may wait to be looked at.
const LINES_MAX: usize = 4096;

/// On mains, armed, and the plan fits.
fn peace() -> Value {
    json!({
        "version": "0.1.0", "at": "2025-01-01T12:00:00Z", "up_s": 100, "is_at_risk": false, "is_journal_degraded": false,
        "upses": [{"name": "rack-a", "state": "online", "state_words": "on mains", "status": "OL", "battery_charge_percent": 100.0,
                   "runtime_s": 900, "load_percent": 40.0, "realpower_w": null, "age_s": 1, "empty_in_s": null,
                   "silent_because": null, "maintenance_left_s": null}],
        "domains": [{"name": "rack-a", "mode": "armed", "phase": "online", "phase_words": "on mains", "on_battery_for_s": null,
                     "ride_through_left_s": null, "must_act_in_s": null, "does_standing_plan_fit": true}],
        "hosts": [{"name": "kvm1", "state": "on", "is_connected": true, "power_ends_in_s": null, "power": "on mains"}],
        "vms": [{"id": "lab/1", "name": "db", "host": "kvm1", "state": "running", "tier": "critical", "fate": "shut down",
                 "reason": "the first tier runs to its last safe moment", "last_safe_in_s": null}],
        "findings": []
    })
}

/// On battery, acting: one step done, one under way.
fn outage() -> Value {
    let mut status = peace();
    status["is_at_risk"] = json!(true);
    status["upses"][0]["state"] = json!("on-battery");
    status["upses"][0]["state_words"] = json!("on battery");
    status["upses"][0]["empty_in_s"] = json!(600);
    status["domains"][0]["phase"] = json!("acting");
    status["hosts"][0]["power_ends_in_s"] = json!(600);
    let action = |id: u64, text: &str, phase: &str| json!({"id": id, "text": text, "phase": phase, "why": "", "detail": null, "is_observe_only": false, "done_percent": null});
    let actions = [action(1, "shut down VM ci on kvm1", "done"), action(2, "shut down VM db on kvm1", "accepted")];
    status["run"] = json!({"id": 3, "incident": 3, "state": "acting", "actions": actions, "stopped": ["ci"]});
    status
}

fn says(status: Value) -> Says {
    Says { status, records: vec![(0, 2), (1, 3)], ..Says::default() }
}

struct Tool {
    server: Server,
    dir: tempfile::TempDir,
}

impl Tool {
    fn new(says: Says) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("token"), "token\n").expect("written");
        Self { server: Server::start(says), dir }
    }

    fn args(&self, args: &[&str]) -> Vec<String> {
        let token = self.dir.path().join("token").display().to_string();
        let own = ["--url".to_owned(), self.server.url(), "--token-file".to_owned(), token];
        args.iter().map(|arg| (*arg).to_owned()).chain(own).collect()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ridethrough"));
        command.args(self.args(args)).env("COLUMNS", "100").env("LC_ALL", "C.UTF-8").env("TZ", "UTC").stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        told(&self.command(args).output().expect("the binary runs"))
    }

    fn on_terminal(&self, args: &[&str], columns: u16, rows: u16) -> Pty {
        let args = self.args(args);
        Pty::run(&args.iter().map(String::as_str).collect::<Vec<_>>(), columns, rows)
    }

    /// Lines of stdout as they come.
    fn lines(&self, args: &[&str]) -> (std::process::Child, Receiver<String>) {
        let mut child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let out = child.stdout.take().expect("piped");
        let (tx, rx) = sync_channel(LINES_MAX);
        std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| tx.send(line)));
        (child, rx)
    }
}

fn told(output: &Output) -> (i32, String) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().expect("it ends by itself"), text)
}

fn next(lines: &Receiver<String>) -> String {
    lines.recv_timeout(Duration::from_secs(60)).expect("another line")
}

#[test]
fn point_7_exit_codes_are_those_of_the_table_for_every_command() {
    let mut tool = Tool::new(says(peace()));
    let fits = json!({"scope": {"domain": "rack-a"}, "id": 0, "parent": null, "cause": "kept ready", "domains": ["rack-a"],
        "is_emergency": false, "does_fit": true, "upses": [], "hosts": [], "fates": [], "actions": [], "waiting": [], "findings": []});
    let code = |tool: &Tool, args: &[&str]| tool.run(args).0;
    assert_eq!(code(&tool, &["status"]), 0, "protected");
    assert_eq!(code(&tool, &["plan"]), 5, "no plan is no protection");
    tool.server.change(|says| says.plans = vec![fits.clone()]);
    assert_eq!(code(&tool, &["plan"]), 0);
    tool.server.change(|says| says.plans[0]["does_fit"] = json!(false));
    assert_eq!(code(&tool, &["plan", "--json"]), 5, "the same with --json");
    tool.server.change(|says| says.status["domains"][0]["mode"] = json!("observe"));
    assert_eq!(code(&tool, &["status"]), 5, "not protected");
    tool.server.change(|says| says.status = outage());
    assert_eq!(code(&tool, &["status", "--json"]), 4, "at risk");
    assert_eq!(code(&tool, &["runs", "99"]), 1, "there is no such run");
    assert_eq!(code(&tool, &["explain", "nobody"]), 1);
    assert_eq!(code(&tool, &["hold", "--for", "soon"]), 2);
    assert_eq!(code(&tool, &["abort"]), 2, "nobody to ask");
    tool.server.go_away();
    for args in
        [&["status"][..], &["plan"], &["events"], &["events", "--follow"], &["runs"], &["arm", "rack-a"], &["explain", "db"]]
    {
        assert_eq!(code(&tool, args), 3, "{args:?}");
    }
    for args in [&["hold"][..], &["hold", "--release"], &["abort", "--yes"], &["return"]] {
        assert_eq!(code(&tool, args), 3, "{args:?}");
    }
}

#[test]
fn point_7_hold_and_abort_say_their_price_in_english_and_german_before_anything_is_asked_for() {
    let tool = Tool::new(says(outage()));
    let (code, text) = tool.run(&["abort"]);
    assert_eq!(code, 2);
    for part in
        ["VMs that stay stopped: ci.", "Under way, will still end: shut down VM db on kvm1.", "last resort: db.", "RT0195"]
    {
        assert!(text.contains(part), "`{part}`:\n{text}");
    }
    let german = tool.command(&["hold", "--even-if-lost"]).env("LC_ALL", "de_DE.UTF-8").output().expect("the binary runs");
    let (code, text) = told(&german);
    assert!(code == 2 && text.contains("WARNUNG") && text.contains("auf Batterie"), "{code}: {text}");
    let posted = || tool.server.says.lock().expect("not poisoned").posted.clone();
    assert!(posted().is_empty(), "{:?}", posted());
    assert_eq!(tool.run(&["abort", "--yes"]).0, 0);
    assert_eq!(tool.run(&["hold", "--for", "90s"]).0, 0);
    assert_eq!(tool.run(&["hold", "--even-if-lost", "--yes"]).0, 0);
    assert_eq!(tool.run(&["hold", "--release"]).0, 0);
    assert_eq!(tool.run(&["return"]).0, 0);
    let posted = posted();
    let paths: Vec<&str> = posted.iter().map(|(path, _)| path.trim_start_matches("/api/v1")).collect();
    assert_eq!(paths, ["/abort", "/hold", "/hold", "/hold/release", "/return"]);
    assert_eq!((&posted[1].1["duration_ms"], &posted[1].1["even_if_lost"]), (&json!(90_000), &json!(false)));
    assert_eq!((&posted[2].1["duration_ms"], &posted[2].1["even_if_lost"]), (&json!(300_000), &json!(true)));
}

#[test]
fn point_7_watch_repaints_resizes_says_who_is_gone_and_leaves_the_terminal_as_it_was() {
    let mut tool = Tool::new(says(outage()));
    let mut pty = tool.on_terminal(&["status", "--watch"], 80, 24);
    pty.until("Run 3 acting", 0);
    assert!(pty.text().contains("\x1b[?1049h") && !pty.is_as_usual(), "a screen of its own, without echo");
    tool.server.change(|says| says.status = peace());
    pty.until("PROTECTED", 0);
    let before = pty.text().len();
    pty.resize(120, 40);
    pty.until(&" ".repeat(60), before);
    tool.server.go_away();
    pty.until("NOT REACHED since", 0);
    let before = pty.text().len();
    tool.server.change(|says| says.status = outage());
    tool.server.come_back();
    pty.until("Run 3 acting", before);
    pty.signal(Signal::INT);
    assert_eq!(pty.end(), 4, "the code of what was last seen");
    pty.until("\x1b[?7h\x1b[?25h\x1b[?1049l", before);
    assert!(pty.is_as_usual());
}

#[test]
fn point_7_watch_ends_well_however_it_is_told_to() {
    let mut tool = Tool::new(says(outage()));
    for signal in [Signal::TERM, Signal::HUP] {
        let mut pty = tool.on_terminal(&["status", "--watch"], 80, 24);
        pty.until("Run 3 acting", 0);
        pty.signal(signal);
        assert_eq!(pty.end(), 4);
        assert!(pty.is_as_usual());
    }
    tool.server.go_away();
    let mut pty = tool.on_terminal(&["status", "--watch"], 80, 24);
    pty.until("NOT REACHED since", 0);
    pty.signal(Signal::INT);
    assert_eq!(pty.end(), 3);
}

#[test]
fn point_7_watch_in_a_pipe_gives_a_line_per_change_and_ends_with_its_reader() {
    let mut tool = Tool::new(says(peace()));
    let (mut child, lines) = tool.lines(&["status", "--watch"]);
    assert!(next(&lines).contains("PROTECTED"));
    tool.server.change(|says| says.status["upses"][0]["battery_charge_percent"] = json!(99.0));
    tool.server.change(|says| says.status = outage());
    let line = next(&lines);
    assert!(line.contains("AT RISK") && line.contains("1 of 2 steps done, 1 under way") && !line.contains('\x1b'), "{line}");
    tool.server.go_away();
    assert!(next(&lines).contains("NOT REACHED"));
    drop(lines);
    tool.server.come_back();
    // Nobody reads: the next lines end it. Which of them it writes before the pipe is closed is chance.
    let begun = std::time::Instant::now();
    let mut is_peace = false;
    while child.try_wait().expect("it can be asked").is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it goes on although nobody reads");
        is_peace = !is_peace;
        tool.server.change(|says| says.status = if is_peace { peace() } else { outage() });
        std::thread::yield_now();
    }
}

#[test]
fn point_7_events_are_followed_without_loss_or_doubles_over_a_restart_of_the_controller() {
    let mut tool = Tool::new(says(peace()));
    let (mut child, lines) = tool.lines(&["events", "--follow", "--json"]);
    let place = |line: String| {
        let event: Value = serde_json::from_str(&line).expect("one event per line");
        (event["run"].as_u64().expect("a run"), event["seq"].as_u64().expect("a number"))
    };
    let mut seen: Vec<(u64, u64)> = (0..5).map(|_| place(next(&lines))).collect();
    tool.server.change(|says| says.records = vec![(0, 2), (1, 5)]);
    seen.extend((0..2).map(|_| place(next(&lines))));
    tool.server.go_away();
    // While nobody was there: the run went on, two more began, and the site's log grew; one has more records than a page.
    tool.server.change(|says| says.records = vec![(0, 4), (1, 9), (2, 1500), (3, 1)]);
    tool.server.come_back();
    seen.extend((0..2 + 4 + 1500 + 1).map(|_| place(next(&lines))));
    tool.server.change(|says| says.records = vec![(0, 5), (1, 9), (2, 1501), (3, 2)]);
    seen.extend((0..3).map(|_| place(next(&lines))));
    child.kill().expect("it lives");
    child.wait().expect("it ends");
    let told = seen.len();
    let all = [(0, 5), (1, 9), (2, 1501), (3, 2)];
    let expected: Vec<(u64, u64)> = all.iter().flat_map(|(run, last)| (1..=*last).map(|seq| (*run, seq))).collect();
    for run in 0..=3 {
        let own: Vec<u64> = seen.iter().filter(|place| place.0 == run).map(|place| place.1).collect();
        assert!(own.is_sorted(), "run {run} in order: {own:?}");
    }
    seen.sort_unstable();
    assert_eq!(seen, expected, "each once: {told} of {}", expected.len());
}

#[test]
fn point_7_completions_and_manual_pages_know_every_command() {
    let help = told(&Command::new(env!("CARGO_BIN_EXE_ridethrough")).arg("--help").output().expect("the binary runs")).1;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() > 12, "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let (code, text) =
            told(&Command::new(env!("CARGO_BIN_EXE_ridethrough")).args(["completions", shell]).output().expect("it runs"));
        assert_eq!(code, 0);
        for command in &commands {
            assert!(text.contains(command), "{shell}: {command}");
        }
    }
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_ridethrough")).arg("man").arg(dir.path()).output().expect("the binary runs");
    assert!(output.status.success(), "{output:?}");
    for command in &commands {
        let page = std::fs::read_to_string(dir.path().join(format!("ridethrough-{command}.1"))).expect("a page");
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    let nowhere = Command::new(env!("CARGO_BIN_EXE_ridethrough")).args(["man", "/nowhere"]).output().expect("the binary runs");
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn point_7_bash_takes_the_completions() {
    let Ok(output) = Command::new("bash").args(["-c", "exit 0"]).output() else { return };
    assert!(output.status.success());
    let script = format!(
        "eval \"$('{}' completions bash)\"; COMP_WORDS=(ridethrough sta); COMP_CWORD=1; _ridethrough ridethrough sta ridethrough; echo \"${{COMPREPLY[*]}}\"",
        env!("CARGO_BIN_EXE_ridethrough")
    );
    let (code, text) = told(&Command::new("bash").args(["-c", &script]).output().expect("bash runs"));
    assert_eq!((code, text.trim()), (0, "status"));
}
