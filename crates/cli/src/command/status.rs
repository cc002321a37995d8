//! `ridethrough status`: is everything protected, and if not, what is happening.

use super::automation::guards;
use super::verdict::{restraints, verdict};
use super::{Said, findings_text, json, runs, watch};
use crate::failure::Failure;
use crate::output::{Lean, Style, Table, Tone, span};
use clap::Args;
use ridethrough_api::{Alert, Battery, Client, Domain, Host, Load, Status, Ups, Vm};
use std::collections::BTreeMap;

/// VMs listed one by one unless asked for all.
const VMS_SHOWN: usize = 30;

/// Is everything protected, and if not, what is happening.
#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArgs {
    /// List every VM, however many there are
    #[arg(long)]
    vms: bool,
    /// Stay, and show it anew every second; in a pipe a line per change
    #[arg(long, conflicts_with = "vms")]
    watch: bool,
}

pub(crate) async fn run(client: &Client, args: &StatusArgs, style: &Style, is_json: bool) -> Result<Said, Failure> {
    if args.watch {
        return watch::run(client, style, is_json).await;
    }
    let status = client.status().await?;
    let exit = verdict(&status).exit();
    Ok(Said { text: if is_json { json(&status) } else { text(style, &status, args.vms) }, exit })
}

fn text(style: &Style, status: &Status, all_vms: bool) -> String {
    let title = format!("Ridethrough {}", status.version);
    let mut text = format!("{}, up {}, at {}\n", style.paint(Tone::Strong, &title), span(status.up_s), style.moment(&status.at));
    let verdict = verdict(status);
    text.push_str(&style.paint_lines(verdict.tone(), &style.paragraph(0, &verdict.words())));
    if status.is_journal_degraded {
        let alarm = "The journal does not keep up: this outage is carried on in memory. Do not restart the controller.";
        text.push_str(&style.paint(Tone::Bad, &style.paragraph(0, alarm)));
    }
    let mut part = |head: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("\n{}\n{body}", style.paint(Tone::Strong, head)));
        }
    };
    part("Held back", restraints(style, status));
    part("UPSes", upses(style, &status.upses, &status.at));
    part("Domains", domains(style, &status.domains, &status.at));
    part("Hosts", hosts(style, &status.hosts, &status.at));
    part("Loads", loads(style, &status.loads, &status.at));
    let vms =
        if all_vms || status.vms.len() <= VMS_SHOWN { vms(style, &status.vms, &status.at) } else { tiers(style, &status.vms) };
    part("VMs", vms);
    part("Automation", guards(style, &status.guards));
    part("Alerts", alerts(style, &status.alerts));
    if let Some(run) = &status.run {
        part(&format!("Run {} ({})", run.id, run.state), runs::actions_text(style, &run.actions));
    }
    part("Findings", findings_text(style, &status.findings));
    text
}

fn source_tone(state: &str) -> Tone {
    match state {
        "online" => Tone::Good,
        "low-battery" | "forced" | "off" | "silent-on-battery" => Tone::Bad,
        _ => Tone::Warn,
    }
}

fn upses(style: &Style, upses: &[Ups], at: &str) -> String {
    let heads = [
        ("UPS", Lean::Left),
        ("STATE", Lean::Left),
        ("CHARGE", Lean::Right),
        ("RUNTIME", Lean::Right),
        ("LOAD", Lean::Right),
        ("POWER", Lean::Right),
        ("READ", Lean::Right),
        ("NOTE", Lean::Left),
    ];
    let mut table = Table::new(&heads);
    let percent = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{share:.0}%"));
    for ups in upses {
        let mut notes = Vec::new();
        notes.extend(ups.empty_in_s.map(|left| format!("counts as empty {}", style.due(left, at))));
        notes.extend(ups.ended_by.clone());
        notes.extend(ups.battery.as_ref().map(battery));
        notes.extend(ups.maintenance_left_s.map(|left| format!("maintenance ends {}", style.due(left, at))));
        notes.extend(ups.silent_because.clone());
        table.row([
            (Tone::Plain, ups.name.clone()),
            (source_tone(&ups.state), ups.state_words.clone()),
            (Tone::Plain, percent(ups.battery_charge_percent)),
            (Tone::Plain, ups.runtime_s.map_or_else(String::new, span)),
            (Tone::Plain, percent(ups.load_percent)),
            (Tone::Plain, ups.realpower_w.map_or_else(String::new, |watts| format!("{watts} W"))),
            (Tone::Dim, ups.age_s.map_or_else(|| "never".to_owned(), |age| format!("{} ago", span(age)))),
            (Tone::Plain, notes.join("; ")),
        ]);
    }
    table.show(style)
}

