//! Wake-on-LAN: one magic packet that wakes a host whose network card listens for it. Nobody answers one, so nothing is known from
//! it: the state is always unknown, and "off" is never proven. What says that the host is up is for another means.

use async_trait::async_trait;
use ridethrough_driver::{Cx, Error, FailureKind, HostPower, HostPowerCapability, Result};
use ridethrough_model::HostPowerState;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use tokio::net::UdpSocket;

const WAKE: &str = "send a magic packet";
/// Six times FF, then the address sixteen times.
const PACKET_BYTES: usize = 6 + 16 * 6;

/// The address of a network card.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Reads `52:54:00:12:34:56`, also with `-`. `None` for anything else, for a group of cards, and for none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut parts = text.split(separator);
        let mut bytes = [0; 6];
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        let is_one = bytes[0] & 1 == 0 && bytes != [0; 6];
        (parts.next().is_none() && is_one).then_some(Self(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whom to wake, and where to send it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The card that listens.
    pub mac: Mac,
    /// The broadcast address of the host's network.
    pub broadcast: Ipv4Addr,
    /// UDP port, usually 9.
    pub port: u16,
    /// The interface of this machine to send from; `None`: what the routes say.
    pub interface: Option<String>,
}

/// One host that can be woken so.
#[derive(Debug)]
pub struct Wol {
    config: Config,
}

impl Wol {
    /// Nothing is sent before it is asked to wake.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    async fn send(&self) -> io::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        if let Some(interface) = &self.config.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        socket.set_broadcast(true)?;
        let sent = socket.send_to(&packet(self.config.mac), SocketAddrV4::new(self.config.broadcast, self.config.port)).await?;
        if sent == PACKET_BYTES { Ok(()) } else { Err(io::Error::other("it was cut short")) }
    }
}

/// What the card listens for.
fn packet(mac: Mac) -> [u8; PACKET_BYTES] {
    let mut packet = [0xFF; PACKET_BYTES];
    for copy in packet[6..].chunks_exact_mut(6) {
        copy.copy_from_slice(&mac.0);
    }
    packet
}

#[async_trait]
impl HostPower for Wol {
    fn name(&self) -> &'static str {
        "wol"
    }

    fn capability(&self) -> HostPowerCapability {
        HostPowerCapability { can_shut_down: false, can_wake: true, can_prove_off: false }
    }

    async fn observe(&self, _: &Cx) -> Result<HostPowerState> {
        Ok(HostPowerState::Unknown)
    }

    async fn shut_down(&self, _: &Cx) -> Result<()> {
        Err(Error::new(FailureKind::Unsupported, "shut down by Wake-on-LAN", "it only wakes").no_effect())
    }

    /// `Ok` says that the packet left this machine, and no more.
    async fn wake(&self, cx: &Cx) -> Result<()> {
        let work = async {
            self.send().await.map_err(|cause| {
                let (kind, message) = match (cause.raw_os_error(), &self.config.interface) {
                    (Some(NO_SUCH_DEVICE), Some(interface)) => {
                        (FailureKind::Config, format!("this machine has no interface {interface}"))
                    }
                    _ => (FailureKind::Unreachable, "it cannot be sent".to_owned()),
                };
                Error::new(kind, WAKE, message).no_effect().caused_by(cause)
            })
        };
        let place = SocketAddrV4::new(self.config.broadcast, self.config.port);
        cx.bound(WAKE, work).await.map_err(|error| error.with("mac", self.config.mac).with("to", place))
    }
}

/// `ENODEV`.
const NO_SUCH_DEVICE: i32 = 19;

#[cfg(test)]
mod tests {
    use super::*;
    use ridethrough_model::Mono;
    use std::time::Duration;

    #[test]
    fn only_the_address_of_one_card_is_taken() {
        for text in ["52:54:00:12:34:5a", "52-54-00-12-34-5A"] {
            assert_eq!(Mac::parse(text).map(|mac| mac.to_string()).as_deref(), Some("52:54:00:12:34:5a"), "{text}");
        }
        let wrong = [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:5a:6b",
            "52:54:00:12:34:5",
            "52:54:00:12:34:+a",
            "525400123456",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
        ];
        for text in wrong {
            assert_eq!(Mac::parse(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn nothing_is_known_from_it_and_nothing_shut_down_with_it() {
        let mac = Mac::parse("52:54:00:12:34:56").expect("an address");
        let mut config = Config { mac, broadcast: Ipv4Addr::LOCALHOST, port: 9, interface: None };
        let wol = Wol::new(config.clone());
        let cx = Cx::within(Duration::from_secs(5), Mono(0));
        assert_eq!(wol.observe(&cx).await.expect("no error"), HostPowerState::Unknown);
        assert!(!wol.capability().can_prove_off);
        assert_eq!(wol.shut_down(&cx).await.expect_err("it cannot").kind(), FailureKind::Unsupported);
        config.interface = Some("no-such-if".to_owned());
        let error = Wol::new(config).wake(&cx).await.expect_err("there is none");
        assert_eq!(error.kind(), FailureKind::Config, "{error:?}");
        assert!(error.to_string().contains("no-such-if"), "{error}");
    }
}
