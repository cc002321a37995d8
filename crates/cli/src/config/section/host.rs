//! Physical hosts: their power, how they are told to go down, how they are woken.

use super::hook::Hooks;
use super::redfish::Redfish;
use super::wol::Wol;
use crate::config::secret::{KeyFile, SecretSource};
use crate::config::value::{At, Time, Watts};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A physical host.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Host {
    /// The place it stands at. Default: `"main"`.
    pub(crate) site: Option<At<String>>,
    /// Its supplies; two for A and B. Without any its power is unknown: it is not protected, and no VM is moved to it.
    #[serde(default)]
    pub(crate) feeds: Vec<Feed>,
    /// How many of its feeds must be alive for it to run. Default: `1`.
    pub(crate) feeds_min: Option<At<u32>>,
    /// Loads it cannot work without (storage, switches), by name. No VM is moved to a host whose needs lose power.
    #[serde(default)]
    pub(crate) needs: Vec<At<String>>,
    /// How its operating system is told to shut down. Without it the host runs until the battery ends, and falls.
    pub(crate) shutdown: Option<Shutdown>,
    /// What stops it, guests first, when controller or network are gone and its battery ends: `"timer"` (set on it over SSH while it
    /// is on battery, cancelled when the mains is stable), `"upsmon"` or `"agent"` (a program of its own there; no timer is set), or
    /// `"none"`. Unless said: `"timer"` where `shutdown = { ssh = ... }` is given, else `"none"`.
    pub(crate) last_resort: Option<At<LastResort>>,
    /// What controls its power, and how much it draws: its BMC proves that the host is off, and wakes it when the mains is back.
    /// Without it neither can be done.
    pub(crate) power: Option<At<Power>>,
    /// What is called before and after it is stopped and started.
    pub(crate) hooks: Option<Hooks>,
    /// How long its operating system takes to go down, at worst. Too short, and the battery may end before it is down.
    /// Default: `"2m"`.
    pub(crate) shutdown_time: Option<Time>,
    /// How long it takes from being woken until its VMs can be started, at worst. Default: `"5m"`.
    pub(crate) boot_time: Option<Time>,
}

/// One supply of a host or load.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feed {
    /// The UPS it comes from, by its name here.
    pub(crate) ups: At<String>,
    /// The UPS's outlet group, where its outputs are switched in groups.
    pub(crate) outlet_group: Option<u32>,
}

/// What stops a host when nobody else can any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LastResort {
    /// A dead-man timer that Ridethrough sets on it over SSH while it is on battery, and cancels when the mains is stable.
    Timer,
    /// The host's own upsmon, set to shut it down at low battery. No timer is set.
    Upsmon,
    /// The UPS vendor's program on the host, or anything else there that shuts it down. No timer is set.
    Agent,
    /// Nothing: without controller or network it runs until the battery ends, and falls.
    None,
}

/// How a host's operating system is told to shut down.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shutdown {
    /// By a command over SSH, with the system's own `ssh`.
    Ssh(Ssh),
    /// By vSphere, for an ESXi host: through vCenter, or by the host itself where that is gone. Needs `experimental = true` in its
    /// platform.
    Vsphere(At<ByVsphere>),
}

/// How vSphere shuts an ESXi host down.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByVsphere {
    /// Whether it enters maintenance mode first, so that DRS and HA put nothing on it any more. It leaves that mode again when its VMs are
    /// to be started. Default: `false`.
    pub(crate) maintenance: Option<bool>,
    /// How long entering maintenance mode may take before it is shut down without. Default: `"60s"`.
    pub(crate) maintenance_time: Option<Time>,
}

/// A command over SSH.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ssh {
    /// Its address. Default: the host's name.
    pub(crate) address: Option<At<String>>,
    /// Its port. Default: `22`.
    pub(crate) port: Option<At<u16>>,
    /// The user to log in as.
    pub(crate) user: At<String>,
    /// The private key. It must not have a passphrase: nobody is there to type it. Default: what `ssh` finds by itself for the
    /// controller's user.
    pub(crate) key: Option<At<KeyFile>>,
    /// The file with the host's public key, as `ssh-keyscan` writes it. A host that is not in it is not spoken to. Default: what
    /// `ssh` itself uses.
    pub(crate) known_hosts: Option<At<PathBuf>>,
    /// What is run there. Must return at once and must not ask anything. Default: `"shutdown -h now"`.
    pub(crate) command: Option<At<String>>,
}

