//! The words of one line, taken one after the other; each complaint says what was expected.

use ridethrough_model::Millis;
use std::fmt::Display;

pub(super) struct Words<'a> {
    left: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        let mut left: Vec<&str> = line.split_whitespace().collect();
        left.reverse();
        Self { left }
    }

    pub(super) fn next(&mut self, expected: &str) -> Result<&'a str, String> {
        self.left.pop().ok_or_else(|| format!("something is missing at its end: say {expected}"))
    }

    pub(super) fn next_if_any(&mut self) -> Option<&'a str> {
        self.left.pop()
    }

    /// Takes that word if it comes next.
    pub(super) fn has(&mut self, word: &str) -> bool {
        let is_it = self.left.last() == Some(&word);
        if is_it {
            self.left.pop();
        }
        is_it
    }

    /// Takes `name=VALUE` wherever it stands.
    pub(super) fn value(&mut self, name: &str) -> Option<&'a str> {
        let place = self.left.iter().position(|word| word.split_once('=').is_some_and(|(key, _)| key == name))?;
        self.left.remove(place).split_once('=').map(|(_, value)| value)
    }

    /// The same, for a time.
    pub(super) fn setting(&mut self, name: &str) -> Result<Option<Millis>, String> {
        self.value(name).map(time).transpose()
    }

    pub(super) fn time(&mut self, expected: &str) -> Result<Millis, String> {
        time(self.next(expected)?)
    }

    pub(super) fn choice<T: Copy>(&mut self, choices: &[(&str, T)]) -> Result<T, String> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let expected = names.join(" or ");
        let word = self.next(&expected)?;
        let chosen = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        chosen.ok_or_else(|| format!("`{word}` is not known here: say {expected}"))
    }

    /// One of those that there are.
    pub(super) fn name<T: Display>(&mut self, kind: &str, known: Vec<T>) -> Result<T, String> {
        let word = self.next(&format!("the name of a {kind}"))?;
        self.one_of(kind, word, known)
    }

    pub(super) fn one_of<T: Display>(&self, kind: &str, word: &str, known: Vec<T>) -> Result<T, String> {
        let names: Vec<String> = known.iter().map(T::to_string).collect();
        let found = known.into_iter().find(|one| one.to_string() == word);
        found.ok_or_else(|| format!("there is no {kind} `{word}`; there are {}", names.join(", ")))
    }

    /// Nothing is left over.
    pub(super) fn end(&self) -> Result<(), String> {
        let Some(word) = self.left.last() else { return Ok(()) };
        Err(format!("`{word}` is one word too many"))
    }
}

/// 30s, 10m, 2h, or seconds without a unit.
pub(super) fn time(text: &str) -> Result<Millis, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).len());
    let seconds = match unit {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok().filter(|number| *number <= 1_000_000);
    match (number, seconds) {
        (Some(number), Some(seconds)) => Ok(Millis::from_secs(number * seconds)),
        _ => Err(format!("`{text}` is no time: say 30s, 10m or 2h")),
    }
}
