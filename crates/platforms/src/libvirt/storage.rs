//! What is asked of a daemon besides its VMs: folders that take disks, sizes of disks, what VMs write. All of it extra: what a daemon
//! cannot tell is left out.

use super::connection::{CallError, Connection};
use super::domain;
use super::host::given;
use super::procedure::{Domain, GetBlockInfo, GetPoolFree, GetPoolXml, ListPools, RefreshPool};
use super::wire::{Parameters, Uuid};
use ridethrough_model::Bytes;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Pools of one host that are looked at.
const POOLS_MAX: usize = 32;

/// What was measured of a VM's writing; `None`: nothing yet.
pub(super) fn dirty_rate((domain, values): &(Domain, Parameters)) -> Option<(Uuid, Bytes)> {
    const MEASURED: u64 = 2;
    if values.count("dirtyrate.calc_status") != Some(MEASURED) {
        return None;
    }
    values.count("dirtyrate.megabytes_per_second").map(|mib| (domain.uuid, Bytes::from_mib(mib)))
}

/// What has to be copied of these disks, by where they lie. Only what holds something is; what cannot be told counts as too large.
pub(super) async fn sizes(
    connection: &Connection,
    domain: &Domain,
    disks: &[(String, String)],
    deadline: Instant,
) -> Result<BTreeMap<String, Bytes>, CallError> {
    let mut sizes: BTreeMap<String, Bytes> = BTreeMap::new();
    for (disk, store) in disks {
        let info = given(connection.call(&GetBlockInfo { domain, disk }, deadline).await)?;
        let size = info.map_or(u64::MAX, |info| if info.allocation > 0 { info.allocation } else { info.capacity });
        let sum = sizes.entry(store.clone()).or_default();
        *sum = Bytes(sum.0.saturating_add(size));
    }
    Ok(sizes)
}

/// Pools in folders, and what is free in each: libvirt makes a disk that comes along only there.
pub(super) async fn stores(connection: &Connection, deadline: Instant) -> Result<BTreeMap<String, Bytes>, CallError> {
    let mut stores = BTreeMap::new();
    for pool in given(connection.call(&ListPools {}, deadline).await)?.unwrap_or_default().iter().take(POOLS_MAX) {
        let Some(xml) = given(connection.call(&GetPoolXml { pool }, deadline).await)? else { continue };
        let Some(folder) = domain::pool_folder(&xml) else { continue };
        if given(connection.call(&RefreshPool { pool }, deadline).await)?.is_none() {
            continue;
        }
        if let Some(free) = given(connection.call(&GetPoolFree { pool }, deadline).await)? {
            stores.insert(folder, Bytes(free));
        }
    }
    Ok(stores)
}
