//! The controller's looks at loads: when they happen and what they bring. What a load is, is reality's.

use super::{Event, World};
use ridethrough_decide::Input;
use ridethrough_model::{LoadId, Millis};

impl World {
    pub(super) fn look_at_load(&mut self, process: u64, turn: u64, id: LoadId) {
        let is_at_risk = self.is_at_risk();
        let Some(alive) = &mut self.process else { return };
        let own = alive.load_turns.entry(id.clone()).or_default();
        if *own != turn {
            return;
        }
        *own += 1;
        let turn = *own;
        for (source, is_proof, state) in self.reality.load_words(&id) {
            let delay = Millis(self.dice.between(10, 700));
            let input = Input::LoadPower { load: id.clone(), source: source.to_owned(), is_proof, state };
            self.after(delay, Event::Deliver { process, input: Box::new(input), closes: None });
        }
        let every = Millis(if is_at_risk { 5000 } else { 30_000 });
        self.after(every, Event::LookAtLoad { process, turn, load: id });
    }

    pub(super) fn hasten_load(&mut self, load: &LoadId) {
        let Some(process) = &self.process else { return };
        let (number, turn) = (process.number, process.load_turns.get(load).copied().unwrap_or(0));
        self.after(Millis(20), Event::LookAtLoad { process: number, turn, load: load.clone() });
    }
}
