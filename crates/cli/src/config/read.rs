//! From texts to sections. Each table is read by itself, so that one mistake does not hide the next; what the tables mean
//! together is not looked at here.

use super::secret::{CLEAR_TEXT, NO_REFERENCE};
use super::section::BATTERY_KEYS;
use super::source::{Located, Place, Source};
use super::suggest::nearest;
use super::syntax::{self, Damage};
use super::{Config, Entry};
use ridethrough_model::Finding;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

const SECTIONS: [&str; 12] =
    ["alert", "controller", "domain", "drill", "host", "load", "moves", "platform", "return", "tier", "ups", "vm"];
/// Mistakes that are named in one table; the rest shows when these are mended.
const MISTAKES_MAX: usize = 20;
/// How serde says that a key is missing.
const MISSING: &str = "missing field ";
/// How the TOML reader says that a table which must hold one key does not.
const NOT_ONE: &str = "wanted exactly 1 element";

/// What could be read, and what not.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) config: Config,
    pub(super) findings: Vec<Located>,
    /// The name of every table, also of those that could not be read.
    pub(super) declared: BTreeSet<String>,
}

/// serde's words for a person.
const WORDS: [(&str, &str); 6] = [
    ("expected u8", "expected a whole number from 0 to 255"),
    ("expected u16", "expected a whole number from 0 to 65535"),
    ("expected u32", "expected a whole number"),
    ("expected a string", "expected a text in quotes"),
    ("expected a sequence", "expected a list: [ ... ]"),
    ("expected a boolean", "expected true or false"),
];

/// Reads all files, in order.
pub(super) fn read(sources: &[Arc<Source>]) -> Read {
    let mut reader = Reader::default();
    for source in sources {
        reader.file(source);
    }
    Read { config: reader.config, findings: reader.findings, declared: reader.declared }
}

#[derive(Default)]
struct Reader {
    config: Config,
    findings: Vec<Located>,
    /// Of the file being read.
    damage: Damage,
    declared: BTreeSet<String>,
}

impl Reader {
    fn file(&mut self, source: &Arc<Source>) {
        let (root, errors) = DeTable::parse_recoverable(&source.text);
        let (said, damage) = syntax::judge(source, &errors);
        let before = self.findings.len();
        self.damage = damage;
        for (key, value) in root.into_inner() {
            let place = Place { source: Arc::clone(source), span: key.span() };
            self.section(key.get_ref(), value, &place);
        }
        let damage = std::mem::take(&mut self.damage);
        let here = self.findings.split_off(before);
        self.findings.extend(here.into_iter().filter(|found| found.place.as_ref().is_none_or(|place| !damage.holds(place))));
        self.findings.extend(said);
    }

    fn section(&mut self, key: &str, value: Spanned<DeValue<'_>>, place: &Place) {
        match key {
            "controller" => {
                let read =
                    self.single("controller", value, place, self.config.controller.as_ref().map(|entry| &entry.place).cloned());
                self.config.controller = read.or(self.config.controller.take());
            }
            "moves" => {
                let read = self.single("moves", value, place, self.config.moves.as_ref().map(|entry| &entry.place).cloned());
                self.config.moves = read.or(self.config.moves.take());
            }
            "return" => {
                let read = self.single("return", value, place, self.config.back.as_ref().map(|entry| &entry.place).cloned());
                self.config.back = read.or(self.config.back.take());
            }
            "vm" => {
                let read = self.listed("vm", value, place);
                self.config.rules.extend(read);
            }
            "drill" => {
                let read = self.single("drill", value, place, self.config.drill.as_ref().map(|entry| &entry.place).cloned());
                self.config.drill = read.or(self.config.drill.take());
            }
            "ups" => {
                let mut known = std::mem::take(&mut self.config.upses);
                self.named(("UPS", "ups", "nut"), value, place, &mut known);
                self.config.upses = known;
            }
            "platform" => {
                let mut known = std::mem::take(&mut self.config.platforms);
                self.named(("platform", "platform", "libvirt"), value, place, &mut known);
                self.config.platforms = known;
            }
            "load" => {
                let mut known = std::mem::take(&mut self.config.loads);
                self.named(("load", "load", "passive"), value, place, &mut known);
                self.config.loads = known;
            }
            "alert" => {
                let mut known = std::mem::take(&mut self.config.alerts);
                self.named(("alert", "alert", "email"), value, place, &mut known);
                self.config.alerts = known;
            }
            "host" => {
                let mut known = std::mem::take(&mut self.config.hosts);
                self.named(("host", "host", ""), value, place, &mut known);
                self.config.hosts = known;
            }
            "domain" => {
                let read = self.listed("domain", value, place);
                self.config.domains.extend(read);
            }
            "tier" => {
                let read = self.listed("tier", value, place);
                self.config.tiers.extend(read);
            }
            unknown => {
                let meant = nearest(unknown, SECTIONS);
                let finding =
                    unknown_key("file", "table", unknown, meant, &SECTIONS.map(|known| format!("`{known}`")).join(", "));
                self.findings.push(Located::at(place.clone(), finding));
            }
        }
    }

