//! `tls` and `ssh` of `[platform.NAME.libvirt]`: how its hosts are believed, and as whom we come. Whether the files are any good is
//! looked at in `lint/libvirt.rs`.

use super::nut::{self, TlsFault};
use crate::config::secret::{KeyFile, SecretSource};
use crate::config::value::{At, Data};
use ridethrough_model::SuspendRoom;
use ridethrough_platforms::libvirt;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// TLS to libvirt daemons (`qemu+tls://`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LibvirtTls {
    /// A PEM file with the certificate authority that signed the hosts' certificates: the `cacert.pem` of libvirt. Only that one is
    /// believed.
    pub(crate) ca: At<PathBuf>,
    /// A PEM file with our own certificate, libvirt's `clientcert.pem`. Needs `key`. Daemons want one unless they are told not to.
    pub(crate) certificate: Option<At<PathBuf>>,
    /// The private key of `certificate`, libvirt's `clientkey.pem`, in PEM without a passphrase.
    pub(crate) key: Option<At<SecretSource>>,
}

/// What a host can take when VMs are saved to disk. libvirt tells neither, so both must be said, and must hold for the weakest host.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LibvirtSuspend {
    /// What is surely written per second to `/var/lib/libvirt/qemu/save`, such as `"200MiB"`: the slowest that was measured there.
    pub(crate) rate: Data,
    /// What saved VMs may take there in all, such as `"64GiB"`. It must really be free. What images lie there already is subtracted.
    pub(crate) space: Data,
}

/// Logins on hosts at `qemu+ssh://` addresses, with the system's own `ssh`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LibvirtSsh {
    /// The private key, without a passphrase. Default: what `ssh` finds by itself for the controller's user.
    pub(crate) key: Option<At<KeyFile>>,
    /// The file with the hosts' public keys, as `ssh-keyscan` writes it. Default: what `ssh` itself uses.
    pub(crate) known_hosts: Option<At<PathBuf>>,
}

impl LibvirtTls {
    pub(super) fn resolve(&mut self, folder: &Path) {
        *self.ca = folder.join(&*self.ca);
        if let Some(file) = &mut self.certificate {
            **file = folder.join(&**file);
        }
        if let Some(key) = &mut self.key {
            key.resolve(folder);
        }
    }

    /// The driver's form of it, with every file read and tried.
    ///
    /// # Errors
    /// A file that cannot be read or used.
    pub(crate) fn to_driver(&self) -> Result<libvirt::Tls, TlsFault> {
        let (trust, identity) = nut::setup(Some(&self.ca), None, self.certificate.as_ref(), self.key.as_ref())?;
        Ok(libvirt::Tls { trust, identity })
    }
}

impl LibvirtSuspend {
    pub(crate) fn to_driver(&self) -> SuspendRoom {
        SuspendRoom { rate: Some(self.rate.0), space: Some(self.space.0) }
    }
}

impl LibvirtSsh {
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Some(key) = &mut self.key {
            key.file = folder.join(&key.file);
        }
        if let Some(known) = &mut self.known_hosts {
            **known = folder.join(&**known);
        }
    }

    pub(crate) fn to_driver(&self) -> libvirt::SshLogin {
        let key = self.key.as_ref().map(|key| key.file.clone());
        libvirt::SshLogin { key, known_hosts: self.known_hosts.as_deref().cloned() }
    }
}
