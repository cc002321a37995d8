//! Loads that are no hosts: what their probe or ping says now, while they are meant to be on. Tells none of them anything.

use ridethrough_driver::{Cx, FailureKind, HostPower};
use ridethrough_model::{Finding, HostPowerState, LoadId, Mono};
use std::time::Duration;

/// Asks one means of one load.
pub(super) async fn ask(id: &LoadId, means: &dyn HostPower, limit: Duration, now: Mono) -> Vec<Finding> {
    let capability = means.capability();
    let is_blind = means.name() != "ping" && !capability.can_prove_off;
    let cx = Cx::within(limit, now);
    let (subject, name) = (format!("load {id}"), means.name());
    let finding = match cx.bound("observe", means.observe(&cx)).await {
        Ok(HostPowerState::On) => return Vec::new(),
        // It only stops or starts.
        Ok(HostPowerState::Unknown) if is_blind => return Vec::new(),
        Ok(HostPowerState::Off) => Finding::error(
            "RT0248",
            subject,
            format!(
                "{name} says that it is off: in an outage it would count as stopped, and hosts that need it would not be brought back."
            ),
            "If it is on, mend the probe: exit status 0, or the expected answer, says that it is on.",
        ),
        Ok(HostPowerState::Unknown) => Finding::warning(
            "RT0247",
            subject,
            format!("{name} cannot tell whether it is on: no answer, or one that says neither."),
            "If it is on, mend the probe or the address: hosts that need it would wait for it after an outage.",
        ),
        Err(error) if error.kind() == FailureKind::Unauthorized => Finding::error(
            "RT0249",
            subject,
            format!("{name} is refused: {}.", error.to_failure().message),
            "Correct the user and the key, the header's secret, or whose certificate is believed: the message says which.",
        ),
        Err(error) => Finding::error(
            "RT0249",
            subject,
            format!("{name} cannot be used: {}.", error.to_failure().message),
            "Read the reason; it is a wrong setting or a missing program.",
        ),
    };
    vec![finding]
}
