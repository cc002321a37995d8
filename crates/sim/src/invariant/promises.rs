//! What must hold of attempts in doubt, of the last safe moment, and of the site's own judgement of itself.

use super::{FORCE_LEAD, Scene};
use crate::reality::HostState;
use crate::seen::Seen;
use ridethrough_decide::{Effect, Input};
use ridethrough_model::entry::RunEnd;
use ridethrough_model::{HostId, Millis, Mono, Op, UpsId, VmId};

/// A controller that has just started, or was just let go on, listens first; orders on slow links take their time.
const SETTLED: Millis = Millis::from_secs(60);
/// How late the first order may be: a tick, what is heard late, a slow disk, and forecasts that were revised.
const LATE_MAX: Millis = Millis::from_secs(15);
const RECORDS_MAX: u64 = 6000;
const EFFECTS_MAX: usize = 400;

/// What may have happened is looked at before it is done again.
pub(super) fn what_may_have_happened_is_looked_at_first(scene: &Scene<'_>) -> Option<String> {
    if scene.seen.has_forgotten || scene.seen.is_degraded {
        return None;
    }
    scene.starts().filter(|(attempt, op)| attempt.2 > 1 && op.vm().is_some()).find_map(|(attempt, op)| {
        scene.judge();
        scene.seen.doubts.is_before(attempt).then(|| format!("{op}: nobody looked what came of the attempt before {}", attempt.2))
    })
}

/// When a host's last safe moment is over, by what was heard, everything on it has been told to stop or to move.
pub(super) fn the_last_safe_moment_is_not_missed(scene: &Scene<'_>) -> Option<String> {
    untold(scene, |ends, _| ends.iter().max().copied())
}

/// The same where all that hangs on the first UPS that ends is on one that could not carry both: its end is theirs.
pub(super) fn nobody_stays_on_a_survivor_that_cannot_carry_all(scene: &Scene<'_>) -> Option<String> {
    untold(scene, |ends, feeds| {
        let (first, lost) = ends.iter().zip(feeds).min()?;
        let hosts = scene.world.config().topology.hosts.iter().filter(|(id, _)| Seen::feeds(scene.world, id).contains(lost));
        let all_shared = hosts.clone().all(|(id, _)| Seen::feeds(scene.world, id) == *feeds);
        let has_loads = scene.world.config().topology.loads.values().any(|load| load.feeds.iter().any(|feed| feed.ups == **lost));
        // A host that is off draws nothing, and is not in what either says of its load.
        let is_close = feeds.iter().filter(|ups| *ups != lost).all(|ups| scene.is_too_much(lost, ups));
        (feeds.len() == 2 && all_shared && !has_loads && is_close).then_some(*first)
    })
}

/// Who runs on a host beyond the last safe moment of its end, made of the ends of its feeds, and was told nothing.
fn untold(scene: &Scene<'_>, end: impl Fn(&[Mono], &[&UpsId]) -> Option<Mono>) -> Option<String> {
    let is_tick = matches!(scene.moment.input, Some(Input::Tick));
    let is_restrained = scene.seen.hold.is_some() || scene.seen.is_aborted;
    let is_new = scene.now().since(scene.seen.lives_since) < SETTLED || scene.now().since(scene.seen.resumed_at) < SETTLED;
    let is_blind = scene.world.faults.is_platform_down || scene.seen.is_degraded || !scene.world.disk.tail.is_empty();
    if !is_tick || scene.seen.has_rebooted || is_restrained || is_new || is_blind {
        return None;
    }
    scene.world.config().topology.hosts.iter().find_map(|(id, host)| {
        let (ends, feeds) = may_act_until(scene, id)?;
        let last = end(&ends, &feeds)?;
        let policy = &scene.world.config().policy;
        let lead = host.shutdown_time + FORCE_LEAD + scene.time_of_needs(id);
        let running = scene.world.reality.vms.values().filter(|vm| vm.known.host == *id && vm.known.power.is_active());
        let is_due = |vm: &ridethrough_model::Vm| {
            let budget = policy.tier_of(vm).stop_budget;
            scene.now() + lead + budget > last + LATE_MAX && !scene.world.reality.is_meddled_lately(&vm.id)
        };
        let mut due = running.map(|vm| &vm.known).filter(|vm| is_due(vm)).inspect(|_| scene.judge());
        let untold = due.find(|vm| !is_told(scene, &vm.id))?;
        Some(format!("{} on {id} has not been told to stop", untold.name))
    })
}

