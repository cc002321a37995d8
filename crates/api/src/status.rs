//! The whole site now, as `GET /api/v1/status` tells it.

use crate::hold::Hold;
use crate::run::Run;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The whole site now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The controller's version.
    pub version: String,
    /// When this was said.
    pub at: String,
    /// How long the controller has been running.
    pub up_s: u64,
    /// Whether a UPS is on battery or a run is open.
    pub is_at_risk: bool,
    /// The journal does not keep up; records are in memory.
    pub is_journal_degraded: bool,
    /// UPSes by name.
    pub upses: Vec<Ups>,
    /// Domains by name.
    pub domains: Vec<Domain>,
    /// Hosts by name.
    pub hosts: Vec<Host>,
    /// Loads that are no hosts, of those that can be told to stop or be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<Load>,
    /// VMs.
    pub vms: Vec<Vm>,
    /// The run under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// A hold in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Automation of the platforms that would act against a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Guard>,
    /// How each way alerts go does, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Alert>,
    /// Which configuration is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
    /// What is wrong or missing now.
    pub findings: Vec<Finding>,
}

/// Automation of a platform that would act against a run: disarmed first, put back last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Guard {
    /// Its id: platform and what its driver calls it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it does by itself.
    pub does: String,
    /// The hosts it acts on.
    pub hosts: Vec<String>,
    /// Its value now, in its platform's words.
    pub value: String,
    /// It would act against a run.
    pub is_armed: bool,
    /// What it is put back to at the end of the run; null unless we have disarmed it.
    pub put_back_to: Option<String>,
}

/// Which configuration is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// Since when: the start, or the last reload that changed something.
    pub since: String,
    /// SHA-256 of its files, in small hex digits.
    pub digest: String,
    /// A newer one that was refused; the old one goes on. Null once a reload went well.
    pub refused: Option<RefusedConfiguration>,
}

/// A configuration that was not put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedConfiguration {
    /// When it was refused.
    pub at: String,
    /// `RTnnnn`.
    pub code: String,
    /// Why, in one sentence.
    pub message: String,
    /// Every reason.
    pub findings: Vec<Finding>,
}

/// One UPS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ups {
    /// Its name.
    pub name: String,
    /// `unknown`, `online`, `on-battery`, `low-battery`, `forced`, `bypass`, `off`, `silent-on-mains`, `silent-on-battery`.
    pub state: String,
    /// The state for a person.
    pub state_words: String,
    /// `ups.status` as last read (RFC 9271).
    pub status: Option<String>,
    /// Charge of its battery.
    pub battery_charge_percent: Option<f64>,
    /// Runtime as it states it.
    pub runtime_s: Option<u64>,
    /// Load.
    pub load_percent: Option<f64>,
    /// Real power.
    pub realpower_w: Option<u64>,
    /// How old the last reading is.
    pub age_s: Option<u64>,
    /// On battery: time until it is taken to be empty, after margin and age.
    pub empty_in_s: Option<u64>,
    /// On battery: what ends it before its battery is empty, for a person (another master, a forced shutdown, a countdown).
    #[serde(default)]
    pub ended_by: Option<String>,
    /// Others that follow it and do not only obey, by address: any of them may order a forced shutdown at low battery.
    #[serde(default)]
    pub masters: Vec<String>,
    /// What is known of its battery; `None` where no runtime table is given.
    #[serde(default)]
    pub battery: Option<Battery>,
    /// Why it is silent.
    pub silent_because: Option<String>,
    /// Maintenance ends in.
    pub maintenance_left_s: Option<u64>,
}

/// What was learned of a battery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Battery {
    /// The share of its runtime table that it most likely gives.
    pub health_percent: f64,
    /// The share that is planned with: it holds in 95 of 100 cases.
    pub health_lower_percent: f64,
    /// How long it most likely lasts at the present load; on mains: if mains were lost now.
    pub lasts_s: Option<u64>,
    /// How long it is planned to last.
    pub lasts_lower_s: Option<u64>,
    /// How far the forecasts of the last discharges that ended were off, at the median of them.
    pub forecast_error_percent: Option<f64>,
    /// How many of those lasted at least as long as was planned with.
    pub bound_held: u32,
    /// Of how many.
    pub forecasts: u32,
    /// Discharges to the end, or to low battery, that it learned from.
    pub ends_seen: u32,
    /// Why the forecast is more pessimistic at present than what was learned.
    pub tripped: Option<String>,
}

