//! What an estate of libvirt hosts is made of: names, addresses, limits. Reads addresses; opens nothing.

use ridethrough_model::{HostId, PlatformId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The port of libvirt's plain TCP listener.
const TCP_PORT: u16 = 16509;
/// Where the system daemon listens on its own machine.
const SYSTEM_SOCKET: &str = "/var/run/libvirt/libvirt-sock";

/// An estate of independent libvirt hosts, taken as one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The platform's name in the configuration.
    pub platform: PlatformId,
    /// Its hosts. Moves are possible between any two of them.
    pub hosts: BTreeMap<HostId, HostConfig>,
    /// What one move may take of the network, in MiB/s; `None`: as much as it gets.
    pub bandwidth_mib_s: Option<u64>,
    /// Directories that are the same storage on every host, e.g. an NFS mount. A disk in none of them, and on no network
    /// storage, keeps its VM from being moved.
    pub shared_paths: Vec<PathBuf>,
}

/// One libvirt host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostConfig {
    /// How its libvirt daemon is reached: `qemu+tcp://host[:port]/system`, `qemu:///system` or
    /// `qemu+unix:///system?socket=/path`.
    pub uri: Uri,
    /// How the other hosts' libvirt daemons reach this one for a move. Default: `uri`, which must then be a `qemu+tcp` one.
    #[serde(default)]
    pub migrate_uri: Option<String>,
    /// The address that memory is sent to in a move to this host, e.g. in a network of its own. Default: what the host calls
    /// itself, which the other hosts must be able to resolve.
    #[serde(default)]
    pub migrate_address: Option<String>,
}

impl HostConfig {
    /// A host reached at `uri`, with nothing special for moves.
    #[must_use]
    pub fn at(uri: Uri) -> Self {
        Self { uri, migrate_uri: None, migrate_address: None }
    }
    /// What other daemons connect to for a move to this host; `None` where only this machine could.
    #[must_use]
    pub(crate) fn peer_uri(&self) -> Option<String> {
        self.migrate_uri.clone().or_else(|| match self.uri.endpoint() {
            Endpoint::Tcp { .. } => Some(self.uri.to_string()),
            Endpoint::Unix { .. } => None,
        })
    }
}

/// What a connection is made to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp { host: String, port: u16 },
    Unix { path: PathBuf },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path } => write!(f, "{}", path.display()),
        }
    }
}

/// The address of a libvirt daemon that this driver can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uri {
    text: String,
    endpoint: Endpoint,
}

impl Uri {
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Something that is planned, but not there.
    #[error("`{uri}`: libvirt over {transport} is not supported yet; use qemu+tcp:// or qemu+unix://")]
    NotYet {
        /// What was read.
        uri: String,
        /// TLS or SSH.
        transport: &'static str,
    },
    /// Something that makes no sense here.
    #[error("`{uri}` is not an address of a libvirt host: {reason}")]
    Wrong {
        /// What was read.
        uri: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let wrong = |reason| UriError::Wrong { uri: text.to_owned(), reason };
        let not_yet = |transport| UriError::NotYet { uri: text.to_owned(), transport };
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| wrong("it should look like `qemu+tcp://host/system` or `qemu:///system`"))?;
        let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before_query.split_once('/').ok_or_else(|| wrong("it should end in `/system`"))?;
        if path != "system" {
            return Err(wrong("only `/system` runs the VMs of a server"));
        }
        let endpoint = match scheme {
            "qemu+tcp" if !query.is_empty() => return Err(wrong("qemu+tcp takes nothing after a `?`")),
            "qemu+tcp" => tcp(authority).map_err(wrong)?,
            "qemu" | "qemu+unix" if !authority.is_empty() && scheme == "qemu" => return Err(not_yet("TLS")),
            "qemu" | "qemu+unix" if !authority.is_empty() => return Err(wrong("a UNIX socket has no host; write three slashes")),
            "qemu" | "qemu+unix" => unix(query).map_err(wrong)?,
            "qemu+tls" => return Err(not_yet("TLS")),
            "qemu+ssh" | "qemu+libssh" | "qemu+libssh2" => return Err(not_yet("SSH")),
            _ => return Err(wrong("it should begin with `qemu+tcp://` or `qemu+unix://`")),
        };
        Ok(Self { text: text.to_owned(), endpoint })
    }
}

fn tcp(authority: &str) -> Result<Endpoint, &'static str> {
    const NO_HOST: &str = "the name or address of the host is missing";
    const BAD_PORT: &str = "the port is no number from 1 to 65535";
    if authority.contains('@') {
        return Err("qemu+tcp knows no user");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("the `]` of the IPv6 address is missing")?,
        None => authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon)),
    };
    if host.is_empty() {
        return Err(NO_HOST);
    }
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse::<u16>().ok().filter(|port| *port != 0).ok_or(BAD_PORT)?,
        None if port.is_empty() => TCP_PORT,
        None => return Err(BAD_PORT),
    };
    Ok(Endpoint::Tcp { host: host.to_owned(), port })
}

