//! C1 to C8: what every driver keeps, whatever it drives.

use super::peer::{Facts, Fault, Peer};
use super::subject::{Answer, Call, Subject, cx, may_pass};
use super::{Found, Verdict, broken, concurrently, not_applicable};
use crate::{FailureKind, TookEffect};
use async_trait::async_trait;
use ridethrough_model::{HostPowerState, SilenceKind};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What a call may take beyond its deadline.
const GRACE: Duration = Duration::from_secs(1);
/// So long after its deadline, a call counts as one that never ends.
const NEVER: Duration = Duration::from_secs(30);
/// A call to a peer that is well.
pub(super) const WELL: Duration = Duration::from_secs(30);
/// Calls at once.
const CALLS: usize = 16;
/// After so many steps a call is dropped, one after the other.
const STEPS: [usize; 8] = [1, 2, 3, 4, 6, 9, 14, 22];

/// Makes a driver for a peer, seen as one of the three traits.
#[async_trait]
pub(super) trait Makes<P: Peer> {
    /// Faults that have a rule of the trait's own.
    const ELSEWHERE: &'static [Fault];
    async fn make(peer: &P) -> Box<dyn Subject>;
    /// Brings a peer that is well to where the call has something to do.
    async fn ready(_peer: &P, _call: Call) {}
}

/// Runs one of the C rules; `None`: it is none.
pub(super) async fn keeps<P: Peer, M: Makes<P>>(rule: &str) -> Option<Verdict> {
    let Some(peer) = P::start().await else { return Some(Verdict::Skipped) };
    let facts = P::facts();
    if let Err(verdict) = can_be_tried(&facts) {
        return Some(verdict);
    }
    let found = match rule {
        "C1" => c1::<P, M>(&peer, &facts).await,
        "C2" => c2::<P, M>(&peer, &facts).await,
        "C3" => c3::<P, M>(&peer).await,
        "C4" => c4::<P, M>(&peer, &facts).await,
        "C5" => c5::<P, M>(&peer, &facts).await,
        "C6" => c6::<P, M>(&peer, &facts).await,
        "C7" => c7::<P, M>(&peer).await,
        "C8" => c8::<P, M>(&peer, &facts).await,
        _ => return None,
    };
    Some(found.err().unwrap_or(Verdict::Kept))
}

fn can_be_tried(facts: &Facts) -> Found {
    if facts.faults.contains(&Fault::Silent) { Ok(()) } else { Err(broken("its fake cannot be silent")) }
}

/// The end of a rule that the facts except; broken where they should not have to.
pub(super) fn excepted(facts: &Facts, rule: &str) -> Verdict {
    match facts.exceptions.iter().find(|(id, _)| *id == rule) {
        Some((_, why)) => not_applicable(*why),
        None => broken(format!("its facts give nothing to try {rule} with, and do not say why")),
    }
}

/// A call that is bound to end.
async fn ended(subject: &dyn Subject, call: Call, limit: Duration) -> Result<Answer, Verdict> {
    let answer = timeout(limit + NEVER, subject.call(call, &cx(limit))).await;
    answer.map_err(|_| broken(format!("`{}` did not end", call.name)))
}

/// A look at a peer that is well.
pub(super) async fn well(subject: &dyn Subject, when: &str) -> Result<String, Verdict> {
    let look = *subject.calls().first().expect("every trait has calls");
    match ended(subject, look, WELL).await? {
        Answer::Good(said) => Ok(said),
        Answer::Power(state) if state != HostPowerState::Unknown => Ok(format!("{state:?}")),
        other => Err(broken(format!("{when}, the peer is well, and yet `{}` says {}", look.name, other.shown()))),
    }
}

async fn c1<P: Peer, M: Makes<P>>(peer: &P, facts: &Facts) -> Found {
    let stalls = [Fault::Silent, Fault::Slow, Fault::Endless].into_iter().filter(|fault| facts.faults.contains(fault));
    for fault in stalls {
        peer.heal().await;
        let mut jobs = Vec::new();
        for call in M::make(peer).await.calls() {
            let (cold, warm) = (M::make(peer).await, M::make(peer).await);
            well(&*warm, "to begin with").await?;
            jobs.extend([(call, cold), (call, warm)]);
        }
        peer.misbehave(fault).await;
        let begun = Instant::now();
        let calls = jobs.iter().map(|(call, subject)| {
            Box::pin(async {
                ended(&**subject, *call, facts.patience).await?;
                let late = begun.elapsed().saturating_sub(facts.patience);
                if late <= GRACE {
                    return Ok(());
                }
                Err(broken(format!("{fault:?}: `{}` came back {late:?} after its deadline", call.name)))
            }) as _
        });
        concurrently::all(calls).await.into_iter().collect::<Result<Vec<()>, Verdict>>()?;
    }
    Ok(())
}