/// One power domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// `armed` or `observe`.
    pub mode: String,
    /// `online`, `on-battery`, `acting`, `returning`.
    pub phase: String,
    /// The phase for a person.
    pub phase_words: String,
    /// Time on battery in this incident.
    pub on_battery_for_s: Option<u64>,
    /// While it rides through: time until that is over.
    #[serde(default)]
    pub ride_through_left_s: Option<u64>,
    /// Time until it must act whatever happens: the last safe moment.
    pub must_act_in_s: Option<u64>,
    /// Whether everything would fit the battery if it lost mains now; `None` while there is no standing plan.
    pub does_standing_plan_fit: Option<bool>,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// `on`, `off` (proven) or `unknown`.
    pub state: String,
    /// Whether its platform reaches it.
    pub is_connected: Option<bool>,
    /// Time until its power is taken to end; absent while it is not at risk.
    pub power_ends_in_s: Option<u64>,
    /// Its power in words.
    pub power: String,
    /// The dead-man timer on it; absent where none can be set.
    #[serde(default)]
    pub last_resort: Option<LastResort>,
}

/// A host's dead-man timer: it stops the host before its battery ends if nobody else does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastResort {
    /// `not-set`, `set` (the host confirmed it lately), `maybe-set` (it has not) or `fired`.
    pub state: String,
    /// Time until it fires, as the host said last.
    pub fires_in_s: Option<u64>,
    /// Why it could not be set or cancelled.
    pub failure: Option<String>,
}

/// One load that is no host, of those that can be told to stop or be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// Its name.
    pub name: String,
    /// `on`, `off` (proven) or `unknown`.
    pub state: String,
    /// Time until its power is taken to end; absent while it is not at risk.
    pub power_ends_in_s: Option<u64>,
    /// Its power in words.
    pub power: String,
}

/// How one way alerts go does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// Messages that wait to be delivered.
    pub waiting: u32,
    /// When something was delivered last since the controller's start.
    pub delivered_at: Option<String>,
    /// Why the latest attempt failed; null while none does.
    pub error: Option<String>,
}

/// One VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Vm {
    /// `<platform>/<native uuid>`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// `running`, `paused`, `off`, `suspended`, `crashed`, `unknown`.
    pub state: String,
    /// Its tier.
    pub tier: String,
    /// What would become of it, or what becomes of it now.
    pub fate: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Time until its clean stop must begin.
    pub last_safe_in_s: Option<u64>,
}

/// Something somebody should know or mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `info`, `warning` or `error`.
    pub level: String,
    /// `RTnnnn`; `docs/errors/RTnnnn.md` explains it.
    pub code: String,
    /// What it is about.
    pub subject: String,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// Scripts read these names: a change here is a change for them.
    #[test]
    fn the_names_of_the_json_are_stable_and_what_is_not_known_is_null() {
        let ups = Ups {
            name: "rack-a".to_owned(),
            state: "on-battery".to_owned(),
            state_words: "on battery".to_owned(),
            status: Some("OB".to_owned()),
            battery_charge_percent: Some(86.5),
            runtime_s: None,
            load_percent: None,
            realpower_w: Some(480),
            age_s: Some(1),
            empty_in_s: Some(600),
            ended_by: None,
            masters: Vec::new(),
            battery: None,
            silent_because: None,
            maintenance_left_s: None,
        };
        let text = serde_json::to_string(&ups).expect("it serialises");
        expect![[r#"{"name":"rack-a","state":"on-battery","state_words":"on battery","status":"OB","battery_charge_percent":86.5,"runtime_s":null,"load_percent":null,"realpower_w":480,"age_s":1,"empty_in_s":600,"ended_by":null,"masters":[],"battery":null,"silent_because":null,"maintenance_left_s":null}"#]].assert_eq(&text);
        let newer = text.replacen('{', "{\"a_field_of_a_later_version\":1,", 1);
        assert_eq!(serde_json::from_str::<Ups>(&newer).expect("unknown fields are skipped"), ups);
    }
}
