//! H1 to H4: what a driver of a host's power keeps.

use super::all::{self, Makes, WELL, excepted};
use super::peer::{Facts, Fault, Peer};
use super::subject::{Answer, Call, OfHostPower, Subject, cx};
use super::{Found, Verdict, broken, concurrently};
use crate::{FailureKind, HostPower, TookEffect};
use async_trait::async_trait;
use ridethrough_model::HostPowerState;
use std::time::Duration;

/// A fake of one host, on in the beginning.
#[async_trait]
pub trait HostPowerFixture: Peer {
    /// A new driver. While the fault is a wrong password, it is given one.
    fn host_power(&self) -> Box<dyn HostPower>;

    /// Somebody else switches the host.
    async fn set(&self, is_on: bool);

    /// Whether it is on, or would be if it had to follow what it was told.
    fn is_on(&self) -> bool;

    /// From now on the peer says on and off at once. `false`: its protocol has no way to.
    async fn contradict(&self) -> bool {
        false
    }

    /// Runs one rule. Not for fixtures to define.
    async fn keeps(rule: &str) -> Verdict {
        match all::keeps::<Self, HostPowers>(rule).await {
            Some(verdict) => verdict,
            None => own::<Self>(rule).await,
        }
    }
}

pub(super) struct HostPowers;

#[async_trait]
impl<P: HostPowerFixture> Makes<P> for HostPowers {
    const ELSEWHERE: &'static [Fault] = &[Fault::WrongPassword];
    async fn make(peer: &P) -> Box<dyn Subject> {
        Box::new(OfHostPower(peer.host_power()))
    }
    async fn ready(peer: &P, call: Call) {
        if call.name == "wake" {
            peer.set(false).await;
        }
    }
}

async fn own<P: HostPowerFixture>(rule: &str) -> Verdict {
    let Some(peer) = P::start().await else { return Verdict::Skipped };
    let facts = P::facts();
    let found = match rule {
        "H1" => h1(&peer).await,
        "H2" => h2(&peer, &facts).await,
        "H3" => h3(&peer, &facts).await,
        "H4" => h4(&peer).await,
        other => Err(broken(format!("there is no rule {other} for the power of a host"))),
    };
    found.err().unwrap_or(Verdict::Kept)
}

async fn h1<P: HostPowerFixture>(peer: &P) -> Found {
    let power = peer.host_power();
    let capability = power.capability();
    let before = peer.effects();
    let mut cannot = Vec::new();
    if !capability.can_shut_down {
        cannot.push(power.shut_down(&cx(WELL)).await);
    }
    if !capability.can_wake {
        cannot.push(power.wake(&cx(WELL)).await);
    }
    for answer in cannot {
        match answer {
            Err(error) if error.kind() == FailureKind::Unsupported && error.took_effect() == TookEffect::No => {}
            other => return Err(broken(format!("it cannot do it by its capability, and says {other:?}"))),
        }
    }
    if peer.effects() != before {
        return Err(broken("it did what it cannot do"));
    }
    if capability.can_wake {
        // Twice from off, then as a new process that does not know.
        peer.set(false).await;
        for power in [&power, &power, &peer.host_power()] {
            power.wake(&cx(WELL)).await.map_err(|error| broken(format!("wake: {error:?}")))?;
            if !peer.is_on() {
                return Err(broken("it is off after it was woken"));
            }
        }
    }
    if capability.can_shut_down {
        peer.set(true).await;
        power.shut_down(&cx(WELL)).await.map_err(|error| broken(format!("shut down: {error:?}")))?;
        let again = power.shut_down(&cx(WELL)).await;
        // A host that is going down may be away already.
        if again.as_ref().is_err_and(|error| error.kind() != FailureKind::Unreachable) {
            return Err(broken(format!("shut down once more: {again:?}")));
        }
        if peer.is_on() {
            return Err(broken("it is on after it was shut down"));
        }
    }
    Ok(())
}

async fn h2<P: HostPowerFixture>(peer: &P, facts: &Facts) -> Found {
    let losses = facts.faults.iter().copied().filter(|fault| fault.is_loss() && *fault != Fault::ReplyLost);
    let cases = losses.map(|fault| (fault, true, facts.patience));
    // A host that is off all the same; and the driver's own means giving up before the deadline.
    let others = [(Fault::Silent, false, facts.patience), (Fault::Silent, true, facts.gives_up)];
    for (fault, is_on, limit) in cases.chain(others) {
        peer.heal().await;
        let known = peer.host_power();
        let _ = known.observe(&cx(WELL)).await;
        peer.set(is_on).await;
        peer.misbehave(fault).await;
        let (fresh, when) = (peer.host_power(), format!("{fault:?}, the host is on: {is_on}"));
        let looks = [&known, &fresh].map(|power| Box::pin(unknown(&**power, limit, &when)) as _);
        concurrently::all(looks).await.into_iter().collect::<Result<Vec<()>, Verdict>>()?;
    }
    peer.heal().await;
    if peer.contradict().await {
        unknown(&*peer.host_power(), facts.patience, "on and off at once").await?;
    }
    Ok(())
}

async fn unknown(power: &dyn HostPower, limit: Duration, when: &str) -> Found {
    match power.observe(&cx(limit)).await {
        Ok(HostPowerState::Unknown) => Ok(()),
        other => Err(broken(format!("{when}: {other:?}"))),
    }
}

async fn h3<P: HostPowerFixture>(peer: &P, facts: &Facts) -> Found {
    if !facts.faults.contains(&Fault::WrongPassword) {
        return Err(excepted(facts, "H3"));
    }
    peer.misbehave(Fault::WrongPassword).await;
    let subject = OfHostPower(peer.host_power());
    let before = peer.effects();
    for call in subject.calls() {
        match subject.call(call, &cx(WELL)).await {
            Answer::Failed(error) if error.kind() == FailureKind::Unauthorized && error.took_effect() == TookEffect::No => {}
            other => return Err(broken(format!("`{}` says {}", call.name, other.shown()))),
        }
    }
    if peer.effects() == before { Ok(()) } else { Err(broken("it had an effect all the same")) }
}

async fn h4<P: HostPowerFixture>(peer: &P) -> Found {
    let known = peer.host_power();
    let off = if known.capability().can_prove_off { HostPowerState::Off } else { HostPowerState::Unknown };
    for is_on in [true, false, true, false] {
        peer.set(is_on).await;
        let expected = if is_on { HostPowerState::On } else { off };
        for power in [&known, &peer.host_power()] {
            let seen = power.observe(&cx(WELL)).await;
            if !seen.as_ref().is_ok_and(|state| *state == expected) {
                return Err(broken(format!("somebody switched it, on: {is_on}; it says {seen:?}")));
            }
        }
    }
    Ok(())
}
