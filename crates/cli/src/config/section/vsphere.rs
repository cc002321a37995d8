//! `[platform.NAME.vsphere]`: a vCenter with its hosts, or an ESXi host alone. What the keys mean together is looked at in
//! `lint/vsphere.rs`.

use super::nut::{self, TlsFault};
use super::redfish::Pin;
use crate::config::secret::SecretSource;
use crate::config::value::At;
use ridethrough_driver::tls::Trust;
use ridethrough_platforms::vsphere::ServerUrl;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A vCenter with its hosts, or an ESXi host alone. `docs/vsphere.md` is its manual.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vsphere {
    /// Where it answers: `"https://ADDRESS"`, with `:PORT` where that is not 443. A name needs DNS during the outage; an address does
    /// not. Plain `http://` is taken only to this machine itself, for a tunnel.
    pub(crate) url: At<VsphereUrl>,
    /// As whom to log in, e.g. `"ridethrough@vsphere.local"`, with a role of its own: `ridethrough vsphere role` prints what it needs.
    pub(crate) user: At<String>,
    /// That user's password.
    pub(crate) password: At<SecretSource>,
    /// A PEM file with the certificate authority that signed its certificate: vCenter's own is in `https://ADDRESS/certs/download.zip`.
    /// Then only that one is believed. Default: those this machine trusts.
    pub(crate) ca: Option<At<PathBuf>>,
    /// The SHA-256 of its own certificate: `openssl s_client -connect ADDRESS:443 </dev/null | openssl x509 -noout -fingerprint -sha256`,
    /// compared with what its console shows. Then only that certificate is believed.
    pub(crate) thumbprint: Option<At<Pin>>,
    /// Those of its hosts that are ours, by name. Each needs a `[host.NAME]` too, which says what power it hangs on. Others in the same
    /// clusters are seen and warned of.
    pub(crate) hosts: BTreeMap<At<String>, VsphereHost>,
    /// Whether vSphere's tags are read: a tag `critical` of the category `power` matches as `critical` and as `power:critical`.
    /// Default: `true`.
    pub(crate) tags: Option<bool>,
    /// Lets it do what only our own imitation of vSphere has shown to work, no vCenter and no simulator of others: shutting ESXi hosts
    /// down, maintenance mode, autostart. `docs/vsphere.md` lists it. Default: `false`.
    pub(crate) experimental: Option<bool>,
}

/// One host of a vCenter.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VsphereHost {
    /// Its name in vCenter. Default: the name it has here.
    pub(crate) name: Option<At<String>>,
    /// How it is reached without vCenter. Needed where vCenter loses its power with the hosts: without it nobody stops what runs there
    /// once vCenter is gone.
    pub(crate) direct: Option<At<EsxiLogin>>,
}

/// An ESXi host as it is reached without vCenter.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EsxiLogin {
    /// Where it answers. Default: `"https://NAME"`, the host's name in vCenter.
    pub(crate) url: Option<At<VsphereUrl>>,
    /// A user of the host itself. In lockdown mode it must be one of its exception users.
    pub(crate) user: At<String>,
    /// That user's password.
    pub(crate) password: At<SecretSource>,
    /// A PEM file with the certificate authority that signed its certificate. Then only that one is believed. Default: those this
    /// machine trusts.
    pub(crate) ca: Option<At<PathBuf>>,
    /// The SHA-256 of its own certificate. Then only that certificate is believed.
    pub(crate) thumbprint: Option<At<Pin>>,
}

impl Vsphere {
    /// Takes relative paths from that folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.password.resolve(folder);
        if let Some(ca) = &mut self.ca {
            **ca = folder.join(&**ca);
        }
        for login in self.hosts.values_mut().filter_map(|host| host.direct.as_mut()) {
            login.password.resolve(folder);
            if let Some(ca) = &mut login.ca {
                **ca = folder.join(&**ca);
            }
        }
    }

    /// Whether it may do what only our own imitation has proven.
    pub(crate) fn is_experimental(&self) -> bool {
        self.experimental == Some(true)
    }

    /// Whose certificate it must show, with every file read and tried.
    ///
    /// # Errors
    /// A file that cannot be read or used, or two keys that contradict each other.
    pub(crate) fn trust(&self) -> Result<Trust, TlsFault> {
        nut::setup(self.ca.as_ref(), self.thumbprint.as_ref(), None, None).map(|(trust, _)| trust)
    }
}

impl EsxiLogin {
    /// Whose certificate it must show, with every file read and tried.
    ///
    /// # Errors
    /// A file that cannot be read or used, or two keys that contradict each other.
    pub(crate) fn trust(&self) -> Result<Trust, TlsFault> {
        nut::setup(self.ca.as_ref(), self.thumbprint.as_ref(), None, None).map(|(trust, _)| trust)
    }
}

/// Where a vCenter or ESXi host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VsphereUrl(pub(crate) ServerUrl);

impl<'de> Deserialize<'de> for VsphereUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ServerUrl::parse(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for VsphereUrl {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "VsphereUrl".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^https?://[^@/]+/?" })
    }
}
