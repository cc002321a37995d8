//! What must never happen, each as a named pure function from a scene to what is wrong with it. Written against the rules of the
//! design, not against `decide`.

mod desired;
mod guards;
mod hooks;
mod last_resort;
mod loads;
mod promises;
mod restraint;
mod savings;

pub(crate) use guards::recorded;

use crate::seen::{Attempt, Heard, Seen};
use crate::world::{Moment, World};
use ridethrough_model::entry::{Home, RunEnd};
use ridethrough_model::policy::OnOutage;
use ridethrough_model::{DomainId, ForceOff, HostId, Millis, Mono, Op, Ppm, RunId, Timing, UpsId, VmId};
use std::cell::Cell;
use std::collections::BTreeSet;

/// One event, after it happened.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The world.
    pub world: &'a World,
    /// The event.
    pub moment: &'a Moment,
    /// Everything listened to, this event included.
    pub seen: &'a Seen,
    /// How many cases the check at hand has judged: one that judges nothing cannot fail.
    pub judged: Cell<u64>,
}

/// A check.
pub type Check = fn(&Scene<'_>) -> Option<String>;

/// Every invariant by its name.
pub const INVARIANTS: &[(&str, Check)] = &[
    ("intent-is-durable-before-effect", intent_is_durable_before_effect),
    ("no-attempt-is-sent-twice", no_attempt_is_sent_twice),
    ("attempts-are-bounded", attempts_are_bounded),
    ("who-observes-does-nothing", restraint::who_observes_does_nothing),
    ("the-ride-through-is-kept", restraint::the_ride_through_is_kept),
    ("tiers-stop-in-order", tiers_stop_in_order),
    ("no-host-goes-down-over-a-running-vm", no_host_goes_down_over_a_running_vm),
    ("no-vm-moves-to-a-host-on-battery", no_vm_moves_to_a_host_on_battery),
    ("nothing-stops-on-mains", nothing_stops_on_mains),
    ("force-only-at-the-deadline", force_only_at_the_deadline),
    ("return-only-on-stable-mains", return_only_on_stable_mains),
    ("return-only-with-charge", return_only_with_charge),
    ("only-what-ran-before-is-started", desired::only_what_ran_before_is_started),
    ("moves-per-host-are-bounded", moves_per_host_are_bounded),
    ("what-somebody-stopped-stays-off", desired::what_somebody_stopped_stays_off),
    ("starts-at-once-are-bounded", desired::starts_at_once_are_bounded),
    ("what-is-needed-starts-first", desired::what_is_needed_starts_first),
    ("records-have-no-gaps", records_have_no_gaps),
    ("what-is-returned-is-back", what_is_returned_is_back),
    ("an-untouched-run-touched-nothing", promises::an_untouched_run_touched_nothing),
    ("a-run-is-no-storm", promises::a_run_is_no_storm),
    ("a-load-outlives-what-uses-it", loads::a_load_outlives_what_uses_it),
    ("a-load-stops-only-in-an-armed-outage", loads::a_load_stops_only_in_an_armed_outage),
    ("storage-comes-before-hosts", loads::storage_comes_before_hosts),
    ("a-guard-is-recorded-before-it-is-disarmed", guards::a_guard_is_recorded_before_it_is_disarmed),
    ("no-step-goes-before-its-guard", guards::no_step_goes_before_its_guard),
    ("guards-are-put-back-on-mains-only", guards::guards_are_put_back_on_mains_only),
    ("every-guard-is-put-back", guards::every_guard_is_put_back),
    ("a-hook-comes-before-what-it-is-about", hooks::a_hook_comes_before_what_it_is_about),
    ("a-hook-after-the-stop-finds-the-host-off", hooks::a_hook_after_the_stop_finds_the_host_off),
    ("hooks-are-called-only-in-an-armed-outage", hooks::hooks_are_called_only_in_an_armed_outage),
    ("saved-only-where-all-is-known", savings::saved_only_where_all_is_known),
    ("one-is-saved-at-a-time", savings::one_is_saved_at_a_time),
    ("what-is-held-back-is-not-started", restraint::what_is_held_back_is_not_started),
    ("a-hold-lifts-itself-in-time", restraint::a_hold_lifts_itself_in_time),
    ("a-hold-is-not-lifted-early", restraint::a_hold_is_not_lifted_early),
    ("a-forced-shutdown-is-never-held", restraint::a_forced_shutdown_is_never_held),
    ("a-timer-is-intended-before-it-is-ordered", last_resort::a_timer_is_intended_before_it_is_ordered),
    ("a-timer-is-ordered-only-where-the-site-acts", last_resort::a_timer_is_ordered_only_where_the_site_acts),
    ("no-timer-is-made-on-mains", last_resort::no_timer_is_made_on_mains),
    ("no-timer-fires-on-mains", last_resort::no_timer_fires_on_mains),
    ("every-host-at-risk-has-a-timer", last_resort::every_host_at_risk_has_a_timer),
    ("a-timer-leaves-time-for-a-clean-stop", last_resort::a_timer_leaves_time_for_a_clean_stop),
    ("what-may-have-happened-is-looked-at-first", promises::what_may_have_happened_is_looked_at_first),
    ("the-last-safe-moment-is-not-missed", promises::the_last_safe_moment_is_not_missed),
    ("nobody-stays-on-a-survivor-that-cannot-carry-all", promises::nobody_stays_on_a_survivor_that_cannot_carry_all),
    ("the-site-finds-no-fault-with-itself", promises::the_site_finds_no_fault_with_itself),
];

/// What reaches us late, and ticks that come once a second.
const SLACK: Millis = Millis(1500);
/// How long what runs where may go unseen.
const LATE_LOOK: Millis = Millis::from_secs(15);
/// How far a forecast may be off the one a plan was made from without a new plan.
const FORECAST_SLACK: Millis = Millis::from_secs(15);
const FORCE_LEAD: Millis = Millis::from_secs(10);

impl Scene<'_> {
    /// A case is judged now, and not let off before.
    fn judge(&self) {
        self.judged.set(self.judged.get() + 1);
    }
    fn now(&self) -> Mono {
        self.world.now().mono
    }
    fn starts(&self) -> impl Iterator<Item = &(Attempt, Op)> {
        self.seen.starts_now.iter()
    }
    fn first<'a>(&'a self, wrong: impl Fn(&'a Op) -> Option<String>) -> Option<String> {
        self.starts().find_map(|(_, op)| wrong(op).map(|why| format!("{op}: {why}")))
    }
    fn heard(&self, ups: &UpsId) -> Option<&Heard> {
        self.seen.upses.get(ups)
    }
    /// Heard on mains lately.
    fn is_good(&self, ups: &UpsId) -> bool {
        let limit = self.world.config().policy.silence + SLACK + SLACK;
        self.heard(ups).is_some_and(|heard| heard.says_mains() && heard.age(self.now()).is_some_and(|age| age <= limit))
    }
    fn good_feeds(&self, host: &HostId) -> (usize, usize) {
        let needed = self.world.config().topology.hosts.get(host).map_or(1, |host| host.feeds_min.max(1) as usize);
        (Seen::feeds(self.world, host).into_iter().filter(|ups| self.is_good(ups)).count(), needed)
    }
    fn domains_of(&self, host: &HostId) -> Vec<(&DomainId, &Timing)> {
        let feeds = Seen::feeds(self.world, host);
        let all = self.world.config().topology.domains.iter();
        all.filter(|(_, domain)| domain.upses.iter().any(|ups| feeds.contains(&ups))).map(|(id, d)| (id, &d.timing)).collect()
    }
    /// The domains of the host's UPSes that were last heard on battery; all of its domains if none was.
    fn domains_at_risk(&self, host: &HostId) -> Vec<(&DomainId, &Timing)> {
        let feeds = Seen::feeds(self.world, host);
        let on_battery: Vec<&UpsId> = feeds.into_iter().filter(|ups| self.was_lost(ups)).collect();
        let of = |domain: &DomainId| self.world.config().topology.domains.get(domain).map(|d| &d.upses);
        let mut domains = self.domains_of(host);
        if !on_battery.is_empty() {
            domains.retain(|(id, _)| of(id).is_some_and(|upses| on_battery.iter().any(|ups| upses.contains(*ups))));
        }
        domains
    }
    /// Last heard on battery, or known so from before a restart.
    fn was_lost(&self, ups: &UpsId) -> bool {
        self.heard(ups).map_or_else(|| self.seen.lost_at.contains_key(ups), Heard::says_battery)
    }
    fn is_emergency(&self, ups: &UpsId) -> bool {
        let is_reliable = self.world.config().topology.upses.get(ups).is_some_and(|ups| ups.low_battery_reliable);
        self.heard(ups).is_some_and(|heard| heard.forced_since.is_some() || is_reliable && heard.low_reads >= 2)
    }
    /// When that UPS's power is taken to end, at the earliest somebody careful could say.
    fn ends_at(&self, ups: &UpsId) -> Option<Mono> {
        let heard = self.heard(ups)?;
        let reading = heard.reading.as_ref().filter(|_| heard.says_battery())?;
        let timing =
            self.world.config().topology.domains.values().find(|domain| domain.upses.contains(ups)).map(|d| &d.timing)?;
        let lost_at = self.seen.lost_at.get(ups).copied();
        let assumed = heard.mains_at.or(lost_at).unwrap_or(self.seen.lives_since) + timing.runtime_assumed;
        let stated = reading.runtime.map_or(assumed, |runtime| reading.observed_at + runtime);
        let forced = heard.forced_since.map(|since| since + timing.runtime_assumed);
        let empty = forced.map_or(stated, |forced| stated.min(forced));
        let heard_since = heard.battery_since.unwrap_or(reading.observed_at);
        let since = self.seen.lost_at.get(ups).map_or(heard_since, |lost_at| heard_since.min(*lost_at));
        let lasts = empty.since(since);
        Some(empty - lasts.scaled(u64::from(timing.margin.0), 1_000_000))
    }
    /// When the host's power ends at the earliest.
    fn host_ends_at(&self, host: &HostId) -> Option<Mono> {
        Some(self.first_end(&Seen::feeds(self.world, host))? - self.time_of_needs(host))
    }
    /// With the first of these feeds, or with another UPS whose load they could not carry.
    fn first_end(&self, feeds: &[&UpsId]) -> Option<Mono> {
        let partners = feeds.iter().flat_map(|ups| self.partners(ups).into_iter().filter(|other| self.is_too_much(other, ups)));
        feeds.iter().copied().chain(partners).filter_map(|ups| self.ends_at(ups)).min()
    }
    /// Whether it said last that it carries too much.
    fn is_overloaded(&self, ups: &UpsId) -> bool {
        self.heard(ups).and_then(|heard| heard.reading.as_ref()?.load).is_some_and(|load| load > Ppm::FULL)
    }
    /// The UPSes that feed something together with that one.
    fn partners(&self, ups: &UpsId) -> BTreeSet<&UpsId> {
        let topology = &self.world.config().topology;
        let feeds = topology.hosts.values().map(|host| &host.feeds).chain(topology.loads.values().map(|load| &load.feeds));
        let shared = feeds.filter(|feeds| feeds.iter().any(|feed| feed.ups == *ups));
        shared.flatten().map(|feed| &feed.ups).filter(|other| *other != ups).collect()
    }
    /// Whether both together say to carry more than the survivor is built for.
    fn is_too_much(&self, lost: &UpsId, survivor: &UpsId) -> bool {
        let carries = |ups| self.heard(ups).and_then(|heard| heard.reading.as_ref()?.realpower);
        let nominal = self.heard(survivor).and_then(|heard| heard.reading.as_ref()?.realpower_nominal);
        let both = carries(lost).zip(carries(survivor)).map(|(lost, survivor)| lost + survivor);
        both.zip(nominal).is_some_and(|(both, nominal)| both > nominal)
    }
    fn slowest_stop(&self, host: &HostId) -> Millis {
        let policy = &self.world.config().policy;
        let vms = self.world.reality.vms.values().filter(|vm| vm.known.host == *host);
        vms.map(|vm| policy.tier_of(&vm.known).stop_budget).max().unwrap_or_default()
    }
    fn rank_of(&self, vm: &VmId) -> Option<usize> {
        self.world.reality.vms.get(vm).map(|vm| self.world.config().policy.rank_of(&vm.known))
    }
    fn is_stop(&self, op: &Op) -> bool {
        match op {
            Op::ShutDownVm { .. } | Op::SuspendVm { .. } | Op::PowerOffVm { .. } | Op::ShutDownHost { .. } => true,
            Op::MoveVm { vm, to, .. } => self.seen.homes.get(vm).is_none_or(|home| home.host != *to),
            _ => false,
        }
    }
    fn is_return(&self, op: &Op) -> bool {
        match op {
            Op::StartVm { .. } | Op::WakeHost { .. } => true,
            Op::MoveVm { vm, to, .. } => self.seen.homes.get(vm).is_some_and(|home| home.host == *to),
            _ => false,
        }
    }
    fn last_safe(&self, attempt: &Attempt) -> Option<Mono> {
        self.seen.intents.get(attempt)?.last_safe
    }
}

