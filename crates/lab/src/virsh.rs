//! Guests as libvirt's own command line sees them: defined, started, asked about. An oracle that is not ours.

use crate::lab::Lab;
use crate::process::{run, until};
use anyhow::{Context, Result};
use std::time::Duration;

/// A guest to be made.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its name.
    pub name: String,
    /// Memory in MiB; 96 is enough.
    pub memory_mib: u32,
    /// Tags of ours in its metadata.
    pub tags: Vec<String>,
    /// Started by libvirtd with its host.
    pub autostart: bool,
    /// Words for the guest: `rt.ignore=1` and the like; all of them are in `guest/init.c`.
    pub words: String,
    /// A disk of that many MiB in a file only its first host has: libvirt refuses to move it alive.
    pub local_disk_mib: Option<u32>,
}

impl Guest {
    /// A guest of ordinary size.
    #[must_use]
    pub fn new(name: &str, tags: &[&str]) -> Self {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Self { name: name.to_owned(), memory_mib: 96, tags, autostart: false, words: String::new(), local_disk_mib: None }
    }
    /// With these words on its command line.
    #[must_use]
    pub fn with(mut self, words: &str) -> Self {
        words.clone_into(&mut self.words);
        self
    }
    /// Its uuid: made from its name.
    #[must_use]
    pub fn uuid(&self) -> String {
        // FNV-1a over all of it, so that names which differ in one letter differ here.
        let hash = |start: u64| self.name.bytes().fold(start, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let hex = format!("{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), hash(0x6c62_272e_07bb_0142));
        format!("{}-{}-4{}-8{}-{}", &hex[0..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
    }

    fn xml(&self, image: &str) -> String {
        let tags: String = self.tags.iter().map(|tag| format!("<rt:tag>{}</rt:tag>", escaped(tag))).collect();
        let disk = self.local_disk_mib.map_or_else(String::new, |_| {
            format!(
                "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>\
                 <source file='/var/lib/libvirt/{}.raw'/><target dev='vda' bus='virtio'/></disk>",
                self.name
            )
        });
        format!(
            "<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>\
             <metadata><rt:tags xmlns:rt='urn:ridethrough:1'>{tags}</rt:tags></metadata>\
             <memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type><kernel>{image}/kernel</kernel><initrd>{image}/initrd</initrd>\
             <cmdline>console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check tsc=unstable i8042.noaux rcupdate.rcu_expedited=1 \
             8250.nr_uarts=1 mitigations=off nokaslr {words}</cmdline></os><features><acpi/></features>\
             <cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model></cpu>\
             <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>\
             <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/>\
             <controller type='virtio-serial' index='0'/>\
             <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
             <serial type='file'><source path='/var/log/libvirt/{name}.serial' append='on'/></serial>{disk}\
             <memballoon model='none'/></devices></domain>",
            name = self.name,
            uuid = self.uuid(),
            memory = self.memory_mib,
            words = escaped(&self.words),
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&apos;").replace('"', "&quot;")
}

/// What libvirt says about a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestState {
    /// It runs.
    Running,
    /// It is paused.
    Paused,
    /// It is off.
    Off,
    /// Not known there, or the host does not answer.
    Gone,
}

impl Lab {
    /// Runs virsh against a host, for ten seconds at most.
    ///
    /// # Errors
    /// What virsh says.
    pub fn virsh(&self, host: usize, args: &[&str]) -> Result<String> {
        self.virsh_within(10, host, args)
    }

    /// The same with so many seconds: a live migration over a slow link takes its time.
    ///
    /// # Errors
    /// What virsh says.
    pub fn virsh_within(&self, seconds: u32, host: usize, args: &[&str]) -> Result<String> {
        let (management, uri, seconds) = (self.management(), self.libvirt_uri(host), seconds.to_string());
        let mut all = vec![seconds.as_str(), "ip", "netns", "exec", &management, "virsh", "-q", "-c", &uri];
        all.extend(args);
        run("timeout", &all)
    }

    /// Makes a guest known to a host; it is off. Doing it again changes its definition.
    ///
    /// # Errors
    /// What virsh says.
    pub fn define_guest(&self, host: usize, guest: &Guest) -> Result<()> {
        if let Some(mib) = guest.local_disk_mib {
            let disk = std::fs::File::create(self.dir().join(format!("h{host}/lib/{}.raw", guest.name))).context("a disk")?;
            disk.set_len(u64::from(mib) << 20).context("a disk of that size")?;
        }
        let file = self.dir().join(format!("{}.xml", guest.name));
        std::fs::write(&file, guest.xml(&self.image().to_string_lossy())).context("write the guest's XML")?;
        self.virsh(host, &["define", &file.to_string_lossy()])?;
        let autostart: &[&str] = if guest.autostart { &["autostart"] } else { &["autostart", "--disable"] };
        self.virsh(host, &[autostart, &[guest.name.as_str()]].concat()).map(drop)
    }

    /// Defines a guest on a host and starts it. It beats some seconds later: see [`Lab::wait_ready`].
    ///
    /// # Errors
    /// What virsh says.
    pub fn start_guest(&self, host: usize, guest: &Guest) -> Result<()> {
        self.define_guest(host, guest)?;
        self.virsh_within(60, host, &["start", &guest.name]).map(drop)
    }

    /// Moves a running guest alive with virsh, as a stranger would; the definition goes with it.
    ///
    /// # Errors
    /// What virsh says.
    pub fn migrate(&self, guest: &str, from: usize, to: usize) -> Result<()> {
        let to = self.libvirt_uri(to);
        let args = ["migrate", "--live", "--p2p", "--persistent", "--undefinesource", guest, &to];
        self.virsh_within(120, from, &args).map(drop)
    }

    /// Waits until the guest beats on that host.
    ///
    /// # Errors
    /// If it does not within 90 s; with the end of its console.
    pub fn wait_ready(&self, host: usize, guest: &str) -> Result<()> {
        let what = format!("{guest} beats on kvm{host}");
        let beats = self.beats(host, guest).len();
        until(&what, Duration::from_secs(90), || self.beats(host, guest).len() > beats)
            .with_context(|| self.console(host, guest).lines().rev().take(5).collect::<Vec<_>>().join(" | "))
            .map(drop)
    }

    /// What that host's libvirt says about a guest.
    #[must_use]
    pub fn state(&self, host: usize, guest: &str) -> GuestState {
        match self.virsh(host, &["domstate", guest]).map(|text| text.trim().to_owned()).as_deref() {
            Ok("running" | "in shutdown") => GuestState::Running,
            Ok("paused") => GuestState::Paused,
            Ok("shut off" | "crashed") => GuestState::Off,
            _ => GuestState::Gone,
        }
    }

    /// The hosts on which it runs now. More than one would be the end of its data.
    #[must_use]
    pub fn running_on(&self, guest: &str) -> Vec<usize> {
        (1..=self.hosts()).filter(|host| self.state(*host, guest) == GuestState::Running).collect()
    }
}
