//! Things said in the operator's own words: a program, a command over SSH, an HTTP request; and the loads that are driven by them.

use super::host::{Feed, Power};
use super::redfish::Pin;
use crate::config::secret::{KeyFile, SecretSource};
use crate::config::value::{At, Time, Watts};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A load that is told to stop, looked at, and started again: storage, a firewall, a machine that carries no VMs of ours.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Commanded {
    /// Its supplies.
    pub(crate) feeds: Vec<Feed>,
    /// What it draws. Default: not known.
    pub(crate) draws: Option<Watts>,
    /// How it is told to stop: after every host that `needs` it is proven off, before its own UPS ends. Must return when it has been
    /// told; that it is off is for `probe` to say. It may be told more than once.
    pub(crate) stop: At<Order>,
    /// How it is asked whether it is on, some times a minute: it must change nothing. Exit status 0, or the expected answer: it is on.
    /// Exit status 3, or the answer named for off: it is off, which counts as proof. Anything else, and no answer: not known.
    pub(crate) probe: Option<At<Order>>,
    /// How it is started when the mains is back, before the hosts that need it. Must do no harm to one that is on. Without it, and
    /// without `power`, it must come up by itself.
    pub(crate) start: Option<At<Order>>,
    /// An address that is pinged besides. That it stops answering is never taken as proof that it is off; after it accepted to be
    /// stopped, the step ends as "stopped answering".
    pub(crate) ping: Option<At<String>>,
    /// Its BMC or network card, where it has one: proves that it is off, and wakes it.
    pub(crate) power: Option<At<Power>>,
    /// How long one `stop`, `probe` or `start` may take; a program is then killed. At most `"9m"`; a probe gets 8 s at most.
    /// Default: `"30s"`.
    pub(crate) time_limit: Option<Time>,
    /// How long it takes to go down, at worst. The hosts that need it go down so much earlier. Default: `"3m"`.
    pub(crate) stop_time: Option<Time>,
    /// How long it takes until hosts can use it, at worst. Default: `"5m"`.
    pub(crate) start_time: Option<Time>,
}

/// Something to be done. Exactly one key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// A program on the controller's machine and its arguments, e.g. `["/usr/local/bin/stop-nas", "nas1"]`. No shell is between, and
    /// nothing of the controller's environment but `PATH`.
    Program(At<Vec<String>>),
    /// A command over SSH, with the system's own `ssh`.
    Ssh(Remote),
    /// A request to a web service.
    Http(Request),
}

/// A command over SSH.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remote {
    /// The machine's address. Default: the name of the load or host it is about.
    pub(crate) address: Option<At<String>>,
    /// Its port. Default: `22`.
    pub(crate) port: Option<At<u16>>,
    /// The user to log in as.
    pub(crate) user: At<String>,
    /// The private key, without a passphrase. Default: what `ssh` finds by itself for the controller's user.
    pub(crate) key: Option<At<KeyFile>>,
    /// The file with the machine's public key, as `ssh-keyscan` writes it. Default: what `ssh` itself uses.
    pub(crate) known_hosts: Option<At<PathBuf>>,
    /// What is run there. Must not ask anything.
    pub(crate) command: At<String>,
}

/// A request to a web service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The address, `https://...`. It is shown in messages without what follows a `?`.
    pub(crate) url: At<String>,
    /// The method. Default: `"GET"` for a probe, `"POST"` otherwise.
    pub(crate) method: Option<At<String>>,
    /// Headers, each a secret: `{ Authorization = { file = "..." } }`.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, At<SecretSource>>,
    /// What is sent, as it stands.
    pub(crate) body: Option<String>,
    /// A PEM file with the certificate authority of the service. Then only that one is believed. Default: those this machine trusts.
    pub(crate) ca: Option<At<PathBuf>>,
    /// The SHA-256 of the service's own certificate, for one it signed itself. Then only that certificate is believed.
    pub(crate) thumbprint: Option<At<Pin>>,
    /// The statuses that say that it is done, or on. Default: 200 to 299.
    #[serde(default)]
    pub(crate) expect_status: Vec<u16>,
    /// A text that must be in that answer besides.
    pub(crate) expect_body: Option<String>,
    /// For a probe: the statuses that say that it is off.
    #[serde(default)]
    pub(crate) off_status: Vec<u16>,
    /// For a probe: a text in the answer that says that it is off.
    pub(crate) off_body: Option<String>,
}

impl Commanded {
    /// Its orders, with the words for them and whether they only look.
    pub(crate) fn orders(&self) -> impl Iterator<Item = (&'static str, &At<Order>)> {
        let rest = [("probe", self.probe.as_ref()), ("start", self.start.as_ref())];
        std::iter::once(("stop", &self.stop)).chain(rest.into_iter().filter_map(|(word, order)| Some((word, order?))))
    }

    /// Whether something can prove it off.
    pub(crate) fn can_prove_off(&self) -> bool {
        self.probe.is_some() || self.power.as_ref().is_some_and(|power| power.ipmi.is_some() || power.redfish.is_some())
    }

    /// Whether something can say that it is on.
    pub(crate) fn can_see(&self) -> bool {
        self.can_prove_off() || self.ping.is_some()
    }

    /// Whether it can be started from here.
    pub(crate) fn can_start(&self) -> bool {
        let wakes = |power: &At<Power>| power.ipmi.is_some() || power.redfish.is_some() || power.wol.is_some();
        self.start.is_some() || self.power.as_ref().is_some_and(wakes)
    }

    /// Takes relative paths from that folder.
    pub(in crate::config) fn resolve(&mut self, folder: &Path) {
        self.stop.resolve(folder);
        self.probe.iter_mut().for_each(|order| order.resolve(folder));
        self.start.iter_mut().for_each(|order| order.resolve(folder));
        if let Some(power) = &mut self.power {
            power.ipmi.iter_mut().for_each(|ipmi| ipmi.password.resolve(folder));
            power.redfish.iter_mut().for_each(|redfish| redfish.resolve(folder));
        }
    }
}

impl Order {
    /// Takes relative paths from that folder. A program's path is left as it is.
    pub(in crate::config) fn resolve(&mut self, folder: &Path) {
        match self {
            Self::Program(_) => {}
            Self::Ssh(remote) => {
                remote.key.iter_mut().for_each(|key| key.file = folder.join(&key.file));
                remote.known_hosts.iter_mut().for_each(|path| **path = folder.join(&**path));
            }
            Self::Http(request) => {
                request.headers.values_mut().for_each(|secret| secret.resolve(folder));
                request.ca.iter_mut().for_each(|ca| **ca = folder.join(&**ca));
            }
        }
    }
}
