//! The controller's looks at UPSes, platforms and hosts, when they happen and what they bring; requests that come too late.

use super::*;
use ridethrough_model::VmId;

impl World {
    pub(super) fn look_at_ups(&mut self, process: u64, turn: u64, id: UpsId) {
        let every = if self.is_at_risk() { 1000 } else { 5000 };
        let at = self.mono(self.reality.at);
        let is_unpowered = self.reality.upses.get(&id).is_some_and(|ups| !ups.has_mains && !ups.has_output);
        let silence = self.reality.upses.get(&id).and_then(|ups| ups.silence);
        let silence = silence.or(is_unpowered.then_some(SilenceKind::Unreachable));
        let loses = self.dice.percent(self.faults.reading_lost_percent);
        let input = match silence {
            Some(kind) => {
                let message = format!("{kind:?}").to_lowercase();
                Some(Input::Silence(Silence { ups: id.clone(), at, kind, message }))
            }
            None => self.reality.reading(&id, at).map(Input::Reading),
        };
        let delay = match silence {
            Some(SilenceKind::Unreachable) => Millis::from_secs(4),
            _ => Millis(self.dice.between(3, 60)),
        };
        let delay = if self.faults.reading_late_percent > 0 && self.dice.percent(self.faults.reading_late_percent) {
            Millis(self.dice.between(2000, 12_000))
        } else {
            delay
        };
        if let Some(input) = input.filter(|_| !loses) {
            self.after(delay, Event::Deliver { process, input: Box::new(input), closes: None });
        }
        let next = Millis(every + self.dice.between(0, 100)).max(delay);
        self.after(next, Event::LookAtUps { process, turn, ups: id });
    }

    pub(super) fn look_at_platform(&mut self, process: u64, turn: u64) {
        let is_at_risk = self.is_at_risk();
        let at = self.mono(self.reality.at);
        let Some(alive) = &mut self.process else { return };
        if alive.platform_turn != turn {
            return;
        }
        alive.platform_turn += 1;
        let turn = alive.platform_turn;
        let input = if self.faults.is_platform_down {
            let message = "no host answers".to_owned();
            let failure = Failure { kind: FailureKind::Unreachable, took_effect: TookEffect::No, message };
            Input::InventoryFailed { platform: self.estate.platform.clone(), failure }
        } else {
            Input::Inventory(self.reality.inventory(&self.estate, at))
        };
        let slow = self.dice.percent(self.faults.slow_percent);
        let delay = Millis(if slow { self.dice.between(500, 9000) } else { self.dice.between(20, 400) });
        self.after(delay, Event::Deliver { process, input: Box::new(input), closes: None });
        let every = Millis(if is_at_risk { 3000 } else { 15_000 } + self.dice.between(0, 500));
        self.after(delay + every, Event::LookAtPlatform { process, turn });
    }

    pub(super) fn look_at_host(&mut self, process: u64, turn: u64, id: HostId) {
        let is_at_risk = self.is_at_risk();
        let Some(alive) = &mut self.process else { return };
        let own = alive.host_turns.entry(id.clone()).or_default();
        if *own != turn {
            return;
        }
        *own += 1;
        let turn = *own;
        for (source, is_proof, state) in self.reality.host_words(&id) {
            let delay = Millis(self.dice.between(10, 700));
            let input = Input::HostPower { host: id.clone(), source: source.to_owned(), is_proof, state };
            self.after(delay, Event::Deliver { process, input: Box::new(input), closes: None });
        }
        let every = Millis(if is_at_risk { 5000 } else { 30_000 });
        self.after(every, Event::LookAtHost { process, turn, host: id });
    }

    pub(super) fn hasten_platform(&mut self) {
        let Some(process) = &self.process else { return };
        let (number, turn) = (process.number, process.platform_turn);
        self.after(Millis(20), Event::LookAtPlatform { process: number, turn });
    }

    pub(super) fn hasten_host(&mut self, host: &HostId) {
        let Some(process) = &self.process else { return };
        let (number, turn) = (process.number, process.host_turns.get(host).copied().unwrap_or(0));
        self.after(Millis(20), Event::LookAtHost { process: number, turn, host: host.clone() });
    }

    /// Some requests are given up by who sent them, and carried out all the same, much later.
    pub(super) fn comes_late(&mut self, process: u64, kind: Kind, op: &ridethrough_model::Op) -> bool {
        let percent = self.faults.late_effect_percent;
        if percent == 0 || kind.asks != crate::process::Asks::Start || !self.dice.percent(percent) {
            return false;
        }
        let late = Millis(self.dice.between(CALL_DEADLINE.0, 2 * CALL_DEADLINE.0));
        self.after(late, Event::TakeEffect(Box::new(op.clone())));
        let reply = kind.failed(Failure {
            kind: FailureKind::Unreachable,
            took_effect: TookEffect::Possible,
            message: "no answer within the deadline".to_owned(),
        });
        let input = Input::Reply { run: kind.run, action: kind.action, attempt: kind.attempt, reply };
        self.after(CALL_DEADLINE, Event::Deliver { process, input: Box::new(input), closes: Some(kind) });
        true
    }

    /// Nobody waits for its answer any more.
    pub(super) fn take_effect(&mut self, op: &ridethrough_model::Op) {
        let host = op.host().filter(|_| op.vm().is_none());
        let on_host = self.reality.vms.values().filter(|vm| Some(&vm.known.host) == host).map(|vm| vm.known.id.clone());
        let touched: Vec<VmId> = op.vm().cloned().into_iter().chain(on_host).collect();
        for vm in touched {
            // It comes from nowhere: who gave it up has looked since, and found that it had not happened.
            self.reality.note(&vm);
        }
        drop(self.reality.start(op, &self.estate, &mut self.dice));
    }
}
