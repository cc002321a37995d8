//! Hooks: that they can be called, and that they ever are.

use super::{Findings, Subject, loads};
use crate::config::Config;
use crate::config::section::hook::Hooks;
use crate::config::section::order::Order;
use crate::wiring::order as wiring;
use ridethrough_model::HookMoment;

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for entry in &config.tiers {
        let Some(hooks) = &entry.value.hooks else { continue };
        let subject = Subject::new("tier", &entry.value.name, entry);
        each(&entry.value.name, hooks, &subject, findings);
        for (_, key, order) in hooks.given() {
            let Order::Ssh(remote) = &**order else { continue };
            if remote.address.is_none() {
                let message = format!("its hook `{key}` goes over SSH and names no machine: a tier has no address of its own.");
                findings.error("RT0168", &subject, Some(remote.command.span()), &message, "Add `address = \"...\"`.");
            }
        }
    }
    for (name, entry) in &config.hosts {
        let Some(hooks) = &entry.value.hooks else { continue };
        let subject = Subject::new("host", name, entry);
        each(name, hooks, &subject, findings);
        let never = hooks.given().filter_map(|(moment, key, order)| {
            let why = match moment {
                HookMoment::BeforeStop if !entry.value.can_shut_down() => "it cannot be told to shut down",
                HookMoment::AfterStop if !entry.value.can_prove_off() => "nothing can prove that it is off",
                HookMoment::BeforeStart if !entry.value.can_wake() => "it cannot be woken from here",
                _ => return None,
            };
            Some((key, order, why))
        });
        for (key, order, why) in never {
            let message = format!("its hook `{key}` is never called: {why}.");
            let remedy = "Add what is missing (`shutdown`, its BMC in `power`), or take the hook out.";
            findings.warning("RT0167", &subject, Some(order.span()), &message, remedy);
        }
    }
}

fn each(name: &str, hooks: &Hooks, subject: &Subject<'_>, findings: &mut Findings) {
    for (_, key, order) in hooks.given() {
        loads::order(key, name, order, subject, findings);
    }
    if let Some(limit) = hooks.time_limit.as_ref().filter(|limit| limit.0 > wiring::TIME_LIMIT_MAX) {
        let span = hooks.given().next().map(|(_, _, order)| order.span());
        let message = format!("the `time_limit` of its hooks, {}, is longer than {}.", limit.0, wiring::TIME_LIMIT_MAX);
        findings.error("RT0123", subject, span, &message, "Let the hook return sooner and do the rest in the background.");
    }
}