/// "battery gives 81% of its table (65% counted on), lasts 14m (9m counted on); forecasts off by 6%, bound held 5 of 5".
fn battery(battery: &Battery) -> String {
    let mut text =
        format!("battery gives {:.0}% of its table ({:.0}% counted on)", battery.health_percent, battery.health_lower_percent);
    if let (Some(lasts), Some(lower)) = (battery.lasts_s, battery.lasts_lower_s) {
        text.push_str(&format!(", lasts {} ({} counted on)", span(lasts), span(lower)));
    }
    if let Some(off) = battery.forecast_error_percent {
        text.push_str(&format!(", forecasts off by {off:.0}%, bound held {} of {}", battery.bound_held, battery.forecasts));
    }
    if let Some(tripped) = &battery.tripped {
        text.push_str(&format!(", less than forecast: {tripped}"));
    }
    text
}

fn domains(style: &Style, domains: &[Domain], at: &str) -> String {
    let mut table = Table::new(&[("DOMAIN", Lean::Left), ("MODE", Lean::Left), ("PHASE", Lean::Left), ("NOTE", Lean::Left)]);
    for domain in domains {
        let mut notes = Vec::new();
        notes.extend(domain.on_battery_for_s.map(|since| format!("on battery for {}", span(since))));
        notes.extend(domain.ride_through_left_s.map(|left| format!("acts {}", style.due(left, at))));
        notes.extend(domain.must_act_in_s.map(|left| format!("last safe moment {}", style.due(left, at))));
        notes.push(
            match domain.does_standing_plan_fit {
                None => "no plan yet",
                Some(true) => "the plan fits the battery",
                Some(false) => "the plan does NOT fit the battery",
            }
            .to_owned(),
        );
        table.row([
            (Tone::Plain, domain.name.clone()),
            (if domain.mode == "armed" { Tone::Good } else { Tone::Warn }, domain.mode.clone()),
            (if domain.phase == "online" { Tone::Good } else { Tone::Warn }, domain.phase_words.clone()),
            (Tone::Plain, notes.join("; ")),
        ]);
    }
    table.show(style)
}

/// The host's dead-man timer, where there is something to say of it.
fn last_resort(style: &Style, host: &Host, at: &str) -> String {
    let Some(timer) = &host.last_resort else { return String::new() };
    let fires = timer.fires_in_s.map_or_else(String::new, |left| format!(" {}", style.due(left, at)));
    match timer.state.as_str() {
        "set" => format!(", last resort{fires}"),
        "maybe-set" => format!(", last resort perhaps set{fires}"),
        "fired" => ", last resort has fired".to_owned(),
        _ if timer.failure.is_some() => ", last resort cannot be set".to_owned(),
        _ => String::new(),
    }
}

