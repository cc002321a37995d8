//! The loop: pollers that look, performers that do, a journal that remembers, an HTTP server that tells. One task owns the state.
//!
//! It names no concrete driver and takes no decision: what to do is `ridethrough-decide`'s, how to do it the drivers'.
//! Begin reading in `start.rs` (what it is made of), then `main_loop.rs`.

mod account;
pub mod alert;
mod clock;
pub mod connect_check;
mod convert;
mod drill;
mod durable;
mod event;
mod hooks;
pub mod identity;
mod mailbox;
mod main_loop;
pub mod narrate;
mod pace;
mod performer;
mod plan_order;
mod poller;
mod probes;
mod reload;
mod server;
mod start;
mod timers;
mod token;
mod voice;

pub use clock::Clock;
pub use connect_check::Endpoints;
pub use drill::Rhythm;
pub use hooks::HookCall;
pub use pace::Pace;
pub use reload::{Fresh, Prints, Reloading, Reread, Unfit};
pub use server::{ListenError, ServerParts, listen};
pub use start::{Parts, StartError, Storage, run};
pub use token::Token;
pub use voice::{Line, Pulse, Silent, Voice};

#[cfg(test)]
mod tests;
