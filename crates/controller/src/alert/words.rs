//! Messages in words: a subject and a text that can be read on a telephone, in the reader's language.

use super::{Language, german};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ridethrough_store::Letter;

/// A message older than this says so.
const LATE_MS: i64 = 60_000;
/// More does not fit a subject.
const SUBJECT_CHARS_MAX: usize = 120;

/// `say!(language, english, german)`, both as for `format!`.
macro_rules! say {
    ($language:expr, $en:literal, $de:literal) => {
        match $language {
            Language::En => format!($en),
            Language::De => format!($de),
        }
    };
}

/// How messages are written for one reader.
#[derive(Clone, Debug)]
pub(super) struct Words {
    /// What the site is called.
    pub(super) site: String,
    pub(super) language: Language,
}

impl Words {
    /// The most severe message, and how many more there are.
    pub(super) fn subject(&self, letters: &[Letter]) -> String {
        let site = &self.site;
        let rank = |letter: &Letter| match letter.severity.as_str() {
            "alarm" => 2,
            "warning" => 1,
            _ => 0,
        };
        // Of equally severe ones the newest: what is true now.
        let Some(first) = letters.iter().max_by_key(|letter| rank(letter)) else { return format!("[Ridethrough {site}]") };
        let more = match letters.len().saturating_sub(1) {
            0 => String::new(),
            count => say!(self.language, " (+{count} more)", " (+{count} weitere)"),
        };
        let said = self.said(&first.text);
        let mut text: String = said.chars().take(SUBJECT_CHARS_MAX).collect();
        if said.chars().count() > SUBJECT_CHARS_MAX {
            text.push('…');
        }
        format!("[Ridethrough {site}] {}{text}{more}", if rank(first) == 2 { "ALARM: " } else { "" })
    }

    /// All messages, oldest first, one paragraph each.
    pub(super) fn body(&self, letters: &[Letter], now: Timestamp) -> String {
        let mut text = String::new();
        for letter in letters {
            let mark = match letter.severity.as_str() {
                "alarm" => "ALARM  ".to_owned(),
                "warning" => say!(self.language, "WARNING  ", "WARNUNG  "),
                _ => String::new(),
            };
            text.push_str(&format!("{}  {mark}{}\n", moment(letter.at_ms), self.said(&letter.text)));
            if let Some(why) = &letter.why {
                let why = self.said(why);
                text.push_str(&say!(self.language, "    Why: {why}\n", "    Warum: {why}\n"));
            }
            if let Some(code) = &letter.code {
                let page = format!("docs/errors/{code}.md");
                text.push_str(&say!(self.language, "    What to do: {page}\n", "    Was zu tun ist: {page}\n"));
            }
        }
        let waited_ms = letters.first().map_or(0, |letter| now.as_millisecond() - letter.at_ms);
        if waited_ms > LATE_MS {
            let waited = ridethrough_model::Millis(u64::try_from(waited_ms).unwrap_or(0));
            text.push_str(&say!(
                self.language,
                "\nThe first of these waited for {waited}: it could not be delivered earlier.\n",
                "\nDie erste davon hat {waited} gewartet: früher war sie nicht zuzustellen.\n"
            ));
        }
        let site = &self.site;
        text.push_str(&say!(
            self.language,
            "\nRidethrough on {site}. `ridethrough status` says how things are now.\n",
            "\nRidethrough auf {site}. `ridethrough status` sagt, wie es jetzt steht.\n"
        ));
        text
    }

    /// One sentence, on one line.
    fn said(&self, text: &str) -> String {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match self.language {
            Language::En => line,
            Language::De => german::in_german(&line),
        }
    }
}

/// Local time with its zone, for people far away.
fn moment(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms)
        .map(|at| at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string())
        .unwrap_or_else(|_| "(no time)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_of_german_gets_frame_and_sentences_in_german() {
        let letter = |severity: &str, text: &str| Letter {
            at_ms: 0,
            severity: severity.to_owned(),
            text: text.to_owned(),
            why: Some("its time is over".to_owned()),
            code: Some("RT0405".to_owned()),
        };
        let letters = [letter("alarm", "UPS a says its battery is low"), letter("warning", "nothing we ever said\n")];
        let words = Words { site: "wache".to_owned(), language: Language::De };
        assert_eq!(words.subject(&letters), "[Ridethrough wache] ALARM: USV a meldet schwache Batterie (+1 weitere)");
        let body = words.body(&letters, Timestamp::from_millisecond(LATE_MS + 1).expect("a moment"));
        for line in [
            "ALARM  USV a meldet schwache Batterie\n",
            "WARNUNG  nothing we ever said \n",
            "    Warum: seine Zeit ist um\n",
            "    Was zu tun ist: docs/errors/RT0405.md\n",
            "früher war sie nicht zuzustellen.",
            "Ridethrough auf wache.",
        ] {
            assert!(body.contains(line), "{line}:\n{body}");
        }
        let english = Words { language: Language::En, ..words };
        assert!(!english.body(&letters, Timestamp::UNIX_EPOCH).contains("Warum"));
    }
}
