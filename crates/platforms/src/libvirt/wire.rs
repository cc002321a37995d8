//! Frames of libvirt's RPC and what they hold. Pure: bytes to values and back. Which call means what is in `procedure.rs`.
//!
//! Written from the protocol's facts as seen on the wire: a frame is its length (itself included), six words of header, and an
//! XDR body. Calls are answered by serial number in any order; what nobody asked for (events, keep-alive) comes between.

use super::xdr::{Decoder, Encoder, XdrError};
use std::fmt;

/// The program that all of virsh's own calls belong to.
pub(crate) const PROGRAM_REMOTE: u32 = 0x2000_8086;
/// The program of "are you there" and "yes".
pub(crate) const PROGRAM_KEEPALIVE: u32 = 0x6b65_6570;
const VERSION: u32 = 1;
const KEEPALIVE_PING: u32 = 1;
const KEEPALIVE_PONG: u32 = 2;

/// The longest frame a daemon sends, length word included.
pub(crate) const FRAME_MAX: usize = (32 << 20) + 4;
/// The length word and the header.
const FRAME_MIN: usize = 4 + 24;
/// The longest text in a message.
pub(crate) const TEXT_MAX: u32 = 4 << 20;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    Reply,
    Event,
    /// Streams and file descriptors, which we never ask for.
    Other(u32),
}

impl Kind {
    fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Call,
            1 => Self::Reply,
            2 => Self::Event,
            other => Self::Other(other),
        }
    }
    fn number(self) -> u32 {
        match self {
            Self::Call => 0,
            Self::Reply => 1,
            Self::Event => 2,
            Self::Other(other) => other,
        }
    }
}

/// Everything of a frame but its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) program: u32,
    pub(crate) procedure: u32,
    pub(crate) kind: Kind,
    pub(crate) serial: u32,
    /// The body is an error.
    pub(crate) is_error: bool,
}

impl Header {
    pub(crate) fn call(procedure: u32, serial: u32) -> Self {
        Self { program: PROGRAM_REMOTE, procedure, kind: Kind::Call, serial, is_error: false }
    }
    fn keepalive(procedure: u32) -> Self {
        Self { program: PROGRAM_KEEPALIVE, procedure, kind: Kind::Event, serial: 0, is_error: false }
    }
    pub(crate) fn is_ping(&self) -> bool {
        self.program == PROGRAM_KEEPALIVE && self.procedure == KEEPALIVE_PING
    }
}

/// A whole frame, ready to be sent.
pub(crate) fn frame(header: Header, body: &[u8]) -> Vec<u8> {
    let length = FRAME_MIN + body.len().next_multiple_of(4);
    let mut out = Encoder::default();
    out.u32(u32::try_from(length).unwrap_or(u32::MAX));
    for word in [header.program, VERSION, header.procedure, header.kind.number(), header.serial, u32::from(header.is_error)] {
        out.u32(word);
    }
    out.fixed(body);
    out.finish()
}

pub(crate) fn ping() -> Vec<u8> {
    frame(Header::keepalive(KEEPALIVE_PING), &[])
}

pub(crate) fn pong() -> Vec<u8> {
    frame(Header::keepalive(KEEPALIVE_PONG), &[])
}

/// A frame that no libvirt daemon would send. The connection cannot be trusted after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the daemon sent a frame of {0} bytes: this is not libvirt's protocol")]
    Length(u32),
    #[error("the daemon sent a frame of an unknown version or status: this is not libvirt's protocol")]
    Header,
}

/// How many bytes follow a length word.
pub(crate) fn rest_of_frame(length: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(length);
    match usize::try_from(length) {
        Ok(whole) if (FRAME_MIN..=FRAME_MAX).contains(&whole) => Ok(whole - 4),
        _ => Err(FrameError::Length(length)),
    }
}

