//! A fake site with battery physics, faults and checkers; also the demo. Drives `decide::Site` exactly as the controller does, on
//! a clock of its own.
//!
//! Not here: the real controller loop (ring 1), drivers (ring 2), anything on a screen (`cli` shows the demo). Begin reading in
//! [`world`]: reality, the controller, and what travels between them.

pub mod ageing;
pub mod battery;
pub mod campaign;
pub mod demo;
pub mod dice;
pub mod disk;
pub mod draw;
pub mod exhaust;
pub mod faults;
pub mod guards;
pub mod invariant;
pub mod meddle;
pub mod past;
pub mod plants;
pub mod process;
pub mod reality;
pub mod remote;
mod script;
pub mod seen;
pub mod stoppable;
pub mod story;
pub mod tally;
pub mod trace;
mod trouble;
pub mod world;