fn unix(query: &str) -> Result<Endpoint, &'static str> {
    if query.is_empty() {
        return Ok(Endpoint::Unix { path: PathBuf::from(SYSTEM_SOCKET) });
    }
    let path = query.strip_prefix("socket=").ok_or("after the `?` only `socket=/path` is understood")?;
    if path.contains(['&', '%']) || !Path::new(path).is_absolute() {
        return Err("`socket=` needs a plain absolute path");
    }
    Ok(Endpoint::Unix { path: PathBuf::from(path) })
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}
impl TryFrom<String> for Uri {
    type Error = UriError;
    fn try_from(text: String) -> Result<Self, UriError> {
        text.parse()
    }
}
impl From<Uri> for String {
    fn from(uri: Uri) -> Self {
        uri.text
    }
}
impl JsonSchema for Uri {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LibvirtUri".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["qemu+tcp://kvm1/system", "qemu:///system"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(texts: &[&str], expect: Expect) {
        let lines: Vec<String> = texts
            .iter()
            .map(|text| match text.parse::<Uri>() {
                Ok(uri) => format!("{text} -> {}\n", uri.endpoint()),
                Err(error) => format!("{error}\n"),
            })
            .collect();
        expect.assert_eq(&lines.concat());
    }

    #[test]
    fn addresses_are_read_or_refused_with_a_reason() {
        check(
            &[
                "qemu+tcp://kvm1/system",
                "qemu+tcp://10.0.0.1:16510/system",
                "qemu+tcp://[fd00::1]/system",
                "qemu:///system",
                "qemu+unix:///system",
                "qemu+unix:///system?socket=/run/lab/libvirt-sock",
            ],
            expect![[r#"
                qemu+tcp://kvm1/system -> kvm1:16509
                qemu+tcp://10.0.0.1:16510/system -> 10.0.0.1:16510
                qemu+tcp://[fd00::1]/system -> [fd00::1]:16509
                qemu:///system -> /var/run/libvirt/libvirt-sock
                qemu+unix:///system -> /var/run/libvirt/libvirt-sock
                qemu+unix:///system?socket=/run/lab/libvirt-sock -> /run/lab/libvirt-sock
            "#]],
        );
        check(
            &[
                "kvm1",
                "qemu+tcp:///system",
                "qemu+tcp://kvm1",
                "qemu+tcp://kvm1/session",
                "qemu+tcp://kvm1:99999/system",
                "qemu+tcp://kvm1:/system",
                "qemu+tcp://root@kvm1/system",
                "qemu+tcp://kvm1/system?x=1",
                "qemu+tls://kvm1/system",
                "qemu://kvm1/system",
                "qemu+ssh://root@kvm1/system",
                "qemu+unix:///system?socket=sock",
                "qemu+unix://kvm1/system",
                "xen:///system",
            ],
            expect![[r#"
                `kvm1` is not an address of a libvirt host: it should look like `qemu+tcp://host/system` or `qemu:///system`
                `qemu+tcp:///system` is not an address of a libvirt host: the name or address of the host is missing
                `qemu+tcp://kvm1` is not an address of a libvirt host: it should end in `/system`
                `qemu+tcp://kvm1/session` is not an address of a libvirt host: only `/system` runs the VMs of a server
                `qemu+tcp://kvm1:99999/system` is not an address of a libvirt host: the port is no number from 1 to 65535
                `qemu+tcp://kvm1:/system` is not an address of a libvirt host: the port is no number from 1 to 65535
                `qemu+tcp://root@kvm1/system` is not an address of a libvirt host: qemu+tcp knows no user
                `qemu+tcp://kvm1/system?x=1` is not an address of a libvirt host: qemu+tcp takes nothing after a `?`
                `qemu+tls://kvm1/system`: libvirt over TLS is not supported yet; use qemu+tcp:// or qemu+unix://
                `qemu://kvm1/system`: libvirt over TLS is not supported yet; use qemu+tcp:// or qemu+unix://
                `qemu+ssh://root@kvm1/system`: libvirt over SSH is not supported yet; use qemu+tcp:// or qemu+unix://
                `qemu+unix:///system?socket=sock` is not an address of a libvirt host: `socket=` needs a plain absolute path
                `qemu+unix://kvm1/system` is not an address of a libvirt host: a UNIX socket has no host; write three slashes
                `xen:///system` is not an address of a libvirt host: it should begin with `qemu+tcp://` or `qemu+unix://`
            "#]],
        );
    }

    #[test]
    fn other_hosts_are_told_an_address_that_they_can_reach() {
        let host = |uri: &str| HostConfig::at(uri.parse().unwrap());
        assert_eq!(host("qemu+tcp://kvm1/system").peer_uri().as_deref(), Some("qemu+tcp://kvm1/system"));
        assert_eq!(host("qemu:///system").peer_uri(), None);
        let named = HostConfig { migrate_uri: Some("qemu+tcp://kvm1-move/system".into()), ..host("qemu:///system") };
        assert_eq!(named.peer_uri().as_deref(), Some("qemu+tcp://kvm1-move/system"));
    }
}
