//! The picture of `status --watch`: rows of ink from what was last heard. Asks nothing, writes nothing. Most important first: what is
//! cut off at the bottom of a small terminal is what matters least.

use super::Look;
use crate::command::frame::{Ink, Row, wrap};
use crate::command::verdict::{Verdict, verdict};
use crate::output::{Style, printable, span};
use jiff::Timestamp;
use ridethrough_api::{Action, Domain, Event, Run, Status, Ups, Vm};
use tokio::time::Instant;

/// Everything heard so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) status: Option<Status>,
    events: Vec<Event>,
    /// When it was heard.
    heard_at: Option<Instant>,
    /// Since when there is no answer.
    pub(super) lost_at: Option<Timestamp>,
    /// Why.
    pub(super) why_lost: Option<String>,
}

impl Seen {
    /// Takes one look in.
    pub(super) fn take(&mut self, look: Look, wall: Timestamp, now: Instant) {
        match look {
            Ok((status, events)) => {
                *self = Self { status: Some(status), events, heard_at: Some(now), lost_at: None, why_lost: None };
            }
            Err(failure) => {
                self.lost_at.get_or_insert(wall);
                let cause = failure.cause.map_or_else(String::new, |cause| format!(" ({cause})"));
                self.why_lost = Some(format!("{}{cause}", failure.error.message));
            }
        }
    }
}

/// Steps of a run: done, all, under way, failed. What is only said, or was dropped, is no step.
pub(super) fn progress(run: &Run) -> (usize, usize, usize, usize) {
    let steps = || run.actions.iter().filter(|action| !action.is_observe_only && action.phase != "dropped");
    let count = |phases: &[&str]| steps().filter(|action| phases.contains(&action.phase.as_str())).count();
    (count(&["done"]), steps().count(), count(&["intended", "accepted"]), count(&["failed"]))
}

/// The whole picture.
pub(super) fn rows(seen: &Seen, style: &Style, now: Instant, width: usize, height: usize) -> Vec<Row> {
    let mut rows = vec![title(seen, style, width)];
    if let Some(lost_at) = seen.lost_at {
        let why = seen.why_lost.as_deref().unwrap_or_default();
        let shown = if seen.status.is_some() { "; what is shown is from then" } else { "" };
        let text = format!("NOT REACHED since {}{shown}: {}", style.local(lost_at), printable(why));
        rows.extend(wrap(&text, width).into_iter().map(|line| inked(Ink::Bad, line)));
    }
    let Some(status) = &seen.status else {
        if seen.lost_at.is_none() {
            rows.push(inked(Ink::Dim, "asking ...".to_owned()));
        }
        return rows;
    };
    let aged = seen.heard_at.map_or(0, |heard| now.duration_since(heard).as_secs());
    let scene = Scene { status, style, aged, width };
    rows.extend(scene.verdict());
    rows.extend(scene.restraints());
    rows.push(Row::default());
    rows.extend(status.upses.iter().map(|ups| scene.ups(ups)));
    rows.push(Row::default());
    rows.extend(status.domains.iter().map(|domain| scene.domain(domain)));
    if let Some(run) = &status.run {
        rows.push(Row::default());
        rows.extend(scene.run(run));
    }
    let alarms = scene.alarms();
    let room = height.saturating_sub(rows.len() + 1);
    // On a small terminal what is true goes before what happened.
    let for_events = if room >= 20 { seen.events.len().min(5) + 1 } else { 0 };
    let for_alarms = alarms.len() + usize::from(!alarms.is_empty());
    let for_vms = room.saturating_sub(for_alarms + for_events).max(room / 2);
    rows.push(Row::default());
    rows.extend(scene.vms(for_vms));
    if !alarms.is_empty() && rows.len() + 2 < height {
        rows.push(Row::default());
        let room = height - rows.len();
        rows.extend(alarms.into_iter().take(room));
    }
    if rows.len() + 2 < height {
        rows.push(Row::default());
        let room = height - rows.len();
        let skipped = seen.events.len().saturating_sub(room);
        rows.extend(seen.events.iter().skip(skipped).map(|event| scene.event(event)));
    }
    rows.truncate(height);
    rows
}

fn title(seen: &Seen, style: &Style, width: usize) -> Row {
    let mut row = Row::default();
    row.put(Ink::Title, " RIDETHROUGH ");
    let at = seen.status.as_ref().map_or_else(String::new, |status| format!("as of {} ", style.moment(&status.at)));
    if width >= 60 {
        row.put(Ink::TitleDim, " Ctrl-C ends");
    }
    row.put_right(width, Ink::Title, &at);
    row
}

fn inked(ink: Ink, text: String) -> Row {
    let mut row = Row::default();
    row.put(ink, text);
    row
}

/// A bar of so many cells.
pub(super) fn bar(percent: f64, cells: usize) -> (String, String) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a bar of a few cells"
    )]
    let full = ((percent.clamp(0.0, 100.0) / 100.0) * cells as f64).round() as usize;
    ("█".repeat(full), "░".repeat(cells - full))
}

