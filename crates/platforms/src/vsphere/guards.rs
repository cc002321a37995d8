//! vSphere's own automation as guards: HA's admission control and host monitoring, and the level of DRS. HA is never switched off (its
//! agents would be taken from the hosts), and neither is DRS (its resource pools would be lost).

use super::Vsphere;
use super::collect::{self, Object, TaskState};
use super::facts::{ClusterFacts, World};
use super::fault::{CallError, declined, task_failure};
use super::map::Ids;
use super::session::Endpoint;
use super::soap::{Call, MoRef};
use ridethrough_driver::{Error, FailureKind, Result};
use ridethrough_model::{
    GuardId, GuardKind, GuardScope, GuardState, GuardedStep, HostId, Observed, Op, PlatformId, Progress, Started, TaskRef,
};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

const SET: &str = "set a cluster's automation";
/// Begins the handle of a change under way.
const TASK: &str = "guard:";
const KIND: &str = "ClusterComputeResource";
const SETTINGS: &[collect::Wanted] = &[(KIND, &["configurationEx"])];

/// What can be set of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Admission,
    Drs,
    HostMonitoring,
}

impl Setting {
    const ALL: [Self; 3] = [Self::Admission, Self::Drs, Self::HostMonitoring];

    fn word(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Drs => "drs",
            Self::HostMonitoring => "host-monitoring",
        }
    }

    /// For a person, of a cluster of that name.
    fn name(self, cluster: &str) -> String {
        match self {
            Self::Admission => format!("HA admission control of cluster {cluster}"),
            Self::Drs => format!("DRS of cluster {cluster}"),
            Self::HostMonitoring => format!("HA host monitoring of cluster {cluster}"),
        }
    }

    /// Its value; `None`: the cluster has no such thing, or it has no effect there.
    fn value(self, facts: &ClusterFacts) -> Option<String> {
        match self {
            Self::Admission if facts.ha == Some(true) => facts.admission_control.map(|on| on.to_string()),
            Self::HostMonitoring if facts.ha == Some(true) => facts.host_monitoring.clone(),
            Self::Drs if facts.drs == Some(true) => facts.drs_level.clone(),
            _ => None,
        }
    }

    /// Its value for the time of a run, where it is this now.
    fn disarmed(self, value: &str) -> String {
        match (self, value) {
            (Self::Admission, _) => "false".to_owned(),
            (Self::HostMonitoring, _) => "disabled".to_owned(),
            (Self::Drs, "fullyAutomated") => "manual".to_owned(),
            // Below that, DRS moves nothing by itself.
            (Self::Drs, value) => value.to_owned(),
        }
    }

    /// Its kind, and what waits until it is disarmed.
    fn acts(self) -> (GuardKind, BTreeSet<GuardedStep>) {
        match self {
            Self::Admission => (GuardKind::Admission, [GuardedStep::MoveVm].into()),
            Self::Drs => (GuardKind::Balancing, [GuardedStep::MoveVm, GuardedStep::ShutDownHost].into()),
            Self::HostMonitoring => (GuardKind::Restart, [GuardedStep::ShutDownHost].into()),
        }
    }

    fn spec(self, value: &str) -> String {
        let inner = match self {
            Self::Admission => format!("<dasConfig><admissionControlEnabled>{value}</admissionControlEnabled></dasConfig>"),
            Self::HostMonitoring => format!("<dasConfig><hostMonitoring>{value}</hostMonitoring></dasConfig>"),
            Self::Drs => format!("<drsConfig><defaultVmBehavior>{value}</defaultVmBehavior></drsConfig>"),
        };
        format!("<spec xsi:type=\"ClusterConfigSpecEx\">{inner}</spec>")
    }

    /// A value it can have at all: what comes from a journal goes into a request.
    fn takes(self, value: &str) -> bool {
        let known: &[&str] = match self {
            Self::Admission => &["true", "false"],
            Self::HostMonitoring => &["enabled", "disabled"],
            Self::Drs => &["manual", "partiallyAutomated", "fullyAutomated"],
        };
        known.contains(&value)
    }

    /// From `admission/domain-c7`.
    fn of(native: &str) -> Option<(Self, MoRef)> {
        let (word, id) = native.split_once('/')?;
        let setting = Self::ALL.into_iter().find(|setting| setting.word() == word)?;
        Some((setting, MoRef::new(KIND, id)))
    }
}

