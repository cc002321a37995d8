//! Drills: rehearsals of an outage that touch nothing.

use crate::unit::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far a drill goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillLevel {
    /// The whole course of an outage is played with what is known now. Nothing is touched.
    Paper,
    /// Everything that an outage needs is asked. Nothing is changed.
    Preflight,
}

impl DrillLevel {
    /// As it is typed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Preflight => "preflight",
        }
    }
}

impl fmt::Display for DrillLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What came of a drill for one domain, or for the site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillPart {
    /// What it is about: "domain rack-a", "site".
    pub subject: String,
    /// How long it took until everything was down, or asked.
    pub duration: Option<Millis>,
    /// What the battery had left then.
    pub margin: Option<Millis>,
    /// What went wrong, each in a sentence.
    pub failures: Vec<String>,
    /// What is in doubt, or would be poor.
    pub warnings: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// What came of a drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReport {
    /// Its number, from 1.
    pub number: u64,
    /// How far it went.
    pub level: DrillLevel,
    /// When it ended.
    pub at: jiff::Timestamp,
    /// By whom.
    pub by: String,
    /// What came of it.
    pub parts: Vec<DrillPart>,
}

/// A tenth more or less, or a few seconds, is no news.
const NEWS_MIN: Millis = Millis::from_secs(5);

fn is_news(small: Millis, large: Millis) -> bool {
    large > small + NEWS_MIN && large > small + small.scaled(1, 10)
}

impl DrillReport {
    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.parts.iter().all(|part| part.failures.is_empty())
    }

    /// Whether another one was of the same level and about the same.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let is_about = |part: &DrillPart| other.parts.iter().any(|known| known.subject == part.subject);
        self.level == other.level && self.parts.iter().any(is_about)
    }

    /// What got worse since an earlier one that was like it.
    #[must_use]
    pub fn worse_than(&self, last: &Self) -> Vec<String> {
        let mut worse = Vec::new();
        for part in &self.parts {
            let Some(before) = last.parts.iter().find(|before| before.subject == part.subject) else { continue };
            let subject = &part.subject;
            let is_new = |word: &&String| !before.failures.contains(word) && !before.warnings.contains(word);
            for failure in part.failures.iter().filter(|failure| !before.failures.contains(failure)) {
                worse.push(format!("{subject}: new failure: {failure}"));
            }
            for warning in part.warnings.iter().filter(is_new) {
                worse.push(format!("{subject}: new warning: {warning}"));
            }
            if let (Some(was), Some(is)) = (before.duration, part.duration)
                && is_news(was, is)
            {
                worse.push(format!("{subject}: takes {is} instead of {was}"));
            }
            match (before.margin, part.margin) {
                (Some(was), Some(is)) if is_news(is, was) => {
                    worse.push(format!("{subject}: {is} of battery are left instead of {was}"));
                }
                (Some(was), None) => {
                    worse.push(format!("{subject}: what the battery has left is not known any more, it was {was}"))
                }
                _ => {}
            }
        }
        worse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_7_drills_a_new_doubt_is_worse_and_one_that_was_a_failure_is_not() {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let report = |failures: &[&str], warnings: &[&str]| {
            let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            let part = DrillPart {
                subject: "host a".to_owned(),
                failures: words(failures),
                warnings: words(warnings),
                ..DrillPart::default()
            };
            DrillReport { number: 1, level: DrillLevel::Preflight, at, by: "x".to_owned(), parts: vec![part] }
        };
        let (well, doubtful, failed) = (report(&[], &[]), report(&[], &["no answer"]), report(&["no answer"], &[]));
        assert_eq!(doubtful.worse_than(&well), ["host a: new warning: no answer"]);
        assert_eq!(failed.worse_than(&doubtful), ["host a: new failure: no answer"]);
        assert!(doubtful.worse_than(&failed).is_empty() && doubtful.worse_than(&doubtful).is_empty());
        assert!(doubtful.is_good() && !failed.is_good());
    }

    #[test]
    fn point_7_drills_what_got_worse_is_named_and_small_differences_are_none() {
        let part = |duration: u64, margin: Option<u64>, failures: &[&str]| DrillPart {
            subject: "domain a".to_owned(),
            duration: Some(Millis::from_secs(duration)),
            margin: margin.map(Millis::from_secs),
            failures: failures.iter().map(|failure| (*failure).to_owned()).collect(),
            ..DrillPart::default()
        };
        let at = jiff::Timestamp::UNIX_EPOCH;
        let report = |part| DrillReport { number: 1, level: DrillLevel::Paper, at, by: "x".to_owned(), parts: vec![part] };
        let last = report(part(100, Some(300), &["old"]));
        assert!(report(part(109, Some(280), &["old"])).worse_than(&last).is_empty());
        assert!(report(part(50, Some(500), &[])).worse_than(&last).is_empty(), "better is not worse");
        let worse = report(part(120, Some(200), &["old", "new one"])).worse_than(&last);
        assert_eq!(worse.len(), 3, "{worse:?}");
        assert!(report(part(100, None, &["old"])).worse_than(&last)[0].contains("not known"));
        assert!(report(part(3, Some(2), &[])).worse_than(&report(part(1, Some(5), &[]))).is_empty(), "seconds are no news");
    }
}
