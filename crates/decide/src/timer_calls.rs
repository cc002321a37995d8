//! What hosts are asked about their dead-man timers, and what their answers mean.
//!
//! The intent to set one is durable before it is sent; from then on one may be there, through every crash, until the host has said
//! that there is none. A cancel that cannot be confirmed is said, and tried again until it is.

use crate::input::{Effect, TimerCall};
use crate::plant::Plant;
use crate::site::Site;
use crate::timer::{AHEAD, LAG, Timer, TimerWish};
use ridethrough_model::{Entry, Failure, HostId, LastResortState, Millis, Mono, Now, PlanCause, Severity, TookEffect};

/// A call without an answer by then is asked again. Above the limit that the calls themselves have.
const ANSWER_MAX: Millis = Millis::from_secs(30);
/// After a failure.
const AGAIN: Millis = Millis::from_secs(5);
/// A timer is confirmed at least so often.
const REFRESH: Millis = Millis::from_secs(30);
/// None is set to fire earlier: there must be time to take it back.
const SOONEST: Millis = Millis::from_secs(10);
/// What a forecast must move for the timer to move along.
const EARLIER: Millis = Millis::from_secs(1);
const LATER: Millis = Millis::from_secs(5);
const LATER_NEAR: Millis = Millis::from_secs(2);
const NEAR: Millis = Millis::from_secs(30);
/// What it must have moved to be written down again.
const WRITTEN: Millis = Millis::from_secs(30);

impl Site {
    /// Brings every host's timer to what is wanted. Once a tick.
    pub(crate) fn tend_timers(&mut self, now: &Now) {
        let mut hosts: Vec<HostId> = self.config.topology.timers.iter().chain(self.timers.keys()).cloned().collect();
        hosts.sort_unstable();
        hosts.dedup();
        let is_left = self.is_planted(Plant::TimerLeftOnMains) && !self.is_on_battery();
        if hosts.is_empty() || is_left || self.is_planted(Plant::NoTimer) {
            return;
        }
        let snapshot = self.snapshot(now.mono, PlanCause::Standing);
        let wishes: Vec<(HostId, TimerWish)> =
            hosts.into_iter().map(|host| (host.clone(), self.timer_wish(&snapshot, &host))).collect();
        for (host, wish) in wishes {
            self.expire_timer_call(&host, now);
            if self.timers.get(&host).is_some_and(|timer| timer.asked.is_some() || now.mono < timer.next_at) {
                // It would be in the way of what is under way; only that the host is off is known without asking.
                if !matches!(&wish, TimerWish::None(reason) if reason == "the host is off") {
                    continue;
                }
            }
            match wish {
                TimerWish::Fire { at, guests_max } => self.set_timer(&host, at - LAG, guests_max, now),
                TimerWish::NotBefore { at, guests_max } => self.postpone_timer(&host, at, guests_max, now),
                TimerWish::Leave => {}
                TimerWish::None(reason) => self.drop_timer(&host, reason, now),
            }
        }
    }

    /// A call whose answer never came may have done anything.
    fn expire_timer_call(&mut self, host: &HostId, now: &Now) {
        let Some(timer) = self.timers.get_mut(host) else { return };
        if timer.asked.is_some_and(|(since, _)| now.mono.since(since) >= ANSWER_MAX) {
            timer.asked = None;
            timer.may_be_set = true;
            timer.confirmed_at = None;
        }
    }

    fn set_timer(&mut self, host: &HostId, at: Mono, guests_max: Millis, now: &Now) {
        let timer = self.timers.get(host);
        if timer.is_some_and(|timer| timer.has_fired) {
            return;
        }
        let soonest = now.mono + SOONEST;
        let confirmed = timer.and_then(|timer| timer.fires_at.zip(timer.confirmed_at));
        let target = match confirmed {
            None => at.max(soonest),
            Some((set_at, confirmed_at)) => {
                let later = if set_at.since(now.mono) < NEAR { LATER_NEAR } else { LATER };
                let is_earlier = at + EARLIER < set_at && at.max(soonest) < set_at;
                let is_later = at > set_at + later;
                let is_due = now.mono.since(confirmed_at) >= REFRESH && set_at > soonest;
                if !is_earlier && !is_later && !is_due {
                    return;
                }
                // It is not pushed ahead by looking again: what is near stays near.
                if is_due && !is_later && !is_earlier { set_at } else { at.max(soonest) }
            }
        };
        if timer.is_none() && at < soonest {
            let text = format!(
                "Too little battery is left for a clean stop of host {host} by its last resort: it is set to act in {SOONEST}."
            );
            self.notice_once(&format!("late timer {host}"), Severity::Alarm, Some("RT0425"), text, now);
        }
        self.ask_timer(host, TimerCall::Set { fires_in: target.since(now.mono), guests_max }, now);
    }

    /// Mains is back: a timer that would fire before that is known to last is moved on. One that has fired is called off, and so is
    /// one that is not known to be there any more: on mains none is ever set anew.
    fn postpone_timer(&mut self, host: &HostId, at: Mono, guests_max: Millis, now: &Now) {
        let Some(timer) = self.timers.get(host).filter(|timer| timer.may_be_set) else { return };
        let is_there = timer.is_confirmed(now.mono) && !timer.has_fired;
        let Some(fires_at) = timer.fires_at.filter(|fires_at| is_there && *fires_at > now.mono) else {
            self.ask_timer(host, TimerCall::Cancel, now);
            return;
        };
        let is_near = fires_at.since(now.mono) < AHEAD;
        let is_due = timer.confirmed_at.is_some_and(|at| now.mono.since(at) >= REFRESH);
        if is_near || is_due {
            let at = if is_near { at } else { fires_at };
            self.ask_timer(host, TimerCall::Set { fires_in: at.since(now.mono), guests_max }, now);
        }
    }

