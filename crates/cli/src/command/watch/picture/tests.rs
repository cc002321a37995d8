//! The picture, row by row, at the widths people have.

use super::*;
use crate::command::frame::Palette;
use expect_test::{Expect, expect};
use ridethrough_api::{Abort, Finding, Hold, Host};
use std::time::Duration;

const AT: &str = "2025-01-01T12:00:00Z";

fn vm(name: &str, host: &str, state: &str, fate: &str, last_safe_in_s: Option<u64>) -> Vm {
    Vm {
        id: format!("lab/{name}"),
        name: name.to_owned(),
        host: host.to_owned(),
        state: state.to_owned(),
        tier: "normal".to_owned(),
        fate: Some(fate.to_owned()),
        reason: Some("less important VMs are shed first".to_owned()),
        last_safe_in_s,
    }
}

fn action(id: u64, text: &str, phase: &str, done_percent: Option<u8>) -> Action {
    Action {
        id,
        text: text.to_owned(),
        phase: phase.to_owned(),
        why: String::new(),
        detail: None,
        is_observe_only: false,
        done_percent,
    }
}

fn outage() -> Status {
    let json = serde_json::json!({
        "version": "0.1.0", "at": AT, "up_s": 100, "is_at_risk": true, "is_journal_degraded": false,
        "upses": [
            {"name": "rack-a", "state": "on-battery", "state_words": "on battery", "status": "OB", "battery_charge_percent": 61.0,
             "runtime_s": 700, "load_percent": 40.0, "realpower_w": null, "age_s": 1, "empty_in_s": 600, "silent_because": null,
             "maintenance_left_s": null},
            {"name": "rack-b", "state": "online", "state_words": "on mains", "status": "OL", "battery_charge_percent": 100.0,
             "runtime_s": 1500, "load_percent": 22.0, "realpower_w": null, "age_s": 1, "empty_in_s": null,
             "silent_because": null, "maintenance_left_s": null}],
        "domains": [
            {"name": "rack-a", "mode": "armed", "phase": "acting", "phase_words": "acting", "on_battery_for_s": 70,
             "must_act_in_s": 480, "does_standing_plan_fit": true},
            {"name": "rack-b", "mode": "observe", "phase": "online", "phase_words": "on mains", "on_battery_for_s": null,
             "must_act_in_s": null, "does_standing_plan_fit": true}],
        "hosts": [], "vms": [], "findings": []
    });
    let mut status: Status = serde_json::from_value(json).expect("a status");
    status.hosts = vec![Host {
        name: "kvm1".to_owned(),
        state: "on".to_owned(),
        is_connected: Some(true),
        power_ends_in_s: Some(600),
        power: "on battery (rack-a)".to_owned(),
        last_resort: None,
    }];
    status.vms = vec![
        vm("mail", "kvm2", "running", "stays: its power is good", None),
        vm("db", "kvm1", "running", "moves to kvm2", Some(500)),
        vm("ci-1", "kvm1", "off", "shut down", None),
        vm("web", "kvm1", "running", "shut down", Some(490)),
    ];
    status.run = Some(Run {
        id: 3,
        incident: 3,
        state: "acting".to_owned(),
        actions: vec![
            action(1, "shut down VM ci-1 on kvm1", "done", None),
            action(2, "move VM db from kvm1 to kvm2", "accepted", Some(40)),
            action(3, "shut down VM web on kvm1", "intended", None),
            action(4, "shut down host kvm1", "planned", None),
        ],
        aborted: None,
        stopped: vec!["ci-1".to_owned()],
        moved: Vec::new(),
        hosts_down: Vec::new(),
    });
    status.findings = vec![Finding {
        level: "warning".to_owned(),
        code: "RT0416".to_owned(),
        subject: "host kvm1".to_owned(),
        message: "Not proven: it cannot be woken.".to_owned(),
        remedy: String::new(),
    }];
    status
}

fn event(seq: u64, text: &str) -> Event {
    let json =
        serde_json::json!({"run": 3, "seq": seq, "incident": 3, "at": AT, "kind": "noticed", "severity": "info", "text": text});
    serde_json::from_value(json).expect("an event")
}

fn seen(status: Status, now: Instant) -> Seen {
    let mut seen = Seen::default();
    let events = vec![event(1, "mains lost: UPS rack-a is on battery"), event(2, "domain rack-a acts")];
    seen.take(Ok((status, events)), AT.parse().expect("a moment"), now);
    seen
}

fn drawn(seen: &Seen, at: Instant, width: usize, height: usize) -> String {
    let style = Style::plain(width, AT);
    let rows = rows(seen, &style, at, width, height);
    assert!(rows.len() <= height, "{} rows on {height}", rows.len());
    rows.iter()
        .map(|row| format!("{}\n", row.text(width, Palette::None).trim_end().replace("\x1b[7m", "").replace("\x1b[0m", "")))
        .collect()
}

