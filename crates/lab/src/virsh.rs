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
    /// Words for the guest: `rt.ignore=1` and the like.
    pub words: String,
}

impl Guest {
    /// A guest of ordinary size.
    #[must_use]
    pub fn new(name: &str, tags: &[&str]) -> Self {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Self { name: name.to_owned(), memory_mib: 96, tags, autostart: false, words: String::new() }
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
        let mut bytes = [0_u8; 16];
        for (i, byte) in self.name.bytes().enumerate() {
            bytes[i % 16] = bytes[i % 16].wrapping_mul(31).wrapping_add(byte);
        }
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-4{}-8{}-{}", &hex[0..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
    }

    fn xml(&self, image: &str) -> String {
        let tags: String = self.tags.iter().map(|tag| format!("<rt:tag>{tag}</rt:tag>")).collect();
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
             <serial type='file'><source path='/var/log/libvirt/{name}.serial' append='on'/></serial>\
             <memballoon model='none'/></devices></domain>",
            name = self.name,
            uuid = self.uuid(),
            memory = self.memory_mib,
            words = self.words,
        )
    }
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
    /// Runs virsh against a host.
    ///
    /// # Errors
    /// What virsh says.
    pub fn virsh(&self, host: usize, args: &[&str]) -> Result<String> {
        let (management, uri) = (self.management(), self.libvirt_uri(host));
        let mut all = vec!["10", "ip", "netns", "exec", &management, "virsh", "-q", "-c", &uri];
        all.extend(args);
        run("timeout", &all)
    }

    /// Defines a guest on a host and starts it.
    ///
    /// # Errors
    /// What virsh says.
    pub fn start_guest(&self, host: usize, guest: &Guest) -> Result<()> {
        let file = self.dir().join(format!("{}.xml", guest.name));
        std::fs::write(&file, guest.xml(&self.image().to_string_lossy())).context("write the guest's XML")?;
        self.virsh(host, &["define", &file.to_string_lossy()])?;
        if guest.autostart {
            self.virsh(host, &["autostart", &guest.name])?;
        }
        self.virsh(host, &["start", &guest.name]).map(drop)
    }

    /// Waits until the guest beats on that host.
    ///
    /// # Errors
    /// If it does not within a minute.
    pub fn wait_ready(&self, host: usize, guest: &str) -> Result<()> {
        let what = format!("{guest} beats on kvm{host}");
        until(&what, Duration::from_secs(90), || !self.beats(host, guest).is_empty()).map(drop)
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
