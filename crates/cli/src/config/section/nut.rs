//! `tls = { ... }` of `[ups.NAME.nut]`: whom to believe and as whom to appear. Whether the files are any good is looked at in
//! `lint/nut.rs`.

use super::redfish::Pin;
use crate::config::secret::SecretSource;
use crate::config::value::At;
use ridethrough_devices::nut;
use ridethrough_driver::tls::{self, Identity, Trust};
use schemars::JsonSchema;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// TLS to upsd. An empty table means: the certificate authorities this machine trusts.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NutTls {
    /// A PEM file with the certificate authority that signed upsd's certificate. Then only that one is believed. Default: those
    /// this machine trusts.
    pub(crate) ca: Option<At<PathBuf>>,
    /// The SHA-256 of upsd's own certificate, for one it signed itself: `openssl x509 -noout -fingerprint -sha256 -in FILE`. Then only
    /// that certificate is believed.
    pub(crate) thumbprint: Option<At<Pin>>,
    /// The name upsd's certificate bears, where that is not `host`.
    pub(crate) name: Option<At<String>>,
    /// A PEM file with our own certificate, for an upsd that asks for one (`CERTREQUEST`). Needs `key`.
    pub(crate) certificate: Option<At<PathBuf>>,
    /// The private key of `certificate`, in PEM without a passphrase.
    pub(crate) key: Option<At<SecretSource>>,
}

/// What is wrong with it, where, for a person.
#[derive(Debug)]
pub(crate) struct TlsFault {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl NutTls {
    /// Takes relative paths from that folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        for file in [&mut self.ca, &mut self.certificate].into_iter().flatten() {
            **file = folder.join(&**file);
        }
        if let Some(key) = &mut self.key {
            key.resolve(folder);
        }
    }

    /// Whether it believes the same, and appears as the same: all but the name.
    pub(crate) fn has_setup_of(&self, other: &Self) -> bool {
        fn bare<T>(value: &Option<At<T>>) -> Option<&T> {
            value.as_deref()
        }
        bare(&self.ca) == bare(&other.ca)
            && bare(&self.thumbprint) == bare(&other.thumbprint)
            && bare(&self.certificate) == bare(&other.certificate)
            && bare(&self.key) == bare(&other.key)
    }

    /// The driver's form of it, with every file read and tried.
    ///
    /// # Errors
    /// A file that cannot be read or used, or two keys that contradict each other.
    pub(crate) fn to_driver(&self) -> Result<nut::Tls, TlsFault> {
        let (trust, identity) = setup(self.ca.as_ref(), self.thumbprint.as_ref(), self.certificate.as_ref(), self.key.as_ref())?;
        Ok(nut::Tls { trust, identity, name: self.name.as_deref().cloned() })
    }
}

/// Whom to believe and as whom to appear, with every file read and tried.
pub(super) fn setup(
    ca: Option<&At<PathBuf>>,
    thumbprint: Option<&At<Pin>>,
    certificate: Option<&At<PathBuf>>,
    key: Option<&At<SecretSource>>,
) -> Result<(Trust, Option<Identity>), TlsFault> {
    let fault = |span: Range<usize>, message: &str| TlsFault { span, message: message.to_owned() };
    let trust = match (thumbprint, ca) {
        (Some(pin), Some(_)) => {
            return Err(fault(pin.span(), "`ca` and `thumbprint` are both there: keep one of them"));
        }
        (Some(pin), None) => Trust::Pinned(pin.0),
        (None, Some(ca)) => Trust::Authorities(text(ca, "certificate authority")?),
        (None, None) => Trust::System,
    };
    if let Some(ca) = ca {
        try_out(&trust, None, ca.span())?;
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let secret = key.read().map_err(|error| fault(key.span(), &format!("its `key`: {error}")))?;
            let identity = Identity { certificates: text(certificate, "certificate of ours")?, key: secret };
            // Without the machine's authorities: that they are missing is not this certificate's fault.
            try_out(&Trust::Pinned(tls::Thumbprint::of(b"")), Some(&identity), certificate.span())?;
            Some(identity)
        }
        (Some(certificate), None) => return Err(fault(certificate.span(), "there is a `certificate` without its `key`")),
        (None, Some(key)) => return Err(fault(key.span(), "there is a `key` without its `certificate`")),
        (None, None) => None,
    };
    Ok((trust, identity))
}

fn text(file: &At<PathBuf>, what: &str) -> Result<String, TlsFault> {
    std::fs::read_to_string(&**file).map_err(|error| TlsFault {
        span: file.span(),
        message: format!("the {what} {} cannot be read: {error}", file.display()),
    })
}

fn try_out(trust: &Trust, identity: Option<&Identity>, span: Range<usize>) -> Result<(), TlsFault> {
    tls::client(trust, identity).map(drop).map_err(|error| TlsFault { span, message: error.to_string() })
}
