//! One libvirt host: its own namespaces, libvirtd and sshd under a PID 1 of its own. Killing that PID 1 is losing power.

use crate::network::Network;
use crate::process::{Instance, Process, until};
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What stays when the power goes: its disks.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) dir: PathBuf,
    namespace: String,
    unshare: Option<Process>,
    init: Option<Instance>,
}

const HALT: &str = include_str!("../guest/halt.sh");

const LIBVIRTD: &str = "listen_tls = 1\nlisten_tcp = 1\nauth_tcp = \"none\"\nauth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n\
    unix_sock_rw_perms = \"0700\"\nmax_clients = 200\nlog_level = 3\nlog_outputs = \"3:file:/var/log/libvirt/daemon.log\"\n\
    keepalive_interval = 2\nkeepalive_count = 3\n";
const QEMU: &str = "user = \"root\"\ngroup = \"root\"\ndynamic_ownership = 0\nremember_owner = 0\nsecurity_driver = \"none\"\n\
    cgroup_controllers = [ ]\nnamespaces = [ ]\nseccomp_sandbox = 0\nstdio_handler = \"file\"\nkeepalive_interval = 2\n\
    keepalive_count = 3\n";

impl Host {
    pub(crate) fn make(lab: &Path, network: &Network, number: usize) -> Result<Self> {
        let dir = lab.join(format!("h{number}"));
        for part in ["etc/qemu/networks", "lib", "log", "cache", "run", "sbin"] {
            fs::create_dir_all(dir.join(part))?;
        }
        let address = network.address(number);
        let pki = lab.join("pki").display().to_string();
        let identity = format!(
            "host_uuid = \"{}\"\nlisten_addr = \"{address}\"\nca_file = \"{pki}/ca.pem\"\ncert_file = \"{pki}/kvm{number}.pem\"\n\
             key_file = \"{pki}/kvm{number}.key\"\n",
            Self::uuid(number)
        );
        fs::write(dir.join("etc/libvirtd.conf"), format!("{identity}{LIBVIRTD}"))?;
        fs::write(dir.join("etc/qemu.conf"), QEMU)?;
        fs::write(dir.join("hosts"), network.hosts_file())?;
        fs::write(dir.join("hostname"), format!("kvm{number}\n"))?;
        for command in ["systemctl", "shutdown", "poweroff", "halt"] {
            let file = dir.join("sbin").join(command);
            fs::write(&file, HALT)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        }
        fs::write(dir.join("init"), Self::init(lab, &dir, number, &address))?;
        Ok(Self { number, dir, namespace: network.host(number), unshare: None, init: None })
    }

    /// The identity its firmware shows.
    pub(crate) fn uuid(number: usize) -> String {
        format!("00000000-0000-4000-8000-0000000000{number:02}")
    }

    fn init(lab: &Path, dir: &Path, number: usize, address: &str) -> String {
        let (lab, dir) = (lab.display(), dir.display());
        format!(
            "#!/bin/bash\nmount --make-rprivate /\nmount --bind {dir}/run /run\nmount --bind {dir}/etc /etc/libvirt\n\
             mount --bind {dir}/lib /var/lib/libvirt\nmount --bind {dir}/log /var/log/libvirt\n\
             mount --bind {dir}/cache /var/cache/libvirt\nmount --bind {dir}/hosts /etc/hosts\n\
             mount --bind {dir}/hostname /etc/hostname\nmount --bind {dir}/sbin /usr/local/sbin\n\
             [ -e /usr/bin/systemctl ] && mount --bind {dir}/sbin/systemctl /usr/bin/systemctl\nhostname kvm{number}\n\
             for file in ~root/.bashrc /etc/bash.bashrc; do [ -e $file ] && mount --bind /dev/null $file; done\n\
             mkdir -p /run/libvirt /run/lock /run/sshd\n\
             /usr/sbin/libvirtd --listen --pid-file /run/libvirtd.pid >>/var/log/libvirt/stdio.log 2>&1 &\n\
             /usr/sbin/sshd -f /dev/null -o ListenAddress={address} -o HostKey={lab}/ssh-host-key \
             -o AuthorizedKeysFile={lab}/ssh-user-key.pub -o StrictModes=no -o PermitRootLogin=prohibit-password \
             -o UsePAM=no -o PidFile=/run/sshd.pid\n\
             trap 'kill -TERM -1 2>/dev/null; sleep 0.3; exit 0' TERM INT\n\
             while :; do wait -n 2>/dev/null; sleep 0.2; done\n"
        )
    }

    /// Switches it on, if it is off.
    pub(crate) fn power_on(&mut self) -> Result<()> {
        if self.is_on() {
            return Ok(());
        }
        let run_dir = self.dir.join("run");
        fs::remove_dir_all(&run_dir).context("a host's /run is emptied at boot")?;
        fs::create_dir_all(&run_dir)?;
        let init = self.dir.join("init").to_string_lossy().into_owned();
        let args = [
            "netns",
            "exec",
            &self.namespace,
            "unshare",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "/bin/bash",
            &init,
        ];
        let name = format!("kvm{}", self.number);
        let mut unshare = Process::start(&name, "ip", &args, &[], &self.dir.join("init.log"))?;
        let booted = until(&format!("{name} has a PID 1"), Duration::from_secs(10), || {
            // Before it becomes `unshare` it has no child.
            self.init = Instance::child_of(unshare.pid());
            self.init.is_some() || !unshare.is_running()
        });
        self.unshare = Some(unshare);
        booted.map(drop)
    }

    pub(crate) fn is_on(&mut self) -> bool {
        self.unshare.as_mut().is_some_and(Process::is_running)
    }

    /// The power is gone: everything in it dies at once. Disks stay. Returns when nothing of it lives any more.
    pub(crate) fn cut_power(&mut self) {
        if let Some(init) = self.init.take() {
            init.signal(Signal::KILL);
            // The kernel ends PID 1 of a namespace after everything else in it.
            let gone = until(&format!("kvm{} dies", self.number), Duration::from_secs(20), || !init.is_there());
            if let Err(error) = gone {
                eprintln!("lab: {error}");
            }
        }
        if let Some(mut unshare) = self.unshare.take() {
            unshare.kill();
        }
    }

    /// Asks PID 1 to go down, as the BMC's soft power-off does.
    pub(crate) fn ask_down(&mut self) {
        if let Some(init) = &self.init {
            init.signal(Signal::TERM);
        }
    }

    /// PID 1 as seen from here.
    pub(crate) fn init_pid(&mut self) -> Option<i32> {
        self.init.as_ref().filter(|init| init.is_there()).map(Instance::pid)
    }

    /// Where its daemons log and its guests write their serial consoles.
    pub(crate) fn log_dir(lab: &Path, number: usize) -> PathBuf {
        lab.join(format!("h{number}/log"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.cut_power();
    }
}