struct Scene<'a> {
    status: &'a Status,
    style: &'a Style,
    /// Seconds since it was said.
    aged: u64,
    width: usize,
}

impl Scene<'_> {
    fn left(&self, seconds: u64) -> String {
        span(seconds.saturating_sub(self.aged))
    }

    fn verdict(&self) -> Vec<Row> {
        let verdict = verdict(self.status);
        let ink = match verdict {
            Verdict::Protected => Ink::Good,
            Verdict::AtRisk(_) => Ink::Bad,
            Verdict::Unprotected(_) => Ink::Warn,
        };
        wrap(&printable(&verdict.words()), self.width).into_iter().take(3).map(|line| inked(ink, line)).collect()
    }

    fn restraints(&self) -> Vec<Row> {
        let mut lines = Vec::new();
        if let Some(hold) = &self.status.hold {
            let kind = if hold.even_if_lost { "HOLD EVEN IF LOST" } else { "HOLD" };
            let safe = hold.last_safe_in_s.map(|left| format!("; last safe moment in {}", self.left(left)));
            let ends = self.left(hold.ends_in_s);
            lines.push(format!("{kind} by {}: nothing is started; ends in {ends}{}", hold.by, safe.unwrap_or_default()));
        }
        if let Some(abort) = self.status.run.as_ref().and_then(|run| run.aborted.as_ref()) {
            let until = if abort.is_until_return { "`ridethrough return`" } else { "mains is stable" };
            lines.push(format!("ABORT by {}: nothing is started before {until}", abort.by));
        }
        lines.iter().flat_map(|line| wrap(&printable(line), self.width)).map(|line| inked(Ink::Bad, line)).collect()
    }

    fn name_width<'n>(names: impl Iterator<Item = &'n str>) -> usize {
        names.map(|name| name.chars().count()).max().unwrap_or(0).clamp(4, 20)
    }

    fn ups(&self, ups: &Ups) -> Row {
        let names = Self::name_width(self.status.upses.iter().map(|ups| ups.name.as_str()));
        let ink = match ups.state.as_str() {
            "online" => Ink::Good,
            "low-battery" | "forced" | "off" | "silent-on-battery" => Ink::Bad,
            _ => Ink::Warn,
        };
        let mut row = Row::default();
        row.put(Ink::Strong, printable(&ups.name)).pad_to(names + 2, Ink::Plain);
        let words = self.status.upses.iter().map(|ups| ups.state_words.chars().count()).max().unwrap_or(0);
        row.put(ink, ups.state_words.clone()).pad_to(names + words + 4, Ink::Plain);
        match ups.battery_charge_percent {
            Some(percent) => {
                let (full, empty) = bar(percent, 10);
                row.put(ink, full).put(Ink::Faint, empty).put(Ink::Plain, format!(" {percent:>3.0}%"));
            }
            None => {
                row.put(Ink::Warn, "charge unknown");
            }
        }
        match (ups.empty_in_s, ups.runtime_s) {
            (Some(left), _) => row.put(Ink::Bad, format!("  empty in {}", self.left(left))),
            (None, Some(runtime)) => row.put(Ink::Plain, format!("  lasts {}", span(runtime))),
            (None, None) => row.put(Ink::Warn, "  runtime unknown"),
        };
        if let Some(load) = ups.load_percent {
            row.put(Ink::Dim, format!("  load {load:.0}%"));
        }
        if let Some(left) = ups.maintenance_left_s {
            row.put(Ink::Warn, format!("  maintenance {}", self.left(left)));
        }
        if let Some(why) = &ups.silent_because {
            row.put(Ink::Warn, format!("  {}", printable(why)));
        }
        row
    }

    fn domain(&self, domain: &Domain) -> Row {
        let names = Self::name_width(self.status.domains.iter().map(|domain| domain.name.as_str()));
        let mut row = Row::default();
        row.put(Ink::Strong, printable(&domain.name)).pad_to(names + 2, Ink::Plain);
        let mode = if domain.mode == "armed" { Ink::Good } else { Ink::Warn };
        row.put(mode, domain.mode.clone()).pad_to(names + 11, Ink::Plain);
        let phase = match domain.phase.as_str() {
            "online" => Ink::Good,
            "returning" => Ink::Return,
            "acting" => Ink::Bad,
            _ => Ink::Warn,
        };
        row.put(phase, domain.phase_words.clone());
        if let Some(left) = domain.ride_through_left_s {
            row.put(Ink::Warn, format!("  acts in {}", self.left(left)));
        }
        if let Some(left) = domain.must_act_in_s {
            row.put(Ink::Plain, format!("  last safe moment in {}", self.left(left)));
        }
        match domain.does_standing_plan_fit {
            Some(true) if domain.phase == "online" => row.put(Ink::Dim, "  the plan fits the battery"),
            Some(false) => row.put(Ink::Bad, "  the plan does NOT fit the battery"),
            None => row.put(Ink::Warn, "  no plan yet"),
            Some(true) => &mut row,
        };
        row
    }

    fn run(&self, run: &Run) -> Vec<Row> {
        let (done, all, in_flight, failed) = progress(run);
        let mut head = Row::default();
        #[expect(clippy::cast_precision_loss, reason = "a bar of a few cells")]
        let (full, empty) = bar(if all == 0 { 0.0 } else { done as f64 * 100.0 / all as f64 }, 20);
        head.put(Ink::Strong, format!("Run {} {}  ", run.id, run.state)).put(Ink::Good, full).put(Ink::Faint, empty);
        head.put(Ink::Plain, format!("  {done} of {all} steps"));
        if in_flight > 0 {
            head.put(Ink::Move, format!(", {in_flight} under way"));
        }
        if failed > 0 {
            head.put(Ink::Bad, format!(", {failed} failed"));
        }
        let mut rows = vec![head];
        let is_live = |action: &&Action| matches!(action.phase.as_str(), "intended" | "accepted");
        rows.extend(run.actions.iter().filter(is_live).take(6).map(|action| {
            let mut row = Row::default();
            match action.done_percent {
                Some(percent) => {
                    let (full, empty) = bar(f64::from(percent), 10);
                    row.put(Ink::Move, format!("  {full}")).put(Ink::Faint, empty).put(Ink::Plain, format!(" {percent:>3}%  "));
                }
                None => {
                    row.put(Ink::Move, "  under way        ");
                }
            }
            row.put(Ink::Plain, printable(&action.text));
            row
        }));
        rows
    }

    /// The VMs whose power ends first, in so many rows.
    fn vms(&self, room: usize) -> Vec<Row> {
        let ends = |vm: &Vm| {
            let host = self.status.hosts.iter().find(|host| host.name == vm.host);
            host.and_then(|host| host.power_ends_in_s).unwrap_or(u64::MAX)
        };
        let mut vms: Vec<&Vm> = self.status.vms.iter().collect();
        vms.sort_by_key(|vm| (vm.last_safe_in_s.unwrap_or(u64::MAX), ends(vm), vm.name.as_str()));
        let is_cut = vms.len() > room;
        let shown = if is_cut { room.saturating_sub(1) } else { vms.len() };
        let names = Self::name_width(vms.iter().map(|vm| vm.name.as_str()));
        let hosts = Self::name_width(vms.iter().map(|vm| vm.host.as_str()));
        let mut rows: Vec<Row> = vms.iter().take(shown).map(|vm| self.vm(vm, names, hosts)).collect();
        if is_cut && room > 0 {
            rows.push(inked(Ink::Dim, format!("... and {} VMs more", vms.len() - shown)));
        }
        rows
    }

    fn vm(&self, vm: &Vm, names: usize, hosts: usize) -> Row {
        let mut row = Row::default();
        let ink = match vm.state.as_str() {
            "running" => Ink::Good,
            "crashed" => Ink::Bad,
            "unknown" => Ink::Warn,
            _ => Ink::Dim,
        };
        row.put(Ink::Plain, printable(&vm.name)).pad_to(names + 2, Ink::Plain);
        row.put(Ink::Dim, printable(&vm.host)).pad_to(names + hosts + 4, Ink::Plain);
        row.put(ink, vm.state.clone()).pad_to(names + hosts + 15, Ink::Plain);
        let fate = vm.fate.as_deref().unwrap_or("no plan for it");
        row.put(if vm.fate.is_some() { Ink::Plain } else { Ink::Dim }, printable(fate));
        if let Some(left) = vm.last_safe_in_s {
            row.put(Ink::Warn, format!("  last safe {}", self.left(left)));
        }
        if let Some(reason) = vm.reason.as_ref().filter(|_| self.width >= 110) {
            row.put(Ink::Faint, format!("  {}", printable(reason)));
        }
        row
    }

    fn alarms(&self) -> Vec<Row> {
        let mut findings: Vec<_> = self.status.findings.iter().filter(|finding| finding.level != "info").collect();
        findings.sort_by_key(|finding| finding.level != "error");
        let mut rows: Vec<Row> = findings
            .iter()
            .take(4)
            .map(|finding| {
                let mut row = Row::default();
                let ink = if finding.level == "error" { Ink::Bad } else { Ink::Warn };
                row.put(ink, format!("{} {}", finding.level, finding.code));
                row.put(Ink::Plain, format!("  {}: {}", printable(&finding.subject), printable(&finding.message)));
                row
            })
            .collect();
        if findings.len() > 4 {
            rows.push(inked(Ink::Dim, format!("... and {} findings more: `ridethrough status`", findings.len() - 4)));
        }
        rows
    }

    fn event(&self, event: &Event) -> Row {
        let ink = match event.severity.as_str() {
            "alarm" => Ink::Bad,
            "warning" => Ink::Warn,
            _ => Ink::Dim,
        };
        let mut row = Row::default();
        row.put(Ink::Faint, format!("{}  ", self.style.moment(&event.at))).put(ink, printable(&event.text));
        row
    }
}

#[cfg(test)]
mod tests;
