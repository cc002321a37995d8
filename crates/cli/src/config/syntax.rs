//! Mistakes in the TOML itself: said in words, and kept from hiding or inventing others. What stands in a table with such a mistake is
//! not judged any further; the other tables are.

use super::source::{Located, Place, Source};
use ridethrough_model::Finding;
use std::ops::Range;
use std::sync::Arc;
use toml::de::Error;

/// How the TOML reader says that a key or table is there twice.
const DUPLICATE: &str = "duplicate key";

/// The tables of one file that cannot be read for sure: each from its head to the next one.
#[derive(Debug, Default)]
pub(super) struct Damage(Vec<Range<usize>>);

impl Damage {
    /// Whether anything is damaged. Then what seems to be missing may be in there.
    pub(super) fn is_some(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether that place is in such a table.
    pub(super) fn holds(&self, place: &Place) -> bool {
        self.0.iter().any(|range| range.contains(&place.span.start))
    }
}

/// The mistakes as findings, and what they spoil. In one table only the first is said: the others mostly follow from it.
pub(super) fn judge(source: &Arc<Source>, errors: &[Error]) -> (Vec<Located>, Damage) {
    let mut findings = Vec::new();
    let mut damage = Damage::default();
    for error in errors {
        let place = Place { source: Arc::clone(source), span: error.span().unwrap_or(0..0) };
        if !damage.holds(&place) {
            damage.0.push(table_at(&source.text, place.span.start));
            let finding = if error.message() == DUPLICATE { twice(&place) } else { no_toml(error.message()) };
            findings.push(Located::at(place, finding));
        }
    }
    (findings, damage)
}

fn no_toml(message: &str) -> Finding {
    let message = format!("this is no TOML: {message}. The rest of this table is not looked at.");
    let remedy = "Mend it here or just before; https://toml.io shows how tables, texts and lists are written.";
    Finding::error("RT0102", "file", message, remedy)
}

fn twice(place: &Place) -> Finding {
    let text = &place.source.text;
    let table = table_at(text, place.span.start);
    let line = text[line_start(text, place.span.start)..].lines().next().unwrap_or_default();
    let key = text.get(place.span.clone()).unwrap_or_default();
    let (what, first) = if is_head(line) {
        (line.trim(), line_of(text, 0, |other| other.trim() == line.trim()))
    } else {
        (key, line_of(text, table.start, |other| other.split('=').next().is_some_and(|word| word.trim() == key)))
    };
    let there = first.map_or_else(String::new, |line| format!(", in line {line}"));
    let message = format!("`{what}` is there already{there}.");
    Finding::error("RT0105", "file", message, "Keep one of them; if two things are meant, give them two names.")
}

/// From the head of the table that place is in, to the next one.
fn table_at(text: &str, at: usize) -> Range<usize> {
    let mut range = 0..text.len();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if is_head(line) {
            if start > at {
                range.end = start;
                break;
            }
            range.start = start;
        }
        start += line.len();
    }
    range
}

fn is_head(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// The number of the first line from there on of which it is true.
fn line_of(text: &str, from: usize, is_it: impl Fn(&str) -> bool) -> Option<usize> {
    let before = text[..from].matches('\n').count();
    text[from..].lines().position(is_it).map(|index| before + index + 1)
}
