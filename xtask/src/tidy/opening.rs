//! Every Rust file begins with `//!`: what it is and what it deliberately is not.

use super::Finding;
use super::tree::RustFile;

pub(super) fn check(file: &RustFile<'_>, findings: &mut Vec<Finding>) {
    let first = file.text.lines().next().unwrap_or_default();
    let says_something = first.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty());
    if !says_something {
        findings.push(Finding::new(
            file.path,
            1,
            "does not begin with `//!`",
            "say in the first line what the file is, and below it what it is not",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::SourceFile;
    use super::*;

    fn is_found(text: &str) -> bool {
        let file = SourceFile::planted("a.rs", text);
        let file = RustFile::parse(&file).expect("the plant parses");
        let mut findings = Vec::new();
        check(&file, &mut findings);
        !findings.is_empty()
    }

    #[test]
    fn a_file_without_a_head_is_found() {
        assert!(is_found("use std::fmt;\n"));
        assert!(is_found("\n//! Too late.\n"));
        assert!(is_found("//!\n//! Says nothing where one looks.\n"));
        assert!(is_found(""));
        assert!(!is_found("//! What it is.\n"));
    }
}
