//! P1 to P6: what a driver of a virtualisation platform keeps.

use super::all::{self, Makes, WELL};
use super::peer::{Fault, Peer};
use super::subject::{OfPlatform, Subject, cx};
use super::{Found, Verdict, broken};
use crate::{FailureKind, Platform};
use async_trait::async_trait;
use ridethrough_model::{HostId, Inventory, Observed, Op, Progress, Started, TaskRef, VmId, VmPower};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// An inventory of [`MANY`] VMs in a debug build on a busy machine.
const INVENTORY_MAX: Duration = Duration::from_secs(120);
const MANY: usize = 10_000;

/// The VMs of the fake, all on one host.
#[derive(Clone, Debug)]
pub struct Vms {
    /// The host.
    pub host: HostId,
    /// One that runs in the beginning.
    pub on: VmId,
    /// One that is off in the beginning.
    pub off: VmId,
}

/// A fake that serves one platform with one host.
#[async_trait]
pub trait PlatformFixture: Peer {
    /// A new driver.
    fn platform(&self) -> Box<dyn Platform>;

    /// What is there in the beginning.
    fn vms() -> Vms;

    /// A task of the beginning, as a journal would have it. `None`: the platform has none then.
    fn task(&self) -> Option<TaskRef>;

    /// Somebody else brings the VM into this state. `false`: it has no such state.
    async fn set(&self, vm: &VmId, power: VmPower) -> bool;

    /// From now on the guest runs and cannot be asked to shut down.
    async fn deafen(&self, vm: &VmId);

    /// From now on there are so many VMs.
    async fn fill(&self, count: usize);

    /// Runs one rule. Not for fixtures to define.
    async fn keeps(rule: &str) -> Verdict {
        match all::keeps::<Self, Platforms>(rule).await {
            Some(verdict) => verdict,
            None => own::<Self>(rule).await,
        }
    }
}

pub(super) struct Platforms;

#[async_trait]
impl<P: PlatformFixture> Makes<P> for Platforms {
    const ELSEWHERE: &'static [Fault] = &[];
    async fn make(peer: &P) -> Box<dyn Subject> {
        Box::new(OfPlatform { platform: peer.platform(), vms: P::vms(), task: peer.task() })
    }
}

async fn own<P: PlatformFixture>(rule: &str) -> Verdict {
    let Some(peer) = P::start().await else { return Verdict::Skipped };
    let found = match rule {
        "P1" => p1(&peer).await,
        "P2" => p2(&peer).await,
        "P3" => p3(&peer).await,
        "P4" => p4(&peer).await,
        "P5" => p5(&peer).await,
        "P6" => p6(&peer).await,
        other => Err(broken(format!("there is no rule {other} for a platform"))),
    };
    found.err().unwrap_or(Verdict::Kept)
}

fn unexpected(what: &str) -> impl FnOnce(crate::Error) -> Verdict {
    let what = what.to_owned();
    move |error| broken(format!("{what}: {error:?}"))
}

async fn inventory(platform: &dyn Platform) -> Result<Inventory, Verdict> {
    platform.inventory(&cx(WELL)).await.map_err(unexpected("inventory"))
}

async fn observed(platform: &dyn Platform, op: &Op) -> Result<Observed, Verdict> {
    platform.observe(op, &cx(WELL)).await.map_err(unexpected(&format!("observe `{op}`")))
}

async fn started(platform: &dyn Platform, op: &Op) -> Result<Started, Verdict> {
    platform.start(op, &cx(WELL)).await.map_err(unexpected(&op.to_string()))
}

/// Asks until the operation has ended.
async fn done(platform: &dyn Platform, task: &TaskRef) -> Found {
    let polled = timeout(WELL, async {
        loop {
            match platform.poll(task, &cx(WELL)).await {
                Ok(Progress::Running { .. }) => tokio::task::yield_now().await,
                Ok(Progress::Done { .. }) => return Ok(()),
                other => return Err(broken(format!("poll of `{}` says {other:?}", task.0))),
            }
        }
    });
    polled.await.unwrap_or_else(|_| Err(broken(format!("`{}` never ends", task.0))))
}

fn start_op(vms: &Vms) -> Op {
    Op::StartVm { vm: vms.off.clone(), host: vms.host.clone() }
}

fn stop_op(vms: &Vms) -> Op {
    Op::ShutDownVm { vm: vms.on.clone(), host: vms.host.clone() }
}

async fn p1<P: PlatformFixture>(peer: &P) -> Found {
    let vms = P::vms();
    let before = inventory(&*peer.platform()).await?;
    if !before.vms.contains_key(&vms.on) || !before.vms.contains_key(&vms.off) {
        return Err(broken(format!("the VMs {} and {} are not in {:?}", vms.on, vms.off, before.vms.keys())));
    }
    peer.restart().await;
    let after = inventory(&*peer.platform()).await?;
    if before.vms.keys().eq(after.vms.keys()) {
        return Ok(());
    }
    Err(broken(format!("before {:?}, after {:?}", before.vms.keys(), after.vms.keys())))
}

