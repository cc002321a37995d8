//! The optimiser: which VMs move and in which order, when each of the others stops, when hosts go down, so that what is worth most
//! runs longest on the battery there is. Knows nothing of snapshots, actions and names: a [`Problem`] goes in, a [`Solution`] comes
//! out. Deliberately without floats, clocks and dice: the same problem gives the same solution on every machine.
//!
//! How: the largest set of moves with which stopping everything else at once still fits the battery ([`moves`]); one price of energy
//! per battery, at which every group of VMs of a host and tier says by itself how long it stays ([`price`]); what the price leaves
//! over goes to whole groups and then to single VMs ([`fill`]); a bounded search around that ([`improve`]); and an upper bound that
//! holds for every plan ([`bound`]). The mathematics is in `docs/planner.md`.

mod answer;
mod bound;
mod curve;
mod fill;
mod floors;
mod grid;
mod improve;
mod load;
mod moves;
mod permute;
mod price;
mod problem;
mod renamed;
mod shape;
mod solve;

pub use bound::{Rigour, certify};
pub use curve::{BATTERY, Curve};
pub use grid::Grid;
pub use load::{Draft, Load, Move};
pub use problem::{Feeding, Host, Problem, Receiver, Source, Vm};
pub use solve::{Effort, Solution, Warm, last_safe, solve};
