//! The verbs: power fold, planner, lint, run, return. Pure: no IO, clock, randomness, async.
