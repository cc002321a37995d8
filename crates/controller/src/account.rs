//! The after-action record for the API. Only renames, rounds and puts into words.

use crate::narrate::moment;
use ridethrough_api as api;
use ridethrough_decide::{Decision, RunState, StepAccount, UpsAccount};
use ridethrough_model::{ActionId, Op, Ppm, UpsId, VmId};

/// The record of a run; `text` puts an operation into words.
pub(crate) fn account(run: &RunState, text: impl Fn(&Op) -> String) -> api::Account {
    let account = &run.account;
    let name = |vm: &VmId| run.homes.get(vm).map_or_else(|| vm.to_string(), |home| home.name.clone());
    api::Account {
        lasted_s: account.lasted().map(|lasted| lasted.as_secs()),
        in_short: account.in_short(),
        upses: account.upses.iter().map(ups).collect(),
        steps: account.steps.iter().map(|(id, step)| self::step(*id, step, &text)).collect(),
        decisions: account.decisions.iter().map(decision).collect(),
        decisions_more: account.decisions_more,
        left_off: run.left_off.keys().map(name).collect(),
        not_ready: run.not_ready.iter().map(name).collect(),
    }
}

fn percent(share: Ppm) -> u8 {
    u8::try_from(share.0 / 10_000).unwrap_or(100).min(100)
}

fn ups((id, ups): (&UpsId, &UpsAccount)) -> api::UpsAccount {
    let least = ups.least.as_ref();
    api::UpsAccount {
        name: id.to_string(),
        outages: ups.outages,
        on_battery_s: ups.on_battery.as_secs(),
        is_partial: ups.is_partial,
        charge_at_loss_percent: ups.at_loss.as_ref().and_then(|facts| facts.charge).map(percent),
        charge_least_percent: least.and_then(|facts| facts.charge).map(percent),
        runtime_least_s: least.and_then(|facts| facts.runtime).map(|runtime| runtime.as_secs()),
        energy_wh: ups.energy_mwh.map(|mwh| mwh / 1000),
    }
}

fn step(id: ActionId, step: &StepAccount, text: impl Fn(&Op) -> String) -> api::StepAccount {
    let begun = step.began.as_ref().map(|began| began.mono);
    api::StepAccount {
        id: id.0,
        text: text(&step.op),
        why: step.why.clone(),
        began_at: step.began.as_ref().map(|began| moment(began.wall)),
        ended_at: step.ended.as_ref().map(|ended| moment(ended.wall)),
        late_s: begun.map(|begun| begun.since(step.planned_at).as_secs()),
        spare_s: begun.zip(step.last_safe).map(|(begun, last)| last.since(begun).as_secs()),
        allowed_s: step.budget.as_secs(),
        took_s: step.took().map(|took| took.as_secs()),
        attempts: step.attempts,
        outcome: step.outcome.map(str::to_owned),
        has_overrun: step.has_overrun,
    }
}

fn decision(decision: &Decision) -> api::Decision {
    api::Decision {
        at: moment(decision.at.wall),
        by: decision.by.clone().unwrap_or_else(|| "controller".to_owned()),
        text: decision.text.clone(),
    }
}
