//! One host of the estate: its connection, dialled anew by the next call where it broke, and what is asked of its daemon.

use super::config::HostConfig;
use super::connection::{CallError, Connection};
use super::domain;
use super::map::{DomainState, Job, JobKind, job_under_way};
use super::procedure::{
    Domain, GetCapabilities, GetDirtyRates, GetJob, GetNodeInfo, GetState, GetXml, LIST_AUTOSTART, ListDomains, ListInterfaces,
    ListNetworks, LookUp, Procedure,
};
use super::storage;
use super::transport::Transports;
use super::wire::Uuid;
use ridethrough_driver::Workers;
use ridethrough_model::{Bytes, HostId, HostInfo, PlatformId, SuspendRoom, Vm, VmId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Requests that block in the daemon until a guest or a move is done, one connection each. A daemon works on 20 at once by
/// default; what is beyond waits behind them, so these three stay well below it.
const AGENT_CALLS_MAX: usize = 6;
const MOVES_MAX: usize = 6;
const CHANGES_MAX: usize = 4;

/// One host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) id: HostId,
    pub(super) config: HostConfig,
    transports: Arc<Transports>,
    current: Mutex<Option<Arc<Connection>>>,
    /// One dials, the others wait for its connection.
    dialling: Semaphore,
    pub(super) agent_calls: Arc<Semaphore>,
    pub(super) moves: Arc<Semaphore>,
    pub(super) changes: Arc<Semaphore>,
}

/// A VM on one host.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    pub(super) domain: Domain,
    pub(super) state: DomainState,
}

/// What of the platform's settings matters when an inventory is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    pub(super) platform: &'a PlatformId,
    pub(super) shared_paths: &'a [PathBuf],
    pub(super) copy_disks: bool,
    pub(super) post_copy: bool,
    pub(super) suspend: SuspendRoom,
}

/// One host's part of the inventory.
#[derive(Debug)]
pub(super) struct World {
    pub(super) info: HostInfo,
    pub(super) vms: Vec<(DomainState, Signs, Vm)>,
}

/// What is seen of a VM beside its state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// It is off because it was told to.
    pub(super) is_told_off: bool,
    /// Its guest agent has connected.
    pub(super) has_agent: bool,
}

impl Host {
    pub(super) fn new(id: HostId, config: HostConfig, transports: Arc<Transports>) -> Self {
        Self {
            id,
            config,
            transports,
            current: Mutex::new(None),
            dialling: Semaphore::new(1),
            agent_calls: Arc::new(Semaphore::new(AGENT_CALLS_MAX)),
            moves: Arc::new(Semaphore::new(MOVES_MAX)),
            changes: Arc::new(Semaphore::new(CHANGES_MAX)),
        }
    }

    #[cfg(test)]
    pub(super) fn has_connection(&self) -> bool {
        self.open_connection().is_some()
    }

