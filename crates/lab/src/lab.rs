//! One lab: hosts, their BMCs, the network between them. Everything is gone when it is dropped, also after a panic.

use crate::bmc::{Bmc, BmcServer};
use crate::gate::target_dir;
use crate::guest;
use crate::host::Host;
use crate::network::Network;
use crate::pki;
use crate::process::{run, until};
use crate::sweeper::Sweeper;
use crate::witness::Witness;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;

/// A running lab. Make it and drop it in the same thread: its processes die with the thread that started them.
#[derive(Debug)]
pub struct Lab {
    // In the order of dropping: what uses something goes before it.
    bmcs: Vec<BmcServer>,
    hosts: Vec<Arc<Mutex<Host>>>,
    witness: Witness,
    network: Network,
    image: PathBuf,
    _sweeper: Sweeper,
    dir: TempDir,
}

const PREFIX: &str = "rtlab";

impl Lab {
    /// Makes a lab of that many hosts, all switched on and answering.
    ///
    /// # Errors
    /// Whatever could not be made; what was made so far is removed.
    pub fn new(hosts: usize) -> Result<Self> {
        let image = guest::image().context("build the guest")?;
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        // libvirtd's and QEMU's users look in from outside.
        run("chmod", &["755", &dir.path().to_string_lossy()])?;
        make_keys(dir.path())?;
        let names: Vec<String> = (1..=hosts).map(|host| format!("kvm{host}")).collect();
        pki::make(&dir.path().join("pki"), &names)?;
        let unique = dir.path().to_string_lossy().rsplit_once(PREFIX).map_or_else(String::new, |(_, name)| name.to_owned());
        let network = Network::plan(&unique, hosts);
        let sweeper = Sweeper::start(dir.path(), &network.namespaces())?;
        network.make()?;
        std::fs::write(dir.path().join("hosts"), network.hosts_file())?;
        let witness = Witness::start((1..=hosts).map(|host| Host::log_dir(dir.path(), host)).collect());
        let mut lab = Self { bmcs: Vec::new(), hosts: Vec::new(), witness, network, image, _sweeper: sweeper, dir };
        for number in 1..=hosts {
            let mut host = Host::make(lab.dir.path(), &lab.network, number)?;
            host.power_on()?;
            lab.hosts.push(Arc::new(Mutex::new(host)));
        }
        for number in 1..=hosts {
            lab.wait_up(number)?;
            let (management, address) = (lab.management(), lab.network.controller_address());
            lab.bmcs.push(BmcServer::start(lab.dir.path(), &management, &address, number, lab.hosts[number - 1].clone())?);
        }
        lab.make_known_hosts()?;
        lab.wait_bmcs()?;
        Ok(lab)
    }

    fn make_known_hosts(&self) -> Result<()> {
        let key = std::fs::read_to_string(self.dir.path().join("ssh-host-key.pub"))?;
        let mut known = String::new();
        for host in 1..=self.hosts() {
            known.push_str(&format!("kvm{host},{} {key}", self.host_address(host)));
        }
        std::fs::write(self.known_hosts(), known).context("write known_hosts")
    }

    fn wait_bmcs(&self) -> Result<()> {
        for host in 1..=self.hosts() {
            until(&format!("BMC {host} answers"), Duration::from_secs(20), || self.bmc_says(host) == Some(true))?;
        }
        Ok(())
    }

    fn host(&self, number: usize) -> MutexGuard<'_, Host> {
        self.hosts[number - 1].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until a host's libvirtd and sshd answer.
    ///
    /// # Errors
    /// If they do not within a minute.
    pub fn wait_up(&self, host: usize) -> Result<()> {
        let (management, uri) = (self.management(), self.libvirt_uri(host));
        let sshd = self.dir.path().join(format!("h{host}/run/sshd.pid"));
        // Without the host's lock: its BMC must be able to use the power switch meanwhile.
        let is_up = || {
            sshd.exists() && run("timeout", &["5", "ip", "netns", "exec", &management, "virsh", "-q", "-c", &uri, "uri"]).is_ok()
        };
        until(&format!("kvm{host} answers"), Duration::from_secs(60), is_up).map(drop)
    }

    /// Stops a host's libvirtd until told otherwise: it takes calls and answers none. Its guests run on.
    ///
    /// # Errors
    /// If it is not running.
    pub fn hang_libvirtd(&self, host: usize, is_hung: bool) -> Result<()> {
        let signal = if is_hung { "-STOP" } else { "-CONT" };
        self.on_host(host, &["sh", "-c", &format!("kill {signal} $(cat /run/libvirtd.pid)")]).map(drop)
    }

    /// Runs a command inside a host, as its console would; no network is needed.
    ///
    /// # Errors
    /// If the host is off, or what the command says.
    pub fn on_host(&self, host: usize, command: &[&str]) -> Result<String> {
        let pid = self.host(host).init_pid().with_context(|| format!("kvm{host} is off"))?.to_string();
        let mut args = vec!["30", "nsenter", "--target", &pid, "--mount", "--uts", "--ipc", "--net", "--pid", "--"];
        args.extend(command);
        run("timeout", &args)
    }