fn hosts(style: &Style, hosts: &[Host], at: &str) -> String {
    let mut table = Table::new(&[("HOST", Lean::Left), ("STATE", Lean::Left), ("PLATFORM", Lean::Left), ("POWER", Lean::Left)]);
    for host in hosts {
        let mut ends = host.power_ends_in_s.map_or_else(String::new, |left| format!(", ends {}", style.due(left, at)));
        ends.push_str(&last_resort(style, host, at));
        let (tone, platform) = match host.is_connected {
            Some(true) => (Tone::Good, "connected"),
            Some(false) => (Tone::Bad, "not reached"),
            None => (Tone::Plain, ""),
        };
        let state = if host.state == "off" { "off (proven)" } else { host.state.as_str() };
        table.row([
            (Tone::Plain, host.name.clone()),
            (Tone::Plain, state.to_owned()),
            (tone, platform.to_owned()),
            (Tone::Plain, format!("{}{ends}", host.power)),
        ]);
    }
    table.show(style)
}

fn loads(style: &Style, loads: &[Load], at: &str) -> String {
    let mut table = Table::new(&[("LOAD", Lean::Left), ("STATE", Lean::Left), ("POWER", Lean::Left)]);
    for load in loads {
        let ends = load.power_ends_in_s.map_or_else(String::new, |left| format!(", ends {}", style.due(left, at)));
        let (tone, state) = match load.state.as_str() {
            "on" => (Tone::Good, "on"),
            "off" => (Tone::Plain, "off (proven)"),
            other => (Tone::Warn, other),
        };
        table.row([(Tone::Plain, load.name.clone()), (tone, state.to_owned()), (Tone::Plain, format!("{}{ends}", load.power))]);
    }
    table.show(style)
}

fn vms(style: &Style, vms: &[Vm], at: &str) -> String {
    let heads =
        [("VM", Lean::Left), ("HOST", Lean::Left), ("TIER", Lean::Left), ("STATE", Lean::Left), ("IN AN OUTAGE", Lean::Left)];
    let mut table = Table::new(&heads);
    for vm in vms {
        let mut fate = vm.fate.clone().unwrap_or_default();
        if let Some(left) = vm.last_safe_in_s {
            fate.push_str(&format!(", last safe moment {}", style.due(left, at)));
        }
        let tone = if vm.state == "running" { Tone::Good } else { Tone::Plain };
        table.row([
            (Tone::Plain, vm.name.clone()),
            (Tone::Plain, vm.host.clone()),
            (Tone::Plain, vm.tier.clone()),
            (tone, vm.state.clone()),
            (Tone::Plain, fate),
        ]);
    }
    table.show(style)
}

fn alerts(style: &Style, alerts: &[Alert]) -> String {
    let mut table = Table::new(&[("ALERT", Lean::Left), ("STATE", Lean::Left), ("WAITING", Lean::Right), ("NOTE", Lean::Left)]);
    for alert in alerts {
        let last = alert.delivered_at.as_ref().map(|at| format!("last delivered at {}", style.moment(at)));
        let (tone, state) = match (&alert.error, &last) {
            (Some(_), _) => (Tone::Bad, "NOT DELIVERED"),
            (None, Some(_)) => (Tone::Good, "delivers"),
            (None, None) => (Tone::Dim, "nothing told since the start"),
        };
        let notes: Vec<&str> = alert.error.as_deref().into_iter().chain(last.as_deref()).collect();
        table.row([
            (Tone::Plain, alert.name.clone()),
            (tone, state.to_owned()),
            (Tone::Plain, alert.waiting.to_string()),
            (Tone::Plain, notes.join("; ")),
        ]);
    }
    table.show(style)
}

