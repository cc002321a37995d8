//! Where a Redfish service is. The path below it is always the same, so none is given.

use hyper::Uri;
use std::net::IpAddr;

/// `https://NAME[:PORT]`, or `http://` to this machine itself, for a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
}

impl ServiceUrl {
    /// Reads it.
    ///
    /// # Errors
    /// What a person should write instead.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a Redfish service is written as \"https://NAME\" or \"https://NAME:PORT\"";
        let uri: Uri = text.trim_end_matches('/').trim_end_matches("/redfish/v1").parse().map_err(|_| EXPECTED)?;
        let authority = uri.authority().ok_or(EXPECTED)?;
        if authority.as_str().contains('@') {
            return Err("user and password have keys of their own; they must not stand in the url");
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || authority.host().is_empty() {
            return Err(EXPECTED);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_here(&host) => false,
            Some("http") => return Err("over plain http everybody could read the password: write https://"),
            _ => return Err(EXPECTED),
        };
        let usual = if is_tls { 443 } else { 80 };
        // `Authority::port` is `None` for a port that cannot be, too.
        let port = match authority.as_str().strip_prefix(authority.host()).unwrap_or_default() {
            "" => usual,
            port => port.trim_start_matches(':').parse().map_err(|_| EXPECTED)?,
        };
        Ok(Self { host, port, is_tls })
    }

    /// What a path is put behind: `https://NAME:PORT`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.authority())
    }

    /// `NAME:PORT`, as the Host header and messages name it.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_leaves_this_machine() {
        for (text, shown, is_tls) in [
            ("https://10.0.0.21", "10.0.0.21:443", true),
            ("https://bmc1.example:8443/", "bmc1.example:8443", true),
            ("https://[fd00::21]/redfish/v1/", "[fd00::21]:443", true),
            ("http://127.0.0.1:8000", "127.0.0.1:8000", false),
            ("http://[::1]:8000", "[::1]:8000", false),
        ] {
            let url = ServiceUrl::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!((url.authority().as_str(), url.is_tls), (shown, is_tls), "{text}");
        }
        for text in
            ["10.0.0.21", "http://10.0.0.21", "https://", "https://u:p@bmc", "ftp://bmc", "https://bmc/x", "https://b:99999", ""]
        {
            assert!(ServiceUrl::parse(text).is_err(), "{text}");
        }
    }
}
