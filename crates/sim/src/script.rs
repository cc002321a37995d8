//! What happens from outside on a drawn site: how mains goes and comes, and what else goes wrong meanwhile.

use crate::dice::Dice;
use crate::disk::DiskState;
use crate::draw::ARMED_AT;
use crate::faults::Twist;
use crate::reality::Reality;
use ridethrough_decide::{Command, SiteConfig};
use ridethrough_model::{DomainId, DomainMode, HostId, Millis, SilenceKind, UpsId, VmId};

type Script = Vec<(Millis, Twist)>;

/// The first outage never begins earlier.
const OUTAGE_FROM: Millis = Millis::from_secs(60);

/// Draws a script; returns it, when it heals, and one line about it.
pub(crate) fn draw(dice: &mut Dice, config: &SiteConfig, reality: &Reality, is_calm: bool) -> (Script, Millis, String) {
    let mut script = Vec::new();
    for domain in config.topology.domains.keys() {
        if is_calm || dice.percent(92) {
            let mode = DomainMode::Armed;
            script.push((ARMED_AT, Twist::Command(Command::SetMode { domain: domain.clone(), mode, by: "sim".to_owned() })));
        }
    }
    let upses: Vec<UpsId> = reality.upses.keys().cloned().collect();
    let (ends_at, power) = outage(dice, &upses, &mut script);
    let mut story = vec![power];
    if !is_calm {
        for _ in 0..dice.between(0, 3) {
            story.push(trouble(dice, config, reality, ends_at, &mut script));
        }
    }
    let heals_at = script.iter().map(|(at, _)| *at).max().unwrap_or(ends_at).max(ends_at) + dice.secs(1, 120);
    script.push((heals_at, Twist::Heal));
    story.extend(restrain(&mut dice.fork(), ends_at, heals_at, is_calm, &mut script));
    if dice.percent(50) {
        let hung = reality.vms.values().filter(|vm| vm.is_hung).map(|vm| (heals_at, Twist::Hung(vm.known.id.clone(), false)));
        script.extend(hung);
    }
    (script, heals_at, story.join(", "))
}

/// The controller dies in the outage, and nobody takes over until all is mended.
pub(crate) fn orphan(dice: &mut Dice, heals_at: Millis, script: &mut Script) {
    let lost = script.iter().filter(|(_, twist)| matches!(twist, Twist::Mains(_, false))).map(|(at, _)| *at);
    let lost = lost.min().unwrap_or(OUTAGE_FROM);
    let latest = (lost + Millis::from_secs(700)).min(heals_at);
    let at = Millis(dice.between(lost.0 + 4000, latest.0.max(lost.0 + 4000)));
    script.push((at, Twist::ControllerDies { down_for: (heals_at - at) + dice.secs(1, 60), reboots: dice.percent(30) }));
}

/// On some days somebody else shuts a VM down in the outage, and nobody tells us.
pub(crate) fn stranger(dice: &mut Dice, reality: &Reality, heals_at: Millis, script: &mut Script) -> Option<String> {
    if !dice.percent(15) {
        return None;
    }
    let running: Vec<&VmId> = reality.vms.values().filter(|vm| vm.known.power.is_active()).map(|vm| &vm.known.id).collect();
    let vm = (!running.is_empty()).then(|| (*dice.pick(&running)).clone())?;
    let at = Millis(dice.between(OUTAGE_FROM.0, heals_at.0));
    script.push((at, Twist::SomebodyStops(vm)));
    Some(", somebody stops a VM".to_owned())
}

/// What people hold back: in every third site. On a calm day nobody says "even if lost", and nobody aborts.
fn restrain(dice: &mut Dice, ends_at: Millis, heals_at: Millis, is_calm: bool, script: &mut Script) -> Option<String> {
    let by = || "sim".to_owned();
    if !dice.percent(33) {
        return None;
    }
    // Before the person lets go of it again: an abort that nobody takes back is meant to stay.
    let at = Millis(dice.between(OUTAGE_FROM.0 - 20_000, ends_at.0 + 100_000).min(heals_at.0 - 1));
    let later = at + dice.secs(5, 600);
    script.push((heals_at, Twist::Command(Command::ReleaseHold { by: by() })));
    script.push((heals_at, Twist::Command(Command::Return { by: by() })));
    if !is_calm && dice.percent(40) {
        script.push((at, Twist::Command(Command::Abort { by: by() })));
        if dice.percent(50) {
            script.push((later, Twist::Command(Command::Return { by: by() })));
        }
        return Some("abort".to_owned());
    }
    let even_if_lost = !is_calm && dice.percent(25);
    let duration = dice.secs(10, 2000);
    script.push((at, Twist::Command(Command::Hold { duration, even_if_lost, by: by() })));
    if dice.percent(30) {
        script.push((later.min(heals_at), Twist::Command(Command::ReleaseHold { by: by() })));
    }
    Some(if even_if_lost { "hold even if lost" } else { "hold" }.to_owned())
}

/// Somebody sets an automation in the middle of it: in every third rough site that has any.
pub(crate) fn meddle(dice: &mut Dice, reality: &Reality, heals_at: Millis, script: &mut Script) -> Option<String> {
    let guards: Vec<_> = reality.guards.keys().collect();
    if guards.is_empty() || !dice.percent(33) {
        return None;
    }
    for _ in 0..dice.between(1, 4) {
        let guard = (*dice.pick(&guards)).clone();
        let value = (*dice.pick(&["on", "on", "monitor"])).to_owned();
        script.push((Millis(dice.between(OUTAGE_FROM.0, heals_at.0)), Twist::Guard(guard, value)));
    }
    Some(", somebody meddles with automation".to_owned())
}

