//! What the kit asks of the fake that stands for the remote side of a driver.

use async_trait::async_trait;
use std::time::Duration;

/// How a peer misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens.
    Refusing,
    /// It takes connections and requests and never answers.
    Silent,
    /// It answers so slowly that no answer is complete before a deadline.
    Slow,
    /// It answers something that is not its protocol.
    Garbage,
    /// Half an answer, then it closes the connection.
    HalfAnswer,
    /// It closes the connection instead of answering.
    Closing,
    /// It never stops talking.
    Endless,
    /// Our login is wrong.
    WrongPassword,
    /// What we ask about is not there.
    Missing,
    /// It is busy with something else.
    Busy,
    /// It does what it is asked, and the answer is lost.
    ReplyLost,
    /// It is newer than the driver: values and fields nobody has heard of. Not the status of a UPS, which has a rule of its own.
    Newer,
}

impl Fault {
    /// The peer is not heard, so it cannot be seen to be well or ill.
    #[must_use]
    pub fn is_loss(self) -> bool {
        !matches!(self, Self::WrongPassword | Self::Missing | Self::Busy | Self::Newer)
    }
}

/// What a driver declares of itself to the kit.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its name in the configuration.
    pub driver: &'static str,
    /// The faults that its peer can make. [`Fault::Silent`] is among them.
    pub faults: &'static [Fault],
    /// Requests in flight that one driver allows itself, as the peer counts them, when so many calls run at once.
    pub in_flight_max: fn(usize) -> usize,
    /// Texts that must never show: the passwords that the fixture gives it, right and wrong.
    pub secrets: &'static [&'static str],
    /// The deadline of a call that ends in a fault. A call to a peer that is well is quicker than this, on a busy machine too.
    pub patience: Duration,
    /// A deadline so long that whatever the driver uses (a program, a library) gives up on a silent peer before it. Where nothing
    /// does so by itself: the same as `patience`.
    pub gives_up: Duration,
    /// Rules for which there is nothing to keep, and why. Each is in `docs/drivers.md`.
    pub exceptions: &'static [(&'static str, &'static str)],
}

/// The remote side of one driver, speaking its real wire. Everything in it ends when it is dropped.
#[async_trait]
pub trait Peer: Send + Sync + Sized + 'static {
    /// What is declared.
    fn facts() -> Facts;

    /// A peer that is well. `None` where this machine lacks what it needs; it has said so where skips are counted.
    async fn start() -> Option<Self>;

    /// From the next request on, also on connections that exist, it goes wrong like this. Only with faults of its facts.
    async fn misbehave(&self, fault: Fault);

    /// It is well again, and as it was in the beginning.
    async fn heal(&self);

    /// All connections break; new ones are taken. What it knows is kept.
    async fn restart(&self);

    /// What a look sees becomes something else, if a look can see anything else at all.
    async fn change(&self);

    /// How often it has been asked what a look asks for.
    fn looks(&self) -> usize;

    /// How often it has done something that was asked for.
    fn effects(&self) -> usize;

    /// The most requests it ever had at once without having answered.
    fn in_flight_peak(&self) -> usize;
}