    fn open_connection(&self) -> Option<Arc<Connection>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|connection| connection.is_open()).map(Arc::clone)
    }

    /// The shared connection, for what is answered quickly.
    pub(super) async fn connection(&self, workers: &Workers, deadline: Instant) -> Result<Arc<Connection>, CallError> {
        if let Some(connection) = self.open_connection() {
            return Ok(connection);
        }
        let late = || CallError::NoConnection("nobody answered before the deadline".to_owned());
        let _turn = timeout_at(deadline, self.dialling.acquire()).await.map_err(|_| late())?.map_err(|_| late())?;
        if let Some(connection) = self.open_connection() {
            return Ok(connection);
        }
        let connection = Arc::new(self.dial(workers, deadline).await?);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// A connection of its own, for a request that blocks.
    pub(super) async fn dial(&self, workers: &Workers, deadline: Instant) -> Result<Connection, CallError> {
        Connection::dial(self.config.uri.endpoint(), &self.transports, workers, deadline).await
    }

    pub(super) async fn call<P: Procedure>(
        &self,
        procedure: &P,
        workers: &Workers,
        deadline: Instant,
    ) -> Result<P::Reply, CallError> {
        self.connection(workers, deadline).await?.call(procedure, deadline).await
    }

    /// Whether and how the VM is there; `None`: this host does not know it.
    pub(super) async fn presence(&self, uuid: Uuid, workers: &Workers, deadline: Instant) -> Result<Option<Presence>, CallError> {
        let connection = self.connection(workers, deadline).await?;
        let Some(domain) = found(connection.call(&LookUp { uuid }, deadline).await)? else { return Ok(None) };
        let state = found(connection.call(&GetState { domain: &domain }, deadline).await)?;
        Ok(state.map(|(state, reason)| Presence { state: DomainState::from_numbers(state, reason), domain }))
    }

    /// The job under way on a VM. The receiving half of a move counts as one.
    pub(super) async fn job(&self, domain: &Domain, workers: &Workers, deadline: Instant) -> Result<Option<Job>, CallError> {
        match self.call(&GetJob { domain, flags: 0 }, workers, deadline).await {
            Ok(statistics) => Ok(job_under_way(&statistics)),
            // libvirt 9: "migration statistics are available only on the source host".
            Err(CallError::Remote(remote)) if remote.is_unsupported() => {
                Ok(Some(Job { kind: JobKind::MoveHere, done_ppm: None }))
            }
            Err(CallError::Remote(remote)) if remote.is_invalid_now() || remote.is_no_domain() => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// All there is on this host.
    pub(super) async fn world(&self, with: Reading<'_>, workers: &Workers, deadline: Instant) -> Result<World, CallError> {
        let connection = self.connection(workers, deadline).await?;
        let call = &*connection;
        let (node, capabilities, domains, autostart, dirty) = tokio::join!(
            call.call(&GetNodeInfo {}, deadline),
            call.call(&GetCapabilities {}, deadline),
            call.call(&ListDomains { flags: 0 }, deadline),
            call.call(&ListDomains { flags: LIST_AUTOSTART }, deadline),
            call.call(&GetDirtyRates {}, deadline),
        );
        let dirty: BTreeMap<Uuid, Bytes> = given(dirty)?.iter().flatten().filter_map(storage::dirty_rate).collect();
        let (node, domains) = (node?, domains?);
        let autostart: BTreeSet<Uuid> = autostart?.into_iter().map(|domain| domain.uuid).collect();
        let mut info = HostInfo {
            memory: Some(Bytes(node.memory_kib.saturating_mul(1024))),
            cpus: Some(node.cpus),
            offers: offers(call, deadline).await?,
            smbios_uuid: given(capabilities)?.as_deref().and_then(domain::host_uuid),
            stores: if with.copy_disks { storage::stores(call, deadline).await? } else { BTreeMap::new() },
            ..HostInfo::new(self.id.clone(), true)
        };
        let place = AtomicUsize::new(0);
        let lane = async || {
            let mut vms = Vec::new();
            while let Some(domain) = domains.get(place.fetch_add(1, Ordering::Relaxed)) {
                let Some((state, is_told_off, definition)) = look(call, domain, with, deadline).await? else { continue };
                let id = VmId::of(with.platform, &domain.uuid.to_string());
                vms.push((
                    state,
                    Signs { is_told_off, has_agent: definition.has_agent },
                    Vm {
                        tags: definition.tags,
                        autostart: Some(autostart.contains(&domain.uuid)),
                        needs: definition.needs,
                        move_blockers: definition.move_blockers,
                        suspend_blockers: definition.suspend_blockers,
                        disks_to_copy: storage::sizes(call, domain, &definition.copied_disks, deadline).await?,
                        dirty_rate: dirty.get(&domain.uuid).copied(),
                        can_post_copy: with.post_copy,
                        smbios_uuid: Some(domain.uuid.to_string()),
                        ..Vm::new(id, domain.name.clone(), self.id.clone(), state.power(), definition.memory, definition.cpus)
                    },
                ));
            }
            Ok::<_, CallError>(vms)
        };
        let (first, second, third, fourth) = tokio::join!(lane(), lane(), lane(), lane());
        let vms: Vec<(DomainState, Signs, Vm)> = [first?, second?, third?, fourth?].into_iter().flatten().collect();
        // Images that lie there already have taken their part.
        let saved = vms.iter().filter(|(state, ..)| *state == DomainState::Saved).map(|(_, _, vm)| vm.memory).sum();
        info.suspend = SuspendRoom { space: with.suspend.space.map(|space| space - saved), ..with.suspend };
        Ok(World { info, vms })
    }
}

/// State and definition of one VM; `None`: it went away meanwhile.
async fn look(
    connection: &Connection,
    domain: &Domain,
    with: Reading<'_>,
    deadline: Instant,
) -> Result<Option<(DomainState, bool, domain::Definition)>, CallError> {
    let Some((state, reason)) = found(connection.call(&GetState { domain }, deadline).await)? else { return Ok(None) };
    let Some(xml) = found(connection.call(&GetXml { domain }, deadline).await)? else { return Ok(None) };
    let definition = domain::read(&xml, with.shared_paths, with.copy_disks).unwrap_or_else(|error| domain::Definition {
        move_blockers: vec![format!("its definition cannot be read: {error}")],
        suspend_blockers: vec![format!("its definition cannot be read: {error}")],
        ..domain::Definition::default()
    });
    Ok(Some((DomainState::from_numbers(state, reason), DomainState::is_told_off(state, reason), definition)))
}

/// The networks a VM can be attached to; `None` where this daemon cannot tell.
async fn offers(connection: &Connection, deadline: Instant) -> Result<Option<BTreeSet<String>>, CallError> {
    let (interfaces, networks) =
        tokio::join!(connection.call(&ListInterfaces {}, deadline), connection.call(&ListNetworks {}, deadline));
    let (Some(interfaces), Some(networks)) = (given(interfaces)?, given(networks)?) else { return Ok(None) };
    Ok(Some(interfaces.into_iter().chain(networks).map(|name| format!("network:{name}")).collect()))
}

/// `None` where the daemon knows no such VM.
fn found<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CallError::Remote(remote)) if remote.is_no_domain() => Ok(None),
        Err(other) => Err(other),
    }
}

/// `None` where the daemon cannot give it: an extra, not worth losing the host for.
pub(super) fn given<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CallError::Remote(_)) => Ok(None),
        Err(other) => Err(other),
    }
}
