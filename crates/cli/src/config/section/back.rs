//! How things come back: what needs what, when something counts as ready, how many start at once.

use super::outage::Match;
use crate::config::value::{At, Time};
use schemars::JsonSchema;
use serde::Deserialize;

/// What holds for some VMs when they are stopped and brought back. All rules that match count for `needs`, the first that says it for
/// `ready`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VmRule {
    /// Which VMs.
    #[serde(rename = "match")]
    pub(crate) matches: Match,
    /// Names of VMs they need; `*` stands for any text, `?` for any one character. Those are started and ready before them, and stopped
    /// after them; they count as of the same tier, if that is the better one.
    #[serde(default)]
    pub(crate) needs: Vec<At<String>>,
    /// How it is known that they do their work again. Default: that they run is enough.
    pub(crate) ready: Option<At<Ready>>,
}

/// How it is known that a VM does its work again. One of `agent`, `tcp`, `http` must be there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ready {
    /// `true`: its guest agent has connected, as its platform says.
    pub(crate) agent: Option<bool>,
    /// A TCP connection to this `host:port` is taken. `{name}` stands for the VM's name. A name needs DNS during the return.
    pub(crate) tcp: Option<String>,
    /// A GET of this address is answered with a status from 200 to 399, or 401, or 403. `{name}` stands for the VM's name.
    pub(crate) http: Option<String>,
    /// How long after its start it is waited for. Then what waits for it is started without it, and RT0437 is said. Default: `"2m"`.
    pub(crate) within: Option<Time>,
}

/// How things come back, everywhere.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Return {
    /// How many VMs may be starting on one host at once. One that is waited for until it is ready counts as starting. Default: `4`.
    pub(crate) starts_per_host: Option<At<u32>>,
    /// How many at once everywhere. Default: `20`.
    pub(crate) starts_per_site: Option<At<u32>>,
}