fn save_op(vms: &Vms) -> Op {
    Op::SuspendVm { vm: vms.on.clone(), host: vms.host.clone() }
}

/// What can be done to those VMs here.
fn ops<P: PlatformFixture>(peer: &P) -> Vec<Op> {
    let vms = P::vms();
    let save = peer.platform().capability().can_suspend.then(|| save_op(&vms));
    [start_op(&vms), stop_op(&vms)].into_iter().chain(save).collect()
}

async fn p2<P: PlatformFixture>(peer: &P) -> Found {
    for op in ops(peer) {
        peer.heal().await;
        let platform = peer.platform();
        let before = peer.effects();
        for client in [&platform, &platform, &peer.platform()] {
            if let Started::Task(task) = started(&**client, &op).await? {
                done(&**client, &task).await?;
            }
        }
        let effects = peer.effects() - before;
        if effects != 1 {
            return Err(broken(format!("`{op}` three times, {effects} effects")));
        }
    }
    Ok(())
}

async fn p3<P: PlatformFixture>(peer: &P) -> Found {
    for op in ops(peer) {
        peer.heal().await;
        let Started::Task(task) = started(&*peer.platform(), &op).await? else {
            return Err(broken(format!("`{op}` is done already, and it was not")));
        };
        // As the journal keeps it.
        let read = TaskRef(task.0.clone());
        done(&*peer.platform(), &read).await?;
    }
    Ok(())
}

async fn p4<P: PlatformFixture>(peer: &P) -> Found {
    use VmPower::{Crashed, Off, Paused, Running, Suspended, Unknown};
    let vms = P::vms();
    let vm = vms.off.clone();
    let stop = Op::ShutDownVm { vm: vm.clone(), host: vms.host.clone() };
    let platform = peer.platform();
    // It was on because we started it.
    if let Started::Task(task) = started(&*platform, &start_op(&vms)).await? {
        done(&*platform, &task).await?;
    }
    for power in [Off, Running, Paused, Suspended, Crashed, Unknown, Running, Off] {
        if !peer.set(&vm, power).await {
            continue;
        }
        let seen = inventory(&*platform).await?.vms.get(&vm).map(|vm| vm.power);
        if seen != Some(power) {
            return Err(broken(format!("a VM that is {power:?} is {seen:?} in the inventory")));
        }
        let is_off = platform.observe(&stop, &cx(WELL)).await;
        let is_on = platform.observe(&start_op(&vms), &cx(WELL)).await;
        let says = |seen: &crate::Result<Observed>| matches!(seen, Ok(Observed::Done));
        if platform.capability().can_suspend {
            let save = Op::SuspendVm { vm: vm.clone(), host: vms.host.clone() };
            let is_saved = platform.observe(&save, &cx(WELL)).await;
            if says(&is_saved) == power.is_active() {
                return Err(broken(format!("a VM that is {power:?}: `{save}` is {is_saved:?}")));
            }
        }
        if says(&is_off) == power.is_active() || says(&is_on) != (power == Running) {
            let how = format!("a VM that is {power:?}: `{stop}` is {is_off:?}, `{}` is {is_on:?}", start_op(&vms));
            return Err(broken(how));
        }
    }
    let last = observed(&*peer.platform(), &stop).await?;
    if last == Observed::Done { Ok(()) } else { Err(broken(format!("a new client says {last:?} of a VM that is off"))) }
}

async fn p5<P: PlatformFixture>(peer: &P) -> Found {
    let vms = P::vms();
    peer.deafen(&vms.on).await;
    let begun = Instant::now();
    let answer = peer.platform().start(&stop_op(&vms), &cx(WELL)).await;
    let took = begun.elapsed();
    match answer {
        Err(error) if error.kind() == FailureKind::Refused && took < WELL / 2 => Ok(()),
        other => Err(broken(format!("after {took:?} it says {other:?}"))),
    }
}

async fn p6<P: PlatformFixture>(peer: &P) -> Found {
    peer.fill(MANY).await;
    let platform = peer.platform();
    let begun = Instant::now();
    let first = platform.inventory(&cx(INVENTORY_MAX)).await.map_err(unexpected("inventory"))?;
    let took = begun.elapsed();
    if first.vms.len() != MANY {
        return Err(broken(format!("{} of {MANY} VMs are in it", first.vms.len())));
    }
    let second = platform.inventory(&cx(INVENTORY_MAX)).await.map_err(unexpected("inventory"))?;
    if first != second {
        return Err(broken("the second differs from the first, and nothing has changed"));
    }
    if took > INVENTORY_MAX { Err(broken(format!("it took {took:?}"))) } else { Ok(()) }
}
