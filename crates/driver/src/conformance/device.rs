//! D1 to D5: what a driver of a UPS keeps.

use super::all::{self, Makes, WELL, excepted};
use super::peer::{Facts, Fault, Peer};
use super::subject::{OfDevice, Subject, cx};
use super::{Found, Verdict, broken};
use crate::Device;
use async_trait::async_trait;
use ridethrough_model::{Millis, Milliwatts, Mono, Ppm, Reading, Silence, SilenceKind, UpsId};

/// What the kit has the UPS say, in our words: the fake says it in those of its protocol.
pub type Told = Reading;

/// A fake that serves one UPS.
#[async_trait]
pub trait DeviceFixture: Peer {
    /// A new driver for the UPS, logged in where there is a login. While the fault is a wrong password, it is given one.
    fn device(&self) -> Box<dyn Device>;

    /// From now on the UPS says this and nothing else.
    async fn tell(&self, told: &Told);

    /// From now on it says what a real one said once, byte for byte. Gives back what that means, found without the driver.
    async fn play(&self) -> Reading;

    /// From now on it is silent in this way.
    async fn lose(&self, how: SilenceKind);

    /// Has the driver send a command that cuts power. `None`: it has none.
    async fn cut(&self, _device: &dyn Device) -> Option<crate::Result<()>> {
        None
    }

    /// Runs one rule. Not for fixtures to define.
    async fn keeps(rule: &str) -> Verdict {
        match all::keeps::<Self, Devices>(rule).await {
            Some(verdict) => verdict,
            None => own::<Self>(rule).await,
        }
    }
}

pub(super) struct Devices;

#[async_trait]
impl<P: DeviceFixture> Makes<P> for Devices {
    const ELSEWHERE: &'static [Fault] = &[];
    async fn make(peer: &P) -> Box<dyn Subject> {
        Box::new(OfDevice(peer.device()))
    }
}

async fn own<P: DeviceFixture>(rule: &str) -> Verdict {
    let Some(peer) = P::start().await else { return Verdict::Skipped };
    let found = match rule {
        "D1" => d1(&peer).await,
        "D2" => d2(&peer).await,
        "D3" => d3(&peer).await,
        "D4" => d4(&peer).await,
        "D5" => d5(&peer, &P::facts()).await,
        other => Err(broken(format!("there is no rule {other} for a device"))),
    };
    found.err().unwrap_or(Verdict::Kept)
}

async fn look<P: DeviceFixture>(peer: &P) -> Result<Result<Reading, Silence>, Verdict> {
    let seen = peer.device().read(&cx(WELL)).await;
    seen.map_err(|error| broken(format!("a look is no error: {error}")))
}

/// Reads, and compares with what was said. Names are ours, so they are not compared.
async fn says<P: DeviceFixture>(peer: &P, told: &Reading) -> Found {
    let reading = look(peer).await?.map_err(|silence| broken(format!("it says nothing: {silence:?}")))?;
    let told = Reading { ups: reading.ups.clone(), observed_at: Mono(7), ..told.clone() };
    if reading == told { Ok(()) } else { Err(broken(format!("the UPS says {told:?}, the driver {reading:?}"))) }
}

fn status(tokens: &str) -> Reading {
    Reading::of_status(UpsId::new("kit"), Mono(7), tokens)
}

fn measured() -> Reading {
    Reading {
        charge: Some(Ppm(985_000)),
        runtime: Some(Millis::from_secs(2520)),
        load: Some(Ppm(70_000)),
        realpower: Some(Milliwatts(210_500)),
        realpower_nominal: Some(Milliwatts(1_000_000)),
        runtime_low: Some(Millis::from_secs(180)),
        ..status("OL CHRG")
    }
}

async fn d1<P: DeviceFixture>(peer: &P) -> Found {
    peer.tell(&measured()).await;
    let device = peer.device();
    let before = device.read(&cx(WELL)).await;
    peer.tell(&status("OL")).await;
    says(peer, &status("OL")).await?;
    // Nor are values kept that were there before.
    let Ok(Ok(now)) = device.read(&cx(WELL)).await else { return Err(broken("it says nothing")) };
    let bare = Reading { ups: now.ups.clone(), ..status("OL") };
    if now == bare { Ok(()) } else { Err(broken(format!("after {before:?} it still says {now:?}"))) }
}

async fn d2<P: DeviceFixture>(peer: &P) -> Found {
    let told = status("OB FROB LB");
    peer.tell(&told).await;
    match look(peer).await? {
        Ok(reading) if reading.status == told.status => Ok(()),
        other => Err(broken(format!("the UPS says {}, the driver {other:?}", told.status))),
    }
}

async fn d3<P: DeviceFixture>(peer: &P) -> Found {
    peer.tell(&measured()).await;
    says(peer, &measured()).await?;
    let expected = peer.play().await;
    if expected.charge.is_none() || expected.runtime.is_none() || expected.load.is_none() {
        return Err(broken("the captured answer proves nothing: it has no charge, runtime or load"));
    }
    says(peer, &expected).await
}

async fn d4<P: DeviceFixture>(peer: &P) -> Found {
    for how in [SilenceKind::Stale, SilenceKind::Disconnected, SilenceKind::Unreachable] {
        peer.heal().await;
        peer.lose(how).await;
        match look(peer).await? {
            Err(silence) if silence.kind == how => {}
            other => return Err(broken(format!("{how:?} is seen as {other:?}"))),
        }
    }
    Ok(())
}

async fn d5<P: DeviceFixture>(peer: &P, facts: &Facts) -> Found {
    for how in [SilenceKind::Stale, SilenceKind::Disconnected] {
        peer.heal().await;
        let device = peer.device();
        peer.lose(how).await;
        let seen = device.read(&cx(WELL)).await;
        let before = peer.effects();
        let Some(done) = peer.cut(&*device).await else { return Err(excepted(facts, "D5")) };
        if peer.effects() != before + 1 {
            return Err(broken(format!("after {seen:?} the command was not sent: {done:?}")));
        }
    }
    Ok(())
}
