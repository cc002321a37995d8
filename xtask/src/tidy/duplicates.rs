//! Recordings and specifications of others are tested against where they lie, and never committed.
//!
//! Looked for by content in the folder beside the checkout, where there is one; it is no part of the project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Finding;
use super::tree::SourceFile;

const FOLDERS: &[&str] = &["corpora", "specs"];
/// Smaller files can be equal by chance.
const BYTES_MIN: u64 = 32;

pub(super) fn check(files: &[SourceFile], shared: &Path, findings: &mut Vec<Finding>) -> Result<()> {
    let mut by_size: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    for folder in FOLDERS.iter().map(|name| shared.join(name)).filter(|path| path.is_dir()) {
        collect(&folder, &mut by_size)?;
    }
    for file in files {
        let size = file.bytes.len() as u64;
        for other in by_size.get(&size).into_iter().flatten() {
            let theirs = std::fs::read(other).with_context(|| format!("cannot read {}", other.display()))?;
            if theirs == file.bytes {
                let name = other.strip_prefix(shared).unwrap_or(other).display();
                findings.push(Finding::new(
                    &file.path,
                    1,
                    format!("is a copy of shared `{name}`, which belongs to others"),
                    "delete it; read it at test time, and skip loudly where it is missing",
                ));
            }
        }
    }
    Ok(())
}

fn collect(folder: &Path, by_size: &mut BTreeMap<u64, Vec<PathBuf>>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry.context("a folder changed while it was read")?.path();
        let found = path.symlink_metadata().with_context(|| format!("cannot look at {}", path.display()))?;
        if found.is_dir() {
            collect(&path, by_size)?;
        } else if found.is_file() && found.len() >= BYTES_MIN {
            by_size.entry(found.len()).or_default().push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_recording_is_found_under_any_name() {
        let shared = tempfile::tempdir().expect("a scratch folder can be made");
        let folder = shared.path().join("corpora/walks");
        std::fs::create_dir_all(&folder).expect("a scratch folder can be made");
        let theirs = "ups.status: OL CHRG of somebody's own device\n";
        std::fs::write(folder.join("theirs.walk"), theirs).expect("a scratch file can be written");
        let ours = [
            SourceFile::planted("crates/a/data/renamed.txt", theirs),
            SourceFile::planted("crates/a/data/own.txt", &theirs.replace("OL", "OB")),
        ];
        let mut findings = Vec::new();
        check(&ours, shared.path(), &mut findings).expect("the folder can be read");
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].file, "crates/a/data/renamed.txt");
        assert!(findings[0].what.contains("corpora/walks/theirs.walk"), "{}", findings[0]);
    }
}
