//! The calls we make: number, arguments, answer. Pure. Numbers and layouts are facts of libvirt's stable wire protocol.

use super::wire::{Parameters, TEXT_MAX, Uuid, Value};
use super::xdr::{Decoder, Encoder, XdrError};

/// A call and the answer it gets.
pub(crate) trait Procedure {
    /// Its number in the remote program.
    const NUMBER: u32;
    /// What comes back.
    type Reply;
    fn encode(&self, out: &mut Encoder);
    fn decode(input: &mut Decoder<'_>) -> Result<Self::Reply, XdrError>;
}

/// The longest lists a daemon sends.
const DOMAINS_MAX: u32 = 16_384;
const NETWORKS_MAX: u32 = 16_384;
const STATISTICS_MAX: u32 = 64;
const AUTH_KINDS_MAX: u32 = 20;

/// A VM as a daemon names it in calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) name: String,
    pub(crate) uuid: Uuid,
    /// Negative: it is not active.
    pub(crate) id: i32,
}

impl Domain {
    fn encode(&self, out: &mut Encoder) {
        out.text(&self.name);
        out.fixed(self.uuid.bytes());
        out.i32(self.id);
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, XdrError> {
        let name = input.text(TEXT_MAX)?;
        let uuid = input.fixed(16)?.try_into().map_err(|_| XdrError::TooShort)?;
        Ok(Self { name, uuid: Uuid::from_bytes(uuid), id: input.i32()? })
    }
}

macro_rules! procedure {
    ($(#[$doc:meta])* $name:ident $(<$life:lifetime>)? { $($field:ident: $type:ty),* } = $number:literal -> $reply:ty,
     |$this:ident, $out:ident| $encode:expr, |$input:ident| $decode:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name $(<$life>)? { $(pub(crate) $field: $type),* }
        impl $(<$life>)? Procedure for $name $(<$life>)? {
            const NUMBER: u32 = $number;
            type Reply = $reply;
            fn encode(&self, $out: &mut Encoder) { let $this = self; $encode }
            fn decode($input: &mut Decoder<'_>) -> Result<$reply, XdrError> { $decode }
        }
    };
}

procedure! {
    /// Which kinds of authentication the daemon accepts for this connection; 0 is none at all.
    AuthList {} = 66 -> Vec<u32>,
    |_this, _out| (), |input| input.list(AUTH_KINDS_MAX, Decoder::u32)
}
procedure! {
    /// Has the daemon ask polkit about us.
    AuthPolkit {} = 70 -> bool,
    |_this, _out| (), |input| Ok(input.u32()? != 0)
}
procedure! {
    /// Whether the daemon knows a feature. Asking for [`FEATURE_KEEPALIVE`] makes it send pings.
    SupportsFeature { feature: u32 } = 60 -> bool,
    |this, out| out.u32(this.feature), |input| Ok(input.u32()? != 0)
}
/// The feature number of the keep-alive program.
pub(crate) const FEATURE_KEEPALIVE: u32 = 10;

procedure! {
    /// Opens a driver, here always the one of the system's QEMU.
    Open {} = 1 -> (),
    |_this, out| { out.optional(Some("qemu:///system"), Encoder::text); out.u32(0); }, |_input| Ok(())
}

/// What a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeInfo {
    pub(crate) memory_kib: u64,
    pub(crate) cpus: u32,
}
/// The model's name: 32 characters, each in a word of its own.
const NODE_MODEL_BYTES: usize = 32 * 4;
procedure! {
    /// Memory and CPUs of the host.
    GetNodeInfo {} = 6 -> NodeInfo,
    |_this, _out| (),
    |input| { input.fixed(NODE_MODEL_BYTES)?; Ok(NodeInfo { memory_kib: input.u64()?, cpus: input.u32()? }) }
}
procedure! {
    /// What the host is and can do, as XML.
    GetCapabilities {} = 7 -> String,
    |_this, _out| (), |input| input.text(TEXT_MAX)
}
procedure! {
    /// The host's network interfaces that are up, by name.
    ListInterfaces {} = 284 -> Vec<String>,
    |_this, out| { out.i32(1); out.u32(LIST_ACTIVE); },
    |input| input.list(NETWORKS_MAX, |input| { let name = input.text(TEXT_MAX)?; input.text(TEXT_MAX)?; Ok(name) })
}
procedure! {
    /// The libvirt networks that are up, by name.
    ListNetworks {} = 283 -> Vec<String>,
    |_this, out| { out.i32(1); out.u32(LIST_ACTIVE); },
    |input| input.list(NETWORKS_MAX, |input| { let name = input.text(TEXT_MAX)?; input.fixed(16)?; Ok(name) })
}
const LIST_ACTIVE: u32 = 2;

procedure! {
    /// All VMs the host knows, active or not; narrowed down by `LIST_…` flags.
    ListDomains { flags: u32 } = 273 -> Vec<Domain>,
    |this, out| { out.i32(1); out.u32(this.flags); }, |input| input.list(DOMAINS_MAX, Domain::decode)
}
/// Only those that start with the host.
pub(crate) const LIST_AUTOSTART: u32 = 1 << 10;

procedure! {
    /// The VM with that uuid.
    LookUp { uuid: Uuid } = 24 -> Domain,
    |this, out| out.fixed(this.uuid.bytes()), |input| Domain::decode(input)
}
procedure! {
    /// State and reason, as numbers.
    GetState<'a> { domain: &'a Domain } = 212 -> (i32, i32),
    |this, out| { this.domain.encode(out); out.u32(0); }, |input| Ok((input.i32()?, input.i32()?))
}
procedure! {
    /// The VM's definition as it is now, without secrets.
    GetXml<'a> { domain: &'a Domain } = 14 -> String,
    |this, out| { this.domain.encode(out); out.u32(0); }, |input| input.text(TEXT_MAX)
}
procedure! {
    /// Whether it starts with the host.
    GetAutostart<'a> { domain: &'a Domain } = 15 -> bool,
    |this, out| this.domain.encode(out), |input| Ok(input.i32()? != 0)
}
procedure! {
    /// Has it start with the host, or not.
    SetAutostart<'a> { domain: &'a Domain, enabled: bool } = 29 -> (),
    |this, out| { this.domain.encode(out); out.i32(i32::from(this.enabled)); }, |_input| Ok(())
}
procedure! {
    /// Starts a VM that is off. Answers when it runs.
    Create<'a> { domain: &'a Domain } = 9 -> (),
    |this, out| this.domain.encode(out), |_input| Ok(())
}
procedure! {
    /// Cuts a VM's virtual power. Answers when it is off.
    Destroy<'a> { domain: &'a Domain } = 12 -> (),
    |this, out| this.domain.encode(out), |_input| Ok(())
}
procedure! {
    /// Asks the guest to shut down, by the ways in `SHUTDOWN_…`. By agent it answers only when the guest is off.
    ShutDown<'a> { domain: &'a Domain, flags: u32 } = 258 -> (),
    |this, out| { this.domain.encode(out); out.u32(this.flags); }, |_input| Ok(())
}
/// Presses the ACPI power button.
pub(crate) const SHUTDOWN_ACPI: u32 = 1;
/// Asks the guest's agent. With the button too: the agent first, the button where that fails.
pub(crate) const SHUTDOWN_AGENT: u32 = 2;