    fn drop_timer(&mut self, host: &HostId, reason: String, now: &Now) {
        let Some(timer) = self.timers.get(host) else { return };
        if !timer.may_be_set || reason == "the host is off" {
            self.end_timer(host, reason, now);
        } else {
            self.ask_timer(host, TimerCall::Cancel, now);
        }
    }

    fn ask_timer(&mut self, host: &HostId, call: TimerCall, now: &Now) {
        let effect = Effect::Timer { host: host.clone(), call };
        if let Some(timer) = self.timers.get_mut(host) {
            timer.asked = Some((now.mono, call));
            self.out.push(effect);
            return;
        }
        let TimerCall::Set { fires_in, .. } = call else { return };
        let timer = Timer { asked: Some((now.mono, call)), written: Some(now.mono + fires_in), ..Timer::default() };
        self.timers.insert(host.clone(), timer);
        let place = self.append_site(Entry::TimerIntended { host: host.clone(), fires_in }, now);
        self.after(place, effect);
    }

    fn end_timer(&mut self, host: &HostId, reason: String, now: &Now) {
        self.forget_timer(host, now.mono);
        for what in ["timer", "late timer", "stuck timer", "fired timer"] {
            self.told.remove(&format!("{what} {host}"));
        }
        self.append_site(Entry::TimerEnded { host: host.clone(), reason }, now);
    }

    pub(crate) fn take_timer_answer(
        &mut self,
        host: &HostId,
        call: TimerCall,
        answer: Result<LastResortState, Failure>,
        now: &Now,
    ) {
        let Some(timer) = self.timers.get_mut(host) else { return };
        let asked_at = timer.asked.filter(|(_, asked)| *asked == call).map(|(since, _)| since);
        timer.asked = None;
        match answer {
            Ok(LastResortState::Set { fires_in }) if matches!(call, TimerCall::Set { .. }) => {
                timer.may_be_set = true;
                timer.failure = None;
                timer.fires_at = Some(now.mono + fires_in);
                timer.confirmed_at = asked_at;
                self.told.remove(&format!("timer {host}"));
                self.write_timer(host, fires_in, now);
            }
            Ok(LastResortState::Idle) if call == TimerCall::Cancel => {
                let snapshot = self.snapshot(now.mono, PlanCause::Standing);
                let reason = match self.timer_wish(&snapshot, host) {
                    TimerWish::None(reason) => reason,
                    _ => "mains is back".to_owned(),
                };
                self.end_timer(host, reason, now);
            }
            Ok(LastResortState::Fired) => {
                let is_news = !std::mem::replace(&mut timer.has_fired, true);
                timer.may_be_set = true;
                timer.next_at = now.mono + AGAIN;
                if is_news {
                    self.append_site(Entry::TimerFired { host: host.clone() }, now);
                    let text = format!("The last resort of host {host} has fired: it stops its guests, then itself.");
                    self.notice_once(&format!("fired timer {host}"), Severity::Alarm, Some("RT0427"), text, now);
                }
            }
            Ok(LastResortState::Idle | LastResortState::Set { .. }) => {
                let message = "it does not keep what it was told".to_owned();
                let failure =
                    Failure { kind: ridethrough_model::FailureKind::Protocol, took_effect: TookEffect::Possible, message };
                self.fail_timer(host, call, &failure, now);
            }
            Err(failure) => self.fail_timer(host, call, &failure, now),
        }
    }

    /// Written when it is first confirmed, and when it has moved much: what a restart must know is known from the intent.
    fn write_timer(&mut self, host: &HostId, fires_in: Millis, now: &Now) {
        let Some(timer) = self.timers.get_mut(host) else { return };
        let fires_at = now.mono + fires_in;
        let has_moved = timer.written.is_none_or(|at| at.0.abs_diff(fires_at.0) >= WRITTEN.0);
        let key = format!("set timer {host}");
        if has_moved || !self.told.contains(&key) {
            timer.written = Some(fires_at);
            self.told.insert(key);
            self.append_site(Entry::TimerSet { host: host.clone(), fires_in }, now);
        }
    }

    fn fail_timer(&mut self, host: &HostId, call: TimerCall, failure: &Failure, now: &Now) {
        let is_stopping = self.is_stopping(&self.snapshot(now.mono, PlanCause::Standing), host);
        let Some(timer) = self.timers.get_mut(host) else { return };
        timer.next_at = now.mono + AGAIN;
        timer.confirmed_at = None;
        timer.failure = Some(failure.to_string());
        if matches!(call, TimerCall::Set { .. }) && failure.took_effect == TookEffect::Possible {
            timer.may_be_set = true;
        }
        if is_stopping {
            return;
        }
        let fires_at = timer.fires_at.filter(|_| timer.may_be_set);
        let when = match fires_at.map(|at| (at > now.mono, at.since(now.mono))) {
            Some((true, left)) => format!("as last told it acts in {left}"),
            Some((false, _)) => "as last told it has acted already".to_owned(),
            None => "it may not be set".to_owned(),
        };
        let (key, code, text) = match call {
            TimerCall::Set { .. } => {
                ("timer", "RT0426", format!("The last resort of host {host} cannot be set: {when}. {failure}."))
            }
            TimerCall::Cancel => {
                let text = format!("The last resort of host {host} cannot be cancelled: {when}. It is tried again. {failure}.");
                ("stuck timer", "RT0428", text)
            }
        };
        self.notice_once(&format!("{key} {host}"), Severity::Alarm, Some(code), text, now);
    }
}
