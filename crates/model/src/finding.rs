//! What `check`, `lint` and the running controller have to say to a person.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingLevel {
    /// Worth knowing.
    Info,
    /// Protected, but less than it looks.
    Warning,
    /// Not protected, or the plan is wrong.
    Error,
}

/// One thing somebody should know or mend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// How bad.
    pub level: FindingLevel,
    /// Stable code `RTnnnn`; `docs/errors/RTnnnn.md` explains it.
    pub code: String,
    /// What it is about: "host kvm1", "tier batch".
    pub subject: String,
    /// What is the matter, in one sentence.
    pub message: String,
    /// What to do about it, in one sentence.
    pub remedy: String,
}

impl Finding {
    /// A finding of any level.
    pub fn new(
        level: FindingLevel,
        code: &str,
        subject: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { level, code: code.to_owned(), subject: subject.into(), message: message.into(), remedy: remedy.into() }
    }
    /// Not protected, or wrong.
    pub fn error(code: &str, subject: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(FindingLevel::Error, code, subject, message, remedy)
    }
    /// Protected, but less than it looks.
    pub fn warning(code: &str, subject: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(FindingLevel::Warning, code, subject, message, remedy)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            FindingLevel::Info => "info",
            FindingLevel::Warning => "warning",
            FindingLevel::Error => "error",
        };
        write!(f, "{level} {}: {}: {} {}", self.code, self.subject, self.message, self.remedy)
    }
}