/// Rule 5.
fn intent_is_durable_before_effect(scene: &Scene<'_>) -> Option<String> {
    let is_written = |attempt: &Attempt| {
        let intent = scene.seen.intents.get(attempt)?;
        Some(scene.seen.durable.get(&attempt.0).is_some_and(|last| intent.seq <= *last) || scene.seen.is_degraded)
    };
    scene.starts().inspect(|_| scene.judge()).find_map(|(attempt, op)| match is_written(attempt) {
        Some(true) => None,
        Some(false) => Some(format!("{op} was sent before its intent was durable")),
        None => Some(format!("{op} was sent without an intent")),
    })
}

fn no_attempt_is_sent_twice(scene: &Scene<'_>) -> Option<String> {
    let mut now: Vec<&Attempt> = scene.starts().inspect(|_| scene.judge()).map(|(attempt, _)| attempt).collect();
    let count = now.len();
    now.sort();
    now.dedup();
    let again = scene.starts().find(|(attempt, _)| scene.seen.started.contains(attempt));
    (now.len() < count || again.is_some()).then(|| format!("an attempt was sent again: {again:?}"))
}

fn attempts_are_bounded(scene: &Scene<'_>) -> Option<String> {
    scene
        .starts()
        .inspect(|_| scene.judge())
        .find(|((_, _, attempt), _)| *attempt > 3)
        .map(|(attempt, op)| format!("{op}: attempt {}", attempt.2))
}