/// The settings of every cluster, asked and not remembered: what is put back later must be what stands there now.
pub(super) async fn read(
    endpoint: &Endpoint,
    world: &World,
    deadline: Instant,
) -> std::result::Result<BTreeMap<String, ClusterFacts>, CallError> {
    let clusters = world.clusters.iter().filter(|(_, facts)| facts.is_cluster);
    let asked: Vec<MoRef> = clusters.map(|(id, _)| MoRef::new(KIND, id)).collect();
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let objects = match collect::read(endpoint, &asked, SETTINGS, deadline).await {
        Err(error) if error.is("ManagedObjectNotFound") => return Ok(BTreeMap::new()),
        other => other?,
    };
    Ok(objects.iter().map(|object| (object.object.id.clone(), settings(object))).collect())
}

fn settings(object: &Object) -> ClusterFacts {
    let mut facts = ClusterFacts::default();
    for (_, paths) in SETTINGS {
        for path in *paths {
            facts.set(path, object.get(path));
        }
    }
    facts
}

/// The automation of the clusters that these hosts are in, with the settings that were read of them.
pub(super) fn tell(
    platform: &PlatformId,
    (world, read): (&World, &BTreeMap<String, ClusterFacts>),
    ids: &Ids,
    hosts: &BTreeSet<&HostId>,
    is_experimental: bool,
) -> BTreeMap<GuardId, GuardState> {
    let mut guards = BTreeMap::new();
    for (id, facts) in world.clusters.iter().filter(|(_, facts)| facts.is_cluster) {
        let inside =
            world.hosts.iter().filter(|(_, host)| host.parent.as_ref() == Some(id)).filter_map(|(host, _)| ids.names.get(host));
        let inside: BTreeSet<HostId> = inside.filter(|host| hosts.contains(host)).cloned().collect();
        if inside.is_empty() {
            continue;
        }
        for setting in Setting::ALL.into_iter().filter(|setting| is_experimental || *setting != Setting::HostMonitoring) {
            let Some(value) = setting.value(read.get(id).unwrap_or(facts)).filter(|value| setting.takes(value)) else {
                continue;
            };
            let (kind, before) = setting.acts();
            let state = GuardState {
                name: setting.name(&facts.name),
                kind,
                scope: GuardScope::Cluster(facts.name.clone()),
                hosts: inside.clone(),
                before,
                disarmed: setting.disarmed(&value),
                value,
            };
            guards.insert(GuardId::of(platform, &format!("{}/{id}", setting.word())), state);
        }
    }
    guards
}

/// What an operation on a guard wants: which, at which value it was found, which value it gets.
struct Wish<'a> {
    guard: &'a GuardId,
    setting: Setting,
    cluster: MoRef,
    found: &'a str,
    wanted: &'a str,
}

impl<'a> Wish<'a> {
    fn of(op: &'a Op) -> Option<Result<Self>> {
        let (guard, found, wanted) = match op {
            Op::DisarmGuard { guard, value, disarmed } => (guard, value, disarmed),
            Op::RestoreGuard { guard, value, disarmed } => (guard, disarmed, value),
            _ => return None,
        };
        let unknown = || declined(FailureKind::NotFound, SET, format!("{guard} is no automation that vSphere has"));
        let known = Setting::of(guard.native()).filter(|(setting, _)| setting.takes(wanted));
        Some(known.map(|(setting, cluster)| Self { guard, setting, cluster, found, wanted }).ok_or_else(unknown))
    }
}

