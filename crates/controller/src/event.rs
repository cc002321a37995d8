//! Everything the loop can wake up for. Closed.

use crate::performer::Replied;
use crate::poller::Watched;
use crate::reload::Tried;
use crate::server::Ask;
use ridethrough_decide::Input;

/// What woke the loop.
#[derive(Debug)]
pub(crate) enum Event {
    /// We are to end.
    Stop,
    /// A second has passed.
    Tick,
    /// The journal reports.
    Journal(Input),
    /// A request about a VM or host was answered.
    Replied(Replied),
    /// A host answered about its dead-man timer, or a guest whether it does its work.
    Answered(Input),
    /// A poller saw something.
    Seen(Input),
    /// A person or program asks over the API.
    Asked(Ask),
    /// A configuration was read and tried out, or cannot be used.
    Reloaded(Tried),
    /// Somebody who waits for no answer wants the configuration read anew.
    ReloadWished,
    /// A poller died of a panic in its driver and was started again.
    Revived(Watched, String),
}
