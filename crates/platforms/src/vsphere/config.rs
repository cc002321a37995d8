//! How a vCenter or ESXi host is reached, and which of its hosts are ours.

use crate::redfish::ServiceUrl;
use ridethrough_driver::Secret;
use ridethrough_driver::tls::Trust;
use ridethrough_model::{HostId, PlatformId};
use std::collections::BTreeMap;

/// Where a vCenter or ESXi host is: `https://NAME[:PORT]`, or `http://` to this machine itself, for a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl(ServiceUrl);

impl ServerUrl {
    /// Reads it. `/sdk` at its end does no harm.
    ///
    /// # Errors
    /// What a person should write instead.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let bare = text.trim_end_matches('/').trim_end_matches("/sdk").trim_end_matches("/ui");
        ServiceUrl::parse(bare).map(Self).map_err(|message| {
            if message.contains("Redfish") {
                "a vCenter or ESXi host is written as \"https://NAME\" or \"https://NAME:PORT\""
            } else {
                message
            }
        })
    }

    /// What a path is put behind.
    #[must_use]
    pub fn base(&self) -> String {
        self.0.base()
    }

    /// `NAME:PORT`, for messages.
    #[must_use]
    pub fn authority(&self) -> String {
        self.0.authority()
    }
}

/// One place to log in at.
#[derive(Clone, Debug)]
pub struct Login {
    /// Where.
    pub url: ServerUrl,
    /// As whom.
    pub user: String,
    /// That user's password.
    pub password: Secret,
    /// Whose certificate it must show.
    pub trust: Trust,
}

/// One of our hosts.
#[derive(Clone, Debug, Default)]
pub struct HostConfig {
    /// Its name in vCenter, where that is not ours for it.
    pub name: Option<String>,
    /// How it is reached without vCenter.
    pub direct: Option<Login>,
}

/// A vCenter, or an ESXi host on its own, and those of its hosts that are ours.
#[derive(Clone, Debug)]
pub struct Config {
    /// The platform's name.
    pub platform: PlatformId,
    /// The vCenter or ESXi host.
    pub login: Login,
    /// Our hosts by our names.
    pub hosts: BTreeMap<HostId, HostConfig>,
    /// Whether vSphere's tags are read. Only a vCenter has any.
    pub reads_tags: bool,
    /// Whether it may do what only our own imitation of vSphere has shown to work.
    pub is_experimental: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vcenter_is_written_as_its_own_pages_are() {
        for (text, base) in [
            ("https://vc.example", "https://vc.example:443"),
            ("https://vc.example/sdk", "https://vc.example:443"),
            ("https://vc.example:8443/ui/", "https://vc.example:8443"),
            ("http://127.0.0.1:8989", "http://127.0.0.1:8989"),
        ] {
            assert_eq!(ServerUrl::parse(text).map(|url| url.base()), Ok(base.to_owned()), "{text}");
        }
        for text in ["vc.example", "http://vc.example", "https://u:p@vc.example", "https://vc.example/folder", ""] {
            let said = ServerUrl::parse(text).unwrap_err();
            assert!(!said.contains("Redfish"), "{text}: {said}");
        }
    }
}