/// A job on a VM: its phase and what it has done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JobStatistics {
    pub(crate) phase: i32,
    pub(crate) values: Parameters,
}
procedure! {
    /// The job under way, or with `JOB_COMPLETED` the last one that ended.
    GetJob<'a> { domain: &'a Domain, flags: u32 } = 298 -> JobStatistics,
    |this, out| { this.domain.encode(out); out.u32(this.flags); },
    |input| Ok(JobStatistics { phase: input.i32()?, values: Parameters::decode(input, STATISTICS_MAX)? })
}
/// The last job that ended; asking does not forget it.
pub(crate) const JOB_COMPLETED_KEEP: u32 = 1 | 2;

procedure! {
    /// Stops the job under way.
    AbortJob<'a> { domain: &'a Domain } = 164 -> (),
    |this, out| this.domain.encode(out), |_input| Ok(())
}

procedure! {
    /// Moves a running VM to another daemon: this one does it, and answers when it is over.
    Migrate<'a> { domain: &'a Domain, destination: &'a str, parameters: &'a Parameters, flags: u32 } = 305 -> (),
    |this, out| {
        this.domain.encode(out);
        out.optional(Some(this.destination), Encoder::text);
        this.parameters.encode(out);
        out.opaque(&[]);
        out.u32(this.flags);
    },
    |_input| Ok(())
}
procedure! {
    /// Runs a VM that is being moved at its target, its memory following. Answers when that is ordered.
    StartPostCopy<'a> { domain: &'a Domain } = 364 -> (),
    |this, out| { this.domain.encode(out); out.u32(0); }, |_input| Ok(())
}
procedure! {
    /// Saves a VM's memory to the host's disk; it is off then. Answers when it is over.
    ManagedSave<'a> { domain: &'a Domain } = 182 -> (),
    |this, out| { this.domain.encode(out); out.u32(0); }, |_input| Ok(())
}
procedure! {
    /// What was measured of each active VM's writing, where that was measured; those that are busy are left out.
    GetDirtyRates {} = 344 -> Vec<(Domain, Parameters)>,
    |_this, out| { out.u32(0); out.u32(STATS_DIRTY_RATE); out.u32(STATS_ACTIVE | STATS_NO_WAIT); },
    |input| input.list(DOMAINS_MAX, |input| Ok((Domain::decode(input)?, Parameters::decode(input, STATISTICS_MAX)?)))
}
const STATS_DIRTY_RATE: u32 = 1 << 9;
const STATS_ACTIVE: u32 = 1;
const STATS_NO_WAIT: u32 = 1 << 29;
procedure! {
    /// Measures for so many seconds how much of its memory a VM writes, by a sample of its pages; answers at once. The other way,
    /// by a bitmap of pages, ends QEMU 7.2 under emulation.
    MeasureDirtyRate<'a> { domain: &'a Domain, seconds: i32 } = 427 -> (),
    |this, out| { this.domain.encode(out); out.i32(this.seconds); out.u32(0); }, |_input| Ok(())
}