async fn c2<P: Peer, M: Makes<P>>(peer: &P, facts: &Facts) -> Found {
    let is_here = |fault: &Fault| *fault != Fault::Newer && !M::ELSEWHERE.contains(fault);
    for fault in facts.faults.iter().copied().filter(is_here) {
        for call in M::make(peer).await.calls() {
            peer.heal().await;
            let first = M::make(peer).await;
            let answer = ended(&*first, call, WELL).await?;
            if answer.kind() == Some(FailureKind::Unsupported) {
                continue;
            }
            if !answer.is_good() {
                return Err(broken(format!("the peer is well, and yet `{}` says {}", call.name, answer.shown())));
            }
            peer.heal().await;
            M::ready(peer, call).await;
            let mut subject = M::make(peer).await;
            let before = peer.effects();
            peer.misbehave(fault).await;
            if fault == Fault::WrongPassword {
                subject = M::make(peer).await;
            }
            let answer = ended(&*subject, call, time_for(fault, facts)).await?;
            let effects = peer.effects().saturating_sub(before);
            judge(fault, call, &answer, effects)
                .map_err(|how| broken(format!("{fault:?}, `{}`: {how}; it says {}", call.name, answer.shown())))?;
        }
    }
    Ok(())
}

/// A fault that is an answer is awaited however busy the machine is; of a lost reply, at least the request has to get there.
fn time_for(fault: Fault, facts: &Facts) -> Duration {
    match fault {
        Fault::ReplyLost => facts.patience * 5,
        fault if fault.is_loss() => facts.patience,
        _ => WELL,
    }
}

/// Whether the answer to a fault tells what it was and what it may have done.
fn judge(fault: Fault, call: Call, answer: &Answer, effects: usize) -> Result<(), &'static str> {
    let is_right = match answer {
        Answer::Good(_) => may_pass(fault, call),
        // What becomes of it is for `poll`, once it was handed over.
        Answer::UnderWay => may_pass(fault, call) || fault == Fault::ReplyLost,
        // Which it may say is for H2.
        Answer::Power(_) => fault.is_loss() || may_pass(fault, call),
        Answer::Silent(kind, _) if fault.is_loss() => *kind == SilenceKind::Unreachable,
        Answer::Silent(kind, _) => matches!(fault, Fault::WrongPassword | Fault::Missing) && *kind == SilenceKind::Refused,
        Answer::Failed(error) => kinds(fault).contains(&error.kind()),
    };
    if !is_right {
        return Err("this is another fault");
    }
    let Answer::Failed(error) = answer else { return Ok(()) };
    if !call.is_change {
        return Ok(());
    }
    let is_proven = matches!(fault, Fault::Refusing | Fault::WrongPassword | Fault::Missing | Fault::Busy);
    match (error.took_effect(), fault) {
        (TookEffect::No, _) if effects > 0 => Err("it happened"),
        (_, Fault::ReplyLost) if effects == 0 => Err("the fake should have done it"),
        (TookEffect::Possible, _) if is_proven => Err("nothing can have happened, which it has to say"),
        _ => Ok(()),
    }
}

fn kinds(fault: Fault) -> &'static [FailureKind] {
    match fault {
        Fault::Refusing | Fault::Silent | Fault::Slow | Fault::Closing | Fault::ReplyLost => &[FailureKind::Unreachable],
        // Where a program speaks the protocol for us, all it tells may be that it failed.
        Fault::Garbage | Fault::HalfAnswer | Fault::Endless => &[FailureKind::Protocol, FailureKind::Unreachable],
        Fault::WrongPassword => &[FailureKind::Unauthorized],
        Fault::Missing => &[FailureKind::NotFound],
        Fault::Busy => &[FailureKind::Busy],
        Fault::Newer => &[],
    }
}

async fn c3<P: Peer, M: Makes<P>>(peer: &P) -> Found {
    for call in M::make(peer).await.calls() {
        for (round, steps) in STEPS.into_iter().enumerate() {
            peer.heal().await;
            let subject = M::make(peer).await;
            if round % 2 == 1 {
                well(&*subject, "to begin with").await?;
            }
            let has_ended = concurrently::dropped_after(steps, subject.call(call, &cx(WELL))).await;
            peer.change().await;
            let when = format!("after `{}` was dropped at step {steps}", call.name);
            let seen = well(&*subject, &when).await?;
            let fresh = well(&*M::make(peer).await, "with a new driver").await?;
            // What a change does may be under way still: then the next look sees it.
            if seen != fresh && !call.is_change {
                return Err(broken(format!("{when} it sees {seen}, a new driver sees {fresh}")));
            }
            if has_ended {
                break;
            }
        }
    }
    Ok(())
}

