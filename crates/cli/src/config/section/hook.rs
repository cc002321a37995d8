//! Hooks of tiers and hosts: what is called before and after they are stopped and started.

use super::order::Order;
use crate::config::value::{At, Time};
use ridethrough_model::HookMoment;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::Path;

/// What is called before and after a tier or a host is stopped and started again; each key as in "what is said in your own words".
/// A hook that fails or hangs is an alarm (RT0434) and stops nothing. It may be called again after a crash; `docs/hooks.md` says how
/// it can tell.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hooks {
    /// Of a tier: before its first VM is shut down. Of a host: when it is empty, before it is told to shut down. Its time is taken from
    /// the battery: what it is about begins so much earlier.
    pub(crate) before_stop: Option<At<Order>>,
    /// Of a tier: when none of its VMs is being shut down any more. Of a host: when it is proven off; never where nothing can prove it.
    pub(crate) after_stop: Option<At<Order>>,
    /// Of a tier: before its first VM is started. Of a host: before it is woken.
    pub(crate) before_start: Option<At<Order>>,
    /// Of a tier: when none of its VMs is being started any more, also where its stop was announced and none came. Of a host: when it
    /// is up, before its VMs are started.
    pub(crate) after_start: Option<At<Order>>,
    /// How long each may take; a program is then killed, and what waits for it goes on. At most `"9m"`. Default: `"30s"`.
    pub(crate) time_limit: Option<Time>,
}

impl Hooks {
    /// Those that are there, with the key they stand under.
    pub(crate) fn given(&self) -> impl Iterator<Item = (HookMoment, &'static str, &At<Order>)> {
        let all = [
            (HookMoment::BeforeStop, "before_stop", self.before_stop.as_ref()),
            (HookMoment::AfterStop, "after_stop", self.after_stop.as_ref()),
            (HookMoment::BeforeStart, "before_start", self.before_start.as_ref()),
            (HookMoment::AfterStart, "after_start", self.after_start.as_ref()),
        ];
        all.into_iter().filter_map(|(moment, key, order)| Some((moment, key, order?)))
    }

    /// Takes relative paths from that folder.
    pub(in crate::config) fn resolve(&mut self, folder: &Path) {
        let all = [&mut self.before_stop, &mut self.after_stop, &mut self.before_start, &mut self.after_start];
        all.into_iter().flatten().for_each(|order| order.resolve(folder));
    }
}
