//! Integer quantities with the base in the name. Text ("90s", "1200W", "45%", "4GiB") only at the edges.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

/// A text that is no quantity of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    /// What was read.
    pub text: String,
    /// What would have been right, for a person.
    pub expected: &'static str,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.text, self.expected)
    }
}
impl std::error::Error for UnitError {}

macro_rules! quantity {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// The difference, or zero where it would be negative.
            #[must_use]
            pub fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
            /// `self * numerator / denominator`, rounded down, saturating; a zero denominator gives the maximum.
            #[must_use]
            pub fn scaled(self, numerator: u64, denominator: u64) -> Self {
                if denominator == 0 {
                    return Self(u64::MAX);
                }
                let wide = u128::from(self.0) * u128::from(numerator) / u128::from(denominator);
                Self(u64::try_from(wide).unwrap_or(u64::MAX))
            }
        }
        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }
        impl Sub for $name {
            type Output = Self;
            /// Saturating: a quantity is never negative.
            fn sub(self, other: Self) -> Self {
                self.saturating_sub(other)
            }
        }
        impl std::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
                all.fold(Self(0), Add::add)
            }
        }
    )+};
}

quantity! {
    /// A length of time in milliseconds.
    Millis,
    /// Power in milliwatts.
    Milliwatts,
    /// An amount of memory or data in bytes.
    Bytes,
}

/// A share in parts per million: charge (0..=1 000 000) or load (may exceed 1 000 000 on overload).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Ppm(pub u32);

impl Ppm {
    /// Everything: 100 %.
    pub const FULL: Self = Self(1_000_000);
    /// From whole percent.
    #[must_use]
    pub const fn from_percent(percent: u32) -> Self {
        Self(percent.saturating_mul(10_000))
    }
    /// Reads "45%" or "45.5%". The number must be at least 0 and below 4000.
    ///
    /// # Errors
    /// A text that is not such a number.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError { text: text.to_owned(), expected: "a percentage such as \"45%\"" };
        let number = text.trim().strip_suffix('%').ok_or_else(bad)?;
        let thousandths = decimal(number.trim(), 4).ok_or_else(bad)?;
        u32::try_from(thousandths).map(Self).map_err(|_| bad())
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (u64::from(self.0) + 500) / 1000;
        let text =
            if tenths.is_multiple_of(10) { format!("{}%", tenths / 10) } else { format!("{}.{}%", tenths / 10, tenths % 10) };
        f.pad(&text)
    }
}

impl Millis {
    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }
    /// Reads "90s", "1m30s", "2h", "1m 30s", "500ms", "1d".
    ///
    /// # Errors
    /// A text without unit, with an unknown unit, a sign, or too large for 64 bits of milliseconds.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError { text: text.to_owned(), expected: "a length of time such as \"90s\", \"1m 30s\" or \"2h\"" };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
            let (number, tail) = rest.split_at(digits);
            let end = tail.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            let scale: u64 = match unit {
                "ms" => 1,
                "s" => 1000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(bad()),
            };
            let thousandths = decimal(number, 3).ok_or_else(bad)?;
            let part = u128::from(thousandths) * u128::from(scale) / 1000;
            total = u64::try_from(part).ok().and_then(|part| total.checked_add(part)).ok_or_else(bad)?;
            rest = tail.trim_start();
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Millis {
    /// Two units at most: "45s", "4m 05s", "1h 20m", "850ms".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let text = match self.0 {
            0 => "0s".to_owned(),
            1..1000 => format!("{}ms", self.0),
            1000..60_000 => format!("{seconds}s"),
            60_000..3_600_000 if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
            60_000..3_600_000 => format!("{}m {:02}s", seconds / 60, seconds % 60),
            _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
        };
        f.pad(&text)
    }
}

impl Milliwatts {
    /// Reads "1200W", "1.2kW" or "350mW".
    ///
    /// # Errors
    /// A text without unit or that is no number.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let units = [("kW", 1_000_000), ("mW", 1), ("W", 1000)];
        scaled_text(text, &units, "a power such as \"1200W\" or \"1.2kW\"").map(Self)
    }
}

impl fmt::Display for Milliwatts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} W", (self.0 + 500) / 1000))
    }
}

impl Bytes {
    /// From mebibytes.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }
    /// Reads "512MiB", "4GiB", "1TiB", "100MB", "64KiB".
    ///
    /// # Errors
    /// A text without unit or that is no number.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let units = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
            ("kB", 1000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("TB", 1_000_000_000_000),
            ("B", 1),
        ];
        scaled_text(text, &units, "an amount of memory such as \"512MiB\" or \"4GiB\"").map(Self)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            0..1_048_576 => format!("{} KiB", self.0 >> 10),
            1_048_576..1_073_741_824 => format!("{} MiB", self.0 >> 20),
            _ => {
                let tenths = (u128::from(self.0) * 10) >> 30;
                format!("{}.{} GiB", tenths / 10, tenths % 10)
            }
        };
        f.pad(&text)
    }
}

fn scaled_text(text: &str, units: &[(&str, u64)], expected: &'static str) -> Result<u64, UnitError> {
    let bad = || UnitError { text: text.to_owned(), expected };
    let trimmed = text.trim();
    let (number, scale) =
        units.iter().find_map(|(unit, scale)| trimmed.strip_suffix(unit).map(|n| (n.trim(), *scale))).ok_or_else(bad)?;
    let thousandths = decimal(number, 3).ok_or_else(bad)?;
    u64::try_from(u128::from(thousandths) * u128::from(scale) / 1000).map_err(|_| bad())
}

/// Reads a plain unsigned decimal and returns it times ten to the `places`; digits beyond are cut off.
fn decimal(text: &str, places: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let mut value: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut digits = fraction.bytes();
    for _ in 0..places {
        let next = digits.next().map_or(0, |b| u64::from(b - b'0'));
        value = value.checked_mul(10)?.checked_add(next)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_of_users_are_read_and_shown() {
        let time = |t: &str| Millis::parse(t).map(|m| m.to_string()).map_err(|e| e.to_string());
        assert_eq!(time("90s"), Ok("1m 30s".into()));
        assert_eq!(time("1m 30s"), Ok("1m 30s".into()));
        assert_eq!(time("1h20m"), Ok("1h 20m".into()));
        assert_eq!(time("0.5s"), Ok("500ms".into()));
        for wrong in ["90", "", "s", "-5s", "5 parsecs", "1.2.3s", "99999999999999999999d"] {
            assert!(time(wrong).is_err(), "{wrong} must be refused");
        }
        assert_eq!(Ppm::parse("45%"), Ok(Ppm(450_000)));
        assert_eq!(Ppm::parse("12.5 %").map(|p| p.to_string()), Ok("12.5%".into()));
        assert_eq!(Milliwatts::parse("1.2kW").map(|p| p.to_string()), Ok("1200 W".into()));
        assert_eq!(Bytes::parse("4GiB").map(|b| b.to_string()), Ok("4.0 GiB".into()));
        assert!(Bytes::parse("four").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in ".{0,24}") {
            let _ = Millis::parse(&text).map(|m| m.to_string());
            let _ = Ppm::parse(&text).map(|m| m.to_string());
            let _ = Bytes::parse(&text).map(|m| m.to_string());
            let _ = Milliwatts::parse(&text).map(|m| m.to_string());
        }
    }
}
