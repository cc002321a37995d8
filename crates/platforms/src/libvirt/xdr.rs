//! XDR (RFC 4506) as far as libvirt needs it: big-endian words, opaque data padded to four bytes. Pure; what arrives is bounded
//! and never trusted.

/// What was expected and did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XdrError {
    #[error("it ends in the middle of a value")]
    TooShort,
    #[error("it holds {count} of what can be {max} at most")]
    TooMany { count: u32, max: u32 },
    #[error("a value is none of the known ones: {0}")]
    Unknown(u32),
}

/// Writes values one after the other.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_be_bytes());
    }
    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }
    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_be_bytes());
    }
    /// Opaque data of a length both sides know.
    pub(crate) fn fixed(&mut self, data: &[u8]) {
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
    /// Opaque data with its length before it. What is longer than a message can be is cut.
    pub(crate) fn opaque(&mut self, data: &[u8]) {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.u32(length);
        self.fixed(data.get(..length as usize).unwrap_or(data));
    }
    pub(crate) fn text(&mut self, text: &str) {
        self.opaque(text.as_bytes());
    }
    /// A value that may be absent.
    pub(crate) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u32(u32::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }
}

/// Reads values one after the other.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
    fn word<const N: usize>(&mut self) -> Result<[u8; N], XdrError> {
        let (word, rest) = self.rest.split_first_chunk::<N>().ok_or(XdrError::TooShort)?;
        self.rest = rest;
        Ok(*word)
    }
    pub(crate) fn u32(&mut self) -> Result<u32, XdrError> {
        self.word().map(u32::from_be_bytes)
    }
    pub(crate) fn i32(&mut self) -> Result<i32, XdrError> {
        self.word().map(i32::from_be_bytes)
    }
    pub(crate) fn u64(&mut self) -> Result<u64, XdrError> {
        self.word().map(u64::from_be_bytes)
    }
    /// Opaque data of a known length, padding taken along.
    pub(crate) fn fixed(&mut self, length: usize) -> Result<&'a [u8], XdrError> {
        let padded = length.checked_next_multiple_of(4).ok_or(XdrError::TooShort)?;
        let (taken, rest) = self.rest.split_at_checked(padded).ok_or(XdrError::TooShort)?;
        self.rest = rest;
        taken.get(..length).ok_or(XdrError::TooShort)
    }
    /// How many of something follow, `max` at most.
    pub(crate) fn count(&mut self, max: u32) -> Result<u32, XdrError> {
        let count = self.u32()?;
        if count > max { Err(XdrError::TooMany { count, max }) } else { Ok(count) }
    }
    /// A text of `max` bytes at most. Names of guests may hold anything: what is not UTF-8 is replaced.
    pub(crate) fn text(&mut self, max: u32) -> Result<String, XdrError> {
        let length = self.count(max)?;
        Ok(String::from_utf8_lossy(self.fixed(length as usize)?).into_owned())
    }
    /// A value that may be absent.
    pub(crate) fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, XdrError>) -> Result<Option<T>, XdrError> {
        match self.u32()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            other => Err(XdrError::Unknown(other)),
        }
    }
    /// A list with its length before it, `max` at most. Nothing is set aside for what has not arrived.
    pub(crate) fn list<T>(
        &mut self,
        max: u32,
        mut read: impl FnMut(&mut Self) -> Result<T, XdrError>,
    ) -> Result<Vec<T>, XdrError> {
        let count = self.count(max)?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }
}
