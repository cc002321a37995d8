//! `power = { wol = { ... } }`: a host that is woken by Wake-on-LAN.

use crate::config::value::At;
use ridethrough_platforms::wol::Mac;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use std::borrow::Cow;
use std::net::Ipv4Addr;

/// A network card that listens for a magic packet.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wol {
    /// The address of the host's network card, such as `"52:54:00:12:34:56"`.
    pub(crate) mac: At<MacAddress>,
    /// The broadcast address of the host's network, such as `"10.0.0.255"`. Default: `"255.255.255.255"`, which reaches the
    /// controller's own network only.
    pub(crate) broadcast: Option<At<Ipv4Addr>>,
    /// The interface of the controller's machine to send from; needed where it has several and `broadcast` is not given. Default:
    /// what its routes say.
    pub(crate) interface: Option<At<String>>,
    /// The UDP port. Default: `9`.
    pub(crate) port: Option<At<u16>>,
}

/// The address of a network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MacAddress(pub(crate) Mac);

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected =
            || D::Error::custom(format!("`{text}` is not the address of one network card such as \"52:54:00:12:34:56\""));
        Mac::parse(&text).map(Self).ok_or_else(expected)
    }
}

impl JsonSchema for MacAddress {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "MacAddress".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$" })
    }
}
