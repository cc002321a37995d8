//! A libvirt daemon made of a list of VMs, for faults that a real one does not have on demand. Speaks the wire only.

use super::procedure as call;
use super::procedure::Procedure;
use super::wire::{self, Header, Kind, Parameters, Uuid, Value};
use super::xdr::{Decoder, Encoder};
use ridethrough_driver::Workers;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// What goes wrong when a procedure is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No answer, ever.
    Stall,
    /// Bytes that are no frame.
    Garbage,
    /// Half an answer, then the connection closes.
    Truncated,
    /// It is done, then the connection closes without an answer.
    DroppedAfterEffect,
    /// A frame whose body is cut short.
    Unreadable,
    /// One of libvirt's errors, nothing done.
    Error(i32),
    /// A ping before the answer, which comes only after the pong.
    PingFirst,
    /// The answer comes when nothing more is asked: whatever can be in flight is.
    Patience,
    /// Messages that nobody asked for and of kinds nobody knows, then the answer.
    Chatty,
    /// Such messages, for ever.
    Endless,
}

/// One VM of the fake.
#[derive(Clone, Debug)]
pub(super) struct FakeVm {
    pub(super) uuid: Uuid,
    pub(super) state: (i32, i32),
    pub(super) autostart: bool,
    pub(super) xml: String,
    pub(super) job: Option<i32>,
    /// What was measured: when, and MiB a second.
    pub(super) dirty: Option<(i64, i64)>,
}

impl FakeVm {
    pub(super) fn running(number: u128) -> Self {
        let xml = "<domain><memory unit='KiB'>1024</memory><vcpu>1</vcpu></domain>".to_owned();
        Self { uuid: Uuid::from_bytes(number.to_be_bytes()), state: (1, 1), autostart: false, xml, job: None, dirty: None }
    }
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) vms: BTreeMap<Uuid, FakeVm>,
    pub(super) faults: BTreeMap<u32, Fault>,
    /// What the daemon demands: 0 nothing, 1 SASL, 2 polkit.
    pub(super) auth: Vec<u32>,
    pub(super) polkit_refuses: bool,
    /// Every procedure called, in order.
    pub(super) calls: Vec<u32>,
    pub(super) shutdown_flags: Vec<u32>,
    /// Of each move: its flags, the names of its options, the disks it copies.
    pub(super) moves: Vec<(u32, Vec<String>, Vec<String>)>,
    /// Folders that are pools, and what is free in each.
    pub(super) pools: Vec<(&'static str, u64)>,
    /// Whose writing was measured, in order.
    pub(super) measured: Vec<Uuid>,
    /// What of each disk holds something, and what it could hold.
    pub(super) disk: (u64, u64),
    /// The agent's guest is off before its call has ended: the daemon calls that a failure.
    pub(super) calls_off_a_failure: bool,
    pub(super) connections: usize,
    pub(super) pongs: usize,
    pub(super) in_flight_peak: usize,
    /// How often a VM was started, stopped or set up.
    pub(super) effects: usize,
}

/// A fake that listens as long as it lives.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) uri: String,
    world: Arc<Mutex<World>>,
    serving: Mutex<Workers>,
    listener: Mutex<Option<Arc<TcpListener>>>,
}

impl Fake {
    pub(super) async fn new(vms: impl IntoIterator<Item = FakeVm>) -> Self {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let uri = format!("qemu+tcp://{}/system", listener.local_addr().unwrap());
        let world = World { vms: vms.into_iter().map(|vm| (vm.uuid, vm)).collect(), auth: vec![0], ..World::default() };
        let listener = Mutex::new(Some(listener));
        let fake = Self { uri, world: Arc::new(Mutex::new(world)), serving: Mutex::default(), listener };
        fake.serve();
        fake
    }

    fn serve(&self) {
        let Some(listener) = self.listener.lock().unwrap().clone() else { return };
        let world = Arc::clone(&self.world);
        let serving = Workers::new();
        serving.start(async move {
            let connections = Workers::new();
            while let Ok((stream, _)) = listener.accept().await {
                world.lock().unwrap().connections += 1;
                connections.start(attend(stream, Arc::clone(&world)));
            }
        });
        *self.serving.lock().unwrap() = serving;
    }

