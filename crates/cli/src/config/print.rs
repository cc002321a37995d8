//! What a configuration looks like from outside: the digest of its files, and for each table a text that changes exactly when the table or
//! a file it names changes. Not for the eye; where a line stands, comments and order do not count.

use super::Config;
use super::source::Source;
use aws_lc_rs::digest;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::{Table, Value};

/// Larger files are told apart by their size and the time of their last change.
const FILE_MAX: u64 = 1 << 20;

/// A text for each table of each section that holds named tables: `ups`, `platform`, `host`, `alert`.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    files: BTreeMap<PathBuf, (Arc<Source>, Table)>,
}

impl Tables {
    /// Of a configuration that could be read.
    pub(crate) fn of(config: &Config) -> Self {
        let mut tables = Self::default();
        for source in config.sources() {
            // It was read before; what is no table is no file of ours.
            let table = source.text.parse().unwrap_or_default();
            tables.files.insert(source.path.clone(), (source, table));
        }
        tables
    }

    /// One table, with what the files hold that it names.
    pub(crate) fn print(&self, section: &str, name: &str, source: &Source) -> String {
        let Some((source, table)) = self.files.get(&source.path) else { return String::new() };
        let value = table.get(section).and_then(|section| section.get(name));
        value.map_or_else(String::new, |value| print(value, source.folder()))
    }
}

impl Tables {
    /// One hook of a tier. That of a host is part of the host's table.
    pub(crate) fn hook(&self, tier: &str, key: &str, source: &Source) -> String {
        let Some((source, table)) = self.files.get(&source.path) else { return String::new() };
        let is_it = |item: &&Value| item.get("name").and_then(Value::as_str) == Some(tier);
        let tier = table.get("tier").and_then(Value::as_array).and_then(|tiers| tiers.iter().find(is_it));
        let value = tier.and_then(|tier| tier.get("hooks")?.get(key));
        value.map_or_else(String::new, |value| print(value, source.folder()))
    }
}

fn print(value: &Value, folder: &Path) -> String {
    // Passwords cannot stand in it, but what is kept for long is only a digest all the same.
    let mut text = format!("{value:?}");
    named_files(value, folder, &mut text);
    sha256([text.as_bytes()])
}

fn named_files(value: &Value, folder: &Path, text: &mut String) {
    match value {
        Value::String(name) => {
            let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|place| Path::new(&place).join(name));
            for path in std::iter::once(folder.join(name)).chain(credential) {
                if let Some(print) = file(&path) {
                    write!(text, "\n{name} {print}").expect("writing to a string never fails");
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named_files(item, folder, text)),
        Value::Table(table) => table.values().for_each(|item| named_files(item, folder, text)),
        _ => {}
    }
}

fn file(path: &Path) -> Option<String> {
    let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    if meta.len() > FILE_MAX {
        return Some(format!("{} {:?}", meta.len(), meta.modified().ok()));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    Some(sha256([bytes.as_slice()]))
}

/// In small hex digits; of one file what `sha256sum` says.
pub(crate) fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.into_iter().for_each(|part| context.update(part));
    context.finish().as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string never fails");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_changes_with_the_table_and_the_files_it_names_and_with_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("secret"), "one").expect("written");
        let of = |text: &str| print(&Value::Table(text.parse().expect("TOML")), dir.path());
        let first = of("host = \"a\"\npassword = { file = \"secret\" }");
        assert_eq!(of("# a comment\npassword.file = \"secret\"\n\nhost = 'a'"), first);
        assert_ne!(of("host = \"b\"\npassword = { file = \"secret\" }"), first);
        std::fs::write(dir.path().join("secret"), "two").expect("written");
        assert_ne!(of("host = \"a\"\npassword = { file = \"secret\" }"), first, "another password is another way in");
    }

    #[test]
    fn the_digest_of_one_file_is_that_of_sha256sum() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256([b"".as_slice()]), text);
    }
}
