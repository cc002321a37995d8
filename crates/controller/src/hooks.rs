//! Calls hooks: each is one order in the operator's own words, given once per attempt and bounded by its own time.
//!
//! What is told along lets whoever is called tell a repetition: the key stays the same over all attempts of one call.

use crate::performer::Ticket;
use ridethrough_decide::StepReply;
use ridethrough_driver::own_words::KEY;
use ridethrough_driver::{Cx, Facts, Order};
use ridethrough_model::{Failure, FailureKind, Hook, HookOf, Mono, Started, TaskRef, TookEffect};
use std::sync::Arc;
use std::time::Duration;

/// What stands behind a hook.
#[derive(Clone, Debug)]
pub struct HookCall {
    /// What is done.
    pub order: Arc<dyn Order>,
    /// How long it may take; then it is ended.
    pub time_max: Duration,
}

/// What is told to whoever is called.
pub(crate) fn facts(hook: &Hook, ticket: Ticket) -> Facts {
    let Ticket { run, action, attempt } = ticket;
    let of = match &hook.of {
        HookOf::Tier(tier) => ("RIDETHROUGH_TIER", tier.to_string()),
        HookOf::Host(host) => ("RIDETHROUGH_HOST", host.to_string()),
    };
    let all = [
        ("RIDETHROUGH_HOOK", hook.moment.word().to_owned()),
        of,
        ("RIDETHROUGH_RUN", run.to_string()),
        ("RIDETHROUGH_ACTION", action.to_string()),
        ("RIDETHROUGH_ATTEMPT", attempt.to_string()),
        (KEY, format!("{run}-{action}")),
    ];
    all.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Gives it once and waits for its answer, no longer than it may take.
pub(crate) async fn call(behind: Option<HookCall>, hook: &Hook, ticket: Ticket, now: Mono) -> StepReply {
    let Some(HookCall { order, time_max }) = behind else {
        let message = format!("the hook {hook} is not configured");
        return StepReply::Started(Err(Failure { kind: FailureKind::Config, took_effect: TookEffect::No, message }));
    };
    let cx = Cx::within(time_max, now);
    let facts = facts(hook, ticket);
    let answer = cx.bound("call the hook", order.give(&facts, &cx)).await;
    let done = answer.and_then(|answer| answer.done("call the hook"));
    StepReply::Started(done.map(|()| Started::Task(TaskRef("answered".to_owned()))).map_err(|error| {
        let mut failure = error.to_failure();
        failure.message = format!("{}: {}", order.name(), failure.message);
        failure
    }))
}
