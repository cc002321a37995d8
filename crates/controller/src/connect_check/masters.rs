//! Who else ends a UPS's power, as findings while the mains is still good.

use super::some;
use ridethrough_driver::Client;
use ridethrough_model::{Finding, Reading, UpsTopology};

/// Those that follow the UPS and are not known to only obey.
pub(super) fn others(subject: String, clients: &[Client], known: &UpsTopology) -> Option<Finding> {
    let addresses = clients.iter().map(|client| client.address.as_str());
    let addresses: Vec<&str> = addresses.filter(|address| !known.secondaries.contains(*address)).collect();
    (!addresses.is_empty()).then(|| {
        let message = format!(
            "others follow this UPS too: {}. A master among them orders everybody down when its battery is low: every plan ends before that.",
            some(&addresses)
        );
        let remedy = "If they only obey (upsmon secondaries), name them in `secondaries`: the plan then has the whole battery.";
        Finding::warning("RT0205", subject, message, remedy)
    })
}

/// What the UPS itself is set to do.
pub(super) fn own_limits(subject: &str, reading: &Reading, findings: &mut Vec<Finding>) {
    for (group, charge) in &reading.limits.outlets_off_at {
        findings.push(Finding::warning(
            "RT0233",
            subject,
            format!("it switches outlet group {group} off by itself when its charge falls to {charge}."),
            format!("Say `outlet_group = {group}` in the feeds of what hangs on it: their plan ends before that. Or set it to 0 in the UPS."),
        ));
    }
    if reading.limits.starts_with_mains == Some(false) {
        findings.push(Finding::warning(
            "RT0234",
            subject,
            "once off it does not give power again by itself when the mains is back (ups.start.auto: no).",
            "Let it: in its own settings, or with `upsrw -s ups.start.auto=yes`. Else everything on it stays dark until somebody comes.",
        ));
    }
}