/// A disk's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockInfo {
    pub(crate) allocation: u64,
    pub(crate) capacity: u64,
}
procedure! {
    /// How large a disk is, and how much of it holds something.
    GetBlockInfo<'a> { domain: &'a Domain, disk: &'a str } = 194 -> BlockInfo,
    |this, out| { this.domain.encode(out); out.text(this.disk); out.u32(0); },
    |input| { let (allocation, capacity) = (input.u64()?, input.u64()?); input.u64()?; Ok(BlockInfo { allocation, capacity }) }
}

/// A storage pool as a daemon names it in calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) name: String,
    uuid: Uuid,
}

impl Pool {
    fn encode(&self, out: &mut Encoder) {
        out.text(&self.name);
        out.fixed(self.uuid.bytes());
    }
    fn decode(input: &mut Decoder<'_>) -> Result<Self, XdrError> {
        let name = input.text(TEXT_MAX)?;
        let uuid = input.fixed(16)?.try_into().map_err(|_| XdrError::TooShort)?;
        Ok(Self { name, uuid: Uuid::from_bytes(uuid) })
    }
}
procedure! {
    /// The storage pools that are up.
    ListPools {} = 281 -> Vec<Pool>,
    |_this, out| { out.i32(1); out.u32(LIST_ACTIVE); }, |input| input.list(POOLS_MAX, Pool::decode)
}
/// More than any host has.
const POOLS_MAX: u32 = 4096;
procedure! {
    /// Has the daemon look what is in a pool now: what it says is free there is as old as its last look.
    RefreshPool<'a> { pool: &'a Pool } = 83 -> (),
    |this, out| { this.pool.encode(out); out.u32(0); }, |_input| Ok(())
}
procedure! {
    /// What is free in a pool, in bytes.
    GetPoolFree<'a> { pool: &'a Pool } = 87 -> u64,
    |this, out| this.pool.encode(out),
    |input| { input.u32()?; input.u64()?; input.u64()?; input.u64() }
}
procedure! {
    /// A pool's definition.
    GetPoolXml<'a> { pool: &'a Pool } = 88 -> String,
    |this, out| { this.pool.encode(out); out.u32(0); }, |input| input.text(TEXT_MAX)
}

const MIGRATE_LIVE: u32 = 1;
const MIGRATE_PEER_TO_PEER: u32 = 1 << 1;
const MIGRATE_DEFINE_THERE: u32 = 1 << 3;
const MIGRATE_UNDEFINE_HERE: u32 = 1 << 4;
/// While it runs, from daemon to daemon; its definition goes along.
const MIGRATE_FLAGS: u32 = MIGRATE_LIVE | MIGRATE_PEER_TO_PEER | MIGRATE_DEFINE_THERE | MIGRATE_UNDEFINE_HERE;

/// Disks that are not shared are copied, whole.
const MIGRATE_COPY_DISKS: u32 = 1 << 6;
/// The guest is slowed down where its move would not end.
const MIGRATE_AUTO_CONVERGE: u32 = 1 << 13;
/// It may be run at its target before its memory is all there, if somebody orders that.
const MIGRATE_POST_COPY: u32 = 1 << 15;

/// The flags of a move.
pub(crate) fn migrate_flags(auto_converge: bool, post_copy: bool, copies_disks: bool) -> u32 {
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    MIGRATE_FLAGS
        | flag(auto_converge, MIGRATE_AUTO_CONVERGE)
        | flag(post_copy, MIGRATE_POST_COPY)
        | flag(copies_disks, MIGRATE_COPY_DISKS)
}

procedure! {
    /// How long the guest may stand still at the end of a move, in milliseconds. Also before the move.
    SetMaxDowntime<'a> { domain: &'a Domain, milliseconds: u64 } = 166 -> (),
    |this, out| { this.domain.encode(out); out.u64(this.milliseconds); out.u32(0); }, |_input| Ok(())
}

/// The options of a move.
pub(crate) fn migrate_parameters(bandwidth_mib_s: Option<u64>, address: Option<&str>, disks: &[String]) -> Parameters {
    let bandwidth = bandwidth_mib_s.map(|limit| ("bandwidth".to_owned(), Value::Ullong(limit)));
    let address = address.map(|address| {
        let is_ipv6 = address.parse::<std::net::Ipv6Addr>().is_ok();
        let uri = if is_ipv6 { format!("tcp://[{address}]") } else { format!("tcp://{address}") };
        ("migrate_uri".to_owned(), Value::Text(uri))
    });
    // Named one by one: else libvirt would copy those on network storage onto themselves.
    let disks = disks.iter().map(|disk| ("migrate_disks".to_owned(), Value::Text(disk.clone())));
    Parameters(bandwidth.into_iter().chain(address).chain(disks).collect())
}
