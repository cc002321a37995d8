//! Values as they are written: quantities with a unit ("90s", "45%", "100MiB"), and values that remember where they stand.

use ridethrough_model::unit::UnitError;
use ridethrough_model::{Bytes, Millis, Milliwatts, Ppm};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};
use toml::Spanned;

/// A value and where it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct At<T>(Spanned<T>);

impl<T> At<T> {
    /// Bytes of the file.
    pub(crate) fn span(&self) -> Range<usize> {
        self.0.span()
    }
}

impl<T> Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.get_ref()
    }
}

impl<T> DerefMut for At<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// What can be written as text with a unit.
pub(crate) trait Written: Copy {
    /// What a person should have written.
    const EXPECTED: &'static str;
    /// Its name in the reference.
    const NAME: &'static str;
    /// What editors check it by; it takes all that `read` takes.
    const PATTERN: &'static str;
    /// Reads it.
    fn read(text: &str) -> Result<Self, UnitError>;
}

impl Written for Millis {
    const EXPECTED: &'static str = "a length of time such as \"90s\", \"1m 30s\" or \"2h\"";
    const NAME: &'static str = "time";
    const PATTERN: &'static str = r"^\s*([0-9]+(\.[0-9]+)?(ms|s|m|min|h|d)\s*)+$";
    fn read(text: &str) -> Result<Self, UnitError> {
        Self::parse(text)
    }
}

impl Written for Bytes {
    const EXPECTED: &'static str = "an amount of data such as \"512MiB\" or \"4GiB\"";
    const NAME: &'static str = "data";
    const PATTERN: &'static str = r"^\s*[0-9]+(\.[0-9]+)?\s*([KMGT]iB|[kMGT]?B)\s*$";
    fn read(text: &str) -> Result<Self, UnitError> {
        Self::parse(text)
    }
}

impl Written for Ppm {
    const EXPECTED: &'static str = "a percentage such as \"45%\"";
    const NAME: &'static str = "percentage";
    const PATTERN: &'static str = r"^\s*[0-9]+(\.[0-9]+)?\s*%\s*$";
    fn read(text: &str) -> Result<Self, UnitError> {
        Self::parse(text)
    }
}

impl Written for Milliwatts {
    const EXPECTED: &'static str = "a power such as \"1200W\" or \"1.2kW\"";
    const NAME: &'static str = "power";
    const PATTERN: &'static str = r"^\s*[0-9]+(\.[0-9]+)?\s*(k|m)?W\s*$";
    fn read(text: &str) -> Result<Self, UnitError> {
        Self::parse(text)
    }
}

/// A quantity with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantity<T>(pub(crate) T);

/// "90s".
pub(crate) type Time = At<Quantity<Millis>>;
/// "100MiB".
pub(crate) type Data = At<Quantity<Bytes>>;
/// "45%".
pub(crate) type Share = At<Quantity<Ppm>>;

/// "1200W".
pub(crate) type Watts = At<Quantity<Milliwatts>>;

/// A point of a runtime table: `["500W", "22m"]`.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct TablePoint(pub(crate) Quantity<Milliwatts>, pub(crate) Quantity<Millis>);

impl JsonSchema for TablePoint {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "TablePoint".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (power, time) = (Quantity::<Milliwatts>::json_schema(generator), Quantity::<Millis>::json_schema(generator));
        json_schema!({ "type": "array", "format": "point", "prefixItems": [power, time], "minItems": 2, "maxItems": 2 })
    }
}

/// A day, as TOML writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day(pub(crate) jiff::civil::Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "expected a day such as 2024-05-01, without quotes";
        let written = toml::value::Datetime::deserialize(deserializer).map_err(|_| D::Error::custom(EXPECTED))?;
        let (Some(date), None) = (written.date, written.time) else { return Err(D::Error::custom(EXPECTED)) };
        let day = i16::try_from(date.year).ok().zip(i8::try_from(date.month).ok()).zip(i8::try_from(date.day).ok());
        let day = day.and_then(|((year, month), day)| jiff::civil::Date::new(year, month, day).ok());
        day.map(Self).ok_or_else(|| D::Error::custom(EXPECTED))
    }
}

impl JsonSchema for Day {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Day".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}

/// What is written, or the default.
pub(crate) fn or_default<T: Copy>(written: Option<&At<Quantity<T>>>, default: T) -> T {
    written.map_or(default, |value| value.0.get_ref().0)
}

impl<'de, T: Written> Deserialize<'de> for Quantity<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);
        impl<T: Written> Visitor<'_> for Text<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
                T::read(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text(PhantomData)).map(Self)
    }
}

impl<T: Written> JsonSchema for Quantity<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": T::NAME, "pattern": T::PATTERN })
    }
}