fn move_time(scene: &Scene<'_>, vm: &ridethrough_model::Vm) -> Millis {
    let policy = &scene.world.config().policy;
    let lane = policy.move_bandwidth.0 / u64::from(policy.moves_per_host.max(1));
    let moves = policy.tier_of(vm).on_outage.contains(&OnOutage::Move);
    // The sum of all rounds, without end: more than any planner may take.
    let left = lane - vm.dirty_rate.map_or(0, |dirty| dirty.0).min(lane);
    let rounds = if left == 0 { 0 } else { u128::from(vm.memory.0) * u128::from(lane) / u128::from(left) };
    let disks: u64 = vm.disks_to_copy.values().map(|size| size.0).sum();
    let bytes = u64::try_from(rounds).unwrap_or(u64::MAX).saturating_add(disks);
    if moves { Millis(bytes.saturating_mul(1000) / lane.max(1)) + Millis::from_secs(2) } else { Millis::ZERO }
}

/// Rule 1.
fn tiers_stop_in_order(scene: &Scene<'_>) -> Option<String> {
    scene.starts().find_map(|(attempt, op)| {
        let (Op::ShutDownVm { vm, host } | Op::SuspendVm { vm, host }) = op else { return None };
        let rank = scene.rank_of(vm)?;
        let upses = Seen::feeds(scene.world, host);
        let on_battery: Vec<&UpsId> = upses.into_iter().filter(|ups| scene.heard(ups).is_some_and(Heard::says_battery)).collect();
        let is_last = scene.last_safe(attempt).is_some_and(|at| scene.now() + SLACK >= at);
        if is_last || on_battery.iter().any(|ups| scene.is_emergency(ups)) || attempt.2 > 1 {
            return None;
        }
        scene.judge();
        let lower = scene.world.reality.vms.values().find(|other| holds_up(scene, &on_battery, rank, other))?;
        Some(format!("{op} although {} of a lower tier still runs on {}", lower.known.name, lower.known.host))
    })
}

