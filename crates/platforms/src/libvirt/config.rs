//! What an estate of libvirt hosts is made of: names, addresses, limits. Reads addresses; opens nothing.

use ridethrough_driver::tls::{Identity, Trust};
use ridethrough_model::{HostId, PlatformId, SuspendRoom};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The port of libvirt's plain TCP listener.
const TCP_PORT: u16 = 16509;
/// The port of its TLS listener.
const TLS_PORT: u16 = 16514;
/// The port of sshd.
const SSH_PORT: u16 = 22;
/// Where the system daemon listens on its own machine.
const SYSTEM_SOCKET: &str = "/var/run/libvirt/libvirt-sock";

/// An estate of independent libvirt hosts, taken as one platform.
#[derive(Clone, Debug)]
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
    /// How a move is brought to its end.
    pub convergence: Convergence,
    /// VMs with disks in local files may be moved; the disks are copied to the target's storage pool of the same path.
    pub copy_disks: bool,
    /// What each host can take when VMs are saved to disk, where it says nothing else itself.
    pub suspend: SuspendRoom,
    /// How hosts at `qemu+tls` addresses are believed, and as whom we appear.
    pub tls: Option<Tls>,
    /// How hosts at `qemu+ssh` addresses are logged in to.
    pub ssh: SshLogin,
}

/// What a guest that writes faster than the network carries has to bear, so that its move ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convergence {
    /// It is slowed down more and more (QEMU's auto-converge, up to 99 % of its CPU time).
    pub auto_converge: bool,
    /// How long it may stand still at the end, in milliseconds; `None`: what QEMU takes by itself, 300.
    pub max_downtime_ms: Option<u64>,
    /// It may be finished by post-copy, if that is ordered.
    pub post_copy: bool,
}

impl Default for Convergence {
    fn default() -> Self {
        Self { auto_converge: true, max_downtime_ms: None, post_copy: false }
    }
}

/// TLS to libvirt daemons. They want a certificate of ours unless they are told not to (`tls_no_verify_certificate`).
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Our own certificate.
    pub identity: Option<Identity>,
}

/// Logins by SSH, with the system's own `ssh`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshLogin {
    /// The private key; `None`: what `ssh` finds by itself.
    pub key: Option<PathBuf>,
    /// The file with the hosts' keys; `None`: what `ssh` itself uses.
    pub known_hosts: Option<PathBuf>,
}

/// One libvirt host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostConfig {
    /// How its libvirt daemon is reached: `qemu+tls://host[:port]/system`, `qemu+ssh://user@host[:port]/system`,
    /// `qemu+tcp://host[:port]/system` (in clear text), `qemu:///system` or `qemu+unix:///system?socket=/path`.
    pub uri: Uri,
    /// How the other hosts' libvirt daemons reach this one for a move. Default: `uri`, which must then be a `qemu+tls` or `qemu+tcp`
    /// one. With `qemu+tls` the hosts need certificates of their own for each other, with `qemu+ssh` said here keys.
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
            Endpoint::Tcp { .. } | Endpoint::Tls { .. } => Some(self.uri.to_string()),
            // The user and the keys are ours, not the other hosts'.
            Endpoint::Ssh { .. } | Endpoint::Unix { .. } => None,
        })
    }
}

/// What a connection is made to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16 },
    Ssh { user: String, host: String, port: u16 },
    Unix { path: PathBuf },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } | Self::Tls { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } | Self::Tls { host, port } => write!(f, "{host}:{port}"),
            Self::Ssh { user, host, port } => write!(f, "{user}@{host}:{port}"),
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
    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.endpoint, Endpoint::Tls { .. })
    }

    /// The host that is spoken to with neither encryption nor a password, where that is so.
    #[must_use]
    pub fn clear_text_host(&self) -> Option<&str> {
        match &self.endpoint {
            Endpoint::Tcp { host, .. } => Some(host),
            Endpoint::Tls { .. } | Endpoint::Ssh { .. } | Endpoint::Unix { .. } => None,
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
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
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| wrong("it should look like `qemu+tcp://host/system` or `qemu:///system`"))?;
        let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before_query.split_once('/').ok_or_else(|| wrong("it should end in `/system`"))?;
        if path != "system" {
            return Err(wrong("only `/system` runs the VMs of a server"));
        }
        let endpoint = match scheme {
            "qemu+unix" => unix_at(authority, query).map_err(wrong)?,
            "qemu" if authority.is_empty() => unix(query).map_err(wrong)?,
            _ if !query.is_empty() => return Err(wrong("nothing after a `?` is understood here")),
            "qemu+tcp" => {
                let (host, port) = place(authority, TCP_PORT).map_err(wrong)?;
                Endpoint::Tcp { host, port }
            }
            // libvirt's own meaning of an address with a host and no word for the transport.
            "qemu+tls" | "qemu" => {
                let (host, port) = place(authority, TLS_PORT).map_err(wrong)?;
                Endpoint::Tls { host, port }
            }
            "qemu+ssh" => {
                let (user, rest) = authority.split_once('@').unwrap_or(("root", authority));
                if user.is_empty()
                    || user.starts_with('-')
                    || !user.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
                {
                    return Err(wrong("what stands before the `@` is no user's name"));
                }
                let (host, port) = place(rest, SSH_PORT).map_err(wrong)?;
                Endpoint::Ssh { user: user.to_owned(), host, port }
            }
            "qemu+libssh" | "qemu+libssh2" => return Err(wrong("write `qemu+ssh`: the system's own `ssh` is used")),
            _ => return Err(wrong("it should begin with `qemu+tls://`, `qemu+ssh://`, `qemu+tcp://` or `qemu+unix://`")),
        };
        Ok(Self { text: text.to_owned(), endpoint })
    }
}

