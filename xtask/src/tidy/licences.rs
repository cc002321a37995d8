//! What we build is free to pass on: every package's licence is on the list, and some packages are refused whatever it says.
//!
//! SPDX expressions are evaluated, not matched: `A OR B` needs one of them, `A AND B` both.

use super::Finding;
use super::metadata::PackageFacts;

/// Permissive only. Weak copyleft (MPL-2.0, LGPL) is not here because nothing needs it; adding one is a decision with a page.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL", // aws-lc
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// One TLS provider (rustls with aws-lc-rs), and no RSA with a known timing leak.
const REFUSED: &[(&str, &str)] = &[
    ("ring", "use the feature that selects aws-lc-rs"),
    ("openssl-sys", "use the feature that selects rustls"),
    ("native-tls", "use the feature that selects rustls"),
    ("rsa", "use aws-lc-rs, or do without"),
];

const MANIFEST: &str = "Cargo.toml";

pub(super) fn check(packages: &[PackageFacts], findings: &mut Vec<Finding>) {
    for package in packages {
        let PackageFacts { name, version, licence } = package;
        if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| refused == name) {
            let what = format!("`{name}` {version} is refused");
            let instead = format!("{instead} (`cargo tree -i {name}` shows who brings it)");
            findings.push(Finding::new(MANIFEST, 1, what, instead));
        }
        let fault = match licence {
            None => Some("names no licence".to_owned()),
            Some(expression) => match is_allowed(expression) {
                Ok(true) => None,
                Ok(false) => Some(format!("is under {expression}")),
                Err(Unreadable) => Some(format!("has a licence nobody can read: {expression}")),
            },
        };
        if let Some(fault) = fault {
            let what = format!("`{name}` {version} {fault}");
            let instead = "take another crate, or write a decision page and extend the list in xtask";
            findings.push(Finding::new(MANIFEST, 1, what, instead));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Unreadable;

fn is_allowed(expression: &str) -> Result<bool, Unreadable> {
    // Before SPDX, `/` meant OR.
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words };
    let allowed = reader.any()?;
    if reader.words.is_empty() { Ok(allowed) } else { Err(Unreadable) }
}

/// Reads the expression from the left; `AND` binds closer than `OR`.
#[derive(Debug)]
struct Reader<'a> {
    words: &'a [&'a str],
}

impl Reader<'_> {
    fn any(&mut self) -> Result<bool, Unreadable> {
        let mut allowed = self.all()?;
        while self.take("OR") {
            allowed |= self.all()?;
        }
        Ok(allowed)
    }

    fn all(&mut self) -> Result<bool, Unreadable> {
        let mut allowed = self.one()?;
        while self.take("AND") {
            allowed &= self.one()?;
        }
        Ok(allowed)
    }

    fn one(&mut self) -> Result<bool, Unreadable> {
        if self.take("(") {
            let allowed = self.any()?;
            return if self.take(")") { Ok(allowed) } else { Err(Unreadable) };
        }
        let mut name = self.name()?;
        if self.take("WITH") {
            name = format!("{name} WITH {}", self.name()?);
        }
        Ok(ALLOWED.contains(&name.as_str()))
    }

    fn name(&mut self) -> Result<String, Unreadable> {
        let (first, rest) = self.words.split_first().ok_or(Unreadable)?;
        if ["OR", "AND", "WITH", "(", ")"].contains(first) {
            return Err(Unreadable);
        }
        self.words = rest;
        Ok((*first).to_owned())
    }

    fn take(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, licence: Option<&str>) -> Vec<String> {
        let facts = PackageFacts { name: name.to_owned(), version: "1.2.3".to_owned(), licence: licence.map(str::to_owned) };
        let mut findings = Vec::new();
        check(&[facts], &mut findings);
        findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn what_may_be_passed_on_passes() {
        for licence in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        ] {
            assert!(found("a", Some(licence)).is_empty(), "{licence}");
        }
    }

    #[test]
    fn what_may_not_or_cannot_be_read_is_found() {
        for licence in [
            "GPL-3.0",
            "LGPL-2.1-or-later",
            "MPL-2.0",
            "MIT AND GPL-3.0",
            "MIT OR Apache-2.0 AND (GPL-3.0",
            "GPL-2.0 WITH Classpath-exception-2.0",
            "MIT OR",
            "",
        ] {
            assert_eq!(found("a", Some(licence)).len(), 1, "{licence}");
        }
        assert_eq!(found("a", None), ["`a` 1.2.3 names no licence"]);
    }

    #[test]
    fn a_refused_package_is_found_whatever_its_licence() {
        for (name, _) in REFUSED {
            assert_eq!(found(name, Some("MIT")), [format!("`{name}` 1.2.3 is refused")]);
        }
    }
}
