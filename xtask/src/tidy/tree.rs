//! The files of the tree as git sees them (tracked, and new ones that are not ignored), read once.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use proc_macro2::TokenStream;

use super::Finding;

/// One file; the path is relative to the workspace root, with `/`.
#[derive(Debug)]
pub(super) struct SourceFile {
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
}

impl SourceFile {
    /// `None` for what is not UTF-8.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    #[cfg(test)]
    pub(super) fn planted(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }
}

/// A Rust file, parsed once for all the rules that need its structure.
#[derive(Debug)]
pub(super) struct RustFile<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) tokens: TokenStream,
    pub(super) syntax: syn::File,
}

impl<'a> RustFile<'a> {
    /// A file that does not parse is a finding: the other rules would pass over it in silence.
    pub(super) fn parse(file: &'a SourceFile) -> Result<Self, Finding> {
        let path = &file.path;
        let instead = "make it compile first";
        let text = file.text().ok_or_else(|| Finding::new(path, 1, "is not UTF-8", instead))?;
        let tokens: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
            let line = error.span().start().line;
            Finding::new(path, line, format!("does not parse: {error}"), instead)
        })?;
        let syntax = syn::parse2(tokens.clone()).map_err(|error| {
            let line = error.span().start().line;
            Finding::new(path, line, format!("does not parse: {error}"), instead)
        })?;
        Ok(Self { path, text, tokens, syntax })
    }
}

/// Reads all files; one that was deleted but not yet committed, or is no plain file, is left out.
pub(super) fn load(root: &Path) -> Result<Vec<SourceFile>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git lists the files of the tree, and could not be started")?;
    ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let mut files = Vec::new();
    for path in names.split_terminator('\0') {
        let full = root.join(path);
        if full.symlink_metadata().is_ok_and(|found| found.is_file()) {
            let bytes = std::fs::read(&full).with_context(|| format!("cannot read {path}"))?;
            files.push(SourceFile { path: path.to_owned(), bytes });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_parse_is_found_where_it_breaks() {
        let file = SourceFile::planted("a.rs", "//! Head.\nfn a() {\n    let = ;\n}\n");
        let finding = RustFile::parse(&file).expect_err("it does not parse");
        assert_eq!((finding.file.as_str(), finding.line), ("a.rs", 3));
    }

    #[test]
    fn the_tree_holds_this_file() {
        let files = load(crate::workspace_root()).expect("the tree can be read");
        assert!(files.iter().any(|file| file.path == "xtask/src/tidy/tree.rs"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
