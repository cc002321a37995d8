//! The journal: durable records, written by one thread, read by everyone.
//!
//! [`Journal`] takes records and says through a callback when they are durable; [`Reader`] reads them back, also from another
//! process while the controller runs; [`Memory`] stands in for the disk in tests and in the simulator, with its faults.
//!
//! [`Outbox`] keeps messages for people until they are delivered.
//!
//! It is deliberately not a place of decisions: what a journal that does not answer means for an outage is decided by the
//! controller, from [`Journal::pending`] and [`Committed::Failed`]. Nothing here reads a clock for a record: times are in it.
//!
//! Begin reading in `journal.rs` (what a caller sees), then `writer.rs` (the one thread), then `file.rs` (SQLite).

mod error;
mod file;
mod journal;
mod lock;
mod memory;
mod outbox;
mod reader;
mod row;
mod schema;
mod upgrade;
mod writer;

pub use error::{AppendError, Error, ErrorKind};
pub use journal::{Journal, OnCommit};
pub use memory::{Fault, Memory};
pub use outbox::{Letter, Outbox, OutboxError, WAITING_MAX};
pub use reader::{Reader, RunEnded, RunSummary};
pub use schema::FORMAT;
pub use writer::{Committed, DROP_WAIT_MAX, GROUP_MAX, Pending, QUEUE_MAX, RETRY_PAUSE};
