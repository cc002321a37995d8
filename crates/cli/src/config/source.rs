//! Where something stands: the text of a file, a place in it, and a finding tied to that place.

use ridethrough_model::{Finding, FindingLevel};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file as it was read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    /// As the user named it.
    pub(crate) path: PathBuf,
    /// What it holds.
    pub(crate) text: String,
}

impl Source {
    /// The folder that relative paths in the file begin at.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new(""))
    }
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: Arc<Source>,
    /// Bytes of its text.
    pub(crate) span: Range<usize>,
}

impl Place {
    /// Another stretch of the same file.
    pub(crate) fn at(&self, span: Range<usize>) -> Self {
        Self { source: Arc::clone(&self.source), span }
    }

    /// Where it begins: line and column, both from 1, columns in characters.
    pub(crate) fn position(&self) -> (usize, usize) {
        let text = &self.source.text;
        let before = text.get(..self.span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A finding and where it was found; without a place where it is about the configuration as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) finding: Finding,
    pub(crate) place: Option<Place>,
}

impl Located {
    /// A finding of a place.
    pub(crate) fn at(place: Place, finding: Finding) -> Self {
        Self { finding, place: Some(place) }
    }

    /// A finding about everything.
    pub(crate) fn everywhere(finding: Finding) -> Self {
        Self { finding, place: None }
    }

    /// Whether it means that something is not protected or wrong.
    pub(crate) fn is_error(&self) -> bool {
        self.finding.level == FindingLevel::Error
    }
}

/// In the order of reading: by file and place; what is about everything comes last. Nothing is said twice.
pub(crate) fn sort(findings: &mut Vec<Located>) {
    let key = |one: &Located| one.place.as_ref().map(|place| (place.source.path.clone(), place.span.start, place.span.end));
    findings.sort_by(|a, b| {
        let (place_a, place_b) = (key(a), key(b));
        let places = place_a.is_none().cmp(&place_b.is_none()).then_with(|| place_a.cmp(&place_b));
        places.then_with(|| b.finding.level.cmp(&a.finding.level)).then_with(|| a.finding.cmp(&b.finding))
    });
    findings.dedup();
}
