//! The vSphere driver against vcsim, which others have written, and against a vCenter of our own for what that lacks.

mod conformance;
mod fake;
#[path = "../peers/gate.rs"]
mod gate;
mod imitation;
mod simulated;
mod vcsim;
