//! A lab with drivers for it, and waiting for what can be seen.

use ridethrough_driver::{Cx, Platform, Workers};
use ridethrough_lab::{Beats, Guest, Lab, until};
use ridethrough_model::{HostId, Mono, Op, PlatformId, Progress, Started, SuspendRoom, TaskRef, VmId};
use ridethrough_platforms::libvirt::{Config, Convergence, HostConfig, Libvirt, SshLogin, Tls};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::net::{TcpListener, UnixStream};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How long one call may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Estate {
    pub(crate) lab: Lab,
}

pub(crate) fn cx() -> Cx {
    Cx::within(LIMIT, Mono(0))
}

fn host(number: usize) -> String {
    format!("kvm{number}")
}

pub(crate) fn op_shut(vm: &VmId, at: usize) -> Op {
    Op::ShutDownVm { vm: vm.clone(), host: host(at).as_str().into() }
}
pub(crate) fn op_off(vm: &VmId, at: usize) -> Op {
    Op::PowerOffVm { vm: vm.clone(), host: host(at).as_str().into() }
}
pub(crate) fn op_start(vm: &VmId, at: usize) -> Op {
    Op::StartVm { vm: vm.clone(), host: host(at).as_str().into() }
}
pub(crate) fn op_autostart(vm: &VmId, at: usize, enabled: bool) -> Op {
    Op::SetAutostart { vm: vm.clone(), host: host(at).as_str().into(), enabled }
}
pub(crate) fn op_move(vm: &VmId, from: usize, to: usize) -> Op {
    Op::MoveVm { vm: vm.clone(), from: host(from).as_str().into(), to: host(to).as_str().into() }
}
pub(crate) fn op_abort(vm: &VmId, from: usize, to: usize) -> Op {
    Op::AbortMove { vm: vm.clone(), from: host(from).as_str().into(), to: host(to).as_str().into() }
}
pub(crate) fn op_finish(vm: &VmId, from: usize, to: usize) -> Op {
    Op::FinishMove { vm: vm.clone(), from: host(from).as_str().into(), to: host(to).as_str().into() }
}
pub(crate) fn op_save(vm: &VmId, at: usize) -> Op {
    Op::SuspendVm { vm: vm.clone(), host: host(at).as_str().into() }
}
pub(crate) fn op_abort_save(vm: &VmId, at: usize) -> Op {
    Op::AbortSuspend { vm: vm.clone(), host: host(at).as_str().into() }
}

/// What a finished move told.
pub(crate) fn detail(progress: &Progress) -> String {
    match progress {
        Progress::Done { detail: Some(detail) } => detail.clone(),
        other => panic!("not a told end: {other:?}"),
    }
}

impl Estate {
    pub(crate) fn new(hosts: usize) -> Self {
        Self { lab: Lab::new(hosts).expect("a lab") }
    }

    pub(crate) fn vm(&self, guest: &str) -> VmId {
        VmId::of(&PlatformId::new("lab"), &Guest::new(guest, &[]).uuid())
    }

    pub(crate) fn start(&self, at: usize, guest: &Guest) {
        self.lab.start_guest(at, guest).expect("the guest starts");
        self.lab.wait_ready(at, &guest.name).expect("the guest beats");
    }

    fn socket(&self, at: usize) -> PathBuf {
        self.lab.dir().join(format!("h{at}/run/libvirt/libvirt-sock"))
    }

    /// All hosts; memory goes to the address each names itself, or to one that we name.
    fn hosts(&self, is_address_named: bool) -> Vec<(String, HostConfig)> {
        let one = |at: usize| {
            let uri = format!("qemu+unix:///system?socket={}", self.socket(at).display());
            let config = HostConfig {
                migrate_uri: Some(self.lab.libvirt_uri(at)),
                migrate_address: is_address_named.then(|| self.lab.host_address(at)),
                ..HostConfig::at(uri.parse().expect("an address"))
            };
            (host(at), config)
        };
        (1..=self.lab.hosts()).map(one).collect()
    }

    fn make(&self, hosts: Vec<(String, HostConfig)>, bandwidth_mib_s: Option<u64>) -> Libvirt {
        self.make_with(hosts, bandwidth_mib_s, Convergence { auto_converge: false, ..Convergence::default() })
    }

    fn make_with(&self, hosts: Vec<(String, HostConfig)>, bandwidth_mib_s: Option<u64>, convergence: Convergence) -> Libvirt {
        self.make_as(hosts, |config| (config.bandwidth_mib_s, config.convergence) = (bandwidth_mib_s, convergence))
    }