impl Vsphere {
    /// Sets it, if the operation is about automation at all.
    pub(super) async fn start_guard(&self, op: &Op, deadline: Instant) -> Option<Result<Started>> {
        match Wish::of(op)? {
            Ok(wish) => Some(self.set(&wish, deadline).await),
            Err(error) => Some(Err(error)),
        }
    }

    async fn set(&self, wish: &Wish<'_>, deadline: Instant) -> Result<Started> {
        let present = self.present(wish.setting, &wish.cluster, deadline).await?;
        if present == wish.wanted {
            return Ok(Started::AlreadyDone);
        }
        if present != wish.found {
            let message = format!("somebody else has set it to {present}");
            return Err(self.about(declined(FailureKind::Refused, SET, message), wish.guard.native()));
        }
        let call = Call::new(&wish.cluster, "ReconfigureComputeResource_Task");
        let call = call.raw(&wish.setting.spec(wish.wanted)).text("modify", "true");
        let answer = self.main.endpoint.ask(&call, deadline).await.and_then(|answer| collect::begun(&answer));
        let task = answer.map_err(|error| self.about(error.into_error(SET), wish.guard.native()))?;
        Ok(Started::Task(TaskRef(format!("{TASK}{}:{}@{}", wish.guard.native(), wish.wanted, task.id))))
    }

    /// How far it is, if the handle is of automation at all.
    pub(super) async fn poll_guard(&self, task: &TaskRef, deadline: Instant) -> Option<Result<Progress>> {
        let (rest, remote) = task.0.strip_prefix(TASK)?.split_once('@')?;
        let (native, wanted) = rest.split_once(':')?;
        let (setting, cluster) = Setting::of(native)?;
        Some(self.guard_progress(setting, &cluster, wanted, &MoRef::new("Task", remote), deadline).await)
    }

    async fn guard_progress(
        &self,
        setting: Setting,
        cluster: &MoRef,
        wanted: &str,
        remote: &MoRef,
        deadline: Instant,
    ) -> Result<Progress> {
        let found = collect::task(&self.main.endpoint, remote, deadline).await;
        let found = found.map_err(|error| self.about(error.into_error(SET).no_effect(), setting.word()))?;
        match found.map(|info| info.state) {
            Some(TaskState::Running(_)) => return Ok(Progress::Running { done_ppm: None }),
            Some(TaskState::Failed(fault)) => return Ok(Progress::Failed(task_failure(&fault))),
            Some(TaskState::Done) | None => {}
        }
        let present = self.present(setting, cluster, deadline).await?;
        Ok(if present == wanted {
            Progress::Done { detail: None }
        } else {
            let message = format!("it is {present}, not {wanted}");
            Progress::Failed(super::fault::failure(FailureKind::Refused, message))
        })
    }

    /// Whether it is as wanted, if the operation is about automation at all.
    pub(super) async fn observe_guard(&self, op: &Op, deadline: Instant) -> Option<Result<Observed>> {
        let wish = match Wish::of(op)? {
            Ok(wish) => wish,
            Err(_) => return Some(Ok(Observed::Gone)),
        };
        Some(match self.present(wish.setting, &wish.cluster, deadline).await {
            Ok(present) => Ok(if present == wish.wanted { Observed::Done } else { Observed::NotDone }),
            Err(error) if error.kind() == FailureKind::NotFound => Ok(Observed::Gone),
            Err(error) => Err(error),
        })
    }

    async fn present(&self, setting: Setting, cluster: &MoRef, deadline: Instant) -> Result<String> {
        let failed = |error: CallError| self.about(error.into_error(SET).no_effect(), &cluster.id);
        let object = collect::read_one(&self.main.endpoint, cluster, SETTINGS, deadline).await.map_err(failed)?;
        let facts = settings(&object);
        let missing =
            || self.about(declined(FailureKind::NotFound, SET, "the cluster has it no more, or we may not see it"), &cluster.id);
        setting.value(&facts).ok_or_else(missing)
    }

    fn about(&self, error: Error, what: &str) -> Error {
        self.with_place(error.with("of", what), &self.main)
    }
}