async fn c4<P: Peer, M: Makes<P>>(peer: &P, facts: &Facts) -> Found {
    if !facts.faults.contains(&Fault::Newer) {
        return Err(excepted(facts, "C4"));
    }
    for call in M::make(peer).await.calls() {
        peer.heal().await;
        peer.misbehave(Fault::Newer).await;
        let answer = ended(&*M::make(peer).await, call, WELL).await?;
        if !answer.is_good() && answer.kind() != Some(FailureKind::Unsupported) {
            return Err(broken(format!("a newer peer makes `{}` say {}", call.name, answer.shown())));
        }
    }
    Ok(())
}

async fn c5<P: Peer, M: Makes<P>>(peer: &P, facts: &Facts) -> Found {
    if facts.secrets.is_empty() {
        return Err(excepted(facts, "C5"));
    }
    let faults = facts.faults.iter().copied().map(Some);
    for fault in std::iter::once(None).chain(faults) {
        for call in M::make(peer).await.calls() {
            peer.heal().await;
            let subject = M::make(peer).await;
            if let Some(fault) = fault {
                peer.misbehave(fault).await;
            }
            // One made while the login is wrong has the wrong password in its configuration.
            let subject = if fault == Some(Fault::WrongPassword) { M::make(peer).await } else { subject };
            let shown = ended(&*subject, call, facts.patience).await?.shown() + &format!("{subject:?} {subject:#?}");
            if let Some(secret) = facts.secrets.iter().find(|secret| shown.contains(**secret)) {
                return Err(broken(format!("{fault:?}, `{}`: `{secret}` is seen in {shown}", call.name)));
            }
        }
    }
    Ok(())
}

async fn c6<P: Peer, M: Makes<P>>(peer: &P, facts: &Facts) -> Found {
    peer.heal().await;
    let subject = M::make(peer).await;
    well(&*subject, "to begin with").await?;
    // Unanswered requests pile up as far as the driver lets them.
    peer.misbehave(Fault::Silent).await;
    let look = *subject.calls().first().expect("every trait has calls");
    let looks = (0..CALLS).map(|_| Box::pin(ended(&*subject, look, facts.patience)) as _);
    concurrently::all(looks).await.into_iter().collect::<Result<Vec<Answer>, Verdict>>()?;
    let (peak, limit) = (peer.in_flight_peak(), (facts.in_flight_max)(CALLS));
    match peak {
        0 => Err(broken("the fake has seen no request")),
        _ if peak > limit => Err(broken(format!("{peak} requests at once of {CALLS} calls; declared are {limit}"))),
        _ => Ok(()),
    }
}

async fn c7<P: Peer, M: Makes<P>>(peer: &P) -> Found {
    let subject = M::make(peer).await;
    well(&*subject, "to begin with").await?;
    for _ in 0..3 {
        peer.restart().await;
        // That the connection is gone may be learned by a call that fails.
        if !subject.look(&cx(WELL)).await.is_good() {
            well(&*subject, "after a restart of the peer, at the second call").await?;
        }
    }
    Ok(())
}

async fn c8<P: Peer, M: Makes<P>>(peer: &P, facts: &Facts) -> Found {
    const LOOKS: usize = 3;
    let subject = M::make(peer).await;
    well(&*subject, "to begin with").await?;
    let before = peer.looks();
    for _ in 0..LOOKS {
        well(&*subject, "then").await?;
    }
    let looks = peer.looks() - before;
    if looks != LOOKS {
        return Err(broken(format!("{LOOKS} calls made {looks} requests")));
    }
    for fault in facts.faults.iter().copied().filter(|fault| fault.is_loss()) {
        for call in M::make(peer).await.calls() {
            peer.heal().await;
            M::ready(peer, call).await;
            // New: one that has a connection may find out that it is dead, and dial once more.
            let subject = M::make(peer).await;
            let before = (peer.looks(), peer.effects());
            peer.misbehave(fault).await;
            ended(&*subject, call, facts.patience).await?;
            let seen = (peer.looks() - before.0, peer.effects() - before.1);
            // Until the reply is lost, all is well, and a call may look as often as it needs.
            if (seen.0 > 1 && fault != Fault::ReplyLost) || seen.1 > 1 {
                return Err(broken(format!("{fault:?}: one `{}` made {seen:?} requests and effects", call.name)));
            }
        }
    }
    Ok(())
}