    fn address(&self) -> &str {
        self.uri.trim_start_matches("qemu+tcp://").trim_end_matches("/system")
    }

    /// All connections break, and nobody listens any more.
    pub(super) async fn close(&self) {
        *self.serving.lock().unwrap() = Workers::new();
        *self.listener.lock().unwrap() = None;
        while TcpStream::connect(self.address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// Listens again, if nobody does.
    pub(super) async fn open(&self) {
        if self.listener.lock().unwrap().is_none() {
            let listener = TcpListener::bind(self.address()).await.unwrap();
            *self.listener.lock().unwrap() = Some(Arc::new(listener));
            self.serve();
        }
    }

    /// All connections break; new ones are taken.
    pub(super) fn restart(&self) {
        self.serve();
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// From now on, calling this goes wrong.
    pub(super) fn fail<P: Procedure>(&self, fault: Fault) {
        self.world().faults.insert(P::NUMBER, fault);
    }

    pub(super) fn count<P: Procedure>(&self) -> usize {
        self.world().calls.iter().filter(|number| **number == P::NUMBER).count()
    }
}

/// So long nothing is asked before the patient answer.
const QUIET: Duration = Duration::from_millis(3);

async fn attend(stream: TcpStream, world: Arc<Mutex<World>>) {
    let (mut reader, mut writer) = stream.into_split();
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut stalled = 0;
    loop {
        let is_patient = world.lock().unwrap().faults.values().any(|fault| *fault == Fault::Patience);
        if is_patient && !held.is_empty() && timeout(QUIET, reader.peek(&mut [0])).await.is_err() {
            release(&mut held, &mut writer).await;
        }
        let mut length = [0; 4];
        if reader.read_exact(&mut length).await.is_err() {
            break;
        }
        let mut rest = vec![0; wire::rest_of_frame(length).unwrap()];
        if reader.read_exact(&mut rest).await.is_err() {
            break;
        }
        let (header, body) = wire::parse(&rest).unwrap();
        if header.program == wire::PROGRAM_KEEPALIVE {
            world.lock().unwrap().pongs += 1;
            release(&mut held, &mut writer).await;
            continue;
        }
        let fault = {
            let mut world = world.lock().unwrap();
            world.calls.push(header.procedure);
            world.in_flight_peak = world.in_flight_peak.max(held.len() + stalled + 1);
            world.faults.get(&header.procedure).copied()
        };
        stalled += usize::from(fault == Some(Fault::Stall));
        let is_open = match fault {
            Some(fault) => spoil(fault, header, body, &world, &mut writer, &mut held).await,
            None => {
                let answer = answer(&mut world.lock().unwrap(), header, body);
                writer.write_all(&answer).await.is_ok()
            }
        };
        if !is_open {
            break;
        }
    }
}

async fn release(held: &mut Vec<Vec<u8>>, writer: &mut OwnedWriteHalf) {
    for answer in held.drain(..) {
        let _ = writer.write_all(&answer).await;
    }
}

async fn spoil(
    fault: Fault,
    header: Header,
    body: &[u8],
    world: &Mutex<World>,
    writer: &mut OwnedWriteHalf,
    held: &mut Vec<Vec<u8>>,
) -> bool {
    let good = match fault {
        Fault::Stall => return true,
        Fault::Error(code) => error(header, code, "made to fail"),
        _ => answer(&mut world.lock().unwrap(), header, body),
    };
    match fault {
        Fault::Stall => true,
        Fault::Patience => {
            held.push(good);
            true
        }
        Fault::Garbage => writer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\nno libvirt here").await.is_ok(),
        Fault::Truncated => {
            let _ = writer.write_all(&good[..good.len() - 4]).await;
            false
        }
        Fault::DroppedAfterEffect => false,
        Fault::Unreadable => {
            let cut = wire::frame(Header { kind: Kind::Reply, ..header }, &[0, 0, 0, 9]);
            writer.write_all(&cut).await.is_ok()
        }
        Fault::Error(_) => writer.write_all(&good).await.is_ok(),
        Fault::Chatty | Fault::Endless => {
            let news = Header { kind: Kind::Event, procedure: 9999, serial: 0, ..header };
            let talk = [news, Header { program: 0x2000_8099, ..news }, Header { kind: Kind::Other(9), ..news }];
            let talk = talk.map(|header| wire::frame(header, &[0xff; 512])).concat();
            let mut is_open = writer.write_all(&talk).await.is_ok();
            while is_open && fault == Fault::Endless {
                is_open = writer.write_all(&talk).await.is_ok();
            }
            is_open && writer.write_all(&good).await.is_ok()
        }
        Fault::PingFirst => {
            held.push(good);
            writer.write_all(&wire::ping()).await.is_ok()
        }
    }
}

fn error(header: Header, code: i32, message: &str) -> Vec<u8> {
    let mut out = Encoder::default();
    out.i32(code);
    out.i32(7);
    out.optional(Some(message), Encoder::text);
    out.i32(2);
    wire::frame(Header { kind: Kind::Reply, is_error: true, ..header }, &out.finish())
}

const NO_DOMAIN: i32 = 42;
const AUTH_FAILED: i32 = 45;
const OPERATION_INVALID: i32 = 55;

fn answer(world: &mut World, header: Header, body: &[u8]) -> Vec<u8> {
    let mut out = Encoder::default();
    match fill(world, header.procedure, &mut Decoder::new(body), &mut out) {
        Ok(()) => wire::frame(Header { kind: Kind::Reply, ..header }, &out.finish()),
        Err((code, message)) => error(header, code, message),
    }
}

type Filled = Result<(), (i32, &'static str)>;

fn fill(world: &mut World, procedure: u32, body: &mut Decoder<'_>, out: &mut Encoder) -> Filled {
    const CREATE: u32 = call::Create::NUMBER;
    const DESTROY: u32 = call::Destroy::NUMBER;
    match procedure {
        call::AuthList::NUMBER => list(out, &world.auth, |out, kind| out.u32(*kind)),
        call::AuthPolkit::NUMBER if world.polkit_refuses => return Err((AUTH_FAILED, "authentication failed")),
        call::AuthPolkit::NUMBER | call::SupportsFeature::NUMBER => out.u32(1),
        call::Open::NUMBER => {}
        call::GetNodeInfo::NUMBER => {
            out.fixed(&[0; 128]);
            out.u64(8 << 20);
            out.u32(4);
        }
        call::GetCapabilities::NUMBER => out.text("<capabilities><host><uuid>0F</uuid></host></capabilities>"),
        call::ListInterfaces::NUMBER => list(out, &["br0"], |out, name| {
            out.text(name);
            out.text("00:00:00:00:00:00");
        }),
        call::ListNetworks::NUMBER => list(out, &[0; 0], |_, _| ()),
        call::GetDirtyRates::NUMBER => dirty_rates(world, out),
        call::ListPools::NUMBER => list(out, &world.pools, |out, (folder, _)| {
            out.text(folder);
            out.fixed(&[1; 16]);
        }),
        call::RefreshPool::NUMBER => {}
        call::GetPoolXml::NUMBER => {
            let folder = body.text(wire::TEXT_MAX).unwrap();
            out.text(&format!("<pool type='dir'><target><path>{folder}</path></target></pool>"));
        }
        call::GetPoolFree::NUMBER => {
            let folder = body.text(wire::TEXT_MAX).unwrap();
            let free = world.pools.iter().find(|(name, _)| **name == folder).map_or(0, |(_, free)| *free);
            out.u32(2);
            out.u64(free * 2);
            out.u64(free);
            out.u64(free);
        }
        call::ListDomains::NUMBER => {
            let _need_results = body.u32();
            let only_autostart = body.u32() == Ok(call::LIST_AUTOSTART);
            let shown: Vec<&FakeVm> = world.vms.values().filter(|vm| vm.autostart || !only_autostart).collect();
            list(out, &shown, |out, vm| domain(out, vm));
        }
        call::LookUp::NUMBER => {
            let uuid = body.fixed(16).unwrap().try_into().unwrap();
            let vm = world.vms.get(&Uuid::from_bytes(uuid)).ok_or((NO_DOMAIN, "Domain not found"))?;
            domain(out, vm);
        }
        CREATE | DESTROY => {
            let is_start = procedure == CREATE;
            let vm = named(world, body)?;
            if (vm.state.0 == 5) != is_start {
                return Err((OPERATION_INVALID, "Requested operation is not valid"));
            }
            vm.state = if is_start { (1, 1) } else { (5, 2) };
            world.effects += 1;
        }
        _ => return of_vm(world, procedure, body, out),
    }
    Ok(())
}

fn dirty_rates(world: &World, out: &mut Encoder) {
    let running: Vec<&FakeVm> = world.vms.values().filter(|vm| vm.state.0 == 1).collect();
    list(out, &running, |out, vm| {
        domain(out, vm);
        let status = ("dirtyrate.calc_status".to_owned(), Value::Int(if vm.dirty.is_some() { 2 } else { 0 }));
        let values = vm.dirty.map(|(at, rate)| {
            [("dirtyrate.calc_start_time", at), ("dirtyrate.megabytes_per_second", rate)]
                .map(|(name, value)| (name.to_owned(), Value::Llong(value)))
        });
        Parameters([status].into_iter().chain(values.into_iter().flatten()).collect()).encode(out);
    });
}

fn of_vm(world: &mut World, procedure: u32, body: &mut Decoder<'_>, out: &mut Encoder) -> Filled {
    let (allocation, capacity) = world.disk;
    let vm = named(world, body)?;
    match procedure {
        call::GetBlockInfo::NUMBER => {
            for value in [allocation, capacity, allocation] {
                out.u64(value);
            }
        }
        call::MeasureDirtyRate::NUMBER => {
            let uuid = vm.uuid;
            world.measured.push(uuid);
        }
        call::ManagedSave::NUMBER => {
            if vm.state.0 == 5 {
                return Err((OPERATION_INVALID, "domain is not running"));
            }
            vm.state = (5, 5);
            world.effects += 1;
        }
        call::StartPostCopy::NUMBER => world.effects += 1,
        call::AbortJob::NUMBER => {
            (vm.job, vm.state) = (None, (1, 1));
            world.effects += 1;
        }
        call::Migrate::NUMBER => {
            let _destination = body.optional(|body| body.text(wire::TEXT_MAX)).unwrap();
            let options = Parameters::decode(body, 64).unwrap();
            let _cookie = body.u32();
            let disks = options.0.iter().filter(|(name, _)| name == "migrate_disks").map(|(_, value)| format!("{value:?}"));
            let disks = disks.collect();
            let names = options.0.into_iter().map(|(name, _)| name).collect();
            world.moves.push((body.u32().unwrap(), names, disks));
            world.effects += 1;
        }
        call::GetState::NUMBER => {
            out.i32(vm.state.0);
            out.i32(vm.state.1);
        }
        call::GetXml::NUMBER => out.text(&vm.xml),
        call::GetAutostart::NUMBER => out.u32(u32::from(vm.autostart)),
        call::SetAutostart::NUMBER => vm.autostart = body.u32() == Ok(1),
        call::GetJob::NUMBER => {
            out.u32(if vm.job.is_some() { 2 } else { 0 });
            let values = vm.job.map(|operation| ("operation".to_owned(), Value::Int(operation)));
            Parameters(values.into_iter().collect()).encode(out);
        }
        call::ShutDown::NUMBER => {
            vm.state = (5, 1);
            world.effects += 1;
            world.shutdown_flags.push(body.u32().unwrap());
            if world.calls_off_a_failure {
                return Err((OPERATION_INVALID, "domain is not running"));
            }
        }
        other => panic!("the fake knows no procedure {other}"),
    }
    Ok(())
}

fn named<'w>(world: &'w mut World, body: &mut Decoder<'_>) -> Result<&'w mut FakeVm, (i32, &'static str)> {
    let _name = body.text(wire::TEXT_MAX).unwrap();
    let uuid = body.fixed(16).unwrap().try_into().unwrap();
    let _id = body.i32();
    world.vms.get_mut(&Uuid::from_bytes(uuid)).ok_or((NO_DOMAIN, "Domain not found"))
}

fn list<T>(out: &mut Encoder, items: &[T], mut write: impl FnMut(&mut Encoder, &T)) {
    let count = u32::try_from(items.len()).unwrap();
    out.u32(count);
    for item in items {
        write(out, item);
    }
    out.u32(count);
}

fn domain(out: &mut Encoder, vm: &FakeVm) {
    out.text(&format!("vm-{}", vm.uuid));
    out.fixed(vm.uuid.bytes());
    out.i32(if vm.state.0 == 5 { -1 } else { 1 });
}