/// Host and port.
fn place(authority: &str, usual: u16) -> Result<(String, u16), &'static str> {
    const NO_HOST: &str = "the name or address of the host is missing";
    const BAD_PORT: &str = "the port is no number from 1 to 65535";
    if authority.contains('@') {
        return Err("only qemu+ssh knows a user");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("the `]` of the IPv6 address is missing")?,
        None => authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon)),
    };
    // Never taken for an option by whoever is given it.
    if host.is_empty() || host.starts_with('-') {
        return Err(NO_HOST);
    }
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse::<u16>().ok().filter(|port| *port != 0).ok_or(BAD_PORT)?,
        None if port.is_empty() => usual,
        None => return Err(BAD_PORT),
    };
    Ok((host.to_owned(), port))
}

fn unix_at(authority: &str, query: &str) -> Result<Endpoint, &'static str> {
    if authority.is_empty() { unix(query) } else { Err("a UNIX socket has no host; write three slashes") }
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
        schemars::json_schema!({ "type": "string", "examples": ["qemu+tls://kvm1/system", "qemu+ssh://root@kvm1/system", "qemu:///system"] })
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
                "qemu+tls://kvm1/system",
                "qemu://kvm1:16515/system",
                "qemu+ssh://ops@kvm1/system",
                "qemu+ssh://kvm1:2222/system",
            ],
            expect![[r#"
                qemu+tcp://kvm1/system -> kvm1:16509
                qemu+tcp://10.0.0.1:16510/system -> 10.0.0.1:16510
                qemu+tcp://[fd00::1]/system -> [fd00::1]:16509
                qemu:///system -> /var/run/libvirt/libvirt-sock
                qemu+unix:///system -> /var/run/libvirt/libvirt-sock
                qemu+unix:///system?socket=/run/lab/libvirt-sock -> /run/lab/libvirt-sock
                qemu+tls://kvm1/system -> kvm1:16514
                qemu://kvm1:16515/system -> kvm1:16515
                qemu+ssh://ops@kvm1/system -> ops@kvm1:22
                qemu+ssh://kvm1:2222/system -> root@kvm1:2222
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
                "qemu+tls://kvm1/system?no_verify=1",
                "qemu+ssh://-oProxyCommand=x@kvm1/system",
                "qemu+ssh://root@-oProxyCommand=x/system",
                "qemu+libssh://root@kvm1/system",
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
                `qemu+tcp://root@kvm1/system` is not an address of a libvirt host: only qemu+ssh knows a user
                `qemu+tcp://kvm1/system?x=1` is not an address of a libvirt host: nothing after a `?` is understood here
                `qemu+tls://kvm1/system?no_verify=1` is not an address of a libvirt host: nothing after a `?` is understood here
                `qemu+ssh://-oProxyCommand=x@kvm1/system` is not an address of a libvirt host: what stands before the `@` is no user's name
                `qemu+ssh://root@-oProxyCommand=x/system` is not an address of a libvirt host: the name or address of the host is missing
                `qemu+libssh://root@kvm1/system` is not an address of a libvirt host: write `qemu+ssh`: the system's own `ssh` is used
                `qemu+unix:///system?socket=sock` is not an address of a libvirt host: `socket=` needs a plain absolute path
                `qemu+unix://kvm1/system` is not an address of a libvirt host: a UNIX socket has no host; write three slashes
                `xen:///system` is not an address of a libvirt host: it should begin with `qemu+tls://`, `qemu+ssh://`, `qemu+tcp://` or `qemu+unix://`
            "#]],
        );
    }

    #[test]
    fn other_hosts_are_told_an_address_that_they_can_reach() {
        let host = |uri: &str| HostConfig::at(uri.parse().unwrap());
        assert_eq!(host("qemu+tcp://kvm1/system").peer_uri().as_deref(), Some("qemu+tcp://kvm1/system"));
        assert_eq!(host("qemu+tls://kvm1/system").peer_uri().as_deref(), Some("qemu+tls://kvm1/system"));
        assert_eq!(host("qemu+ssh://root@kvm1/system").peer_uri(), None, "our keys are not the hosts' keys");
        assert_eq!(host("qemu:///system").peer_uri(), None);
        let named = HostConfig { migrate_uri: Some("qemu+tcp://kvm1-move/system".into()), ..host("qemu:///system") };
        assert_eq!(named.peer_uri().as_deref(), Some("qemu+tcp://kvm1-move/system"));
    }
}
