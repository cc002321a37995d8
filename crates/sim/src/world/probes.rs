//! Guests that are asked over the network whether they do their work. Some questions get lost; the asker hears of that too.

use super::{CALL_DEADLINE, Event, World};
use ridethrough_decide::Input;
use ridethrough_model::{Millis, Probe, VmId};

impl World {
    pub(super) fn probe(&mut self, vm: &VmId, probe: &Probe) {
        let is_lost = self.dice.percent(self.faults.request_lost_percent);
        let delay = if is_lost { CALL_DEADLINE } else { Millis(self.dice.between(1, 400)) };
        let answer = if is_lost {
            Err("no answer within the deadline".to_owned())
        } else if self.reality.does_its_work(vm) {
            Ok(())
        } else {
            Err("the port takes no connection".to_owned())
        };
        let Some(process) = &self.process else { return };
        let input = Box::new(Input::Probed { vm: vm.clone(), probe: probe.clone(), answer });
        self.after(delay, Event::Deliver { process: process.number, input, closes: None });
    }
}
