//! What Redfish services say, as far as it matters here: read strictly where it could become proof, leniently elsewhere. Pure.

use ridethrough_model::HostPowerState;
use serde::Deserialize;

/// Names and links listed in one answer that are looked at.
const MEMBERS_MAX: usize = 256;
/// Characters of a service's own words that are passed on.
const SAID_MAX: usize = 200;

/// Where the systems of a service are listed.
pub(super) const SYSTEMS: &str = "/redfish/v1/Systems";

#[derive(Debug, Deserialize)]
struct Link {
    #[serde(rename = "@odata.id")]
    id: String,
}

#[derive(Debug, Deserialize)]
struct Collection {
    #[serde(rename = "Members")]
    members: Vec<Link>,
}

#[derive(Debug, Deserialize)]
struct SystemAnswer {
    #[serde(rename = "@odata.id")]
    id: String,
    #[serde(rename = "PowerState")]
    power_state: Option<serde_json::Value>,
    #[serde(rename = "Actions")]
    actions: Option<Actions>,
}

#[derive(Debug, Deserialize)]
struct Actions {
    #[serde(rename = "#ComputerSystem.Reset")]
    reset: Option<ResetAnswer>,
}

#[derive(Debug, Deserialize)]
struct ResetAnswer {
    target: Option<String>,
    #[serde(rename = "ResetType@Redfish.AllowableValues")]
    allowed: Option<Vec<String>>,
    #[serde(rename = "@Redfish.ActionInfo")]
    action_info: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ActionInfo {
    #[serde(rename = "Parameters")]
    parameters: Vec<Parameter>,
}

#[derive(Debug, Deserialize)]
struct Parameter {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "AllowableValues")]
    allowed: Option<Vec<String>>,
}

/// One system, as it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct System {
    pub(super) power: HostPowerState,
    pub(super) reset: Option<Reset>,
}

/// How its power is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reset {
    /// The path to post to.
    pub(super) target: String,
    /// The types it takes; `None` where it does not say.
    pub(super) allowed: Option<Vec<String>>,
    /// The path of where it says, if not here.
    pub(super) action_info: Option<String>,
}

/// The paths of the systems of a collection. Links that lead elsewhere are left out.
pub(super) fn members(body: &[u8]) -> Option<Vec<String>> {
    let collection: Collection = serde_json::from_slice(body).ok()?;
    Some(collection.members.into_iter().map(|link| link.id).filter(|id| is_path(id)).take(MEMBERS_MAX).collect())
}

/// A system that was asked for by that path. `None` where the answer is about something else, or makes no sense: a repeated key
/// makes none either.
pub(super) fn system(body: &[u8], path: &str) -> Option<System> {
    let answer: SystemAnswer = serde_json::from_slice(body).ok()?;
    if answer.id.trim_end_matches('/') != path.trim_end_matches('/') {
        return None;
    }
    let power = match answer.power_state.as_ref().and_then(serde_json::Value::as_str) {
        Some("On") => HostPowerState::On,
        Some("Off") => HostPowerState::Off,
        // PoweringOn, PoweringOff, Paused, null, or a word of a later version.
        _ => HostPowerState::Unknown,
    };
    let reset = answer.actions.and_then(|actions| actions.reset).and_then(|reset| {
        Some(Reset {
            target: reset.target.filter(|target| is_path(target))?,
            allowed: reset.allowed,
            action_info: reset.action_info.filter(|info| is_path(info)),
        })
    });
    Some(System { power, reset })
}

/// The reset types of an `ActionInfo`.
pub(super) fn allowed(body: &[u8]) -> Option<Vec<String>> {
    let info: ActionInfo = serde_json::from_slice(body).ok()?;
    info.parameters.into_iter().find(|parameter| parameter.name == "ResetType")?.allowed
}

/// The service's own words about a refusal, in one short line.
pub(super) fn said(body: &[u8]) -> String {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(body) else { return String::new() };
    let error = &answer["error"];
    let words = error["@Message.ExtendedInfo"][0]["Message"].as_str().or_else(|| error["message"].as_str()).unwrap_or_default();
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID_MAX).collect()
}

/// The last part of a path: what people call the system.
pub(super) fn name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// Whether a link stays with this service. Anything else would carry the password elsewhere.
fn is_path(link: &str) -> bool {
    link.starts_with("/redfish/")
        && link.len() <= 1024
        && link.bytes().all(|byte| byte.is_ascii_graphic())
        && !link.contains("/../")
}
