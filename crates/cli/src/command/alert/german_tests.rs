//! The catalogue of German alerts keeps up with what is said: every notice and every change of power of many days is in it.

use ridethrough_controller::alert::german;
use ridethrough_controller::narrate::Narrator;
use ridethrough_decide::Effect;
use ridethrough_model::Entry;
use ridethrough_sim::draw::draw;
use ridethrough_sim::world::World;
use std::collections::BTreeSet;

#[test]
fn point_8_what_is_said_on_many_days_is_in_the_german_catalogue() {
    let mut unknown = BTreeSet::new();
    let mut count = 0;
    for seed in 1..=40 {
        let drawn = draw(seed);
        let mut world = World::new(drawn.setup, seed);
        let mut narrator = Narrator::default();
        while world.next_at().is_some_and(|at| at <= drawn.heals_at) {
            let Some(moment) = world.step() else { break };
            for effect in moment.effects {
                let said = match effect {
                    Effect::Notify(notice) => Some(notice.text),
                    Effect::Append(record) => {
                        let text = narrator.tell(&record).text;
                        matches!(record.entry, Entry::PowerChanged { .. } | Entry::RunEnded { .. } | Entry::Overran { .. })
                            .then_some(text)
                    }
                    _ => None,
                };
                count += usize::from(said.is_some());
                unknown.extend(said.filter(|text| !german::knows(text)));
            }
        }
    }
    assert!(count > 300, "{count}");
    assert!(unknown.is_empty(), "not in crates/controller/src/alert/german.rs:\n{unknown:#?}");
}