/// When its feeds end, where nothing speaks against acting there.
fn may_act_until<'a>(scene: &Scene<'a>, id: &HostId) -> Option<(Vec<Mono>, Vec<&'a UpsId>)> {
    let feeds = Seen::feeds(scene.world, id);
    let is_known = |ups: &&ridethrough_model::UpsId| {
        let since = scene.heard(ups).filter(|heard| heard.says_battery()).and_then(|heard| heard.battery_since);
        since.is_some_and(|since| scene.now().since(since) > SETTLED) && !scene.seen.maintenance.contains_key(*ups)
    };
    let is_armed = scene.domains_of(id).iter().all(|(domain, _)| {
        let since = scene.seen.armed_at.get(*domain).filter(|_| scene.seen.armed.contains(*domain));
        since.is_some_and(|since| scene.now().since(*since) > SETTLED)
    });
    let host = scene.world.reality.hosts.get(id);
    let is_on = host.is_some_and(|host| host.state == HostState::On && host.has_network);
    if feeds.is_empty() || !is_armed || !is_on || !feeds.iter().all(is_known) {
        return None;
    }
    let old = |at: &Millis| scene.moment.at > *at + SETTLED;
    if !scene.seen.links_changed_at.get(id).is_none_or(old) || !scene.seen.hosts_up_at.get(id).is_none_or(old) {
        return None;
    }
    let ends: Option<Vec<_>> = feeds.iter().map(|ups| scene.ends_at(ups)).collect();
    Some((ends?, feeds))
}

fn is_told(scene: &Scene<'_>, vm: &VmId) -> bool {
    let run = scene.seen.run;
    let is_way_out =
        |op: &Op| matches!(op, Op::ShutDownVm { .. } | Op::SuspendVm { .. } | Op::PowerOffVm { .. } | Op::MoveVm { .. });
    scene.seen.intents.iter().any(|((of, ..), intent)| Some(*of) == run && intent.op.vm() == Some(vm) && is_way_out(&intent.op))
}

/// What the site judges of itself in production too.
pub(super) fn the_site_finds_no_fault_with_itself(scene: &Scene<'_>) -> Option<String> {
    let notices = scene.moment.effects.iter().filter_map(|effect| match effect {
        Effect::Notify(notice) => Some(notice),
        _ => None,
    });
    scene.judge();
    notices.into_iter().find(|notice| notice.code.as_deref() == Some("RT0490")).map(|notice| notice.text.clone())
}

pub(super) fn an_untouched_run_touched_nothing(scene: &Scene<'_>) -> Option<String> {
    let claims = scene.seen.ends_now.iter().any(|end| matches!(end, RunEnd::NothingTouched | RunEnd::ObservedOnly));
    if claims {
        scene.judge();
    }
    (claims && scene.seen.started_in_run > 0).then(|| format!("{} attempts were sent", scene.seen.started_in_run))
}

/// A bound on what one event and one run may cause: a loop that feeds itself ends here.
pub(super) fn a_run_is_no_storm(scene: &Scene<'_>) -> Option<String> {
    let (effects, records) = (scene.moment.effects.len(), scene.seen.records_in_run);
    if effects > 0 {
        scene.judge();
    }
    (effects > EFFECTS_MAX || records > RECORDS_MAX)
        .then(|| format!("{effects} effects of one event, {records} records in the run"))
}