/// Takes what follows the length word apart.
pub(crate) fn parse(rest: &[u8]) -> Result<(Header, &[u8]), FrameError> {
    let mut input = Decoder::new(rest);
    let mut word = || input.u32().map_err(|_: XdrError| FrameError::Header);
    let (program, version, procedure, kind, serial, status) = (word()?, word()?, word()?, word()?, word()?, word()?);
    let kind = Kind::from_number(kind);
    // Status 2 ("continue") belongs to streams.
    if version != VERSION || status > 2 {
        return Err(FrameError::Header);
    }
    let body = rest.get(FRAME_MIN - 4..).ok_or(FrameError::Header)?;
    Ok((Header { program, procedure, kind, serial, is_error: status == 1 }, body))
}

/// A request that the daemon refused, or that failed there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct RemoteError {
    /// One of libvirt's error numbers.
    pub(crate) code: i32,
    pub(crate) message: String,
}

impl RemoteError {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, XdrError> {
        let mut input = Decoder::new(body);
        let code = input.i32()?;
        let _part_of_libvirt = input.i32()?;
        let message = input.optional(|input| input.text(TEXT_MAX))?;
        Ok(Self { code, message: message.unwrap_or_else(|| format!("libvirt error {code} without a text")) })
    }
}

/// A VM's identity, as libvirt keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Uuid([u8; 16]);

impl Uuid {
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
    pub(crate) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
    /// Reads the form with dashes, or 32 digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let mut digits = text.bytes().filter(|byte| *byte != b'-');
        for byte in &mut bytes {
            let mut digit = || char::from(digits.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        digits.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}
impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A value in a list of named ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Int(i32),
    Uint(u32),
    Llong(i64),
    Ullong(u64),
    Double(f64),
    Boolean(bool),
    Text(String),
}

impl Value {
    /// As a count, where it is one.
    pub(crate) fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(value) => u64::try_from(*value).ok(),
            Self::Uint(value) => Some(u64::from(*value)),
            Self::Llong(value) => u64::try_from(*value).ok(),
            Self::Ullong(value) => Some(*value),
            Self::Boolean(_) | Self::Double(_) | Self::Text(_) => None,
        }
    }
}

/// Named values, as libvirt passes options and statistics.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parameters(pub(crate) Vec<(String, Value)>);

impl Parameters {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(Value::as_u64)
    }
    pub(crate) fn encode(&self, out: &mut Encoder) {
        out.u32(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        for (name, value) in &self.0 {
            out.text(name);
            let (kind, words) = match value {
                Value::Int(value) => (1, u64::from(value.cast_unsigned())),
                Value::Uint(value) => (2, u64::from(*value)),
                Value::Llong(value) => (3, value.cast_unsigned()),
                Value::Ullong(value) => (4, *value),
                Value::Double(value) => (5, value.to_bits()),
                Value::Boolean(value) => (6, u64::from(*value)),
                Value::Text(text) => {
                    out.u32(7);
                    out.text(text);
                    continue;
                }
            };
            out.u32(kind);
            match u32::try_from(words) {
                Ok(word) if matches!(kind, 1 | 2 | 6) => out.u32(word),
                _ => out.u64(words),
            }
        }
    }
    pub(crate) fn decode(input: &mut Decoder<'_>, max: u32) -> Result<Self, XdrError> {
        input
            .list(max, |input| {
                let name = input.text(TEXT_MAX)?;
                let value = match input.u32()? {
                    1 => Value::Int(input.i32()?),
                    2 => Value::Uint(input.u32()?),
                    3 => Value::Llong(input.u64()?.cast_signed()),
                    4 => Value::Ullong(input.u64()?),
                    5 => Value::Double(f64::from_bits(input.u64()?)),
                    6 => Value::Boolean(input.u32()? != 0),
                    7 => Value::Text(input.text(TEXT_MAX)?),
                    // Without knowing its length nothing after it can be read.
                    other => return Err(XdrError::Unknown(other)),
                };
                Ok((name, value))
            })
            .map(Self)
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
