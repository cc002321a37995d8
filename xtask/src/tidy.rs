//! The house rules a compiler does not know, as findings a person can act on: `file:line: what; do this instead`.
//!
//! Deliberately not here: what clippy can say (see the `clippy.toml` files). Each rule is a pure function from text to findings,
//! so that a test can plant what it must catch; only [`tree`] and [`metadata`] look at the machine.
//! The table of STYLE.md says which rule belongs to which sentence; begin reading in [`check_all`].

mod arrows;
mod codes;
mod duplicates;
mod exceptions;
mod length;
mod licences;
mod machine;
mod metadata;
mod names;
mod opening;
mod selects;
mod tree;
mod words;

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};

use exceptions::Exceptions;
use tree::{RustFile, SourceFile};

/// Something that must change before a merge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    /// From 1.
    line: usize,
    what: String,
    instead: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into(), instead: instead.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, what, instead } = self;
        write!(f, "{file}:{line}: {what}; {instead}")
    }
}

/// Prints the findings; true when there are none.
pub(crate) fn command(root: &Path) -> Result<bool> {
    let (files, findings) = check_all(root)?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {files} files, nothing found"),
        n => println!("tidy: {files} files, {n} findings"),
    }
    Ok(findings.is_empty())
}

/// Number of files looked at, and everything that is wrong with them, in order of file and line.
fn check_all(root: &Path) -> Result<(usize, Vec<Finding>)> {
    let files = tree::load(root)?;
    let mut findings = Vec::new();
    let mut rust_files = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        match RustFile::parse(file) {
            Ok(rust_file) => rust_files.push(rust_file),
            Err(finding) => findings.push(finding),
        }
    }
    let listed = text_of(&files, exceptions::FILE)?;
    let mut exceptions = Exceptions::parse(listed, &mut findings);
    for file in &rust_files {
        length::check(file, &mut exceptions, &mut findings);
        names::check(file, &mut findings);
        selects::check(file, &mut findings);
        opening::check(file, &mut findings);
    }
    exceptions.check_all_used(&mut findings);
    for file in &files {
        words::check(file, &mut findings);
        machine::check(file, &mut findings);
    }
    codes::check(&files, &mut findings);
    let outside = root.parent().map(|parent| parent.join("shared"));
    if let Some(shared) = outside.filter(|shared| shared.is_dir()) {
        duplicates::check(&files, &shared, &mut findings)?;
    }
    let graph = metadata::read(root)?;
    let table = arrows::parse_table(text_of(&files, arrows::FILE)?, &mut findings);
    arrows::check(&table, &graph.crates, &mut findings);
    licences::check(&graph.packages, &mut findings);
    findings.sort();
    findings.dedup();
    Ok((files.len(), findings))
}

fn text_of<'a>(files: &'a [SourceFile], path: &str) -> Result<&'a str> {
    files
        .iter()
        .find(|file| file.path == path)
        .and_then(SourceFile::text)
        .with_context(|| format!("{path} is missing or is not text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let (_, findings) = check_all(crate::workspace_root()).expect("the tree can be read");
        let report: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(findings.is_empty(), "{} findings:\n{}", report.len(), report.join("\n"));
    }

    #[test]
    fn a_finding_reads_as_place_fault_and_remedy() {
        let finding = Finding::new("a/b.rs", 7, "this is wrong", "do that instead");
        assert_eq!(finding.to_string(), "a/b.rs:7: this is wrong; do that instead");
    }
}
