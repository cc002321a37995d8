//! Who we are: the SMBIOS identity of the machine the controller runs on, to recognise our own VM or host among those of a
//! domain. Not a decision: what follows from it is decided in `ridethrough-decide`.

use std::collections::BTreeSet;

/// Where Linux shows it. Readable by root only on most systems.
const FILE: &str = "/sys/class/dmi/id/product_uuid";
/// Names another identity, for tests and for machines whose own cannot be read.
pub const VARIABLE: &str = "RIDETHROUGH_SMBIOS_UUID";

/// Our identity, lower case with dashes, in both byte orders: firmware and platforms disagree about the first three fields.
/// Empty where it cannot be read or is a placeholder.
#[must_use]
pub fn own_smbios() -> BTreeSet<String> {
    let text = std::env::var(VARIABLE).ok().or_else(|| std::fs::read_to_string(FILE).ok());
    text.map(|text| both_orders(&text)).unwrap_or_default()
}

/// An identity in both byte orders; empty for a text that is none.
#[must_use]
pub fn both_orders(text: &str) -> BTreeSet<String> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let is_placeholder = digits.bytes().all(|b| b == b'0') || digits.bytes().all(|b| b == b'f');
    if !is_uuid || is_placeholder {
        return BTreeSet::new();
    }
    let fields = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    let swapped: Vec<String> =
        fields.iter().enumerate().map(|(place, field)| if place < 3 { reversed(field) } else { (*field).to_owned() }).collect();
    BTreeSet::from([fields.join("-"), swapped.join("-")])
}

/// The bytes of a text of hex digits from last to first.
fn reversed(field: &str) -> String {
    let bytes: Vec<char> = field.chars().collect();
    bytes.chunks(2).rev().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_are_known_and_placeholders_are_nobody() {
        let both = both_orders("00112233-4455-6677-8899-AABBCCDDEEFF\n");
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        assert_eq!(both, ["00112233-4455-6677-8899-aabbccddeeff", "33221100-5544-7766-8899-aabbccddeeff"]);
        for nobody in ["", "Not Settable", "00000000-0000-0000-0000-000000000000", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "é"] {
            assert!(both_orders(nobody).is_empty(), "{nobody}");
        }
    }
}