    fn make_as(&self, hosts: Vec<(String, HostConfig)>, change: impl FnOnce(&mut Config)) -> Libvirt {
        let hosts: BTreeMap<_, _> = hosts.into_iter().map(|(name, host)| (name.as_str().into(), host)).collect();
        let mut config = Config {
            platform: PlatformId::new("lab"),
            hosts,
            bandwidth_mib_s: None,
            convergence: Convergence::default(),
            copy_disks: false,
            suspend: SuspendRoom::default(),
            shared_paths: Vec::new(),
            tls: None,
            ssh: SshLogin::default(),
        };
        change(&mut config);
        Libvirt::new(config, Workers::new()).expect("a driver")
    }

    /// A driver of all hosts whose settings are changed.
    pub(crate) fn driver_as(&self, change: impl FnOnce(&mut Config)) -> Libvirt {
        self.make_as(self.hosts(true), change)
    }
    /// A driver of all hosts.
    pub(crate) fn driver(&self) -> Libvirt {
        self.make(self.hosts(false), None)
    }
    /// One whose moves take only so much of the network.
    pub(crate) fn slow_driver(&self, mib_s: u64) -> Libvirt {
        self.make(self.hosts(true), Some(mib_s))
    }
    /// One whose moves take only so much of the network, and slow a guest down that writes faster.
    pub(crate) fn throttling_driver(&self, mib_s: u64) -> Libvirt {
        self.make_with(self.hosts(true), Some(mib_s), Convergence::default())
    }
    /// One whose moves may take no more of the network, and let a guest stand still for so long.
    pub(crate) fn patient_driver(&self, mib_s: u64, max_downtime_ms: u64) -> Libvirt {
        self.make_with(
            self.hosts(true),
            Some(mib_s),
            Convergence { auto_converge: false, max_downtime_ms: Some(max_downtime_ms), ..Convergence::default() },
        )
    }
    /// A driver of all hosts and some more.
    pub(crate) fn driver_with(&self, more: &[(&str, &str)]) -> Libvirt {
        let more = more.iter().map(|(name, uri)| ((*name).to_owned(), HostConfig::at(uri.parse().expect("an address"))));
        self.make(self.hosts(false).into_iter().chain(more).collect(), None)
    }
    /// A driver of only these hosts.
    pub(crate) fn driver_of(&self, hosts: &[(&str, &str)]) -> Libvirt {
        let hosts = hosts.iter().map(|(name, uri)| ((*name).to_owned(), HostConfig::at(uri.parse().expect("an address"))));
        self.make(hosts.collect(), None)
    }

    /// A TCP port that leads to a host's daemon, as long as the workers are kept.
    pub(crate) async fn tcp(&self, at: usize) -> (String, Workers) {
        let (address, workers) = leads_to(self.socket(at)).await;
        (format!("qemu+tcp://{address}/system"), workers)
    }

    /// A driver of one host at that address, with what TLS and SSH need.
    pub(crate) fn driver_over(&self, uri: &str, tls: Option<Tls>, ssh: SshLogin) -> Libvirt {
        let config =
            HostConfig { migrate_uri: Some(self.lab.libvirt_uri(1)), ..HostConfig::at(uri.parse().expect("an address")) };
        let hosts = [(HostId::new("kvm1"), config)].into();
        let platform = PlatformId::new("lab");
        let config = Config {
            platform,
            hosts,
            bandwidth_mib_s: None,
            convergence: Convergence::default(),
            copy_disks: false,
            suspend: SuspendRoom::default(),
            shared_paths: Vec::new(),
            tls,
            ssh,
        };
        Libvirt::new(config, Workers::new()).expect("a driver")
    }

    /// Begins what cannot be done already.
    pub(crate) async fn begin(&self, driver: &Libvirt, op: &Op) -> TaskRef {
        match driver.start(op, &cx()).await.expect("it is accepted") {
            Started::Task(task) => task,
            Started::AlreadyDone => panic!("{op} was done already"),
        }
    }

    /// Begins what the hosts first have to be free for: the rest of a move that failed is tidied up by them.
    pub(crate) async fn begin_when_free(&self, driver: &Libvirt, op: &Op) -> TaskRef {
        let end = Instant::now() + PATIENCE;
        let mut look = interval(Duration::from_millis(500));
        loop {
            look.tick().await;
            match driver.start(op, &cx()).await {
                Ok(Started::Task(task)) => return task,
                Ok(Started::AlreadyDone) => panic!("{op} was done already"),
                Err(error) if Instant::now() < end => println!("not yet: {error}"),
                Err(error) => panic!("it never is: {error}"),
            }
        }
    }