/// What controls a host's power. Several may stand beside each other: each is looked through, and to wake the host they are tried in
/// this order until one accepts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Power {
    /// Its BMC, over IPMI 2.0.
    pub(crate) ipmi: Option<Ipmi>,
    /// Its BMC, over Redfish.
    pub(crate) redfish: Option<Redfish>,
    /// Its network card, by a magic packet. This only wakes: it says nothing about the host, and proves nothing.
    pub(crate) wol: Option<Wol>,
    /// What it draws with no VM running, as `"110W"`. With it the plan knows what shutting it down spares. Default: not known;
    /// its VMs are then planned by the more careful rules, without the battery's price (RT0429).
    pub(crate) idle: Option<Watts>,
    /// What it draws at its most. Default: not known.
    pub(crate) max: Option<Watts>,
}

/// A BMC that speaks IPMI.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ipmi {
    /// The BMC's address.
    pub(crate) address: At<String>,
    /// Its port. Default: `623`.
    pub(crate) port: Option<At<u16>>,
    /// A user of the BMC who may switch power (privilege OPERATOR).
    pub(crate) user: At<String>,
    /// That user's password.
    pub(crate) password: At<SecretSource>,
    /// The cipher suite: 17 (SHA-256), or 3 (SHA-1) for BMCs that know no better. Default: `17`.
    pub(crate) cipher_suite: Option<At<u8>>,
}

impl Host {
    /// The SSH settings, where it is told to shut down by SSH.
    pub(crate) fn ssh(&self) -> Option<&Ssh> {
        match &self.shutdown {
            Some(Shutdown::Ssh(ssh)) => Some(ssh),
            _ => None,
        }
    }

    /// How vSphere shuts it down, where it is to.
    pub(crate) fn by_vsphere(&self) -> Option<&At<ByVsphere>> {
        match &self.shutdown {
            Some(Shutdown::Vsphere(written)) => Some(written),
            _ => None,
        }
    }

    /// What stops it when nobody else can.
    pub(crate) fn last_resort(&self) -> LastResort {
        let usual = if self.ssh().is_some() { LastResort::Timer } else { LastResort::None };
        self.last_resort.as_deref().copied().unwrap_or(usual)
    }

    /// The BMC's settings, where there is one.
    pub(crate) fn ipmi(&self) -> Option<&Ipmi> {
        self.power.as_ref()?.ipmi.as_ref()
    }

    /// The Redfish settings of its BMC, where it has one that speaks it.
    pub(crate) fn redfish(&self) -> Option<&Redfish> {
        self.power.as_ref()?.redfish.as_ref()
    }

    /// How it is woken by its network card, where it is.
    pub(crate) fn wol(&self) -> Option<&Wol> {
        self.power.as_ref()?.wol.as_ref()
    }

    /// Whether anything can tell it to shut down.
    pub(crate) fn can_shut_down(&self) -> bool {
        self.shutdown.is_some() || self.redfish().is_some_and(Redfish::can_shut_down)
    }

    /// Whether anything can wake it.
    pub(crate) fn can_wake(&self) -> bool {
        self.can_prove_off() || self.wol().is_some()
    }

    /// Whether anything can prove it off.
    pub(crate) fn can_prove_off(&self) -> bool {
        self.ipmi().is_some() || self.redfish().is_some()
    }

    /// Takes relative paths from that folder.
    pub(in crate::config) fn resolve(&mut self, folder: &Path) {
        if let Some(Shutdown::Ssh(ssh)) = &mut self.shutdown {
            if let Some(key) = &mut ssh.key {
                key.file = folder.join(&key.file);
            }
            if let Some(path) = &mut ssh.known_hosts {
                **path = folder.join(&**path);
            }
        }
        self.hooks.iter_mut().for_each(|hooks| hooks.resolve(folder));
        if let Some(power) = &mut self.power {
            power.ipmi.iter_mut().for_each(|ipmi| ipmi.password.resolve(folder));
            power.redfish.iter_mut().for_each(|redfish| redfish.resolve(folder));
        }
    }
}
