//! The vSphere driver against vcsim, which others have written, and against a vCenter of our own for what that lacks.

#[path = "../peers/gate.rs"]
mod gate;
mod simulated;
mod vcsim;
