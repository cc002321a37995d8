//! What a pipe gets: one line when something has changed, not for every second that passes.

use super::picture::{Seen, progress};
use crate::command::verdict::verdict;
use crate::output::{Style, printable, span};
use jiff::Timestamp;
use serde_json::json;

/// What counts as a change: no number that moves by itself.
pub(super) fn facts(seen: &Seen) -> String {
    let Some(status) = seen.status.as_ref().filter(|_| seen.lost_at.is_none()) else { return "not reached".to_owned() };
    let domains: Vec<&str> = status.domains.iter().map(|domain| domain.phase.as_str()).collect();
    let vms: Vec<(&str, &str, &str)> =
        status.vms.iter().map(|vm| (vm.name.as_str(), vm.state.as_str(), vm.host.as_str())).collect();
    let hosts: Vec<&str> = status.hosts.iter().map(|host| host.state.as_str()).collect();
    let done = status.run.as_ref().map(progress);
    format!("{} {domains:?} {vms:?} {hosts:?} {done:?}", verdict(status).words())
}

/// One line for a person.
pub(super) fn text(seen: &Seen, style: &Style) -> String {
    let now = style.clock_time(Timestamp::now());
    let Some(status) = seen.status.as_ref().filter(|_| seen.lost_at.is_none()) else {
        let why = seen.why_lost.as_deref().unwrap_or("no answer yet");
        return format!("{now}  NOT REACHED: {}\n", printable(why));
    };
    let mut parts = vec![verdict(status).words()];
    for ups in &status.upses {
        let charge = ups.battery_charge_percent.map_or_else(|| "?".to_owned(), |share| format!("{share:.0}%"));
        let left = ups.empty_in_s.map_or_else(String::new, |left| format!(", empty in {}", span(left)));
        parts.push(format!("{} {charge}{left}", ups.name));
    }
    for domain in status.domains.iter().filter(|domain| domain.phase != "online") {
        parts.push(format!("domain {}: {}", domain.name, domain.phase_words));
    }
    if let Some(run) = &status.run {
        let (done, all, in_flight, failed) = progress(run);
        parts.push(format!("run {}: {done} of {all} steps done, {in_flight} under way, {failed} failed", run.id));
    }
    let running = status.vms.iter().filter(|vm| vm.state == "running").count();
    parts.push(format!("{running} of {} VMs run", status.vms.len()));
    format!("{now}  {}\n", printable(&parts.join(" | ")))
}

/// One object in one line for a program.
pub(super) fn json(seen: &Seen) -> String {
    let value = match seen.status.as_ref().filter(|_| seen.lost_at.is_none()) {
        Some(status) => serde_json::to_string(status),
        None => serde_json::to_string(&json!({ "not_reached": seen.why_lost })),
    };
    format!("{}\n", value.expect("the API's types always serialise"))
}
