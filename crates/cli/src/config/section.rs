//! The sections of the configuration. The comment of each field is its manual: `docs/configuration.md` is made from it.
//!
//! Only shapes: what they mean together is looked at in `lint`, what the rest of the program makes of them is in `convert`.

pub(crate) mod alert;
pub(crate) mod back;
pub(crate) mod drill;
pub(crate) mod hook;
pub(crate) mod host;
pub(crate) mod libvirt;
pub(crate) mod nut;
pub(crate) mod order;
pub(crate) mod outage;
pub(crate) mod redfish;
pub(crate) mod vsphere;
pub(crate) mod wol;

use super::secret::SecretSource;
use super::value::{At, Data, Day, TablePoint, Time, Watts};
use ridethrough_platforms::libvirt::HostConfig;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The controller itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Controller {
    /// Where the journal and the token for the commands are kept. Take a disk of the controller's own machine: storage that
    /// goes down in the outage takes the journal with it. Default: `"/var/lib/ridethrough"`.
    pub(crate) data_dir: Option<PathBuf>,
    /// Where the commands reach the controller. Only loopback addresses are taken: there is no encryption here. Default:
    /// `"127.0.0.1:7878"`.
    pub(crate) listen: Option<At<SocketAddr>>,
    /// The name of the VM the controller runs in. Needed only where its SMBIOS identity cannot be read; a domain that feeds
    /// its host cannot be armed.
    pub(crate) vm: Option<At<String>>,
    /// The host the controller runs on, if it runs on one of those below. Like `vm`.
    pub(crate) host: Option<At<String>>,
    /// How long one write to the journal may take before the journal counts as stalled. On battery the run then goes on
    /// without it. Default: `"2s"`.
    pub(crate) journal_stall: Option<Time>,
    /// How long a UPS may say nothing before it counts as silent. Must be longer than both poll intervals. Default: `"15s"`.
    pub(crate) silence: Option<Time>,
    /// How often each UPS is asked while on mains. An outage is noticed at most this much later. Default: `"5s"`.
    pub(crate) poll_mains: Option<Time>,
    /// How often each UPS is asked while one is on battery. Default: `"1s"`.
    pub(crate) poll_battery: Option<Time>,
}

/// Limits for moving VMs that hold everywhere.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moves {
    /// What one host's network link carries for moves, per second. Plans reckon with it: too high, and moves take longer than
    /// planned and may not end before the battery does. Default: `"100MiB"`.
    pub(crate) bandwidth: Option<Data>,
    /// How many moves may leave or reach one host at once. Default: `2`.
    pub(crate) per_host: Option<At<u32>>,
    /// How much longer than forecast a move may take before it counts as overrun and the plan is made anew. Default: `"30s"`.
    pub(crate) slack: Option<Time>,
}

/// A UPS: how it is read, and what is known of its battery. Beside the keys of its battery exactly one table stands below its name,
/// which says how it is read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ups {
    /// Over the network from upsd of NUT (Network UPS Tools).
    pub(crate) nut: Nut,
    /// The real power it is built for, where it does not say so itself and tells its load in percent only. Without it, what it
    /// carries in watts is then not known, and a runtime table is of no use. Default: what the UPS says.
    pub(crate) nominal_power: Option<Watts>,
    /// How long a new, full battery lasts at which load, from the vendor's table: `[["500W", "22m"], ["1kW", "9m"]]`. With it the
    /// battery's ageing is learned, and shed load is reckoned as the time it buys; the UPS's own figure still counts where it is
    /// shorter. Loads that occur should lie between its points; two make a power law. Default: only the UPS's own figure counts.
    pub(crate) runtime_table: Option<At<Vec<At<TablePoint>>>>,
    /// The day its battery was put in, as `2024-05-01` without quotes. A battery ages from then on; a new date forgets what was
    /// learned of the old one. Default: not known, taken as new when first seen.
    pub(crate) battery_installed: Option<At<Day>>,
    /// How many equal battery modules `runtime_table` is for, where one can fail while the others go on. The table of the rest then
    /// counts. Default: as many as the UPS says.
    pub(crate) battery_modules: Option<At<u32>>,
}

/// What may stand beside the table that says how a UPS is read.
pub(crate) const BATTERY_KEYS: [&str; 4] = ["nominal_power", "runtime_table", "battery_installed", "battery_modules"];

/// A UPS behind upsd.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nut {
    /// The machine upsd runs on: name or address. A name needs DNS during the outage; an address does not.
    pub(crate) host: At<String>,
    /// Its port. Default: `3493`.
    pub(crate) port: Option<At<u16>>,
    /// The UPS's name there, as `upsc -l HOST` lists it.
    pub(crate) ups: At<String>,
    /// A user of `upsd.users` with the role `upsmon secondary`. Without one the UPS is only read: a NUT primary that orders a
    /// forced shutdown does then not wait for us.
    pub(crate) user: Option<At<String>>,
    /// That user's password.
    pub(crate) password: Option<At<SecretSource>>,
    /// Encryption (STARTTLS), with upsd's certificate always looked at: `{}`, or a table as below. Without it everything goes in clear
    /// text, the password too. Default: none.
    pub(crate) tls: Option<At<nut::NutTls>>,
    /// Whether its low-battery flag is believed. Say `false` for models that raise it far too early: then only its runtime counts.
    /// Default: `true`.
    pub(crate) low_battery_reliable: Option<bool>,
    /// Addresses, as `upsc -c UPS@HOST` lists them, of clients that only obey: upsmon secondaries, monitoring. Any other client is
    /// taken for a master that may order a forced shutdown at low battery, and the plan ends before that. The hosts' own addresses
    /// are known. Default: none.
    pub(crate) secondaries: Option<Vec<At<String>>>,
}

