//! The dead-man timers on hosts: they live there, outlive the controller, and stop guests and host when nobody moves them in time.

use super::*;
use crate::reality::HostState;
use ridethrough_decide::TimerCall;
use ridethrough_model::{LastResortState, VmId};

/// A timer on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostTimer {
    /// When it fires.
    pub fires_at: Millis,
    /// Then guests are waited for so long.
    pub guests_max: Millis,
    /// Since when its guests are being stopped.
    pub fired_at: Option<Millis>,
}

/// All timers, and chance of their own: they do not shift what the rest of the world draws.
#[derive(Clone, Debug)]
pub(super) struct Timers {
    set: BTreeMap<HostId, HostTimer>,
    fired: Vec<(Millis, HostId)>,
    dice: Dice,
}

impl Timers {
    pub(super) fn new(seed: u64) -> Self {
        Self { set: BTreeMap::new(), fired: Vec::new(), dice: Dice::new(seed ^ 0x7131_e125) }
    }
}

impl World {
    /// The timers that are set or have fired, by host.
    #[must_use]
    pub fn timers(&self) -> &BTreeMap<HostId, HostTimer> {
        &self.timers.set
    }

    /// Every timer that ever fired, and when.
    #[must_use]
    pub fn timers_fired(&self) -> &[(Millis, HostId)] {
        &self.timers.fired
    }

    pub(super) fn ask_timer(&mut self, host: &HostId, call: TimerCall) {
        let Some(process) = self.process.as_ref().map(|process| process.number) else { return };
        let travel = Millis(self.timers.dice.between(20, 900));
        self.after(travel, Event::TimerOrder { process, host: host.clone(), call });
    }

    /// An order reaches its host, also if who gave it is dead by then.
    pub(super) fn take_timer_order(&mut self, process: u64, host: HostId, call: TimerCall) {
        let is_lost_before = self.timers.dice.percent(self.faults.request_lost_percent);
        let is_lost_after = self.timers.dice.percent(self.faults.reply_lost_percent);
        let is_reachable = self.reality.hosts.get(&host).is_some_and(|host| host.has_network && host.state == HostState::On);
        let mut delay = Millis(self.timers.dice.between(2, 300));
        let fail = |took_effect, message: &str| {
            Err(Failure { kind: FailureKind::Unreachable, took_effect, message: message.to_owned() })
        };
        let answer = if !is_reachable {
            fail(TookEffect::No, "the host does not answer")
        } else if is_lost_before {
            fail(TookEffect::Possible, "no answer within the deadline")
        } else {
            let state = self.apply_timer(&host, call);
            if is_lost_after { fail(TookEffect::Possible, "no answer within the deadline") } else { Ok(state) }
        };
        if answer.is_err() {
            delay = CALL_DEADLINE;
        }
        let input = Box::new(Input::Timer { host, call, answer });
        self.after(delay, Event::Deliver { process, input, closes: None });
    }

    fn apply_timer(&mut self, host: &HostId, call: TimerCall) -> LastResortState {
        let has_fired = self.timers.set.get(host).is_some_and(|timer| timer.fired_at.is_some());
        match call {
            TimerCall::Set { .. } if has_fired => LastResortState::Fired,
            TimerCall::Set { fires_in, guests_max } => {
                let fires_in = Millis::from_secs(fires_in.as_secs());
                let fires_at = self.reality.at + fires_in;
                self.timers.set.insert(host.clone(), HostTimer { fires_at, guests_max, fired_at: None });
                self.after(fires_in, Event::TimerLook { host: host.clone() });
                LastResortState::Set { fires_in }
            }
            TimerCall::Cancel => {
                self.timers.set.remove(host);
                LastResortState::Idle
            }
        }
    }

    /// What dies with its host: a timer of one that is off or dark is none.
    pub(super) fn forget_dead_timers(&mut self) {
        let hosts = &self.reality.hosts;
        let lives = |id: &HostId| hosts.get(id).is_some_and(|host| matches!(host.state, HostState::On | HostState::GoingDown));
        self.timers.set.retain(|id, _| lives(id));
    }

    /// The timer looks at the clock; fired, at its guests.
    pub(super) fn look_at_timer(&mut self, host: HostId) {
        let at = self.reality.at;
        // Whatever it would do is being done.
        if self.reality.hosts.get(&host).is_none_or(|host| host.state != HostState::On) {
            return;
        }
        let Some(timer) = self.timers.set.get_mut(&host).filter(|timer| timer.fires_at <= at) else { return };
        let is_new = timer.fired_at.is_none();
        if is_new {
            self.timers.fired.push((at, host.clone()));
        }
        let since = *timer.fired_at.get_or_insert(at);
        let is_over = at - since >= timer.guests_max;
        let of_host = self.reality.vms.values().filter(|vm| vm.known.host == host && vm.known.power.is_active());
        let active: Vec<VmId> = of_host.map(|vm| vm.known.id.clone()).collect();
        if active.is_empty() || is_over {
            self.reality.go_down(&host);
            return;
        }
        if is_new {
            for vm in active {
                self.reality.stop_guest(&vm, &host, &self.estate);
            }
        }
        self.after(Millis::from_secs(1), Event::TimerLook { host });
    }
}