    /// Every time somebody told this host to go down, in the words used, the oldest first.
    #[must_use]
    pub fn shutdowns_asked(&self, host: usize) -> Vec<String> {
        let log = std::fs::read_to_string(Host::log_dir(self.dir.path(), host).join("halt.log")).unwrap_or_default();
        log.lines().filter_map(|line| line.split_once(' ')).map(|(_, words)| words.trim().to_owned()).collect()
    }

    /// How many hosts there are; they are numbered from 1.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }
    /// A host's name.
    #[must_use]
    pub fn host_name(&self, host: usize) -> String {
        format!("kvm{host}")
    }
    /// A host's address.
    #[must_use]
    pub fn host_address(&self, host: usize) -> String {
        self.network.address(host)
    }
    /// The address of controller, BMCs and upsd.
    #[must_use]
    pub fn controller_address(&self) -> String {
        self.network.controller_address()
    }
    /// The SMBIOS identity of a host.
    #[must_use]
    pub fn host_uuid(&self, host: usize) -> String {
        Host::uuid(host)
    }
    /// How libvirt is reached from the management namespace.
    #[must_use]
    pub fn libvirt_uri(&self, host: usize) -> String {
        format!("qemu+tcp://{}/system", self.network.address(host))
    }
    /// The key that root of every host accepts.
    #[must_use]
    pub fn ssh_key(&self) -> PathBuf {
        self.dir.path().join("ssh-user-key")
    }
    /// The hosts' SSH identities.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }
    /// How a host's BMC is reached.
    #[must_use]
    pub fn bmc(&self, host: usize) -> Bmc {
        self.bmcs[host - 1].access.clone()
    }
    /// A directory that goes with the lab.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
    pub(crate) fn image(&self) -> &Path {
        &self.image
    }
    pub(crate) fn management(&self) -> String {
        self.network.management()
    }
    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }
    /// Writes a configuration of the controller, to be given to [`Lab::serve`].
    ///
    /// # Errors
    /// If the lab's directory cannot be written.
    pub fn write_config(&self, text: &str) -> Result<PathBuf> {
        let path = self.config_path();
        std::fs::write(&path, text).context("write the configuration")?;
        Ok(path)
    }

    /// What a host's BMC says, asked by a stranger's tool: `Some(true)` is on, `None` no answer.
    #[must_use]
    pub fn bmc_says(&self, host: usize) -> Option<bool> {
        let bmc = self.bmcs.get(host - 1)?.access.clone();
        let (management, port) = (self.management(), bmc.port.to_string());
        let password = bmc.password_file.to_string_lossy().into_owned();
        let args = [
            "5",
            "ip",
            "netns",
            "exec",
            &management,
            "ipmitool",
            "-N",
            "1",
            "-R",
            "1",
            "-C",
            "3",
            "-I",
            "lanplus",
            "-H",
            &bmc.address,
            "-p",
            &port,
            "-U",
            &bmc.user,
            "-f",
            &password,
            "chassis",
            "power",
            "status",
        ];
        let answer = run("timeout", &args).ok()?;
        Some(answer.contains("is on"))
    }

    /// The power is gone: host and guests die at once.
    pub fn cut_power(&self, host: usize) {
        self.host(host).cut_power();
    }
    /// The power button is pressed; returns when the host answers.
    ///
    /// # Errors
    /// If it does not come up within a minute.
    pub fn power_on(&self, host: usize) -> Result<()> {
        self.host(host).power_on()?;
        self.wait_up(host)
    }
    /// Whether the host runs.
    #[must_use]
    pub fn is_on(&self, host: usize) -> bool {
        self.host(host).is_on()
    }
    /// Pulls a host's network cable.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn cut_link(&self, host: usize) -> Result<()> {
        self.network.set_link(host, false)
    }
    /// Plugs it in again.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn heal_link(&self, host: usize) -> Result<()> {
        self.network.set_link(host, true)
    }
    /// Limits what a host can send, in Mbit/s; `None` lifts the limit.
    ///
    /// # Errors
    /// What `tc` says.
    pub fn limit_link(&self, host: usize, mbit: Option<u32>) -> Result<()> {
        self.network.limit(host, mbit)
    }
}

impl Drop for Lab {
    /// After a panic the logs are kept, and it says where.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let kept = target_dir().join("lab-failed").join(&self.network.prefix);
        let (from, to) = (self.dir.path().to_string_lossy(), kept.to_string_lossy());
        let copy = "mkdir -p \"$1\" && cd \"$0\" && find . -type f \\( -name '*.log' -o -name '*.serial' -o -name '*.toml' -o -name '*.xml' \\) \
                    -size -4096k -exec cp --parents {} \"$1\" ';'";
        match run("sh", &["-c", copy, &from, &to]) {
            Ok(_) => eprintln!("lab: the logs of controller, hosts, guests and upsd are in {to}"),
            Err(error) => eprintln!("lab: no logs were kept: {error}"),
        }
    }
}

fn make_keys(dir: &Path) -> Result<()> {
    for key in ["ssh-host-key", "ssh-user-key"] {
        let path = dir.join(key).to_string_lossy().into_owned();
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", &path])?;
    }
    Ok(())
}