/// Whether that VM of a lower tier must be off before a stop of that rank on those UPSes.
fn holds_up(scene: &Scene<'_>, upses: &[&UpsId], rank: usize, other: &crate::reality::Vm) -> bool {
    let policy = &scene.world.config().policy;
    let other_rank = policy.rank_of(&other.known);
    let tier = policy.tier(other_rank);
    let is_meddled = scene.world.reality.meddled.contains_key(&other.known.id);
    if is_meddled || other_rank <= rank || !other.known.power.is_active() || !scene.seen.homes.contains_key(&other.known.id) {
        return false;
    }
    if tier.on_outage.contains(&OnOutage::Move) {
        // It may be on its way to power instead of off.
        return false;
    }
    let shares = Seen::feeds(scene.world, &other.known.host).into_iter().any(|ups| upses.contains(&ups));
    let (good, needed) = scene.good_feeds(&other.known.host);
    let is_saved = scene
        .domains_of(&other.known.host)
        .iter()
        .all(|(domain, _)| scene.seen.acted.contains(*domain) && scene.seen.armed.contains(*domain));
    let in_maintenance =
        Seen::feeds(scene.world, &other.known.host).into_iter().any(|ups| scene.seen.maintenance.contains_key(ups));
    let begun = scene.seen.stop_begun.get(&other.known.id);
    let has_used_budget = begun.is_some_and(|(begun, budget)| scene.moment.at - *begun + SLACK >= *budget);
    shares && good < needed && is_saved && !in_maintenance && !has_used_budget && !scene.seen.stop_ended.contains(&other.known.id)
}

