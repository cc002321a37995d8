//! The list of what may be longer than the rule says, each with a reason. An entry nothing needs any more is a finding.

use super::Finding;

pub(super) const FILE: &str = "xtask/tidy-exceptions.txt";

#[derive(Debug)]
struct Exception {
    line: usize,
    /// `path` for a file, `path::function` for a function.
    subject: String,
    lines_max: usize,
    used: bool,
}

#[derive(Debug)]
pub(super) struct Exceptions {
    entries: Vec<Exception>,
}

impl Exceptions {
    /// Lines are `SUBJECT LINES_MAX REASON...`; `#` begins a comment.
    pub(super) fn parse(text: &str, findings: &mut Vec<Finding>) -> Self {
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            let subject = words.next().unwrap_or_default().to_owned();
            let lines_max = words.next().and_then(|word| word.parse().ok());
            let has_reason = words.count() >= 3;
            match lines_max {
                Some(lines_max) if has_reason => {
                    entries.push(Exception { line: line_number, subject, lines_max, used: false });
                }
                _ => findings.push(Finding::new(
                    FILE,
                    line_number,
                    "is no exception",
                    "write `PATH[::FUNCTION] LINES_MAX REASON`, the reason in at least three words",
                )),
            }
        }
        Self { entries }
    }

    /// The limit listed for a subject, which from now on counts as needed.
    pub(super) fn lines_max(&mut self, subject: &str) -> Option<usize> {
        let entry = self.entries.iter_mut().find(|entry| entry.subject == subject)?;
        entry.used = true;
        Some(entry.lines_max)
    }

    pub(super) fn check_all_used(&self, findings: &mut Vec<Finding>) {
        for entry in self.entries.iter().filter(|entry| !entry.used) {
            findings.push(Finding::new(
                FILE,
                entry.line,
                format!("`{}` needs no exception any more", entry.subject),
                "delete the line",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_reason_or_without_need_is_found() {
        let mut findings = Vec::new();
        let text = "# head\n\na.rs 600\nb.rs 600 one table of a vendor's codes\n";
        let mut exceptions = Exceptions::parse(text, &mut findings);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].line, 3);
        assert_eq!(exceptions.lines_max("c.rs"), None);
        exceptions.check_all_used(&mut findings);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(findings[1].line, 4);
    }

    #[test]
    fn an_entry_that_is_needed_gives_its_limit() {
        let mut findings = Vec::new();
        let text = "b.rs::long 90 one arm per code\n";
        let mut exceptions = Exceptions::parse(text, &mut findings);
        assert_eq!(exceptions.lines_max("b.rs::long"), Some(90));
        exceptions.check_all_used(&mut findings);
        assert!(findings.is_empty(), "{findings:?}");
    }
}
