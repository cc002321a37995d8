//! The test lab: real libvirt hosts in namespaces, real QEMU guests under TCG, real sshd, BMCs and upsd on one machine.
//!
//! What it is not: part of the product. It drives the built binary and looks only from outside. Everything it starts is a child
//! that dies with it; everything it makes carries a random prefix and is removed on drop. Begin reading in [`lab`].

mod battery;
mod bmc;
mod controller;
mod feeder;
mod gate;
mod guest;
mod heartbeat;
mod herd;
mod host;
mod lab;
mod network;
mod nut_client;
mod pki;
mod process;
mod relay;
mod seed;
mod sweeper;
mod ups;
mod virsh;
mod witness;
mod written;

pub use bmc::Bmc;
pub use controller::Controller;
pub use gate::{available, gate};
pub use heartbeat::{Beat, Beats, Heartbeat, Life, life};
pub use herd::{Herd, Upsmon};
pub use lab::Lab;
pub use nut_client::NutClient;
pub use process::until;
pub use relay::Relay;
pub use seed::Seed;
pub use ups::{Battery, Upsd, User};
pub use virsh::{Guest, GuestState};
pub use witness::Line;
pub use written::Numbers;