fn no_host_goes_down_over_a_running_vm(scene: &Scene<'_>) -> Option<String> {
    scene.starts().find_map(|(attempt, op)| {
        let Op::ShutDownHost { host } = op else { return None };
        scene.judge();
        let policy = &scene.world.config().policy;
        let mut running = scene.world.reality.vms.values().filter(|vm| vm.known.host == *host && vm.known.power.is_active());
        let is_last = scene.last_safe(attempt).is_some_and(|at| scene.now() + SLACK >= at);
        let is_never = |vm: &crate::reality::Vm| policy.tier_of(&vm.known).force_off == ForceOff::Never;
        let is_known = |vm: &crate::reality::Vm| !scene.world.reality.is_meddled_lately(&vm.known.id);
        let wrong = running.find(|vm| is_known(vm) && (!is_last || is_never(vm)))?;
        Some(format!("{op} although {} runs there", wrong.known.name))
    })
}

fn no_vm_moves_to_a_host_on_battery(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let Op::MoveVm { to, .. } = op else { return None };
        scene.judge();
        let (good, needed) = scene.good_feeds(to);
        (good < needed).then(|| format!("{to} has {good} of {needed} feeds known to be on mains"))
    })
}

/// What mains carries is left alone.
fn nothing_stops_on_mains(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let host = op.host().filter(|_| scene.is_stop(op))?;
        scene.judge();
        let (good, needed) = scene.good_feeds(host);
        (good >= needed).then(|| format!("{host} is on mains"))
    })
}

