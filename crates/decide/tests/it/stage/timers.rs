//! The dead-man timers of the stage's hosts: each is a moment that passes unless it is moved. No processes, no chance.

use super::Stage;
use ridethrough_decide::{Input, TimerCall};
use ridethrough_model::*;

impl Stage {
    pub(super) fn fire_timers(&mut self) {
        let due: Vec<String> =
            self.world.timers.iter().filter(|(_, at)| **at <= self.secs).map(|(host, _)| host.clone()).collect();
        for host in due {
            self.world.timers.remove(&host);
            self.line(format!("timer of {host} fires"));
            self.happen(&Op::ShutDownHost { host: HostId::new(host) });
        }
    }

    pub(super) fn order_timer(&mut self, host: HostId, call: TimerCall) {
        let name = host.to_string();
        let answer = match (self.world.deaf.get(&name), call) {
            (Some(failure), _) => Err(failure.clone()),
            (None, TimerCall::Set { fires_in, .. }) => {
                let at = self.secs + fires_in.as_secs();
                self.line(format!("timer of {name} set to {at}"));
                self.world.timers.insert(name, at);
                Ok(LastResortState::Set { fires_in: Millis::from_secs(fires_in.as_secs()) })
            }
            (None, TimerCall::Cancel) => {
                self.line(format!("timer of {name} cancelled"));
                self.world.timers.remove(&name);
                Ok(LastResortState::Idle)
            }
        };
        self.inputs.push_back(Input::Timer { host, call, answer });
    }
}
