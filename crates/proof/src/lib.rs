//! What the planner is held against: optima that another solver has proven ([`golden`]), a simulator that shares no code with it
//! ([`referee`]), drawn problems ([`draw`]), random outages beside what other products do ([`outages`]), and clocks ([`bench`]).
//! Floats and clocks are allowed here; nothing of this is in the program.

pub mod bench;
pub mod dice;
pub mod draw;
pub mod golden;
pub mod instance;
pub mod outages;
pub mod referee;
pub mod wide;
