//! Words that do not merge: reminders without an issue, leftovers of debugging, tests that are switched off.
//!
//! The words are put together from two halves here, so that this file does not find itself.

use super::Finding;
use super::tree::SourceFile;

const REMINDER: &str = concat!("TO", "DO");

const BANNED: &[(&str, &str)] = &[
    (concat!("FIX", "ME"), "fix it, or file an issue and refer to it"),
    (concat!("dbg", "!"), "remove it, or use `tracing`"),
    (concat!("todo", "!"), "write it, or return an error that says it is not supported"),
    (concat!("#[ig", "nore"), "make it run, or skip it with a reason that is counted (docs/testing.md)"),
    (concat!("#[should", "_panic"), "assert the error as a value"),
];

pub(super) fn check(file: &SourceFile, findings: &mut Vec<Finding>) {
    if !is_code(&file.path) {
        return;
    }
    let Some(text) = file.text() else { return };
    for (index, line) in text.lines().enumerate() {
        for (word, instead) in BANNED {
            if has_word(line, word) {
                findings.push(Finding::new(&file.path, index + 1, format!("`{word}`"), *instead));
            }
        }
        if has_word(line, REMINDER) && !names_an_issue(line) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                format!("`{REMINDER}` without an issue"),
                format!("write `{REMINDER}(#12): ...`, or do it now"),
            ));
        }
    }
}

/// Documents may speak of the words; what is compiled or run may not use them.
fn is_code(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    [".rs", ".sh", ".toml", ".c"].iter().any(|end| name.ends_with(end)) || name == "Makefile" || path.starts_with(".ci/")
}

/// The word, not as the end or the beginning of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let ends_open = !word.ends_with(char::is_alphanumeric) || word.starts_with('#');
        !before.is_some_and(is_part) && (ends_open || !after.is_some_and(is_part))
    })
}

fn names_an_issue(line: &str) -> bool {
    line.match_indices('#').any(|(at, _)| line[at + 1..].starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        check(&SourceFile::planted(path, text), &mut findings);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn each_banned_word_is_found_in_code() {
        for (word, _) in BANNED {
            let text = format!("fn a() {{}}\n  {word} x\n");
            assert_eq!(lines_found("a.rs", &text), [2], "{word}");
            assert_eq!(lines_found("scripts/a.sh", &text), [2], "{word}");
            assert!(lines_found("STYLE.md", &text).is_empty(), "{word}");
        }
    }

    #[test]
    fn a_reason_in_the_attribute_does_not_hide_it() {
        let text = format!("{} = \"slow\"]\n", concat!("#[ig", "nore"));
        assert_eq!(lines_found("a.rs", &text), [1]);
        let text = format!("{}(expected = \"x\")]\n", concat!("#[should", "_panic"));
        assert_eq!(lines_found("a.rs", &text), [1]);
    }

    #[test]
    fn a_reminder_needs_an_issue() {
        assert_eq!(lines_found("a.rs", &format!("// {REMINDER}: later\n")), [1]);
        assert!(lines_found("a.rs", &format!("// {REMINDER}(#12): later\n")).is_empty());
    }

    #[test]
    fn longer_words_pass() {
        let text = format!("let {}ry = my_{};\n", REMINDER, concat!("dbg", "!()"));
        assert!(lines_found("a.rs", &text).is_empty());
    }
}
