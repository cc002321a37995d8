//! Each error code an operator can see has a page, and each page belongs to a code.
//!
//! A code counts as used where it stands in code, not in a comment; a mention in a comment must have its page as well. Files of
//! tests count for neither: they may speak of codes that never were. What is on a page is in `docs/errors/README.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::SourceFile;

const PAGES: &str = "docs/errors/";
const PARTS: &[&str] = &["**Cause.**", "**Effect on protection.**", "**What to do.**"];

pub(super) fn check(files: &[SourceFile], findings: &mut Vec<Finding>) {
    let mut used = BTreeSet::new();
    let mut first_mention: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for file in files.iter().filter(|file| is_product_code(&file.path)) {
        let text = file.text().unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            for code in codes_in(line) {
                if !line.trim_start().starts_with("//") {
                    used.insert(code.clone());
                }
                first_mention.entry(code).or_insert((&file.path, index + 1));
            }
        }
    }
    let pages: BTreeMap<String, &SourceFile> = files.iter().filter_map(|file| Some((page_code(&file.path)?, file))).collect();
    for (code, (path, line)) in first_mention {
        if !pages.contains_key(&code) {
            findings.push(Finding::new(
                path,
                line,
                format!("{code} has no page"),
                format!("write {PAGES}{code}.md: cause, effect on the protection, what to do"),
            ));
        }
    }
    for (code, page) in pages {
        if !used.contains(&code) {
            findings.push(Finding::new(
                &page.path,
                1,
                format!("no code uses {code}"),
                "delete the page, or give the error its code",
            ));
        }
        check_page(&code, page, findings);
    }
}

fn check_page(code: &str, page: &SourceFile, findings: &mut Vec<Finding>) {
    let text = page.text().unwrap_or_default();
    let title = text.lines().next().unwrap_or_default();
    let has_title = title.strip_prefix(&format!("# {code}: ")).is_some_and(|rest| !rest.trim().is_empty());
    if !has_title {
        let instead = format!("write `# {code}: the error in plain words`");
        findings.push(Finding::new(&page.path, 1, "the title does not name the error", instead));
    }
    for part in PARTS {
        let says_something = text.lines().any(|line| line.strip_prefix(part).is_some_and(|rest| !rest.trim().is_empty()));
        if !says_something {
            findings.push(Finding::new(
                &page.path,
                1,
                format!("no paragraph begins with `{part}`"),
                format!("write it; {PAGES}README.md shows a page"),
            ));
        }
    }
}

fn is_product_code(path: &str) -> bool {
    let is_test = |part: &str| part == "tests" || part.ends_with("tests.rs");
    path.starts_with("crates/") && path.ends_with(".rs") && !path.split('/').any(is_test)
}

/// The code a file of the folder is named after; other files there are not pages.
fn page_code(path: &str) -> Option<String> {
    let stem = path.strip_prefix(PAGES)?.strip_suffix(".md")?;
    codes_in(stem).into_iter().find(|code| code == stem)
}

/// Every `RTnnnn` that is not part of a longer word.
fn codes_in(line: &str) -> Vec<String> {
    let bytes = line.as_bytes();
    let is_part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    line.match_indices("RT")
        .filter_map(|(at, _)| {
            let digits = bytes.get(at + 2..at + 6)?;
            let is_alone = (at == 0 || !is_part(bytes.get(at - 1))) && !is_part(bytes.get(at + 6));
            let is_code = is_alone && digits.iter().all(u8::is_ascii_digit);
            is_code.then(|| line[at..at + 6].to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# RT0001: The door is open\n\n**Cause.** A.\n\n**Effect on protection.** B.\n\n**What to do.** C.\n";

    fn found(planted: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<SourceFile> = planted.iter().map(|(path, text)| SourceFile::planted(path, text)).collect();
        let mut findings = Vec::new();
        check(&files, &mut findings);
        findings.iter().map(|f| format!("{}:{}: {}", f.file, f.line, f.what)).collect()
    }

    #[test]
    fn a_code_with_its_page_passes() {
        let code = ("crates/a/src/b.rs", "const OPEN: &str = \"RT0001\";\n");
        assert!(found(&[code, ("docs/errors/RT0001.md", PAGE)]).is_empty());
        assert!(found(&[("crates/a/src/b.rs", "// START0001 RT00012 RTnnnn PORT0001\n")]).is_empty());
    }

    #[test]
    fn a_code_without_a_page_is_found_where_it_first_stands() {
        let code = ("crates/a/src/b.rs", "\nconst OPEN: &str = \"RT0001\";\n");
        assert_eq!(found(&[code]), ["crates/a/src/b.rs:2: RT0001 has no page"]);
    }

    #[test]
    fn a_page_that_only_a_comment_mentions_is_found() {
        let comment = ("crates/a/src/b.rs", "/// As `RT0001`.\n");
        let page = ("docs/errors/RT0001.md", PAGE);
        assert_eq!(found(&[comment, page]), ["docs/errors/RT0001.md:1: no code uses RT0001"]);
    }

    #[test]
    fn a_page_must_say_what_to_do() {
        let code = ("crates/a/src/b.rs", "const OPEN: &str = \"RT0001\";\n");
        for part in ["**What to do.** C.\n", " C.\n"] {
            let page = PAGE.replace(part, "");
            let page = ("docs/errors/RT0001.md", page.as_str());
            let expected = "docs/errors/RT0001.md:1: no paragraph begins with `**What to do.**`";
            assert_eq!(found(&[code, page]), [expected]);
        }
        let page = ("docs/errors/RT0001.md", &*PAGE.replace("RT0001: T", "T"));
        assert_eq!(found(&[code, page]), ["docs/errors/RT0001.md:1: the title does not name the error"]);
    }

    #[test]
    fn tests_may_speak_of_codes_that_never_were() {
        let code = "const OPEN: &str = \"RT0001\";\n";
        for path in ["crates/a/tests/b.rs", "crates/a/src/tests/b.rs", "crates/a/src/b_tests.rs"] {
            assert!(found(&[(path, code)]).is_empty(), "{path}");
        }
    }
}