    /// `[controller]`: at most once in all files.
    fn single<T: DeserializeOwned>(
        &mut self,
        key: &str,
        value: Spanned<DeValue<'_>>,
        place: &Place,
        first: Option<Place>,
    ) -> Option<Entry<T>> {
        if let Some(first) = first {
            self.twice(key, &format!("`[{key}]`"), place, &first);
            return None;
        }
        let value = self.value(key, value, place)?;
        Some(Entry { place: place.clone(), value })
    }

    /// `[ups.NAME...]`: names are unique over all files. `words` are: what a person calls it, its key, and an example of the key
    /// that says the driver (empty where there is none).
    fn named<T: DeserializeOwned>(
        &mut self,
        words: (&str, &str, &str),
        value: Spanned<DeValue<'_>>,
        place: &Place,
        known: &mut BTreeMap<String, Entry<T>>,
    ) {
        let (noun, key, driver) = words;
        let DeValue::Table(entries) = value.into_inner() else {
            let remedy = format!("Write `[{key}.NAME]` and its keys below.");
            return self.wrong(key, &format!("`{key}` needs a name: it is a table of tables."), &remedy, place);
        };
        for (name, value) in entries {
            let subject = format!("{noun} {}", name.get_ref());
            let place = place.at(name.span());
            self.declared.insert(name.get_ref().to_string());
            if let Some(first) = known.get(name.get_ref().as_ref()) {
                let what = format!("`[{key}.{}]`", name.get_ref());
                self.twice(&subject, &what, &place, &first.place.clone());
                continue;
            }
            let beside: &[&str] = if key == "ups" { &BATTERY_KEYS } else { &[] };
            let is_driver =
                |(key, _): &(&Spanned<_>, _)| !beside.contains(&Spanned::<std::borrow::Cow<'_, str>>::get_ref(key).as_ref());
            let drivers = value.get_ref().as_table().map_or(0, |table| table.iter().filter(is_driver).count());
            if !driver.is_empty() && drivers != 1 && !(drivers == 0 && self.damage.is_some()) {
                let message = format!("it must say with which driver, and only one: there are {drivers} keys here.");
                let remedy = format!("Write `[{key}.{}.{driver}]` and put its keys below that.", name.get_ref());
                self.wrong(&subject, &message, &remedy, &place);
                continue;
            }
            if let Some(value) = self.value(&subject, value, &place) {
                known.insert(name.into_inner().into_owned(), Entry { place, value });
            }
        }
    }

    /// `[[tier]]`: a list, in order.
    fn listed<T: DeserializeOwned>(&mut self, key: &str, value: Spanned<DeValue<'_>>, place: &Place) -> Vec<Entry<T>> {
        let DeValue::Array(values) = value.into_inner() else {
            let message = format!("`{key}` is a list.");
            self.wrong(key, &message, &format!("Write `[[{key}]]` with two brackets."), place);
            return Vec::new();
        };
        let mut read = Vec::new();
        for value in values {
            let name = value.get_ref().get("name").and_then(|name| name.get_ref().as_str());
            let subject = name.map_or_else(|| key.to_owned(), |name| format!("{key} {name}"));
            let place = place.at(value.span());
            if let Some(value) = self.value(&subject, value, &place) {
                read.push(Entry { place, value });
            }
        }
        read
    }

    /// One table, with every mistake in it: what is wrong is named, taken out, and the rest is read on.
    fn value<T: DeserializeOwned>(&mut self, subject: &str, mut value: Spanned<DeValue<'_>>, place: &Place) -> Option<T> {
        let mut wounded: Vec<Range<usize>> = Vec::new();
        for _ in 0..MISTAKES_MAX {
            let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(_) if !wounded.is_empty() => return None,
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            let span = error.span().unwrap_or_else(|| place.span.clone());
            let is_missing = [MISSING, NOT_ONE].iter().any(|start| error.message().starts_with(start));
            // It may be what was taken out, or what that was meant to be.
            let is_ours = is_missing && (wounded.contains(&span) || !wounded.is_empty() && span == place.span);
            if !(is_ours || is_missing && self.damage.is_some()) {
                self.findings.push(structural(subject, error.message(), &place.at(span.clone())));
            }
            let whole = value.span();
            if !take_out(value.get_mut(), &span, &mut wounded) {
                break;
            }
            wounded.push(whole);
        }
        None
    }

    fn twice(&mut self, subject: &str, what: &str, place: &Place, first: &Place) {
        let (line, _) = first.position();
        let message = format!("{what} is there already, in {} line {line}.", first.source.path.display());
        let finding =
            Finding::error("RT0105", subject, message, "Keep one of them; if two things are meant, give them two names.");
        self.findings.push(Located::at(place.clone(), finding));
    }

    fn wrong(&mut self, subject: &str, message: &str, remedy: &str, place: &Place) {
        self.findings.push(Located::at(place.clone(), Finding::error("RT0104", subject, message, remedy)));
    }
}

/// What serde says, as a finding.
fn structural(subject: &str, message: &str, place: &Place) -> Located {
    let after = |text: &str| message.split_once(text).map(|(_, rest)| rest.trim_start_matches("one of ").to_owned());
    let written = place.source.text.get(place.span.clone()).unwrap_or_default();
    let finding = if message.starts_with("unknown field") || message.starts_with("unknown variant") {
        let is_key = message.starts_with("unknown field") || !written.starts_with(['"', '\'']);
        let word = written.trim_matches(['"', '\'']);
        let known = after("`, expected ").unwrap_or_else(|| "none".to_owned());
        let meant = nearest(word, known.split('`').skip(1).step_by(2)).map(str::to_owned);
        unknown_key(subject, if is_key { "key" } else { "value" }, word, meant.as_deref(), &known)
    } else if message == CLEAR_TEXT || message == NO_REFERENCE {
        let remedy = "Put it into a file of its own (mode 0600) and write `{ file = \"...\" }` here.";
        Finding::error("RT0106", subject, format!("{message}."), remedy)
    } else if message.starts_with(NOT_ONE) {
        let remedy = "Write one; docs/configuration.md lists them.";
        Finding::error("RT0104", subject, "exactly one key must stand in this table.", remedy)
    } else if let Some(key) = message.strip_prefix(MISSING) {
        let remedy = "Add it; docs/configuration.md says what it means.";
        Finding::error("RT0104", subject, format!("the key {key} is missing."), remedy)
    } else {
        let remedy = "Correct the value; docs/configuration.md says what is allowed.";
        let message = WORDS.iter().fold(message.to_owned(), |said, (theirs, ours)| said.replace(theirs, ours));
        Finding::error("RT0104", subject, format!("{message}."), remedy)
    };
    Located::at(place.clone(), finding)
}

fn unknown_key(subject: &str, what: &str, word: &str, meant: Option<&str>, known: &str) -> Finding {
    let remedy = match meant {
        Some(meant) => format!("Did you mean `{meant}`? Known here: {known}."),
        None => format!("Known here: {known}."),
    };
    Finding::error("RT0103", subject, format!("unknown {what} `{word}`."), remedy)
}

/// Takes out what stands at that place: a key, or the key of a value; whether there was one. `wounded` are the tables around it:
/// what is missing there now may be what was taken out.
fn take_out(value: &mut DeValue<'_>, span: &Range<usize>, wounded: &mut Vec<Range<usize>>) -> bool {
    match value {
        DeValue::Table(table) => {
            let here = table.iter().find(|(key, value)| key.span() == *span || value.span() == *span);
            if let Some(key) = here.map(|(key, _)| key.get_ref().clone().into_owned()) {
                return table.remove(key.as_str()).is_some();
            }
            table.iter_mut().any(|(key, value)| {
                let places = [key.span(), value.span()];
                let is_taken = take_out(value.get_mut(), span, wounded);
                if is_taken {
                    wounded.extend(places);
                }
                is_taken
            })
        }
        DeValue::Array(values) => values.iter_mut().any(|value| {
            let place = value.span();
            let is_taken = take_out(value.get_mut(), span, wounded);
            if is_taken {
                wounded.push(place);
            }
            is_taken
        }),
        _ => false,
    }
}