fn check(seen: &Seen, at: Instant, width: usize, height: usize, expected: &Expect) {
    expected.assert_eq(&drawn(seen, at, width, height));
}

#[tokio::test]
async fn point_7_watch_shows_every_ups_domain_vm_and_step_on_80_by_24() {
    let now = Instant::now();
    check(
        &seen(outage(), now),
        now + Duration::from_secs(2),
        80,
        24,
        &expect![[r#"
         RIDETHROUGH  Ctrl-C ends                                        as of 12:00:00 
        AT RISK: UPS rack-a is on battery; run 3 is acting

        rack-a  on battery  ██████░░░░  61%  empty in 9m 58s  load 40%
        rack-b  on mains    ██████████ 100%  lasts 25m  load 22%

        rack-a  armed    acting  last safe moment in 7m 58s
        rack-b  observe  on mains  the plan fits the battery

        Run 3 acting  █████░░░░░░░░░░░░░░░  1 of 4 steps, 2 under way
          ████░░░░░░  40%  move VM db from kvm1 to kvm2
          under way        shut down VM web on kvm1

        web   kvm1  running    shut down  last safe 8m 08s
        db    kvm1  running    moves to kvm2  last safe 8m 18s
        ci-1  kvm1  off        shut down
        mail  kvm2  running    stays: its power is good

        warning RT0416  host kvm1: Not proven: it cannot be woken.

        12:00:00  mains lost: UPS rack-a is on battery
        12:00:00  domain rack-a acts
    "#]],
    );
}

#[tokio::test]
async fn point_7_watch_says_since_when_nobody_answers_and_counts_on() {
    let now = Instant::now();
    let mut seen = seen(outage(), now);
    let failure = || crate::failure::Failure::new("RT0251", "no controller answers at http://127.0.0.1:1", "");
    seen.take(Err(failure()), "2025-01-01T12:00:05Z".parse().expect("a moment"), now + Duration::from_secs(5));
    seen.take(Err(failure()), "2025-01-01T12:00:50Z".parse().expect("a moment"), now + Duration::from_secs(50));
    let text = drawn(&seen, now + Duration::from_secs(60), 80, 24);
    assert!(text.contains("NOT REACHED since 12:00:05; what is shown is from then"), "{text}");
    assert!(text.contains("empty in 9m"), "ten minutes, a minute ago: {text}");
    seen.take(Ok((outage(), Vec::new())), AT.parse().expect("a moment"), now + Duration::from_secs(61));
    assert!(!drawn(&seen, now + Duration::from_secs(61), 80, 24).contains("NOT REACHED"));
    let mut never = Seen::default();
    never.take(Err(failure()), AT.parse().expect("a moment"), now);
    assert!(drawn(&never, now, 80, 24).contains("NOT REACHED since 12:00:00: no controller answers"));
}

#[tokio::test]
async fn point_7_watch_shows_hold_and_abort_with_their_countdown() {
    let now = Instant::now();
    let mut status = outage();
    status.hold = Some(Hold {
        ends_in_s: 300,
        last_safe_in_s: Some(480),
        last_safe_host: Some("kvm1".to_owned()),
        even_if_lost: false,
        by: "ada".to_owned(),
    });
    if let Some(run) = &mut status.run {
        run.aborted = Some(Abort { is_until_return: false, by: "bob\x1b[2J".to_owned() });
    }
    let text = drawn(&seen(status, now), now + Duration::from_secs(10), 80, 24);
    assert!(text.contains("HOLD by ada: nothing is started; ends in 4m 50s; last safe moment in 7m 50s"), "{text}");
    assert!(text.contains("ABORT by bob?[2J: nothing is started before mains is stable"), "{text}");
}

#[tokio::test]
async fn point_7_watch_fits_every_terminal_from_tiny_to_wide() {
    let now = Instant::now();
    let mut status = outage();
    status.vms.extend((0..100).map(|number| vm(&format!("vm-{number}"), "kvm2", "running", "stays", None)));
    let seen = seen(status, now);
    for width in [20, 40, 79, 80, 120, 250] {
        for height in [4, 10, 24, 50, 200] {
            let style = Style::plain(width, AT);
            let rows: Vec<Row> = rows(&seen, &style, now, width, height);
            assert!(rows.len() <= height, "{width}x{height}: {} rows", rows.len());
            let is_within =
                |row: &Row| row.text(width, Palette::None).replace("\x1b[7m", "").replace("\x1b[0m", "").chars().count() <= width;
            assert!(rows.iter().all(is_within), "{width}x{height}");
        }
    }
    let wide = drawn(&seen, now, 120, 50);
    assert!(wide.contains("... and") && wide.contains("VMs more"), "{wide}");
}