    /// Follows a task to its end; the shares done that it told on the way.
    pub(crate) async fn watch(&self, driver: &Libvirt, task: &TaskRef) -> (Progress, Vec<u32>) {
        let mut shares = Vec::new();
        let end = Instant::now() + PATIENCE;
        let mut look = interval(Duration::from_millis(50));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            look.tick().await;
            match driver.poll(task, &cx()).await.expect("it can be polled") {
                Progress::Running { done_ppm } => shares.extend(done_ppm),
                ended => return (ended, shares),
            }
        }
        panic!("{task:?} did not end within {PATIENCE:?}");
    }

    pub(crate) async fn finish(&self, driver: &Libvirt, task: &TaskRef) -> Progress {
        self.watch(driver, task).await.0
    }

    /// Waits until memory is on its way.
    pub(crate) async fn until_moving(&self, driver: &Libvirt, task: &TaskRef) {
        let end = Instant::now() + PATIENCE;
        let mut look = interval(Duration::from_millis(50));
        while Instant::now() < end {
            look.tick().await;
            match driver.poll(task, &cx()).await.expect("it can be polled") {
                Progress::Running { done_ppm: Some(share) } if share > 0 => return,
                Progress::Running { .. } => {}
                ended => panic!("it should take long: {ended:?}"),
            }
        }
        panic!("no memory moved within {PATIENCE:?}");
    }

    pub(crate) fn until(&self, what: &str, seen: impl FnMut() -> bool) {
        until(what, PATIENCE, seen).expect("it is seen");
    }

    /// The beats on a host, once there are so many.
    pub(crate) fn beats(&self, at: usize, guest: &str, count: usize) -> Beats {
        self.until("beats", || self.lab.beats(at, guest).len() >= count);
        self.lab.beats(at, guest)
    }

    /// The guest goes on there.
    pub(crate) fn more_beats(&self, at: usize, guest: &str) {
        let now = self.lab.beats(at, guest).len();
        self.beats(at, guest, now + 3);
    }

    /// A host's libvirtd and the PID 1 of its namespace: found by the pid file that only its own root shows.
    fn daemon(&self, at: usize) -> Option<(String, String)> {
        use std::os::unix::fs::MetadataExt;
        let own = std::fs::metadata(self.lab.dir().join(format!("h{at}/run/libvirtd.pid"))).ok()?;
        for entry in std::fs::read_dir("/proc").ok()?.flatten() {
            let path = entry.path();
            let is_daemon = std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "libvirtd");
            let Ok(seen) = std::fs::metadata(path.join("root/run/libvirtd.pid")) else { continue };
            if is_daemon && (seen.dev(), seen.ino()) == (own.dev(), own.ino()) {
                let status = std::fs::read_to_string(path.join("status")).ok()?;
                let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().to_owned();
                return Some((entry.file_name().to_string_lossy().into_owned(), parent));
            }
        }
        None
    }

    /// Kills a host's libvirtd; its guests live on. Remembers where to start it again.
    pub(crate) fn kill_daemon(&self, at: usize) {
        let (daemon, init) = self.daemon(at).expect("it runs");
        std::fs::write(self.lab.dir().join("init.pid"), init).expect("a note");
        assert!(Command::new("kill").args(["-9", &daemon]).status().expect("kill runs").success());
        let gone = || !Path::new(&format!("/proc/{daemon}")).exists();
        self.until("libvirtd is gone", gone);
    }

    /// Starts it again.
    pub(crate) fn start_daemon(&self, at: usize) {
        let init = std::fs::read_to_string(self.lab.dir().join("init.pid")).expect("the note");
        let args =
            ["-t", &init, "-m", "-u", "-i", "-n", "-p", "--", "/usr/sbin/libvirtd", "--listen", "-d", "-p", "/run/libvirtd.pid"];
        assert!(Command::new("nsenter").args(args).status().expect("nsenter runs").success());
        self.lab.wait_up(at).expect("it answers");
    }
}

/// A port of loopback that leads to a socket, as long as the workers are kept.
pub(crate) async fn leads_to(socket: PathBuf) -> (SocketAddr, Workers) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has one");
    let workers = Workers::new();
    workers.start(async move {
        let connections = Workers::new();
        while let Ok((mut outer, _)) = listener.accept().await {
            let socket = socket.clone();
            connections.start(async move {
                if let Ok(mut inner) = UnixStream::connect(socket).await {
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                }
            });
        }
    });
    (address, workers)
}