fn force_only_at_the_deadline(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        let Op::PowerOffVm { vm, host } = op else { return None };
        if scene.seen.has_rebooted {
            return None;
        }
        let policy = &scene.world.config().policy;
        let known = scene.world.reality.vms.get(vm)?;
        if policy.tier_of(&known.known).force_off == ForceOff::Never {
            return Some("it must never be forced".to_owned());
        }
        scene.judge();
        let shutdown = scene.world.config().topology.hosts.get(host).map_or(Millis::ZERO, |host| host.shutdown_time);
        let from = scene.host_ends_at(host)? - shutdown - scene.time_of_hooks(host) - FORCE_LEAD - FORECAST_SLACK;
        (scene.now() < from).then(|| format!("{} too early", from.since(scene.now())))
    })
}

fn return_only_on_stable_mains(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        if !scene.is_return(op) {
            return None;
        }
        scene.judge();
        let host = if let Op::MoveVm { to, .. } = op { to } else { op.host()? };
        let (good, needed) = scene.good_feeds(host);
        if good < needed {
            return Some(format!("{host} has {good} of {needed} feeds known to be on mains"));
        }
        let stable = scene.domains_of(host).iter().map(|(_, timing)| timing.mains_stable).min().unwrap_or_default();
        let is_stable = |ups: &&UpsId| {
            let since = scene.heard(ups).and_then(|heard| heard.mains_since);
            since.is_some_and(|since| scene.now().since(since) + SLACK >= stable)
        };
        let count = Seen::feeds(scene.world, host).into_iter().filter(is_stable).count();
        (count < needed).then(|| format!("mains of {host} is not stable for {stable}"))
    })
}

/// Rule 4, the part that can be said without a model: enough charge is known, or mains was stable for very long.
fn return_only_with_charge(scene: &Scene<'_>) -> Option<String> {
    scene.first(|op| {
        if !matches!(op, Op::StartVm { .. } | Op::WakeHost { .. }) {
            return None;
        }
        scene.judge();
        let host = op.host()?;
        let (_, needed) = scene.good_feeds(host);
        let latest = scene.domains_of(host).into_iter().map(|(_, timing)| timing.return_latest).max()?;
        let is_charged = |ups: &&UpsId| {
            let heard = scene.heard(ups);
            let timings = scene.world.config().topology.domains.values().filter(|domain| domain.upses.contains(*ups));
            let wanted = timings.map(|domain| domain.timing.return_charge).min().unwrap_or_default();
            let charge = heard.and_then(|heard| heard.reading.as_ref()).and_then(|reading| reading.charge);
            let since = heard.and_then(|heard| heard.mains_since);
            let timings = scene.world.config().topology.domains.values().filter(|domain| domain.upses.contains(*ups));
            let recharge = timings.map(|domain| domain.timing.recharge_time).max().unwrap_or_default();
            let by_time = since.map_or(0, |since| scene.now().since(since).0 + SLACK.0) * 1_000_000 / recharge.0.max(1);
            let is_enough = charge.map_or(by_time >= u64::from(wanted.0), |charge| charge >= wanted);
            is_enough || since.is_some_and(|since| scene.now().since(since) + SLACK >= latest)
        };
        let count = Seen::feeds(scene.world, host).into_iter().filter(is_charged).count();
        (count < needed).then(|| "charge is not known to be enough".to_owned())
    })
}

