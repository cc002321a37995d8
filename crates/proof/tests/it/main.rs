//! The planner against proven optima, against a simulator that shares no code with it, and against itself.

mod optima;
mod outages;
mod promises;