/// How mains goes and comes; returns when it is back for good.
fn outage(dice: &mut Dice, upses: &[UpsId], script: &mut Script) -> (Millis, String) {
    let begins = OUTAGE_FROM + dice.secs(0, 40);
    let kind = *dice.pick(&["short", "long", "long", "endless", "flapping", "all", "staggered", "twice"]);
    let one = dice.pick(upses).clone();
    let mut mains = |at: Millis, ups: &UpsId, is_there: bool| script.push((at, Twist::Mains(ups.clone(), is_there)));
    let ends = match kind {
        "short" => begins + dice.secs(1, 90),
        "endless" => begins + dice.secs(2400, 4000),
        _ => begins + dice.secs(60, 900),
    };
    match kind {
        "flapping" => {
            let mut at = begins;
            for _ in 0..dice.between(2, 8) {
                mains(at, &one, false);
                at = at + dice.secs(1, 200);
                mains(at, &one, true);
                at = at + dice.secs(1, 150);
            }
            return (at, format!("{kind} {one}"));
        }
        "all" | "endless" | "staggered" => {
            let spread = if kind == "staggered" { 300 } else { 6 };
            for ups in upses {
                mains(begins + dice.secs(0, spread), ups, false);
                let later = if dice.percent(70) { Millis::ZERO } else { dice.secs(1, 200) };
                mains(ends + Millis::from_secs(spread) + later, ups, true);
            }
            return (ends + Millis::from_secs(spread + 200), format!("{kind} of {}", upses.len()));
        }
        "twice" => {
            mains(begins, &one, false);
            mains(ends, &one, true);
            let again = ends + dice.secs(5, 600);
            let other = dice.pick(upses);
            mains(again, other, false);
            let until = again + dice.secs(20, 600);
            mains(until, other, true);
            return (until, format!("{kind} {one} then {other}"));
        }
        _ => {
            mains(begins, &one, false);
            mains(ends, &one, true);
        }
    }
    (ends, format!("{kind} {one}"))
}

/// One thing more that goes wrong.
fn trouble(dice: &mut Dice, config: &SiteConfig, reality: &Reality, ends_at: Millis, script: &mut Script) -> String {
    let at = Millis(dice.between(OUTAGE_FROM.0, ends_at.0 + 300_000));
    let later = at + dice.secs(2, 240);
    let upses: Vec<&UpsId> = reality.upses.keys().collect();
    let hosts: Vec<&HostId> = reality.hosts.keys().collect();
    let ups = (*dice.pick(&upses)).clone();
    let kind = *dice.pick(&[
        "crash",
        "crash",
        "reboot",
        "silence",
        "stale",
        "disk hangs",
        "disk fails",
        "network",
        "platform",
        "forced",
        "clock",
        "disarm",
        "maintenance",
        "thaw",
    ]);
    match kind {
        "crash" | "reboot" => {
            for _ in 0..dice.between(1, 3) {
                let at = at + dice.secs(0, 200);
                script.push((at, Twist::ControllerDies { down_for: dice.secs(1, 40), reboots: kind == "reboot" }));
            }
        }
        "silence" | "stale" => {
            let reason = if kind == "stale" { SilenceKind::Stale } else { SilenceKind::Unreachable };
            script.push((at, Twist::Silence(ups.clone(), Some(reason))));
            script.push((later, Twist::Silence(ups.clone(), None)));
        }
        "disk hangs" | "disk fails" => {
            let state = if kind == "disk fails" { DiskState::Fails } else { DiskState::Hangs };
            script.push((at, Twist::Disk(state)));
            script.push((later, Twist::Disk(DiskState::Works)));
        }
        "network" => {
            let host = (*dice.pick(&hosts)).clone();
            script.push((at, Twist::Network(host.clone(), false)));
            script.push((later, Twist::Network(host, true)));
        }
        "platform" => {
            script.push((at, Twist::Platform(false)));
            script.push((later, Twist::Platform(true)));
        }
        "forced" => script.push((at, Twist::Forced(ups.clone()))),
        "clock" => script.push((at, Twist::WallClock(i64::try_from(dice.between(0, 7200)).unwrap_or(0) - 3600))),
        "disarm" => {
            let domains: Vec<&DomainId> = config.topology.domains.keys().collect();
            let domain = (*dice.pick(&domains)).clone();
            let mode = DomainMode::Observe;
            script.push((at, Twist::Command(Command::SetMode { domain: domain.clone(), mode, by: "sim".to_owned() })));
            let mode = DomainMode::Armed;
            script.push((later, Twist::Command(Command::SetMode { domain, mode, by: "sim".to_owned() })));
        }
        "maintenance" => {
            let duration = Some(later - at);
            script.push((at, Twist::Command(Command::Maintenance { ups: ups.clone(), duration, by: "sim".to_owned() })));
        }
        _ => {
            let hung: Vec<VmId> = reality.vms.values().filter(|vm| vm.is_hung).map(|vm| vm.known.id.clone()).collect();
            script.extend(hung.into_iter().map(|vm| (at, Twist::Hung(vm, false))));
        }
    }
    kind.to_owned()
}