/// Too many to list: how many of each tier run.
fn tiers(style: &Style, vms: &[Vm]) -> String {
    let mut count: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for vm in vms {
        let (all, running) = count.entry(&vm.tier).or_default();
        *all += 1;
        *running += usize::from(vm.state == "running");
    }
    let mut table = Table::new(&[("TIER", Lean::Left), ("VMS", Lean::Right), ("RUNNING", Lean::Right)]);
    for (tier, (all, running)) in count {
        table.row([(Tone::Plain, tier.to_owned()), (Tone::Plain, all.to_string()), (Tone::Plain, running.to_string())]);
    }
    format!("{}  `ridethrough status --vms` lists them all.\n", table.show(style))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn ups() -> Ups {
        Ups {
            name: "rack-a".to_owned(),
            state: "on-battery".to_owned(),
            state_words: "on battery".to_owned(),
            status: Some("OB DISCHRG".to_owned()),
            battery_charge_percent: Some(86.5),
            runtime_s: Some(750),
            load_percent: Some(40.0),
            realpower_w: Some(480),
            age_s: Some(1),
            empty_in_s: Some(637),
            ended_by: None,
            masters: Vec::new(),
            battery: None,
            silent_because: None,
            maintenance_left_s: None,
        }
    }

    fn domain() -> Domain {
        Domain {
            name: "rack-a".to_owned(),
            mode: "armed".to_owned(),
            phase: "on-battery".to_owned(),
            phase_words: "on battery, riding through".to_owned(),
            on_battery_for_s: Some(22),
            ride_through_left_s: Some(38),
            must_act_in_s: Some(245),
            does_standing_plan_fit: Some(true),
        }
    }

    fn host() -> Host {
        Host {
            name: "kvm1".to_owned(),
            state: "on".to_owned(),
            is_connected: Some(true),
            power_ends_in_s: Some(637),
            power: "on battery (rack-a)".to_owned(),
            last_resort: None,
        }
    }

    fn vm() -> Vm {
        Vm {
            id: "lab/1".to_owned(),
            name: "db".to_owned(),
            host: "kvm1".to_owned(),
            state: "running".to_owned(),
            tier: "critical".to_owned(),
            fate: Some("moves to kvm2".to_owned()),
            reason: None,
            last_safe_in_s: None,
        }
    }

    #[test]
    fn an_outage_reads_well_on_a_hundred_columns() {
        let status = Status {
            version: "0.1.0".to_owned(),
            at: "2025-01-01T12:00:00Z".to_owned(),
            up_s: 7980,
            is_at_risk: true,
            is_journal_degraded: false,
            upses: vec![ups()],
            domains: vec![domain()],
            hosts: vec![host()],
            loads: Vec::new(),
            vms: vec![vm()],
            run: None,
            hold: None,
            guards: Vec::new(),
            alerts: vec![
                Alert {
                    name: "mail".to_owned(),
                    waiting: 3,
                    delivered_at: None,
                    error: Some("mail.example.org: connection refused".to_owned()),
                },
                Alert {
                    name: "pager".to_owned(),
                    waiting: 0,
                    delivered_at: Some("2025-01-01T11:59:00Z".to_owned()),
                    error: None,
                },
            ],
            configuration: None,
            findings: Vec::new(),
        };
        expect![[r#"
            Ridethrough 0.1.0, up 2h 13m, at 12:00:00
            AT RISK: UPS rack-a is on battery

            UPSes
              UPS     STATE       CHARGE  RUNTIME  LOAD  POWER    READ  NOTE
              rack-a  on battery     86%  12m 30s   40%  480 W  1s ago  counts as empty in 10m 37s (12:10:37)

            Domains
              DOMAIN  MODE   PHASE                       NOTE
              rack-a  armed  on battery, riding through  on battery for 22s; acts in 38s (12:00:38); last safe
                                                         moment in 4m 05s (12:04:05); the plan fits the battery

            Hosts
              HOST  STATE  PLATFORM   POWER
              kvm1  on     connected  on battery (rack-a), ends in 10m 37s (12:10:37)

            VMs
              VM  HOST  TIER      STATE    IN AN OUTAGE
              db  kvm1  critical  running  moves to kvm2

            Alerts
              ALERT  STATE          WAITING  NOTE
              mail   NOT DELIVERED        3  mail.example.org: connection refused
              pager  delivers             0  last delivered at 11:59:00
        "#]]
        .assert_eq(&text(&Style::plain(100, "2025-01-01T12:00:00Z"), &status, false));
    }
}
