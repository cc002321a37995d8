//! Nothing of the machine the project is written on: no path that exists only there.

use super::Finding;
use super::tree::SourceFile;

/// Put together from halves, so that this file does not find itself.
const PREFIXES: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/.")];

pub(super) fn check(file: &SourceFile, findings: &mut Vec<Finding>) {
    let Some(text) = file.text() else { return };
    for (index, line) in text.lines().enumerate() {
        for prefix in PREFIXES {
            if has_path(line, prefix) {
                findings.push(Finding::new(
                    &file.path,
                    index + 1,
                    format!("a path of this machine (`{prefix}...`)"),
                    "write it relative to the project, or take it from an argument",
                ));
            }
        }
    }
}

/// The prefix as the begin of an absolute path, not in the middle of a relative one.
fn has_path(line: &str, prefix: &str) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~}/".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        check(&SourceFile::planted("docs/a.md", text), &mut findings);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_absolute_path_of_this_machine_is_found() {
        for prefix in PREFIXES {
            assert_eq!(lines_found(&format!("a\nsee `{prefix}main/x`\n")), [2]);
            assert_eq!(lines_found(&format!("{prefix}x\n")), [1]);
            assert!(lines_found(&format!("../some{prefix}x\n")).is_empty());
        }
    }
}