/// A move that used its budget holds nobody up any more.
fn moves_per_host_are_bounded(scene: &Scene<'_>) -> Option<String> {
    let has_overrun = |id: &VmId| {
        let moves = scene.seen.actions.values().filter(|action| matches!(&action.op, Op::MoveVm { vm, .. } if vm == id));
        moves.into_iter().any(|action| scene.seen.overran.contains(&action.id))
    };
    let limit = scene.world.config().policy.moves_per_host as usize;
    scene.first(|op| {
        let Op::MoveVm { from, to, .. } = op else { return None };
        if scene.seen.has_forgotten {
            return None;
        }
        let is_strange = |vm: &&crate::reality::Vm| scene.world.reality.meddled.contains_key(&vm.known.id);
        scene.judge();
        [from, to].into_iter().find_map(|host| {
            let touches = |vm: &&crate::reality::Vm| match &vm.doing {
                crate::reality::Doing::Moving { to, .. } => (to == host || vm.known.host == *host) && !has_overrun(&vm.known.id),
                _ => false,
            };
            let count = scene.world.reality.vms.values().filter(touches).filter(|vm| !is_strange(vm)).count();
            (count >= limit).then(|| format!("{count} moves touch {host} already"))
        })
    })
}

fn records_have_no_gaps(scene: &Scene<'_>) -> Option<String> {
    let tail = &scene.world.disk.tail;
    if tail.len() > 1 {
        scene.judge();
    }
    let gap = tail.windows(2).find(|pair| pair[0].run == pair[1].run && pair[1].seq != pair[0].seq + 1)?;
    Some(format!("record {} of run {} is followed by {}", gap[0].seq, gap[0].run, gap[1].seq))
}

/// Who says that everything is back is right.
fn what_is_returned_is_back(scene: &Scene<'_>) -> Option<String> {
    if scene.seen.has_forgotten || !scene.seen.ends_now.contains(&RunEnd::Returned) {
        return None;
    }
    scene.judge();
    let touched =
        |vm: &VmId| scene.seen.intents.iter().any(|((run, _, _), i)| Some(*run) == last_run(scene) && i.op.vm() == Some(vm));
    let is_armed = |host: &HostId| scene.domains_of(host).iter().all(|(domain, _)| scene.seen.armed.contains(*domain));
    // Who was cut off behind a silent UPS was never known to be in trouble.
    let was_known = |host: &HostId| {
        let unharmed = Seen::feeds(scene.world, host).into_iter().filter(|ups| !scene.seen.lost_in_run.contains(*ups)).count();
        unharmed < scene.good_feeds(host).1
    };
    let lost = |vm: &VmId, home: &Home| {
        let losses = &scene.world.reality.losses;
        losses.iter().any(|(at, id, _)| id == vm && *at >= scene.seen.opened_at) && is_armed(&home.host) && was_known(&home.host)
    };
    let is_ours = |id: &VmId| !scene.seen.wished.contains(id) && !scene.world.reality.meddled.contains_key(id);
    scene.seen.homes.iter().filter(|(id, _)| is_ours(id)).find_map(|(id, home)| {
        let vm = scene.world.reality.vms.get(id)?;
        let is_back = vm.known.power.is_active() && vm.known.host == home.host && vm.known.autostart == home.autostart;
        // A guest that obeys when nobody waits for it any more, a moment ago: nobody can know it yet.
        let is_unheard = scene.seen.stop_given_up.contains(id) && scene.moment.at < vm.off_at + LATE_LOOK;
        ((touched(id) || lost(id, home)) && !is_back && !is_unheard).then(|| {
            let known = &vm.known;
            format!(
                "{} is {:?} on {} with autostart {:?}, at home it was on {} with {:?}",
                home.name, known.power, known.host, known.autostart, home.host, home.autostart
            )
        })
    })
}

fn last_run(scene: &Scene<'_>) -> Option<RunId> {
    scene.seen.ends.last().map(|(run, _)| *run)
}
