//! One libvirt host: its own namespaces, libvirtd and sshd under a PID 1 of its own. Killing that PID 1 is losing power.

use crate::network::Network;
use crate::process::{Process, run, until};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What stays when the power goes: its disks.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) dir: PathBuf,
    namespace: String,
    address: String,
    unshare: Option<Process>,
}

const LIBVIRTD: &str = "listen_tls = 0\nlisten_tcp = 1\nauth_tcp = \"none\"\nauth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n\
    unix_sock_rw_perms = \"0700\"\nmax_clients = 200\nlog_level = 3\nlog_outputs = \"3:file:/var/log/libvirt/daemon.log\"\n\
    keepalive_interval = 2\nkeepalive_count = 3\n";
const QEMU: &str = "user = \"root\"\ngroup = \"root\"\ndynamic_ownership = 0\nremember_owner = 0\nsecurity_driver = \"none\"\n\
    cgroup_controllers = [ ]\nnamespaces = [ ]\nseccomp_sandbox = 0\nstdio_handler = \"file\"\nkeepalive_interval = 2\n\
    keepalive_count = 3\n";

impl Host {
    pub(crate) fn make(lab: &Path, network: &Network, number: usize) -> Result<Self> {
        let dir = lab.join(format!("h{number}"));
        for part in ["etc/qemu/networks", "lib", "log", "cache", "run"] {
            fs::create_dir_all(dir.join(part))?;
        }
        let address = network.address(number);
        let identity = format!("host_uuid = \"{}\"\nlisten_addr = \"{address}\"\n", Self::uuid(number));
        fs::write(dir.join("etc/libvirtd.conf"), format!("{identity}{LIBVIRTD}"))?;
        fs::write(dir.join("etc/qemu.conf"), QEMU)?;
        fs::write(dir.join("hosts"), network.hosts_file())?;
        fs::write(dir.join("hostname"), format!("kvm{number}\n"))?;
        fs::write(
            dir.join("halt"),
            "#!/bin/sh\n# Stands in for systemctl in this host: PID 1 is told to go down.\n(sleep 0.5; kill -TERM 1) >/dev/null 2>&1 </dev/null &\n",
        )?;
        run("chmod", &["755", &dir.join("halt").to_string_lossy()])?;
        fs::write(dir.join("init"), Self::init(lab, &dir, number, &address))?;
        Ok(Self { number, dir, namespace: network.host(number), address, unshare: None })
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
             mount --bind {dir}/hostname /etc/hostname\nmount --bind {dir}/halt /usr/bin/systemctl\nhostname kvm{number}\n\
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
        self.unshare = Some(Process::start(&name, "ip", &args, &[], &self.dir.join("init.log"))?);
        Ok(())
    }

    pub(crate) fn is_on(&mut self) -> bool {
        self.unshare.as_mut().is_some_and(Process::is_running)
    }

    /// The power is gone: everything in it dies at once. Disks stay.
    pub(crate) fn cut_power(&mut self) {
        if let Some(init) = self.init_pid() {
            let killed = run("kill", &["-9", &init]);
            drop(killed);
        }
        if let Some(mut unshare) = self.unshare.take() {
            unshare.kill();
        }
    }

    /// The pid of the host's PID 1, as seen from here: the child of `unshare`.
    fn init_pid(&mut self) -> Option<String> {
        let unshare = self.unshare.as_ref()?.pid();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).ok()?;
        children.split_whitespace().next().map(str::to_owned)
    }

    /// Asks PID 1 to go down, as the BMC's soft power-off does.
    pub(crate) fn ask_down(&mut self) {
        if let Some(init) = self.init_pid() {
            let told = run("kill", &["-TERM", &init]);
            drop(told);
        }
    }

    /// Waits until libvirtd and sshd answer.
    pub(crate) fn wait_up(&self, management: &str) -> Result<()> {
        let uri = format!("qemu+tcp://{}/system", self.address);
        let is_up = || {
            let libvirt = run("ip", &["netns", "exec", management, "virsh", "-q", "-c", &uri, "uri"]).is_ok();
            libvirt && self.dir.join("run/sshd.pid").exists()
        };
        until(&format!("kvm{} answers", self.number), Duration::from_secs(60), is_up).map(drop)
    }

    /// Where its guests write their serial consoles.
    pub(crate) fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.cut_power();
    }
}
