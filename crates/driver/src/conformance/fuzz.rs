//! Bytes that are almost what a peer would send: messages of its own, changed by a few dice. The same seed gives the same bytes.
//!
//! Quick enough for every test run. It looks for what a reader of remote bytes must never do: panic, or hold more than it was
//! given. How many cases is for `RIDETHROUGH_FUZZ`, 4,000 without it.

/// Lengths, counts and kinds that readers get wrong.
const EDGES: [u32; 12] = [0, 1, 2, 3, 7, 8, 0x7f, 0xff, 0x4000, 0x7fff_ffff, 0x8000_0000, u32::MAX];
/// Bytes that mean something in texts.
const LETTERS: &[u8] = b"\0\n\r\t \"\\#=<>&;:'0-.9A\x7f\x80\xc3\xff";
/// A mutant is so much longer than the longest message at most.
const GROWTH_MAX: usize = 4096;

/// A small generator (xorshift64*): good enough to pick places, the same on every machine.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    /// A number below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16;
        usize::try_from(drawn).unwrap_or(0) % bound.max(1)
    }
    fn of<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        choices.get(self.below(choices.len())).copied()
    }
}

/// Says which bytes it was when the reader panics.
struct Case<'a> {
    what: &'a str,
    seed: u64,
    bytes: &'a [u8],
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: seed {}: \"{}\"", self.what, self.seed, self.bytes.escape_ascii());
        }
    }
}

/// How many cases each reader gets.
///
/// # Panics
/// Where `RIDETHROUGH_FUZZ` is no number.
#[must_use]
pub fn cases() -> u64 {
    std::env::var("RIDETHROUGH_FUZZ").map_or(4000, |text| text.parse().expect("RIDETHROUGH_FUZZ is a number of cases"))
}

/// Gives a reader the messages themselves, each of their beginnings, and mutants of them.
pub fn feed(what: &str, messages: &[&[u8]], mut read: impl FnMut(&[u8])) {
    let mut one = |seed: u64, bytes: &[u8]| {
        let case = Case { what, seed, bytes };
        read(case.bytes);
    };
    for message in messages {
        for end in 0..=message.len().min(GROWTH_MAX) {
            one(0, &message[..end]);
        }
    }
    for seed in 1..=cases() {
        one(seed, &mutant(seed, messages));
    }
}

/// One of the messages, changed in one to eight places.
#[must_use]
pub fn mutant(seed: u64, messages: &[&[u8]]) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut bytes = dice.of(messages).unwrap_or_default().to_vec();
    let limit = bytes.len() + GROWTH_MAX;
    for _ in 0..=dice.below(8) {
        change(&mut bytes, messages, &mut dice);
        bytes.truncate(limit);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, messages: &[&[u8]], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let end = at + dice.below(bytes.len() - at + 1);
    match dice.below(9) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        1 => {
            let letter = dice.of(LETTERS).unwrap_or_default();
            bytes.insert(at, letter);
        }
        2 => drop(bytes.drain(at..end)),
        3 => bytes.truncate(at),
        4 => {
            let again = bytes[at..end].repeat(1 + dice.below(4));
            bytes.splice(at..at, again);
        }
        // A length or a count at its edge, where words stand.
        5 | 6 => {
            let word = dice.of(&EDGES).unwrap_or_default().to_be_bytes();
            let place = at / 4 * 4;
            if let Some(four) = bytes.get_mut(place..place + 4) {
                four.copy_from_slice(&word);
            }
        }
        7 => {
            let other = dice.of(messages).unwrap_or_default();
            let from = dice.below(other.len() + 1);
            bytes.splice(at..end, other[from..].iter().copied());
        }
        _ => {
            let noise: Vec<u8> = (0..dice.below(64)).map(|_| u8::try_from(dice.below(256)).unwrap_or_default()).collect();
            bytes.splice(at..at, noise);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_others_give_others() {
        let messages: [&[u8]; 2] = [b"VAR alpha ups.status \"OL\"\n", b"ERR DATA-STALE\n"];
        let all = || (1..=500).map(|seed| mutant(seed, &messages)).collect::<Vec<_>>();
        assert_eq!(all(), all());
        let different: std::collections::BTreeSet<Vec<u8>> = all().into_iter().collect();
        assert!(different.len() > 400, "{}", different.len());
        assert!(different.iter().all(|bytes| bytes.len() <= 26 + GROWTH_MAX));
    }

    #[test]
    fn a_reader_with_a_mistake_is_caught() {
        let messages: [&[u8]; 1] = [&[0, 0, 0, 2, b'o', b'k']];
        // Believes the length.
        let read = |bytes: &[u8]| {
            let length = bytes.first_chunk::<4>().map_or(0, |word| u32::from_be_bytes(*word)) as usize;
            assert!(bytes.len() < 4 || length <= bytes.len() - 4, "beyond its end");
        };
        let caught = std::panic::catch_unwind(|| feed("a naive reader", &messages, read));
        assert!(caught.is_err());
    }
}
