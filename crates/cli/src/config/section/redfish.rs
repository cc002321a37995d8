//! `power = { redfish = { ... } }`: a BMC that speaks Redfish. What the keys mean together is looked at in `lint/bmc.rs`.

use crate::config::secret::SecretSource;
use crate::config::value::At;
use ridethrough_driver::tls::Thumbprint;
use ridethrough_platforms::redfish::ServiceUrl;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A BMC that speaks Redfish.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redfish {
    /// Where it answers: `"https://ADDRESS"`, with `:PORT` where that is not 443. Plain `http://` is taken only to this machine
    /// itself, for a tunnel.
    pub(crate) url: At<Url>,
    /// Its system, as `/redfish/v1/Systems` lists it (`"1"`, `"System.Embedded.1"`). Default: the only one there; naming it saves a
    /// request at each look.
    pub(crate) system: Option<At<String>>,
    /// A user of the BMC who may switch power (role Operator).
    pub(crate) user: At<String>,
    /// That user's password.
    pub(crate) password: At<SecretSource>,
    /// A PEM file with the certificate authority that signed the BMC's certificate. Then only that one is believed. Default: those
    /// this machine trusts.
    pub(crate) ca: Option<At<PathBuf>>,
    /// The SHA-256 of the BMC's own certificate, for one it signed itself: `openssl s_client -connect ADDRESS:443 </dev/null | openssl
    /// x509 -noout -fingerprint -sha256`, compared with what the BMC's own pages show. Then only that certificate is believed.
    pub(crate) thumbprint: Option<At<Pin>>,
    /// Whether the BMC may ask the host's operating system to shut down (GracefulShutdown), where SSH is not configured or fails. That
    /// it follows is not known before the BMC says "off". Default: `true`.
    pub(crate) graceful_shutdown: Option<bool>,
}

impl Redfish {
    /// Whether it may be told to shut the host down.
    pub(crate) fn can_shut_down(&self) -> bool {
        self.graceful_shutdown.unwrap_or(true)
    }

    /// Takes relative paths from that folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.password.resolve(folder);
        if let Some(ca) = &mut self.ca {
            **ca = folder.join(&**ca);
        }
    }
}

/// Where a Redfish service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) ServiceUrl);

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ServiceUrl::parse(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for Url {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Url".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^https?://[^@/]+/?" })
    }
}

/// The SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pin(pub(crate) Thumbprint);

impl<'de> Deserialize<'de> for Pin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected =
            || D::Error::custom("a thumbprint is the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons");
        Thumbprint::parse(&text).map(Self).ok_or_else(expected)
    }
}

impl JsonSchema for Pin {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Pin".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$" })
    }
}