/// Something that runs VMs. The key below its name says what.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Platform {
    /// Hosts with libvirt and QEMU, taken together: VMs can be moved between any two of them.
    Libvirt(Libvirt),
    /// VMware vSphere: a vCenter with its hosts, or an ESXi host alone.
    Vsphere(vsphere::Vsphere),
}

/// Hosts with libvirt.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Libvirt {
    /// Its hosts by name. Each needs a `[host.NAME]` too, which says what power it hangs on.
    pub(crate) hosts: BTreeMap<At<String>, HostConfig>,
    /// What one move may take of the network, per second. Default: as much as it gets.
    pub(crate) bandwidth: Option<Data>,
    /// Whether a guest that writes faster than the network carries is slowed down more and more (QEMU's auto-converge), so that its
    /// move ends. Default: `true`.
    pub(crate) auto_converge: Option<bool>,
    /// How long a guest may stand still at the end of its move; longer lets moves end sooner. Default: QEMU's own, 300 ms.
    pub(crate) max_downtime: Option<Time>,
    /// Whether a move that does not end otherwise may be finished by post-copy: the VM runs at its target and its memory follows.
    /// Done only where that ends before the last safe moment. While it lasts the VM is lost if either host or the network between
    /// them fails. Default: `false`.
    pub(crate) post_copy: Option<bool>,
    /// Whether VMs with disks in local files may be moved, their disks copied along. The target needs a storage pool of the same path
    /// with enough room; the copy left behind is not deleted. The disks' bytes count in the time a move takes. Default: `false`.
    pub(crate) copy_disks: Option<bool>,
    /// What every host can take when VMs are saved to disk. Without it none is, whatever `on_outage` says.
    pub(crate) suspend: Option<libvirt::LibvirtSuspend>,
    /// Folders that are the same storage on every host, such as an NFS mount. A disk in none of them, and on no network
    /// storage, keeps its VM from being moved.
    #[serde(default)]
    pub(crate) shared_paths: Vec<PathBuf>,
    /// Needed for hosts at `qemu+tls://` addresses: whom to believe and as whom to come.
    pub(crate) tls: Option<At<libvirt::LibvirtTls>>,
    /// For hosts at `qemu+ssh://` addresses: which key, and which hosts are known.
    pub(crate) ssh: Option<libvirt::LibvirtSsh>,
}

/// Something on a UPS that is neither host nor VM. The key below its name says what can be done with it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Load {
    /// It is only known: it draws power, and hosts may need it.
    Passive(Passive),
    /// It is told to stop in an outage, and started again.
    Command(Box<order::Commanded>),
}

/// A load nothing is done with.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passive {
    /// Its supplies.
    pub(crate) feeds: Vec<host::Feed>,
    /// What it draws. Default: not known.
    pub(crate) draws: Option<Watts>,
}

impl Ups {
    /// Takes relative paths from that folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let Self { nut, .. } = self;
        if let Some(password) = &mut nut.password {
            password.resolve(folder);
        }
        if let Some(tls) = &mut nut.tls {
            tls.resolve(folder);
        }
    }
}

impl Platform {
    /// Whether it is said what its hosts can take when VMs are saved to disk.
    pub(crate) fn says_suspend(&self) -> bool {
        matches!(self, Self::Libvirt(libvirt) if libvirt.suspend.is_some())
    }

    /// The names of its hosts.
    pub(crate) fn hosts(&self) -> Box<dyn Iterator<Item = &At<String>> + '_> {
        match self {
            Self::Libvirt(libvirt) => Box::new(libvirt.hosts.keys()),
            Self::Vsphere(vsphere) => Box::new(vsphere.hosts.keys()),
        }
    }

    /// Takes relative paths from that folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let libvirt = match self {
            Self::Libvirt(libvirt) => libvirt,
            Self::Vsphere(vsphere) => return vsphere.resolve(folder),
        };
        if let Some(tls) = &mut libvirt.tls {
            tls.resolve(folder);
        }
        if let Some(ssh) = &mut libvirt.ssh {
            ssh.resolve(folder);
        }
    }
}

impl Load {
    /// What it draws, where that is said.
    pub(crate) fn draws(&self) -> Option<&Watts> {
        match self {
            Self::Passive(passive) => passive.draws.as_ref(),
            Self::Command(load) => load.draws.as_ref(),
        }
    }

    /// Its supplies.
    pub(crate) fn feeds(&self) -> &[host::Feed] {
        match self {
            Self::Passive(passive) => &passive.feeds,
            Self::Command(load) => &load.feeds,
        }
    }

    /// Takes relative paths from that folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Self::Command(load) = self {
            load.resolve(folder);
        }
    }
}
