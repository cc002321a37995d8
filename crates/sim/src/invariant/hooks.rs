//! Hooks are called at their place and only in an outage; what they are about never depends on them.

use super::Scene;
use crate::reality::HostState;
use crate::seen::Seen;
use ridethrough_model::{Hook, HookMoment, HookOf, HostId, Millis, Mono, Op, TierName};

impl Scene<'_> {
    /// What hooks may take before the slowest tier and the host itself.
    pub(super) fn time_of_hooks(&self, host: &HostId) -> Millis {
        let hooks = &self.world.config().topology.hooks;
        let before = |of: HookOf| hooks.get(&of.at(HookMoment::BeforeStop)).map(|limit| *limit + Millis::from_secs(2));
        let tiers = self.world.config().policy.tiers.iter().filter_map(|tier| before(HookOf::Tier(tier.name.clone()))).max();
        tiers.unwrap_or_default() + before(HookOf::Host(host.clone())).unwrap_or_default()
    }
}

/// When a hook was first called in the open run.
fn called(scene: &Scene<'_>, hook: &Hook) -> Option<Mono> {
    let of_run = scene.seen.intents.iter().filter(|((run, _, _), _)| Some(*run) == scene.seen.run);
    of_run.filter(|(_, intent)| intent.op.hook() == Some(hook)).map(|(_, intent)| intent.at).min()
}

/// A hook before a stop is called before the stop, but at the last safe moment and where everything goes down at once.
pub(super) fn a_hook_comes_before_what_it_is_about(scene: &Scene<'_>) -> Option<String> {
    let topology = &scene.world.config().topology;
    scene.starts().find_map(|(attempt, op)| {
        let of = match op {
            Op::ShutDownVm { vm, .. } => HookOf::Tier(scene.world.config().policy.tier(scene.rank_of(vm)?).name),
            Op::ShutDownHost { host } => HookOf::Host(host.clone()),
            _ => return None,
        };
        let hook = of.at(HookMoment::BeforeStop);
        let is_hurried = Seen::feeds(scene.world, op.host()?).into_iter().any(|ups| scene.is_emergency(ups));
        let is_last = scene.last_safe(attempt).is_some_and(|at| scene.now() + super::SLACK >= at);
        let is_configured = topology.hooks.contains_key(&hook);
        if !is_configured || is_hurried || is_last || scene.seen.has_rebooted || called(scene, &hook).is_some() {
            if is_configured {
                scene.judge();
            }
            return None;
        }
        Some(format!("{op}: the hook {hook} was not called"))
    })
}

/// What is done to a host after its stop is done to one that is off.
pub(super) fn a_hook_after_the_stop_finds_the_host_off(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let Op::CallHook { hook: Hook { of: HookOf::Host(host), moment: HookMoment::AfterStop } } = op else { return None };
        scene.judge();
        let state = &scene.world.reality.hosts.get(host)?.state;
        (!matches!(state, HostState::Off | HostState::Dark)).then(|| format!("{host} is {state:?}"))
    })
}

/// Nobody is told of a stop where nothing is armed and acts.
pub(super) fn hooks_are_called_only_in_an_armed_outage(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let hook = op.hook()?;
        scene.judge();
        let topology = &scene.world.config().topology;
        let is_in = |tier: &TierName| scene.world.config().policy.tiers.iter().any(|known| known.name == *tier);
        let is_known = match &hook.of {
            HookOf::Tier(tier) => is_in(tier),
            HookOf::Host(host) => topology.hosts.contains_key(host),
        };
        if !is_known || !topology.hooks.contains_key(hook) {
            return Some("it is not configured".to_owned());
        }
        let does_act = scene.seen.acted.iter().any(|domain| scene.seen.armed.contains(domain));
        (hook.moment.is_of_stop() && !does_act && !scene.seen.has_rebooted).then(|| "no armed domain acts".to_owned())
    })
}
